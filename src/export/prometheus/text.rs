//! The page as text: Prometheus' text format, or OpenMetrics.
//!
//! Written straight from the snapshot. `opentelemetry-prometheus` behind the SDK did this before: for each point it
//! makes an aggregation, a family and a set of labels anew, which takes 1.8 µs a series at 1,000 of them and 4.8 µs
//! at 50,000, against 0.04 µs here (`cargo bench --bench cycle`), and it has one format only. It remains the
//! reference: `tests/prometheus/reference.rs` holds every series of whole hosts against it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::metric::{Attributes, Kind, Metric, Reading, Series, Snapshot, Text, Value};

use super::format::Shape;
use super::names::{Names, Strategy, is_legacy};

/// Text is handed on in pieces of about this size.
const PIECE: usize = 64 << 10;

/// How one kind of reader gets the page.
pub struct Writer {
    names: Names,
    open_metrics: bool,
    /// `target_info` with the attributes of the resource.
    target: String,
    /// The labels of every series.
    constant: BTreeMap<String, String>,
    heads: HashMap<&'static str, Head>,
}

/// What is the same for all points of a metric.
struct Head {
    /// The lines before the points.
    comments: String,
    /// What a line begins with: `name{`, or `{"the.name",`.
    begin: String,
    /// The same where there is no label at all.
    alone: String,
    /// The names of the metric's own labels.
    own: HashSet<String>,
    /// The same by attribute.
    known: Vec<Known>,
    /// Those of the resource, as they are written.
    constant: String,
}

/// The entities of a reading.
struct Entities {
    /// The labels of each, as they are written.
    labels: Vec<String>,
    /// Names of theirs that the resource has, too.
    clash: HashSet<String>,
}

/// The name of an attribute, and the same as it is written. A metric and an entity have few, and they are found by
/// their place in memory.
type Known = (&'static str, String);

impl Writer {
    /// Writes these metrics; `target` and `constant` are attributes of the resource.
    pub fn new(
        shape: Shape,
        strategy: Strategy,
        metrics: impl Iterator<Item = &'static Metric>,
        target: &[(String, String)],
        constant: &[(String, String)],
    ) -> Self {
        let Shape { open_metrics, escaping } = shape;
        let names = Names { strategy, escaping };
        let constant = labels(names, constant);
        let heads =
            metrics.map(|metric| (metric.name, head(names, open_metrics, metric, &constant))).collect();
        let info = if open_metrics {
            "# HELP target Target metadata\n# TYPE target info\n"
        } else {
            "# HELP target_info Target metadata\n# TYPE target_info gauge\n"
        };
        let target = format!("{info}target_info{{{}}} 1\n", joined(&labels(names, target), |_| true));
        Self { names, open_metrics, target, constant, heads }
    }

    /// Writes the page of a snapshot.
    pub fn write(&self, snapshot: &Snapshot, out: &mut impl Write) -> io::Result<()> {
        let (mut text, mut known) = (self.target.clone(), Vec::new());
        for reading in &snapshot.readings {
            let entities = self.entities(reading, &mut known);
            for series in reading.series.iter().filter(|series| !series.points.is_empty()) {
                self.family(series, &entities, &mut known, &mut text, out)?;
            }
        }
        if self.open_metrics {
            text.push_str("# EOF\n");
        }
        out.write_all(text.as_bytes())
    }

    /// The labels of each entity; every metric of it needs them again.
    fn entities(&self, reading: &Reading, known: &mut Vec<Known>) -> Entities {
        let labels = |attributes: &Attributes| {
            let mut text = String::with_capacity(160);
            self.push_labels(attributes, &[], known, &mut text);
            // Ten thousand processes keep these for the time of a page.
            text.shrink_to_fit();
            text
        };
        let labels = reading.entities.iter().map(|entity| &entity.attributes).map(labels).collect();
        let names =
            reading.entities.iter().flat_map(|entity| entity.attributes.iter().map(|(name, _)| *name));
        // A label twice would make Prometheus refuse the whole page; the point's own one says more.
        let names: HashSet<&str> = if self.constant.is_empty() { HashSet::new() } else { names.collect() };
        let clash = names.iter().map(|name| self.names.label(name)).filter(|n| self.constant.contains_key(n));
        Entities { labels, clash: clash.collect() }
    }

    fn family(
        &self,
        series: &Series,
        entities: &Entities,
        known: &mut Vec<Known>,
        text: &mut String,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Some(head) = self.heads.get(series.metric.name) else { return Ok(()) };
        text.push_str(&head.comments);
        let constant = if entities.clash.is_empty() {
            Cow::Borrowed(&head.constant)
        } else {
            let clash = |name: &str| head.own.contains(name) || entities.clash.contains(name);
            Cow::Owned(joined(&self.constant, |name| !clash(name)))
        };
        for point in &series.points {
            let entity =
                point.entity.and_then(|index| entities.labels.get(index as usize)).map_or("", String::as_str);
            if entity.is_empty() && point.attributes.is_empty() && constant.is_empty() {
                text.push_str(&head.alone);
            } else {
                text.push_str(&head.begin);
                for labels in [entity, constant.as_str()] {
                    if !labels.is_empty() {
                        text.push_str(labels);
                        text.push(',');
                    }
                }
                self.push_labels(&point.attributes, &head.known, known, text);
                if text.ends_with(',') {
                    text.pop();
                }
                text.push('}');
            }
            push_value(point.value, text);
            if text.len() >= PIECE {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        Ok(())
    }

    /// `a="1",b="2"`
    fn push_labels(
        &self,
        attributes: &Attributes,
        known: &[Known],
        more: &mut Vec<Known>,
        text: &mut String,
    ) {
        for (at, (name, value)) in attributes.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(written(self.names, name, known, more));
            text.push_str("=\"");
            match value {
                Text::Static(value) => push_escaped(value, text),
                Text::Shared(value) => push_escaped(value, text),
                Text::Int(value) => {
                    // Writing to a string does not fail.
                    let _ = write!(text, "{value}");
                }
            }
            text.push('"');
        }
    }
}

/// The name of an attribute as it is written; a new one goes into `more`.
fn written<'a>(names: Names, name: &'static str, known: &'a [Known], more: &'a mut Vec<Known>) -> &'a str {
    let is_it = |(other, _): &Known| std::ptr::eq(*other, name);
    if let Some((_, written)) = known.iter().find(|known| is_it(known)) {
        return written;
    }
    let at = more.iter().position(is_it).unwrap_or_else(|| {
        more.push((name, quoted(names.label(name))));
        more.len() - 1
    });
    &more[at].1
}

