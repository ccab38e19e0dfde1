//! The tier in memory: it never fails and is gone with the process.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Entry;
use super::clock::Taken;

/// A batch that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub sequence: u64,
    pub bytes: Bytes,
    pub points: u64,
    pub taken: Taken,
}

/// Batches in the order of their sequence numbers, which grow but may have gaps.
#[derive(Debug, Default)]
pub(super) struct Memory {
    batches: VecDeque<Waiting>,
    bytes: u64,
    points: u64,
}

impl Memory {
    pub(super) fn push(&mut self, batch: Waiting) {
        self.bytes += batch.bytes.len() as u64;
        self.points += batch.points;
        self.batches.push_back(batch);
    }

    pub(super) fn peek(&self) -> Option<Entry> {
        let Waiting { sequence, bytes, points, .. } = self.batches.front()?;
        Some(Entry { sequence: *sequence, bytes: bytes.clone(), points: *points })
    }

    pub(super) fn oldest(&self) -> Option<Taken> {
        self.batches.front().map(|batch| batch.taken)
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let batch = self.batches.pop_front()?;
        self.leave(&batch);
        Some(batch)
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Waiting> {
        let place = self.batches.binary_search_by_key(&sequence, |batch| batch.sequence).ok()?;
        let batch = self.batches.remove(place)?;
        self.leave(&batch);
        Some(batch)
    }

    /// Removes a batch that alone is larger than `most` bytes.
    pub(super) fn remove_larger_than(&mut self, most: u64) -> Option<Waiting> {
        let larger = self.batches.iter().find(|batch| batch.bytes.len() as u64 > most)?.sequence;
        self.remove(larger)
    }

    fn leave(&mut self, batch: &Waiting) {
        self.bytes -= batch.bytes.len() as u64;
        self.points -= batch.points;
    }

    /// The oldest batches, as many as have `most` bytes together, and one at least where there is one.
    pub(super) fn first(&mut self, most: u64) -> &[Waiting] {
        let all = self.batches.make_contiguous();
        let mut sum = 0;
        let fitting = all.iter().take_while(|batch| {
            sum += batch.bytes.len() as u64;
            sum <= most
        });
        let count = fitting.count().max(1).min(all.len());
        &all[..count]
    }

    /// Numbers the batches anew where `last` is not before them.
    pub(super) fn come_after(&mut self, last: u64) {
        if self.batches.front().is_some_and(|batch| batch.sequence <= last) {
            for (batch, sequence) in self.batches.iter_mut().zip(last.saturating_add(1)..) {
                batch.sequence = sequence;
            }
        }
    }

    /// The last sequence that is here.
    pub(super) fn last(&self) -> u64 {
        self.batches.back().map_or(0, |batch| batch.sequence)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn points(&self) -> u64 {
        self.points
    }

    pub(super) fn len(&self) -> u64 {
        self.batches.len() as u64
    }
}
