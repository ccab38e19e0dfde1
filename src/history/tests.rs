use std::sync::Arc;

use super::*;
use crate::metric::{Attribute, Attributes, Entity, Metric, Reading, Value, ValueType};

const MODE: &[Attribute] = &[Attribute::open("cpu.mode")];
const DISK: &[Attribute] = &[Attribute::open("system.device"), Attribute::open("disk.io.direction")];
static CPU: Metric = Metric::counter("system.cpu.time", "s", ValueType::Double).by(MODE);
static MEMORY: Metric = Metric::updown("system.memory.usage", "By");
static IO: Metric = Metric::counter("system.disk.io", "By", ValueType::Int).by(DISK);
static SHARE: Metric = Metric::gauge("process.cpu.utilization", "1", ValueType::Double);
static RESIDENT: Metric = Metric::updown("process.memory.usage", "By");
static ALL: &[&Metric] = &[&CPU, &MEMORY, &IO, &SHARE, &RESIDENT];

/// A history whose clock and host are these tests'.
struct World {
    history: History,
    start: Instant,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let start = Instant::now() + Duration::from_hours(1);
        Self { history: History::default(), start, now: start }
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    fn take(&mut self, fill: impl FnOnce(&mut Reading)) {
        let mut reading = Reading::new("test", ALL, |_| true, 10_000, SystemTime::UNIX_EPOCH);
        reading.instant = self.now;
        fill(&mut reading);
        let usage = Usage { cpu: (self.now - self.start) / 100, memory: Some(1 << 20) };
        self.history.take_at(&Snapshot { readings: vec![Arc::new(reading)] }, self.now, || usage);
    }

    fn last(&self, key: &str) -> Option<f64> {
        self.history.view_at(self.now).last(key)
    }
}

fn cpu(user: f64, idle: f64) -> impl FnOnce(&mut Reading) + use<> {
    move |out| {
        for (mode, seconds) in [("user", user), ("idle", idle)] {
            out.push(&CPU, vec![("cpu.mode", mode.into())], seconds);
        }
    }
}

