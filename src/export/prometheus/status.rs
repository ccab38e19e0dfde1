//! The status page: why is a number missing?
//!
//! It is plain HTML with its style inside, without a script, so that it can be read in a terminal, too.
//! Everything that the host or a peer has written is escaped.

use std::fmt::{self, Write};

use crate::collectors::{ALL, Spec};
use crate::stats::{CollectorStats, Counts, ExportStats};

use super::html::{Text, ago, bytes, span};
use super::names;
use super::page::Page;
use super::server::Site;

/// How a collector is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Partly,
    Failing,
    NotHere,
    Waiting,
    Off,
}

impl State {
    fn of(spec: &Spec, page: &Page, stats: Option<&CollectorStats>) -> Self {
        let Some(stats) = stats else {
            let on = spec.metrics.iter().any(|metric| page.wants(metric));
            return if on { State::Waiting } else { State::Off };
        };
        let only_absent = stats.errors.keys().all(|kind| *kind == "unavailable");
        match (stats.up, &stats.problem) {
            (true, None) => State::Good,
            (true, Some(_)) if only_absent => State::Good,
            (true, Some(_)) => State::Partly,
            (false, _) if only_absent => State::NotHere,
            (false, _) => State::Failing,
        }
    }

    /// The class and the words.
    fn shown(self) -> (&'static str, &'static str) {
        match self {
            State::Good => ("good", "✓ good"),
            State::Partly => ("warn", "! in part"),
            State::Failing => ("bad", "✗ failing"),
            State::NotHere => ("soft", "– not on this host"),
            State::Waiting => ("soft", "… not run yet"),
            State::Off => ("soft", "– off"),
        }
    }
}

/// What helps against each kind of problem.
const REMEDIES: [(&str, &str); 6] = [
    (
        "permission",
        "the agent may not read it: give it the capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or run it \
         as root; some systems refuse even root",
    ),
    (
        "timeout",
        "the kernel or a file system does not answer; the collector is left out until it does, and tried again \
         by itself",
    ),
    ("ceiling", "there are more points than the collector may have: narrow its include and exclude filters"),
    ("io", "the kernel answered with an error, or the file is not a regular one"),
    ("parse", "the text is not what was expected: please report it with the text shown"),
    ("panic", "a bug of hostmeter: please report it with the log"),
];

/// The whole page.
pub(super) fn render(site: &Site) -> String {
    let mut out = String::with_capacity(16 << 10);
    // Writing to a string cannot fail.
    let _ = write(&mut out, site, ALL, &site.stats.read());
    out
}

fn write(out: &mut String, site: &Site, all: &[&Spec], counts: &Counts) -> fmt::Result {
    let page = site.flights.page();
    let states: Vec<_> =
        all.iter().map(|spec| (*spec, State::of(spec, page, counts.collectors.get(spec.name)))).collect();
    let host = Text(site.resource.get("host.name").unwrap_or("an unnamed host"));
    let version = env!("CARGO_PKG_VERSION");
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>hostmeter on {host}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{}</style></head>\n<body>\n\
         <h1>hostmeter <small>{version} on <b>{host}</b>, up {}</small></h1>\n",
        include_str!("status.css"),
        span(site.stats.start.elapsed().unwrap_or_default()),
    )?;
    verdict(out, &states, &counts.export)?;
    out.push_str(
        "<nav><a href=\"/metrics\">/metrics</a> <a href=\"/-/healthy\">/-/healthy</a> \
         <a href=\"/-/ready\">/-/ready</a></nav>\n",
    );
    collectors(out, &states, counts)?;
    otlp(out, &counts.export)?;
    metrics(out, &states, page)?;
    out.push_str("<h2>Resource</h2>\n<p class=\"soft\">What every metric says of its sender: ");
    out.push_str(
        "<code>target_info</code> here, the resource on OTLP.</p>\n<div class=\"wide\"><table><tbody>\n",
    );
    for (name, value) in site.resource.iter() {
        row(
            out,
            &format_args!("<code>{}</code>", Text(name)),
            &format_args!("<code>{}</code>", Text(value)),
        )?;
    }
    out.push_str("</tbody></table></div>\n</body></html>\n");
    Ok(())
}

fn verdict(out: &mut String, states: &[(&Spec, State)], export: &ExportStats) -> fmt::Result {
    let names = |wanted| {
        let names = states.iter().filter(|(_, state)| *state == wanted).map(|(spec, _)| spec.name);
        names.collect::<Vec<_>>().join(", ")
    };
    let (failing, partly) = (names(State::Failing), names(State::Partly));
    let good = failing.is_empty() && partly.is_empty();
    let waiting = export.queue.is_some() && export.state.starts_with("waiting");
    let class = match (failing.is_empty(), good && !waiting) {
        (false, _) => "bad",
        (true, false) => "warn",
        (true, true) => "good",
    };
    write!(out, "<p class=\"verdict {class}\">")?;
    if !failing.is_empty() {
        write!(out, "<b>Not collected: {failing}.</b> ")?;
    }
    if !partly.is_empty() {
        write!(out, "<b>Collected in part: {partly}.</b> ")?;
    }
    if good {
        out.push_str("<b>All collectors that are on are good.</b> ");
    }
    match &export.queue {
        Some(_) => write!(out, "OTLP: {}.", Text(&export.state))?,
        None => out.push_str("OTLP is off; metrics leave by /metrics only."),
    }
    out.push_str("</p>\n");
    Ok(())
}

