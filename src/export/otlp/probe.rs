//! One attempt to deliver nothing, to find out whether an endpoint would take something.

use std::time::{Duration, Instant};

use super::Settings;
use super::call::export;
use super::connection::Connection;
use super::credentials::{Credentials, News};
use super::hint::explain;

/// Sends an empty request as the settings want it. Returns how long that took, or what is wrong and what to do
/// about it, in one sentence.
pub async fn probe(settings: &Settings) -> Result<Duration, String> {
    let Settings { target, security, headers, timeout, .. } = settings.clone();
    let began = Instant::now();
    let mut credentials = Credentials::new(security, &target, headers);
    if let Some(News::Kept(problem)) = credentials.refresh(true).await {
        return Err(problem.to_string());
    }
    // No bytes are a request without metrics; compressed, they also show whether the peer reads the compression.
    let empty = settings.compression.compress(Vec::new());
    let attempt = async {
        let mut connection = Connection::open(&target, credentials.tls()?, fastrand::f64()).await?;
        let headers = credentials.headers()?;
        export(&mut connection, &target, headers, &empty, timeout).await
    };
    match attempt.await {
        Ok(_) => Ok(began.elapsed()),
        Err(failure) => Err(explain(&target, &failure).to_string()),
    }
}
