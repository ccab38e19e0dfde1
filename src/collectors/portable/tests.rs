//! Against the collectors of Linux, both on the machine that the test runs on.

#![cfg(target_os = "linux")]

use std::sync::Arc;

use super::*;
use crate::collectors::{self, Context, fixture};
use crate::metric::Text;
use crate::stats::Stats;

fn build(spec: &'static Spec, yaml: &str, host: &Host) -> Box<dyn Collector> {
    let context = Context { host, stats: &Arc::new(Stats::default()) };
    (spec.build)(&spec.section(yaml).unwrap(), &context).unwrap()
}

/// The sum of the points of a metric that have all of these attributes, among their own and their entity's; none
/// where there is no such point.
fn sum(readings: &[Reading], metric: &str, wanted: &[(&str, &str)]) -> Option<f64> {
    let mut found = None;
    for reading in readings {
        for series in reading.series.iter().filter(|series| series.metric.name == metric) {
            for point in &series.points {
                let entity = point.entity.map(|at| &reading.entities[at as usize].attributes);
                let has = |(key, value): &(&str, &str)| {
                    let mut all = point.attributes.iter().chain(entity.into_iter().flatten());
                    all.any(|(name, said)| name == key && said.to_string() == *value)
                };
                if wanted.iter().all(has) {
                    found = Some(found.unwrap_or(0.0) + point.value.as_f64());
                }
            }
        }
    }
    found
}

/// Reads all of Linux' collectors and then the portable one, twice.
fn both() -> (Vec<Reading>, Vec<Reading>) {
    let host = Host::at("/").unwrap();
    let mut native: Vec<_> = collectors::ALL
        .iter()
        .filter(|spec| spec.name != "agent")
        .map(|&spec| (spec, build(spec, if spec.name == "process" { "{view: all}" } else { "{}" }, &host)))
        .collect();
    let mut portable = build(&SPEC, "{}", &host);
    let mut readings = Default::default();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(400));
        let ours = fixture::read_of(&SPEC, portable.as_mut(), &host);
        let theirs =
            native.iter_mut().map(|(spec, one)| fixture::read_of(spec, one.as_mut(), &host)).collect();
        readings = (theirs, vec![ours]);
    }
    readings
}

#[test]
fn it_says_what_the_collectors_of_linux_say() {
    let (native, portable) = both();
    assert!(portable[0].problems.is_empty(), "{:?}", portable[0].problems);
    let close = |metric: &str, ours: &[(&str, &str)], theirs: &[&[(&str, &str)]], tolerance: f64| {
        let ours = sum(&portable, metric, ours).unwrap_or_else(|| panic!("no {metric} {ours:?}"));
        let theirs: f64 = theirs.iter().filter_map(|wanted| sum(&native, metric, wanted)).sum();
        assert!((ours - theirs).abs() <= tolerance, "{metric}: {ours}, and on Linux {theirs}");
    };
    let memory = sum(&native, "system.memory.limit", &[]).unwrap();
    close("system.memory.limit", &[], &[&[]], 0.0);
    let state = "system.memory.state";
    close("system.memory.usage", &[(state, "used")], &[&[(state, "used")]], memory / 20.0);
    let rest: &[&[_]] = &[&[(state, "free")], &[(state, "buffers")], &[(state, "cached")]];
    close("system.memory.usage", &[(state, "free")], rest, memory / 20.0);
    close("system.memory.utilization", &[], &[&[]], 1e-6);
    let idle: &[&[_]] = &[&[("cpu.mode", "idle")], &[("cpu.mode", "iowait")]];
    // Other tests run meanwhile, and the two do not look at the very same moments.
    close("system.cpu.utilization", &[("cpu.mode", "idle")], idle, 0.4);
    for average in ["1m", "5m", "15m"] {
        close(&format!("system.cpu.load_average.{average}"), &[], &[&[]], 0.5);
    }
    for (metric, tolerance) in [("system.cpu.logical.count", 0.0), ("system.uptime", 2.0)] {
        close(metric, &[], &[&[]], tolerance);
    }
    for direction in ["receive", "transmit"] {
        let lo = |key| [(key, "lo"), ("network.io.direction", direction)];
        let moved = sum(&native, "system.network.io", &lo("network.interface.name")).unwrap();
        close(
            "system.network.io",
            &lo("network.interface.name"),
            &[&lo("network.interface.name")],
            moved / 20.0 + 1e6,
        );
        close("system.network.errors", &lo("network.interface.name"), &[&lo("network.interface.name")], 1.0);
        close(
            "system.network.packet.count",
            &lo("system.device"),
            &[&lo("system.device")],
            moved / 20.0 + 1e4,
        );
    }
}

