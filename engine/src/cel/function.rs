//! Functions and methods (langdef, "List of Standard Definitions").

use std::rc::Rc;

use super::Fault;
use super::eval::Evaluation;
use super::time::{self, Part};
use super::value::Value;

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    ToInt,
    ToUint,
    ToDouble,
    ToString,
    ToBool,
    ToBytes,
    ToTimestamp,
    ToDuration,
    Type,
    Dyn,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Get(Part),
}

impl Function {
    /// The function (or method, `x.f()`) of this name.
    pub(super) fn find(name: &str, is_method: bool) -> Option<Self> {
        let found = FUNCTIONS.iter().find(|(known, _, methods, _)| *known == name && fits(*methods, is_method));
        found.map(|(_, function, ..)| *function)
    }

    /// Whether it takes so many arguments, the object of a method included.
    pub(super) fn takes(self, count: usize) -> bool {
        let entry = FUNCTIONS.iter().find(|(_, function, ..)| *function == self);
        entry.is_some_and(|(.., most)| count == *most || (matches!(self, Self::Get(_)) && count == 1))
    }

    /// Calls it.
    pub(super) fn call<'d>(self, args: &[Value<'d>], evaluation: &mut Evaluation<'_, 'd>) -> Result<Value<'d>, Fault> {
        let first = args.first().ok_or(Fault::Type)?;
        match (self, args.get(1)) {
            (Self::Size, _) => size(first).map(Value::Int),
            (Self::Dyn, _) => Ok(first.clone()),
            (Self::Type, _) => Ok(Value::Type(first.type_name())),
            (Self::ToInt, _) => to_int(first).map(Value::Int),
            (Self::ToUint, _) => to_uint(first).map(Value::Uint),
            (Self::ToDouble, _) => to_double(first).map(Value::Double),
            (Self::ToString, _) => to_string(first),
            (Self::ToBool, _) => match first {
                Value::Bool(_) => Ok(first.clone()),
                Value::Str(text) => match &**text {
                    "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
                    "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
                    _ => Err(Fault::Conversion),
                },
                _ => Err(Fault::Type),
            },
            (Self::ToBytes, _) => match first {
                Value::Bytes(_) => Ok(first.clone()),
                Value::Str(text) => Ok(Value::Bytes(Rc::from(text.as_bytes()))),
                _ => Err(Fault::Type),
            },
            (Self::ToTimestamp, _) => match first {
                Value::Time(_) => Ok(first.clone()),
                Value::Str(text) => time::parse_time(text).map(Value::Time).ok_or(Fault::Conversion),
                Value::Int(seconds) => {
                    let time = seconds.checked_mul(1_000_000).ok_or(Fault::Range)?;
                    time::in_range(time).map(Value::Time).ok_or(Fault::Range)
                }
                _ => Err(Fault::Type),
            },
            (Self::ToDuration, _) => match first {
                Value::Span(_) => Ok(first.clone()),
                Value::Str(text) => time::parse_span(text).map(Value::Span).ok_or(Fault::Conversion),
                _ => Err(Fault::Type),
            },
            (Self::LowerAscii | Self::UpperAscii, _) => match first {
                Value::Str(text) => {
                    evaluation.charge(text.len())?;
                    let cased = match self {
                        Self::LowerAscii => text.to_ascii_lowercase(),
                        _ => text.to_ascii_uppercase(),
                    };
                    Ok(Value::Str(cased.into()))
                }
                _ => Err(Fault::Type),
            },
            (Self::Contains | Self::StartsWith | Self::EndsWith, Some(Value::Str(part))) => match first {
                Value::Str(text) => {
                    evaluation.charge(text.len())?;
                    Ok(Value::Bool(match self {
                        Self::Contains => text.contains(&**part),
                        Self::StartsWith => text.starts_with(&**part),
                        _ => text.ends_with(&**part),
                    }))
                }
                _ => Err(Fault::Type),
            },
            (Self::Contains | Self::StartsWith | Self::EndsWith, _) => Err(Fault::Type),
            (Self::Get(part), zone) => {
                let offset = match zone {
                    None => 0,
                    Some(Value::Str(zone)) => time::zone(zone).ok_or(Fault::Conversion)?,
                    Some(_) => return Err(Fault::Type),
                };
                match first {
                    Value::Time(time) => Ok(Value::Int(part.of_time(*time, offset))),
                    Value::Span(span) if zone.is_none() => part.of_span(*span).map(Value::Int).ok_or(Fault::Type),
                    _ => Err(Fault::Type),
                }
            }
        }
    }
}

