//! Errors of reading the host, sorted by what can be done about them.

use std::io;
use std::sync::Arc;

use super::kernel;

/// Why something of the host could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// This kernel or machine does not have it. Nothing to do; quiet.
    #[error("{path}: not on this host")]
    Unavailable {
        /// The file, relative to the root.
        path: String,
    },
    /// The agent may not read it. The remedy is a capability or another user.
    #[error("{path}: permission denied")]
    Permission {
        /// The file, relative to the root.
        path: String,
    },
    /// The kernel answered with another error, or the file is not a regular one.
    #[error("{path}: {source}")]
    Io {
        /// The file, relative to the root.
        path: String,
        /// What the kernel said.
        source: Arc<io::Error>,
    },
    /// The text is not what the kernel's documentation says: a newer kernel, or a bug of ours.
    #[error("{path}:{line}: expected {expected}, found {text:?}")]
    Parse {
        /// The file, relative to the root.
        path: String,
        /// The line, from 1 on.
        line: usize,
        /// What stands there, cut to 80 characters.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// It did not answer in time; it is not asked again before it returns.
    #[error("{path}: no answer within {millis} ms")]
    Timeout {
        /// What was asked.
        path: String,
        /// How long it was waited for.
        millis: u64,
    },
    /// More points than the collector's ceiling; the rest is left out and counted.
    #[error("{path}: more than {ceiling} points, the rest is left out; narrow the collector's filters")]
    Ceiling {
        /// The metric.
        path: String,
        /// The ceiling.
        ceiling: usize,
    },
}

impl Error {
    /// The value of `error.type`: a closed set.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Unavailable { .. } => "unavailable",
            Error::Permission { .. } => "permission",
            Error::Io { .. } => "io",
            Error::Parse { .. } => "parse",
            Error::Timeout { .. } => "timeout",
            Error::Ceiling { .. } => "ceiling",
        }
    }

    /// An error of the kernel, sorted.
    pub fn io(path: impl Into<String>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Unavailable { path },
            io::ErrorKind::PermissionDenied => Error::Permission { path },
            _ if kernel::has_nothing_behind_it(&source) => Error::Unavailable { path },
            _ => Error::Io { path, source: Arc::new(source) },
        }
    }

    /// Whether the host simply does not have it.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Error::Unavailable { .. })
    }
}

/// What a pure parser says: where and what, before it is known of which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1 on.
    pub line: usize,
    /// What stands there, cut to 80 characters.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl ParseError {
    /// An error at a line (from 1 on).
    pub fn new(line: usize, text: &str, expected: &'static str) -> Self {
        Self { line, text: text.chars().take(80).collect(), expected }
    }

    /// The same, knowing the file.
    pub fn at(self, path: &str) -> Error {
        Error::Parse { path: path.to_owned(), line: self.line, text: self.text, expected: self.expected }
    }
}
