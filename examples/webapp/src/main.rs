//! A small web service that is instrumented with OpenTelemetry, and a client that keeps it busy.
//!
//! ```text
//! webapp                                        serves WEBAPP_LISTEN, 127.0.0.1:8080 where nothing is said
//! webapp load [URL] [REQUESTS/S] [SECONDS]      asks it: http://127.0.0.1:8080, 20 a second, for ever
//! ```
//!
//! Its metrics go to `OTEL_EXPORTER_OTLP_ENDPOINT` by OTLP/gRPC, as hostmeter's do, and are on `/metrics`, too.

mod load;
mod meters;
mod serve;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => serve::run().await,
        ["load", rest @ ..] if rest.len() < 4 => {
            let url = rest.first().unwrap_or(&"http://127.0.0.1:8080");
            let rate = rest.get(1).map_or(Ok(20.0), |rate| rate.parse())?;
            let seconds = rest.get(2).map_or(Ok(f64::INFINITY), |seconds| seconds.parse())?;
            load::run(url, rate, seconds).await
        }
        _ => Err("usage: webapp | webapp load [URL] [REQUESTS/S] [SECONDS]".into()),
    }
}
