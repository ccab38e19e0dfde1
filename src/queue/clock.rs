//! When a batch was taken in, told by a clock that nobody sets.
//!
//! Age is counted on the clock that runs since the boot: a step of the wall clock expires nothing, and a host
//! that slept has aged. What an earlier boot left can be told by the wall clock alone, which may have jumped
//! meanwhile; so that one is believed up to half of the age cap and no more. Nothing expires by it at a start,
//! and what really is too old goes half an age cap later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::host;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time since the boot, for ages.
    pub boot: Duration,
    /// The wall clock, for people.
    pub time: SystemTime,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { boot: host::since_boot(), time: SystemTime::now() }
    }

    /// How long something has waited.
    pub(super) fn age(self, taken: Taken) -> Duration {
        let now = Taken::at(self.boot);
        Duration::from_millis(u64::try_from(now.0.saturating_sub(taken.0)).unwrap_or(0))
    }
}

/// When a batch was taken in: milliseconds of this boot, negative for what was earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Taken(i64);

impl Taken {
    pub(super) fn at(boot: Duration) -> Self {
        Self(millis(boot).cast_signed())
    }

    /// Milliseconds since the boot; 0 for what was earlier.
    pub(super) fn since_boot(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

/// What the clocks showed at one moment of a run: what its other times are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// Names the boot; 0 where the host does not say.
    pub boot_id: u128,
    /// Milliseconds since the boot.
    pub boot: u64,
    /// Milliseconds since 1970.
    pub time: u64,
}

impl Origin {
    pub(super) fn new(boot_id: u128, now: Moment) -> Self {
        let time = now.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { boot_id, boot: millis(now.boot), time: millis(time) }
    }

    /// What was taken in by a run of the origin `theirs`, `boot` milliseconds after its boot, as a time of our
    /// boot. The wall clock is believed for at most `trust`.
    pub(super) fn translate(&self, theirs: &Origin, boot: u64, trust: Duration) -> Taken {
        if theirs.boot_id == self.boot_id && self.boot_id != 0 {
            return Taken(boot.cast_signed());
        }
        let time = theirs.time.saturating_add(boot.saturating_sub(theirs.boot));
        let waited = self.time.saturating_sub(time).min(millis(trust));
        Taken(self.boot.cast_signed().saturating_sub(waited.cast_signed()))
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn moment(boot_hours: u64, wall_hours: u64) -> Moment {
        Moment { boot: HOUR * boot_hours as u32, time: UNIX_EPOCH + HOUR * wall_hours as u32 }
    }

    /// The age that a batch has at the start of the next run: the batch is taken in at `taken`, the run whose
    /// segment it is in began at `began`.
    fn age(began: Moment, taken: Moment, next: Moment, same_boot: bool) -> Duration {
        let (theirs, ours) = (Origin::new(1, began), Origin::new(if same_boot { 1 } else { 2 }, next));
        next.age(ours.translate(&theirs, millis(taken.boot), 12 * HOUR))
    }

    #[test]
    fn within_a_boot_no_step_of_the_wall_clock_counts() {
        for wall in [0, 101, 500_000, 900_000] {
            assert_eq!(age(moment(1, 500_000), moment(2, 500_001), moment(5, wall), true), 3 * HOUR);
        }
    }

    #[test]
    fn across_boots_the_wall_clock_counts_up_to_half_the_cap() {
        let (began, taken) = (moment(1, 500_000), moment(2, 500_001));
        assert_eq!(age(began, taken, moment(0, 500_004), false), 3 * HOUR);
        assert_eq!(age(began, taken, moment(0, 900_000), false), 12 * HOUR);
        assert_eq!(age(began, taken, moment(0, 0), false), Duration::ZERO);
    }

    #[test]
    fn a_host_that_does_not_name_its_boot_may_have_booted() {
        let (theirs, ours) = (Origin::new(0, moment(9, 500_000)), Origin::new(0, moment(1, 500_002)));
        assert_eq!(moment(1, 0).age(ours.translate(&theirs, millis(9 * HOUR), 12 * HOUR)), 2 * HOUR);
    }

    #[test]
    fn the_clock_runs() {
        let now = Moment::now();
        assert!(now.boot > Duration::ZERO && now.age(Taken::at(now.boot)) == Duration::ZERO);
        assert!(Moment::now().boot >= now.boot);
    }
}
