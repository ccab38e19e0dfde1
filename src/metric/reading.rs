//! One moment of the host as points of metrics.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::host::Error;

use super::{Metric, Text, Value, ValueType};

/// Attributes of a point, in the order of the metric's table.
pub type Attributes = Vec<(&'static str, Text)>;

/// Something that lives shorter than the host and has metrics of its own: a process, later a container.
///
/// On OTLP an entity is a resource, so its attributes travel once; on `/metrics` they are labels, because
/// there one resource would collapse all processes into one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// What identifies the entity, then what describes it.
    pub attributes: Attributes,
    /// Since when its counters count; pinned when the entity is first seen.
    pub start: SystemTime,
    /// What the kernel calls a process (`comm`), which no attribute of the conventions says: for other dialects.
    pub title: Option<Arc<str>>,
}

/// One point: a value of a metric under some attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The attributes that tell this point from the others of its metric (and entity).
    pub attributes: Attributes,
    /// The index of the point's entity in [`Reading::entities`], where it has one.
    pub entity: Option<u32>,
    /// The value.
    pub value: Value,
}

/// The points of one metric.
#[derive(Clone, Debug)]
pub struct Series {
    /// The metric.
    pub metric: &'static Metric,
    /// Collected at all; a metric that is off keeps its place and stays empty.
    pub enabled: bool,
    /// Since when it counts, where that is not since [`Reading::start`].
    pub start: Option<SystemTime>,
    /// The points.
    pub points: Vec<Point>,
}

/// What one collector read at one moment.
#[derive(Debug)]
pub struct Reading {
    /// The collector's name.
    pub collector: &'static str,
    /// When it was read, by the wall clock: the time of every point.
    pub time: SystemTime,
    /// When it was read, by the monotonic clock: the base of every rate.
    pub instant: Instant,
    /// Since when the counters count that belong to no entity: boot, or the agent's start.
    pub start: SystemTime,
    /// One for each metric of the collector's table, in its order.
    pub series: Vec<Series>,
    /// The entities that points refer to.
    pub entities: Vec<Entity>,
    /// What could not be read while the rest could.
    pub problems: Vec<Error>,
    ceiling: usize,
}

impl Reading {
    /// An empty reading for the metrics of one collector, `enabled` saying which are wanted and `ceiling`
    /// how many points one metric may have.
    pub fn new(
        collector: &'static str,
        metrics: &'static [&'static Metric],
        enabled: impl Fn(&Metric) -> bool,
        ceiling: usize,
        start: SystemTime,
    ) -> Self {
        let series = metrics
            .iter()
            .map(|&metric| Series { metric, enabled: enabled(metric), start: None, points: Vec::new() })
            .collect();
        Self {
            collector,
            time: SystemTime::now(),
            instant: Instant::now(),
            start,
            series,
            entities: Vec::new(),
            problems: Vec::new(),
            ceiling,
        }
    }

    /// Sets the time of the reading to now.
    pub fn stamp(&mut self) {
        self.time = SystemTime::now();
        self.instant = Instant::now();
    }

    /// Runs a part of a collection; when it fails, the others go on and the problem is kept.
    pub fn part(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Error>) {
        if let Err(problem) = read(self) {
            self.problems.push(problem);
        }
    }

    /// Whether a metric is wanted, for collectors that can spare themselves a file.
    pub fn wants(&self, metric: &'static Metric) -> bool {
        self.series.iter().any(|s| std::ptr::eq(s.metric, metric) && s.enabled)
    }

    /// Says since when a metric counts, where that is not since [`Reading::start`].
    pub fn since(&mut self, metric: &'static Metric, start: SystemTime) {
        if let Some(series) = self.series.iter_mut().find(|s| std::ptr::eq(s.metric, metric)) {
            series.start = Some(start);
        }
    }

    /// Adds a point; a metric that is off takes none.
    pub fn push(&mut self, metric: &'static Metric, attributes: Attributes, value: impl Into<Value>) {
        self.add(metric, attributes, None, value.into());
    }

    /// Adds a point of an entity.
    pub fn push_of(
        &mut self,
        entity: u32,
        metric: &'static Metric,
        attributes: Attributes,
        value: impl Into<Value>,
    ) {
        self.add(metric, attributes, Some(entity), value.into());
    }

    /// Adds an entity and returns its index for [`Reading::push_of`].
    pub fn entity(&mut self, entity: Entity) -> u32 {
        self.entities.push(entity);
        (self.entities.len() - 1) as u32
    }

    fn add(&mut self, metric: &'static Metric, attributes: Attributes, entity: Option<u32>, value: Value) {
        let series = self.series.iter_mut().find(|s| std::ptr::eq(s.metric, metric));
        debug_assert!(series.is_some(), "{} is not in the table of {}", metric.name, self.collector);
        let is_double = matches!(value, Value::Double(_));
        debug_assert!(is_double == (metric.value == ValueType::Double), "{}: {value:?}", metric.name);
        let Some(series) = series.filter(|s| s.enabled) else { return };
        if series.points.len() < self.ceiling {
            series.points.push(Point { attributes, entity, value });
        } else if !self
            .problems
            .iter()
            .any(|e| matches!(e, Error::Ceiling { path, .. } if path == metric.name))
        {
            let path = metric.name.to_owned();
            self.problems.push(Error::Ceiling { path, ceiling: self.ceiling });
        }
    }

    /// How many points were read.
    pub fn len(&self) -> usize {
        self.series.iter().map(|s| s.points.len()).sum()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One moment of the host: the newest reading of every collector that answered in time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// In the order of `collectors::ALL`. A late or failed collector is missing: a gap, never an old value.
    pub readings: Vec<Arc<Reading>>,
}

impl Snapshot {
    /// The series of a metric, with the reading it belongs to.
    pub fn series(&self, metric: &'static Metric) -> Option<(&Reading, &Series)> {
        self.readings.iter().find_map(|reading| {
            let series = reading.series.iter().find(|s| std::ptr::eq(s.metric, metric))?;
            Some((&**reading, series))
        })
    }

    /// How many points all readings hold.
    pub fn len(&self) -> usize {
        self.readings.iter().map(|r| r.len()).sum()
    }

    /// Whether there is no point at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::ValueType;
    use super::*;

    static ON: Metric = Metric::counter("test.on", "s", ValueType::Double);
    static OFF: Metric = Metric::updown("test.off", "By").opt_in();
    static BOTH: &[&Metric] = &[&ON, &OFF];

    #[test]
    fn a_metric_that_is_off_takes_no_point() {
        let mut reading = Reading::new("test", BOTH, |m| m.default, 1, SystemTime::UNIX_EPOCH);
        reading.push(&ON, vec![], 1.5);
        reading.push(&OFF, vec![], 7_i64);
        assert_eq!(reading.len(), 1);
        assert!(reading.wants(&ON) && !reading.wants(&OFF));
    }

    #[test]
    fn points_past_the_ceiling_are_left_out_and_told() {
        let mut reading = Reading::new("test", BOTH, |_| true, 1, SystemTime::UNIX_EPOCH);
        reading.push(&ON, vec![], 1.5);
        reading.push(&ON, vec![], 2.5);
        reading.push(&ON, vec![], 3.5);
        assert_eq!(reading.len(), 1);
        let kinds: Vec<_> = reading.problems.iter().map(Error::kind).collect();
        assert_eq!(kinds, ["ceiling"], "told once");
    }
}
