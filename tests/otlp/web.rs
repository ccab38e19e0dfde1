//! OTLP over HTTP: the same road, to a server that answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::read::GzDecoder;
use hostmeter::export::otlp::{Compression, Protocol, Settings};
use hostmeter::stats::Outcome;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use tokio::net::TcpListener;

use super::agent::{Agent, PERFECT, PROBE, hasty, judge, settings, until};
use super::server::{Manner, Server, Villain, listen, listen_again, numbers};

/// What a web server is to answer once.
struct Planned {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    rejected: i64,
}

fn status(status: u16, headers: &[(&'static str, &'static str)]) -> Planned {
    Planned { status, headers: headers.to_vec(), rejected: 0 }
}

#[derive(Default)]
struct Seen {
    taken: Vec<i64>,
    calls: Vec<(Instant, i64)>,
    paths: Vec<String>,
    headers: HeaderMap,
}

/// An OTLP/HTTP server; it takes everything for which no other answer is planned.
#[derive(Clone, Default)]
struct WebServer {
    seen: Arc<Mutex<Seen>>,
    planned: Arc<Mutex<VecDeque<Planned>>>,
}

impl WebServer {
    fn planning(planned: impl IntoIterator<Item = Planned>) -> Self {
        let planned = Arc::new(Mutex::new(planned.into_iter().collect()));
        Self { planned, ..Self::default() }
    }

    async fn serve(&self) -> String {
        let (listener, endpoint) = listen().await;
        self.serve_at(listener);
        endpoint
    }

    fn serve_at(&self, listener: TcpListener) {
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = hyper::service::service_fn(move |request| server.clone().answer(request));
                let builder = hyper::server::conn::http1::Builder::new();
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = match head.headers.get("content-encoding").map(|name| name.to_str().unwrap()) {
            Some("gzip") => {
                let mut all = Vec::new();
                GzDecoder::new(&body[..]).read_to_end(&mut all).unwrap();
                all
            }
            Some("zstd") => zstd::decode_all(&body[..]).unwrap(),
            _ => body.to_vec(),
        };
        let numbers = numbers(&ExportMetricsServiceRequest::decode(&body[..]).unwrap());
        let mut seen = self.seen.lock().unwrap();
        seen.calls.push((Instant::now(), numbers[0]));
        seen.paths.push(format!("{} {}", head.method, head.uri));
        seen.headers = head.headers;
        let planned = self.planned.lock().unwrap().pop_front().unwrap_or_else(|| status(200, &[]));
        let mut answer = ExportMetricsServiceResponse::default();
        if planned.status == 200 {
            seen.taken.extend(numbers);
            answer.partial_success = Some(ExportMetricsPartialSuccess {
                rejected_data_points: planned.rejected,
                error_message: String::new(),
            });
        }
        let mut response = Response::builder().status(planned.status);
        for (name, value) in planned.headers {
            response = response.header(name, value);
        }
        let response = response.header("content-type", "application/x-protobuf");
        Ok(response.body(Full::new(answer.encode_to_vec().into())).unwrap())
    }

    fn taken(&self) -> Vec<i64> {
        self.seen.lock().unwrap().taken.clone()
    }
}

fn web(endpoint: &str) -> Settings {
    let mut settings = settings(&format!("{endpoint}/base/v1/metrics"));
    settings.target.protocol = Protocol::HttpProtobuf;
    settings
}

#[tokio::test]
async fn everything_arrives_once_and_in_order() {
    for (compression, name) in
        [(Compression::Gzip, Some("gzip")), (Compression::Zstd, Some("zstd")), (Compression::None, None)]
    {
        let server = WebServer::default();
        let mut settings = web(&server.serve().await);
        settings.compression = compression;
        settings.headers.insert("api-key", "secret".parse().unwrap());
        let endpoint = settings.target.endpoint.clone();
        let mut agent = Agent::start(settings);
        until("ten batches are there", || server.taken().len() >= 30).await;
        agent.stop().await;
        assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
        assert_eq!(agent.count(Outcome::Delivered), agent.collected() as u64);
        let seen = server.seen.lock().unwrap();
        assert_eq!(seen.paths[0], "POST /base/v1/metrics");
        let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("host"), endpoint.authority().map(http::uri::Authority::as_str));
        assert_eq!(header("content-type"), Some("application/x-protobuf"));
        assert_eq!((header("content-encoding"), header("api-key")), (name, Some("secret")));
    }
}