fn disks(disks: &[(&'static str, i64)]) -> impl FnOnce(&mut Reading) + use<> {
    let disks = disks.to_vec();
    move |out| {
        for (name, bytes) in disks {
            let attributes: Attributes =
                vec![("system.device", name.into()), ("disk.io.direction", "read".into())];
            out.push(&IO, attributes, bytes);
        }
    }
}

#[test]
fn shares_and_rates_are_of_the_time_between_two_readings() {
    let mut world = World::new();
    world.take(cpu(100.0, 900.0));
    assert_eq!((world.last("cpu.user"), world.last("own.cpu")), (None, None));
    world.after(5).take(cpu(102.0, 908.0));
    assert_eq!(world.last("cpu.user"), Some(0.2));
    assert!((world.last("own.cpu").unwrap() - 0.01).abs() < 1e-9);
    assert_eq!(world.last("cpu.steal"), None, "this kernel does not tell it");
    let mut world = World::new();
    world.take(disks(&[("sda", 1000), ("sdb", 0)]));
    world.after(10).take(disks(&[("sda", 3000), ("sdb", 500)]));
    assert_eq!(world.last("disk.read"), Some(250.0));
}

#[test]
fn a_device_that_comes_goes_or_starts_anew_makes_no_peak() {
    let mut world = World::new();
    world.take(disks(&[("sda", 1000), ("dm-0", 1000)]));
    world.after(10).take(disks(&[("sda", 2000), ("dm-0", 2000), ("sdb", 1 << 40)]));
    assert_eq!(world.last("disk.read"), Some(100.0), "dm-0 lies on sda, and sdb is new");
    world.after(10).take(disks(&[("sda", 3000), ("sdb", 1 << 40)]));
    assert_eq!(world.last("disk.read"), Some(100.0));
    world.after(10).take(disks(&[("sda", 7), ("sdb", 1 << 40)]));
    let view = world.history.view_at(world.now);
    assert_eq!(view.line("disk.read").count(), 2, "what sda did since its reset nobody knows");
    world.after(10).take(disks(&[("sda", 1007), ("sdb", 1 << 40)]));
    assert_eq!(world.last("disk.read"), Some(100.0));
}

#[test]
fn a_reading_that_was_told_before_is_no_news() {
    let mut world = World::new();
    let mut readings = Vec::new();
    for bytes in [500, 900] {
        let mut reading = Reading::new("test", ALL, |_| true, 10, SystemTime::UNIX_EPOCH);
        reading.instant = world.now + Duration::from_secs(bytes / 100);
        reading.push(&MEMORY, vec![("system.memory.state", "used".into())], bytes);
        disks(&[("sda", bytes as i64)])(&mut reading);
        readings.push(Arc::new(reading));
    }
    for reading in [&readings[0], &readings[0], &readings[1], &readings[1]] {
        world.after(10);
        let usage = Usage { cpu: Duration::ZERO, memory: None };
        world.history.take_at(&Snapshot { readings: vec![Arc::clone(reading)] }, world.now, || usage);
    }
    let view = world.history.view_at(world.now);
    assert_eq!(view.line("memory.used").collect::<Vec<_>>(), [(30.0, 500.0), (10.0, 900.0)]);
    assert_eq!(view.line("disk.read").collect::<Vec<_>>(), [(10.0, 100.0)]);
    assert_eq!((view.last("own.memory"), view.last("memory.used")), (None, Some(900.0)));
}

#[test]
fn after_a_long_time_without_anybody_there_is_no_mean_of_it() {
    let mut world = World::new();
    world.take(cpu(100.0, 900.0));
    world.after(86_400).take(cpu(40_000.0, 50_000.0));
    assert_eq!(world.last("cpu.user"), None);
    assert!(world.history.lock().is_due(world.now + HASTE), "the next one may come soon");
    world.after(1).take(cpu(40_001.0, 50_001.0));
    assert_eq!(world.last("cpu.user"), Some(0.5));
    assert!(!world.history.lock().is_due(world.now + HASTE));
}

#[test]
fn it_is_bounded_however_often_and_of_how_much_it_is_told() {
    let mut world = World::new();
    let many = |out: &mut Reading| {
        for number in 0..3000 {
            let name: Arc<str> = format!("sd{number}").into();
            out.push(&IO, vec![("system.device", name.into()), ("disk.io.direction", "read".into())], 1_i64);
        }
    };
    for _ in 0..1000 {
        world.take(many);
        world.after(1);
    }
    let state = world.history.lock();
    assert_eq!(state.points.len(), CAPACITY);
    let points = CAPACITY * size_of::<Point>();
    // Two metrics have a counter for each device; the others a handful.
    let counters = 2 * growth::MOST * size_of::<(u64, f64)>();
    assert!(points + 2 * counters + 10 * (64 + size_of::<Process>()) < 64 << 10, "{points} + {counters}");
    let spacings = state.points.iter().zip(state.points.iter().skip(1)).map(|(one, next)| next.at - one.at);
    assert!(spacings.min().unwrap() >= SPACING);
    drop(state);
    assert_eq!(world.last("disk.read"), None, "too many to be sure");
}

#[test]
fn the_span_is_covered_and_what_is_older_is_gone() {
    let mut world = World::new();
    for number in 0..400_i32 {
        world.after(5).take(cpu(f64::from(number), 5.0 * f64::from(number)));
    }
    let view = world.history.view_at(world.now);
    let (oldest, _) = view.line("cpu.user").next().unwrap();
    assert!((SPAN.as_secs_f64()..SPAN.as_secs_f64() + 60.0).contains(&oldest), "{oldest}");
}

#[test]
fn numbers_that_are_none_are_not_kept() {
    let mut world = World::new();
    world.take(cpu(f64::NAN, 1.0));
    world.after(5).take(cpu(f64::INFINITY, 2.0));
    world.after(5).take(cpu(f64::NEG_INFINITY, f64::MAX));
    for line in &LINES {
        let view = world.history.view_at(world.now);
        assert!(view.line(line.key).all(|(ago, value)| ago.is_finite() && value.is_finite()), "{}", line.key);
    }
}

#[test]
fn the_busiest_processes_come_first_and_the_remainder_not_at_all() {
    let mut world = World::new();
    world.take(|out| {
        let used = [("idle", 0.0, 9), ("busy", 0.2, 1), ("_other", 0.9, 1), ("fat", 0.0, 99)];
        for (number, (name, cpu, memory)) in used.into_iter().enumerate() {
            let attributes =
                vec![("process.pid", (number as i64).into()), ("process.executable.name", name.into())];
            let entity = Entity { attributes, start: SystemTime::UNIX_EPOCH, title: None };
            let entity = out.entity(entity);
            for mode in ["user", "system"] {
                let share: Value = (cpu / 2.0).into();
                out.push_of(entity, &SHARE, vec![("cpu.mode", mode.into())], share);
            }
            out.push_of(entity, &RESIDENT, vec![], i64::from(memory));
        }
    });
    let top = world.history.view_at(world.now).top;
    let names: Vec<_> = top.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["busy", "fat", "idle"]);
    let busy = Process {
        name: "busy".to_owned(),
        pid: Some("1".to_owned()),
        owner: None,
        cpu: Some(0.2),
        memory: Some(1.0),
    };
    assert_eq!(top[0], busy);
}
