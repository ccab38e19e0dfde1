//! Swap by device, page faults, paging operations and OOM kills, from `/proc/swaps` (proc_swaps(5)) and `/proc/vmstat`
//! (proc_vmstat(5)).

use std::sync::Arc;

use crate::host::text::{self, Rows};
use crate::host::{Error, Host, ParseError};
use crate::metric::{Attribute, Metric, Reading, ValueType::Double, ValueType::Int, ratio};

use super::{Collector, Spec};

const STATE: Attribute = Attribute::of("system.paging.state", &["used", "free"]);
const DEVICE: Attribute = Attribute::open("system.device");
const FAULT_TYPE: Attribute = Attribute::of("system.paging.fault.type", &["major", "minor"]);
const DIRECTION: Attribute = Attribute::of("system.paging.direction", &["in", "out"]);

static USAGE: Metric = Metric::updown("system.paging.usage", "By")
    .about("Swap space by device and state")
    .by(&[STATE, DEVICE])
    .from("/proc/swaps");
static UTILIZATION: Metric = Metric::gauge("system.paging.utilization", "1", Double)
    .about("Share of each state in the swap space of a device")
    .by(&[STATE, DEVICE])
    .from("/proc/swaps");
static FAULTS: Metric = Metric::counter("system.paging.faults", "{fault}", Int)
    .about("Page faults: major ones had to read from a disk")
    .by(&[FAULT_TYPE])
    .from("/proc/vmstat: pgmajfault, pgfault");
static OPERATIONS: Metric = Metric::counter("system.paging.operations", "{operation}", Int)
    .about("Pages moved between memory and disk: major for swap, minor for all block devices")
    .by(&[DIRECTION, FAULT_TYPE])
    .from("/proc/vmstat: pswpin, pswpout, pgpgin, pgpgout");
static OOM_KILL: Metric = Metric::counter("system.memory.linux.oom_kill", "{event}", Int)
    .about("Processes that the kernel killed for want of memory, of the host or of a cgroup")
    .from("/proc/vmstat: oom_kill (since Linux 4.13)");

pub(super) static SPEC: Spec = Spec {
    name: "paging",
    about: "Swap by device, page faults, paging operations and processes killed for want of memory",
    metrics: &[&USAGE, &UTILIZATION, &FAULTS, &OPERATIONS, &OOM_KILL],
    settings: &[],
    build: |_, _| Ok(Box::new(Paging::default())),
};

const SWAPS: &str = "proc/swaps";

#[derive(Default)]
struct Paging {
    minor_faults: u64,
}

/// The usual ceiling is enough: the kernel has room for at most 32 swap devices (`MAX_SWAPFILES`), each with
/// two points.
impl Collector for Paging {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        out.part(|out| {
            let swaps = host.parse(SWAPS, parse_swaps)?.told(SWAPS, &mut out.problems);
            push_swaps(out, &swaps);
            Ok(())
        });
        let vmstat = host.parse("proc/vmstat", parse_vmstat)?;
        self.push_vmstat(out, &vmstat, host.page_size);
        Ok(())
    }
}

fn push_swaps(out: &mut Reading, swaps: &[Swap]) {
    for swap in swaps {
        let device: Arc<str> = swap.device.as_str().into();
        let used = swap.used.min(swap.size);
        for (state, bytes) in STATE.values.iter().zip([used, swap.size - used]) {
            let attributes = vec![(STATE.name, (*state).into()), (DEVICE.name, (&device).into())];
            if let Some(share) = ratio(bytes as f64, swap.size as f64) {
                out.push(&UTILIZATION, attributes.clone(), share);
            }
            out.push(&USAGE, attributes, bytes);
        }
    }
}

