//! Conditions in CEL, the Common Expression Language: a compact evaluator of our own.
//!
//! What it covers is the language definition (<https://github.com/google/cel-spec>, `doc/langdef.md`) without protocol buffers:
//! all operators and literals, `has`, the macros `all`, `exists`, `exists_one`, `filter` and `map`, conversions, strings,
//! timestamps and durations. Numbers of different types compare by value, `&&` and `||` absorb errors as the
//! definition says, everything else that is wrong is an error and never a guess.
//!
//! An expression is compiled once. Names, fields, functions and regular expressions are checked then, so that a
//! typing mistake stops the load. Work is bounded: by the depth of the expression when it is compiled, by a number
//! of steps when it is evaluated, whatever the arguments are.
//!
//! ```text
//! text ─▶ lexer ─▶ parser ─▶ Expr ─▶ eval (facts) ─▶ Value | Fault
//! ```

mod eval;
mod expr;
mod function;
mod lexer;
mod parser;
mod time;
mod value;

use std::sync::Arc;

use crate::json;
use crate::mcp::Capability;
use crate::principal::Principal;
use expr::Expr;
use value::Value;

/// A compiled expression.
#[derive(Debug)]
pub struct Program(Expr);

/// What expressions can ask for.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `principal.*`
    pub principal: &'a Principal,
    /// `server.name`
    pub server: &'a str,
    /// `environment`
    pub environment: &'a str,
    /// `mcp.method`
    pub method: &'a str,
    /// `mcp.capability`
    pub capability: Capability,
    /// `mcp.name`; also `mcp.tool`, `mcp.resource` or `mcp.prompt`.
    pub name: Option<&'a str>,
    /// `args`
    pub arguments: Option<json::Value<'a>>,
    /// What changes from call to call beside the message.
    pub moment: Moment<'a>,
}

/// What changes from call to call beside the message. What is `None` is not known: to ask for it is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment<'a> {
    /// `now`: microseconds since the Unix epoch.
    pub now_us: Option<u64>,
    /// `session.id`; `Some(None)` where there is no session.
    pub session: Option<Option<&'a str>>,
    /// `session.taint`
    pub taint: Option<&'a dyn Taint>,
}

/// The labels that a session carries: they are only asked for where an expression does.
pub trait Taint {
    /// The labels; `None` where that is not known.
    fn labels(&self, now_us: u64) -> Option<Vec<Arc<str>>>;
}

// Not a supertrait: that would keep the code that prints each implementation, and all it holds, in the filter.
impl std::fmt::Debug for dyn Taint + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taint")
    }
}

impl Program {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        parser::parse(text).map(Self)
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be said, or comes to something else than a boolean.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, Fault> {
        match eval::evaluate(&self.0, facts)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(Fault::NotABoolean),
        }
    }

    /// What the expression comes to, in a notation for tests: JSON, with the types that JSON lacks spelt out.
    #[doc(hidden)]
    pub fn show(&self, facts: &Facts<'_>) -> Result<String, Fault> {
        eval::evaluate(&self.0, facts).map(|value| value.to_string())
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// Byte offset in the text.
    pub offset: usize,
    /// What was found there.
    pub message: String,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.message, self.offset)
    }
}

impl std::error::Error for CompileError {}

/// Why an expression has no value. It never holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A member or element that is not there.
    Missing,
    /// Something that is not known here: the time, the session.
    Unknown,
    /// An operation on values it is not defined for.
    Type,
    /// A number, time or duration out of range, a division by zero.
    Range,
    /// A text that cannot be converted.
    Conversion,
    /// A member name that differs from the one asked for only in case: some servers would take it.
    Ambiguous,
    /// More work than is allowed.
    TooMuch,
    /// The whole expression comes to something else than a boolean.
    NotABoolean,
}

#[cfg(test)]
mod tests;
