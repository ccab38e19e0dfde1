//! What to do after a failed attempt: the whole law, pure.
//!
//! It follows the table of the OTLP specification with two deliberate differences. An error that the transport
//! made, without a status from the peer, is retried whatever it looks like: HTTP/2 turns a reset or a closed
//! connection into "unknown", and giving up on that loses the batch in flight at every restart of a Collector.
//! It is also retried sooner, because a peer that has not spoken has not asked for patience either.
//! And a refusal that concerns us rather than the batch (a token, a missing service) costs that batch, as the
//! specification demands, but holds the others back instead of feeding the whole queue to it.

use std::time::Duration;

use tonic::Code;

/// What became of an attempt that did not deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// The peer answered with a gRPC status, and perhaps with the time after which it may be asked again.
    Refused(Code, Option<Duration>),
    /// The peer answered more than anybody should read.
    Absurd,
    /// No status came from the peer: no connection, a broken one, no answer in time, not gRPC.
    Broken,
}

/// What to do with the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Send it again, with as much patience as the peer asked for.
    Retry(Patience),
    /// Give it up and go on with the next.
    Drop,
    /// Give it up; build smaller requests from now on.
    Shrink,
    /// Give it up; hold the others back and try one now and then.
    Hold,
}

/// What the peer has asked for before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Nothing: it has not spoken.
    Unasked,
    /// To be left alone for a while.
    Asked,
    /// To be left alone for so long.
    For(Duration),
}

impl From<Option<Duration>> for Patience {
    fn from(retry_info: Option<Duration>) -> Self {
        retry_info.map_or(Patience::Asked, Patience::For)
    }
}

/// The law.
pub(super) fn decide(happened: Happened) -> Action {
    let (code, retry_info) = match happened {
        Happened::Refused(code, retry_info) => (code, retry_info),
        // It has taken the request and would answer the next one alike.
        Happened::Absurd => return Action::Hold,
        Happened::Broken => return Action::Retry(Patience::Unasked),
    };
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Action::Retry(retry_info.into()),
        Code::ResourceExhausted if retry_info.is_some() => Action::Retry(retry_info.into()),
        Code::ResourceExhausted => Action::Shrink,
        Code::InvalidArgument | Code::AlreadyExists => Action::Drop,
        // A status of OK is no failure; one that contradicts itself is treated as a broken peer's.
        Code::Ok
        | Code::Unknown
        | Code::NotFound
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => Action::Hold,
    }
}

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before the first retry, about; it doubles with each.
    pub first: Duration,
    /// The most that it grows to.
    pub most: Duration,
    /// The most that it grows to while the peer does not speak.
    pub unasked: Duration,
    /// Between two probes while the peer refuses us.
    pub probe: Duration,
    /// The most that a peer's wish is followed.
    pub wish: Duration,
    /// From one call to the next while all goes well: after an outage, what was kept does not come at once.
    pub gap: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            most: Duration::from_secs(30),
            // With the rest of an attempt to connect, data flows within five seconds of the peer's return.
            unasked: Duration::from_secs(3),
            probe: Duration::from_secs(30),
            wish: Duration::from_mins(5),
            // A day's batches of 15 s are through in two minutes.
            gap: Duration::from_millis(20),
        }
    }
}

/// The growing wait of one outage.
#[derive(Debug)]
pub(super) struct Backoff {
    pace: Pace,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, next: pace.first }
    }

    /// Forgets the outage.
    pub(super) fn reset(&mut self) {
        self.next = self.pace.first;
    }

    /// How long to wait now: between half of the step and the whole, so that the hosts that lost the same
    /// Collector do not all come back at one moment; and, where the peer has named a time, between that and
    /// 30 % more. `random` is from [0, 1).
    pub(super) fn wait(&mut self, patience: Patience, random: f64) -> Duration {
        let (wish, most) = match patience {
            Patience::Unasked => (Duration::ZERO, self.pace.most.min(self.pace.unasked)),
            Patience::Asked => (Duration::ZERO, self.pace.most),
            Patience::For(wish) => (wish.min(self.pace.wish), self.pace.most),
        };
        let wait = self.next.min(most).mul_f64(0.5 + random / 2.0).max(wish.mul_f64(1.0 + 0.3 * random));
        self.next = (self.next.max(wish) * 2).min(self.pace.most);
        wait
    }

    /// How long to wait before the next probe of a peer that refuses us.
    pub(super) fn probe(&self, random: f64) -> Duration {
        self.pace.probe.mul_f64(1.0 + 0.1 * random)
    }
}

/// The largest request to build, which a peer that finds ours too large brings down.
#[derive(Debug)]
pub(super) struct Size {
    most: usize,
    now: usize,
    delivered: u32,
}

impl Size {
    /// Below this, size is not what the peer objects to.
    const LEAST: usize = 64 << 10;
    /// So many deliveries bring back twice the size.
    const PATIENCE: u32 = 100;

