//! What is said when it is wrong, word for word.

use crate::Said;

#[test]
fn secrets_are_never_shown() {
    let said = Said::file("otlp: {endpoint: 'https://a', headers: {authorization: s3cret, x: s3cret}}")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "y=s3cret");
    let loaded = said.load().unwrap();
    assert_eq!(loaded.config.otlp.headers["y"].expose(), "s3cret");
    assert!(!loaded.show().contains("s3cret"));
    assert!(!format!("{loaded:?}").contains("s3cret"));
    assert_eq!(said.shown("y:"), r#"y: "***"  # from environment variable OTEL_EXPORTER_OTLP_HEADERS"#);

    for wrong in [
        Said::file("otlp: {headers: {a b: s3cret, x: 's3cret\n\n.', y: [s3cret]}}"),
        Said::file("otlp: {headers: s3cret}"),
        Said::file("otlp: {headers: [s3cret]}"),
        Said::file("otlp: {endpoint: 'http://a:s3cret@b'}"),
        Said::default().env("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
        Said::default().env("OTEL_EXPORTER_OTLP_HEADERS", "te=s3cret"),
        Said::file("otlp: {endpoint: 'http://b', headers: {a: s3cret}}"),
    ] {
        let problems = wrong.problems();
        assert!(!problems.concat().contains("s3cret"), "{problems:?}");
    }
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_the_remedy() {
    let said = Said::file(
        "agent:
  lables: {a: b}
  log_level: loud
prometheus:
  port: 123456
  bind_address: localhost:9464
  scope_labels: yes
  resource_constant_labels: host.name
otlp:
  endpoint: alloy:4317
  intervall: 30s
  interval: 50ms
  compression: lz4
  port: 1
queue: [1, 2]
collectors:
  cpu:
    metrics:
      system.cpu.tmie: false
      system.cpu.frequency: maybe
  loadavg: true
  process: sometimes
  network: {}
  cpu: false
log_format: json
prometheus:
  enabled: false
",
    )
    .env("OTEL_EXPORTER_OTLP_TIMEOUT", "10s later")
    .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    .env("OTEL_METRICS_EXPORTER", "console,otlp")
    .env("OTEL_SDK_DISABLED", "1")
    .env("HOSTMETER_OTLP_INTERVAL", "1s")
    .env("HOSTMETER_XYZ", "1")
    .flag("--set", "otlp.intervall", "1s")
    .flag("--port", "prometheus.port", "http");
    assert_eq!(
        said.problems(),
        [
            r#"hostmeter.yaml:2: agent.lables: unknown key; did you mean "labels"?"#,
            r#"hostmeter.yaml:3: agent.log_level: expected off, error, warn, info, debug or trace, found "loud""#,
            "hostmeter.yaml:5: prometheus.port: expected a whole number from 0 to 65535, found 123456",
            r#"hostmeter.yaml:6: prometheus.bind_address: expected a host name or an IP address without a port, found "localhost:9464""#,
            r#"hostmeter.yaml:7: prometheus.scope_labels: expected true or false, found "yes""#,
            r#"hostmeter.yaml:8: prometheus.resource_constant_labels: expected a list of texts, found "host.name""#,
            r#"hostmeter.yaml:10: otlp.endpoint: expected an address such as http://localhost:4317, found "alloy:4317"; did you mean "http://alloy:4317"?"#,
            r#"hostmeter.yaml:11: otlp.intervall: unknown key; did you mean "interval"?"#,
            r#"hostmeter.yaml:12: otlp.interval: expected a duration from 1s to 1h, found "50ms""#,
            r#"hostmeter.yaml:13: otlp.compression: expected gzip, zstd or none, found "lz4""#,
            r#"hostmeter.yaml:14: otlp.port: unknown key; did you mean "prometheus.port"?"#,
            r#"hostmeter.yaml:15: queue: expected a section with keys such as "memory_limit", found a list"#,
            r#"hostmeter.yaml:19: collectors.cpu.metrics.system.cpu.tmie: unknown metric; did you mean "system.cpu.time"?"#,
            r#"hostmeter.yaml:20: collectors.cpu.metrics.system.cpu.frequency: expected true or false, found "maybe""#,
            "hostmeter.yaml:21: collectors.loadavg: unknown collector; known here: cpu, process",
            r#"hostmeter.yaml:22: collectors.process: expected true, false or a section, found "sometimes""#,
            "hostmeter.yaml:23: collectors.network: unknown collector; known here: cpu, process",
            "hostmeter.yaml:24: collectors.cpu: stands on line 17 already",
            r#"hostmeter.yaml:25: log_format: unknown section; did you mean "agent.log_format"?"#,
            "hostmeter.yaml:26: prometheus: stands on line 4 already",
            r#"environment variable OTEL_METRICS_EXPORTER: expected otlp, prometheus or none, separated by commas, found "console""#,
            "environment variable OTEL_SDK_DISABLED: expected true or false, found 1",
            r#"environment variable OTEL_EXPORTER_OTLP_PROTOCOL: otlp.protocol: expected grpc or http/protobuf, found "http/json""#,
            r#"environment variable OTEL_EXPORTER_OTLP_TIMEOUT: otlp.timeout: expected a duration from 100ms to 5m, found "10s later""#,
            "environment variable HOSTMETER_OTLP_INTERVAL: unknown variable; did you mean HOSTMETER_OTLP__INTERVAL?",
            "environment variable HOSTMETER_XYZ: unknown variable; ours are called HOSTMETER_<SECTION>__<KEY>",
            r#"--set: otlp.intervall: unknown key; did you mean "otlp.interval"?"#,
            r#"--port: prometheus.port: expected a whole number from 0 to 65535, found "http""#,
        ]
    );
}

#[test]
fn a_file_that_is_no_configuration_is_told_in_a_line() {
    for (file, told) in [
        (
            "just a text",
            r#"hostmeter.yaml:1: expected a section with keys such as "agent", found "just a text""#,
        ),
        ("- agent\n", r#"hostmeter.yaml:1: expected a section with keys such as "agent", found a list"#),
        (
            "agent:\n  name: a: b\n",
            r#"hostmeter.yaml:2:10: not YAML: mapping values are not allowed in this context; a text with ": " in it stands in quotes"#,
        ),
        (
            "prometheus.port: 1",
            "hostmeter.yaml:1: prometheus.port: unknown section; each part of a key stands on a line of its own, below the part before it",
        ),
        ("agent: {}\n---\notlp: {}\n", "hostmeter.yaml:2: expected one YAML document, found a second one"),
        ("agent:\n  name: !env HOST\n", r#"hostmeter.yaml:2: YAML tags such as "!env" are not supported"#),
        (
            "agent: {labels: {a: {b: c}}}",
            "hostmeter.yaml:1: agent.labels.a: expected a text, found a section",
        ),
        ("agent: {labels: {a: b, a: c}}", "hostmeter.yaml:1: agent.labels.a: stands on line 1 already"),
        ("otlp: {headers: {A: b, a: c}}", "hostmeter.yaml:1: otlp.headers.a: stands on line 1 already"),
        (
            "prometheus: {resource_constant_labels: [a, [b]]}",
            "hostmeter.yaml:1: prometheus.resource_constant_labels: expected a text, found a list",
        ),
        (
            "collectors: {process: {cache: 1m}}",
            r#"hostmeter.yaml:1: collectors.process.cache: expected a section with keys such as "age", found "1m""#,
        ),
    ] {
        assert_eq!(Said::file(file).problems(), [told], "{file}");
    }
    let invalid = Said::file("agent:\n  name: [a\notlp:\n").problems();
    assert_eq!(invalid, ["hostmeter.yaml:3:5: not YAML: illegal placement of ':' indicator"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let said = Said::file("agent:\n  labels:\n    a.b: 1\n").env("OTEL_RESOURCE_ATTRIBUTES", "a_b=2");
    let told = r#"environment variable OTEL_RESOURCE_ATTRIBUTES: agent.labels.a_b: Prometheus shows it as "a_b", and so it does "a.b"; rename one"#;
    assert_eq!(said.problems(), [told]);

    let said = || Said::file("otlp:\n  endpoint: http://10.0.0.1:4317\n  headers: {a: b}\n");
    let told = r#"hostmeter.yaml:2: otlp.endpoint: expected https, because there are headers, found "http://10.0.0.1:4317"; otlp.insecure: true lets them travel unencrypted"#;
    assert_eq!(said().problems(), [told]);
    for allowed in [
        said().env("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        said().env("OTEL_METRICS_EXPORTER", "prometheus"),
        said().env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://10.0.0.1:4317"),
        said().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"),
        said().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:4317"),
        said().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost"),
    ] {
        assert!(allowed.load().is_ok());
    }
}

#[test]
fn what_belongs_together_is_asked_for() {
    let said = Said::file("otlp:\n  tls: {cert_file: a}\n").env("OTEL_EXPORTER_OTLP_CLIENT_KEY", "");
    let told = "hostmeter.yaml:2: otlp.tls.cert_file: expected otlp.tls.key_file as well";
    assert_eq!(said.problems(), [told]);
    let said = Said::default().env("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "a");
    let told = "environment variable OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY: otlp.tls.key_file: expected otlp.tls.cert_file as well";
    assert_eq!(said.problems(), [told]);
    let said = Said::file("otlp: {endpoint: 'http://a:4318/v1/metrics'}");
    let told = r#"hostmeter.yaml:1: otlp.endpoint: expected an address such as http://localhost:4317, found "http://a:4318/v1/metrics"; OTLP over gRPC has no path: leave it out, or set otlp.protocol: http/protobuf"#;
    assert_eq!(said.problems(), [told]);
}

#[test]
fn a_token_in_a_file_leaves_the_host_encrypted_as_well() {
    for key in ["bearer_token_file", "headers_file"] {
        let said = || {
            let said = Said::default().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://10.0.0.1:4317");
            said.flag("--set", &format!("otlp.{key}"), "/run/secrets/token")
        };
        let told = format!(
            r#"environment variable OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint: expected https, because there is otlp.{key}, found "http://10.0.0.1:4317"; otlp.insecure: true lets them travel unencrypted"#
        );
        assert_eq!(said().problems(), [told]);
        assert!(said().env("OTEL_EXPORTER_OTLP_INSECURE", "true").load().is_ok());
        assert!(said().env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://10.0.0.1:4317").load().is_ok());
    }
}
