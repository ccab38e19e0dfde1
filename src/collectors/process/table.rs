//! The processes that there are, kept from one reading to the next by identity: pid and start time.
//!
//! The kernel lists pids in ascending order, so the old table and the new listing are walked side by side;
//! nothing is hashed and an entry moves at most once.

use std::time::Instant;

use crate::host::Error;
use crate::host::pids::{File, Pids, vanished};

use super::detail::Detail;
use super::rest::Rest;
use super::stat::{Stat, parse};

/// `stat` has 52 numbers of at most 20 digits, but the fields used end within this.
pub(super) const STAT_BUFFER: usize = 1024;

/// How much of the old CPU score survives one reading: a burst keeps its place for a few readings.
const SCORE_MEMORY: f32 = 0.5;

/// What a process consumed between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub user: u64,
    pub system: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
}

impl Usage {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            user: stat.user,
            system: stat.system,
            minor_faults: stat.minor_faults,
            major_faults: stat.major_faults,
        }
    }

    fn since(stat: &Stat, before: &Stat) -> Self {
        Self {
            user: stat.user.saturating_sub(before.user),
            system: stat.system.saturating_sub(before.system),
            minor_faults: stat.minor_faults.saturating_sub(before.minor_faults),
            major_faults: stat.major_faults.saturating_sub(before.major_faults),
        }
    }

    pub(super) fn add(&mut self, other: &Usage) {
        self.user = self.user.saturating_add(other.user);
        self.system = self.system.saturating_add(other.system);
        self.minor_faults = self.minor_faults.saturating_add(other.minor_faults);
        self.major_faults = self.major_faults.saturating_add(other.major_faults);
    }

    pub(super) fn ticks(&self) -> u64 {
        self.user.saturating_add(self.system)
    }
}

/// Where a process belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    /// The filters allow it to be shown.
    pub allowed: bool,
    /// Its group; none: the remainder.
    pub group: Option<u32>,
}

/// For how many readings a process has been known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Seen for the first time, so there is no rate yet.
    New,
    /// Seen for the second time.
    Young,
    /// Seen before that.
    Known,
}

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    pub pid: u32,
    pub stat: Stat,
    /// What it consumed since the last reading; its whole life when it was born since; nothing when it was
    /// there before the agent first looked.
    pub usage: Usage,
    /// For how long it has been known.
    pub age: Age,
    /// Could not be read this time: its values are old and are not shown.
    pub unread: bool,
    /// CPU ticks a second, smoothed, to rank by.
    pub score: f32,
    /// Where it belongs, once that was asked.
    pub class: Option<Class>,
    /// Shown alone at the last reading.
    pub shown: bool,
    /// What only chosen processes have.
    pub detail: Option<Box<Detail>>,
    /// The descriptor of its `stat`, while there is room to keep it.
    pub kept: Option<File>,
    /// Whether it has run since then, where that is asked.
    pub rest: Rest,
}

/// How a scan went.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Processes of which `stat` may not be read (`hidepid=1`).
    pub forbidden: usize,
    /// Processes of which `stat` could not be read or understood, with the last reason.
    pub failed: Option<Error>,
    /// Seconds since the last scan, by the monotonic clock.
    pub elapsed: Option<f64>,
}

/// All processes, by pid.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub processes: Vec<Process>,
    /// How many readings there were.
    pub readings: u64,
    /// Of processes that have not run `stat` is not read.
    lets_rest: bool,
    pids: Vec<u32>,
    last: Option<(Instant, u64)>,
}

impl Table {
    /// A table that has read nothing yet.
    pub(super) fn new(lets_rest: bool) -> Self {
        Self { lets_rest, ..Self::default() }
    }

