//! Runs the collectors and shares one fresh [`Snapshot`].
//!
//! Readers ask; the answer is at most [`FRESH`] old, and all who ask meanwhile share it, so two Prometheus
//! servers and the OTLP tick cost one reading of the host. One thread reads, because parallel readers of
//! procfs only meet each other in the kernel's locks; what takes long elsewhere is read beside it. A
//! collector that is late is left out (a gap, never an old value as new), is not started again before it
//! returns, and keeps nobody else waiting.

mod cycle;
mod governor;
mod plan;
mod reader;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::config::ConfigError;

use crate::collectors::{Collector, Context, Section, Spec};
use crate::history::History;
use crate::host::Host;
use crate::metric::{Metric, Reading, Snapshot};
use crate::stats::Stats;

pub use governor::Limits;
use plan::{Known, Planned};

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
#[derive(Clone)]
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

    fn build(&self, context: &Context<'_>) -> Result<Box<dyn Collector>, ConfigError> {
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

/// The collectors of one configuration, as readers ask them. A reload makes another of the same engine;
/// dropping the last one ends its thread.
pub struct Sampler {
    engine: Arc<Engine>,
    wanted: Vec<Wanted>,
    known: Vec<Known>,
    /// The first id that is free.
    next: u64,
    /// How many plans the engine must have taken up before its snapshots are of this configuration.
    plan: u64,
    /// What [`Sampler::take_effect`] gives to the engine.
    pending: Mutex<Option<Vec<Planned>>>,
    limits: Limits,
}

/// The thread that reads the host, and what is shared with it.
struct Engine {
    shared: Arc<Shared>,
    host: Arc<Host>,
    stats: Arc<Stats>,
    history: Arc<History>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
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
    limits: Limits,
    /// The plans that the next cycle takes up, one after the other: each builds on the one before.
    plans_to_come: Vec<Vec<Planned>>,
    /// The plans that have been taken up.
    plans: u64,
    /// The cycles that have ended.
    cycles: u64,
    /// When the last complete cycle began: the age of its values.
    began: Option<Instant>,
    complete: Arc<Snapshot>,
    /// What the running cycle has so far, by the source's place.
    partial: Vec<Option<Arc<Reading>>>,
    running: bool,
}

impl Sampler {
    /// Builds the collectors and starts the thread that drives them.
    pub fn start(host: Arc<Host>, sources: Vec<Source>, stats: Arc<Stats>) -> Result<Self, ConfigError> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let engine = Arc::new(Engine { shared, host, stats, history: Arc::default() });
        let first = Self::make(engine, sources, &[], 0, 1)?;
        let Engine { shared, host, stats, history } = &*first.engine;
        let mut driver = cycle::Driver::new(Arc::clone(host), Arc::clone(stats));
        let (theirs, history) = (Arc::clone(shared), Arc::clone(history));
        std::thread::Builder::new()
            .name("sampler".to_owned())
            .spawn(move || {
                while theirs.await_request() {
                    driver.run(&theirs);
                    // Whoever waits for the snapshot has it already.
                    history.take(&theirs.complete());
                }
            })
            .map_err(|e| ConfigError::Foreign(Box::new(e)))?;
        first.take_effect();
        Ok(first)
    }

    /// The same engine with other sources. Collectors whose own settings stay as they are go on with what they
    /// remember; the others are built here. Nothing changes before [`Sampler::take_effect`], and nothing at all
    /// where this one is dropped.
    pub fn prepare(&self, sources: Vec<Source>) -> Result<Self, ConfigError> {
        Self::make(Arc::clone(&self.engine), sources, &self.known, self.next, self.plan + 1)
    }

    fn make(
        engine: Arc<Engine>,
        sources: Vec<Source>,
        before: &[Known],
        next: u64,
        plan: u64,
    ) -> Result<Self, ConfigError> {
        let context = Context { host: &engine.host, stats: &engine.stats };
        let planned = plan::make(sources, before, next, &context)?;
        let (wanted, known) = (plan::wanted(&planned), plan::known(&planned));
        let next = plan::next_id(&known, next);
        Ok(Self {
            engine,
            wanted,
            known,
            next,
            plan,
            pending: Mutex::new(Some(planned)),
            limits: Limits::default(),
        })
    }

    /// The same within ceilings.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        let in_effect = self.pending.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if in_effect {
            self.engine.shared.lock().limits = limits;
        }
        Self { limits, ..self }
    }

    /// From the next cycle on, the engine works by this configuration. To be called once.
    pub fn take_effect(&self) {
        let planned = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut state = self.engine.shared.lock();
        state.plans_to_come.extend(planned);
        state.limits = self.limits;
    }

    /// The host that is read.
    pub fn host(&self) -> &Arc<Host> {
        &self.engine.host
    }

    /// What the host did of late, by the snapshots that were taken.
    pub fn history(&self) -> &Arc<History> {
        &self.engine.history
    }

    /// Has the host read anew, without waiting for it.
    pub fn ask(&self) {
        let mut state = self.engine.shared.lock();
        if !state.running {
            state.requested = true;
            self.engine.shared.changed.notify_all();
        }
    }

    /// Every metric that is collected.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// Whether this collector is on.
    pub fn has(&self, collector: &str) -> bool {
        self.known.iter().any(|known| known.is_of(collector))
    }

    /// The cycles that have ended: what shows that the host is still read.
    pub fn cycles(&self) -> u64 {
        self.engine.shared.lock().cycles
    }

    /// A snapshot at most [`FRESH`] old, within `budget`; when that ends first, what is ready by then.
    pub fn snapshot(&self, budget: Duration) -> Arc<Snapshot> {
        self.snapshot_within(FRESH, budget)
    }

    /// The same for somebody to whom a snapshot of that age is too old.
    pub fn snapshot_within(&self, age: Duration, budget: Duration) -> Arc<Snapshot> {
        let deadline = Instant::now() + budget;
        let Shared { changed, .. } = &*self.engine.shared;
        let mut state = self.engine.shared.lock();
        let ours = |state: &State| state.plans >= self.plan;
        let fresh = |began: Instant| began.elapsed() <= age.min(FRESH);
        if ours(&state) && state.began.is_some_and(fresh) {
            return Arc::clone(&state.complete);
        }
        // A cycle that is under way began after the last complete one, so its values are fresh enough.
        let awaited = state.cycles + 1;
        if !state.running || !ours(&state) {
            state.requested = true;
            changed.notify_all();
        }
        loop {
            // Another cycle may have begun before this thread was woken; then that one is waited for.
            if state.cycles >= awaited && state.began.is_some() && ours(&state) {
                return Arc::clone(&state.complete);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Arc::new(Snapshot { readings: state.partial.iter().flatten().cloned().collect() });
            }
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().complete)
    }

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

    /// The plans to take up, where there are others.
    fn plans(&self) -> Vec<Vec<Planned>> {
        let mut state = self.lock();
        let plans = std::mem::take(&mut state.plans_to_come);
        state.plans += plans.len() as u64;
        plans
    }

    /// Begins a cycle. What was complete is too old to be given to anybody, and of ten thousand processes two
    /// snapshots at a time would be twice the memory.
    fn begin(&self, places: usize) {
        let mut state = self.lock();
        state.partial.clear();
        state.partial.resize(places, None);
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
