//! The agent's own log, on the standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::config::{Agent, LogFormat};

/// Starts logging as the configuration wants it. Colours only on a terminal, and not where `NO_COLOR` is set.
pub(super) fn start(agent: &Agent, no_color: bool) {
    // The SDK and the HTTP libraries log each attempt; what matters of it the agent says itself.
    let level = agent.log_level.as_str();
    let others = match level {
        "debug" | "trace" => "info",
        "off" => "off",
        _ => "error",
    };
    let filter = EnvFilter::new(format!("{others},hostmeter={level}"));
    let colours = !no_color && std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_timer(SystemTime)
        .with_target(false);
    // A second start within one process (a test) keeps the first.
    let _ = match agent.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
