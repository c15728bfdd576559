//! A JSON value of the configuration, kept as it was written.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Reader, Settings};
use crate::json::Value;

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

impl Settings for Literal {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        Self(reader.present(value).map_or_else(String::new, |value| value.raw().to_owned()))
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
