//! OTLP/JSON, for people and for `hostmeter once`.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;

/// One request with these resources, on one line.
pub fn to_json(resource_metrics: Vec<ResourceMetrics>) -> serde_json::Result<String> {
    serde_json::to_string(&ExportMetricsServiceRequest { resource_metrics })
}
