//! A reading as lines for people.

use std::fmt::Write;
use std::time::SystemTime;

use hostmeter::metric::{Attributes, Metric, Point, Reading, Series, Value};

use super::machine::Found;

/// What stands in front, which tells a line from the others, and its value.
pub(crate) type Line = (String, String);

/// Every point as `metric{attributes} value unit`, then what could not be read.
pub(crate) fn points(found: &[Found]) -> Vec<Line> {
    each(found, |reading, series, out| {
        for point in &series.points {
            let Metric { name, unit, .. } = series.metric;
            out.push((format!("{name}{}", attributes(reading, point)), format!("{} {unit}", point.value)));
        }
    })
}

/// Every metric with the number of its points, and the sum of their values: a host of thousands of points.
pub(crate) fn digest(found: &[Found]) -> Vec<Line> {
    each(found, |_, series, out| {
        let sum = sum(series).map(|sum| format!(", sum {sum} {}", series.metric.unit)).unwrap_or_default();
        out.push((series.metric.name.to_owned(), format!("{} points{sum}", series.points.len())));
    })
}

pub(crate) fn all(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |mut out, (key, value)| {
        let _ = writeln!(out, "{}", format!("{key} {value}").trim_end());
        out
    })
}

/// The lines that are new (`+`), gone (`-`) or have another value.
pub(crate) fn changes(before: &[Line], now: &[Line]) -> String {
    let mut out = String::new();
    for (key, value) in now {
        let _ = match before.iter().find(|(known, _)| known == key) {
            Some((_, old)) if old == value => Ok(()),
            Some((_, old)) => writeln!(out, "  {key} {value} (was {})", old.split(' ').next().unwrap()),
            None => writeln!(out, "+ {key} {value}"),
        };
    }
    for (key, value) in before.iter().filter(|(key, _)| now.iter().all(|(other, _)| other != key)) {
        let _ = writeln!(out, "- {key} {value}");
    }
    out
}

fn each(found: &[Found], write: impl Fn(&Reading, &Series, &mut Vec<Line>)) -> Vec<Line> {
    let mut out = Vec::new();
    for Found { reading, problems } in found {
        out.push((format!("== {}", reading.collector), String::new()));
        for entity in &reading.entities {
            let since = format!("since {}", date(entity.start));
            out.push((format!("entity{{{}}}", list(&entity.attributes)), since));
        }
        for series in reading.series.iter().filter(|series| series.enabled) {
            write(reading, series, &mut out);
        }
        for problem in problems {
            out.push((
                format!("problem: {}", problem.kind()),
                problem.to_string().escape_debug().to_string(),
            ));
        }
    }
    out
}

/// Integers are summed as such; a sum of gauges means nothing but that none of them has changed.
fn sum(series: &Series) -> Option<String> {
    let integers = series.points.iter().map(|point| match point.value {
        Value::Int(value) => Some(i128::from(value)),
        Value::Double(_) => None,
    });
    let doubles = || series.points.iter().map(|point| point.value.as_f64()).sum::<f64>();
    let integers: Option<Vec<i128>> = integers.collect();
    let sum =
        integers.map_or_else(|| format!("{:.6}", doubles()), |all| all.iter().sum::<i128>().to_string());
    (!series.points.is_empty()).then_some(sum)
}

/// The attributes of a point. Of an entity's only what tells it from others; the rest is where it is described.
fn attributes(reading: &Reading, point: &Point) -> String {
    let entity = point.entity.map(|at| &reading.entities[at as usize].attributes);
    let alone = entity.is_some_and(|attributes| attributes.len() == 1);
    let identity = |name: &str| alone || ["process.pid", "process.executable.name"].contains(&name);
    let entity: Attributes =
        entity.into_iter().flatten().filter(|(name, _)| identity(name)).cloned().collect();
    let all = list(&[entity, point.attributes.clone()].concat());
    if all.is_empty() { all } else { format!("{{{all}}}") }
}

fn list(attributes: &Attributes) -> String {
    let one = |(name, value): &(&str, hostmeter::metric::Text)| {
        let value = value.to_string();
        // Files belong to whoever runs the test, but for those that a step has given away.
        let hidden = *name == "process.owner" && value != "somebody-else";
        let value = if hidden { "*".to_owned() } else { value.escape_debug().to_string() };
        format!("{name}={value}")
    };
    attributes.iter().map(one).collect::<Vec<_>>().join(",")
}

fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
