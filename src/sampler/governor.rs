//! Holds the agent within `resource_limits`, in steps that can be taken back.
//!
//! What costs is the reading of dear collectors (of processes, nearly always), so that is what is made less of:
//!
//! | step | what changes |
//! |---|---|
//! | 0 | nothing |
//! | 1 | dear collectors read the host every 30 s at most |
//! | 2 | every 2 min at most |
//! | 3 | and processes are not shown alone any more, all are in the remainder |
//!
//! Too much CPU goes up a step at a time, too much memory to the last one at once, since reading less often frees
//! none. Down it goes a step after five quiet minutes, and after twice as long where that was too early before.

use std::time::Duration;

use crate::host::own::Usage;

/// The ceilings; none is no ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Percent of one CPU.
    pub cpu_percent: Option<f64>,
    /// Bytes of resident memory.
    pub memory: Option<u64>,
}

/// The last step.
const LAST: u8 = 3;

/// The use of CPU is judged over at least this time: a single cycle is a burst.
const WINDOW: Duration = Duration::from_secs(20);

/// What is below this share of the ceiling is quiet.
const QUIET: f64 = 0.7;

/// How long it must be quiet before a step is taken back, and the longest that this grows to.
const PATIENCE: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(2));

/// A collector is dear that takes this share of the time of all.
pub(super) const DEAR: f64 = 0.2;

/// Why a step was taken, in words for the log.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub step: u8,
    /// A step back.
    pub eased: bool,
    pub why: String,
}

/// The state between cycles. Times are since some fixed moment.
#[derive(Debug)]
pub(super) struct Governor {
    limits: Limits,
    step: u8,
    /// When the window began, and the CPU time then.
    window: Option<(Duration, Duration)>,
    quiet_since: Option<Duration>,
    patience: Duration,
    /// When a step was taken back.
    eased: Option<Duration>,
}

