//! Pressure stall information, from `/proc/pressure` (the kernel's Documentation/accounting/psi.rst).

use crate::host::{Error, Host, ParseError};
use crate::metric::{Attribute, Metric, Reading, ValueType::Double, ratio};

use super::{Collector, Spec};

pub(super) const STALL_TYPE: Attribute = Attribute::of("system.pressure.stall_type", &["some", "full"]);

/// What can be short, with its file and its metrics.
struct Resource {
    path: &'static str,
    total: Metric,
    averages: [Metric; 3],
}

macro_rules! resource {
    ($name:literal) => {
        Resource {
            path: concat!("proc/pressure/", $name),
            total: Metric::counter(concat!("system.", $name, ".linux.pressure.total"), "s", Double)
                .about(concat!("Time that some tasks, or all at once, were stalled on ", $name))
                .by(&[STALL_TYPE])
                .from(concat!("/proc/pressure/", $name)),
            averages: [
                resource!(average $name, "10s", "10 seconds"),
                resource!(average $name, "1m", "minute"),
                resource!(average $name, "5m", "5 minutes"),
            ],
        }
    };
    (average $name:literal, $window:literal, $words:literal) => {
        Metric::gauge(concat!("system.", $name, ".linux.pressure.", $window), "1", Double)
            .about(concat!("Share of the last ", $words, " that tasks were stalled on ", $name))
            .by(&[STALL_TYPE])
            .from(concat!("/proc/pressure/", $name))
            .opt_in()
    };
}

static CPU: Resource = resource!("cpu");
static MEMORY: Resource = resource!("memory");
static IO: Resource = resource!("io");
static IRQ: Resource = resource!("irq");

pub(super) static SPEC: Spec = Spec {
    name: "pressure",
    about: "Time lost to waiting for CPU, memory, I/O and interrupts",
    metrics: &[
        &CPU.total,
        &CPU.averages[0],
        &CPU.averages[1],
        &CPU.averages[2],
        &MEMORY.total,
        &MEMORY.averages[0],
        &MEMORY.averages[1],
        &MEMORY.averages[2],
        &IO.total,
        &IO.averages[0],
        &IO.averages[1],
        &IO.averages[2],
        &IRQ.total,
        &IRQ.averages[0],
        &IRQ.averages[1],
        &IRQ.averages[2],
    ],
    settings: &[],
    build: |_, _| Ok(Box::new(Pressure)),
};

struct Pressure;

impl Collector for Pressure {
    /// A kernel without PSI has none of the files, one that was started with `psi=0` answers EOPNOTSUPP, and
    /// `irq` is there only where the kernel accounts for interrupts: an error only where nothing can be read.
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        let mut errors = Vec::new();
        let resources = [&CPU, &MEMORY, &IO, &IRQ];
        for resource in resources {
            match host.parse(resource.path, parse) {
                Ok(stalls) => push(out, resource, stalls),
                Err(error) => errors.push(error),
            }
        }
        if errors.len() == resources.len() {
            return Err(errors.swap_remove(0));
        }
        out.problems.append(&mut errors);
        Ok(())
    }
}

/// `full` of `cpu` is told although the kernel has it at 0 for the whole system (since 5.13): it is there.
fn push(out: &mut Reading, resource: &'static Resource, stalls: [Option<Stalls>; 2]) {
    for (stall_type, stalls) in STALL_TYPE.values.iter().zip(stalls) {
        let Some(stalls) = stalls else { continue };
        let attributes = vec![(STALL_TYPE.name, (*stall_type).into())];
        for (metric, percent) in resource.averages.iter().zip(stalls.averages) {
            // The kernel writes two decimals: by whole hundredths 1.10 becomes 0.011, not 0.011000000000000001.
            if let Some(share) = ratio((percent * 100.0).round(), 10_000.0) {
                out.push(metric, attributes.clone(), share);
            }
        }
        out.push(&resource.total, attributes, stalls.total as f64 / 1e6);
    }
}

/// One line: percent of the last 10, 60 and 300 seconds, and microseconds since boot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stalls {
    averages: [f64; 3],
    pub(crate) total: u64,
}

/// The lines `some` and `full`; `irq` has only `full`, and `cpu` before Linux 5.13 only `some`.
pub(crate) fn parse(text: &str) -> Result<[Option<Stalls>; 2], ParseError> {
    let mut stalls = [None; 2];
    for (line, at) in text.lines().zip(1..) {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        // A kind of stall that is not known yet is passed over.
        let Some(place) = STALL_TYPE.values.iter().position(|stall_type| *stall_type == name) else {
            continue;
        };
        let expected = "avg10, avg60, avg300 and total";
        stalls[place] = Some(parse_line(rest).ok_or_else(|| ParseError::new(at, line, expected))?);
    }
    if stalls == [None; 2] {
        return Err(ParseError::new(1, text, "a line some or full"));
    }
    Ok(stalls)
}