    /// Reads all processes; `uptime` is that of the host at this moment, in clock ticks. `before` is called for each
    /// that is known, with the seconds since the last scan, right before its `stat` is read: where that shows the
    /// process that was known, what was read of its pid in between was its own.
    pub(super) fn update(
        &mut self,
        proc: &mut Pids,
        now: Instant,
        uptime: u64,
        mut before: impl FnMut(&Pids, &mut Process, Option<f64>),
    ) -> Result<Scan, Error> {
        proc.list(&mut self.pids)?;
        self.readings += 1;
        let elapsed = self.last.map(|(then, _)| now.saturating_duration_since(then).as_secs_f64());
        let mut scan = Scan { elapsed: elapsed.filter(|seconds| *seconds > 0.0), ..Scan::default() };
        let since = self.last.map(|(_, uptime)| uptime);
        let mut old = std::mem::take(&mut self.processes).into_iter().peekable();
        self.processes.reserve(self.pids.len());
        let mut buffer = [0; STAT_BUFFER];
        let mut room = proc.room();
        for &pid in &self.pids {
            while old.next_if(|process| process.pid < pid).is_some() {}
            let mut known = old.next_if(|process| process.pid == pid);
            if let Some(process) = &mut known {
                before(proc, process, scan.elapsed);
            }
            let rests = |process: &mut Process| self.lets_rest && Rest::goes_on(proc, process, self.readings);
            if known.as_mut().is_some_and(rests) {
                self.processes.extend(known.map(|process| rested(process).kept_within(&mut room)));
                continue;
            }
            match read(proc, pid, known.as_ref(), &mut buffer) {
                Ok(Some((stat, opened))) => {
                    let clock = Clock { since, uptime, elapsed: scan.elapsed };
                    let mut process = seen(pid, stat, known, clock);
                    process.kept = opened.or(process.kept);
                    self.processes.push(process.kept_within(&mut room));
                }
                Ok(None) => {}
                Err(error) => {
                    // It is kept, so that it does not come back as new and count its whole life again.
                    let kept =
                        known.map(|process| Process { usage: Usage::default(), unread: true, ..process });
                    self.processes.extend(kept);
                    match error {
                        Error::Permission { .. } => scan.forbidden += 1,
                        other => scan.failed = Some(other),
                    }
                }
            }
        }
        self.last = Some((now, uptime));
        Ok(scan)
    }
}

impl Process {
    /// The process with at most one descriptor of those that there is room for.
    fn kept_within(mut self, room: &mut usize) -> Self {
        if *room == 0 || self.rest.kept.is_some() {
            self.kept = None;
        }
        if *room == 0 {
            self.rest.kept = None;
        }
        *room -= usize::from(self.kept.is_some() || self.rest.kept.is_some());
        self
    }
}

/// Reads the `stat` of one that rests all the same, because it is to be shown; whether it is still there.
pub(super) fn wake(proc: &Pids, process: &mut Process) -> bool {
    let now = read(proc, process.pid, None, &mut [0; STAT_BUFFER]);
    let Ok(Some((stat, _))) = now else { return false };
    let same = stat.start == process.stat.start;
    if same {
        process.usage = Usage::since(&stat, &process.stat);
        process.stat = stat;
        process.rest.rests = false;
    }
    same
}

/// One process's `stat`, and its descriptor where that was opened for it; none when it has ended meanwhile.
fn read(
    proc: &Pids,
    pid: u32,
    known: Option<&Process>,
    buffer: &mut [u8],
) -> Result<Option<(Stat, Option<File>)>, Error> {
    let path = || format!("proc/{pid}/stat");
    let kept = known.and_then(|process| process.kept.as_ref());
    if let Some(stat) = kept.and_then(|kept| parse(kept.read(buffer).ok()?)) {
        return Ok(Some((stat, None)));
    }
    // A kept descriptor that fails belongs to a process that has ended; its pid may be in use again.
    let opened = proc.open_small(pid, "stat").and_then(|file| Ok((file.read(buffer)?, file)));
    match opened {
        Ok((text, file)) => parse(text).map(|stat| Some((stat, Some(file)))).ok_or_else(|| {
            let text = String::from_utf8_lossy(text);
            crate::host::ParseError::new(1, &text, "the fields of proc_pid_stat(5)").at(&path())
        }),
        Err(error) if vanished(error) => Ok(None),
        Err(error) => Err(Error::io(path(), error.into())),
    }
}

/// The times that a scan measures by.
#[derive(Clone, Copy)]
struct Clock {
    /// The host's uptime at the last scan, in clock ticks.
    since: Option<u64>,
    /// The host's uptime now, in clock ticks.
    uptime: u64,
    /// Seconds between the two, by the monotonic clock.
    elapsed: Option<f64>,
}

/// A process that has not run.
fn rested(process: Process) -> Process {
    let score = process.score * SCORE_MEMORY;
    Process { usage: Usage::default(), age: Age::Known, score, ..process }
}

