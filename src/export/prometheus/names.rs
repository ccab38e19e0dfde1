//! What a metric and an attribute are called on a page.
//!
//! By the rules of OpenTelemetry's "Prometheus and OpenMetrics compatibility": what is neither letter nor
//! digit becomes `_`, the unit is appended as a word, a counter ends in `_total`. The bridge names the series
//! by itself; [`name`] says beforehand what it will do, for the status page and the catalogue.

use std::collections::BTreeMap;

use crate::metric::{Kind, Metric};

/// The name of a metric on the page: `system.cpu.time` in `s` is `system_cpu_time_seconds_total`.
pub fn name(metric: &Metric) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' };
    let mut name: String = metric.name.chars().map(keep).collect();
    if let Some(word) = unit(metric.unit) {
        name.push('_');
        name.push_str(word);
    }
    if metric.kind == Kind::Counter {
        name.push_str("_total");
    }
    name
}

/// The word for a unit; annotations such as `{process}` have none.
fn unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "seconds",
        "By" => "bytes",
        "1" => "ratio",
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
/// Names are the user's. The bridge lets a leading digit, a colon and the reserved `__` through, and one such
/// label makes Prometheus refuse the whole page. Where two names become one label, their values are joined
/// by `;`, as the compatibility rules ask.
pub(super) fn labels<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_unstable();
    let mut labels = BTreeMap::<String, String>::new();
    for (name, value) in attributes {
        labels
            .entry(label(name))
            .and_modify(|values| {
                values.push(';');
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    labels
}

/// The label of an attribute.
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
        let joined = labels([("a_b", "2"), ("a.b", "1"), ("c", "3")].into_iter());
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
