//! Processes that have not run since their `stat` was read. `schedstat` tells it for less than half of what
//! `stat` costs the kernel, and of most processes of most hosts there is nothing else to tell.
//!
//! A process of one thread that was not on a CPU has consumed nothing, changed its state or its name in no way,
//! begun no thread and not ended. What may shrink without it is its memory, where the kernel takes pages away;
//! so this is for those that are not shown, and now and then `stat` is read all the same.

use crate::host::pids::{File, Pids};

use super::table::{Age, Process, Usage};

/// `schedstat` has three numbers of at most 20 digits.
const BUFFER: usize = 64;

/// Of one that rests `stat` is read at every so many readings, each time of others.
const EVERY: u64 = 8;

/// For so many readings nobody asks one that has run after all.
const RAN: u8 = 7;

/// And one of which `schedstat` tells nothing: a kernel without `CONFIG_SCHED_INFO` has no such file, or zeros in it.
const TELLS_NOTHING: u8 = u8::MAX;

/// What is known of a process's rest.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// It has not run since its `stat` was read, which was before this reading.
    pub rests: bool,
    /// What `schedstat` said right before its `stat` was read.
    mark: Option<Mark>,
    /// The descriptor of `schedstat`, in the place of that of `stat`.
    pub kept: Option<File>,
    /// For so many readings it is not asked.
    wait: u8,
}

/// How long a thread has been on a CPU, and how often (`Documentation/scheduler/sched-stats.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    nanoseconds: u64,
    runs: u64,
}

impl Rest {
    /// Whether the process, as it was at the last reading, still rests, and its `stat` is not due.
    pub(super) fn goes_on(pids: &Pids, process: &mut Process, reading: u64) -> bool {
        let quiet = looks_quiet(process);
        let rest = &mut process.rest;
        rest.rests = false;
        if !quiet || rest.wait > 0 {
            *rest = Rest { wait: rest.wait.saturating_sub(1), ..Rest::default() };
            return false;
        }
        if rest.mark.is_some() && (u64::from(process.pid) + reading).is_multiple_of(EVERY) {
            return false;
        }
        let file = rest.kept.take().map_or_else(|| pids.open_small(process.pid, "schedstat"), Ok);
        let mut buffer = [0; BUFFER];
        let told = file.and_then(|file| Ok((parse(file.read(&mut buffer)?), file)));
        let (mark, kept) = told.map_or((None, None), |(mark, file)| (mark, Some(file)));
        let before = rest.mark.take();
        *rest = match mark {
            None => Rest { wait: TELLS_NOTHING, ..Rest::default() },
            Some(_) if before.is_some() && before != mark => Rest { wait: RAN, ..Rest::default() },
            Some(_) => Rest { rests: before.is_some(), mark, kept, wait: 0 },
        };
        rest.rests
    }
}

/// Whether nothing was seen of it at the last reading, and nothing can happen in it but by its one thread.
fn looks_quiet(process: &Process) -> bool {
    // One that runs all the time is accounted for at the next tick of its CPU, which may be a second away.
    let may_rest = process.stat.threads <= 1 && process.stat.state != b'R';
    may_rest
        && process.usage == Usage::default()
        && process.age != Age::New
        && !process.shown
        && !process.unread
}

/// The text of `schedstat`; none where it tells nothing.
fn parse(text: &[u8]) -> Option<Mark> {
    let mut numbers =
        std::str::from_utf8(text).ok()?.split_ascii_whitespace().map(|number| number.parse().ok());
    let (nanoseconds, _waited, runs) = (numbers.next()??, numbers.next()??, numbers.next()??);
    (runs > 0).then_some(Mark { nanoseconds, runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_how_long_and_how_often() {
        let mark = parse(b"1187362 39684903 2\n").unwrap();
        assert_eq!((mark.nanoseconds, mark.runs), (1_187_362, 2));
        for nothing in
            [&b"0 0 0\n"[..], b"", b"1 2", b"1 x 3", b"1 2 -3", b"\xff 1 1", b"99999999999999999999 1 1"]
        {
            assert_eq!(parse(nothing), None, "{nothing:?}");
        }
    }
}
