//! One file is one source of metrics.
//!
//! A collector's file holds its metric table, its settings, `collect`, a pure `parse` and their tests. One
//! line in [`ALL`] registers it; instruments, configuration keys, `hostmeter metrics`, the README table and
//! the golden tests are loops over that list.

mod disk;
mod filesystem;
mod filter;
#[cfg(test)]
mod fixture;
mod load;
mod network;

use std::collections::BTreeMap;

use crate::config::Setting;
use crate::host::{Error, Host};
use crate::metric::{Metric, Reading};

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
    pub build: fn(&Section, &Host) -> Built,
}

/// A collector, or what is wrong with its section.
pub type Built = Result<Box<dyn Collector>, ::config::ConfigError>;

/// The collector's own settings, already checked against [`Spec::settings`].
#[derive(Debug, Clone, Default)]
pub struct Section(pub BTreeMap<String, ::config::Value>);

impl Section {
    /// The settings as the collector's own `Config`.
    pub fn get<'de, T: serde::Deserialize<'de>>(&self) -> Result<T, ::config::ConfigError> {
        let table: ::config::Map<String, ::config::Value> =
            self.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        ::config::Value::new(None, table).try_deserialize()
    }

    /// The same, with the defaults of the collector's table where nothing is said.
    pub fn get_with<'de, T: serde::Deserialize<'de>>(
        &self,
        settings: &[Setting],
    ) -> Result<T, ::config::ConfigError> {
        let mut whole = self.clone();
        for setting in settings.iter().filter(|s| !s.default.is_empty() && !self.0.contains_key(s.key)) {
            let default = serde_saphyr::from_str(setting.default)
                .map_err(|e| ::config::ConfigError::Foreign(Box::new(e)))?;
            whole.0.insert(setting.key.to_owned(), default);
        }
        whole.get()
    }
}

/// A source of metrics.
pub trait Collector: Send {
    /// Reads the host once and pushes what it found. What could not be read in part is told by
    /// [`Reading::part`]; an error says that there is nothing at all.
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error>;

    /// The most points that one metric of this collector may have; more are left out and counted.
    fn ceiling(&self) -> usize {
        64
    }
}

/// Every collector, in the order in which they run and are shown. The agent's own comes last, so that it
/// tells of this cycle.
pub static ALL: &[&Spec] = &[&load::SPEC, &disk::SPEC, &filesystem::SPEC, &network::SPEC];
