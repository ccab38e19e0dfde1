//! When to collect: aligned to the wall clock, but at each host's own place within the interval.
//!
//! Alignment makes the points of one host comparable over a restart; the offset keeps a thousand hosts from
//! coming to one Collector in the same millisecond.

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

/// The same when a tick was `since` ago: what has been missed is left out, and a clock that was set back a
/// little, or a timer that was early, does not make two ticks of one.
pub(super) fn after_tick(now: SystemTime, since: Duration, interval: Duration, offset: Duration) -> Duration {
    let wait = until_next(now, interval, offset);
    if since + wait < interval / 2 { wait + interval } else { wait }
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
    fn a_timer_that_was_early_does_not_tick_twice() {
        let wait = after_tick(at(14_999), Duration::ZERO, INTERVAL, Duration::ZERO);
        assert_eq!(wait, Duration::from_millis(15_001));
    }

    #[test]
    fn a_tick_that_took_too_long_is_followed_by_the_next_regular_one() {
        let wait = after_tick(at(37_000), Duration::from_secs(22), INTERVAL, Duration::ZERO);
        assert_eq!(wait, Duration::from_secs(8));
        let wait = after_tick(at(29_000), Duration::from_secs(14), INTERVAL, Duration::ZERO);
        assert_eq!(wait, Duration::from_secs(1));
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
            since in 0..200_000_u64,
        ) {
            let interval = Duration::from_millis(interval);
            let offset = interval.mul_f64(part);
            let wait = until_next(at(now), interval, offset);
            prop_assert!(wait > Duration::ZERO && wait <= interval);
            let since = Duration::from_millis(since);
            let wait = after_tick(at(now), since, interval, offset);
            prop_assert!(since + wait >= interval / 2 && wait <= interval * 3 / 2);
        }
    }
}
