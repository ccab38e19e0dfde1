//! One cycle: every collector once, each within its deadline.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::collectors::{Collector, Context, Turn};
use crate::host::own::Usage;
use crate::host::{Error, Host, is_root};
use crate::metric::Reading;
use crate::stats::Stats;

use super::governor::{Change, DEAR, Governor, Limits};
use super::plan::Planned;
use super::reader::Reader;
use super::worker::{Done, Failure, Job, Worker, run};
use super::{COLLECTOR_DEADLINE, CYCLE_DEADLINE, MAX_STUCK, Shared, Source};

/// A collector and what is kept of it between cycles.
pub(super) struct Slot {
    /// What it is known by, whatever its place.
    id: u64,
    source: Source,
    /// Absent while a worker has it, which for one that hangs may be for ever.
    collector: Option<Box<dyn Collector>>,
    ceiling: usize,
    last: Option<Arc<Reading>>,
    /// The kinds of problems of the last run, so that only a change is logged.
    problems: BTreeSet<&'static str>,
    /// Its last run took a good part of the cycle.
    dear: bool,
    /// It was frugal then.
    frugal: bool,
}

impl Slot {
    fn new(planned: Planned, kept: Option<Slot>) -> Self {
        let Planned { id, source, ceiling, collector } = planned;
        let (mut out, problems) = (collector, BTreeSet::new());
        let Some(old) = kept else {
            return Self {
                id,
                source,
                collector: out,
                ceiling,
                last: None,
                problems,
                dear: false,
                frugal: false,
            };
        };
        // It goes on with all that it remembers; one that hangs comes back to it.
        out = out.or(old.collector);
        Self {
            id,
            source,
            collector: out,
            ceiling,
            last: None,
            problems: old.problems,
            dear: old.dear,
            frugal: old.frugal,
        }
    }

    fn name(&self) -> &'static str {
        self.source.spec.name
    }

    /// The last reading, while it is younger than the collector's interval, or that of the governor where it is dear.
    fn still_good(&self, governor: &Governor) -> Option<Arc<Reading>> {
        let mut interval = self.source.interval;
        if self.dear && self.frugal == governor.frugal() {
            interval = interval.max(governor.interval());
        }
        self.last.clone().filter(|reading| reading.instant.elapsed() < interval)
    }
}

/// How often the driver looks at what a cycle under way has so far. Being woken for each collector would be two
/// dozen changes of thread, a fifth of what a scrape costs (measured).
const LOOK: Duration = Duration::from_millis(20);

/// The places of the readers.
const MAIN: usize = 0;
const ASIDE: usize = 1;

/// Drives the cycles, on the sampler's thread.
pub(super) struct Driver {
    host: Arc<Host>,
    stats: Arc<Stats>,
    slots: Vec<Slot>,
    /// The one that reads, and the one beside it, which is there only while it has something to do.
    readers: [Reader; 2],
    done: Receiver<Done>,
    tell: Sender<Done>,
    /// Workers that hang.
    stuck: usize,
    cycle: u64,
    governor: Governor,
    /// The beginning of the governor's time.
    since: Instant,
}

impl Driver {
    pub(super) fn new(host: Arc<Host>, stats: Arc<Stats>) -> Self {
        let (tell, done) = channel();
        let governor = Governor::new(Limits::default());
        let since = Instant::now();
        let (slots, readers) = (Vec::new(), Default::default());
        Self { host, stats, slots, readers, done, tell, stuck: 0, cycle: 0, governor, since }
    }

    /// Takes up another plan; a slot with the id of an old one goes on with its collector.
    fn adopt(&mut self, plan: Vec<Planned>) {
        let mut old: BTreeMap<u64, Slot> = self.slots.drain(..).map(|slot| (slot.id, slot)).collect();
        let slots = plan.into_iter().map(|planned| {
            let kept = old.remove(&planned.id);
            Slot::new(planned, kept)
        });
        self.slots = slots.collect();
        let mut counts = self.stats.lock();
        for gone in old.values().filter(|gone| !self.slots.iter().any(|slot| slot.name() == gone.name())) {
            // Its counters stay with it where it is kept; of one that is off, the last state would be a lie.
            counts.collectors.remove(gone.name());
        }
    }

