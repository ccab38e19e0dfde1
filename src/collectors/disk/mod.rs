//! Disks, from `/proc/diskstats` and `/sys/block` (Documentation/admin-guide/iostats.rst).
//!
//! A sector of these files is 512 bytes whatever the disk's own is. On a 32-bit kernel counters wrap at 2^32;
//! that is not guessed at here, because it looks the same as a disk that was replaced, and every backend
//! treats a counter that falls as one that began anew.
//!
//! Device mapper (`dm-*`, LVM, LUKS) and RAID (`md*`) are disks to those who use them and are shown beside
//! the disks below them: a sum over all devices counts their traffic twice, as with every other agent.

mod diskstats;

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::{self, Setting};
use crate::host::{Error, Host, text};
use crate::metric::{Attribute, Metric, Reading, ValueType::Double, ValueType::Int, seconds};

use super::filter::{Filter, Pattern};
use super::{Collector, Spec};
use diskstats::{Device, is_partition, parse};

const DISKSTATS: &str = "proc/diskstats";

const SECTOR: u64 = 512;

/// Times in diskstats are milliseconds.
const MILLIS: u64 = 1000;

const DEVICE: Attribute = Attribute::open("system.device");
const DIRECTION: Attribute = Attribute::of("disk.io.direction", &["read", "write"]);
const BY_DEVICE: &[Attribute] = &[DEVICE];
const BY_DIRECTION: &[Attribute] = &[DEVICE, DIRECTION];

static IO: Metric = Metric::counter("system.disk.io", "By", Int)
    .about("Bytes read from and written to the disk")
    .by(BY_DIRECTION)
    .from("/proc/diskstats, sectors of 512 bytes");
static OPERATIONS: Metric = Metric::counter("system.disk.operations", "{operation}", Int)
    .about("Reads and writes that the disk has completed")
    .by(BY_DIRECTION)
    .from("/proc/diskstats");
static MERGED: Metric = Metric::counter("system.disk.merged", "{operation}", Int)
    .about("Reads and writes that were merged into a neighbour before they reached the disk")
    .by(BY_DIRECTION)
    .from("/proc/diskstats");
static OPERATION_TIME: Metric = Metric::counter("system.disk.operation_time", "s", Double)
    .about("Time that all completed operations took together; overlapping ones count each")
    .by(BY_DIRECTION)
    .from("/proc/diskstats");
static IO_TIME: Metric = Metric::counter("system.disk.io_time", "s", Double)
    .about("Time during which the disk had something to do; its rate is the disk's busy share")
    .by(BY_DEVICE)
    .from("/proc/diskstats");
static LIMIT: Metric = Metric::updown("system.disk.limit", "By")
    .about("Capacity of the disk")
    .by(BY_DEVICE)
    .from("/sys/block/<device>/size, sectors of 512 bytes");
static WEIGHTED_IO_TIME: Metric = Metric::counter("system.disk.weighted_io_time", "s", Double)
    .about("Time that operations spent in flight, each counted; its rate is the average queue length")
    .by(BY_DEVICE)
    .from("/proc/diskstats");
static PENDING: Metric = Metric::updown("system.disk.pending_operations", "{operation}")
    .about("Operations in flight at this moment")
    .by(BY_DEVICE)
    .from("/proc/diskstats");

static SETTINGS: &[Setting] = &[
    Setting::new(
        "include",
        config::Kind::List,
        "[]",
        "Disks to show, as globs on the kernel's names (`sd[a-d]`, `nvme?n1`). Empty means all.",
    ),
    Setting::new(
        "exclude",
        config::Kind::List,
        "[loop*, ram*, zram*]",
        "Disks to leave out; wins over `include`. dm-* and md* are shown by default, beside the disks that \
         they consist of. Drives without a medium (sr*, fd*, nbd*) appear with their first operation.",
    ),
    Setting::new(
        "partitions",
        config::Kind::Bool,
        "false",
        "Show partitions too. Their traffic is already in that of their disk.",
    ),
];

