//! The files of older agents.

use std::collections::BTreeMap;

use hostmeter::collectors::schemas;
use hostmeter::config::{Dialect, Imported, Protocol, Text, VmId, import, resolve};

fn environment(said: &[(&str, &str)]) -> BTreeMap<String, String> {
    said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const PSUTIL: &str = "\
agent:
  hostname: web-1
  log_level: INFO
prometheus:
  port: 9101
  bind_address: 0.0.0.0
collectors:
  cpu: {enabled: true, interval: 5}
  process:
    enabled: true
    interval: 30
    top_n: 10
  temperature: {enabled: true}
resource_limits:
  cpu_percent: 5
  memory_mb: 100
";

const VM: &str = "\
collection_interval: 30s
ingestor_endpoint: https://ingest.example.com/v1/metrics
vm_id: auto-detect
log_level: info
collectors:
  cpu: true
  loadavg: true
  diskstats: true
  netdev: false
labels:
  environment: production
  region: eu-west-1
retries: 3
";

fn imported(text: &str) -> Result<Imported, String> {
    import(&schemas(), Text { name: "old.yaml", text }).map_err(|problems| problems.to_string())
}

/// What the new file says, read as any file of ours.
fn config(imported: &Imported) -> hostmeter::config::Config {
    let file = Text { name: "new.yaml", text: &imported.text };
    resolve(&schemas(), Some(file), &environment(&[]), &[]).expect("it is good").config
}

#[test]
fn the_file_of_a_psutil_agent_says_the_same_in_ours() {
    let imported = imported(PSUTIL).unwrap();
    let config = config(&imported);
    assert_eq!(config.agent.name.as_deref(), Some("web-1"));
    assert_eq!((config.prometheus.port, config.prometheus.bind_address.as_str()), (9101, "0.0.0.0"));
    assert_eq!(config.prometheus.dialect, Dialect::Classic);
    assert_eq!(config.collectors["cpu"].interval.as_secs(), 5);
    assert_eq!(config.collectors["process"].interval.as_secs(), 30);
    assert_eq!(config.resource_limits.memory_mb, Some(100));
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    assert!(imported.notes[0].contains("prometheus.dialect is classic"));
    let unknown = &imported.notes[1];
    assert!(unknown.starts_with("old.yaml:13: collectors.temperature: unknown collector; known here: cpu,"));
    assert!(unknown.ends_with("; left out"));
    assert!(imported.text.contains("  port: 9101  # from old.yaml:5\n"), "{}", imported.text);
}

#[test]
fn the_file_of_a_vm_agent_moves_into_sections() {
    let imported = imported(VM).unwrap();
    let config = config(&imported);
    assert_eq!(config.otlp.interval.as_secs(), 30);
    assert_eq!(config.otlp.endpoint.as_deref(), Some("https://ingest.example.com/v1/metrics"));
    assert!(config.otlp.enabled && config.otlp.protocol == Protocol::HttpProtobuf);
    assert_eq!(config.agent.vm_id, VmId::Auto);
    assert_eq!(config.agent.labels["region"], "eu-west-1");
    let on = |name: &str| config.collectors[name].enabled;
    assert_eq!([on("cpu"), on("load"), on("disk"), on("network")], [true, true, true, false]);
    assert_eq!(config.prometheus.dialect, Dialect::Semconv);
    for note in [
        "old.yaml:1: collection_interval is otlp.interval now",
        "old.yaml:2: ingestor_endpoint is otlp.endpoint now",
        "https://ingest.example.com/v1/metrics has a path, so otlp.protocol is http/protobuf: whatever answers \
         there has to speak OTLP",
        "old.yaml:13: retries: unknown section; known here: agent, prometheus, otlp, queue, resource_limits, \
         collectors; left out",
    ] {
        assert!(imported.notes.iter().any(|found| found == note), "{note}: {:?}", imported.notes);
    }
}

#[test]
fn what_was_imported_is_imported_again_without_a_change() {
    for old in [PSUTIL, VM] {
        let once = imported(old).unwrap();
        let twice = imported(&once.text).unwrap();
        assert_eq!(config(&once), config(&twice));
    }
}

#[test]
fn what_contradicts_itself_or_is_wrong_is_refused_with_the_old_line() {
    let refused = |text: &str| imported(text).unwrap_err();
    assert_eq!(
        refused("collectors:\n  load: true\n  loadavg: false\nlog_level: chatty\n"),
        "old.yaml:3: collectors.load: stands on line 2 already\n\
         old.yaml:4: agent.log_level: expected off, error, warn, info, debug or trace, found \"chatty\""
    );
    assert_eq!(
        refused("agent: {log_level: info}\nlog_level: debug\n"),
        "old.yaml:2: agent.log_level: stands on line 1 already"
    );
    assert!(
        refused("collection_interval: soon\n").starts_with("old.yaml:1: otlp.interval: expected a duration")
    );
    assert!(refused("- cpu\n").starts_with("old.yaml:1: expected keys such as"));
    assert!(refused("a: b: c\n").contains("old.yaml:1:"));
    assert!(refused("").contains("expected keys"));
}

#[test]
fn older_names_of_collectors_are_understood_everywhere() {
    let file = Text { name: "f", text: "collectors: {netdev: false, loadavg: {interval: 5s}}" };
    let said = environment(&[("COLLECTOR_DISKSTATS_ENABLED", "false")]);
    let config = resolve(&schemas(), Some(file), &said, &[]).unwrap().config;
    assert!(!config.collectors["network"].enabled && !config.collectors["disk"].enabled);
    assert_eq!(config.collectors["load"].interval.as_secs(), 5);
}

#[test]
fn who_switched_the_network_off_has_no_sockets_counted_unless_he_says_so() {
    let on = |file: &'static str, said: &[(&str, &str)]| {
        let file = Text { name: "f", text: file };
        let loaded = resolve(&schemas(), Some(file), &environment(said), &[]).unwrap();
        let shown = loaded.show().contains("false  # default, as collectors.network is off");
        (loaded.config.collectors["connections"].enabled, shown)
    };
    assert_eq!(on("agent: {}", &[]), (true, false));
    assert_eq!(on("agent: {}", &[("COLLECTOR_NETWORK_ENABLED", "false")]), (false, true));
    assert_eq!(on("collectors: {network: false}", &[]), (false, true));
    assert_eq!(on("collectors: {network: false, connections: true}", &[]), (true, false));
}
