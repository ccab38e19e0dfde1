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

/// A collector of today that was part of another with older agents: where that one is off, it is off by default.
pub(super) const PARTS: [(&str, &str); 1] = [("connections", "network")];

/// What every variable of our own begins with.
pub(super) const OWN: &str = "HOSTMETER_";

/// And every variable of older agents that is made of a collector's name.
pub(super) const OLDER: &str = "COLLECTOR_";

/// The section of a collector that holds a switch for each metric.
pub(super) const METRICS: &str = "metrics";

/// One key with its whole path.
#[derive(Debug)]
pub(super) struct Known {
    /// The sections and the key. A metric's name is one part, dots and all.
    pub(super) path: Vec<&'static str>,
    pub(super) setting: Setting,
}

impl Known {
    pub(super) fn new(path: Vec<&'static str>, setting: Setting) -> Self {
        Self { path, setting }
    }

    /// Whether every collector has this key.
    pub(super) fn is_common(&self) -> bool {
        matches!(self.path[..], [COLLECTORS, _, key] if COLLECTOR.iter().any(|setting| setting.key == key))
    }

    /// The environment variables that set it, the strongest first.
    ///
    /// Not kept, because nearly always nobody sets one, and those of every key are hundreds of texts.
    pub(super) fn variables(&self) -> Vec<String> {
        let own = std::iter::once(variable(&self.path));
        let mut variables: Vec<_> =
            own.chain(self.setting.env.iter().map(|name| String::from(*name))).collect();
        if let [_, collector, key] = self.path[..]
            && self.is_common()
        {
            let older = ALIASES.iter().filter(|(_, name)| *name == collector).map(|(older, _)| *older);
            let names = std::iter::once(collector).chain(older);
            variables.extend(names.map(|name| collector_variable(&upper(name), key)));
        }
        variables
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
        let own = |key| collector.settings.iter().find(|own| own.key == key);
        for setting in &COLLECTOR {
            // A collector may have another default, and a reason for it.
            let setting = own(setting.key).unwrap_or(setting);
            let mut known = Known::new(vec![COLLECTORS, collector.name, setting.key], *setting);
            if setting.key == ENABLED && !collector.enabled {
                known.setting.default = "false";
            }
            all.push(known);
        }
        let common = |key| COLLECTOR.iter().any(|common| common.key == key);
        for setting in collector.settings.iter().filter(|setting| !common(setting.key)) {
            let path = [COLLECTORS, collector.name].into_iter().chain(setting.key.split('.'));
            all.push(Known::new(path.collect(), *setting));
        }
        for (metric, on) in &collector.metrics {
            let setting = Setting::new(metric, Kind::Bool, if *on { "true" } else { "false" }, "");
            all.push(Known::new(vec![COLLECTORS, collector.name, METRICS, metric], setting));
        }
    }
    all
}

/// The agent's own variable of a key: `HOSTMETER_OTLP__INTERVAL`.
fn variable(path: &[&str]) -> String {
    let length = path.iter().map(|part| part.len() + 2).sum::<usize>();
    let mut out = String::with_capacity(OWN.len() + length);
    out.push_str(OWN);
    for (at, part) in path.iter().enumerate() {
        if at > 0 {
            out.push_str("__");
        }
        out.extend(part.chars().map(of_name));
    }
    out
}

/// The variable of older agents for a key that every collector has.
pub(super) fn collector_variable(name: &str, key: &str) -> String {
    format!("{OLDER}{name}_{}", upper(key))
}

fn upper(part: &str) -> String {
    part.chars().map(of_name).collect()
}

/// What stands for a character in the name of a variable.
fn of_name(char: char) -> char {
    if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' }
}
