//! What says the same again and again: five times at once, then once a minute with how often it was left out.
//!
//! The same is what comes from the same place with the same words, whatever the numbers in them. What a user asks
//! for by `debug` or `trace` is not held back.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::stats::Stats;

/// So often something may be said at once.
const AT_ONCE: u32 = 5;

/// How long something is left out then.
const PAUSE: Duration = Duration::from_mins(1);

/// After that long in silence it may be said at once again.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// Causes that are remembered.
const CAUSES: usize = 512;

thread_local! {
    /// How many lines like the one that passes now were left out before it.
    static MORE: Cell<u64> = const { Cell::new(0) };
}

/// Holds back what was said already.
pub(super) struct Brake {
    causes: Mutex<HashMap<u64, Cause>>,
    stats: Arc<Stats>,
}

struct Cause {
    said: u32,
    last: Instant,
    left_out: u64,
}

impl Brake {
    pub(super) fn new(stats: Arc<Stats>) -> Self {
        Self { causes: Mutex::default(), stats }
    }

    /// How many lines like this were left out; none where this one is, too.
    fn pass(&self, cause: u64, now: Instant) -> Option<u64> {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        if causes.len() >= CAUSES {
            causes.retain(|_, cause| now.duration_since(cause.last) < PAUSE);
        }
        if causes.len() >= CAUSES {
            causes.clear();
        }
        let cause = causes.entry(cause).or_insert(Cause { said: 0, last: now, left_out: 0 });
        let silence = now.duration_since(cause.last);
        if silence >= FORGOTTEN {
            cause.said = 0;
        }
        if cause.said >= AT_ONCE && silence < PAUSE {
            cause.left_out += 1;
            self.stats.log.repeated.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        cause.said += 1;
        cause.last = now;
        Some(std::mem::take(&mut cause.left_out))
    }
}

impl<S: Subscriber> Layer<S> for Brake {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if *event.metadata().level() > Level::INFO {
            return true;
        }
        let mut words = Words(DefaultHasher::new());
        event.metadata().callsite().hash(&mut words.0);
        event.record(&mut words);
        let passes = self.pass(words.0.finish(), Instant::now());
        MORE.set(passes.unwrap_or(0));
        passes.is_some()
    }
}

/// A line of the event that passed last on this thread, with how many like it were left out.
pub(super) fn complete(line: &[u8]) -> Vec<u8> {
    let more = MORE.take();
    let bare = line.strip_suffix(b"\n").filter(|_| more > 0);
    match bare.map(|bare| (bare, bare.strip_suffix(b"}"))) {
        None => line.to_vec(),
        Some((_, Some(object))) => [object, format!(",\"left_out\":{more}}}\n").as_bytes()].concat(),
        Some((text, None)) => [text, format!(" ({more} more like this were left out)\n").as_bytes()].concat(),
    }
}

/// The words of an event, without the digits.
struct Words(DefaultHasher);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        field.name().hash(&mut self.0);
        // Hashing does not fail.
        let _ = write!(self, "{value:?}");
    }
}

impl Write for Words {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().filter(|byte| !byte.is_ascii_digit()).for_each(|byte| self.0.write_u8(byte));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The text of what is logged meanwhile.
    fn logged(stats: &Arc<Stats>, log: impl FnOnce()) -> String {
        let out = Arc::new(Mutex::new(Vec::new()));
        let lines = {
            let out = Arc::clone(&out);
            let lines = tracing_subscriber::fmt::layer().without_time().with_target(false).with_ansi(false);
            lines.with_writer(move || Shared(Arc::clone(&out)))
        };
        let subscriber = tracing_subscriber::registry().with(lines).with(Brake::new(Arc::clone(stats)));
        tracing::subscriber::with_default(subscriber, log);
        let text = out.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_same_with_other_numbers_is_the_same_and_other_words_are_not() {
        let stats = Arc::new(Stats::default());
        let text = logged(&stats, || {
            for n in 0..100 {
                tracing::warn!(collector = "disk", "it took {n} ms");
            }
            for collector in ["disk", "cpu"] {
                tracing::debug!(collector, "asked for");
                tracing::info!(collector, "good again");
            }
        });
        assert_eq!(text.matches("it took").count(), 5);
        assert_eq!((text.matches("good again").count(), text.matches("asked for").count()), (2, 2));
        assert_eq!(stats.log.repeated.load(Ordering::Relaxed), 95);
    }

    #[test]
    fn after_a_minute_it_is_said_again_with_how_often_it_was_left_out() {
        let brake = Brake::new(Arc::default());
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!((0..5).filter_map(|_| brake.pass(1, at(0))).count(), 5);
        assert_eq!((1..60).filter_map(|second| brake.pass(1, at(second))).count(), 0);
        assert_eq!(brake.pass(1, at(60)), Some(59));
        assert_eq!(brake.pass(1, at(61)), None);
        assert_eq!(brake.pass(2, at(61)), Some(0));
        assert_eq!(brake.pass(1, at(720)), Some(1));
        assert_eq!((0..9).filter_map(|_| brake.pass(1, at(720))).count(), 4);
    }

    #[test]
    fn how_often_stands_in_the_line_that_passes() {
        let line = |more, line: &[u8]| {
            MORE.set(more);
            String::from_utf8(complete(line)).unwrap()
        };
        assert_eq!(line(0, b"WARN again\n"), "WARN again\n");
        assert_eq!(line(7, b"WARN again\n"), "WARN again (7 more like this were left out)\n");
        assert_eq!(line(7, b"{\"message\":\"again\"}\n"), "{\"message\":\"again\",\"left_out\":7}\n");
        assert_eq!(complete(b"WARN other\n"), b"WARN other\n", "it is said once");
    }

    #[test]
    fn ever_new_causes_do_not_fill_the_memory() {
        let brake = Brake::new(Arc::default());
        let now = Instant::now();
        (0..10_000).for_each(|cause| assert_eq!(brake.pass(cause, now), Some(0)));
        assert!(brake.causes.lock().unwrap().len() <= CAUSES);
    }
}
