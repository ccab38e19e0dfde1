//! The process gives away what it does not need, so that a mistake in it is worth little to others.
//!
//! Each as far as the kernel has it, and without a word of complaint where it has not (macOS and Windows have none):
//! - Of the whole process: the capabilities (capabilities(7)) other than those that other processes' `io` and `fd` ask
//!   for; `no_new_privs`; and core dumps, which would hold tokens.
//! - Of the threads that speak with the network: all files but those that Landlock (landlock(7)) lets them read and
//!   write. They execute no program, whatever is on disk. The threads that read the host stay outside, because
//!   whoever is inside is refused `io`, `exe` and `fd` of every process outside, whatever capability it has.
//!
//! Both are of the calling thread and of those that it starts, and neither can be taken back: what a later
//! configuration needs beyond them takes a restart.

use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::{confine, drop_privileges};

/// The capabilities that are asked for beside those of the collectors.
#[derive(Debug, Clone, Copy, Default)]
pub struct Privileges {
    /// A port below 1024.
    pub low_port: bool,
    /// A directory that belongs to somebody else.
    pub foreign_directory: bool,
}

/// The files of a thread.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Files and directories that are read, with all below them.
    pub read: Vec<PathBuf>,
    /// Directories in which files are made, written and removed.
    pub write: Vec<PathBuf>,
}

/// Gives away nothing.
#[cfg(not(target_os = "linux"))]
pub fn drop_privileges(_keep: Privileges) -> Option<u32> {
    None
}

/// Gives away nothing.
#[cfg(not(target_os = "linux"))]
pub fn confine(_files: &Files) -> Option<&'static str> {
    None
}