    pub(super) fn new(most: usize) -> Self {
        Self { most, now: most, delivered: 0 }
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    pub(super) fn shrink(&mut self) {
        self.now = (self.now / 2).max(Self::LEAST.min(self.most));
        self.delivered = 0;
    }

    pub(super) fn delivered(&mut self) {
        self.delivered += 1;
        if self.delivered >= Self::PATIENCE {
            self.now = self.now.saturating_mul(2).min(self.most);
            self.delivered = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WISHES: [Option<Duration>; 5] = [
        None,
        Some(Duration::ZERO),
        Some(Duration::from_secs(2)),
        Some(Duration::from_secs(45)),
        Some(Duration::from_mins(10)),
    ];

    fn cases(code: i32, expected: impl Fn(Option<Duration>) -> Action) {
        for wish in WISHES {
            let code = Code::from_i32(code);
            assert_eq!(decide(Happened::Refused(code, wish)), expected(wish), "{code:?} {wish:?}");
        }
    }

    #[test]
    fn every_code_with_every_wish_follows_the_table() {
        for code in [1, 4, 10, 11, 14, 15] {
            cases(code, |wish| Action::Retry(wish.into()));
        }
        for code in [3, 6] {
            cases(code, |_| Action::Drop);
        }
        for code in [2, 5, 7, 9, 12, 13, 16] {
            cases(code, |_| Action::Hold);
        }
        cases(8, |wish| wish.map_or(Action::Shrink, |wish| Action::Retry(Patience::For(wish))));
    }

    #[test]
    fn what_the_transport_made_is_always_tried_again() {
        assert_eq!(decide(Happened::Broken), Action::Retry(Patience::Unasked));
    }

    #[test]
    fn a_batch_that_an_absurd_answer_was_given_to_is_not_sent_again() {
        assert_eq!(decide(Happened::Absurd), Action::Hold);
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_starts_anew() {
        let mut backoff = Backoff::new(Pace::default());
        let waits: Vec<u64> = (0..7).map(|_| backoff.wait(Patience::Asked, 0.0).as_millis() as u64).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 15000, 15000]);
        backoff.reset();
        assert_eq!(backoff.wait(Patience::Asked, 0.5), Duration::from_millis(750));
    }

    #[test]
    fn a_peer_that_does_not_speak_is_asked_every_few_seconds() {
        let mut backoff = Backoff::new(Pace::default());
        let waits: Vec<u64> =
            (0..7).map(|_| backoff.wait(Patience::Unasked, 0.0).as_millis() as u64).collect();
        assert_eq!(waits, [500, 1000, 1500, 1500, 1500, 1500, 1500]);
        assert_eq!(backoff.wait(Patience::Unasked, 0.999).as_secs(), 2);
        // One that speaks at last, and asks for patience, is met with that of the whole outage.
        assert_eq!(backoff.wait(Patience::Asked, 0.0), Duration::from_secs(15));
    }

    /// When each host's first attempt comes after a Collector is there again that was away for `outage` seconds.
    fn returns(patience: Patience, outage: f64) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(19);
        let mut host = || {
            let (mut backoff, mut at) = (Backoff::new(Pace::default()), 0.0);
            while at < outage {
                at += backoff.wait(patience, random.f64()).as_secs_f64();
            }
            at - outage
        };
        (0..1000).map(|_| host()).collect()
    }

    #[test]
    fn after_a_minute_a_thousand_hosts_do_not_come_back_at_one_moment() {
        for (patience, longest) in [(Patience::Asked, 30.0), (Patience::Unasked, 3.0)] {
            for outage in [60.0, 90.0, 300.0, 3600.0] {
                let returns = returns(patience, outage);
                let mut seconds = [0_u32; 30];
                for at in returns {
                    seconds[at as usize] += 1;
                }
                let fullest = seconds.into_iter().max().unwrap();
                assert!(
                    f64::from(fullest) <= 2.0 * 1000.0 / longest,
                    "{patience:?} {outage}: {fullest} at once"
                );
            }
        }
    }

    #[test]
    fn a_wish_is_the_least_wait_and_later_ones_grow_from_it() {
        let mut backoff = Backoff::new(Pace::default());
        assert_eq!(backoff.wait(Patience::For(Duration::from_secs(5)), 0.0), Duration::from_secs(5));
        assert_eq!(backoff.wait(Patience::Asked, 0.0), Duration::from_secs(5));
        assert_eq!(backoff.wait(Patience::For(Duration::from_hours(1)), 0.0), Duration::from_mins(5));
        assert_eq!(backoff.wait(Patience::Asked, 0.0), Duration::from_secs(15));
    }

    #[test]
    fn requests_shrink_to_a_bound_and_grow_back_after_a_hundred_deliveries() {
        let mut size = Size::new(256 << 10);
        for _ in 0..5 {
            size.shrink();
        }
        assert_eq!(size.now(), 64 << 10);
        for _ in 0..99 {
            size.delivered();
        }
        assert_eq!(size.now(), 64 << 10);
        for _ in 0..501 {
            size.delivered();
        }
        assert_eq!(size.now(), 256 << 10);
        let mut small = Size::new(1 << 10);
        small.shrink();
        assert_eq!(small.now(), 1 << 10);
    }

    proptest! {
        #[test]
        fn no_wait_is_below_the_wish_or_far_above_the_bounds(
            wishes in prop::collection::vec(prop::option::of(0..1000_u64), 1..20),
            random in 0.0..1.0_f64,
        ) {
            let mut backoff = Backoff::new(Pace::default());
            for wish in wishes {
                let wish = wish.map(Duration::from_secs);
                let wait = backoff.wait(wish.into(), random);
                let bounded = wish.unwrap_or_default().min(Duration::from_mins(5));
                prop_assert!(wait >= bounded);
                prop_assert!(wait <= bounded.mul_f64(1.3).max(Duration::from_secs(30)));
            }
        }
    }
}
