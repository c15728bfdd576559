//! A condition in CEL beside a `match`.

use super::facts::Call;
use super::scope::Side;
use crate::cel::{Facts, Moment, Program};
use crate::config::{Config, ConfigError};
use crate::principal::Principal;

/// A compiled condition; without one, everything fits.
#[derive(Debug, Default)]
pub(super) struct When(Option<Box<Condition>>);

#[derive(Debug)]
struct Condition {
    program: Program,
    environment: Box<str>,
    side: Side,
}

impl When {
    /// Compiles the condition that stands at `at` (a JSON Pointer). `side` says what becomes of one that fails
    /// to evaluate.
    pub(super) fn compile(text: Option<&str>, side: Side, whole: &Config, at: &str) -> Result<Self, ConfigError> {
        let Some(text) = text else { return Ok(Self(None)) };
        let program = Program::compile(text).map_err(|error| {
            ConfigError::new(at, error.to_string()).remedy("write a condition in CEL such as `args.amount < 100`")
        })?;
        Ok(Self(Some(Box::new(Condition { program, environment: whole.environment.as_str().into(), side }))))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn holds(&self, principal: &Principal, call: &Call<'_>, moment: &Moment<'_>) -> bool {
        let Some(condition) = &self.0 else { return true };
        let facts = Facts {
            principal,
            server: call.server,
            environment: &condition.environment,
            method: call.method,
            capability: call.capability,
            name: call.name,
            arguments: call.arguments,
            moment: *moment,
        };
        condition.program.holds(&facts).unwrap_or(condition.side == Side::Restricts)
    }
}
