//! Memory by state, slab, huge pages and dirty pages, from `/proc/meminfo` (proc_meminfo(5)).

use std::collections::HashMap;

use crate::host::{Error, Host, ParseError, text};
use crate::metric::{Attribute, Metric, Reading, ValueType::Double, ratio};

use super::{Collector, Spec};

const STATES: [&str; 4] = ["used", "free", "buffers", "cached"];
const STATE: Attribute = Attribute::of("system.memory.state", &STATES);
const SLAB_STATE: Attribute =
    Attribute::of("system.memory.linux.slab.state", &["reclaimable", "unreclaimable"]);
const HUGEPAGES_STATE: Attribute = Attribute::of("system.memory.linux.hugepages.state", &["free", "used"]);

static USAGE: Metric = Metric::updown("system.memory.usage", "By")
    .about("Memory by state; the states are disjoint and their sum is the limit")
    .by(&[STATE])
    .from("/proc/meminfo");
static UTILIZATION: Metric = Metric::gauge("system.memory.utilization", "1", Double)
    .about("Share of each state in the memory")
    .by(&[STATE])
    .from("/proc/meminfo");
static LIMIT: Metric = Metric::updown("system.memory.limit", "By")
    .about("Memory of the system that the kernel can use")
    .from("/proc/meminfo: MemTotal");
static AVAILABLE: Metric = Metric::updown("system.memory.linux.available", "By")
    .about("The kernel's estimate of the memory that new applications can have without swapping")
    .from("/proc/meminfo: MemAvailable (since Linux 3.14)");
static SHARED: Metric = Metric::updown("system.memory.linux.shared", "By")
    .about("Shared memory and tmpfs")
    .from("/proc/meminfo: Shmem")
    .opt_in();
static SLAB: Metric = Metric::updown("system.memory.linux.slab.usage", "By")
    .about("Memory of the kernel's caches of small objects")
    .by(&[SLAB_STATE])
    .from("/proc/meminfo: SReclaimable, SUnreclaim");
static DIRTY: Metric = Metric::updown("system.linux.memory.dirty", "By")
    .about("Memory that waits to be written to disk")
    .from("/proc/meminfo: Dirty");
static CACHED: Metric = Metric::updown("system.linux.memory.cached", "By")
    .about("Page cache and the slab that can be reclaimed, as free(1) and psutil show it")
    .from("/proc/meminfo: Cached + SReclaimable")
    .opt_in();
static HUGEPAGES_LIMIT: Metric = Metric::updown("system.memory.linux.hugepages.limit", "{page}")
    .about("Size of the pool of huge pages")
    .from("/proc/meminfo: HugePages_Total")
    .opt_in();
static HUGEPAGES_RESERVED: Metric = Metric::updown("system.memory.linux.hugepages.reserved", "{page}")
    .about("Huge pages that are promised but not yet allocated")
    .from("/proc/meminfo: HugePages_Rsvd")
    .opt_in();
static HUGEPAGES_SURPLUS: Metric = Metric::updown("system.memory.linux.hugepages.surplus", "{page}")
    .about("Huge pages in the pool above its configured size")
    .from("/proc/meminfo: HugePages_Surp")
    .opt_in();
static HUGEPAGES_PAGE_SIZE: Metric = Metric::updown("system.memory.linux.hugepages.page_size", "By")
    .about("Size of a huge page")
    .from("/proc/meminfo: Hugepagesize")
    .opt_in();
static HUGEPAGES_USAGE: Metric = Metric::updown("system.memory.linux.hugepages.usage", "{page}")
    .about("Huge pages in the pool by state")
    .by(&[HUGEPAGES_STATE])
    .from("/proc/meminfo: HugePages_Total, HugePages_Free")
    .opt_in();
static HUGEPAGES_UTILIZATION: Metric =
    Metric::gauge("system.memory.linux.hugepages.utilization", "1", Double)
        .about("Share of each state in the pool of huge pages")
        .by(&[HUGEPAGES_STATE])
        .from("/proc/meminfo: HugePages_Total, HugePages_Free")
        .opt_in();

pub(super) static SPEC: Spec = Spec {
    name: "memory",
    about: "Memory by state, slab, huge pages and dirty pages",
    metrics: &[
        &USAGE,
        &UTILIZATION,
        &LIMIT,
        &AVAILABLE,
        &SHARED,
        &SLAB,
        &DIRTY,
        &CACHED,
        &HUGEPAGES_LIMIT,
        &HUGEPAGES_RESERVED,
        &HUGEPAGES_SURPLUS,
        &HUGEPAGES_PAGE_SIZE,
        &HUGEPAGES_USAGE,
        &HUGEPAGES_UTILIZATION,
    ],
    settings: &[],
    build: |_, _| Ok(Box::new(Memory)),
};

struct Memory;

impl Collector for Memory {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        push(out, &host.parse("proc/meminfo", parse)?);
        Ok(())
    }
}

