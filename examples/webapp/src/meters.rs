//! What the service measures, and the two ways out.
//!
//! HTTP is named by the semantic conventions; `app.*` is what only this service knows.

use std::error::Error;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider, UpDownCounter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};

/// The convention's boundaries for `http.server.request.duration`.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// One of each kind of instrument, and some more.
pub struct Meters {
    /// `http.server.request.duration`, s: method, route, status code, and error type where the answer is a 5xx.
    pub duration: Histogram<f64>,
    /// `http.server.active_requests`: method.
    pub active: UpDownCounter<i64>,
    /// `app.router.decisions`: which worker the router chose.
    pub decisions: Counter<u64>,
    /// `app.router.confidence`, 0 to 1: how sure the router was of its last choice of this worker.
    pub confidence: Gauge<f64>,
    /// `app.worker.duration`, s: worker.
    pub work: Histogram<f64>,
    /// `app.worker.tasks`: worker; how many each works on.
    pub tasks: UpDownCounter<i64>,
    /// `app.worker.errors`: worker, error type.
    pub errors: Counter<u64>,
    /// `app.worker.tokens`: worker, direction.
    pub tokens: Counter<u64>,
}

impl Meters {
    fn new(meter: &Meter) -> Self {
        // Counts bear no unit: what is counted is in the name, and every way to Prometheus then agrees on it.
        Self {
            duration: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("Duration of HTTP server requests")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            active: meter
                .i64_up_down_counter("http.server.active_requests")
                .with_description("Requests that are being answered")
                .build(),
            decisions: meter
                .u64_counter("app.router.decisions")
                .with_description("Requests that the router gave to a worker")
                .build(),
            confidence: meter
                .f64_gauge("app.router.confidence")
                .with_unit("1")
                .with_description("How sure the router was of its last choice")
                .build(),
            work: meter
                .f64_histogram("app.worker.duration")
                .with_unit("s")
                .with_description("How long a worker took for a task")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            tasks: meter
                .i64_up_down_counter("app.worker.tasks")
                .with_description("Tasks that a worker has in hand")
                .build(),
            errors: meter
                .u64_counter("app.worker.errors")
                .with_description("Tasks that a worker could not do")
                .build(),
            tokens: meter
                .u64_counter("app.worker.tokens")
                .with_description("Tokens that a worker read and wrote")
                .build(),
        }
    }
}

/// The instruments, what ends them, and what `/metrics` shows.
pub fn start() -> Result<(Meters, SdkMeterProvider, prometheus::Registry), Box<dyn Error>> {
    let registry = prometheus::Registry::new();
    let page = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    let mut provider = SdkMeterProvider::builder().with_resource(resource()).with_reader(page);
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .with_temporality(Temporality::Cumulative)
            .build()?;
        provider = provider.with_periodic_exporter(exporter);
    }
    let provider = provider.build();
    let meters = Meters::new(&provider.meter("webapp"));
    Ok((meters, provider, registry))
}

/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` are stronger than what is said here.
fn resource() -> Resource {
    let [high, low] = [fastrand::u64(..), fastrand::u64(..)];
    // A random UUID, version 4: the label `instance` by way of OTLP, another one for each run.
    let id = format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    );
    let own = [
        KeyValue::new("service.name", std::env::var("OTEL_SERVICE_NAME").unwrap_or("webapp".into())),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", id),
    ];
    Resource::builder().with_attributes(own).build()
}
