//! The recorded hosts with one of their files changed, read by every collector.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use hostmeter::collectors::{ALL, Collector, Context, Spec};
use hostmeter::host::Host;
use hostmeter::metric::Reading;
use hostmeter::stats::Stats;
use rustix::time::{ClockId, clock_gettime};

use super::mutate::{LARGE, mutate};
use super::{Figure, MEMORY, check, txtar};

/// The archives, each with how many cases of a hundred are its; one has thousands of processes.
const HOSTS: [(&str, &str, u8); 5] = [
    ("container", include_str!("../../hosts/container.txtar"), 22),
    ("hostile", include_str!("../../hosts/hostile.txtar"), 22),
    ("large", include_str!("../../hosts/large.txtar"), 2),
    ("old-kernel", include_str!("../../hosts/old-kernel.txtar"), 27),
    ("vm", include_str!("../../hosts/vm.txtar"), 27),
];

/// After so many cases the collectors are made anew; before, they compare what they read with what was.
const LIVES: usize = 64;

/// What is promised of one reading, beyond what the same takes of the file as it was.
const MOST_BYTES: f64 = 1.0;
const MOST_MILLIS: f64 = 1.0;

/// The same of a file with a line of a mebibyte, which is read and held whole: where no byte of it is UTF-8, as
/// text of three times its size.
const MOST_BYTES_OF_LARGE: f64 = 10.0;
const MOST_MILLIS_OF_LARGE: f64 = 30.0;

/// What all collectors take of all hosts as they were, where the promises of CPU were made. On a machine that is slower
/// there is more time by as much: what is promised is that a file does not cost a multiple.
const REFERENCE_MILLIS: f64 = 4.0;

const MIB: f64 = (1 << 20) as f64;

/// What came of all cases.
#[derive(Default)]
pub(super) struct Outcome {
    cases: usize,
    readings: usize,
    panics: Vec<String>,
    nonsense: Vec<String>,
    /// The dearest readings of ordinary files and of large ones.
    ordinary: Worst,
    large: Worst,
    /// How much slower this machine is than the one of the promises.
    slower: f64,
}

#[derive(Default)]
struct Worst {
    mebibytes: (f64, String),
    millis: (f64, String),
}

impl Worst {
    fn note(&mut self, cost: &Cost, usual: &Cost, at: &str) {
        let more = |now: f64, before: f64, worst: &mut (f64, String)| {
            if now - before > worst.0 {
                *worst = (now - before, at.to_owned());
            }
        };
        more(cost.mebibytes, usual.mebibytes, &mut self.mebibytes);
        more(cost.millis, usual.millis, &mut self.millis);
    }
}

/// What a reading took.
#[derive(Clone, Copy, Default)]
struct Cost {
    mebibytes: f64,
    /// Of this thread's CPU time, because the machine is not ours alone.
    millis: f64,
}

/// The figures of the row.
pub(super) fn figures(cases: usize) -> Vec<Figure> {
    let outcome = run(cases);
    let mut figures = outcome.correctness();
    let told = |what: &str, most, (worst, at): &(f64, String), unit| {
        Figure::at_most(&format!("{what} ({at})"), most, *worst, unit)
    };
    figures.extend([
        told("memory more than usual", MOST_BYTES, &outcome.ordinary.mebibytes, " MiB"),
        told("CPU more than usual", MOST_MILLIS * outcome.slower, &outcome.ordinary.millis, " ms"),
        told("line of 1 MiB: memory", MOST_BYTES_OF_LARGE, &outcome.large.mebibytes, " MiB"),
        told("line of 1 MiB: CPU", MOST_MILLIS_OF_LARGE * outcome.slower, &outcome.large.millis, " ms"),
    ]);
    figures
}

impl Outcome {
    /// What holds for any build on any machine.
    pub(super) fn correctness(&self) -> Vec<Figure> {
        let none = |what: String, found: &[String]| {
            let shown = format!("{} {}", found.len(), found.first().map_or("", String::as_str));
            Figure::new(&what, "0", shown.trim(), found.is_empty())
        };
        vec![
            none(format!("panics in {} readings of {} cases", self.readings, self.cases), &self.panics),
            none("readings that no table allows".to_owned(), &self.nonsense),
        ]
    }
}

/// Runs so many cases; the same ones each time.
pub(super) fn run(cases: usize) -> Outcome {
    let mut outcome = Outcome { cases, ..Outcome::default() };
    let mut machines: Vec<Machine> = HOSTS.iter().map(|(name, text, _)| Machine::new(name, text)).collect();
    let usual: f64 = machines.iter().flat_map(|machine| machine.usual.values()).map(|cost| cost.millis).sum();
    outcome.slower = (usual / REFERENCE_MILLIS).max(1.0);
    for case in 0..cases {
        // A number of its own, so that a case can be found again without those before it.
        let mut rng = Rng::with_seed(case as u64);
        let mut dice = rng.u8(0..100);
        let machine = HOSTS.iter().zip(&mut machines).find_map(|((_, _, weight), machine)| {
            let hit = dice < *weight;
            dice = dice.wrapping_sub(*weight);
            hit.then_some(machine)
        });
        machine.unwrap().case(case, &mut rng, &mut outcome);
    }
    outcome
}

