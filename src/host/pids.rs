//! Reading processes with the fewest system calls.
//!
//! At 10,000 processes the kernel's share of a path lookup, an open and a close is most of the cost, so
//! nothing is opened twice, names are made on the stack, and text is parsed where the kernel put it. What
//! belongs to a process is addressed relative to one kept descriptor of `/proc`.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, SeekFrom};
pub use rustix::io::{Errno, Result as KernelResult};
use rustix::process::Resource;

use super::{Error, Host};

/// `PROC_SUPER_MAGIC` (linux/magic.h): only in a real procfs does the size of `fd/` mean anything.
const PROC_MAGIC: u64 = 0x9fa0;

/// One listing of 10,000 processes is 240 KB of directory entries: read with few calls.
const LISTING_BUFFER: usize = 256 << 10;

/// `/proc/<pid>/*` past this is refused: a command line may be as long as memory allows.
const MAX_FILE: usize = 64 << 10;

/// Of at most this many processes descriptors are kept, and of each kind no more than a quarter of those that the agent
/// may have. Reading through one costs half of opening it anew, and each pins 5 KB of kernel memory.
const MAX_KEPT: u64 = 256;

/// A file of a process. It stays with that process: once it has ended, reading gives ESRCH even when the pid is in
/// use again.
#[derive(Debug)]
pub struct File(OwnedFd);

/// The directory of a process. It stays with that process, too: once it has ended nothing is found in it.
#[derive(Debug)]
pub struct Directory(OwnedFd);

/// The processes under the root's `/proc`.
#[derive(Debug)]
pub struct Pids {
    proc: OwnedFd,
    is_procfs: bool,
    listing: Box<[MaybeUninit<u8>]>,
    /// The size of `/proc/<pid>/fd` is its number of descriptors (Linux 6.2 and later).
    sized_fd_directory: bool,
    own: Option<u32>,
    room: usize,
}

/// `<pid>/<name>` as a C string on the stack.
struct Name {
    bytes: [u8; 40],
}

