//! `hostmeter config import`: the file of an older agent becomes one of ours.
//!
//! The old keys are moved to where they belong in the tree of the file, and the tree is then checked like any other
//! file of ours, so that every problem is told with the line of the old one. What is not known is left out and told.

use super::known::{self, CollectorSchema};
use super::layer::Layer;
use super::load::Text;
use super::problem::{Problem, Problems};
use super::tables::{HTTP_PROTOBUF, OTLP_ENDPOINT, OTLP_PROTOCOL, PROMETHEUS_DIALECT};
use super::yaml::{self, Data, Key, Node};
use super::{check, cross, render};

/// A file that has been imported.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The new file; each line says which one of the old file it comes from.
    pub text: String,
    /// What the user has to know of it, a sentence each.
    pub notes: Vec<String>,
}

/// Where the keys of the VM agent are today. Those of the psutil agent have the places of ours.
const MOVED: [(&str, &[&str]); 5] = [
    ("collection_interval", &["otlp", "interval"]),
    ("ingestor_endpoint", &OTLP_ENDPOINT),
    ("vm_id", &["agent", "vm_id"]),
    ("log_level", &["agent", "log_level"]),
    ("labels", &["agent", "labels"]),
];

/// Makes a file of ours of an older one.
pub fn import(collectors: &[CollectorSchema], file: Text<'_>) -> Result<Imported, Problems> {
    let refused = |place: &str, message: &str| {
        Problems::one(Problem::new(format!("{}:{place}", file.name), "", message))
    };
    let root = yaml::parse(file.text).map_err(|fault| refused(&fault.place, &fault.message))?;
    let Data::Map(entries) = root.data else {
        return Err(refused("1", "expected keys such as \"collectors\" or \"collection_interval\""));
    };
    let mut notes = Vec::new();
    let pushes = entries.iter().any(|(key, _)| MOVED.iter().any(|(old, _)| *old == key.name));
    let is_ours = entries.iter().any(|(key, _)| ["otlp", "queue"].contains(&key.name.as_str()));
    let mut tree = Vec::new();
    for (key, node) in entries {
        let line = key.line;
        match MOVED.iter().find(|(old, _)| *old == key.name) {
            Some((old, path)) => {
                notes.push(format!("{}:{line}: {old} is {} now", file.name, path.join(".")));
                put(&mut tree, path, line, node);
            }
            None => tree.push((key, node)),
        }
    }
    if let Some(endpoint) = posted(&tree) {
        notes.push(format!(
            "{endpoint} has a path, so otlp.protocol is {HTTP_PROTOBUF}: whatever answers there has to speak OTLP"
        ));
        put(&mut tree, &OTLP_PROTOCOL, root.line, scalar(root.line, HTTP_PROTOBUF));
    }
    if !pushes && !is_ours && get(&tree, &PROMETHEUS_DIALECT).is_none() {
        notes.push(
            "prometheus.dialect is classic, so that the names on /metrics stay; remove it for those of OpenTelemetry"
                .to_owned(),
        );
        put(&mut tree, &PROMETHEUS_DIALECT, root.line, scalar(root.line, "classic"));
    }
    finish(collectors, file, &Node { line: root.line, data: Data::Map(tree) }, notes)
}

/// Checks the new tree, and writes it.
fn finish(
    collectors: &[CollectorSchema],
    file: Text<'_>,
    root: &Node,
    mut notes: Vec<String>,
) -> Result<Imported, Problems> {
    let known = known::all(collectors);
    let checked = check::tree(root, &known, &|line| format!("{}:{line}", file.name));
    let (unknown, mut wrong): (Vec<_>, Vec<_>) =
        checked.problems.into_iter().partition(|problem| problem.unknown);
    notes.extend(unknown.into_iter().map(|problem| format!("{problem}; left out")));
    let tree = Layer::merge(vec![checked.layer])?;
    wrong.extend(cross::check(&tree));
    Problems::of(wrong)?;
    let text = format!(
        "# Imported from {}. \"hostmeter config init\" prints every key that there is, with what it means.\n{}",
        file.name,
        render::said(&known, &tree)
    );
    Ok(Imported { text, notes })
}

/// The endpoint of a receiver by HTTP, where no protocol is said.
fn posted(tree: &[(Key, Node)]) -> Option<String> {
    let Data::Scalar(endpoint) = get(tree, &OTLP_ENDPOINT).filter(|_| get(tree, &OTLP_PROTOCOL).is_none())?
    else {
        return None;
    };
    let path = endpoint.split_once("://")?.1.split_once('/')?.1;
    (!path.is_empty()).then(|| endpoint.clone())
}

/// What stands at a path.
fn get<'a>(entries: &'a [(Key, Node)], path: &[&str]) -> Option<&'a Data> {
    let (first, rest) = path.split_first()?;
    let data = &entries.iter().find(|(key, _)| key.name == *first)?.1.data;
    match data {
        data if rest.is_empty() => Some(data),
        Data::Map(inner) => get(inner, rest),
        _ => None,
    }
}

/// Puts a value at a path. What stands there already stays, and the check tells of both lines.
fn put(entries: &mut Vec<(Key, Node)>, path: &[&str], line: usize, node: Node) {
    let Some((first, rest)) = path.split_first() else { return };
    let key = || Key { line, name: (*first).to_owned() };
    if rest.is_empty() {
        return entries.push((key(), node));
    }
    let there =
        entries.iter().position(|(key, node)| key.name == *first && matches!(node.data, Data::Map(_)));
    let at = there.unwrap_or_else(|| {
        entries.push((key(), Node { line, data: Data::Map(Vec::new()) }));
        entries.len() - 1
    });
    if let Data::Map(inner) = &mut entries[at].1.data {
        put(inner, rest, line, node);
    }
}

fn scalar(line: usize, text: &str) -> Node {
    Node { line, data: Data::Scalar(text.to_owned()) }
}
