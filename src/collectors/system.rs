//! The system as a whole: uptime, forks, context switches, interrupts and kernel limits, from `/proc/uptime`,
//! `/proc/stat` and `/proc/sys` (proc_uptime(5), proc_stat(5), proc_sys_kernel(5), proc_sys_fs(5)).
//!
//! Not here is `system.process.count`: the states need every process's `stat`, which the process collector
//! reads anyway.

use crate::host::{Error, Host, ParseError, text};
use crate::metric::{Metric, Reading, ValueType::Double, ValueType::Int};

use super::{Collector, Spec};

static UPTIME: Metric = Metric::gauge("system.uptime", "s", Double)
    .about("Time since the system was started, suspension included")
    .from("/proc/uptime");
static PROCESSES_CREATED: Metric = Metric::counter("system.process.created", "{process}", Int)
    .about("Processes and threads created since boot")
    .from("/proc/stat: processes");
static PROCESS_LIMIT: Metric = Metric::updown("system.process.limit", "{thread}")
    .about("The most threads that the system may have")
    .from("/proc/sys/kernel/threads-max");
static CONTEXT_SWITCHES: Metric = Metric::counter("system.linux.context_switches", "{context_switch}", Int)
    .about("Context switches on all CPUs since boot")
    .from("/proc/stat: ctxt");
static INTERRUPTS: Metric = Metric::counter("system.linux.interrupts", "{interrupt}", Int)
    .about("Interrupts serviced since boot")
    .from("/proc/stat: intr");
static DESCRIPTORS: Metric = Metric::updown("system.linux.file_descriptor.count", "{file_descriptor}")
    .about("File handles that the kernel has allocated")
    .from("/proc/sys/fs/file-nr");
static DESCRIPTOR_LIMIT: Metric = Metric::updown("system.linux.file_descriptor.limit", "{file_descriptor}")
    .about("The most file handles that the kernel allocates")
    .from("/proc/sys/fs/file-nr");

pub(super) static SPEC: Spec = Spec {
    name: "system",
    about: "Uptime, forks, context switches, interrupts and kernel limits",
    metrics: &[
        &UPTIME,
        &PROCESSES_CREATED,
        &PROCESS_LIMIT,
        &CONTEXT_SWITCHES,
        &INTERRUPTS,
        &DESCRIPTORS,
        &DESCRIPTOR_LIMIT,
    ],
    settings: &[],
    build: |_, _| Ok(Box::new(System)),
};

struct System;

impl Collector for System {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        out.part(|out| {
            out.push(&UPTIME, vec![], host.parse("proc/uptime", parse_uptime)?);
            Ok(())
        });
        out.part(|out| {
            let stat = host.parse("proc/stat", parse_stat)?;
            for (metric, count) in [
                (&PROCESSES_CREATED, stat.processes),
                (&CONTEXT_SWITCHES, stat.context_switches),
                (&INTERRUPTS, stat.interrupts),
            ] {
                if let Some(count) = count {
                    out.push(metric, vec![], count);
                }
            }
            Ok(())
        });
        out.part(|out| {
            out.push(&PROCESS_LIMIT, vec![], host.parse("proc/sys/kernel/threads-max", text::single::<u64>)?);
            Ok(())
        });
        out.part(|out| {
            let [allocated, limit] = host.parse("proc/sys/fs/file-nr", parse_file_nr)?;
            out.push(&DESCRIPTORS, vec![], allocated);
            out.push(&DESCRIPTOR_LIMIT, vec![], limit);
            Ok(())
        });
        Ok(())
    }
}

/// Seconds since boot, the first of two numbers.
pub(crate) fn parse_uptime(text: &str) -> Result<f64, ParseError> {
    let uptime = text::finite(text.split_ascii_whitespace().next(), 1, text, "seconds since boot")?;
    if uptime < 0.0 { Err(ParseError::new(1, text, "seconds since boot")) } else { Ok(uptime) }
}