fn collectors(out: &mut String, states: &[(&Spec, State)], counts: &Counts) -> fmt::Result {
    out.push_str(
        "<h2>Collectors</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Collector</th><th>State</th>\
         <th class=\"n\">Points</th><th class=\"n\">Took</th><th class=\"n\">Last success</th>\
         <th>Errors so far</th><th class=\"problem\">Last problem</th></tr></thead>\n<tbody>\n",
    );
    let mut kinds = Vec::new();
    for (spec, state) in states {
        let (class, words) = state.shown();
        let about = Text(spec.about);
        write!(out, "<tr><th title=\"{about}\">{}</th><td class=\"state {class}\">{words}</td>", spec.name)?;
        let Some(ran) = counts.collectors.get(spec.name) else {
            out.push_str(
                "<td class=\"n\"></td><td class=\"n\"></td><td class=\"n\"></td><td></td><td></td></tr>\n",
            );
            continue;
        };
        let success = ran.last_success.map_or_else(|| "never".to_owned(), ago);
        let errors: Vec<String> = ran.errors.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        writeln!(
            out,
            "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{success}</td><td>{}</td>\
             <td><code>{}</code></td></tr>",
            ran.points,
            span(ran.duration),
            Text(errors.join(", ")),
            Text(ran.problem.as_deref().unwrap_or_default()),
        )?;
        kinds.extend(ran.errors.keys().copied());
    }
    out.push_str("</tbody></table></div>\n");
    for (kind, remedy) in REMEDIES.iter().filter(|(kind, _)| kinds.contains(kind)) {
        writeln!(out, "<p class=\"soft\"><b>{kind}</b>: {remedy}.</p>")?;
    }
    Ok(())
}

fn otlp(out: &mut String, export: &ExportStats) -> fmt::Result {
    out.push_str("<h2>OTLP</h2>\n");
    let Some(queue) = &export.queue else {
        out.push_str(
            "<p class=\"soft\">Off. Set <code>otlp.endpoint</code> in the file or \
             <code>OTEL_EXPORTER_OTLP_ENDPOINT</code> to push to a Collector; <code>hostmeter config show</code> \
             says who switched it off where one is set.</p>\n",
        );
        return Ok(());
    };
    out.push_str("<div class=\"wide\"><table><tbody>\n");
    row(out, &"State", &Text(&export.state))?;
    row(out, &"Last attempt took", &export.duration.map_or_else(|| "none yet".to_owned(), span))?;
    let oldest = queue.oldest.map(|then| format!(", the oldest from {}", ago(then))).unwrap_or_default();
    let (usage, limit) = (bytes(queue.usage), bytes(queue.limit));
    let requests = if queue.batches == 1 { "request" } else { "requests" };
    row(
        out,
        &"Queue",
        &format_args!("{usage} of {limit}: {} {requests}, {} points{oldest}", queue.batches, queue.points),
    )?;
    row(out, &"Points collected", &export.collected)?;
    for (outcome, points) in &export.points {
        let (outcome, reason) = outcome.labels();
        let reason = reason.map(|reason| format!(": {}", reason.replace('_', " "))).unwrap_or_default();
        row(out, &format_args!("Points {outcome}"), &Text(format_args!("{points}{reason}")))?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn metrics(out: &mut String, states: &[(&Spec, State)], page: &Page) -> fmt::Result {
    out.push_str(
        "<h2>Metrics</h2>\n<p class=\"soft\">What the last page held. A metric that is off is switched on in the \
         file, under <code>collectors.&lt;collector&gt;.metrics</code>.</p>\n",
    );
    let last = page.last();
    for (spec, state) in states {
        let series = |name| last.as_ref().and_then(|last| last.series.get(name)).copied().unwrap_or(0);
        let all: usize = spec.metrics.iter().map(|metric| series(metric.name)).sum();
        let (class, words) = state.shown();
        write!(
            out,
            "<details><summary><b>{}</b>: {} <span class=\"soft\">({all} series)</span> \
             <span class=\"{class}\">{words}</span></summary><div class=\"wide\"><table class=\"names\">\n<thead><tr><th>Metric</th>\
             <th>On /metrics</th><th>From</th><th class=\"n\">Series</th></tr></thead>\n<tbody>\n",
            spec.name,
            Text(spec.about),
        )?;
        for metric in spec.metrics {
            let shown = match (page.wants(metric), series(metric.name)) {
                (false, _) => "off".to_owned(),
                (true, 0) => "none now".to_owned(),
                (true, series) => series.to_string(),
            };
            writeln!(
                out,
                "<tr><td><code>{}</code><p class=\"soft\">{}</p></td><td><code>{}</code></td><td class=\"soft\">{}</td>\
                 <td class=\"n\">{shown}</td></tr>",
                metric.name,
                Text(metric.description),
                names::name(metric),
                Text(metric.source),
            )?;
        }
        out.push_str("</tbody></table></div></details>\n");
    }
    Ok(())
}

/// A row of a name and what it is; both are markup already.
fn row(out: &mut String, name: &dyn fmt::Display, value: &dyn fmt::Display) -> fmt::Result {
    writeln!(out, "<tr><th class=\"key\">{name}</th><td>{value}</td></tr>")
}

#[cfg(test)]
mod tests;
