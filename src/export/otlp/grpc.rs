//! OTLP over gRPC: one unary call by hand.
//!
//! tonic's own client compresses each message at each attempt, and turns an answer into a status in a way
//! that aborts when the details of the status are not base64. What waits in the queue is compressed already,
//! and an answer is somebody else's text. A gRPC message is five bytes of prefix and the message itself, a
//! status is three headers; that is all there is to it.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Body;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::answer::{Absurd, Accepted, Failure, Odd, Refusal, collect};
use super::call::post;
use super::connection::{BoxError, Target};
use super::pack::Compression;

/// The method that takes metrics.
pub(super) const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// The method that takes log records.
pub(super) const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A request to the method of the specification; a path of the endpoint's has no use here.
pub(super) fn request(
    target: &Target,
    headers: &HeaderMap,
    message: &Bytes,
    deadline: Duration,
) -> Request<Full<Bytes>> {
    let compression = Compression::of(message);
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(u8::from(compression.name().is_some()));
    frame.put_u32(message.len() as u32);
    frame.extend_from_slice(message);
    let mut parts = target.endpoint.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(target.method));
    let uri = Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static(target.method));
    let mut request = post(uri, headers, frame.freeze());
    let ours = request.headers_mut();
    ours.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    ours.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Some(name) = compression.name() {
        ours.insert("grpc-encoding", HeaderValue::from_static(name));
    }
    // The unit is milliseconds, of which the header may have eight digits.
    let millis = deadline.as_millis().clamp(1, 99_999_999);
    if let Ok(value) = HeaderValue::from_str(&format!("{millis}m")) {
        ours.insert("grpc-timeout", value);
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
    if head.headers.contains_key("grpc-status") {
        return answer(&head.headers, &Bytes::new());
    }
    if head.status != http::StatusCode::OK {
        return Err(from_http(head.status.as_u16()));
    }
    let kind = head.headers.get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return Err(Odd::NotGrpc.into());
    }
    let body = collect(body).await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    answer(&trailers, &body.to_bytes())
}

/// The meaning of an HTTP status without a gRPC one, which comes from a proxy. The gRPC project maps these
/// to codes; where the code would have us give up a batch that no OTLP server has seen, it is kept.
fn from_http(status: u16) -> Failure {
    let refused =
        |code| Failure::Refused(Refusal { code, status: None, retry_after: None, message: String::new() });
    match status {
        401 => refused(Code::Unauthenticated),
        403 => refused(Code::PermissionDenied),
        _ => Odd::Http(status).into(),
    }
}

fn answer(status: &HeaderMap, body: &Bytes) -> Result<Accepted, Failure> {
    let Some(code) = status.get("grpc-status") else {
        let compressed = body.first() == Some(&1);
        return Err(if compressed { Failure::Absurd(Absurd::Compressed) } else { Odd::NoStatus.into() });
    };
    match Code::from_bytes(code.as_bytes()) {
        Code::Ok => Ok(accepted(body)),
        code => Err(Failure::Refused(Refusal {
            code,
            status: None,
            retry_after: retry_after(status),
            message: status
                .get("grpc-message")
                .map(|text| percent_decoded(text.as_bytes()))
                .unwrap_or_default(),
        })),
    }
}

/// The peer has said OK; what cannot be read of the rest does not change that.
fn accepted(body: &Bytes) -> Accepted {
    // The prefix: not compressed, as we have not said that we would understand it, and the length.
    let message = body.get(..5).filter(|prefix| prefix[0] == 0).map_or(&[][..], |_| &body[5..]);
    partial_success(message)
}

/// What an answer says that is no refusal.
pub(super) fn partial_success(message: &[u8]) -> Accepted {
    let partial =
        ExportMetricsServiceResponse::decode(message).ok().and_then(|answer| answer.partial_success);
    partial.map_or_else(Accepted::default, |partial| Accepted {
        rejected: u64::try_from(partial.rejected_data_points).unwrap_or(0),
        message: partial.error_message,
    })
}

fn retry_after(status: &HeaderMap) -> Option<Duration> {
    let details = status.get("grpc-status-details-bin")?.clone();
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status-details-bin"), details)]);
    let details = MetadataMap::from_headers(headers).get_bin("grpc-status-details-bin")?.to_bytes().ok()?;
    Status::with_details(Code::Unavailable, "", details).get_details_retry_info()?.retry_delay
}

/// `%` and two hexadecimal digits are a byte; anything else is itself.
fn percent_decoded(text: &[u8]) -> String {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            bytes.push((high * 16 + low) as u8);
            at += 3;
        } else {
            bytes.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
