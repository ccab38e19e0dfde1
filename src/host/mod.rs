//! Where data enters: the only floor that opens a file of the host or asks the kernel about it.
//!
//! Everything is relative to one root path, so a container with the host's `/` under `/host` and a fixture
//! in a test are read by the same code. What a parser needs from the machine (page size, clock ticks, boot
//! time) is a field of [`Host`], so that a captured file of another machine parses right.
//!
//! Scope law: only files under `/proc`, `/sys` and `/etc` and system calls that ask; never a program, never
//! `environ`, `mem` or `maps` of a process, never a FIFO, a socket or a device.

pub(crate) mod container_id;
#[cfg(any(not(target_os = "linux"), test))]
mod elsewhere;
mod error;
pub mod identity;
mod kept;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
pub mod netlink;
mod os_release;
pub mod own;
#[cfg(target_os = "linux")]
pub mod pids;
pub mod rights;
pub mod statfs;
mod tcp;
pub mod text;

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[cfg(not(target_os = "linux"))]
use elsewhere as kernel;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{netlink, pids};
pub use error::{Error, ParseError};
use kept::Kept;

/// Files are read whole, but a root that is not a kernel's may hold anything: more than this is an error.
const MAX_FILE: usize = 1 << 20;

/// `mountinfo` of a host with thousands of containers is larger than the other files.
const MAX_MOUNTINFO: usize = 4 << 20;

/// The kernel fills a page with as many lines as there is room for. So a first read that leaves half of one empty was
/// all, and need not be followed by one that says so, where no line is longer than that: in `mountinfo` one can be.
const CERTAIN: usize = 2048;

/// Files that are read line by line (`/proc/net/tcp` of a busy host) may be larger, and end here.
const MAX_STREAM: u64 = 64 << 20;

/// A longer line is no line of a kernel's table.
const MAX_LINE: u64 = 4096;

/// One machine, as seen from its root path.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
    recorded: bool,
    kept: Kept,
    /// Clock ticks a second (`sysconf(_SC_CLK_TCK)`), the unit of CPU times.
    pub ticks: u64,
    /// Bytes of a page, the unit of resident memory in `/proc/<pid>/stat`.
    pub page_size: u64,
    /// When the machine started, read once and pinned: reading `btime` again moves with the wall clock.
    pub boot_time: SystemTime,
}

impl Host {
    /// The host under `root`, which must hold a `/proc`.
    pub fn at(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        let mut host = Self {
            recorded: kernel::is_recorded(&root),
            root,
            kept: Kept::default(),
            ticks: kernel::ticks(),
            page_size: kernel::page_size(),
            boot_time: SystemTime::UNIX_EPOCH,
        };
        host.boot_time = match kernel::boot_time(&host.root) {
            Some(time) => time,
            None => host.boot_time_from(&host.read("proc/stat")?),
        };
        Ok(host)
    }

    /// The root to use when none is given: the host's, mounted into this container, or our own.
    pub fn find_root() -> PathBuf {
        kernel::KNOWN_ROOTS
            .iter()
            .map(Path::new)
            .find(|root| root.join("proc/1/stat").exists() && root.join("proc/stat").is_file())
            .unwrap_or(Path::new("/"))
            .to_path_buf()
    }

    /// The root path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path on this machine of a path of the host, with or without its leading `/`.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The same of a path that need not be UTF-8.
    pub fn path_of(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn boot_time_from(&self, stat: &str) -> SystemTime {
        let btime = text::pairs(stat).find(|(key, _)| *key == "btime").map(|(_, seconds)| seconds);
        let by_uptime = || {
            let uptime = self.read("proc/uptime").ok()?;
            let up: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
            SystemTime::now().checked_sub(Duration::try_from_secs_f64(up).ok()?)
        };
        btime
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .or_else(by_uptime)
            .unwrap_or_else(SystemTime::now)
    }

    /// The text of a file. Bytes that are not UTF-8 are replaced, so that a name full of them stays a name.
    pub fn read(&self, path: &str) -> Result<String, Error> {
        Ok(match String::from_utf8(self.read_bytes(path)?) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        })
    }

    /// The text of a table of paths, which need not be UTF-8: bytes that are not become octal escapes, as the
    /// kernel makes them of blanks, so that [`text::unescape_path`] gives the path again.
    pub fn read_escaped(&self, path: &str) -> Result<String, Error> {
        self.read_bytes(path).map(text::escape_octal)
    }

