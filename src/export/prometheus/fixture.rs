//! An agent over a host that is one file, for the tests of this module.

use std::sync::Arc;
use std::time::Duration;

use super::{Page, Settings, Site};
use crate::collectors::Spec;
use crate::host::Host;
use crate::resource::{Given, Resource};
use crate::sampler::{Sampler, Source};
use crate::stats::Stats;

/// The site of an agent with these collectors, on a host of this name.
pub(super) fn site(specs: &[&'static Spec], host_name: &str) -> Site {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("proc")).unwrap();
    std::fs::write(root.path().join("proc/stat"), "btime 1\n").unwrap();
    let host = Arc::new(Host::at(root.path()).unwrap());
    let given = Given { host_name: Some(host_name.to_owned()), ..Given::default() };
    let resource = Resource::detect(&host, &given, |_| None);
    let stats = Arc::new(Stats::default());
    let sources = specs.iter().map(|&spec| Source::new(spec)).collect();
    let sampler = Sampler::start(host, sources, Arc::clone(&stats)).unwrap();
    let page = Page::new(Arc::new(sampler), &resource, &Settings::default());
    Site::new(Arc::new(page), stats, resource, Duration::from_secs(2))
}
