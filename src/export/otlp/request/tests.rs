//! From readings through the SDK to what is on the wire.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_sdk::Resource as SdkResource;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

use super::*;
use crate::export::otlp::source::Reader;
use crate::instruments::{Cell, EntityForm, register};
use crate::metric::{Entity, Text, ValueType};

static COUNT: Metric = Metric::counter("test.count", "By", ValueType::Int).about("Counts");
static TIME: Metric = Metric::counter("test.time", "s", ValueType::Double);
static LEVEL: Metric = Metric::updown("test.level", "By");
static SHARE: Metric = Metric::gauge("test.share", "1", ValueType::Double);
static ALL: &[&Metric] = &[&COUNT, &TIME, &LEVEL, &SHARE];
static OTHER: Metric = Metric::gauge("other.share", "1", ValueType::Double);
static OTHERS: &[&Metric] = &[&OTHER];

const S: u64 = 1_000_000_000;

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn reading(second: u64) -> Reading {
    let mut reading = Reading::new("test", ALL, |_| true, 99, at(1_000));
    reading.time = at(second);
    reading
}

fn other(second: u64) -> Arc<Reading> {
    let mut other = Reading::new("other", OTHERS, |_| true, 99, at(1_000));
    other.time = at(second);
    other.push(&OTHER, vec![], 0.5);
    Arc::new(other)
}

fn process(pid: i64, name: &str, start: u64) -> Entity {
    let name = Text::from(name.to_owned());
    Entity {
        attributes: vec![("process.pid", Text::Int(pid)), ("process.executable.name", name)],
        start: at(start),
        title: None,
    }
}

/// The instruments of both collectors on a real provider, as a lane has them.
struct Bench {
    reader: Reader,
    cell: Cell,
    _provider: SdkMeterProvider,
    ledger: Ledger,
    temporality: Temporality,
    direct: Vec<&'static Metric>,
}

impl Bench {
    fn new() -> Self {
        Self::with(&[])
    }

    /// With instruments for all metrics but those of `direct`.
    fn with(direct: &[&'static Metric]) -> Self {
        let reader = Reader(Arc::new(ManualReader::default()));
        let resource = SdkResource::builder_empty()
            .with_attributes([
                SdkKeyValue::new("host.name", "h"),
                SdkKeyValue::new("service.name", "hostmeter"),
            ])
            .build();
        let provider =
            SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        let (meter, cell) = (provider.meter("hostmeter"), Cell::default());
        let is_direct = |metric: &Metric| direct.iter().any(|known| std::ptr::eq(*known, metric));
        for metric in ALL.iter().chain(OTHERS).filter(|metric| !is_direct(metric)) {
            register(&meter, metric, &cell, EntityForm::Reference);
        }
        let (ledger, temporality) = (Ledger::default(), Temporality::Cumulative);
        Self { reader, cell, _provider: provider, ledger, temporality, direct: direct.to_vec() }
    }

    fn send(&mut self, readings: Vec<Arc<Reading>>) -> Vec<ResourceMetrics> {
        let snapshot = Snapshot { readings };
        self.cell.set(Arc::new(snapshot.clone()));
        let mut collected = SdkResourceMetrics::default();
        self.reader.collect(&mut collected).unwrap();
        let mut out = Vec::new();
        let mut emit = |resource| out.push(resource);
        build(&collected, &snapshot, &self.direct, &mut self.ledger, self.temporality, &mut emit);
        out
    }
}

fn text(attributes: &[KeyValue]) -> String {
    let value = |kv: &KeyValue| match kv.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|kv| format!("{}={}", kv.key, value(kv))).collect::<Vec<_>>().join(",")
}

/// One line for each point: resource, metric, attributes, start, time, value or flags.
fn lines(resources: &[ResourceMetrics]) -> Vec<String> {
    let mut lines = Vec::new();
    for resource in resources {
        let of = text(&resource.resource.as_ref().unwrap().attributes);
        let of = of.strip_prefix("host.name=h,service.name=hostmeter").unwrap();
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let (points, kind) = match metric.data.as_ref().unwrap() {
                Data::Sum(sum) if sum.is_monotonic => (&sum.data_points, "sum"),
                Data::Sum(sum) => (&sum.data_points, "level"),
                Data::Gauge(gauge) => (&gauge.data_points, "gauge"),
                other => panic!("{other:?}"),
            };
            for point in points {
                let value = match point.value {
                    Some(number_data_point::Value::AsInt(value)) => format!("{value}"),
                    Some(number_data_point::Value::AsDouble(value)) => format!("{value:?}"),
                    None => format!("flags {}", point.flags),
                };
                let (start, time) = (point.start_time_unix_nano / S, point.time_unix_nano / S);
                let attributes = text(&point.attributes);
                lines.push(format!("[{of}] {kind} {}{{{attributes}}} {start}..{time} {value}", metric.name));
            }
        }
    }
    lines
}