    pub(super) fn run(&mut self, shared: &Shared) {
        let began = Instant::now();
        self.cycle += 1;
        for plan in shared.plans() {
            self.adopt(plan);
        }
        shared.begin(self.slots.len());
        self.welcome_back();
        let last = self.hand_out(shared);
        while let Some((late, deadline)) = self.first_deadline() {
            let deadline = deadline.min(began + CYCLE_DEADLINE);
            match self.done.try_recv() {
                Ok(done) if done.cycle == self.cycle => {
                    // One that was given up is late, and welcome; its thread hangs no more.
                    if !self.readers.iter_mut().any(|reader| reader.settled(done.place)) {
                        self.stuck = self.stuck.saturating_sub(1);
                    }
                    self.settle(done, shared);
                }
                Ok(late) => self.take_back(late),
                Err(_) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        self.give_up_on(late, began.elapsed() >= CYCLE_DEADLINE);
                    } else {
                        std::thread::park_timeout(left.min(LOOK));
                    }
                }
            }
        }
        self.readers[ASIDE].dismiss();
        for job in last {
            let done = run(&self.host, job);
            self.settle(done, shared);
        }
        shared.finish(began);
        self.govern(shared.lock().limits);
    }

    /// How many workers hang.
    #[cfg(test)]
    pub(super) fn stuck(&self) -> usize {
        self.stuck
    }

    /// The reader of which something is awaited first, and by when; none where nothing is.
    fn first_deadline(&self) -> Option<(usize, Instant)> {
        let busy = self.readers.iter().enumerate().filter(|(_, reader)| reader.is_busy());
        busy.map(|(which, reader)| (which, reader.deadline())).min_by_key(|(_, deadline)| *deadline)
    }

    /// Makes do with less, or with more again, as the ceilings ask for it.
    fn govern(&mut self, limits: Limits) {
        if self.governor.limits() != limits {
            self.governor = Governor::new(limits);
        }
        let bounded = limits != Limits::default();
        if let Some(Change { step, eased, why }) =
            bounded.then(|| self.governor.judge(self.since.elapsed(), Usage::now())).flatten()
        {
            if eased {
                tracing::info!(step, why, "resource_limits: the agent reads more again");
            } else {
                tracing::warn!(step, why, "resource_limits: the agent makes do with less");
            }
        }
        let mut counts = self.stats.lock();
        counts.limit_step = bounded.then(|| self.governor.step());
        let took = |slot: &Slot| counts.collectors.get(slot.name()).map_or(0.0, |c| c.duration.as_secs_f64());
        let all: f64 = self.slots.iter().map(took).sum();
        for slot in &mut self.slots {
            slot.dear = took(slot) > DEAR * all;
        }
    }

    /// Takes back what hung in an earlier cycle and has returned since.
    fn welcome_back(&mut self) {
        while let Ok(late) = self.done.try_recv() {
            self.take_back(late);
        }
    }

    fn take_back(&mut self, late: Done) {
        self.stuck = self.stuck.saturating_sub(1);
        // One that a new configuration has replaced meanwhile is not missed.
        let Some(place) = self.slots.iter().position(|slot| slot.id == late.slot) else { return };
        tracing::info!(collector = self.slots[place].name(), "answers again");
        self.restore(place, late.collector);
    }

    /// Gives the readers what they are to do in this cycle; those who tell of the others are returned.
    fn hand_out(&mut self, shared: &Shared) -> VecDeque<Job> {
        let mut jobs = VecDeque::with_capacity(self.slots.len());
        let start = self.host.boot_time;
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if let Some(reading) = slot.still_good(&self.governor) {
                shared.put(place, reading);
            } else if let Some(mut collector) = slot.collector.take() {
                slot.last = None;
                slot.frugal = self.governor.frugal();
                collector.be_frugal(slot.frugal);
                let Slot { id, source, ceiling, .. } = slot;
                let enabled = |metric: &_| source.enabled(metric);
                let reading = Reading::new(source.spec.name, source.spec.metrics, enabled, *ceiling, start);
                jobs.push_back(Job { place, slot: *id, cycle: self.cycle, collector, reading });
            } else {
                record_timeout(&self.stats, slot);
            }
        }
        jobs.make_contiguous().sort_by_key(|job| job.collector.turn());
        let last = jobs.split_off(jobs.partition_point(|job| job.collector.turn() < Turn::Last));
        let aside = jobs.split_off(jobs.partition_point(|job| job.collector.turn() < Turn::Aside));
        // What takes long begins first.
        self.give(ASIDE, aside);
        self.give(MAIN, jobs);
        last
    }

    fn give(&mut self, which: usize, jobs: VecDeque<Job>) {
        let (host, tell) = (&self.host, &self.tell);
        let given = self.readers[which].give(jobs, || Worker::spawn(Arc::clone(host), tell.clone()));
        if let Err(error) = given {
            tracing::error!(%error, "no thread to read the host with; this cycle is left out");
            let rest = self.readers[which].take_rest();
            self.leave_out(rest);
        }
    }

    /// The collector that runs now is late: it keeps its thread, and the rest goes on with another.
    fn give_up_on(&mut self, which: usize, out_of_time: bool) {
        let (late, rest) = self.readers[which].abandon();
        for place in late {
            record_timeout(&self.stats, &mut self.slots[place]);
        }
        self.stuck += 1;
        if out_of_time || self.stuck >= MAX_STUCK {
            self.leave_out(rest);
        } else {
            self.give(which, rest);
        }
    }

    /// Gives the collectors that did not get their turn back to their slots.
    fn leave_out(&mut self, jobs: VecDeque<Job>) {
        for job in jobs {
            let slot = &mut self.slots[job.place];
            slot.collector = Some(job.collector);
            record_timeout(&self.stats, slot);
        }
    }

    fn restore(&mut self, place: usize, collector: Option<Box<dyn Collector>>) {
        let slot = &mut self.slots[place];
        let context = Context { host: &self.host, stats: &self.stats };
        // A section that could be built once can be built again.
        slot.collector = collector.or_else(|| slot.source.build(&context).ok());
    }

    fn settle(&mut self, done: Done, shared: &Shared) {
        let Done { place, collector, reading, result, took, .. } = done;
        self.restore(place, collector);
        let slot = &mut self.slots[place];
        let mut problems: Vec<(&'static str, String)> =
            reading.problems.iter().map(|e| (e.kind(), e.to_string())).collect();
        let up = result.is_ok();
        match result {
            Ok(()) => {}
            Err(Failure::Error(error)) => problems.push((error.kind(), error.to_string())),
            Err(Failure::Panic(message)) => problems.push(("panic", message)),
        }
        record(&self.stats, slot, &reading, took, up, &problems);
        let reading = Arc::new(reading);
        if up {
            shared.put(place, Arc::clone(&reading));
        }
        slot.last = up.then_some(reading);
    }
}

