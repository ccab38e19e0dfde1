//! Runs the collectors and shares one fresh [`Snapshot`].
//!
//! Readers ask; the answer is at most [`FRESH`] old, and all who ask meanwhile share it, so two Prometheus
//! servers and the OTLP tick cost one reading of the host. One thread reads, because parallel readers of
//! procfs only meet each other in the kernel's locks. A collector that is late is left out (a gap, never an
//! old value as new), is not started again before it returns, and keeps nobody else waiting.

mod cycle;
mod governor;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::collectors::{Collector, Context, Section, Spec};
use crate::host::Host;
use crate::metric::{Metric, Reading, Snapshot};
use crate::stats::Stats;

/// How old a snapshot may be that is given to somebody who asks. A little less than a second, so that
/// somebody who asks every second is not given the same one twice, which OTLP would leave out.
pub const FRESH: Duration = Duration::from_millis(900);

/// How long one collector may take.
pub const COLLECTOR_DEADLINE: Duration = Duration::from_secs(1);

/// How long all collectors together may take.
pub const CYCLE_DEADLINE: Duration = Duration::from_secs(2);

/// How many threads may hang in the kernel before no further one is risked.
const MAX_STUCK: usize = 8;

/// A collector as the configuration wants it.
pub struct Source {
    /// What it is.
    pub spec: &'static Spec,
    /// Its own settings.
    pub section: Section,
    /// The least time between two readings.
    pub interval: Duration,
    /// Metrics switched on or off by name; the others keep their default.
    pub metrics: BTreeMap<String, bool>,
}

impl Source {
    /// A collector with its defaults.
    pub fn new(spec: &'static Spec) -> Self {
        // Tables whose own defaults they refuse would be found by the first test.
        let section = spec.section("{}").unwrap_or_default();
        Self { spec, section, interval: Duration::ZERO, metrics: BTreeMap::new() }
    }

    /// Whether a metric is wanted.
    pub fn enabled(&self, metric: &Metric) -> bool {
        self.metrics.get(metric.name).copied().unwrap_or(metric.default)
    }

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Collector>, ::config::ConfigError> {
        (self.spec.build)(&self.section, context)
    }
}

/// An instrument to register: a metric that is wanted, and how many points it may have.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The metric.
    pub metric: &'static Metric,
    /// The collector's ceiling.
    pub ceiling: usize,
}

/// The sampler; dropping it ends its thread.
pub struct Sampler {
    shared: Arc<Shared>,
    wanted: Vec<Wanted>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Somebody waits for a cycle that has not begun.
    requested: bool,
    stopped: bool,
    /// The cycles that have ended.
    cycles: u64,
    /// When the last complete cycle began: the age of its values.
    began: Option<Instant>,
    complete: Arc<Snapshot>,
    /// What the running cycle has so far, by the source's place.
    partial: Vec<Option<Arc<Reading>>>,
    running: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sampler {
    /// Builds the collectors and starts the thread that drives them.
    pub fn start(
        host: Arc<Host>,
        sources: Vec<Source>,
        stats: Arc<Stats>,
    ) -> Result<Self, ::config::ConfigError> {
        let context = Context { host: &host, stats: &stats };
        let mut slots = Vec::with_capacity(sources.len());
        let mut wanted = Vec::new();
        for source in sources {
            let collector = source.build(&context)?;
            let ceiling = collector.ceiling();
            let metrics = source.spec.metrics.iter().filter(|metric| source.enabled(metric));
            wanted.extend(metrics.map(|&metric| Wanted { metric, ceiling }));
            slots.push(cycle::Slot::new(source, collector, ceiling));
        }
        let first = State { partial: slots.iter().map(|_| None).collect(), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(first), changed: Condvar::new() });
        let mut driver = cycle::Driver::new(host, slots, stats);
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("sampler".to_owned())
            .spawn(move || {
                while theirs.await_request() {
                    driver.run(&theirs);
                }
            })
            .map_err(|e| ::config::ConfigError::Foreign(Box::new(e)))?;
        Ok(Self { shared, wanted })
    }

    /// Every metric that is collected.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// A snapshot at most [`FRESH`] old, within `budget`; when that ends first, what is ready by then.
    pub fn snapshot(&self, budget: Duration) -> Arc<Snapshot> {
        self.snapshot_within(FRESH, budget)
    }

    /// The same for somebody to whom a snapshot of that age is too old.
    pub fn snapshot_within(&self, age: Duration, budget: Duration) -> Arc<Snapshot> {
        let deadline = Instant::now() + budget;
        let mut state = self.shared.lock();
        if state.began.is_some_and(|began| began.elapsed() <= age.min(FRESH)) {
            return Arc::clone(&state.complete);
        }
        // A cycle that is under way began after the last complete one, so its values are fresh enough.
        let awaited = state.cycles + 1;
        if !state.running {
            state.requested = true;
            self.shared.changed.notify_all();
        }
        loop {
            // Another cycle may have begun before this thread was woken; then that one is waited for.
            if state.cycles >= awaited && state.began.is_some() {
                return Arc::clone(&state.complete);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Arc::new(Snapshot { readings: state.partial.iter().flatten().cloned().collect() });
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Waits until somebody asks; false when the sampler is gone.
    fn await_request(&self) -> bool {
        let mut state = self.lock();
        while !state.requested && !state.stopped {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.requested = false;
        state.running = !state.stopped;
        !state.stopped
    }

    /// Begins a cycle. What was complete is too old to be given to anybody, and of ten thousand processes two
    /// snapshots at a time would be twice the memory.
    fn begin(&self) {
        let mut state = self.lock();
        state.partial.iter_mut().for_each(|reading| *reading = None);
        state.complete = Arc::default();
        state.began = None;
    }

    fn put(&self, place: usize, reading: Arc<Reading>) {
        self.lock().partial[place] = Some(reading);
    }

    fn finish(&self, began: Instant) {
        let mut state = self.lock();
        state.complete = Arc::new(Snapshot { readings: state.partial.iter().flatten().cloned().collect() });
        state.began = Some(began);
        state.cycles += 1;
        state.running = false;
        drop(state);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
