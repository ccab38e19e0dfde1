//! The ledger's promises, one by one, and against readings that come, go, fall and step back in time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::host::Error;
use crate::metric::{Entity, Text, ValueType};

static COUNT: Metric = Metric::counter("test.count", "1", ValueType::Int);
static LEVEL: Metric = Metric::gauge("test.level", "1", ValueType::Int);
static BOTH: &[&Metric] = &[&COUNT, &LEVEL];
const BOOT: u64 = 1_000_000;

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn device(name: &str) -> Attributes {
    vec![("device", name.to_owned().into())]
}

/// A reading at a second with the counters of devices.
fn reading(second: u64, counters: &[(&str, i64)]) -> Arc<Reading> {
    let mut reading = Reading::new("test", BOTH, |_| true, 99, at(BOOT));
    reading.time = at(second);
    for (name, value) in counters {
        reading.push(&COUNT, device(name), *value);
    }
    Arc::new(reading)
}

/// Notes all points of a reading: start and time in nanoseconds by device, and the devices that have ended.
type Sent = (BTreeMap<String, (u64, u64)>, Vec<(String, u64, u64)>);

fn send(ledger: &mut Ledger, reading: &Arc<Reading>) -> Option<Sent> {
    ledger.open(reading)?;
    let mut sent = BTreeMap::new();
    for series in &reading.series {
        for point in &series.points {
            let entity = point.entity.map(|index| &reading.entities[index as usize]);
            let entity_key = entity.map_or(0, |entity| ledger.keys.attributes(&entity.attributes));
            let key =
                ledger.keys.series(series.metric, entity_key, ledger.keys.attributes(&point.attributes));
            let given = nanos(entity.map_or(reading.start, |entity| entity.start));
            let noted = ledger.page("test").note(key, series.metric.kind, given, point.value);
            let stamped = (noted.start, noted.time);
            sent.insert(
                point.attributes.first().map_or(String::new(), |(_, name)| name.to_string()),
                stamped,
            );
        }
    }
    let name = |end: &Ended| end.attributes.first().map_or(String::new(), |(_, name)| name.to_string());
    let ended = ledger.close(reading).iter().map(|end| (name(end), end.start, end.time)).collect();
    Some((sent, ended))
}

const S: u64 = 1_000_000_000;

#[test]
fn a_counter_starts_with_the_host_and_its_time_is_the_readings() {
    let mut ledger = Ledger::default();
    let (sent, ended) = send(&mut ledger, &reading(2_000_000, &[("a", 5)])).unwrap();
    assert_eq!(sent["a"], (BOOT * S, 2_000_000 * S));
    assert!(ended.is_empty());
}

#[test]
fn a_reading_is_sent_once() {
    let mut ledger = Ledger::default();
    let same = reading(2_000_000, &[("a", 5)]);
    assert!(send(&mut ledger, &same).is_some());
    assert!(send(&mut ledger, &same).is_none());
}

#[test]
fn a_counter_that_fell_starts_anew_at_the_reading_before_and_stays_there() {
    let mut ledger = Ledger::default();
    for (second, value) in [(2_000_000, 5), (2_000_015, 7)] {
        send(&mut ledger, &reading(second, &[("a", value)])).unwrap();
    }
    let (fallen, _) = send(&mut ledger, &reading(2_000_030, &[("a", 1)])).unwrap();
    assert_eq!(fallen["a"], (2_000_015 * S, 2_000_030 * S));
    let (later, _) = send(&mut ledger, &reading(2_000_045, &[("a", 100)])).unwrap();
    assert_eq!(later["a"], (2_000_015 * S, 2_000_045 * S));
}

#[test]
fn time_goes_on_by_a_nanosecond_when_the_clock_steps_back() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2_000_000, &[("a", 5)])).unwrap();
    let (sent, _) = send(&mut ledger, &reading(1_000, &[("a", 6)])).unwrap();
    assert_eq!(sent["a"], (BOOT * S, 2_000_000 * S + 1));
}

#[test]
fn a_start_in_the_future_is_brought_to_the_time_and_stays() {
    let mut ledger = Ledger::default();
    let (sent, _) = send(&mut ledger, &reading(BOOT - 10, &[("a", 5)])).unwrap();
    assert_eq!(sent["a"], ((BOOT - 10) * S, (BOOT - 10) * S));
    let (sent, _) = send(&mut ledger, &reading(BOOT + 10, &[("a", 5)])).unwrap();
    assert_eq!(sent["a"], ((BOOT - 10) * S, (BOOT + 10) * S));
}

#[test]
fn what_its_collector_no_longer_finds_ends_once() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2_000_000, &[("a", 5), ("b", 5)])).unwrap();
    let (_, ended) = send(&mut ledger, &reading(2_000_015, &[("b", 5)])).unwrap();
    assert_eq!(ended, [("a".to_owned(), BOOT * S, 2_000_015 * S)]);
    let (_, ended) = send(&mut ledger, &reading(2_000_030, &[("b", 5)])).unwrap();
    assert!(ended.is_empty());
}

