//! hostmeter: an OpenTelemetry-native host metrics agent.
//!
//! One way for the data, no return; each floor uses only what stands above it in this list (`tests/tidy.rs`
//! reads the `use` lines and fails otherwise):

/// 0. Where data enters: the only floor that opens a file of the host.
pub mod host;

/// 1. The shared nouns: a metric, a reading, one moment of the host.
pub mod metric;

/// 1. The agent's own counters.
pub mod stats;

/// 1. Bytes that wait to be sent: bounded, first in first out.
pub mod queue;

/// 2. What the user said.
pub mod config;

/// 3. One file per source of metrics.
pub mod collectors;

/// 4. Runs the collectors with a deadline and shares one fresh snapshot.
pub mod sampler;

/// 5. A metric becomes an asynchronous instrument; callbacks only copy.
pub mod instruments;

/// 6. One `MeterProvider`, one reader and its snapshot.
pub mod lane;

/// 6. Who sends the metrics: the resource.
pub mod resource;

/// 7. The ways out.
pub mod export;

/// 8. A configuration becomes a running agent.
pub mod agent;

/// 9. The command line.
pub mod cli;
