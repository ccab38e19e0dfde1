//! The way out that pushes: the queue, and the lane and the settings of one configuration.

use std::sync::Arc;

use crate::config::{self, Config};
use crate::export::otlp::{self, OtlpLane, Pusher};
use crate::host::Host;
use crate::queue::{self, Queue};

use super::{BuildError, Measuring};

/// The way out that pushes, not yet pushing.
pub struct Push {
    queue: Queue,
    plan: Plan,
}

/// What is pushed, and how.
pub(super) type Plan = (OtlpLane, otlp::Settings);

impl Push {
    /// Opens the queue and makes the lane.
    pub fn build(config: &Config, measuring: &Measuring) -> Result<Self, BuildError> {
        let plan = plan(config, measuring)?;
        let queue = match place(&config.queue, &measuring.host) {
            Some(place) => Queue::open(plan.1.queue, &place, queue::Moment::now())?,
            None => Queue::in_memory(plan.1.queue),
        };
        Ok(Self { queue, plan })
    }

    /// Pushes from now on.
    pub(super) fn start(self, measuring: &Measuring) -> Pusher<OtlpLane> {
        let mut pusher = Pusher::new(self.queue, Arc::clone(&measuring.stats));
        pusher.change(Some(self.plan));
        pusher
    }

    /// Why the queue's directory cannot be used, where there is one.
    pub fn trouble(&self) -> Option<&str> {
        self.queue.trouble()
    }

    /// What waits already.
    pub fn waiting(&self) -> queue::Usage {
        self.queue.usage(queue::Moment::now())
    }
}

/// A lane over what is measured, and how it leaves.
pub(super) fn plan(config: &Config, measuring: &Measuring) -> Result<Plan, BuildError> {
    let settings = settings(config, measuring)?;
    let temporality = match config.otlp.temporality {
        config::Temporality::Delta => otlp::Temporality::Delta,
        // Counters that are read when they are asked for cost less memory as they are.
        config::Temporality::Cumulative | config::Temporality::Lowmemory => otlp::Temporality::Cumulative,
    };
    let lane = OtlpLane::new(
        Arc::clone(&measuring.sampler),
        measuring.resource.to_sdk(),
        measuring.voice(config.otlp.dialect),
    );
    Ok((lane.every(settings.interval).with(temporality), settings))
}

/// Where batches wait on disk, if they do.
pub fn place(config: &config::Queue, host: &Host) -> Option<queue::Place> {
    let boot_id = host.read("proc/sys/kernel/random/boot_id").ok().and_then(|id| id.trim().parse().ok());
    Some(queue::Place {
        directory: config.directory.clone()?,
        limits: queue::DiskLimits {
            bytes: config.max_bytes,
            free: config.min_free,
            share: config.max_percent,
            ..queue::DiskLimits::default()
        },
        boot_id: boot_id.map_or(0, |id: uuid::Uuid| id.as_u128()),
    })
}

/// What the file says, as the sender wants it.
pub fn settings(config: &Config, measuring: &Measuring) -> Result<otlp::Settings, BuildError> {
    let wrong = |what: &str, e: &dyn std::fmt::Display| BuildError::Otlp(format!("{what}: {e}"));
    let endpoint = config.otlp.endpoint.as_deref().unwrap_or("http://localhost:4317");
    let endpoint: http::Uri = endpoint.parse().map_err(|e| wrong("endpoint", &e))?;
    let mut headers = http::HeaderMap::new();
    for (name, value) in &config.otlp.headers {
        let name = http::HeaderName::try_from(name).map_err(|e| wrong("headers", &e))?;
        // The error of a value says nothing of it, which for a secret is as it should be.
        let value = http::HeaderValue::try_from(value.expose()).map_err(|e| wrong(name.as_str(), &e))?;
        headers.insert(name, value);
    }
    let compression = match config.otlp.compression {
        config::Compression::Gzip => otlp::Compression::Gzip,
        config::Compression::Zstd => otlp::Compression::Zstd,
        config::Compression::None => otlp::Compression::None,
    };
    let said = &config.otlp;
    let mut settings = otlp::Settings::new(endpoint);
    settings.target.protocol = match said.protocol {
        config::Protocol::Grpc => otlp::Protocol::Grpc,
        config::Protocol::HttpProtobuf => otlp::Protocol::HttpProtobuf,
    };
    settings.security = otlp::Security {
        ca_file: said.tls.ca_file.clone(),
        cert_file: said.tls.cert_file.clone(),
        key_file: said.tls.key_file.clone(),
        server_name: said.tls.server_name.clone(),
        bearer_token_file: said.bearer_token_file.clone(),
        headers_file: said.headers_file.clone(),
        ..otlp::Security::default()
    };
    settings.interval = config.otlp.interval;
    settings.timeout = config.otlp.timeout;
    settings.headers = headers;
    settings.compression = compression;
    settings.queue.bytes = config.queue.memory_limit;
    settings.queue.age = config.queue.max_age;
    settings.host = measuring.resource.get("service.instance.id").map(str::to_owned).unwrap_or_default();
    Ok(settings)
}
