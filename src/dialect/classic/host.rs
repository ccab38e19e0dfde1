//! CPU, load, memory and swap.

use std::collections::BTreeSet;

use crate::metric::{Attribute, Metric, Reading, Text, ValueType::Double};

use super::super::{Table, Told};
use super::{attribute, is};

const CORE: Attribute = Attribute::open("core");
const MODE: Attribute = Attribute::of("mode", &["user", "system", "idle", "iowait"]);
const PERIOD: Attribute = Attribute::of("period", &["1m", "5m", "15m"]);

static CPU_USAGE: Metric = Metric::gauge("cpu_usage_percent", "", Double)
    .about("Share of the time in which the CPUs had something to do, in percent")
    .from("psutil.cpu_percent");
static PER_CORE: Metric = Metric::gauge("cpu_usage_percent_per_core", "", Double)
    .about("The same of each logical CPU")
    .by(&[CORE])
    .from("psutil.cpu_percent(percpu=True)");
// A counter by its meaning, but its name has no `_total`.
static CPU_TIME: Metric = Metric::gauge("cpu_time_seconds", "", Double)
    .about("Time that the CPUs spent in each mode since the boot, in seconds")
    .by(&[MODE])
    .from("psutil.cpu_times");
static LOAD_AVERAGE: Metric = Metric::gauge("cpu_load_average", "", Double)
    .about("Load average over 1, 5 and 15 minutes")
    .by(&[PERIOD])
    .from("psutil.getloadavg");
static TOTAL: Metric =
    Metric::updown("memory_total_bytes", "").about("Physical memory").from("psutil.virtual_memory().total");
static USED: Metric = Metric::updown("memory_used_bytes", "")
    .about("Memory that is not available")
    .from("psutil.virtual_memory().used");
static AVAILABLE: Metric = Metric::updown("memory_available_bytes", "")
    .about("Memory that can be had without swapping")
    .from("psutil.virtual_memory().available");
static CACHED: Metric = Metric::updown("memory_cached_bytes", "")
    .about("Page cache and slab that can be reclaimed")
    .from("psutil.virtual_memory().cached");
static USAGE: Metric = Metric::gauge("memory_usage_percent", "", Double)
    .about("Share of the memory that is not available, in percent")
    .from("psutil.virtual_memory().percent");
static SWAP_TOTAL: Metric =
    Metric::updown("swap_total_bytes", "").about("Swap space").from("psutil.swap_memory().total");
static SWAP_USED: Metric =
    Metric::updown("swap_used_bytes", "").about("Swap space in use").from("psutil.swap_memory().used");
static SWAP_USAGE: Metric = Metric::gauge("swap_usage_percent", "", Double)
    .about("Share of the swap space in use, in percent")
    .from("psutil.swap_memory().percent");

pub(super) static CPU: Table = Table {
    collector: "cpu",
    name: "classic/cpu",
    metrics: &[&CPU_USAGE, &PER_CORE, &CPU_TIME],
    sources: &["system.cpu.utilization", "system.linux.cpu.core.utilization", "system.cpu.time"],
    tell: cpu,
};

pub(super) static LOAD: Table = Table {
    collector: "load",
    name: "classic/load",
    metrics: &[&LOAD_AVERAGE],
    sources: &["system.cpu.load_average.1m"],
    tell: load,
};

pub(super) static MEMORY: Table = Table {
    collector: "memory",
    name: "classic/memory",
    metrics: &[&TOTAL, &USED, &AVAILABLE, &CACHED, &USAGE],
    sources: &["system.memory.limit", "system.memory.linux.available", "system.linux.memory.cached"],
    tell: memory,
};

pub(super) static SWAP: Table = Table {
    collector: "paging",
    name: "classic/paging",
    metrics: &[&SWAP_TOTAL, &SWAP_USED, &SWAP_USAGE],
    sources: &["system.paging.usage"],
    tell: swap,
};

fn cpu(told: &Told<'_>, out: &mut Reading) {
    const SHARE: &str = "system.cpu.utilization";
    let numbers: BTreeSet<_> =
        told.points(SHARE).map(|point| attribute(&point.attributes, "cpu.logical_number")).collect();
    if !numbers.is_empty() {
        let idle =
            |point: &&crate::metric::Point| is(point, "cpu.mode", "idle") || is(point, "cpu.mode", "iowait");
        let busy: f64 =
            told.points(SHARE).filter(|point| !idle(point)).map(|point| point.value.as_f64()).sum();
        // One point a mode for each CPU, where CPUs are told apart.
        out.push(&CPU_USAGE, vec![], 100.0 * busy / numbers.len() as f64);
    }
    for point in told.points("system.linux.cpu.core.utilization") {
        let core = attribute(&point.attributes, "cpu.logical_number").cloned().unwrap_or(Text::Int(0));
        out.push(&PER_CORE, vec![(CORE.name, core)], 100.0 * point.value.as_f64());
    }
    for mode in MODE.values {
        if let Some(seconds) = told.sum("system.cpu.time", &[("cpu.mode", mode)]) {
            out.push(&CPU_TIME, vec![(MODE.name, (*mode).into())], seconds);
        }
    }
}

fn load(told: &Told<'_>, out: &mut Reading) {
    for period in PERIOD.values {
        if let Some(load) = told.sum(&format!("system.cpu.load_average.{period}"), &[]) {
            out.push(&LOAD_AVERAGE, vec![(PERIOD.name, (*period).into())], load);
        }
    }
}

fn memory(told: &Told<'_>, out: &mut Reading) {
    let total = told.sum("system.memory.limit", &[]);
    let available = told.sum("system.memory.linux.available", &[]).zip(total);
    // In a container, more may be available than there is.
    let available = available.map(|(available, total)| available.min(total));
    let used = total.zip(available).map(|(total, available)| total - available);
    let cached = told.sum("system.linux.memory.cached", &[]);
    for (metric, bytes) in [(&TOTAL, total), (&USED, used), (&AVAILABLE, available), (&CACHED, cached)] {
        if let Some(bytes) = bytes {
            out.push(metric, vec![], bytes as u64);
        }
    }
    if let Some((used, total)) = used.zip(total).filter(|(_, total)| *total > 0.0) {
        out.push(&USAGE, vec![], 100.0 * used / total);
    }
}

fn swap(told: &Told<'_>, out: &mut Reading) {
    let of = |state| told.sum("system.paging.usage", &[("system.paging.state", state)]);
    // Without any swap the collector has no point, and psutil has zeros.
    let (used, free) = (of("used").unwrap_or(0.0), of("free").unwrap_or(0.0));
    let total = used + free;
    out.push(&SWAP_TOTAL, vec![], total as u64);
    out.push(&SWAP_USED, vec![], used as u64);
    out.push(&SWAP_USAGE, vec![], if total > 0.0 { 100.0 * used / total } else { 0.0 });
}
