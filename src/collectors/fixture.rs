//! For the collectors' tests: a host of a few files, and a reading as lines of text.

use std::fmt::Write;

use crate::host::Host;
use crate::metric::Reading;

use super::{Collector, Spec};

/// A host that holds `files`; it lives as long as the directory.
pub(super) fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [("proc/stat", "btime 1700000000\n")].iter().chain(files) {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let host = Host::at(root.path()).unwrap();
    (root, host)
}

/// What a collector reads of a host, with every metric on.
pub(super) fn read_of(spec: &'static Spec, collector: &mut dyn Collector, host: &Host) -> Reading {
    let ceiling = collector.ceiling();
    let mut reading = Reading::new(spec.name, spec.metrics, |_| true, ceiling, host.boot_time);
    if let Err(problem) = collector.collect(host, &mut reading) {
        reading.problems.push(problem);
    }
    reading
}

/// What a collector reads of a host that holds `files`.
pub(super) fn read(spec: &'static Spec, collector: &mut dyn Collector, files: &[(&str, &str)]) -> Reading {
    let (_root, host) = host(files);
    read_of(spec, collector, &host)
}

/// Every point as `name{attribute=value,...} value`, in the order of the tables.
pub(super) fn lines(reading: &Reading) -> Vec<String> {
    let mut lines = Vec::new();
    for series in &reading.series {
        for point in &series.points {
            let attributes: Vec<_> = point.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let mut line = series.metric.name.to_owned();
            if !attributes.is_empty() {
                let _ = write!(line, "{{{}}}", attributes.join(","));
            }
            let _ = write!(line, " {}", point.value);
            lines.push(line);
        }
    }
    lines
}
