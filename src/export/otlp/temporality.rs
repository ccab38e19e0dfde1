//! Whether a counter says how much there was since its start, or how much since the last time it was asked.
//!
//! The kernel counts since the boot, so cumulative is what is read. Delta is made of it on request, for receivers
//! that know nothing else. Each delta begins where the one before it ended, so that those of a series neither
//! overlap nor leave a gap; a counter that fell, or is another process's, begins anew at that time.
//!
//! The first one is the difficult one. A counter that began after we first looked (a process that has started) has
//! counted everything since its start, and says so. One that began before has counted for months what nobody
//! asked for, and how much of that was in the interval is not known: it starts without a point, as a Collector
//! does that converts (`initial_value: auto`). A value of 0 would say that nothing happened.
//!
//! Sums that shrink and grow stay cumulative, as the specification has it for both preferences.

use crate::metric::{Kind, Value};

use super::ledger::{Before, Noted};

/// What counters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Temporality {
    /// How much since their start.
    #[default]
    Cumulative,
    /// How much since the last time.
    Delta,
}

/// A point as it is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stamped {
    pub start: u64,
    pub time: u64,
    pub value: Value,
}

impl Temporality {
    /// Whether points of this kind are deltas.
    pub(super) fn is_delta(self, kind: Kind) -> bool {
        self == Temporality::Delta && kind == Kind::Counter
    }

    /// The point to send for a value that was read; none where a delta would have to be guessed.
    pub(super) fn stamp(self, kind: Kind, noted: Noted, value: Value) -> Option<Stamped> {
        let Noted { start, time, before } = noted;
        if !self.is_delta(kind) {
            return Some(Stamped { start, time, value });
        }
        match before {
            Before::Unknown => None,
            Before::Zero(start) => Some(Stamped { start, time, value }),
            Before::Point(start, before) => Some(Stamped { start, time, value: difference(value, before) }),
        }
    }
}

fn difference(value: Value, before: Value) -> Value {
    match (value, before) {
        (Value::Int(value), Value::Int(before)) => Value::Int(value.saturating_sub(before)),
        (value, before) => Value::Double(value.as_f64() - before.as_f64()),
    }
}

#[cfg(test)]
mod tests;
