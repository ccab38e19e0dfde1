//! What holds, and where it comes from.

use std::collections::BTreeMap;
use std::time::Duration;

use hostmeter::config::{Compression, Level, Temporality, Tls, VmId};
use serde::Deserialize;

use crate::Said;

#[test]
fn without_any_word_the_defaults_hold() {
    for nothing in [
        "",
        "# nothing\n",
        "agent:\notlp:\ncollectors:\n  cpu:\n",
        "agent: {name: ' ', root: ''}\notlp: {endpoint: ''}",
    ] {
        let config = Said::file(nothing).config();
        assert_eq!(config.agent.log_level, Level::Info);
        assert_eq!((config.agent.name, config.agent.root, config.agent.vm_id), (None, None, VmId::Auto));
        assert!(config.prometheus.enabled && !config.prometheus.scope_labels);
        assert_eq!((config.prometheus.bind_address.as_str(), config.prometheus.port), ("localhost", 9464));
        assert!(!config.otlp.enabled && config.otlp.endpoint.is_none());
        assert_eq!(config.otlp.interval, Duration::from_secs(15));
        assert_eq!(config.otlp.compression, Compression::Gzip);
        assert_eq!(config.queue.memory_limit, 8 << 20);
        assert_eq!(config.queue.max_age, Duration::from_hours(24));
        assert_eq!(config.queue.directory, None);
        assert_eq!((config.queue.max_bytes, config.queue.min_free), (256 << 20, 256 << 20));
        let cpu = &config.collectors["cpu"];
        assert!(cpu.enabled && cpu.interval.is_zero() && cpu.settings.is_empty());
        assert!(cpu.metrics["system.cpu.time"] && !cpu.metrics["system.cpu.frequency"]);
    }
}

#[test]
fn a_collector_gets_its_own_settings_typed() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Own {
        top_n: usize,
        owners: Vec<String>,
        attributes: BTreeMap<String, bool>,
        cache: Cache,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Cache {
        age: Duration,
        limit: u64,
    }
    let said = Said::file(
        "collectors: {process: {top_n: 5, attributes: {process.owner: true}, cache: {age: 90}, interval: 1m}}",
    )
    .env("HOSTMETER_COLLECTORS__PROCESS__OWNERS", "root, 1000")
    .env("HOSTMETER_COLLECTORS__PROCESS__CACHE__LIMIT", "1MiB");
    let process = said.config().collectors.remove("process").unwrap();
    assert_eq!(process.interval, Duration::from_mins(1));
    let own = hostmeter::collectors::Section(process.settings).get::<Own>().unwrap();
    let owners = vec!["root".to_owned(), "1000".to_owned()];
    let attributes = BTreeMap::from([("process.owner".to_owned(), true)]);
    let cache = Cache { age: Duration::from_secs(90), limit: 1 << 20 };
    assert_eq!(own, Own { top_n: 5, owners, attributes, cache });
}

#[test]
fn the_command_line_beats_the_environment_and_that_the_file() {
    let mut said = Said::file("agent:\n  log_level: error\n");
    assert_eq!(said.shown("log_level"), "log_level: error  # from hostmeter.yaml:2");
    for (name, value, level) in [
        ("LOG_LEVEL", "WARNING", "warn"),
        ("SC_LOG_LEVEL", "info", "info"),
        ("OTEL_LOG_LEVEL", "DEBUG", "debug"),
        ("HOSTMETER_AGENT__LOG_LEVEL", "error", "error"),
    ] {
        said = said.env(name, value);
        assert_eq!(said.config().agent.log_level.as_str(), level);
        assert_eq!(
            said.shown("log_level"),
            format!("log_level: {level}  # from environment variable {name}")
        );
    }
    let said = said.flag("--log-level", "agent.log_level", "TRACE");
    assert_eq!(said.config().agent.log_level, Level::Trace);
    assert_eq!(said.shown("log_level"), "log_level: trace  # from --log-level");

    let said =
        Said::file("otlp: {timeout: 1m}\nqueue:\n  max_age: 90\n").env("OTEL_EXPORTER_OTLP_TIMEOUT", "200");
    let timeout = "timeout: 200ms  # from environment variable OTEL_EXPORTER_OTLP_TIMEOUT";
    assert_eq!(said.shown("timeout"), timeout);
    assert_eq!(said.shown("max_age"), "max_age: 1m 30s  # from hostmeter.yaml:3");
    assert_eq!(said.shown("memory_limit"), "memory_limit: 8MiB  # default");
}

