//! `lt`, `lte`, `gt`, `gte`: order of numbers.

use std::cmp::Ordering;

use super::number::Decimal;
use super::{Check, Outcome, Problem};
use crate::json::{Kind, Value};

/// On one side of a bound. (`lte` is not `gt`, `gte` is not `lt`.)
#[derive(Debug)]
pub(super) struct Order {
    side: Ordering,
    bound: Decimal,
    /// The bound once more, if it is a whole number of few digits: most are.
    whole: Option<i64>,
}

impl Order {
    pub(super) fn less(value: Value<'_>) -> Result<Self, Problem> {
        Self::new(Ordering::Less, value)
    }

    pub(super) fn greater(value: Value<'_>) -> Result<Self, Problem> {
        Self::new(Ordering::Greater, value)
    }

    fn new(side: Ordering, value: Value<'_>) -> Result<Self, Problem> {
        match number(value) {
            Some(bound) => Ok(Self { side, bound, whole: whole(value.raw()) }),
            None => Err(Problem::new("is no number", "use a number that a double can hold, without quotes")),
        }
    }
}

impl Check for Order {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        if let (Some(bound), Some(number)) = (self.whole, whole(value.raw())) {
            return Outcome::from(number.cmp(&bound) == self.side);
        }
        number(value).map_or(Outcome::Unknown, |number| Outcome::from(number.cmp(&self.bound) == self.side))
    }
}

/// A JSON number of at most 18 digits without fraction and exponent. (No other JSON value begins with a digit.)
fn whole(raw: &str) -> Option<i64> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let plain = digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { raw.parse().ok() } else { None }
}

fn number(value: Value<'_>) -> Option<Decimal> {
    if value.kind() == Kind::Number { Decimal::parse(value.raw()) } else { None }
}
