//! `hostmeter run`: measure and export until stopped.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytesize::ByteSize;
use tokio::sync::{mpsc, watch};

use crate::agent::{Agent, Configurer, Push, RunError, Steering, otlp_settings};
use crate::config::{self, Config, Environment, ProcessEnvironment};
use crate::confine::Files;
use crate::export::otlp::Records;
use crate::export::prometheus::ReloadAsked;
use crate::stats::Stats;
use crate::systemd::Manager;

use super::arguments::Arguments;
use super::log::{self, Log};
use super::signals::{Asked, Signals};
use super::{Failure, configuration, sandbox};

/// After so long without work a thread ends. By default that is ten seconds, less than there are between two scrapes, and
/// each would begin a thread anew.
const IDLE: Duration = Duration::from_mins(5);

/// What a second signal leaves with at once: 128 and the number of SIGTERM, as a shell has it.
const KILLED: i32 = 128 + 15;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    crate::host::make_room_for_descriptors();
    let loaded = configuration::load(arguments)?;
    let stats = Arc::new(Stats::default());
    // Before the first other thread, which would keep what this one gives away.
    let capabilities = sandbox::drop_privileges(&loaded.config);
    let log = Arc::new(log::start(&loaded.config.agent, &stats));
    log::tell_of_panics();
    let agent = Agent::build(&loaded.config, &ProcessEnvironment, stats)?;
    // The threads that read the host run already, and those that speak with the network come.
    let variable = |name: &str| ProcessEnvironment.get(name);
    let kept = sandbox::files(&loaded.config, loaded.file.as_deref(), variable);
    let files = sandbox::confine(&loaded.config, &kept);
    let records = send_log(&loaded.config, &agent, &log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(12)
        .thread_keep_alive(IDLE)
        .build()
        .context("the runtime could not be started")?;
    let manager = Arc::new(Manager::find(|name| ProcessEnvironment.get(name)));
    let configurer =
        Arc::new(Sources { arguments: arguments.clone(), log: Arc::clone(&log), kept: files.map(|_| kept) });
    let (stop, shutdown) = watch::channel(false);
    let (reload, reloads) = mpsc::channel(RELOADS);
    let steering = Steering { shutdown, reloads, reload: reload.clone(), configurer, manager };
    let result = runtime.block_on(async {
        // From here on a signal drains; whoever reads that the agent starts may send one.
        let signals = Signals::catch();
        introduce(&agent, &loaded.config, loaded.file.as_deref());
        if let (Some(files), Some(capabilities)) = (files, capabilities) {
            tracing::info!(files, capabilities, "sandbox");
        } else if loaded.config.agent.sandbox {
            tracing::info!("sandbox: none on this system");
        }
        tokio::spawn(watch_signals(signals, stop, reload));
        Box::pin(agent.run(steering)).await
    });
    // A look-up of a name may hang longer than the grace; it is left to itself.
    runtime.shutdown_background();
    let result = match result {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(())
        }
        Err(RunError::Hopeless) => Err(Failure::Hopeless(RunError::Hopeless.to_string())),
        Err(error) => Err(Failure::Running(error.into())),
    };
    // Others may hold it still, such as a reload that reads a file which hangs.
    log.flush();
    if let Some(records) = records {
        records.finish();
    }
    result
}

/// Sends the log to the receiver of the metrics, where that is wanted and there is one.
fn send_log(config: &Config, agent: &Agent, log: &Log) -> Result<Option<Records>, Failure> {
    if config.agent.logs != config::Logs::Otlp {
        return Ok(None);
    }
    if !config.otlp.enabled {
        tracing::warn!("agent.logs: otlp sends nothing, because otlp is off");
        return Ok(None);
    }
    let measuring = &agent.measuring;
    let settings = otlp_settings(config, measuring)?;
    let resource = measuring.resource.to_sdk();
    let records =
        Records::start(&settings, resource, Arc::clone(&measuring.stats)).context("the log's thread")?;
    if let Some(records) = &records {
        log.send(records);
    } else {
        tracing::warn!("agent.logs: otlp sends nothing, because otlp.endpoint does not end in /v1/metrics");
    }
    Ok(records)
}

/// Reloads that may be asked for before the first is done.
const RELOADS: usize = 4;

