//! The ways out.

/// Push, by OTLP.
pub mod otlp;
