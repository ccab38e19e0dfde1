//! A collection of the SDK becomes what OTLP carries.
//!
//! The SDK knows one start time, one time and one resource for everything. Here each point gets the time at
//! which its collector read it, and the start of what it counts (the boot, a process); the points of an
//! entity move under a resource of their own; a reading that was sent already is left out; and what has
//! ended is told once, by a point without a value.

use std::collections::HashMap;
use std::time::SystemTime;

use opentelemetry::KeyValue as SdkKeyValue;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Gauge, Metric as Message, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, MetricData, ResourceMetrics as SdkResourceMetrics,
};

use crate::instruments::{ENTITY, attribute_value};
use crate::lane::{SCHEMA_URL, SCOPE};
use crate::metric::{Attributes, Kind, Metric, Point, Reading, Series, Snapshot, Value};

use super::direct;
use super::key::Keys;
use super::ledger::{Ended, Ledger, nanos};
use super::temporality::{Stamped, Temporality};

/// Gives `emit` the host's metrics, then those of each entity. The metrics of `direct` have no instrument;
/// their points come from the snapshot itself.
pub(super) fn build(
    sdk: &SdkResourceMetrics,
    snapshot: &Snapshot,
    direct: &[&'static Metric],
    ledger: &mut Ledger,
    temporality: Temporality,
    emit: &mut dyn FnMut(ResourceMetrics),
) {
    let keys = ledger.keys.clone();
    let mut groups = vec![Group::default()];
    let mut sheets = Vec::with_capacity(snapshot.readings.len());
    for reading in &snapshot.readings {
        if ledger.open(reading).is_some() {
            sheets.push((reading, Sheet::new(reading, &keys, groups.len())));
            groups.extend(reading.entities.iter().map(|entity| Group::of(entity.attributes.clone())));
        }
    }
    let of_name: HashMap<&str, (usize, &'static Metric, Option<SystemTime>)> = sheets
        .iter()
        .enumerate()
        .flat_map(|(place, (reading, _))| {
            reading.series.iter().map(move |s| (s.metric.name, (place, s.metric, s.start)))
        })
        .collect();
    for collected in sdk.scope_metrics().flat_map(opentelemetry_sdk::metrics::data::ScopeMetrics::metrics) {
        let Some(&(place, metric, since)) = of_name.get(collected.name()) else { continue };
        let (reading, sheet) = &sheets[place];
        let page = ledger.page(reading.collector);
        each_point(collected.data(), &mut |attributes, value| {
            let (entity, own, attributes) = split(attributes, &keys);
            let entity = entity.filter(|index| *index < reading.entities.len());
            let key = keys.series(metric, entity.map_or(0, |index| sheet.entities[index]), own);
            let given = entity.map_or(since.unwrap_or(reading.start), |index| reading.entities[index].start);
            let noted = page.note(key, metric.kind, nanos(given), value);
            let Some(Stamped { start, time, value }) = temporality.stamp(metric.kind, noted, value) else {
                return;
            };
            let group = entity.map_or(0, |index| sheet.first_group + index);
            groups[group].push(metric, point(metric, attributes, start, time, Some(value)));
        });
    }
    let base: Vec<KeyValue> = sorted(sdk.resource().iter().map(KeyValue::from).collect());
    let scope = InstrumentationScope {
        name: SCOPE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    for (reading, sheet) in &sheets {
        let page = ledger.page(reading.collector);
        let make = |series: &Series, own: &Point| {
            let metric = series.metric;
            let entity = own.entity.map(|index| index as usize).filter(|at| *at < reading.entities.len());
            let key = entity.map_or(0, |index| sheet.entities[index]);
            let key = keys.series(metric, key, keys.attributes(&own.attributes));
            let since = || series.start.unwrap_or(reading.start);
            let given = entity.map_or_else(since, |index| reading.entities[index].start);
            let noted = page.note(key, metric.kind, nanos(given), own.value);
            let Stamped { start, time, value } = temporality.stamp(metric.kind, noted, own.value)?;
            let attributes = sorted(own.attributes.iter().map(key_value).collect());
            Some(point(metric, attributes, start, time, Some(value)))
        };
        direct::points(reading, direct, make, |entity, metrics| match entity {
            None => groups[0].metrics.extend(metrics),
            Some(index) => {
                let entity = Some(reading.entities[index].attributes.clone());
                emit(Group { entity, metrics }.finish(&base, &scope, temporality));
            }
        });
    }
    for (reading, sheet) in &sheets {
        let mut ended = ledger.close(reading);
        // Deltas end by themselves: the next one is not there.
        ended.retain(|end| !temporality.is_delta(end.metric.kind));
        if !ended.is_empty() {
            place_ended(ended, &keys, sheet, &mut groups);
        }
    }
    for group in groups {
        if !group.metrics.is_empty() {
            emit(group.finish(&base, &scope, temporality));
        }
    }
}

/// What is looked up for every point of a reading.
struct Sheet {
    /// The keys of its entities.
    entities: Vec<u64>,
    /// The group of its first entity.
    first_group: usize,
}

impl Sheet {
    fn new(reading: &Reading, keys: &Keys, first_group: usize) -> Self {
        let entities = reading.entities.iter().map(|entity| keys.attributes(&entity.attributes)).collect();
        Self { entities, first_group }
    }
}

/// The metrics of one resource.
#[derive(Default)]
struct Group {
    /// None for the host itself.
    entity: Option<Attributes>,
    metrics: direct::Points,
}

impl Group {
    fn of(entity: Attributes) -> Self {
        Self { entity: Some(entity), metrics: Vec::new() }
    }

    fn push(&mut self, metric: &'static Metric, point: NumberDataPoint) {
        match self.metrics.iter_mut().rev().find(|(known, _)| std::ptr::eq(*known, metric)) {
            Some((_, points)) => points.push(point),
            None => self.metrics.push((metric, vec![point])),
        }
    }

    fn finish(
        self,
        base: &[KeyValue],
        scope: &InstrumentationScope,
        temporality: Temporality,
    ) -> ResourceMetrics {
        let entity = self.entity.unwrap_or_default();
        let theirs = |key: &str| entity.iter().any(|(name, _)| *name == key);
        let mut attributes: Vec<KeyValue> = base.iter().filter(|kv| !theirs(&kv.key)).cloned().collect();
        attributes.extend(entity.iter().map(key_value));
        let metrics =
            self.metrics.into_iter().map(|(metric, points)| message(metric, points, temporality)).collect();
        ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope.clone()),
                metrics,
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        }
    }
}

/// Puts the ends where the series were: with the host, with an entity that is there still, or alone.
fn place_ended(ended: Vec<Ended>, keys: &Keys, sheet: &Sheet, groups: &mut Vec<Group>) {
    let places = sheet.entities.iter().enumerate();
    let mut places: HashMap<u64, usize> =
        places.map(|(index, key)| (*key, sheet.first_group + index)).collect();
    for Ended { metric, entity, attributes, start, time } in ended {
        let group = entity.map_or(0, |entity| {
            *places.entry(keys.attributes(&entity)).or_insert_with(|| {
                groups.push(Group::of(entity));
                groups.len() - 1
            })
        });
        let attributes = sorted(attributes.iter().map(key_value).collect());
        groups[group].push(metric, point(metric, attributes, start, time, None));
    }
}

/// Calls `each` with the attributes and the value of every point.
fn each_point<'a>(
    data: &'a AggregatedMetrics,
    each: &mut dyn FnMut(&mut dyn Iterator<Item = &'a SdkKeyValue>, Value),
) {
    match data {
        AggregatedMetrics::F64(data) => each_value(data, Value::Double, each),
        AggregatedMetrics::U64(data) => each_value(data, Value::from, each),
        AggregatedMetrics::I64(data) => each_value(data, Value::Int, each),
    }
}

fn each_value<'a, T: Copy>(
    data: &'a MetricData<T>,
    convert: fn(T) -> Value,
    each: &mut dyn FnMut(&mut dyn Iterator<Item = &'a SdkKeyValue>, Value),
) {
    match data {
        MetricData::Sum(sum) => {
            for point in sum.data_points() {
                each(&mut point.attributes(), convert(point.value()));
            }
        }
        MetricData::Gauge(gauge) => {
            for point in gauge.data_points() {
                each(&mut point.attributes(), convert(point.value()));
            }
        }
        // No asynchronous instrument makes a histogram.
        MetricData::Histogram(_) | MetricData::ExponentialHistogram(_) => {}
    }
}

/// The entity that a point refers to, the key of its other attributes, and these.
fn split(
    attributes: &mut dyn Iterator<Item = &SdkKeyValue>,
    keys: &Keys,
) -> (Option<usize>, u64, Vec<KeyValue>) {
    let (mut entity, mut own, mut out) = (None, 0_u64, Vec::new());
    for attribute in attributes {
        match &attribute.value {
            opentelemetry::Value::I64(index) if attribute.key.as_str() == ENTITY => {
                entity = usize::try_from(*index).ok();
            }
            value => {
                own = own.wrapping_add(keys.attribute(attribute.key.as_str(), value));
                out.push(attribute.into());
            }
        }
    }
    (entity, own, sorted(out))
}

fn point(
    metric: &Metric,
    attributes: Vec<KeyValue>,
    start: u64,
    time: u64,
    value: Option<Value>,
) -> NumberDataPoint {
    let flags = if value.is_some() { 0 } else { DataPointFlags::NoRecordedValueMask as u32 };
    NumberDataPoint {
        attributes,
        // A gauge counts nothing, so it has no start.
        start_time_unix_nano: if metric.kind == Kind::Gauge { 0 } else { start },
        time_unix_nano: time,
        flags,
        value: value.map(|value| match value {
            Value::Int(value) => number_data_point::Value::AsInt(value),
            Value::Double(value) => number_data_point::Value::AsDouble(value),
        }),
        ..NumberDataPoint::default()
    }
}

fn message(metric: &Metric, data_points: Vec<NumberDataPoint>, temporality: Temporality) -> Message {
    let sum = |is_monotonic, data_points| {
        let delta = temporality.is_delta(metric.kind);
        let temporality =
            if delta { AggregationTemporality::Delta } else { AggregationTemporality::Cumulative };
        let aggregation_temporality = temporality as i32;
        Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
    };
    Message {
        name: metric.name.to_owned(),
        description: metric.description.to_owned(),
        unit: metric.unit.to_owned(),
        data: Some(match metric.kind {
            Kind::Counter => sum(true, data_points),
            Kind::UpDownCounter => sum(false, data_points),
            Kind::Gauge => Data::Gauge(Gauge { data_points }),
        }),
        ..Message::default()
    }
}

fn key_value((name, value): &(&'static str, crate::metric::Text)) -> KeyValue {
    KeyValue { key: (*name).to_owned(), value: Some(attribute_value(value).into()), ..KeyValue::default() }
}

/// The SDK has no order of its own; a fixed one compresses better and can be compared.
fn sorted(mut attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    attributes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    attributes
}

#[cfg(test)]
mod tests;