/// A recorded host, its files as they were, and its collectors.
struct Machine {
    name: &'static str,
    root: tempfile::TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
    stats: Arc<Stats>,
    collectors: Vec<(&'static Spec, Box<dyn Collector>)>,
    usual: BTreeMap<&'static str, Cost>,
    cases: usize,
}

impl Machine {
    fn new(name: &'static str, text: &str) -> Self {
        // In memory where there is such a place, because every case is a file.
        let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        txtar::apply(root.path(), name, text);
        let mut files = Vec::new();
        collect_files(root.path(), &mut files);
        files.sort();
        let stats = Arc::default();
        let mut machine =
            Self { name, root, files, stats, collectors: vec![], usual: BTreeMap::new(), cases: 0 };
        machine.make_collectors();
        for _ in 0..5 {
            let host = machine.host().unwrap();
            for place in 0..machine.collectors.len() {
                let (name, cost) = (machine.collectors[place].0.name, machine.read(place, &host).0);
                let usual = machine.usual.entry(name).or_insert(cost);
                usual.mebibytes = usual.mebibytes.max(cost.mebibytes);
                usual.millis = usual.millis.min(cost.millis);
            }
        }
        machine
    }

    fn host(&self) -> Option<Host> {
        let mut host = Host::at(self.root.path()).ok()?;
        (host.ticks, host.page_size) = (100, 4096);
        Some(host)
    }

    fn make_collectors(&mut self) {
        let host = self.host().unwrap();
        let context = Context { host: &host, stats: &self.stats };
        let make = |spec: &&'static Spec| (*spec, build(spec, &context));
        self.collectors = ALL.iter().map(make).collect();
    }

    fn case(&mut self, case: usize, rng: &mut Rng, outcome: &mut Outcome) {
        self.cases += 1;
        if self.cases.is_multiple_of(LIVES) {
            self.make_collectors();
        }
        let (path, before) = self.files[rng.usize(0..self.files.len())].clone();
        let mut content = before.clone();
        mutate(&mut content, rng);
        std::fs::write(&path, &content).unwrap();
        let shown = path.strip_prefix(self.root.path()).unwrap().display();
        // A host whose /proc/stat cannot be read is refused at the start.
        if let Some(host) = self.host() {
            for place in 0..self.collectors.len() {
                let at = format!("case {case}: {} of {}, {shown}", self.collectors[place].0.name, self.name);
                self.judge(place, &host, &at, content.len() > before.len().max(LARGE), outcome);
            }
        }
        std::fs::write(&path, before).unwrap();
    }

    fn judge(&mut self, place: usize, host: &Host, at: &str, large: bool, outcome: &mut Outcome) {
        let usual = self.usual[self.collectors[place].0.name];
        let (mut cost, result) = self.read(place, host);
        outcome.readings += 1;
        match result {
            Err(panic) => {
                outcome.panics.push(format!("{at}: {panic}"));
                return self.make_collectors();
            }
            Ok(reading) => {
                let check = AssertUnwindSafe(|| check::points(self.name, &reading, &mut HashMap::default()));
                if let Err(panic) = catch_unwind(check) {
                    outcome.nonsense.push(format!("{at}: {}", text(&*panic)));
                }
            }
        }
        let worst = if large { &mut outcome.large } else { &mut outcome.ordinary };
        // What an interrupt took is charged to this thread too, but not each time.
        for _ in 0..8 {
            if cost.millis - usual.millis > worst.millis.0 {
                cost.millis = cost.millis.min(self.read(place, host).0.millis);
            }
        }
        worst.note(&cost, &usual, at);
    }

    fn read(&mut self, place: usize, host: &Host) -> (Cost, Result<Reading, String>) {
        let (spec, collector) = &mut self.collectors[place];
        let ceiling = collector.ceiling();
        let mut reading = Reading::new(spec.name, spec.metrics, |_| true, ceiling, host.boot_time);
        MEMORY.reset_peak_usage();
        let (held, began) = (MEMORY.current_usage(), cpu_time());
        let result = catch_unwind(AssertUnwindSafe(|| {
            // A collector that gives up is good; one that gives nonsense is not.
            let _ = collector.collect(host, &mut reading);
        }));
        let took = cpu_time().saturating_sub(began);
        let mebibytes = MEMORY.peak_usage().saturating_sub(held) as f64 / MIB;
        let cost = Cost { mebibytes, millis: took.as_secs_f64() * 1000.0 };
        (cost, result.map(|()| reading).map_err(|panic| text(&*panic)))
    }
}

/// A collector with the settings that read most.
fn build(spec: &'static Spec, context: &Context<'_>) -> Box<dyn Collector> {
    let settings = match spec.name {
        "cpu" => "{per_core: true}",
        "disk" => "{partitions: true, exclude: []}",
        "filesystem" => "{exclude_types: [], exclude_mounts: []}",
        "process" => {
            "{view: all, ceiling: 50, command_line: scrubbed, attributes: [process.command, container.id]}"
        }
        _ => "{}",
    };
    (spec.build)(&spec.section(settings).unwrap(), context).unwrap()
}

fn collect_files(directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            collect_files(&entry.path(), files);
        } else if kind.is_file() {
            files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.cast_unsigned(), now.tv_nsec as u32)
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
}
