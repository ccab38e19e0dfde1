//! Push, by OTLP.
//!
//! ```text
//! tick ─▶ source ─▶ request ─▶ pack ─▶ road (queue) ─▶ sender ─▶ call ─▶ connection ─▶ Collector
//!          (lane)   (ledger,                            (retry,   (grpc,        (credentials)
//!                   temporality)                  hint, journal)   http_protobuf)
//! ```
//!
//! The tick never waits for the sender: what cannot be sent waits in the queue. The sender never waits for
//! ever: each step has a deadline, and what fails is judged by one table, in `retry.rs`.

mod answer;
mod call;
mod connection;
mod credentials;
mod direct;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod grpc;
mod hint;
mod http_protobuf;
mod journal;
mod json;
mod key;
mod ledger;
mod pack;
mod request;
mod retry;
mod road;
mod schedule;
mod sender;
mod source;
mod temporality;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Uri};
use tokio::sync::watch;

use crate::queue::{self, Moment, Queue};
use crate::stats::Stats;

pub use call::Protocol;
pub use connection::Target;
pub use credentials::Security;
pub use json::to_json;
pub use pack::Compression;
pub use retry::Pace;
pub use source::{OtlpLane, Source};
pub use temporality::Temporality;

use credentials::Credentials;
use pack::Packer;
use road::Road;
use sender::Sender;

/// The longest that a collection may take.
const BUDGET: Duration = Duration::from_secs(2);

/// What the OTLP road needs to know.
#[derive(Clone)]
pub struct Settings {
    /// Where to, and the deadlines of connecting.
    pub target: Target,
    /// Between two collections.
    pub interval: Duration,
    /// For a whole call, from the first byte to the last trailer.
    pub timeout: Duration,
    /// Headers of every call, such as a token.
    pub headers: HeaderMap,
    /// TLS, and credentials in files.
    pub security: Security,
    /// How requests are compressed.
    pub compression: Compression,
    /// The most bytes of a request before compression. Servers take 4 MiB, and count after decompression.
    pub max_request: usize,
    /// How much may wait in memory, and how long.
    pub queue: queue::Limits,
    /// The waits between attempts.
    pub pace: Pace,
    /// What identifies this host among others, so that not all tick in the same moment.
    pub host: String,
    /// How long the end of the program may take to send what waits.
    pub grace: Duration,
}

impl Settings {
    /// An endpoint with the settings of everyday.
    pub fn new(endpoint: Uri) -> Self {
        Self {
            target: Target::new(endpoint),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            headers: HeaderMap::new(),
            security: Security::default(),
            compression: Compression::default(),
            max_request: 2 << 20,
            queue: queue::Limits::default(),
            pace: Pace::default(),
            host: String::new(),
            grace: Duration::from_secs(5),
        }
    }
}

/// Collects and sends until `shutdown`; then collects once more, sends what waits for as long as the grace
/// lasts, and counts the rest as lost by the shutdown.
///
/// It needs a runtime with time and network; one thread is enough. A collection runs on the runtime's pool for
/// blocking work, as does a look-up of a name, which can outlive the grace: end the runtime with
/// `shutdown_background`.
pub async fn run(
    source: impl Source,
    settings: Settings,
    stats: Arc<Stats>,
    shutdown: impl Future<Output = ()>,
) {
    let queue = Queue::in_memory(settings.queue);
    run_with(queue, source, settings, stats, shutdown).await;
}

/// The same with a queue that is open already, and that the end of the program leaves on disk.
pub async fn run_with(
    queue: Queue,
    source: impl Source,
    settings: Settings,
    stats: Arc<Stats>,
    shutdown: impl Future<Output = ()>,
) {
    let Settings { target, interval, timeout, grace, .. } = settings;
    let credentials = Credentials::new(settings.security, &target, settings.headers);
    let road = Arc::new(Road::new(queue, stats));
    let limit = Arc::new(AtomicUsize::new(settings.max_request));
    let (drain, draining) = watch::channel(false);
    let sender =
        Sender::new(Arc::clone(&road), target, credentials, timeout, settings.pace, Arc::clone(&limit));
    let collection = Collection {
        source: Arc::new(Mutex::new(source)),
        road: Arc::clone(&road),
        limit,
        compression: settings.compression,
        budget: BUDGET.min(interval.mul_f64(0.8)),
    };
    let mut sending = pin!(sender.run(draining));
    let ticking = collection.every(interval, schedule::offset(&settings.host, interval));
    tokio::select! {
        () = shutdown => {}
        // Neither ends before the road is closed.
        _ = async { tokio::join!(ticking, &mut sending, road.tend()) } => {}
    }
    drain.send_replace(true);
    let finish = async {
        collection.once().await;
        road.close();
    };
    let in_time = tokio::time::timeout(grace, async { tokio::join!(finish, sending) }).await.is_ok();
    let lost = road.finish().await;
    let kept = road.waiting();
    match lost {
        None => tracing::warn!("the end came before the queue's disk had answered"),
        Some(lost) if lost > 0 || !in_time && kept == 0 => {
            tracing::warn!(points = lost, "the end came before everything was sent");
        }
        Some(_) if kept > 0 => tracing::info!(batches = kept, "what was not sent waits on disk"),
        Some(_) => {}
    }
}

/// What happens at a tick.
struct Collection<S> {
    source: Arc<Mutex<S>>,
    road: Arc<Road>,
    limit: Arc<AtomicUsize>,
    compression: Compression,
    budget: Duration,
}

impl<S: Source> Collection<S> {
    /// Ticks for ever.
    async fn every(&self, interval: Duration, offset: Duration) {
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
        let (source, road) = (Arc::clone(&self.source), Arc::clone(&self.road));
        let mut packer = Packer::new(self.limit.load(Ordering::Relaxed), self.compression);
        let budget = self.budget;
        let work = tokio::task::spawn_blocking(move || {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            source.collect(budget, &mut |resource| packer.push(resource));
            road.push(packer.finish());
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "a collection failed; please report this");
        }
    }
}
