//! The tier in memory: it never fails and is gone with the process.

use std::collections::VecDeque;

use super::{Batch, Entry, Moment, Usage};

/// Batches in the order of their sequence numbers, which grow but may have gaps.
#[derive(Debug, Default)]
pub(super) struct Memory {
    batches: VecDeque<(u64, Batch)>,
    bytes: u64,
    points: u64,
}

impl Memory {
    pub(super) fn push(&mut self, sequence: u64, batch: Batch) {
        self.bytes += batch.bytes.len() as u64;
        self.points += batch.points;
        self.batches.push_back((sequence, batch));
    }

    pub(super) fn peek(&self) -> Option<Entry> {
        let (sequence, batch) = self.batches.front()?;
        Some(Entry { sequence: *sequence, bytes: batch.bytes.clone(), points: batch.points })
    }

    pub(super) fn oldest(&self) -> Option<Moment> {
        self.batches.front().map(|(_, batch)| batch.appended)
    }

    pub(super) fn pop(&mut self) -> Option<Batch> {
        let (_, batch) = self.batches.pop_front()?;
        self.leave(&batch);
        Some(batch)
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Batch> {
        let place = self.batches.binary_search_by_key(&sequence, |(sequence, _)| *sequence).ok()?;
        let (_, batch) = self.batches.remove(place)?;
        self.leave(&batch);
        Some(batch)
    }

    fn leave(&mut self, batch: &Batch) {
        self.bytes -= batch.bytes.len() as u64;
        self.points -= batch.points;
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            bytes: self.bytes,
            batches: self.batches.len() as u64,
            points: self.points,
            oldest: self.oldest().map(|appended| appended.time),
        }
    }
}
