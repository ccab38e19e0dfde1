//! A metric becomes an asynchronous instrument.
//!
//! The SDK runs one callback for each instrument and collection, so a callback only copies points from the
//! lane's [`Cell`]: a callback that read the host would read it a hundred times a scrape.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry::{KeyValue, StringValue};

use crate::metric::{Attributes, Kind, Metric, Point, Reading, Snapshot, Text, Value, ValueType};

/// How a lane names the entity of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityForm {
    /// All attributes of the entity, as labels of the point: a Prometheus page has no other place.
    Labels,
    /// Its index under [`ENTITY`]; the lane's exporter puts the entity where it belongs.
    Reference,
}

/// The attribute that refers to [`Reading::entities`] under [`EntityForm::Reference`]. It never leaves the agent.
pub const ENTITY: &str = "hostmeter.entity";

/// The snapshot that the callbacks of one lane copy from.
#[derive(Debug, Clone, Default)]
pub struct Cell(Arc<Mutex<Arc<Snapshot>>>);

impl Cell {
    /// Puts the snapshot of the coming collection.
    pub fn set(&self, snapshot: Arc<Snapshot>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    fn get(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Registers the instrument of a metric.
pub fn register(meter: &Meter, metric: &'static Metric, cell: &Cell, form: EntityForm) {
    let cell = cell.clone();
    macro_rules! build {
        ($builder:ident, $convert:expr) => {
            meter
                .$builder(metric.name)
                .with_unit(metric.unit)
                .with_description(metric.description)
                .with_callback(move |observer| copy(&cell, metric, form, observer, $convert))
                .build();
        };
    }
    match (metric.kind, metric.value) {
        (Kind::Counter, ValueType::Int) => {
            build!(u64_observable_counter, unsigned);
        }
        (Kind::Counter, ValueType::Double) => {
            build!(f64_observable_counter, Value::as_f64);
        }
        (Kind::UpDownCounter, ValueType::Int) => {
            build!(i64_observable_up_down_counter, signed);
        }
        (Kind::UpDownCounter, ValueType::Double) => {
            build!(f64_observable_up_down_counter, Value::as_f64);
        }
        (Kind::Gauge, ValueType::Int) => {
            build!(i64_observable_gauge, signed);
        }
        (Kind::Gauge, ValueType::Double) => {
            build!(f64_observable_gauge, Value::as_f64);
        }
    }
}

fn signed(value: Value) -> i64 {
    match value {
        Value::Int(v) => v,
        Value::Double(v) => v as i64,
    }
}

fn unsigned(value: Value) -> u64 {
    u64::try_from(signed(value)).unwrap_or(0)
}

fn copy<T>(
    cell: &Cell,
    metric: &'static Metric,
    form: EntityForm,
    observer: &dyn AsyncInstrument<T>,
    convert: fn(Value) -> T,
) {
    // A panic that reached the SDK would end all metrics of this provider for good.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let snapshot = cell.get();
        let Some((reading, series)) = snapshot.series(metric) else { return };
        for point in &series.points {
            observer.observe(convert(point.value), &key_values(reading, point, form));
        }
    }));
    if outcome.is_err() {
        tracing::error!(metric = metric.name, "panicked while it was copied; please report this");
    }
}

/// The attributes of a point as the SDK has them.
pub fn key_values(reading: &Reading, point: &Point, form: EntityForm) -> Vec<KeyValue> {
    let entity = point.entity.and_then(|index| Some((index, reading.entities.get(index as usize)?)));
    let mut out = Vec::with_capacity(point.attributes.len() + 8);
    match (entity, form) {
        (Some((_, entity)), EntityForm::Labels) => extend(&mut out, &entity.attributes),
        (Some((index, _)), EntityForm::Reference) => out.push(KeyValue::new(ENTITY, i64::from(index))),
        (None, _) => {}
    }
    extend(&mut out, &point.attributes);
    out
}

fn extend(out: &mut Vec<KeyValue>, attributes: &Attributes) {
    out.extend(attributes.iter().map(|(name, value)| KeyValue::new(*name, attribute_value(value))));
}

/// An attribute's value as the SDK has it, sharing the text where that can be shared.
pub fn attribute_value(value: &Text) -> opentelemetry::Value {
    match value {
        Text::Static(text) => opentelemetry::Value::String(StringValue::from(*text)),
        Text::Shared(text) => opentelemetry::Value::String(StringValue::from(Arc::clone(text))),
        Text::Int(number) => opentelemetry::Value::I64(*number),
    }
}
