//! hostmeter: an OpenTelemetry-native host metrics agent.
//!
//! One way for the data, no return. The floors, the lowest first; each uses only what is below it
//! (`tests/tidy.rs` reads the `use` lines and fails otherwise):
//!
//! - 0 [`host`]: where data enters: the only floor that opens a file of the host.
//! - 0 [`confine`]: the process gives away what it does not need.
//! - 1 [`metric`]: the shared nouns: a metric, a reading, one moment of the host.
//! - 1 [`stats`]: the agent's own counters.
//! - 1 [`queue`]: bytes that wait to be sent: bounded, first in first out.
//! - 1 [`systemd`]: what a service manager is told.
//! - 2 [`supervise`]: a task that panics is begun again.
//! - 2 [`config`]: what the user said.
//! - 2 [`history`]: the last ten minutes in a few numbers, for the status page.
//! - 3 [`collectors`]: one file per source of metrics.
//! - 4 [`sampler`]: runs the collectors with a deadline and shares one fresh snapshot.
//! - 5 [`dialect`]: other names for the same readings.
//! - 5 [`instruments`]: a metric becomes an asynchronous instrument; callbacks only copy.
//! - 6 [`lane`]: one `MeterProvider`, one reader and its snapshot.
//! - 6 [`resource`]: who sends the metrics: the resource.
//! - 7 [`export`]: the ways out.
//! - 8 [`agent`]: a configuration becomes a running agent.
//! - 9 [`cli`]: the command line.

pub mod agent;
pub mod cli;
pub mod collectors;
pub mod config;
pub mod confine;
pub mod dialect;
pub mod export;
pub mod history;
pub mod host;
pub mod instruments;
pub mod lane;
pub mod metric;
pub mod queue;
pub mod resource;
pub mod sampler;
pub mod stats;
pub mod supervise;
pub mod systemd;