impl Name {
    fn new(pid: u32, file: &str) -> Self {
        let mut digits = [0_u8; 10];
        let mut at = digits.len();
        let mut rest = pid;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let mut bytes = [0_u8; 40];
        let digits = &digits[at..];
        bytes[..digits.len()].copy_from_slice(digits);
        bytes[digits.len()] = b'/';
        // The longest name asked for has 10 bytes, so there is always a NUL at the end.
        let file = &file.as_bytes()[..file.len().min(28)];
        bytes[digits.len() + 1..][..file.len()].copy_from_slice(file);
        Self { bytes }
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl Pids {
    /// Opens the root's `/proc`.
    pub fn open(host: &Host) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::openat(CWD, host.path("proc"), flags, Mode::empty())
            .map_err(|e| Error::io("proc", e.into()))?;
        let is_procfs = rustix::fs::fstatfs(&proc).is_ok_and(|fs| fs.f_type as u64 == PROC_MAGIC);
        let sized_fd_directory = is_procfs
            && rustix::fs::statat(&proc, c"self/fd", AtFlags::empty()).is_ok_and(|stat| stat.st_size > 0);
        let listing = vec![MaybeUninit::uninit(); LISTING_BUFFER].into_boxed_slice();
        let own = rustix::fs::readlinkat(&proc, c"self", Vec::new()).ok();
        let own = own.and_then(|target| pid(target.as_bytes()));
        // On a fixture an open file outlives the "process" that it is of.
        let most = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 4;
        let room = if is_procfs { most.min(MAX_KEPT) as usize } else { 0 };
        Ok(Self { proc, is_procfs, listing, sized_fd_directory, own, room })
    }

    /// The pid of this very process, as this `/proc` has it: in a container that sees the host's, another
    /// than `getpid` gives.
    pub fn own(&self) -> Option<u32> {
        self.own
    }

    /// Of how many processes descriptors may be kept.
    pub fn room(&self) -> usize {
        self.room
    }

    /// The pids that there are, ascending, into `out`.
    pub fn list(&mut self, out: &mut Vec<u32>) -> Result<(), Error> {
        out.clear();
        rustix::fs::seek(&self.proc, SeekFrom::Start(0)).map_err(|e| Error::io("proc", e.into()))?;
        let mut entries = RawDir::new(self.proc.as_fd(), &mut self.listing);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|e| Error::io("proc", e.into()))?;
            out.extend(pid(entry.file_name().to_bytes()));
        }
        // The kernel lists in ascending order; a directory of files that stands for /proc does not.
        if !out.is_sorted() {
            out.sort_unstable();
        }
        Ok(())
    }

    /// Opens a small file of a process.
    pub fn open_small(&self, pid: u32, file: &str) -> KernelResult<File> {
        self.open_file(pid, file).map(File)
    }

    /// Opens the directory of a process.
    pub fn directory(&self, pid: u32) -> KernelResult<Directory> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.proc, Name::new(pid, "").as_c_str(), flags, Mode::empty()).map(Directory)
    }

    /// Reads a whole small file of a process, at most 64 KiB of it.
    pub fn read<'a>(&self, pid: u32, file: &str, buffer: &'a mut Vec<u8>) -> KernelResult<&'a [u8]> {
        let file = self.open_file(pid, file)?;
        buffer.resize(buffer.len().max(4096), 0);
        let mut filled = 0;
        loop {
            let read = rustix::io::read(&file, &mut buffer[filled..])?;
            filled += read;
            // One read is enough for a pseudo-file that does not fill the buffer.
            if filled < buffer.len() || buffer.len() >= MAX_FILE {
                return Ok(&buffer[..filled]);
            }
            buffer.resize(buffer.len() * 2, 0);
        }
    }

    /// The target of `/proc/<pid>/exe`.
    pub fn executable(&self, pid: u32) -> KernelResult<String> {
        let name = Name::new(pid, "exe");
        let target = rustix::fs::readlinkat(&self.proc, name.as_c_str(), Vec::new())?;
        Ok(String::from_utf8_lossy(target.as_bytes()).into_owned())
    }

    /// The user id that owns the process's directory: the effective one, or 0 where the process may not be
    /// traced (it changed its credentials).
    pub fn owner(&self, pid: u32) -> KernelResult<u32> {
        let name = Name::new(pid, "");
        Ok(rustix::fs::statat(&self.proc, name.as_c_str(), AtFlags::empty())?.st_uid)
    }

    /// The number of a file of a process. Those below `net` have one for each network namespace, so two
    /// processes are in the same one when it is the same, which takes no privilege to find out.
    pub fn inode(&self, pid: u32, file: &str) -> KernelResult<u64> {
        Ok(rustix::fs::statat(&self.proc, Name::new(pid, file).as_c_str(), AtFlags::empty())?.st_ino)
    }

    /// The threads of a process, at most `most` of them.
    pub fn threads(&self, pid: u32, most: usize) -> KernelResult<Vec<u32>> {
        let name = Name::new(pid, "task");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.proc, name.as_c_str(), flags, Mode::empty())?;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(directory, &mut buffer);
        let mut threads = Vec::new();
        while let Some(entry) = entries.next().filter(|_| threads.len() < most) {
            threads.extend(self::pid(entry?.file_name().to_bytes()));
        }
        Ok(threads)
    }

    /// Reads a small file of a thread.
    pub fn read_of_thread<'a>(
        &self,
        pid: u32,
        thread: u32,
        file: &str,
        buffer: &'a mut Vec<u8>,
    ) -> KernelResult<&'a [u8]> {
        self.read(pid, &format!("task/{thread}/{file}"), buffer)
    }

    /// How many descriptors a process has open.
    pub fn descriptors(&self, pid: u32) -> KernelResult<u64> {
        self.descriptors_at(self.proc.as_fd(), Name::new(pid, "fd").as_c_str())
    }

    /// The same of the process whose directory it is; what [`vanished`] knows when it has ended.
    pub fn descriptors_of(&self, directory: &Directory) -> KernelResult<u64> {
        self.descriptors_at(directory.0.as_fd(), c"fd")
    }

    fn descriptors_at(&self, directory: BorrowedFd, name: &CStr) -> KernelResult<u64> {
        if self.sized_fd_directory {
            let size = rustix::fs::statat(directory, name, AtFlags::empty())?.st_size;
            return Ok(u64::try_from(size).unwrap_or(0));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(directory, &mut buffer);
        let mut count = 0;
        while let Some(entry) = entries.next() {
            count += u64::from(!entry?.file_name().to_bytes().starts_with(b"."));
        }
        Ok(count)
    }

    fn open_file(&self, pid: u32, file: &str) -> KernelResult<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::openat(&self.proc, Name::new(pid, file).as_c_str(), flags, Mode::empty())?;
        // A procfs holds nothing else, and asking there would cost a system call for each file.
        let regular = || Ok(FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode).is_file());
        if self.is_procfs || regular()? { Ok(file) } else { Err(Errno::INVAL) }
    }
}

