//! One connection: HTTP/1 by hyper, and a deadline for every phase of it.
//!
//! hyper's only timeout runs from the end of one request to the end of the next one's head, so it cannot be
//! short for a head and long for an idle connection, and it knows nothing of a client that does not read.
//! Here the stream itself tells what happens, and a connection whose phase is over time is dropped.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Limits;
use super::answer::{answer, refuse};
use super::server::Site;
use super::transport::Transport;

/// A request line and its headers; hyper answers 431 beyond.
const MAX_HEAD: usize = 16 << 10;

/// How much of what a client has sent is taken from it before its connection is closed.
const MAX_LINGER: usize = 256 << 10;

/// After how long without a piece of the answer a client has to make room where all places are taken. Over no
/// network does a client that reads take nothing for so long, unless packets are lost.
const STALLED: Duration = Duration::from_secs(1);

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle,
    /// A request is expected, or a part of it is there.
    Head,
    /// The request is there, the answer is not.
    Request,
    /// The answer is on its way, until the given moment at the latest.
    Answer(Instant),
}

/// What a connection does, since when, and until when it may.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pulse {
    phase: Phase,
    since: Instant,
    until: Instant,
}

impl Pulse {
    /// Since when the connection has been without a request, or its client has taken nothing of an answer; none
    /// while it is being served.
    pub(super) fn quiet_since(self) -> Option<Instant> {
        let is_quiet = match self.phase {
            Phase::Idle | Phase::Head => true,
            Phase::Request => false,
            Phase::Answer(_) => self.since.elapsed() >= STALLED,
        };
        is_quiet.then_some(self.since)
    }
}

/// The writing end of a connection's pulse.
#[derive(Clone)]
pub(super) struct Heart {
    pulse: Arc<watch::Sender<Pulse>>,
    limits: Limits,
}

impl Heart {
    pub(super) fn new(limits: Limits) -> Self {
        let since = Instant::now();
        let pulse = Pulse { phase: Phase::Head, since, until: since + limits.head };
        Self { pulse: Arc::new(watch::Sender::new(pulse)), limits }
    }

    pub(super) fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    fn beat(&self, next: impl FnOnce(Phase, Instant) -> Option<(Phase, Instant)>) {
        self.pulse.send_if_modified(|pulse| {
            let since = Instant::now();
            let Some((phase, until)) = next(pulse.phase, since) else { return false };
            // Whoever waits for the deadline looks again when it comes, so only an earlier one is news.
            let news = until < pulse.until;
            *pulse = Pulse { phase, since, until };
            news
        });
    }

    /// The handshake is done; the request has its own time.
    fn shaken(&self) {
        self.beat(|_, now| Some((Phase::Head, now + self.limits.head)));
    }

    fn read(&self) {
        self.beat(|phase, now| (phase == Phase::Idle).then_some((Phase::Head, now + self.limits.head)));
    }

    fn requested(&self) {
        self.beat(|_, now| Some((Phase::Request, now + self.limits.request)));
    }

    fn answered(&self) {
        let Limits { stall, answer, .. } = self.limits;
        self.beat(|_, now| Some((Phase::Answer(now + answer), now + stall.min(answer))));
    }

    fn wrote(&self) {
        self.beat(|phase, now| match phase {
            Phase::Answer(end) => Some((phase, end.min(now + self.limits.stall))),
            _ => None,
        });
    }

    /// hyper flushes the stream when it has written all it has, and an answer of ours is one piece.
    fn flushed(&self) {
        self.beat(|phase, now| {
            matches!(phase, Phase::Answer(_)).then_some((Phase::Idle, now + self.limits.idle))
        });
    }
}

/// Serves a connection until it ends, is over time, or `closing` is told and the answer under way is sent.
pub(super) async fn serve(
    stream: TcpStream,
    site: watch::Receiver<Arc<Site>>,
    heart: Heart,
    mut closing: watch::Receiver<bool>,
) {
    let local = stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    let mut over_time = pin!(over_time(heart.pulse()));
    let door = Arc::clone(&site.borrow().door);
    let secured = async { Transport::new(stream, door.rules().await.tls.clone()).await };
    let transport = tokio::select! {
        transport = secured => transport,
        () = over_time.as_mut() => None,
    };
    let Some(transport) = transport else { return };
    heart.shaken();
    let stream = TokioIo::new(Stream { inner: transport, heart: heart.clone() });
    let service = service_fn(|request| {
        heart.requested();
        let (site, heart) = (Arc::clone(&site.borrow()), heart.clone());
        async move {
            let rules = site.door.rules().await;
            let mut response = match site.door.admit(&rules, request.headers()).await {
                Ok(()) => answer(&site, &request, local || rules.knows_its_clients()).await,
                Err(refusal) => refuse(refusal),
            };
            for (name, value) in rules.headers() {
                response.headers_mut().insert(name, value.clone());
            }
            heart.answered();
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // An error is a client's that went away or did not speak HTTP, which is its own affair.
            _ = connection.as_mut() => return,
            () = over_time.as_mut() => return,
            Ok(()) = closing.changed() => connection.as_mut().graceful_shutdown(),
        }
    }
}

async fn over_time(mut pulse: watch::Receiver<Pulse>) {
    loop {
        let until = pulse.borrow_and_update().until;
        if until <= Instant::now() {
            return;
        }
        tokio::select! {
            () = sleep_until(until) => {}
            Ok(()) = pulse.changed() => {}
        }
    }
}

/// A stream that tells the heart what happens on it.
struct Stream {
    inner: Transport,
    heart: Heart,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heart.read();
        }
        poll
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.progress(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.progress(poll)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_flush(cx);
        if matches!(poll, Poll::Ready(Ok(()))) {
            self.heart.flushed();
        }
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_shutdown(cx);
        if poll.is_ready() {
            discard(self.inner.tcp());
        }
        poll
    }
}

impl Stream {
    fn progress(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(poll, Poll::Ready(Ok(1..))) {
            self.heart.wrote();
        }
        poll
    }
}

/// Takes what a client has sent and nobody will read: a socket that is closed over unread bytes resets the
/// connection, and the client may lose the answer that tells it why.
pub(super) fn discard(stream: &TcpStream) {
    let mut rest = [0; 4096];
    let mut taken = 0;
    while let Ok(read @ 1..) = stream.try_read(&mut rest) {
        taken += read;
        if taken > MAX_LINGER {
            break;
        }
    }
}