pub(super) static SPEC: Spec = Spec {
    name: "disk",
    about: "Disk traffic, times, queue and capacity",
    metrics: &[&IO, &OPERATIONS, &MERGED, &OPERATION_TIME, &IO_TIME, &LIMIT, &WEIGHTED_IO_TIME, &PENDING],
    settings: SETTINGS,
    build: |section, _| Ok(Box::new(Disk::new(section.get()?))),
};

#[derive(Deserialize)]
struct Config {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    partitions: bool,
}

struct Disk {
    filter: Filter,
    partitions: bool,
}

impl Disk {
    fn new(Config { include, exclude, partitions }: Config) -> Self {
        Self { filter: Filter::new(include, exclude), partitions }
    }
}

impl Collector for Disk {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        let devices = host.parse(DISKSTATS, parse)?.told(DISKSTATS, &mut out.problems);
        let all: HashSet<&str> = devices.iter().map(|device| &*device.name).collect();
        // Without sysfs (a hardened container) the names have to tell.
        let disks = host.list("sys/block").map(HashSet::<String>::from_iter).ok();
        let is_disk = |name: &str| match &disks {
            Some(disks) => disks.contains(&in_sysfs(name)),
            None => !is_partition(name, &all),
        };
        let mut seen = HashSet::new();
        for device in &devices {
            let name = &*device.name;
            if !self.filter.allows(name) || device.is_empty_drive() || !seen.insert(name) {
                continue;
            }
            let whole = is_disk(name);
            if whole || self.partitions {
                device.push(out);
                out.part(|out| limit(host, out, &device.name, whole));
            }
        }
        Ok(())
    }

    /// Two directions of 1,024 disks: a storage host with four paths to each of 250 volumes has as many.
    fn ceiling(&self) -> usize {
        2048
    }
}

/// Sysfs writes `cciss!c0d0` where diskstats says `cciss/c0d0`.
fn in_sysfs(name: &str) -> String {
    name.replace('/', "!")
}

fn limit(host: &Host, out: &mut Reading, name: &Arc<str>, whole: bool) -> Result<(), Error> {
    if out.wants(&LIMIT) {
        let directory = if whole { "sys/block" } else { "sys/class/block" };
        let sectors: u64 = host.parse(&format!("{directory}/{}/size", in_sysfs(name)), text::single)?;
        out.push(&LIMIT, vec![(DEVICE.name, name.into())], sectors.saturating_mul(SECTOR));
    }
    Ok(())
}

