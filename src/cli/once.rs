//! `hostmeter once`: measure and print what would be sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::agent::{Measuring, pull_settings};
use crate::config::{Environment, ProcessEnvironment};
use crate::dialect::Voice;
use crate::export::otlp::{self, OtlpLane, Source};
use crate::export::prometheus::{Page, Shape};
use crate::sampler::FRESH;

use super::arguments::{Arguments, OnceFormat};
use super::{Failure, configuration, log, print, table};

/// Longer than a cycle of the sampler may take.
const BUDGET: Duration = Duration::from_secs(3);

pub(super) fn once(arguments: &Arguments, format: OnceFormat) -> Result<(), Failure> {
    let loaded = configuration::load(arguments)?;
    let no_color = ProcessEnvironment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    log::start(&loaded.config.agent, no_color);
    let measuring = Measuring::build(&loaded.config, &ProcessEnvironment)?;
    // A rate needs two readings, and the second one comes when the first is no longer fresh.
    measuring.sampler.snapshot(BUDGET);
    std::thread::sleep(FRESH + Duration::from_millis(10));
    let sampler = Arc::clone(&measuring.sampler);
    match format {
        OnceFormat::Table => print(&table::render(&sampler.snapshot(BUDGET))),
        OnceFormat::Prometheus => {
            let page = Page::new(sampler, &measuring.resource, &pull_settings(&loaded.config.prometheus));
            let rendered = page.render(Shape::default(), BUDGET).context("the page of /metrics")?;
            print(&String::from_utf8_lossy(&rendered.plain()))
        }
        OnceFormat::OtlpJson => {
            let mut lane = OtlpLane::new(sampler, measuring.resource.to_sdk(), Voice::default());
            let mut resources = Vec::new();
            lane.collect(BUDGET, &mut |resource| resources.push(resource));
            print(&otlp::to_json(resources).context("OTLP as JSON")?)
        }
    }
}
