//! What holds for every reading of every host.

use std::collections::HashMap;

use hostmeter::metric::{Kind, Reading, Value, ValueType};

/// What every point keeps: the type, range and attributes of its metric's table, one point a series, and no
/// counter that goes back.
pub(crate) fn points(host: &str, out: &Reading, last: &mut HashMap<String, f64>) {
    for series in &out.series {
        let metric = series.metric;
        let mut seen = HashMap::new();
        for point in &series.points {
            let entity = point.entity.map(|index| &out.entities[index as usize].attributes);
            let at = format!("{host}: {} {:?} {entity:?}", metric.name, point.attributes);
            match (point.value, metric.value) {
                (Value::Int(_), ValueType::Int) => {}
                (Value::Double(value), ValueType::Double) => assert!(value.is_finite(), "{at}: {value}"),
                (value, expected) => panic!("{at}: {value:?} is not {expected}"),
            }
            let value = point.value.as_f64();
            if metric.unit == "1" {
                assert!((0.0..=1.0).contains(&value), "{at}: {value} is no share");
            }
            for (name, text) in &point.attributes {
                let known = metric.attributes.iter().find(|attribute| attribute.name == *name);
                let attribute = known.unwrap_or_else(|| panic!("{at}: {name} is not in the table"));
                let text = text.to_string();
                let open = attribute.values.is_empty();
                assert!(open || attribute.values.contains(&text.as_str()), "{at}: {text}");
            }
            if metric.kind == Kind::Counter {
                let before = last.insert(at.clone(), value).unwrap_or(0.0);
                assert!(before <= value, "{at}: from {before} back to {value}");
            }
            assert!(seen.insert(at.clone(), value).is_none(), "{at}: twice");
        }
    }
}