impl Directory {
    /// The same as [`Pids::owner`]; 0 of a process that has ended.
    pub fn owner(&self) -> KernelResult<u32> {
        Ok(rustix::fs::fstat(&self.0)?.st_uid)
    }
}

impl File {
    /// Reads it from the start into `buffer` and returns the part that was read.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> KernelResult<&'a [u8]> {
        let read = rustix::io::pread(&self.0, &mut *buffer, 0)?;
        Ok(&buffer[..read])
    }
}

/// Whether the error says that the process has ended, which between listing and reading is no error at all.
pub fn vanished(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::SRCH | Errno::NOTDIR)
}

/// Whether the error says that the agent may not read it.
pub fn refused(error: Errno) -> bool {
    matches!(error, Errno::ACCESS | Errno::PERM)
}

fn pid(name: &[u8]) -> Option<u32> {
    if name.is_empty() || name.len() > 10 {
        return None;
    }
    let value = name
        .iter()
        .try_fold(0_u64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))?;
    u32::try_from(value).ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        assert_eq!(Name::new(1, "stat").as_c_str(), c"1/stat");
        assert_eq!(Name::new(u32::MAX, "stat").as_c_str(), c"4294967295/stat");
        assert_eq!(Name::new(0, "").as_c_str(), c"0/");
    }

    #[test]
    fn only_pids_are_pids() {
        assert_eq!(pid(b"1"), Some(1));
        assert_eq!(pid(b"4194304"), Some(4_194_304));
        for not in [&b"self"[..], b"", b"0", b"1a", b"99999999999", b"4294967296"] {
            assert_eq!(pid(not), None);
        }
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let process = root.path().join("proc/7");
        std::fs::create_dir_all(process.join("io")).unwrap();
        std::fs::write(root.path().join("proc/stat"), "btime 1\n").unwrap();
        rustix::fs::mknodat(CWD, process.join("stat"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::os::unix::fs::symlink("status", process.join("status")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", process.join("cmdline")).unwrap();
        let pids = Pids::open(&Host::at(root.path()).unwrap()).unwrap();
        assert_eq!(pids.open_small(7, "stat").unwrap_err(), Errno::INVAL);
        assert_eq!(pids.room(), 0);
        for (file, error) in [("io", Errno::INVAL), ("status", Errno::LOOP), ("cmdline", Errno::INVAL)] {
            assert_eq!(pids.read(7, file, &mut Vec::new()), Err(error), "{file}");
        }
    }

    #[test]
    fn this_process_is_found_and_read() {
        let host = Host::at("/").unwrap();
        let mut pids = Pids::open(&host).unwrap();
        let mut list = Vec::new();
        pids.list(&mut list).unwrap();
        let own = std::process::id();
        assert_eq!(pids.own(), Some(own));
        assert!(list.binary_search(&own).is_ok());
        let mut buffer = [0; 1024];
        let stat = pids.open_small(own, "stat").unwrap();
        for _ in 0..2 {
            assert!(stat.read(&mut buffer).unwrap().starts_with(own.to_string().as_bytes()));
        }
        assert!((1..=MAX_KEPT as usize).contains(&pids.room()));
        assert!(pids.descriptors(own).unwrap() >= 3);
        let directory = pids.directory(own).unwrap();
        assert!(pids.descriptors_of(&directory).unwrap() >= 3);
        assert_eq!(directory.owner(), pids.owner(own));
        assert!(vanished(pids.open_small(u32::MAX, "stat").unwrap_err()));
    }
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a process that ends is needed")]
    fn what_is_kept_of_a_process_that_has_ended_finds_nothing() {
        let pids = Pids::open(&Host::at("/").unwrap()).unwrap();
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let (stat, directory) =
            (pids.open_small(child.id(), "stat").unwrap(), pids.directory(child.id()).unwrap());
        assert!(pids.descriptors_of(&directory).is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(vanished(pids.descriptors_of(&directory).unwrap_err()));
        assert!(vanished(stat.read(&mut [0; 64]).unwrap_err()));
        assert_eq!(directory.owner(), Ok(0));
    }
}
