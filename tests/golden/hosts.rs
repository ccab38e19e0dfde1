//! The fixture hosts, read twice: what the second reading holds.

use std::collections::HashSet;
use std::path::Path;

use hostmeter::collectors::{ALL, Spec};
use hostmeter::metric::Metric;

use super::machine::{Found, Machine};
use super::text::{self, Line};
use super::{compare, support, updating};

const LIMIT: &str = "system.filesystem.limit";

fn host(name: &str, show: fn(&[Found]) -> Vec<Line>) {
    let root = support::unpack(name);
    let mut machine = Machine::new(root.path(), |_| Some("{}"), |metric| metric.default);
    machine.read();
    compare(&format!("golden/{name}.txt"), &text::all(&show(&machine.read())), root.path());
}

#[test]
fn a_virtual_machine() {
    host("vm", text::points);
}

#[test]
fn what_a_virtual_machine_shows_only_when_it_is_asked() {
    let root = support::unpack("vm");
    let section = |spec: &Spec| match spec.name {
        "cpu" => Some("{per_core: true}"),
        "disk" => Some("{partitions: true, exclude: []}"),
        "filesystem" => Some("{exclude_types: [], exclude_mounts: [], include_mounts: [/run, /snap/**]}"),
        "process" => Some(
            "{attributes: [process.command, process.parent_pid, process.executable.path, process.linux.cgroup, \
             container.id], command_line: scrubbed}",
        ),
        _ => Some("{}"),
    };
    let on = |metric: &Metric| {
        !metric.default || ["system.cpu.time", "system.disk.io", LIMIT].contains(&metric.name)
    };
    let mut machine = Machine::new(root.path(), section, on);
    machine.read();
    compare("golden/vm-opt-in.txt", &text::all(&text::points(&machine.read())), root.path());
}

/// Every metric is in one of the texts, so that somebody has read a value of it. Those of the agent itself
/// depend on the machine that the test runs on.
#[test]
fn every_metric_is_in_one_of_the_texts() {
    if updating() {
        // They are being written by other threads.
        return;
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let steps = std::fs::read_dir(directory.join("steps")).unwrap();
    let steps = steps.map(|case| case.unwrap().path().join("expected.txt"));
    let hosts = ["vm", "vm-opt-in", "container"].map(|name| directory.join(format!("golden/{name}.txt")));
    let all: String = steps.chain(hosts).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let name = |line: &'static str| line.trim_start_matches(['+', ' ']).split(['{', ' ']).next();
    let shown: HashSet<_> = all.leak().lines().filter_map(name).collect();
    let metrics = ALL.iter().filter(|spec| spec.name != "agent").flat_map(|spec| spec.metrics);
    let missing: Vec<_> = metrics.map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_container() {
    host("container", text::points);
}

#[test]
fn an_old_kernel() {
    host("old-kernel", text::points);
}

#[test]
fn a_hostile_host() {
    host("hostile", text::points);
}

#[test]
fn a_large_host() {
    host("large", text::digest);
}
