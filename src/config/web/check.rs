//! What one key of the file says of another, and what has no effect here.

use ::config::{Value, ValueKind};

use super::tables::{CURVES, HTTP, OTHER_CURVES, OTHER_SUITES, RATE, SUITES, TLS};
use crate::config::cross::{items, text};
use crate::config::layer::{get, origin};
use crate::config::problem::{Problem, nearest, shown};

/// What came of the check.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
}

/// Checks what no key alone can say.
pub(super) fn check(said: &Value) -> Found {
    let mut found = Found::default();
    pairs(said, &mut found);
    clients(said, &mut found);
    versions(said, &mut found);
    let suites = ("cipher_suites", &SUITES[..], &OTHER_SUITES[..]);
    let curves = ("curve_preferences", &CURVES[..], &OTHER_CURVES[..]);
    for (key, spoken, other) in [suites, curves] {
        words(said, key, spoken, other, &mut found);
    }
    http(said, &mut found);
    found
}

impl Found {
    fn problem(&mut self, origin: &str, path: &[&str], message: impl Into<String>) {
        self.problems.push(Problem::new(origin, &path.join("."), message));
    }

    fn note(&mut self, origin: &str, path: &[&str], message: impl Into<String>) {
        self.notes.push(Problem::new(origin, &path.join("."), message));
    }
}

/// Certificates and keys: each in one place, and none without the other.
fn pairs(said: &Value, found: &mut Found) {
    let place = |key| text(said, &[TLS, key]).map(|(_, origin)| origin);
    for (inline, file) in [("cert", "cert_file"), ("key", "key_file"), ("client_ca", "client_ca_file")] {
        if let (Some(origin), Some(_)) = (place(inline), place(file)) {
            found.problem(origin, &[TLS, inline], format!("{file} says it as well; leave one of them out"));
        }
    }
    let wants = ["cert_file", "cert", "key_file", "key", "client_ca_file", "client_ca", "client_auth_type"];
    // Whoever asks for anything of TLS wants TLS.
    let Some((key, origin)) = wants.iter().find_map(|key| Some((*key, place(key)?))) else { return };
    for (inline, file) in [("cert", "cert_file"), ("key", "key_file")] {
        if place(inline).or(place(file)).is_none() {
            found.problem(origin, &[TLS, key], format!("expected {file} as well"));
        }
    }
}

/// What is asked of clients.
fn clients(said: &Value, found: &mut Found) {
    let asked = text(said, &[TLS, "client_auth_type"]);
    let kind = asked.map_or("NoClientCert", |(kind, _)| kind);
    let ca = text(said, &[TLS, "client_ca_file"]).or(text(said, &[TLS, "client_ca"]));
    match (ca, asked) {
        (Some((_, origin)), _) if kind == "NoClientCert" => found.problem(
            origin,
            &[TLS, "client_ca_file"],
            "expected client_auth_type as well, such as RequireAndVerifyClientCert",
        ),
        (None, Some((_, origin))) if kind.contains("Verify") => {
            found.problem(origin, &[TLS, "client_auth_type"], "expected client_ca_file as well");
        }
        _ => {}
    }
    let sans = [TLS, "client_allowed_sans"];
    if let Some(list) = get(said, &sans).filter(|_| !kind.starts_with("Require")) {
        let message =
            "expected client_auth_type: RequireAndVerifyClientCert (or RequireAnyClientCert) as well";
        found.problem(origin(list), &sans, message);
    }
}

/// TLS 1.0 and 1.1 are not spoken, whatever is allowed.
fn versions(said: &Value, found: &mut Found) {
    let of = |key| text(said, &[TLS, key]);
    let old = |version: &str| matches!(version, "TLS10" | "TLS11");
    if let Some((version, origin)) = of("min_version").filter(|(version, _)| old(version)) {
        let message = format!("{version} is not spoken here; the least version is TLS12");
        found.note(origin, &[TLS, "min_version"], message);
    }
    let Some((highest, origin)) = of("max_version") else { return };
    let least = of("min_version").map_or("TLS12", |(version, _)| version);
    if old(highest) || highest < least {
        let least = if old(least) { "TLS12" } else { least };
        let message = format!("expected a version from {least} to TLS13, found {highest}");
        found.problem(origin, &[TLS, "max_version"], message);
    }
}

/// A list of words of which some are spoken here, and some are only known.
fn words(said: &Value, key: &str, spoken: &[&str], other: &[&str], found: &mut Found) {
    let path = [TLS, key];
    let list = items(said, &path);
    let mut any = list.is_empty();
    for item in list {
        let ValueKind::String(word) = &item.kind else { continue };
        if spoken.contains(&word.as_str()) {
            any = true;
        } else if other.contains(&word.as_str()) {
            let always = word.starts_with("TLS_AES") || word.starts_with("TLS_CHACHA");
            any |= always;
            let what = if always { "belongs to TLS 1.3 and is on anyway" } else { "is not spoken here" };
            found.note(origin(item), &path, format!("{word} {what}"));
        } else {
            let hint = nearest(word, spoken.iter().chain(other).copied());
            let hint = hint.map_or_else(
                || format!("; known here: {}", spoken.join(", ")),
                |meant| format!("; did you mean {meant:?}?"),
            );
            any = true;
            found.problem(origin(item), &path, format!("unknown: {}{hint}", shown(word)));
        }
    }
    if let Some(first) = list.first().filter(|_| !any) {
        found.problem(origin(first), &path, format!("expected one of {}", spoken.join(", ")));
    }
}

fn http(said: &Value, found: &mut Found) {
    let http2 = [HTTP, "http2"];
    if let Some(value) = get(said, &http2).filter(|value| value.kind == ValueKind::Boolean(true)) {
        found.note(origin(value), &http2, "HTTP/2 is not spoken here; Prometheus then uses HTTP/1.1");
    }
    if let Some(ValueKind::Table(headers)) = get(said, &[HTTP, "headers"]).map(|value| &value.kind) {
        for (name, value) in headers {
            let ValueKind::String(text) = &value.kind else { continue };
            if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                let message = "expected printable ASCII characters on one line, found others";
                found.problem(origin(value), &[HTTP, "headers", name], message);
            }
        }
    }
    let burst = [RATE, "burst"];
    if let Some(value) = get(said, &burst).filter(|_| get(said, &[RATE, "interval"]).is_none()) {
        found.note(origin(value), &burst, "has no effect without interval");
    }
}
