//! `hostmeter check`: is the configuration good, and what can this host give.

use std::env::consts::OS;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;

use crate::agent::{BuildError, Measuring, Push, door};
use crate::collectors;
use crate::config::{Config, ProcessEnvironment};
use crate::host::{Host, is_root};
use crate::stats::{CollectorStats, Counts, Stats};

use super::arguments::Arguments;
use super::port::{self, Port, runs_already};
use super::{Failure, configuration, log, print};

/// Longer than a cycle of the sampler may take.
const BUDGET: Duration = Duration::from_secs(3);

/// Builds what measures as `run` does, looks whether the port can be had, measures once, and tells what came of it.
pub(super) fn check(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = configuration::load(arguments)?;
    let stats = Arc::new(Stats::default());
    let _log = log::start(&loaded.config.agent, &stats);
    let measuring = Measuring::build(&loaded.config, &ProcessEnvironment, stats)?;
    let queue = match loaded.config.otlp.enabled.then(|| Push::build(&loaded.config, &measuring)) {
        None => None,
        Some(Ok(push)) => Some(queue(&push, &loaded.config)),
        // Who has it has shown that it can be used.
        Some(Err(BuildError::Queue(in_use))) => Some(format!("on    {in_use}")),
        Some(Err(error)) => return Err(error.into()),
    };
    let port = loaded.config.prometheus.enabled.then(|| {
        let own = Host::at("/").ok();
        port::look(&loaded.config.prometheus, own.as_ref())
    });
    let door = door(&loaded.config.prometheus).map_err(BuildError::from)?;
    let scheme = if door.is_encrypted() { "https" } else { "http" };
    let port = match port {
        Some(Port::Taken(error)) => return Err(Failure::Running(error.into())),
        port => port,
    };
    measuring.sampler.snapshot(BUDGET);
    let counts = measuring.stats.read();
    let file = loaded.file.as_ref().map_or("none (defaults)".to_owned(), |file| file.display().to_string());
    let mut out = format!("configuration  {file}: good\n");
    host(&measuring, &mut out);
    collectors_of(&loaded.config, &counts, &mut out);
    ways_out(port.as_ref(), scheme, queue.as_deref(), &loaded.config, &mut out);
    print(&out)
}

fn host(measuring: &Measuring, out: &mut String) {
    let of = |name| measuring.resource.get(name).unwrap_or("unknown");
    let _ = writeln!(
        out,
        "host           {}: {}, {}, {} CPUs, vm.id {}",
        measuring.host.root().display(),
        of("host.name"),
        of("os.description"),
        measuring.host.cpus(),
        of("vm.id")
    );
}

fn collectors_of(config: &Config, counts: &Counts, out: &mut String) {
    out.push_str("collectors\n");
    for spec in collectors::every() {
        let enabled = config.collectors.get(spec.name).is_some_and(|collector| collector.enabled);
        let state = match counts.collectors.get(spec.name) {
            _ if !enabled && OS != "linux" && !spec.is_of(OS) => {
                format!("off   this platform: {OS} is not Linux; portable stands in")
            }
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

fn ways_out(port: Option<&Port>, scheme: &str, queue: Option<&str>, config: &Config, out: &mut String) {
    out.push_str("ways out\n");
    let prometheus = match port {
        None => "off   prometheus.enabled is false".to_owned(),
        Some(Port::Free(addresses)) => {
            let at: Vec<_> = addresses.iter().map(|at| format!("{scheme}://{at}/metrics")).collect();
            format!("on    {}", at.join(" "))
        }
        Some(Port::Ours(pid)) => format!("on    {}", runs_already(*pid)),
        Some(Port::Taken(error)) => format!("off   {error}"),
    };
    let otlp = match (config.otlp.enabled, &config.otlp.endpoint) {
        (true, Some(endpoint)) => format!("on    {endpoint}"),
        (true, None) => "on    http://localhost:4317".to_owned(),
        (false, Some(_)) => "off   otlp.enabled is false".to_owned(),
        (false, None) => "off   no endpoint; set otlp.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
    };
    let _ = writeln!(out, "  prometheus   {prometheus}\n  otlp         {otlp}");
    if let Some(queue) = queue {
        let _ = writeln!(out, "  queue        {queue}");
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
