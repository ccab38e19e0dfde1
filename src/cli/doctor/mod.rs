//! `hostmeter doctor`: what keeps this agent from giving all it could here, and what to do about it.
//!
//! Each check is a finding with a verdict and a remedy. Nothing is changed, and a running agent is not disturbed.

mod host;
mod report;
mod ways;

use std::sync::Arc;

use crate::agent::Measuring;
use crate::config::{Loaded, ProcessEnvironment};
use crate::host::Host;
use crate::stats::Stats;

use super::arguments::Arguments;
use super::{Failure, configuration, log, print};
use report::{Finding, Report};

/// Looks at everything, prints it, and is good where there is no problem.
pub(super) fn doctor(arguments: &Arguments, json: bool) -> Result<(), Failure> {
    let mut report = Report::default();
    match configuration::read(arguments) {
        Ok(loaded) => examine(&loaded, &mut report),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            report.add(Finding::problem("configuration", lines.join("; "), "correct what is named"));
        }
    }
    print(&if json { report.json() } else { report.text() })?;
    if report.is_good() { Ok(()) } else { Err(Failure::Told) }
}

fn examine(loaded: &Loaded, report: &mut Report) {
    let config = &loaded.config;
    let stats = Arc::new(Stats::default());
    let _log = log::start(&config.agent, &stats);
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    let file = file.unwrap_or_else(|| "no file; defaults and the environment".to_owned());
    report.add(Finding::ok("configuration", file));
    report.add(host::clock(std::time::SystemTime::now()));
    // What this process may do is asked of the machine it runs on, not of the one that it looks at.
    let own = Host::at("/").ok().filter(Host::tells_by_files);
    if let Some(own) = &own {
        report.add(host::user(crate::host::is_root(), crate::host::rights::capabilities(own)));
        report.add(host::limits(crate::host::rights::limits(own).unwrap_or_default()));
    }
    match Measuring::build(config, &ProcessEnvironment, stats) {
        Ok(measuring) => {
            host::examine(&measuring, own.as_ref(), report);
            ways::examine(config, &measuring, own.as_ref(), report);
        }
        Err(error) => {
            let remedy = "mount the host's / there, or leave agent.root and --root out";
            report.add(Finding::problem("root", error.to_string(), remedy));
        }
    }
}