#[test]
fn a_part_that_failed_is_a_gap_until_the_collector_is_whole_again() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2_000_000, &[("a", 5), ("b", 5)])).unwrap();
    for second in [2_000_015, 2_000_030] {
        let mut partial = Arc::into_inner(reading(second, &[("c", 1)])).unwrap();
        partial.problems.push(Error::Timeout { path: "mnt".to_owned(), millis: 500 });
        let (_, ended) = send(&mut ledger, &Arc::new(partial)).unwrap();
        assert!(ended.is_empty());
    }
    let (_, ended) = send(&mut ledger, &reading(2_000_045, &[("a", 6), ("c", 1)])).unwrap();
    assert_eq!(ended, [("b".to_owned(), BOOT * S, 2_000_045 * S)]);
}

#[test]
fn what_is_never_permitted_puts_no_end_off() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2_000_000, &[("a", 5)])).unwrap();
    let mut partial = Arc::into_inner(reading(2_000_015, &[])).unwrap();
    partial.problems.push(Error::Permission { path: "proc/1/io".to_owned() });
    let (_, ended) = send(&mut ledger, &Arc::new(partial)).unwrap();
    assert_eq!(ended.len(), 1);
}

#[test]
fn one_that_returns_goes_on_or_starts_anew() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2_000_000, &[("a", 5), ("b", 5)])).unwrap();
    send(&mut ledger, &reading(2_000_015, &[])).unwrap();
    let (sent, _) = send(&mut ledger, &reading(2_000_030, &[("a", 9), ("b", 1)])).unwrap();
    assert_eq!(sent["a"], (BOOT * S, 2_000_030 * S));
    assert_eq!(sent["b"], (2_000_015 * S, 2_000_030 * S));
}

#[test]
fn another_process_under_the_same_attributes_starts_its_own_sequence() {
    let mut ledger = Ledger::default();
    let process = |second, start, value: i64| {
        let mut reading = Arc::into_inner(reading(second, &[])).unwrap();
        let attributes = vec![("process.pid", Text::Int(7))];
        let entity = reading.entity(Entity { attributes, start: at(start), title: None });
        reading.push_of(entity, &COUNT, vec![], value);
        Arc::new(reading)
    };
    let (sent, _) = send(&mut ledger, &process(2_000_000, 1_999_000, 5)).unwrap();
    assert_eq!(sent[""].0, 1_999_000 * S);
    let (sent, _) = send(&mut ledger, &process(2_000_015, 2_000_007, 6)).unwrap();
    assert_eq!(sent[""].0, 2_000_007 * S);
}

#[test]
fn memory_is_bounded_when_every_series_is_new() {
    let mut ledger = Ledger::default();
    for second in 0..10_000 {
        send(&mut ledger, &reading(2_000_000 + second, &[(&format!("veth{second}"), 1)])).unwrap();
    }
    let page = ledger.page("test");
    assert!(page.series.len() <= REMEMBERED + 2, "{}", page.series.len());
    assert_eq!((page.alive, page.missing.len()), (1, 0));
}

#[derive(Debug, Clone)]
struct Step {
    /// Seconds by which the wall clock moves.
    moved: i64,
    /// Whether a part failed.
    failed: bool,
    /// The devices that are there, with their values.
    values: BTreeMap<u8, i64>,
}

fn step() -> impl Strategy<Value = Step> {
    let values = prop::collection::btree_map(0..6_u8, 0..50_i64, 0..6);
    let moved = prop_oneof![6 => 1..30_i64, 1 => -100_000..0_i64, 1 => 0..100_000_i64];
    (moved, prop::bool::weighted(0.2), values).prop_map(|(moved, failed, values)| Step {
        moved,
        failed,
        values,
    })
}

/// What a receiver remembers of a series.
#[derive(Default)]
struct Received {
    time: u64,
    start: u64,
    value: i64,
    ended: bool,
}

proptest! {
    #[test]
    fn a_receiver_never_sees_time_stand_or_a_counter_fall(steps in prop::collection::vec(step(), 1..40)) {
        let mut ledger = Ledger::default();
        let mut clock = BOOT as i64 + 50;
        let began = Instant::now();
        let mut received: BTreeMap<String, Received> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            clock = (clock + step.moved).max(0);
            let names: Vec<(String, i64)> = step.values.iter().map(|(d, v)| (format!("d{d}"), *v)).collect();
            let counters: Vec<(&str, i64)> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let mut reading = Arc::into_inner(reading(clock as u64, &counters)).unwrap();
            reading.instant = began + Duration::from_secs(number as u64);
            if step.failed {
                reading.problems.push(Error::Timeout { path: "mnt".to_owned(), millis: 500 });
            }
            let (sent, ended) = send(&mut ledger, &Arc::new(reading)).unwrap();
            for (name, value) in names {
                let (start, time) = sent[&name];
                let before = received.entry(name).or_default();
                prop_assert!(time > before.time && start <= time && start >= before.start);
                prop_assert!(start > before.start || value >= before.value);
                // A new sequence does not overlap the one before it.
                prop_assert!(before.time == 0 || start == before.start || start >= before.time);
                *before = Received { time, start, value, ended: false };
            }
            prop_assert!(!step.failed || ended.is_empty());
            for (name, start, time) in ended {
                let before = received.get_mut(&name).unwrap();
                prop_assert!(!before.ended && !sent.contains_key(&name));
                prop_assert!(time > before.time && start == before.start);
                before.ended = true;
                before.time = time;
            }
            if !step.failed {
                let alive = received.values().filter(|series| !series.ended).count();
                prop_assert_eq!(alive, sent.len());
            }
        }
    }
}
