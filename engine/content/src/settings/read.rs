//! From the strict parse to the types of the configuration.
//!
//! An error carries the JSON Pointer of the place and never a value: it might be a secret in the wrong place. The
//! first mistake is kept in the [`Reader`] and reading goes on with whatever fits the types, so that what is
//! compiled for a member is one call and no way back out: the configuration has some 200 types and members.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::error::{ConfigError, nearest};
use crate::json::{Document, Kind, Limits, Value};

pub use portcullis_settings_derive::Settings;

/// Reads a `T` out of a parsed value.
///
/// # Errors
/// A mistake, with its JSON Pointer from `value` on.
pub fn from_value<T: Settings>(value: Value<'_>) -> Result<T, ConfigError> {
    let mut reader = Reader::default();
    let read = T::read(Some(value), &mut reader);
    match reader.error {
        None => Ok(read),
        Some(error) => Err(*error),
    }
}

/// Reads a `T` out of its JSON text.
///
/// # Errors
/// What the strict parse refuses, or a mistake with its JSON Pointer.
pub fn from_json<T: Settings>(text: &[u8]) -> Result<T, ConfigError> {
    let document =
        Document::parse(text, &Limits::default()).map_err(|error| ConfigError::new("", error.to_string()))?;
    from_value(document.root())
}

/// A type of the configuration.
pub trait Settings: Sized {
    /// Reads `value`; none: the member is not there. Where that does not do, the reader is told and what is
    /// returned does not matter.
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self;
}

/// What reading comes upon.
#[derive(Default)]
pub struct Reader {
    path: Vec<Step>,
    error: Option<Box<ConfigError>>,
}

enum Step {
    Member(&'static str),
    Key(String),
    Element(usize),
}

/// The members of an object that may have some.
pub struct Fields<'v> {
    object: Option<Value<'v>>,
    names: &'static [&'static str],
}

// === What derived code calls ===

impl Reader {
    /// An object that has no members but `names`.
    pub fn members<'v>(&mut self, value: Option<Value<'v>>, names: &'static [&'static str]) -> Fields<'v> {
        let object = self.of_kind(value, Kind::Object, "an object");
        for (key, _) in object.into_iter().flat_map(Value::members) {
            if !names.iter().any(|name| key.is_str(name)) {
                let found = key.as_str().unwrap_or_default();
                self.path.push(Step::Key(found.clone().into_owned()));
                self.unknown("field", &found, names);
                self.path.pop();
            }
        }
        Fields { object, names }
    }

    /// The number of a name among `names`.
    pub fn name(&mut self, value: Option<Value<'_>>, names: &[&str]) -> usize {
        let Some(value) = self.present(value) else { return 0 };
        let Some(found) = value.as_str() else {
            self.note(|| ConfigError::new("", "is of the wrong type").remedy("write one of its names in quotes"));
            return 0;
        };
        names.iter().position(|name| *name == found).unwrap_or_else(|| {
            self.unknown("value", &found, names);
            0
        })
    }

    /// A member as `read` reads it.
    pub fn member<T>(
        &mut self,
        fields: &Fields<'_>,
        index: usize,
        read: impl FnOnce(Option<Value<'_>>, &mut Self) -> T,
    ) -> T {
        let value = self.enter(fields, index);
        let member = read(value, self);
        self.path.pop();
        member
    }

    /// A member that has to be there, unless its type says otherwise.
    #[inline(never)]
    pub fn required<T: Settings>(&mut self, fields: &Fields<'_>, index: usize) -> T {
        self.member(fields, index, T::read)
    }

    /// A member, or what `otherwise` says.
    #[inline(never)]
    pub fn or<T: Settings>(&mut self, fields: &Fields<'_>, index: usize, otherwise: fn() -> T) -> T {
        self.member(fields, index, |value, reader| match value {
            Some(_) => T::read(value, reader),
            None => otherwise(),
        })
    }

    /// A member, or the default of its type.
    #[inline(never)]
    pub fn or_default<T: Settings + Default>(&mut self, fields: &Fields<'_>, index: usize) -> T {
        self.or(fields, index, T::default)
    }

    /// Puts a member in the place of the default that stands there.
    #[inline(never)]
    pub fn replace<T: Settings>(&mut self, fields: &Fields<'_>, index: usize, place: &mut T) {
        self.member(fields, index, |value, reader| {
            if value.is_some() {
                *place = T::read(value, reader);
            }
        });
    }
}

