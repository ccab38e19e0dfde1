//! Whether the port of `/metrics` can be had, or has already been taken by an agent that runs.

use std::net::SocketAddr;

use crate::agent::pull_settings;
use crate::config::Prometheus;
use crate::export::prometheus::{BindError, Server};
use crate::host::{Host, rights};

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
    match Server::bind(&pull_settings(config)) {
        Ok(server) => Port::Free(server.local_addrs().to_vec()),
        Err(error @ BindError::InUse { .. }) => {
            let others = own.map(rights::other_instances).unwrap_or_default();
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