#[test]
fn each_kind_has_its_value_start_and_time() {
    let mut bench = Bench::new();
    let mut host = reading(2_000);
    host.push(&COUNT, vec![("device", "sda".to_owned().into()), ("cpu", Text::Int(3))], 7_u64);
    host.push(&TIME, vec![], 1.5);
    host.push(&LEVEL, vec![], -4_i64);
    host.push(&SHARE, vec![], 0.25);
    let sent = bench.send(vec![Arc::new(host), other(2_001)]);
    assert_eq!(
        lines(&sent),
        [
            "[] sum test.count{cpu=3,device=sda} 1000..2000 7",
            "[] sum test.time{} 1000..2000 1.5",
            "[] level test.level{} 1000..2000 -4",
            "[] gauge test.share{} 0..2000 0.25",
            "[] gauge other.share{} 0..2001 0.5",
        ]
    );
    let scope = &sent[0].scope_metrics[0];
    assert_eq!((sent[0].schema_url.as_str(), scope.schema_url.as_str()), (SCHEMA_URL, SCHEMA_URL));
    assert_eq!(scope.scope.as_ref().unwrap().name, "hostmeter");
    assert_eq!((scope.metrics[0].unit.as_str(), scope.metrics[0].description.as_str()), ("By", "Counts"));
}

#[test]
fn a_metric_may_count_since_a_time_of_its_own() {
    let mut bench = Bench::new();
    let mut host = reading(2_000);
    host.since(&COUNT, at(700));
    host.push(&COUNT, vec![], 7_u64);
    host.push(&TIME, vec![], 1.5);
    let sent = bench.send(vec![Arc::new(host)]);
    assert_eq!(lines(&sent), ["[] sum test.count{} 700..2000 7", "[] sum test.time{} 1000..2000 1.5"]);
}

#[test]
fn an_entity_is_a_resource_of_its_own_with_its_own_start() {
    let mut bench = Bench::new();
    let mut host = reading(2_000);
    host.push(&LEVEL, vec![], 1_i64);
    for (pid, start) in [(7, 1_500), (8, 1_600)] {
        let entity = host.entity(process(pid, "sh", start));
        host.push_of(entity, &COUNT, vec![("direction", "read".into())], pid as u64);
        host.push_of(entity, &SHARE, vec![], 0.5);
    }
    assert_eq!(
        lines(&bench.send(vec![Arc::new(host)])),
        [
            "[] level test.level{} 1000..2000 1",
            "[,process.pid=7,process.executable.name=sh] sum test.count{direction=read} 1500..2000 7",
            "[,process.pid=7,process.executable.name=sh] gauge test.share{} 0..2000 0.5",
            "[,process.pid=8,process.executable.name=sh] sum test.count{direction=read} 1600..2000 8",
            "[,process.pid=8,process.executable.name=sh] gauge test.share{} 0..2000 0.5",
        ]
    );
}

#[test]
fn an_attribute_of_the_entity_replaces_the_agents() {
    let mut bench = Bench::new();
    let mut host = reading(2_000);
    let attributes = vec![("service.name", "web".to_owned().into())];
    let entity = host.entity(Entity { attributes, start: at(1_500), title: None });
    host.push_of(entity, &COUNT, vec![], 1_u64);
    let sent = bench.send(vec![Arc::new(host)]);
    assert_eq!(text(&sent[0].resource.as_ref().unwrap().attributes), "host.name=h,service.name=web");
}

#[test]
fn a_reading_that_was_sent_is_left_out_and_a_missing_one_ends_nothing() {
    let mut bench = Bench::new();
    let mut host = reading(2_000);
    host.push(&LEVEL, vec![], 1_i64);
    let host = Arc::new(host);
    assert_eq!(lines(&bench.send(vec![Arc::clone(&host), other(2_000)])).len(), 2);
    assert_eq!(lines(&bench.send(vec![host, other(2_015)])), ["[] gauge other.share{} 0..2015 0.5"]);
    assert_eq!(lines(&bench.send(vec![other(2_030)])), ["[] gauge other.share{} 0..2030 0.5"]);
}

