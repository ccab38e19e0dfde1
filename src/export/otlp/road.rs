//! The queue as the tick and the sender share it, with the books.
//!
//! Every change of the queue and of the counters that tell of it happens under one lock, and the counters are
//! written together. So whoever reads them at whatever moment finds
//! `collected = delivered + queued + dropped + rejected`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::queue::{Batch, Dropped, Entry, Limits, Moment, Queue};
use crate::stats::{Counts, Outcome, QueueStats, Stats};

use super::pack::Packed;

/// The queue, the alarm that wakes the sender, and the books.
pub(super) struct Road {
    state: Mutex<State>,
    changed: Notify,
    stats: Arc<Stats>,
}

struct State {
    queue: Queue,
    /// Nothing more will come.
    closed: bool,
    /// Why whatever comes all the same is given up.
    abandoned: Option<&'static str>,
}

impl Road {
    pub(super) fn new(limits: Limits, stats: Arc<Stats>) -> Self {
        let empty = State { queue: Queue::new(limits), closed: false, abandoned: None };
        let road = Self { state: Mutex::new(empty), changed: Notify::new(), stats };
        road.book(&road.lock().queue, |_| {});
        road
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the queue's state and what else has changed, at once.
    fn book(&self, queue: &Queue, change: impl FnOnce(&mut Counts)) {
        let usage = queue.usage();
        let mut counts = self.stats.lock();
        change(&mut counts);
        counts.export.queue = Some(QueueStats {
            usage: usage.bytes,
            limit: queue.limits().bytes,
            batches: usage.batches,
            points: usage.points,
            oldest: usage.oldest,
        });
    }

    /// Queues one collection.
    pub(super) fn push(&self, packed: Packed) {
        let mut state = self.lock();
        let State { queue, abandoned, .. } = &mut *state;
        let expired = queue.expire(Instant::now());
        let mut collected = packed.oversize;
        let mut dropped = vec![(expired.reason.as_str(), expired.points), ("oversize", packed.oversize)];
        for (bytes, points) in packed.batches {
            collected += points;
            dropped.push(if let Some(reason) = abandoned {
                (*reason, points)
            } else {
                let full = queue.push(Batch { bytes, points, appended: Moment::now() });
                (full.reason.as_str(), full.points)
            });
        }
        self.book(queue, |counts| {
            counts.export.collected += collected;
            for (reason, points) in dropped {
                counts.count(Outcome::Dropped(reason), points);
            }
        });
        drop(state);
        self.changed.notify_one();
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// The oldest batch, as soon as there is one; none when nothing waits and nothing more will come.
    pub(super) async fn next(&self) -> Option<Entry> {
        loop {
            {
                let mut state = self.lock();
                self.expire(&mut state.queue);
                if let Some(entry) = state.queue.peek() {
                    return Some(entry);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    fn expire(&self, queue: &mut Queue) {
        let Dropped { reason, batches, points } = queue.expire(Instant::now());
        if batches > 0 {
            self.book(queue, |counts| counts.count(Outcome::Dropped(reason.as_str()), points));
        }
    }

    /// The peer has taken a batch, but for the points that it rejected.
    pub(super) fn delivered(&self, entry: &Entry, rejected: u64) {
        let rejected = rejected.min(entry.points);
        self.settle(entry, |counts| {
            counts.count(Outcome::Delivered, entry.points - rejected);
            counts.count(Outcome::Rejected("partial_success"), rejected);
        });
    }

    /// A batch is given up.
    pub(super) fn dropped(&self, entry: &Entry, reason: &'static str) {
        self.settle(entry, |counts| counts.count(Outcome::Dropped(reason), entry.points));
    }

    /// A batch that was dropped while it was on its way is in the books already.
    fn settle(&self, entry: &Entry, change: impl FnOnce(&mut Counts)) {
        let mut state = self.lock();
        if state.queue.ack(entry.sequence).is_some() {
            self.book(&state.queue, change);
        }
    }

    /// Gives up everything that waits, and what a collection under way still brings; returns how many points
    /// waited.
    pub(super) fn abandon(&self, reason: &'static str) -> u64 {
        let mut state = self.lock();
        state.abandoned = Some(reason);
        let limits = state.queue.limits();
        let points = std::mem::replace(&mut state.queue, Queue::new(limits)).usage().points;
        self.book(&state.queue, |counts| counts.count(Outcome::Dropped(reason), points));
        points
    }

    /// How many batches wait.
    pub(super) fn waiting(&self) -> u64 {
        self.lock().queue.usage().batches
    }

    /// The agent's counters.
    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn road(bytes: u64) -> (Road, Arc<Stats>) {
        let stats = Arc::new(Stats::default());
        (Road::new(Limits { bytes, age: Duration::from_mins(1) }, Arc::clone(&stats)), stats)
    }

    fn packed(batches: &[(usize, u64)], oversize: u64) -> Packed {
        let batches = batches.iter().map(|(size, points)| (Bytes::from(vec![0; *size]), *points)).collect();
        Packed { batches, oversize }
    }

    /// `collected - delivered - dropped - rejected - queued`, which is to be 0.
    fn missing(stats: &Stats) -> i128 {
        let export = stats.read().export;
        let left: u64 = export.points.values().sum();
        i128::from(export.collected) - i128::from(left) - i128::from(export.queue.unwrap().points)
    }

    #[tokio::test(start_paused = true)]
    async fn the_sender_wakes_when_a_batch_comes_and_when_none_will() {
        let (road, _) = road(100);
        let late = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            road.push(packed(&[(10, 7)], 0));
        };
        let (entry, ()) = tokio::join!(road.next(), late);
        road.delivered(&entry.unwrap(), 0);
        let close = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            road.close();
        };
        let (entry, ()) = tokio::join!(road.next(), close);
        assert!(entry.is_none());
    }

    #[tokio::test]
    async fn what_waits_at_the_end_is_counted_as_lost_by_the_shutdown() {
        let (road, stats) = road(100);
        road.push(packed(&[(10, 7), (10, 8)], 0));
        assert_eq!(road.abandon("shutdown"), 15);
        road.push(packed(&[(10, 9)], 0));
        assert_eq!(stats.read().export.points[&Outcome::Dropped("shutdown")], 24);
        assert_eq!(missing(&stats), 0);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Push(Vec<(usize, u64)>, u64),
        Take,
        Deliver(u64),
        Refuse,
    }

    fn op() -> impl Strategy<Value = Op> {
        let batches = prop::collection::vec((0..40_usize, 0..9_u64), 0..4);
        prop_oneof![
            3 => (batches, 0..3_u64).prop_map(|(batches, oversize)| Op::Push(batches, oversize)),
            2 => Just(Op::Take),
            2 => (0..12_u64).prop_map(Op::Deliver),
            1 => Just(Op::Refuse),
        ]
    }

    proptest! {
        #[test]
        fn the_books_balance_at_every_moment(ops in prop::collection::vec(op(), 0..100)) {
            let (road, stats) = road(100);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut flying = None;
            for op in ops {
                match op {
                    Op::Push(batches, oversize) => road.push(packed(&batches, oversize)),
                    Op::Take if road.waiting() > 0 => flying = runtime.block_on(road.next()),
                    Op::Take => {}
                    Op::Deliver(rejected) => if let Some(entry) = flying.take() {
                        road.delivered(&entry, rejected);
                    },
                    Op::Refuse => if let Some(entry) = flying.take() {
                        road.dropped(&entry, "non_retryable");
                    },
                }
                prop_assert_eq!(missing(&stats), 0);
            }
        }
    }
}
