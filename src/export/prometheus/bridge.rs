//! The bridge: a lane that ends in `opentelemetry-prometheus`, and its registry as bytes.
//!
//! The rest of this module knows [`Page::render`] only, so that another writer of the format can take the
//! bridge's place. It makes one metric family per data point and merges them by name, which costs some
//! microseconds a series; the page is therefore kept while the readings in it are the newest there are.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use opentelemetry::Key;
use opentelemetry_prometheus::ResourceSelector;
use opentelemetry_sdk::error::OTelSdkError;
use prometheus::{Registry, TextEncoder};

use crate::instruments::EntityForm;
use crate::lane::{Lane, SCHEMA_URL, SCOPE};
use crate::metric::{Metric, Reading, Snapshot};
use crate::resource::{self, Resource};
use crate::sampler::Sampler;

use super::{Settings, direct, names};

/// The page of all metrics.
pub struct Page {
    lane: Lane,
    registry: Registry,
    wanted: HashSet<&'static str>,
    /// The labels of every series.
    constant: Vec<(String, String)>,
    last: Mutex<Option<Last>>,
}

/// A page as it is sent.
#[derive(Debug)]
pub struct Rendered {
    /// The text, compressed by gzip, as almost everybody asks for it.
    pub gzip: Bytes,
    /// How many series each metric had, by the metric's own name.
    pub series: BTreeMap<&'static str, usize>,
}

impl Rendered {
    /// The text as it is. It is not kept, because a page of ten thousand processes has 30 MB.
    pub fn plain(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.gzip.len() * 8);
        // What was compressed in memory a moment ago can be read again.
        let _ = GzDecoder::new(&self.gzip[..]).read_to_end(&mut text);
        text.into()
    }
}

/// The last page, and the readings that it shows.
struct Last {
    readings: Vec<Weak<Reading>>,
    rendered: Arc<Rendered>,
}

impl Last {
    fn shows(&self, snapshot: &Snapshot) -> bool {
        // The weak references keep the places from being given to other readings, not the readings.
        let pairs = self.readings.iter().zip(&snapshot.readings);
        self.readings.len() == snapshot.readings.len()
            && pairs.into_iter().all(|(old, new)| std::ptr::eq(old.as_ptr(), Arc::as_ptr(new)))
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The SDK gave nothing, not even the resource: it says why in the log, under the target `opentelemetry`.
    #[error("the OpenTelemetry SDK gave no metrics")]
    Nothing,
    /// The encoder refused a family.
    #[error("the text format: {0}")]
    Encode(#[from] prometheus::Error),
    /// The compressor, which writes to memory, failed.
    #[error("gzip: {0}")]
    Gzip(#[from] std::io::Error),
}

/// The labels that the bridge puts on every series: the scope's and the chosen ones of the resource.
fn constant(resource: &BTreeMap<String, String>, settings: &Settings) -> Vec<(String, String)> {
    let scope = [
        ("otel_scope_name", SCOPE),
        ("otel_scope_version", env!("CARGO_PKG_VERSION")),
        ("otel_scope_schema_url", SCHEMA_URL),
    ];
    let scope = scope.iter().filter(|_| settings.scope_labels);
    let chosen =
        settings.resource_labels.iter().filter_map(|name| resource.get_key_value(&names::label(name)));
    scope
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain(chosen.map(|(name, value)| (name.clone(), value.clone())))
        .collect()
}

impl Page {
    /// The page of everything that `sampler` collects.
    pub fn new(
        sampler: Arc<Sampler>,
        resource: &Resource,
        settings: &Settings,
    ) -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        let keys = settings.resource_labels.iter().map(|name| Key::new(names::label(name))).collect();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(settings.scope_labels)
            .with_resource_selector(ResourceSelector::KeyAllowList(keys))
            .build()?;
        let wanted = sampler.wanted().iter().map(|wanted| wanted.metric.name).collect();
        let labels = names::labels(resource.iter());
        let constant = constant(&labels, settings);
        let resource = resource::to_sdk(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let lane = Lane::new(sampler, reader, resource, EntityForm::Labels);
        Ok(Self { lane, registry, wanted, constant, last: Mutex::default() })
    }

    /// Takes a fresh snapshot within `budget` and makes the page of it. Blocks.
    pub fn render(&self, budget: Duration) -> Result<Arc<Rendered>, RenderError> {
        self.lane.collect(budget, |snapshot| {
            if let Some(last) = self.lock().as_ref().filter(|last| last.shows(snapshot)) {
                return Ok(Arc::clone(&last.rendered));
            }
            let rendered = Arc::new(self.write(snapshot)?);
            let readings = snapshot.readings.iter().map(Arc::downgrade).collect();
            *self.lock() = Some(Last { readings, rendered: Arc::clone(&rendered) });
            Ok(rendered)
        })
    }

    fn write(&self, snapshot: &Snapshot) -> Result<Rendered, RenderError> {
        let families = self.registry.gather();
        // `target_info` is always there; after a panic within the SDK, the bridge says nothing for ever.
        if families.is_empty() {
            return Err(RenderError::Nothing);
        }
        let mut text = String::with_capacity(64 << 10);
        TextEncoder::new().encode_utf8(&families, &mut text)?;
        drop(families);
        let mut gzip = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
        gzip.write_all(text.as_bytes())?;
        direct::write(snapshot, self.lane.direct(), &self.constant, &mut gzip)?;
        let series = snapshot.readings.iter().flat_map(|reading| &reading.series);
        Ok(Rendered {
            gzip: gzip.finish()?.into(),
            series: series.map(|series| (series.metric.name, series.points.len())).collect(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a metric is collected.
    pub fn wants(&self, metric: &Metric) -> bool {
        self.wanted.contains(metric.name)
    }

    /// The last page, once there is one.
    pub fn last(&self) -> Option<Arc<Rendered>> {
        self.lock().as_ref().map(|last| Arc::clone(&last.rendered))
    }
}
