//! The agent's own log records, on the road that metrics take: the same endpoint, headers, TLS and deadlines.
//!
//! The SDK's batch processor has a thread and a bounded queue of its own, so who logs never waits for a receiver.
//! A batch is tried once. Nothing here logs for it, because that would be a record of the next batch.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter, SdkLoggerProvider};
use prost::Message;
use tokio::runtime::Runtime;

use crate::stats::Stats;

use super::Settings;
use super::call::{Protocol, export};
use super::connection::Connection;
use super::credentials::{Credentials, News};
use super::grpc;
use super::hint::explain;

/// Where metrics are posted to, and where log records are instead.
const METRICS_PATH: &str = "/v1/metrics";
const LOGS_PATH: &str = "/v1/logs";

/// How long the end of the program waits for the last records.
const GRACE: Duration = Duration::from_secs(1);

/// Log records on their way to the receiver of the metrics.
#[derive(Debug)]
pub struct Records(SdkLoggerProvider);

impl Records {
    /// Begins to send. Returns none where nobody knows where to: the path of the metrics is one of the user's own.
    pub fn start(
        settings: &Settings,
        resource: Resource,
        stats: Arc<Stats>,
    ) -> std::io::Result<Option<Self>> {
        let mut settings = settings.clone();
        settings.target.method = grpc::LOGS;
        if settings.target.protocol == Protocol::HttpProtobuf {
            let Some(endpoint) = beside(&settings.target.endpoint) else { return Ok(None) };
            settings.target.endpoint = endpoint;
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
        let credentials =
            Credentials::new(settings.security.clone(), &settings.target, settings.headers.clone());
        let road = Mutex::new(Road { runtime, credentials });
        let exporter = Exporter { settings, resource: (&resource).into(), stats, road };
        let provider =
            SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        Ok(Some(Self(provider)))
    }

    /// What makes records of the log.
    pub fn provider(&self) -> &SdkLoggerProvider {
        &self.0
    }

    /// Sends what is left, for a moment.
    pub fn finish(&self) {
        // Who does not take them now will not be waited for.
        let _ = self.0.shutdown_with_timeout(GRACE);
    }
}

/// The path for log records beside the one for metrics.
fn beside(endpoint: &Uri) -> Option<Uri> {
    let path = endpoint.path().strip_suffix(METRICS_PATH)?;
    let mut parts = endpoint.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{LOGS_PATH}")).ok()?);
    Uri::from_parts(parts).ok()
}

struct Exporter {
    settings: Settings,
    resource: ResourceAttributesWithSchema,
    stats: Arc<Stats>,
    road: Mutex<Road>,
}

struct Road {
    /// Of its own, because at the end of the program the agent's runs no more.
    runtime: Runtime,
    credentials: Credentials,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter")
    }
}

impl LogExporter for Exporter {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count() as u64;
        let request = ExportLogsServiceRequest {
            resource_logs: group_logs_by_resource_and_scope(&batch, &self.resource),
        };
        let result = self.deliver(&self.settings.compression.compress(request.encode_to_vec()));
        if result.is_err() {
            self.stats.log.unsent.fetch_add(records, Ordering::Relaxed);
        }
        result.map_err(OTelSdkError::InternalFailure)
    }
}

impl Exporter {
    fn deliver(&self, message: &Bytes) -> Result<(), String> {
        let Settings { target, timeout, .. } = &self.settings;
        let mut road = self.road.lock().unwrap_or_else(PoisonError::into_inner);
        let Road { runtime, credentials } = &mut *road;
        runtime.block_on(async {
            if let Some(News::Kept(problem)) = credentials.refresh(true).await {
                return Err(problem.to_string());
            }
            let attempt = async {
                // Lines are few, and a connection that is kept would have to be watched.
                let mut connection = Connection::open(target, credentials.tls()?, fastrand::f64()).await?;
                export(&mut connection, target, credentials.headers()?, message, *timeout).await
            };
            attempt.await.map(drop).map_err(|failure| explain(target, &failure).to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_beside_the_metrics() {
        let of = |endpoint: &str| beside(&endpoint.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(of("http://c:4318/v1/metrics").as_deref(), Some("http://c:4318/v1/logs"));
        assert_eq!(of("https://c/otlp/v1/metrics").as_deref(), Some("https://c/otlp/v1/logs"));
        assert_eq!(of("https://c/my/own"), None);
    }
}
