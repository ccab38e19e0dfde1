//! When to collect: aligned to the wall clock at the start, each host at its own place within the interval, and
//! from then on by the clock that runs since the boot.
//!
//! Alignment makes the points of one host comparable over a restart; the offset keeps a thousand hosts from
//! coming to one Collector in the same millisecond. After the start the wall clock has no say: one that is set
//! back a second each second would stretch or shorten every interval.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A host's place within the interval.
pub(super) fn offset(host: &str, interval: Duration) -> Duration {
    // This hasher has no secret: a restart of the agent finds the same place.
    let mut hasher = DefaultHasher::new();
    host.hash(&mut hasher);
    interval.mul_f64(hasher.finish() as f64 / 2_f64.powi(64)).min(interval)
}

/// How long until the next tick after `now`.
pub(super) fn until_next(now: SystemTime, interval: Duration, offset: Duration) -> Duration {
    let interval = interval.as_nanos().max(1);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let into = (now + interval - offset.as_nanos() % interval) % interval;
    Duration::from_nanos(u64::try_from(interval - into).unwrap_or(u64::MAX))
}

/// The tick that follows the one that was due at `due` and began at `began`, as seen at `now`, all on one clock:
/// what has been missed is left out, and a tick that began late is not followed by another at once.
pub(super) fn after_tick(due: Duration, began: Duration, now: Duration, interval: Duration) -> Duration {
    let interval = interval.max(Duration::from_millis(1));
    let not_before = now.max(began + interval / 2);
    let missed = not_before.saturating_sub(due).as_nanos() / interval.as_nanos();
    let intervals = u32::try_from(missed + 1).unwrap_or(u32::MAX);
    due + interval.saturating_mul(intervals)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(15);

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn ticks_are_at_the_hosts_place_in_the_interval() {
        let offset = Duration::from_secs(4);
        assert_eq!(until_next(at(0), INTERVAL, offset), Duration::from_secs(4));
        assert_eq!(until_next(at(4_000), INTERVAL, offset), INTERVAL);
        assert_eq!(until_next(at(5_000), INTERVAL, offset), Duration::from_secs(14));
    }

    #[test]
    fn a_tick_is_followed_by_the_next_and_never_by_one_that_was_missed() {
        let after = |due, began, now| {
            let millis = Duration::from_millis;
            after_tick(millis(due), millis(began), millis(now), INTERVAL).as_millis()
        };
        assert_eq!(after(30_000, 30_000, 30_100), 45_000);
        assert_eq!(after(30_000, 29_999, 30_100), 45_000, "a timer that was early does not tick twice");
        assert_eq!(after(30_000, 30_000, 52_000), 60_000, "a tick that took too long");
        assert_eq!(after(30_000, 89_000, 89_100), 105_000, "a machine that woke up a moment before a tick");
        assert_eq!(after(30_000, 91_000, 91_100), 105_000);
    }

    #[test]
    fn a_clock_before_1970_ticks_all_the_same() {
        let early = UNIX_EPOCH - Duration::from_secs(100);
        assert_eq!(until_next(early, INTERVAL, Duration::ZERO), INTERVAL);
    }

    #[test]
    fn hosts_are_spread_evenly() {
        let mut parts = [0; 10];
        for host in 0..1000 {
            let offset = offset(&format!("host-{host}"), INTERVAL);
            parts[(offset.as_millis() * 10 / INTERVAL.as_millis()) as usize] += 1;
        }
        assert!(parts.iter().all(|hosts| (60..150).contains(hosts)), "{parts:?}");
    }

    proptest! {
        #[test]
        fn a_wait_is_never_nothing_and_never_much_more_than_an_interval(
            now in 0..10_000_000_000_u64,
            interval in 1..100_000_u64,
            part in 0.0..1.0_f64,
            late in 0..200_000_u64,
            took in 0..200_000_u64,
        ) {
            let interval = Duration::from_millis(interval);
            let offset = interval.mul_f64(part);
            let wait = until_next(at(now), interval, offset);
            prop_assert!(wait > Duration::ZERO && wait <= interval);
            let due = Duration::from_millis(now);
            let began = due + Duration::from_millis(late);
            let ended = began + Duration::from_millis(took);
            let next = after_tick(due, began, ended, interval);
            prop_assert!(next > ended && next >= began + interval / 2);
            prop_assert!(next <= ended.max(began + interval / 2) + interval);
            prop_assert_eq!(next.saturating_sub(due).as_nanos() % interval.as_nanos(), 0);
        }
    }
}
