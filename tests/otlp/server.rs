//! Peers: a true OTLP server that answers as it is told, and others that misbehave.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What the server is to answer.
#[derive(Clone)]
pub(crate) enum Answer {
    Refuse(Code, Option<Duration>),
    Partly(i64, &'static str),
}

/// What it has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The numbers that it has taken, in their order.
    pub(crate) taken: Vec<i64>,
    /// When it was called, with the first number of the request.
    pub(crate) calls: Vec<(Instant, i64)>,
    pub(crate) metadata: MetadataMap,
    pub(crate) peers: BTreeSet<SocketAddr>,
}

/// An OTLP server; it takes everything for which no other answer is planned.
#[derive(Clone, Default)]
pub(crate) struct Server {
    pub(crate) seen: Arc<Mutex<Seen>>,
    planned: Arc<Mutex<VecDeque<Answer>>>,
}

#[tonic::async_trait]
impl MetricsService for Server {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut seen = self.seen.lock().unwrap();
        seen.metadata = request.metadata().clone();
        seen.peers.extend(request.remote_addr());
        let numbers = numbers(request.get_ref());
        seen.calls.push((Instant::now(), numbers[0]));
        let mut answer = ExportMetricsServiceResponse::default();
        match self.planned.lock().unwrap().pop_front() {
            Some(Answer::Refuse(code, wish)) => {
                let details =
                    wish.map_or_else(ErrorDetails::new, |wish| ErrorDetails::with_retry_info(Some(wish)));
                return Err(Status::with_error_details(code, "as planned", details));
            }
            Some(Answer::Partly(rejected_data_points, message)) => {
                let error_message = message.to_owned();
                answer.partial_success =
                    Some(ExportMetricsPartialSuccess { rejected_data_points, error_message });
            }
            None => {}
        }
        seen.taken.extend(numbers);
        Ok(Response::new(answer))
    }
}

pub(crate) fn numbers(request: &ExportMetricsServiceRequest) -> Vec<i64> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics);
    let points = metrics.flat_map(|metric| match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter(),
        other => panic!("{other:?}"),
    });
    points
        .map(|point| match point.value {
            Some(Value::AsInt(n)) => n,
            other => panic!("{other:?}"),
        })
        .collect()
}

impl Server {
    pub(crate) fn planning(answers: impl IntoIterator<Item = Answer>) -> Self {
        let planned = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { planned, ..Self::default() }
    }

    /// Serves at a port of its own, and returns the endpoint.
    pub(crate) async fn serve(&self) -> String {
        let (listener, endpoint) = listen().await;
        self.serve_at(listener);
        endpoint
    }

    pub(crate) fn serve_at(&self, listener: TcpListener) {
        let service = MetricsServiceServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd);
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    }

    pub(crate) fn taken(&self) -> Vec<i64> {
        self.seen.lock().unwrap().taken.clone()
    }

    pub(crate) fn calls(&self) -> Vec<(Instant, i64)> {
        self.seen.lock().unwrap().calls.clone()
    }
}

/// A listener at a free port, and its endpoint.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

/// A listener at a port that somebody has just left.
pub(crate) async fn listen_again(address: SocketAddr) -> TcpListener {
    TcpListener::bind(address).await.unwrap()
}

/// What a misbehaving peer does with a connection.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Keeps it and says nothing.
    Silent,
    /// Resets it as soon as something came.
    Reset,
    /// Closes it as soon as something came.
    Close,
    /// Answers as a web server does.
    Web,
}

/// A peer that misbehaves until it is dropped, and counts its connections.
pub(crate) struct Villain {
    pub(crate) connections: Arc<Mutex<Vec<Instant>>>,
    pub(crate) open: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Villain {
    pub(crate) fn serve_at(listener: TcpListener, manner: Manner) -> Self {
        let (connections, open) = (Arc::default(), Arc::default());
        let (counted, opened) = (Arc::clone(&connections), Arc::clone(&open));
        let task = tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (counted, opened): (Arc<Mutex<Vec<Instant>>>, Arc<Mutex<usize>>) =
                    (Arc::clone(&counted), Arc::clone(&opened));
                counted.lock().unwrap().push(Instant::now());
                *opened.lock().unwrap() += 1;
                all.spawn(async move {
                    misbehave(stream, manner).await;
                    *opened.lock().unwrap() -= 1;
                });
            }
        });
        Self { connections, open, task }
    }

    /// Leaves the port.
    pub(crate) async fn leave(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn misbehave(stream: TcpStream, manner: Manner) {
    let mut buffer = [0; 4096];
    loop {
        stream.readable().await.unwrap();
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        }
        match manner {
            Manner::Silent => {}
            Manner::Close => return,
            Manner::Reset => {
                // Closing with a linger of zero is a reset.
                stream.set_zero_linger().unwrap();
                return;
            }
            Manner::Web => {
                // Closing with bytes unread would be a reset, which may overtake the answer.
                let _ = stream.try_write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            }
        }
    }
}

/// A body that never comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Poll::Pending
    }
}

/// A peer that answers with headers and nothing more; returns how often it was called.
pub(crate) fn serve_headers_only(listener: TcpListener) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let called = Arc::clone(&called);
            let service = hyper::service::service_fn(move |_| {
                called.fetch_add(1, Ordering::Relaxed);
                let head = http::Response::builder().header("content-type", "application/grpc");
                std::future::ready(head.body(Never))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    calls
}
