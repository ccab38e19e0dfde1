//! The sampler against collectors that count, fail, panic and hang.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::collectors::Turn;
use crate::host::Error;
use crate::metric::ValueType::Double;

static VALUE: Metric = Metric::gauge("test.value", "1", Double);
static RUNS: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicBool = AtomicBool::new(true);

enum Behaviour {
    Counts,
    Fails,
    FailsInPart,
    Panics,
    Hangs,
    Waits,
}

impl Collector for Behaviour {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        match self {
            Behaviour::Counts => {
                RUNS.fetch_add(1, Ordering::SeqCst);
            }
            Behaviour::Fails => return host.read("proc/nothing").map(drop),
            Behaviour::FailsInPart => out.part(|_| host.read("proc").map(drop)),
            Behaviour::Waits => std::thread::sleep(Duration::from_millis(500)),
            Behaviour::Panics => panic!("on purpose"),
            Behaviour::Hangs => {
                while HELD.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
        out.push(&VALUE, vec![], 1.0);
        Ok(())
    }

    fn turn(&self) -> Turn {
        if matches!(self, Behaviour::Waits) { Turn::Late } else { Turn::Early }
    }
}

macro_rules! spec {
    ($name:ident, $text:literal, $behaviour:ident) => {
        static $name: Spec = Spec {
            name: $text,
            about: "",
            metrics: &[&VALUE],
            settings: &[],
            build: |_, _| Ok(Box::new(Behaviour::$behaviour)),
        };
    };
}
spec!(COUNTS, "counts", Counts);
spec!(FAILS, "fails", Fails);
spec!(PART, "part", FailsInPart);
spec!(PANICS, "panics", Panics);
spec!(HANGS, "hangs", Hangs);
spec!(WAITS, "waits", Waits);

fn start(specs: &[&'static Spec]) -> (tempfile::TempDir, Sampler, Arc<Stats>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("proc")).unwrap();
    std::fs::write(dir.path().join("proc/stat"), "btime 1700000000\n").unwrap();
    let stats = Arc::new(Stats::default());
    let sources = specs.iter().map(|spec| Source::new(spec)).collect();
    let host = Arc::new(Host::at(dir.path()).unwrap());
    let sampler = Sampler::start(host, sources, Arc::clone(&stats)).unwrap();
    (dir, sampler, stats)
}

fn names(snapshot: &Snapshot) -> Vec<&'static str> {
    snapshot.readings.iter().map(|reading| reading.collector).collect()
}

const LONG: Duration = Duration::from_secs(5);

#[test]
fn those_who_ask_within_a_second_share_one_reading() {
    let (_dir, sampler, _) = start(&[&COUNTS]);
    let first = sampler.snapshot(LONG);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(Arc::ptr_eq(&first, &sampler.snapshot(LONG))));
        }
    });
    assert_eq!(RUNS.load(Ordering::SeqCst), 1);
}

#[test]
fn somebody_who_asks_for_less_age_gets_a_new_reading() {
    let (_dir, sampler, _) = start(&[&PART]);
    let first = sampler.snapshot(LONG);
    std::thread::sleep(Duration::from_millis(20));
    let second = sampler.snapshot_within(Duration::from_millis(10), LONG);
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &sampler.snapshot(LONG)), "and the others share it");
}

#[test]
fn an_error_and_a_panic_leave_the_others_whole() {
    let (_dir, sampler, stats) = start(&[&FAILS, &PANICS, &PART]);
    assert_eq!(names(&sampler.snapshot(LONG)), ["part"]);
    std::thread::sleep(FRESH + Duration::from_millis(20));
    assert_eq!(names(&sampler.snapshot(LONG)), ["part"]);
    let counts = stats.read().collectors;
    let errors = |name| counts[name].errors.clone().into_iter().collect::<Vec<_>>();
    assert_eq!(errors("fails"), [("unavailable", 1)], "what the host does not have is counted once");
    assert_eq!(errors("panics"), [("panic", 2)], "a collector that panicked is built anew");
    assert_eq!(errors("part"), [("io", 2)]);
    assert!(counts["part"].up && !counts["panics"].up);
}

#[test]
fn whoever_is_in_a_hurry_has_all_but_those_that_may_have_to_wait() {
    let (_dir, sampler, _) = start(&[&WAITS, &COUNTS, &PART]);
    assert_eq!(names(&sampler.snapshot(Duration::from_millis(100))), ["counts", "part"]);
}

#[test]
fn a_collector_that_hangs_is_left_out_until_it_returns() {
    let (_dir, sampler, stats) = start(&[&HANGS, &PART]);
    let began = Instant::now();
    assert!(names(&sampler.snapshot(Duration::from_millis(100))).is_empty(), "the budget is kept");
    assert!(began.elapsed() < Duration::from_millis(500));
    assert_eq!(names(&sampler.snapshot(LONG)), ["part"], "the first that waits is answered as well");
    std::thread::sleep(FRESH);
    let began = Instant::now();
    assert_eq!(names(&sampler.snapshot(LONG)), ["part"]);
    assert!(began.elapsed() < Duration::from_millis(500), "it is not waited for again");
    HELD.store(false, Ordering::SeqCst);
    std::thread::sleep(FRESH);
    assert_eq!(names(&sampler.snapshot(LONG)), ["hangs", "part"]);
    assert_eq!(stats.read().collectors["hangs"].errors["timeout"], 2);
}