fn push(out: &mut Reading, info: &Meminfo) {
    for (state, bytes) in STATES.into_iter().zip(info.states()) {
        out.push(&USAGE, vec![(STATE.name, state.into())], bytes);
        if let Some(share) = ratio(bytes as f64, info.total as f64) {
            out.push(&UTILIZATION, vec![(STATE.name, state.into())], share);
        }
    }
    for (metric, value) in [
        (&LIMIT, Some(info.total)),
        (&AVAILABLE, info.available),
        (&SHARED, info.shared),
        (&DIRTY, info.dirty),
        (&CACHED, Some(info.cached.saturating_add(info.slab[0].unwrap_or(0)))),
        (&HUGEPAGES_LIMIT, info.hugepages),
        (&HUGEPAGES_RESERVED, info.hugepages_reserved),
        (&HUGEPAGES_SURPLUS, info.hugepages_surplus),
        (&HUGEPAGES_PAGE_SIZE, info.hugepage_size),
    ] {
        if let Some(value) = value {
            out.push(metric, vec![], value);
        }
    }
    for (state, bytes) in SLAB_STATE.values.iter().zip(info.slab) {
        if let Some(bytes) = bytes {
            out.push(&SLAB, vec![(SLAB_STATE.name, (*state).into())], bytes);
        }
    }
    let Some((pages, free)) = info.hugepages.zip(info.hugepages_free) else { return };
    let free = free.min(pages);
    for (state, count) in HUGEPAGES_STATE.values.iter().zip([free, pages - free]) {
        out.push(&HUGEPAGES_USAGE, vec![(HUGEPAGES_STATE.name, (*state).into())], count);
        if let Some(share) = ratio(count as f64, pages as f64) {
            out.push(&HUGEPAGES_UTILIZATION, vec![(HUGEPAGES_STATE.name, (*state).into())], share);
        }
    }
}

/// What is read of `/proc/meminfo`: bytes, and numbers of huge pages.
#[derive(Debug)]
pub(crate) struct Meminfo {
    total: u64,
    free: u64,
    buffers: u64,
    cached: u64,
    available: Option<u64>,
    shared: Option<u64>,
    dirty: Option<u64>,
    slab: [Option<u64>; 2],
    hugepages: Option<u64>,
    hugepages_free: Option<u64>,
    hugepages_reserved: Option<u64>,
    hugepages_surplus: Option<u64>,
    hugepage_size: Option<u64>,
}

impl Meminfo {
    /// Bytes in each of [`STATES`]: disjoint, and together the total.
    ///
    /// `used` is MemTotal − MemAvailable, as the convention's note on `system.memory.state` says. The other
    /// three share what is available: first MemFree, then Buffers, and `cached` is the rest of it, so that it
    /// is the page cache and slab that the kernel counts as reclaimable (`si_mem_available` in mm/show_mem.c)
    /// and not all of Cached, of which tmpfs is a part. Each is capped by what is left, because MemFree can be
    /// more than MemAvailable: the reserve under the low watermarks is free and yet not to be had.
    ///
    /// Before Linux 3.14 there is no MemAvailable. Its estimate is then MemFree + Buffers + Cached, which is
    /// the older formula that the note allows: too high by the size of tmpfs, too low by reclaimable slab.
    fn states(&self) -> [u64; 4] {
        let estimate = || self.free.saturating_add(self.buffers).saturating_add(self.cached);
        let available = self.available.unwrap_or_else(estimate).min(self.total);
        let free = self.free.min(available);
        let buffers = self.buffers.min(available - free);
        [self.total - available, free, buffers, available - free - buffers]
    }
}

