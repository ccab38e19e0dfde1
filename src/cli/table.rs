//! `hostmeter once`: a snapshot as a table, grouped by collector, with units.

use std::fmt::Write;

use crate::metric::{Attributes, Kind, Metric, Point, Reading, Snapshot, Value};

/// A longer value of an attribute is cut: a mount point of a container may fill two lines.
const WIDEST: usize = 72;

/// The snapshot as a table.
pub fn render(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for reading in snapshot.readings.iter().filter(|reading| !reading.is_empty()) {
        let _ = writeln!(out, "{} ({} points)", reading.collector, reading.len());
        let rows: Vec<[String; 4]> = reading
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(|point| row(series.metric, reading, point)))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (name, attributes, value) = (width(0), width(1), width(2));
        let mut last = "";
        for row in &rows {
            let shown = if row[0] == last { "" } else { &row[0] };
            let line = format!("  {shown:name$}  {:attributes$}  {:>value$} {}", row[1], row[2], row[3]);
            let _ = writeln!(out, "{}", line.trim_end());
            last = &row[0];
        }
        out.push('\n');
    }
    out
}

fn row(metric: &'static Metric, reading: &Reading, point: &Point) -> [String; 4] {
    let entity = point.entity.and_then(|index| reading.entities.get(index as usize));
    let mut attributes = entity.map(|entity| text(&entity.attributes)).unwrap_or_default();
    if !attributes.is_empty() && !point.attributes.is_empty() {
        attributes.push(' ');
    }
    attributes.push_str(&text(&point.attributes));
    if attributes.chars().count() > WIDEST {
        attributes = attributes.chars().take(WIDEST - 1).chain(['…']).collect();
    }
    let (value, unit) = human(metric, point.value);
    [metric.name.to_owned(), attributes, value, unit]
}

/// Attributes by the last part of their names, which is what tells them apart within a metric.
fn text(attributes: &Attributes) -> String {
    let one = |(name, value): &(&'static str, crate::metric::Text)| {
        let short = name.rsplit('.').next().unwrap_or(name);
        format!("{short}={}", value.to_string().escape_debug())
    };
    // The creation time tells two processes of one pid apart, which within one table cannot be.
    let shown = attributes.iter().filter(|(name, _)| *name != "process.creation.time");
    shown.map(one).collect::<Vec<_>>().join(" ")
}

/// A value for a person: bytes by powers of 1024, ratios as percent, seconds with two digits.
fn human(metric: &Metric, value: Value) -> (String, String) {
    let number = value.as_f64();
    match (metric.unit, metric.kind) {
        ("By", _) => bytes(number),
        ("1", Kind::Gauge) if matches!(value, Value::Double(_)) => {
            (format!("{:.2}", number * 100.0), "%".into())
        }
        ("1", _) => (value.to_string(), String::new()),
        (unit, _) => {
            let value = match value {
                Value::Int(value) => value.to_string(),
                Value::Double(value) if value.abs() < 0.01 && value != 0.0 => format!("{value:.6}"),
                Value::Double(value) => format!("{value:.2}"),
            };
            (value, unit.trim_matches(['{', '}']).to_owned())
        }
    }
}

/// Bytes by powers of 1024, and the unit.
pub(super) fn bytes(number: f64) -> (String, String) {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut number = number;
    let mut unit = 0;
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit != 0);
    (format!("{number:.digits$}"), UNITS[unit].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::SystemTime;

    use crate::metric::ValueType::Double;

    static SHARE: Metric = Metric::gauge("test.share", "1", Double);
    static SIZE: Metric = Metric::updown("test.size", "By");
    static BOTH: &[&Metric] = &[&SHARE, &SIZE];

    #[test]
    fn a_reading_is_a_table_with_units() {
        let mut reading = Reading::new("test", BOTH, |_| true, 9, SystemTime::UNIX_EPOCH);
        reading.push(&SHARE, vec![("a.state", "used".into())], 0.25);
        reading.push(&SHARE, vec![("a.state", "free".into())], 0.75);
        reading.push(&SIZE, vec![("device", "x\ny".to_owned().into())], 1536_i64);
        let text = render(&Snapshot { readings: vec![Arc::new(reading)] });
        let expected = "test (3 points)\n  test.share  state=used   25.00 %\n              \
                        state=free   75.00 %\n  test.size   device=x\\ny    1.5 KiB\n\n";
        assert_eq!(text, expected);
    }
}
