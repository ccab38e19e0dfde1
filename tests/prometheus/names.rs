//! Every metric that there is, under the name that the catalogue says.

use std::collections::BTreeSet;

use hostmeter::collectors::{ALL, Collector, Spec};
use hostmeter::export::prometheus::name;
use hostmeter::host::{Error, Host};
use hostmeter::metric::{Kind, Metric, Reading, Text, ValueType};

use super::agent::Plan;
use super::text::read;

/// One point of every metric, with every attribute.
struct Every(&'static [&'static Metric]);

impl Collector for Every {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        for metric in self.0 {
            let value = |values: &'static [&'static str]| Text::from(values.first().copied().unwrap_or("x"));
            let attributes = metric.attributes.iter().map(|a| (a.name, value(a.values))).collect();
            match metric.value {
                ValueType::Int => out.push(metric, attributes, 3_i64),
                ValueType::Double => out.push(metric, attributes, 0.5),
            }
        }
        Ok(())
    }
}

fn all() -> &'static [&'static Metric] {
    ALL.iter().flat_map(|spec| spec.metrics).copied().collect::<Vec<_>>().leak()
}

#[test]
fn every_metric_is_named_as_the_catalogue_says() {
    let spec: &'static Spec = Box::leak(Box::new(Spec {
        name: "every",
        about: "Every metric",
        metrics: all(),
        settings: &[],
        build: |_, _| Ok(Box::new(Every(all()))),
    }));
    let agent = Plan { specs: vec![spec], everything: true, ..Plan::default() }.start();
    let mut families = read(&agent.metrics());
    families.remove("target_info");
    for metric in all() {
        let name = name(metric);
        let family = families.remove(&name).unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(family.kind, if metric.kind == Kind::Counter { "counter" } else { "gauge" }, "{name}");
        assert_eq!(family.help, metric.description);
        let [(labels, _)] = family.samples.as_slice() else { panic!("{name}: {:?}", family.samples) };
        let found: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
        let expected: Vec<String> = metric.attributes.iter().map(|a| a.name.replace('.', "_")).collect();
        assert_eq!(found, expected.iter().map(String::as_str).collect(), "{name}");
    }
    assert!(families.is_empty(), "nobody said that there is {:?}", families.keys());
}
