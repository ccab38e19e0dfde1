//! What is read of chosen processes only, because each of these files costs as much as `stat` or more.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::host::pids::{Directory, Errno, File, KernelResult, Pids, refused, vanished};
use crate::host::{Error, Host};
use crate::metric::{Attributes, Entity, Reading, Text};

use super::arguments::Form;
use super::facts::{Facts, Owners};
use super::stat::parse;
use super::status::Status;
use super::table::{Age, Process, STAT_BUFFER};
use super::traffic::Traffic;
use super::{DESCRIPTORS, DISK_IO, DISK_OPERATIONS, NETWORK_IO, SIGNALS, SWITCHES};

/// `io` has seven lines of at most 45 bytes.
const IO_BUFFER: usize = 512;

/// Of at most so many processes the directory is kept open, which saves a look at `stat` at each reading.
const MAX_DIRECTORIES: usize = 64;

/// Bytes and calls of `/proc/<pid>/io`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Io {
    /// Bytes fetched from storage.
    pub read_bytes: u64,
    /// Bytes sent to storage.
    pub write_bytes: u64,
    /// Read system calls.
    pub read_calls: u64,
    /// Write system calls.
    pub write_calls: u64,
}

/// What is known of a chosen process beside its `stat`.
#[derive(Debug)]
pub(super) struct Detail {
    /// Its identity and description; does not change while name and identity stay.
    pub entity: Entity,
    /// Its I/O at this reading; none where it may not be read.
    pub io: Option<Io>,
    /// Bytes a second since the reading before, to rank by.
    pub io_rate: f64,
    /// Open descriptors at this reading.
    pub descriptors: Option<u64>,
    /// Its context switches and pending signals at this reading, where they are asked for.
    pub status: Option<Status>,
    /// The traffic of its network namespace at this reading, where it is asked for and has its own.
    pub traffic: Option<Traffic>,
    /// The reading at which `io` was last read.
    reading: u64,
    /// The reading at which it was last read ahead of `stat`.
    ahead: u64,
    /// The descriptor of `io`, where that of `stat` is kept.
    kept: Option<File>,
    /// Its directory, once it has been shown, of the first few.
    directory: Option<Directory>,
}

/// Which of the dearer files are read of who is shown.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "a switch for each file")]
pub(super) struct Wanted {
    pub io: bool,
    pub descriptors: bool,
    pub traffic: bool,
    pub status: bool,
}

impl Wanted {
    pub(super) fn of(out: &Reading) -> Self {
        Self {
            io: out.wants(&DISK_IO) || out.wants(&DISK_OPERATIONS),
            descriptors: out.wants(&DESCRIPTORS),
            traffic: out.wants(&NETWORK_IO),
            status: out.wants(&SWITCHES) || out.wants(&SIGNALS),
        }
    }
}

/// Counts of what could not be read, by reason.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// EACCES or EPERM.
    pub permission: usize,
    /// Anything else but a process that has ended.
    pub other: Option<Errno>,
}

impl Refusals {
    /// The value of a reading; a refusal is counted, a process that has ended is not.
    pub(super) fn take<T>(&mut self, result: KernelResult<T>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(error) if refused(error) => self.permission += 1,
            Err(error) if vanished(error) => {}
            Err(error) => self.other = Some(error),
        }
        None
    }
}

impl Refusals {
    /// Tells of what was refused: one problem for each reason, however many processes it was.
    pub(super) fn tell(self, out: &mut Reading) {
        if self.permission > 0 {
            let path = format!("proc/<pid>/{{io,fd}} (refused: {})", self.permission);
            out.problems.push(Error::Permission { path });
        }
        out.problems.extend(self.other.map(|error| Error::io("proc/<pid>/io or fd", error.into())));
    }
}

/// A description of a process that is shown when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Extra {
    #[serde(rename = "process.command")]
    Command,
    #[serde(rename = "process.parent_pid")]
    ParentPid,
    #[serde(rename = "process.executable.path")]
    ExecutablePath,
    #[serde(rename = "process.linux.cgroup")]
    Cgroup,
    #[serde(rename = "container.id")]
    Container,
}

impl Extra {
    fn attribute(self) -> &'static str {
        match self {
            Extra::Command => "process.command",
            Extra::ParentPid => "process.parent_pid",
            Extra::ExecutablePath => "process.executable.path",
            Extra::Cgroup => "process.linux.cgroup",
            Extra::Container => "container.id",
        }
    }
}

/// Reads details, and keeps what they have in common.
#[derive(Debug)]
pub(super) struct Reader {
    owners: Owners,
    shown: Vec<Extra>,
    arguments: Option<Form>,
    reading: u64,
    /// Directories kept at this reading.
    directories: usize,
}

