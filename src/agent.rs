//! The whole agent: a configuration becomes its parts, they run, and they are drained.
//!
//! [`Config`] is already checked; [`Agent::build`] makes the collectors and binds the port, and starts
//! nothing that leaves the host; [`Agent::run`] serves until it is told to stop, and then drains within the
//! grace even when the peer hangs.

use std::sync::Arc;

use tokio::sync::watch;

use crate::collectors::{self, Section};
use crate::config::{self, Config, Environment, VmId};
use crate::dialect::Voice;
use crate::export::otlp::{self, OtlpLane};
use crate::export::prometheus::{self, BindError, Page, Server, Site, Strategy};
use crate::host::{self, Host};
use crate::queue::{self, Queue};
use crate::resource::{Given, Resource};
use crate::sampler::{Sampler, Source};
use crate::stats::Stats;

/// Why an agent cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no host under the root path.
    #[error(
        "agent.root: {root} holds no /proc of a Linux host ({source}); mount the host's / there, or leave agent.root and --root out"
    )]
    Root {
        /// The root path.
        root: String,
        /// What could not be read.
        source: host::Error,
    },
    /// A collector refuses its settings.
    #[error("{0}")]
    Collector(#[from] ::config::ConfigError),
    /// The OTLP settings are not such that requests can be made of them.
    #[error("otlp: {0}")]
    Otlp(String),
    /// Another process has the queue's directory.
    #[error(transparent)]
    Queue(#[from] queue::InUse),
    /// The port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The metrics SDK refuses its settings.
    #[error("the metrics SDK: {0}; please report this")]
    Sdk(#[from] opentelemetry_sdk::error::OTelSdkError),
}

impl BuildError {
    /// Whether another configuration is the remedy.
    pub fn is_configuration(&self) -> bool {
        matches!(self, BuildError::Root { .. } | BuildError::Collector(_) | BuildError::Otlp(_))
    }
}

/// What measures: the host, its collectors and who they speak for.
pub struct Measuring {
    /// The host.
    pub host: Arc<Host>,
    /// The collectors.
    pub sampler: Arc<Sampler>,
    /// The agent's own counters.
    pub stats: Arc<Stats>,
    /// Who sends.
    pub resource: Resource,
}

impl Measuring {
    /// Makes the collectors that the configuration wants.
    pub fn build(config: &Config, environment: &dyn Environment) -> Result<Self, BuildError> {
        let root = config.agent.root.clone().unwrap_or_else(Host::find_root);
        let shown = root.display().to_string();
        let host = Host::at(root).map_err(|source| BuildError::Root { root: shown, source })?;
        let host = Arc::new(host);
        let stats = Arc::new(Stats::default());
        let sampler = Sampler::start(Arc::clone(&host), sources(config), Arc::clone(&stats))?;
        let vm_id = match &config.agent.vm_id {
            VmId::Auto => None,
            VmId::Given(id) => Some(id.clone()),
        };
        let given = Given {
            service_name: config.agent.labels.get("service.name").cloned(),
            host_name: config.agent.name.clone(),
            vm_id,
            labels: config.agent.labels.clone(),
            ..Given::default()
        };
        let resource = Resource::detect(&host, &given, |name| environment.get(name));
        Ok(Self { host, sampler: Arc::new(sampler), stats, resource })
    }
}

/// The collectors that are enabled, with their settings.
fn sources(config: &Config) -> Vec<Source> {
    let mut sources = Vec::new();
    for spec in collectors::ALL {
        let Some(settings) = config.collectors.get(spec.name).filter(|settings| settings.enabled) else {
            continue;
        };
        sources.push(Source {
            spec,
            section: Section(settings.settings.clone()),
            interval: settings.interval,
            metrics: settings.metrics.clone(),
        });
    }
    sources
}

/// The way out that Prometheus asks, bound and not yet serving.
pub struct Pull {
    server: Server,
    page: Arc<Page>,
}

/// The way out that pushes, not yet pushing.
pub struct Push {
    lane: OtlpLane,
    queue: Queue,
    settings: otlp::Settings,
}

/// A whole agent, built and not yet running.
pub struct Agent {
    /// What measures.
    pub measuring: Measuring,
    /// None where it is off.
    pub pull: Option<Pull>,
    /// None where it is off.
    pub push: Option<Push>,
}

impl Agent {
    /// Makes every part and binds the port.
    pub fn build(config: &Config, environment: &dyn Environment) -> Result<Self, BuildError> {
        let measuring = Measuring::build(config, environment)?;
        let pull =
            config.prometheus.enabled.then(|| Pull::build(&config.prometheus, &measuring)).transpose()?;
        let push = config.otlp.enabled.then(|| Push::build(config, &measuring)).transpose()?;
        Ok(Self { measuring, pull, push })
    }

    /// Runs until `shutdown` is true, then drains.
    pub async fn run(self, shutdown: watch::Receiver<bool>) -> std::io::Result<()> {
        let Self { measuring, pull, push } = self;
        let Measuring { stats, resource, .. } = measuring;
        let pulling = async {
            let Some(Pull { server, page }) = pull else { return Ok(()) };
            let budget = prometheus::Settings::default().budget;
            let site = Arc::new(Site::new(page, Arc::clone(&stats), resource.clone(), budget));
            // The sender is kept for as long as the server runs: a reload puts the next site into it.
            let (_site, sites) = watch::channel(site);
            server.run(sites, asked_to_stop(shutdown.clone())).await
        };
        let pushing = async {
            let Some(Push { lane, queue, settings }) = push else { return };
            otlp::run_with(queue, lane, settings, Arc::clone(&stats), asked_to_stop(shutdown.clone())).await;
        };
        let (served, ()) = tokio::join!(pulling, pushing);
        // With neither way out there is nothing to wait for but the end.
        asked_to_stop(shutdown).await;
        served
    }
}

async fn asked_to_stop(mut shutdown: watch::Receiver<bool>) {
    // A sender that is gone asks for the same.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

impl Pull {
    fn build(config: &config::Prometheus, measuring: &Measuring) -> Result<Self, BuildError> {
        let settings = pull_settings(config);
        let server = Server::bind(&settings)?;
        let page = Arc::new(Page::new(Arc::clone(&measuring.sampler), &measuring.resource, &settings));
        Ok(Self { server, page })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[std::net::SocketAddr] {
        self.server.local_addrs()
    }
}

/// How the page is to be.
pub(crate) fn pull_settings(config: &config::Prometheus) -> prometheus::Settings {
    prometheus::Settings {
        bind_address: config.bind_address.clone(),
        port: config.port,
        strategy: match config.translation_strategy {
            config::Strategy::UnderscoreEscapingWithSuffixes => Strategy::UnderscoreEscapingWithSuffixes,
            config::Strategy::UnderscoreEscapingWithoutSuffixes => {
                Strategy::UnderscoreEscapingWithoutSuffixes
            }
            config::Strategy::NoUtf8EscapingWithSuffixes => Strategy::NoUtf8EscapingWithSuffixes,
            config::Strategy::NoTranslation => Strategy::NoTranslation,
        },
        scope_labels: config.scope_labels,
        resource_labels: config.resource_constant_labels.clone(),
        ..prometheus::Settings::default()
    }
}

impl Push {
    fn build(config: &Config, measuring: &Measuring) -> Result<Self, BuildError> {
        let settings = push_settings(config, measuring)?;
        let queue = match place(&config.queue, &measuring.host) {
            Some(place) => Queue::open(settings.queue, &place, queue::Moment::now())?,
            None => Queue::in_memory(settings.queue),
        };
        let temporality = match config.otlp.temporality {
            config::Temporality::Delta => otlp::Temporality::Delta,
            // Counters that are read when they are asked for cost less memory as they are.
            config::Temporality::Cumulative | config::Temporality::Lowmemory => otlp::Temporality::Cumulative,
        };
        let lane =
            OtlpLane::new(Arc::clone(&measuring.sampler), measuring.resource.to_sdk(), Voice::default());
        let lane = lane.every(settings.interval).with(temporality);
        Ok(Self { lane, queue, settings })
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

/// Where batches wait on disk, if they do.
fn place(config: &config::Queue, host: &Host) -> Option<queue::Place> {
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

fn push_settings(config: &Config, measuring: &Measuring) -> Result<otlp::Settings, BuildError> {
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
