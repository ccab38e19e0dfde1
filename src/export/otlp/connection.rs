//! One connection to the peer, which ends when it is dropped.
//!
//! TCP, TLS and HTTP are put together here rather than by a client library, because none has a deadline for
//! each step, and a pool that is wedged stays so. Whoever meets a broken or a silent connection drops it: all
//! its tasks end with it, its socket is closed at once, and the next one asks for the address again.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Executor, Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use super::answer::Odd;
use super::call::Protocol;
use super::grpc;

/// A boxed error, as the transport makes them.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long the kernel may try to deliver bytes that nobody confirms.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(15);

/// The most header bytes that an answer may have; the status and its details are among them.
const MAX_HEADERS: usize = 32 << 10;

/// What an answer may send before we have read it.
const WINDOW: u32 = 256 << 10;

/// Where to connect to, and how long each step may take.
#[derive(Debug, Clone)]
pub struct Target {
    /// `http://host:4317`, or `https://` for TLS; with the path to post to where the protocol is HTTP.
    pub endpoint: Uri,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The gRPC method that is called.
    pub method: &'static str,
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
            protocol: Protocol::Grpc,
            method: grpc::METRICS,
            dial: Duration::from_secs(3),
            tls: Duration::from_secs(3),
            lifetime: Duration::from_mins(10),
        }
    }

    /// The endpoint for the log, without a password.
    pub(super) fn name(&self) -> String {
        let scheme = self.endpoint.scheme_str().unwrap_or("http");
        let host = self.endpoint.host().unwrap_or_default();
        let port = self.endpoint.port().map_or(String::new(), |port| format!(":{port}"));
        format!("{scheme}://{host}{port}")
    }
}

/// TLS towards one peer: whom to trust, who we are, and the name that the peer's certificate has to have.
#[derive(Clone)]
pub(super) struct Tls {
    pub config: Arc<ClientConfig>,
    pub name: ServerName<'static>,
}

/// A connection that is up.
pub(super) struct Connection {
    wire: Wire,
    until: Instant,
    _alive: watch::Sender<()>,
}

enum Wire {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects. `random` is from [0, 1) and spreads the replacements of many hosts.
    pub(super) async fn open(target: &Target, tls: Option<Tls>, random: f64) -> Result<Self, BoxError> {
        let (alive, tasks) = watch::channel(());
        let (tasks, grpc) = (Tasks(tasks), target.protocol == Protocol::Grpc);
        let stream = dial(target).await?;
        let wire = match tls {
            None if grpc => http2(TokioIo::new(stream), tasks).await?,
            None => http1(TokioIo::new(stream), &tasks).await?,
            Some(Tls { config, name }) => {
                let connecting = TlsConnector::from(config).connect(name, stream);
                let stream = timeout(target.tls, connecting).await.map_err(|_| Late("TLS handshake"))??;
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => http2(TokioIo::new(stream), tasks).await?,
                    _ if grpc => return Err(Odd::NotHttp2.into()),
                    _ => http1(TokioIo::new(stream), &tasks).await?,
                }
            }
        };
        let until = Instant::now() + target.lifetime.mul_f64(0.8 + 0.4 * random);
        Ok(Self { wire, until, _alive: alive })
    }

    /// Whether it is time for a new one, or this one was closed in peace.
    pub(super) fn is_over(&self) -> bool {
        let closed = match &self.wire {
            Wire::Http1(sender) => sender.is_closed(),
            Wire::Http2(sender) => sender.is_closed(),
        };
        closed || Instant::now() >= self.until
    }

    /// Sends a request with an absolute URI, and returns the answer as soon as it begins.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, BoxError> {
        match &mut self.wire {
            Wire::Http2(sender) => {
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
            Wire::Http1(sender) => {
                sender.ready().await?;
                // HTTP/1 has the host in a header and only the path on its first line.
                if let Some(authority) = request.uri().authority() {
                    let host = HeaderValue::from_str(authority.as_str())?;
                    request.headers_mut().insert(header::HOST, host);
                }
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                *request.uri_mut() = path.parse()?;
                Ok(sender.send_request(request).await?)
            }
        }
    }
}

async fn http2<T>(io: T, tasks: Tasks) -> hyper::Result<Wire>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(tasks.clone())
        .max_header_list_size(MAX_HEADERS as u32)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake(io)
        .await?;
    tasks.execute(connection);
    Ok(Wire::Http2(sender))
}

async fn http1<T>(io: T, tasks: &Tasks) -> hyper::Result<Wire>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new().max_buf_size(MAX_HEADERS).handshake(io).await?;
    tasks.execute(connection);
    Ok(Wire::Http1(sender))
}

/// A step that took too long.
#[derive(Debug, thiserror::Error)]
#[error("{0} timed out")]
pub(super) struct Late(pub(super) &'static str);

/// Resolves the name and connects, both within one deadline.
async fn dial(target: &Target) -> Result<TcpStream, BoxError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    // Shared out among the addresses of the name, so that a dead one does not use up the others' time.
    http.set_connect_timeout(Some(target.dial));
    // A flow that a firewall has forgotten would otherwise be tried for a quarter of an hour.
    #[cfg(target_os = "linux")]
    http.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let connecting = http.call(target.endpoint.clone());
    Ok(timeout(target.dial, connecting).await.map_err(|_| Late("connection"))??.into_inner())
}

/// Runs the tasks of a connection until the connection is dropped.
#[derive(Clone)]
struct Tasks(watch::Receiver<()>);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        let mut alive = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = task => {}
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
