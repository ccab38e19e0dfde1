//! What the crate `sysinfo` tells of macOS and Windows, by the names that the collectors of Linux use.
//!
//! It runs on Linux too, where it is off and tested against the others. It says less than they do, and never anything
//! that it does not know: there is no CPU time by mode, only how idle the CPUs were; "free" memory is all that a
//! program could have, caches included; "used" space of a filesystem includes what is reserved for root.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sysinfo::{
    DiskRefreshKind, Disks, MemoryRefreshKind, Networks, Process, ProcessRefreshKind, ProcessesToUpdate,
    System,
};

use crate::config::{self, Setting};
use crate::host::{Error, Host};
use crate::metric::ValueType::{Double, Int};
use crate::metric::{Attribute, Attributes, Entity, Metric, Reading, ratio, since_epoch};

use super::{Collector, Spec};

const SOURCE: &str = "sysinfo";
const MODE: Attribute = Attribute::of("cpu.mode", &["idle"]);
const MEMORY_STATE: Attribute = Attribute::of("system.memory.state", &["used", "free"]);
const PAGING_STATE: Attribute = Attribute::of("system.paging.state", &["used", "free"]);
const SPACE_STATE: Attribute = Attribute::of("system.filesystem.state", &["used", "free"]);
const DEVICE: Attribute = Attribute::open("system.device");
const TYPE: Attribute = Attribute::open("system.filesystem.type");
const READ_ONLY: Attribute = Attribute::of("system.filesystem.mode", &["ro", "rw"]);
const POINT: Attribute = Attribute::open("system.filesystem.mountpoint");
const DISK_DIRECTION: Attribute = Attribute::of("disk.io.direction", &["read", "write"]);
const INTERFACE: Attribute = Attribute::open("network.interface.name");
const NETWORK_DIRECTION: Attribute = Attribute::of("network.io.direction", &["receive", "transmit"]);

static CPU: Metric = Metric::gauge("system.cpu.utilization", "1", Double)
    .about("Share of the CPU time between the last two readings in which the CPUs had nothing to do")
    .by(&[MODE])
    .from(SOURCE);
static CPUS: Metric =
    Metric::updown("system.cpu.logical.count", "{cpu}").about("Number of logical CPUs").from(SOURCE);
static LOAD_1M: Metric = Metric::gauge("system.cpu.load_average.1m", "{thread}", Double)
    .about("Average number of threads running or waiting over 1 minute")
    .from(SOURCE);
static LOAD_5M: Metric = Metric::gauge("system.cpu.load_average.5m", "{thread}", Double)
    .about("Average number of threads running or waiting over 5 minutes")
    .from(SOURCE);
static LOAD_15M: Metric = Metric::gauge("system.cpu.load_average.15m", "{thread}", Double)
    .about("Average number of threads running or waiting over 15 minutes")
    .from(SOURCE);
static MEMORY: Metric = Metric::updown("system.memory.usage", "By")
    .about("Memory that programs could have (free) and the rest (used); the sum is the limit")
    .by(&[MEMORY_STATE])
    .from(SOURCE);
static MEMORY_SHARE: Metric = Metric::gauge("system.memory.utilization", "1", Double)
    .about("Share of each state in the memory")
    .by(&[MEMORY_STATE])
    .from(SOURCE);
static MEMORY_LIMIT: Metric =
    Metric::updown("system.memory.limit", "By").about("Memory of the system").from(SOURCE);
static PAGING: Metric = Metric::updown("system.paging.usage", "By")
    .about("Swap space of all devices by state")
    .by(&[PAGING_STATE])
    .from(SOURCE);
static PAGING_SHARE: Metric = Metric::gauge("system.paging.utilization", "1", Double)
    .about("Share of each state in the swap space")
    .by(&[PAGING_STATE])
    .from(SOURCE);
static SPACE: Metric = Metric::updown("system.filesystem.usage", "By")
    .about("Space that is free for every user, and the rest; the sum is the limit")
    .by(&[DEVICE, SPACE_STATE, TYPE, READ_ONLY, POINT])
    .from(SOURCE);
