//! The socket of a service manager where there is none: macOS and Windows have other ways, which hostmeter does not
//! speak.

use std::io;

/// A way that is never found.
#[derive(Debug)]
pub(super) enum Socket {}

impl Socket {
    pub(super) fn connect(_name: &str) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn send(&self, _message: &[u8]) -> io::Result<usize> {
        match *self {}
    }
}

/// The clock of a manager that is not there.
pub(super) fn monotonic_micros() -> i64 {
    0
}