#[test]
fn labels_of_all_places_add_up() {
    let said = Said::file("agent: {labels: {a: 1.10, b: file, c: file}}")
        .env("OTEL_RESOURCE_ATTRIBUTES", "b=env,d=x%20y,service.name=one")
        .env("HOSTMETER_AGENT__LABELS", "d=own")
        .env("OTEL_SERVICE_NAME", "two")
        .flag("--label", "agent.labels", "c=flag");
    let labels = said.config().agent.labels;
    let expected = [("a", "1.10"), ("b", "env"), ("c", "flag"), ("d", "own"), ("service.name", "two")];
    assert_eq!(labels, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(said.shown("c:"), "c: flag  # from --label");
    assert_eq!(said.shown("a:"), r#"a: "1.10"  # from hostmeter.yaml:1"#);
}

#[test]
fn what_older_agents_say_is_understood() {
    let config = Said::file(
        "agent: {hostname: web-1, log_level: WARNING}\n\
         prometheus: {port: 9100, bind_address: 0.0.0.0}\n\
         collectors: {cpu: {enabled: true, interval: 15}, process: {top_n: 10}}\n\
         resource_limits: {cpu_percent: 2.5, memory_mb: 100}\n",
    )
    .env("PROMETHEUS_PORT", "9999")
    .env("COLLECTOR_CPU_INTERVAL", "30")
    .env("COLLECTOR_PROCESS_ENABLED", "False")
    .env("SC_COLLECTION_INTERVAL", "60s")
    .env("SC_INGESTOR_ENDPOINT", "https://ingest.example.com:4317")
    .env("COLLECTOR_OTLP_ENABLED", "not ours")
    .config();
    assert_eq!((config.agent.name.as_deref(), config.agent.log_level), (Some("web-1"), Level::Warn));
    assert_eq!((config.prometheus.port, config.prometheus.bind_address.as_str()), (9999, "0.0.0.0"));
    assert_eq!(config.collectors["cpu"].interval, Duration::from_secs(30));
    assert!(!config.collectors["process"].enabled);
    assert_eq!(
        (config.resource_limits.cpu_percent, config.resource_limits.memory_mb),
        (Some(2.5), Some(100))
    );
    assert_eq!(config.otlp.interval, Duration::from_mins(1));
    assert!(config.otlp.enabled);
    assert_eq!(config.otlp.endpoint.as_deref(), Some("https://ingest.example.com:4317"));
}

#[test]
fn a_collector_is_switched_in_a_word() {
    let config = Said::file("collectors:\n  cpu: false\n  process: true\n").config();
    assert!(!config.collectors["cpu"].enabled && config.collectors["process"].enabled);
}

#[test]
fn the_variables_of_the_specification_are_read() {
    let config = Said::file("otlp: {headers: {x-tenant: file}}")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4317")
        .env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://two:4317")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20a=b,x-scope=1")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "ZSTD")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "2500")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "60000")
        .env("OTEL_EXPORTER_PROMETHEUS_HOST", "::")
        .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0")
        .env("OTEL_LOG_LEVEL", "")
        .config();
    assert_eq!(config.otlp.endpoint.as_deref(), Some("https://two:4317"));
    assert_eq!(config.otlp.compression, Compression::Zstd);
    assert_eq!(config.otlp.timeout, Duration::from_millis(2500));
    assert_eq!(config.otlp.interval, Duration::from_mins(1));
    let headers: Vec<_> =
        config.otlp.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("authorization", "Bearer a=b"), ("x-scope", "1"), ("x-tenant", "file")]);
    assert_eq!((config.prometheus.bind_address.as_str(), config.prometheus.port), ("::", 0));
}