impl Reader {
    pub(super) fn new(host: &Host, shown: Vec<Extra>, arguments: Option<Form>) -> Self {
        Self { owners: Owners::read(host), shown, arguments, reading: 0, directories: 0 }
    }

    /// The names of users.
    pub(super) fn owners(&self) -> &Owners {
        &self.owners
    }

    /// Begins a reading: what was read before is old from now on.
    pub(super) fn begin(&mut self) {
        self.reading += 1;
        self.directories = 0;
    }

    /// Whether anything of the process was read at this reading.
    pub(super) fn has_read(&self, process: &Process) -> bool {
        process.detail.as_ref().is_some_and(|detail| detail.reading == self.reading)
    }

    /// Reads who the process is, unless that is known.
    pub(super) fn identify(&mut self, host: &Host, pids: &Pids, process: &mut Process) {
        if process.detail.is_some() {
            return;
        }
        let (start, created) = born(host, process.stat.start);
        let facts = Facts::of(process, pids, &self.owners);
        let mut attributes: Attributes = vec![
            ("process.pid", i64::from(process.pid).into()),
            ("process.creation.time", created.into()),
            ("process.executable.name", facts.executable_name().to_owned().into()),
        ];
        attributes.extend(facts.shared_owner().map(|owner| ("process.owner", owner.into())));
        attributes.extend(self.shown.iter().filter_map(|extra| {
            let value: Text = match extra {
                Extra::Command => facts.command()?.into(),
                Extra::ParentPid => i64::from(process.stat.parent).into(),
                Extra::ExecutablePath => facts.executable_path()?.to_owned().into(),
                Extra::Cgroup => facts.cgroup()?.to_owned().into(),
                Extra::Container => facts.container()?.into(),
            };
            Some((extra.attribute(), value))
        }));
        let line = self.arguments.and_then(|form| facts.command_line(form));
        attributes.extend(line.map(|line| ("process.command_line", line.into())));
        let entity = Entity { attributes, start, title: Some(facts.title().into()) };
        let detail = Detail {
            entity,
            io: None,
            io_rate: 0.0,
            descriptors: None,
            status: None,
            traffic: None,
            reading: 0,
            ahead: 0,
            kept: None,
            directory: None,
        };
        process.detail = Some(Box::new(detail));
    }

    /// Whether a process that is shown has changed its owner or, within one name, its arguments: then who it
    /// is has to be read again.
    pub(super) fn has_changed(&self, pids: &Pids, process: &Process) -> bool {
        let Some(detail) = process.detail.as_deref() else { return false };
        let told =
            |name| detail.entity.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
        // The young become somebody else; of the others one in sixteen is asked at each reading.
        let due = process.age != Age::Known || (u64::from(process.pid) + self.reading).is_multiple_of(16);
        let owner = match &detail.directory {
            _ if !due => None,
            Some(directory) => directory.owner().ok(),
            None => pids.owner(process.pid).ok(),
        };
        let owner = owner.map(|uid| Text::from(&self.owners.name(uid)));
        if owner.is_some() && owner.as_ref() != told("process.owner") {
            return true;
        }
        let line = |form| Facts::of(process, pids, &self.owners).command_line(form);
        let line = self.arguments.and_then(line).map(Text::from);
        line.is_some() && line.as_ref() != told("process.command_line")
    }

    /// Keeps the directory of a process, as long as there is room; whether it was kept before.
    pub(super) fn keep_directory(&mut self, pids: &Pids, process: &mut Process) -> bool {
        let Some(detail) = process.detail.as_mut() else { return false };
        let known = detail.directory.take();
        if process.kept.is_none() || self.directories == MAX_DIRECTORIES {
            return false;
        }
        self.directories += 1;
        let was_known = known.is_some();
        detail.directory = known.or_else(|| pids.directory(process.pid).ok());
        was_known
    }

    /// Reads what is `wanted` of a process that was shown, ahead of its `stat`, which then tells whose it was:
    /// otherwise `stat` would have to be read a second time, a quarter of the calls where all processes are shown.
    pub(super) fn read_ahead(
        &mut self,
        pids: &Pids,
        process: &mut Process,
        wanted: Wanted,
        elapsed: Option<f64>,
        refusals: &mut Refusals,
    ) {
        if wanted.io {
            self.read_io(pids, process, elapsed, refusals);
        }
        if wanted.descriptors {
            read_descriptors(pids, process, refusals);
        }
        if let Some(detail) = process.detail.as_mut() {
            detail.ahead = self.reading;
        }
    }

