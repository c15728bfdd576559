//! Who is calling: a principal as Envoy verified it.

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
