//! The seam between the queue and a file system: what the queue needs of one, and nothing else.
//!
//! The queue runs on a [`Directory`], on macOS and Windows on a plainer one (`plain.rs`), and is tested on a simulated
//! one, which keeps what was synced apart from what was only written, so that the images that a crash may leave can be
//! tried one by one.

#[cfg(target_os = "linux")]
mod directory;
#[cfg(target_os = "linux")]
mod lock;
#[cfg(any(not(target_os = "linux"), test))]
pub(super) mod plain;
#[cfg(test)]
pub(super) mod simulated;

use std::fs::File as StdFile;
use std::io::{self, Read};

#[cfg(target_os = "linux")]
pub(super) use directory::{Directory, is_damage, is_foreign};
#[cfg(not(target_os = "linux"))]
pub(super) use plain::{Directory, is_damage, is_foreign};

/// The name of the file that is locked. It stays when its owner is gone; only the lock counts.
const LOCK: &str = "lock";

/// Why a directory cannot be had.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another process has it.
    Held(Option<u32>),
    /// It cannot be used.
    Unusable(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::Unusable(error)
    }
}

/// Who has written its number into the file that is locked.
fn holder(lock: &mut StdFile) -> Option<u32> {
    let mut text = String::new();
    lock.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A directory with files in it, all named by us.
pub(super) trait Storage: Send {
    /// The names of everything in the directory.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file, in the place of one that may have the name.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Opens a regular file to be read and written.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Gives a file another name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names that were given and taken away survive a crash.
    fn sync(&self) -> io::Result<()>;

    /// The file system around the directory.
    fn space(&self) -> io::Result<Space>;

    /// The bytes that the directory itself and its lock take.
    fn allocated(&self) -> io::Result<u64>;

    /// Whether whoever looks for the directory by its path still finds this one.
    fn in_place(&self) -> bool;
}

/// An open file.
pub(super) trait File: Send {
    /// Reads until the buffer is full or the file ends, and returns how much that was.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at the end, which is at `offset`, into room that is taken before.
    fn append(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes over bytes that are there.
    fn overwrite(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, and gives back the room behind its end.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes what was written survive a crash.
    fn sync(&self) -> io::Result<()>;

    /// How large the file is.
    fn stat(&self) -> io::Result<Stat>;
}

/// The file system around a directory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    pub total: u64,
    /// What we may still write.
    pub available: u64,
    /// The unit in which it gives out room.
    pub block: u64,
}

/// How large a file is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub length: u64,
    /// The bytes that it takes of the file system.
    pub allocated: u64,
    /// Whether it still has a name.
    pub linked: bool,
}