#[test]
fn disks_have_moved_what_linux_says() {
    let (native, portable) = both();
    let series = portable[0].series.iter().find(|series| series.metric.name == "system.disk.io").unwrap();
    for point in &series.points {
        let wanted: Vec<_> =
            point.attributes.iter().map(|(name, value)| (*name, value.to_string())).collect();
        let wanted: Vec<_> = wanted.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // Linux shows whole disks, and a partition may be mounted.
        let Some(theirs) = sum(&native, "system.disk.io", &wanted) else { continue };
        assert!((point.value.as_f64() - theirs).abs() <= theirs / 20.0 + 64e6, "{wanted:?}: {theirs}");
    }
}

#[test]
fn filesystems_have_the_space_that_linux_says() {
    let (native, portable) = both();
    let point = "system.filesystem.mountpoint";
    let mut compared = 0;
    for series in portable[0].series.iter().filter(|series| series.metric.name == "system.filesystem.limit") {
        for found in &series.points {
            let at = found.attributes.iter().find(|(name, _)| *name == point).unwrap().1.to_string();
            let Some(limit) = sum(&native, "system.filesystem.limit", &[(point, &at)]) else { continue };
            assert!((found.value.as_f64() - limit).abs() < 1.0, "{at}");
            let state = "system.filesystem.state";
            let of = |readings: &[Reading], name| {
                sum(readings, "system.filesystem.usage", &[(point, &at), (state, name)]).unwrap_or(0.0)
            };
            let theirs = of(&native, "used") + of(&native, "reserved");
            assert!((of(&portable, "used") - theirs).abs() <= limit / 20.0, "{at}");
            assert!((of(&portable, "used") + of(&portable, "free") - limit).abs() < 1.0, "{at}");
            compared += 1;
        }
    }
    let of_linux = native.iter().flat_map(|reading| &reading.series);
    let has = of_linux.filter(|s| s.metric.name == "system.filesystem.limit").any(|s| !s.points.is_empty());
    assert!(compared > 0 || !has, "none of the filesystems is one of Linux'");
}

#[test]
fn this_very_process_is_the_same_to_both() {
    let (native, portable) = both();
    // A test may well be too small to be among the biggest.
    let host = Host::at("/").unwrap();
    let mut wide = build(&SPEC, "{top_n: 1000}", &host);
    fixture::read_of(&SPEC, wide.as_mut(), &host);
    std::thread::sleep(Duration::from_millis(300));
    let wide = [fixture::read_of(&SPEC, wide.as_mut(), &host)];
    let own = std::process::id().to_string();
    let own: &[(&str, &str)] = &[("process.pid", &own)];
    let of =
        |readings: &[Reading], metric| sum(readings, metric, own).unwrap_or_else(|| panic!("no {metric}"));
    let near = |metric, tolerance: f64| {
        let (ours, theirs) = (of(&wide, metric), of(&native, metric));
        assert!((ours - theirs).abs() <= tolerance, "{metric}: {ours}, and on Linux {theirs}");
    };
    near("process.memory.usage", of(&native, "process.memory.usage"));
    near("process.cpu.time", 5.0);
    near("process.uptime", 3.0);
    assert!((0.0..=1.0).contains(&of(&wide, "process.cpu.utilization")));
    let entities = &portable[0].entities;
    assert!((1..=40).contains(&entities.len()), "{}", entities.len());
    let pids: HashSet<Text> = entities.iter().map(|entity| entity.attributes[0].1.clone()).collect();
    assert_eq!(pids.len(), entities.len());
}

#[test]
fn its_metrics_are_those_of_linux() {
    for metric in SPEC.metrics {
        let theirs = collectors::ALL.iter().flat_map(|spec| spec.metrics);
        let theirs = theirs.into_iter().find(|theirs| theirs.name == metric.name);
        let theirs = theirs.unwrap_or_else(|| panic!("{} is not a metric of Linux", metric.name));
        assert_eq!((metric.unit, metric.kind, metric.value), (theirs.unit, theirs.kind, theirs.value));
        for attribute in metric.attributes {
            let same = theirs.attributes.iter().find(|theirs| theirs.name == attribute.name).unwrap();
            assert!(attribute.values.iter().all(|value| same.values.contains(value)), "{}", metric.name);
        }
    }
}

#[test]
fn another_root_is_not_its_business() {
    let (_root, host) = fixture::host(&[]);
    let reading = fixture::read_of(&SPEC, build(&SPEC, "{}", &host).as_mut(), &host);
    assert_eq!((reading.problems[0].kind(), reading.is_empty()), ("unavailable", true));
}
