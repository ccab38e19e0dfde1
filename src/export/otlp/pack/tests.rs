//! What was packed, unpacked again.

use std::io::Read;

use opentelemetry_proto::tonic::metrics::v1::{Gauge, number_data_point};
use proptest::prelude::*;

use super::*;

/// A resource with so many points for each metric, numbered from `first` on.
fn resource(first: i64, metrics: &[usize]) -> ResourceMetrics {
    let mut number = first..;
    let metrics = metrics
        .iter()
        .enumerate()
        .map(|(metric, points)| Metric {
            name: format!("metric.{metric}"),
            data: Some(Data::Gauge(Gauge {
                data_points: number
                    .by_ref()
                    .take(*points)
                    .map(|n| NumberDataPoint {
                        value: Some(number_data_point::Value::AsInt(n)),
                        ..NumberDataPoint::default()
                    })
                    .collect(),
            })),
            ..Metric::default()
        })
        .collect();
    let scope = ScopeMetrics { metrics, schema_url: "scope".to_owned(), ..ScopeMetrics::default() };
    ResourceMetrics {
        scope_metrics: vec![scope],
        schema_url: "resource".to_owned(),
        ..ResourceMetrics::default()
    }
}

fn pack(resources: &[ResourceMetrics], limit: usize, compression: Compression) -> Packed {
    let mut packer = Packer::new(limit, compression);
    for resource in resources {
        packer.push(resource.clone());
    }
    packer.finish()
}

fn unpack(bytes: &Bytes) -> Request {
    match Compression::of(bytes) {
        Compression::None => Request::decode(bytes.clone()).unwrap(),
        Compression::Gzip => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            Request::decode(plain.as_slice()).unwrap()
        }
        Compression::Zstd => Request::decode(zstd::decode_all(&bytes[..]).unwrap().as_slice()).unwrap(),
    }
}

#[test]
fn resources_that_fit_are_one_request() {
    let resources = [resource(0, &[1, 2]), resource(3, &[1])];
    let packed = pack(&resources, 1 << 20, Compression::Gzip);
    assert_eq!(packed.batches.len(), 1);
    assert_eq!(packed.batches[0].1, 4);
    assert_eq!(unpack(&packed.batches[0].0).resource_metrics, resources);
}

#[test]
fn compression_is_told_by_the_bytes() {
    let resources = [resource(0, &[10])];
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let bytes = pack(&resources, 1 << 20, compression).batches.remove(0).0;
        assert_eq!(Compression::of(&bytes), compression);
        assert_eq!(unpack(&bytes).resource_metrics, resources);
    }
}

#[test]
fn nothing_is_no_request() {
    assert!(pack(&[], 1 << 20, Compression::Gzip).batches.is_empty());
    assert!(pack(&[resource(0, &[])], 1 << 20, Compression::Gzip).batches.is_empty());
}

#[test]
fn a_point_larger_than_a_request_is_counted() {
    let mut large = resource(0, &[1, 1]);
    large.scope_metrics[0].metrics[0].description = "x".repeat(2000);
    let packed = pack(&[large], 1000, Compression::None);
    assert_eq!((packed.oversize, packed.batches.len(), packed.batches[0].1), (1, 1, 1));
}

proptest! {
    #[test]
    fn every_point_arrives_once_in_order_and_no_request_is_too_large(
        shapes in prop::collection::vec(prop::collection::vec(0..60_usize, 0..5), 0..8),
        limit in 150..2000_usize,
    ) {
        let mut next = 0;
        let resources: Vec<ResourceMetrics> = shapes
            .iter()
            .map(|metrics| {
                let first = next;
                next += metrics.iter().sum::<usize>() as i64;
                resource(first, metrics)
            })
            .collect();
        let packed = pack(&resources, limit, Compression::None);
        prop_assert_eq!(packed.oversize, 0);
        let mut arrived = Vec::new();
        for (bytes, points) in &packed.batches {
            prop_assert!(bytes.len() <= limit);
            let before = arrived.len();
            for resource in unpack(bytes).resource_metrics {
                prop_assert_eq!(&resource.schema_url, "resource");
                prop_assert_eq!(&resource.scope_metrics[0].schema_url, "scope");
                for metric in &resource.scope_metrics[0].metrics {
                    arrived.extend(super::points(metric).unwrap().iter().map(|point| point.value));
                }
            }
            prop_assert_eq!(arrived.len() - before, *points as usize);
        }
        let expected: Vec<_> = (0..next).map(|n| Some(number_data_point::Value::AsInt(n))).collect();
        prop_assert_eq!(arrived, expected);
    }
}
