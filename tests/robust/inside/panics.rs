//! A panic in each collector in turn, on this machine, through the real sampler.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hostmeter::collectors::{ALL, Built, Collector, Context, Section, Spec};
use hostmeter::host::{Error, Host};
use hostmeter::metric::{Reading, Snapshot};
use hostmeter::sampler::{Sampler, Source};
use hostmeter::stats::Stats;

use super::Figure;

/// How often somebody asks.
const PAUSE: Duration = Duration::from_millis(50);
const BUDGET: Duration = Duration::from_secs(5);

/// Nobody panics.
const NOBODY: usize = usize::MAX;

/// The place of the collector whose next reading panics.
static NEXT: AtomicUsize = AtomicUsize::new(NOBODY);

/// A real collector that panics when it is its turn, after half of its work.
struct Panicking {
    place: usize,
    real: Box<dyn Collector>,
}

impl Collector for Panicking {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        let result = self.real.collect(host, out);
        let turn = NEXT.compare_exchange(self.place, NOBODY, Ordering::SeqCst, Ordering::SeqCst);
        assert!(turn.is_err(), "on purpose");
        result
    }

    fn ceiling(&self) -> usize {
        self.real.ceiling()
    }
}

fn build<const PLACE: usize>(section: &Section, context: &Context<'_>) -> Built {
    let real = (ALL[PLACE].build)(section, context)?;
    Ok(Box::new(Panicking { place: PLACE, real }))
}

/// A `build` for each place, because it is a plain function and cannot remember one.
static BUILD: [fn(&Section, &Context<'_>) -> Built; 16] = [
    build::<0>,
    build::<1>,
    build::<2>,
    build::<3>,
    build::<4>,
    build::<5>,
    build::<6>,
    build::<7>,
    build::<8>,
    build::<9>,
    build::<10>,
    build::<11>,
    build::<12>,
    build::<13>,
    build::<14>,
    build::<15>,
];

fn sources() -> Vec<Source> {
    let spec = |(real, build): (&&'static Spec, &fn(&Section, &Context<'_>) -> Built)| -> &'static Spec {
        let Spec { name, about, metrics, settings, .. } = **real;
        Box::leak(Box::new(Spec { name, about, metrics, settings, build: *build }))
    };
    assert!(ALL.len() <= BUILD.len(), "a place is missing in BUILD");
    ALL.iter().zip(&BUILD).map(spec).map(Source::new).collect()
}

/// The figures of the row.
pub(super) fn figures() -> Vec<Figure> {
    let host = Arc::new(Host::at("/").unwrap());
    let stats = Arc::new(Stats::default());
    let sampler = Sampler::start(host, sources(), Arc::clone(&stats)).unwrap();
    let ask = || {
        std::thread::sleep(PAUSE);
        shown(&sampler.snapshot_within(Duration::from_millis(1), BUDGET))
    };
    ask();
    // What this host does not have is not missed.
    let whole = ask();
    let (mut missing, mut not_left_out, mut slowest) =
        (BTreeSet::<(&str, &str)>::new(), Vec::new(), Duration::ZERO);
    let names: Vec<_> =
        whole.iter().map(|(collector, _)| *collector).collect::<BTreeSet<_>>().into_iter().collect();
    for name in &names {
        let place = ALL.iter().position(|spec| spec.name == *name).unwrap();
        NEXT.store(place, Ordering::SeqCst);
        let (found, began) = (ask(), Instant::now());
        missing
            .extend(whole.iter().filter(|(collector, _)| collector != name).filter(|s| !found.contains(s)));
        if found.iter().any(|(collector, _)| collector == name) {
            not_left_out.push(*name);
        }
        // A rate is there at the second reading of a new collector.
        while !whole.iter().filter(|(collector, _)| collector == name).all(|series| ask().contains(series)) {
            assert!(began.elapsed() < BUDGET, "{name} does not come back");
        }
        slowest = slowest.max(began.elapsed());
    }
    let counts = stats.read().collectors;
    let counted: Vec<_> = names
        .iter()
        .filter(|name| counts[**name].errors.get("panic") != Some(&1))
        .map(|name| format!("{name}: {:?}", counts[*name].errors))
        .collect();
    let none = |what: &str, found: String, good: bool| {
        Figure::new(what, "none", if good { "none".to_owned() } else { found }, good)
    };
    vec![
        Figure::new("collectors that panicked in turn", ">= 8", names.len().to_string(), names.len() >= 8),
        none("metrics of others that were missing", format!("{missing:?}"), missing.is_empty()),
        none("whose reading was shown all the same", format!("{not_left_out:?}"), not_left_out.is_empty()),
        none("not counted once as a panic", format!("{counted:?}"), counted.is_empty()),
        Figure::at_most("back, with rates, after at the most", 2.0, slowest.as_secs_f64(), " s"),
    ]
}

/// The metrics that have a point.
fn shown(snapshot: &Snapshot) -> BTreeSet<(&'static str, &'static str)> {
    let of = |reading: &Arc<Reading>| {
        let series = reading.series.iter().filter(|series| !series.points.is_empty());
        series.map(|series| (reading.collector, series.metric.name)).collect::<Vec<_>>()
    };
    snapshot.readings.iter().flat_map(of).collect()
}
