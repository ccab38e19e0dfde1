use std::sync::Arc;

use proptest::prelude::*;

use super::super::Context;
use super::super::fixture::{host, lines, read, read_of};
use super::*;

/// Linux 6.1, a host of virtual machines: guests run at both priorities.
const MODERN: &str = "\
cpu  1132 40 300 50000 900 10 20 5 100 30
cpu0 600 40 150 25000 500 6 15 5 100 30
cpu1 532 0 150 25000 400 4 5 0 0 0
intr 721016 0 0 9 0 0
ctxt 1060808
btime 1700000000
";

/// Linux 2.6.9, before `steal`.
const WITHOUT_STEAL: &str = "\
cpu  46828 0 2311 3928471 11032 109 1210
cpu0 46828 0 2311 3928471 11032 109 1210
intr 41217362 39871622 8
";

/// A collector and what it makes of the text of `/proc/stat`, at 100 ticks a second.
fn cpu(per_core: bool) -> impl FnMut(&str) -> Vec<String> {
    let mut cpu = Cpu { config: Config { per_core }, ..Cpu::default() };
    move |text| {
        let mut out = Reading::new("cpu", SPEC.metrics, |_| true, 64, std::time::SystemTime::UNIX_EPOCH);
        cpu.times(&parse(text).unwrap(), 100, &mut out);
        lines(&out)
    }
}

/// The values behind a metric and its attributes.
fn values(lines: &[String], of: &str) -> Vec<f64> {
    let value = |line: &String| line.strip_prefix(of)?.rsplit(' ').next()?.parse().ok();
    lines.iter().filter_map(value).collect()
}

#[test]
fn guests_are_taken_out_and_interrupts_put_together() {
    let stat = parse(MODERN).unwrap();
    let total = [1032, 300, 10, 50000, 900, 30, 5].map(Some);
    assert_eq!(stat.total, total);
    assert_eq!(stat.cpus[0], (0, [500, 150, 10, 25000, 500, 21, 5].map(Some)));
    assert_eq!(stat.cpus.len(), 2);
}

#[test]
fn a_mode_that_an_old_kernel_does_not_know_is_absent() {
    let expected = [
        "system.cpu.time{cpu.mode=user} 468.28",
        "system.cpu.time{cpu.mode=system} 23.11",
        "system.cpu.time{cpu.mode=nice} 0",
        "system.cpu.time{cpu.mode=idle} 39284.71",
        "system.cpu.time{cpu.mode=iowait} 110.32",
        "system.cpu.time{cpu.mode=interrupt} 13.19",
    ];
    assert_eq!(cpu(false)(WITHOUT_STEAL), expected);
    assert_eq!(parse("cpu 1 2 3 4\ncpu0 1 2 3 4\n").unwrap().total[4..], [None, None, None]);
}

#[test]
fn utilization_is_the_share_of_what_grew_and_needs_two_readings() {
    let mut cpu = cpu(false);
    let mut utilization = |text: &str| values(&cpu(text), "system.cpu.utilization");
    assert_eq!(utilization("cpu 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0\n"), [0.0; 0]);
    let shares = utilization("cpu 30 0 20 150 0 0 0 0\ncpu0 30 0 20 150 0 0 0 0\n");
    assert_eq!(shares, [0.15, 0.1, 0.0, 0.75, 0.0, 0.0, 0.0]);
    assert_eq!(utilization("cpu 30 0 20 150 0 0 0 0\ncpu0 30 0 20 150 0 0 0 0\n"), [0.0; 0]);
}

#[test]
fn per_core_is_instead_of_the_total_and_sums_to_it() {
    let lines = cpu(true)(MODERN);
    assert_eq!(lines.len(), 14);
    assert_eq!(values(&lines, "system.cpu.time{cpu.mode=user"), [5.0, 5.32]);
    assert_eq!(values(&cpu(false)(MODERN), "system.cpu.time{cpu.mode=user"), [10.32]);
}

#[test]
fn per_core_utilization_is_of_each_core_alone() {
    let mut cpu = cpu(true);
    cpu("cpu 0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\n");
    let lines = cpu("cpu 90 0 0 110\ncpu0 90 0 0 10\ncpu1 0 0 0 100\n");
    assert_eq!(values(&lines, "system.cpu.utilization{cpu.mode=idle"), [0.1, 1.0]);
}

#[test]
fn iowait_that_steps_back_holds_and_then_grows_on() {
    let mut cpu = cpu(false);
    let iowait = |ticks: u32| {
        values(
            &cpu(&format!("cpu 0 0 0 9 {ticks}\ncpu0 0 0 0 9 {ticks}\n")),
            "system.cpu.time{cpu.mode=iowait",
        )
    };
    assert_eq!([500, 490, 495, 510].map(iowait).concat(), [5.0, 5.0, 5.0, 5.1]);
}

#[test]
fn idle_of_a_cpu_that_comes_back_counts_on_from_where_it_was() {
    let mut cpu = cpu(false);
    let idle = |text: &str| values(&cpu(text), "system.cpu.time{cpu.mode=idle");
    let texts = [
        "cpu 0 0 0 200000\ncpu0 0 0 0 100000\ncpu1 0 0 0 100000\n",
        "cpu 0 0 0 200100\ncpu0 0 0 0 100100\n",
        "cpu 0 0 0 100210\ncpu0 0 0 0 100200\ncpu1 0 0 0 10\n",
        "cpu 0 0 0 100320\ncpu0 0 0 0 100300\ncpu1 0 0 0 20\n",
    ];
    assert_eq!(texts.map(idle).concat(), [2000.0, 2001.0, 2002.0, 2003.1]);
}

