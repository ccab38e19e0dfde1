//! One page for all who ask at the same time.
//!
//! Making a page blocks a thread, for as long as the slowest collector or the asker's budget. So an asker
//! joins the flight under way where that ends within its own budget, and starts another only where it does
//! not: a scrape with a short timeout gets the part of the page that is ready by then, whatever a scrape
//! with a long one waits for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::format::Shape;
use super::page::{Page, Rendered};
use crate::stats::Stats;

/// Each flight holds a thread; further askers then join one that ends late and may get nothing.
const MAX_FLIGHTS: usize = 4;

/// How long after its budget an asker still waits: for the page to be written of the snapshot.
const GRACE: Duration = Duration::from_millis(400);

/// None until the page is there; then the page, or none of it where it could not be made.
type Landed = Option<Option<Arc<Rendered>>>;

/// The flights to one page.
pub(super) struct Flights {
    page: Arc<Page>,
    stats: Arc<Stats>,
    /// The last one for each shape.
    newest: Mutex<Vec<Flight>>,
    under_way: Arc<AtomicUsize>,
}

struct Flight {
    shape: Shape,
    ends: Instant,
    landed: watch::Receiver<Landed>,
}

impl Flights {
    pub(super) fn new(page: Arc<Page>, stats: Arc<Stats>) -> Self {
        Self { page, stats, newest: Mutex::default(), under_way: Arc::default() }
    }

    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    /// A fresh page within `budget`; none where there is none by then, or where it could not be made.
    pub(super) async fn get(&self, shape: Shape, budget: Duration) -> Option<Arc<Rendered>> {
        let ends = Instant::now() + budget;
        let mut landed = self.board(shape, ends, budget);
        let seen = timeout_at(ends + GRACE, landed.wait_for(Option::is_some)).await.ok()?.ok()?;
        seen.clone().flatten()
    }

    fn board(&self, shape: Shape, ends: Instant, budget: Duration) -> watch::Receiver<Landed> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        // Only this function starts flights, and under the lock, so the count cannot grow meanwhile.
        let full = self.under_way.load(Ordering::Relaxed) >= MAX_FLIGHTS;
        let joined = newest.iter().find(|flight| {
            let in_the_air = flight.landed.borrow().is_none() && flight.landed.has_changed().is_ok();
            flight.shape == shape && in_the_air && (flight.ends <= ends || full)
        });
        if let Some(flight) = joined {
            return flight.landed.clone();
        }
        let (land, landed) = watch::channel(None);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let page = Arc::clone(&self.page);
        let seat = Seat(Arc::clone(&self.under_way), Arc::clone(&self.stats));
        tokio::task::spawn_blocking(move || {
            let _seat = seat;
            let rendered = page.render(shape, budget).inspect_err(|error| {
                tracing::error!(%error, "the page of metrics could not be made");
            });
            land.send_replace(Some(rendered.ok()));
        });
        newest.retain(|flight| flight.shape != shape);
        newest.push(Flight { shape, ends, landed: landed.clone() });
        landed
    }
}

/// A flight under way, until it has landed or crashed.
struct Seat(Arc<AtomicUsize>, Arc<Stats>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        if std::thread::panicking() {
            self.1.panicked("page");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors::{Collector, Spec};
    use crate::export::prometheus::fixture;
    use crate::host::{Error, Host};
    use crate::metric::Reading;

    static SLOW: Spec = Spec {
        name: "slow",
        about: "Takes its time",
        metrics: &[],
        settings: &[],
        build: |_, _| Ok(Box::new(Slow)),
    };

    struct Slow;

    impl Collector for Slow {
        fn collect(&mut self, _: &Host, _: &mut Reading) -> Result<(), Error> {
            std::thread::sleep(Duration::from_millis(300));
            Ok(())
        }
    }

    #[tokio::test]
    async fn all_who_can_wait_as_long_share_one_flight() {
        let site = fixture::site(&[&SLOW], "web-1");
        let (first, second, third) = tokio::join!(
            site.flights.get(Shape::default(), Duration::from_secs(2)),
            site.flights.get(Shape::default(), Duration::from_secs(2)),
            async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                assert_eq!(site.flights.under_way.load(Ordering::Relaxed), 1);
                site.flights.get(Shape::default(), Duration::from_secs(9)).await
            },
        );
        let first = first.unwrap();
        assert!([second, third].iter().flatten().filter(|page| Arc::ptr_eq(page, &first)).count() == 2);
    }

    #[tokio::test]
    async fn ever_shorter_budgets_do_not_take_ever_more_threads() {
        let site = fixture::site(&[&SLOW], "web-1");
        let askers: Vec<_> = (1..=20)
            .rev()
            .map(|hundreds| {
                let budget = Duration::from_millis(100 * hundreds);
                site.flights.board(Shape::default(), Instant::now() + budget, budget)
            })
            .collect();
        assert_eq!(site.flights.under_way.load(Ordering::Relaxed), MAX_FLIGHTS);
        for mut landed in askers {
            assert!(landed.wait_for(Option::is_some).await.unwrap().clone().flatten().is_some());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(site.flights.under_way.load(Ordering::Relaxed), 0);
    }
}
