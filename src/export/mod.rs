//! The ways out.

pub mod otlp;
pub mod prometheus;
