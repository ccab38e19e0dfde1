//! One call, in one of the two protocols.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;

use super::answer::{Accepted, Failure};
use super::connection::{Connection, Late, Target};
use super::{grpc, http_protobuf};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("hostmeter/", env!("CARGO_PKG_VERSION")));

/// How OTLP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// gRPC, over HTTP/2.
    #[default]
    Grpc,
    /// A POST of protobuf, over HTTP/1.1, or over HTTP/2 where TLS negotiates it.
    HttpProtobuf,
}

/// Sends one request and reads the whole answer, within the deadline.
pub(super) async fn export(
    connection: &mut Connection,
    target: &Target,
    headers: &HeaderMap,
    message: &Bytes,
    deadline: Duration,
) -> Result<Accepted, Failure> {
    let call = async {
        match target.protocol {
            Protocol::Grpc => {
                let request = grpc::request(target, headers, message, deadline);
                grpc::read(connection.send(request).await?).await
            }
            Protocol::HttpProtobuf => {
                let request = http_protobuf::request(&target.endpoint, headers, message);
                http_protobuf::read(connection.send(request).await?).await
            }
        }
    };
    tokio::time::timeout(deadline, call).await.unwrap_or_else(|_| Err(Late("answer").into()))
}

/// What both protocols begin with.
pub(super) fn post(uri: Uri, headers: &HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.clone();
    request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
    request
}
