//! The collector against hosts that are recorded, and the container's view of one.

use super::super::Section;
use super::super::fixture::{self, lines};
use super::*;
use proptest::prelude::*;

/// A server with a root on LVM, a bind mount of it, Docker's mounts, a memory disk and an NFS export.
const MOUNTS: &str = r"22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
24 22 0:22 / /dev/shm rw shared:3 - tmpfs tmpfs rw
25 22 253:0 /srv/www /w rw shared:1 - ext4 /dev/mapper/vg-root rw
26 22 8:1 / /boot\040disk ro shared:4 - vfat /dev/sda1 rw
27 22 0:40 / /var/lib/docker/overlay2/1/merged rw - overlay overlay rw
28 22 8:17 / /var/lib/docker rw - xfs /dev/sdb1 rw
29 28 8:33 / /var/lib/docker/volumes/x rw - xfs /dev/sdc1 rw
30 22 0:41 / /mnt/nfs rw - nfs4 server:/export rw,vers=4.2
31 22 0:42 /@home /home rw - btrfs /dev/sdd rw,subvol=/@home
32 22 0:42 /@ /data rw - btrfs /dev/sdd rw,subvol=/@
";

const STATFS: &str = r"/ 4096 1000 400 350 500 100
/boot\040disk 512 200 100 100 0 0
/var/lib/docker 4096 10 0 0 8 0
/mnt/nfs 1048576 100 50 50 0 0
/home 4096 9 3 3 0 0
/data 4096 9 3 3 0 0
/dev/shm 4096 4 4 4 9 8
";

fn read(section: &Section, files: &[(&str, &str)]) -> Reading {
    let mut filesystems = Filesystems::new(section.get().unwrap());
    fixture::read(&SPEC, &mut filesystems, files)
}

fn shown(reading: &Reading) -> Vec<String> {
    let limit = reading.series.iter().find(|series| series.metric.name == LIMIT.name).unwrap();
    limit.points.iter().map(|point| point.attributes.last().unwrap().1.to_string()).collect()
}

#[test]
fn every_filesystem_that_holds_data_is_shown_once() {
    let reading = read(&SPEC.section("{}").unwrap(), &[("proc/1/mountinfo", MOUNTS), ("statfs", STATFS)]);
    assert_eq!(shown(&reading), ["/", "/boot disk", "/var/lib/docker", "/mnt/nfs", "/home"]);
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
}

#[test]
fn states_are_those_of_df_and_sum_to_the_limit() {
    let section = SPEC.section("{include_mounts: [/, /boot*]}").unwrap();
    let root = "system.filesystem.type=ext4,system.filesystem.mode=rw,system.filesystem.mountpoint=/";
    let boot =
        "system.filesystem.type=vfat,system.filesystem.mode=ro,system.filesystem.mountpoint=/boot disk";
    let vg = "system.device=/dev/mapper/vg-root";
    let sda = "system.device=/dev/sda1";
    let expected = [
        format!("system.filesystem.usage{{{vg},system.filesystem.state=used,{root}}} 2457600"),
        format!("system.filesystem.usage{{{vg},system.filesystem.state=free,{root}}} 1433600"),
        format!("system.filesystem.usage{{{vg},system.filesystem.state=reserved,{root}}} 204800"),
        format!("system.filesystem.usage{{{sda},system.filesystem.state=used,{boot}}} 51200"),
        format!("system.filesystem.usage{{{sda},system.filesystem.state=free,{boot}}} 51200"),
        format!("system.filesystem.usage{{{sda},system.filesystem.state=reserved,{boot}}} 0"),
        format!("system.filesystem.utilization{{{vg},{root}}} {}", 600.0 / 950.0),
        format!("system.filesystem.utilization{{{sda},{boot}}} 0.5"),
        format!("system.filesystem.limit{{{vg},{root}}} 4096000"),
        format!("system.filesystem.limit{{{sda},{boot}}} 102400"),
        format!("system.filesystem.inodes.usage{{{vg},system.filesystem.state=used,{root}}} 400"),
        format!("system.filesystem.inodes.usage{{{vg},system.filesystem.state=free,{root}}} 100"),
    ];
    let reading = read(&section, &[("proc/1/mountinfo", MOUNTS), ("statfs", STATFS)]);
    assert_eq!(lines(&reading), expected);
}

#[test]
fn memory_is_shown_when_it_is_asked_for() {
    let section = SPEC.section("{exclude_types: [], include_types: [tmpfs, proc]}").unwrap();
    let reading = read(&section, &[("proc/1/mountinfo", MOUNTS), ("statfs", STATFS)]);
    assert_eq!(shown(&reading), ["/dev/shm"]);
}

