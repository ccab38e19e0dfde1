//! Cores and frequencies: what `/proc/stat` does not tell of the CPUs.
//!
//! `/sys/devices/system/cpu` comes first. `/proc/cpuinfo` measures every CPU's frequency when it is opened,
//! which takes up to 20 ms on some kernels, and on ARM it knows neither cores nor frequencies.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::{Error, Host, ParseError, text};

/// The most that the kernel can be built for (`CONFIG_NR_CPUS`).
const MOST_CPUS: usize = 8192;

/// How many CPUs the machine can have, those included that are not plugged in yet.
pub(super) fn possible(host: &Host) -> usize {
    let online = || host.parse("proc/stat", super::parse).map(|stat| stat.cpus.len());
    host.parse("sys/devices/system/cpu/possible", parse_possible)
        .or_else(|_| online())
        .unwrap_or(1)
        .min(MOST_CPUS)
}

/// A list such as `0-3` or `0,2-7` (cputopology in the kernel's admin guide): one more than its last number.
fn parse_possible(list: &str) -> Result<usize, ParseError> {
    let highest: usize = text::number(list.trim().rsplit(['-', ',']).next(), 1, list, "a list of CPUs")?;
    Ok(highest.saturating_add(1))
}

/// The number of physical cores, counted anew only when the number of logical CPUs has changed.
#[derive(Default)]
pub(super) struct Cores {
    counted: Option<(usize, Option<u64>)>,
}

impl Cores {
    /// The physical cores of the CPUs that are online; unavailable where the machine does not tell.
    pub(super) fn count(&mut self, host: &Host, online: &[u32]) -> Result<u64, Error> {
        let counted = self.counted.filter(|(logical, _)| *logical == online.len());
        let (_, cores) = *self.counted.insert(counted.unwrap_or_else(|| {
            let cores = by_siblings(host, online).or_else(|| {
                let cpuinfo = host.read("proc/cpuinfo").ok()?;
                parse_cores(&cpuinfo, online.len())
            });
            (online.len(), cores)
        }));
        cores.ok_or_else(|| Error::Unavailable { path: "sys/devices/system/cpu/cpu*/topology".to_owned() })
    }
}

/// CPUs with the same siblings are one core. Their `core_id` would not do: some AMD machines count it anew on
/// every die of a package.
fn by_siblings(host: &Host, online: &[u32]) -> Option<u64> {
    let siblings: Option<BTreeSet<String>> = online
        .iter()
        .map(|number| {
            host.read(&format!("sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")).ok()
        })
        .collect();
    siblings.map(|cores| cores.len() as u64)
}

/// The distinct pairs of package and core in `/proc/cpuinfo`; none unless all `logical` CPUs tell theirs.
fn parse_cores(cpuinfo: &str, logical: usize) -> Option<u64> {
    let cores: Option<Vec<(u32, u32)>> = blocks(cpuinfo)
        .map(|block| {
            Some((field(block, "physical id")?.parse().ok()?, field(block, "core id")?.parse().ok()?))
        })
        .collect();
    let cores = cores.filter(|cores| cores.len() == logical && logical > 0)?;
    Some(cores.into_iter().collect::<BTreeSet<_>>().len() as u64)
}

/// The present frequency of each CPU, in hertz.
pub(super) fn frequencies(host: &Host, online: &[u32]) -> Result<Vec<(u32, u64)>, Error> {
    let scaling = |number: &u32| {
        let path = format!("sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
        let kilohertz: u64 = host.parse(&path, text::single)?;
        Ok((*number, kilohertz.saturating_mul(1000)))
    };
    let by_cpufreq: Result<Vec<_>, Error> = online.iter().map(scaling).collect();
    by_cpufreq.or_else(|error| {
        let measured = parse_frequencies(&host.read("proc/cpuinfo")?);
        if measured.is_empty() { Err(error) } else { Ok(measured) }
    })
}

/// `processor` and `cpu MHz` of every CPU of `/proc/cpuinfo` that has them, in hertz, each once.
fn parse_frequencies(cpuinfo: &str) -> Vec<(u32, u64)> {
    let hertz = |block| {
        let megahertz: f64 = field(block, "cpu MHz")?.parse().ok()?;
        let number = field(block, "processor")?.parse().ok()?;
        megahertz.is_finite().then(|| (number, (megahertz * 1e6).round() as u64))
    };
    blocks(cpuinfo).filter_map(hertz).collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// The paragraphs of `/proc/cpuinfo` that are about a CPU; ARM adds one about the board.
fn blocks(cpuinfo: &str) -> impl Iterator<Item = &str> {
    cpuinfo.split("\n\n").filter(|block| field(block, "processor").is_some())
}

fn field<'a>(block: &'a str, key: &str) -> Option<&'a str> {
    block.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim_end() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A machine with two packages whose cores are numbered alike, without and with threads.
    fn cpuinfo(cpus: &[(u32, u32)]) -> String {
        let block = |(number, (package, core)): (usize, &(u32, u32))| {
            format!(
                "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu MHz\t\t: 2{number}00.123\n\
                 physical id\t: {package}\nsiblings\t: 2\ncore id\t\t: {core}\ncpu cores\t: 2\npower management:\n\n"
            )
        };
        cpus.iter().enumerate().map(block).collect()
    }

    const ARM: &str = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n\
        CPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nprocessor\t: 1\nBogoMIPS\t: 108.00\n\n\
        Hardware\t: BCM2835\nRevision\t: c03111\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1\n";

    #[test]
    fn threads_of_a_core_count_once_and_packages_apart() {
        assert_eq!(parse_cores(&cpuinfo(&[(0, 0), (0, 1), (1, 0), (1, 1)]), 4), Some(4));
        assert_eq!(parse_cores(&cpuinfo(&[(0, 0), (0, 1), (0, 0), (0, 1)]), 4), Some(2));
    }

    #[test]
    fn a_machine_that_does_not_tell_its_cores_has_no_count() {
        assert_eq!(parse_cores(ARM, 2), None);
        assert_eq!(parse_cores(&cpuinfo(&[(0, 0), (0, 1)]), 3), None);
        assert_eq!(parse_cores("", 0), None);
    }

    #[test]
    fn frequencies_are_hertz_where_they_are_told() {
        let measured = parse_frequencies(&cpuinfo(&[(0, 0), (0, 1)]));
        assert_eq!(measured, [(0, 2_000_123_000), (1, 2_100_123_000)]);
        assert_eq!(parse_frequencies(ARM), []);
    }

    #[test]
    fn the_last_possible_cpu_counts() {
        assert_eq!(parse_possible("0-127\n"), Ok(128));
        assert_eq!(parse_possible("0\n"), Ok(1));
        assert_eq!(parse_possible("0,2-5\n"), Ok(6));
        assert!(parse_possible("\n").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "((processor|cpu MHz|core id|physical id)?\t?: ?[-0-9.e]{0,30}\n|\\PC*\n){0,9}") {
            let _ = parse_frequencies(&text);
            let _ = parse_cores(&text, 1);
            let _ = parse_possible(&text);
        }
    }
}
