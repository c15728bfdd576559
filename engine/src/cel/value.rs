//! Values, and how they compare.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use super::eval::Evaluation;
use super::expr::Const;
use super::{Fault, time};
use crate::json::{self, Kind};

/// A value. Those of the message stay where they are until they are asked for.
#[derive(Clone, Debug)]
pub(super) enum Value<'d> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(Cow<'d, str>),
    Bytes(Rc<[u8]>),
    List(Rc<[Value<'d>]>),
    Map(Rc<[(Value<'d>, Value<'d>)]>),
    /// A timestamp: microseconds since the Unix epoch.
    Time(i64),
    /// A duration in microseconds.
    Span(i64),
    Type(&'static str),
    /// An array or object of the message.
    Json(json::Value<'d>),
}

impl<'d> Value<'d> {
    /// A value of the message. Whole numbers are integers, as far as they fit.
    pub(super) fn from_json(value: json::Value<'d>) -> Result<Self, Fault> {
        Ok(match value.kind() {
            Kind::Null => Self::Null,
            Kind::True => Self::Bool(true),
            Kind::False => Self::Bool(false),
            Kind::String | Kind::Key => Self::Str(value.as_str().unwrap_or_default()),
            Kind::Array | Kind::Object => Self::Json(value),
            Kind::Number => {
                let raw = value.raw();
                if let Ok(number) = raw.parse() {
                    Self::Int(number)
                } else if let Ok(number) = raw.parse() {
                    Self::Uint(number)
                } else {
                    Self::Double(value.as_f64().filter(|number| number.is_finite()).ok_or(Fault::Range)?)
                }
            }
        })
    }

    pub(super) fn from_const(constant: &'d Const) -> Self {
        match constant {
            Const::Null => Self::Null,
            Const::Bool(holds) => Self::Bool(*holds),
            Const::Int(number) => Self::Int(*number),
            Const::Uint(number) => Self::Uint(*number),
            Const::Double(number) => Self::Double(*number),
            Const::Str(text) => Self::Str(Cow::Borrowed(text)),
            Const::Bytes(bytes) => Self::Bytes(Rc::from(&**bytes)),
            Const::Type(name) => Self::Type(name),
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Str(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Time(_) => "google.protobuf.Timestamp",
            Self::Span(_) => "google.protobuf.Duration",
            Self::Type(_) => "type",
            Self::Json(value) if value.kind() == Kind::Array => "list",
            Self::Json(_) => "map",
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.type_name(), "list")
    }

    /// The number of elements or entries.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::List(items) => Some(items.len()),
            Self::Map(entries) => Some(entries.len()),
            Self::Json(value) if value.kind() == Kind::Array => Some(value.elements().count()),
            Self::Json(value) => Some(value.members().count()),
            _ => None,
        }
    }

    /// The elements of a list, or the keys of a map.
    pub(super) fn items(&self, evaluation: &mut Evaluation<'_, 'd>) -> Result<Vec<Self>, Fault> {
        evaluation.charge(self.length().ok_or(Fault::Type)?.saturating_mul(COST_OF_ITEM))?;
        match self {
            Self::List(items) => Ok(items.to_vec()),
            Self::Map(entries) => Ok(entries.iter().map(|(key, _)| key.clone()).collect()),
            Self::Json(value) if value.kind() == Kind::Array => value.elements().map(Self::from_json).collect(),
            Self::Json(value) => value.members().map(|(key, _)| Self::from_json(key)).collect(),
            _ => Err(Fault::Type),
        }
    }

    /// The entry of a map; `Ok(None)` where there is none.
    pub(super) fn entry(&self, key: &Self, evaluation: &mut Evaluation<'_, 'd>) -> Result<Option<Self>, Fault> {
        if !matches!(key, Self::Bool(_) | Self::Int(_) | Self::Uint(_) | Self::Double(_) | Self::Str(_)) {
            return Err(Fault::Type);
        }
        match self {
            Self::Map(entries) => {
                for (known, value) in entries.iter() {
                    if known.equals(key, evaluation)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
            Self::Json(value) if value.kind() == Kind::Object => {
                evaluation.charge(value.members().count())?;
                let Self::Str(key) = key else { return Ok(None) };
                match member(*value, key)? {
                    Some(value) => Self::from_json(value).map(Some),
                    None => Ok(None),
                }
            }
            _ => Err(Fault::Type),
        }
    }

    /// The element of a list.
    pub(super) fn element(&self, index: usize) -> Result<Self, Fault> {
        match self {
            Self::List(items) => items.get(index).cloned().ok_or(Fault::Missing),
            Self::Json(value) => value.element(index).ok_or(Fault::Missing).and_then(Self::from_json),
            _ => Err(Fault::Type),
        }
    }

    /// Equal by value; different types are not equal, but for numbers.
    pub(super) fn equals(&self, other: &Self, evaluation: &mut Evaluation<'_, 'd>) -> Result<bool, Fault> {
        evaluation.charge(1)?;
        if let Some(ordering) = self.compare_numbers(other) {
            return Ok(ordering == Some(Ordering::Equal));
        }
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Str(one), Self::Str(two)) => {
                evaluation.charge(one.len().min(two.len()) / 16)?;
                one == two
            }
            (Self::Bytes(one), Self::Bytes(two)) => one == two,
            (Self::Time(one), Self::Time(two)) | (Self::Span(one), Self::Span(two)) => one == two,
            (Self::Type(one), Self::Type(two)) => one == two,
            _ => match (self.length(), other.length()) {
                (Some(one), Some(two)) if one == two && self.is_list() == other.is_list() => {
                    return self.equal_parts(other, evaluation);
                }
                _ => false,
            },
        })
    }

    fn equal_parts(&self, other: &Self, evaluation: &mut Evaluation<'_, 'd>) -> Result<bool, Fault> {
        let (own, others) = (self.items(evaluation)?, other.items(evaluation)?);
        if self.is_list() {
            for (one, two) in own.iter().zip(&others) {
                if !one.equals(two, evaluation)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for key in &own {
            let (one, two) = (self.entry(key, evaluation)?, other.entry(key, evaluation)?);
            match (one, two) {
                (Some(one), Some(two)) if one.equals(&two, evaluation)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Which is greater; `None` for a comparison with what is no number.
    ///
    /// # Errors
    /// [`Fault::Type`] where there is no order.
    pub(super) fn compare(&self, other: &Self) -> Result<Option<Ordering>, Fault> {
        if let Some(ordering) = self.compare_numbers(other) {
            return Ok(ordering);
        }
        match (self, other) {
            (Self::Bool(one), Self::Bool(two)) => Ok(Some(one.cmp(two))),
            (Self::Str(one), Self::Str(two)) => Ok(Some(one.cmp(two))),
            (Self::Bytes(one), Self::Bytes(two)) => Ok(Some(one.cmp(two))),
            (Self::Time(one), Self::Time(two)) | (Self::Span(one), Self::Span(two)) => Ok(Some(one.cmp(two))),
            _ => Err(Fault::Type),
        }
    }

    /// The order of two numbers of any type; the outer `None` where they are not both numbers.
    fn compare_numbers(&self, other: &Self) -> Option<Option<Ordering>> {
        let whole = |value: &Self| match value {
            Self::Int(number) => Some(i128::from(*number)),
            Self::Uint(number) => Some(i128::from(*number)),
            _ => None,
        };
        match (self, other) {
            (Self::Double(one), Self::Double(two)) => Some(one.partial_cmp(two)),
            (Self::Double(one), two) => whole(two).map(|two| one.partial_cmp(&(two as f64))),
            (one, Self::Double(two)) => whole(one).map(|one| (one as f64).partial_cmp(two)),
            (one, two) => Some(Some(whole(one)?.cmp(&whole(two)?))),
        }
    }
}

/// The member of an object. A name that differs only in case is another member here and the same one to some
/// servers: then nothing is sure.
fn member<'d>(object: json::Value<'d>, name: &str) -> Result<Option<json::Value<'d>>, Fault> {
    let mut found = None;
    for (key, value) in object.members() {
        if key.is_str(name) {
            found = Some(value);
        } else if key.as_str().is_some_and(|key| crate::policy::same_but_for_case(&key, name)) {
            return Err(Fault::Ambiguous);
        }
    }
    Ok(found)
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(holds) => write!(f, "{holds}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Uint(number) => write!(f, "{number}u"),
            Self::Double(number) => write!(f, "{number:?}"),
            Self::Str(text) => f.write_str(&json::quote(text)),
            Self::Bytes(bytes) => write!(f, "b{bytes:?}"),
            Self::Time(time) => f.write_str(&time::show_time(*time)),
            Self::Span(span) => f.write_str(&time::show_span(*span)),
            Self::Type(name) => f.write_str(name),
            Self::Json(value) => f.write_str(value.raw()),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Steps for each element that is taken out of a list.
const COST_OF_ITEM: usize = 2;
