//! How full a filesystem is, asked with statfs(2) in a way that a dead server cannot hold us up.
//!
//! statfs on a mount whose server is gone waits in the kernel, and no signal or deadline ends that. So it is
//! called on a thread that can be given up: what does not answer in time keeps the thread, is left out, and
//! is not asked again before the thread has returned, while a new thread asks the rest.
//!
//! Bounds, whatever hangs: [`PATIENCE`] for one mount, [`TOGETHER`] for all, [`MAX_STUCK`] threads, the last
//! of which is kept for local disks: fifty dead NFS mounts do not hide `/`. Where mounts are slow enough to
//! use up the time, those that come last are left out.
//!
//! A recorded host (a root without a procfs) has no mounts of its own. Its answers stand in the file
//! `statfs` in the root: a line each of mount point (escaped as in mountinfo), block size, blocks, free,
//! available, inodes and free inodes.

mod pool;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use super::text::{self, Rows};
use super::{Error, Host, ParseError, kernel};

pub use pool::{MAX_STUCK, PATIENCE, Pool, TOGETHER};

/// What statfs(2) says, in blocks of `block` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes of a block (`f_frsize`).
    pub block: u64,
    /// All blocks.
    pub blocks: u64,
    /// Blocks that hold nothing.
    pub free: u64,
    /// Those of them that any user may fill.
    pub available: u64,
    /// Inodes, 0 where the filesystem makes them as it needs them.
    pub inodes: u64,
    /// Inodes that are not in use.
    pub inodes_free: u64,
}

/// A mount to ask about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Where it is on this machine.
    pub path: PathBuf,
    /// A server or another program answers for it, and may be gone.
    pub remote: bool,
}

impl Pool {
    /// A pool for a host: the kernel answers, or the file `statfs` of a recorded one.
    pub fn of(host: &Host) -> Result<Self, Error> {
        if !host.is_recorded() {
            return Ok(Self::new(kernel::space));
        }
        let table = match host.read_escaped("statfs") {
            Err(e) if e.is_unavailable() => Vec::new(),
            text => parse(&text?).map_err(|e| e.at("statfs"))?.rows,
        };
        let table: HashMap<_, _> = table.into_iter().map(|(at, space)| (host.path_of(&at), space)).collect();
        Ok(Self::new(move |path| table.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())))
    }
}

/// The file `statfs` of a recorded host.
fn parse(text: &str) -> Result<Rows<(PathBuf, Space)>, ParseError> {
    text::rows(text, 0, |number, line| {
        let mut fields = line.split_ascii_whitespace();
        let at = text::unescape_path(fields.next().unwrap_or_default());
        let mut next = || text::number(fields.next(), number, line, "a mount point and 6 numbers");
        let (block, blocks, free, available) = (next()?, next()?, next()?, next()?);
        Ok((at, Space { block, blocks, free, available, inodes: next()?, inodes_free: next()? }))
    })
}
