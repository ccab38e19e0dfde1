//! The road for as long as the agent lives: one queue, and the source and the sender of the configuration that is
//! in use.
//!
//! Another configuration takes over without losing or repeating anything: the tick and its memory go over at
//! once, the old sender ends the attempt that is on, and only then the new one begins, so that there is never
//! more than one batch on its way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::queue::{Moment, Queue};
use crate::stats::Stats;
use crate::supervise::supervise;

use super::credentials::Credentials;
use super::pack::{Compression, Packer};
use super::road::Road;
use super::sender::{Phase, Sender};
use super::{Settings, Source, schedule};

/// The longest that a collection may take.
const BUDGET: Duration = Duration::from_secs(2);

/// The road, its queue, and who collects and sends at the moment. Dropping it ends all of it at once.
pub struct Pusher<S> {
    road: Arc<Road>,
    stats: Arc<Stats>,
    /// What looks after the queue.
    _tending: JoinSet<()>,
    now: Option<Epoch<S>>,
    /// The last source, for what it remembers.
    source: Option<Arc<Mutex<Line<S>>>>,
    /// A sender that ends its last attempt; the channel closes with it.
    leaving: Option<(JoinSet<()>, oneshot::Receiver<()>)>,
}

/// One configuration of the road.
struct Epoch<S> {
    collection: Collection<S>,
    grace: Duration,
    phase: watch::Sender<Phase>,
    _ticking: JoinSet<()>,
    sending: JoinSet<()>,
    sent: oneshot::Receiver<()>,
}

/// A source and the one before it, until it has gone on from there.
struct Line<S> {
    source: S,
    before: Option<Arc<Mutex<Line<S>>>>,
    /// Another source has gone on from here.
    over: bool,
}

impl<S: Source> Line<S> {
    fn settle_in(&mut self) {
        if let Some(before) = self.before.take() {
            // A collection of the old one that is still on is waited for here.
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            before.settle_in();
            self.source.succeed(&mut before.source);
            before.over = true;
        }
    }
}

impl<S: Source> Pusher<S> {
    /// A road that waits for [`Pusher::change`]. It needs a runtime.
    pub fn new(queue: Queue, stats: Arc<Stats>) -> Self {
        let road = Arc::new(Road::new(queue, Arc::clone(&stats)));
        let (tended, counts) = (Arc::clone(&road), Arc::clone(&stats));
        let mut tending = JoinSet::new();
        tending.spawn(supervise("queue", counts, move || {
            let road = Arc::clone(&tended);
            async move { road.tend().await }
        }));
        Self { road, stats, _tending: tending, now: None, source: None, leaving: None }
    }

    /// From now on this is collected and sent like that; none: nothing, and what waits is kept.
    pub fn change(&mut self, next: Option<(S, Settings)>) {
        let mut before = self.leaving.take();
        if let Some(Epoch { phase, sending, sent, .. }) = self.now.take() {
            phase.send_replace(Phase::Leave);
            before = Some((sending, sent));
        }
        let target = next.as_ref().map(|(_, settings)| settings.target.name());
        self.stats.lock().export.target = target.unwrap_or_default();
        let Some((source, settings)) = next else {
            self.leaving = before;
            return;
        };
        let line = Arc::new(Mutex::new(Line { source, before: self.source.take(), over: false }));
        self.source = Some(Arc::clone(&line));
        let limit = Arc::new(AtomicUsize::new(settings.max_request));
        let Settings { interval, grace, compression, .. } = settings;
        let collection = Collection {
            line,
            road: Arc::clone(&self.road),
            stats: Arc::clone(&self.stats),
            limit: Arc::clone(&limit),
            compression,
            budget: BUDGET.min(interval.mul_f64(0.8)),
        };
        let offset = schedule::offset(&settings.host, interval);
        let mut ticking = JoinSet::new();
        ticking.spawn(supervise("tick", Arc::clone(&self.stats), {
            let collection = collection.clone();
            move || collection.clone().every(interval, offset)
        }));
        let (phase, told) = watch::channel(Phase::Run);
        let (done, sent) = oneshot::channel();
        let (road, stats) = (Arc::clone(&self.road), Arc::clone(&self.stats));
        let mut sending = JoinSet::new();
        sending.spawn(async move {
            let _done: oneshot::Sender<()> = done;
            if let Some((_sending, sent)) = before {
                // An error says that it has ended, which is what is waited for.
                let _ = sent.await;
            }
            supervise("sender", stats, || {
                let Settings { target, security, headers, timeout, pace, .. } = settings.clone();
                let credentials = Credentials::new(security, &target, headers);
                let road = Arc::clone(&road);
                Sender::new(road, target, credentials, timeout, pace, Arc::clone(&limit)).run(told.clone())
            })
            .await;
        });
        self.now = Some(Epoch { collection, grace, phase, _ticking: ticking, sending, sent });
    }

