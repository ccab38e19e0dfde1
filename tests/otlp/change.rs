//! Another configuration takes over while batches wait and are on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hostmeter::export::otlp::{Pusher, Source};
use hostmeter::queue::{DiskLimits, Limits, Moment, Place, Queue};
use hostmeter::stats::{Outcome, Stats};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;

use super::agent::{PERFECT, hasty, judge, resource, settings, until};
use super::server::{Manner, Server, Villain, listen};

/// A source that must be told how far the one before it came.
struct Heir {
    next: Option<i64>,
    collected: Arc<AtomicI64>,
    panics: bool,
}

impl Source for Heir {
    fn collect(&mut self, _: Duration, emit: &mut dyn FnMut(ResourceMetrics)) {
        assert!(!std::mem::take(&mut self.panics), "on purpose");
        let next = self.next.get_or_insert(0);
        emit(resource(*next, 3));
        *next += 3;
        self.collected.store(*next, Ordering::Relaxed);
    }

    fn succeed(&mut self, before: &mut Self) {
        self.next = before.next.take();
    }
}

struct World {
    pusher: Pusher<Heir>,
    stats: Arc<Stats>,
    collected: Arc<AtomicI64>,
}

impl World {
    fn new(queue: Queue) -> Self {
        let stats = Arc::new(Stats::default());
        Self { pusher: Pusher::new(queue, Arc::clone(&stats)), stats, collected: Arc::default() }
    }

    fn source(&self) -> Heir {
        Heir { next: None, collected: Arc::clone(&self.collected), panics: false }
    }

    fn collected(&self) -> i64 {
        self.collected.load(Ordering::Relaxed)
    }
}

fn on_disk(directory: &tempfile::TempDir) -> Queue {
    let limits = DiskLimits { free: 0, share: 95, reserve: 0, ..DiskLimits::default() };
    let place = Place { directory: directory.path().join("queue"), limits, boot_id: 1 };
    Queue::open(Limits::default(), &place, Moment::now()).unwrap()
}

#[tokio::test]
async fn nothing_is_lost_repeated_or_out_of_order_over_many_changes() {
    let directory = tempfile::tempdir().unwrap();
    for queue in [Queue::in_memory(Limits::default()), on_disk(&directory)] {
        let server = Server::default();
        let endpoints = [server.serve().await, server.serve().await];
        let mut world = World::new(queue);
        for round in 0..60 {
            // Now and then nobody listens, and now and then nothing is pushed at all.
            let endpoint = match round % 5 {
                3 => "http://127.0.0.1:1",
                n => &endpoints[n % 2],
            };
            let next = (round % 7 != 6).then(|| (world.source(), settings(endpoint)));
            world.pusher.change(next);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..40))).await;
        }
        world.pusher.change(Some((world.source(), settings(&endpoints[0]))));
        until("what waited is there", || {
            let collected = world.collected();
            collected > 60 && server.taken().len() as i64 >= collected - 6
        })
        .await;
        let World { pusher, stats, collected } = world;
        pusher.finish().await;
        let verdict = judge(&server.taken(), collected.load(Ordering::Relaxed));
        assert_eq!(verdict, PERFECT);
        assert_eq!(stats.read().export.points[&Outcome::Delivered], server.taken().len() as u64);
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_holds_its_own_batch_up_and_not_the_ticks() {
    let (listener, silent) = listen().await;
    let villain = Villain::serve_at(listener, Manner::Silent);
    let server = Server::default();
    let mut world = World::new(Queue::in_memory(Limits::default()));
    world.pusher.change(Some((world.source(), hasty(&silent))));
    until("it was tried", || !villain.connections.lock().unwrap().is_empty()).await;
    let before = world.collected();
    world.pusher.change(Some((world.source(), hasty(&server.serve().await))));
    until("there were ticks meanwhile", || world.collected() > before + 6).await;
    until("all is there", || server.taken().len() as i64 >= world.collected() - 3).await;
    let World { pusher, collected, .. } = world;
    pusher.finish().await;
    assert_eq!(judge(&server.taken(), collected.load(Ordering::Relaxed)), PERFECT);
}

#[tokio::test]
async fn a_collection_that_panics_is_counted_and_the_next_one_goes_on() {
    let server = Server::default();
    let mut world = World::new(Queue::in_memory(Limits::default()));
    let source = Heir { panics: true, ..world.source() };
    world.pusher.change(Some((source, settings(&server.serve().await))));
    until("later ones are there", || server.taken().len() > 6).await;
    assert_eq!(world.stats.read().panics["collection"], 1);
    world.pusher.finish().await;
}
