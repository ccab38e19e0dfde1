//! From a collector of ours through sampler, SDK and request: times, starts, entities, and ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hostmeter::collectors::{Collector, Spec};
use hostmeter::dialect::Voice;
use hostmeter::export::otlp::{OtlpLane, Source as _, to_json};
use hostmeter::host::{Error, Host};
use hostmeter::metric::{Entity, Metric, Reading, Text, ValueType};
use hostmeter::sampler::{FRESH, Sampler, Source};
use hostmeter::stats::Stats;
use opentelemetry_sdk::Resource;
use serde_json::{Value, json};

static TIME: Metric = Metric::counter("test.time", "s", ValueType::Double).by(&[]).from("nowhere");
static READS: Metric = Metric::counter("test.reads", "1", ValueType::Int).from("nowhere");
static SPEC: Spec = Spec {
    name: "test",
    about: "A process that ends after the first reading",
    metrics: &[&READS, &TIME],
    settings: &[],
    build: |_, _| Ok(Box::new(Ending)),
};
static RUNS: AtomicI64 = AtomicI64::new(0);
const BORN: u64 = 1_600_000_000;

struct Ending;

impl Collector for Ending {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        out.push(&READS, vec![], run);
        if run == 0 {
            let start = UNIX_EPOCH + Duration::from_secs(BORN);
            let entity =
                out.entity(Entity { attributes: vec![("process.pid", Text::Int(7))], start, title: None });
            out.push_of(entity, &TIME, vec![], 1.5);
        }
        Ok(())
    }
}

fn nanos(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

fn collect(lane: &mut OtlpLane) -> Value {
    let mut resources = Vec::new();
    lane.collect(Duration::from_secs(2), &mut |resource| resources.push(resource));
    serde_json::from_str(&to_json(resources).unwrap()).unwrap()
}

fn number(text: &Value) -> u128 {
    text.as_str().unwrap().parse().unwrap()
}

#[test]
fn times_starts_entities_and_ends_are_right() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("proc")).unwrap();
    std::fs::write(root.path().join("proc/stat"), "btime 1500000000\n").unwrap();
    let host = Arc::new(Host::at(root.path()).unwrap());
    let sampler = Sampler::start(host, vec![Source::new(&SPEC)], Arc::new(Stats::default())).unwrap();
    let resource = Resource::builder_empty().with_service_name("hostmeter").build();
    let mut lane = OtlpLane::new(Arc::new(sampler), resource, Voice::default());

    let before = nanos(SystemTime::now());
    let first = collect(&mut lane);
    let after = nanos(SystemTime::now());
    let [of_host, of_process] = &first["resourceMetrics"].as_array().unwrap()[..] else { panic!("{first}") };
    let reads = &of_host["scopeMetrics"][0]["metrics"][0]["sum"];
    assert_eq!((&reads["isMonotonic"], &reads["aggregationTemporality"]), (&json!(true), &json!(2)));
    let point = &reads["dataPoints"][0];
    assert_eq!(
        (number(&point["startTimeUnixNano"]), &point["asInt"]),
        (1_500_000_000_000_000_000, &json!("0"))
    );
    assert!((before..=after).contains(&number(&point["timeUnixNano"])));
    let attributes = &of_process["resource"]["attributes"];
    assert_eq!(attributes[0]["key"], "service.name");
    assert_eq!(attributes[1], json!({"key": "process.pid", "value": {"intValue": "7"}}));
    let time = &of_process["scopeMetrics"][0]["metrics"][0];
    assert_eq!(time["name"], "test.time");
    let point = &time["sum"]["dataPoints"][0];
    assert_eq!(
        (number(&point["startTimeUnixNano"]) / 1_000_000_000, &point["asDouble"]),
        (BORN.into(), &json!(1.5))
    );
    assert_eq!(point["attributes"], json!([]), "the reference to the entity stays inside");

    assert_eq!(collect(&mut lane), json!({"resourceMetrics": []}), "the same reading is not sent twice");

    std::thread::sleep(FRESH);
    let second = collect(&mut lane);
    let [_, of_process] = &second["resourceMetrics"].as_array().unwrap()[..] else { panic!("{second}") };
    let point = &of_process["scopeMetrics"][0]["metrics"][0]["sum"]["dataPoints"][0];
    assert_eq!((&point["flags"], &point["asDouble"]), (&json!(1), &Value::Null));

    std::thread::sleep(FRESH);
    let third = collect(&mut lane);
    assert_eq!(third["resourceMetrics"].as_array().unwrap().len(), 1, "an end is told once: {third}");

    let mut lane = lane.every(Duration::from_millis(40));
    std::thread::sleep(Duration::from_millis(30));
    let soon = collect(&mut lane);
    assert_eq!(
        soon["resourceMetrics"].as_array().unwrap().len(),
        1,
        "a tick after a late one has its own reading"
    );
}
