//! `type`: the JSON type of a value, by the names of JSON Schema.

use super::number::Decimal;
use super::{Check, Outcome, Problem, one_or_list, string};
use crate::config::nearest;
use crate::json::{Kind, Value};

/// Of one of these types.
#[derive(Debug)]
pub(super) struct OfType(Vec<Type>);

impl OfType {
    pub(super) fn new(value: Value<'_>) -> Result<Self, Problem> {
        one_or_list(value, |value| {
            let name = string(value)?;
            let known = TYPES.iter().find(|(known, _)| *known == name);
            known.map(|(_, kind)| *kind).ok_or_else(|| {
                let remedy = match nearest(&name, TYPES.iter().map(|(known, _)| *known)) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "use null, boolean, integer, number, string, array or object".to_owned(),
                };
                Problem::new(format!("unknown type `{name}`"), remedy)
            })
        })
        .map(Self)
    }
}

impl Check for OfType {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        Outcome::from(self.0.iter().any(|kind| kind.fits(value)))
    }
}

#[derive(Clone, Copy, Debug)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    fn fits(self, value: Value<'_>) -> bool {
        match (self, value.kind()) {
            (Self::Integer, Kind::Number) => Decimal::parse(value.raw()).is_some_and(|number| number.is_integer()),
            (Self::Null, Kind::Null)
            | (Self::Boolean, Kind::True | Kind::False)
            | (Self::Number, Kind::Number)
            | (Self::String, Kind::String)
            | (Self::Array, Kind::Array)
            | (Self::Object, Kind::Object) => true,
            _ => false,
        }
    }
}

const TYPES: &[(&str, Type)] = &[
    ("null", Type::Null),
    ("boolean", Type::Boolean),
    ("integer", Type::Integer),
    ("number", Type::Number),
    ("string", Type::String),
    ("array", Type::Array),
    ("object", Type::Object),
];