fn record_timeout(stats: &Stats, slot: &mut Slot) {
    let millis = COLLECTOR_DEADLINE.as_millis() as u64;
    let error = Error::Timeout { path: slot.name().to_owned(), millis };
    let problems = [(error.kind(), error.to_string())];
    let empty = Reading::new(slot.name(), &[], |_| false, 0, std::time::UNIX_EPOCH);
    record(stats, slot, &empty, COLLECTOR_DEADLINE, false, &problems);
    slot.last = None;
}

/// Writes down how a run went, and logs it where that has changed since the last run.
fn record(
    stats: &Stats,
    slot: &mut Slot,
    reading: &Reading,
    took: Duration,
    up: bool,
    problems: &[(&'static str, String)],
) {
    let kinds: BTreeSet<&'static str> = problems.iter().map(|(kind, _)| *kind).collect();
    for (kind, text) in problems {
        if slot.problems.contains(kind) {
            continue;
        }
        slot.problems.insert(kind);
        log(slot.source.spec.name, kind, text);
    }
    let mut counts = stats.lock();
    let entry = counts.collectors.entry(slot.source.spec.name).or_default();
    for kind in &kinds {
        // What this host does not have is counted once, not once a scrape.
        let count = entry.errors.entry(kind).or_default();
        if *kind != "unavailable" || *count == 0 {
            *count += 1;
        }
    }
    entry.duration = took;
    entry.up = up;
    entry.points = if up { reading.len() } else { 0 };
    entry.problem = problems.last().map(|(_, text)| text.clone());
    if up {
        entry.last_success = Some(reading.time);
    }
    drop(counts);
    if kinds.is_empty() && !slot.problems.is_empty() {
        tracing::info!(collector = slot.source.spec.name, "good again");
    }
    slot.problems = kinds;
}

fn log(collector: &'static str, kind: &'static str, problem: &str) {
    match kind {
        "unavailable" => tracing::debug!(collector, problem, "not on this host"),
        "permission" if is_root() => tracing::info!(collector, problem, "not permitted, even to root here"),
        "permission" => tracing::info!(
            collector,
            problem,
            "not permitted; run as root, or give the capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
        ),
        "timeout" => tracing::warn!(collector, problem, "late; left out until it answers"),
        "panic" => tracing::error!(collector, problem, "panicked; please report this; built anew"),
        _ => tracing::warn!(collector, problem, "could not be read"),
    }
}
