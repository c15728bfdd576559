//! From the strict parse to the types: a `serde` deserializer over [`Value`].
//!
//! It is the one that the filter has: the text is parsed once, an error carries the JSON Pointer of
//! the place and never a value, and no second parser is compiled into the module for every type.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use super::error::{ConfigError, nearest};
use super::literal;
use crate::json::{Elements, Kind, Members, Value};

/// Reads a `T` out of a parsed value.
///
/// # Errors
/// The first mistake found, with its JSON Pointer from `value` on.
pub fn from_value<'de, T: Deserialize<'de>>(value: Value<'de>) -> Result<T, ConfigError> {
    T::deserialize(Node(value)).map_err(|Error(error)| *error)
}

/// A mistake; its pointer grows at the front on the way up.
#[derive(Debug)]
struct Error(Box<ConfigError>);

impl Error {
    fn below(mut self, token: &str) -> Self {
        self.0.pointer = format!("/{}{}", token.replace('~', "~0").replace('/', "~1"), self.0.pointer);
        self
    }

    fn unknown(what: &str, found: &str, valid: &[&str]) -> Self {
        let error = ConfigError::new("", format!("unknown {what} `{found}`"));
        Self(Box::new(match nearest(found, valid.iter().copied()) {
            Some(name) => error.remedy(format!("did you mean `{name}`?")),
            None if valid.is_empty() => error,
            None => {
                let valid: Vec<String> = valid.iter().map(|name| format!("`{name}`")).collect();
                error.remedy(format!("expected one of {}", valid.join(", ")))
            }
        }))
    }
}

// === impl Error ===

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(Box::new(ConfigError::new("", message.to_string())))
    }

    /// What was found is told by its kind only: it might be a secret in the wrong place.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let kind = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) | Unexpected::Char(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "a null",
            Unexpected::Seq => "an array",
            Unexpected::Map => "an object",
            _ => "a value that does not fit",
        };
        Self::custom(format_args!("found {kind}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, valid: &'static [&'static str]) -> Self {
        Self::unknown("value", found, valid)
    }

    /// Raised while the key is read, so the member's name is already in the pointer.
    fn unknown_field(found: &str, valid: &'static [&'static str]) -> Self {
        Self::unknown("field", found, valid)
    }
}

/// One value that is read.
#[derive(Clone, Copy)]
struct Node<'de>(Value<'de>);

impl<'de> Node<'de> {
    /// That this value is not what was expected.
    fn mismatch(self, expected: &dyn Expected) -> Error {
        let found = match self.0.kind() {
            Kind::Null => Unexpected::Unit,
            Kind::True | Kind::False => Unexpected::Bool(true),
            Kind::Number => Unexpected::Unsigned(0),
            Kind::String | Kind::Key => Unexpected::Str(""),
            Kind::Array => Unexpected::Seq,
            Kind::Object => Unexpected::Map,
        };
        Error::invalid_type(found, expected)
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let raw = self.0.raw();
        if let Ok(number) = raw.parse::<u64>() {
            return visitor.visit_u64(number);
        }
        match (raw.parse::<i64>(), raw.parse::<f64>()) {
            (Ok(number), _) if number != 0 => visitor.visit_i64(number),
            (_, Ok(number)) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(Error::custom("number out of range")),
        }
    }
}