// === What types are read with ===

impl Reader {
    /// The value, of which it is told if it is not there.
    pub fn present<'v>(&mut self, value: Option<Value<'v>>) -> Option<Value<'v>> {
        if value.is_none() && self.error.is_none() {
            // The place is the object that lacks it.
            let name = match self.path.pop() {
                Some(Step::Member(name)) => name,
                _ => "",
            };
            self.note(|| ConfigError::new("", format!("missing field `{name}`")));
            self.path.push(Step::Member(name));
        }
        value
    }

    /// The value, if it is `expected`.
    pub fn of_kind<'v>(&mut self, value: Option<Value<'v>>, kind: Kind, expected: &str) -> Option<Value<'v>> {
        let value = self.present(value)?;
        if value.kind() == kind {
            return Some(value);
        }
        self.mismatch(value, expected);
        None
    }

    /// Tells that `value` is not what was expected. What was found is told by its kind only.
    pub fn mismatch(&mut self, value: Value<'_>, expected: &str) {
        let found = match value.kind() {
            Kind::Null => "a null",
            Kind::True | Kind::False => "a boolean",
            Kind::Number => "a number",
            Kind::String | Kind::Key => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        };
        self.note(|| ConfigError::new("", format!("found {found}, expected {expected}")));
    }

    fn unknown(&mut self, what: &str, found: &str, valid: &[&str]) {
        self.note(|| {
            let error = ConfigError::new("", format!("unknown {what} `{found}`"));
            match nearest(found, valid.iter().copied()) {
                Some(name) => error.remedy(format!("did you mean `{name}`?")),
                None if valid.is_empty() => error,
                None => error.remedy(format!("expected one of `{}`", valid.join("`, `"))),
            }
        });
    }

    /// Keeps the first mistake, with the place that is being read.
    fn note(&mut self, error: impl FnOnce() -> ConfigError) {
        if self.error.is_none() {
            self.error = Some(Box::new(ConfigError { pointer: self.pointer(), ..error() }));
        }
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            let (name, index) = match step {
                Step::Member(name) => (*name, None),
                Step::Key(name) => (name.as_str(), None),
                Step::Element(index) => ("", Some(index)),
            };
            pointer.push('/');
            match index {
                // Writing to a string cannot fail.
                Some(index) => drop(write!(pointer, "{index}")),
                None => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
            }
        }
        pointer
    }

    fn enter<'v>(&mut self, fields: &Fields<'v>, index: usize) -> Option<Value<'v>> {
        let name = fields.names.get(index).copied().unwrap_or_default();
        self.path.push(Step::Member(name));
        fields.object?.get(name)
    }

    /// A whole number of at most `bits` bits.
    fn unsigned(&mut self, value: Option<Value<'_>>, max: u64, expected: &str) -> u64 {
        let Some(value) = self.of_kind(value, Kind::Number, expected) else { return 0 };
        match value.raw().parse() {
            Ok(number) if number <= max => number,
            _ => {
                self.mismatch(value, expected);
                0
            }
        }
    }
}

// === impl Settings for … ===

impl Settings for bool {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        let Some(value) = reader.present(value) else { return false };
        value.as_bool().unwrap_or_else(|| {
            reader.mismatch(value, "a boolean");
            false
        })
    }
}

macro_rules! unsigned {
    ($($number:ident)*) => {$(
        impl Settings for $number {
            fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
                let number = reader.unsigned(value, $number::MAX as u64, stringify!($number));
                $number::try_from(number).unwrap_or_default()
            }
        }
    )*};
}

