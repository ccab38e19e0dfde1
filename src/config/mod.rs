//! What the user said.

mod setting;

pub use setting::{Kind, Setting};
