//! The settings of every section but the collectors' own, as data. A default that is not obvious has its
//! reason beside it.

use std::time::Duration;

use opentelemetry_otlp as otlp;
use opentelemetry_sdk::metrics::OTEL_METRIC_EXPORT_INTERVAL;

use super::setting::{Kind, Setting};

/// A section of the file.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) settings: &'static [Setting],
}

/// The sections, in the order of the annotated file; `collectors` comes after them.
pub(super) static SECTIONS: [&Section; 5] = [&AGENT, &PROMETHEUS, &OTLP, &QUEUE, &RESOURCE_LIMITS];

/// The protocol whose endpoint has a path.
pub(super) const HTTP_PROTOBUF: &str = "http/protobuf";

/// The key that says whether a way out or a collector runs.
pub(super) const ENABLED: &str = "enabled";

// The keys that more than their own line in the tables decides.
pub(super) const PROMETHEUS_ENABLED: [&str; 2] = ["prometheus", ENABLED];
pub(super) const PROMETHEUS_DIALECT: [&str; 2] = ["prometheus", "dialect"];
pub(super) const PROMETHEUS_LISTEN: [&str; 2] = ["prometheus", "listen"];
pub(super) const OTLP_ENABLED: [&str; 2] = ["otlp", ENABLED];
pub(super) const OTLP_ENDPOINT: [&str; 2] = ["otlp", "endpoint"];
pub(super) const OTLP_HEADERS: [&str; 2] = ["otlp", "headers"];
pub(super) const OTLP_INSECURE: [&str; 2] = ["otlp", "insecure"];
pub(super) const OTLP_PROTOCOL: [&str; 2] = ["otlp", "protocol"];
pub(super) const OTLP_CERT_FILE: [&str; 3] = ["otlp", "tls", "cert_file"];
pub(super) const OTLP_KEY_FILE: [&str; 3] = ["otlp", "tls", "key_file"];
/// Files that hold what nobody else may read on the way.
pub(super) const OTLP_SECRET_FILES: [[&str; 2]; 2] =
    [["otlp", "bearer_token_file"], ["otlp", "headers_file"]];
pub(super) const LABELS: [&str; 2] = ["agent", "labels"];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

static AGENT: Section = Section {
    name: "agent",
    about: "The agent itself, and what every metric says of the host.",
    settings: &[
        Setting::new("name", Kind::Text, "", "The host's name (host.name). Left out: what the host itself says.")
            .also(&["hostname", "host_name"]),
        Setting::new("log_level", Kind::Level, "info", "off, error, warn, info, debug or trace.").env(&[
            "OTEL_LOG_LEVEL",
            "SC_LOG_LEVEL",
            "LOG_LEVEL",
        ]),
        Setting::new("log_format", Kind::OneOf(&["text", "json"]), "text", "text for people, json for machines."),
        Setting::new(
            "logs",
            Kind::OneOf(&["stderr", "otlp"]),
            "stderr",
            "otlp sends the log to the receiver of the metrics as well, which may miss what it does not take at once.",
        ),
        Setting::new(
            "sandbox",
            Kind::Bool,
            "true",
            "Give away at the start what the agent does not need, as far as the kernel can: capabilities, and for \
             the threads that speak with the network all files but the system's own and those that are named \
             here, writing outside of the queue, and running programs (Landlock). What a reload brings beyond \
             that takes a restart.",
        ),
        Setting::new(
            "labels",
            Kind::Labels,
            "{}",
            "Resource attributes of your own on every metric, such as {environment: production, region: eu}. \
             A name begins with a letter and goes on with letters, digits and any of \"_.-/\"; Prometheus shows \
             what is neither letter nor digit as \"_\". On /metrics they stand on target_info; see \
             prometheus.resource_constant_labels. OTEL_SERVICE_NAME sets service.name here.",
        )
        .env(&["OTEL_RESOURCE_ATTRIBUTES"]),
        Setting::new(
            "root",
            Kind::Text,
            "",
            "The root directory of the host to read, such as /host where a container has it mounted there. \
             Left out: found by itself.",
        ),
        Setting::new(
            "vm_id",
            Kind::Text,
            "auto",
            "The attribute vm.id. auto: the system's DMI UUID, else the machine id, else the boot id.",
        ),
    ],
};

