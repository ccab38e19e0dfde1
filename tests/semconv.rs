//! The collectors' tables against the semantic conventions, which `semconv.tsv` has in a form that nobody
//! derived from this program.

use std::collections::{BTreeMap, BTreeSet};

use hostmeter::collectors::ALL;
use hostmeter::metric::Metric;

const TABLE: &str = include_str!("semconv.tsv");

/// One metric, as both sides have it.
#[derive(Debug, PartialEq)]
struct Row {
    kind: String,
    value: String,
    unit: String,
    default: bool,
    /// The values of each attribute, none where the host decides; and whether it is opt-in.
    attributes: BTreeMap<String, (BTreeSet<String>, bool)>,
}

/// The rows of the table.
fn expected() -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default().to_owned();
        let (name, kind, value, unit) = (next(), next(), next(), next());
        let default = match next().as_str() {
            "on" => true,
            "opt" => false,
            other => panic!("{name}: {other:?} is neither on nor opt"),
        };
        let attributes = next();
        let attributes = attributes.split("; ").filter(|text| !text.is_empty()).map(attribute).collect();
        let note = next();
        assert!(["", "own"].contains(&note.as_str()), "{name}: {note:?}");
        let row = Row { kind, value, unit, default, attributes };
        assert!(rows.insert(name.clone(), row).is_none(), "{name} twice");
    }
    rows
}

/// `name{a,b}`, or `name`; in brackets where it is opt-in.
fn attribute(text: &str) -> (String, (BTreeSet<String>, bool)) {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let plain = inside.unwrap_or(text);
    let (name, values) = plain.strip_suffix('}').and_then(|text| text.split_once('{')).unwrap_or((plain, ""));
    let values = values.split(',').filter(|value| !value.is_empty()).map(str::to_owned).collect();
    (name.to_owned(), (values, inside.is_some()))
}

fn found(metric: &Metric) -> Row {
    let attribute = |attribute: &hostmeter::metric::Attribute| {
        let values = attribute.values.iter().map(|value| (*value).to_owned()).collect();
        (attribute.name.to_owned(), (values, attribute.opt_in))
    };
    Row {
        kind: metric.kind.to_string(),
        value: metric.value.to_string(),
        unit: metric.unit.to_owned(),
        default: metric.default,
        attributes: metric.attributes.iter().map(attribute).collect(),
    }
}

#[test]
fn every_metric_is_that_of_the_conventions() {
    let mut expected = expected();
    let mut wrong = Vec::new();
    for metric in ALL.iter().flat_map(|spec| spec.metrics) {
        match expected.remove(metric.name) {
            None => wrong.push(format!("{}: not in the table", metric.name)),
            Some(row) if row != found(metric) => {
                wrong.push(format!("{}:\n  expected {row:?}\n  found    {:?}", metric.name, found(metric)));
            }
            Some(_) => {}
        }
    }
    wrong.extend(expected.into_keys().map(|name| format!("{name}: not measured")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_metric_says_what_it_is_and_where_it_comes_from() {
    for metric in ALL.iter().flat_map(|spec| spec.metrics) {
        let Metric { name, description, source, .. } = metric;
        assert!(
            description.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit()),
            "{name}: {description:?}"
        );
        assert!(!description.ends_with('.') && !source.is_empty(), "{name}: {description:?} {source:?}");
    }
}

/// The rules of the conventions for names and units, which a new metric is to keep too.
#[test]
fn names_and_units_have_the_form_of_the_conventions() {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    for metric in ALL.iter().flat_map(|spec| spec.metrics) {
        assert!(metric.name.split('.').all(part), "{}", metric.name);
        assert!(
            metric.attributes.iter().all(|attribute| attribute.name.split('.').all(part)),
            "{}",
            metric.name
        );
        let annotation = metric.unit.strip_prefix('{').and_then(|unit| unit.strip_suffix('}'));
        let ucum = ["s", "By", "1", "Hz"].contains(&metric.unit);
        assert!(ucum || annotation.is_some_and(part), "{}: {}", metric.name, metric.unit);
        // A name is not the name space of another.
        let below = format!("{}.", metric.name);
        let all = || ALL.iter().flat_map(|spec| spec.metrics);
        assert!(!all().any(|other| other.name.starts_with(&below)), "{} holds others", metric.name);
    }
}
