//! What one key says of another: defaults that depend on other keys, and values that do not go together.

use std::collections::BTreeMap;

use ::config::{Value, ValueKind};

use super::layer::{Layer, get, origin};
use super::leaf::inside;
use super::problem::{Problem, shown};
use super::tables::{LABELS, OTLP_ENABLED, OTLP_ENDPOINT, OTLP_HEADERS, OTLP_INSECURE};

/// The receiver that the OpenTelemetry specification assumes.
const DEFAULT_ENDPOINT: &str = "http://localhost:4317";

/// The defaults that follow from what was said.
pub(super) fn derived(said: &Value) -> Layer {
    let mut layer = Layer::default();
    let has_endpoint = get(said, &OTLP_ENDPOINT).is_some();
    match get(said, &OTLP_ENABLED).map(|value| &value.kind) {
        None if has_endpoint => layer.set(&OTLP_ENABLED, "default, as there is an endpoint", true.into()),
        None => layer.set(&OTLP_ENABLED, "default, as there is no endpoint", false.into()),
        Some(ValueKind::Boolean(true)) if !has_endpoint => {
            layer.set(&OTLP_ENDPOINT, "default of the OpenTelemetry specification", DEFAULT_ENDPOINT.into());
        }
        Some(_) => {}
    }
    layer
}

/// Checks what no key alone can say.
pub(super) fn check(tree: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    labels(tree, &mut problems);
    credentials(tree, &mut problems);
    problems
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
    let Some(value) = get(tree, &OTLP_ENDPOINT) else { return };
    let ValueKind::String(endpoint) = &value.kind else { return };
    if is_on(&OTLP_ENABLED) && has_headers && !is_on(&OTLP_INSECURE) && leaves_unencrypted(endpoint) {
        let message = format!(
            "expected https, because there are headers, found {}; otlp.insecure: true lets them travel unencrypted",
            shown(endpoint)
        );
        problems.push(Problem::new(origin(value), &OTLP_ENDPOINT.join("."), message));
    }
}

/// Whether this is an `http` address of another host.
fn leaves_unencrypted(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = host.parse::<std::net::IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback());
    uri.scheme_str() == Some("http") && !loopback
}
