//! Who may do what: rules, predicates, decisions.
//!
//! A [`Policy`] is compiled once from a [`Config`] and never changes. Deciding is a pure function
//! of (policy, principal, call): no clock, no state, the same answer every time.
//!
//! ```
//! use portcullis_engine::mcp::Capability;
//! use portcullis_engine::policy::{Action, Call, Policy};
//! use portcullis_engine::principal::Principal;
//!
//! let policy = Policy::from_json(br#"{
//!     "version": "1",
//!     "servers": [{"name": "files", "match": {"path_prefix": "/files"}}],
//!     "rules": [{"id": "read", "match": {"capability": ["tool"], "name": ["read_*"]}, "action": "allow"}]
//! }"#).unwrap();
//! let call = Call {
//!     server: "files", method: "tools/call", capability: Capability::Tool, name: Some("read_file"), arguments: None,
//! };
//! let anybody = Principal::default();
//! assert_eq!(policy.decide(&anybody, &call).action, Action::Allow);
//! assert_eq!(policy.decide(&anybody, &Call { name: Some("delete_file"), ..call }).action, Action::Deny);
//! ```

mod compile;
mod decide;
mod facts;
mod identify;
mod predicate;
mod route;
mod rule;
mod scope;
mod template;
mod when;

use std::sync::Arc;

use crate::cel::Moment;
use crate::config::{Config, ConfigError};
use crate::mcp::Capability;
use crate::principal::Principal;

pub use crate::config::Action;
pub use crate::glob::{Glob, GlobError};
pub(crate) use compile::name;
pub use decide::{Decision, Verdict};
pub use facts::{Call, Claim, FactNeeds, IdentityFacts, JwtFacts, JwtNeeds, MtlsFacts, RouteFacts};
pub(crate) use identify::bearer;
pub use predicate::size;
pub(crate) use predicate::{Decimal, HostIn, Sum, same_but_for_case};
pub use route::{Routed, Server};
pub(crate) use scope::{Selector, Side};

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    config: Config,
    version: Arc<str>,
    routes: route::Routes,
    identity: identify::Identity,
    rules: decide::Rules,
}

impl Policy {
    /// Loads and compiles a configuration.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::of_text(Config::from_json(bytes)?)
    }

    /// Compiles a configuration, and checks all that its types cannot say.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub fn compile(config: Config) -> Result<Self, ConfigError> {
        let version = if config.digest.is_empty() { compile::built_in_code(&config)? } else { config.digest.clone() };
        compile::compile(config, version)
    }

    /// Compiles what [`Config::from_json`] has loaded.
    pub(crate) fn of_text(config: Config) -> Result<Self, ConfigError> {
        let version = config.digest.clone();
        compile::compile(config, version)
    }

    /// SHA-256 (64 hexadecimal digits) of the configuration's canonical JSON (RFC 8785): the same
    /// however it was laid out.
    #[must_use]
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// The configuration this was compiled from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the host has to fetch for [`Policy::route`] and [`Policy::identify`].
    #[must_use]
    pub fn fact_needs(&self) -> FactNeeds {
        let mut needs = self.identity.needs();
        self.routes.add_needs(&mut needs);
        needs
    }

    /// Where a request belongs: to a server, or what happens to it otherwise.
    #[must_use]
    pub fn route(&self, facts: &RouteFacts<'_>) -> Routed<'_> {
        self.routes.route(facts)
    }

    /// The server a request belongs to. Prefer [`Policy::route`], which also says what to do about
    /// a request that belongs to none.
    #[must_use]
    pub fn server(&self, facts: &RouteFacts<'_>) -> Option<&Server> {
        match self.route(facts) {
            Routed::Server(server) => Some(server),
            Routed::Pass | Routed::Refuse | Routed::Ambiguous => None,
        }
    }

    /// The principal, as far as anything was verified; an anonymous one otherwise.
    #[must_use]
    pub fn identify(&self, facts: &IdentityFacts<'_>) -> Arc<Principal> {
        self.identity.identify(facts)
    }

    /// Decides one message of which nothing is known but what it says: a condition in CEL that asks for the
    /// time or the session cannot be evaluated.
    #[must_use]
    pub fn decide(&self, principal: &Principal, call: &Call<'_>) -> Decision {
        self.decide_at(principal, call, &Moment::default())
    }

    /// Decides one message at a moment.
    #[must_use]
    pub fn decide_at(&self, principal: &Principal, call: &Call<'_>, moment: &Moment<'_>) -> Decision {
        self.rules.decide(principal, call, moment)
    }

    /// Whether an entry of a list is shown: false where any call by that name would be refused
    /// whatever its arguments. Rules with `arguments` never hide, shadow rules neither.
    #[must_use]
    pub fn visible(&self, principal: &Principal, server: &str, capability: Capability, name: &str) -> bool {
        self.rules.visible(principal, server, capability, name)
    }

    /// Whether a URI template (RFC 6570) of a list is shown: false where reading any URI that it
    /// expands to would be refused.
    #[must_use]
    pub fn template_visible(&self, principal: &Principal, server: &str, template: &str) -> bool {
        self.rules.template_visible(principal, server, &template::Template::new(template))
    }
}
