//! One connection to the peer, which ends when it is dropped.
//!
//! tonic's channel has no deadline of its own for a name that does not resolve or a peer that does not speak,
//! and a channel that is wedged stays so. So every step here has a deadline, and whoever meets a broken or a
//! silent connection drops it: all tasks of the connection end with it, its socket is closed at once, and
//! the next one asks for the address again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use hyper::rt::Executor;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tower_service::Service;

/// A boxed error, as the transport makes them.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How long the kernel may try to deliver bytes that nobody confirms.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(15);

/// The most header bytes that an answer may have; the status and its details are among them.
const MAX_HEADERS: u32 = 32 << 10;

/// What an answer may send before we have read it.
const WINDOW: u32 = 256 << 10;

/// Where to connect to, and how long each step may take.
#[derive(Debug, Clone)]
pub struct Target {
    /// `http://host:4317`, or `https://` for TLS with the system's roots.
    pub endpoint: Uri,
    /// For the name and the TCP connection.
    pub dial: Duration,
    /// For the TLS handshake.
    pub tls: Duration,
    /// After about this time a connection is replaced, so that load balancers, moved names and renewed
    /// certificates are noticed.
    pub lifetime: Duration,
}

impl Target {
    /// An endpoint with the deadlines of everyday.
    pub fn new(endpoint: Uri) -> Self {
        Self {
            endpoint,
            dial: Duration::from_secs(3),
            tls: Duration::from_secs(3),
            lifetime: Duration::from_mins(10),
        }
    }

    /// The endpoint for the log: without a path, which gRPC has no use for, and without a password.
    pub(super) fn name(&self) -> String {
        let scheme = self.endpoint.scheme_str().unwrap_or("http");
        let host = self.endpoint.host().unwrap_or_default();
        let port = self.endpoint.port().map_or(String::new(), |port| format!(":{port}"));
        format!("{scheme}://{host}{port}")
    }

    /// Whether the endpoint wants TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.endpoint.scheme_str() == Some("https")
    }

    /// Builds what connects. Reads the system's roots, so it may take some milliseconds.
    fn prepare(&self, executor: Tasks) -> Result<Endpoint, tonic::transport::Error> {
        let endpoint = Endpoint::from(self.endpoint.clone())
            .user_agent(concat!("hostmeter/", env!("CARGO_PKG_VERSION")))?
            .executor(executor)
            .http2_max_header_list_size(MAX_HEADERS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        if self.is_tls() {
            // Own authorities and client certificates join here.
            endpoint.tls_config(ClientTlsConfig::new().with_native_roots().timeout(self.tls))
        } else {
            Ok(endpoint)
        }
    }
}

/// A connection that is up.
pub(super) struct Connection {
    pub(super) channel: Channel,
    until: Instant,
    _alive: watch::Sender<()>,
}

impl Connection {
    /// Connects. `random` is from [0, 1) and spreads the replacements of many hosts.
    pub(super) async fn open(target: &Target, random: f64) -> Result<Self, BoxError> {
        let (alive, tasks) = watch::channel(());
        let prepare = {
            let target = target.clone();
            move || target.prepare(Tasks(tasks))
        };
        let endpoint =
            if target.is_tls() { tokio::task::spawn_blocking(prepare).await?? } else { prepare()? };
        let channel = timeout(target.dial + target.tls, endpoint.connect_with_connector(Dial::new(target)));
        let channel = channel.await.map_err(|_| Late("connection"))??;
        let until = Instant::now() + target.lifetime.mul_f64(0.8 + 0.4 * random);
        Ok(Self { channel, until, _alive: alive })
    }

    /// Whether it is time for a new one.
    pub(super) fn is_old(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// A step that took too long.
#[derive(Debug, thiserror::Error)]
#[error("{0} timed out")]
pub(super) struct Late(pub(super) &'static str);

/// Resolves the name and connects, both within one deadline.
#[derive(Clone)]
struct Dial {
    http: HttpConnector,
    deadline: Duration,
}

impl Dial {
    fn new(target: &Target) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // Shared out among the addresses of the name, so that a dead one does not use up the others' time.
        http.set_connect_timeout(Some(target.dial));
        // A flow that a firewall has forgotten would otherwise be tried for a quarter of an hour.
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(USER_TIMEOUT));
        Self { http, deadline: target.dial }
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Boxed<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, deadline) = (self.http.call(uri), self.deadline);
        Box::pin(async move { Ok(timeout(deadline, connecting).await.map_err(|_| Late("connection"))??) })
    }
}

/// Runs the tasks of a connection until the connection is dropped.
#[derive(Clone)]
struct Tasks(watch::Receiver<()>);

impl Executor<Boxed<()>> for Tasks {
    fn execute(&self, task: Boxed<()>) {
        let mut alive = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                // Nothing is ever sent: this ends when the sender is gone.
                _ = alive.changed() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_endpoint_is_not_in_its_name() {
        let name = |endpoint| Target::new(Uri::from_static(endpoint)).name();
        assert_eq!(name("https://user:secret@collector:4317/path"), "https://collector:4317");
        assert_eq!(name("http://[::1]"), "http://[::1]");
    }
}
