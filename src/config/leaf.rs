//! The value of one key against its setting, from YAML or from a plain text.

use std::collections::HashMap;

use ::config::{Map, Value, ValueKind};

use super::known::Known;
use super::layer::Layer;
use super::problem::{Problem, shown};
use super::setting::Kind;
use super::value::{self, Bare};
use super::yaml::{Data, Key, Node};

/// What one place said that holds, and what is wrong with the rest.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) layer: Layer,
    pub(super) problems: Vec<Problem>,
}

impl Checked {
    pub(super) fn problem(&mut self, origin: &str, path: &[&str], message: impl Into<String>) {
        self.problems.push(Problem::new(origin, &path.join("."), message));
    }

    fn keep(&mut self, origin: &str, path: &[&str], value: Result<ValueKind, String>) {
        match value {
            Ok(kind) => self.layer.set(path, origin, kind),
            Err(message) => self.problem(origin, path, message),
        }
    }
}

/// A value in a YAML file: what stands at a key of line `line`, `origin` telling the place of a line.
pub(super) fn node(
    known: &Known,
    line: usize,
    node: &Node,
    origin: &dyn Fn(usize) -> String,
    out: &mut Checked,
) {
    let (kind, path) = (known.setting.kind, &known.path[..]);
    let place = origin(line);
    let one = !matches!(kind, Kind::List) && !kind.is_map();
    match &node.data {
        Data::Nothing => {}
        Data::Scalar(text) if text.trim().is_empty() && known.setting.default.is_empty() => {}
        Data::Scalar(text) if one => out.keep(&place, path, value::scalar(kind, text, Bare::Seconds)),
        Data::List(items) if matches!(kind, Kind::List) => {
            let texts = list(path, items, origin, out);
            out.layer.set(path, &place, texts.into());
        }
        Data::Map(entries) if kind.is_map() => {
            out.layer.set(path, &place, Map::<String, Value>::new().into());
            map(known, entries, origin, out);
        }
        // What stands where secrets belong may well be one.
        Data::Scalar(_) if kind.is_secret() => {
            out.problem(&place, path, format!("expected {kind}, found a text"));
        }
        other => out.problem(&place, path, format!("expected {kind}, found {}", found(other))),
    }
}

fn list(path: &[&str], items: &[Node], origin: &dyn Fn(usize) -> String, out: &mut Checked) -> Vec<Value> {
    let mut texts = Vec::new();
    for Node { line, data } in items {
        let place = origin(*line);
        match data {
            Data::Scalar(text) => texts.push(Value::new(Some(&place), text.as_str())),
            other => out.problem(&place, path, format!("expected a text, found {}", found(other))),
        }
    }
    texts
}

fn map(known: &Known, entries: &[(Key, Node)], origin: &dyn Fn(usize) -> String, out: &mut Checked) {
    let mut said = HashMap::new();
    for (key, node) in entries {
        let place = origin(key.line);
        let entry = match &node.data {
            Data::Nothing => continue,
            Data::Scalar(text) => value::entry(known.setting.kind, &key.name, text),
            other => Err(format!("expected a text, found {}", found(other))),
        };
        let (name, value) = split(entry, &key.name);
        let value = value.and_then(|value| match said.insert(name.clone(), key.line) {
            Some(before) => Err(format!("stands on line {before} already")),
            None => Ok(value),
        });
        out.keep(&place, &inside(&known.path, &name), value);
    }
}

/// A value that is a plain text, from the environment or the command line.
pub(super) fn text(known: &Known, text: &str, bare: Bare, origin: &str, out: &mut Checked) {
    let (kind, path) = (known.setting.kind, &known.path[..]);
    if matches!(kind, Kind::List) {
        let place = origin.to_owned();
        let items: Vec<Value> = value::list(text).map(|item| Value::new(Some(&place), item)).collect();
        out.layer.set(path, origin, items.into());
    } else if kind.is_map() {
        match value::pairs(text) {
            Err(message) => out.problem(origin, path, message),
            Ok(pairs) => {
                for (name, text) in pairs {
                    let (name, value) = split(value::entry(kind, &name, &text), &name);
                    out.keep(origin, &inside(path, &name), value);
                }
            }
        }
    } else {
        out.keep(origin, path, value::scalar(kind, text, bare));
    }
}

/// The name of an entry, as it is kept or as it was said, and its value.
fn split(entry: Result<(String, ValueKind), String>, said: &str) -> (String, Result<ValueKind, String>) {
    match entry {
        Ok((name, value)) => (name, Ok(value)),
        Err(message) => (said.to_owned(), Err(message)),
    }
}

/// The path of a name in the section or map at `path`.
pub(super) fn inside<'a>(path: &[&'a str], name: &'a str) -> Vec<&'a str> {
    [path, &[name]].concat()
}

/// What stands there, for the end of the sentence "found ...".
pub(super) fn found(data: &Data) -> String {
    match data {
        Data::Nothing => String::from("nothing"),
        Data::Scalar(text) => shown(text),
        Data::List(_) => String::from("a list"),
        Data::Map(_) => String::from("a section"),
    }
}