/// Methods that read a number and nothing else: less is compiled than if anything might come.
macro_rules! number {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.kind() {
                Kind::Number => self.number(visitor),
                _ => Err(self.mismatch(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind() {
            Kind::Null => visitor.visit_unit(),
            Kind::True => visitor.visit_bool(true),
            Kind::False => visitor.visit_bool(false),
            Kind::Number => self.number(visitor),
            Kind::String | Kind::Key => text(self.0, visitor),
            Kind::Array => visitor.visit_seq(List { rest: self.0.elements(), index: 0 }),
            Kind::Object => visitor.visit_map(Object { rest: self.0.members(), member: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind() {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match name {
            literal::NAME => visitor.visit_borrowed_str(self.0.raw()),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// A name, or an object with one member: the name and what belongs to it.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut members = self.0.members();
        match (self.0.kind(), members.next(), members.next()) {
            (Kind::String, ..) => visitor.visit_enum(Variant { name: self.0, content: None }),
            (Kind::Object, Some((name, content)), None) => visitor.visit_enum(Variant { name, content: Some(content) }),
            _ => Err(Error(Box::new(
                ConfigError::new("", "is of the wrong type").remedy("write one of its names in quotes"),
            ))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    /// Never an array: which member a value belongs to is not a matter of order.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind() {
            Kind::Object => visitor.visit_map(Object { rest: self.0.members(), member: None }),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind() {
            Kind::Array => visitor.visit_seq(List { rest: self.0.elements(), index: 0 }),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.kind() {
            Kind::String | Kind::Key => text(self.0, visitor),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.as_bool() {
            Some(flag) => visitor.visit_bool(flag),
            None => Err(self.mismatch(&visitor)),
        }
    }

    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct tuple_struct }
}

fn text<'de, V: Visitor<'de>>(string: Value<'de>, visitor: V) -> Result<V::Value, Error> {
    match string.as_str().unwrap_or_default() {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_str(&text),
    }
}

struct List<'de> {
    rest: Elements<'de>,
    index: usize,
}

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(element) = self.rest.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Node(element)).map(Some).map_err(|error| error.below(&index.to_string()))
    }
}

struct Object<'de> {
    rest: Members<'de>,
    member: Option<(Value<'de>, Value<'de>)>,
}

impl<'de> MapAccess<'de> for Object<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.member = self.rest.next();
        let Some((key, _)) = self.member else { return Ok(None) };
        seed.deserialize(Node(key)).map(Some).map_err(|error| error.below(&key.as_str().unwrap_or_default()))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some((key, value)) = self.member.take() else { return Err(Error::custom("a value without its key")) };
        seed.deserialize(Node(value)).map_err(|error| error.below(&key.as_str().unwrap_or_default()))
    }
}

/// A variant by its name, with what belongs to it.
struct Variant<'de> {
    name: Value<'de>,
    content: Option<Value<'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let name = self.name.as_str().unwrap_or_default();
        Ok((seed.deserialize(IntoDeserializer::<Error>::into_deserializer(name))?, self))
    }
}

impl<'de> Variant<'de> {
    fn content(&self) -> Result<Node<'de>, Error> {
        self.content.map(Node).ok_or_else(|| Error::custom("is a name only, expected an object of one member"))
    }

    fn within<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| error.below(&self.name.as_str().unwrap_or_default()))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Error::custom("found an object, expected a name only")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let content = self.content()?;
        self.within(seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let content = self.content()?;
        self.within(content.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let content = self.content()?;
        self.within(content.deserialize_map(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::json::{Document, Limits};

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct All {
        flag: bool,
        small: u8,
        signed: i32,
        ratio: f64,
        text: String,
        maybe: Option<u16>,
        list: Vec<Choice>,
        map: BTreeMap<String, (i8, String)>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Choice {
        Plain,
        Holds(u32),
        Names { of: String },
    }

    fn read(text: &str) -> Result<All, String> {
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        from_value(document.root()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            "{}",
            r#"{"flag":true,"small":255,"signed":-7,"ratio":2,"text":"a\u00e9\n","maybe":null}"#,
            r#"{"ratio":-0.0,"signed":0,"maybe":9,"list":["plain",{"holds":3},{"names":{"of":"x"}}]}"#,
            r#"{"map":{"a/b":[1,"x"],"~":[-1,""]},"ratio":1e3}"#,
        ] {
            assert_eq!(read(text).unwrap(), serde_json::from_str(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn refuses_with_place_and_without_value() {
        for (text, error) in [
            (r#"{"small":256}"#, "/small: found a number, expected u8"),
            (r#"{"small":-1}"#, "/small: found a number, expected u8"),
            (r#"{"signed":1.5}"#, "/signed: found a number, expected i32"),
            (r#"{"ratio":1e999}"#, "/ratio: number out of range"),
            (r#"{"text":["s3cret"]}"#, "/text: found an array, expected a string"),
            (r#"{"text":null}"#, "/text: found a null, expected a string"),
            (r#"{"flag":"s3cret"}"#, "/flag: found a string, expected a boolean"),
            (r#"{"fl/ag":1}"#, "/fl~1ag: unknown field `fl/ag`; did you mean `flag`?"),
            (r#"{"list":["plain","plane"]}"#, "/list/1: unknown value `plane`; did you mean `plain`?"),
            (r#"{"list":[{"plain":1}]}"#, "/list/0: found an object, expected a name only"),
            (r#"{"list":["holds"]}"#, "/list/0: is a name only, expected an object of one member"),
            (r#"{"list":[{"holds":true}]}"#, "/list/0/holds: found a boolean, expected u32"),
            (r#"{"list":[{"names":{"off":"x"}}]}"#, "/list/0/names/off: unknown field `off`; did you mean `of`?"),
            (r#"{"list":[{}]}"#, "/list/0: is of the wrong type; write one of its names in quotes"),
            (r#"{"map":{"a/b":[1]}}"#, "/map/a~1b: invalid length 1, expected a tuple of size 2"),
            ("[]", "configuration: found an array, expected struct All"),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{text}");
        }
    }
}
