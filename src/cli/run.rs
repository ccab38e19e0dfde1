//! `hostmeter run`: measure and export until stopped.

use std::path::Path;

use anyhow::Context;
use bytesize::ByteSize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::agent::{Agent, Push};
use crate::config::{self, Config, Environment, ProcessEnvironment};

use super::arguments::Arguments;
use super::{Failure, configuration, log, sandbox};

/// What a second signal leaves with at once: 128 and the number of SIGTERM, as a shell has it.
const KILLED: i32 = 128 + 15;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = configuration::load(arguments)?;
    let environment = ProcessEnvironment;
    log::start(&loaded.config.agent, environment.get("NO_COLOR").is_some_and(|value| !value.is_empty()));
    // Before the first other thread, which would keep what this one gives away.
    let capabilities = sandbox::drop_privileges(&loaded.config);
    let agent = Agent::build(&loaded.config, &environment)?;
    // The threads that read the host run already, and those that speak with the network come.
    let files = sandbox::confine(&loaded.config, loaded.file.as_deref(), |name| environment.get(name));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(12)
        .build()
        .context("the runtime could not be started")?;
    let (stop, stopped) = watch::channel(false);
    let result = runtime.block_on(async {
        // From here on a signal drains; whoever reads that the agent starts may send one.
        let signals = signal(SignalKind::terminate()).and_then(|t| Ok((t, signal(SignalKind::interrupt())?)));
        introduce(&agent, &loaded.config, loaded.file.as_deref());
        if let (Some(files), Some(capabilities)) = (files, capabilities) {
            tracing::info!(files, capabilities, "sandbox");
        }
        tokio::spawn(watch_signals(signals, stop));
        Box::pin(agent.run(stopped)).await
    });
    // A look-up of a name may hang longer than the grace; it is left to itself.
    runtime.shutdown_background();
    result.context("the server of /metrics ended")?;
    tracing::info!("stopped");
    Ok(())
}

/// The first signal asks to stop and drain, the second ends at once.
async fn watch_signals(signals: std::io::Result<(Signal, Signal)>, stop: watch::Sender<bool>) {
    let (mut terminate, mut interrupt) = match signals {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "signals cannot be waited for; stop the agent with SIGKILL");
            return stop.closed().await;
        }
    };
    for again in [false, true] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if again {
            std::process::exit(KILLED);
        }
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
        tracing::info!(addresses, "prometheus: serves /metrics");
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
