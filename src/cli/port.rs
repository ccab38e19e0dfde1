//! Whether the port of `/metrics` can be had, or has already been taken by an agent that runs.

use std::net::SocketAddr;

use crate::config::Prometheus;
use crate::export::prometheus::{self, BindError, Server};
use crate::host::{Host, own};

use super::ask::{There, ask, url};

/// How the port is.
#[derive(Debug)]
pub(super) enum Port {
    /// It can be had at these addresses.
    Free(Vec<SocketAddr>),
    /// An agent has it: its pid, where that is known.
    Ours(Option<u32>),
    /// It cannot be had.
    Taken(BindError),
}

/// Looks at the port of a configuration.
pub(super) fn look(config: &Prometheus, own: Option<&Host>) -> Port {
    let settings = prometheus::Settings {
        bind_address: config.bind_address.clone(),
        port: config.port,
        ..prometheus::Settings::default()
    };
    match Server::bind(&settings) {
        Ok(server) => Port::Free(server.local_addrs().to_vec()),
        Err(error @ BindError::InUse { .. }) => {
            let others = own.map(own::other_instances).unwrap_or_default();
            let known = ask(&url(config, "/-/healthy"));
            let ours = match known {
                Ok(There::Http(200, text)) => text == "healthy\n",
                // Behind TLS or a password it cannot be known but by its name.
                Ok(There::Tls | There::Http(401 | 403, _)) => !others.is_empty(),
                _ => false,
            };
            let pid = others.first().copied().filter(|_| others.len() == 1);
            if ours { Port::Ours(pid) } else { Port::Taken(error) }
        }
        Err(error) => Port::Taken(error),
    }
}

/// The words for an agent that runs.
pub(super) fn runs_already(pid: Option<u32>) -> String {
    pid.map_or("hostmeter runs already".to_owned(), |pid| format!("hostmeter runs already, pid {pid}"))
}
