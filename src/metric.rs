//! The shared nouns: what a metric is, and one moment of the host as points of such metrics.
//!
//! A [`Metric`] is data. Instruments, configuration keys, the catalogue, the README table and the tests are
//! derived from the `static` tables of the collectors and are never repeated by hand. Nothing here knows
//! OpenTelemetry's SDK: that begins in `instruments`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::host::Error;

/// How the points of a metric combine over time: the three asynchronous instruments of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A monotonic sum that grows from its start time on.
    Counter,
    /// A sum that may shrink: bytes in use, processes present.
    UpDownCounter,
    /// A value of which a sum means nothing: a ratio, a temperature.
    Gauge,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Counter => "counter",
            Kind::UpDownCounter => "updowncounter",
            Kind::Gauge => "gauge",
        })
    }
}

/// The value type that the semantic conventions prescribe for a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// 64-bit integer.
    Int,
    /// 64-bit floating point.
    Double,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueType::Int => "int",
            ValueType::Double => "double",
        })
    }
}

/// One dimension of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name by the semantic conventions, such as `cpu.mode`.
    pub name: &'static str,
    /// The closed set of values, or empty where the host decides (device names, mount points).
    pub values: &'static [&'static str],
    /// Left out until the collector's configuration asks for it.
    pub opt_in: bool,
}

impl Attribute {
    /// An attribute with a closed set of values.
    pub const fn of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values, opt_in: false }
    }

    /// An attribute whose values the host decides.
    pub const fn open(name: &'static str) -> Self {
        Self { name, values: &[], opt_in: false }
    }

    /// The same attribute, left out until it is asked for.
    pub const fn opt_in(mut self) -> Self {
        self.opt_in = true;
        self
    }
}

/// Everything that all points of one metric share.
#[derive(Debug)]
pub struct Metric {
    /// The name by the semantic conventions.
    pub name: &'static str,
    /// The UCUM unit: `s`, `By`, `1`, `{process}`.
    pub unit: &'static str,
    /// Counter, up/down counter or gauge.
    pub kind: Kind,
    /// Integer or double.
    pub value: ValueType,
    /// One sentence for the reader of a dashboard.
    pub description: &'static str,
    /// The dimensions.
    pub attributes: &'static [Attribute],
    /// Emitted without being asked for.
    pub default: bool,
    /// The file, system call or computation that the value comes from.
    pub source: &'static str,
}

impl Metric {
    const fn new(name: &'static str, unit: &'static str, kind: Kind, value: ValueType) -> Self {
        Self { name, unit, kind, value, description: "", attributes: &[], default: true, source: "" }
    }

    /// An asynchronous counter.
    pub const fn counter(name: &'static str, unit: &'static str, value: ValueType) -> Self {
        Self::new(name, unit, Kind::Counter, value)
    }

    /// An asynchronous up/down counter; integers, as the conventions have it everywhere.
    pub const fn updown(name: &'static str, unit: &'static str) -> Self {
        Self::new(name, unit, Kind::UpDownCounter, ValueType::Int)
    }

    /// An asynchronous gauge.
    pub const fn gauge(name: &'static str, unit: &'static str, value: ValueType) -> Self {
        Self::new(name, unit, Kind::Gauge, value)
    }

    /// Sets the description.
    pub const fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Sets the attributes.
    pub const fn by(mut self, attributes: &'static [Attribute]) -> Self {
        self.attributes = attributes;
        self
    }

    /// Sets the source.
    pub const fn from(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// Leaves the metric out until it is asked for.
    pub const fn opt_in(mut self) -> Self {
        self.default = false;
        self
    }
}

/// One reading of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// For metrics of [`ValueType::Int`].
    Int(i64),
    /// For metrics of [`ValueType::Double`].
    Double(f64),
}

impl Value {
    /// The value as a double, as Prometheus has it.
    pub fn as_f64(self) -> f64 {
        match self {
            Value::Int(v) => v as f64,
            Value::Double(v) => v,
        }
    }
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}

/// Kernel counters are unsigned; one past `i64::MAX` stays there rather than turn negative.
impl From<u64> for Value {
    fn from(v: u64) -> Self {
        Value::Int(i64::try_from(v).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Value::Double(v)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(v) => v.fmt(f),
            Value::Double(v) => v.fmt(f),
        }
    }
}

/// The value of an attribute of a point or an entity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Text {
    /// One of a closed set.
    Static(&'static str),
    /// A name that the host gave; shared, because every metric of a device carries it.
    Shared(Arc<str>),
    /// A number, such as `process.pid`.
    Int(i64),
}

impl From<&'static str> for Text {
    fn from(v: &'static str) -> Self {
        Text::Static(v)
    }
}

impl From<Arc<str>> for Text {
    fn from(v: Arc<str>) -> Self {
        Text::Shared(v)
    }
}

impl From<&Arc<str>> for Text {
    fn from(v: &Arc<str>) -> Self {
        Text::Shared(Arc::clone(v))
    }
}

impl From<String> for Text {
    fn from(v: String) -> Self {
        Text::Shared(v.into())
    }
}

impl From<i64> for Text {
    fn from(v: i64) -> Self {
        Text::Int(v)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Static(v) => f.write_str(v),
            Text::Shared(v) => f.write_str(v),
            Text::Int(v) => v.fmt(f),
        }
    }
}

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
            .map(|&metric| Series { metric, enabled: enabled(metric), points: Vec::new() })
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

/// The share of `part` in `whole`, clamped to [0, 1]; none where the whole is zero or a value is not finite.
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0 && part.is_finite() && whole.is_finite()).then(|| (part / whole).clamp(0.0, 1.0))
}

/// Seconds of a duration that a counter in `ticks` shows.
pub fn seconds(ticks: u64, ticks_per_second: u64) -> f64 {
    ticks as f64 / ticks_per_second.max(1) as f64
}

/// The time `after` the epoch, without a panic for any input.
pub fn since_epoch(after: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(after).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_ratio_is_in_its_range_or_absent() {
        assert_eq!(ratio(3.0, 2.0), Some(1.0));
        assert_eq!(ratio(-1.0, 2.0), Some(0.0));
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(f64::NAN, 1.0), None);
    }

    #[test]
    fn a_counter_past_i64_does_not_turn_negative() {
        assert_eq!(Value::from(u64::MAX), Value::Int(i64::MAX));
    }
}