static PROMETHEUS: Section = Section {
    name: "prometheus",
    about: "The way out that Prometheus asks: http://<bind_address>:<port>/metrics.",
    settings: &[
        Setting::new(
            ENABLED,
            Kind::Bool,
            "true",
            "Serve /metrics. OTEL_METRICS_EXPORTER and OTEL_SDK_DISABLED decide it too.",
        ),
        // The specification's default. Whoever opens the port to the network says so.
        Setting::new(
            "bind_address",
            Kind::Host,
            "localhost",
            "The name or address to listen on; 0.0.0.0 and :: are every network of the host.",
        )
        .env(&["OTEL_EXPORTER_PROMETHEUS_HOST"])
        .also(&["host"]),
        // The specification's default; 9100 to 9999 of Prometheus' own list have been taken since 2023.
        Setting::new("port", Kind::Int(0, 65535), "9464", "The port to listen on; 0 takes any that is free.")
            .env(&["OTEL_EXPORTER_PROMETHEUS_PORT", "PROMETHEUS_PORT"]),
        Setting::new(
            "listen",
            Kind::List,
            "[]",
            "Several addresses to listen on, such as [127.0.0.1:9464, \"[::1]:9464\", \":9100\"], instead of \
             bind_address. One without a port has the one above; one without a host is every network.",
        ),
        Setting::new(
            "web_config_file",
            Kind::Text,
            "",
            "A file with certificates and passwords of the endpoint, in the format of Prometheus' exporter \
             toolkit (examples/prometheus/web.yaml). It is read again when it changes. Left out: neither \
             encryption nor a password.",
        )
        .also(&["web.config.file"]),
        Setting::new(
            "resource_constant_labels",
            Kind::List,
            "[]",
            "Resource attributes to show as labels of every series, such as [host.name, environment]. Each one \
             is on target_info anyway.",
        ),
        Setting::new(
            "dialect",
            Kind::OneOf(&["semconv", "classic", "both"]),
            "semconv",
            "Which names the metrics have on /metrics: OpenTelemetry's (semconv), those of a psutil agent such as \
             cpu_usage_percent (classic), or both.",
        ),
        Setting::new(
            "translation_strategy",
            Kind::OneOf(&[
                "UnderscoreEscapingWithSuffixes",
                "UnderscoreEscapingWithoutSuffixes",
                "NoUTF8EscapingWithSuffixes",
                "NoTranslation",
            ]),
            "UnderscoreEscapingWithSuffixes",
            "What the names on /metrics look like, by the specification's words: system_cpu_time_seconds_total, \
             system_cpu_time, system.cpu.time_seconds_total or system.cpu.time. Dots need Prometheus 3; who cannot \
             read them gets underscores.",
        ),
        Setting::new(
            "scope_labels",
            Kind::Bool,
            "false",
            "Show the instrumentation scope on every series (otel_scope_name, _version, _schema_url), as the \
             specification has it. All series have the same, and a third of the page would be these labels.",
        ),
    ],
};

