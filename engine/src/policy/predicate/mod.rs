//! Conditions on a call's arguments.
//!
//! A condition comes to one of three outcomes. [`Outcome::Unknown`] (the value is absent, of the
//! wrong type, or can be read in two ways) fails closed: it counts as not holding in a rule that
//! lets through, and as holding in a rule that restricts.

mod equal;
mod host_in;
mod kind;
mod literal;
mod number;
mod order;
mod path;
mod path_within;
mod size;
mod sum;
mod text;

use std::fmt;

use self::path::{Leaf, Path};
use super::scope::Side;
use crate::config::{ConfigError, Missing, Op, PredicateConfig};
use crate::json::{Document, Kind, Limits, Value};
use crate::sort::Arrange;

pub(crate) use self::host_in::HostIn;
pub(crate) use self::number::Decimal;
pub(crate) use self::path::same_but_for_case;
pub(super) use self::path::{Lookups, Numbers};
pub use self::size::size;
pub(crate) use self::sum::Sum;

/// The conditions of one rule or check; all must hold.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    predicates: Vec<Predicate>,
    /// True in a rule that restricts.
    restrictive: bool,
}

impl Conditions {
    pub(super) fn compile(configs: &[PredicateConfig], side: Side, at: &str) -> Result<Self, ConfigError> {
        let predicates = configs.iter().enumerate();
        let predicates = predicates.map(|(index, config)| {
            let predicate = Predicate::compile(config, side, &format!("{at}/{index}"))?;
            Ok((cost(config.op), predicate))
        });
        let mut predicates = predicates.collect::<Result<Vec<_>, ConfigError>>()?;
        // All must hold, whatever the order: the cheapest refusal first.
        predicates.arrange_by_key(|(cost, _)| *cost);
        let predicates = predicates.into_iter().map(|(_, predicate)| predicate).collect();
        Ok(Self { predicates, restrictive: side == Side::Restricts })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.predicates.is_empty()
    }

    /// Numbers paths and conditions for [`Lookups`]; before that, no condition can be said to hold or fail.
    pub(super) fn number(&mut self, numbers: &mut Numbers) {
        for predicate in &mut self.predicates {
            predicate.path_number = numbers.path(&predicate.path);
            let said = std::mem::take(&mut predicate.said);
            predicate.number = numbers.condition(predicate.path_number, said);
        }
    }

    pub(super) fn hold(&self, lookups: &Lookups<'_>) -> bool {
        let restrictive = self.restrictive;
        self.predicates
            .iter()
            .all(|predicate| lookups.judged(predicate.number, || predicate.holds(lookups, restrictive)))
    }
}

#[derive(Debug)]
struct Predicate {
    path: Path,
    /// The path's number in the policy.
    path_number: usize,
    /// The condition's number in the policy: equal conditions have the same.
    number: usize,
    /// What equal conditions have in common besides the path, until they are numbered.
    said: Box<str>,
    test: Test,
    missing: Outcome,
}

#[derive(Debug)]
enum Test {
    /// Whether there is a value at all.
    Exists(bool),
    /// What the value is.
    Value { check: Box<dyn Check>, negated: bool },
}

impl Predicate {
    fn compile(config: &PredicateConfig, side: Side, at: &str) -> Result<Self, ConfigError> {
        let path = Path::parse(&config.path).map_err(|problem| problem.at(&format!("{at}/path")))?;
        let test = Test::compile(config, at)?;
        let missing = match (config.missing, &test) {
            (Some(_), Test::Exists(_)) => {
                return Err(ConfigError::new(format!("{at}/missing"), "has no meaning with `exists`")
                    .remedy("leave it out; `value` says which of the two holds"));
            }
            (Some(Missing::Holds), Test::Value { .. }) => Outcome::Holds,
            (Some(Missing::Fails), Test::Value { .. }) => Outcome::Fails,
            (None, _) => Outcome::Unknown,
        };
        let value = config.value.as_ref().map_or("", |literal| literal.as_json());
        let said = format!("{} {} {} {value}", config.op as u8, missing as u8, side as u8).into();
        Ok(Self { path, path_number: usize::MAX, number: usize::MAX, said, test, missing })
    }

    /// A rule that lets through wants every value to fit, a rule that restricts is content with one.
    fn holds(&self, lookups: &Lookups<'_>, restrictive: bool) -> bool {
        let leaves = lookups.find(&self.path, self.path_number);
        let mut spent = 0;
        let mut outcomes = leaves.iter().map(|leaf| self.outcome(leaf, &mut spent));
        if restrictive {
            outcomes.any(|outcome| outcome != Outcome::Fails)
        } else {
            outcomes.all(|outcome| outcome == Outcome::Holds)
        }
    }

    fn outcome(&self, leaf: &Leaf<'_>, spent: &mut usize) -> Outcome {
        match (&self.test, leaf) {
            (_, Leaf::Odd) => Outcome::Unknown,
            (Test::Exists(wanted), Leaf::Found(_)) => Outcome::from(*wanted),
            (Test::Exists(wanted), Leaf::Missing) => Outcome::from(!*wanted),
            (Test::Value { .. }, Leaf::Missing) => self.missing,
            (Test::Value { check, negated }, Leaf::Found(value)) => {
                let outcome = check.check(*value, spent);
                if *negated { outcome.negated() } else { outcome }
            }
        }
    }
}

