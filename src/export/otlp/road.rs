//! The queue as the tick and the sender share it, with the books.
//!
//! Every change of the queue and of the counters that tell of it happens under one lock, and the counters are
//! written together. So whoever reads them at whatever moment finds
//! `collected = delivered + queued + dropped + rejected`.
//!
//! A queue with a disk may take its time, under the lock. So the runtime's thread, which also answers
//! `/metrics`, never takes that lock then: what the sender wants is done on the pool for blocking work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::queue::{Batch, Entry, Fate, Moment, Queue};
use crate::stats::{Counts, Outcome, QueueStats, Stats};

use super::pack::Packed;

/// Between two looks at a queue whose disk may be in trouble.
const TEND: Duration = Duration::from_secs(10);

/// How long the end of the program waits for the disk.
const LAST: Duration = Duration::from_millis(400);

/// The queue, the alarm that wakes the sender, and the books.
pub(super) struct Road {
    queue: Mutex<Queue>,
    /// The queue has a disk.
    slow: bool,
    changed: Notify,
    /// Nothing more will come.
    closed: AtomicBool,
    /// The last batch is on its way out of a slow queue.
    settling: Mutex<Option<JoinHandle<()>>>,
    stats: Arc<Stats>,
}

impl Road {
    pub(super) fn new(queue: Queue, stats: Arc<Stats>) -> Self {
        let slow = queue.is_durable();
        let (changed, closed) = (Notify::new(), AtomicBool::new(false));
        let road =
            Self { queue: Mutex::new(queue), slow, changed, closed, settling: Mutex::default(), stats };
        road.with(|_, _| ());
        road
    }

    /// Does something with the queue, writes the books and tells the log what is new.
    fn with<T>(&self, work: impl FnOnce(&mut Queue, Moment) -> T) -> T {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Moment::now();
        let result = work(&mut queue, now);
        book(&mut self.stats.lock(), &queue, now);
        for news in queue.news() {
            if news.good {
                tracing::info!("{}", news.text);
            } else {
                tracing::warn!("{}", news.text);
            }
        }
        result
    }

    /// The same, where it cannot hold up the runtime's thread; none when that failed.
    async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Queue, Moment) -> T + Send + 'static,
    ) -> Option<T> {
        if !self.slow {
            return Some(self.with(work));
        }
        let road = Arc::clone(self);
        spawn_blocking(move || road.with(work)).await.ok()
    }

    /// Queues one collection. It may block.
    pub(super) fn push(&self, packed: Packed) {
        let batches = packed.batches.into_iter().map(|(bytes, points)| Batch { bytes, points }).collect();
        self.with(|queue, now| queue.append(batches, packed.oversize, now));
        self.changed.notify_one();
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// The oldest batch, as soon as there is one; none when nothing waits and nothing more will come.
    #[cfg(test)]
    pub(super) async fn next(self: &Arc<Self>) -> Option<Entry> {
        self.next_unless(std::future::pending()).await
    }

    /// The same, and none as well when `leave` ends. That is not the same as to drop this: what is on its way
    /// out of a slow queue would be handed out again.
    pub(super) async fn next_unless(self: &Arc<Self>, leave: impl Future<Output = ()>) -> Option<Entry> {
        let mut leave = std::pin::pin!(leave);
        loop {
            let settling = self.settling().take();
            if let Some(settling) = settling {
                // What is settled is settled, also when this future is dropped here.
                let _ = settling.await;
            }
            let closed = self.closed.load(Ordering::Acquire);
            if let Some(entry) = self.aside(Queue::peek).await.flatten() {
                return Some(entry);
            }
            if closed {
                return None;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = leave.as_mut() => return None,
            }
        }
    }

    /// Looks after a queue with a disk for ever: brings to the disk what it did not take, and wakes the sender for
    /// what could not be read.
    pub(super) async fn tend(self: &Arc<Self>) {
        if !self.slow {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(TEND).await;
            self.aside(Queue::tend).await;
            if self.waiting() > 0 {
                self.changed.notify_one();
            }
        }
    }

    /// The peer has taken a batch, but for the points that it rejected.
    pub(super) fn delivered(self: &Arc<Self>, entry: &Entry, rejected: u64) {
        self.settle(entry, Fate::Delivered, rejected);
    }

    /// The peer has refused a batch for good.
    pub(super) fn refused(self: &Arc<Self>, entry: &Entry) {
        self.settle(entry, Fate::NonRetryable, 0);
    }

    /// A batch that was dropped while it was on its way is in the books already.
    fn settle(self: &Arc<Self>, entry: &Entry, fate: Fate, rejected: u64) {
        let sequence = entry.sequence;
        if !self.slow {
            self.with(|queue, _| queue.settle(sequence, fate, rejected));
            return;
        }
        let road = Arc::clone(self);
        let task = spawn_blocking(move || {
            road.with(|queue, _| queue.settle(sequence, fate, rejected));
        });
        *self.settling() = Some(task);
    }

    fn settling(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the queue: what is in memory only is given up, and so is what a collection under way still brings.
    /// Returns how many points that costs; none when the disk does not answer.
    pub(super) async fn finish(self: &Arc<Self>) -> Option<u64> {
        tokio::time::timeout(LAST, self.aside(Queue::close)).await.ok().flatten()
    }

    /// How many batches wait, without the one that is on its way out.
    pub(super) fn waiting(&self) -> u64 {
        let leaving = self.settling().as_ref().is_some_and(|task| !task.is_finished());
        let waiting = self.stats.lock().export.queue.as_ref().map_or(0, |queue| queue.batches);
        waiting.saturating_sub(leaving.into())
    }

    /// The agent's counters.
    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }
}