static OTLP: Section = Section {
    name: "otlp",
    about: "The way out that pushes to an OpenTelemetry Collector, Grafana Alloy or any OTLP receiver.",
    settings: &[
        Setting::new(
            ENABLED,
            Kind::Bool,
            "",
            "Push. Left out: where there is an endpoint. OTEL_METRICS_EXPORTER and OTEL_SDK_DISABLED decide it too.",
        ),
        Setting::new(
            "endpoint",
            Kind::Endpoint,
            "",
            "The receiver: http://host:port, or https://host:port for TLS. Where the protocol is http/protobuf, \
             /v1/metrics is added to what stands here (unless it ends so), but not to what the variable with \
             METRICS in its name says. Left out: nothing is pushed, and where otlp is enabled nevertheless, \
             http://localhost:4317 (4318 for http/protobuf).",
        )
        .env(&[
            otlp::OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
            otlp::OTEL_EXPORTER_OTLP_ENDPOINT,
            "SC_INGESTOR_ENDPOINT",
        ])
        .also(&["ingestor_endpoint"]),
        // Every Collector and Alloy has both; gRPC is what the older agents of this road spoke.
        Setting::new(
            "protocol",
            Kind::OneOf(&["grpc", HTTP_PROTOBUF]),
            "grpc",
            "How OTLP travels: grpc, usually to port 4317, or http/protobuf, usually to port 4318.",
        )
        .env(&[otlp::OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, otlp::OTEL_EXPORTER_OTLP_PROTOCOL]),
        // Four samples a minute, so that a rate over one minute always has what it needs.
        Setting::new("interval", Kind::Duration(SECOND, HOUR), "15s", "The time between two pushes.")
            .env(&[OTEL_METRIC_EXPORT_INTERVAL, "SC_COLLECTION_INTERVAL"])
            .also(&["collection_interval"]),
        // The specification's default.
        Setting::new(
            "timeout",
            Kind::Duration(Duration::from_millis(100), Duration::from_mins(5)),
            "10s",
            "How long one push may take, the answer included, before it is tried again.",
        )
        .env(&[otlp::OTEL_EXPORTER_OTLP_METRICS_TIMEOUT, otlp::OTEL_EXPORTER_OTLP_TIMEOUT]),
        Setting::new(
            "headers",
            Kind::Headers,
            "{}",
            "Metadata of every push, such as {authorization: Bearer ...}. The values are secrets and never \
             shown; the variable keeps them out of this file.",
        )
        .env(&[otlp::OTEL_EXPORTER_OTLP_METRICS_HEADERS, otlp::OTEL_EXPORTER_OTLP_HEADERS]),
        Setting::new(
            "headers_file",
            Kind::Text,
            "",
            "A file with more of them, \"name: value\" on each line. It is read again when it changes.",
        ),
        Setting::new(
            "bearer_token_file",
            Kind::Text,
            "",
            "A file with a token, sent as \"authorization: Bearer ...\". It is read again when it changes, and \
             when the receiver has refused the old one.",
        ),
        // The only one that every receiver has to accept; it makes the data about eight times smaller.
        Setting::new("compression", Kind::OneOf(&["gzip", "zstd", "none"]), "gzip", "gzip, zstd or none.")
            .env(&[otlp::OTEL_EXPORTER_OTLP_METRICS_COMPRESSION, otlp::OTEL_EXPORTER_OTLP_COMPRESSION]),
        // What the host counts, and what Prometheus and most others want.
        Setting::new(
            "temporality",
            Kind::OneOf(&["cumulative", "delta", "lowmemory"]),
            "cumulative",
            "What counters say: cumulative, how much since their start; delta, how much since the last push. \
             With delta, a counter that began before the agent starts without a point. lowmemory is cumulative \
             here.",
        )
        .env(&["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"]),
        Setting::new(
            "dialect",
            Kind::OneOf(&["semconv", "classic", "both"]),
            "semconv",
            "Which names the metrics have on OTLP; see prometheus.dialect.",
        ),
        Setting::new(
            "insecure",
            Kind::Bool,
            "false",
            "Allow headers and tokens to travel to another host unencrypted, that is to an http:// endpoint. The \
             endpoint's scheme alone says whether TLS is used.",
        )
        .env(&[otlp::OTEL_EXPORTER_OTLP_METRICS_INSECURE, otlp::OTEL_EXPORTER_OTLP_INSECURE]),
        Setting::new(
            "tls.ca_file",
            Kind::Text,
            "",
            "The certificate authorities to trust for https, in PEM, instead of the system's. This file and the \
             two below are read again when they change.",
        )
        .env(&["OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]),
        Setting::new(
            "tls.cert_file",
            Kind::Text,
            "",
            "The agent's own certificate, in PEM, for receivers that want one (mTLS).",
        )
        .env(&["OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"]),
        Setting::new("tls.key_file", Kind::Text, "", "The key of that certificate, in PEM.")
            .env(&["OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]),
        Setting::new(
            "tls.server_name",
            Kind::Host,
            "",
            "The name that the receiver's certificate is for, where it is not the endpoint's.",
        ),
    ],
};

static QUEUE: Section = Section {
    name: "queue",
    about: "What is kept while the receiver of OTLP does not answer. When full, the oldest is dropped.",
    settings: &[
        // A quarter of an hour to a day of an ordinary host, and small beside the agent itself.
        Setting::new(
            "memory_limit",
            Kind::Bytes(1 << 20, 1 << 30),
            "8MiB",
            "The most memory for waiting batches, compressed.",
        ),
        Setting::new(
            "directory",
            Kind::Text,
            "",
            "The directory where batches wait on disk, so that neither a restart nor a crash loses them. It is \
             made where it is missing, and belongs to this agent alone. Left out: they wait in memory.",
        ),
        // A day of an ordinary host is 190 MiB.
        Setting::new(
            "max_bytes",
            Kind::Bytes(1 << 20, 1 << 39),
            "256MiB",
            "The most bytes that the directory takes.",
        ),
        // On a file system that others use as well, a day of metrics is not worth their disk being full.
        Setting::new(
            "max_percent",
            Kind::Int(1, 95),
            "5",
            "The most percent of its file system that the directory takes; more for a volume of its own.",
        ),
        Setting::new(
            "min_free",
            Kind::Bytes(0, 1 << 39),
            "256MiB",
            "The bytes of its file system that the directory leaves free, and never less than 5 %. With less, \
             batches wait in memory.",
        ),
        Setting::new(
            "max_age",
            Kind::Duration(MINUTE, Duration::from_hours(30 * 24)),
            "24h",
            "Batches that have waited longer are dropped.",
        ),
    ],
};

static RESOURCE_LIMITS: Section = Section {
    name: "resource_limits",
    about: "Ceilings of the agent's own use. Above one it reads dear collectors less often and shows no process \
            alone, until it is well below again; hostmeter.limit.step tells.",
    settings: &[
        Setting::new(
            "cpu_percent",
            Kind::Number(0.1, 100.0),
            "",
            "Percent of one CPU. Left out: no ceiling.",
        ),
        Setting::new("memory_mb", Kind::Int(1, 1 << 20), "", "Resident memory in MiB. Left out: no ceiling."),
    ],
};

/// What every collector has, beside its own settings and a switch for each of its metrics.
pub(super) static COLLECTOR: [Setting; 2] = [
    Setting::new(ENABLED, Kind::Bool, "true", "Run this collector."),
    // Nearly every collector is cheap enough to read the host whenever it is asked; one that is not says so itself.
    Setting::new(
        "interval",
        Kind::Duration(Duration::ZERO, DAY),
        "0s",
        "The least time between two readings; those who ask sooner get the last one again.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_and_no_variable_stands_for_two_things() {
        let mut keys = HashSet::new();
        let mut variables = HashSet::new();
        for section in SECTIONS {
            for setting in section.settings {
                for key in setting.also.iter().chain([&setting.key]) {
                    assert!(keys.insert((section.name, *key)), "{}.{key} twice", section.name);
                }
                for variable in setting.env {
                    assert!(variables.insert(*variable), "{variable} twice");
                }
            }
        }
    }

    #[test]
    fn everything_is_explained_in_whole_sentences() {
        let settings = SECTIONS.iter().flat_map(|section| section.settings);
        for about in settings.map(|setting| setting.about).chain(SECTIONS.map(|section| section.about)) {
            assert!(about.ends_with('.'), "{about:?}");
        }
    }
}