#[test]
fn an_end_is_told_once_at_the_place_where_the_series_was() {
    let mut bench = Bench::new();
    let run = |second, devices: &[&str], pids: &[i64], counted: bool| {
        let mut host = reading(second);
        for device in devices {
            host.push(&LEVEL, vec![("device", (*device).to_owned().into())], 1_i64);
        }
        for pid in pids {
            let entity = host.entity(process(*pid, "sh", 1_500));
            host.push_of(entity, &SHARE, vec![], 0.5);
            if counted {
                host.push_of(entity, &COUNT, vec![], 1_u64);
            }
        }
        vec![Arc::new(host)]
    };
    bench.send(run(2_000, &["a", "b"], &[7, 8], true));
    let mut ended = lines(&bench.send(run(2_015, &["a"], &[7], false)));
    ended.retain(|line| line.contains("flags"));
    ended.sort();
    assert_eq!(
        ended,
        [
            "[,process.pid=7,process.executable.name=sh] sum test.count{} 1500..2015 flags 1",
            "[,process.pid=8,process.executable.name=sh] gauge test.share{} 0..2015 flags 1",
            "[,process.pid=8,process.executable.name=sh] sum test.count{} 1500..2015 flags 1",
            "[] level test.level{device=b} 1000..2015 flags 1",
        ]
    );
    let again = bench.send(run(2_030, &["a"], &[7], false));
    assert!(!lines(&again).iter().any(|line| line.contains("flags")));
    assert_eq!(again.len(), 2, "one resource for the host and one for the process that is left");
}

#[test]
fn on_request_a_counter_says_how_much_since_the_last_time() {
    let mut bench = Bench::new();
    bench.temporality = Temporality::Delta;
    let mut run = |second, count: u64, pids: &[i64]| {
        let mut host = reading(second);
        host.push(&COUNT, vec![], count);
        host.push(&LEVEL, vec![], count as i64);
        for pid in pids {
            let entity = host.entity(process(*pid, "sh", 2_000 + *pid as u64));
            host.push_of(entity, &TIME, vec![], 1.5);
        }
        bench.send(vec![Arc::new(host)])
    };
    assert_eq!(lines(&run(2_000, 7, &[])), ["[] level test.level{} 1000..2000 7"]);
    let second = run(2_015, 9, &[5]);
    assert_eq!(
        lines(&second),
        [
            "[] sum test.count{} 2000..2015 2",
            "[] level test.level{} 1000..2015 9",
            "[,process.pid=5,process.executable.name=sh] sum test.time{} 2005..2015 1.5",
        ]
    );
    let metrics = &second[0].scope_metrics[0].metrics;
    let temporality = metrics.iter().map(|metric| match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => sum.aggregation_temporality(),
        other => panic!("{other:?}"),
    });
    let expected = [AggregationTemporality::Delta, AggregationTemporality::Cumulative];
    assert!(temporality.eq(expected));
    let third = ["[] sum test.count{} 2015..2030 0", "[] level test.level{} 1000..2030 9"];
    assert_eq!(lines(&run(2_030, 9, &[])), third, "deltas need no end");
}

#[test]
fn points_straight_from_the_reading_are_those_that_come_through_the_instruments() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        straight_as_through(temporality);
    }
}

fn straight_as_through(temporality: Temporality) {
    let all: Vec<&'static Metric> = ALL.iter().chain(OTHERS).copied().collect();
    let (mut through, mut straight) = (Bench::new(), Bench::with(&all));
    (through.temporality, straight.temporality) = (temporality, temporality);
    for (second, pids) in [(2_000, vec![7, 8, 9]), (2_015, vec![9, 7]), (2_030, vec![7, 11])] {
        let mut host = reading(second);
        host.push(&LEVEL, vec![("device", "sda".to_owned().into())], -4_i64);
        host.since(&COUNT, at(700));
        host.push(&COUNT, vec![("device", "sda".to_owned().into())], second);
        for pid in pids {
            let entity = host.entity(process(pid, "sh", 1_500 + pid as u64));
            for direction in ["read", "write"] {
                host.push_of(entity, &COUNT, vec![("direction", direction.into())], second * pid as u64);
            }
            host.push_of(entity, &TIME, vec![], second as f64 / 7.0);
            host.push_of(entity, &SHARE, vec![("z", "1".into()), ("a", Text::Int(2))], 0.5);
        }
        let readings = vec![Arc::new(host), other(second)];
        let sorted = |sent: &[ResourceMetrics]| {
            let mut lines = lines(sent);
            lines.sort_unstable();
            lines
        };
        let expected = sorted(&through.send(readings.clone()));
        assert!(expected.len() >= 5, "{expected:?}");
        assert_eq!(sorted(&straight.send(readings)), expected, "at {second}");
    }
}