unsigned! { u8 u16 u32 u64 usize }

impl Settings for i32 {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        let Some(value) = reader.of_kind(value, Kind::Number, "i32") else { return 0 };
        value.raw().parse().unwrap_or_else(|_| {
            reader.mismatch(value, "i32");
            0
        })
    }
}

impl Settings for f64 {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        let Some(value) = reader.of_kind(value, Kind::Number, "a number") else { return 0.0 };
        let number = value.as_f64().filter(|number| number.is_finite());
        number.unwrap_or_else(|| {
            reader.note(|| ConfigError::new("", "number out of range"));
            0.0
        })
    }
}

impl Settings for String {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        let value = reader.of_kind(value, Kind::String, "a string");
        value.and_then(Value::as_str).unwrap_or_default().into_owned()
    }
}

impl<T: Settings> Settings for Option<T> {
    /// None and `null` are the same.
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        let value = value.filter(|value| value.kind() != Kind::Null)?;
        Some(T::read(Some(value), reader))
    }
}

impl<T: Settings> Settings for Vec<T> {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        let mut list = Self::new();
        let Some(value) = reader.of_kind(value, Kind::Array, "an array") else { return list };
        for (index, element) in value.elements().enumerate() {
            reader.path.push(Step::Element(index));
            list.push(T::read(Some(element), reader));
            reader.path.pop();
        }
        list
    }
}

impl<T: Settings> Settings for BTreeMap<String, T> {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        let mut map = Self::new();
        let Some(value) = reader.of_kind(value, Kind::Object, "an object") else { return map };
        for (key, value) in value.members() {
            let key = key.as_str().unwrap_or_default().into_owned();
            reader.path.push(Step::Key(key.clone()));
            map.insert(key, T::read(Some(value), reader));
            reader.path.pop();
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, Settings, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct All {
        flag: bool,
        small: u8,
        signed: i32,
        ratio: f64,
        text: String,
        maybe: Option<u16>,
        list: Vec<Choice>,
        map: BTreeMap<String, Named>,
    }

    #[derive(Clone, Copy, Debug, Deserialize, Settings, PartialEq)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Choice {
        Plain,
        InTwoWords,
        #[serde(rename = "3rd")]
        Third,
    }

    #[derive(Debug, Deserialize, Settings, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Named {
        r#type: Choice,
        #[serde(default)]
        count: u64,
        #[serde(default = "seven", rename = "Seven")]
        seven: u32,
        also: Option<String>,
        #[serde(skip)]
        never: String,
    }

    fn seven() -> u32 {
        7
    }

    fn read(text: &str) -> Result<All, String> {
        from_json(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_serde_reads() {
        for text in [
            "{}",
            r#"{"flag":true,"small":255,"signed":-7,"ratio":2,"text":"a\u00e9\n","maybe":null}"#,
            r#"{"ratio":-0.0,"signed":0,"maybe":9,"list":["plain","in_two_words","3rd"]}"#,
            r#"{"map":{"a/b":{"type":"3rd"},"~":{"Seven":1,"also":"x","type":"plain","count":18446744073709551615}},"ratio":1e3}"#,
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
            (r#"{"list":[{"plain":1}]}"#, "/list/0: is of the wrong type; write one of its names in quotes"),
            (r#"{"map":{"a/b":[1]}}"#, "/map/a~1b: found an array, expected an object"),
            (r#"{"map":{"m":{}}}"#, "/map/m: missing field `type`"),
            (
                r#"{"map":{"m":{"type":"plain","never":"x"}}}"#,
                "/map/m/never: unknown field `never`; did you mean `Seven`?",
            ),
            (r#"{"small":"s3cret","flag":3}"#, "/flag: found a number, expected a boolean"),
            ("[]", "configuration: found an array, expected an object"),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{text}");
        }
    }
}
