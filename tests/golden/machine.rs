//! A host made of files and the collectors that read it, with a clock that only this test moves.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hostmeter::collectors::{ALL, Collector, Context, Spec};
use hostmeter::host::{Error, Host};
use hostmeter::metric::{Metric, Reading};

/// Between two readings.
const PAUSE: Duration = Duration::from_secs(10);

pub(crate) struct Machine {
    host: Host,
    collectors: Vec<(&'static Spec, Box<dyn Collector>)>,
    enabled: fn(&Metric) -> bool,
    time: SystemTime,
    instant: Instant,
}

/// What one collector read, and what it could not.
pub(crate) struct Found {
    pub(crate) reading: Reading,
    pub(crate) problems: Vec<Error>,
}

impl Machine {
    /// The collectors that are `wanted`, with their settings, on the host under `root`.
    pub(crate) fn new(
        root: &std::path::Path,
        wanted: impl Fn(&Spec) -> Option<&'static str>,
        enabled: fn(&Metric) -> bool,
    ) -> Self {
        let mut host = Host::at(root).unwrap();
        // Those of the recorded machine and not of the one that the test runs on.
        host.ticks = 100;
        host.page_size = 4096;
        let stats = Arc::default();
        let context = Context { host: &host, stats: &stats };
        let build = |spec: &&'static Spec| {
            let section = spec.section(wanted(spec)?).unwrap();
            Some((*spec, (spec.build)(&section, &context).unwrap()))
        };
        let collectors: Vec<_> = ALL.iter().filter_map(build).collect();
        assert!(!collectors.is_empty(), "there is no such collector");
        let time = host.boot_time + Duration::from_hours(24);
        Self { host, collectors, enabled, time, instant: Instant::now() }
    }

    /// Reads everything, ten seconds after the last time.
    pub(crate) fn read(&mut self) -> Vec<Found> {
        self.time += PAUSE;
        self.instant += PAUSE;
        let mut all = Vec::new();
        for (spec, collector) in &mut self.collectors {
            let start = self.host.boot_time;
            let mut reading = Reading::new(spec.name, spec.metrics, self.enabled, collector.ceiling(), start);
            (reading.time, reading.instant) = (self.time, self.instant);
            let began = Instant::now();
            let result = collector.collect(&self.host, &mut reading);
            // A count of sockets that was dear is not repeated at once: on a machine that stood still for a
            // moment it would be missing from the next reading.
            if began.elapsed() > Duration::from_millis(8) {
                std::thread::sleep(began.elapsed() * 20);
            }
            let mut problems = std::mem::take(&mut reading.problems);
            problems.extend(result.err());
            all.push(Found { reading, problems });
        }
        all
    }
}
