//! `agent.logs: otlp`: the agent's own log records at the receiver of the metrics.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use rustix::process::{Pid, Signal, kill_process};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::agent::until;
use super::authority::{Authority, Files, Pair};
use super::encrypted::config;
use super::server::{Manner, Villain, listen};

/// A receiver of log records, and of nothing else.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    records: Vec<LogRecord>,
    services: Vec<String>,
    headers: Vec<String>,
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let mut seen = self.0.lock().unwrap();
        let header = request.metadata().get("x-key").map(|value| value.to_str().unwrap().to_owned());
        seen.headers.extend(header);
        for resource in request.into_inner().resource_logs {
            let attributes = resource.resource.unwrap().attributes;
            let service = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            let Some(Value::StringValue(service)) = service.value.unwrap().value else { panic!("no text") };
            seen.services.push(service);
            seen.records.extend(resource.scope_logs.into_iter().flat_map(|scope| scope.log_records));
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Receiver {
    /// Serves HTTPS.
    async fn serve_web(&self, pair: &Pair) -> String {
        let (listener, endpoint) = listen().await;
        let mut config = Arc::unwrap_or_clone(config(pair, None));
        config.alpn_protocols.clear();
        let (acceptor, receiver) = (TlsAcceptor::from(Arc::new(config)), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, receiver) = (acceptor.clone(), receiver.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request| receiver.clone().post(request));
                    let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
                    // Who has gone has what it wanted.
                    let _ = http1::Builder::new().serve_connection(stream, service).await;
                });
            }
        });
        endpoint.replace("http://127.0.0.1", "https://localhost")
    }

    async fn post(self, request: http::Request<Incoming>) -> Result<http::Response<String>, Status> {
        let (head, body) = request.into_parts();
        if head.uri.path() != "/v1/logs" {
            return Ok(http::Response::builder().status(404).body(String::new()).unwrap());
        }
        assert_eq!(head.headers["content-type"], "application/x-protobuf");
        let mut message = Vec::new();
        let body = body.collect().await.unwrap().to_bytes();
        GzDecoder::new(&body[..]).read_to_end(&mut message).unwrap();
        let request = Request::new(ExportLogsServiceRequest::decode(&message[..]).unwrap());
        self.export(request).await?;
        Ok(http::Response::builder()
            .header("content-type", "application/x-protobuf")
            .body(String::new())
            .unwrap())
    }

    async fn serve(&self) -> String {
        let (listener, endpoint) = listen().await;
        let service = LogsServiceServer::new(self.clone()).accept_compressed(CompressionEncoding::Gzip);
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        endpoint
    }

    fn bodies(&self) -> Vec<String> {
        let seen = self.0.lock().unwrap();
        let body = |record: &LogRecord| match record.body.clone()?.value? {
            Value::StringValue(text) => Some(text),
            _ => None,
        };
        seen.records.iter().filter_map(body).collect()
    }

    fn has(&self, body: &str) -> bool {
        self.bodies().iter().any(|one| one.contains(body))
    }
}

/// A program that does not outlive a test that fails.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().unwrap();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "what is under test is a program; hostmeter itself runs none")]
fn start(endpoint: &str, more: &[(&str, &str)]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostmeter"));
    command.env_clear().env("OTEL_METRIC_EXPORT_INTERVAL", "1000").env("HOSTMETER_AGENT__LOGS", "otlp");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("HOSTMETER_PROMETHEUS__ENABLED", "false");
    command.envs(more.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
    Running(Some(command.spawn().unwrap()))
}

/// Stops the program, and returns whether that was good, how long it took and what it wrote.
async fn stop(mut running: Running) -> (bool, Duration, String) {
    let child = running.0.take().unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let began = std::time::Instant::now();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    (output.status.success(), began.elapsed(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_arrives_with_the_resource_and_the_headers_and_on_the_standard_error() {
    let receiver = Receiver::default();
    let endpoint = receiver.serve().await;
    let child = start(&endpoint, &[("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret"), ("LOG_LEVEL", "trace")]);
    until("the first record", || receiver.has("collectors")).await;
    // The road of the records is made of crates that log at this level, too: no record is the cause of another.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let some = receiver.bodies().len();
    assert!(some < 200, "{some} records: {:?}", receiver.bodies());
    let (good, _, written) = stop(child).await;
    assert!(good && receiver.has("stopped"), "{:?}", receiver.bodies());
    assert!(written.contains("stopped") && written.contains("collectors"), "{written}");
    let seen = receiver.0.lock().unwrap();
    assert!(seen.headers.iter().all(|header| header == "secret") && !seen.headers.is_empty());
    assert!(seen.services.iter().all(|service| service == "hostmeter"));
    let stopped = seen.records.iter().find(|record| record.severity_text == "INFO").unwrap();
    assert_eq!(stopped.severity_number, 9);
    assert!(stopped.observed_time_unix_nano > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_arrives_by_http_and_tls_at_the_path_for_logs() {
    let (files, authority) = (Files::new(), Authority::new());
    let receiver = Receiver::default();
    let endpoint = receiver.serve_web(&authority.issue("localhost", 2100)).await;
    let ca = files.put("ca.pem", &authority.pem);
    let more = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.to_str().unwrap()),
    ];
    let child = start(&endpoint, &more);
    until("the first record", || receiver.has("collectors")).await;
    let (good, _, written) = stop(child).await;
    assert!(good && receiver.has("stopping"), "{:?}\n{written}", receiver.bodies());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_nothing_up() {
    let (listener, endpoint) = listen().await;
    let _villain = Villain::serve_at(listener, Manner::Silent);
    let child = start(&endpoint, &[]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (good, took, written) = stop(child).await;
    assert!(good && written.contains("stopped"), "{written}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_otlp_it_is_told_that_nothing_is_sent() {
    let child = start("", &[]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (good, _, written) = stop(child).await;
    assert!(good && written.contains("agent.logs: otlp sends nothing, because otlp is off"), "{written}");
}
