//! hostmeter's process collector without hostmeter's binary: `library VIEW [scan|page] [key=value ...]`.
//!
//! One cycle for each line on stdin. `scan` takes a snapshot from the sampler; `page` (the default) takes it on to
//! the text of `/metrics`, through the lane, the SDK and the pull bridge. Answers `points bytes processes`.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use hostmeter::collectors::{ALL, Section};
use hostmeter::host::Host;
use hostmeter::instruments::EntityForm;
use hostmeter::lane::Lane;
use hostmeter::sampler::{Sampler, Source};
use hostmeter::stats::Stats;
use opentelemetry_sdk::Resource;
use prometheus::{Encoder, Registry, TextEncoder};

const BUDGET: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let view = args.next().unwrap_or_else(|| "top".to_owned());
    let page = args.next().is_none_or(|how| how == "page");
    let mut settings = BTreeMap::from([("view".to_owned(), config::Value::from(view))]);
    for setting in args {
        let (key, value) = setting.split_once('=').unwrap_or((&setting, "true"));
        settings.insert(key.to_owned(), config::Value::from(value));
    }
    let spec = ALL.iter().find(|spec| spec.name == "process").copied();
    let source = Source { section: Section(settings), ..Source::new(spec.expect("a process collector")) };
    let sampler = Sampler::start(Arc::new(Host::at("/")?), vec![source], Arc::new(Stats::default()))?;
    let sampler = Arc::new(sampler);
    let registry = Registry::new();
    let lane = page
        .then(|| {
            let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
            let resource = Resource::builder_empty().build();
            anyhow::Ok(Lane::new(Arc::clone(&sampler), reader, resource, EntityForm::Labels))
        })
        .transpose()?;

    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        line?;
        let (points, bytes) = match &lane {
            None => (sampler.snapshot(BUDGET).len(), 0),
            Some(lane) => lane.collect(BUDGET, |snapshot| {
                let mut text = Vec::new();
                TextEncoder::new().encode(&registry.gather(), &mut text).expect("metrics have names");
                (snapshot.len(), text.len())
            }),
        };
        writeln!(out, "{points} {bytes} 0")?;
        out.flush()?;
    }
    Ok(())
}