/// Where the configuration comes from.
struct Sources {
    arguments: Arguments,
    log: Arc<Log>,
    /// What the sandbox left; none without one.
    kept: Option<Files>,
}

impl Configurer for Sources {
    fn read(&self) -> Result<Config, String> {
        Ok(configuration::read(&self.arguments).map_err(|problems| problems.to_string())?.config)
    }

    fn apply(&self, config: &Config) {
        self.log.set_level(&config.agent);
        let Some(kept) = &self.kept else { return };
        let files = sandbox::files(config, None, |name| ProcessEnvironment.get(name));
        for path in sandbox::beyond(kept, &files) {
            let path = path.display();
            tracing::warn!(%path, "the sandbox was made without it, so it needs a new start");
        }
    }
}

/// The first signal to stop asks to drain, the second ends at once; SIGHUP has the configuration read anew.
async fn watch_signals(
    signals: std::io::Result<Signals>,
    stop: watch::Sender<bool>,
    reload: mpsc::Sender<ReloadAsked>,
) {
    let mut signals = match signals {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "signals cannot be waited for; stop the agent with SIGKILL");
            return stop.closed().await;
        }
    };
    let mut stopping = false;
    loop {
        if signals.next().await == Asked::Reload {
            // With as many to come as there are places, one more would read the same.
            let _ = reload.try_send(ReloadAsked::default());
            continue;
        }
        if stopping {
            std::process::exit(KILLED);
        }
        stopping = true;
        tracing::info!("stopping; a second signal ends at once");
        stop.send_replace(true);
    }
}

/// Says in a few lines what is on, what is off, and why.
fn introduce(agent: &Agent, config: &Config, file: Option<&Path>) {
    let version = env!("CARGO_PKG_VERSION");
    let from = file.map_or("defaults and environment".to_owned(), |file| file.display().to_string());
    let host = agent.measuring.resource.get("host.name").unwrap_or("unknown").to_owned();
    tracing::info!(version, configuration = from, "hostmeter starts");
    tracing::info!(host, root = %agent.measuring.host.root().display(), "reads this host");
    let (on, off): (Vec<_>, Vec<_>) = config.collectors.iter().partition(|(_, collector)| collector.enabled);
    let names = |list: Vec<(&String, _)>| {
        list.into_iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
    };
    tracing::info!(on = names(on), off = names(off), "collectors");
    if let Some(pull) = &agent.pull {
        let addresses = pull.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        tracing::info!(addresses, scheme = pull.scheme(), "prometheus: serves /metrics");
    } else {
        tracing::info!("prometheus: off (prometheus.enabled or OTEL_METRICS_EXPORTER)");
    }
    match (&agent.push, &config.otlp.endpoint) {
        (Some(push), endpoint) => {
            let endpoint = endpoint.as_deref().unwrap_or("http://localhost:4317");
            let interval = humantime::format_duration(config.otlp.interval).to_string();
            tracing::info!(endpoint, interval, "otlp: pushes");
            introduce_queue(push, &config.queue);
        }
        (None, None) => {
            tracing::info!("otlp: off (no endpoint; set OTEL_EXPORTER_OTLP_ENDPOINT or otlp.endpoint)");
        }
        (None, Some(_)) => tracing::info!("otlp: off (otlp.enabled or OTEL_METRICS_EXPORTER)"),
    }
    warn_of_container(agent);
}

fn introduce_queue(push: &Push, config: &config::Queue) {
    let waiting = push.waiting();
    let limit = ByteSize(waiting.limit).to_string();
    if let Some(directory) = &config.directory {
        let (directory, batches) = (directory.display(), waiting.batches);
        tracing::info!(%directory, limit, batches, "queue: on disk");
    } else {
        tracing::info!(limit, "queue: in memory, gone with the process (queue.directory keeps it)");
    }
}

/// In a container without the host's root, the numbers are those of the container.
fn warn_of_container(agent: &Agent) {
    let contained = agent.measuring.resource.get("container.id").is_some();
    if contained && agent.measuring.host.root() == Path::new("/") {
        tracing::warn!(
            "this is a container and the host is not mounted into it, so what is measured is what the container \
             sees; for the host, mount its / read-only at /host and share its PID namespace"
        );
    }
}
