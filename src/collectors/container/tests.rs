//! The collector on small hosts.

use std::sync::Arc;

use super::super::fixture::{host, lines, read_of};
use super::*;

const ID: &str = "4b7d6f1c0e9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c";

const V2: &[(&str, &str)] = &[
    ("proc/self/cgroup", "0::/\n"),
    ("proc/self/mountinfo", "517 516 0:27 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n"),
    ("sys/fs/cgroup/cgroup.events", "populated 1\nfrozen 0\n"),
    ("sys/fs/cgroup/cgroup.procs", "1\n"),
    ("sys/fs/cgroup/memory.current", "5000\n"),
];

/// What is read, and the kinds of the problems.
fn collect(yaml: &str, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let (_root, host) = host(files);
    let stats = Arc::default();
    let section = SPEC.section(yaml).unwrap();
    let mut collector = (SPEC.build)(&section, &Context { host: &host, stats: &stats }).unwrap();
    let reading = read_of(&SPEC, collector.as_mut(), &host);
    (lines(&reading), reading.problems.iter().map(ToString::to_string).collect())
}

#[test]
fn outside_of_a_container_there_is_nothing_and_nothing_is_wrong() {
    assert_eq!(collect("{}", &[]), (vec![], vec![]));
    let service = [
        ("proc/self/cgroup", "0::/system.slice/hostmeter.service\n"),
        V2[1],
        ("sys/fs/cgroup/cgroup.procs", ""),
        ("sys/fs/cgroup/system.slice/hostmeter.service/cgroup.procs", "1\n"),
        ("sys/fs/cgroup/system.slice/hostmeter.service/memory.current", "7\n"),
    ];
    assert_eq!(collect("{}", &service), (vec![], vec![]));
    assert_eq!(collect("{scope: cgroup}", &service).0, ["container.memory.usage 7"]);
    let (found, problems) = collect("{scope: pod}", &service);
    assert_eq!((found.len(), problems), (0, vec!["the cgroup of a pod: not on this host".to_owned()]));
}

#[test]
fn what_a_controller_does_not_tell_is_absent_and_no_problem() {
    assert_eq!(collect("{}", V2), (vec!["container.memory.usage 5000".to_owned()], vec![]));
}

#[test]
fn a_limit_makes_memory_available() {
    let stat = ("sys/fs/cgroup/memory.stat", "anon 3000\ninactive_file 1000\npgfault 9\npgmajfault 2\n");
    let limited = [V2, &[stat, ("sys/fs/cgroup/memory.max", "8192\n")]].concat();
    let expected = [
        "container.memory.usage 5000",
        "container.memory.available 4192",
        "container.memory.rss 3000",
        "container.memory.working_set 4000",
        "container.memory.limit 8192",
        "container.paging.faults{system.paging.fault.type=major} 2",
        "container.paging.faults{system.paging.fault.type=minor} 7",
    ];
    assert_eq!(collect("{}", &limited).0, expected);
    let unlimited = [V2, &[stat, ("sys/fs/cgroup/memory.max", "max\n")]].concat();
    let found = collect("{}", &unlimited).0;
    assert!(!found.iter().any(|line| line.contains("limit") || line.contains("available")), "{found:?}");
}

#[test]
fn a_file_that_is_odd_hides_no_other() {
    let files =
        [V2, &[("sys/fs/cgroup/cpu.max", "?\n"), ("sys/fs/cgroup/memory.events", "oom_kill 3\n")]].concat();
    let (found, problems) = collect("{}", &files);
    assert_eq!(found, ["container.memory.usage 5000", "container.memory.oom_kill 3"]);
    assert_eq!(problems, [r#"/sys/fs/cgroup/cpu.max:1: expected max or a quota, and a period, found "?\n""#]);
}

#[test]
fn a_disk_has_the_name_of_its_number() {
    let diskstats = ("proc/diskstats", " 259       0 nvme0n1 1 2 3\n 8 16 sdb 1 2\n");
    let io = ("sys/fs/cgroup/io.stat", "8:16 rbytes=1 wbytes=2\n252:0 rbytes=3 wbytes=4\n");
    let found = collect("{}", &[V2, &[diskstats, io]].concat()).0;
    let expected = [
        "container.disk.io{system.device=sdb,disk.io.direction=read} 1",
        "container.disk.io{system.device=sdb,disk.io.direction=write} 2",
        "container.disk.io{system.device=252:0,disk.io.direction=read} 3",
        "container.disk.io{system.device=252:0,disk.io.direction=write} 4",
    ];
    assert_eq!(found[1..], expected);
}

#[test]
fn interfaces_of_the_host_are_not_those_of_the_container() {
    let line = |name: &str| format!("{name}: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n");
    let dev = format!("heading\nheading\n{}{}", line("lo"), line("eth0"));
    let own = [V2, &[("proc/self/net/dev", dev.as_str())]].concat();
    let expected = [
        "container.network.io{network.interface.name=eth0,network.io.direction=receive} 1",
        "container.network.io{network.interface.name=eth0,network.io.direction=transmit} 2",
    ];
    assert_eq!(collect("{}", &own).0[1..], expected);
    let hosts = [&own[..], &[("proc/sys/net/core/netdev_budget", "300\n")]].concat();
    assert_eq!(collect("{}", &hosts).0.len(), 1);
}

#[test]
fn with_both_versions_each_tells_what_it_has() {
    let cgroup = format!("4:memory:/docker/{ID}\n2:cpuacct,cpu:/docker/{ID}\n0::/docker/{ID}\n");
    let mounts = "9 8 0:31 / /v1/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                  9 8 0:32 / /v1/memory rw - cgroup cgroup rw,memory\n\
                  9 8 0:33 / /v2 rw - cgroup2 cgroup2 rw\n";
    let path = |directory: &str, file: &str| format!("{directory}/docker/{ID}/{file}");
    let files = [
        ("proc/self/cgroup".to_owned(), cgroup.as_str()),
        ("proc/self/mountinfo".to_owned(), mounts),
        (path("v1/cpu,cpuacct", "cgroup.procs"), ""),
        (path("v1/cpu,cpuacct", "cpuacct.stat"), "user 150\nsystem 50\n"),
        (path("v1/memory", "cgroup.procs"), ""),
        (path("v1/memory", "memory.usage_in_bytes"), "4096\n"),
        (path("v2", "cgroup.procs"), ""),
        (path("v2", "cpu.stat"), "user_usec 1\nsystem_usec 1\n"),
        (path("v2", "cpu.pressure"), "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n"),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let expected = [
        "container.cpu.time{cpu.mode=user} 1.5",
        "container.cpu.time{cpu.mode=system} 0.5",
        "container.memory.usage 4096",
        "container.cpu.linux.pressure.total{system.pressure.stall_type=some} 2",
    ];
    assert_eq!(collect("{}", &files).0, expected);
}
