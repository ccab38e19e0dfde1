//! What is sent, and what any answer, honest or hostile, is taken for.

use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;
use proptest::prelude::*;
use tonic_types::ErrorDetails;

use super::super::answer::MAX_ANSWER;
use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn framed(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.encoded_len() as u32);
    message.encode(&mut frame).unwrap();
    frame.freeze()
}

fn response(status: u16, pairs: &[(&'static str, &str)], body: &'static [u8]) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = status.try_into().unwrap();
    *response.headers_mut() = headers(pairs);
    response
}

/// `grpc-status-details-bin` as a server of tonic's makes it.
fn details(delay: Duration) -> HeaderMap {
    let status =
        Status::with_error_details(Code::Unavailable, "later", ErrorDetails::with_retry_info(Some(delay)));
    status.into_http::<tonic::body::Body>().headers().clone()
}

#[tokio::test]
async fn a_request_is_a_frame_that_says_whether_it_is_compressed() {
    for (message, flag, encoding) in [(&b"\x1f\x8b.."[..], 1, Some("gzip")), (&b"\x0a.."[..], 0, None)] {
        let ours = headers(&[("x-token", "secret"), ("content-type", "text/plain")]);
        let endpoint = Uri::from_static("http://peer:4317/ignored");
        let request =
            request(&Target::new(endpoint), &ours, &Bytes::from_static(message), Duration::from_secs(10));
        assert_eq!(request.uri().to_string(), format!("http://peer:4317{METRICS}"));
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/grpc"));
        assert_eq!(header("te").as_deref(), Some("trailers"));
        assert_eq!(header("grpc-timeout").as_deref(), Some("10000m"));
        assert_eq!(header("x-token").as_deref(), Some("secret"));
        assert_eq!(header("grpc-encoding").as_deref(), encoding);
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body[..5], [flag, 0, 0, 0, message.len() as u8]);
        assert_eq!(body[5..], *message);
    }
}

#[test]
fn ok_is_a_delivery_with_or_without_points_rejected() {
    let status = headers(&[("grpc-status", "0")]);
    assert_eq!(answer(&status, &Bytes::new()).unwrap(), Accepted::default());
    let partial_success =
        Some(ExportMetricsPartialSuccess { rejected_data_points: 7, error_message: "old".to_owned() });
    let body = framed(&ExportMetricsServiceResponse { partial_success });
    let expected = Accepted { rejected: 7, message: "old".to_owned() };
    assert_eq!(answer(&status, &body).unwrap(), expected);
}

#[test]
fn a_negative_number_of_rejected_points_is_none() {
    let partial_success =
        Some(ExportMetricsPartialSuccess { rejected_data_points: -7, error_message: String::new() });
    let body = framed(&ExportMetricsServiceResponse { partial_success });
    assert_eq!(answer(&headers(&[("grpc-status", "0")]), &body).unwrap(), Accepted::default());
}

#[test]
fn a_refusal_has_a_code_words_and_perhaps_a_wish() {
    let mut status = details(Duration::from_millis(2500));
    status.insert("grpc-status", HeaderValue::from_static("14"));
    status.insert("grpc-message", HeaderValue::from_static("a%20b%zz%"));
    let Err(Failure::Refused(refusal)) = answer(&status, &Bytes::new()) else { panic!() };
    assert_eq!(refusal.code, Code::Unavailable);
    assert_eq!(refusal.retry_after, Some(Duration::from_millis(2500)));
    assert_eq!(refusal.message, "a b%zz%");
}

#[test]
fn details_that_are_not_base64_are_no_details() {
    let status = headers(&[("grpc-status", "14"), ("grpc-status-details-bin", "%%% not base64 %%%")]);
    let Err(Failure::Refused(refusal)) = answer(&status, &Bytes::new()) else { panic!() };
    assert_eq!((refusal.code, refusal.retry_after), (Code::Unavailable, None));
}

#[tokio::test]
async fn what_is_not_grpc_is_nobodys_decision() {
    let grpc = ("content-type", "application/grpc");
    let odd = |result| match result {
        Err(Failure::Broken(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(odd(read(response(404, &[], b"no")).await), "HTTP status 404");
    assert_eq!(
        odd(read(response(200, &[("content-type", "text/html")], b"hi")).await),
        "an answer that is not gRPC"
    );
    assert_eq!(odd(read(response(200, &[grpc], b"")).await), "an answer without a status");
    let Err(Failure::Refused(refusal)) = read(response(401, &[], b"")).await else { panic!() };
    assert_eq!(refusal.code, Code::Unauthenticated);
}

#[tokio::test]
async fn a_status_in_the_headers_counts_and_a_giant_answer_does_not() {
    let refused = read(response(200, &[("grpc-status", "7")], b"")).await;
    assert!(matches!(refused, Err(Failure::Refused(Refusal { code: Code::PermissionDenied, .. }))));
    let giant = vec![0; MAX_ANSWER + 1].leak();
    let result = read(response(200, &[("content-type", "application/grpc+proto")], giant)).await;
    assert!(matches!(result, Err(Failure::Absurd(Absurd::TooLong))), "{result:?}");
    let bomb =
        read(response(200, &[("content-type", "application/grpc")], b"\x01\0\0\0\x04\x1f\x8b..")).await;
    assert!(matches!(bomb, Err(Failure::Absurd(Absurd::Compressed))), "{bomb:?}");
}

proptest! {
    #[test]
    fn no_answer_panics(
        status in "[0-9]{0,3}", message in "[ -~]{0,40}", details in "[ -~]{0,40}", body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let status = headers(&[("grpc-status", &status), ("grpc-message", &message), ("grpc-status-details-bin", &details)]);
        let _ = answer(&status, &Bytes::from(body));
    }
}
