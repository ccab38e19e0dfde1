//! The OTLP road under test: a source whose points are numbered, quick settings, and an oracle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use hostmeter::export::otlp::{Pace, Settings, Source, run};
use hostmeter::stats::{ExportStats, Outcome, Stats};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const INTERVAL: Duration = Duration::from_millis(40);
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);
pub(crate) const PROBE: Duration = Duration::from_millis(900);

/// Gives three points at a time, numbered through.
struct Numbered(Arc<AtomicI64>);

impl Source for Numbered {
    fn collect(&mut self, _: Duration, emit: &mut dyn FnMut(ResourceMetrics)) {
        let first = self.0.fetch_add(3, Ordering::Relaxed);
        emit(resource(first, 3));
    }
}

pub(crate) fn resource(first: i64, points: i64) -> ResourceMetrics {
    let point = |n| NumberDataPoint { value: Some(Value::AsInt(n)), ..NumberDataPoint::default() };
    let data_points = (first..first + points).map(point).collect();
    let metric =
        Metric { name: "n".to_owned(), data: Some(Data::Gauge(Gauge { data_points })), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }
}

/// Quick where nothing depends on how busy this machine is, and patient where a late answer would be a fault.
pub(crate) fn settings(endpoint: &str) -> Settings {
    let mut settings = Settings::new(endpoint.parse().unwrap());
    settings.interval = INTERVAL;
    settings.grace = Duration::from_secs(10);
    let (first, most) = (Duration::from_millis(20), Duration::from_millis(60));
    settings.pace = Pace { first, most, probe: PROBE, gap: Duration::from_millis(2), ..settings.pace };
    settings
}

/// The same with short deadlines, for peers that say nothing.
pub(crate) fn hasty(endpoint: &str) -> Settings {
    let mut settings = settings(endpoint);
    settings.timeout = TIMEOUT;
    settings.target.dial = TIMEOUT;
    settings.target.tls = TIMEOUT;
    settings.grace = TIMEOUT;
    settings
}

/// A road that runs.
pub(crate) struct Agent {
    pub(crate) stats: Arc<Stats>,
    collected: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
    watching: Arc<AtomicBool>,
    watcher: Option<std::thread::JoinHandle<()>>,
}

impl Agent {
    pub(crate) fn start(settings: Settings) -> Self {
        let (stats, collected) = (Arc::new(Stats::default()), Arc::new(AtomicI64::new(0)));
        let (stop, stopped) = oneshot::channel();
        let source = Numbered(Arc::clone(&collected));
        let shutdown = async { drop(stopped.await) };
        let running = tokio::spawn(run(source, settings, Arc::clone(&stats), shutdown));
        let watching = Arc::new(AtomicBool::new(true));
        let (seen, goes_on) = (Arc::clone(&stats), Arc::clone(&watching));
        // A thread of its own sees moments that a task of this runtime would not.
        let watcher = std::thread::spawn(move || {
            while goes_on.load(Ordering::Relaxed) {
                assert_balanced(&seen.read().export);
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        Self { stats, collected, stop: Some(stop), running: Some(running), watching, watcher: Some(watcher) }
    }

    /// How many points the source has given.
    pub(crate) fn collected(&self) -> i64 {
        self.collected.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> ExportStats {
        self.stats.read().export
    }

    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        self.counts().points.get(&outcome).copied().unwrap_or(0)
    }

    /// Ends the road, and returns how long that took.
    pub(crate) async fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.stop.take().unwrap().send(()).unwrap();
        self.running.take().unwrap().await.unwrap();
        self.watching.store(false, Ordering::Relaxed);
        assert!(self.watcher.take().unwrap().join().is_ok(), "the books did not balance at some moment");
        assert_balanced(&self.counts());
        assert_eq!(self.counts().collected, self.collected() as u64);
        began.elapsed()
    }
}

/// `collected = delivered + queued + dropped + rejected`.
fn assert_balanced(export: &ExportStats) {
    let queued = export.queue.as_ref().map_or(0, |queue| queue.points);
    assert_eq!(export.collected, queued + export.points.values().sum::<u64>(), "{export:?}");
}

/// Waits until something holds, for a few seconds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(8), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What has arrived against what was collected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) lost: Vec<i64>,
    pub(crate) duplicated: Vec<i64>,
    pub out_of_order: Vec<i64>,
}

pub(crate) const PERFECT: Verdict = Verdict { lost: vec![], duplicated: vec![], out_of_order: vec![] };

pub(crate) fn judge(arrived: &[i64], collected: i64) -> Verdict {
    let mut times: BTreeMap<i64, usize> = (0..collected).map(|n| (n, 0)).collect();
    for n in arrived {
        *times.entry(*n).or_default() += 1;
    }
    let of = |wanted: fn(usize) -> bool| times.iter().filter(|(_, t)| wanted(**t)).map(|(n, _)| *n).collect();
    let out_of_order = arrived.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[1]).collect();
    Verdict { lost: of(|times| times == 0), duplicated: of(|times| times > 1), out_of_order }
}
