//! What a setting is. The tables of settings are data, as the tables of metrics are: the annotated default
//! file, the checks, the environment's names and `hostmeter config show` are loops over them.

use std::time::Duration;

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key within its section: `interval`, or `tls.ca_file` for a nested one.
    pub key: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// The default, as YAML text. Empty where leaving it out means something of its own (`otlp.endpoint`).
    pub default: &'static str,
    /// One or two sentences for the annotated file: what it does, and when to change it.
    pub about: &'static str,
    /// Environment variables that set it, the strongest first, beside `HOSTMETER_<SECTION>__<KEY>`.
    pub env: &'static [&'static str],
}

/// The values that a setting takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, both ends included.
    Int(i64, i64),
    /// A duration such as `15s`, `500ms` or `1h 30m`, in a range. A bare number is seconds, and milliseconds
    /// where an `OTEL_*` variable says so.
    Duration(Duration, Duration),
    /// A size such as `2MiB` or `64 KiB`, or a bare number of bytes, in a range.
    Bytes(u64, u64),
    /// Any text.
    Text,
    /// One of a closed set of words.
    OneOf(&'static [&'static str]),
    /// A list of texts; from the environment, separated by commas.
    List,
    /// Names to texts; from the environment, `a=b,c=d`.
    Map,
    /// Names to `true` or `false`.
    Switches,
}

impl Setting {
    /// A setting without environment variables of its own.
    pub const fn new(key: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Self {
        Self { key, kind, default, about, env: &[] }
    }

    /// The same, also set by these environment variables.
    pub const fn env(mut self, env: &'static [&'static str]) -> Self {
        self.env = env;
        self
    }
}
