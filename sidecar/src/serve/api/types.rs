//! Small types that endpoints have in common: what is not as documented does not get further than here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::clock;

/// How many of a list: 1 to 1000.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct Limit(pub(crate) u64);

/// What something is called that Portcullis or a filter named.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(pub(crate) String);

/// What a person called something: 1 to 128 characters, none of them a control character.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(pub(crate) String);

/// Anything that a record may hold, up to 8192 characters, without control characters.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Text(pub(crate) String);

/// Where a page of approvals ended: the time and the id of the last one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Cursor {
    pub(crate) created: u64,
    pub(crate) id: String,
}

/// 64 lower-case hexadecimal digits.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Sha256(pub(crate) String);

/// A point in time, or how long ago it was; microseconds since the Unix epoch.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Time(pub(crate) u64);

/// By its id.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ById {
    pub(crate) id: Id,
}

impl TryFrom<u64> for Limit {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        if (1..=Self::MAX).contains(&number) { Ok(Self(number)) } else { Err("1 to 1000") }
    }
}

impl Limit {
    pub(super) const MAX: u64 = 1000;
    pub(super) const DEFAULT: Self = Self(100);
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        if text.is_empty() || text.len() > 128 || text.starts_with('.') || !text.bytes().all(fine) {
            return Err("not the form of an id");
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.chars().count() > 128 || text.chars().any(char::is_control) {
            return Err("not the form of a name");
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.chars().count() > 8192 || text.chars().any(char::is_control) {
            return Err("not the form of a text");
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("not the form of a SHA-256");
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Time {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // Of what the command line takes as well, one form: a number and a unit.
        let ago = text.strip_suffix(['s', 'm', 'h', 'd']);
        let fine = match ago {
            Some(digits) => !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit()),
            None => text.len() >= 10 && text.contains('-'),
        };
        if !fine {
            return Err("no time");
        }
        clock::parse(&text, clock::now()).map(Self).map_err(|_| "no time")
    }
}

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (created, id) = text.split_once('.').ok_or("no cursor")?;
        let fit = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // No sign, and no more than a number of the database has.
        let created = created.bytes().all(|byte| byte.is_ascii_digit()).then(|| created.parse::<i64>().ok()).flatten();
        let created = created.and_then(|created| u64::try_from(created).ok()).ok_or("no cursor")?;
        if fit { Ok(Self { created, id: id.to_owned() }) } else { Err("no cursor") }
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        format!("{}.{}", cursor.created, cursor.id)
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{1,18}\\.[0-9A-Za-z]{1,64}$"})
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": Self::MAX, "default": Self::DEFAULT.0})
    }
}

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9A-Za-z_:-][0-9A-Za-z._:-]{0,127}$"})
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": NO_CONTROLS})
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 8192, "pattern": NO_CONTROLS})
    }
}

impl JsonSchema for Sha256 {
    fn schema_name() -> Cow<'static, str> {
        "Sha256".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "RFC 3339 in UTC, a date, or how long ago: 90s, 15m, 2h, 7d",
            "pattern": "^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z)?|[0-9]{1,6}[smhd])$",
        })
    }
}

/// No character of Unicode's category Cc.
pub(super) const NO_CONTROLS: &str = "^[^\\x00-\\x1f\\x7f-\\x9f]*$";
