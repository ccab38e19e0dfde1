//! A directory of the host. Nothing in it is followed that is a link, and nothing opened that is not a file.

use std::fs::{DirBuilder, File as StdFile};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FallocateFlags, Mode, OFlags, Stat as RawStat};
use rustix::io::Errno;

use super::lock::Lock;
use super::{File, Refused, Space, Stat, Storage};

/// The unit of `st_blocks`, whatever the block size of the file system is (inode(7)).
const BLOCK: u64 = 512;

fn is_one_of(error: &io::Error, those: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| those.iter().any(|errno| errno.raw_os_error() == code))
}

/// Whether the disk has lost what it was asked for, rather than being in some state that may pass.
pub(in crate::queue) fn is_damage(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::IO, Errno::BADMSG, Errno::NODATA, Errno::UCLEAN])
}

/// Whether a name stands for something other than a file.
pub(in crate::queue) fn is_foreign(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
        || is_one_of(error, &[Errno::ISDIR, Errno::LOOP, Errno::NXIO, Errno::NODEV])
}

impl From<Errno> for Refused {
    fn from(error: Errno) -> Self {
        Refused::Unusable(error.into())
    }
}

/// A directory that is ours alone.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    handle: OwnedFd,
    lock: Lock,
}

impl Directory {
    /// Opens the directory, which is made where it is missing, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Refused> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                // The rights of a directory that was there are its owner's business.
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Refused::Unusable)?;
                rustix::fs::open(path, flags, Mode::empty())?
            }
            result => result?,
        };
        let lock = Lock::take(handle.as_fd())?;
        Ok(Self { path: path.to_path_buf(), handle, lock })
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<Box<dyn File>> {
        let flags = flags | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file: StdFile = rustix::fs::openat(&self.handle, name, flags, Mode::from_raw_mode(0o600))?.into();
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Box::new(Open(file)))
    }
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the widths of these fields are those of the platform"
)]
fn allocated(stat: &RawStat) -> u64 {
    stat.st_blocks as u64 * BLOCK
}

impl Storage for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            // What is not UTF-8 is not ours.
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.file(name, OFlags::CREATE | OFlags::TRUNC)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.file(name, OFlags::empty())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.handle)?)
    }

    fn space(&self) -> io::Result<Space> {
        let space = rustix::fs::fstatvfs(&self.handle)?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        let block = space.f_frsize.max(BLOCK);
        Ok(Space { total: bytes(space.f_blocks), available: bytes(space.f_bavail), block })
    }

    fn allocated(&self) -> io::Result<u64> {
        let directory = rustix::fs::fstat(&self.handle)?;
        Ok(allocated(&directory) + allocated(&rustix::fs::fstat(self.lock.file())?))
    }

    fn in_place(&self) -> bool {
        let same = |a: RawStat, b: RawStat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
        let there = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW);
        matches!((there, rustix::fs::fstat(&self.handle)), (Ok(a), Ok(b)) if same(a, b))
    }
}

/// Bytes go through the standard library, whose calls are those of the C library, where faults can be put in.
struct Open(StdFile);

impl File for Open {
    fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
        let mut all = 0;
        while !buffer.is_empty() {
            match self.0.read_at(buffer, offset) {
                Ok(0) => break,
                Ok(some) => {
                    all += some;
                    offset += some as u64;
                    buffer = &mut buffer[some..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn append(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // Taking the room first has two reasons: a full disk is met before a byte is written, and XFS, which
        // takes up to as much again for a file that grows, takes what it is asked for.
        match rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, offset, bytes.len() as u64) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.0.write_all_at(bytes, offset)
    }

    fn overwrite(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        let metadata = self.0.metadata()?;
        let (length, blocks, links) = (metadata.len(), metadata.blocks(), metadata.nlink());
        Ok(Stat { length, allocated: blocks * BLOCK, linked: links > 0 })
    }
}
