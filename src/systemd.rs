//! What a service manager is told, by the protocol of sd_notify(3): a datagram of `NAME=value` lines to the socket
//! that `$NOTIFY_SOCKET` names.
//!
//! A few lines instead of a library, because the protocol is one datagram. Nothing here ever waits: a message
//! that the manager has no room for is dropped.

#[cfg_attr(not(target_os = "linux"), path = "systemd/nowhere.rs")]
mod socket;

use std::time::Duration;

use socket::Socket;

/// The way to the manager; without one, everything is said to nobody.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<Socket>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The manager that the variables of this process name.
    pub fn find(variable: impl Fn(&str) -> Option<String>) -> Self {
        let socket = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()).and_then(|name| {
            Socket::connect(&name)
                .inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET cannot be used"))
                .ok()
        });
        // What is meant for a process that started us is not meant for us.
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let micros = variable("WATCHDOG_USEC").filter(|_| ours && socket.is_some());
        let micros = micros.and_then(|micros| micros.parse().ok()).filter(|micros| *micros > 0);
        Self { socket, watchdog: micros.map(Duration::from_micros) }
    }

    /// Whether there is somebody to tell.
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// How long the manager waits for a sign of life before it kills us; none where it does not.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The agent works; `status` says how, in one line.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}\n", one_line(status)));
    }

    /// The configuration is being read anew; [`Manager::ready`] ends that.
    pub fn reloading(&self) {
        let micros = socket::monotonic_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reads the configuration anew\n"));
    }

    /// The agent ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=sends what waits\n");
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.send("WATCHDOG=1\n");
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            tracing::debug!(%error, "the service manager was not told");
        }
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    fn manager(socket: &str, others: &[(&str, &str)]) -> Manager {
        Manager::find(|name| {
            let known = others.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
            if name == "NOTIFY_SOCKET" { Some(socket.to_owned()) } else { known }
        })
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_with_a_path_is_told_in_its_protocol() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = manager(path.to_str().unwrap(), &[]);
        manager.ready("serves\n/metrics");
        assert_eq!(received(&socket), "READY=1\nSTATUS=serves /metrics\n");
        manager.alive();
        assert_eq!(received(&socket), "WATCHDOG=1\n");
        manager.reloading();
        let message = received(&socket);
        let rest = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(rest.split('\n').next().unwrap().parse::<u64>().unwrap() > 0);
        manager.stopping();
        assert!(received(&socket).starts_with("STOPPING=1\n"));
        assert_eq!(manager.watchdog(), None);
    }

    #[test]
    fn a_manager_without_a_file_is_told_as_well() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("hostmeter-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        manager(&format!("@{name}"), &[]).alive();
        assert_eq!(received(&socket), "WATCHDOG=1\n");
    }

    #[test]
    fn the_watchdog_is_ours_only_with_our_pid_and_a_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let path = path.to_str().unwrap();
        let own = std::process::id().to_string();
        let of = |socket, pid, micros| {
            manager(socket, &[("WATCHDOG_PID", pid), ("WATCHDOG_USEC", micros)]).watchdog()
        };
        assert_eq!(of(path, &own, "60000000"), Some(Duration::from_mins(1)));
        assert_eq!(of(path, "1", "60000000"), None);
        assert_eq!(of(path, &own, "0"), None);
        assert_eq!(of(path, &own, "soon"), None);
        assert_eq!(of("", &own, "60000000"), None);
        assert_eq!(of("/nowhere/at/all", &own, "60000000"), None);
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nothing_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let manager = manager(path.to_str().unwrap(), &[]);
        // More than the queue of any socket holds; the test would not end.
        (0..100_000).for_each(|_| manager.alive());
    }
}