impl Paging {
    /// `pgfault` counts major faults too, and a moment before `pgmajfault` does, so that the difference can
    /// step back: then the last one is shown.
    ///
    /// Operations follow the Collector's paging scraper, since the convention does not say what their fault
    /// types are: swap is major, all block I/O is minor. Not followed is its value, which is bytes under the
    /// name of operations. Here an operation is one page: `pswpin` and `pswpout` are pages already, `pgpgin`
    /// and `pgpgout` are KiB whatever their names say (`all_vm_events` in mm/vmstat.c).
    fn push_vmstat(&mut self, out: &mut Reading, vmstat: &Vmstat, page_size: u64) {
        if let Some(major) = vmstat.major_faults {
            out.push(&FAULTS, vec![(FAULT_TYPE.name, "major".into())], major);
        }
        if let Some((all, major)) = vmstat.faults.zip(vmstat.major_faults) {
            self.minor_faults = self.minor_faults.max(all.saturating_sub(major));
            out.push(&FAULTS, vec![(FAULT_TYPE.name, "minor".into())], self.minor_faults);
        }
        let pages = |kibibytes: u64| kibibytes / (page_size / 1024).max(1);
        for (direction, fault_type, count) in [
            ("in", "major", vmstat.swapped_in),
            ("out", "major", vmstat.swapped_out),
            ("in", "minor", vmstat.kib_in.map(pages)),
            ("out", "minor", vmstat.kib_out.map(pages)),
        ] {
            let attributes = vec![(DIRECTION.name, direction.into()), (FAULT_TYPE.name, fault_type.into())];
            if let Some(count) = count {
                out.push(&OPERATIONS, attributes, count);
            }
        }
        if let Some(count) = vmstat.oom_kills {
            out.push(&OOM_KILL, vec![], count);
        }
    }
}

/// A line of `/proc/swaps`, in bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Swap {
    device: String,
    size: u64,
    used: u64,
}

/// The swap devices. A file that was deleted while it is in use keeps its name, without the kernel's mark, so
/// that its series goes on; where a new one has taken its place, the two are one device.
pub(crate) fn parse_swaps(text: &str) -> Result<Rows<Swap>, ParseError> {
    let Rows { rows, odd } = text::rows(text, 1, |at, line| {
        parse_swap(line).ok_or_else(|| ParseError::new(at, line, "name, type, size and used"))
    })?;
    let mut swaps: Vec<Swap> = Vec::new();
    for swap in rows {
        match swaps.iter_mut().find(|known| known.device == swap.device) {
            Some(known) => {
                known.size = known.size.saturating_add(swap.size);
                known.used = known.used.saturating_add(swap.used);
            }
            None => swaps.push(swap),
        }
    }
    Ok(Rows { rows: swaps, odd })
}

fn parse_swap(line: &str) -> Option<Swap> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name @ .., _kind, size, used, _priority] = fields.as_slice() else { return None };
    let bytes = |kibibytes: &str| kibibytes.parse::<u64>().ok()?.checked_mul(1024);
    // A blank in the name is an octal escape, but the first word of the line must not be taken for all of it
    // where one is not.
    let name = text::unescape_octal(&name.join(" "));
    let device = name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned();
    (!device.is_empty()).then_some(Swap { device, size: bytes(size)?, used: bytes(used)? })
}

/// What is read of `/proc/vmstat`, since boot; a line that this kernel does not have is none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Vmstat {
    faults: Option<u64>,
    major_faults: Option<u64>,
    swapped_in: Option<u64>,
    swapped_out: Option<u64>,
    kib_in: Option<u64>,
    kib_out: Option<u64>,
    oom_kills: Option<u64>,
}

