//! Who is shown alone: bounded by construction, and not flapping.
//!
//! A process comes in when it is among the first `n` by CPU, by memory or by I/O, and goes out when it is
//! beyond `n` and a half in all of them, so that two processes of the same size do not take turns.

use super::table::Process;

/// The most processes that `top` shows for `n`.
pub(super) fn most(n: usize) -> usize {
    3 * keep(n)
}

/// The rank up to which a process that is shown stays.
fn keep(n: usize) -> usize {
    n + n / 2
}

/// Marks in `chosen` the processes to show: the biggest `n` by each of three measures.
pub(super) fn top(processes: &[Process], eligible: &[bool], n: usize) -> Vec<bool> {
    let mut chosen = vec![false; processes.len()];
    by(processes, eligible, n, &mut chosen, |process| f64::from(process.score));
    by(processes, eligible, n, &mut chosen, |process| process.stat.resident as f64);
    by(processes, eligible, n, &mut chosen, |process| {
        process.detail.as_ref().map_or(0.0, |detail| detail.io_rate)
    });
    chosen
}

/// Marks the first `ceiling` processes, the biggest first, when not all can be shown.
pub(super) fn all(processes: &[Process], eligible: &[bool], ceiling: usize) -> Vec<bool> {
    let mut chosen = vec![false; processes.len()];
    let candidates = eligible.iter().filter(|eligible| **eligible).count();
    if candidates <= ceiling {
        return eligible.to_vec();
    }
    // Each measure gets half, so that neither an idle giant nor a small busy one is lost.
    by(processes, eligible, ceiling / 3, &mut chosen, |process| f64::from(process.score));
    by(processes, eligible, ceiling / 3, &mut chosen, |process| process.stat.resident as f64);
    chosen
}

/// Marks the first `n` by one measure, and those up to one and a half `n` that are shown already. What
/// measures nothing is never among the first.
fn by(
    processes: &[Process],
    eligible: &[bool],
    n: usize,
    chosen: &mut [bool],
    measure: impl Fn(&Process) -> f64,
) {
    let mut ranked: Vec<(f64, usize)> = processes
        .iter()
        .enumerate()
        .filter(|(at, process)| eligible[*at] && !process.unread)
        .map(|(at, process)| (measure(process), at))
        .filter(|(size, _)| *size > 0.0)
        .collect();
    let order = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let keep = keep(n);
    if ranked.len() > keep {
        ranked.select_nth_unstable_by(keep, order);
        ranked.truncate(keep);
    }
    ranked.sort_unstable_by(order);
    for (rank, (_, at)) in ranked.into_iter().enumerate() {
        if rank < n || processes[at].shown {
            chosen[at] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rest::Rest;
    use super::super::stat::Stat;
    use super::super::table::{Age, Usage};
    use super::*;

    fn process(pid: u32, score: f32, resident: u64, shown: bool) -> Process {
        let mut stat = Stat::default();
        stat.resident = resident;
        Process {
            pid,
            stat,
            usage: Usage::default(),
            age: Age::Known,
            unread: false,
            score,
            class: None,
            shown,
            detail: None,
            kept: None,
            rest: Rest::default(),
        }
    }

    fn pids(processes: &[Process], chosen: &[bool]) -> Vec<u32> {
        processes.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(p, _)| p.pid).collect()
    }

    #[test]
    fn the_union_of_the_biggest_is_shown() {
        let all = [process(1, 9.0, 1, false), process(2, 0.0, 9, false), process(3, 1.0, 2, false)];
        assert_eq!(pids(&all, &top(&all, &[true; 3], 1)), [1, 2]);
    }

    #[test]
    fn one_that_is_shown_stays_until_it_is_clearly_smaller() {
        let mut all: Vec<_> = (1..=10_u8).map(|n| process(u32::from(n), f32::from(n), 0, false)).collect();
        assert_eq!(pids(&all, &top(&all, &[true; 10], 4)), [7, 8, 9, 10]);
        all[5].shown = true;
        all[3].shown = true;
        assert_eq!(
            pids(&all, &top(&all, &[true; 10], 4)),
            [6, 7, 8, 9, 10],
            "the 5th stays, the 7th does not"
        );
    }

    #[test]
    fn the_number_shown_is_bounded_whatever_there_is() {
        let all_of: Vec<_> = (1..=5000).map(|n| process(n, n as f32, u64::from(5001 - n), true)).collect();
        let eligible = vec![true; 5000];
        assert!(pids(&all_of, &top(&all_of, &eligible, 20)).len() <= most(20));
        assert!(pids(&all_of, &all(&all_of, &eligible, 300)).len() <= 300);
        assert_eq!(pids(&all_of, &all(&all_of, &eligible, 5000)).len(), 5000);
    }

    #[test]
    fn one_that_is_not_eligible_is_not_shown() {
        let two = [process(1, 9.0, 1, false), process(2, 1.0, 1, false)];
        assert_eq!(pids(&two, &top(&two, &[false, true], 5)), [2]);
    }
}
