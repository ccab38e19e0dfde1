//! A reading as lines for people.

use std::fmt::Write;
use std::time::SystemTime;

use hostmeter::metric::{Attributes, Metric, Point, Reading, Series, Value};

use super::machine::Found;

/// Every point as `metric{attributes} value unit`, those of an entity with the attributes of the entity in
/// front, then what could not be read.
pub(crate) fn points(found: &[Found]) -> String {
    each(found, |reading, series, out| {
        for point in &series.points {
            let value = point.value;
            let attributes = attributes(reading, point);
            let Metric { name, unit, .. } = series.metric;
            let _ = writeln!(out, "{name}{attributes} {value} {unit}");
        }
    })
}

/// Every metric with the number of its points, and the sum of their values: a host of thousands of points.
pub(crate) fn digest(found: &[Found]) -> String {
    each(found, |_, series, out| {
        let Metric { name, unit, .. } = series.metric;
        let count = series.points.len();
        let sum = sum(series).map(|sum| format!(", sum {sum} {unit}")).unwrap_or_default();
        let _ = writeln!(out, "{name} {count} points{sum}");
    })
}

fn each(found: &[Found], write: impl Fn(&Reading, &Series, &mut String)) -> String {
    let mut out = String::new();
    for Found { reading, problems } in found {
        let _ = writeln!(out, "== {}", reading.collector);
        for entity in &reading.entities {
            let _ = writeln!(out, "entity{{{}}} since {}", list(&entity.attributes), date(entity.start));
        }
        for series in reading.series.iter().filter(|series| series.enabled) {
            write(reading, series, &mut out);
        }
        for problem in problems {
            let _ = writeln!(out, "problem: {}: {}", problem.kind(), problem.to_string().escape_debug());
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

fn attributes(reading: &Reading, point: &Point) -> String {
    // The attributes that identify an entity are enough here; the others stand where it is described.
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
        let hidden = *name == "process.owner" && value != "nobody";
        let value = if hidden { "*".to_owned() } else { value.escape_debug().to_string() };
        format!("{name}={value}")
    };
    attributes.iter().map(one).collect::<Vec<_>>().join(",")
}

fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    format!("{seconds}")
}
