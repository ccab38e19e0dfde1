//! Lines of the log as records of OTLP.

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Makes records of what the agent itself says. What its libraries say is not sent: the road of the records is made
/// of them, and each record would be the cause of the next.
pub(super) struct Recorder(OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>);

impl Recorder {
    pub(super) fn new(provider: &SdkLoggerProvider) -> Self {
        Self(OpenTelemetryTracingBridge::new(provider))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target().starts_with("hostmeter") {
            self.0.on_event(event, context);
        }
    }
}