#[test]
fn a_bind_mount_is_shown_when_the_whole_is_left_out() {
    let section = SPEC.section("{exclude_mounts: [/], include_types: [ext4]}").unwrap();
    let statfs = "/w 4096 1000 400 350 500 100";
    assert_eq!(shown(&read(&section, &[("proc/1/mountinfo", MOUNTS), ("statfs", statfs)])), ["/w"]);
}

#[test]
fn a_filesystem_that_does_not_answer_takes_no_other_with_it() {
    let statfs = "/ 4096 1000 400 350 500 100";
    let reading = read(&SPEC.section("{}").unwrap(), &[("proc/1/mountinfo", MOUNTS), ("statfs", statfs)]);
    assert_eq!(shown(&reading), ["/"]);
    assert_eq!(reading.problems.len(), 4);
}

#[test]
fn a_mount_point_that_is_not_utf8_is_asked_by_its_own_bytes() {
    let (root, host) = fixture::host(&[]);
    std::fs::create_dir(root.path().join("proc/1")).unwrap();
    let table =
        b"22 1 8:1 / /mnt/\xff\xfe rw - ext4 /dev/sda1 rw\n23 1 8:2 / /mnt/\xc3\xa9 rw - ext4 /dev/sda2 rw\n";
    std::fs::write(root.path().join("proc/1/mountinfo"), table).unwrap();
    std::fs::write(root.path().join("statfs"), b"/mnt/\xff\xfe 1 9 5 4 3 2\n/mnt/\xc3\xa9 1 9 5 4 3 2\n")
        .unwrap();
    let mut filesystems = Filesystems::new(SPEC.section("{}").unwrap().get().unwrap());
    let reading = fixture::read_of(&SPEC, &mut filesystems, &host);
    assert_eq!(shown(&reading), ["/mnt/\u{fffd}\u{fffd}", "/mnt/é"]);
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    // The lookup is by the bytes, not by what is shown.
    std::fs::write(root.path().join("statfs"), "/mnt/\u{fffd}\u{fffd} 1 9 5 4 3 2\n").unwrap();
    let mut filesystems = Filesystems::new(SPEC.section("{}").unwrap().get().unwrap());
    assert!(shown(&fixture::read_of(&SPEC, &mut filesystems, &host)).is_empty());
}

#[test]
fn two_that_claim_one_place_are_one() {
    let twice = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 9 8:2 / / rw - ext4 /dev/sda1 rw\n";
    let reading = read(&SPEC.section("{}").unwrap(), &[("proc/1/mountinfo", twice), ("statfs", STATFS)]);
    assert_eq!(shown(&reading), ["/"]);
}

#[test]
fn the_own_table_is_read_where_that_of_the_host_is_not_to_be_had() {
    let reading = read(&SPEC.section("{}").unwrap(), &[("proc/self/mountinfo", MOUNTS), ("statfs", STATFS)]);
    assert_eq!(shown(&reading).len(), 5);
    let problems = read(&SPEC.section("{}").unwrap(), &[]).problems;
    assert_eq!(problems[0].to_string(), "proc/1/mountinfo: not on this host");
}

#[test]
fn the_root_of_this_machine_has_its_size() {
    let mut filesystems = Filesystems::new(SPEC.section("{}").unwrap().get().unwrap());
    filesystems.filters.types = Filter::default();
    let reading = fixture::read_of(&SPEC, &mut filesystems, &Host::at("/").unwrap());
    let root = rustix::fs::statvfs("/").unwrap();
    let size = format!("system.filesystem.mountpoint=/}} {}", root.f_blocks * root.f_frsize);
    let limits: Vec<_> = lines(&reading).into_iter().filter(|l| l.starts_with(LIMIT.name)).collect();
    assert!(limits.iter().any(|line| line.ends_with(&size)), "{limits:?}");
}

proptest! {
    #[test]
    fn states_always_sum_to_the_limit(
        block in any::<u64>(), blocks in any::<u64>(), free in any::<u64>(), available in any::<u64>(),
        small in 0..3_u64,
    ) {
        let block = if small > 0 { block % 8192 } else { block };
        let blocks = if small > 1 { blocks % (1 << 40) } else { blocks };
        let space = Space { block, blocks, free, available, inodes: 0, inodes_free: 0 };
        if let Some(bytes) = Bytes::of(&space) {
            prop_assert_eq!(bytes.used + bytes.free + bytes.reserved, bytes.limit);
        }
    }
}
