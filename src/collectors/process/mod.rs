//! Processes, from `/proc/<pid>/stat` of all, and `io`, `fd`, `exe` and the owner of those that are shown.
//!
//! Phase one reads `stat` of every process that has run, at most three system calls each, into a [`table`] kept by
//! identity; whether it has, [`rest`] knows.
//! Phase two [`select`]s the few that are shown alone and reads their [`detail`], or puts all of them into
//! [`group`]s. All others are in one remainder, `_other`: the gauges of all that is shown add up to those of
//! all processes, and so does what the counters grow by between two readings. Groups and the remainder
//! accumulate what their members consumed while they were in it, so they never go back when one of them
//! ends or is shown alone.

mod arguments;
mod detail;
mod emit;
mod facts;
mod group;
mod matching;
mod rest;
mod select;
mod settings;
mod stat;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod traffic;

use std::time::SystemTime;

use crate::host::pids::Pids;
use crate::host::{Error, Host, text};
use crate::metric::{Attribute, Metric, Reading, ValueType};

use super::{Collector, Spec};
use detail::{Reader, Refusals, Wanted, read_descriptors, still_same};
use facts::Facts;
use group::Groups;
use matching::{Filter, Rule};
use settings::{Config, View};
use table::{Age, Class, Process, Table, wake};

const CPU_MODE: Attribute = Attribute::of("cpu.mode", &["user", "system"]);
const DIRECTION: Attribute = Attribute::of("disk.io.direction", &["read", "write"]);
const FAULT: Attribute = Attribute::of("system.paging.fault.type", &["major", "minor"]);
const SWITCH: Attribute = Attribute::of("process.context_switch.type", &["voluntary", "involuntary"]);
const NETWORK_DIRECTION: Attribute = Attribute::of("network.io.direction", &["receive", "transmit"]);
const STATE: Attribute = Attribute::of("process.state", &["running", "sleeping", "stopped", "defunct"]);

static CPU_TIME: Metric = Metric::counter("process.cpu.time", "s", ValueType::Double)
    .about("CPU seconds by mode")
    .by(&[CPU_MODE])
    .from("/proc/<pid>/stat");
static CPU_UTILIZATION: Metric = Metric::gauge("process.cpu.utilization", "1", ValueType::Double)
    .about("Share of all logical CPUs between the last two readings")
    .by(&[CPU_MODE])
    .from("/proc/<pid>/stat");
static MEMORY: Metric = Metric::updown("process.memory.usage", "By")
    .about("Physical memory in use (resident set size)")
    .from("/proc/<pid>/stat");
static VIRTUAL: Metric =
    Metric::updown("process.memory.virtual", "By").about("Committed virtual memory").from("/proc/<pid>/stat");
static MEMORY_UTILIZATION: Metric = Metric::gauge("process.memory.utilization", "1", ValueType::Double)
    .about("Share of the machine's physical memory")
    .from("/proc/<pid>/stat, /proc/meminfo")
    .opt_in();
static DISK_IO: Metric = Metric::counter("process.disk.io", "By", ValueType::Int)
    .about("Bytes fetched from and sent to storage, where they may be read")
    .by(&[DIRECTION])
    .from("/proc/<pid>/io");
static DISK_OPERATIONS: Metric = Metric::counter("process.disk.operations", "{operation}", ValueType::Int)
    .about("Read and write system calls, where they may be read")
    .by(&[DIRECTION])
    .from("/proc/<pid>/io")
    .opt_in();
static THREADS: Metric = Metric::updown("process.thread.count", "{thread}")
    .about("Threads of the process")
    .from("/proc/<pid>/stat");
static DESCRIPTORS: Metric = Metric::updown("process.unix.file_descriptor.count", "{file_descriptor}")
    .about("Open file descriptors, where they may be read")
    .from("/proc/<pid>/fd");
static FAULTS: Metric = Metric::counter("process.paging.faults", "{fault}", ValueType::Int)
    .about("Page faults, by whether a disk was read")
    .by(&[FAULT])
    .from("/proc/<pid>/stat");
static UPTIME: Metric = Metric::gauge("process.uptime", "s", ValueType::Double)
    .about("Time since the process started")
    .from("/proc/<pid>/stat, /proc/uptime");
static SWITCHES: Metric = Metric::counter("process.context_switches", "{context_switch}", ValueType::Int)
    .about("Context switches of all threads, by whether the thread asked for it by waiting")
    .by(&[SWITCH])
    .from("/proc/<pid>/task/<tid>/status")
    .opt_in();
static SIGNALS: Metric = Metric::updown("process.signals_pending", "{signal}")
    .about("Signals that wait, of all processes of the same user")
    .from("/proc/<pid>/status")
    .opt_in();
static NETWORK_IO: Metric = Metric::counter("process.network.io", "By", ValueType::Int)
    .about(
        "Bytes of the network namespace of the process, where it has its own; its members all have the sum",
    )
    .by(&[NETWORK_DIRECTION])
    .from("/proc/<pid>/net/dev")
    .opt_in();
