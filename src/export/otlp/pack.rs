//! Metrics become the bytes that wait and are sent: encoded once, compressed once.
//!
//! A protobuf message whose only field repeats is the concatenation of messages with one element each. So each
//! resource is encoded behind the last one, and where the limit is reached the request is full; no request is
//! ever built as a whole.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Request;
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use prost::Message;

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// The only one that every server must accept.
    #[default]
    Gzip,
    /// As small as gzip in a third of the time, for servers that take it; Collectors do.
    Zstd,
}

/// Measured on a request of 431 points in 62 KB: level 1 makes 7.4 KB of it in 0.07 ms, level 5 makes 5.3 KB in
/// 0.22 ms, level 9 makes 5.1 KB in 0.5 ms. What is saved is room in the queue, so it pays.
const GZIP_LEVEL: u32 = 5;

/// On the same request 5.4 KB in 0.06 ms; level 3 is no better on large ones.
const ZSTD_LEVEL: i32 = 1;

impl Compression {
    pub(super) fn compress(self, bytes: Vec<u8>) -> Bytes {
        match self {
            Compression::None => bytes.into(),
            Compression::Gzip => {
                let mut encoder =
                    GzEncoder::new(Vec::with_capacity(bytes.len() / 8), flate2::Compression::new(GZIP_LEVEL));
                // Writing to memory does not fail.
                let compressed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
                compressed.unwrap_or(bytes).into()
            }
            // Where it fails the bytes go as they are, and say so.
            Compression::Zstd => zstd::bulk::compress(&bytes, ZSTD_LEVEL).unwrap_or(bytes).into(),
        }
    }

    /// How bytes are compressed that waited perhaps since before the configuration changed: gzip and zstd have a
    /// mark at their beginning, and a request begins with its only field.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// The name of the encoding on the wire.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        }
    }
}

/// The requests of one collection.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Their bytes, and how many points they hold.
    pub batches: Vec<(Bytes, u64)>,
    /// Points that alone are larger than a request may be.
    pub oversize: u64,
}

/// Packs resources into as few requests as the limit allows.
pub(super) struct Packer {
    limit: usize,
    compression: Compression,
    buffer: Vec<u8>,
    points: u64,
    packed: Packed,
}

impl Packer {
    /// A packer of requests of at most `limit` bytes before compression.
    pub(super) fn new(limit: usize, compression: Compression) -> Self {
        Self { limit, compression, buffer: Vec::new(), points: 0, packed: Packed::default() }
    }

    /// Adds a resource.
    pub(super) fn push(&mut self, resource: ResourceMetrics) {
        let points = count(&resource);
        if points == 0 {
            return;
        }
        let request = Request { resource_metrics: vec![resource] };
        let size = request.encoded_len();
        if size > self.limit {
            return self.push_parts(request, points);
        }
        if self.buffer.len() + size > self.limit {
            self.flush();
        }
        // A vector grows as it needs to, so there is always room.
        if request.encode(&mut self.buffer).is_ok() {
            self.points += points;
        }
    }

    /// Halves a resource until its parts fit.
    fn push_parts(&mut self, request: Request, points: u64) {
        for resource in request.resource_metrics {
            match halve(resource) {
                Some((a, b)) => {
                    self.push(a);
                    self.push(b);
                }
                None => self.packed.oversize += points,
            }
        }
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            let bytes = self.compression.compress(std::mem::take(&mut self.buffer));
            self.packed.batches.push((bytes, std::mem::take(&mut self.points)));
        }
    }

    /// The requests.
    pub(super) fn finish(mut self) -> Packed {
        self.flush();
        self.packed
    }
}

fn count(resource: &ResourceMetrics) -> u64 {
    let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
    metrics.map(|metric| points(metric).map_or(0, |points| points.len() as u64)).sum()
}

fn points(metric: &Metric) -> Option<&Vec<NumberDataPoint>> {
    match metric.data.as_ref()? {
        Data::Sum(sum) => Some(&sum.data_points),
        Data::Gauge(gauge) => Some(&gauge.data_points),
        // We build no others.
        _ => None,
    }
}

fn points_mut(metric: &mut Metric) -> Option<&mut Vec<NumberDataPoint>> {
    match metric.data.as_mut()? {
        Data::Sum(sum) => Some(&mut sum.data_points),
        Data::Gauge(gauge) => Some(&mut gauge.data_points),
        _ => None,
    }
}

/// Two resources with half of the metrics each, or half of the points of the only one; none for one point.
fn halve(mut resource: ResourceMetrics) -> Option<(ResourceMetrics, ResourceMetrics)> {
    let scope = resource.scope_metrics.first_mut()?;
    let metrics = if scope.metrics.len() > 1 {
        scope.metrics.split_off(scope.metrics.len() / 2)
    } else {
        let metric = scope.metrics.first_mut()?;
        let all = std::mem::take(points_mut(metric)?);
        if all.len() < 2 {
            return None;
        }
        let (mut first, mut second) = (metric.clone(), metric.clone());
        let middle = all.len() / 2;
        let mut all = all.into_iter();
        points_mut(&mut first)?.extend(all.by_ref().take(middle));
        points_mut(&mut second)?.extend(all);
        *metric = first;
        vec![second]
    };
    let (inner, schema_url) = (scope.scope.clone(), scope.schema_url.clone());
    let other = ResourceMetrics {
        resource: resource.resource.clone(),
        scope_metrics: vec![ScopeMetrics { scope: inner, metrics, schema_url }],
        schema_url: resource.schema_url.clone(),
    };
    Some((resource, other))
}

#[cfg(test)]
mod tests;
