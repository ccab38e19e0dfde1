//! The agent's own log, on the standard error.
//!
//! Who logs never waits for who reads: a line goes into a ring that a thread empties. What says the same again
//! and again is held back. Both are counted, for `hostmeter.log.dropped`.

mod brake;
mod records;
mod ring;

use std::io::IsTerminal;
use std::sync::Arc;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Agent, Environment, LogFormat, ProcessEnvironment};
use crate::export::otlp::Records;
use crate::stats::Stats;

use brake::Brake;
use records::Recorder;
use ring::Ring;

/// What the filter stands on.
type Recorded = Layered<reload::Layer<Option<Recorder>, Registry>, Registry>;

/// The log; dropping it writes what is still in the ring, unless nobody takes it.
pub(super) struct Log {
    recorder: reload::Handle<Option<Recorder>, Registry>,
    filter: reload::Handle<Targets, Recorded>,
    ring: Ring,
}

/// Starts logging as the configuration wants it. Colours only on a terminal, and not where `NO_COLOR` is set.
pub(super) fn start(agent: &Agent, stats: &Arc<Stats>) -> Log {
    let no_color = ProcessEnvironment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let ring = Ring::start(std::io::stderr(), Arc::clone(stats));
    let (recording, recorder) = reload::Layer::new(None);
    let (filter, handle) = reload::Layer::new(filter(agent));
    let lines = {
        let ring = ring.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || ring.clone());
        let lines = lines.with_timer(SystemTime).with_target(false);
        let lines = lines.with_ansi(!no_color && std::io::stderr().is_terminal());
        match agent.log_format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        }
    };
    // A second start within one process (a test) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(recording)
        .with(filter)
        .with(lines)
        .with(Brake::new(Arc::clone(stats)))
        .try_init();
    Log { recorder, filter: handle, ring }
}

/// What is logged.
fn filter(agent: &Agent) -> Targets {
    // The SDK and the HTTP libraries log each attempt; what matters of it the agent says itself.
    // The configuration has no other words than these.
    let level = agent.log_level.as_str().parse().unwrap_or(LevelFilter::INFO);
    let others = match level {
        LevelFilter::DEBUG | LevelFilter::TRACE => LevelFilter::INFO,
        LevelFilter::OFF => LevelFilter::OFF,
        _ => LevelFilter::ERROR,
    };
    Targets::new().with_default(others).with_target("hostmeter", level)
}

impl Log {
    /// Logs what another configuration wants.
    pub(super) fn set_level(&self, agent: &Agent) {
        // An error says that the first start was another's.
        let _ = self.filter.reload(filter(agent));
    }
}

impl Log {
    /// Sends from now on what is logged.
    pub(super) fn send(&self, records: &Records) {
        // As above.
        let _ = self.recorder.reload(Some(Recorder::new(records.provider())));
    }

    /// Waits a moment until everything so far has been written.
    pub(super) fn flush(&self) {
        self.ring.flush();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}

/// A panic is a line of the log like any other, and waits for nobody.
pub(super) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let (thread, place) = (thread.name().unwrap_or("unnamed"), panic.location());
        let place = place.map(ToString::to_string).unwrap_or_default();
        tracing::error!(thread, place, "panicked: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
}