    /// Whether [`Reader::read_ahead`] has read the process at this reading.
    pub(super) fn was_ahead(&self, process: &Process) -> bool {
        process.detail.as_ref().is_some_and(|detail| detail.ahead == self.reading)
    }

    /// Reads `/proc/<pid>/io` and its rate since the last reading, once a reading.
    pub(super) fn read_io(
        &mut self,
        pids: &Pids,
        process: &mut Process,
        elapsed: Option<f64>,
        refusals: &mut Refusals,
    ) {
        let Some(detail) = process.detail.as_mut().filter(|detail| detail.reading != self.reading) else {
            return;
        };
        detail.reading = self.reading;
        let mut buffer = [0; IO_BUFFER];
        let read = match detail.kept.take() {
            Some(file) => Ok(file),
            None => pids.open_small(process.pid, "io"),
        };
        let read = read.and_then(|file| Ok((parse_io(file.read(&mut buffer)?), file)));
        let (io, file) = refusals.take(read).unzip();
        let io = io.flatten();
        detail.kept = file.filter(|_| process.kept.is_some());
        let moved = |io: Io| io.read_bytes.saturating_add(io.write_bytes);
        detail.io_rate = match (io, detail.io, elapsed) {
            (Some(now), Some(before), Some(elapsed)) => {
                moved(now).saturating_sub(moved(before)) as f64 / elapsed
            }
            _ => 0.0,
        };
        detail.io = io;
    }
}

/// Reads how many descriptors the process has open, and whether it is still there; none where that cannot be told
/// from it.
pub(super) fn read_descriptors(pids: &Pids, process: &mut Process, refusals: &mut Refusals) -> Option<bool> {
    let detail = process.detail.as_mut()?;
    let (result, certain) = match &detail.directory {
        Some(directory) => (pids.descriptors_of(directory), true),
        None => (pids.descriptors(process.pid), false),
    };
    let alive = match result {
        Ok(_) => Some(true),
        Err(error) => vanished(error).then_some(false),
    };
    detail.descriptors = refusals.take(result);
    alive.filter(|_| certain)
}

/// Whether the pid still belongs to the process whose `stat` was read. What was read by pid in between
/// is another process's otherwise.
pub(super) fn still_same(pids: &Pids, process: &Process) -> bool {
    let mut buffer = [0; STAT_BUFFER];
    let opened = match process.kept {
        Some(_) => None,
        None => pids.open_small(process.pid, "stat").ok(),
    };
    let text = process.kept.as_ref().or(opened.as_ref()).and_then(|file| file.read(&mut buffer).ok());
    text.and_then(parse).is_some_and(|stat| stat.start == process.stat.start)
}

/// When a process started that did so `ticks` after boot, and the same as the conventions want
/// `process.creation.time`: ISO 8601, UTC, with milliseconds. A start that no calendar has (the file was no
/// kernel's) is that of the machine.
fn born(host: &Host, ticks: u64) -> (SystemTime, String) {
    let formatted = |time: SystemTime| {
        let mut text = String::new();
        write!(text, "{}", humantime::format_rfc3339_millis(time)).ok().map(|()| (time, text))
    };
    let after_boot = Duration::try_from_secs_f64(ticks as f64 / host.ticks as f64).ok();
    let start = after_boot.and_then(|after| host.boot_time.checked_add(after)).and_then(formatted);
    start.or_else(|| formatted(host.boot_time)).unwrap_or((host.boot_time, String::new()))
}

/// `/proc/<pid>/io` (proc_pid_io(5)).
pub(super) fn parse_io(text: &[u8]) -> Option<Io> {
    let text = std::str::from_utf8(text).ok()?;
    let mut io = Io::default();
    let mut found = 0;
    for (key, value) in crate::host::text::pairs(text) {
        let field = match key {
            "read_bytes" => &mut io.read_bytes,
            "write_bytes" => &mut io.write_bytes,
            "syscr" => &mut io.read_calls,
            "syscw" => &mut io.write_calls,
            _ => continue,
        };
        *field = value;
        found += 1;
    }
    (found == 4).then_some(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IO: &[u8] = b"rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\n\
        read_bytes: 4096\nwrite_bytes: 323932160\ncancelled_write_bytes: 0\n";

    #[test]
    fn io_is_what_reached_storage() {
        let io = parse_io(IO).unwrap();
        assert_eq!((io.read_bytes, io.write_bytes), (4096, 323_932_160));
        assert_eq!((io.read_calls, io.write_calls), (632_687, 632_675));
        assert_eq!(parse_io(&IO[..60]), None);
        assert_eq!(parse_io(b"\xff"), None);
    }
}
