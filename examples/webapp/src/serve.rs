//! The service: a router that gives each question to one of three workers, and two plain pages.

use std::error::Error;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use opentelemetry::KeyValue;
use tokio::signal::unix::{SignalKind, signal};

use crate::meters::{self, Meters};

/// A worker: its name, how long it mostly takes in milliseconds, and how often it fails.
const WORKERS: [(&str, f64, f64); 3] =
    [("search", 20.0, 0.01), ("summary", 90.0, 0.03), ("translation", 60.0, 0.02)];

#[derive(serde::Deserialize)]
struct Question {
    /// Makes the worker fail, to see the alerts.
    #[serde(default)]
    fail: bool,
}

pub async fn run() -> Result<(), Box<dyn Error>> {
    let (meters, provider, registry) = meters::start()?;
    let meters = Arc::new(meters);
    let app = Router::new()
        .route("/", get("webapp: /api/items, /api/orders (POST), /api/ask, /metrics\n"))
        .route("/api/items", get(items))
        .route("/api/orders", post(orders))
        .route("/api/ask", get(ask))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&meters), measure))
        // After the layer: probes and scrapes are not what the service is there for.
        .route("/-/healthy", get("good\n"))
        .route("/metrics", get(move || ready(page(&registry))))
        .with_state(meters);

    let address = std::env::var("WEBAPP_LISTEN").unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("webapp listens on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    // Sends what is left. On a thread of its own, because it blocks until that is done.
    Ok(tokio::task::spawn_blocking(move || provider.shutdown()).await??)
}

/// Times a request and counts it, by route and not by path: a path may be anything.
async fn measure(
    State(meters): State<Arc<Meters>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let method = KeyValue::new("http.request.method", request.method().to_string());
    let active = [method.clone(), KeyValue::new("url.scheme", "http")];
    let begun = Instant::now();
    meters.active.add(1, &active);
    let response = next.run(request).await;
    meters.active.add(-1, &active);
    let status = response.status();
    let mut attributes = active.to_vec();
    attributes.push(KeyValue::new("http.route", path.as_str().to_owned()));
    attributes.push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        attributes.push(KeyValue::new("error.type", status.as_u16().to_string()));
    }
    meters.duration.record(begun.elapsed().as_secs_f64(), &attributes);
    response
}

async fn items() -> Response {
    pause(8.0).await;
    // One in twenty asks for what is not there.
    if fastrand::u8(..20) == 0 {
        return (StatusCode::NOT_FOUND, "no such item\n").into_response();
    }
    "an item\n".into_response()
}

async fn orders() -> Response {
    pause(35.0).await;
    (StatusCode::CREATED, "an order\n").into_response()
}

async fn ask(State(meters): State<Arc<Meters>>, Query(question): Query<Question>) -> Response {
    let (name, milliseconds, failing) = WORKERS[fastrand::usize(..WORKERS.len())];
    let worker = [KeyValue::new("app.worker", name)];
    meters.decisions.add(1, &worker);
    meters.confidence.record(0.5 + fastrand::f64() / 2.0, &worker);

    meters.tasks.add(1, &worker);
    let begun = Instant::now();
    pause(milliseconds).await;
    meters.work.record(begun.elapsed().as_secs_f64(), &worker);
    meters.tasks.add(-1, &worker);

    if question.fail || fastrand::f64() < failing {
        let why = if fastrand::bool() { "timeout" } else { "overloaded" };
        meters.errors.add(1, &[worker[0].clone(), KeyValue::new("error.type", why)]);
        return (StatusCode::INTERNAL_SERVER_ERROR, "the worker failed\n").into_response();
    }
    for (direction, count) in [("input", fastrand::u64(20..200)), ("output", fastrand::u64(50..600))] {
        meters.tokens.add(count, &[worker[0].clone(), KeyValue::new("app.token.direction", direction)]);
    }
    "an answer\n".into_response()
}

/// As long as work takes: mostly about `milliseconds`, seldom much longer.
async fn pause(milliseconds: f64) {
    let stretch = -fastrand::f64().max(0.001).ln();
    tokio::time::sleep(Duration::from_secs_f64(milliseconds / 1000.0 * (0.5 + stretch))).await;
}

fn page(registry: &prometheus::Registry) -> Response {
    match prometheus::TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(page) => ([("content-type", "text/plain; version=0.0.4")], page).into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem.to_string()).into_response(),
    }
}