#[test]
fn the_variables_decide_which_ways_out_run() {
    let lanes = |said: Said| (said.config().prometheus.enabled, said.config().otlp.enabled);
    let endpoint = || Said::file("otlp: {endpoint: 'http://localhost:4317'}");
    assert_eq!(lanes(Said::default()), (true, false));
    assert_eq!(lanes(endpoint()), (true, true));
    assert_eq!(lanes(endpoint().env("OTEL_METRICS_EXPORTER", "prometheus")), (true, false));
    assert_eq!(lanes(Said::default().env("OTEL_METRICS_EXPORTER", "otlp,Prometheus")), (true, true));
    assert_eq!(lanes(endpoint().env("OTEL_METRICS_EXPORTER", "none")), (false, false));
    let disabled = || endpoint().env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_SDK_DISABLED", "true");
    assert_eq!(lanes(disabled()), (false, false));
    assert_eq!(lanes(disabled().env("HOSTMETER_PROMETHEUS__ENABLED", "true")), (true, false));
    assert_eq!(lanes(endpoint().env("OTEL_SDK_DISABLED", "false")), (true, true));
    assert_eq!(lanes(endpoint().flag("--no-otlp", "otlp.enabled", "false")), (true, false));

    let pushed = Said::default().env("OTEL_METRICS_EXPORTER", "otlp");
    assert_eq!(pushed.config().otlp.endpoint.as_deref(), Some("http://localhost:4317"));
    let shown = "endpoint: http://localhost:4317  # default of the OpenTelemetry specification";
    assert_eq!(pushed.shown("endpoint"), shown);
}

#[test]
fn what_kubernetes_tells_of_its_services_is_not_meant_for_us() {
    let config = Said::default()
        .env("PROMETHEUS_PORT", "tcp://10.0.0.1:9090")
        .env("HOSTMETER_SERVICE_HOST", "10.0.0.2")
        .env("HOSTMETER_SERVICE_PORT_HTTP_METRICS", "9464")
        .env("HOSTMETER_PORT", "tcp://10.0.0.2:9464")
        .env("HOSTMETER_AGENT_PORT_9464_TCP_PROTO", "tcp")
        .config();
    assert_eq!(config, Said::default().config());
    let own = Said::default().env("HOSTMETER_PROMETHEUS__PORT", "tcp://10.0.0.1:9090");
    assert_eq!(own.problems().len(), 1);
}

#[test]
fn over_http_the_path_is_added_to_an_endpoint_for_all_signals() {
    let endpoint =
        |said: Said| said.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf").config().otlp.endpoint;
    let general = |url: &str| endpoint(Said::default().env("OTEL_EXPORTER_OTLP_ENDPOINT", url));
    assert_eq!(general("http://a:4318").as_deref(), Some("http://a:4318/v1/metrics"));
    assert_eq!(general("http://a:4318/base/").as_deref(), Some("http://a:4318/base/v1/metrics"));
    assert_eq!(general("http://a:4318/v1/metrics").as_deref(), Some("http://a:4318/v1/metrics"));
    let special = |url: &str| endpoint(Said::default().env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url));
    assert_eq!(special("http://a:4318/otlp").as_deref(), Some("http://a:4318/otlp"));
    assert_eq!(special("http://a:4318").as_deref(), Some("http://a:4318"));
    let nowhere = Said::default().env("OTEL_METRICS_EXPORTER", "otlp");
    assert_eq!(endpoint(nowhere).as_deref(), Some("http://localhost:4318/v1/metrics"));
}

#[test]
fn the_variables_for_tls_are_read_and_those_for_metrics_are_stronger() {
    let config = Said::file("otlp: {tls: {server_name: collector}}")
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca")
        .env("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/metrics-ca")
        .env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/cert")
        .env("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key")
        .env("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/metrics-key")
        .config();
    let Tls { ca_file, cert_file, key_file, server_name } = config.otlp.tls;
    assert_eq!(ca_file, Some("/metrics-ca".into()));
    assert_eq!((cert_file, key_file), (Some("/cert".into()), Some("/metrics-key".into())));
    assert_eq!(server_name.as_deref(), Some("collector"));
}

#[test]
fn the_preference_for_deltas_is_read_in_any_case() {
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    assert_eq!(Said::default().config().otlp.temporality, Temporality::Cumulative);
    assert_eq!(Said::default().env(name, "Delta").config().otlp.temporality, Temporality::Delta);
    assert_eq!(Said::default().env(name, "LowMemory").config().otlp.temporality, Temporality::Lowmemory);
}
