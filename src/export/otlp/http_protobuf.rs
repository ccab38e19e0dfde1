//! OTLP over HTTP: a POST of protobuf.
//!
//! The endpoint's path is the one to post to. A status is as good as a gRPC code, so it is made one, and one law
//! judges both; where the specification wants a request given up that no OTLP receiver has seen, it is kept.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Body;
use prost::Message;
use tonic::Code;

use super::answer::{Accepted, Failure, Odd, Refusal, collect};
use super::call::post;
use super::connection::BoxError;
use super::grpc::partial_success;
use super::pack::Compression;

const PROTOBUF: &str = "application/x-protobuf";

/// A request to the endpoint as it is.
pub(super) fn request(endpoint: &Uri, headers: &HeaderMap, message: &Bytes) -> Request<Full<Bytes>> {
    let mut request = post(endpoint.clone(), headers, message.clone());
    let ours = request.headers_mut();
    ours.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
    if let Some(name) = Compression::of(message).name() {
        ours.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    request
}

/// Reads the whole answer.
pub(super) async fn read<B>(response: Response<B>) -> Result<Accepted, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (head, body) = response.into_parts();
    let accepted = head.status.is_success();
    let refused = code(head.status);
    if !accepted && refused.is_none() {
        return Err(Odd::Http(head.status.as_u16()).into());
    }
    let body = collect(body).await?.to_bytes();
    let kind = head.headers.get(header::CONTENT_TYPE);
    let is_protobuf = kind.is_some_and(|kind| kind.as_bytes().starts_with(PROTOBUF.as_bytes()));
    match refused {
        Some(code) => Err(Failure::Refused(Refusal {
            code,
            status: Some(head.status),
            retry_after: retry_after(&head.headers, SystemTime::now()),
            message: is_protobuf.then(|| words(&body)).flatten().unwrap_or_default(),
        })),
        // The peer has said that all is well; what cannot be read of the rest does not change that.
        None if is_protobuf => Ok(partial_success(&body)),
        None => Ok(Accepted::default()),
    }
}

/// The gRPC code that a refusal is treated as; none for a success, and for what is no decision of a receiver.
fn code(status: StatusCode) -> Option<Code> {
    Some(match status.as_u16() {
        // These the specification lets us try again.
        429 | 502 | 503 | 504 => Code::Unavailable,
        401 | 407 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        413 => Code::ResourceExhausted,
        // There is a server, but not the one that was meant.
        404 | 405 | 410 | 415 => Code::Unimplemented,
        400..=499 => Code::InvalidArgument,
        500..=599 => Code::Internal,
        _ => return None,
    })
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The message of the `google.rpc.Status` that a refusal has for a body.
fn words(body: &[u8]) -> Option<String> {
    tonic_types::Status::decode(body).ok().map(|status| status.message)
}

#[cfg(test)]
mod tests;
