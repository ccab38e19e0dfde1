//! A lane: one `MeterProvider`, one reader, and the snapshot they collect from.
//!
//! One provider for each reader, because with two readers on one provider a callback run for reader A also
//! writes into reader B's aggregation: a process that has ended is reported once more by B, and top-N sets of
//! different moments mix, so that their sums are wrong.
//!
//! Everything is an asynchronous instrument, which the SDK runs and aggregates, but for metrics that may have more
//! than a thousand points: those of processes where all are shown. For such the SDK has a place for each point that
//! there may be, keeps what has vanished for one collection more, and at its limit folds what is there into
//! `otel.metric.overflow`; the way out writes them straight from the same snapshot. Both roads give the same points:
//! the tests of `export::otlp::request` hold one against the other. Past the SDK as well, the 610 others of 650 points
//! would save a sixth of a push (2.9 against 3.5 ms of CPU) and 0.9 MiB.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};

use crate::dialect::Voice;
use crate::instruments::{Cell, EntityForm, register};
use crate::metric::{Metric, Snapshot};
use crate::sampler::{FRESH, Sampler};

/// The version of the semantic conventions that the names follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The instrumentation scope of everything.
pub const SCOPE: &str = "hostmeter";

/// Metrics that may have more points than this do not become instruments.
const LARGE: usize = 1000;

/// A provider with its reader and the instruments of everything that is collected.
pub struct Lane {
    sampler: Arc<Sampler>,
    voice: Voice,
    cell: Cell,
    age: Duration,
    /// Kept because the reader only holds a weak reference to its pipeline.
    _provider: SdkMeterProvider,
    collecting: Mutex<()>,
    direct: Vec<&'static Metric>,
}

impl Lane {
    /// A lane that ends in `reader`.
    pub fn new(
        sampler: Arc<Sampler>,
        reader: impl MetricReader,
        resource: Resource,
        form: EntityForm,
        voice: Voice,
    ) -> Self {
        let wanted = voice.wanted(sampler.wanted());
        let (large, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|wanted| wanted.ceiling > LARGE);
        let direct = large.iter().map(|wanted| wanted.metric).collect();
        let limits = wanted.clone();
        // Twice the ceiling, because an observable gauge keeps the places of vanished series for one more
        // collection, and a full map would fold living processes into `otel.metric.overflow`.
        let view = move |instrument: &Instrument| {
            let found = limits.iter().find(|wanted| wanted.metric.name == instrument.name())?;
            Stream::builder().with_cardinality_limit(2 * found.ceiling + 1).build().ok()
        };
        let provider =
            SdkMeterProvider::builder().with_resource(resource).with_reader(reader).with_view(view).build();
        let scope = InstrumentationScope::builder(SCOPE)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build();
        let meter = provider.meter_with_scope(scope);
        let cell = Cell::default();
        for wanted in &wanted {
            register(&meter, wanted.metric, &cell, form);
        }
        Self { sampler, voice, cell, age: FRESH, _provider: provider, collecting: Mutex::new(()), direct }
    }

    /// The same for somebody to whom a snapshot of that age is too old.
    #[must_use]
    pub fn within(self, age: Duration) -> Self {
        Self { age, ..self }
    }

    /// The metrics without an instrument.
    pub fn direct(&self) -> &[&'static Metric] {
        &self.direct
    }

    /// Takes a fresh snapshot within `budget`, and runs `collect`, in which the reader sees just that one.
    pub fn collect<T>(&self, budget: Duration, collect: impl FnOnce(&Snapshot) -> T) -> T {
        // Waited for before the lock is taken: who has little time must not wait for another's budget.
        let snapshot = self.voice.tell(self.sampler.snapshot_within(self.age, budget));
        let _one_at_a_time = self.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        self.cell.set(Arc::clone(&snapshot));
        let out = collect(&snapshot);
        self.cell.set(Arc::default());
        out
    }
}
