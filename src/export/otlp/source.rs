//! Where requests come from: the lane that ends in OTLP.

use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics as SdkResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{self, InstrumentKind, ManualReader, Pipeline};

use crate::dialect::Voice;
use crate::instruments::EntityForm;
use crate::lane::Lane;
use crate::sampler::Sampler;

use super::ledger::Ledger;
use super::request;
use super::temporality::Temporality;

/// Whatever can be asked for the metrics of this moment.
pub trait Source: Send + 'static {
    /// Collects within `budget` and gives `emit` what is new, one resource after the other.
    fn collect(&mut self, budget: Duration, emit: &mut dyn FnMut(ResourceMetrics));

    /// Goes on where another source of the same road stops: what that one knows of what was sent is this one's.
    fn succeed(&mut self, _before: &mut Self)
    where
        Self: Sized,
    {
    }
}

/// The lane, its reader, and the memory of what was sent last.
pub struct OtlpLane {
    lane: Lane,
    reader: Reader,
    ledger: Ledger,
    temporality: Temporality,
}

impl OtlpLane {
    /// A lane over what the sampler collects, with the agent's resource.
    pub fn new(sampler: Arc<Sampler>, resource: Resource, voice: Voice) -> Self {
        let reader = Reader::default();
        let lane = Lane::new(sampler, reader.clone(), resource, EntityForm::Reference, voice);
        Self { lane, reader, ledger: Ledger::default(), temporality: Temporality::default() }
    }

    /// The same with counters that say something else.
    #[must_use]
    pub fn with(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }

    /// The same for somebody who collects that often. A tick on time after a late one must not be given the late
    /// one's snapshot again, of which nothing would be left to send.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        Self { lane: self.lane.within(interval / 2), ..self }
    }
}

impl Source for OtlpLane {
    fn collect(&mut self, budget: Duration, emit: &mut dyn FnMut(ResourceMetrics)) {
        let mut collected = SdkResourceMetrics::default();
        let (result, snapshot) =
            self.lane.collect(budget, |snapshot| (self.reader.collect(&mut collected), snapshot.clone()));
        match result {
            Ok(()) => {
                let (direct, temporality) = (self.lane.direct(), self.temporality);
                request::build(&collected, &snapshot, direct, &mut self.ledger, temporality, emit);
            }
            Err(error) => tracing::error!(%error, "the metrics SDK gave nothing; please report this"),
        }
    }

    /// Start times and the last values go on, so that no counter goes back over a change of the configuration.
    fn succeed(&mut self, before: &mut Self) {
        self.ledger = std::mem::take(&mut before.ledger);
    }
}

/// The SDK takes a reader away from us; this one it shares.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader(pub(super) Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut SdkResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> metrics::Temporality {
        self.0.temporality(kind)
    }
}
