//! What an error of the transport means to the person who set the endpoint, and what to do about it.
//!
//! The libraries tell of most mistakes in the same few words, so each case here was provoked against a real
//! Collector and other servers. Kinds of errors are looked at where there are some; where there are none, a
//! text that has not changed in years.

use std::error::Error;
use std::io::ErrorKind;

use http::Uri;
use tonic::Code;

use super::answer::{Failure, Odd, Refusal};
use super::call::Protocol;
use super::connection::{Late, Target};
use crate::export::files::Unusable;

/// The most characters of somebody else's text that we show.
const MAX_SHOWN: usize = 256;

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What is wrong.
    pub problem: String,
    /// What to do about it; may be empty.
    pub advice: &'static str,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.problem)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, ": {}", self.advice) }
    }
}

fn trouble(problem: impl Into<String>, advice: &'static str) -> Trouble {
    Trouble { problem: problem.into(), advice }
}

/// Explains a failure.
pub(super) fn explain(target: &Target, failure: &Failure) -> Trouble {
    match failure {
        Failure::Refused(refusal) => refused(refusal),
        Failure::Absurd(absurd) => {
            trouble(absurd.to_string(), "whatever is there, it is no receiver of OTLP")
        }
        Failure::Broken(error) => broken(&target.endpoint, target.protocol, &**error),
    }
}

fn refused(refusal: &Refusal) -> Trouble {
    let advice = match refusal.code {
        Code::Unauthenticated => "check the token or the credentials in the headers",
        Code::PermissionDenied => "these credentials may not write metrics there",
        Code::Unimplemented if refusal.status.is_some() => {
            "no OTLP receiver is at this path; the usual one is /v1/metrics, on port 4318"
        }
        Code::Unimplemented | Code::NotFound => {
            "it takes no OTLP metrics; the Collector needs a metrics pipeline with an otlp receiver"
        }
        Code::Unavailable => {
            "it is there but takes nothing now: overloaded, starting, or its own exporter fails"
        }
        Code::ResourceExhausted => "it finds the request too large, or there are too many",
        Code::InvalidArgument => "it does not understand the request; please report this",
        _ => "",
    };
    match refusal.status {
        Some(status) => trouble(format!("the peer answers {status}"), advice),
        None => trouble(format!("the peer answers {:?}", refusal.code), advice),
    }
}

/// The errors from the outermost to the cause.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn broken(endpoint: &Uri, protocol: Protocol, error: &(dyn Error + 'static)) -> Trouble {
    let grpc = protocol == Protocol::Grpc;
    if let Some(Late(step)) = chain(error).find_map(|error| error.downcast_ref()) {
        return late(step);
    }
    if let Some(unusable) = chain(error).find_map(|error| error.downcast_ref::<Unusable>()) {
        return trouble(unusable.to_string(), "");
    }
    if let Some(odd) = chain(error).find_map(|error| error.downcast_ref::<Odd>()) {
        return self::odd(odd, grpc);
    }
    let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    let says = |text: &str| texts.iter().any(|line| line.contains(text));
    if says("dns error") || says("failed to lookup address") {
        return trouble("the name does not resolve", "check the host in the endpoint, and the DNS");
    }
    if says("InvalidContentType") {
        return trouble(
            "no TLS is spoken there",
            "write http:// instead of https://, or switch TLS on there",
        );
    }
    if says("invalid peer certificate") {
        return trouble(
            cause(&texts),
            "the certificate is not for this name, has expired, or its authority is unknown here",
        );
    }
    if says("received fatal alert: NoApplicationProtocol") {
        return odd(&Odd::NotHttp2, grpc);
    }
    if says("received fatal alert") {
        return trouble(cause(&texts), "it may want a client certificate, or another one: see otlp.tls");
    }
    if says("frame with invalid size") && endpoint.port_u16() == Some(4318) {
        return trouble("no gRPC is spoken there", "4318 is the port of OTLP/HTTP; OTLP/gRPC is on 4317");
    }
    if says("frame with invalid size") {
        let advice = "OTLP/HTTP is on that port, or a web server (OTLP/gRPC is usually on 4317), or TLS (write https://)";
        return trouble("no gRPC is spoken there", advice);
    }
    let io = chain(error).filter_map(|error| error.downcast_ref::<std::io::Error>()).last();
    let http = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>());
    if !grpc && http.is_some_and(hyper::Error::is_parse) {
        return trouble("no HTTP is spoken there", other_port(endpoint, protocol));
    }
    if http.is_some_and(|http| http.is_canceled() || http.is_closed()) {
        return closed(endpoint, protocol);
    }
    io.and_then(|io| from_kind(io.kind(), endpoint, protocol)).unwrap_or_else(|| trouble(cause(&texts), ""))
}

fn late(step: &str) -> Trouble {
    match step {
        "answer" => trouble("connected, but no answer in time", "it is overloaded, or it is no OTLP server"),
        "TLS handshake" => trouble("connected, but the TLS handshake has no end", "is this the right port?"),
        _ => trouble(
            "no answer to the attempt to connect",
            "the host is down, or a firewall drops the packets",
        ),
    }
}

fn from_kind(kind: ErrorKind, endpoint: &Uri, protocol: Protocol) -> Option<Trouble> {
    Some(match kind {
        ErrorKind::ConnectionRefused => trouble("connection refused", "no Collector listens there (yet)"),
        ErrorKind::TimedOut => late("connection"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            trouble("no way to that host", "check the address and the network")
        }
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::UnexpectedEof
        | ErrorKind::NotConnected => closed(endpoint, protocol),
        _ => return None,
    })
}

