//! What is answered: seven fixed paths, three methods, no parameters.
//!
//! Nothing of a request comes back in an answer or in a metric, and nothing in it makes work but the page
//! itself, which all share.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::door::Refusal;
use super::format::Format;
use super::reload::reload;
use super::server::Site;
use super::status;

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// What Prometheus says of its patience, in seconds.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// What a client without a password is asked for (RFC 7617).
const CHALLENGE: &str = "Basic realm=\"hostmeter\", charset=\"UTF-8\"";

/// What is left of that patience for the way back.
const MARGIN: f64 = 0.5;

/// The least and the most that a client may ask to be waited for. The latter stays within the server's own
/// patience with a request.
const BUDGETS: (f64, f64) = (0.1, 9.0);

/// Against a browser that is led here by a hostile page: guess no type, load nothing, be framed by nobody.
const SECURITY: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

type Answer = Response<Full<Bytes>>;

/// Answers a request, perhaps of somebody on this machine or who has shown who he is. The body of one is never read.
pub(super) async fn answer<B>(site: &Site, request: &Request<B>, local: bool) -> Answer {
    let path = request.uri().path();
    if path == "/-/reload" {
        let (status, text) = reload(site, request.method(), request.headers(), local).await;
        let mut answer = plain(status, text);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        return answer;
    }
    if !["/", "/metrics", "/-/healthy", "/-/ready", "/-/status.json"].contains(&path) {
        return plain(StatusCode::NOT_FOUND, "not found; the list of pages is at /\n");
    }
    // hyper leaves the body of an answer to HEAD out and keeps its length.
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match path {
        "/metrics" => metrics(site, request.headers()).await,
        "/-/healthy" => plain(StatusCode::OK, "healthy\n"),
        "/-/ready" if site.is_ready() => plain(StatusCode::OK, "ready\n"),
        "/-/ready" => plain(StatusCode::SERVICE_UNAVAILABLE, "the first collection has not ended yet\n"),
        "/-/status.json" => with(StatusCode::OK, JSON, status::json(site).await.into()),
        _ => with(StatusCode::OK, HTML, status::page(site).await.into()),
    }
}

/// Answers a request that is not let in. The text says nothing of why.
pub(super) fn refuse(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Unauthorized => {
            let mut answer = plain(StatusCode::UNAUTHORIZED, "unauthorized\n");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
            answer
        }
        Refusal::TooMany => {
            let mut answer =
                plain(StatusCode::TOO_MANY_REQUESTS, "too many requests; try again in a while\n");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            answer
        }
    }
}

async fn metrics(site: &Site, headers: &HeaderMap) -> Answer {
    let format = Format::negotiate(headers);
    let Some(page) = site.flights.get(format.shape(), budget(headers, site.budget)).await else {
        let text = "the metrics were not ready in time; the status page at / says which collector is late\n";
        return plain(StatusCode::SERVICE_UNAVAILABLE, text);
    };
    let gzip = accepts_gzip(headers);
    let body = if gzip { page.gzip.clone() } else { page.plain() };
    let mut answer = with(StatusCode::OK, PLAIN, body);
    answer.headers_mut().insert(header::CONTENT_TYPE, format.content_type());
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if gzip {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    with(status, PLAIN, Bytes::from_static(text.as_bytes()))
}

fn with(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, status::policy());
    for (name, value) in SECURITY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// How long the collectors may take: what the client says, less a margin, or the default.
fn budget(headers: &HeaderMap, default: Duration) -> Duration {
    let timeout =
        headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    let (least, most) = BUDGETS;
    timeout
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .map_or(default, |seconds| Duration::from_secs_f64((seconds - MARGIN).clamp(least, most)))
}

/// Whether `Accept-Encoding` allows gzip (RFC 9110, 12.5.3): by its name, or by `*` where it is not named.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut by_star = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let wanted = weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0));
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                return wanted;
            }
            if coding == "*" {
                by_star = Some(wanted);
            }
        }
    }
    by_star.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|v| (HeaderName::from_static(name), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let accepts = |values: &[&'static str]| accepts_gzip(&headers("accept-encoding", values));
        assert!(accepts(&["gzip"]));
        assert!(accepts(&["deflate, GZIP;q=0.5"]));
        assert!(accepts(&["br", "x-gzip"]));
        assert!(accepts(&["*"]));
        assert!(!accepts(&[]));
        assert!(!accepts(&[""]));
        assert!(!accepts(&["identity"]));
        assert!(!accepts(&["gzip;q=0"]));
        assert!(!accepts(&["*, gzip; q=0.000"]));
        assert!(!accepts(&["gzip;q=much"]));
        assert!(!accepts(&["*;q=0"]));
    }

    #[test]
    fn the_budget_is_the_clients_patience_less_a_margin_within_bounds() {
        let budget =
            |value| budget(&headers(SCRAPE_TIMEOUT, &[value]), Duration::from_millis(2500)).as_millis();
        assert_eq!(budget("3"), 2500);
        assert_eq!(budget("2.0"), 1500);
        assert_eq!(budget("0.3"), 100);
        assert_eq!(budget("1e9"), 9000);
        for odd in ["", "soon", "-1", "0", "NaN", "inf"] {
            assert_eq!(budget(odd), 2500, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_or_asks_for_more_than_there_is(
            bytes in proptest::collection::vec(prop_oneof![32_u8..127, 128_u8..], 0..40),
            text in "(gzip|\\*|br)? ?;? ?(q=[0-9.e-]{0,6})?,?-?[0-9.e]{0,9}",
        ) {
            for value in [&bytes[..], text.as_bytes()] {
                let Ok(value) = HeaderValue::from_bytes(value) else { continue };
                let names = [header::ACCEPT_ENCODING, HeaderName::from_static(SCRAPE_TIMEOUT)];
                let headers: HeaderMap = names.into_iter().map(|name| (name, value.clone())).collect();
                let _ = accepts_gzip(&headers);
                let budget = budget(&headers, Duration::from_secs(2)).as_secs_f64();
                prop_assert!((BUDGETS.0..=BUDGETS.1).contains(&budget), "{}", budget);
            }
        }
    }
}