impl Governor {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, step: 0, window: None, quiet_since: None, patience: PATIENCE.0, eased: None }
    }

    /// The ceilings.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// The step that is taken.
    pub(super) fn step(&self) -> u8 {
        self.step
    }

    /// The least time between two readings of a dear collector.
    pub(super) fn interval(&self) -> Duration {
        match self.step {
            0 => Duration::ZERO,
            1 => Duration::from_secs(30),
            _ => Duration::from_mins(2),
        }
    }

    /// Whether processes are not shown alone.
    pub(super) fn frugal(&self) -> bool {
        self.step == LAST
    }

    /// Judges what has been used by `now`; to be called after each cycle.
    pub(super) fn judge(&mut self, now: Duration, used: Usage) -> Option<Change> {
        if self.limits == Limits::default() {
            return None;
        }
        let Some((began, cpu)) = self.window else {
            self.window = Some((now, used.cpu));
            return None;
        };
        let span = now.saturating_sub(began);
        if span < WINDOW {
            return None;
        }
        self.window = Some((now, used.cpu));
        let percent = 100.0 * used.cpu.saturating_sub(cpu).as_secs_f64() / span.as_secs_f64();
        let of_cpu = self.limits.cpu_percent.map_or(0.0, |most| percent / most);
        let of_memory = match (used.memory, self.limits.memory) {
            (Some(bytes), Some(most)) => bytes as f64 / most.max(1) as f64,
            _ => 0.0,
        };
        if of_memory > 1.0 || of_cpu > 1.0 {
            self.quiet_since = None;
            return self.tighten(now, of_memory > 1.0, percent, used.memory.unwrap_or(0));
        }
        if of_cpu.max(of_memory) >= QUIET || self.step == 0 {
            self.quiet_since = None;
            return None;
        }
        let since = *self.quiet_since.get_or_insert(now);
        if now.saturating_sub(since) < self.patience {
            return None;
        }
        self.quiet_since = None;
        self.eased = Some(now);
        self.step -= 1;
        Some(Change { step: self.step, eased: true, why: "use is well below the ceiling again".to_owned() })
    }

    fn tighten(&mut self, now: Duration, memory: bool, percent: f64, bytes: u64) -> Option<Change> {
        if self.step == LAST {
            return None;
        }
        if self.eased.take().is_some_and(|eased| now.saturating_sub(eased) < self.patience) {
            self.patience = (self.patience * 2).min(PATIENCE.1);
        }
        self.step = if memory { LAST } else { self.step + 1 };
        let why = if memory {
            let most = self.limits.memory.unwrap_or(0);
            format!("{} MiB of memory are used, {} MiB are the ceiling", bytes >> 20, most >> 20)
        } else {
            let most = self.limits.cpu_percent.unwrap_or(0.0);
            format!("{percent:.1} % of a CPU are used, {most} % are the ceiling")
        };
        Some(Change { step: self.step, eased: false, why })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// Runs minutes of cycles of 15 s, each using so much, and returns the steps that were taken.
    struct Run {
        governor: Governor,
        now: Duration,
        cpu: Duration,
    }

    impl Run {
        fn new(limits: Limits) -> Self {
            Self { governor: Governor::new(limits), now: Duration::ZERO, cpu: Duration::ZERO }
        }

        fn minutes(&mut self, minutes: u32, percent: f64, memory: u64) -> Vec<u8> {
            let mut steps = Vec::new();
            for _ in 0..4 * minutes {
                self.now += Duration::from_secs(15);
                self.cpu += Duration::from_secs_f64(15.0 * percent / 100.0);
                let used = Usage { cpu: self.cpu, memory: Some(memory) };
                steps.extend(self.governor.judge(self.now, used).map(|change| change.step));
            }
            steps
        }
    }

    #[test]
    fn too_much_cpu_is_answered_step_by_step_and_taken_back_step_by_step() {
        let mut run = Run::new(Limits { cpu_percent: Some(1.0), memory: None });
        assert_eq!(run.minutes(2, 0.9, 0), [0_u8; 0]);
        assert_eq!(run.minutes(3, 5.0, 0), [1, 2, 3]);
        assert!(run.governor.frugal());
        assert_eq!(run.minutes(4, 0.1, 0), [0_u8; 0]);
        assert_eq!(run.minutes(14, 0.1, 0), [2, 1, 0]);
        assert_eq!(run.governor.interval(), Duration::ZERO);
    }

    #[test]
    fn memory_goes_to_the_last_step_at_once() {
        let mut run = Run::new(Limits { cpu_percent: None, memory: Some(64 * MIB) });
        assert_eq!(run.minutes(1, 90.0, 64 * MIB), [0_u8; 0]);
        assert_eq!(run.minutes(1, 0.0, 65 * MIB), [3]);
        assert_eq!(run.minutes(20, 0.0, 60 * MIB), [0_u8; 0], "it is not quiet yet");
        assert_eq!(run.minutes(20, 0.0, 20 * MIB), [2, 1, 0]);
    }

    #[test]
    fn who_comes_back_too_early_waits_longer_the_next_time() {
        let mut run = Run::new(Limits { cpu_percent: Some(1.0), memory: None });
        assert_eq!(run.minutes(1, 1.5, 0), [1]);
        assert_eq!(run.minutes(6, 0.1, 0), [0]);
        assert_eq!(run.minutes(1, 1.5, 0), [1]);
        assert_eq!(run.minutes(9, 0.1, 0), [0_u8; 0], "ten minutes now");
        assert_eq!(run.minutes(3, 0.1, 0), [0]);
    }

    #[test]
    fn without_a_ceiling_nothing_is_too_much() {
        let mut run = Run::new(Limits::default());
        assert_eq!(run.minutes(60, 100.0, 1 << 40), [0_u8; 0]);
    }

    proptest! {
        #[test]
        fn steps_stay_on_the_ladder(uses in prop::collection::vec((0.0..10.0_f64, 0..200_u64), 0..60)) {
            let mut run = Run::new(Limits { cpu_percent: Some(1.0), memory: Some(64 * MIB) });
            let mut before = 0;
            for (percent, mib) in uses {
                for step in run.minutes(3, percent, mib * MIB) {
                    prop_assert!(step <= LAST && (step > before || step + 1 == before));
                    before = step;
                }
            }
        }
    }
}
