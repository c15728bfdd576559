//! A JSON value of the configuration, kept as it was written.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON value as it was written: numbers keep their digits, which an `f64` would round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

// === impl Literal ===

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, LiteralVisitor)
    }
}

struct LiteralVisitor;

impl<'de> Visitor<'de> for LiteralVisitor {
    type Value = Literal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    /// The deserializer of [`super::de`] hands over the value as it was written.
    fn visit_str<E: Error>(self, text: &str) -> Result<Literal, E> {
        Ok(Literal(text.to_owned()))
    }

    /// `serde_json` does so under a name of its own.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Literal, D::Error> {
        Ok(Literal(Box::<RawValue>::deserialize(deserializer)?.get().to_owned()))
    }
}

impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Literal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Literal".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::Schema::default()
    }
}

/// The name by which [`super::de`] knows that a value is wanted as it was written.
pub(super) const NAME: &str = "portcullis::Literal";
