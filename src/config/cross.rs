//! What one key says of another: defaults that depend on other keys, and values that do not go together.

use std::collections::BTreeMap;

use ::config::{Value, ValueKind};
use opentelemetry_otlp::OTEL_EXPORTER_OTLP_METRICS_ENDPOINT;

use super::known::{COLLECTORS, CollectorSchema, METRICS, PARTS};
use super::layer::{Layer, get, origin};
use super::leaf::inside;
use super::problem::{Problem, shown};
use super::setting::Kind;
use super::tables::{
    ENABLED, HTTP_PROTOBUF, LABELS, OTLP_CERT_FILE, OTLP_ENABLED, OTLP_ENDPOINT, OTLP_HEADERS, OTLP_INSECURE,
    OTLP_KEY_FILE, OTLP_PROTOCOL, OTLP_SECRET_FILES, PROMETHEUS_LISTEN,
};
use super::{address, environment};

/// The receivers that the OpenTelemetry specification assumes.
const DEFAULT_GRPC: &str = "http://localhost:4317";
const DEFAULT_HTTP: &str = "http://localhost:4318";

/// Where metrics are posted to, below an endpoint for all signals.
const PATH: &str = "/v1/metrics";

/// The defaults that follow from what was said, beside the others.
pub(super) fn derive(said: &Value, defaults: &mut Layer) {
    let has_endpoint = get(said, &OTLP_ENDPOINT).is_some();
    match get(said, &OTLP_ENABLED).map(|value| &value.kind) {
        None if has_endpoint => defaults.set(&OTLP_ENABLED, "default, as there is an endpoint", true.into()),
        None => defaults.set(&OTLP_ENABLED, "default, as there is no endpoint", false.into()),
        Some(ValueKind::Boolean(true)) if !has_endpoint => {
            let endpoint = if is_http(said) { DEFAULT_HTTP } else { DEFAULT_GRPC };
            defaults.set(&OTLP_ENDPOINT, "default of the OpenTelemetry specification", endpoint.into());
        }
        Some(_) => {}
    }
    for (part, whole) in PARTS {
        let off = get(said, &[COLLECTORS, whole, ENABLED]).is_some_and(|value| value.kind == false.into());
        let key = [COLLECTORS, part, ENABLED];
        if off && defaults.says(&key) {
            defaults.set(&key, &format!("default, as {COLLECTORS}.{whole} is off"), false.into());
        }
    }
}

/// Checks what no key alone can say.
pub(super) fn check(tree: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    labels(tree, &mut problems);
    addresses(tree, &mut problems);
    credentials(tree, &mut problems);
    path(tree, &mut problems);
    pair(tree, &mut problems);
    problems
}

fn is_http(tree: &Value) -> bool {
    text(tree, &OTLP_PROTOCOL).is_some_and(|(protocol, _)| protocol == HTTP_PROTOBUF)
}

/// The text at a path, and where it was said.
pub(super) fn text<'a>(tree: &'a Value, path: &[&str]) -> Option<(&'a str, &'a str)> {
    let value = get(tree, path)?;
    match &value.kind {
        ValueKind::String(text) => Some((text, origin(value))),
        _ => None,
    }
}

/// The endpoint with the path that metrics are posted to. By the specification it is added to an endpoint for
/// all signals, and one for metrics alone is used as it is. Who writes the whole address all the same means it.
pub(super) fn endpoint(tree: &Value) -> Option<String> {
    let (endpoint, said) = text(tree, &OTLP_ENDPOINT)?;
    let for_metrics = said == environment::origin(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT);
    let whole = !is_http(tree) || for_metrics || endpoint.ends_with(PATH);
    Some(if whole { endpoint.to_owned() } else { format!("{endpoint}{PATH}") })
}

/// A path says that OTLP/HTTP is meant.
fn path(tree: &Value, problems: &mut Vec<Problem>) {
    let Some((endpoint, origin)) = text(tree, &OTLP_ENDPOINT).filter(|_| !is_http(tree)) else { return };
    if endpoint.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
        let message = format!(
            "expected {}, found {}; OTLP over gRPC has no path: leave it out, or set otlp.protocol: {HTTP_PROTOBUF}",
            Kind::Endpoint,
            shown(endpoint)
        );
        problems.push(Problem::new(origin, &OTLP_ENDPOINT.join("."), message));
    }
}

/// A certificate is of no use without its key.
fn pair(tree: &Value, problems: &mut Vec<Problem>) {
    for (one, other) in [(OTLP_CERT_FILE, OTLP_KEY_FILE), (OTLP_KEY_FILE, OTLP_CERT_FILE)] {
        if let (Some((_, origin)), None) = (text(tree, &one), text(tree, &other)) {
            problems.push(Problem::new(
                origin,
                &one.join("."),
                format!("expected {} as well", other.join(".")),
            ));
        }
    }
}

