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
        let Some((last, sections)) = path.split_last() else { return };
        let mut table = &mut self.0;
        for section in sections {
            let entry = table.entry((*section).to_owned()).or_insert_with(empty);
            if !matches!(entry.kind, ValueKind::Table(_)) {
                *entry = empty();
            }
            let ValueKind::Table(inner) = &mut entry.kind else { return };
            table = inner;
        }
        let origin = origin.to_owned();
        let mut value = Value::new(Some(&origin), kind);
        if let ValueKind::Table(fields) = &mut value.kind {
            // `config` merges tables field by field and forgets where the table itself comes from.
            for field in fields.values_mut() {
                *field = Value::new(Some(&origin), std::mem::take(&mut field.kind));
            }
        }
        table.insert((*last).to_owned(), value);
    }

    /// The layers as one tree, each over those before it.
    pub(super) fn merge(layers: Vec<Layer>) -> Result<Value, ConfigError> {
        ::config::Config::builder().add_source(layers).build().map(|merged| merged.cache)
    }
}

fn empty() -> Value {
    Value::new(None, Map::<String, Value>::new())
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
