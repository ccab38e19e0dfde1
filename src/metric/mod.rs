//! The shared nouns: what a metric is, and one moment of the host as points of such metrics.
//!
//! A [`Metric`] is data. Instruments, configuration keys, the catalogue, the README table and the tests are
//! derived from the `static` tables of the collectors and are never repeated by hand. Nothing here knows
//! OpenTelemetry's SDK: that begins in `instruments`.

mod reading;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use reading::{Attributes, Entity, Point, Reading, Series, Snapshot};

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
