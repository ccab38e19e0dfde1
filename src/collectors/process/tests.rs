//! The whole collector on machines that change: births, deaths, pids in use again, and what must hold then.

#![allow(clippy::float_cmp, reason = "the values are whole numbers of pages, ticks and processes")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::metric::{Text, Value};

/// A process as the machine has it.
#[derive(Debug, Clone)]
struct Model {
    name: &'static str,
    start: u64,
    ticks: u64,
    faults: u64,
    pages: u64,
    /// How often it was on a CPU.
    runs: u64,
}

impl Model {
    fn new(name: &'static str, start: u64, ticks: u64, pages: u64) -> Self {
        Self { name, start, ticks, faults: ticks / 2, pages, runs: 1 }
    }

    /// One, where the pid is even.
    fn threads(pid: u32) -> u64 {
        1 + u64::from(pid % 2)
    }
}

/// A machine of files.
struct Machine {
    dir: tempfile::TempDir,
    host: Host,
    collector: Processes,
    live: BTreeMap<u32, Model>,
    uptime: u64,
    time: (SystemTime, Instant),
}

impl Machine {
    fn new(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("proc")).unwrap();
        std::fs::write(dir.path().join("proc/stat"), "cpu0 1\ncpu1 1\nbtime 1700000000\n").unwrap();
        let host = Host::at(dir.path()).unwrap();
        let (filter, rules) = config.expressions().unwrap();
        let reader = Reader::new(&host, config.attributes.clone(), config.command_line.form());
        let collector = Processes::new(config, filter, rules, reader);
        let time = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_001_001), Instant::now());
        Self { dir, host, collector, live: BTreeMap::new(), uptime: 100_000, time }
    }

    fn born(&mut self, pid: u32, name: &'static str, pages: u64) {
        self.live.insert(pid, Model::new(name, self.uptime - 1, 0, pages));
    }

    fn write(&self) {
        let proc = self.dir.path().join("proc");
        for entry in std::fs::read_dir(&proc).unwrap().flatten() {
            if entry.path().is_dir() {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        std::fs::write(proc.join("uptime"), format!("{}.00 0.00\n", self.uptime / 100)).unwrap();
        for (pid, p) in &self.live {
            let dir = proc.join(pid.to_string());
            std::fs::create_dir(&dir).unwrap();
            let Model { name, start, ticks, faults, pages, runs } = p;
            let threads = Model::threads(*pid);
            let text = format!(
                "{pid} ({name}) S 1 1 1 0 -1 0 {faults} 0 0 0 {ticks} 0 0 0 20 0 {threads} 0 {start} 8192 {pages} 0\n"
            );
            std::fs::write(dir.join("stat"), text).unwrap();
            // No two processes were on a CPU to the same nanosecond.
            let text = format!("{} 5 {runs}\n", ticks * 10_000_000 + start);
            std::fs::write(dir.join("schedstat"), text).unwrap();
        }
    }

    /// Reads the machine a second later.
    fn read(&mut self) -> Reading {
        self.uptime += 100;
        self.write();
        self.time = (self.time.0 + Duration::from_secs(1), self.time.1 + Duration::from_secs(1));
        let mut out = Reading::new(
            "process",
            SPEC.metrics,
            |m| m.default,
            self.collector.ceiling(),
            self.host.boot_time,
        );
        (out.time, out.instant) = self.time;
        self.collector.collect(&self.host, &mut out).unwrap();
        assert!(out.problems.is_empty(), "{:?}", out.problems);
        out
    }
}

/// The defaults of the table, changed in part.
impl Default for Config {
    fn default() -> Self {
        SPEC.section("{}").unwrap().get().unwrap()
    }
}

type Key = String;

/// The values of a metric by entity and attributes.
fn values(reading: &Reading, metric: &'static Metric) -> BTreeMap<Key, f64> {
    let series = reading.series.iter().find(|series| std::ptr::eq(series.metric, metric)).unwrap();
    let key = |point: &crate::metric::Point| {
        let entity = point.entity.map(|at| &reading.entities[at as usize].attributes);
        let skip =
            |(name, _): &&(&str, Text)| *name != "process.executable.name" || entity.unwrap().len() == 1;
        let entity = entity.into_iter().flatten().filter(skip).map(|(_, v)| v.to_string());
        let own = point.attributes.iter().map(|(_, v)| v.to_string());
        entity.chain(own).collect::<Vec<_>>().join(" ")
    };
    let found: BTreeMap<_, _> = series.points.iter().map(|p| (key(p), p.value.as_f64())).collect();
    assert_eq!(found.len(), series.points.len(), "two points of {} are one series", metric.name);
    found
}

fn sum(reading: &Reading, metric: &'static Metric) -> f64 {
    values(reading, metric).values().sum()
}

/// What all series of a counter grew by between two readings, as a reader of them sees it. A series that is
/// new counts whole when it began since: its process was `born` then, or its group was.
fn growth(before: &Reading, now: &Reading, metric: &'static Metric, born: &[u32]) -> f64 {
    let earlier = values(before, metric);
    let mut grown = 0.0;
    for (key, value) in values(now, metric) {
        let pid = key.split(' ').next().and_then(|pid| pid.parse::<u32>().ok());
        match (earlier.get(&key), pid) {
            (Some(old), _) => {
                assert!(value >= *old, "{key} went back from {old} to {value}");
                grown += value - old;
            }
            (None, Some(pid)) if born.contains(&pid) => grown += value,
            (None, None) => grown += value,
            (None, Some(_)) => {}
        }
    }
    grown
}

#[derive(Debug, Clone)]
enum Change {
    Born(u32, usize, u64),
    Die(u32),
    Work(u32, u64),
    Reuse(u32),
    Frugal(bool),
}

fn change() -> impl Strategy<Value = Change> {
    let pid = 2_u32..14;
    prop_oneof![
        (pid.clone(), 0_usize..4, 0_u64..500).prop_map(|(pid, name, pages)| Change::Born(pid, name, pages)),
        pid.clone().prop_map(Change::Die),
        (pid.clone(), 1_u64..200).prop_map(|(pid, ticks)| Change::Work(pid, ticks)),
        pid.prop_map(Change::Reuse),
        any::<bool>().prop_map(Change::Frugal),
    ]
}

const NAMES: [&str; 4] = ["web", "db", "job", "a) R (b"];

fn hold(config: Config, rounds: &[Vec<Change>]) -> Result<(), TestCaseError> {
    let mut machine = Machine::new(config);
    machine.live.insert(1, Model::new("init", 5, 900, 10));
    machine.live.insert(20, Model::new("old", 6, 300, 90));
    let mut before = machine.read();
    for round in rounds {
        let then = machine.live.clone();
        machine.uptime += 2;
        for change in round {
            match *change {
                Change::Born(pid, name, pages) if !machine.live.contains_key(&pid) => {
                    machine.born(pid, NAMES[name], pages);
                }
                Change::Die(pid) => drop(machine.live.remove(&pid)),
                Change::Work(pid, ticks) => {
                    if let Some(model) = machine.live.get_mut(&pid) {
                        model.ticks += ticks;
                        model.faults += ticks / 2;
                        model.runs += 1;
                    }
                }
                Change::Reuse(pid) if machine.live.contains_key(&pid) => machine.born(pid, "reused", 3),
                Change::Frugal(frugal) => machine.collector.be_frugal(frugal),
                Change::Born(..) | Change::Reuse(_) => {}
            }
        }
        let now = machine.read();
        let same = |pid: &u32, model: &Model| then.get(pid).filter(|old| old.start == model.start).cloned();
        let born: Vec<u32> = machine
            .live
            .iter()
            .filter(|(pid, model)| same(pid, model).is_none())
            .map(|(pid, _)| *pid)
            .collect();
        let used = |of: fn(&Model) -> u64| -> u64 {
            machine.live.iter().map(|(pid, m)| of(m) - same(pid, m).map_or(0, |old| of(&old))).sum()
        };
        let pages: u64 = machine.live.values().map(|model| model.pages).sum();
        prop_assert_eq!(sum(&now, &MEMORY), pages as f64 * machine.host.page_size as f64);
        let threads: u64 = machine.live.keys().copied().map(Model::threads).sum();
        prop_assert_eq!(sum(&now, &THREADS), threads as f64);
        prop_assert_eq!(sum(&now, &COUNT), machine.live.len() as f64);
        let cpu = growth(&before, &now, &CPU_TIME, &born) * machine.host.ticks as f64;
        prop_assert!((cpu - used(|m| m.ticks) as f64).abs() < 1e-6, "cpu {} {}", cpu, used(|m| m.ticks));
        let faults = growth(&before, &now, &FAULTS, &born);
        prop_assert_eq!(faults, used(|m| m.faults) as f64);
        prop_assert!(values(&now, &CPU_UTILIZATION).values().all(|share| (0.0..=1.0).contains(share)));
        before = now;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_shown_adds_up_to_all_processes(
        rounds in proptest::collection::vec(proptest::collection::vec(change(), 0..8), 1..14),
        view in prop::sample::select(vec![View::Top, View::Groups, View::All]),
        top_n in 1_usize..4,
        max_groups in 1_usize..4,
        exclude in any::<bool>(),
    ) {
        let exclude = if exclude { vec!["name=^db$".to_owned()] } else { vec![] };
        let config = Config { view, top_n, ceiling: 6, max_groups, exclude, ..Config::default() };
        hold(config, &rounds)?;
    }
}

#[test]
fn a_reading_of_a_process_names_it_and_one_that_ended_is_gone() {
    let mut machine = Machine::new(Config::default());
    machine.live.insert(7, Model::new("web", 150, 30, 2));
    let reading = machine.read();
    let names: Vec<_> = reading.entities[0].attributes.iter().map(|(n, v)| (*n, v.to_string())).collect();
    assert_eq!(names[0], ("process.pid", "7".to_owned()));
    assert_eq!(names[1], ("process.creation.time", "2023-11-14T22:13:21.500Z".to_owned()));
    assert_eq!(names[2], ("process.executable.name", "web".to_owned()));
    assert!(values(&reading, &CPU_UTILIZATION).is_empty(), "no rate at first sight");
    machine.live.clear();
    assert_eq!(machine.read().entities.len(), 1, "only the remainder is left");
}

#[test]
fn a_rate_is_a_share_of_all_cpus() {
    let mut machine = Machine::new(Config::default());
    machine.live.insert(7, Model::new("web", 150, 30, 2));
    machine.read();
    machine.live.get_mut(&7).unwrap().ticks += 100;
    let reading = machine.read();
    let shares = values(&reading, &CPU_UTILIZATION);
    let user = shares.iter().find(|(key, _)| key.starts_with('7') && key.ends_with("user")).unwrap();
    assert!((user.1 - 0.5).abs() < 1e-9, "one of two CPUs for the whole second: {}", user.1);
}

#[test]
fn an_exec_gives_a_process_its_new_name_at_the_next_reading() {
    let mut machine = Machine::new(Config { command_line: settings::CommandLine::None, ..Config::default() });
    machine.live.insert(7, Model::new("sh", 150, 30, 2));
    machine.read();
    machine.live.get_mut(&7).unwrap().name = "nginx";
    let reading = machine.read();
    assert_eq!(reading.entities[0].attributes[2], ("process.executable.name", "nginx".to_owned().into()));
}

#[test]
fn rules_name_groups_and_the_first_that_matches_wins() {
    let rules = vec!["stores: name=^(db|cache)$".to_owned(), "all: name=.".to_owned()];
    let config = Config { view: View::Groups, group_by: group::GroupBy::Rules, rules, ..Config::default() };
    let mut machine = Machine::new(config);
    for (pid, name) in [(2, "db"), (3, "cache"), (4, "web")] {
        machine.live.insert(pid, Model::new(name, 9, 0, 1));
    }
    let members = values(&machine.read(), &MEMBERS);
    let expected = [("_other", 0.0), ("all", 1.0), ("stores", 2.0)];
    assert_eq!(members.into_iter().collect::<Vec<_>>(), expected.map(|(key, n)| (key.to_owned(), n)));
}

#[test]
fn a_bad_rule_is_told_when_the_collector_is_built() {
    let section = SPEC.section(r#"{rules: ["web: name=("]}"#).unwrap();
    let host = Host::at("/").unwrap();
    let stats = std::sync::Arc::default();
    let error = (SPEC.build)(&section, &crate::collectors::Context { host: &host, stats: &stats });
    let message = error.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.starts_with("collectors.process.rules:"), "{message}");
}

#[test]
fn what_this_machine_says_of_this_process_is_what_we_say() {
    let host = Host::at("/").unwrap();
    let config = Config { view: View::All, ceiling: 50_000, ..Config::default() };
    let reader = Reader::new(&host, Vec::new(), None);
    let mut collector = Processes::new(config, Filter::default(), Vec::new(), reader);
    let mut out = Reading::new("process", SPEC.metrics, |m| m.default, 200_000, host.boot_time);
    collector.collect(&host, &mut out).unwrap();
    let own = std::process::id();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let threads: f64 =
        status.lines().find_map(|l| l.strip_prefix("Threads:")).unwrap().trim().parse().unwrap();
    let of_own = |metric| {
        let found = values(&out, metric);
        let key = found.keys().find(|key| key.starts_with(&format!("{own} "))).cloned();
        found[&key.unwrap()]
    };
    assert!((of_own(&THREADS) - threads).abs() <= 8.0, "the test runner starts and ends threads");
    assert!(of_own(&MEMORY) > 1e6 && of_own(&DESCRIPTORS) >= 3.0 && of_own(&UPTIME) < 3600.0);
    assert_eq!(Value::Int(1).as_f64(), values(&out, &MEMBERS).len() as f64, "one remainder");
}

#[test]
fn traffic_is_told_of_a_namespace_that_is_not_the_first_process_s() {
    let (mut machine, head) = (Machine::new(Config::default()), "Inter-| Receive\n face |bytes\n");
    for pid in [1, 7] {
        machine.live.insert(pid, Model::new("web", 150, 30, 2));
    }
    machine.read();
    let zeros = " 0 0 0 0 0 0 0";
    for (pid, bytes) in [(1, 5), (7, 9)] {
        let net = machine.dir.path().join(format!("proc/{pid}/net"));
        std::fs::create_dir(&net).unwrap();
        let text = format!("{head}lo: 1{zeros} 1{zeros}\neth0: {bytes}{zeros} 2{zeros}\n");
        std::fs::write(net.join("dev"), text).unwrap();
    }
    let pids = Pids::open(&machine.host).unwrap();
    assert_eq!(traffic::read(&pids, 1), None);
    assert_eq!(traffic::read(&pids, 7), Some(traffic::Traffic { received: 9, sent: 2 }));
}

#[test]
fn who_is_frugal_shows_nobody_alone_and_loses_nothing() {
    let mut machine = Machine::new(Config::default());
    for pid in 2..12 {
        machine.born(pid, "web", 10 + u64::from(pid));
    }
    let alone = |reading: &Reading| values(reading, &UPTIME).len();
    let before = machine.read();
    assert_eq!(alone(&before), 10);
    machine.collector.be_frugal(true);
    let frugal = machine.read();
    assert_eq!((alone(&frugal), sum(&frugal, &MEMORY)), (0, sum(&before, &MEMORY)));
    machine.collector.be_frugal(false);
    assert_eq!(alone(&machine.read()), 10);
}

#[test]
fn the_stat_of_who_has_not_run_is_read_now_and_then_or_when_it_is_shown() {
    let mut machine = Machine::new(Config { top_n: 1, ..Config::default() });
    for (pid, pages) in [(2, 900), (4, 10), (6, 10)] {
        machine.live.insert(pid, Model::new("job", 50, 0, pages));
    }
    let mut reading = machine.read();
    // One is shown, and the others are known to rest from the fourth reading on.
    for _ in 0..3 {
        reading = machine.read();
    }
    let page = machine.host.page_size as f64;
    let in_all = |reading: &Reading| sum(reading, &MEMORY) / page;
    assert_eq!(in_all(&reading), 920.0);
    // The kernel takes pages away, which no `schedstat` tells.
    for pid in [4, 6] {
        machine.live.get_mut(&pid).unwrap().pages = 5;
    }
    let seen: Vec<f64> = (0..8).map(|_| in_all(&machine.read())).collect();
    assert!(seen[0] > 910.0 && seen[7] == 910.0, "{seen:?}");
    // One that ran is read at once.
    let model = machine.live.get_mut(&4).unwrap();
    (model.pages, model.runs) = (7, 2);
    assert_eq!(in_all(&machine.read()), 912.0);
    // And so is one that is shown, since the one before it has ended.
    machine.live.remove(&2);
    machine.live.get_mut(&6).unwrap().pages = 600;
    let seen: Vec<f64> = (0..8).map(|_| in_all(&machine.read())).collect();
    assert_eq!(*seen.last().unwrap(), 607.0, "{seen:?}");
}
