//! Series by 64-bit keys.
//!
//! The same series comes from two sides: as a point of the SDK, and as a point of a reading when it has to be
//! told that it ended. Both give the same key, whatever the order of the attributes, which the SDK changes at
//! will. Process and mount names are somebody else's choice, so the hash has a secret.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::metric::{Attributes, Metric, Text};

/// The value of an attribute, wherever it comes from.
#[derive(Hash)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    Int(i64),
}

impl<'a> From<&'a Text> for Scalar<'a> {
    fn from(text: &'a Text) -> Self {
        match text {
            Text::Static(text) => Scalar::Text(text),
            Text::Shared(text) => Scalar::Text(text),
            Text::Int(number) => Scalar::Int(*number),
        }
    }
}

impl<'a> From<&'a opentelemetry::Value> for Scalar<'a> {
    fn from(value: &'a opentelemetry::Value) -> Self {
        match value {
            opentelemetry::Value::String(text) => Scalar::Text(text.as_str()),
            opentelemetry::Value::I64(number) => Scalar::Int(*number),
            // Our instruments make no others; the SDK's own `otel.metric.overflow` is told by its name.
            _ => Scalar::Text(""),
        }
    }
}

/// Makes keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(RandomState);

impl Keys {
    /// The key of a set of attributes; 0 for none, and the sum for two sets.
    pub(super) fn attribute<'a>(&self, name: &str, value: impl Into<Scalar<'a>>) -> u64 {
        self.0.hash_one((name, value.into()))
    }

    /// The key of attributes as a reading has them.
    pub(super) fn attributes(&self, attributes: &Attributes) -> u64 {
        attributes.iter().fold(0, |key, (name, value)| key.wrapping_add(self.attribute(name, value)))
    }

    /// The key of a series: its metric, its entity's attributes and its own.
    pub(super) fn series(&self, metric: &Metric, entity: u64, attributes: u64) -> u64 {
        self.0.hash_one((metric.name, entity, attributes))
    }
}

/// A map whose keys are hashes already.
pub(super) type ByKey<T> = HashMap<u64, T, BuildHasherDefault<Same>>;

/// The hasher that leaves a hash as it is.
#[derive(Debug, Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;
    use crate::instruments::attribute_value;

    #[test]
    fn a_series_has_one_key_from_both_sides_and_in_any_order() {
        let keys = Keys::default();
        let attributes: Attributes = vec![
            ("system.device", "sda".to_owned().into()),
            ("process.pid", Text::Int(7)),
            ("direction", "read".into()),
        ];
        let sdk = attributes.iter().rev().map(|(name, value)| KeyValue::new(*name, attribute_value(value)));
        let key = sdk.fold(0, |key: u64, kv| key.wrapping_add(keys.attribute(kv.key.as_str(), &kv.value)));
        assert_eq!(key, keys.attributes(&attributes));
    }

    #[test]
    fn a_number_and_its_text_differ_and_so_do_name_and_value() {
        let keys = Keys::default();
        assert_ne!(keys.attribute("a", &Text::Int(7)), keys.attribute("a", &Text::Static("7")));
        assert_ne!(keys.attribute("ab", &Text::Static("c")), keys.attribute("a", &Text::Static("bc")));
    }
}
