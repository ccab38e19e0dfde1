//! The client that keeps the service busy.

use std::error::Error;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Method, path, and how many of a hundred requests it is.
const MIX: [(&str, &str, u8); 4] =
    [("GET", "/", 10), ("GET", "/api/items", 40), ("POST", "/api/orders", 10), ("GET", "/api/ask", 40)];

/// Asks `rate` times a second, whether or not the earlier ones have been answered.
pub async fn run(url: &str, rate: f64, seconds: f64) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    // A rate that is no number of requests would be an endless wait, or none.
    let pause = Duration::try_from_secs_f64(1.0 / rate)?.max(Duration::from_micros(100));
    let mut tick = tokio::time::interval(pause);
    let begun = Instant::now();
    let mut told = false;
    while begun.elapsed().as_secs_f64() < seconds {
        tick.tick().await;
        let (method, path) = choose();
        let request = Request::builder().method(method).uri(format!("{url}{path}")).body(Body::empty())?;
        let answer = client.request(request);
        if told {
            tokio::spawn(async move { drop(answer.await.map(BodyExt::collect)) });
        } else {
            // The first one is waited for, so that a wrong address is told.
            answer.await.map_err(|problem| format!("{url}: {problem}"))?;
            told = true;
        }
    }
    Ok(())
}

fn choose() -> (&'static str, &'static str) {
    let mut draw = fastrand::u8(..100);
    for (method, path, share) in MIX {
        if draw < share {
            return (method, path);
        }
        draw -= share;
    }
    (MIX[0].0, MIX[0].1)
}
