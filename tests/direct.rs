//! Large views are written straight from the snapshot, small ones through the instruments: the same page.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hostmeter::collectors::ALL;
use hostmeter::export::prometheus::{Page, Settings};
use hostmeter::host::Host;
use hostmeter::resource::{Given, Resource};
use hostmeter::sampler::{Sampler, Source};

/// The lines of the page of one fixture host, of all processes up to a ceiling.
fn page(root: &std::path::Path, ceiling: usize, settings: &Settings) -> Vec<String> {
    let spec = ALL.iter().find(|spec| spec.name == "process").expect("it is in the list");
    let section = spec.section(&format!("{{view: all, ceiling: {ceiling}}}")).expect("good settings");
    let source = Source { spec, section, interval: Duration::ZERO, metrics: BTreeMap::new() };
    let host = Arc::new(Host::at(root).expect("a host"));
    let resource = Resource::detect(&host, &Given::default(), |_| None);
    let sampler = Arc::new(Sampler::start(host, vec![source], Arc::default()).expect("it starts"));
    let page = Page::new(sampler, &resource, settings).expect("a page");
    let rendered = page.render(Duration::from_secs(5)).expect("it is rendered");
    let text = String::from_utf8(rendered.plain().to_vec()).expect("UTF-8");
    let mut lines: Vec<String> = text.lines().map(in_order).collect();
    lines.sort_unstable();
    lines
}

/// A line with its labels in a fixed order: the bridge has none for those of the resource.
fn in_order(line: &str) -> String {
    let Some((name, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) else {
        return line.to_owned();
    };
    let (labels, value) = rest.rsplit_once('}').expect("a closing brace");
    let mut labels: Vec<_> = labels.trim_end_matches('"').split("\",").collect();
    labels.sort_unstable();
    format!("{name}{{{}}}{value}", labels.join("\","))
}

#[test]
fn a_page_written_straight_is_the_one_that_comes_through_the_instruments() {
    for host in ["vm", "container"] {
        let root = support::unpack(host);
        let resource_labels = vec!["host.name".to_owned(), "host.id".to_owned()];
        for settings in
            [Settings::default(), Settings { scope_labels: true, resource_labels, ..Settings::default() }]
        {
            let through = page(root.path(), 100, &settings);
            assert!(through.len() > 30, "{host}: {} lines", through.len());
            let straight = page(root.path(), 5000, &settings);
            let only = |a: &[String], b: &[String]| a.iter().find(|line| !b.contains(line)).cloned();
            assert_eq!((only(&straight, &through), only(&through, &straight)), (None, None), "{host}");
            assert_eq!(straight.len(), through.len(), "{host}");
        }
    }
}