static MEMBERS: Metric = Metric::updown("process.group.count", "{process}")
    .about("Processes that a group or the remainder stands for")
    .from("/proc");
static COUNT: Metric = Metric::updown("system.process.count", "{process}")
    .about("Processes by state; waiting for a disk and idle kernel threads count as sleeping")
    .by(&[STATE])
    .from("/proc/<pid>/stat");

pub(super) static SPEC: Spec = Spec {
    name: "process",
    about: "Processes: the biggest alone or in groups, all others in one remainder",
    metrics: &[
        &CPU_TIME,
        &CPU_UTILIZATION,
        &MEMORY,
        &VIRTUAL,
        &MEMORY_UTILIZATION,
        &DISK_IO,
        &DISK_OPERATIONS,
        &THREADS,
        &DESCRIPTORS,
        &FAULTS,
        &SWITCHES,
        &SIGNALS,
        &NETWORK_IO,
        &UPTIME,
        &MEMBERS,
        &COUNT,
    ],
    settings: settings::SETTINGS,
    build: |section, context| {
        let config: Config = section.get()?;
        let (filter, rules) = config.expressions().map_err(::config::ConfigError::Message)?;
        let reader = Reader::new(context.host, config.attributes.clone(), config.command_line.form());
        Ok(Box::new(Processes::new(config, filter, rules, reader)))
    },
};

struct Processes {
    config: Config,
    filter: Filter,
    groups: Groups,
    reader: Reader,
    pids: Option<Pids>,
    table: Table,
    /// When the last reading was.
    last: Option<SystemTime>,
    /// Nobody but the agent is shown alone.
    frugal: bool,
}

/// A process that used no CPU tick since the last reading can hardly have moved many bytes, so `io` is read
/// of the busy ones alone, at most this many, to find the biggest by I/O.
const IO_CANDIDATES: usize = 128;

impl Collector for Processes {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        let uptime = uptime(host, out);
        let mut pids = self.pids.take().map_or_else(|| Pids::open(host), Ok)?;
        self.reader.begin();
        let (wanted, mut refusals) = (Wanted::of(out), Refusals::default());
        let scan = self.table.update(&mut pids, out.instant, uptime, |pids, process, elapsed| {
            if process.shown && process.kept.is_none() {
                self.reader.read_ahead(pids, process, wanted, elapsed, &mut refusals);
            }
        })?;
        if scan.forbidden > 0 {
            let path = format!("proc/<pid>/stat (refused: {})", scan.forbidden);
            out.problems.push(Error::Permission { path });
        }
        out.problems.extend(scan.failed);

        self.groups.begin(out.time, self.last);
        self.classify(&pids);
        let mut chosen = self.choose(host, &pids, out, scan.elapsed, &mut refusals);
        self.read_details(host, &pids, wanted, &mut chosen, scan.elapsed, &mut refusals);
        refusals.tell(out);

        let moment = emit::Moment {
            ticks: host.ticks,
            page_size: host.page_size,
            uptime,
            capacity: scan.elapsed.map(|elapsed| elapsed * host.ticks as f64 * host.cpus() as f64),
            memory: if out.wants(&MEMORY_UTILIZATION) { emit::total_memory(host) } else { None },
        };
        emit::counts(&self.table.processes, out);
        emit::all(&self.table.processes, &chosen, &mut self.groups, &moment, out);
        for (process, chosen) in self.table.processes.iter_mut().zip(chosen) {
            process.shown = chosen;
            // A candidate keeps its detail, because the rate of its I/O needs two readings.
            if !chosen && !self.reader.has_read(process) {
                process.detail = None;
            }
        }
        self.pids = Some(pids);
        self.last = Some(out.time);
        Ok(())
    }

    fn be_frugal(&mut self, frugal: bool) {
        self.frugal = frugal;
    }

    fn ceiling(&self) -> usize {
        // Two points a process in most metrics; and the agent itself, and the remainder.
        let entities = match self.config.view {
            View::Top => select::most(self.config.top_n),
            View::Groups => self.config.max_groups,
            View::All => self.config.ceiling,
        };
        2 * (entities + 2)
    }
}

impl Processes {
    /// A collector that has read nothing yet.
    fn new(config: Config, filter: Filter, rules: Vec<Rule>, reader: Reader) -> Self {
        let groups = Groups::new(config.group_by, rules, config.max_groups);
        // Where groups or all are shown, the memory of everybody is of this reading.
        let table = Table::new(config.view == View::Top);
        let (pids, last) = (None, None);
        Self { config, filter, groups, reader, pids, table, last, frugal: false }
    }

