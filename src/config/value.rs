//! From what was said, a text, to what it means, by the kind of its setting; and back.
//!
//! YAML's own idea of types is not asked: the table says that a label's value is text, so `version: 1.10`
//! stays `1.10`, and that a port is a number, so `port: "9464"` is one.

use std::str::FromStr;
use std::time::Duration;

use ::config::{Map, ValueKind};
use bytesize::ByteSize;

use super::address;
use super::problem::shown;
use super::setting::Kind;
use super::web::users;

/// What a bare number means where a duration is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    Seconds,
    /// As the OpenTelemetry specification has it for its variables.
    Millis,
}

/// The value of a setting that takes one, or the sentence that says what is wrong with it.
pub(super) fn scalar(kind: Kind, text: &str, bare: Bare) -> Result<ValueKind, String> {
    let word = text.trim();
    let value = match kind {
        Kind::Bool => switch(word).map(ValueKind::from),
        Kind::Int(least, most) => {
            word.parse::<i64>().ok().filter(|n| (least..=most).contains(n)).map(ValueKind::from)
        }
        Kind::Number(least, most) => {
            word.parse::<f64>().ok().filter(|n| (least..=most).contains(n)).map(ValueKind::from)
        }
        Kind::Duration(least, most) => parse_duration(word, bare)
            .filter(|duration| (least..=most).contains(duration))
            .map(duration_value),
        Kind::Bytes(least, most) => ByteSize::from_str(word)
            .ok()
            .filter(|size| (least..=most).contains(&size.0))
            .map(|size| ValueKind::from(size.0)),
        Kind::Text => Some(word.into()),
        Kind::OneOf(words) => {
            words.iter().find(|known| known.eq_ignore_ascii_case(word)).map(|known| (*known).into())
        }
        Kind::Level => level(word).map(ValueKind::from),
        Kind::Host => address::host(word).map(ValueKind::from),
        Kind::Endpoint => return address::endpoint(word).map(ValueKind::from),
        Kind::List | Kind::Map | Kind::Switches | Kind::Labels | Kind::Headers | Kind::Users => None,
    };
    value.ok_or_else(|| {
        let unit = match kind {
            Kind::Duration(..) if bare == Bare::Millis && word.parse::<f64>().is_ok() => " (milliseconds)",
            _ => "",
        };
        format!("expected {kind}, found {}{unit}", shown(text))
    })
}

/// A name and value of a setting that takes many of them, in the form in which they are kept.
pub(super) fn entry(kind: Kind, name: &str, text: &str) -> Result<(String, ValueKind), String> {
    match kind {
        Kind::Switches => return Ok((name.to_owned(), scalar(Kind::Bool, text, Bare::Seconds)?)),
        Kind::Labels if !is_label(name) => {
            return Err(String::from(
                "no name for a label: expected a letter, then letters, digits and any of \"_.-/\"",
            ));
        }
        Kind::Headers => {
            let name = header(name)?;
            // The value is a secret, so the sentence does not show it.
            if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return Err(String::from("expected printable ASCII characters, found others"));
            }
            return Ok((name, text.into()));
        }
        Kind::Users => return Ok((name.to_owned(), users::hash(text)?.into())),
        _ => {}
    }
    Ok((name.to_owned(), text.into()))
}

/// The parts of a list in one text: `a, b`.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The pairs of a map in one text, percent-decoded as the specification asks: `a=b,c=d%20e`.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let decoded = |part: &str| {
        let bytes = percent_encoding::percent_decode_str(part.trim());
        bytes.decode_utf8().map(std::borrow::Cow::into_owned).ok()
    };
    list(text)
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((decoded(name).filter(|name| !name.is_empty())?, decoded(value)?))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| String::from("expected name=value, separated by commas and percent-encoded"))
}

fn switch(word: &str) -> Option<bool> {
    let is = |other: &str| word.eq_ignore_ascii_case(other);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

/// The word of `Level`, from it or from what Python and OpenTelemetry SDKs call it.
fn level(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "off" | "none" => "off",
        "error" | "critical" | "fatal" => "error",
        "warn" | "warning" => "warn",
        "info" => "info",
        "debug" => "debug",
        "trace" => "trace",
        _ => return None,
    })
}

