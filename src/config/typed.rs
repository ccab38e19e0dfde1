//! The typed tree: a field for every key of the tables, already checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ::config::Value;
use serde::Deserialize;

use super::address;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The agent itself.
    pub agent: Agent,
    /// The way out that Prometheus asks.
    pub prometheus: Prometheus,
    /// The way out that pushes.
    pub otlp: Otlp,
    /// What waits for the receiver of OTLP.
    pub queue: Queue,
    /// Ceilings of the agent's own use.
    #[serde(default)]
    pub resource_limits: ResourceLimits,
    /// One for each collector that there is, by its name.
    #[serde(default)]
    pub collectors: BTreeMap<String, CollectorConfig>,
}

/// The section `agent`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The host's name; none: what the host says.
    pub name: Option<String>,
    /// The least severe level that is logged.
    pub log_level: Level,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Where the log goes.
    pub logs: Logs,
    /// Whether the process gives away what it does not need.
    pub sandbox: bool,
    /// The user's own resource attributes. Their names can be labels, and no two become the same one.
    pub labels: BTreeMap<String, String>,
    /// The root directory of the host to read; none: found by itself.
    pub root: Option<PathBuf>,
    /// The attribute `vm.id`.
    pub vm_id: VmId,
}

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Logs {
    /// To the standard error.
    Stderr,
    /// There, and to the receiver of the metrics.
    Otlp,
}

/// A log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing.
    Off,
    /// What costs data.
    Error,
    /// What may cost data.
    Warn,
    /// What changes.
    Info,
    /// What is done.
    Debug,
    /// How it is done.
    Trace,
}

impl Level {
    /// The level as the directives of `tracing` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// An object a line, for machines.
    Json,
}

/// Where the attribute `vm.id` comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum VmId {
    /// From the host.
    Auto,
    /// As said.
    Given(String),
}

/// `auto-detect` is what an older agent says.
impl From<String> for VmId {
    fn from(said: String) -> Self {
        match said.to_ascii_lowercase().as_str() {
            "auto" | "auto-detect" | "" => VmId::Auto,
            _ => VmId::Given(said),
        }
    }
}

/// The section `prometheus`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prometheus {
    /// Whether `/metrics` is served.
    pub enabled: bool,
    /// A host name or an address, without brackets.
    pub bind_address: String,
    /// 0 takes any that is free.
    pub port: u16,
    /// Where to listen instead of `bind_address`; empty: there.
    pub listen: Vec<Listen>,
    /// Certificates and passwords; none: neither.
    pub web_config_file: Option<PathBuf>,
    /// Resource attributes to show on every series.
    pub resource_constant_labels: Vec<String>,
    /// Which names there are.
    pub dialect: Dialect,
    /// What names look like.
    pub translation_strategy: Strategy,
    /// Whether series carry the instrumentation scope.
    pub scope_labels: bool,
}

/// One of several addresses to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen {
    /// A host name or an address, without brackets.
    pub host: String,
    /// None: that of the section.
    pub port: Option<u16>,
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(said: String) -> Result<Self, Self::Error> {
        let (host, port) = address::listen(&said)?;
        Ok(Self { host, port })
    }
}

/// The section `otlp`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Whether anything is pushed; then there is an endpoint.
    pub enabled: bool,
    /// `http://` or `https://`, a host and perhaps a port; with the whole path where the protocol has one.
    pub endpoint: Option<String>,
    /// How OTLP travels.
    pub protocol: Protocol,
    /// The time between two pushes.
    pub interval: Duration,
    /// Which names metrics have.
    pub dialect: Dialect,
    /// How long one push may take.
    pub timeout: Duration,
    /// Metadata of every push: names in lower case, values of printable ASCII characters.
    pub headers: BTreeMap<String, Secret>,
    /// How the requests are compressed.
    pub compression: Compression,
    /// A file with more headers.
    pub headers_file: Option<PathBuf>,
    /// A file with a token.
    pub bearer_token_file: Option<PathBuf>,
    /// What counters say.
    pub temporality: Temporality,
    /// Whether headers and tokens may travel unencrypted to another host.
    pub insecure: bool,
    /// Whom to trust, and who we are.
    #[serde(default)]
    pub tls: Tls,
}

/// The section `otlp.tls`: files in PEM. There is a key where there is a certificate.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The authorities to trust; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// The agent's own certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The name that the receiver's certificate is for; none: the endpoint's.
    pub server_name: Option<String>,
}

/// Which names metrics have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenTelemetry's.
    Semconv,
    /// Those of a psutil agent.
    Classic,
    /// Both of them.
    Both,
}

/// What names look like on a page, by the words of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Strategy {
    /// `system_cpu_time_seconds_total`
    UnderscoreEscapingWithSuffixes,
    /// `system_cpu_time`
    UnderscoreEscapingWithoutSuffixes,
    /// `system.cpu.time_seconds_total`
    #[serde(rename = "NoUTF8EscapingWithSuffixes")]
    NoUtf8EscapingWithSuffixes,
    /// `system.cpu.time`
    NoTranslation,
}

/// How OTLP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// A POST of protobuf.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// What counters say, by the words of the specification's preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temporality {
    /// How much since their start.
    Cumulative,
    /// How much since the last push.
    Delta,
    /// Whatever takes less memory.
    Lowmemory,
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Not at all.
    None,
}

/// The section `queue`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Bytes of waiting batches in memory.
    pub memory_limit: u64,
    /// Where batches wait on disk; none: nowhere.
    pub directory: Option<PathBuf>,
    /// The most bytes that the directory takes.
    pub max_bytes: u64,
    /// The most percent of its file system that it takes.
    pub max_percent: u64,
    /// The bytes of its file system that it leaves free.
    pub min_free: u64,
    /// How long a batch may wait.
    pub max_age: Duration,
}

/// The section `resource_limits`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLimits {
    /// Percent of one CPU.
    pub cpu_percent: Option<f64>,
    /// MiB of resident memory.
    pub memory_mb: Option<u64>,
}

/// The section of one collector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CollectorConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// The least time between two readings.
    pub interval: Duration,
    /// Every metric of the collector, on or off.
    #[serde(default)]
    pub metrics: BTreeMap<String, bool>,
    /// The collector's own settings.
    #[serde(flatten)]
    pub settings: BTreeMap<String, Value>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the wire and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What stands where a secret would be.
pub(super) const HIDDEN: &str = "***";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}
