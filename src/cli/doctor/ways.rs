//! The ways out: the port, the endpoint, and where batches wait.

use std::io;
use std::path::Path;

use bytesize::ByteSize;

use crate::agent::{Measuring, door, otlp_settings, queue_place};
use crate::cli::port::{self, Port, runs_already};
use crate::config::Config;
use crate::export::otlp;
use crate::host::Host;
use crate::host::rights::{self, Room};

use super::report::{Finding, Report};

pub(super) fn examine(config: &Config, measuring: &Measuring, own: Option<&Host>, report: &mut Report) {
    report.add(match (config.prometheus.enabled, door(&config.prometheus)) {
        (false, _) => Finding::ok("prometheus", "off"),
        (true, Err(error)) => {
            Finding::problem("prometheus", error.to_string(), "correct prometheus.web_config_file")
        }
        (true, Ok(_)) => prometheus(&port::look(&config.prometheus, own)),
    });
    if !config.otlp.enabled {
        report.add(Finding::ok("otlp", "off: no endpoint"));
        return;
    }
    let settings = match otlp_settings(config, measuring) {
        Ok(settings) => settings,
        Err(error) => {
            report.add(Finding::problem("otlp", error.to_string(), "correct what is named"));
            return;
        }
    };
    let contained = measuring.resource.get("container.id").is_some();
    let delivered = deliver(&settings);
    report.add(endpoint(&settings.target.endpoint, delivered, contained));
    report.add(queue(config, measuring, &settings));
}

fn prometheus(port: &Port) -> Finding {
    match port {
        Port::Free(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Finding::ok("prometheus", format!("free: {}", addresses.join(" ")))
        }
        Port::Ours(pid) => Finding::ok("prometheus", runs_already(*pid)),
        Port::Taken(error) => Finding::problem("prometheus", error.to_string(), ""),
    }
}

/// Tries to deliver nothing.
fn deliver(settings: &otlp::Settings) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let result = runtime.block_on(otlp::probe(settings));
    // A look-up of a name may hang; it is left to itself.
    runtime.shutdown_background();
    result.map(|took| format!("took an empty request in {} ms", took.as_millis()))
}

fn endpoint(endpoint: &http::Uri, delivered: Result<String, String>, contained: bool) -> Finding {
    let shown = |text: &str| {
        let port = endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
        let scheme = endpoint.scheme_str().unwrap_or("http");
        format!("{scheme}://{}{port}: {text}", endpoint.host().unwrap_or_default())
    };
    let to_itself = matches!(endpoint.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match delivered {
        Ok(text) => Finding::ok("otlp", shown(&text)),
        Err(problem) => {
            let remedy = if contained && to_itself {
                "in a container, localhost is the container itself: name the Collector by its service, or share the \
                 host's network"
            } else {
                ""
            };
            Finding::problem("otlp", shown(&problem), remedy)
        }
    }
}

fn queue(config: &Config, measuring: &Measuring, settings: &otlp::Settings) -> Finding {
    let Some(place) = queue_place(&config.queue, &measuring.host) else {
        let limit = ByteSize(settings.queue.bytes);
        let found = format!("{limit} in memory: what waits is gone with the process");
        return Finding::warning("queue", found, "set queue.directory to a directory of the agent's own");
    };
    room(&place.directory, place.limits.free, rights::room(&place.directory))
}

fn room(directory: &Path, leave: u64, room: io::Result<Room>) -> Finding {
    let shown = directory.display().to_string();
    let Room { exists, writable, free } = match room {
        Ok(room) => room,
        Err(error) => return Finding::problem("queue", format!("{shown}: {error}"), "set queue.directory"),
    };
    let free_shown = ByteSize(free);
    if !writable {
        let found = format!("{shown}: this user may not write there");
        return Finding::problem(
            "queue",
            found,
            "give the agent's user the directory (StateDirectory= of the service)",
        );
    }
    if free <= leave {
        let found = format!("{shown}: {free_shown} are free, and {} are left to others", ByteSize(leave));
        return Finding::problem("queue", found, "make room on its file system, or lower queue.min_free");
    }
    let state = if exists { "" } else { ", not made yet" };
    Finding::ok("queue", format!("{shown}: {free_shown} are free{state}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict::{Ok as Good, Problem};
    use super::*;
    use crate::export::prometheus::{Server, Settings};

    #[test]
    fn an_endpoint_is_told_with_what_is_wrong_and_without_its_password() {
        let uri = http::Uri::from_static("http://user:secret@localhost:4317");
        let good = endpoint(&uri, Ok("took it".to_owned()), true);
        assert_eq!((good.verdict, good.found.as_str()), (Good, "http://localhost:4317: took it"));
        let refused = |contained| endpoint(&uri, Err("connection refused".to_owned()), contained);
        assert_eq!((refused(false).verdict, refused(false).remedy.as_str()), (Problem, ""));
        assert!(refused(true).remedy.contains("the container itself"));
        assert!(!refused(true).found.contains("secret"));
    }

    #[test]
    fn a_queue_needs_a_directory_that_can_be_written_and_room() {
        let directory = Path::new("/var/lib/hostmeter");
        let look = |writable, free| room(directory, 100, Ok(Room { exists: true, writable, free }));
        assert_eq!(look(true, 1000).verdict, Good);
        assert_eq!((look(false, 1000).verdict, look(true, 100).verdict), (Problem, Problem));
        let error = room(directory, 100, Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(error.verdict, Problem);
    }

    #[test]
    fn a_port_is_free_ours_or_another_programs() {
        let free = prometheus(&Port::Free(vec![([127, 0, 0, 1], 9464).into()]));
        assert_eq!((free.verdict, free.found.as_str()), (Good, "free: 127.0.0.1:9464"));
        let ours = prometheus(&Port::Ours(Some(7)));
        assert_eq!((ours.verdict, ours.found.as_str()), (Good, "hostmeter runs already, pid 7"));
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let settings = Settings { bind_address: "127.0.0.1".to_owned(), port, ..Settings::default() };
        let taken = prometheus(&Port::Taken(Server::bind(&settings).unwrap_err()));
        assert_eq!(taken.verdict, Problem);
        assert!(taken.found.contains("in use by another program"), "{taken:?}");
    }
}
