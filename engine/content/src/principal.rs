//! Who is calling: a principal as Envoy verified it, and what a configuration says about callers.

use serde::{Deserialize, Serialize};

use crate::glob::{Globs, globs, not_empty};
use crate::settings::{ConfigError, Settings};

/// A caller whose identity Envoy verified (a JWT, an mTLS peer, a key of the static table).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// What kind of caller; `None` for an anonymous one.
    pub kind: Option<PrincipalKind>,
    /// The verified id (JWT `sub`, SPIFFE URI, key id); empty for an anonymous caller.
    pub id: String,
    /// The tenant it belongs to.
    pub tenant: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its teams or groups.
    pub teams: Vec<String>,
    /// The agent profile it acts through.
    pub agent: Option<String>,
}

impl Principal {
    /// True where no identity was verified.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.kind.is_none()
    }
}

/// The four kinds of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A person.
    Human,
    /// An AI agent.
    Agent,
    /// A service.
    Service,
    /// An automated workflow.
    Workflow,
}

impl PrincipalKind {
    /// The word used in configuration and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Service => "service",
            Self::Workflow => "workflow",
        }
    }
}

/// Who calls. A field that is left out fits everybody; an attribute a principal lacks fits no glob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PrincipalMatch {
    /// Kinds of principals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Vec<PrincipalKind>>,
    /// Globs of the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Vec<String>>,
    /// Globs of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Vec<String>>,
    /// Globs of roles; one role that fits is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// Globs of teams; one team that fits is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<String>>,
    /// Globs of the agent profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Vec<String>>,
}

/// Who a rule is about.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrincipalMatcher {
    /// Kinds of principals; `None` fits all, none verified included.
    pub kinds: Option<Vec<PrincipalKind>>,
    /// Globs of the verified id.
    pub id: Globs,
    /// Globs of the tenant.
    pub tenant: Globs,
    /// Globs of the roles, of which one must fit.
    pub roles: Globs,
    /// Globs of the teams, of which one must fit.
    pub teams: Globs,
    /// Globs of the agent profile.
    pub agent: Globs,
}

impl PrincipalMatcher {
    /// True where every field fits.
    #[must_use]
    pub fn fits(&self, principal: &Principal) -> bool {
        let id = (!principal.is_anonymous()).then_some(principal.id.as_str());
        self.kinds.as_ref().is_none_or(|kinds| principal.kind.is_some_and(|kind| kinds.contains(&kind)))
            && self.id.fit(id)
            && self.tenant.fit(principal.tenant.as_deref())
            && self.roles.fit_any(&principal.roles)
            && self.teams.fit_any(&principal.teams)
            && self.agent.fit(principal.agent.as_deref())
    }
}

/// Compiles a matcher of principals that stands at `at`.
///
/// # Errors
/// An empty list, a glob that is none.
pub fn principal_matcher(who: &PrincipalMatch, at: &str) -> Result<PrincipalMatcher, ConfigError> {
    if let Some(kinds) = &who.kind {
        not_empty(kinds, &format!("{at}/kind"))?;
    }
    Ok(PrincipalMatcher {
        kinds: who.kind.clone(),
        id: globs(who.id.as_deref(), &format!("{at}/id"))?,
        tenant: globs(who.tenant.as_deref(), &format!("{at}/tenant"))?,
        roles: globs(who.roles.as_deref(), &format!("{at}/roles"))?,
        teams: globs(who.teams.as_deref(), &format!("{at}/teams"))?,
        agent: globs(who.agent.as_deref(), &format!("{at}/agent"))?,
    })
}
