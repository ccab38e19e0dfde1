//! Deltas as a receiver sees them: whole, in order, and never of an interval that nobody measured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::super::ledger::{Ledger, nanos};
use super::*;
use crate::metric::{Entity, Metric, Reading, Text, ValueType};

static COUNT: Metric = Metric::counter("test.count", "1", ValueType::Int);
static BOTH: &[&Metric] = &[&COUNT];
const BOOT: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// Counters of processes: pid, start, value.
fn reading(second: u64, processes: &[(i64, u64, i64)]) -> Arc<Reading> {
    let mut reading = Reading::new("test", BOTH, |_| true, 99, at(BOOT));
    reading.time = at(second);
    for (pid, start, value) in processes {
        let attributes = vec![("process.pid", Text::Int(*pid))];
        let entity = reading.entity(Entity { attributes, start: at(*start), title: None });
        reading.push_of(entity, &COUNT, vec![], *value);
    }
    Arc::new(reading)
}

/// Start, time and value of what is sent, by pid.
fn send(ledger: &mut Ledger, reading: &Arc<Reading>) -> BTreeMap<u64, (u64, u64, i64)> {
    ledger.open(reading).unwrap();
    let mut sent = BTreeMap::new();
    for point in reading.series.iter().flat_map(|series| &series.points) {
        let entity = &reading.entities[point.entity.unwrap() as usize];
        let Text::Int(pid) = entity.attributes[0].1 else { panic!() };
        let key = ledger.keys.series(&COUNT, ledger.keys.attributes(&entity.attributes), 0);
        let noted = ledger.page("test").note(key, Kind::Counter, nanos(entity.start), point.value);
        if let Some(stamped) = Temporality::Delta.stamp(Kind::Counter, noted, point.value) {
            let Value::Int(value) = stamped.value else { panic!() };
            sent.insert(pid as u64, (stamped.start, stamped.time, value));
        }
    }
    ledger.close(reading);
    sent
}

#[test]
fn a_counter_from_before_the_first_look_starts_without_a_point() {
    let mut ledger = Ledger::default();
    assert!(send(&mut ledger, &reading(2000 + BOOT, &[(1, BOOT, 500)])).is_empty());
    let sent = send(&mut ledger, &reading(2015 + BOOT, &[(1, BOOT, 507)]));
    assert_eq!(sent[&1], ((2000 + BOOT) * S, (2015 + BOOT) * S, 7));
}

#[test]
fn one_that_began_since_counts_from_its_start() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2000 + BOOT, &[]));
    send(&mut ledger, &reading(2015 + BOOT, &[]));
    let seen = [(7, 2020 + BOOT, 3), (8, 2005 + BOOT, 40), (9, 1999 + BOOT, 50)];
    let sent = send(&mut ledger, &reading(2030 + BOOT, &seen));
    assert_eq!(sent[&7], ((2020 + BOOT) * S, (2030 + BOOT) * S, 3));
    assert_eq!(sent[&8], ((2005 + BOOT) * S, (2030 + BOOT) * S, 40), "it was not among the chosen before");
    assert!(!sent.contains_key(&9), "it began before anybody looked");
}

#[test]
fn one_that_fell_or_is_another_process_begins_anew_after_the_last_point() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2000 + BOOT, &[(1, BOOT, 500), (2, BOOT, 500)]));
    let sent = send(&mut ledger, &reading(2015 + BOOT, &[(1, BOOT, 20), (2, 2010 + BOOT, 600)]));
    assert_eq!(sent[&1], ((2000 + BOOT) * S, (2015 + BOOT) * S, 20));
    assert_eq!(sent[&2], ((2010 + BOOT) * S, (2015 + BOOT) * S, 600));
}

#[test]
fn a_gap_is_bridged_and_nothing_of_it_is_lost() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2000 + BOOT, &[(1, BOOT, 500)]));
    send(&mut ledger, &reading(2015 + BOOT, &[]));
    let sent = send(&mut ledger, &reading(2030 + BOOT, &[(1, BOOT, 530)]));
    assert_eq!(sent[&1], ((2000 + BOOT) * S, (2030 + BOOT) * S, 30));
}

#[test]
fn what_was_forgotten_is_not_counted_twice() {
    let mut ledger = Ledger::default();
    send(&mut ledger, &reading(2000 + BOOT, &[]));
    send(&mut ledger, &reading(2001 + BOOT, &[(0, 2001 + BOOT, 5)]));
    for second in 2002..10_000 {
        send(&mut ledger, &reading(second + BOOT, &[(second as i64, BOOT, 1)]));
    }
    assert!(send(&mut ledger, &reading(10_000 + BOOT, &[(0, 2001 + BOOT, 9)])).is_empty());
}

#[test]
fn levels_and_gauges_are_what_they_are() {
    let noted = Noted { start: 1, time: 3, before: Before::Point(2, Value::Int(9)) };
    for kind in [Kind::UpDownCounter, Kind::Gauge] {
        let stamped = Temporality::Delta.stamp(kind, noted, Value::Int(4)).unwrap();
        assert_eq!(stamped, Stamped { start: 1, time: 3, value: Value::Int(4) });
    }
    let stamped = Temporality::Delta.stamp(Kind::Counter, noted, Value::Double(9.5)).unwrap();
    assert_eq!(stamped, Stamped { start: 2, time: 3, value: Value::Double(0.5) });
}

proptest! {
    /// The deltas of a series tile its time, and add up to what was counted in it.
    #[test]
    fn deltas_tile_the_time_and_add_up(
        steps in prop::collection::vec(
            (prop_oneof![6 => 1..30_i64, 1 => -1000..0_i64], prop::collection::btree_map(0..4_i64, 0..50_i64, 0..4)),
            1..40,
        ),
    ) {
        let mut ledger = Ledger::default();
        let (began, mut clock) = (Instant::now(), BOOT as i64 + 5000);
        let mut last: BTreeMap<u64, (u64, i64)> = BTreeMap::new();
        for (number, (moved, values)) in steps.into_iter().enumerate() {
            clock += moved;
            let processes: Vec<_> = values.iter().map(|(pid, value)| (*pid, BOOT, *value)).collect();
            let mut reading = Arc::into_inner(reading(clock as u64, &processes)).unwrap();
            reading.instant = began + Duration::from_secs(number as u64);
            let sent = send(&mut ledger, &Arc::new(reading));
            for (pid, value) in values {
                let pid = pid as u64;
                match (last.get(&pid), sent.get(&pid)) {
                    (None, None) => {}
                    (Some((end, before)), Some((start, time, delta))) => {
                        prop_assert_eq!(start, end);
                        prop_assert!(time > start);
                        let expected = if value < *before { value } else { value - before };
                        prop_assert_eq!(*delta, expected);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let now = ledger.page("test").note(u64::MAX, Kind::Gauge, 0, Value::Int(0)).time;
            for pid in processes.iter().map(|(pid, _, value)| (*pid as u64, *value)) {
                last.insert(pid.0, (now, pid.1));
            }
        }
    }
}
