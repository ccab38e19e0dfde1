//! What a setting is. The tables of settings are data, as the tables of metrics are: the annotated default
//! file, the checks, the environment's names and `hostmeter config show` are loops over them.

use std::fmt;
use std::time::Duration;

use super::value;

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
    /// What older agents call the key: accepted in its section, and known to "did you mean" anywhere.
    pub also: &'static [&'static str],
}

/// The values that a setting takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, both ends included.
    Int(i64, i64),
    /// A number in a range, both ends included.
    Number(f64, f64),
    /// A duration such as `15s`, `500ms` or `1h 30m`, in a range. A bare number is seconds, and milliseconds
    /// where an `OTEL_*` variable says so.
    Duration(Duration, Duration),
    /// A size such as `2MiB` or `64 KiB`, or a bare number of bytes, in a range.
    Bytes(u64, u64),
    /// Any text.
    Text,
    /// One of a closed set of words, in any case.
    OneOf(&'static [&'static str]),
    /// A log level by its usual name, or by Python's (`WARNING`, `CRITICAL`), in any case.
    Level,
    /// A host name or an IP address, without a port.
    Host,
    /// `http://` or `https://`, a host and perhaps a port.
    Endpoint,
    /// A list of texts; from the environment, separated by commas.
    List,
    /// Names to texts; from the environment, `a=b,c=d`.
    Map,
    /// Names to `true` or `false`; from the environment, `a=true,b=false`.
    Switches,
    /// A [`Kind::Map`] whose names can be labels of Prometheus. The variables that set it add up.
    Labels,
    /// A [`Kind::Map`] of gRPC metadata. The values are secrets: they are never shown.
    Headers,
    /// A [`Kind::Map`] of users and the bcrypt hashes of their passwords, which are secrets.
    Users,
}

impl Setting {
    /// A setting without environment variables of its own.
    pub const fn new(key: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Self {
        Self { key, kind, default, about, env: &[], also: &[] }
    }

    /// The same, also set by these environment variables.
    pub const fn env(mut self, env: &'static [&'static str]) -> Self {
        self.env = env;
        self
    }

    /// The same, also known by these keys of older agents.
    pub const fn also(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }
}

impl Kind {
    /// Names to values, rather than one value or a list.
    pub(super) fn is_map(self) -> bool {
        matches!(self, Kind::Map | Kind::Switches | Kind::Labels | Kind::Headers | Kind::Users)
    }

    /// Whether its values are never shown, not even the wrong ones.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Kind::Headers | Kind::Users)
    }
}

/// What was expected, as the end of the sentence "expected ...".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Kind::Bool => f.write_str("true or false"),
            Kind::Int(least, i64::MAX) => write!(f, "a whole number from {least} on"),
            Kind::Int(least, most) => write!(f, "a whole number from {least} to {most}"),
            Kind::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Kind::Duration(least, most) => {
                write!(f, "a duration from {} to {}", value::duration(least), value::duration(most))
            }
            Kind::Bytes(least, most) => {
                write!(f, "a size from {} to {}", value::bytes(least), value::bytes(most))
            }
            Kind::Text => f.write_str("a text"),
            Kind::OneOf(words) => match words {
                [] => f.write_str("nothing"),
                [word] => f.write_str(word),
                [words @ .., last] => write!(f, "{} or {last}", words.join(", ")),
            },
            Kind::Level => f.write_str("off, error, warn, info, debug or trace"),
            Kind::Host => f.write_str("a host name or an IP address without a port"),
            Kind::Endpoint => f.write_str("an address such as http://localhost:4317"),
            Kind::List => f.write_str("a list of texts"),
            Kind::Map | Kind::Labels | Kind::Headers => f.write_str("names and their texts"),
            Kind::Users => f.write_str("users and the bcrypt hashes of their passwords"),
            Kind::Switches => f.write_str("names, each with true or false"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_reads_as_a_sentence() {
        let said = |kind: Kind| kind.to_string();
        assert_eq!(said(Kind::Int(0, 65535)), "a whole number from 0 to 65535");
        assert_eq!(said(Kind::Int(1, i64::MAX)), "a whole number from 1 on");
        assert_eq!(said(Kind::Number(0.0, 100.0)), "a number from 0 to 100");
        assert_eq!(said(Kind::OneOf(&["grpc"])), "grpc");
        assert_eq!(said(Kind::OneOf(&["gzip", "zstd", "none"])), "gzip, zstd or none");
        let (least, most) = (Duration::from_millis(100), Duration::from_mins(90));
        assert_eq!(said(Kind::Duration(least, most)), "a duration from 100ms to 1h 30m");
        assert_eq!(said(Kind::Bytes(64 << 10, 3 << 20)), "a size from 64KiB to 3MiB");
    }
}
