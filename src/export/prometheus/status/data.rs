//! The page as JSON: `/-/status.json`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::collectors::Spec;
use crate::export::prometheus::server::Site;
use crate::history::{LINES, Process};
use crate::stats::{Counts, ExportStats};

use super::{State, render as page, run};

/// Numbers for programs, and the parts of the page for its script. A number that is not known is null.
pub(super) fn render(site: &Site) -> String {
    let live = page(site);
    let view = site.flights.page().sampler().history().view();
    let counts = site.stats.read();
    let values: Map<String, Value> =
        LINES.iter().map(|line| (line.key.to_owned(), view.last(line.key).into())).collect();
    let top = |process: &Process| {
        json!({"name": process.name, "pid": process.pid, "owner": process.owner, "cpu": process.cpu,
               "memory": process.memory})
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": site.resource.get("host.name"),
        "start": seconds(Some(site.stats.start)),
        "time": seconds(view.time),
        "series": site.flights.page().last().map(|last| last.series.values().sum::<usize>()),
        "limit_step": counts.limit_step,
        "configuration_good": counts.reload.map(|reload| reload.successful),
        "values": values,
        "processes": view.top.iter().map(top).collect::<Vec<_>>(),
        "collectors": collectors(site, &counts),
        "otlp": otlp(&counts.export),
        "run": run(site, &live),
        "parts": live.parts,
    })
    .to_string()
}

fn collectors(site: &Site, counts: &Counts) -> Value {
    let collector = |spec: &&'static Spec| {
        let ran = counts.collectors.get(spec.name);
        let state = State::of(spec, site.flights.page(), ran);
        let value = json!({
            "state": state.word(),
            "seconds": ran.map(|ran| ran.duration.as_secs_f64()),
            "points": ran.map(|ran| ran.points),
            "errors": ran.map(|ran| &ran.errors),
            "problem": ran.and_then(|ran| ran.problem.as_deref()),
        });
        (spec.name.to_owned(), value)
    };
    Value::Object(super::specs(site).iter().map(collector).collect())
}

/// None while it is off. The books balance: `collected = delivered + waiting + dropped + rejected`.
fn otlp(export: &ExportStats) -> Option<Value> {
    let queue = export.queue.as_ref()?;
    let mut outcomes: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (outcome, points) in &export.points {
        let (outcome, reason) = outcome.labels();
        *outcomes.entry(outcome).or_default().entry(reason.unwrap_or("all")).or_default() += points;
    }
    let reasons = |outcome| outcomes.get(outcome).cloned().unwrap_or_default();
    Some(json!({
        "target": export.target,
        "state": export.state,
        "collected": export.collected,
        "delivered": reasons("delivered").values().sum::<u64>(),
        "dropped": reasons("dropped"),
        "rejected": reasons("rejected"),
        "queue": {
            "bytes": queue.usage,
            "limit": queue.limit,
            "batches": queue.batches,
            "points": queue.points,
            "oldest": seconds(queue.oldest),
            "on_disk": queue.durable,
        },
    }))
}

fn seconds(time: Option<SystemTime>) -> Option<f64> {
    Some(time?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}