/// The four lines that every kernel has are demanded, the others may be missing.
pub(crate) fn parse(text: &str) -> Result<Meminfo, ParseError> {
    let lines: HashMap<&str, u64> = text::pairs(text).collect();
    // A value that no integer point can hold is not one of a machine, and the states could not sum up to it.
    let held = |value: u64| i64::try_from(value).is_ok().then_some(value);
    let number = |key| held(*lines.get(key)?);
    let bytes = |key| held(number(key)?.checked_mul(1024)?);
    let demanded = |key| bytes(key).ok_or_else(|| ParseError::new(1, text, key));
    Ok(Meminfo {
        total: demanded("MemTotal")?,
        free: demanded("MemFree")?,
        buffers: demanded("Buffers")?,
        cached: demanded("Cached")?,
        available: bytes("MemAvailable"),
        shared: bytes("Shmem"),
        dirty: bytes("Dirty"),
        slab: [bytes("SReclaimable"), bytes("SUnreclaim")],
        hugepages: number("HugePages_Total"),
        hugepages_free: number("HugePages_Free"),
        hugepages_reserved: number("HugePages_Rsvd"),
        hugepages_surplus: number("HugePages_Surp"),
        hugepage_size: bytes("Hugepagesize"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{lines, read};
    use super::*;
    use proptest::prelude::*;

    /// Linux 6.1 with a pool of huge pages.
    const MODERN: &str = "\
MemTotal:       16384000 kB
MemFree:         4096000 kB
MemAvailable:   12288000 kB
Buffers:          512000 kB
Cached:          7000000 kB
SwapCached:            0 kB
Active(anon):       1536 kB
Dirty:               320 kB
Shmem:              8856 kB
Slab:             426696 kB
SReclaimable:     385792 kB
SUnreclaim:        40904 kB
HugePages_Total:      64
HugePages_Free:       48
HugePages_Rsvd:        3
HugePages_Surp:        1
Hugepagesize:       2048 kB
";

    /// Linux 2.6.32 (RHEL 6).
    const OLD: &str = "\
MemTotal:        1914912 kB
MemFree:          162420 kB
Buffers:          172396 kB
Cached:           987812 kB
SwapCached:          120 kB
Dirty:                96 kB
SReclaimable:     118420 kB
SUnreclaim:        21336 kB
";

    fn kilobytes(text: &str) -> [u64; 4] {
        parse(text).unwrap().states().map(|bytes| bytes / 1024)
    }

    fn points(text: &str) -> Vec<String> {
        lines(&read(&SPEC, &mut Memory, &[("proc/meminfo", text)]))
    }

    #[test]
    fn what_is_available_is_free_then_buffers_then_cached() {
        assert_eq!(kilobytes(MODERN), [4_096_000, 4_096_000, 512_000, 7_680_000]);
    }

    #[test]
    fn free_memory_under_the_watermarks_counts_as_used() {
        let small = "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 250 kB\nBuffers: 9 kB\nCached: 9 kB\n";
        assert_eq!(kilobytes(small), [750, 250, 0, 0]);
    }

    #[test]
    fn without_memavailable_the_older_formula_holds() {
        assert_eq!(kilobytes(OLD), [592_284, 162_420, 172_396, 987_812]);
        assert!(!points(OLD).iter().any(|point| point.starts_with("system.memory.linux.available")));
    }

    #[test]
    fn every_metric_has_its_points() {
        let expected = [
            "system.memory.usage{system.memory.state=used} 4194304000",
            "system.memory.usage{system.memory.state=free} 4194304000",
            "system.memory.usage{system.memory.state=buffers} 524288000",
            "system.memory.usage{system.memory.state=cached} 7864320000",
            "system.memory.utilization{system.memory.state=used} 0.25",
            "system.memory.utilization{system.memory.state=free} 0.25",
            "system.memory.utilization{system.memory.state=buffers} 0.03125",
            "system.memory.utilization{system.memory.state=cached} 0.46875",
            "system.memory.limit 16777216000",
            "system.memory.linux.available 12582912000",
            "system.memory.linux.shared 9068544",
            "system.memory.linux.slab.usage{system.memory.linux.slab.state=reclaimable} 395051008",
            "system.memory.linux.slab.usage{system.memory.linux.slab.state=unreclaimable} 41885696",
            "system.linux.memory.dirty 327680",
            "system.linux.memory.cached 7563051008",
            "system.memory.linux.hugepages.limit 64",
            "system.memory.linux.hugepages.reserved 3",
            "system.memory.linux.hugepages.surplus 1",
            "system.memory.linux.hugepages.page_size 2097152",
            "system.memory.linux.hugepages.usage{system.memory.linux.hugepages.state=free} 48",
            "system.memory.linux.hugepages.usage{system.memory.linux.hugepages.state=used} 16",
            "system.memory.linux.hugepages.utilization{system.memory.linux.hugepages.state=free} 0.75",
            "system.memory.linux.hugepages.utilization{system.memory.linux.hugepages.state=used} 0.25",
        ];
        assert_eq!(points(MODERN), expected);
    }

    #[test]
    fn a_cut_file_says_which_line_is_missing() {
        let error = parse("MemTotal:  1914912 kB\nMemFr").unwrap_err();
        assert_eq!(error.expected, "MemFree");
        assert_eq!(parse("MemTotal: 99999999999999999999 kB\n").unwrap_err().expected, "MemTotal");
    }

    proptest! {
        #[test]
        fn the_states_sum_to_the_limit_whatever_the_kernel_says(
            numbers in prop::array::uniform5(prop_oneof![0..1_u64 << 30, any::<u64>()]),
            has_available: bool,
        ) {
            let keys = ["MemTotal", "MemFree", "Buffers", "Cached", "MemAvailable"];
            let pairs = keys.iter().zip(numbers).take(if has_available { 5 } else { 4 });
            let lines: Vec<String> = pairs.map(|(key, number)| format!("{key}: {number} kB")).collect();
            let text = lines.join("\n");
            if let Ok(info) = parse(&text) {
                let sum = info.states().iter().try_fold(0_u64, |sum, state| sum.checked_add(*state));
                prop_assert_eq!(sum, Some(info.total));
                prop_assert!(i64::try_from(info.total).is_ok());
            }
        }

        #[test]
        fn no_text_panics(text in "((Mem(Total|Free|Available)|Buffers|Cached): [-0-9]{0,21} kB\n|\\PC*\n){0,9}") {
            if let Ok(info) = parse(&text) {
                info.states();
            }
        }
    }
}
