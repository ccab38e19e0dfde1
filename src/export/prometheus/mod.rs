//! The way out that Prometheus asks: a page in its text format, over HTTP.
//!
//! ```text
//!   socket ─▶ server ─▶ connection ─▶ door ─▶ answer ─┬▶ flight ─▶ page ─▶ text
//!             (how many) (how long)   (who)   (what)  └▶ status
//! ```
//!
//! The page is made when it is asked for, so its values are fresh; all who ask at the same time share one.
//! `Accept` chooses the format: the text format 0.0.4 or 1.0.0, or OpenMetrics, by the specification of
//! OpenTelemetry's Prometheus exporter 1.60.

mod answer;
mod bind;
mod connection;
mod door;
#[cfg(test)]
mod fixture;
mod flight;
mod format;
mod gzip;
mod html;
mod names;
mod page;
mod password;
mod reload;
mod san;
mod server;
mod status;
mod text;
mod tls;
mod transport;

use std::time::Duration;

use crate::dialect::Voice;

pub use bind::{BindError, Server};
pub use door::{Door, WebError};
pub use format::Shape;
pub use names::{Strategy, name};
pub use page::{Page, Rendered};
pub use reload::{ReloadAsked, Reloads};
pub use server::Site;
pub use text::Writer;

/// How the page is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A name or an address; a name is listened to at all its addresses.
    pub bind_address: String,
    /// The port; 0 is any that is free, the same at all addresses.
    pub port: u16,
    /// Hosts and ports to listen on instead, where there are any.
    pub listen: Vec<(String, u16)>,
    /// Which names there are.
    pub voice: Voice,
    /// What names look like.
    pub strategy: Strategy,
    /// Whether every series has `otel_scope_*` labels. The specification has them on by default; here they
    /// are off, because all series are of one scope: three labels on each would be a third of the page, and
    /// tell nothing that `target_info` does not.
    pub scope_labels: bool,
    /// Attributes of the resource that every series has as labels, beside `target_info`.
    pub resource_labels: Vec<String>,
    /// How long a scrape may wait for collectors where it does not say so itself.
    pub budget: Duration,
    /// What a client may take.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // The specification's defaults.
            bind_address: "localhost".to_owned(),
            port: 9464,
            listen: Vec::new(),
            voice: Voice::default(),
            strategy: Strategy::default(),
            scope_labels: false,
            resource_labels: Vec::new(),
            // Longer than a cycle of the sampler may take, so that what misses the page is what hangs.
            budget: Duration::from_millis(2500),
            limits: Limits::default(),
        }
    }
}

/// What a client may take of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a connection, or the first byte of a further request, to the end of the request's head.
    pub head: Duration,
    /// From there to the beginning of the answer.
    pub request: Duration,
    /// Between two pieces of the answer that the client takes.
    pub stall: Duration,
    /// For the whole answer: a client that takes a byte now and then is not served for ever.
    pub answer: Duration,
    /// Between two requests of one connection.
    pub idle: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one address that is not of this machine.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            request: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            answer: Duration::from_mins(1),
            // Longer than the usual scrape interval, so that Prometheus keeps its connection.
            idle: Duration::from_mins(1),
            connections: 64,
            connections_per_address: 8,
        }
    }
}
