//! Bytes to [`Config`]: the strict parse, the types, and errors that lead to the mistake.

use super::{Config, ConfigError, MAX_CONFIG_BYTES, canonical_json, from_value, sha256_hex};
use crate::json::{Document, ErrorKind, Limits};

pub(super) fn load(bytes: &[u8]) -> Result<Config, ConfigError> {
    let limits = Limits { max_bytes: MAX_CONFIG_BYTES, ..Limits::default() };
    let document = Document::parse(bytes, &limits).map_err(|error| {
        let (line, column) = position(bytes, error.offset);
        let name = match error.kind {
            ErrorKind::DuplicateKey => key_at(bytes, error.offset).map(|name| format!(" `{name}`")),
            _ => None,
        };
        let name = name.unwrap_or_default();
        ConfigError::new("", format!("{}{name} at line {line}, column {column}", error.kind.message()))
            .remedy("the configuration must be one strict JSON object")
    })?;
    let mut config: Config = from_value(document.root())?;
    config.digest = sha256_hex(canonical_json(document.root()).as_bytes());
    Ok(config)
}

/// The object key that begins at `offset`.
fn key_at(bytes: &[u8], offset: usize) -> Option<&str> {
    std::str::from_utf8(bytes.get(offset + 1..)?).ok()?.split('"').next()
}

/// Line and column (in bytes) of an offset, both from 1.
fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::from_json(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_place_and_the_remedy() {
        for (text, expected) in [
            ("{}", "configuration: missing field `version`"),
            (
                "",
                "configuration: unexpected end of the message at line 1, column 1; the configuration must be one strict JSON object",
            ),
            (
                "{\"version\":\"1\",\n\"mode\":\"enforce\",\"mode\":\"shadow\"}",
                "configuration: duplicate object key `mode` at line 2, column 18; the configuration must be one strict JSON object",
            ),
            (r#"{"version":"2"}"#, "/version: unknown value `2`; expected one of `1`"),
            (r#"{"version":1}"#, "/version: is of the wrong type; write one of its names in quotes"),
            (r#"{"version":"1","rule":[]}"#, "/rule: unknown field `rule`; did you mean `rules`?"),
            (r#"{"version":"1","mode":"enforced"}"#, "/mode: unknown value `enforced`; did you mean `enforce`?"),
            (
                r#"{"version":"1","rules":[{"id":"a","action":"allow","match":{"nane":["x"]}}]}"#,
                "/rules/0/match/nane: unknown field `nane`; did you mean `name`?",
            ),
            (r#"{"version":"1","rules":[{"id":"a"}]}"#, "/rules/0: missing field `action`"),
            (
                r#"{"version":"1","rules":[{"id":"a","action":"allow","match":{"principal":{"kind":["robot"]}}}]}"#,
                "/rules/0/match/principal/kind/0: unknown value `robot`; expected one of `human`, `agent`, `service`, `workflow`",
            ),
            (r#"{"version":"1","limits":{"max_depth":"s3cret"}}"#, "/limits/max_depth: found a string, expected usize"),
            (r#"{"version":"1","servers":{"a/b":1}}"#, "/servers: found an object, expected an array"),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
    }

    #[test]
    fn accepts_schema_and_null_values() {
        let config = Config::from_json(
            br#"{"$schema":"./s.json","version":"1","rules":[{"id":"a","action":"deny","arguments":[
                {"path":"/a","op":"eq","value":null},{"path":"/b","op":"exists"},{"path":"/c","op":"lt","value":12345678901234567890123.0}]}]}"#,
        )
        .unwrap();
        let values: Vec<_> =
            config.rules[0].arguments.iter().map(|p| p.value.as_ref().map(|v| v.as_json().to_owned())).collect();
        assert_eq!(values, [Some("null".to_owned()), None, Some("12345678901234567890123.0".to_owned())]);
    }
}
