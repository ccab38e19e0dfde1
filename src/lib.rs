//! hostmeter: an OpenTelemetry-native host metrics agent.

pub mod host;

pub mod metric;

pub mod config;

pub mod collectors;
