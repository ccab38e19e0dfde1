//! Bytes that wait to be sent: bounded, first in first out, the oldest dropped first.
//!
//! Constraints
//! - The cap on bytes is held exactly, at every moment: room is made before a batch is taken in.
//! - Nothing vanishes without a word. `Queue::push` and `Queue::expire` return what had to go, and why, so
//!   that `taken in = acknowledged + waiting + dropped` adds up to the point.
//! - A batch stays until it is acknowledged. `Queue::peek` hands out the oldest and keeps it, so that a
//!   crash or a failed attempt loses nothing; `Queue::ack` names the batch by its sequence number, so an
//!   acknowledgement that comes after the batch was dropped is harmless.
//! - Age is counted on the monotonic clock: a step of the wall clock expires nothing.
//!
//! Non-goals
//! - It does not look into the bytes. "Points" are a weight that it adds up and never interprets.
//! - It does not wait, send, retry, lock or log; who shares it brings the lock and the alarm.
//! - No order but first in first out, and one reader.
//!
//! One tier today: memory. A tier on disk joins behind `Queue`, which then decides which tier takes a batch;
//! the sequence numbers are given out here so that they run through all tiers.

mod memory;

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use memory::Memory;

/// How much may wait, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all batches together.
    pub bytes: u64,
    /// The age at which a batch is dropped.
    pub age: Duration,
}

impl Default for Limits {
    /// 8 MiB hold an hour of a host with 300 processes; who must bridge a day gives the queue a disk.
    fn default() -> Self {
        Self { bytes: 8 << 20, age: Duration::from_hours(24) }
    }
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The monotonic clock, for ages.
    pub instant: Instant,
    /// The wall clock, for people.
    pub time: SystemTime,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now() }
    }
}

/// What waits: bytes that are sent as they are.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The bytes.
    pub bytes: Bytes,
    /// How many points they hold.
    pub points: u64,
    /// When they were taken in.
    pub appended: Moment,
}

/// The oldest batch, as `Queue::peek` hands it out.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Names the batch in `Queue::ack`. Never given twice.
    pub sequence: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// How many points they hold.
    pub points: u64,
}

/// Why batches were dropped: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// To make room for newer ones.
    QueueFull,
    /// They had waited too long.
    Age,
}

impl Reason {
    /// The value of the attribute `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue_full",
            Reason::Age => "age",
        }
    }
}

/// What was dropped at one occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Why.
    pub reason: Reason,
    /// How many batches; may be 0.
    pub batches: u64,
    /// How many points they held.
    pub points: u64,
}

impl Dropped {
    fn none(reason: Reason) -> Self {
        Self { reason, batches: 0, points: 0 }
    }

    fn add(&mut self, batch: &Batch) {
        self.batches += 1;
        self.points += batch.points;
    }
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of all batches together.
    pub bytes: u64,
    /// How many batches.
    pub batches: u64,
    /// How many points they hold.
    pub points: u64,
    /// When the oldest was taken in.
    pub oldest: Option<SystemTime>,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    memory: Memory,
    next: u64,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self { limits, memory: Memory::default(), next: 0 }
    }

    /// Takes in a batch, and returns what had to go for it. A batch larger than the whole queue goes itself.
    pub fn push(&mut self, batch: Batch) -> Dropped {
        let mut dropped = Dropped::none(Reason::QueueFull);
        let size = batch.bytes.len() as u64;
        if size > self.limits.bytes {
            dropped.add(&batch);
            return dropped;
        }
        while self.memory.usage().bytes + size > self.limits.bytes {
            let Some(oldest) = self.memory.pop() else { break };
            dropped.add(&oldest);
        }
        self.memory.push(self.next, batch);
        self.next += 1;
        dropped
    }

    /// The oldest batch, which stays.
    pub fn peek(&self) -> Option<Entry> {
        self.memory.peek()
    }

    /// Removes a batch that was handed out, and returns its points; none when it has been dropped meanwhile.
    pub fn ack(&mut self, sequence: u64) -> Option<u64> {
        self.memory.remove(sequence).map(|batch| batch.points)
    }

    /// Drops what has waited too long.
    pub fn expire(&mut self, now: Instant) -> Dropped {
        let mut dropped = Dropped::none(Reason::Age);
        while let Some(appended) = self.memory.oldest() {
            if now.saturating_duration_since(appended.instant) < self.limits.age {
                break;
            }
            let Some(batch) = self.memory.pop() else { break };
            dropped.add(&batch);
        }
        dropped
    }

    /// What waits.
    pub fn usage(&self) -> Usage {
        self.memory.usage()
    }

    /// How much may wait, and how long.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

#[cfg(test)]
mod tests;