static SPACE_LIMIT: Metric = Metric::updown("system.filesystem.limit", "By")
    .about("Size of the filesystem")
    .by(&[DEVICE, TYPE, READ_ONLY, POINT])
    .from(SOURCE);
static DISK_IO: Metric = Metric::counter("system.disk.io", "By", Int)
    .about("Bytes read from and written to what filesystems are on")
    .by(&[DEVICE, DISK_DIRECTION])
    .from(SOURCE);
static NETWORK_IO: Metric = Metric::counter("system.network.io", "By", Int)
    .about("Bytes received and sent")
    .by(&[INTERFACE, NETWORK_DIRECTION])
    .from(SOURCE);
static PACKETS: Metric = Metric::counter("system.network.packet.count", "{packet}", Int)
    .about("Packets received and sent")
    .by(&[DEVICE, NETWORK_DIRECTION])
    .from(SOURCE);
static NETWORK_ERRORS: Metric = Metric::counter("system.network.errors", "{error}", Int)
    .about("Packets that could not be received or sent")
    .by(&[INTERFACE, NETWORK_DIRECTION])
    .from(SOURCE);
static UPTIME: Metric =
    Metric::gauge("system.uptime", "s", Double).about("Time since the system was started").from(SOURCE);
static PROCESS_CPU: Metric = Metric::counter("process.cpu.time", "s", Double)
    .about("CPU seconds of the process, in both modes together")
    .from(SOURCE);
static PROCESS_SHARE: Metric = Metric::gauge("process.cpu.utilization", "1", Double)
    .about("Share of all logical CPUs between the last two readings, in both modes together")
    .from(SOURCE);
static PROCESS_MEMORY: Metric =
    Metric::updown("process.memory.usage", "By").about("Physical memory in use").from(SOURCE);
static PROCESS_VIRTUAL: Metric =
    Metric::updown("process.memory.virtual", "By").about("Committed virtual memory").from(SOURCE);
static PROCESS_UPTIME: Metric =
    Metric::gauge("process.uptime", "s", Double).about("Time since the process started").from(SOURCE);

static SETTINGS: &[Setting] = &[Setting::new(
    "top_n",
    config::Kind::Int(0, 1000),
    "20",
    "How many processes to show: the biggest by CPU, and as many by memory. The others are in no series.",
)];

pub(super) static SPEC: Spec = Spec {
    name: "portable",
    about: "What macOS and Windows tell; on Linux it stands in for the collectors above, which then have to be off",
    metrics: &[
        &CPU,
        &CPUS,
        &LOAD_1M,
        &LOAD_5M,
        &LOAD_15M,
        &MEMORY,
        &MEMORY_SHARE,
        &MEMORY_LIMIT,
        &PAGING,
        &PAGING_SHARE,
        &SPACE,
        &SPACE_LIMIT,
        &DISK_IO,
        &NETWORK_IO,
        &PACKETS,
        &NETWORK_ERRORS,
        &UPTIME,
        &PROCESS_CPU,
        &PROCESS_SHARE,
        &PROCESS_MEMORY,
        &PROCESS_VIRTUAL,
        &PROCESS_UPTIME,
    ],
    settings: SETTINGS,
    build: |section, _| {
        let config: Config = section.get()?;
        Ok(Box::new(Portable { config, readers: None }))
    },
};

#[derive(Debug, Deserialize)]
struct Config {
    top_n: usize,
}

struct Portable {
    config: Config,
    /// Made at the first reading, because making them may fail.
    readers: Option<Readers>,
}

struct Readers {
    system: System,
    disks: Disks,
    networks: Networks,
    /// Read before: a share of the time between two readings needs both.
    again: bool,
}

impl Readers {
    fn new() -> Result<Self, sysinfo::Error> {
        Ok(Self { system: System::new()?, disks: Disks::new()?, networks: Networks::new()?, again: false })
    }
}