/// What is read of `/proc/stat` here; a line that is missing is none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stat {
    processes: Option<u64>,
    context_switches: Option<u64>,
    interrupts: Option<u64>,
}

/// The first number behind `intr` is the sum; of the thousands behind it none is parsed.
pub(crate) fn parse_stat(text: &str) -> Result<Stat, ParseError> {
    let mut stat = Stat::default();
    for (key, value) in text::pairs(text) {
        match key {
            "processes" => stat.processes = Some(value),
            "ctxt" => stat.context_switches = Some(value),
            "intr" => stat.interrupts = Some(value),
            _ => {}
        }
    }
    if stat == Stat::default() {
        return Err(ParseError::new(1, text, "lines such as ctxt"));
    }
    Ok(stat)
}

/// Allocated handles and their limit. The number between them is that of free handles and always 0 since
/// Linux 2.6; it is taken off for the kernels before.
pub(crate) fn parse_file_nr(text: &str) -> Result<[u64; 2], ParseError> {
    let mut fields = text.split_ascii_whitespace();
    let mut next = || text::number::<u64>(fields.next(), 1, text, "allocated, free and most file handles");
    let (allocated, free, limit) = (next()?, next()?, next()?);
    Ok([allocated.saturating_sub(free), limit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &str = "\
cpu  37507 0 9883 167164 832 0 116 29 0 0
cpu0 37507 0 9883 167164 832 0 116 29 0 0
intr 721016 0 9 0 0 0 0 0 0 1 1 16 0 0 0 0 216 170 0 30 1 75627
ctxt 1060808
btime 1795169173
processes 17310
procs_running 1
procs_blocked 0
softirq 283022 0 34855 5 39262 75622 0 2307 54349 0 76622
";

    #[test]
    fn the_sum_of_interrupts_is_the_first_number() {
        let expected =
            Stat { processes: Some(17_310), context_switches: Some(1_060_808), interrupts: Some(721_016) };
        assert_eq!(parse_stat(STAT), Ok(expected));
    }

    #[test]
    fn uptime_and_file_handles_are_read() {
        assert_eq!(parse_uptime("1081.87 1671.65\n"), Ok(1081.87));
        assert_eq!(parse_file_nr("434\t0\t2466177\n"), Ok([434, 2_466_177]));
        assert_eq!(parse_file_nr("1440\t0\t9223372036854775807\n"), Ok([1440, i64::MAX as u64]));
        assert_eq!(parse_file_nr("500 120 1000\n"), Ok([380, 1000]));
    }

    #[test]
    fn what_is_cut_or_no_number_is_told() {
        assert_eq!(parse_stat("cpu  1 2 3 4\n").unwrap_err().expected, "lines such as ctxt");
        assert_eq!(parse_stat("ctxt 1\nproc").unwrap().processes, None);
        assert!(parse_uptime("").is_err());
        assert!(parse_uptime("nan 1").is_err() && parse_uptime("-1 1").is_err());
        let error = parse_file_nr("434\t0").unwrap_err().at("proc/sys/fs/file-nr");
        assert_eq!(
            error.to_string(),
            r#"proc/sys/fs/file-nr:1: expected allocated, free and most file handles, found "434\t0""#
        );
    }

    #[test]
    fn a_file_that_is_missing_does_not_hide_the_others() {
        let out = super::super::fixture::read(&SPEC, &mut System, &[("proc/stat", STAT)]);
        assert_eq!(out.len(), 3);
        assert_eq!(out.problems.iter().map(Error::kind).collect::<Vec<_>>(), ["unavailable"; 3]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "((intr|ctxt|processes)? ?[-0-9.e]{0,21}\n|\\PC*\n){0,9}") {
            let _ = parse_stat(&text);
            let _ = parse_uptime(&text);
            let _ = parse_file_nr(&text);
        }
    }
}
