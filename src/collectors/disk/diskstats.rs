//! The text of `/proc/diskstats`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::host::ParseError;
use crate::host::text::{self, Rows};

/// One line of `/proc/diskstats`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: Arc<str>,
    pub(super) read: Direction,
    pub(super) written: Direction,
    pub(super) in_flight: u64,
    pub(super) io_millis: u64,
    pub(super) weighted_millis: u64,
}

/// The operations of one direction.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) operations: u64,
    pub(super) merged: u64,
    pub(super) sectors: u64,
    pub(super) millis: u64,
}

impl Device {
    /// Drivers register drives that hold nothing, by the dozen with `nbd`; one that has never been read is
    /// no news.
    pub(super) fn is_empty_drive(&self) -> bool {
        let kind = self.name.trim_end_matches(|c: char| c.is_ascii_digit());
        matches!(kind, "sr" | "fd" | "nbd") && self.read.operations == 0 && self.written.operations == 0
    }
}

/// Whether a name is that of a partition of another: `sda1` of `sda`, `nvme0n1p2` of `nvme0n1`. A name that
/// only looks so (`md0`, `mmcblk0boot0`) is of no other.
pub(super) fn is_partition(name: &str, all: &HashSet<&str>) -> bool {
    let disk = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let ends_in_digit = |disk: &&str| disk.ends_with(|c: char| c.is_ascii_digit());
    disk != name
        && (all.contains(disk)
            || disk.strip_suffix('p').filter(ends_in_digit).is_some_and(|disk| all.contains(disk)))
}

/// The lines of `/proc/diskstats`: two numbers, a name, and 11 counters, to which 4.18 added 4 for discards
/// and 5.5 two for flushes.
pub(super) fn parse(text: &str) -> Result<Rows<Device>, ParseError> {
    text::rows(text, 0, device)
}

fn device(number: usize, line: &str) -> Result<Device, ParseError> {
    const EXPECTED: &str = "two numbers, a device and at least 11 counters";
    let mut fields = line.split_ascii_whitespace().skip(2);
    let name = fields.next().ok_or_else(|| ParseError::new(number, line, EXPECTED))?.into();
    let mut next = || text::number(fields.next(), number, line, EXPECTED);
    let mut direction = || {
        let (operations, merged, sectors, millis) = (next()?, next()?, next()?, next()?);
        Ok(Direction { operations, merged, sectors, millis })
    };
    let (read, written) = (direction()?, direction()?);
    let (in_flight, io_millis, weighted_millis) = (next()?, next()?, next()?);
    Ok(Device { name, read, written, in_flight, io_millis, weighted_millis })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_line_says_what_was_expected() {
        let found = parse("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2").unwrap();
        let odd = found.odd.unwrap();
        assert_eq!((found.rows.len(), odd.line, odd.text.as_str()), (1, 2, "8 16 sdb 1 2"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"([0-9a-z -]{0,60}\n?){0,4}", any in ".*") {
            let _ = parse(&text);
            let _ = parse(&any);
        }
    }
}