pub(crate) fn parse_vmstat(text: &str) -> Result<Vmstat, ParseError> {
    let mut vmstat = Vmstat::default();
    for (key, value) in text::pairs(text) {
        let field = match key {
            "pgfault" => &mut vmstat.faults,
            "pgmajfault" => &mut vmstat.major_faults,
            "pswpin" => &mut vmstat.swapped_in,
            "pswpout" => &mut vmstat.swapped_out,
            "pgpgin" => &mut vmstat.kib_in,
            "pgpgout" => &mut vmstat.kib_out,
            "oom_kill" => &mut vmstat.oom_kills,
            _ => continue,
        };
        *field = Some(value);
    }
    if vmstat == Vmstat::default() {
        return Err(ParseError::new(1, text, "lines such as pgfault"));
    }
    Ok(vmstat)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{host, lines, read, read_of};
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    /// Linux 6.1: a partition, a file with a blank in its name, and one that was deleted.
    const THREE: &str = "\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/dm-1                               partition\t2097148\t\t1024\t\t-2
/var/swap\\040file                       file\t\t1048572\t\t0\t\t5
/old\\040(deleted)                        file\t\t4\t\t4\t\t-3
";

    fn swap(device: &str, size: u64, used: u64) -> Swap {
        Swap { device: device.to_owned(), size: size << 10, used: used << 10 }
    }

    fn swaps(text: &str) -> Vec<Swap> {
        let found = parse_swaps(text).unwrap();
        assert_eq!(found.odd, None);
        found.rows
    }

    #[test]
    fn every_device_is_read_by_its_name() {
        let expected =
            [swap("/dev/dm-1", 2_097_148, 1024), swap("/var/swap file", 1_048_572, 0), swap("/old", 4, 4)];
        assert_eq!(swaps(THREE), expected);
    }

    #[test]
    fn a_deleted_file_and_its_successor_are_one_device() {
        let text = format!("{HEADER}/swap\\040(deleted) file 8 8 -2\n/swap file 16 4 -3\n");
        assert_eq!(swaps(&text), [swap("/swap", 24, 12)]);
    }

    #[test]
    fn a_blank_that_is_not_escaped_stays_in_the_name() {
        assert_eq!(swaps(&format!("{HEADER}/my swap file 8 0 -2\n")), [swap("/my swap", 8, 0)]);
    }

    #[test]
    fn used_and_free_sum_to_the_size() {
        let swaps = format!("{HEADER}/dev/sda2 partition 4 1 -2\n/odd file 1 3 -3\n");
        let out = read(&SPEC, &mut Paging::default(), &[("proc/swaps", &swaps)]);
        let expected = [
            "system.paging.usage{system.paging.state=used,system.device=/dev/sda2} 1024",
            "system.paging.usage{system.paging.state=free,system.device=/dev/sda2} 3072",
            "system.paging.usage{system.paging.state=used,system.device=/odd} 1024",
            "system.paging.usage{system.paging.state=free,system.device=/odd} 0",
            "system.paging.utilization{system.paging.state=used,system.device=/dev/sda2} 0.25",
            "system.paging.utilization{system.paging.state=free,system.device=/dev/sda2} 0.75",
            "system.paging.utilization{system.paging.state=used,system.device=/odd} 1",
            "system.paging.utilization{system.paging.state=free,system.device=/odd} 0",
        ];
        assert_eq!(lines(&out), expected);
        assert_eq!(out.problems.iter().map(Error::kind).collect::<Vec<_>>(), ["unavailable"]);
    }

    #[test]
    fn a_host_without_swap_has_no_points() {
        assert_eq!(swaps(HEADER), []);
        assert_eq!(swaps(""), []);
    }

    #[test]
    fn faults_are_told_apart_and_operations_are_pages() {
        let vmstat = "nr_free_pages 9\npgpgin 4097\npgpgout 80\npswpin 3\npswpout 7\npgfault 100\npgmajfault 9\noom_kill 2\n";
        let (_root, mut host) = host(&[("proc/vmstat", vmstat), ("proc/swaps", HEADER)]);
        host.page_size = 4096;
        let expected = [
            "system.paging.faults{system.paging.fault.type=major} 9",
            "system.paging.faults{system.paging.fault.type=minor} 91",
            "system.paging.operations{system.paging.direction=in,system.paging.fault.type=major} 3",
            "system.paging.operations{system.paging.direction=out,system.paging.fault.type=major} 7",
            "system.paging.operations{system.paging.direction=in,system.paging.fault.type=minor} 1024",
            "system.paging.operations{system.paging.direction=out,system.paging.fault.type=minor} 20",
            "system.memory.linux.oom_kill 2",
        ];
        let out = read_of(&SPEC, &mut Paging::default(), &host);
        assert_eq!(lines(&out), expected);
        assert!(out.problems.is_empty(), "{:?}", out.problems);
    }

    #[test]
    fn minor_faults_do_not_go_back_when_the_major_one_is_counted_late() {
        let mut paging = Paging::default();
        let minor = |vmstat: &str| lines(&read(&SPEC, &mut paging, &[("proc/vmstat", vmstat)])).pop();
        let shown = ["pgfault 100\npgmajfault 9\n", "pgfault 101\npgmajfault 11\n"].map(minor);
        let expected = "system.paging.faults{system.paging.fault.type=minor} 91".to_owned();
        assert_eq!(shown, [Some(expected.clone()), Some(expected)]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_line() {
        let message = |text: String| parse_swaps(&text).unwrap_err().at("proc/swaps").to_string();
        assert_eq!(
            message(format!("{HEADER}/dev/sda2 partition -4 0 -2\n")),
            r#"proc/swaps:2: expected name, type, size and used, found "/dev/sda2 partition -4 0 -2""#
        );
        assert!(parse_swaps(&format!("{HEADER}/dev/sda2 part")).is_err());
        assert!(parse_vmstat("").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([/a-z\\\\0-9]{1,9} file\t[-0-9]{0,21} [0-9]{0,21} [-0-9]{0,3}\n|\\PC*\n){0,9}") {
            let _ = parse_swaps(&text);
            let _ = parse_vmstat(&text);
        }
    }
}
