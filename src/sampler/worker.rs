//! The thread that reads the host. It may hang in the kernel; then it is left to itself and replaced.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::collectors::Collector;
use crate::host::{Error, Host};
use crate::metric::Reading;

/// One collector's turn.
pub(super) struct Job {
    pub place: usize,
    /// The slot that it belongs to, wherever that is by the time it comes back.
    pub slot: u64,
    pub cycle: u64,
    pub collector: Box<dyn Collector>,
    pub reading: Reading,
}

/// What came of it.
pub(super) struct Done {
    pub place: usize,
    pub slot: u64,
    pub cycle: u64,
    /// None when the collector panicked: its state cannot be trusted, so it is built anew.
    pub collector: Option<Box<dyn Collector>>,
    pub reading: Reading,
    pub result: Result<(), Failure>,
    pub took: Duration,
}

/// Why a collector gave nothing.
pub(super) enum Failure {
    Error(Error),
    Panic(String),
}

/// Jobs that have not begun; shared, so that the driver can take them away from a worker that hangs.
pub(super) type Jobs = Arc<Mutex<VecDeque<Job>>>;

pub(super) fn pop(jobs: &Jobs) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// A running worker; dropping the handle ends the thread as soon as it is idle.
pub(super) struct Worker(Sender<Jobs>);

impl Worker {
    /// Begins a thread, which wakes the one that calls this whenever it has nothing more to do.
    pub(super) fn spawn(host: Arc<Host>, done: Sender<Done>) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let driver = std::thread::current();
        std::thread::Builder::new()
            .name("collect".to_owned())
            .stack_size(512 << 10)
            .spawn(move || work(&host, &receiver, &done, &driver))?;
        Ok(Self(sender))
    }

    /// Hands over jobs; false when the thread is gone.
    pub(super) fn give(&self, jobs: &Jobs) -> bool {
        self.0.send(Arc::clone(jobs)).is_ok()
    }
}

fn work(host: &Host, receiver: &Receiver<Jobs>, done: &Sender<Done>, driver: &Thread) {
    while let Ok(jobs) = receiver.recv() {
        while let Some(job) = pop(&jobs) {
            if done.send(run(host, job)).is_err() {
                return;
            }
        }
        driver.unpark();
    }
}

/// Runs a job on the calling thread.
pub(super) fn run(host: &Host, job: Job) -> Done {
    let Job { place, slot, cycle, mut collector, mut reading } = job;
    let began = Instant::now();
    reading.stamp();
    let outcome = catch_unwind(AssertUnwindSafe(|| collector.collect(host, &mut reading)));
    let took = began.elapsed();
    let (collector, result) = match outcome {
        Ok(result) => (Some(collector), result.map_err(Failure::Error)),
        Err(panic) => (None, Err(Failure::Panic(message(&*panic)))),
    };
    Done { place, slot, cycle, collector, reading, result, took }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
