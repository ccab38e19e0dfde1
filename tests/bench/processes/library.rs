//! hostmeter's process collector without hostmeter's binary: `library VIEW [scan|page] [key=value ...]`.
//!
//! One cycle for each line on stdin. `scan` takes a snapshot from the sampler; `page` (the default) takes it on to
//! the text of `/metrics`, straight from the snapshot. Answers `points bytes processes`.

use std::fmt::Write as _;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use hostmeter::collectors::ALL;
use hostmeter::export::prometheus::{Shape, Strategy, Writer};
use hostmeter::host::Host;
use hostmeter::sampler::{Sampler, Source};
use hostmeter::stats::Stats;

const BUDGET: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let view = args.next().unwrap_or_else(|| "top".to_owned());
    let page = args.next().is_none_or(|how| how == "page");
    let mut settings = format!("view: {view}");
    for setting in args {
        let (key, value) = setting.split_once('=').unwrap_or((&setting, "true"));
        write!(settings, ", {key}: {value}")?;
    }
    let spec = ALL.iter().find(|spec| spec.name == "process").copied().expect("a process collector");
    let section = spec.section(&format!("{{{settings}}}"))?;
    let source = Source { section, ..Source::new(spec) };
    let sampler = Sampler::start(Arc::new(Host::at("/")?), vec![source], Arc::new(Stats::default()))?;
    let sampler = Arc::new(sampler);
    let metrics = sampler.wanted().iter().map(|wanted| wanted.metric);
    let writer = Writer::new(Shape::default(), Strategy::default(), metrics, &[], &[]);

    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        line?;
        let (snapshot, mut text) = (sampler.snapshot(BUDGET), Vec::new());
        if page {
            writer.write(&snapshot, &mut text)?;
        }
        let (points, bytes) = (snapshot.len(), text.len());
        writeln!(out, "{points} {bytes} 0")?;
        out.flush()?;
    }
    Ok(())
}
