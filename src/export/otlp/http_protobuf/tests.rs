//! What is sent, and what any answer is taken for.

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use proptest::prelude::*;

use super::super::answer::{Absurd, MAX_ANSWER};
use super::super::retry::{Action, Happened, Patience, decide};
use super::*;

fn response(status: u16, pairs: &[(&'static str, &str)], body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in pairs {
        response.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    response
}

const KIND: (&str, &str) = ("content-type", PROTOBUF);

#[test]
fn a_request_is_posted_to_the_path_and_says_how_it_is_compressed() {
    let uri = Uri::from_static("http://peer:4318/base/v1/metrics");
    for (message, encoding) in [(&b"\x1f\x8b.."[..], Some("gzip")), (&b"\x0a.."[..], None)] {
        let mut headers = HeaderMap::new();
        headers.insert("x-token", HeaderValue::from_static("secret"));
        let request = request(&uri, &headers, &Bytes::from_static(message));
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((request.method(), request.uri()), (&http::Method::POST, &uri));
        assert_eq!(header("content-type"), Some(PROTOBUF));
        assert_eq!(header("content-encoding"), encoding);
        assert_eq!(header("x-token"), Some("secret"));
        assert!(header("user-agent").unwrap().starts_with("hostmeter/"));
    }
}

#[tokio::test]
async fn a_success_may_reject_points() {
    let partial_success =
        Some(ExportMetricsPartialSuccess { rejected_data_points: 7, error_message: "old".to_owned() });
    let body = ExportMetricsServiceResponse { partial_success }.encode_to_vec();
    let expected = Accepted { rejected: 7, message: "old".to_owned() };
    assert_eq!(read(response(200, &[KIND], body.clone())).await.unwrap(), expected);
    assert_eq!(read(response(202, &[], body)).await.unwrap(), Accepted::default());
    assert_eq!(read(response(200, &[KIND], b"\xff\xff".to_vec())).await.unwrap(), Accepted::default());
}

async fn did(status: u16, pairs: &[(&'static str, &str)]) -> Action {
    match read(response(status, pairs, Vec::new())).await {
        Err(Failure::Refused(refusal)) => decide(Happened::Refused(refusal.code, refusal.retry_after)),
        Err(Failure::Broken(_)) => decide(Happened::Broken),
        Err(Failure::Absurd(_)) => decide(Happened::Absurd),
        Ok(accepted) => panic!("{accepted:?}"),
    }
}

#[tokio::test]
async fn every_status_follows_the_table() {
    let wish = Patience::For(Duration::from_secs(7));
    for status in [429, 502, 503, 504] {
        assert_eq!(did(status, &[]).await, Action::Retry(Patience::Asked));
        assert_eq!(did(status, &[("retry-after", "7")]).await, Action::Retry(wish));
    }
    for status in [301, 302, 307, 308] {
        assert_eq!(
            did(status, &[]).await,
            Action::Retry(Patience::Unasked),
            "{status} comes from no receiver"
        );
    }
    for status in [400, 408, 422] {
        assert_eq!(did(status, &[("retry-after", "7")]).await, Action::Drop);
    }
    for status in [401, 403, 404, 405, 415, 500, 501] {
        assert_eq!(did(status, &[]).await, Action::Hold);
    }
    assert_eq!(did(413, &[]).await, Action::Shrink);
}

#[test]
fn a_wish_is_seconds_or_a_date() {
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    let wish = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_str(text).unwrap());
        retry_after(&headers, now)
    };
    assert_eq!(wish(" 120 "), Some(Duration::from_mins(2)));
    assert_eq!(wish("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(wish("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(wish("soon"), None);
    assert_eq!(wish("-1"), None);
}

#[tokio::test]
async fn a_refusal_has_words_and_a_giant_answer_does_not_count() {
    let status = tonic_types::Status { code: 3, message: "bad point".to_owned(), details: vec![] };
    let refused = read(response(400, &[KIND], status.encode_to_vec())).await;
    let Err(Failure::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.message.as_str(), refusal.status), ("bad point", Some(StatusCode::BAD_REQUEST)));
    let giant = read(response(200, &[KIND], vec![0; MAX_ANSWER + 1])).await;
    assert!(matches!(giant, Err(Failure::Absurd(Absurd::TooLong))), "{giant:?}");
}

proptest! {
    #[test]
    fn no_answer_panics(
        status in 200..600_u16, wish in "[ -~]{0,30}", body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _ = runtime.block_on(read(response(status, &[KIND, ("retry-after", &wish)], body)));
    }
}
