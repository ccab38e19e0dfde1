//! Context switches and pending signals, from `/proc/<pid>/status` (proc_pid_status(5)) of every thread.
//!
//! The file of the process itself shows its first thread only, so the threads are added up; one that ends
//! takes its counts with it, so what each consumed is accumulated from one reading to the next.

use crate::host::pids::Pids;

use super::detail::Refusals;

/// A process with more threads than this is not asked for them: each costs as much as the process itself.
const MOST_THREADS: usize = 512;

/// What was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Status {
    /// Switches that the threads asked for, by waiting.
    pub voluntary: u64,
    /// Switches that the kernel made.
    pub involuntary: u64,
    /// Signals that wait for the process's user.
    pub signals: Option<u64>,
    threads: Vec<(u32, Counts)>,
}

/// What one file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    voluntary: u64,
    involuntary: u64,
}

/// Reads the threads of a process, on from what was known.
pub(super) fn read(pids: &Pids, pid: u32, before: Option<Status>, refusals: &mut Refusals) -> Option<Status> {
    let mut status = before.unwrap_or_default();
    let threads = refusals.take(pids.threads(pid, MOST_THREADS))?;
    let mut buffer = Vec::new();
    let mut now = Vec::with_capacity(threads.len());
    for thread in threads {
        let text = refusals.take(pids.read_of_thread(pid, thread, "status", &mut buffer));
        let Some((counts, signals)) = text.and_then(parse) else { continue };
        let known = status.threads.binary_search_by_key(&thread, |(thread, _)| *thread);
        let earlier = known.map(|at| status.threads[at].1).unwrap_or_default();
        let add = |sum: u64, now: u64, before: u64| sum.saturating_add(now.saturating_sub(before));
        status.voluntary = add(status.voluntary, counts.voluntary, earlier.voluntary);
        status.involuntary = add(status.involuntary, counts.involuntary, earlier.involuntary);
        if thread == pid {
            status.signals = signals;
        }
        now.push((thread, counts));
    }
    now.sort_unstable_by_key(|(thread, _)| *thread);
    status.threads = now;
    Some(status)
}

/// The switches of one thread, and the queued signals of the user (`SigQ`, before the slash).
fn parse(text: &[u8]) -> Option<(Counts, Option<u64>)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut counts = Counts::default();
    let mut signals = None;
    let mut found = 0;
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let number = || value.trim().split('/').next().and_then(|number| number.parse().ok());
        match key {
            "SigQ" => signals = number(),
            "voluntary_ctxt_switches" => {
                counts.voluntary = number()?;
                found += 1;
            }
            "nonvoluntary_ctxt_switches" => {
                counts.involuntary = number()?;
                found += 1;
            }
            _ => {}
        }
    }
    (found == 2).then_some((counts, signals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"Name:\tbash\nSigQ:\t3/96000\nSigPnd:\t0000000000000000\n\
        voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";

    #[test]
    fn the_switches_and_the_queued_signals_are_read() {
        let counts = Counts { voluntary: 150, involuntary: 545 };
        assert_eq!(parse(TEXT), Some((counts, Some(3))));
        assert_eq!(parse(b"Name:\tkthreadd\n"), None);
    }

    #[test]
    fn the_switches_of_this_process_never_go_back_when_a_thread_ends() {
        let host = crate::host::Host::at("/").unwrap();
        let pids = Pids::open(&host).unwrap();
        let mut refusals = Refusals::default();
        let thread = std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_millis(80)));
        std::thread::sleep(std::time::Duration::from_millis(20));
        let first = read(&pids, std::process::id(), None, &mut refusals).unwrap();
        thread.join().unwrap();
        let second = read(&pids, std::process::id(), Some(first.clone()), &mut refusals).unwrap();
        assert!(second.voluntary >= first.voluntary && first.voluntary > 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
