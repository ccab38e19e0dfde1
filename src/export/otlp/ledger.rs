//! What was sent last, series by series: the memory that start times and ends need.
//!
//! It keeps four promises towards whoever receives the points of one series:
//! - the time grows strictly, even when the wall clock steps back (then by a nanosecond);
//! - the start time is not after the time, and stays until the sequence starts anew;
//! - a counter never falls under one start time: when it has fallen, or its process is another one, a new
//!   sequence starts at the time of the reading before;
//! - a series that its collector no longer finds is ended once. A collector that failed or was late has no
//!   reading, and a part of it that failed is among the reading's problems: those are gaps, and end nothing.
//!
//! Ended series are remembered for a while, because one that returns (a process that is among the busiest
//! again, a device plugged in again) must go on where it stopped or start anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::metric::{Attributes, Kind, Metric, Reading, Value};

use super::key::{ByKey, Keys};

/// Ended series that are remembered beside as many as are alive.
const REMEMBERED: usize = 4096;

/// Missing series whose end may be put off by a failing part of a collector; more are ended at once.
const PUT_OFF: usize = 4096;

/// Nanoseconds since the epoch; 0 for what is before.
pub(super) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The memory of one lane.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) keys: Keys,
    pages: HashMap<&'static str, Page>,
}

/// A series that has ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub metric: &'static Metric,
    /// The attributes of its entity, where it had one.
    pub entity: Option<Attributes>,
    pub attributes: Attributes,
    pub start: u64,
    pub time: u64,
}

impl Ledger {
    /// Begins a reading; none when it was sent already.
    pub(super) fn open(&mut self, reading: &Reading) -> Option<&mut Page> {
        let page = self.pages.entry(reading.collector).or_default();
        if page.last.as_ref().is_some_and(|last| last.instant == reading.instant) {
            return None;
        }
        page.cycle += 1;
        page.previous = page.time;
        page.time = nanos(reading.time).max(page.time + 1);
        if page.cycle == 1 {
            page.since = page.time;
        }
        page.alive_before = page.alive;
        page.again = 0;
        Some(page)
    }

    /// The page of a reading that was begun.
    pub(super) fn page(&mut self, collector: &'static str) -> &mut Page {
        self.pages.entry(collector).or_default()
    }

    /// Ends a reading that was begun, and returns the series that have ended.
    pub(super) fn close(&mut self, reading: &Arc<Reading>) -> Vec<Ended> {
        let page = self.pages.entry(reading.collector).or_default();
        if page.again < page.alive_before {
            page.find_missing(&self.keys);
        }
        let ended = page.end(reading);
        page.last = Some(Arc::clone(reading));
        page.forget();
        ended
    }
}

/// What is remembered of one collector.
#[derive(Debug, Default)]
pub(super) struct Page {
    last: Option<Arc<Reading>>,
    cycle: u64,
    /// The time of this reading as it is sent, and of the one before.
    time: u64,
    previous: u64,
    /// Since then everything that was read is remembered.
    since: u64,
    series: ByKey<Entry>,
    alive: usize,
    alive_before: usize,
    /// How many of `alive_before` this reading has again.
    again: usize,
    /// Series without a point in the latest reading whose end has not been told.
    missing: ByKey<Ended>,
}

/// What the ledger knows of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Noted {
    /// Where its sequence starts.
    pub start: u64,
    pub time: u64,
    pub before: Before,
}

/// What was before a point in its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Before {
    /// Nothing, and it has counted since before we look: what it counted before is nobody's interval.
    Unknown,
    /// Nothing of this sequence: it has counted from zero since that time.
    Zero(u64),
    /// A point at that time with that value.
    Point(u64, Value),
}

#[derive(Debug)]
struct Entry {
    start: u64,
    /// When it was read last, as it was sent.
    time: u64,
    /// The start time as the reading gave it.
    given: u64,
    value: Value,
    /// The reading that had it last.
    cycle: u64,
    ended: bool,
}

impl Page {
    /// Notes a point.
    pub(super) fn note(&mut self, key: u64, kind: Kind, given: u64, value: Value) -> Noted {
        let Self { time, previous, cycle, since, .. } = *self;
        let mut new = false;
        let entry = self.series.entry(key).or_insert_with(|| {
            new = true;
            Entry { start: given.min(time), given, time, value, cycle, ended: false }
        });
        let noted = |start, before| Noted { start, time, before };
        if new {
            self.alive += 1;
            let before = if given >= since { Before::Zero(entry.start) } else { Before::Unknown };
            return noted(entry.start, before);
        }
        if entry.cycle == cycle {
            return noted(entry.start, Before::Unknown);
        }
        if std::mem::take(&mut entry.ended) {
            self.alive += 1;
        } else {
            self.again += 1;
        }
        let mut before = Before::Point(entry.time, entry.value);
        let other = given > entry.given;
        if other || kind == Kind::Counter && less(value, entry.value) {
            let known = if other { given } else { 0 };
            // Not before its last point, even where it was missing in between.
            before = Before::Zero(known.max(entry.time).min(time));
            // One more than the old start, in case that was the time of the only point so far.
            entry.start = known.max(previous).max(entry.start + 1).min(time);
            entry.given = given;
        }
        entry.value = value;
        entry.time = time;
        entry.cycle = cycle;
        noted(entry.start, before)
    }

    /// Adds to `missing` what the last reading had and this one has not.
    fn find_missing(&mut self, keys: &Keys) {
        let Some(last) = &self.last else { return };
        let entities: Vec<u64> =
            last.entities.iter().map(|entity| keys.attributes(&entity.attributes)).collect();
        for series in &last.series {
            for point in &series.points {
                let place = point.entity.map(|index| index as usize);
                let entity = place.and_then(|place| entities.get(place)).copied().unwrap_or(0);
                let key = keys.series(series.metric, entity, keys.attributes(&point.attributes));
                let Some(entry) = self.series.get(&key) else { continue };
                if entry.cycle == self.cycle || entry.ended {
                    continue;
                }
                let entity = place.and_then(|place| last.entities.get(place));
                self.missing.insert(
                    key,
                    Ended {
                        metric: series.metric,
                        entity: entity.map(|entity| entity.attributes.clone()),
                        attributes: point.attributes.clone(),
                        start: entry.start,
                        time: self.time,
                    },
                );
            }
        }
    }

    /// Ends what is missing, unless a part of the reading failed: then it may only be late.
    fn end(&mut self, reading: &Reading) -> Vec<Ended> {
        let passing = |kind| matches!(kind, "io" | "timeout" | "parse");
        let failed = reading.problems.iter().any(|problem| passing(problem.kind()));
        let Self { series, missing, cycle, .. } = self;
        missing.retain(|key, _| series.get(key).is_some_and(|entry| entry.cycle != *cycle));
        if failed && missing.len() <= PUT_OFF {
            return Vec::new();
        }
        let mut ended = Vec::with_capacity(missing.len());
        for (key, end) in missing.drain() {
            if let Some(entry) = series.get_mut(&key) {
                entry.ended = true;
                ended.push(Ended { time: self.time, ..end });
            }
        }
        self.alive -= ended.len();
        ended
    }

    fn forget(&mut self) {
        if self.series.len() > 2 * self.alive + REMEMBERED {
            self.series.retain(|_, entry| !entry.ended);
            self.since = self.time;
        }
    }
}

fn less(a: Value, b: Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a < b,
        (a, b) => a.as_f64() < b.as_f64(),
    }
}

#[cfg(test)]
mod tests;
