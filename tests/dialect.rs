//! The dialect of a psutil agent, told of whole hosts.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hostmeter::collectors::ALL;
use hostmeter::dialect::{About, CLASSIC_NEEDS, Dialect, Voice, classic};
use hostmeter::export::prometheus::{Page, Settings, Shape, name};
use hostmeter::host::Host;
use hostmeter::resource::{Given, Resource};
use hostmeter::sampler::{FRESH, Sampler, Source};

const BUDGET: Duration = Duration::from_secs(5);

fn voice(dialect: Dialect) -> Voice {
    Voice::new(dialect, About { version: "1.2.3".to_owned(), host_name: "web-1".to_owned(), cpus: 4 })
}

/// The page of a fixture host in a dialect.
fn page(host: &str, dialect: Dialect) -> String {
    let root = support::unpack(host);
    let host = Arc::new(Host::at(root.path()).expect("a host"));
    let sources = ALL.iter().map(|&spec| {
        let needed = CLASSIC_NEEDS.iter().filter(|(collector, _)| *collector == spec.name);
        let metrics: BTreeMap<_, _> = needed.map(|(_, metric)| ((*metric).to_owned(), true)).collect();
        Source { metrics, ..Source::new(spec) }
    });
    let resource = Resource::detect(&host, &Given::default(), |_| None);
    let sampler = Arc::new(Sampler::start(host, sources.collect(), Arc::default()).expect("it starts"));
    let settings = Settings { voice: voice(dialect), ..Settings::default() };
    let page = Page::new(Arc::clone(&sampler), &resource, &settings);
    // Rates, and what the agent says of its collectors, need two readings.
    sampler.snapshot(BUDGET);
    work(root.path());
    std::thread::sleep(FRESH + Duration::from_millis(50));
    let rendered = page.render(Shape::default(), BUDGET).expect("it is rendered");
    String::from_utf8(rendered.plain().to_vec()).expect("UTF-8")
}

/// Every CPU works for a second and rests for three.
fn work(root: &Path) {
    let path = root.join("proc/stat");
    let stat = std::fs::read_to_string(&path).expect("the recording has it");
    let line = |line: &str| {
        let mut fields: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        for (at, ticks) in [(1, 100), (4, 300)].into_iter().filter(|_| line.starts_with("cpu")) {
            fields[at] = (fields[at].parse::<u64>().expect("ticks") + ticks).to_string();
        }
        fields.join(" ") + "\n"
    };
    std::fs::write(path, stat.lines().map(line).collect::<String>()).expect("it can be written");
}

/// The names of the page with the names of their labels.
fn shapes(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, labels) =
                line.split_once('{').unwrap_or((line.split(' ').next().unwrap_or_default(), ""));
            let labels = labels.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0));
            format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(","))
        })
        .filter(|shape| !shape.starts_with("target_info"))
        .collect()
}

/// The table of the older agent, by hand.
const CLASSIC: [&str; 33] = [
    "cpu_usage_percent{}",
    "cpu_usage_percent_per_core{core}",
    "cpu_load_average{period}",
    "cpu_time_seconds{mode}",
    "memory_total_bytes{}",
    "memory_used_bytes{}",
    "memory_available_bytes{}",
    "memory_cached_bytes{}",
    "memory_usage_percent{}",
    "swap_total_bytes{}",
    "swap_used_bytes{}",
    "swap_usage_percent{}",
    "disk_usage_bytes{mount_point,type}",
    "disk_usage_percent{mount_point}",
    "disk_io_read_bytes_total{device}",
    "disk_io_write_bytes_total{device}",
    "disk_io_read_operations_total{device}",
    "disk_io_write_operations_total{device}",
    "network_receive_bytes_total{interface}",
    "network_transmit_bytes_total{interface}",
    "network_receive_packets_total{interface}",
    "network_transmit_packets_total{interface}",
    "network_receive_errors_total{interface}",
    "network_transmit_errors_total{interface}",
    "network_connections{state}",
    "process_cpu_percent{pid,name,user}",
    "process_memory_bytes{pid,name,user}",
    "process_runtime_seconds{pid,name,user}",
    "agent_info{version,hostname}",
    "agent_collector_last_success_timestamp{collector}",
    "agent_collector_errors_total{collector}",
    "agent_collector_duration_seconds{collector}",
    "agent_collector_status{collector}",
];

#[test]
fn every_name_and_label_of_the_older_agent_is_there_and_no_other() {
    let expected: BTreeSet<String> = CLASSIC.iter().map(|row| (*row).to_owned()).collect();
    let named: BTreeSet<String> = classic()
        .map(|metric| {
            let labels: Vec<_> = metric.attributes.iter().map(|attribute| attribute.name).collect();
            format!("{}{{{}}}", name(metric), labels.join(","))
        })
        .collect();
    assert_eq!(named, expected);
    let told = shapes(&page("vm", Dialect::Classic));
    // A recording has no file system to ask, and a process of it does nothing between two readings.
    let missing: Vec<_> = expected.difference(&told).filter(|row| !row.starts_with("disk_usage")).collect();
    assert_eq!(missing, [""; 0]);
    assert_eq!(told.difference(&expected).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_values_are_those_that_psutil_computes() {
    let page = page("vm", Dialect::Both);
    let value = |series: &str| -> f64 {
        let line =
            page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{series}\n{page}"));
        line.rsplit_once(' ').expect("a value").1.parse().expect("a number")
    };
    let near = |series: &str, expected: f64| {
        assert!((value(series) - expected).abs() < 1e-6, "{series}: {}", value(series));
    };
    near("cpu_usage_percent", 25.0);
    near("cpu_usage_percent_per_core{core=\"1\"}", 25.0);
    near("cpu_time_seconds{mode=\"user\"}", value("system_cpu_time_seconds_total{cpu_mode=\"user\"}"));
    near("memory_used_bytes", value("memory_total_bytes") - value("memory_available_bytes"));
    near("memory_usage_percent", 100.0 * value("memory_used_bytes") / value("memory_total_bytes"));
    near("cpu_load_average{period=\"5m\"}", value("system_cpu_load_average_5m"));
    near("agent_info{version=\"1.2.3\",hostname=\"web-1\"}", 1.0);
    near("agent_collector_status{collector=\"cpu\"}", 1.0);
    near("agent_collector_errors_total{collector=\"cpu\"}", 0.0);
}
