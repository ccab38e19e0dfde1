//! `hostmeter metrics`: everything that can be measured, from the collectors' tables.

use std::fmt::Write;

use serde::Serialize;

use crate::collectors::{self, Spec};
use crate::export::prometheus;
use crate::metric::Metric;

/// One line of the catalogue.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    collector: &'static str,
    kind: String,
    unit: &'static str,
    value: String,
    attributes: Vec<Attribute>,
    default: bool,
    description: &'static str,
    source: &'static str,
    prometheus: String,
}

#[derive(Serialize)]
struct Attribute {
    name: &'static str,
    values: &'static [&'static str],
    opt_in: bool,
}

/// The catalogue as JSON, for programs.
pub fn json() -> serde_json::Result<String> {
    let entries: Vec<Entry> = all().map(|(spec, metric)| entry(spec, metric)).collect();
    serde_json::to_string_pretty(&entries)
}

/// The catalogue as Markdown: the tables of the README, each folded.
pub fn markdown() -> String {
    let mut out = String::new();
    for spec in collectors::ALL {
        let _ = writeln!(
            out,
            "<details>\n<summary><b>{}</b>: {} ({} metric{})</summary>\n",
            spec.name,
            spec.about,
            spec.metrics.len(),
            if spec.metrics.len() == 1 { "" } else { "s" }
        );
        out.push_str("| metric | kind | unit | attributes | default | on `/metrics` |\n");
        out.push_str("|---|---|---|---|---|---|\n");
        for metric in spec.metrics {
            let kind = format!("{} {}", metric.kind, metric.value);
            let default = if metric.default { "on" } else { "off" };
            let _ = writeln!(
                out,
                "| `{}` | {kind} | `{}` | {} | {default} | `{}` |",
                metric.name,
                metric.unit,
                attributes(metric, "`"),
                prometheus::name(metric)
            );
        }
        out.push_str("\n</details>\n\n");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The catalogue for a person at a terminal.
pub fn table() -> String {
    let mut out = String::new();
    for spec in collectors::ALL {
        let _ = writeln!(out, "{}: {}", spec.name, spec.about);
        let width = spec.metrics.iter().map(|metric| metric.name.len()).max().unwrap_or(0);
        for metric in spec.metrics {
            let mark = if metric.default { ' ' } else { '-' };
            let kind = format!("{} {}", metric.kind, metric.value);
            let line = format!(
                "{mark} {:width$}  {kind:<20}  {:<17}  {}",
                metric.name,
                metric.unit,
                attributes(metric, "")
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out.push('\n');
    }
    out.push_str(
        "- off until `collectors.<name>.metrics: {<metric>: true}` asks for it; [attribute] likewise.\n",
    );
    out
}

fn all() -> impl Iterator<Item = (&'static Spec, &'static Metric)> {
    collectors::ALL.iter().flat_map(|spec| spec.metrics.iter().map(|metric| (*spec, *metric)))
}

fn entry(spec: &'static Spec, metric: &'static Metric) -> Entry {
    let attributes = metric
        .attributes
        .iter()
        .map(|a| Attribute { name: a.name, values: a.values, opt_in: a.opt_in })
        .collect();
    Entry {
        name: metric.name,
        collector: spec.name,
        kind: metric.kind.to_string(),
        unit: metric.unit,
        value: metric.value.to_string(),
        attributes,
        default: metric.default,
        description: metric.description,
        source: metric.source,
        prometheus: prometheus::name(metric),
    }
}

fn attributes(metric: &Metric, quote: &str) -> String {
    let one = |attribute: &crate::metric::Attribute| {
        let values = if attribute.values.is_empty() {
            String::new()
        } else {
            format!(" ({})", attribute.values.join(", "))
        };
        let name = format!("{quote}{}{quote}{values}", attribute.name);
        if attribute.opt_in { format!("[{name}]") } else { name }
    };
    metric.attributes.iter().map(one).collect::<Vec<_>>().join("; ")
}
