//! JSON Schema (2020-12) over parsed documents: does a value fit, and which members does a schema say nothing about?
//!
//! A validator of our own rather than a crate: it works on the tape that the message was parsed to, compiles nothing
//! ahead (a schema is applied once per call), and every step is counted, because both the schema and the value come
//! from peers. Not supported, and said so instead of guessed: references to other documents, `$dynamicRef`, embedded
//! resources (`$id` below the root) together with references, patterns that `regex-lite` does not know. `format` is an
//! annotation, as 2020-12 has it by default. Of older drafts `definitions`, `dependencies` and the array form of `items` are understood.

mod reference;
mod unknown;
mod validate;

use crate::json::{Kind, Value};

pub use unknown::unknown_members;
pub use validate::validate;

/// Why a value does not pass its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It does not fit.
    Mismatch {
        /// JSON Pointer from the root of its document to what does not fit.
        at: String,
        /// The keyword that refuses it.
        keyword: &'static str,
    },
    /// The schema asks for something that is not supported: what.
    Unsupported(&'static str),
    /// More steps, or deeper ones, than are spent on one value.
    TooMuch,
}

/// Why an evaluation ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Unsupported(&'static str),
    TooMuch,
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Unsupported(what) => Self::Unsupported(what),
            Stop::TooMuch => Self::TooMuch,
        }
    }
}

/// What one evaluation may still cost.
#[derive(Debug)]
struct Budget {
    steps: u32,
    depth: u32,
}

impl Budget {
    fn new() -> Self {
        Self { steps: MAX_STEPS, depth: MAX_DEPTH }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::TooMuch)?;
        Ok(())
    }

    /// Goes one level down; [`Budget::leave`] comes back.
    fn enter(&mut self) -> Result<(), Stop> {
        self.spend(1)?;
        self.depth = self.depth.checked_sub(1).ok_or(Stop::TooMuch)?;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth += 1;
    }
}

/// The elements of an array, or the value itself.
fn one_or_many(value: Value<'_>) -> Vec<Value<'_>> {
    if value.kind() == Kind::Array { value.elements().collect() } else { vec![value] }
}

/// Steps of one evaluation: some milliseconds at most.
const MAX_STEPS: u32 = 200_000;
/// Subschemas within one another, references included.
const MAX_DEPTH: u32 = 160;
