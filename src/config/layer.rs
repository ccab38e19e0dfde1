//! What one place said, as a source of the `config` crate, which lays the places over each other.

use std::fmt;

use ::config::{ConfigError, Map, Source, Value, ValueKind};

/// The place of a value that nobody said; what follows says why it is this one.
pub(super) const DEFAULT: &str = "default";

/// Checked values by section. Two maps of the same key (labels, headers) are merged name by name.
#[derive(Clone, Default)]
pub(super) struct Layer(Map<String, Value>);

impl Layer {
    /// Says a value.
    pub(super) fn set(&mut self, path: &[&str], origin: &str, kind: ValueKind) {
        // There are hundreds of defaults, and what has no origin is one.
        let origin = (origin != DEFAULT).then(|| origin.to_owned());
        let value = match kind {
            // Tables are laid over each other field by field, so that only the fields know where they come from.
            ValueKind::Table(mut fields) => {
                for field in fields.values_mut() {
                    *field = Value::new(origin.as_ref(), std::mem::take(&mut field.kind));
                }
                section(fields)
            }
            kind => Value::new(origin.as_ref(), kind),
        };
        put(&mut self.0, path, value);
    }

    /// Whether there is a value at a path.
    pub(super) fn says(&self, path: &[&str]) -> bool {
        path.split_first()
            .is_some_and(|(first, rest)| self.0.get(*first).and_then(|tree| get(tree, rest)).is_some())
    }

    /// The layers as one tree, each over those before it.
    pub(super) fn merge(layers: Vec<Layer>) -> Result<Value, ConfigError> {
        ::config::Config::builder().add_source(layers).build().map(|merged| merged.cache)
    }

    /// This layer with a merged tree over it, as [`Layer::merge`] would lay it. `config` copies a layer once for each
    /// of its levels, which for all of the defaults was a third of the start.
    pub(super) fn under(self, said: Value) -> Value {
        let mut tree = section(self.0);
        lay(&mut tree, said);
        tree
    }
}

/// Lays a tree over another.
fn lay(under: &mut Value, over: Value) {
    match (&mut under.kind, over) {
        (ValueKind::Table(below), Value { kind: ValueKind::Table(above), .. }) => {
            for (key, value) in above {
                match below.get_mut(&key) {
                    Some(there) => lay(there, value),
                    None => _ = below.insert(key, value),
                }
            }
        }
        (_, over) => *under = over,
    }
}

/// Puts a value at a path; what is no section on the way becomes one.
fn put(table: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => _ = table.insert((*last).to_owned(), value),
        // Not by `entry`, which wants a copy of the name every time.
        [name, rest @ ..] => {
            if let Some(Value { kind: ValueKind::Table(inner), .. }) = table.get_mut(*name) {
                put(inner, rest, value);
            } else {
                let mut inner = Map::new();
                put(&mut inner, rest, value);
                table.insert((*name).to_owned(), section(inner));
            }
        }
    }
}

/// A table as a value. Not by `into`, which would hash every name again.
fn section(table: Map<String, Value>) -> Value {
    Value::new(None, ValueKind::Table(table))
}

/// The value at a path of a tree.
pub(super) fn get<'a>(tree: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |value, part| match &value.kind {
        ValueKind::Table(table) => table.get(*part),
        _ => None,
    })
}

/// Where a value of a merged tree was said. All fields of a duration were said together.
pub(super) fn origin(value: &Value) -> &str {
    let field = || match &value.kind {
        ValueKind::Table(fields) => fields.values().next()?.origin(),
        _ => None,
    };
    value.origin().or_else(field).unwrap_or(DEFAULT)
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    /// Only the sections' names are keys here: `config` would take a dot in a key for a path, and metrics
    /// have dots in their names.
    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Values may be secrets, so only the sections are shown.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(origin: &str, said: &[(&[&str], ValueKind)]) -> Layer {
        let mut layer = Layer::default();
        for (path, kind) in said {
            layer.set(path, origin, kind.clone());
        }
        layer
    }

    #[test]
    fn what_lies_under_a_tree_lies_there_as_in_a_merge() {
        let table = |names: &[&str]| -> ValueKind {
            names.iter().map(|name| ((*name).to_owned(), 1)).collect::<Map<_, _>>().into()
        };
        let list = |items: &[&str]| ValueKind::from(items.to_vec());
        let under = layer(
            DEFAULT,
            &[
                (&["a", "word"], "x".into()),
                (&["a", "list"], list(&["x", "y"])),
                (&["a", "table"], table(&["secs", "nanos"])),
                (&["a", "below", "dots.in.it"], true.into()),
                (&["a", "becomes a table"], "x".into()),
                (&["a", "becomes a word"], table(&["x"])),
                (&["only here"], table(&[])),
            ],
        );
        let over = layer(
            "file:1",
            &[
                (&["a", "word"], "y".into()),
                (&["a", "list"], list(&["z"])),
                (&["a", "table"], table(&["secs", "other"])),
                (&["a", "below", "dots.in.it"], false.into()),
                (&["a", "becomes a table"], table(&["x"])),
                (&["a", "becomes a word"], "x".into()),
                (&["only there", "word"], "x".into()),
            ],
        );
        let laid = under.clone().under(Layer::merge(vec![over.clone()]).unwrap());
        assert_eq!(laid, Layer::merge(vec![under, over]).unwrap());
        let said = |path: &[&str]| get(&laid, path).map(origin);
        assert_eq!(said(&["a", "table", "secs"]), Some("file:1"));
        assert_eq!(said(&["a", "table", "nanos"]), Some(DEFAULT));
        assert_eq!(said(&["only here"]), Some(DEFAULT));
    }
}