#[test]
fn a_cpu_that_is_plugged_in_brings_no_burst() {
    let mut cpu = cpu(false);
    cpu("cpu 0 0 0 200000\ncpu0 0 0 0 100000\n");
    let lines = cpu("cpu 0 0 0 200100\ncpu0 0 0 0 100100\ncpu1 0 0 0 100000\n");
    assert_eq!(values(&lines, "system.cpu.time{cpu.mode=idle"), [2001.0]);
}

#[test]
fn a_cpu_that_stands_twice_is_one() {
    let twice = parse("cpu 1 0 0 9\ncpu1 5 0 0 5\ncpu0 1 0 0 9\ncpu1 7 0 0 7\n").unwrap();
    assert_eq!(
        twice.cpus.iter().map(|(number, times)| (*number, times[0])).collect::<Vec<_>>(),
        [(0, Some(1)), (1, Some(5))]
    );
}

#[test]
fn the_setting_is_read_and_the_ceiling_holds_every_cpu_that_can_come() {
    let (_dir, host) = host(&[("proc/stat", MODERN), ("sys/devices/system/cpu/possible", "0-127\n")]);
    let made = |yaml| {
        let mut cpu =
            (SPEC.build)(&SPEC.section(yaml).unwrap(), &Context { host: &host, stats: &Arc::default() })
                .unwrap();
        let out = read_of(&SPEC, &mut *cpu, &host);
        (cpu.ceiling(), values(&lines(&out), "system.cpu.time").len())
    };
    assert_eq!(made("{}"), (64 + 128, 7));
    assert_eq!(made("{per_core: true}"), (64 + 128 * 7, 14));
}

#[test]
fn counts_and_frequencies_come_from_sysfs() {
    let (dir, host) = host(&[
        ("proc/stat", MODERN),
        ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1\n"),
        ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2300000\n"),
        ("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "800000\n"),
    ]);
    let mut cpu = Cpu::default();
    let mut collect = || {
        let out = read_of(&SPEC, &mut cpu, &host);
        assert!(out.problems.is_empty(), "{:?}", out.problems);
        lines(&out).split_off(7).into_iter().filter(|line| !line.contains("utilization")).collect::<Vec<_>>()
    };
    let expected = [
        "system.cpu.logical.count 2",
        "system.cpu.physical.count 1",
        "system.cpu.frequency{cpu.logical_number=0} 2300000000",
        "system.cpu.frequency{cpu.logical_number=1} 800000000",
    ];
    assert_eq!(collect(), expected);
    // Counted once: the topology is not read again while the number of CPUs is the same.
    std::fs::remove_dir_all(dir.path().join("sys/devices/system/cpu/cpu0/topology")).unwrap();
    assert_eq!(collect(), expected);
}

#[test]
fn what_the_machine_does_not_tell_is_unavailable_and_the_rest_goes_on() {
    let out = read(&SPEC, &mut Cpu::default(), &[("proc/stat", MODERN)]);
    assert_eq!(lines(&out).len(), 8);
    assert_eq!(out.problems.iter().map(Error::kind).collect::<Vec<_>>(), ["unavailable"; 2]);
}

#[test]
fn a_cut_file_says_what_was_expected() {
    let message = |text: &str| parse(text).unwrap_err().at("proc/stat").to_string();
    assert_eq!(message(""), r#"proc/stat:1: expected the lines cpu and cpu0, found """#);
    assert_eq!(
        message("cpu  1 2 3 4\ncpu0 1 2 3"),
        r#"proc/stat:2: expected ticks of at least user, nice, system and idle, found "cpu0 1 2 3""#
    );
    assert_eq!(message("cpu  -1 2 3 4\n"), r#"proc/stat:1: expected ticks, found "cpu  -1 2 3 4""#);
}

proptest! {
    #[test]
    fn no_text_panics(text in "(cpu[0-9]{0,11} [-0-9 ]{0,200}\n|\\PC*\n){0,9}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_counter_goes_back_and_no_share_leaves_its_range(
        readings in prop::collection::vec(prop::array::uniform2(any::<Option<[u64; 10]>>()), 1..6),
        per_core: bool,
    ) {
        let mut cpu = cpu(per_core);
        let mut last = BTreeMap::new();
        for cpus in readings {
            let line = |name: String, ticks: [u64; 10]| ticks.iter().fold(name, |l, t| format!("{l} {t}"));
            let online = cpus.into_iter().zip(0..).filter_map(|(ticks, n)| Some(line(format!("cpu{n}"), ticks?)));
            let online: Vec<String> = online.collect();
            if online.is_empty() {
                continue;
            }
            let lines = cpu(&format!("{}\n{}\n", line("cpu".to_owned(), [7; 10]), online.join("\n")));
            for line in lines {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let value: f64 = value.parse().unwrap();
                if name.starts_with("system.cpu.time") {
                    prop_assert!(last.insert(name.to_owned(), value).unwrap_or(0.0) <= value);
                } else {
                    prop_assert!((0.0..=1.0).contains(&value), "{line}");
                }
            }
        }
    }
}
