//! The ways out.

mod files;
pub mod otlp;
pub mod prometheus;
