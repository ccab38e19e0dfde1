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
mod probe;
mod pusher;
mod records;
mod request;
mod retry;
mod road;
mod schedule;
mod sender;
mod source;
mod temporality;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri};

use crate::queue::{self, Queue};
use crate::stats::Stats;

pub use call::Protocol;
pub use connection::Target;
pub use credentials::Security;
pub use json::to_json;
pub use pack::Compression;
pub use probe::probe;
pub use pusher::Pusher;
pub use records::Records;
pub use retry::Pace;
pub use source::{OtlpLane, Source};
pub use temporality::Temporality;

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
    let mut pusher = Pusher::new(Queue::in_memory(settings.queue), stats);
    pusher.change(Some((source, settings)));
    shutdown.await;
    pusher.finish().await;
}
