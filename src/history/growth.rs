//! From counters to what they grew by, device by device: one that comes, goes or starts anew makes no peak.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::metric::{Point, Reading, Series, Snapshot, Text};

use super::lines::{How, LINES, Line, lies_upon_others};
use super::{COUNT, GAP};

/// Counters of one metric that are remembered. Where there are more, its lines are absent rather than wrong.
pub(super) const MOST: usize = 512;

/// The readings before.
#[derive(Debug, Default)]
pub(super) struct Growth {
    before: Vec<Before>,
}

/// A metric at its last reading.
#[derive(Debug)]
struct Before {
    metric: &'static str,
    instant: Instant,
    /// By the hash of what tells a counter from the others, sorted.
    counters: Vec<(u64, f64)>,
}

impl Growth {
    /// Writes every line that the snapshot tells something new of.
    pub(super) fn read(&mut self, snapshot: &Snapshot, values: &mut [f64; COUNT]) {
        let mut start = 0;
        // Lines of one metric stand together.
        for lines in LINES.chunk_by(|one, other| one.metric == other.metric) {
            let places = start..start + lines.len();
            start = places.end;
            let found = find(snapshot, lines[0].metric);
            let Some((reading, series)) = found.filter(|(_, series)| !series.points.is_empty()) else {
                continue;
            };
            if lines[0].how == How::Amount {
                self.amounts(lines, reading, series, &mut values[places]);
            } else {
                self.grown(lines, reading, series, &mut values[places]);
            }
        }
    }

    fn amounts(&mut self, lines: &[Line], reading: &Reading, series: &Series, values: &mut [f64]) {
        // A reading that was told before is no news: a collector may have an interval of its own.
        if self
            .exchange(lines[0].metric, reading.instant, Vec::new())
            .is_some_and(|(passed, _)| passed.is_zero())
        {
            return;
        }
        for (line, value) in lines.iter().zip(values) {
            let mut points = series.points.iter().filter(|point| is_of(point, line)).peekable();
            if points.peek().is_some() {
                *value = points.map(|point| point.value.as_f64()).sum();
            }
        }
    }

    fn grown(&mut self, lines: &[Line], reading: &Reading, series: &Series, values: &mut [f64]) {
        let share = lines[0].how == How::Share;
        let counters = if share { by_value(series) } else { by_device(series) };
        let Some(counters) = counters else { return };
        let remembered = counters.iter().map(|counter| (counter.key, counter.now)).collect();
        let Some((passed, before)) = self.exchange(lines[0].metric, reading.instant, remembered) else {
            return;
        };
        if passed.is_zero() || passed > GAP {
            return;
        }
        let steps: Vec<(&Counter<'_>, f64)> = counters
            .iter()
            .filter_map(|counter| {
                let place = before.binary_search_by_key(&counter.key, |(key, _)| *key).ok()?;
                Some((counter, counter.now - before[place].1))
            })
            .collect();
        let whole: f64 = steps.iter().map(|(_, step)| step.max(0.0)).sum();
        let unit = if share { whole } else { passed.as_secs_f64() };
        for (line, value) in lines.iter().zip(values) {
            let mut of_line =
                steps.iter().filter(|(counter, _)| counter.values.contains(&line.value)).peekable();
            if of_line.peek().is_none() || unit <= 0.0 {
                continue;
            }
            // One that has fallen began anew, and how far it came nobody knows.
            let sum: Option<f64> = of_line.map(|(_, step)| (*step >= 0.0).then_some(*step)).sum();
            *value = sum.map_or(f64::NAN, |sum| sum / unit);
        }
    }

    /// Remembers a reading; what was remembered, and the time between.
    fn exchange(
        &mut self,
        metric: &'static str,
        instant: Instant,
        mut counters: Vec<(u64, f64)>,
    ) -> Option<(Duration, Vec<(u64, f64)>)> {
        counters.sort_unstable_by_key(|(key, _)| *key);
        let Some(before) = self.before.iter_mut().find(|before| before.metric == metric) else {
            self.before.push(Before { metric, instant, counters });
            return None;
        };
        let passed = instant.saturating_duration_since(before.instant);
        before.instant = instant;
        Some((passed, std::mem::replace(&mut before.counters, counters)))
    }
}

/// A counter, and the values of its attributes.
struct Counter<'a> {
    key: u64,
    now: f64,
    values: Vec<&'a str>,
}

/// Every device that does not lie on others; none where there are too many.
fn by_device(series: &Series) -> Option<Vec<Counter<'_>>> {
    let alone = |point: &&Point| {
        let mut named = point.attributes.iter().filter_map(|(name, text)| Some((name, str(text)?)));
        !named.any(|(name, device)| lies_upon_others(name, device))
    };
    let counter = |point| {
        let Point { attributes, value, .. }: &Point = point;
        let mut hasher = DefaultHasher::new();
        attributes.hash(&mut hasher);
        let values = attributes.iter().filter_map(|(_, text)| str(text)).collect();
        Counter { key: hasher.finish(), now: value.as_f64(), values }
    };
    let counters: Vec<_> = series.points.iter().filter(alone).take(MOST + 1).map(counter).collect();
    (counters.len() <= MOST).then_some(counters)
}

/// One sum for each value of the first attribute: of each mode, over however many CPUs.
fn by_value(series: &Series) -> Option<Vec<Counter<'_>>> {
    let mut counters: Vec<Counter<'_>> = Vec::new();
    for point in &series.points {
        let value = str(&point.attributes.first()?.1)?;
        if let Some(counter) = counters.iter_mut().find(|counter| counter.values == [value]) {
            counter.now += point.value.as_f64();
        } else if counters.len() < MOST {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            counters.push(Counter { key: hasher.finish(), now: point.value.as_f64(), values: vec![value] });
        }
    }
    Some(counters)
}

fn is_of(point: &Point, line: &Line) -> bool {
    line.value.is_empty() || point.attributes.iter().any(|(_, text)| str(text) == Some(line.value))
}

pub(super) fn str(text: &Text) -> Option<&str> {
    match text {
        Text::Static(text) => Some(text),
        Text::Shared(text) => Some(text),
        Text::Int(_) => None,
    }
}

/// A metric by its name.
pub(super) fn find<'a>(snapshot: &'a Snapshot, metric: &str) -> Option<(&'a Reading, &'a Series)> {
    snapshot.readings.iter().find_map(|reading| {
        let series = reading.series.iter().find(|series| series.metric.name == metric)?;
        Some((&**reading, series))
    })
}
