//! What a metric and an attribute are called on a page.
//!
//! By the rules of OpenTelemetry's "Prometheus and OpenMetrics compatibility": the unit is appended as words, a
//! counter ends in `_total`, and what is neither letter nor digit becomes `_`, unless the user's [`Strategy`] keeps
//! it. What is left that the reader of the page cannot take, his [`Escaping`] takes away
//! (Prometheus, "Escaping schemes").

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::metric::{Kind, Metric};

/// What names look like before a reader has his say: the translation strategies of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// `system_cpu_time_seconds_total`
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// `system_cpu_time`
    UnderscoreEscapingWithoutSuffixes,
    /// `system.cpu.time_seconds_total`
    NoUtf8EscapingWithSuffixes,
    /// `system.cpu.time`
    NoTranslation,
}

impl Strategy {
    fn underscores(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes)
    }

    fn suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUtf8EscapingWithSuffixes)
    }
}

/// What becomes of characters that Prometheus did not take in names before version 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Escaping {
    /// They become `_`.
    #[default]
    Underscores,
    /// They stay.
    AllowUtf8,
    /// A dot becomes `_dot_`, `_` becomes `__`, and so do the others.
    Dots,
    /// The name begins with `U__`, and they become their number: `_2e_`.
    Values,
}

impl Escaping {
    /// The scheme of a name in `Accept`.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Underscores, Self::AllowUtf8, Self::Dots, Self::Values].into_iter().find(|e| e.name() == name)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::AllowUtf8 => "allow-utf-8",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    fn apply(self, name: &str) -> String {
        match self {
            Self::AllowUtf8 => name.to_owned(),
            Self::Underscores => label(name),
            Self::Dots => {
                let escape = |(at, c): (usize, char)| match c {
                    '.' => "_dot_".to_owned(),
                    c if c != '_' && is_plain(at, c) => c.to_string(),
                    _ => "__".to_owned(),
                };
                name.chars().enumerate().map(escape).collect()
            }
            Self::Values if is_legacy(name) => name.to_owned(),
            Self::Values => name.chars().enumerate().fold("U__".to_owned(), |mut out, (at, c)| {
                // Writing to a string does not fail.
                let _ = match c {
                    '_' => write!(out, "__"),
                    c if is_plain(at, c) => write!(out, "{c}"),
                    c => write!(out, "_{:x}_", u32::from(c)),
                };
                out
            }),
        }
    }
}

fn is_plain(at: usize, c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (at > 0 && c.is_ascii_digit())
}

/// Whether every Prometheus takes this as a name.
pub(super) fn is_legacy(name: &str) -> bool {
    !name.is_empty() && name.chars().enumerate().all(|(at, c)| is_plain(at, c))
}

/// How names are written for one kind of reader.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names {
    pub strategy: Strategy,
    pub escaping: Escaping,
}

impl Names {
    /// The name of a metric.
    pub(super) fn metric(self, metric: &Metric) -> String {
        let counter = metric.kind == Kind::Counter && self.strategy.suffixes();
        let mut name = metric.name.to_owned();
        if counter && let Some(short) = name.strip_suffix(".total") {
            // `pressure.total` in seconds is `pressure_seconds_total` behind a Collector, too.
            name.truncate(short.len());
        }
        if let Some(words) = self.unit(metric) {
            name.push('_');
            name.push_str(&words);
        }
        if counter && !name.ends_with("_total") {
            name.push_str("_total");
        }
        self.translate(&name)
    }

    /// The words of a metric's unit that its name ends in; none where the name says it already, or nothing.
    pub(super) fn unit(self, metric: &Metric) -> Option<String> {
        let words = unit(metric.unit, metric.kind).filter(|_| self.strategy.suffixes())?;
        let said = metric.name.ends_with(&words);
        (!said).then_some(words)
    }