fn closed(endpoint: &Uri, protocol: Protocol) -> Trouble {
    let advice = match (other_port(endpoint, protocol), endpoint.scheme_str()) {
        // Whether a server answers what it does not understand, or just closes, is a matter of timing.
        (advice, _) if !advice.is_empty() => advice,
        (_, Some("https")) => "it may be restarting",
        _ if protocol == Protocol::HttpProtobuf => {
            "it may be restarting, or want TLS (write https://), or be the port of OTLP/gRPC"
        }
        _ => "it may be restarting, or want TLS (write https://)",
    };
    trouble("the peer closes the connection", advice)
}

/// What to say of a port that is usually the other protocol's.
fn other_port(endpoint: &Uri, protocol: Protocol) -> &'static str {
    match (protocol, endpoint.port_u16()) {
        (Protocol::Grpc, Some(4318)) => "4318 is the port of OTLP/HTTP; OTLP/gRPC is on 4317",
        (Protocol::HttpProtobuf, Some(4317)) => {
            "4317 is the port of OTLP/gRPC; OTLP/HTTP is on 4318, or set otlp.protocol: grpc"
        }
        _ => "",
    }
}

fn odd(odd: &Odd, grpc: bool) -> Trouble {
    match odd {
        Odd::NotHttp2 => {
            trouble("TLS, but no HTTP/2 there", "OTLP/gRPC needs it; is this the port of OTLP/HTTP?")
        }
        _ if grpc => trouble(
            odd.to_string(),
            "a web server or a proxy is there, or OTLP/HTTP; OTLP/gRPC is usually on port 4317",
        ),
        _ => trouble(odd.to_string(), "a web server or a proxy is there; OTLP/HTTP is usually on port 4318"),
    }
}

/// The innermost of the texts.
fn cause(texts: &[String]) -> String {
    texts.last().map(|text| shown(text)).unwrap_or_default()
}

/// Somebody else's text, so that it can neither fill the log nor steer a terminal.
pub(super) fn shown(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: ErrorKind) -> Failure {
        Failure::Broken(Box::new(std::io::Error::from(kind)))
    }

    fn said(text: &str) -> Failure {
        Failure::Broken(text.into())
    }

    fn explained(endpoint: &'static str, failure: &Failure) -> String {
        explain(&Target::new(Uri::from_static(endpoint)), failure).to_string()
    }

    #[test]
    fn a_refused_connection_is_no_drama() {
        let text = explained("http://localhost:4317", &io(ErrorKind::ConnectionRefused));
        assert_eq!(text, "connection refused: no Collector listens there (yet)");
    }

    #[test]
    fn the_port_of_otlp_http_is_told_by_its_number() {
        let failure = said("connection error detected: frame with invalid size");
        assert!(explained("http://localhost:4318", &failure).ends_with("OTLP/gRPC is on 4317"));
        assert!(explained("http://localhost:80", &failure).contains("https://"));
    }

    #[test]
    fn a_closed_connection_hints_at_tls_only_where_none_is_spoken() {
        assert!(explained("http://localhost:4317", &io(ErrorKind::BrokenPipe)).contains("https://"));
        assert!(!explained("https://localhost:4317", &io(ErrorKind::BrokenPipe)).contains("https://"));
    }

    #[test]
    fn a_step_that_is_late_is_named() {
        let connection = Failure::Broken(Late("connection").into());
        assert!(explained("http://localhost:4317", &connection).contains("firewall"));
        let answer = Failure::Broken(Late("answer").into());
        assert!(explained("http://localhost:4317", &answer).contains("no answer in time"));
    }

    #[test]
    fn a_refusal_names_the_code_and_not_the_peers_words() {
        let refusal = Refusal {
            code: Code::Unauthenticated,
            status: None,
            retry_after: None,
            message: "token=secret".to_owned(),
        };
        let text = explained("http://localhost:4317", &Failure::Refused(refusal));
        assert!(text.starts_with("the peer answers Unauthenticated: check the token"), "{text}");
    }

    #[test]
    fn over_http_a_refusal_has_its_status_and_the_port_of_grpc_is_told() {
        let mut target = Target::new(Uri::from_static("http://localhost:4317/v1/metrics"));
        target.protocol = Protocol::HttpProtobuf;
        assert!(explain(&target, &io(ErrorKind::BrokenPipe)).to_string().contains("otlp.protocol: grpc"));
        let status = Some(http::StatusCode::NOT_FOUND);
        let refusal =
            Refusal { code: Code::Unimplemented, status, retry_after: None, message: String::new() };
        let text = explain(&target, &Failure::Refused(refusal)).to_string();
        assert!(
            text.starts_with("the peer answers 404 Not Found: no OTLP receiver is at this path"),
            "{text}"
        );
        let text = explain(&target, &Failure::Broken(Odd::Http(302).into())).to_string();
        assert!(text.contains("HTTP status 302") && text.contains("4318"), "{text}");
    }

    #[test]
    fn somebody_elses_text_is_escaped_and_cut() {
        assert_eq!(shown("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(shown(&"\n".repeat(1000)).chars().count(), MAX_SHOWN);
        assert_eq!(explained("http://a:1", &said("odd\u{7}")), "odd\\u{7}");
    }
}
