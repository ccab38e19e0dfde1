//! Our page against that of `opentelemetry-prometheus`, which makes its own of the same readings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hostmeter::collectors::ALL;
use hostmeter::export::prometheus::{Page, Settings, Shape};
use hostmeter::host::Host;
use hostmeter::instruments::{Cell, EntityForm, register};
use hostmeter::lane::{SCHEMA_URL, SCOPE};
use hostmeter::resource::{Given, Resource};
use hostmeter::sampler::{FRESH, Sampler, Source};
use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use super::support;
use super::text::read;

const BUDGET: Duration = Duration::from_secs(5);

/// Every series with its value, and what is said of its family.
fn series(page: &str) -> BTreeSet<String> {
    let families = read(page).into_iter();
    families
        .flat_map(|(name, family)| {
            let said = format!("{name} {} {}", family.kind, family.help);
            let samples =
                family.samples.into_iter().map(move |(labels, value)| format!("{name} {labels:?} {value}"));
            samples.chain([said])
        })
        // It is the only text that we word differently.
        .filter(|line| !line.starts_with("target_info gauge"))
        .collect()
}

/// What only one of the two pages has, of every metric of a whole host.
fn difference(host: &str, settings: &Settings) -> (usize, Vec<String>) {
    let root = support::unpack(host);
    let host = Arc::new(Host::at(root.path()).unwrap());
    let resource = Resource::detect(&host, &Given::default(), |_| None);
    let sources = ALL.iter().map(|&spec| {
        let on = spec.metrics.iter().map(|metric| (metric.name.to_owned(), true)).collect();
        Source { metrics: on, ..Source::new(spec) }
    });
    let sampler = Arc::new(Sampler::start(host, sources.collect(), Arc::default()).unwrap());
    let registry = Registry::new();
    let keys = settings.resource_labels.iter().cloned().map(opentelemetry::Key::new).collect();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(settings.scope_labels)
        .with_resource_selector(opentelemetry_prometheus::ResourceSelector::KeyAllowList(keys))
        .build()
        .unwrap();
    let provider = SdkMeterProvider::builder().with_resource(resource.to_sdk()).with_reader(reader).build();
    let meter = provider.meter_with_scope(
        InstrumentationScope::builder(SCOPE)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build(),
    );
    let cell = Cell::default();
    for wanted in sampler.wanted() {
        register(&meter, wanted.metric, &cell, EntityForm::Labels);
    }
    let page = Page::new(Arc::clone(&sampler), &resource, settings);
    // Rates need two readings.
    sampler.snapshot(BUDGET);
    std::thread::sleep(FRESH + Duration::from_millis(50));
    cell.set(sampler.snapshot(BUDGET));
    let ours = page.render(Shape::default(), BUDGET).unwrap().plain();
    let theirs = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    // A `total` that is part of a counter's name is its ending for everybody else.
    let theirs = theirs.replace("_pressure_total_seconds_total", "_pressure_seconds_total");
    let (ours, theirs) = (series(std::str::from_utf8(&ours).unwrap()), series(&theirs));
    (ours.len(), ours.symmetric_difference(&theirs).cloned().collect())
}

#[test]
fn every_series_is_the_one_that_the_reference_has() {
    let labels = vec!["host.name".to_owned(), "host.id".to_owned()];
    let labelled = Settings { scope_labels: true, resource_labels: labels, ..Settings::default() };
    for (host, settings) in
        [("vm", Settings::default()), ("container", labelled), ("hostile", Settings::default())]
    {
        // On a busy machine the second page may be of another reading; then both are made again.
        let (mut count, mut only) = (0, Vec::new());
        for _ in 0..4 {
            (count, only) = difference(host, &settings);
            if only.is_empty() {
                break;
            }
        }
        assert_eq!(only, [""; 0], "{host}");
        assert!(count > 100, "{host}: {count}");
    }
}

/// A resource may have what a process has, too: a container's id.
#[test]
fn a_label_of_the_resource_gives_way_to_the_one_of_the_series() {
    let root = support::unpack("vm");
    let host = Arc::new(Host::at(root.path()).unwrap());
    let labels = [("process.pid", "7"), ("cpu.mode", "none"), ("team", "web")];
    let labels: BTreeMap<_, _> = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let resource_labels = labels.keys().cloned().collect();
    let given = Given { labels: labels.into_iter().collect(), ..Given::default() };
    let resource = Resource::detect(&host, &given, |_| None);
    let sources = ALL.iter().map(|&spec| Source::new(spec)).collect();
    let sampler = Arc::new(Sampler::start(host, sources, Arc::default()).unwrap());
    let page = Page::new(sampler, &resource, &Settings { resource_labels, ..Settings::default() });
    let page = page.render(Shape::default(), BUDGET).unwrap().plain();
    let families = read(std::str::from_utf8(&page).unwrap());
    let of = |family: &str, label: &str| -> BTreeSet<String> {
        let found = families[family].samples.iter();
        found.map(|(labels, _)| labels.get(label).cloned().unwrap_or_default()).collect()
    };
    assert_eq!(of("system_cpu_load_average_1m", "process_pid"), BTreeSet::from(["7".to_owned()]));
    assert!(of("process_memory_usage_bytes", "process_pid").len() > 2);
    assert!(of("system_cpu_time_seconds_total", "cpu_mode").contains("user"));
    assert_eq!(of("process_memory_usage_bytes", "team"), BTreeSet::from(["web".to_owned()]));
}