impl Test {
    fn compile(config: &PredicateConfig, at: &str) -> Result<Self, ConfigError> {
        let value_at = format!("{at}/value");
        let text = config.value.as_ref().map(|literal| literal.as_json());
        let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
        let document = match text.map(|text| Document::parse(text.as_bytes(), &limits)) {
            Some(Ok(document)) => Some(document),
            Some(Err(error)) => return Err(ConfigError::new(value_at, error.to_string())),
            None => None,
        };
        let value = document.as_ref().map(Document::root);
        if config.op == Op::Exists {
            return match value.map(|value| value.as_bool()) {
                None => Ok(Self::Exists(true)),
                Some(Some(wanted)) => Ok(Self::Exists(wanted)),
                Some(None) => Err(Problem::new("is no boolean", "use `true` or `false`").at(&value_at)),
            };
        }
        let Some(value) = value else {
            return Err(ConfigError::new(at, "missing field `value`").remedy("only `exists` does without"));
        };
        check(config.op, value).map(|(check, negated)| Self::Value { check, negated }).map_err(|p| p.at(&value_at))
    }
}

/// The check behind each operation, and whether its outcome is turned round.
fn check(op: Op, value: Value<'_>) -> Result<(Box<dyn Check>, bool), Problem> {
    use order::Order;
    Ok(match op {
        Op::Eq => (Box::new(equal::OneOf::single(value)?), false),
        Op::Neq => (Box::new(equal::OneOf::single(value)?), true),
        Op::In => (Box::new(equal::OneOf::list(value)?), false),
        Op::NotIn => (Box::new(equal::OneOf::list(value)?), true),
        Op::Lt => (Box::new(Order::less(value)?), false),
        Op::Gte => (Box::new(Order::less(value)?), true),
        Op::Gt => (Box::new(Order::greater(value)?), false),
        Op::Lte => (Box::new(Order::greater(value)?), true),
        Op::Regex => (Box::new(text::Pattern::new(value)?), false),
        Op::NotRegex => (Box::new(text::Pattern::new(value)?), true),
        Op::Glob => (Box::new(text::Globs::new(value)?), false),
        Op::PathWithin => (Box::new(path_within::PathWithin::new(value)?), false),
        Op::HostIn => (Box::new(host_in::HostIn::new(value)?), false),
        Op::MaxLen => (Box::new(size::MaxLen::new(value)?), false),
        Op::MaxSize => (Box::new(size::MaxSize::new(value)?), false),
        Op::Type | Op::Exists => (Box::new(kind::OfType::new(value)?), false),
    })
}

/// How much an operation costs, roughly, beside the others.
fn cost(op: Op) -> u8 {
    match op {
        Op::Exists | Op::Type | Op::MaxSize => 0,
        Op::Eq | Op::Neq | Op::In | Op::NotIn | Op::Lt | Op::Lte | Op::Gt | Op::Gte => 1,
        Op::Glob | Op::MaxLen => 2,
        Op::PathWithin => 3,
        Op::HostIn => 4,
        Op::Regex | Op::NotRegex => 5,
    }
}

/// One kind of comparison with a value that is present.
trait Check: Send + Sync {
    /// Compares. `spent` counts the bytes that costly checks have read for this condition so far.
    fn check(&self, value: Value<'_>, spent: &mut usize) -> Outcome;
}

// Not a supertrait: see `cel::Taint`.
impl fmt::Debug for dyn Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Holds,
    Fails,
    /// Cannot be said: counts against the call.
    Unknown,
}

impl Outcome {
    fn negated(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Outcome {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

/// What is wrong with a condition's path or value, before the place is known.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    /// Where within the value, as a JSON Pointer.
    within: String,
    message: String,
    remedy: String,
}

impl Problem {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { within: String::new(), message: message.into(), remedy: remedy.into() }
    }

    fn element(mut self, index: usize) -> Self {
        self.within = format!("/{index}{}", self.within);
        self
    }

    fn at(self, pointer: &str) -> ConfigError {
        ConfigError::new(format!("{pointer}{}", self.within), self.message).remedy(self.remedy)
    }
}

/// The elements of a list that must not be empty, or the one value in its place.
fn one_or_list<T>(value: Value<'_>, read: impl Fn(Value<'_>) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    if value.kind() != Kind::Array {
        return Ok(vec![read(value)?]);
    }
    let elements = value.elements().enumerate();
    let list: Vec<T> =
        elements.map(|(index, element)| read(element).map_err(|p| p.element(index))).collect::<Result<_, _>>()?;
    if list.is_empty() {
        return Err(Problem::new("is an empty list", "name at least one"));
    }
    Ok(list)
}

/// A string of the configuration.
fn string(value: Value<'_>) -> Result<String, Problem> {
    match (value.kind(), value.as_str()) {
        (Kind::String, Some(text)) => Ok(text.into_owned()),
        _ => Err(Problem::new("is no string", "write it in quotes")),
    }
}

/// Longest string that patterns, paths and hosts are read from, in bytes.
const MAX_TEXT: usize = 64 << 10;

#[cfg(test)]
mod tests;
