//! What claims to be a peer's answer, for the fuzzer.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri, header};
use http_body_util::{BodyExt, Full};

use super::answer::{Accepted, Failure};
use super::connection::Target;
use super::{grpc, hint, http_protobuf};

/// Reads an answer over gRPC: status, message and details, each ended by a NUL, and the message's frame.
pub fn grpc(data: &[u8]) {
    let names = ["grpc-status", "grpc-message", "grpc-status-details-bin"];
    let (trailers, body) = headers(data, names.map(HeaderName::from_static));
    let body = Full::new(body).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    explained(now(grpc::read(response)));
}

/// Reads an answer over HTTP: the status in two bytes, content type and `Retry-After`, each ended by a NUL, and
/// the body.
pub fn http(data: &[u8]) {
    let [high, low, data @ ..] = data else { return };
    let (head, body) = headers(data, [header::CONTENT_TYPE, header::RETRY_AFTER]);
    let mut response = Response::new(Full::new(body));
    let Ok(status) = u16::from_be_bytes([*high, *low]).try_into() else { return };
    *response.status_mut() = status;
    *response.headers_mut() = head;
    explained(now(http_protobuf::read(response)));
}

fn headers<const N: usize>(data: &[u8], names: [HeaderName; N]) -> (HeaderMap, Bytes) {
    let mut parts = data.splitn(N + 1, |byte| *byte == 0);
    let value = |name| Some((name, HeaderValue::from_bytes(parts.next()?).ok()?));
    let headers = names.into_iter().filter_map(value).collect();
    (headers, Bytes::copy_from_slice(parts.next().unwrap_or_default()))
}

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(out) => out,
        Poll::Pending => unreachable!("the whole body is there"),
    }
}

fn explained(result: Result<Accepted, Failure>) {
    if let Err(failure) = result {
        let target = Target::new(Uri::from_static("http://localhost:4317"));
        assert!(!hint::explain(&target, &failure).to_string().is_empty());
    }
}
