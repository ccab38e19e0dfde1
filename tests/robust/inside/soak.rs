//! Thousands of cycles of the whole road on this machine, as fast as they go: reading, the page, OTLP requests.

use std::sync::Arc;
use std::time::Duration;

use hostmeter::collectors::ALL;
use hostmeter::dialect::Voice;
use hostmeter::export::otlp::{OtlpLane, Source as _};
use hostmeter::export::prometheus::{Shape, Strategy, Writer};
use hostmeter::host::Host;
use hostmeter::resource::{Given, Resource};
use hostmeter::sampler::{Sampler, Source};
use hostmeter::stats::Stats;

use super::Figure;

const BUDGET: Duration = Duration::from_secs(5);

/// Memory is looked at once in so many cycles.
const EVERY: usize = 20;

/// What is promised, in bytes a cycle.
const MOST: f64 = 64.0;

/// The figures of the row: after as many cycles again to warm up.
pub(super) fn figures(cycles: usize) -> Vec<Figure> {
    let host = Arc::new(Host::at("/").unwrap());
    let sources = ALL.iter().map(|spec| Source::new(spec)).collect();
    let sampler = Arc::new(Sampler::start(Arc::clone(&host), sources, Arc::new(Stats::default())).unwrap());
    let metrics = sampler.wanted().iter().map(|wanted| wanted.metric);
    let writer = Writer::new(Shape::default(), Strategy::default(), metrics, &[], &[]);
    let resource = Resource::detect(&host, &Given::default(), |_| None);
    let mut lane = OtlpLane::new(Arc::clone(&sampler), resource.to_sdk(), Voice::default())
        .every(Duration::from_nanos(2));
    let mut cycle = || {
        let mut points = 0;
        lane.collect(BUDGET, &mut |resource| points += resource.scope_metrics.len());
        let mut text = Vec::new();
        writer.write(&sampler.snapshot(BUDGET), &mut text).unwrap();
        assert!(points > 0 && !text.is_empty());
    };
    for _ in 0..cycles {
        cycle();
    }
    let (before, mut memory) = (state(), Vec::new());
    for number in 0..cycles {
        cycle();
        if number % EVERY == 0 {
            memory.push((number as f64, private() as f64));
        }
    }
    let after = state();
    vec![
        Figure::at_most(
            &format!("in process: {:.1} MiB, over {cycles} cycles", private() as f64 / f64::from(1 << 20)),
            MOST,
            slope(&memory),
            " B a cycle",
        ),
        Figure::new(
            "in process: descriptors, threads before",
            format!("{before:?}"),
            format!("{after:?}"),
            before == after,
        ),
    ]
}

/// Descriptors and threads. Those that counted sockets in the last cycles, one thread a cycle, may still be on their way
/// out, which is what the pause is for.
fn state() -> (usize, usize) {
    std::thread::sleep(Duration::from_millis(200));
    let count = |directory: &str| std::fs::read_dir(directory).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Bytes that nobody else has.
fn private() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024
}

/// The line of least squares through the samples: bytes a cycle.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|s| s.0), mean(|s| s.1));
    let up: f64 = samples.iter().map(|s| (s.0 - x) * (s.1 - y)).sum();
    up / samples.iter().map(|s| (s.0 - x).powi(2)).sum::<f64>()
}
