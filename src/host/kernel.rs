//! What is asked of Linux itself, where the standard library has no word for it. `elsewhere.rs` is this for every other
//! system.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::buffer::spare_capacity;
use rustix::fs::{Access, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::time::{ClockId, clock_gettime};

use super::own::Usage;
use super::statfs::Space;

/// Where a container image usually mounts the host's root.
pub(super) const KNOWN_ROOTS: &[&str] = &["/host", "/hostfs"];

/// Clock ticks a second (`sysconf(_SC_CLK_TCK)`).
pub(super) fn ticks() -> u64 {
    rustix::param::clock_ticks_per_second()
}

pub(super) fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// What is known beside the files of a root: nothing, because they say it.
pub(super) fn boot_time(_root: &Path) -> Option<SystemTime> {
    None
}

/// The same of the CPUs.
pub(super) fn cpus(_root: &Path) -> Option<usize> {
    None
}

/// The same of the host's name.
pub(super) fn name(_root: &Path) -> Option<String> {
    None
}

/// The same of the machine's UUID.
pub(super) fn machine_uuid(_root: &Path) -> Option<String> {
    None
}

/// Whether what is at the root's `proc` is no procfs.
pub(super) fn is_recorded(root: &Path) -> bool {
    rustix::fs::statfs(root.join("proc")).is_ok_and(|fs| fs.f_type != rustix::fs::PROC_SUPER_MAGIC)
}

/// Makes room for descriptors, while there is one thread only.
///
/// With more of them the kernel waits 7 ms each time the table of descriptors grows, at 64, 128 and 256 of them, until no
/// processor can be reading the old one (expand_fdtable()): the first reading of the processes took three times as long.
pub(super) fn make_room_for_descriptors(number: i32) {
    // Whether it may be is decided when there are as many; until then a small table is merely slower.
    let high = rustix::io::fcntl_dupfd_cloexec(io::stderr(), number - 1);
    drop(high);
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a file belongs to another user than the process.
pub(super) fn is_foreign(file: &Metadata) -> bool {
    file.uid() != rustix::process::geteuid().as_raw()
}

/// The number of a file on its file system.
pub(super) fn file_number(file: &Metadata) -> u64 {
    file.ino()
}

/// Opens a file that is known to be one.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Opens a regular file.
///
/// `O_NONBLOCK` and the type are not decoration: a fixture root or a hostile mount can hold a FIFO in the
/// place of a file, and opening one would wait for a writer for ever.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(io::Error::other(format!("not a regular file but {kind:?}")));
    }
    Ok(file)
}

/// Reads once what is in the file from `at` on, into the room behind what is there; how much that was.
pub(super) fn read(file: &File, bytes: &mut Vec<u8>, at: usize) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pread(file, spare_capacity(bytes), at as u64))?)
}

/// Whether this is what a driver answers that registers a file and has nothing behind it.
pub(super) fn has_nothing_behind_it(error: &io::Error) -> bool {
    let those = [Errno::NODEV, Errno::NXIO, Errno::OPNOTSUPP];
    error.raw_os_error().is_some_and(|code| those.contains(&Errno::from_raw_os_error(code)))
}

/// A path, which need not be UTF-8.
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(bytes).into()
}

/// statfs(2). Whoever asks may wait for ever where a server is gone.
pub(super) fn space(path: &Path) -> io::Result<Space> {
    let fs = rustix::fs::statvfs(path)?;
    Ok(Space {
        block: fs.f_frsize,
        blocks: fs.f_blocks,
        free: fs.f_bfree,
        available: fs.f_bavail,
        inodes: fs.f_files,
        inodes_free: fs.f_ffree,
    })
}

/// Whether this process may make files in a directory.
pub(super) fn may_write(directory: &Path) -> bool {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// CPU time by `CLOCK_PROCESS_CPUTIME_ID` (clock_gettime(2)), memory from `/proc/self/statm`.
pub(super) fn usage() -> Usage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    Usage { cpu: Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32), memory: resident() }
}

fn resident() -> Option<u64> {
    static OWN: OnceLock<File> = OnceLock::new();
    let own = if let Some(file) = OWN.get() {
        file
    } else {
        let file = open_regular("/proc/self/statm".as_ref()).ok()?;
        OWN.get_or_init(|| file)
    };
    let statm = super::read_all(own, 4096, super::CERTAIN).ok()?;
    let pages: u64 = std::str::from_utf8(&statm).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size())
}

pub(super) fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