    fn read_bytes(&self, path: &str) -> Result<Vec<u8>, Error> {
        if !self.tells_by_files() {
            return Err(Error::Unavailable { path: path.to_owned() });
        }
        let (limit, certain) =
            if path.ends_with("mountinfo") { (MAX_MOUNTINFO, 0) } else { (MAX_FILE, CERTAIN) };
        let read = |file: &File| read_all(file, limit, certain);
        // What a procfs has under a name that is asked for is a file.
        let sure = path.starts_with("proc/") && !self.recorded;
        let open = if sure { kernel::open } else { kernel::open_regular };
        let open = || open(&self.path(path));
        let bytes = if Kept::allows(path) && !self.recorded {
            self.kept.read(path, open, read)
        } else {
            open().and_then(|file| read(&file))
        };
        bytes.map_err(|e| Error::io(path, e))
    }

    /// Reads a file and parses it with a pure function; the error names the file.
    pub fn parse<T>(
        &self,
        path: &str,
        parse: impl FnOnce(&str) -> Result<T, ParseError>,
    ) -> Result<T, Error> {
        parse(&self.read(path)?).map_err(|e| e.at(path))
    }

    /// The first of several places of a file that can be read, such as `proc/1/net/dev` before `proc/net/dev`.
    pub fn parse_first<T>(
        &self,
        paths: &[&str],
        parse: impl Fn(&str) -> Result<T, ParseError>,
    ) -> Result<T, Error> {
        let mut first_error = None;
        for path in paths {
            match self.parse(path, &parse) {
                Ok(value) => return Ok(value),
                Err(e) => first_error = first_error.or(Some(e)),
            }
        }
        Err(first_error.unwrap_or(Error::Unavailable { path: paths.join(" or ") }))
    }

    /// The names in a directory, sorted, so that output does not depend on the file system's order.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        let entries = std::fs::read_dir(self.path(path)).map_err(|e| Error::io(path, e))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// How many logical CPUs are online: from `/sys/devices/system/cpu/online`, else counted in `/proc/stat`.
    pub fn cpus(&self) -> usize {
        let online =
            self.read("sys/devices/system/cpu/online").ok().and_then(|list| text::count_ranges(&list));
        let counted = || {
            let stat = self.read("proc/stat").ok()?;
            let cpu = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
            Some(stat.lines().filter(cpu).count()).filter(|count| *count > 0)
        };
        online.or_else(counted).or_else(|| kernel::cpus(&self.root)).unwrap_or(1)
    }

    /// Reads a file that may be too large to be read whole, and gives `each` its lines with their numbers,
    /// from 1 on.
    pub fn each_line(
        &self,
        path: &str,
        mut each: impl FnMut(usize, &str) -> Result<(), ParseError>,
    ) -> Result<(), Error> {
        let io = |e| Error::io(path, e);
        let file = kernel::open_regular(&self.path(path)).map_err(io)?;
        let mut reader = BufReader::new(file.take(MAX_STREAM));
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(io)? == 0 {
                break;
            }
            each(number, &String::from_utf8_lossy(&line)).map_err(|e| e.at(path))?;
        }
        if reader.into_inner().limit() == 0 {
            return Err(io(io::Error::other(format!("larger than {MAX_STREAM} bytes"))));
        }
        Ok(())
    }

    /// Whether the root is a recording of some host and not a kernel's: its `/proc` is no procfs. System
    /// calls about paths under it would answer for the machine that the recording lies on.
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Whether the host tells of itself by files, as Linux does and every recording. Where it does not, they are not
    /// looked for: on Windows whoever may log in could make a `/etc`.
    pub fn tells_by_files(&self) -> bool {
        cfg!(target_os = "linux") || self.recorded
    }

    /// Whether `path` and a file of the agent's own view are one and the same file of procfs. Its files
    /// below `net` have a number of their own for each network namespace, so this compares namespaces
    /// without the privilege that `/proc/1/ns/net` asks for.
    pub fn is_own(&self, path: &str, own: &str) -> bool {
        let number = |path: PathBuf| std::fs::metadata(path).map(|file| file_number(&file));
        match (number(self.path(path)), number(Path::new("/").join(own))) {
            (Ok(theirs), Ok(ours)) => theirs == ours && !self.is_recorded(),
            _ => false,
        }
    }

    /// Whether a file or directory is there.
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }
}

/// Makes room for as many descriptors as reading a host and serving takes, to be called before the first thread is made.
pub fn make_room_for_descriptors() {
    kernel::make_room_for_descriptors(512);
}