fn seen(pid: u32, stat: Stat, known: Option<Process>, clock: Clock) -> Process {
    let Clock { since, uptime, elapsed } = clock;
    if let Some(process) = known.filter(|process| process.stat.start == stat.start) {
        let usage = Usage::since(&stat, &process.stat);
        let rate = elapsed.map_or(0.0, |seconds| (usage.ticks() as f64 / seconds) as f32);
        let score = process.score * SCORE_MEMORY + rate * (1.0 - SCORE_MEMORY);
        // An exec gives the process another name: what is known of the old program no longer holds.
        let same_program = process.stat.name() == stat.name();
        let detail = process.detail.filter(|_| same_program);
        let class = process.class.filter(|_| same_program);
        let age = if process.age == Age::New { Age::Young } else { Age::Known };
        return Process { stat, usage, age, unread: false, score, detail, class, ..process };
    }
    // A process that started before the last scan and was not in it was hidden then, not born since. The
    // start is rounded down to a tick, and so is the uptime.
    let born = since.is_some_and(|uptime| stat.start.saturating_add(2) >= uptime);
    let usage = if born { Usage::of(&stat) } else { Usage::default() };
    // Before there is a rate, the average over its life is the best guess of who is big.
    let age = uptime.saturating_sub(stat.start).max(1);
    let score = (stat.ticks() as f64 / age as f64) as f32;
    Process {
        pid,
        stat,
        usage,
        age: Age::New,
        unread: false,
        score,
        class: None,
        shown: false,
        detail: None,
        kept: None,
        rest: Rest::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;

    fn line(pid: u32, name: &str, user: u64, start: u64) -> String {
        format!("{pid} ({name}) S 1 1 1 0 -1 4194304 5 0 6 0 {user} 1 0 0 20 0 3 0 {start} 4096 7 0\n")
    }

    struct Machine(tempfile::TempDir, Pids, Table, Instant);

    impl Machine {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("proc")).unwrap();
            std::fs::write(dir.path().join("proc/stat"), "btime 1700000000\n").unwrap();
            let pids = Pids::open(&Host::at(dir.path()).unwrap()).unwrap();
            Self(dir, pids, Table::default(), Instant::now())
        }

        fn put(&self, pid: u32, text: &str) {
            let dir = self.0.path().join(format!("proc/{pid}"));
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("stat"), text).unwrap();
        }

        fn end(&self, pid: u32) {
            std::fs::remove_dir_all(self.0.path().join(format!("proc/{pid}"))).unwrap();
        }

        fn scan(&mut self, uptime: u64) -> Scan {
            self.3 += std::time::Duration::from_secs(1);
            self.2.update(&mut self.1, self.3, uptime, |_, _, _| ()).unwrap()
        }

        fn user(&self, pid: u32) -> Option<u64> {
            self.2.processes.iter().find(|process| process.pid == pid).map(|process| process.usage.user)
        }
    }

    #[test]
    fn usage_is_what_was_consumed_between_two_readings() {
        let mut machine = Machine::new();
        machine.put(7, &line(7, "a", 100, 50));
        machine.scan(1000);
        assert_eq!(machine.user(7), Some(0), "what was before the first look is not ours to count");
        machine.put(7, &line(7, "a", 130, 50));
        machine.put(9, &line(9, "b", 4, 1050));
        machine.scan(1100);
        assert_eq!(machine.user(7), Some(30));
        assert_eq!(machine.user(9), Some(4), "one born since counts from its birth");
    }

    #[test]
    fn a_pid_in_use_again_is_another_process() {
        let mut machine = Machine::new();
        machine.put(7, &line(7, "a", 100, 50));
        machine.scan(1000);
        machine.put(7, &line(7, "a", 3, 1005));
        machine.scan(1100);
        assert_eq!(machine.user(7), Some(3));
        assert_eq!(machine.2.processes[0].age, Age::New);
    }

    #[test]
    fn one_that_was_hidden_before_does_not_count_its_whole_life() {
        let mut machine = Machine::new();
        machine.scan(1000);
        machine.put(7, &line(7, "a", 100, 50));
        machine.scan(1100);
        assert_eq!(machine.user(7), Some(0));
    }

    #[test]
    fn one_that_ends_is_gone_and_is_no_error() {
        let mut machine = Machine::new();
        machine.put(7, &line(7, "a", 100, 50));
        machine.scan(1000);
        machine.end(7);
        let scan = machine.scan(1100);
        assert!(machine.2.processes.is_empty() && scan.failed.is_none());
    }

    #[test]
    fn one_that_cannot_be_read_once_counts_right_afterwards() {
        let mut machine = Machine::new();
        machine.put(7, &line(7, "a", 100, 50));
        machine.scan(1000);
        machine.put(7, "garbage");
        assert!(machine.scan(1100).failed.is_some());
        assert!(machine.2.processes[0].unread);
        machine.put(7, &line(7, "a", 120, 50));
        machine.scan(1200);
        assert_eq!(machine.user(7), Some(20));
    }
}
