//! `regex`, `not_regex`, `glob`: patterns on strings.

use regex_lite::Regex;

use super::literal::Required;
use super::{Check, MAX_TEXT, Outcome, Problem, one_or_list, string};
use crate::glob::Glob;
use crate::json::{Kind, Value};

/// A regular expression that matches somewhere in a string.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    required: Option<Required>,
}

impl Pattern {
    pub(super) fn new(value: Value<'_>) -> Result<Self, Problem> {
        let pattern = string(value)?;
        let regex = Regex::new(&pattern).map_err(|error| {
            Problem::new(format!("is no regular expression: {error}"), "see the syntax of the Rust crate regex-lite")
        })?;
        Ok(Self { regex, required: Required::of(&pattern) })
    }
}

impl Pattern {
    fn is_match(&self, text: &str) -> bool {
        self.required.as_ref().is_none_or(|required| required.are_in(text)) && self.regex.is_match(text)
    }
}

impl Check for Pattern {
    /// Time is linear in the text, but with a factor: what one condition reads is bounded over all
    /// the elements of a list.
    fn check(&self, value: Value<'_>, spent: &mut usize) -> Outcome {
        *spent = spent.saturating_add(value.span().len());
        if value.kind() != Kind::String || *spent > MAX_TEXT {
            return Outcome::Unknown;
        }
        value.as_str().map_or(Outcome::Unknown, |text| Outcome::from(self.is_match(&text)))
    }
}

/// A string that fits one of these globs.
#[derive(Debug)]
pub(super) struct Globs(Vec<Glob>);

impl Globs {
    pub(super) fn new(value: Value<'_>) -> Result<Self, Problem> {
        one_or_list(value, |value| {
            Glob::new(&string(value)?).map_err(|error| Problem::new(error.to_string(), "write `\\\\` for a backslash"))
        })
        .map(Self)
    }
}

impl Check for Globs {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        match (value.kind(), value.as_str()) {
            (Kind::String, Some(text)) => Outcome::from(self.0.iter().any(|glob| glob.matches(&text))),
            _ => Outcome::Unknown,
        }
    }
}
