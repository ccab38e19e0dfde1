//! `hostmeter once`: measure and print what would be sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::agent::{Measuring, pull_settings};
use crate::config::ProcessEnvironment;
use crate::export::otlp::{self, OtlpLane, Source};
use crate::export::prometheus::{self, Page, Shape};
use crate::sampler::FRESH;
use crate::stats::Stats;

use super::arguments::{Arguments, OnceFormat};
use super::{Failure, configuration, log, print, table};

/// Longer than a cycle of the sampler may take.
const BUDGET: Duration = Duration::from_secs(3);

pub(super) fn once(arguments: &Arguments, format: OnceFormat) -> Result<(), Failure> {
    let loaded = configuration::load(arguments)?;
    let stats = Arc::new(Stats::default());
    let _log = log::start(&loaded.config.agent, &stats);
    let measuring = Measuring::build(&loaded.config, &ProcessEnvironment, stats)?;
    // A rate needs two readings, and the second one comes when the first is no longer fresh.
    measuring.sampler.snapshot(BUDGET);
    std::thread::sleep(FRESH + Duration::from_millis(10));
    let sampler = Arc::clone(&measuring.sampler);
    match format {
        OnceFormat::Table => print(&table::render(&sampler.snapshot(BUDGET))),
        OnceFormat::Prometheus => {
            let config = &loaded.config.prometheus;
            let settings =
                prometheus::Settings { voice: measuring.voice(config.dialect), ..pull_settings(config) };
            let page = Page::new(sampler, &measuring.resource, &settings);
            let rendered = page.render(Shape::default(), BUDGET).context("the page of /metrics")?;
            print(&String::from_utf8_lossy(&rendered.plain()))
        }
        OnceFormat::OtlpJson => {
            let mut lane = OtlpLane::new(
                sampler,
                measuring.resource.to_sdk(),
                measuring.voice(loaded.config.otlp.dialect),
            );
            let mut resources = Vec::new();
            lane.collect(BUDGET, &mut |resource| resources.push(resource));
            print(&otlp::to_json(resources).context("OTLP as JSON")?)
        }
    }
}
