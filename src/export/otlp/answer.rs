//! What a peer can make of a request, whatever the protocol.

use std::time::Duration;

use http::StatusCode;
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
    /// Nobody knows what became of the request.
    Broken(BoxError),
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Broken(error.into())
    }
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
