//! One cycle of the process collector on a host of files: `cargo bench --bench cycle`.
//!
//! The files lie in a temporary directory, so what is measured is hostmeter's own share: listing, parsing, choosing,
//! and the page; and the page once more by way of the SDK and `opentelemetry-prometheus`. What the kernel's procfs adds is measured by `tests/bench/processes/run`.
//!
//! It goes past the sampler, which would give the same snapshot for a second.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use divan::{Bencher, black_box};
use hostmeter::collectors::{ALL, Collector, Context, Spec};
use hostmeter::export::prometheus::{Shape, Strategy, Writer};
use hostmeter::host::Host;
use hostmeter::instruments::{Cell, EntityForm, register};
use hostmeter::metric::{Reading, Snapshot};
use hostmeter::stats::Stats;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::{Encoder, Registry, TextEncoder};

fn main() {
    divan::main();
}

/// A host with so many processes, the collector that reads it, and the page.
struct Machine {
    host: Host,
    spec: &'static Spec,
    collector: Box<dyn Collector>,
    cell: Cell,
    writer: Writer,
    registry: Registry,
    _provider: SdkMeterProvider,
    _root: tempfile::TempDir,
}

impl Machine {
    fn new(view: &str, processes: u32) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        populate(root.path(), processes).expect("files in it");
        let host = Host::at(root.path()).expect("a host");
        let stats = Arc::new(Stats::default());
        let spec = ALL.iter().find(|spec| spec.name == "process").expect("a process collector");
        let section = spec.section(&format!("{{view: {view}}}")).expect("valid settings");
        let context = Context { host: &host, stats: &stats };
        let collector = (spec.build)(&section, &context).expect("valid settings");
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let limit = 2 * collector.ceiling() + 1;
        let provider = SdkMeterProvider::builder()
            .with_reader(reader.build().expect("a fresh registry"))
            .with_view(move |_: &Instrument| Stream::builder().with_cardinality_limit(limit).build().ok())
            .build();
        let cell = Cell::default();
        for metric in spec.metrics.iter().filter(|metric| metric.default) {
            register(&provider.meter("bench"), metric, &cell, EntityForm::Labels);
        }
        let metrics = spec.metrics.iter().copied();
        let writer = Writer::new(Shape::default(), Strategy::default(), metrics, &[], &[]);
        let mut machine =
            Self { host, spec, collector, cell, writer, registry, _provider: provider, _root: root };
        // The first reading finds everything new; those that follow are what an agent does all day.
        machine.collect();
        machine
    }

    fn collect(&mut self) -> Reading {
        let (metrics, ceiling) = (self.spec.metrics, self.collector.ceiling());
        let start = self.host.boot_time;
        let mut reading = Reading::new("process", metrics, |metric| metric.default, ceiling, start);
        self.collector.collect(&self.host, &mut reading).expect("a host that can be read");
        reading
    }

    fn page(&self, reading: Reading) -> Vec<u8> {
        let mut page = Vec::new();
        let snapshot = Snapshot { readings: vec![Arc::new(reading)] };
        self.writer.write(&snapshot, &mut page).expect("memory takes it");
        page
    }

    fn reference(&self, reading: Reading) -> Vec<u8> {
        self.cell.set(Arc::new(Snapshot { readings: vec![Arc::new(reading)] }));
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page).expect("metrics have names");
        page
    }
}

/// The files of a host with `processes` processes, as the population of `tests/bench/processes` has them.
fn populate(root: &Path, processes: u32) -> std::io::Result<()> {
    let proc = root.join("proc");
    fs::create_dir(&proc)?;
    fs::write(proc.join("stat"), "cpu 1 2 3 4\ncpu0 1 2 3 4\nbtime 1700000000\n")?;
    fs::write(proc.join("uptime"), "100000.00 150000.00\n")?;
    fs::write(proc.join("meminfo"), "MemTotal: 16000000 kB\n")?;
    let mut text = String::new();
    for number in 0..processes {
        let pid = 1000 + number;
        let folder = proc.join(pid.to_string());
        fs::create_dir_all(folder.join("fd"))?;
        let resident = if number % 100 < 10 { 900 + number } else { 300 };
        let (name, user) = (number % 50, if number % 100 == 7 { number } else { 0 });
        text.clear();
        let _ = writeln!(
            text,
            "{pid} (worker-{name:02}) S 1 {pid} {pid} 0 -1 4194368 46 0 0 0 {user} 4 0 0 20 0 1 0 {pid}00 2744320 \
             {resident} 18446744073709551615 94293143228416 94293143230725 140730951105792 0 0 0 0 6 0 0 0 0 17 0 0 \
             0 0 0 0 94293143240144 94293143240952 94293546946560 140730951113256 140730951113382 140730951113382 \
             140730951114725 0"
        );
        fs::write(folder.join("stat"), &text)?;
        let io = "rchar: 10\nwchar: 0\nsyscr: 1\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n\
                  cancelled_write_bytes: 0\n";
        fs::write(folder.join("io"), io)?;
    }
    Ok(())
}

/// Reading alone, without the SDK and the page.
#[divan::bench(args = [("top", 100), ("top", 10_000), ("all", 100), ("all", 10_000)], sample_count = 20)]
fn collection(bencher: Bencher<'_, '_>, (view, processes): (&str, u32)) {
    let mut machine = Machine::new(view, processes);
    bencher.bench_local(|| black_box(machine.collect()).len());
}

/// A whole cycle, from the listing to the text of `/metrics`.
#[divan::bench(args = [("top", 100), ("top", 10_000), ("all", 100), ("all", 10_000)], sample_count = 20)]
fn cycle(bencher: Bencher<'_, '_>, (view, processes): (&str, u32)) {
    let mut machine = Machine::new(view, processes);
    bencher.bench_local(|| {
        let reading = machine.collect();
        black_box(machine.page(reading)).len()
    });
}

/// The same through the SDK's instruments and `opentelemetry-prometheus`.
#[divan::bench(args = [("top", 100), ("top", 10_000), ("all", 100)], sample_count = 20)]
fn reference(bencher: Bencher<'_, '_>, (view, processes): (&str, u32)) {
    let mut machine = Machine::new(view, processes);
    bencher.bench_local(|| {
        let reading = machine.collect();
        black_box(machine.reference(reading)).len()
    });
}
