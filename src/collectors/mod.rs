//! One file is one source of metrics.
//!
//! A collector's file holds its metric table, its settings, `collect`, a pure `parse` and their tests. One
//! line in [`ALL`] registers it; instruments, configuration keys, `hostmeter metrics`, the README table and
//! the golden tests are loops over that list.

mod agent;
mod connections;
mod container;
mod cpu;
mod disk;
mod filesystem;
mod filter;
#[cfg(test)]
mod fixture;
mod load;
mod memory;
mod network;
mod paging;
mod portable;
mod pressure;
mod process;
mod system;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, CollectorSchema, Problems, Setting, Text};
use crate::host::{Error, Host};
use crate::metric::{Metric, Reading};
use crate::stats::Stats;

/// What is known of a collector before it runs.
#[derive(Debug)]
pub struct Spec {
    /// File name, configuration key and value of `hostmeter.collector`: one word.
    pub name: &'static str,
    /// One sentence for `hostmeter metrics` and the annotated configuration.
    pub about: &'static str,
    /// The metric table.
    pub metrics: &'static [&'static Metric],
    /// The collector's own settings, beside `enabled`, `interval` and `metrics`, which all have.
    pub settings: &'static [Setting],
    /// Makes the collector from its section of the configuration.
    pub build: fn(&Section, &Context<'_>) -> Built,
}

impl Spec {
    /// What the configuration has to know of the collector.
    pub fn schema(&self) -> CollectorSchema {
        CollectorSchema {
            name: self.name,
            about: self.about,
            settings: self.settings,
            enabled: self.is_of(std::env::consts::OS),
            metrics: self.metrics.iter().map(|metric| (metric.name, metric.default)).collect(),
        }
    }

    /// Whether it measures by itself on an operating system (`linux`, `macos`, `windows`). The others are off there
    /// until somebody asks for them, as who reads the recording of another host may.
    pub fn is_of(&self, os: &str) -> bool {
        std::ptr::eq(self, &raw const agent::SPEC) || (os == "linux") != std::ptr::eq(self, PORTABLE)
    }

    /// The settings of a collector of which a file says `yaml`, such as `{per_core: true}`; `{}` is the
    /// defaults.
    pub fn section(&self, yaml: &str) -> Result<Section, Problems> {
        let text = format!("collectors: {{{}: {yaml}}}", self.name);
        let file = Text { name: self.name, text: &text };
        let environment = BTreeMap::<String, String>::new();
        let loaded = config::resolve(&[self.schema()], Some(file), &environment, &[])?;
        let section = loaded.config.collectors.into_iter().next().map(|(_, collector)| collector.settings);
        Ok(Section(section.unwrap_or_default()))
    }
}

/// What a collector may look at when it is built.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The host it will read.
    pub host: &'a Host,
    /// The agent's own counters, for the collector that reads them.
    pub stats: &'a Arc<Stats>,
}

/// A collector, or what is wrong with its section.
pub type Built = Result<Box<dyn Collector>, ::config::ConfigError>;

/// The collector's own settings: every one of [`Spec::settings`], checked.
#[derive(Debug, Clone, Default)]
pub struct Section(pub BTreeMap<String, ::config::Value>);

impl Section {
    /// The settings as the collector's own `Config`.
    pub fn get<'de, T: serde::Deserialize<'de>>(&self) -> Result<T, ::config::ConfigError> {
        let table: ::config::Map<String, ::config::Value> =
            self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        ::config::Value::new(None, table).try_deserialize()
    }
}

/// A source of metrics.
pub trait Collector: Send {
    /// Reads the host once and pushes what it found. What could not be read in part is told by
    /// [`Reading::part`]; an error says that there is nothing at all.
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error>;

    /// Whether to make do with less, for the agent's own ceilings; a collector that is cheap anyway does not care.
    fn be_frugal(&mut self, _frugal: bool) {}

    /// The most points that one metric of this collector may have; more are left out and counted.
    fn ceiling(&self) -> usize {
        64
    }

    /// When in a cycle it runs.
    fn turn(&self) -> Turn {
        Turn::Early
    }
}

/// When in a cycle a collector runs; those of one turn run in the order of [`ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// What only asks the kernel.
    Early,
    /// What may have to wait for another machine, so that whoever is in a hurry has the others already.
    Late,
    /// What takes the kernel long, but holds no lock of procfs meanwhile, so that a second thread does it
    /// beside the others.
    Aside,
    /// What tells of the others. It runs when they have been written down, and must wait for nothing.
    Last,
}

/// Every collector of Linux, in the order in which they are shown.
pub static ALL: &[&Spec] = &[
    &cpu::SPEC,
    &load::SPEC,
    &memory::SPEC,
    &paging::SPEC,
    &disk::SPEC,
    &filesystem::SPEC,
    &network::SPEC,
    &connections::SPEC,
    &system::SPEC,
    &pressure::SPEC,
    &process::SPEC,
    &container::SPEC,
    &agent::SPEC,
];

/// The collector of macOS and Windows, where those of Linux are off. On Linux it is off, and runs instead of those in
/// [`ALL`] that measure the same.
pub static PORTABLE: &Spec = &portable::SPEC;

/// Every collector that can be switched on: [`ALL`] and [`PORTABLE`].
pub fn every() -> impl Iterator<Item = &'static Spec> {
    ALL.iter().copied().chain([PORTABLE])
}

/// What the configuration has to know of every collector.
pub fn schemas() -> Vec<CollectorSchema> {
    every().map(Spec::schema).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_has_its_own_collectors_and_no_metric_twice() {
        let of = |os| every().filter(|spec| spec.is_of(os)).map(|spec| spec.name).collect::<Vec<_>>();
        assert_eq!(of("linux"), ALL.iter().map(|spec| spec.name).collect::<Vec<_>>());
        assert_eq!((of("windows"), of("macos")), (vec!["agent", "portable"], vec!["agent", "portable"]));
        let on: Vec<_> =
            schemas().into_iter().filter(|schema| schema.enabled).map(|schema| schema.name).collect();
        assert_eq!(on, of(std::env::consts::OS));
    }
}
