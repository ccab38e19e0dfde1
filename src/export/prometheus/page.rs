//! The page: a snapshot as bytes, kept while the readings in it are the newest there are.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use flate2::read::GzDecoder;
use hyper::body::Bytes;

use crate::dialect::Voice;
use crate::lane::{SCHEMA_URL, SCOPE};
use crate::metric::{Metric, Reading, Snapshot};
use crate::resource::Resource;
use crate::sampler::{FRESH, Sampler};

use super::Settings;
use super::format::Shape;
use super::gzip::Gzip;
use super::names::{Names, Strategy};
use super::text::Writer;

/// The page of all metrics.
pub struct Page {
    sampler: Arc<Sampler>,
    strategy: Strategy,
    voice: Voice,
    wanted: Vec<&'static Metric>,
    /// The attributes on `target_info`.
    target: Vec<(String, String)>,
    /// Those that are labels of every series.
    constant: Vec<(String, String)>,
    writers: [OnceLock<Writer>; 8],
    gzip: Mutex<Option<Gzip>>,
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

/// The last page in every shape that was asked for, and the readings that it shows.
struct Last {
    readings: Vec<Weak<Reading>>,
    rendered: BTreeMap<Shape, Arc<Rendered>>,
}

impl Last {
    fn shows(&self, snapshot: &Snapshot) -> bool {
        // The weak references keep the places from being given to other readings, not the readings.
        let pairs = self.readings.iter().zip(&snapshot.readings);
        self.readings.len() == snapshot.readings.len()
            && pairs.into_iter().all(|(old, new)| std::ptr::eq(old.as_ptr(), Arc::as_ptr(new)))
    }
}

impl Page {
    /// The page of everything that `sampler` collects.
    pub fn new(sampler: Arc<Sampler>, resource: &Resource, settings: &Settings) -> Self {
        let wanted = settings.voice.wanted(sampler.wanted());
        let attributes: Vec<(String, String)> =
            resource.to_sdk().iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let scope = [
            ("otel_scope_name", SCOPE),
            ("otel_scope_version", env!("CARGO_PKG_VERSION")),
            ("otel_scope_schema_url", SCHEMA_URL),
        ];
        let scope = scope.into_iter().filter(|_| settings.scope_labels);
        let chosen = attributes.iter().filter(|(name, _)| settings.resource_labels.contains(name)).cloned();
        Self {
            strategy: settings.strategy,
            voice: settings.voice.clone(),
            wanted: wanted.iter().map(|wanted| wanted.metric).collect(),
            constant: scope.map(owned).chain(chosen).collect(),
            target: attributes,
            writers: Default::default(),
            gzip: Mutex::default(),
            last: Mutex::default(),
            sampler,
        }
    }

    /// Takes a fresh snapshot within `budget` and makes the page of it. Blocks. The error is the compressor's,
    /// which writes to memory.
    pub fn render(&self, shape: Shape, budget: Duration) -> std::io::Result<Arc<Rendered>> {
        let snapshot = self.sampler.snapshot_within(FRESH, budget);
        let known =
            self.lock().as_ref().filter(|last| last.shows(&snapshot)).map(|last| last.rendered.clone());
        let mut rendered = known.unwrap_or_default();
        if let Some(rendered) = rendered.get(&shape) {
            return Ok(Arc::clone(rendered));
        }
        let new = Arc::new(self.write(shape, &self.voice.tell(Arc::clone(&snapshot)))?);
        rendered.insert(shape, Arc::clone(&new));
        let readings = snapshot.readings.iter().map(Arc::downgrade).collect();
        *self.lock() = Some(Last { readings, rendered });
        Ok(new)
    }

    fn write(&self, shape: Shape, snapshot: &Snapshot) -> std::io::Result<Rendered> {
        // Whoever writes another shape at the same time makes his own.
        let kept = || self.gzip.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gzip = kept().take().unwrap_or_default();
        self.writer(shape).write(snapshot, &mut gzip)?;
        let text = gzip.finish()?;
        *kept() = Some(gzip);
        let series = snapshot.readings.iter().flat_map(|reading| &reading.series);
        Ok(Rendered {
            gzip: text.into(),
            series: series.map(|series| (series.metric.name, series.points.len())).collect(),
        })
    }

    fn writer(&self, shape: Shape) -> &Writer {
        let place = 2 * (shape.escaping as usize) + usize::from(shape.open_metrics);
        self.writers[place].get_or_init(|| {
            Writer::new(shape, self.strategy, self.wanted.iter().copied(), &self.target, &self.constant)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What collects.
    pub(super) fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// What a metric is called on the page; none where it is not there.
    pub(super) fn name(&self, metric: &Metric) -> Option<String> {
        let there = self.wanted.iter().any(|wanted| std::ptr::eq(*wanted, metric));
        there.then(|| Names { strategy: self.strategy, ..Names::default() }.metric(metric))
    }

    /// Whether a metric is collected, under whatever name it is shown.
    pub(super) fn collects(&self, metric: &Metric) -> bool {
        self.sampler.wanted().iter().any(|wanted| std::ptr::eq(wanted.metric, metric))
    }

    /// The last page, once there is one.
    pub fn last(&self) -> Option<Arc<Rendered>> {
        self.lock().as_ref()?.rendered.values().next().map(Arc::clone)
    }
}
