//! What is read of chosen processes only, because each of these files costs as much as `stat` or more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::{Errno, Result as KernelResult};

use crate::host::Host;
use crate::host::pids::{Pids, vanished};
use crate::metric::Entity;

use super::stat::parse;
use super::table::{Process, STAT_BUFFER};

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
#[derive(Debug, Clone)]
pub(super) struct Detail {
    /// Its identity and description; does not change while name and identity stay.
    pub entity: Entity,
    /// Its I/O at this reading; none where it may not be read.
    pub io: Option<Io>,
    /// Bytes a second since the reading before, to rank by.
    pub io_rate: f64,
    /// Open descriptors at this reading.
    pub descriptors: Option<u64>,
    /// The reading at which `io` was last read.
    reading: u64,
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
            Err(Errno::ACCESS | Errno::PERM) => self.permission += 1,
            Err(error) if vanished(error) => {}
            Err(error) => self.other = Some(error),
        }
        None
    }
}

/// Reads details, and keeps what they have in common.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    owners: HashMap<u32, Arc<str>>,
    users: HashMap<u32, Arc<str>>,
    reading: u64,
}

impl Reader {
    pub(super) fn new(host: &Host) -> Self {
        let users = host.read("etc/passwd").map(|text| users(&text)).unwrap_or_default();
        Self { buffer: Vec::new(), owners: HashMap::new(), users, reading: 0 }
    }

    /// Begins a reading: what was read before is old from now on.
    pub(super) fn begin(&mut self) {
        self.reading += 1;
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
        let start = Duration::from_secs_f64(process.stat.start as f64 / host.ticks as f64);
        let start = host.boot_time.checked_add(start).unwrap_or(host.boot_time);
        let name = executable_name(pids, process);
        let mut attributes = vec![
            ("process.pid", i64::from(process.pid).into()),
            ("process.creation.time", timestamp(start).into()),
            ("process.executable.name", name.into()),
        ];
        if let Ok(uid) = pids.owner(process.pid) {
            attributes.push(("process.owner", self.owner(uid).into()));
        }
        let entity = Entity { attributes, start };
        let detail = Detail { entity, io: None, io_rate: 0.0, descriptors: None, reading: 0 };
        process.detail = Some(Box::new(detail));
    }

    /// The name of a user, or the number where the host's `/etc/passwd` does not have it.
    fn owner(&mut self, uid: u32) -> Arc<str> {
        let known = self.owners.entry(uid);
        let name = || self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string().into());
        Arc::clone(known.or_insert_with(name))
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
        let text = refusals.take(pids.read(process.pid, "io", &mut self.buffer));
        let io = text.and_then(parse_io);
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

/// Whether the pid still belongs to the process whose `stat` was read. What was read by pid in between
/// is another process's otherwise.
pub(super) fn still_same(pids: &Pids, process: &Process) -> bool {
    let mut buffer = [0; STAT_BUFFER];
    let text = match &process.kept {
        Some(kept) => kept.read(&mut buffer),
        None => pids.stat(process.pid, &mut buffer),
    };
    text.ok().and_then(parse).is_some_and(|stat| stat.start == process.stat.start)
}

/// The base name of the executable; the kernel's name of the process where that may not be read, and for
/// kernel threads, which have none.
fn executable_name(pids: &Pids, process: &Process) -> String {
    let path = if process.stat.kernel_thread { None } else { pids.executable(process.pid).ok() };
    let path = path.as_deref().map(|path| path.trim_end_matches(" (deleted)"));
    let base = path.and_then(|path| path.rsplit('/').next()).filter(|base| !base.is_empty());
    base.map_or_else(|| String::from_utf8_lossy(process.stat.name()).into_owned(), str::to_owned)
}

/// A time as the conventions want `process.creation.time`: ISO 8601, UTC, with milliseconds.
fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// `/etc/passwd` (passwd(5)): user names by their number; the first entry of a number wins.
fn users(text: &str) -> HashMap<u32, Arc<str>> {
    let mut users = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty());
        let uid = fields.nth(1).and_then(|uid| uid.parse().ok());
        if let (Some(name), Some(uid)) = (name, uid) {
            users.entry(uid).or_insert_with(|| name.into());
        }
    }
    users
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

    #[test]
    fn users_are_read_from_passwd() {
        let users = users("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbad\nx:x:n\n");
        assert_eq!(users.len(), 1);
        assert_eq!(&*users[&0], "root");
    }
}
