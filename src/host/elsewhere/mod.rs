//! What `kernel.rs` asks of Linux, on macOS and Windows: of the standard library and of `sysinfo`, in calls that both
//! have. Tests of it run on Linux, too.
//!
//! There is no procfs. The own root, `/`, stands for the machine of which `sysinfo` tells, and another root is a
//! recording of a Linux host, which is read as it is there.

#[cfg(not(target_os = "linux"))]
pub mod netlink;
#[cfg(not(target_os = "linux"))]
pub mod pids;
#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use sysinfo::{
    Disk, DiskRefreshKind, Disks, Process, ProcessRefreshKind, ProcessesToUpdate, Product, System,
};

use super::own::Usage;
use super::statfs::Space;

/// No image mounts a host anywhere. On Windows whoever may log in could make such a directory.
pub(super) const KNOWN_ROOTS: &[&str] = &[];

/// The ticks of nearly every Linux, for recordings.
pub(super) fn ticks() -> u64 {
    100
}

/// The page of nearly every Linux, for recordings.
pub(super) fn page_size() -> u64 {
    4096
}

pub(super) fn boot_time(root: &Path) -> Option<SystemTime> {
    let seconds = System::boot_time().ok().filter(|_| !is_recorded(root))?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

pub(super) fn cpus(root: &Path) -> Option<usize> {
    std::thread::available_parallelism().ok().filter(|_| !is_recorded(root)).map(Into::into)
}

pub(super) fn name(root: &Path) -> Option<String> {
    System::host_name().ok().filter(|name| !name.is_empty() && !is_recorded(root))
}

pub(super) fn machine_uuid(root: &Path) -> Option<String> {
    Product::uuid().ok().filter(|_| !is_recorded(root))
}

pub(super) fn is_recorded(root: &Path) -> bool {
    root != Path::new("/")
}

/// Nobody is told that another user would be shown more.
pub(super) fn is_root() -> bool {
    false
}

/// Nothing is given away that a foreign directory would ask for.
pub(super) fn is_foreign(_file: &Metadata) -> bool {
    false
}

/// Files have no number here that the standard library tells.
pub(super) fn file_number(_file: &Metadata) -> u64 {
    0
}

pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    // Opening a pipe could wait for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(path)
}

/// The same: no name is known to be a file's.
pub(super) fn open(path: &Path) -> io::Result<File> {
    open_regular(path)
}

/// Reads what is in the file from `at` on into the room behind what is there; how much that was.
pub(super) fn read(mut file: &File, bytes: &mut Vec<u8>, at: usize) -> io::Result<usize> {
    let room = bytes.capacity() - bytes.len();
    file.seek(SeekFrom::Start(at as u64))?;
    file.take(room as u64).read_to_end(bytes)
}

/// Nothing: the table of descriptors is the system's own affair.
#[cfg(not(target_os = "linux"))]
pub(super) fn make_room_for_descriptors(_number: i32) {}

pub(super) fn has_nothing_behind_it(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// A path; what is not UTF-8 is replaced.
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()).into()
}

/// The space of the volume around a path, in bytes; inodes are not told.
pub(super) fn space(path: &Path) -> io::Result<Space> {
    let path = std::path::absolute(path)?;
    let only = DiskRefreshKind::nothing().with_storage();
    let disks = Disks::new_with_refreshed_list_specifics(only).map_err(io::Error::other)?;
    let around = disks.iter().filter(|disk| path.starts_with(disk.mount_point()) && disk.total_space() > 0);
    let depth = |disk: &&Disk| disk.mount_point().components().count();
    let disk = around.max_by_key(depth).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the system lists no volume with this path, so its room is not known",
        )
    })?;
    let (blocks, free) = (disk.total_space(), disk.available_space());
    Ok(Space { block: 1, blocks, free, available: free, inodes: 0, inodes_free: 0 })
}

pub(super) fn may_write(directory: &Path) -> bool {
    std::fs::metadata(directory).is_ok_and(|found| !found.permissions().readonly())
}

pub(super) fn usage() -> Usage {
    let ours = || {
        let (pid, mut system) = (sysinfo::get_current_pid().ok()?, System::new().ok()?);
        let parts = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, parts);
        let of = |ours: &Process| (Duration::from_millis(ours.accumulated_cpu_time()), Some(ours.memory()));
        system.process(pid).map(of)
    };
    let (cpu, memory) = ours().unwrap_or_default();
    Usage { cpu, memory }
}

/// The system says it in whole seconds, so it is asked once.
pub(super) fn since_boot() -> Duration {
    static BEGUN: OnceLock<(Duration, Instant)> = OnceLock::new();
    let (up, at) =
        BEGUN.get_or_init(|| (Duration::from_secs(System::uptime().unwrap_or_default()), Instant::now()));
    *up + at.elapsed()
}