fn parse_line(line: &str) -> Option<Stalls> {
    let mut fields = line.split_ascii_whitespace();
    let mut value = |key: &str| fields.next()?.strip_prefix(key)?.strip_prefix('=');
    Some(Stalls {
        averages: [
            value("avg10")?.parse().ok()?,
            value("avg60")?.parse().ok()?,
            value("avg300")?.parse().ok()?,
        ],
        total: value("total")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{lines, read};
    use super::*;
    use proptest::prelude::*;

    const MEMORY_FILE: &str = "\
some avg10=1.10 avg60=0.51 avg300=1.96 total=71388986
full avg10=0.00 avg60=0.10 avg300=0.00 total=5805094
";

    fn collect(files: &[(&str, &str)]) -> Reading {
        read(&SPEC, &mut Pressure, files)
    }

    #[test]
    fn totals_are_seconds_and_averages_ratios() {
        let out = collect(&[("proc/pressure/memory", MEMORY_FILE)]);
        let expected = [
            "system.memory.linux.pressure.total{system.pressure.stall_type=some} 71.388986",
            "system.memory.linux.pressure.total{system.pressure.stall_type=full} 5.805094",
            "system.memory.linux.pressure.10s{system.pressure.stall_type=some} 0.011",
            "system.memory.linux.pressure.10s{system.pressure.stall_type=full} 0",
            "system.memory.linux.pressure.1m{system.pressure.stall_type=some} 0.0051",
            "system.memory.linux.pressure.1m{system.pressure.stall_type=full} 0.001",
            "system.memory.linux.pressure.5m{system.pressure.stall_type=some} 0.0196",
            "system.memory.linux.pressure.5m{system.pressure.stall_type=full} 0",
        ];
        assert_eq!(lines(&out), expected);
        assert_eq!(out.problems.iter().map(Error::kind).collect::<Vec<_>>(), ["unavailable"; 3]);
    }

    #[test]
    fn irq_has_only_full_and_an_old_cpu_only_some() {
        let irq = "full avg10=0.00 avg60=0.00 avg300=0.00 total=17\n";
        let lines = lines(&collect(&[
            ("proc/pressure/irq", irq),
            ("proc/pressure/cpu", &irq.replace("full", "some")),
        ]));
        assert_eq!(lines[0], "system.cpu.linux.pressure.total{system.pressure.stall_type=some} 0.000017");
        assert_eq!(lines[4], "system.irq.linux.pressure.total{system.pressure.stall_type=full} 0.000017");
        assert_eq!(lines.len(), 8);
    }

    #[test]
    fn a_kernel_without_psi_is_unavailable() {
        let out = collect(&[]);
        assert!(out.is_empty() && out.problems.len() == 1 && out.problems[0].is_unavailable());
    }

    #[test]
    fn a_kernel_started_without_psi_is_unavailable_too() {
        let answer = std::io::Error::from_raw_os_error(rustix::io::Errno::OPNOTSUPP.raw_os_error());
        assert!(Error::io("proc/pressure/cpu", answer).is_unavailable());
    }

    #[test]
    fn one_file_that_is_cut_does_not_hide_the_others() {
        let out = collect(&[
            ("proc/pressure/memory", MEMORY_FILE),
            ("proc/pressure/io", "some avg10=0.83 avg60=0.5"),
        ]);
        assert_eq!(lines(&out).len(), 8);
        let problem = out.problems.iter().find(|problem| !problem.is_unavailable()).unwrap();
        assert_eq!(
            problem.to_string(),
            r#"proc/pressure/io:1: expected avg10, avg60, avg300 and total, found "some avg10=0.83 avg60=0.5""#
        );
    }

    #[test]
    fn an_average_that_is_no_number_is_absent_and_one_past_the_whole_is_cut() {
        let out = collect(&[("proc/pressure/io", "some avg10=nan avg60=250.00 avg300=-1 total=1\n")]);
        let expected = [
            "system.io.linux.pressure.total{system.pressure.stall_type=some} 0.000001",
            "system.io.linux.pressure.1m{system.pressure.stall_type=some} 1",
            "system.io.linux.pressure.5m{system.pressure.stall_type=some} 0",
        ];
        assert_eq!(lines(&out), expected);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "((some|full) avg10=[-0-9.]{0,9} avg60=\\PC{0,9} avg300=0 total=[0-9]{0,21}\n|\\PC*\n){0,9}") {
            let _ = parse(&text);
        }
    }
}
