//! One compiled rule.

use std::sync::Arc;

use super::decide::Verdict;
use super::predicate::Conditions;
use super::scope::{Scope, Side};
use super::when::When;
use crate::config::Action;

/// One rule, ready to match.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) priority: i32,
    pub(super) action: Action,
    /// Never enforced, only recorded.
    pub(super) shadow: bool,
    pub(super) hide: bool,
    pub(super) verdict: Verdict,
    pub(super) scope: Scope,
    pub(super) conditions: Conditions,
    pub(super) when: When,
}

impl Rule {
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }
}

/// The sentence for a rule without a `reason`.
pub(super) fn reason(action: Action, id: &str) -> Arc<str> {
    let what = match action {
        Action::Allow => "allowed",
        Action::LogOnly => "allowed and logged",
        Action::RequireApproval => "held for approval",
        Action::Deny => "refused",
    };
    Arc::from(format!("{what} by rule {id}"))
}

/// Conditions fail closed: they let nothing through that cannot be decided.
pub(super) fn side(action: Action) -> Side {
    if action.lets_through() { Side::Permits } else { Side::Restricts }
}