#[tokio::test]
async fn what_passes_is_retried_and_not_before_the_peer_wants_it() {
    let server = WebServer::planning([
        status(503, &[]),
        status(429, &[("retry-after", "1")]),
        status(502, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]),
        status(504, &[]),
    ]);
    let mut agent = Agent::start(web(&server.serve().await));
    until("it delivers", || server.taken().len() >= 9).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
    let calls = server.seen.lock().unwrap().calls.clone();
    assert!(calls[..5].iter().all(|(_, first)| *first == 0), "{calls:?}");
    assert!(calls[2].0 - calls[1].0 >= Duration::from_secs(1), "{calls:?}");
}

#[tokio::test]
async fn a_refused_batch_is_given_up_and_one_of_ours_holds_the_others_back() {
    for (code, held) in [(400, false), (401, true), (403, true), (404, true)] {
        let server = WebServer::planning([status(code, &[])]);
        let mut agent = Agent::start(web(&server.serve().await));
        until("it delivers", || server.taken().len() >= 9).await;
        agent.stop().await;
        assert_eq!(agent.count(Outcome::Dropped("non_retryable")), 3, "{code}");
        assert_eq!(judge(&server.taken(), agent.collected()).lost, [0, 1, 2], "{code}");
        let calls = server.seen.lock().unwrap().calls.clone();
        assert_eq!(calls[1].0 - calls[0].0 >= PROBE, held, "{code}");
    }
}

#[tokio::test]
async fn points_that_the_peer_rejects_are_counted_and_not_sent_again() {
    let server = WebServer::planning([Planned { rejected: 2, ..status(200, &[]) }]);
    let mut agent = Agent::start(web(&server.serve().await));
    until("three batches are there", || server.taken().len() >= 9).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
    assert_eq!(agent.count(Outcome::Rejected("partial_success")), 2);
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_loses_nothing_and_is_not_suspected() {
    let server = WebServer::planning((0..20).map(|_| status(200, &[("connection", "close")])));
    let mut agent = Agent::start(web(&server.serve().await));
    until("ten batches are there", || server.taken().len() >= 30).await;
    assert_eq!(agent.counts().state, "delivering");
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
    let calls = server.seen.lock().unwrap().calls.len();
    assert_eq!(calls * 3, agent.collected() as usize, "each was sent once");
}

#[tokio::test]
async fn nothing_is_lost_to_peers_that_reset_close_or_say_nothing() {
    for manner in [Manner::Reset, Manner::Close, Manner::Silent] {
        let (listener, endpoint) = listen().await;
        let address = listener.local_addr().unwrap();
        let villain = Villain::serve_at(listener, manner);
        let mut settings = web(&endpoint);
        settings.timeout = hasty(&endpoint).timeout;
        let mut agent = Agent::start(settings);
        until("it was tried three times", || villain.connections.lock().unwrap().len() >= 3).await;
        villain.leave().await;
        let server = WebServer::default();
        server.serve_at(listen_again(address).await);
        until("it delivers", || server.taken().len() >= 30).await;
        agent.stop().await;
        assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
    }
}

#[tokio::test]
async fn a_grpc_server_in_its_place_is_told_and_loses_nothing() {
    let mut settings = web(&Server::default().serve().await);
    settings.grace = Duration::from_millis(400);
    let mut agent = Agent::start(settings);
    until("it is told", || agent.counts().state.starts_with("waiting: ")).await;
    assert_eq!(agent.count(Outcome::Dropped("non_retryable")), 0, "{}", agent.counts().state);
    agent.stop().await;
}
