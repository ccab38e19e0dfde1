//! From the table to points: those of each process that is shown, of the groups and of the remainder.

use crate::host::{Host, text};
use crate::metric::{Metric, Reading, ratio, seconds};

use super::group::Groups;
use super::table::{Age, Process, Usage};
use super::{
    COUNT, CPU_TIME, CPU_UTILIZATION, DESCRIPTORS, DISK_IO, DISK_OPERATIONS, FAULTS, MEMBERS, MEMORY,
    MEMORY_UTILIZATION, NETWORK_IO, SIGNALS, SWITCHES, THREADS, UPTIME, VIRTUAL,
};

/// What the values of one reading are computed with.
pub(super) struct Moment {
    pub ticks: u64,
    pub page_size: u64,
    /// Clock ticks since boot.
    pub uptime: u64,
    /// Clock ticks that all CPUs together had since the last reading.
    pub capacity: Option<f64>,
    /// Bytes of physical memory, where that is wanted.
    pub memory: Option<u64>,
}

/// Pushes `system.process.count`.
pub(super) fn counts(processes: &[Process], out: &mut Reading) {
    let mut running = 0_u64;
    let mut stopped = 0_u64;
    let mut defunct = 0_u64;
    let mut sleeping = 0_u64;
    for process in processes {
        *match process.stat.state {
            b'R' => &mut running,
            b'T' | b't' => &mut stopped,
            b'Z' | b'X' | b'x' => &mut defunct,
            _ => &mut sleeping,
        } += 1;
    }
    let states = [("running", running), ("sleeping", sleeping), ("stopped", stopped), ("defunct", defunct)];
    for (state, count) in states {
        out.push(&COUNT, vec![("process.state", state.into())], count);
    }
}

/// Pushes every process in `chosen`, every group, and the remainder.
pub(super) fn all(
    processes: &[Process],
    chosen: &[bool],
    groups: &mut Groups,
    moment: &Moment,
    out: &mut Reading,
) {
    for (process, chosen) in processes.iter().zip(chosen) {
        let group = groups.at(process.class.and_then(|class| class.group));
        // Between two readings a process is its group's unless it is shown alone at both: what it consumed
        // before it came in, and after it was last shown, is nobody else's. One that was born since and is
        // shown at once has all of its life in its own series.
        let own = *chosen && (process.shown || process.age == Age::New);
        if !own {
            group.consumed.add(&process.usage);
        }
        if *chosen {
            one(process, moment, out);
        } else {
            group.add(process);
        }
    }
    for group in groups.iter() {
        let entity = out.entity(group.entity.clone());
        counters(entity, &group.consumed, moment, out);
        utilization(entity, &group.usage, moment, out);
        gauges(entity, [group.resident, group.virtual_size, group.threads], moment, out);
        out.push_of(entity, &MEMBERS, vec![], group.members);
    }
}

fn one(process: &Process, moment: &Moment, out: &mut Reading) {
    let Some(detail) = process.detail.as_deref() else { return };
    let entity = out.entity(detail.entity.clone());
    counters(entity, &Usage::of(&process.stat), moment, out);
    if process.age != Age::New {
        utilization(entity, &process.usage, moment, out);
    }
    let stat = &process.stat;
    gauges(entity, [stat.resident, stat.virtual_size, u64::from(stat.threads)], moment, out);
    // In whole ticks, because the difference of two seconds has digits that nobody measured.
    out.push_of(entity, &UPTIME, vec![], seconds(moment.uptime.saturating_sub(stat.start), moment.ticks));
    if let Some(descriptors) = detail.descriptors {
        out.push_of(entity, &DESCRIPTORS, vec![], descriptors);
    }
    if let Some(io) = detail.io {
        pair(
            entity,
            &DISK_IO,
            "disk.io.direction",
            [("read", io.read_bytes), ("write", io.write_bytes)],
            out,
        );
        let calls = [("read", io.read_calls), ("write", io.write_calls)];
        pair(entity, &DISK_OPERATIONS, "disk.io.direction", calls, out);
    }
    if let Some(traffic) = detail.traffic {
        let bytes = [("receive", traffic.received), ("transmit", traffic.sent)];
        pair(entity, &NETWORK_IO, "network.io.direction", bytes, out);
    }
    if let Some(status) = &detail.status {
        let switches = [("voluntary", status.voluntary), ("involuntary", status.involuntary)];
        pair(entity, &SWITCHES, "process.context_switch.type", switches, out);
        if let Some(signals) = status.signals {
            out.push_of(entity, &SIGNALS, vec![], signals);
        }
    }
}

fn counters(entity: u32, usage: &Usage, moment: &Moment, out: &mut Reading) {
    for (mode, ticks) in [("user", usage.user), ("system", usage.system)] {
        let attributes = vec![("cpu.mode", mode.into())];
        out.push_of(entity, &CPU_TIME, attributes, seconds(ticks, moment.ticks));
    }
    let faults = [("major", usage.major_faults), ("minor", usage.minor_faults)];
    pair(entity, &FAULTS, "system.paging.fault.type", faults, out);
}

fn utilization(entity: u32, usage: &Usage, moment: &Moment, out: &mut Reading) {
    for (mode, ticks) in [("user", usage.user), ("system", usage.system)] {
        let share = moment.capacity.and_then(|capacity| ratio(ticks as f64, capacity));
        if let Some(share) = share {
            out.push_of(entity, &CPU_UTILIZATION, vec![("cpu.mode", mode.into())], share);
        }
    }
}

/// The gauges that a process and a group have: pages in memory, bytes of virtual memory, threads.
fn gauges(entity: u32, values: [u64; 3], moment: &Moment, out: &mut Reading) {
    let [pages, virtual_size, threads] = values;
    let resident = pages.saturating_mul(moment.page_size);
    out.push_of(entity, &MEMORY, vec![], resident);
    out.push_of(entity, &VIRTUAL, vec![], virtual_size);
    out.push_of(entity, &THREADS, vec![], threads);
    if let Some(share) = moment.memory.and_then(|total| ratio(resident as f64, total as f64)) {
        out.push_of(entity, &MEMORY_UTILIZATION, vec![], share);
    }
}

fn pair(
    entity: u32,
    metric: &'static Metric,
    attribute: &'static str,
    values: [(&'static str, u64); 2],
    out: &mut Reading,
) {
    for (name, value) in values {
        out.push_of(entity, metric, vec![(attribute, name.into())], value);
    }
}

/// Bytes of physical memory, from `/proc/meminfo`.
pub(super) fn total_memory(host: &Host) -> Option<u64> {
    let meminfo = host.read("proc/meminfo").ok()?;
    text::pairs(&meminfo).find(|(key, _)| *key == "MemTotal").map(|(_, kib)| kib.saturating_mul(1024))
}
