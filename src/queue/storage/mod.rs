//! The seam between the queue and a file system: what the queue needs of one, and nothing else.
//!
//! The queue runs on a [`Directory`] and is tested on a simulated one, which keeps what was synced apart from
//! what was only written, so that the images that a crash may leave can be tried one by one.

mod directory;
mod lock;
#[cfg(test)]
pub(super) mod simulated;

use std::io;

use rustix::io::Errno;

pub(super) use directory::Directory;
pub(super) use lock::Refused;

fn is_one_of(error: &io::Error, those: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| those.iter().any(|errno| errno.raw_os_error() == code))
}

/// Whether the disk has lost what it was asked for, rather than being in some state that may pass.
pub(super) fn is_damage(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::IO, Errno::BADMSG, Errno::NODATA, Errno::UCLEAN])
}

/// Whether a name stands for something other than a file.
pub(super) fn is_foreign(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
        || is_one_of(error, &[Errno::ISDIR, Errno::LOOP, Errno::NXIO, Errno::NODEV])
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