/// Whether the agent runs as root, who is seldom refused anything, and then for want of a capability.
pub fn is_root() -> bool {
    kernel::is_root()
}

/// Whether a file belongs to another user than the one that the agent runs as.
pub fn is_foreign(file: &Metadata) -> bool {
    kernel::is_foreign(file)
}

/// What tells a file from another one that was put in its place; 0 where the system has no such number.
pub fn file_number(file: &Metadata) -> u64 {
    kernel::file_number(file)
}

/// The time since the boot, the time that the machine slept included.
pub fn since_boot() -> Duration {
    kernel::since_boot()
}

/// The file system around a path.
pub fn space(path: &Path) -> io::Result<statfs::Space> {
    kernel::space(path)
}

/// Reads up to `limit` bytes to the end, of which a first read of at most `certain` bytes is a sign.
fn read_all(file: &File, limit: usize, certain: usize) -> io::Result<Vec<u8>> {
    // The size of a pseudo-file lies (it is 0), so what there is shows as it is read: at once where it fits.
    let mut bytes = Vec::with_capacity(8192);
    loop {
        let before = bytes.len();
        let read = kernel::read(file, &mut bytes, before)?;
        if bytes.len() > limit {
            return Err(io::Error::other(format!("larger than {limit} bytes")));
        }
        if read == 0 || before == 0 && read <= certain {
            return Ok(bytes);
        }
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FileType, Mode};

    use super::*;

    fn fixture(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let host = Host::at(dir.path()).unwrap();
        (dir, host)
    }

    #[test]
    fn boot_time_is_btime_of_the_root() {
        let (_dir, host) = fixture(&[("proc/stat", "cpu 1 2 3\nbtime 1700000000\n")]);
        assert_eq!(host.boot_time, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn a_root_without_proc_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let error = Host::at(dir.path()).unwrap_err();
        assert_eq!(error.to_string(), "proc/stat: not on this host");
    }

    #[test]
    fn a_fifo_a_directory_and_a_giant_are_errors_and_hang_nothing() {
        let (dir, host) = fixture(&[("proc/stat", "btime 1\n")]);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("proc/fifo"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        File::create(dir.path().join("proc/giant")).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(host.read("proc/fifo").unwrap_err().kind(), "io");
        assert_eq!(host.read("proc").unwrap_err().kind(), "io");
        assert_eq!(host.read("proc/giant").unwrap_err().kind(), "io");
        assert_eq!(host.read("proc/nothing").unwrap_err().kind(), "unavailable");
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_readable() {
        let (dir, host) = fixture(&[("proc/stat", "btime 1\n")]);
        std::fs::write(dir.path().join("proc/odd"), b"a\xffb").unwrap();
        assert_eq!(host.read("proc/odd").unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn a_table_is_read_line_by_line_and_a_line_that_never_ends_is_cut() {
        let (dir, host) = fixture(&[("proc/stat", "btime 1\n"), ("proc/table", "a\nb\nlast")]);
        let mut lines = Vec::new();
        let read = |path: &str, lines: &mut Vec<_>| {
            host.each_line(path, |number, line| {
                lines.push((number, line.len()));
                if number > 3 { Err(ParseError::new(number, "x", "an end")) } else { Ok(()) }
            })
        };
        read("proc/table", &mut lines).unwrap();
        assert_eq!(lines, [(1, 2), (2, 2), (3, 4)]);
        File::create(dir.path().join("proc/giant")).unwrap().set_len(1 << 20).unwrap();
        assert_eq!(read("proc/giant", &mut lines).unwrap_err().kind(), "parse");
        assert_eq!(lines.last(), Some(&(4, MAX_LINE as usize)));
        assert_eq!(read("proc/none", &mut lines).unwrap_err().kind(), "unavailable");
    }

    #[test]
    fn a_recording_is_told_from_a_machine() {
        let (_dir, recorded) = fixture(&[("proc/stat", "btime 1\n"), ("proc/net/dev", "")]);
        let machine = Host::at("/").unwrap();
        assert!(recorded.is_recorded() && !machine.is_recorded());
        assert!(machine.is_own("proc/thread-self/net/dev", "proc/self/net/dev"));
        assert!(!machine.is_own("proc/self/net/dev", "proc/self/net/tcp"));
        assert!(!recorded.is_own("proc/net/dev", "proc/self/net/dev"));
    }
}
