//! The ways out.

pub mod prometheus;
