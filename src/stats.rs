//! The agent's own counters: what the collectors, the queue and the ways out did.
//!
//! Written from every floor above, read by the `agent` collector, so that the agent's health takes the same
//! road as the host's. One mutex for all: it is held for nanoseconds, a few dozen times a cycle.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

/// So many panics of tasks within [`HOPE`] are no accident.
const TOO_MANY: usize = 11;

/// How long a panic is held against us.
const HOPE: Duration = Duration::from_mins(10);

/// What became of points that were to leave by OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The peer has them.
    Delivered,
    /// We gave them up, for a reason of a closed set such as `queue_full`.
    Dropped(&'static str),
    /// The peer refused them, for a reason of a closed set such as `partial_success`.
    Rejected(&'static str),
}

impl Outcome {
    /// The values of the attributes `outcome` and `reason`.
    pub fn labels(self) -> (&'static str, Option<&'static str>) {
        match self {
            Outcome::Delivered => ("delivered", None),
            Outcome::Dropped(reason) => ("dropped", Some(reason)),
            Outcome::Rejected(reason) => ("rejected", Some(reason)),
        }
    }
}

/// What is known of one collector's runs.
#[derive(Debug, Clone, Default)]
pub struct CollectorStats {
    /// How long the last run took.
    pub duration: Duration,
    /// When it last succeeded.
    pub last_success: Option<SystemTime>,
    /// Runs with a problem, by `error.type`.
    pub errors: BTreeMap<&'static str, u64>,
    /// Whether the last run succeeded.
    pub up: bool,
    /// The points of the last run.
    pub points: usize,
    /// What the last problem said, for the status page.
    pub problem: Option<String>,
}

/// The state of the export queue.
#[derive(Debug, Clone, Default)]
pub struct QueueStats {
    /// Bytes waiting.
    pub usage: u64,
    /// Bytes that may wait as things are.
    pub limit: u64,
    /// Requests waiting.
    pub batches: u64,
    /// Points waiting.
    pub points: u64,
    /// When the oldest waiting request was queued.
    pub oldest: Option<SystemTime>,
    /// Whether it has a directory, so that what waits survives the agent.
    pub durable: bool,
}

/// The state of the OTLP road.
#[derive(Debug, Clone, Default)]
pub struct ExportStats {
    /// When these counters began: with the agent, or with the first one that used the queue's directory.
    pub since: Option<SystemTime>,
    /// Points put into requests: `delivered + queued + dropped + rejected`, at every moment.
    pub collected: u64,
    /// Points that left the queue, by what became of them.
    pub points: BTreeMap<Outcome, u64>,
    /// How long the last attempt took.
    pub duration: Option<Duration>,
    /// The queue; none while OTLP is off.
    pub queue: Option<QueueStats>,
    /// Where to; empty while OTLP is off.
    pub target: String,
    /// One sentence on the connection, for the status page: `delivering`, `waiting: connection refused`.
    pub state: String,
}

/// What became of the configuration when it was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadStats {
    /// Whether it is in use.
    pub successful: bool,
    /// When a configuration was last taken into use: at the start, or by a reload.
    pub at: SystemTime,
}

/// Lines that the log left out.
#[derive(Debug, Default)]
pub struct LogStats {
    /// Because whoever reads the log did not.
    pub blocked: AtomicU64,
    /// Because the same had been said just before.
    pub repeated: AtomicU64,
    /// Because the receiver of `agent.logs: otlp` did not take them; they stand on the standard error.
    pub unsent: AtomicU64,
}

/// Everything the agent counts about itself.
#[derive(Debug, Clone)]
pub struct Counts {
    /// By the collector's name.
    pub collectors: BTreeMap<&'static str, CollectorStats>,
    /// The OTLP road.
    pub export: ExportStats,
    /// The configuration; none before the agent runs.
    pub reload: Option<ReloadStats>,
    /// Panics by the task that they ended.
    pub panics: BTreeMap<&'static str, u64>,
    /// How far the agent makes do with less to stay within `resource_limits`; none without a ceiling.
    pub limit_step: Option<u8>,
}

/// The agent's own counters.
#[derive(Debug)]
pub struct Stats {
    /// When the agent started: the start time of all of them.
    pub start: SystemTime,
    /// The log's, apart: a line may be written by whoever holds the others.
    pub log: LogStats,
    counts: Mutex<Counts>,
    panics: Mutex<VecDeque<Instant>>,
    /// Told when [`Stats::is_hopeless`] has become true.
    hopeless: Notify,
}

impl Default for Stats {
    fn default() -> Self {
        let start = SystemTime::now();
        let counts = Counts {
            collectors: BTreeMap::new(),
            export: ExportStats::default(),
            reload: None,
            panics: BTreeMap::new(),
            limit_step: None,
        };
        Self {
            start,
            log: LogStats::default(),
            counts: Mutex::new(counts),
            panics: Mutex::default(),
            hopeless: Notify::new(),
        }
    }
}

impl Stats {
    /// The counters, to be written.
    ///
    /// A panic while it is held leaves numbers that are still numbers, so poisoning is no reason to stop.
    pub fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a panic that ended a task.
    pub fn panicked(&self, task: &'static str) {
        *self.lock().panics.entry(task).or_default() += 1;
        let mut panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        panics.push_back(Instant::now());
        if panics.len() > TOO_MANY {
            panics.pop_front();
        }
        drop(panics);
        if self.is_hopeless() {
            self.hopeless.notify_one();
        }
    }

    /// Waits until tasks panic so often that only a new start may help.
    pub async fn hopeless(&self) {
        self.hopeless.notified().await;
    }

    /// Whether tasks panic so often that only a new start may help.
    pub fn is_hopeless(&self) -> bool {
        let panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        panics.len() >= TOO_MANY && panics.front().is_some_and(|first| first.elapsed() < HOPE)
    }

    /// A copy of the counters.
    pub fn read(&self) -> Counts {
        self.lock().clone()
    }
}

impl Counts {
    /// Counts points that left the queue.
    pub fn count(&mut self, outcome: Outcome, points: u64) {
        if points > 0 {
            *self.export.points.entry(outcome).or_default() += points;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_counted_by_outcome_and_reason() {
        let stats = Stats::default();
        stats.lock().count(Outcome::Dropped("queue_full"), 3);
        stats.lock().count(Outcome::Dropped("queue_full"), 4);
        stats.lock().count(Outcome::Delivered, 0);
        let points = stats.read().export.points;
        assert_eq!(points.into_iter().collect::<Vec<_>>(), [(Outcome::Dropped("queue_full"), 7)]);
    }
}
