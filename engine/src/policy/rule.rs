//! One compiled rule, and whether a message fits it.

use std::sync::Arc;

use super::decide::Verdict;
use super::glob::Glob;
use super::predicate::Conditions;
use crate::config::Action;
use crate::mcp::Capability;
use crate::principal::{Principal, PrincipalKind};

/// One rule, ready to match.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) priority: i32,
    pub(super) action: Action,
    /// Never enforced, only recorded.
    pub(super) shadow: bool,
    pub(super) hide: bool,
    pub(super) verdict: Verdict,
    pub(super) principal: PrincipalMatcher,
    pub(super) server: Globs,
    pub(super) capability: CapabilitySet,
    pub(super) method: Globs,
    pub(super) name: Globs,
    pub(super) conditions: Conditions,
}

impl Rule {
    /// Whether everything but the conditions fits. A `method` of `None` fits every matcher.
    pub(super) fn fits(
        &self,
        principal: &Principal,
        server: &str,
        method: Option<&str>,
        capability: Capability,
        name: Option<&str>,
    ) -> bool {
        self.capability.contains(capability)
            && self.name.fit(name)
            && method.is_none_or(|method| self.method.fit(Some(method)))
            && self.server.fit(Some(server))
            && self.principal.fits(principal)
    }

    pub(super) fn fits_server(&self, server: &str) -> bool {
        self.server.fit(Some(server))
    }

    /// Globs of the names this is about; `None` where it is about every name, and none.
    pub(super) fn names(&self) -> Option<&[Glob]> {
        self.name.0.as_deref()
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }
}

/// Globs of which one must match; `None` fits everything, an absent text included.
#[derive(Debug, Default)]
pub(crate) struct Globs(pub(super) Option<Vec<Glob>>);

impl Globs {
    pub(crate) fn fit(&self, text: Option<&str>) -> bool {
        match (&self.0, text) {
            (None, _) => true,
            (Some(globs), Some(text)) => globs.iter().any(|glob| glob.matches(text)),
            (Some(_), None) => false,
        }
    }

    fn fit_any(&self, texts: &[String]) -> bool {
        match &self.0 {
            None => true,
            Some(globs) => texts.iter().any(|text| globs.iter().any(|glob| glob.matches(text))),
        }
    }
}

/// Who a rule is about.
#[derive(Debug, Default)]
pub(crate) struct PrincipalMatcher {
    pub(super) kinds: Option<Vec<PrincipalKind>>,
    pub(super) id: Globs,
    pub(super) tenant: Globs,
    pub(super) roles: Globs,
    pub(super) teams: Globs,
    pub(super) agent: Globs,
}

impl PrincipalMatcher {
    pub(crate) fn fits(&self, principal: &Principal) -> bool {
        let id = (!principal.is_anonymous()).then_some(principal.id.as_str());
        self.kinds.as_ref().is_none_or(|kinds| principal.kind.is_some_and(|kind| kinds.contains(&kind)))
            && self.id.fit(id)
            && self.tenant.fit(principal.tenant.as_deref())
            && self.roles.fit_any(&principal.roles)
            && self.teams.fit_any(&principal.teams)
            && self.agent.fit(principal.agent.as_deref())
    }
}

/// A set of capabilities as bits: the first and cheapest test of every rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CapabilitySet(u16);

impl CapabilitySet {
    pub(super) const ALL: Self = Self(u16::MAX);

    pub(super) fn of(capabilities: &[Capability]) -> Self {
        Self(capabilities.iter().fold(0, |bits, capability| bits | 1 << *capability as u16))
    }

    pub(super) fn contains(self, capability: Capability) -> bool {
        self.0 & 1 << capability as u16 != 0
    }

    pub(super) fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability as u16))
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
