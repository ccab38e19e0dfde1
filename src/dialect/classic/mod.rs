//! The names of a psutil agent: `cpu_usage_percent`, `disk_usage_bytes{mount_point,type}`.
//!
//! Names, labels and meanings are psutil's: what it computes from the same files is computed here from the readings,
//! so that a dashboard made for that agent goes on. They say their units themselves, so none of them has one here.

mod agent;
mod devices;
mod host;
mod process;

use std::collections::BTreeMap;

use crate::metric::{Attributes, Metric, Point, Reading, Text};

use super::{Table, Told};

/// Every part.
pub(super) static TABLES: &[&Table] = &[
    &host::CPU,
    &host::LOAD,
    &host::MEMORY,
    &host::SWAP,
    &devices::DISK,
    &devices::FILESYSTEM,
    &devices::NETWORK,
    &devices::SOCKETS,
    &process::PROCESS,
    &agent::AGENT,
];

impl Told<'_> {
    /// The points of a metric, none where it is not collected.
    fn points(&self, metric: &str) -> impl Iterator<Item = &Point> {
        points(self.reading, metric)
    }

    /// The sum of a metric's points with these attributes; none where there is no such point.
    fn sum(&self, metric: &str, with: &[(&str, &str)]) -> Option<f64> {
        let has = |point: &&Point| with.iter().all(|(name, value)| is(point, name, value));
        let mut found = self.points(metric).filter(has).map(|point| point.value.as_f64()).peekable();
        found.peek()?;
        Some(found.sum())
    }

    /// Copies the points of a metric that have an attribute of this value, under another name and label.
    fn copy(
        &self,
        from: &str,
        with: (&str, &str),
        to: &'static Metric,
        labels: (&str, &'static str),
        out: &mut Reading,
    ) {
        for point in self.points(from).filter(|point| is(point, with.0, with.1)) {
            if let Some(value) = attribute(&point.attributes, labels.0) {
                out.push(to, vec![(labels.1, value.clone())], point.value);
            }
        }
    }
}

fn points<'a>(reading: &'a Reading, metric: &str) -> impl Iterator<Item = &'a Point> {
    reading.series.iter().filter(move |series| series.metric.name == metric).flat_map(|series| &series.points)
}

fn attribute<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a Text> {
    attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn is(point: &Point, name: &str, value: &str) -> bool {
    match attribute(&point.attributes, name) {
        Some(Text::Static(text)) => *text == value,
        Some(Text::Shared(text)) => **text == *value,
        _ => false,
    }
}

/// The sums of a metric's points by the values of an attribute.
fn by<'a>(points: impl Iterator<Item = &'a Point>, name: &str) -> BTreeMap<Option<&'a Text>, f64> {
    let mut sums = BTreeMap::new();
    for point in points {
        *sums.entry(attribute(&point.attributes, name)).or_insert(0.0) += point.value.as_f64();
    }
    sums
}
