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
            Some(bound) => Ok(Self { side, bound }),
            None => Err(Problem::new("is no number", "use a number that a double can hold, without quotes")),
        }
    }
}

impl Check for Order {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        number(value).map_or(Outcome::Unknown, |number| Outcome::from(number.cmp(&self.bound) == self.side))
    }
}

fn number(value: Value<'_>) -> Option<Decimal> {
    if value.kind() == Kind::Number { Decimal::parse(value.raw()) } else { None }
}