fn parse_duration(word: &str, bare: Bare) -> Option<Duration> {
    let Ok(number) = word.parse::<f64>() else {
        return humantime::parse_duration(word).ok();
    };
    let seconds = match bare {
        Bare::Seconds => number,
        Bare::Millis => number / 1000.0,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// A duration in the form that serde gives [`Duration`], so that the fields of typed sections need no
/// attribute.
fn duration_value(duration: Duration) -> ValueKind {
    let fields = [("secs", duration.as_secs()), ("nanos", u64::from(duration.subsec_nanos()))];
    ValueKind::Table(Map::from(fields.map(|(name, value)| (name.to_owned(), value.into()))))
}

/// Whether a resource attribute of this name can be a label of Prometheus, which knows letters, digits and
/// `_` (the rest of these becomes `_`) and keeps names that begin with `__` to itself.
fn is_label(name: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(of_name)
}

/// The name of a metadata entry, in lower case as gRPC has it.
fn header(name: &str) -> Result<String, String> {
    let name = http::HeaderName::from_str(name)
        .map_err(|_| format!("expected the name of a header, found {}", shown(name)))?;
    let name = name.as_str();
    if name.starts_with("grpc-") || name.ends_with("-bin") || matches!(name, "content-type" | "te") {
        return Err(String::from("gRPC keeps this header to itself"));
    }
    Ok(name.to_owned())
}

/// A duration as it may be written in the file.
pub(super) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A size as it may be written in the file: in the largest unit that shows it exactly.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let exact = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    match exact {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn read(kind: Kind, text: &str) -> Result<ValueKind, String> {
        scalar(kind, text, Bare::Seconds)
    }

    fn millis(text: &str, bare: Bare) -> Result<u64, String> {
        let kind = Kind::Duration(Duration::ZERO, 3600 * SECOND);
        let field = |fields: &Map<String, ::config::Value>, name: &str| match fields[name].kind {
            ValueKind::U64(number) => number,
            _ => panic!("a number of {name}"),
        };
        scalar(kind, text, bare).map(|value| match value {
            ValueKind::Table(fields) => field(&fields, "secs") * 1000 + field(&fields, "nanos") / 1_000_000,
            other => panic!("fields, not {other:?}"),
        })
    }

    #[test]
    fn a_duration_has_a_unit_or_that_of_its_place() {
        let cases = [("15s", 15_000), ("500ms", 500), ("1h", 3_600_000), ("1m 30s", 90_000), ("1.5s", 1500)];
        for (text, expected) in cases {
            assert_eq!(millis(text, Bare::Seconds), Ok(expected), "{text}");
            assert_eq!(millis(text, Bare::Millis), Ok(expected), "{text}");
        }
        assert_eq!(millis("15", Bare::Seconds), Ok(15_000));
        assert_eq!(millis("0.5", Bare::Seconds), Ok(500));
        assert_eq!(millis("15", Bare::Millis), Ok(15));
        for text in ["", "s", "15 parsecs", "-1", "-1s", "1e400", "NaN", "inf", "2h"] {
            let error = millis(text, Bare::Seconds).unwrap_err();
            assert_eq!(error, format!("expected a duration from 0s to 1h, found {}", shown(text)));
        }
        let error = millis("4000000", Bare::Millis).unwrap_err();
        assert_eq!(error, "expected a duration from 0s to 1h, found 4000000 (milliseconds)");
    }

    #[test]
    fn a_size_has_a_unit_or_is_in_bytes() {
        let kind = Kind::Bytes(1, 1 << 30);
        for (text, expected) in [("8MiB", 8 << 20), ("64 KiB", 64 << 10), ("1000", 1000), ("1kB", 1000)] {
            assert_eq!(read(kind, text), Ok(ValueKind::U64(expected)), "{text}");
        }
        for text in ["", "0", "2GiB", "8 Mi B", "-1", "99999999999999999999EiB", "1..2MiB"] {
            assert!(read(kind, text).is_err(), "{text}");
        }
        assert_eq!([0, 1, 1536, 8 << 20, 3 << 30].map(bytes), ["0B", "1B", "1536B", "8MiB", "3GiB"]);
    }

    #[test]
    fn numbers_are_whole_and_in_their_range() {
        let port = Kind::Int(0, 65535);
        assert_eq!(read(port, "9464"), Ok(ValueKind::I64(9464)));
        assert_eq!(read(port, " 0\n"), Ok(ValueKind::I64(0)));
        for text in ["-1", "65536", "9464.0", "0x10", "1e3", "", "tcp://10.0.0.1:9464"] {
            assert!(read(port, text).is_err(), "{text}");
        }
        assert_eq!(read(Kind::Number(0.1, 100.0), "2.5"), Ok(ValueKind::Float(2.5)));
        assert!(read(Kind::Number(0.1, 100.0), "NaN").is_err());
    }

    #[test]
    fn words_are_known_in_any_case() {
        assert_eq!(read(Kind::Bool, "True"), Ok(ValueKind::Boolean(true)));
        assert_eq!(read(Kind::Bool, "yes"), Err("expected true or false, found \"yes\"".into()));
        assert_eq!(read(Kind::OneOf(&["gzip", "none"]), "GZIP"), Ok("gzip".into()));
        for (said, meant) in [("DEBUG", "debug"), ("WARNING", "warn"), ("CRITICAL", "error"), ("none", "off")]
        {
            assert_eq!(read(Kind::Level, said), Ok(meant.into()));
        }
        assert!(read(Kind::Level, "loud").is_err());
    }

    #[test]
    fn pairs_are_percent_decoded() {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(pairs("a=b, c = d%20e,f=g=h,,"), Ok(owned(&[("a", "b"), ("c", "d e"), ("f", "g=h")])));
        assert_eq!(pairs("a="), Ok(owned(&[("a", "")])));
        assert_eq!(pairs("a%3Db=50%"), Ok(owned(&[("a=b", "50%")])));
        for wrong in ["secret", "=secret", "a=%ff"] {
            let error = pairs(wrong).unwrap_err();
            assert_eq!(error, "expected name=value, separated by commas and percent-encoded", "{wrong}");
        }
    }

    #[test]
    fn a_label_has_a_name_that_prometheus_can_show() {
        for name in ["environment", "service.name", "app.kubernetes.io/name", "k8s-zone", "a_1"] {
            assert!(entry(Kind::Labels, name, "x").is_ok(), "{name}");
        }
        for name in ["", "1a", "__name__", "a b", "é", "a\nb", ".a"] {
            assert!(entry(Kind::Labels, name, "x").is_err(), "{name}");
        }
    }

    #[test]
    fn a_header_is_one_that_grpc_lets_through_and_never_shown() {
        let kept = entry(Kind::Headers, "Authorization", "Bearer a");
        assert_eq!(kept, Ok(("authorization".into(), "Bearer a".into())));
        for name in ["", "a b", "grpc-timeout", "key-bin", "Content-Type", "te"] {
            assert!(entry(Kind::Headers, name, "secret").is_err(), "{name}");
        }
        let error = entry(Kind::Headers, "a", "secret\n").unwrap_err();
        assert_eq!(error, "expected printable ASCII characters, found others");
    }
}
