//! Every key there is, in one list: the tables' and those of the collectors that the caller has.

use super::setting::{Kind, Setting};
use super::tables::{COLLECTOR, ENABLED, SECTIONS};

/// What the configuration has to know of a collector. The collectors are a floor above this one, so they are
/// handed in.
#[derive(Debug, Clone)]
pub struct CollectorSchema {
    /// Its key under `collectors`.
    pub name: &'static str,
    /// One sentence for the annotated file.
    pub about: &'static str,
    /// Its own settings.
    pub settings: &'static [Setting],
    /// Whether it runs without being asked for.
    pub enabled: bool,
    /// Its metrics, and whether each is on without being asked for.
    pub metrics: Vec<(&'static str, bool)>,
}

/// The section that holds a section for each collector.
pub(super) const COLLECTORS: &str = "collectors";

/// What older agents call a collector.
pub(super) const ALIASES: [(&str, &str); 3] =
    [("loadavg", "load"), ("diskstats", "disk"), ("netdev", "network")];

/// The section of a collector that holds a switch for each metric.
pub(super) const METRICS: &str = "metrics";

/// One key with its whole path.
#[derive(Debug)]
pub(super) struct Known {
    /// The sections and the key. A metric's name is one part, dots and all.
    pub(super) path: Vec<&'static str>,
    pub(super) setting: Setting,
    /// The environment variables that set it, the strongest first.
    pub(super) variables: Vec<String>,
}

impl Known {
    pub(super) fn new(path: Vec<&'static str>, setting: Setting) -> Self {
        let own = std::iter::once(variable(&path));
        let variables = own.chain(setting.env.iter().map(|name| String::from(*name))).collect();
        Self { path, setting, variables }
    }

    /// The path as people write it: `otlp.interval`.
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }
}

/// Every key, in the order of the annotated file.
pub(super) fn all(collectors: &[CollectorSchema]) -> Vec<Known> {
    let mut all = Vec::new();
    for section in SECTIONS {
        for setting in section.settings {
            let path = std::iter::once(section.name).chain(setting.key.split('.'));
            all.push(Known::new(path.collect(), *setting));
        }
    }
    for collector in collectors {
        let section = [COLLECTORS, collector.name];
        let own = |key| collector.settings.iter().find(|own| own.key == key);
        for setting in &COLLECTOR {
            // A collector may have another default, and a reason for it.
            let setting = own(setting.key).unwrap_or(setting);
            let mut known = Known::new([&section, &[setting.key][..]].concat(), *setting);
            if setting.key == ENABLED && !collector.enabled {
                known.setting.default = "false";
            }
            let older = ALIASES.iter().filter(|(_, name)| *name == collector.name).map(|(older, _)| *older);
            let names = std::iter::once(collector.name).chain(older);
            known.variables.extend(names.map(|name| collector_variable(&upper(name), setting.key)));
            all.push(known);
        }
        let common = |key| COLLECTOR.iter().any(|common| common.key == key);
        for setting in collector.settings.iter().filter(|setting| !common(setting.key)) {
            let path = section.into_iter().chain(setting.key.split('.'));
            all.push(Known::new(path.collect(), *setting));
        }
        for (metric, on) in &collector.metrics {
            let setting = Setting::new(metric, Kind::Bool, if *on { "true" } else { "false" }, "");
            all.push(Known::new([&section, &[METRICS, metric][..]].concat(), setting));
        }
    }
    all
}

/// The agent's own variable of a key: `HOSTMETER_OTLP__INTERVAL`.
fn variable(path: &[&str]) -> String {
    let parts: Vec<String> = path.iter().map(|part| upper(part)).collect();
    format!("HOSTMETER_{}", parts.join("__"))
}

/// The variable of older agents for a key that every collector has.
pub(super) fn collector_variable(name: &str, key: &str) -> String {
    format!("COLLECTOR_{name}_{}", upper(key))
}

fn upper(part: &str) -> String {
    part.to_ascii_uppercase().replace(|other: char| !other.is_ascii_alphanumeric(), "_")
}
