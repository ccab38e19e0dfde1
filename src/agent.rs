//! The whole agent: a configuration becomes its parts, they run, and they are drained.
//!
//! [`Config`] is already checked; [`Agent::build`] makes the collectors and binds the port, and starts
//! nothing that leaves the host; [`Agent::run`] serves until it is told to stop, and then drains within the
//! grace even when the peer hangs. Another configuration takes the place of the one in use as a whole, or not at
//! all: its parts are built completely while the old ones work, and the queue and the agent's counters stay.

mod life;
mod pull;
mod push;
mod run;

use std::path::Path;
use std::sync::Arc;

use crate::collectors::{self, Section};
use crate::config::{self, Config, Environment, VmId};
use crate::dialect::{About, CLASSIC_NEEDS, Dialect, Voice};
use crate::export::prometheus::{BindError, WebError};
use crate::host::{self, Host};
use crate::queue;
use crate::resource::{Given, Resource};
use crate::sampler::{Limits, Sampler, Source};
use crate::stats::Stats;

pub use life::{Configurer, RunError, Steering};
pub use pull::{Pull, door, settings as pull_settings};
pub use push::{Push, place as queue_place, settings as otlp_settings};

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
    /// The web configuration file cannot be used.
    #[error("prometheus.web_config_file: {0}")]
    Web(#[from] WebError),
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
        matches!(
            self,
            BuildError::Root { .. } | BuildError::Collector(_) | BuildError::Otlp(_) | BuildError::Web(_)
        )
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
    pub fn build(
        config: &Config,
        environment: &dyn Environment,
        stats: Arc<Stats>,
    ) -> Result<Self, BuildError> {
        let host = Arc::new(host(config)?);
        let sampler = Sampler::start(Arc::clone(&host), sources(config), Arc::clone(&stats))?;
        let sampler = sampler.within(limits(config));
        Ok(Self::with(host, sampler, stats, config, environment))
    }

    /// The same by another configuration, of which nothing takes effect yet. Collectors whose settings stay go on.
    /// The host stays: threads that may read all of another one cannot be begun within the sandbox.
    fn prepare(&self, config: &Config, environment: &dyn Environment) -> Result<Self, BuildError> {
        let root = host(config)?.root().display().to_string();
        if Path::new(&root) != self.host.root() {
            tracing::warn!(root, "agent.root: it stays as it was; another one needs a new start");
        }
        let sampler = self.sampler.prepare(sources(config))?.within(limits(config));
        Ok(Self::with(Arc::clone(&self.host), sampler, Arc::clone(&self.stats), config, environment))
    }

    fn with(
        host: Arc<Host>,
        sampler: Sampler,
        stats: Arc<Stats>,
        config: &Config,
        environment: &dyn Environment,
    ) -> Self {
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
        Self { host, sampler: Arc::new(sampler), stats, resource }
    }
}

impl Measuring {
    /// How a lane of this dialect speaks of this host.
    pub fn voice(&self, dialect: config::Dialect) -> Voice {
        let dialect = match dialect {
            config::Dialect::Semconv => Dialect::Semconv,
            config::Dialect::Classic => Dialect::Classic,
            config::Dialect::Both => Dialect::Both,
        };
        let host_name = self.resource.get("host.name").unwrap_or_default().to_owned();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Voice::new(dialect, About { version, host_name, cpus: self.host.cpus() })
    }
}

fn host(config: &Config) -> Result<Host, BuildError> {
    let root = config.agent.root.clone().unwrap_or_else(Host::find_root);
    let shown = root.display().to_string();
    Host::at(root).map_err(|source| BuildError::Root { root: shown, source })
}

fn limits(config: &Config) -> Limits {
    let config = &config.resource_limits;
    Limits { cpu_percent: config.cpu_percent, memory: config.memory_mb.map(|mib| mib << 20) }
}

/// The collectors that are enabled, with their settings.
fn sources(config: &Config) -> Vec<Source> {
    let dialects = [config.prometheus.dialect, config.otlp.dialect];
    let classic = dialects.iter().any(|dialect| *dialect != config::Dialect::Semconv);
    let mut sources = Vec::new();
    for spec in collectors::every() {
        let Some(settings) = config.collectors.get(spec.name).filter(|settings| settings.enabled) else {
            continue;
        };
        let mut metrics = settings.metrics.clone();
        if classic {
            let needed = CLASSIC_NEEDS.iter().filter(|(collector, _)| *collector == spec.name);
            metrics.extend(needed.map(|(_, metric)| ((*metric).to_owned(), true)));
        }
        let section = Section(settings.settings.clone());
        sources.push(Source { spec, section, interval: settings.interval, metrics });
    }
    sources
}

/// A whole agent, built and not yet running.
pub struct Agent {
    /// What measures.
    pub measuring: Measuring,
    /// None where it is off.
    pub pull: Option<Pull>,
    /// None where it is off.
    pub push: Option<Push>,
    config: Config,
}

impl Agent {
    /// Makes every part and binds the port.
    pub fn build(
        config: &Config,
        environment: &dyn Environment,
        stats: Arc<Stats>,
    ) -> Result<Self, BuildError> {
        let measuring = Measuring::build(config, environment, stats)?;
        let pull =
            config.prometheus.enabled.then(|| Pull::build(&config.prometheus, &measuring)).transpose()?;
        let push = config.otlp.enabled.then(|| Push::build(config, &measuring)).transpose()?;
        Ok(Self { measuring, pull, push, config: config.clone() })
    }
}
