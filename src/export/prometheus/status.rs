//! The status page: how is the host, how is the agent, and why is a number missing?
//!
//! The server writes all of it, so it can be read without a script, in a terminal, by a screen reader; the
//! script only writes the same parts anew, every five seconds while somebody looks. Everything that the host or
//! a peer has written is escaped, and nothing is loaded from anywhere.

mod charts;
mod data;
mod live;
mod plot;
mod sections;

use std::fmt::{self, Write};
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::HeaderValue;
use ring::digest::{SHA256, digest};
use tokio::time::timeout;

use crate::collectors::{self, Spec};
use crate::history::View;
use crate::stats::{CollectorStats, Counts};

use super::html::{Text, span};
use super::page::Page;
use super::server::Site;
use live::Live;

const STYLE: &str = include_str!("status.css");
const SCRIPT: &str = include_str!("status/status.js");

/// How long the page waits for the host to be read; then it shows what was read before.
const PATIENCE: Duration = Duration::from_millis(400);

/// A picture for the tab; without one, a browser asks for a path that there is not.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath \
    d='M1 15V9h3v6zm5 0V1h3v14zm5 0V6h3v9z' fill='%233a7ca5'/%3E%3C/svg%3E";

/// What a browser may do with an answer: with the page, its own style, its own script, and questions to its
/// own origin; with any other, nothing more.
pub(super) fn policy() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT),
        );
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    POLICY.clone()
}

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
            let on = page.sampler().has(spec.name);
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

    /// A word for programs.
    fn word(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Partly => "partly",
            State::Failing => "failing",
            State::NotHere => "not_here",
            State::Waiting => "waiting",
            State::Off => "off",
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

/// The whole page, of the host as it is now.
pub(super) async fn page(site: &Site) -> String {
    freshen(site).await;
    render(site).html
}

/// The same as JSON: the numbers, and the parts of the page that move.
pub(super) async fn json(site: &Site) -> String {
    freshen(site).await;
    data::render(site)
}

/// Has the host read, where that was last done long enough ago, and gives it some time. A collector that hangs
/// must not hide the page that says so.
async fn freshen(site: &Site) {
    let sampler = site.flights.page().sampler();
    let mut taken = sampler.history().taken();
    if sampler.history().is_due() {
        sampler.ask();
        // An error says that the time is over.
        let _ = timeout(PATIENCE, taken.changed()).await;
    }
}

fn render(site: &Site) -> Live {
    let mut live = Live { html: String::with_capacity(64 << 10), ..Live::default() };
    let view = site.flights.page().sampler().history().view();
    // Writing to a string cannot fail.
    let _ = write(&mut live, site, &specs(site), &site.stats.read(), &view);
    live
}

/// The collectors to tell of. Those of other systems are told of where they run.
fn specs(site: &Site) -> Vec<&'static Spec> {
    let sampler = site.flights.page().sampler();
    collectors::every().filter(|spec| spec.is_of(std::env::consts::OS) || sampler.has(spec.name)).collect()
}

/// Which agent and which parts a page is of.
fn run(site: &Site, live: &Live) -> String {
    let start = site.stats.start.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // What is said of each metric does not move, and there is nothing to say before the first /metrics.
    let series = u8::from(site.flights.page().last().is_some());
    format!("{}-{start}-{}-{series}", env!("CARGO_PKG_VERSION"), live.parts.len())
}

fn write(live: &mut Live, site: &Site, all: &[&Spec], counts: &Counts, view: &View) -> fmt::Result {
    let page = site.flights.page();
    let states: Vec<_> =
        all.iter().map(|spec| (*spec, State::of(spec, page, counts.collectors.get(spec.name)))).collect();
    let host = site.resource.get("host.name").unwrap_or("an unnamed host");
    let verdict = sections::Verdict::of(&states, counts);
    let mark = if verdict.class == "bad" { "\u{2717} " } else { "" };
    live.write_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    live.text("title", "title", "", format_args!("{mark}hostmeter on {host}"))?;
    write!(
        live,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"{ICON}\">\
         <style>{STYLE}</style></head>\n<body>\n<header><h1>{}</h1><p class=soft>hostmeter {}",
        Text(host),
        env!("CARGO_PKG_VERSION"),
    )?;
    live.text(
        "span",
        "up",
        "",
        format_args!(", up {}", span(site.stats.start.elapsed().unwrap_or_default())),
    )?;
    let uptime =
        view.last("host.uptime").map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let uptime = uptime.map(|uptime| format!("; host up {}", span(uptime))).unwrap_or_default();
    live.text("span", "host.up", "", uptime)?;
    live.write_str(
        "</p><nav aria-label=\"Pages\"><a href=\"metrics\">/metrics</a> <a href=\"-/status.json\">/-/status.json</a> \
         <a href=\"-/healthy\">/-/healthy</a> <a href=\"-/ready\">/-/ready</a></nav></header>\n<main>\n",
    )?;
    verdict.write(live)?;
    live.write_str(
        "<p id=lost class=\"verdict bad\" role=alert hidden><b>hostmeter does not answer.</b> \
         What is shown is from before; the page tries again by itself.</p>\n",
    )?;
    charts::write(live, view)?;
    charts::processes(live, view)?;
    sections::collectors(live, &states, counts)?;
    sections::otlp(live, &counts.export)?;
    sections::agent(live, site, counts, view)?;
    sections::metrics(live, &states, page)?;
    sections::resource(live, site)?;
    let run = run(site, live);
    write!(live, "</main>\n<script data-run=\"{run}\">{SCRIPT}</script>\n</body></html>\n")
}

#[cfg(test)]
mod tests;
