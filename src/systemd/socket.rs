//! The socket of a service manager.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A way that nothing waits on.
#[derive(Debug)]
pub(super) struct Socket(UnixDatagram);

impl Socket {
    pub(super) fn connect(name: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address(name)?)?;
        Ok(Self(socket))
    }

    pub(super) fn send(&self, message: &[u8]) -> io::Result<usize> {
        self.0.send(message)
    }
}

/// A path, or a name without a file, which begins with `@`.
fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

/// The clock of the manager, `CLOCK_MONOTONIC`.
pub(super) fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}
