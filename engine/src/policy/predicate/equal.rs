//! `eq`, `neq`, `in`, `not_in`: equality of JSON values.

use super::number::Decimal;
use super::path::same_but_for_case;
use super::{Check, Outcome, Problem};
use crate::json::{Kind, Value};

/// Equal to one of these.
#[derive(Debug)]
pub(super) struct OneOf(Vec<Expected>);

impl OneOf {
    pub(super) fn single(value: Value<'_>) -> Result<Self, Problem> {
        Ok(Self(vec![Expected::read(value)?]))
    }

    pub(super) fn list(value: Value<'_>) -> Result<Self, Problem> {
        if value.kind() != Kind::Array || value.elements().next().is_none() {
            return Err(Problem::new("is no list of values", "write it as `[\"a\", \"b\"]`"));
        }
        let elements = value.elements().enumerate();
        let expected = elements.map(|(index, element)| Expected::read(element).map_err(|p| p.element(index)));
        Ok(Self(expected.collect::<Result<_, _>>()?))
    }
}

impl Check for OneOf {
    /// Equal to one: holds. Else, if of the type of one: fails. Else of the wrong type.
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        let mut outcome = Outcome::Unknown;
        for expected in &self.0 {
            match expected.compare(value) {
                Some(true) => return Outcome::Holds,
                Some(false) => outcome = Outcome::Fails,
                None => {}
            }
        }
        outcome
    }
}

#[derive(Debug)]
enum Expected {
    Null,
    Bool(bool),
    Number(Decimal),
    String(String),
    Array(Vec<Expected>),
    Object(Vec<(String, Expected)>),
}

impl Expected {
    /// Recursion is bounded by the depth limit of the configuration's parse.
    fn read(value: Value<'_>) -> Result<Self, Problem> {
        let text = |value: Value<'_>| value.as_str().unwrap_or_default().into_owned();
        Ok(match value.kind() {
            Kind::Null => Self::Null,
            Kind::True => Self::Bool(true),
            Kind::False => Self::Bool(false),
            Kind::Number => Self::Number(
                Decimal::parse(value.raw())
                    .ok_or_else(|| Problem::new("is out of range", "use a number that a double can hold"))?,
            ),
            Kind::String | Kind::Key => Self::String(text(value)),
            Kind::Array => Self::Array(value.elements().map(Self::read).collect::<Result<_, _>>()?),
            Kind::Object => Self::Object(
                value.members().map(|(key, value)| Ok((text(key), Self::read(value)?))).collect::<Result<_, _>>()?,
            ),
        })
    }

    /// `None` where the types differ, or where servers could read the value differently. Recursion
    /// goes no deeper than what was configured.
    fn compare(&self, value: Value<'_>) -> Option<bool> {
        match (self, value.kind()) {
            (Self::Null, kind) => Some(kind == Kind::Null),
            (Self::Bool(expected), Kind::True | Kind::False) => Some(value.as_bool() == Some(*expected)),
            (Self::Number(expected), Kind::Number) => Some(Decimal::parse(value.raw())? == *expected),
            (Self::String(expected), Kind::String) => Some(value.is_str(expected)),
            (Self::Array(expected), Kind::Array) => {
                let mut elements = value.elements();
                for expected in expected {
                    match elements.next() {
                        Some(element) if expected.compare(element)? => {}
                        _ => return Some(false),
                    }
                }
                Some(elements.next().is_none())
            }
            (Self::Object(expected), Kind::Object) => {
                let mut equal = value.members().count() == expected.len();
                for (name, expected) in expected {
                    let odd = |key: Value<'_>| {
                        key.as_str().is_some_and(|key| *key != **name && same_but_for_case(&key, name))
                    };
                    if value.members().any(|(key, _)| odd(key)) {
                        return None;
                    }
                    equal = equal && value.get(name).map_or(Some(false), |member| expected.compare(member))?;
                }
                Some(equal)
            }
            _ => None,
        }
    }
}