    /// The name of an attribute.
    pub(super) fn label(self, attribute: &str) -> String {
        // `__` is reserved, and an empty name is none.
        if attribute.is_empty() || attribute.starts_with("__") {
            label(attribute)
        } else {
            self.translate(attribute)
        }
    }

    fn translate(self, name: &str) -> String {
        if self.strategy.underscores() {
            self.escaping.apply(&label(name))
        } else {
            self.escaping.apply(name)
        }
    }
}

/// The name of a metric on the page as it is by default: `system.cpu.time` in `s` is
/// `system_cpu_time_seconds_total`.
pub fn name(metric: &Metric) -> String {
    Names::default().metric(metric)
}

/// The words for a unit of UCUM; annotations such as `{process}` have none.
fn unit(unit: &str, kind: Kind) -> Option<String> {
    match unit.split_once('/') {
        None if unit == "1" => (kind == Kind::Gauge).then(|| "ratio".to_owned()),
        None => word(unit).map(str::to_owned),
        Some((what, per)) => {
            let per = match per {
                "s" => "second",
                "m" | "min" => "minute",
                "h" => "hour",
                "d" => "day",
                _ => return word(what).map(str::to_owned),
            };
            // `{operation}/s` is operations per second, and the name says of what.
            let what = word(what).map(|what| format!("{what}_")).unwrap_or_default();
            Some(format!("{what}per_{per}"))
        }
    }
}

fn word(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "%" => "percent",
        "Hz" => "hertz",
        "Cel" => "celsius",
        "V" => "volts",
        "A" => "amperes",
        "W" => "watts",
        "J" => "joules",
        _ => return None,
    })
}

/// The attributes of a resource under names that are labels.
///
/// Where two names become one label, their values are joined by `;`, as the compatibility rules ask.
pub(super) fn labels<'a>(
    names: Names,
    attributes: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_unstable();
    let mut labels = BTreeMap::<String, String>::new();
    for (name, value) in attributes {
        labels
            .entry(names.label(name))
            .and_modify(|values| {
                values.push(';');
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    labels
}

/// The name of a label that every Prometheus takes. Names of a resource are the user's: a leading digit, a colon
/// or the reserved `__` would make it refuse the whole page.
pub(super) fn label(attribute: &str) -> String {
    let mut label = String::with_capacity(attribute.len() + 1);
    for c in attribute.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => label.push(c),
            // Runs are collapsed, so a label never begins with the reserved `__`.
            _ if label.ends_with('_') => {}
            _ => label.push('_'),
        }
    }
    if label.starts_with(|c: char| c.is_ascii_digit()) || label.is_empty() {
        label.insert(0, '_');
    }
    label
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::*;
    use crate::collectors::ALL;

    #[test]
    fn no_two_metrics_share_a_name_and_no_two_attributes_of_one_a_label() {
        let mut names = HashSet::new();
        for metric in ALL.iter().flat_map(|spec| spec.metrics) {
            assert!(names.insert(name(metric)), "{} twice", name(metric));
            let labels: HashSet<String> = metric.attributes.iter().map(|a| label(a.name)).collect();
            assert_eq!(labels.len(), metric.attributes.len(), "{}", metric.name);
        }
    }

    #[test]
    fn names_that_prometheus_would_refuse_become_labels() {
        let names = ["host.name", "team:web", "9lives", "__name__", "a--b", "größe", ""].map(label);
        assert_eq!(names, ["host_name", "team_web", "_9lives", "_name_", "a_b", "gr_e", "_"]);
    }

    #[test]
    fn values_of_names_that_become_one_label_are_joined() {
        let joined = labels(Names::default(), [("a_b", "2"), ("a.b", "1"), ("c", "3")].into_iter());
        assert_eq!(joined, BTreeMap::from([("a_b".into(), "1;2".into()), ("c".into(), "3".into())]));
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_label(text in ".*") {
            let label = label(&text);
            prop_assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            prop_assert!(!label.starts_with("__") && !label.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(!label.is_empty());
        }
    }
}
