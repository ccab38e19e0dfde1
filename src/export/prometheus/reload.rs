//! `POST /-/reload`: somebody at the endpoint wants the configuration to be read anew.

use hyper::header::{self, HeaderMap};
use hyper::{Method, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::server::Site;

/// Where reloads are asked for.
pub type Reloads = mpsc::Sender<ReloadAsked>;

/// A wish for the configuration to be read anew, and who waits to hear how that went.
#[derive(Debug, Default)]
pub struct ReloadAsked(Option<oneshot::Sender<bool>>);

impl ReloadAsked {
    /// Says whether the new configuration is in use.
    pub fn answer(self, successful: bool) {
        if let Some(asker) = self.0 {
            // Who has gone need not know.
            let _ = asker.send(successful);
        }
    }
}

/// Reloads for a client. Only who is on this machine, or has shown who he is, may ask, and no web page may do so through a browser: one
/// that sends a form elsewhere says so in `Origin`.
pub(super) async fn reload(
    site: &Site,
    method: &Method,
    headers: &HeaderMap,
    may: bool,
) -> (StatusCode, &'static str) {
    if *method != Method::POST && *method != Method::PUT {
        return (StatusCode::METHOD_NOT_ALLOWED, "only POST\n");
    }
    let Some(reloads) = site.reloads.as_ref().filter(|_| may && !headers.contains_key(header::ORIGIN)) else {
        return (
            StatusCode::FORBIDDEN,
            "only for clients on the same machine, or with a password or certificate; SIGHUP does the same\n",
        );
    };
    let (asker, answer) = oneshot::channel();
    if reloads.try_send(ReloadAsked(Some(asker))).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many reloads at a time\n");
    }
    match answer.await {
        Ok(true) => (StatusCode::OK, "the new configuration is in use\n"),
        Ok(false) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "refused, and nothing has changed; the log says why\n")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the agent ends\n"),
    }
}
