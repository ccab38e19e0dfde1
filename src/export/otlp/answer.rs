//! What a peer can make of a request, whatever the protocol.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::body::Body;
use tonic::Code;

use super::connection::BoxError;

/// The most bytes that an answer may have; an honest one has a few hundred.
pub(super) const MAX_ANSWER: usize = 4 << 20;

/// What a peer answered that has taken the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Points that it rejected all the same.
    pub rejected: u64,
    /// Why, in its own words: not to be trusted.
    pub message: String,
}

/// A refusal that the peer made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What it means, as a gRPC code whatever the protocol.
    pub code: Code,
    /// What it says, where the protocol is HTTP.
    pub status: Option<StatusCode>,
    /// The time after which the peer wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Its own words: not to be trusted.
    pub message: String,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The peer has decided.
    Refused(Refusal),
    /// The peer answers what no receiver of OTLP would.
    Absurd(Absurd),
    /// Nobody knows what became of the request.
    Broken(BoxError),
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Broken(error.into())
    }
}

/// An answer that would cost more to read than any honest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Absurd {
    #[error("an answer of more than 4 MiB")]
    TooLong,
    /// We say to nobody that we would unpack it.
    #[error("a compressed answer without a status")]
    Compressed,
}

/// Reads the rest of an answer, but no more of it than an honest one may have.
pub(super) async fn collect<B>(body: B) -> Result<Collected<Bytes>, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { Failure::Absurd(Absurd::TooLong) } else { Failure::Broken(error) }
    })
}

/// An answer that is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Odd {
    #[error("HTTP status {0}")]
    Http(u16),
    #[error("an answer that is not gRPC")]
    NotGrpc,
    #[error("an answer without a status")]
    NoStatus,
    #[error("HTTP/2 was not negotiated")]
    NotHttp2,
}
