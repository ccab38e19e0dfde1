//! Series written straight from the snapshot: those of metrics with too many points for the SDK.
//!
//! The text is the one that the bridge would give, label by label; a test holds the two against each other.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::metric::{Attributes, Kind, Metric, Reading, Series, Snapshot, Text};

use super::names;

/// Labels as the attribute's name, which orders them, and `name="value"`.
type Labels = Vec<(&'static str, String)>;

/// Text is handed on in pieces of about this size.
const PIECE: usize = 64 << 10;

/// Writes every series of `metrics`, each with the `constant` labels at the end.
pub(super) fn write(
    snapshot: &Snapshot,
    metrics: &[&'static Metric],
    constant: &[(String, String)],
    out: &mut impl Write,
) -> io::Result<()> {
    let constant: Vec<String> = constant.iter().map(|(name, value)| pair(name, value)).collect();
    for reading in &snapshot.readings {
        let mut entities: Option<Vec<Labels>> = None;
        for series in &reading.series {
            if series.points.is_empty() || !metrics.iter().any(|metric| std::ptr::eq(*metric, series.metric))
            {
                continue;
            }
            let entities = entities.get_or_insert_with(|| of_entities(reading));
            family(series, entities, &constant, out)?;
        }
    }
    Ok(())
}

/// The labels of each entity; every metric of it needs them again.
fn of_entities(reading: &Reading) -> Vec<Labels> {
    reading.entities.iter().map(|entity| labels(&entity.attributes)).collect()
}

fn labels(attributes: &Attributes) -> Labels {
    let pair_of =
        |(name, value): &(&'static str, Text)| (*name, pair(&names::label(name), &value.to_string()));
    let mut labels: Labels = attributes.iter().map(pair_of).collect();
    labels.sort_unstable();
    labels
}

/// `name="value"`, escaped as the text format has it.
fn pair(name: &str, value: &str) -> String {
    // Exact in most cases: ten thousand processes keep fifty thousand of these for the time of a page.
    let mut out = String::with_capacity(name.len() + value.len() + 3);
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn family(series: &Series, entities: &[Labels], constant: &[String], out: &mut impl Write) -> io::Result<()> {
    let name = names::name(series.metric);
    let kind = if series.metric.kind == Kind::Counter { "counter" } else { "gauge" };
    let help = series.metric.description.replace('\\', "\\\\").replace('\n', "\\n");
    let mut text = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for point in &series.points {
        let entity = point.entity.and_then(|index| entities.get(index as usize));
        text.push_str(&name);
        braces(entity.map_or(&[], Vec::as_slice), &labels(&point.attributes), constant, &mut text);
        // Writing to a string does not fail.
        let _ = writeln!(text, " {}", point.value.as_f64());
        if text.len() >= PIECE {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    out.write_all(text.as_bytes())
}

/// Two sorted lists as one, and the constant labels, in braces.
fn braces(
    left: &[(&'static str, String)],
    right: &[(&'static str, String)],
    constant: &[String],
    text: &mut String,
) {
    if left.is_empty() && right.is_empty() && constant.is_empty() {
        return;
    }
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut before = '{';
    let mut push = |pair: &str| {
        text.push(std::mem::replace(&mut before, ','));
        text.push_str(pair);
    };
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) => {
                if a <= b {
                    left.next()
                } else {
                    right.next()
                }
            }
            (Some(_), None) => left.next(),
            (None, _) => right.next(),
        };
        let Some((_, pair)) = next else { break };
        push(pair);
    }
    for pair in constant {
        push(pair);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_labels_are_in_order() {
        let own = labels(&vec![("z.y", "a\"b\\c\nd".to_owned().into()), ("b", 7.into())]);
        let mut text = String::new();
        braces(&[("c", pair("c", "1"))], &own, &[pair("a", "2")], &mut text);
        assert_eq!(text, r#"{b="7",c="1",z_y="a\"b\\c\nd",a="2"}"#);
    }
}
