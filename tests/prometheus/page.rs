//! What is on the page.

use std::collections::BTreeMap;

use hostmeter::collectors::{Collector, Spec};
use hostmeter::export::prometheus::name;
use hostmeter::host::{Error, Host};
use hostmeter::metric::{Attribute, Metric, Reading, ValueType};

use super::agent::{Agent, Plan};
use super::text::{Family, read};

const BY_NAME: &[Attribute] = &[Attribute::open("some.name")];

static HOSTILE: Metric =
    Metric::gauge("test.hostile", "{thing}", ValueType::Double).about("A \\ and a\nnew \"line\"").by(BY_NAME);
static COUNTER_S: Metric = Metric::counter("test.counter.time", "s", ValueType::Double);
static COUNTER_BY: Metric = Metric::counter("test.counter.io", "By", ValueType::Int);
static COUNTER_THING: Metric = Metric::counter("test.counter", "{thing}", ValueType::Int);
static UPDOWN_BY: Metric = Metric::updown("test.updown", "By");
static GAUGE_1: Metric = Metric::gauge("test.gauge", "1", ValueType::Double);
static GAUGE_PERCENT: Metric = Metric::gauge("test.gauge.share", "%", ValueType::Double);
static GAUGE_HZ: Metric = Metric::gauge("test.gauge.frequency", "Hz", ValueType::Int);
static GAUGE_CEL: Metric = Metric::gauge("test.gauge.temperature", "Cel", ValueType::Double);
static GAUGE_V: Metric = Metric::gauge("test.gauge.voltage", "V", ValueType::Double);
static GAUGE_A: Metric = Metric::gauge("test.gauge.current", "A", ValueType::Double);
static GAUGE_W: Metric = Metric::gauge("test.gauge.power", "W", ValueType::Double);
static GAUGE_J: Metric = Metric::gauge("test.gauge.energy", "J", ValueType::Double);
static GAUGE_BARE: Metric = Metric::gauge("test.gauge-bare", "", ValueType::Double);

static SHAPES: [&Metric; 13] = [
    &COUNTER_S,
    &COUNTER_BY,
    &COUNTER_THING,
    &UPDOWN_BY,
    &GAUGE_1,
    &GAUGE_PERCENT,
    &GAUGE_HZ,
    &GAUGE_CEL,
    &GAUGE_V,
    &GAUGE_A,
    &GAUGE_W,
    &GAUGE_J,
    &GAUGE_BARE,
];

static HOSTILE_SPEC: Spec = Spec {
    name: "hostile",
    about: "Names that a host can have",
    metrics: &[&HOSTILE],
    settings: &[],
    build: |_, _| Ok(Box::new(Names)),
};
static SHAPES_SPEC: Spec = Spec {
    name: "shapes",
    about: "Every kind and unit",
    metrics: &SHAPES,
    settings: &[],
    build: |_, _| Ok(Box::new(Shapes)),
};

const NAMES: [&str; 14] = [
    "a\"b",
    "a\\b",
    "a\nb",
    "a\rb",
    "a\0b",
    "\\n",
    "\"",
    "\\",
    "\n",
    "{}=,\"} 1",
    "\u{1b}[31m",
    "größe 🎉",
    "\u{2028}",
    "\u{feff}",
];

struct Names;

impl Collector for Names {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        for (number, name) in NAMES.iter().enumerate() {
            out.push(&HOSTILE, vec![("some.name", (*name).to_owned().into())], number as f64);
        }
        Ok(())
    }
}

struct Shapes;

impl Collector for Shapes {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        for metric in SHAPES {
            match metric.value {
                ValueType::Int => out.push(metric, vec![], 3_i64),
                ValueType::Double => out.push(metric, vec![], 0.5),
            }
        }
        Ok(())
    }
}

fn families(agent: &Agent) -> BTreeMap<String, Family> {
    read(&agent.metrics())
}

fn given(labels: &[(&str, &str)]) -> Plan {
    let mut plan = Plan::default();
    plan.given.labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    plan
}

#[test]
fn the_load_of_the_host_is_on_the_page() {
    let families = families(&Plan::default().start());
    let load = &families["system_cpu_load_average_15m"];
    assert_eq!(load.kind, "gauge");
    assert!(load.help.ends_with("over 15 minutes"));
    assert_eq!(load.samples, [(BTreeMap::new(), 12.0)]);
}

#[test]
fn every_name_of_a_host_comes_through_unharmed() {
    let families = families(&Plan::with(&HOSTILE_SPEC).start());
    let family = &families["test_hostile"];
    assert_eq!(family.help, HOSTILE.description);
    let mut found: Vec<(f64, &str)> =
        family.samples.iter().map(|(labels, value)| (*value, labels["some_name"].as_str())).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let found: Vec<&str> = found.into_iter().map(|(_, name)| name).collect();
    assert_eq!(found, NAMES);
}

#[test]
fn every_kind_and_unit_has_its_name() {
    let families = families(&Plan::with(&SHAPES_SPEC).start());
    for metric in SHAPES {
        let name = name(metric);
        let family = families.get(&name).unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
        assert_eq!(family.samples.len(), 1, "{name}");
    }
}

#[test]
fn the_resource_is_on_target_info_and_nowhere_else() {
    let families = families(&given(&[("region", "eu")]).start());
    let [(labels, value)] = families["target_info"].samples.as_slice() else { panic!("one target_info") };
    assert_eq!(value.to_string(), "1");
    for (name, value) in [
        ("service_name", "hostmeter"),
        ("host_name", "web-1"),
        ("host_id", "3d1219c7c4c5404aaa1f6d2a48adfda4"),
        ("region", "eu"),
        ("telemetry_sdk_language", "rust"),
    ] {
        assert_eq!(labels[name], value);
    }
    for (name, family) in families.iter().filter(|(name, _)| *name != "target_info") {
        let of_resource = |label: &String| ["service_name", "host_name", "region"].contains(&label.as_str());
        assert!(!family.samples.iter().any(|(labels, _)| labels.keys().any(of_resource)), "{name}");
    }
}

#[test]
fn attributes_that_are_asked_for_are_on_every_series() {
    let mut plan = given(&[("region", "eu"), ("team:web", "edge")]);
    plan.settings.resource_labels = ["host.name", "team:web", "absent"].map(str::to_owned).to_vec();
    let families = families(&plan.start());
    let (labels, _) = &families["system_cpu_load_average_1m"].samples[0];
    let expected = [("host_name", "web-1"), ("team_web", "edge")];
    assert_eq!(*labels, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn labels_that_prometheus_would_refuse_do_not_spoil_the_page() {
    let odd = [
        ("9lives", "a"),
        ("a:b", "b"),
        ("__name__", "c"),
        ("quo\"te", "d\"\n"),
        ("größe", "e"),
        ("a_b", "f"),
    ];
    let families = families(&given(&odd).start());
    let (labels, _) = &families["target_info"].samples[0];
    assert_eq!(labels["_9lives"], "a");
    assert_eq!(labels["a_b"], "b;f");
    assert_eq!(labels["_name_"], "c");
    assert_eq!(labels["quo_te"], "d\"\n");
    assert_eq!(labels["gr_e"], "e");
}

#[test]
fn the_scope_is_shown_to_who_asks_for_it() {
    let mut plan = Plan::default();
    plan.settings.scope_labels = true;
    let families = families(&plan.start());
    let (labels, _) = &families["system_cpu_load_average_1m"].samples[0];
    assert_eq!(labels["otel_scope_name"], "hostmeter");
}
