//! Names for the same readings.
//!
//! The collectors speak the semantic conventions. A dialect is another table over what they read, never another
//! reading: it makes further readings of those in a snapshot, for the lanes whose users know other names.

mod classic;

use std::sync::Arc;

use crate::metric::{Metric, Reading, Snapshot};
use crate::sampler::Wanted;

/// The names that a lane speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// OpenTelemetry's semantic conventions.
    #[default]
    Semconv,
    /// Those of a psutil agent: `cpu_usage_percent`, `memory_used_bytes`.
    Classic,
    /// Both of them.
    Both,
}

/// What a dialect says beside what was read.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The agent's version.
    pub version: String,
    /// The host's name.
    pub host_name: String,
    /// Logical CPUs, where the collector of CPUs does not say.
    pub cpus: usize,
}

/// A dialect, spoken about one host.
#[derive(Debug, Clone, Default)]
pub struct Voice {
    dialect: Dialect,
    about: About,
}

/// Metrics that are off by default and that a dialect is made of, by collector.
pub const CLASSIC_NEEDS: [(&str, &str); 2] =
    [("cpu", "system.linux.cpu.core.utilization"), ("memory", "system.linux.memory.cached")];

/// Every metric of the dialect `classic`.
pub fn classic() -> impl Iterator<Item = &'static Metric> {
    classic::TABLES.iter().flat_map(|table| table.metrics).copied()
}

/// Those that are made of what one collector read.
pub fn classic_of(collector: &str) -> impl Iterator<Item = &'static Metric> {
    let tables = classic::TABLES.iter().filter(move |table| table.collector == collector);
    tables.flat_map(|table| table.metrics).copied()
}

impl Voice {
    /// A voice for `about`.
    pub fn new(dialect: Dialect, about: About) -> Self {
        Self { dialect, about }
    }

    /// The metrics of a lane with this voice, where the sampler collects `collected`.
    pub fn wanted(&self, collected: &[Wanted]) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        if self.dialect != Dialect::Classic {
            wanted.extend_from_slice(collected);
        }
        if self.dialect != Dialect::Semconv {
            for table in classic::TABLES {
                let has = |wanted: &&Wanted| table.sources.contains(&wanted.metric.name);
                let ceiling = collected.iter().filter(has).map(|wanted| wanted.ceiling).max();
                // Without a source there is nothing to say.
                let Some(ceiling) = ceiling else { continue };
                wanted.extend(table.metrics.iter().map(|&metric| Wanted { metric, ceiling }));
            }
        }
        wanted
    }

    /// The snapshot as this voice tells it.
    pub fn tell(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        if self.dialect == Dialect::Semconv {
            return snapshot;
        }
        let told =
            classic::TABLES.iter().filter_map(|table| table.tell(&snapshot, &self.about)).map(Arc::new);
        let kept = snapshot.readings.iter().filter(|_| self.dialect == Dialect::Both).cloned();
        Arc::new(Snapshot { readings: kept.chain(told).collect() })
    }
}

/// The part of a dialect that is made of one collector's reading.
struct Table {
    /// The collector.
    collector: &'static str,
    /// What its reading is called in turn; a lane remembers what it sent by this.
    name: &'static str,
    metrics: &'static [&'static Metric],
    /// The metrics that it is made of.
    sources: &'static [&'static str],
    tell: fn(&Told<'_>, &mut Reading),
}

/// What there is to tell.
struct Told<'a> {
    reading: &'a Reading,
    snapshot: &'a Snapshot,
    about: &'a About,
}

impl Table {
    fn tell(&self, snapshot: &Snapshot, about: &About) -> Option<Reading> {
        let reading = snapshot.readings.iter().find(|reading| reading.collector == self.collector)?;
        let most = reading.series.iter().map(|series| series.points.len()).sum();
        let mut out = Reading::new(self.name, self.metrics, |_| true, most, reading.start);
        (out.time, out.instant) = (reading.time, reading.instant);
        (self.tell)(&Told { reading, snapshot, about }, &mut out);
        // A part of the collector that failed is a gap in every dialect, and ends nothing.
        out.problems.clone_from(&reading.problems);
        Some(out)
    }
}
