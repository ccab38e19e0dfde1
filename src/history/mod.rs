//! The last ten minutes of the host in a few numbers, for the status page.
//!
//! It is filled from snapshots that somebody took anyway and asks for none itself: where nobody looks and nobody
//! scrapes, it stays as it is. It is a fixed number of points of a fixed number of values, under 64 KiB
//! whatever the host has, and its time is the monotonic clock, so that a wall clock that is set moves nothing.

mod growth;
mod lines;
mod top;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use crate::host::own::Usage;
use crate::metric::Snapshot;

use growth::Growth;
pub use lines::{LINES, Line};
pub use top::Process;

/// How far back it goes.
pub const SPAN: Duration = Duration::from_mins(10);

/// The least time between two points: five seconds, less what a timer of five seconds may be early.
const SPACING: Duration = Duration::from_millis(4800);

/// The same while there is nothing yet that a counter could have grown from.
const HASTE: Duration = Duration::from_millis(900);

/// Over a longer time than this, a mean says nothing of now, and no line is drawn.
pub const GAP: Duration = Duration::from_secs(100);

/// All points of the span, and one before it, where the lines come from.
const CAPACITY: usize = 127;

const COUNT: usize = LINES.len();

/// What was known at one moment; what was not is NaN.
#[derive(Debug, Clone, Copy)]
struct Point {
    at: Instant,
    values: [f64; COUNT],
}

/// The history; shared by who fills it and who looks.
#[derive(Debug)]
pub struct History {
    state: Mutex<State>,
    taken: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    points: VecDeque<Point>,
    growth: Growth,
    own: Option<(Instant, Duration)>,
    time: Option<SystemTime>,
    top: Vec<Process>,
}

impl Default for History {
    fn default() -> Self {
        let state = State {
            points: VecDeque::with_capacity(CAPACITY),
            growth: Growth::default(),
            own: None,
            time: None,
            top: Vec::new(),
        };
        Self { state: Mutex::new(state), taken: watch::Sender::new(0) }
    }
}

impl History {
    /// Takes a snapshot, unless the last one is too young.
    pub fn take(&self, snapshot: &Snapshot) {
        self.take_at(snapshot, Instant::now(), Usage::now);
    }

    fn take_at(&self, snapshot: &Snapshot, now: Instant, usage: impl FnOnce() -> Usage) {
        let mut state = self.lock();
        if !state.is_due(now) {
            return;
        }
        let mut values = [f64::NAN; COUNT];
        state.growth.read(snapshot, &mut values);
        state.own(now, usage(), &mut values);
        if state.points.len() >= CAPACITY {
            state.points.pop_front();
        }
        state.points.push_back(Point { at: now, values });
        state.time = snapshot.readings.iter().map(|reading| reading.time).max();
        state.top = top::processes(snapshot);
        drop(state);
        self.taken.send_modify(|count| *count += 1);
    }

    /// Whether a snapshot would be taken now.
    pub fn is_due(&self) -> bool {
        self.lock().is_due(Instant::now())
    }

    /// Tells of each point that is added from now on.
    pub fn taken(&self) -> watch::Receiver<u64> {
        self.taken.subscribe()
    }

    /// A copy, to be drawn.
    pub fn view(&self) -> View {
        self.view_at(Instant::now())
    }

    fn view_at(&self, now: Instant) -> View {
        let state = self.lock();
        View { now, points: state.points.iter().copied().collect(), time: state.time, top: state.top.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_due(&self, now: Instant) -> bool {
        let Some(last) = self.points.back() else { return true };
        let before = self.points.len().checked_sub(2).and_then(|place| self.points.get(place));
        let fresh = before.is_some_and(|before| last.at.saturating_duration_since(before.at) <= GAP);
        now.saturating_duration_since(last.at) >= if fresh { SPACING } else { HASTE }
    }

    /// What the agent itself used since the last point: a share of one CPU, and memory.
    fn own(&mut self, now: Instant, usage: Usage, values: &mut [f64; COUNT]) {
        let before = self.own.replace((now, usage.cpu));
        let passed = before.map(|(then, cpu)| (now.saturating_duration_since(then), cpu));
        if let Some((passed, cpu)) = passed.filter(|(passed, _)| !passed.is_zero() && *passed <= GAP) {
            set(values, "own.cpu", usage.cpu.saturating_sub(cpu).as_secs_f64() / passed.as_secs_f64());
        }
        if let Some(memory) = usage.memory {
            set(values, "own.memory", memory as f64);
        }
    }
}

fn set(values: &mut [f64; COUNT], key: &str, value: f64) {
    if let Some(place) = LINES.iter().position(|line| line.key == key) {
        values[place] = value;
    }
}

/// The history at the moment at which somebody looked.
#[derive(Debug, Clone)]
pub struct View {
    now: Instant,
    points: Vec<Point>,
    /// When the host was last read, by the wall clock; none before that.
    pub time: Option<SystemTime>,
    /// The processes that used most CPU at that moment, then those with most memory.
    pub top: Vec<Process>,
}

impl View {
    /// The points of a line, oldest first, that are known: seconds ago, and the value. One of them may be older
    /// than the span: where the line comes from.
    pub fn line(&self, key: &str) -> impl Iterator<Item = (f64, f64)> + '_ {
        let place = LINES.iter().position(|line| line.key == key);
        let known = move |point: &Point| {
            let value = place.map(|place| point.values[place]).filter(|value| value.is_finite())?;
            Some((self.now.saturating_duration_since(point.at).as_secs_f64(), value))
        };
        self.points.iter().filter_map(known)
    }

    /// As many points as there can be, by the line's key and the point's number.
    #[cfg(test)]
    pub(crate) fn fill(&mut self, value: impl Fn(&str, usize) -> f64) {
        let point = |number| {
            let ago = SPACING * (CAPACITY - number) as u32;
            let at = self.now.checked_sub(ago).unwrap_or(self.now);
            Point { at, values: std::array::from_fn(|place| value(LINES[place].key, number)) }
        };
        self.points = (0..CAPACITY).map(point).collect();
    }

    /// The last value of a line, unless it is from long before the last point.
    pub fn last(&self, key: &str) -> Option<f64> {
        let newest = self.now.saturating_duration_since(self.points.last()?.at).as_secs_f64();
        let (ago, value) = self.line(key).last()?;
        (ago - newest <= GAP.as_secs_f64()).then_some(value)
    }

    /// The highest value of a line within the span.
    pub fn highest(&self, key: &str) -> Option<f64> {
        let within = self.line(key).filter(|(ago, _)| *ago <= SPAN.as_secs_f64());
        within.map(|(_, value)| value).max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests;