/// A name as it is written: in quotation marks where it is one of those that version 3 of Prometheus brought.
fn quoted(name: String) -> String {
    if is_legacy(&name) { name } else { format!("\"{}\"", escaped(&name)) }
}

fn head(
    names: Names,
    open_metrics: bool,
    metric: &'static Metric,
    constant: &BTreeMap<String, String>,
) -> Head {
    let name = names.metric(metric);
    let plain = is_legacy(&name);
    let counter = metric.kind == Kind::Counter;
    // In OpenMetrics, the family of a counter is named without the ending that its samples must have. One whose
    // name has been left without an ending is no counter there.
    let family = name.strip_suffix("_total").filter(|_| open_metrics && counter);
    let kind = match (counter, open_metrics, family) {
        (true, true, None) => "unknown",
        (true, _, _) => "counter",
        (false, _, _) => "gauge",
    };
    let family = quoted(family.unwrap_or(&name).to_owned());
    let mut help = metric.description.replace('\\', "\\\\").replace('\n', "\\n");
    if open_metrics {
        help = help.replace('"', "\\\"");
    }
    let mut comments = format!("# HELP {family} {help}\n# TYPE {family} {kind}\n");
    let unit = names.unit(metric).filter(|unit| open_metrics && family.trim_end_matches('"').ends_with(unit));
    if let Some(unit) = unit {
        // Writing to a string does not fail.
        let _ = writeln!(comments, "# UNIT {family} {unit}");
    }
    let (begin, alone) = if plain {
        (format!("{name}{{"), name)
    } else {
        (format!("{{{},", quoted(name.clone())), format!("{{{}}}", quoted(name)))
    };
    let labels = || metric.attributes.iter().map(|attribute| (attribute.name, names.label(attribute.name)));
    let own: HashSet<String> = labels().map(|(_, label)| label).collect();
    let known = labels().map(|(name, label)| (name, quoted(label))).collect();
    let constant = joined(constant, |name| !own.contains(name));
    Head { comments, begin, alone, own, known, constant }
}

fn labels(names: Names, attributes: &[(String, String)]) -> BTreeMap<String, String> {
    super::names::labels(names, attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn joined(labels: &BTreeMap<String, String>, keep: impl Fn(&str) -> bool) -> String {
    let kept = labels.iter().filter(|(name, _)| keep(name));
    let pair = |(name, value): (&String, &String)| format!("{}=\"{}\"", quoted(name.clone()), escaped(value));
    kept.map(pair).collect::<Vec<_>>().join(",")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(text, &mut out);
    out
}

fn push_escaped(mut text: &str, out: &mut String) {
    while let Some(at) = text.find(['\\', '"', '\n']) {
        out.push_str(&text[..at]);
        out.push_str(match text.as_bytes()[at] {
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => "\\\\",
        });
        text = &text[at + 1..];
    }
    out.push_str(text);
}

/// The value and the end of the line.
fn push_value(value: Value, text: &mut String) {
    // Writing to a string does not fail.
    let _ = match value {
        Value::Int(value) => writeln!(text, " {value}"),
        Value::Double(value) if value.is_infinite() => {
            writeln!(text, " {}Inf", if value > 0.0 { '+' } else { '-' })
        }
        Value::Double(value) => writeln!(text, " {value}"),
    };
}