impl Collector for Portable {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        // It can look at nothing but the machine that it runs on.
        if host.root() != Path::new("/") {
            return Err(Error::Unavailable { path: format!("{SOURCE} below {}", host.root().display()) });
        }
        if self.readers.is_none() {
            self.readers = Some(Readers::new().map_err(|error| told("anything", &error))?);
        }
        let Some(readers) = &mut self.readers else { return Ok(()) };
        readers.system.refresh_cpu_usage();
        let parts = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        readers.system.refresh_processes_specifics(ProcessesToUpdate::All, true, parts);
        cpu(&readers.system, readers.again, out);
        out.part(load);
        memory(&mut readers.system, out);
        disks(&mut readers.disks, out);
        networks(&mut readers.networks, out);
        processes(&readers.system, readers.again, self.config.top_n, out);
        readers.again = true;
        Ok(())
    }

    fn ceiling(&self) -> usize {
        (2 * self.config.top_n).max(512)
    }
}

/// What sysinfo says of an error.
fn told(what: &str, error: &sysinfo::Error) -> Error {
    let path = format!("{what} by {SOURCE}");
    match error {
        sysinfo::Error::Unsupported => Error::Unavailable { path },
        sysinfo::Error::Io(error) => Error::io(path, io::Error::new(error.kind(), error.to_string())),
        sysinfo::Error::Other(error) => Error::io(path, io::Error::other(error.to_string())),
    }
}

fn cpu(system: &System, again: bool, out: &mut Reading) {
    let busy = f64::from(system.global_cpu_usage()) / 100.0;
    if let Some(busy) = ratio(busy, 1.0).filter(|_| again) {
        out.push(&CPU, vec![("cpu.mode", "idle".into())], 1.0 - busy);
    }
    if !system.cpus().is_empty() {
        out.push(&CPUS, vec![], system.cpus().len() as u64);
    }
}

fn load(out: &mut Reading) -> Result<(), Error> {
    out.part(|out| {
        out.push(&UPTIME, vec![], System::uptime().map_err(|error| told("uptime", &error))? as f64);
        Ok(())
    });
    let load = System::load_average().map_err(|error| told("load average", &error))?;
    for (metric, average) in [(&LOAD_1M, load.one), (&LOAD_5M, load.five), (&LOAD_15M, load.fifteen)] {
        out.push(metric, vec![], average);
    }
    Ok(())
}

fn memory(system: &mut System, out: &mut Reading) {
    system.refresh_memory_specifics(MemoryRefreshKind::everything());
    let total = system.total_memory();
    if total > 0 {
        let free = system.available_memory().min(total);
        out.push(&MEMORY_LIMIT, vec![], total);
        states(&MEMORY, &MEMORY_SHARE, "system.memory.state", [total - free, free], out);
    }
    let total = system.total_swap();
    if total > 0 {
        let free = system.free_swap().min(total);
        states(&PAGING, &PAGING_SHARE, "system.paging.state", [total - free, free], out);
    }
}

fn states(
    usage: &'static Metric,
    share: &'static Metric,
    name: &'static str,
    [used, free]: [u64; 2],
    out: &mut Reading,
) {
    for (state, bytes) in [("used", used), ("free", free)] {
        out.push(usage, vec![(name, state.into())], bytes);
        if let Some(part) = ratio(bytes as f64, (used + free) as f64) {
            out.push(share, vec![(name, state.into())], part);
        }
    }
}

fn disks(disks: &mut Disks, out: &mut Reading) {
    disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage().with_io_usage());
    let mut seen = HashSet::new();
    for disk in &*disks {
        let point: Arc<str> = disk.mount_point().to_string_lossy().into();
        // On Windows the name is the label that somebody gave, and several volumes may have the same.
        let device = if cfg!(windows) { Arc::clone(&point) } else { disk.name().to_string_lossy().into() };
        // A device that is mounted twice is one.
        if disk.total_space() == 0 || !seen.insert(Arc::clone(&device)) {
            continue;
        }
        let kind: Arc<str> = disk.file_system().to_string_lossy().into();
        let mode = if disk.is_read_only() { "ro" } else { "rw" };
        let described = |state: Option<&'static str>| -> Attributes {
            let first = [("system.device", (&device).into())].into_iter();
            let state = state.map(|state| ("system.filesystem.state", state.into()));
            let rest = [
                ("system.filesystem.type", (&kind).into()),
                ("system.filesystem.mode", mode.into()),
                ("system.filesystem.mountpoint", (&point).into()),
            ];
            first.chain(state).chain(rest).collect()
        };
        let free = disk.available_space().min(disk.total_space());
        out.push(&SPACE, described(Some("used")), disk.total_space() - free);
        out.push(&SPACE, described(Some("free")), free);
        out.push(&SPACE_LIMIT, described(None), disk.total_space());
        let usage = disk.usage();
        let moved = [("read", usage.total_read_bytes), ("write", usage.total_written_bytes)];
        // The disk's name alone, as in every series about disks.
        let disk: Arc<str> = device.strip_prefix("/dev/").unwrap_or(&device).into();
        // What cannot be read is told as 0, and a filesystem that is mounted has been read.
        if moved.iter().any(|(_, bytes)| *bytes > 0) {
            for (direction, bytes) in moved {
                let attributes =
                    vec![("system.device", (&disk).into()), ("disk.io.direction", direction.into())];
                out.push(&DISK_IO, attributes, bytes);
            }
        }
    }
}