    /// Collects once more, sends what waits for as long as the grace lasts, and leaves the rest on disk or counts
    /// it as lost by the end.
    pub async fn finish(mut self) {
        let mut in_time = true;
        if let Some(Epoch { collection, grace, phase, _ticking: ticking, sending, sent }) = self.now.take() {
            drop(ticking);
            phase.send_replace(Phase::Drain);
            let finish = async {
                collection.once().await;
                self.road.close();
            };
            let all = async { tokio::join!(finish, sent) };
            in_time = tokio::time::timeout(grace, all).await.is_ok();
            drop(sending);
        }
        let lost = self.road.finish().await;
        let kept = self.road.waiting();
        match lost {
            None => tracing::warn!("the end came before the queue's disk had answered"),
            Some(lost) if lost > 0 || !in_time && kept == 0 => {
                tracing::warn!(points = lost, "the end came before everything was sent");
            }
            Some(_) if kept > 0 => tracing::info!(batches = kept, "what was not sent waits on disk"),
            Some(_) => {}
        }
    }
}

/// What happens at a tick.
struct Collection<S> {
    line: Arc<Mutex<Line<S>>>,
    road: Arc<Road>,
    stats: Arc<Stats>,
    limit: Arc<AtomicUsize>,
    compression: Compression,
    budget: Duration,
}

// Derived, it would want sources that can be cloned, too.
impl<S> Clone for Collection<S> {
    fn clone(&self) -> Self {
        let Self { line, road, stats, limit, compression, budget } = self;
        let (line, road, stats, limit) = (line.clone(), road.clone(), stats.clone(), limit.clone());
        Self { line, road, stats, limit, compression: *compression, budget: *budget }
    }
}

impl<S: Source> Collection<S> {
    /// Ticks for ever.
    async fn every(self, interval: Duration, offset: Duration) {
        let start = Moment::now();
        let mut due = start.boot + schedule::until_next(start.time, interval, offset);
        loop {
            tokio::time::sleep(due.saturating_sub(Moment::now().boot)).await;
            let began = Moment::now().boot;
            self.once().await;
            due = schedule::after_tick(due, began, Moment::now().boot, interval);
        }
    }

    /// Collects, encodes and queues, off the runtime's thread.
    async fn once(&self) {
        let (line, road) = (Arc::clone(&self.line), Arc::clone(&self.road));
        let mut packer = Packer::new(self.limit.load(Ordering::Relaxed), self.compression);
        let budget = self.budget;
        let work = tokio::task::spawn_blocking(move || {
            let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
            // A collection of the old one that only begins now would begin anew: what it remembered has been taken.
            if line.over {
                return;
            }
            line.settle_in();
            line.source.collect(budget, &mut |resource| packer.push(resource));
            road.push(packer.finish());
        });
        if let Err(error) = work.await {
            self.stats.panicked("collection");
            tracing::error!(%error, "a collection failed; please report this");
        }
    }
}