/// Two collectors that measure the same would be two series of one name.
pub(super) fn twice(tree: &Value, collectors: &[CollectorSchema]) -> Vec<Problem> {
    let is_on =
        |path: &[&str]| get(tree, path).filter(|value| matches!(value.kind, ValueKind::Boolean(true)));
    let of = |collector: &CollectorSchema| -> Vec<&str> {
        let Some(ValueKind::Table(switches)) =
            get(tree, &[COLLECTORS, collector.name, METRICS]).map(|switches| &switches.kind)
        else {
            return Vec::new();
        };
        let is_on = |metric: &&str| {
            switches.get(*metric).is_some_and(|value| matches!(value.kind, ValueKind::Boolean(true)))
        };
        collector.metrics.iter().map(|(metric, _)| *metric).filter(is_on).collect()
    };
    let on = collectors.iter().filter(|collector| is_on(&[COLLECTORS, collector.name, ENABLED]).is_some());
    let on: Vec<_> = on.map(|collector| (collector, of(collector))).collect();
    let mut problems = Vec::new();
    for (at, (collector, metrics)) in on.iter().enumerate() {
        let same =
            |other: &&(&CollectorSchema, Vec<&str>)| other.1.iter().any(|metric| metrics.contains(metric));
        let others: Vec<_> = on[..at].iter().filter(same).map(|(other, _)| other.name).collect();
        let path = [COLLECTORS, collector.name, ENABLED];
        if let Some(value) = is_on(&path).filter(|_| !others.is_empty()) {
            let off: Vec<_> = others.iter().map(|name| format!("{name}: false")).collect();
            let message = format!("it measures what others do that are on; set {} as well", off.join(", "));
            problems.push(Problem::new(origin(value), &path.join("."), message));
        }
    }
    problems
}

/// Each address to listen on.
fn addresses(tree: &Value, problems: &mut Vec<Problem>) {
    for item in items(tree, &PROMETHEUS_LISTEN) {
        let ValueKind::String(said) = &item.kind else { continue };
        if let Err(message) = address::listen(said) {
            problems.push(Problem::new(origin(item), &PROMETHEUS_LISTEN.join("."), message));
        }
    }
}

/// What a list holds.
pub(super) fn items<'a>(tree: &'a Value, path: &[&str]) -> &'a [Value] {
    match get(tree, path).map(|value| &value.kind) {
        Some(ValueKind::Array(items)) => items,
        _ => &[],
    }
}

/// Two attributes that Prometheus would show under one name would be one label with two values.
fn labels(tree: &Value, problems: &mut Vec<Problem>) {
    let Some(ValueKind::Table(labels)) = get(tree, &LABELS).map(|value| &value.kind) else { return };
    let mut names: Vec<_> = labels.keys().collect();
    names.sort();
    let mut shown_as = BTreeMap::new();
    for name in names {
        let label = name.replace(|other: char| !other.is_ascii_alphanumeric(), "_");
        if let Some(first) = shown_as.insert(label.clone(), name) {
            let message = format!("Prometheus shows it as {label:?}, and so it does {first:?}; rename one");
            problems.push(Problem::new(origin(&labels[name]), &inside(&LABELS, name).join("."), message));
        }
    }
}

/// Credentials leave the machine encrypted, unless the user says otherwise.
fn credentials(tree: &Value, problems: &mut Vec<Problem>) {
    let is_on = |path| matches!(get(tree, path).map(|value| &value.kind), Some(ValueKind::Boolean(true)));
    let has_headers = match get(tree, &OTLP_HEADERS).map(|value| &value.kind) {
        Some(ValueKind::Table(headers)) => !headers.is_empty(),
        _ => false,
    };
    let file = OTLP_SECRET_FILES.into_iter().find(|path| text(tree, path).is_some());
    let Some((endpoint, origin)) = text(tree, &OTLP_ENDPOINT) else { return };
    if !is_on(&OTLP_ENABLED) || is_on(&OTLP_INSECURE) || !leaves_unencrypted(endpoint) {
        return;
    }
    let secret = match file {
        _ if has_headers => "there are headers".to_owned(),
        Some(path) => format!("there is {}", path.join(".")),
        None => return,
    };
    let message = format!(
        "expected https, because {secret}, found {}; otlp.insecure: true lets them travel unencrypted",
        shown(endpoint)
    );
    problems.push(Problem::new(origin, &OTLP_ENDPOINT.join("."), message));
}

/// Whether this is an `http` address of another host.
fn leaves_unencrypted(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = host.parse::<std::net::IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback());
    uri.scheme_str() == Some("http") && !loopback
}
