//! The agent itself.

use crate::metric::{Attribute, Metric, Reading, Text, ValueType::Double, ValueType::Int};

use super::super::{Table, Told};
use super::{attribute, by};

const COLLECTOR: Attribute = Attribute::open("collector");
const VERSION: Attribute = Attribute::open("version");
const HOSTNAME: Attribute = Attribute::open("hostname");

static INFO: Metric = Metric::gauge("agent_info", "", Int)
    .about("1; its labels are the agent's version and the host's name")
    .by(&[VERSION, HOSTNAME])
    .from("the agent");
static LAST_SUCCESS: Metric = Metric::gauge("agent_collector_last_success_timestamp", "", Double)
    .about("When the collector last succeeded, in seconds since 1970")
    .by(&[COLLECTOR])
    .from("the agent");
static ERRORS: Metric = Metric::counter("agent_collector_errors_total", "", Int)
    .about("Runs of the collector with a problem")
    .by(&[COLLECTOR])
    .from("the agent");
static DURATION: Metric = Metric::gauge("agent_collector_duration_seconds", "", Double)
    .about("How long the collector's last run took, in seconds")
    .by(&[COLLECTOR])
    .from("the agent");
static STATUS: Metric = Metric::gauge("agent_collector_status", "", Int)
    .about("1 when the collector's last run succeeded, 0 when it did not")
    .by(&[COLLECTOR])
    .from("the agent");

pub(super) static AGENT: Table = Table {
    collector: "agent",
    name: "classic/agent",
    metrics: &[&INFO, &LAST_SUCCESS, &ERRORS, &DURATION, &STATUS],
    sources: &["hostmeter.collector.up", "hostmeter.collector.duration", "hostmeter.collector.last_success"],
    tell: agent,
};

fn agent(told: &Told<'_>, out: &mut Reading) {
    let (version, host) = (told.about.version.clone(), told.about.host_name.clone());
    out.push(&INFO, vec![(VERSION.name, version.into()), (HOSTNAME.name, host.into())], 1_i64);
    for (from, to) in [
        ("hostmeter.collector.last_success", &LAST_SUCCESS),
        ("hostmeter.collector.duration", &DURATION),
        ("hostmeter.collector.up", &STATUS),
    ] {
        for point in told.points(from) {
            if let Some(name) = attribute(&point.attributes, "hostmeter.collector") {
                out.push(to, vec![(COLLECTOR.name, name.clone())], point.value);
            }
        }
    }
    // A collector without an error has no point, and the psutil agent had a zero.
    let mut errors = by(told.points("hostmeter.collector.errors"), "hostmeter.collector");
    for point in told.points("hostmeter.collector.up") {
        errors.entry(attribute(&point.attributes, "hostmeter.collector")).or_insert(0.0);
    }
    for (name, count) in errors {
        let name = name.cloned().unwrap_or(Text::Static("unknown"));
        out.push(&ERRORS, vec![(COLLECTOR.name, name)], count as u64);
    }
}
