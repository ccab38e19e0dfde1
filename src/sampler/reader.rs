//! A thread's part of a cycle: what it was given, what has not come back yet, and since when.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::COLLECTOR_DEADLINE;
use super::worker::{Job, Jobs, Worker, pop};

/// A worker and its jobs.
pub(super) struct Reader {
    worker: Option<Worker>,
    /// The places of those that have not come back.
    places: BTreeSet<usize>,
    /// Those that have not begun.
    queue: Jobs,
    /// When it was given its jobs, or gave back the last one.
    progress: Instant,
}

impl Default for Reader {
    fn default() -> Self {
        Self { worker: None, places: BTreeSet::new(), queue: Jobs::default(), progress: Instant::now() }
    }
}

impl Reader {
    /// Whether it has jobs.
    pub(super) fn is_busy(&self) -> bool {
        !self.places.is_empty()
    }

    /// When the collector that runs now is late.
    pub(super) fn deadline(&self) -> Instant {
        self.progress + COLLECTOR_DEADLINE
    }

    /// Gives jobs to its worker, to one that `spawn` makes where there is none; they stay in the queue where
    /// there can be none.
    pub(super) fn give(
        &mut self,
        jobs: VecDeque<Job>,
        spawn: impl FnOnce() -> io::Result<Worker>,
    ) -> io::Result<()> {
        self.places = jobs.iter().map(|job| job.place).collect();
        self.queue = Arc::new(Mutex::new(jobs));
        self.progress = Instant::now();
        if !self.is_busy() || self.worker.as_ref().is_some_and(|worker| worker.give(&self.queue)) {
            return Ok(());
        }
        let worker = spawn()?;
        self.worker = worker.give(&self.queue).then_some(worker);
        Ok(())
    }

    /// A job has come back; whether it is one of these.
    pub(super) fn settled(&mut self, place: usize) -> bool {
        let ours = self.places.remove(&place);
        if ours {
            self.progress = Instant::now();
        }
        ours
    }

    /// Leaves the worker to itself with what it is at; the places of that, and the jobs that have not begun.
    pub(super) fn abandon(&mut self) -> (BTreeSet<usize>, VecDeque<Job>) {
        self.worker = None;
        let rest = self.take_rest();
        (std::mem::take(&mut self.places), rest)
    }

    /// Takes away the jobs that have not begun.
    pub(super) fn take_rest(&mut self) -> VecDeque<Job> {
        let rest: VecDeque<Job> = std::iter::from_fn(|| pop(&self.queue)).collect();
        for job in &rest {
            self.places.remove(&job.place);
        }
        rest
    }

    /// Ends its thread as soon as that is idle.
    pub(super) fn dismiss(&mut self) {
        self.worker = None;
    }
}
