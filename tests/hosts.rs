//! Every collector on every fixture host, twice: what holds for each of them whatever the host looks like.

#[path = "support/check.rs"]
mod check;
mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use hostmeter::collectors::{ALL, Context};
use hostmeter::host::{Error, Host};
use hostmeter::metric::Reading;
use hostmeter::stats::Stats;

/// Reads a host twice with every metric on and returns the problems of the second reading.
fn read(name: &str) -> Vec<(&'static str, Error)> {
    let root = support::unpack(name);
    let host = Host::at(root.path()).expect("proc/stat with btime");
    assert_ne!(host.boot_time, SystemTime::UNIX_EPOCH);
    let mut problems = Vec::new();
    let stats = Arc::default();
    let context = Context { host: &host, stats: &stats };
    for spec in ALL {
        let mut collector = (spec.build)(&spec.section("{}").expect("the defaults are valid"), &context)
            .expect("the defaults are valid");
        let mut last = HashMap::new();
        for second in [false, true] {
            let ceiling = collector.ceiling();
            let mut out = Reading::new(spec.name, spec.metrics, |_| true, ceiling, host.boot_time);
            let result = collector.collect(&host, &mut out);
            check::points(name, &out, &mut last);
            if second {
                problems.extend(out.problems.into_iter().chain(result.err()).map(|e| (spec.name, e)));
            }
        }
    }
    problems
}

/// The problems that are not about something that this host does not have.
fn faults(name: &str) -> Vec<String> {
    let faults = read(name).into_iter().filter(|(_, problem)| !problem.is_unavailable());
    faults.map(|(collector, problem)| format!("{collector}: {problem}")).collect()
}

#[test]
fn a_virtual_machine_is_read_without_a_fault() {
    assert_eq!(faults("vm"), [""; 0]);
}

#[test]
fn a_container_is_read_without_a_fault() {
    assert_eq!(faults("container"), [""; 0]);
}

#[test]
fn an_old_kernel_is_read_without_a_fault() {
    assert_eq!(faults("old-kernel"), [""; 0]);
}

#[test]
fn a_large_host_is_read_without_a_fault() {
    assert_eq!(faults("large"), [""; 0]);
}

#[test]
fn a_hostile_host_breaks_nothing() {
    assert!(!faults("hostile").is_empty());
}

#[test]
fn the_machine_that_has_everything_makes_every_collector_succeed() {
    let root = support::unpack("vm");
    let host = Host::at(root.path()).expect("proc/stat with btime");
    let stats: Arc<Stats> = Arc::default();
    stats.lock().collectors.entry("load").or_default().up = true;
    let context = Context { host: &host, stats: &stats };
    for spec in ALL {
        // It is no container, but has a cgroup.
        let section = if spec.name == "container" { "{scope: cgroup}" } else { "{}" };
        let mut collector = (spec.build)(&spec.section(section).expect("these settings are valid"), &context)
            .expect("these settings are valid");
        let mut out =
            Reading::new(spec.name, spec.metrics, |m| m.default, collector.ceiling(), host.boot_time);
        collector.collect(&host, &mut out).unwrap_or_else(|e| panic!("{}: {e}", spec.name));
        assert!(!out.is_empty(), "{} read nothing", spec.name);
    }
}

#[test]
fn sections_are_files_links_and_bytes() {
    let vm = support::unpack("vm");
    assert_eq!(std::fs::read_link(vm.path().join("proc/self")).unwrap().to_str(), Some("1"));
    let loadavg = std::fs::read_to_string(vm.path().join("proc/loadavg")).unwrap();
    assert_eq!(loadavg, "0.52 0.41 0.37 2/212 20481\n");
    let cmdline = std::fs::read(vm.path().join("proc/1/cmdline")).unwrap();
    assert_eq!(cmdline, b"/lib/systemd/systemd\0--system\0--deserialize=31\0");
    let host = Host::at(vm.path()).unwrap();
    let boot = host.boot_time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(boot.as_secs(), 1_767_225_600);
    let hostile = support::unpack("hostile");
    assert!(std::fs::read(hostile.path().join("proc/swaps")).unwrap().contains(&0xff));
}
