//! `hostmeter check`: is the configuration good, and what can this host give.

use std::fmt::Write;
use std::time::Duration;

use bytesize::ByteSize;

use crate::agent::{Agent, Push};
use crate::collectors;
use crate::config::{Config, Environment, ProcessEnvironment};
use crate::host::is_root;
use crate::stats::{CollectorStats, Counts};

use super::arguments::Arguments;
use super::{Failure, configuration, log, print};

/// Longer than a cycle of the sampler may take.
const BUDGET: Duration = Duration::from_secs(3);

/// Builds everything as `run` does, the port included, measures once, and tells what came of it.
pub(super) fn check(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = configuration::load(arguments)?;
    let no_color = ProcessEnvironment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    log::start(&loaded.config.agent, no_color);
    let agent = Agent::build(&loaded.config, &ProcessEnvironment)?;
    agent.measuring.sampler.snapshot(BUDGET);
    let counts = agent.measuring.stats.read();
    let file = loaded.file.as_ref().map_or("none (defaults)".to_owned(), |file| file.display().to_string());
    let mut out = format!("configuration  {file}: good\n");
    host(&agent, &mut out);
    collectors_of(&loaded.config, &counts, &mut out);
    ways_out(&agent, &loaded.config, &mut out);
    print(&out)
}

fn host(agent: &Agent, out: &mut String) {
    let of = |name| agent.measuring.resource.get(name).unwrap_or("unknown");
    let _ = writeln!(
        out,
        "host           {}: {}, {}, {} CPUs, vm.id {}",
        agent.measuring.host.root().display(),
        of("host.name"),
        of("os.description"),
        agent.measuring.host.cpus(),
        of("vm.id")
    );
}

fn collectors_of(config: &Config, counts: &Counts, out: &mut String) {
    out.push_str("collectors\n");
    for spec in collectors::ALL {
        let enabled = config.collectors.get(spec.name).is_some_and(|collector| collector.enabled);
        let state = match counts.collectors.get(spec.name) {
            _ if !enabled => format!("off   collectors.{}.enabled is false", spec.name),
            None => "off   it did not answer".to_owned(),
            Some(stats) => state(stats),
        };
        let _ = writeln!(out, "  {:<12} {state}", spec.name);
    }
}

fn state(stats: &CollectorStats) -> String {
    let problem = stats.problem.as_deref().unwrap_or_default();
    let permission = stats.errors.contains_key("permission");
    let remedy = if permission && !is_root() {
        "; run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH for the rest"
    } else {
        ""
    };
    match (stats.up, problem.is_empty()) {
        (true, true) => {
            format!("on    {} points in {:.1} ms", stats.points, stats.duration.as_secs_f64() * 1e3)
        }
        (true, false) => format!("on    {} points; without {problem}{remedy}", stats.points),
        (false, _) => format!("off   {problem}{remedy}"),
    }
}

fn ways_out(agent: &Agent, config: &Config, out: &mut String) {
    out.push_str("ways out\n");
    let prometheus = agent.pull.as_ref().map_or_else(
        || "off   prometheus.enabled is false".to_owned(),
        |pull| {
            let at: Vec<_> = pull.addresses().iter().map(|at| format!("http://{at}/metrics")).collect();
            format!("on    {}", at.join(" "))
        },
    );
    let otlp = match (&agent.push, &config.otlp.endpoint) {
        (Some(_), Some(endpoint)) => format!("on    {endpoint}"),
        (Some(_), None) => "on    http://localhost:4317".to_owned(),
        (None, Some(_)) => "off   otlp.enabled is false".to_owned(),
        (None, None) => "off   no endpoint; set otlp.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
    };
    let _ = writeln!(out, "  prometheus   {prometheus}\n  otlp         {otlp}");
    if let Some(push) = &agent.push {
        let _ = writeln!(out, "  queue        {}", queue(push, config));
    }
}

fn queue(push: &Push, config: &Config) -> String {
    let waiting = push.waiting();
    let most = ByteSize(waiting.limit);
    match (&config.queue.directory, push.trouble()) {
        (None, _) => {
            format!("on    in memory, at most {most}; gone with the process (queue.directory keeps it)")
        }
        (Some(directory), None) => {
            format!("on    {}, at most {most}; {} batches wait there", directory.display(), waiting.batches)
        }
        (Some(directory), Some(trouble)) => {
            format!("on    in memory, at most {most}; {}: {trouble}", directory.display())
        }
    }
}
