//! A task that panics is a bug, and no reason to stop the others: it is counted and begun again, after a pause
//! that grows. Where that does not help, the agent says so and ends, for whoever started it to start it anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::stats::Stats;

/// The first pause and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// After that long without a panic, the next one is a first one.
const CALM: Duration = Duration::from_mins(5);

/// Runs the task that `make` makes until it ends. One that panics is made again. Dropping this ends the task.
pub async fn supervise<F, T>(name: &'static str, stats: Arc<Stats>, mut make: impl FnMut() -> F) -> T
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut pause = PAUSES.0;
    loop {
        let began = Instant::now();
        // A set, because dropping it ends what it holds.
        let mut task = JoinSet::new();
        task.spawn(make());
        if let Some(Ok(result)) = task.join_next().await {
            return result;
        }
        stats.panicked(name);
        if began.elapsed() >= CALM {
            pause = PAUSES.0;
        }
        tracing::error!(
            task = name,
            seconds = pause.as_secs(),
            "panicked; please report this; it begins again"
        );
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(PAUSES.1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_made_again_with_growing_pauses_and_counted() {
        let (stats, made) = (Arc::new(Stats::default()), Arc::new(AtomicU64::new(0)));
        let began = tokio::time::Instant::now();
        let task = supervise("sender", Arc::clone(&stats), || {
            let made = made.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(made >= 8, "on purpose");
                made
            }
        });
        assert_eq!(task.await, 8);
        assert_eq!(began.elapsed().as_secs(), 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60);
        assert_eq!(stats.read().panics["sender"], 8);
        assert!(!stats.is_hopeless());
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_ten_panics_in_ten_minutes_are_hopeless() {
        let stats = Arc::new(Stats::default());
        for _ in 0..10 {
            stats.panicked("endpoint");
        }
        assert!(!stats.is_hopeless());
        stats.panicked("sender");
        assert!(stats.is_hopeless());
    }
}
