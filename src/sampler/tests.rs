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
        spec!($name, $text, of Behaviour::$behaviour);
    };
    ($name:ident, $text:literal, of $collector:expr) => {
        static $name: Spec = Spec {
            name: $text,
            about: "",
            metrics: &[&VALUE],
            settings: &[],
            build: |_, _| Ok(Box::new($collector)),
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
    let host = Arc::new(Host::at(dir.path()).unwrap());
    let sampler = Sampler::start(host, sources(specs), Arc::clone(&stats)).unwrap();
    (dir, sampler, stats)
}

fn sources(specs: &[&'static Spec]) -> Vec<Source> {
    specs.iter().map(|spec| Source::new(spec)).collect()
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

/// Gives something only where the other one runs at the same time.
struct Meets(Turn);

static MEETING: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

impl Collector for Meets {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        let mine = usize::from(self.0 == Turn::Aside);
        MEETING[mine].store(true, Ordering::SeqCst);
        while !MEETING[1 - mine].load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        out.push(&VALUE, vec![], 1.0);
        Ok(())
    }

    fn turn(&self) -> Turn {
        self.0
    }
}

#[test]
fn what_takes_long_is_read_beside_the_others() {
    spec!(BESIDE, "beside", of Meets(Turn::Aside));
    spec!(FIRST, "first", of Meets(Turn::Early));
    let (_dir, sampler, _) = start(&[&FIRST, &BESIDE, &PART]);
    assert_eq!(names(&sampler.snapshot(LONG)), ["first", "beside", "part"]);
}

#[test]
fn whoever_is_late_but_in_time_for_the_others_is_in_the_snapshot_and_no_longer_missed() {
    struct Sleeps(u64);
    impl Collector for Sleeps {
        fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
            std::thread::sleep(Duration::from_millis(self.0));
            out.push(&VALUE, vec![], 1.0);
            Ok(())
        }
    }
    spec!(LATE, "late", of Sleeps(1200));
    spec!(NEXT, "next", of Sleeps(600));
    let host = Arc::new(Host::at("/").unwrap());
    let stats = Arc::new(Stats::default());
    let context = Context { host: &host, stats: &stats };
    let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
    shared.lock().plans_to_come.push(plan::make(sources(&[&LATE, &NEXT]), &[], 0, &context).unwrap());
    let mut driver = cycle::Driver::new(Arc::clone(&host), Arc::clone(&stats));
    driver.run(&shared);
    assert_eq!(names(&shared.complete()), ["late", "next"]);
    assert_eq!(driver.stuck(), 0);
    assert_eq!(stats.read().collectors["late"].errors["timeout"], 1);
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

/// Remembers, as processes do, and has a setting.
struct Remembers(u64);

impl Collector for Remembers {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        self.0 += 1;
        out.push(&VALUE, vec![], self.0 as f64);
        Ok(())
    }
}

static REMEMBERS: Spec = Spec {
    name: "remembers",
    about: "",
    metrics: &[&VALUE],
    settings: &[],
    build: |section, _| Ok(Box::new(Remembers(section.0.len() as u64 * 100))),
};

fn remembered(sampler: &Sampler) -> f64 {
    let snapshot = sampler.snapshot(LONG);
    let reading = snapshot.readings.iter().find(|reading| reading.collector == "remembers").unwrap();
    reading.series[0].points[0].value.as_f64()
}

#[test]
fn a_reload_keeps_what_a_collector_remembers_unless_its_own_settings_change() {
    let (_dir, first, stats) = start(&[&REMEMBERS, &PART]);
    assert_eq!(remembered(&first) as u64, 1);
    let mut plan = sources(&[&FAILS, &REMEMBERS]);
    plan[1].interval = Duration::from_millis(1);
    let second = first.prepare(plan).unwrap();
    assert_eq!(remembered(&first) as u64, 1, "what is only prepared changes nothing");
    second.take_effect();
    assert_eq!(remembered(&second) as u64, 2, "at once, and not only when the last reading is too old");
    assert_eq!(names(&first.snapshot(LONG)), ["remembers"], "who still asks the old one gets the same");
    assert!(!stats.read().collectors.contains_key("part"));

    let mut plan = sources(&[&REMEMBERS]);
    plan[0].section.0.insert("size".to_owned(), 7.into());
    let third = second.prepare(plan).unwrap();
    third.take_effect();
    // Before any cycle, the next one: both are taken up, one after the other.
    let mut plan = sources(&[&COUNTED, &REMEMBERS]);
    plan[1].section.0.insert("size".to_owned(), 7.into());
    let fourth = third.prepare(plan).unwrap();
    fourth.take_effect();
    assert_eq!(remembered(&fourth) as u64, 101);
    drop((first, second, third));
    std::thread::sleep(FRESH + Duration::from_millis(20));
    assert_eq!(remembered(&fourth) as u64, 102, "the thread is there as long as somebody may ask");
}

spec!(COUNTED, "counted", FailsInPart);

static HELD_OVER: AtomicBool = AtomicBool::new(true);

#[test]
fn what_hangs_over_a_reload_comes_back_to_its_place_or_is_forgotten() {
    spec!(SPEC, "held", of Held);
    struct Held;
    impl Collector for Held {
        fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
            while HELD_OVER.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            out.push(&VALUE, vec![], 1.0);
            Ok(())
        }
    }
    let (_dir, first, _) = start(&[&SPEC, &PART]);
    assert_eq!(names(&first.snapshot(LONG)), ["part"]);
    let second = first.prepare(sources(&[&PART, &FAILS, &SPEC])).unwrap();
    second.take_effect();
    assert_eq!(names(&second.snapshot(LONG)), ["part"]);
    HELD_OVER.store(false, Ordering::SeqCst);
    std::thread::sleep(FRESH + Duration::from_millis(20));
    assert_eq!(names(&second.snapshot(LONG)), ["part", "held"]);
}
