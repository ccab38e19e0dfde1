//! The files of version 1 (the kernel's Documentation/admin-guide/cgroup-v1): nanoseconds, ticks and bytes.

use crate::host::ParseError;
use crate::host::text;

use super::shapes::{Disk, Memory};

const NANOSECONDS: f64 = 1e9;

/// From here on, a limit is none: the kernel has LONG_MAX, rounded down to a page of up to 64 KiB.
const NO_LIMIT: u64 = i64::MAX as u64 - 0xffff;

/// `cpuacct.usage_user` and `cpuacct.usage_sys`, in seconds.
pub(super) fn seconds(text: &str) -> Result<f64, ParseError> {
    Ok(text::single::<u64>(text)? as f64 / NANOSECONDS)
}

/// `cpuacct.stat`, of kernels before 4.7: user and system, in ticks.
pub(super) fn ticks(text: &str) -> Result<[u64; 2], ParseError> {
    let value = |name: &str| {
        let found = text::pairs(text).find(|(key, _)| *key == name).map(|(_, ticks)| ticks);
        found.ok_or_else(|| ParseError::new(1, text, "user and system"))
    };
    Ok([value("user")?, value("system")?])
}

/// `cpu.cfs_quota_us`: microseconds of every period; -1 is no limit.
pub(super) fn quota(text: &str) -> Result<Option<u64>, ParseError> {
    Ok(u64::try_from(text::single::<i64>(text)?).ok())
}

/// `cpu.stat`: seconds that the limit took; none on a kernel without it.
pub(super) fn throttled(text: &str) -> Option<f64> {
    text::pairs(text).find(|(key, _)| *key == "throttled_time").map(|(_, time)| time as f64 / NANOSECONDS)
}

/// `memory.limit_in_bytes`: none where there is no limit.
pub(super) fn limit(text: &str) -> Result<Option<u64>, ParseError> {
    Ok(Some(text::single::<u64>(text)?).filter(|bytes| *bytes < NO_LIMIT))
}

/// `memory.stat`: what is below the cgroup is in the lines that begin with `total_`.
pub(super) fn memory(text: &str) -> Result<Memory, ParseError> {
    Memory::of(text, ["total_rss", "total_inactive_file", "total_pgfault", "total_pgmajfault"])
}

/// `memory.oom_control`: since Linux 4.13 with a count.
pub(super) fn oom_kills(text: &str) -> Option<u64> {
    text::pairs(text).find(|(key, _)| *key == "oom_kill").map(|(_, count)| count)
}

/// `blkio.throttle.io_service_bytes`: `8:0 Read 123`, the sum of all in a line `Total` without a device. Newer kernels
/// (seen on 6.18) count only on disks for which some cgroup has a limit in `blkio.throttle.*`.
pub(super) fn disks(text: &str) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(device), Some(operation), Some(bytes)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (true, Ok(bytes)) = (matches!(operation, "Read" | "Write"), bytes.parse()) else { continue };
        let at = disks.iter().position(|known| known.device == device).unwrap_or_else(|| {
            disks.push(Disk { device: device.to_owned(), read: 0, written: 0 });
            disks.len() - 1
        });
        if operation == "Read" {
            disks[at].read = bytes;
        } else {
            disks[at].written = bytes;
        }
    }
    disks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_limit_is_none() {
        assert_eq!((quota("-1\n"), quota("50000\n")), (Ok(None), Ok(Some(50_000))));
        assert_eq!(limit("67108864\n"), Ok(Some(67_108_864)));
        // Pages of 4 KiB and of 64 KiB, and before Linux 3.19.
        for none in ["9223372036854771712\n", "9223372036854710272\n", "9223372036854775807\n"] {
            assert_eq!(limit(none), Ok(None), "{none}");
        }
        assert!(quota("max\n").is_err() && limit("").is_err());
    }

    #[test]
    fn times_have_their_units() {
        assert_eq!(seconds("1500000000\n"), Ok(1.5));
        assert_eq!(ticks("user 120\nsystem 30\n"), Ok([120, 30]));
        assert!(ticks("user 120\n").is_err());
        assert_eq!(throttled("nr_periods 10\nnr_throttled 4\nthrottled_time 250000000\n"), Some(0.25));
    }

    #[test]
    fn what_is_below_the_cgroup_is_counted() {
        let text = "rss 1\ninactive_file 1\npgfault 1\npgmajfault 1\ntotal_rss 300\ntotal_pgfault 50\n\
                    total_pgmajfault 8\ntotal_inactive_file 70\n";
        let expected =
            Memory { rss: Some(300), inactive_file: Some(70), faults: Some(50), major_faults: Some(8) };
        assert_eq!(memory(text), Ok(expected));
    }

    #[test]
    fn an_old_kernel_counts_no_kills() {
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn both_directions_of_every_device_and_no_sum() {
        let text = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 8192\n8:0 Async 4096\n8:0 Total 12288\n\
                    259:1 Write 512\nTotal 12800\n";
        let disk = |device: &str, read, written| Disk { device: device.into(), read, written };
        assert_eq!(disks(text), [disk("8:0", 4096, 8192), disk("259:1", 0, 512)]);
        assert_eq!(disks("Total 0\n"), []);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([a-z_]+ [0-9]{0,21}\n|8:[0-9] (Read|Write) [0-9]{0,21}\n|\\PC*\n){0,5}") {
            let _ = (ticks(&text), quota(&text), limit(&text), memory(&text), oom_kills(&text), disks(&text));
            let _ = (seconds(&text), throttled(&text));
        }
    }
}
