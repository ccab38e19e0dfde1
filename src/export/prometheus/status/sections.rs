//! What the page says in words and tables: the verdict, the collectors, OTLP, the agent, the metrics.

use std::fmt::{self, Display, Write};

use crate::collectors::Spec;
use crate::dialect::classic_of;
use crate::export::prometheus::html::{Text, ago, bytes, span};
use crate::export::prometheus::names;
use crate::export::prometheus::page::Page;
use crate::export::prometheus::server::Site;
use crate::history::View;
use crate::stats::{Counts, ExportStats, Outcome};

use super::State;
use super::live::Live;

/// What helps against each kind of problem.
const REMEDIES: [(&str, &str); 6] = [
    (
        "permission",
        "the agent may not read it: give it the capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; some \
         systems refuse even root",
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

/// The page in a sentence or two.
pub(super) struct Verdict {
    pub(super) class: &'static str,
    bold: String,
    rest: String,
}

impl Verdict {
    pub(super) fn of(states: &[(&Spec, State)], counts: &Counts) -> Self {
        let export = &counts.export;
        let names = |wanted| {
            let names = states.iter().filter(|(_, state)| *state == wanted).map(|(spec, _)| spec.name);
            names.collect::<Vec<_>>().join(", ")
        };
        let (failing, partly) = (names(State::Failing), names(State::Partly));
        let refused = counts.reload.is_some_and(|reload| !reload.successful);
        let waiting = export.queue.is_some() && export.state.starts_with("waiting");
        let mut bold = Vec::new();
        if !failing.is_empty() {
            bold.push(format!("Not collected: {failing}."));
        }
        if !partly.is_empty() {
            bold.push(format!("Collected in part: {partly}."));
        }
        if bold.is_empty() {
            bold.push("All collectors that are on are good.".to_owned());
        }
        if refused {
            bold.push("The changed configuration was refused.".to_owned());
        }
        let rest = match &export.queue {
            Some(queue) if waiting => {
                bold.push(format!("OTLP is {}.", export.state));
                format!("{} wait ({} points).", bytes(queue.usage), queue.points)
            }
            Some(_) => format!("OTLP: {}.", export.state),
            None => "OTLP is off; metrics leave by /metrics only.".to_owned(),
        };
        let class = match (failing.is_empty(), partly.is_empty() && !refused && !waiting) {
            (false, _) => "bad",
            (true, false) => "warn",
            (true, true) => "good",
        };
        Self { class, bold: bold.join(" "), rest }
    }

    pub(super) fn write(&self, live: &mut Live) -> fmt::Result {
        let class = format!("verdict {}", self.class);
        live.element("p", "verdict", "role=status", &[("class", &class)], None)?;
        live.text("b", "verdict.bold", "", &self.bold)?;
        live.write_str(" ")?;
        live.text("span", "verdict.rest", "", &self.rest)?;
        live.write_str("</p>\n")
    }
}

pub(super) fn collectors(live: &mut Live, states: &[(&Spec, State)], counts: &Counts) -> fmt::Result {
    live.write_str(
        "<h2 id=collectors>Collectors</h2>\n<div class=wide><table class=collectors>\
         <caption class=heard>Each collector, its last run and its last problem\
         <thead><tr><th>Collector</th><th>State</th><th class=n>Points</th>\
         <th class=n>Took</th><th class=\"n more\">Last success</th>\
         <th class=more>Errors so far</th>\n<tbody>\n",
    )?;
    let mut kinds = Vec::new();
    for (place, (spec, state)) in states.iter().enumerate() {
        let (class, words) = state.shown();
        let name = spec.name;
        // Short, because the whole page has a limit.
        let key = |what: char| format!("c{place}{what}");
        let about = Text(spec.about);
        write!(live, "<tr><th title=\"{about}\">{name}<td>")?;
        let class = format!("state {class}");
        live.element("span", &key('s'), "", &[("class", &class)], Some(&words))?;
        let ran = counts.collectors.get(name);
        let off = "switched off by the configuration";
        let problem = match (state, ran) {
            (State::Off, _) => off,
            (_, ran) => ran.and_then(|ran| ran.problem.as_deref()).unwrap_or_default(),
        };
        live.text("code", &key('w'), "", problem)?;
        let known = |text: Option<String>| text.unwrap_or_default();
        live.text("td", &key('n'), "class=n", known(ran.map(|ran| ran.points.to_string())))?;
        live.text("td", &key('t'), "class=n", known(ran.map(|ran| span(ran.duration))))?;
        let success = ran.map(|ran| ran.last_success.map_or_else(|| "never".to_owned(), ago));
        live.text("td", &key('l'), "class=\"n more\"", known(success))?;
        let errors = ran.map(|ran| {
            let errors: Vec<String> = ran.errors.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
            errors.join(", ")
        });
        live.text("td", &key('e'), "class=more", known(errors))?;
        kinds.extend(ran.iter().flat_map(|ran| ran.errors.keys().copied()));
    }
    live.write_str("</table></div>\n")?;
    for (kind, remedy) in REMEDIES {
        let class = if kinds.contains(&kind) { "soft" } else { "none" };
        live.element("p", &format!("remedy.{kind}"), "", &[("class", &class)], None)?;
        writeln!(live, "<b>{kind}</b>: {remedy}.</p>")?;
    }
    Ok(())
}

pub(super) fn otlp(live: &mut Live, export: &ExportStats) -> fmt::Result {
    live.write_str("<h2 id=otlp>OTLP</h2>\n")?;
    let Some(queue) = &export.queue else {
        return live.write_str(
            "<p class=soft>Off. Set <code>otlp.endpoint</code> in the file or \
             <code>OTEL_EXPORTER_OTLP_ENDPOINT</code> to push to a Collector; <code>hostmeter config show</code> \
             says who switched it off where one is set.</p>\n",
        );
    };
    table(live, "The way to the Collector, and what waits")?;
    let target = if export.target.is_empty() { "none; what waits is kept" } else { &export.target };
    row(live, "otlp.target", "Target", target)?;
    row(live, "otlp.state", "State", &export.state)?;
    row(live, "otlp.took", "Last attempt took", export.duration.map_or_else(|| "none yet".to_owned(), span))?;
    let oldest = queue.oldest.map(|then| format!(", the oldest from {}", ago(then))).unwrap_or_default();
    let (usage, limit) = (bytes(queue.usage), bytes(queue.limit));
    let requests = if queue.batches == 1 { "request" } else { "requests" };
    let place = if queue.durable { "on disk" } else { "in memory" };
    live.write_str("<tr><th class=key>Queue<td>")?;
    let text =
        format!("{usage} of {limit} {place}: {} {requests}, {} points{oldest}", queue.batches, queue.points);
    live.text("span", "otlp.queue", "", text)?;
    let moving: [(&str, &dyn Display); 2] = [("max", &queue.limit), ("value", &queue.usage)];
    live.element("meter", "otlp.meter", "min=0 aria-label=\"How full the queue is\"", &moving, None)?;
    live.write_str("</meter>")?;
    row(live, "otlp.collected", "Points collected", export.collected)?;
    for outcome in ["delivered", "dropped", "rejected"] {
        row(live, &format!("otlp.{outcome}"), &format!("Points {outcome}"), points(export, outcome))?;
    }
    live.write_str("</table></div>\n")
}

/// The points of an outcome: `540`, or `543 (540 queue full, 3 age)`.
fn points(export: &ExportStats, wanted: &str) -> String {
    let all = export.points.iter().map(|(outcome, points)| (Outcome::labels(*outcome), *points));
    let these: Vec<_> = all.filter(|((outcome, _), points)| *outcome == wanted && *points > 0).collect();
    let sum: u64 = these.iter().map(|(_, points)| points).sum();
    let reason = |((_, reason), points): &((_, Option<&str>), u64)| {
        Some(format!("{points} {}", (*reason)?.replace('_', " ")))
    };
    let reasons: Vec<String> = these.iter().filter_map(reason).collect();
    if reasons.is_empty() { sum.to_string() } else { format!("{sum} ({})", reasons.join(", ")) }
}

pub(super) fn agent(live: &mut Live, site: &Site, counts: &Counts, view: &View) -> fmt::Result {
    live.write_str("<h2 id=agent>The agent</h2>\n")?;
    table(live, "The agent itself")?;
    let read = view.time.map_or_else(|| "not yet".to_owned(), ago);
    row(live, "agent.read", "Host last read", read)?;
    let series = site.flights.page().last().map_or(0, |last| last.series.values().sum::<usize>());
    row(live, "agent.series", "Series on the last /metrics", series)?;
    let reload = match counts.reload {
        Some(reload) if reload.successful => format!("in use since {}", ago(reload.at)),
        Some(reload) => {
            format!("the last one was refused, the log says why; in use is the one from {}", ago(reload.at))
        }
        None => "in use".to_owned(),
    };
    row(live, "agent.configuration", "Configuration", reload)?;
    let step = match counts.limit_step {
        None => "none set (resource_limits)".to_owned(),
        Some(0) => "within them".to_owned(),
        Some(step) => format!("makes do with less, step {step} of 3"),
    };
    row(live, "agent.limit", "Its own limits", step)?;
    let panics: Vec<String> = counts.panics.iter().map(|(task, n)| format!("{n} in {task}")).collect();
    let panics = if panics.is_empty() { "none".to_owned() } else { panics.join(", ") };
    row(live, "agent.panics", "Panics", panics)?;
    live.write_str("</table></div>\n")
}

pub(super) fn metrics(out: &mut Live, states: &[(&Spec, State)], page: &Page) -> fmt::Result {
    out.write_str(
        "<h2 id=metrics>Metrics</h2>\n<p class=soft>What the last page held. A metric that is off is switched on in the \
         file, under <code>collectors.&lt;collector&gt;.metrics</code>.</p>\n",
    )?;
    let last = page.last();
    for (spec, state) in states {
        // A dialect says the same in other words, and both are found here.
        let translated = classic_of(spec.name).filter(|metric| page.name(metric).is_some());
        let metrics: Vec<_> = spec.metrics.iter().copied().chain(translated).collect();
        let series = |name| last.as_ref().and_then(|last| last.series.get(name)).copied().unwrap_or(0);
        let all: usize = metrics.iter().map(|metric| series(metric.name)).sum();
        let (class, words) = state.shown();
        // A hundred rows: without the end tags that HTML does not need, and each source once.
        writeln!(
            out,
            "<details><summary><b>{}</b>: {} <span class=soft>({all} series)</span> <span class={class}>{words}</span>\
             </summary><div class=wide><table class=names><caption class=heard>{}<thead><tr><th>Metric<th>On /metrics<th>From<th class=n>Series\
             <tbody>",
            spec.name,
            Text(spec.about),
            spec.name,
        )?;
        for group in metrics.chunk_by(|one, other| one.source == other.source) {
            for (number, metric) in group.iter().enumerate() {
                let (name, about) = (metric.name, Text(metric.description));
                let (shown, series) = match (page.name(metric), page.collects(metric), series(name)) {
                    (Some(shown), _, 0) => (shown, "none now".to_owned()),
                    (Some(shown), _, series) => (shown, series.to_string()),
                    (None, true, _) => ("by other names, below".to_owned(), "–".to_owned()),
                    (None, false, _) => (names::name(metric), "off".to_owned()),
                };
                write!(out, "<tr><td>{name}<p>{about}<td>{}", Text(&shown))?;
                if number == 0 {
                    let source = if metric.source.is_empty() { "what is above" } else { metric.source };
                    let rows =
                        if group.len() > 1 { format!(" rowspan={}", group.len()) } else { String::new() };
                    write!(out, "<td{rows}><p>{}", Text(source))?;
                }
                writeln!(out, "<td>{series}")?;
            }
        }
        out.write_str("</table></div></details>\n")?;
    }
    Ok(())
}

pub(super) fn resource(live: &mut Live, site: &Site) -> fmt::Result {
    live.write_str(
        "<h2 id=resource>Resource</h2>\n<p class=soft>What every metric says of its sender: \
         <code>target_info</code> here, the resource on OTLP.</p>\n",
    )?;
    table(live, "The resource")?;
    for (name, value) in site.resource.iter() {
        let (name, value) = (Text(name), Text(value));
        writeln!(live, "<tr><th class=key><code>{name}</code><td><code>{value}</code>")?;
    }
    live.write_str("</table></div>\n")
}

fn table(live: &mut Live, caption: &str) -> fmt::Result {
    writeln!(live, "<div class=wide><table><caption class=heard>{caption}<tbody>")
}

/// A row of a name and what it is.
fn row(live: &mut Live, key: &str, name: &str, value: impl Display) -> fmt::Result {
    write!(live, "<tr><th class=key>{name}")?;
    live.text("td", key, "", value)
}