/// Writes the queue's state into the counters, all of it at once.
fn book(counts: &mut Counts, queue: &Queue, now: Moment) {
    let (usage, books) = (queue.usage(now), queue.books());
    let export = &mut counts.export;
    export.since = Some(books.since());
    export.collected = books.taken();
    // Those that did not happen, too: a counter that begins with its first loss shows none to PromQL's `increase`.
    export.points = Fate::ALL.into_iter().map(|fate| (outcome(fate), books.left(fate))).collect();
    export.queue = Some(QueueStats {
        usage: usage.bytes,
        limit: usage.limit,
        batches: usage.batches,
        points: usage.points,
        oldest: usage.oldest,
        durable: queue.is_durable(),
    });
}

fn outcome(fate: Fate) -> Outcome {
    match fate {
        Fate::Delivered => Outcome::Delivered,
        Fate::Rejected => Outcome::Rejected("partial_success"),
        Fate::QueueFull => Outcome::Dropped("queue_full"),
        Fate::Age => Outcome::Dropped("age"),
        Fate::NonRetryable => Outcome::Dropped("non_retryable"),
        Fate::Oversize => Outcome::Dropped("oversize"),
        Fate::Shutdown => Outcome::Dropped("shutdown"),
        Fate::Lost => Outcome::Dropped("lost"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::queue::{DiskLimits, Limits, Place};

    fn road(bytes: u64) -> (Arc<Road>, Arc<Stats>) {
        let stats = Arc::new(Stats::default());
        let queue = Queue::in_memory(Limits { bytes, age: Duration::from_mins(1) });
        (Arc::new(Road::new(queue, Arc::clone(&stats))), stats)
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
        assert_eq!(road.finish().await, Some(15));
        road.push(packed(&[(10, 9)], 0));
        assert_eq!(stats.read().export.points[&Outcome::Dropped("shutdown")], 24);
        assert_eq!(missing(&stats), 0);
    }

    /// A day's batches lie on a disk; a runtime of one thread hands them out and answers others meanwhile.
    #[tokio::test]
    async fn what_waits_on_disk_is_handed_out_in_order_and_stays_for_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place {
            directory: directory.path().join("queue"),
            limits: DiskLimits { free: 0, share: 100, reserve: 0, ..DiskLimits::default() },
            boot_id: 1,
        };
        let open = || {
            let stats = Arc::new(Stats::default());
            let queue = Queue::open(Limits::default(), &place, Moment::now()).unwrap();
            (Arc::new(Road::new(queue, Arc::clone(&stats))), stats)
        };
        let (road, stats) = open();
        let pushing = Arc::clone(&road);
        spawn_blocking(move || (1..=9).for_each(|n| pushing.push(packed(&[(1_000, n)], 0)))).await.unwrap();
        for points in 1..=4 {
            let entry = road.next().await.unwrap();
            assert_eq!(entry.points, points);
            road.delivered(&entry, 1);
            assert_eq!(road.waiting(), 9 - points);
        }
        let entry = road.next().await.unwrap();
        assert_eq!((road.finish().await, road.waiting(), missing(&stats)), (Some(0), 5, 0));
        drop(road);

        let (road, again) = open();
        assert_eq!(road.next().await.unwrap().bytes, entry.bytes);
        assert_eq!(again.read().export.points, stats.read().export.points);
        assert_eq!((again.read().export.collected, missing(&again)), (45, 0));
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
                        road.refused(&entry);
                    },
                }
                prop_assert_eq!(missing(&stats), 0);
            }
        }
    }
}