    /// Finds out who may be shown, and who is in which group, of processes of which that is not known.
    fn classify(&mut self, pids: &Pids) {
        let grouped = self.config.view == View::Groups;
        if !grouped && self.filter.is_empty() {
            return;
        }
        let round = self.table.readings;
        for process in self.table.processes.iter_mut().filter(|process| !process.unread) {
            // A process may move to another cgroup or user after its birth: the young are asked again, and
            // everybody now and then.
            let due = process.age != Age::Known || (u64::from(process.pid) + round).is_multiple_of(64);
            if process.class.is_some() && !due {
                continue;
            }
            let facts = Facts::of(process, pids, self.reader.owners());
            let allowed = self.filter.allows(&facts);
            let group = if grouped && allowed { self.groups.place(&facts) } else { None };
            process.class = Some(Class { allowed, group });
        }
    }

    /// Which processes are shown alone.
    fn choose(
        &mut self,
        host: &Host,
        pids: &Pids,
        out: &Reading,
        elapsed: Option<f64>,
        refusals: &mut Refusals,
    ) -> Vec<bool> {
        let processes = &mut self.table.processes;
        let kernel_threads = self.config.kernel_threads;
        let may_be_shown = |process: &Process| {
            !process.unread
                && process.class.is_none_or(|class| class.allowed)
                && (kernel_threads || !process.stat.kernel_thread)
        };
        let eligible: Vec<bool> = processes.iter().map(may_be_shown).collect();
        match self.config.view {
            View::Groups => return vec![false; processes.len()],
            View::All if !self.frugal => return select::all(processes, &eligible, self.config.ceiling),
            View::All | View::Top => {}
        }
        let most = if self.frugal { 0 } else { self.config.top_n };
        if out.wants(&DISK_IO) && !self.frugal {
            for at in busiest(processes, IO_CANDIDATES) {
                self.reader.identify(host, pids, &mut processes[at]);
                self.reader.read_io(pids, &mut processes[at], elapsed, refusals);
            }
        }
        let mut chosen = select::top(processes, &eligible, most);
        // The agent shows what it costs itself, whoever else is bigger.
        let own = pids.own().and_then(|own| processes.binary_search_by_key(&own, |p| p.pid).ok());
        if let Some(at) = own {
            chosen[at] = eligible[at];
        }
        chosen
    }

    fn read_details(
        &mut self,
        host: &Host,
        pids: &Pids,
        wanted: Wanted,
        chosen: &mut [bool],
        elapsed: Option<f64>,
        refusals: &mut Refusals,
    ) {
        for (process, chosen) in self.table.processes.iter_mut().zip(chosen).filter(|(_, chosen)| **chosen) {
            if process.rest.rests && !wake(pids, process) {
                *chosen = false;
                process.unread = true;
                continue;
            }
            if self.reader.has_changed(pids, process) {
                process.detail = None;
            }
            self.reader.identify(host, pids, process);
            let known = self.reader.keep_directory(pids, process);
            if wanted.io {
                self.reader.read_io(pids, process, elapsed, refusals);
            }
            let mut alive = None;
            if self.reader.was_ahead(process) {
                alive = Some(true);
            } else if wanted.descriptors {
                // By its directory it was asked itself, and not whoever has its pid by now.
                alive = read_descriptors(pids, process, refusals).filter(|_| known);
            }
            if let Some(detail) = process.detail.as_mut() {
                if wanted.traffic {
                    detail.traffic = traffic::read(pids, process.pid);
                }
                if wanted.status {
                    detail.status = status::read(pids, process.pid, detail.status.take(), refusals);
                }
            }
            let alive = alive.filter(|_| !wanted.traffic && !wanted.status);
            if !alive.unwrap_or_else(|| still_same(pids, process)) {
                // It has ended since its `stat` was read: its last usage goes to the remainder.
                *chosen = false;
                process.unread = true;
            }
        }
    }
}

/// Clock ticks since boot; by the wall clock where the host does not tell.
fn uptime(host: &Host, out: &mut Reading) -> u64 {
    let seconds =
        |text: &str| text::finite(text.split_ascii_whitespace().next(), 1, text, "seconds since boot");
    let seconds = host.parse("proc/uptime", seconds).unwrap_or_else(|problem| {
        out.problems.push(problem);
        out.time.duration_since(host.boot_time).unwrap_or_default().as_secs_f64()
    });
    (seconds * host.ticks as f64).round() as u64
}

/// The processes whose I/O is worth a look: those that are shown, then the busiest, at most `most`.
fn busiest(processes: &[Process], most: usize) -> Vec<usize> {
    let mut busy: Vec<(bool, u64, usize)> = processes
        .iter()
        .enumerate()
        .filter(|(_, p)| !p.unread && !p.stat.kernel_thread && (p.shown || p.usage.ticks() > 0))
        .map(|(at, process)| (!process.shown, u64::MAX - process.usage.ticks(), at))
        .collect();
    if busy.len() > most {
        busy.select_nth_unstable(most);
        busy.truncate(most);
    }
    busy.into_iter().map(|(_, _, at)| at).collect()
}
