//! A directory of macOS or Windows, by the standard library alone. Tests of it run on Linux, too.
//!
//! It promises less than `directory.rs`: files are found by their paths, room is not taken before it is written, and a
//! file is taken to fill whole blocks of 4 KiB. Windows has no call that makes the names of a directory survive a
//! crash, so what was taken in last may be gone after a power cut there; NTFS keeps the directory itself whole.

#[cfg(test)]
mod tests;

use std::fs::{self, File as StdFile, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::host;

use super::{File, LOCK, Refused, Space, Stat, Storage, holder};

const BLOCK: u64 = 4096;

/// Of Windows: `ERROR_CRC`, `ERROR_IO_DEVICE`, `ERROR_FILE_CORRUPT`, `ERROR_DISK_CORRUPT`. Elsewhere `EIO`.
const DAMAGE: &[i32] = if cfg!(windows) { &[23, 1117, 1392, 1393] } else { &[5] };

/// Whether the disk has lost what it was asked for, rather than being in some state that may pass.
pub(in crate::queue) fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| DAMAGE.contains(&code))
}

/// Whether a name stands for something other than a file.
pub(in crate::queue) fn is_foreign(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory)
}

/// A directory that is ours alone.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Held for as long as this value lives, and no longer than the process.
    _lock: StdFile,
}

impl Directory {
    /// Opens the directory, which is made where it is missing, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Refused> {
        if !path.exists() {
            make(path)?;
        }
        if !fs::symlink_metadata(path)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory).into());
        }
        Ok(Self { path: path.to_path_buf(), _lock: lock(&path.join(LOCK))? })
    }

    fn file(&self, name: &str, options: &mut OpenOptions) -> io::Result<Box<dyn File>> {
        let path = self.path.join(name);
        // What is no file is not opened: a pipe would be waited for, and a link followed.
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Box::new(Open(options.read(true).write(true).open(path)?)))
    }
}

/// Makes a directory into which nobody else may look; on Windows it is as private as the one around it.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn lock(path: &Path) -> Result<StdFile, Refused> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        // On Windows what is locked cannot be read either, and then nobody is named.
        Err(TryLockError::WouldBlock) => return Err(Refused::Held(holder(&mut file))),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    // The number only helps whoever is refused; on a full disk the lock holds without it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

impl Storage for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // What is not UTF-8 is not ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.file(name, OpenOptions::new().create(true).truncate(true))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.file(name, &mut OpenOptions::new())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        // Windows opens no directory for this.
        if cfg!(windows) { Ok(()) } else { StdFile::open(&self.path)?.sync_all() }
    }

    fn space(&self) -> io::Result<Space> {
        let host::statfs::Space { block, blocks, available, .. } = host::space(&self.path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(block);
        Ok(Space { total: bytes(blocks), available: bytes(available), block: BLOCK })
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(2 * BLOCK)
    }

    fn in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_dir()) && self.path.join(LOCK).exists()
    }
}

struct Open(StdFile);

impl Open {
    /// The file at an offset. Only the queue's own thread moves in it.
    fn at(&self, offset: u64) -> io::Result<&StdFile> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }
}

impl File for Open {
    fn read_at(&self, mut buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut file = self.at(offset)?;
        let mut all = 0;
        while !buffer.is_empty() {
            match file.read(buffer) {
                Ok(0) => break,
                Ok(some) => {
                    all += some;
                    buffer = &mut buffer[some..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn append(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.at(offset)?.write_all(bytes)
    }

    fn overwrite(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.at(offset)?.write_all(bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        let metadata = self.0.metadata()?;
        let length = metadata.len();
        Ok(Stat { length, allocated: length.next_multiple_of(BLOCK), linked: is_linked(&metadata) })
    }
}

#[cfg(unix)]
fn is_linked(file: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(file) > 0
}

/// What Windows knows of this is in no call of the standard library.
#[cfg(not(unix))]
fn is_linked(_file: &fs::Metadata) -> bool {
    true
}