impl Device {
    fn push(&self, out: &mut Reading) {
        let device = || (DEVICE.name, (&self.name).into());
        for (direction, done) in [("read", &self.read), ("write", &self.written)] {
            let attributes = || vec![device(), (DIRECTION.name, direction.into())];
            out.push(&IO, attributes(), done.sectors.saturating_mul(SECTOR));
            out.push(&OPERATIONS, attributes(), done.operations);
            out.push(&MERGED, attributes(), done.merged);
            out.push(&OPERATION_TIME, attributes(), seconds(done.millis, MILLIS));
        }
        out.push(&IO_TIME, vec![device()], seconds(self.io_millis, MILLIS));
        out.push(&WEIGHTED_IO_TIME, vec![device()], seconds(self.weighted_millis, MILLIS));
        // Kernels whose count of operations slips below zero print it unsigned; so many there never are.
        if i32::try_from(self.in_flight).is_ok() {
            out.push(&PENDING, vec![device()], self.in_flight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::super::fixture::{self, lines};
    use super::*;

    /// Linux 6.18 (17 counters), with a partition, an LVM volume, RAID and drives that hold nothing.
    const NEW: &str = "\
   7       0 loop0 5 0 10 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 82081 9147 6765938 116699 22655 176498 20156152 69734 2 13656 187210 8266 0 1218824 739 701 37
 254       1 vda1 82000 9147 6765000 116000 22655 176498 20156152 69734 0 13656 187210 8266 0 1218824 739 0 0
 253       0 dm-0 1 0 8 4 0 0 0 0 0 4 4 0 0 0 0 0 0
  11       0 sr0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
";

    /// Linux 2.6.32 (11 counters), with a RAID controller of slashes.
    const OLD: &str = "\
 104       0 cciss/c0d0 10 1 16 7 20 2 48 9 0 11 16
 104       1 cciss/c0d0p1 10 1 16 7 20 2 48 9 0 11 16
   9       0 md0 3 0 24 0 0 0 0 0 4294967295 0 0
";

    fn read(section: &Section, files: &[(&str, &str)]) -> Reading {
        let mut disk = Disk::new(section.get().unwrap());
        fixture::read(&SPEC, &mut disk, files)
    }

    fn devices(reading: &Reading) -> Vec<String> {
        let pending = lines(reading).into_iter().filter(|line| line.starts_with("system.disk.io_time"));
        pending.map(|line| line.split(['=', '}']).nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn every_counter_has_its_column() {
        let files = [
            ("proc/diskstats", NEW),
            ("sys/block/vda/size", "536870912\n"),
            ("sys/block/sr0/size", "2097151\n"),
        ];
        let expected = "\
system.disk.io{system.device=vda,disk.io.direction=read} 3464160256
system.disk.io{system.device=vda,disk.io.direction=write} 10319949824
system.disk.operations{system.device=vda,disk.io.direction=read} 82081
system.disk.operations{system.device=vda,disk.io.direction=write} 22655
system.disk.merged{system.device=vda,disk.io.direction=read} 9147
system.disk.merged{system.device=vda,disk.io.direction=write} 176498
system.disk.operation_time{system.device=vda,disk.io.direction=read} 116.699
system.disk.operation_time{system.device=vda,disk.io.direction=write} 69.734
system.disk.io_time{system.device=vda} 13.656
system.disk.limit{system.device=vda} 274877906944
system.disk.weighted_io_time{system.device=vda} 187.21
system.disk.pending_operations{system.device=vda} 2";
        let reading = read(&SPEC.section("{}").unwrap(), &files);
        assert_eq!(lines(&reading).join("\n"), expected);
        assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    }

    #[test]
    fn partitions_are_told_by_name_where_there_is_no_sysfs() {
        assert_eq!(devices(&read(&SPEC.section("{}").unwrap(), &[("proc/diskstats", NEW)])), ["vda", "dm-0"]);
        assert_eq!(
            devices(&read(&SPEC.section("{}").unwrap(), &[("proc/diskstats", OLD)])),
            ["cciss/c0d0", "md0"]
        );
    }

    #[test]
    fn a_slash_is_another_letter_in_sysfs() {
        let files = [("proc/diskstats", OLD), ("sys/block/cciss!c0d0/size", "2\n")];
        let reading = read(&SPEC.section("{}").unwrap(), &files);
        assert!(lines(&reading).contains(&"system.disk.limit{system.device=cciss/c0d0} 1024".to_owned()));
    }

    #[test]
    fn partitions_and_what_is_left_out_are_settings() {
        let section = SPEC.section("{partitions: true, exclude: [dm-*]}").unwrap();
        assert_eq!(devices(&read(&section, &[("proc/diskstats", NEW)])), ["loop0", "vda", "vda1"]);
    }

    #[test]
    fn a_queue_below_zero_is_absent() {
        let reading = read(&SPEC.section("{}").unwrap(), &[("proc/diskstats", OLD)]);
        let pending = |line: &String| line.starts_with("system.disk.pending_operations");
        assert_eq!(lines(&reading).into_iter().filter(pending).count(), 1);
    }

    #[test]
    fn the_first_of_two_lines_of_a_device_wins() {
        let twice = "8 0 sda 1 0 0 0 0 0 0 0 0 0 0\n8 0 sda 2 0 0 0 0 0 0 0 0 0 0\n";
        let reading = read(&SPEC.section("{}").unwrap(), &[("proc/diskstats", twice)]);
        let operations = "system.disk.operations{system.device=sda,disk.io.direction=read} 1";
        assert!(lines(&reading).contains(&operations.to_owned()));
        assert_eq!(devices(&reading).len(), 1);
    }
}