/// The names of all functions, or of all methods.
pub(super) fn names(is_method: bool) -> impl Iterator<Item = &'static str> {
    let own = FUNCTIONS.iter().filter(move |(_, _, methods, _)| fits(*methods, is_method)).map(|(name, ..)| *name);
    let macros: &[&str] =
        if is_method { &["all", "exists", "exists_one", "filter", "map", "matches"] } else { &["has", "matches"] };
    own.chain(macros.iter().copied())
}

fn fits(used: Used, is_method: bool) -> bool {
    match used {
        Used::Both => true,
        Used::Method => is_method,
        Used::Function => !is_method,
    }
}

fn size(value: &Value<'_>) -> Result<i64, Fault> {
    let size = match value {
        Value::Str(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        _ => return value.length().map(|length| length as i64).ok_or(Fault::Type),
    };
    Ok(size as i64)
}

fn to_int(value: &Value<'_>) -> Result<i64, Fault> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Uint(number) => i64::try_from(*number).map_err(|_| Fault::Range),
        // The limits themselves are no doubles that an integer could have come from (langdef, "int").
        Value::Double(number) if *number > i64::MIN as f64 && *number < i64::MAX as f64 => Ok(*number as i64),
        Value::Double(_) => Err(Fault::Range),
        Value::Str(text) => text.parse().map_err(|_| Fault::Conversion),
        Value::Time(time) => Ok(time.div_euclid(1_000_000)),
        _ => Err(Fault::Type),
    }
}

fn to_uint(value: &Value<'_>) -> Result<u64, Fault> {
    match value {
        Value::Uint(number) => Ok(*number),
        Value::Int(number) => u64::try_from(*number).map_err(|_| Fault::Range),
        Value::Double(number) if *number >= 0.0 && *number < u64::MAX as f64 => Ok(*number as u64),
        Value::Double(_) => Err(Fault::Range),
        Value::Str(text) => text.parse().map_err(|_| Fault::Conversion),
        _ => Err(Fault::Type),
    }
}

fn to_double(value: &Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::Double(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Uint(number) => Ok(*number as f64),
        Value::Str(text) => text.parse().map_err(|_| Fault::Conversion),
        _ => Err(Fault::Type),
    }
}

fn to_string<'d>(value: &Value<'d>) -> Result<Value<'d>, Fault> {
    let text = match value {
        Value::Str(_) => return Ok(value.clone()),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bool(holds) => holds.to_string(),
        Value::Bytes(bytes) => String::from_utf8(bytes.to_vec()).map_err(|_| Fault::Conversion)?,
        Value::Time(time) => time::show_time(*time),
        Value::Span(span) => time::show_span(*span),
        _ => return Err(Fault::Type),
    };
    Ok(Value::Str(text.into()))
}

/// How a function is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Used {
    Function,
    Method,
    Both,
}

/// Name, function, how it is written, number of arguments with the object.
const FUNCTIONS: [(&str, Function, Used, usize); 26] = [
    ("size", Function::Size, Used::Both, 1),
    ("int", Function::ToInt, Used::Function, 1),
    ("uint", Function::ToUint, Used::Function, 1),
    ("double", Function::ToDouble, Used::Function, 1),
    ("string", Function::ToString, Used::Function, 1),
    ("bool", Function::ToBool, Used::Function, 1),
    ("bytes", Function::ToBytes, Used::Function, 1),
    ("timestamp", Function::ToTimestamp, Used::Function, 1),
    ("duration", Function::ToDuration, Used::Function, 1),
    ("type", Function::Type, Used::Function, 1),
    ("dyn", Function::Dyn, Used::Function, 1),
    ("contains", Function::Contains, Used::Method, 2),
    ("startsWith", Function::StartsWith, Used::Method, 2),
    ("endsWith", Function::EndsWith, Used::Method, 2),
    ("lowerAscii", Function::LowerAscii, Used::Method, 1),
    ("upperAscii", Function::UpperAscii, Used::Method, 1),
    ("getFullYear", Function::Get(Part::Year), Used::Method, 2),
    ("getMonth", Function::Get(Part::Month), Used::Method, 2),
    ("getDate", Function::Get(Part::Date), Used::Method, 2),
    ("getDayOfMonth", Function::Get(Part::DayOfMonth), Used::Method, 2),
    ("getDayOfYear", Function::Get(Part::DayOfYear), Used::Method, 2),
    ("getDayOfWeek", Function::Get(Part::DayOfWeek), Used::Method, 2),
    ("getHours", Function::Get(Part::Hours), Used::Method, 2),
    ("getMinutes", Function::Get(Part::Minutes), Used::Method, 2),
    ("getSeconds", Function::Get(Part::Seconds), Used::Method, 2),
    ("getMilliseconds", Function::Get(Part::Milliseconds), Used::Method, 2),
];