fn networks(networks: &mut Networks, out: &mut Reading) {
    networks.refresh(true);
    let mut interfaces: Vec<_> = networks.iter().collect();
    interfaces.sort_by_key(|(name, _)| *name);
    for (name, data) in interfaces {
        let name: Arc<str> = name.to_string_lossy().into();
        let values = [
            (&NETWORK_IO, "network.interface.name", data.total_received(), data.total_transmitted()),
            (&PACKETS, "system.device", data.total_packets_received(), data.total_packets_transmitted()),
            (
                &NETWORK_ERRORS,
                "network.interface.name",
                data.total_errors_on_received(),
                data.total_errors_on_transmitted(),
            ),
        ];
        for (metric, key, received, sent) in values {
            for (direction, count) in [("receive", received), ("transmit", sent)] {
                out.push(
                    metric,
                    vec![(key, (&name).into()), ("network.io.direction", direction.into())],
                    count,
                );
            }
        }
    }
}

fn processes(system: &System, again: bool, top: usize, out: &mut Reading) {
    let all: Vec<&Process> = system.processes().values().filter(|one| one.thread_kind().is_none()).collect();
    let mut by_cpu = all.clone();
    by_cpu.sort_by(|a, b| b.cpu_usage().total_cmp(&a.cpu_usage()).then(a.pid().cmp(&b.pid())));
    let mut by_memory = all;
    by_memory.sort_by_key(|one| (std::cmp::Reverse(one.memory()), one.pid()));
    let mut seen = HashSet::new();
    for process in by_cpu.iter().take(top).chain(by_memory.iter().take(top)) {
        if seen.insert(process.pid()) {
            one(process, again, system.cpus().len(), out);
        }
    }
}

fn one(process: &Process, again: bool, cpus: usize, out: &mut Reading) {
    let start = since_epoch(Duration::from_secs(process.start_time()));
    let title: Arc<str> = process.name().to_string_lossy().into();
    let entity = out.entity(Entity {
        attributes: vec![
            ("process.pid", i64::from(process.pid().as_u32()).into()),
            ("process.creation.time", humantime::format_rfc3339_millis(start).to_string().into()),
            ("process.executable.name", (&title).into()),
        ],
        start,
        title: Some(title),
    });
    out.push_of(entity, &PROCESS_UPTIME, vec![], process.run_time() as f64);
    // What may not be read of another user's process is told as 0, and a process without memory has ended.
    if process.memory() == 0 {
        return;
    }
    out.push_of(entity, &PROCESS_CPU, vec![], process.accumulated_cpu_time() as f64 / 1000.0);
    // Of all CPUs, where sysinfo says percent of one.
    let share = ratio(f64::from(process.cpu_usage()) / 100.0, cpus as f64);
    if let Some(share) = share.filter(|_| again) {
        out.push_of(entity, &PROCESS_SHARE, vec![], share);
    }
    out.push_of(entity, &PROCESS_MEMORY, vec![], process.memory());
    if process.virtual_memory() > 0 {
        out.push_of(entity, &PROCESS_VIRTUAL, vec![], process.virtual_memory());
    }
}

#[cfg(test)]
mod tests;
