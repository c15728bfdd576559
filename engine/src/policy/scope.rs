//! What a rule or a check is about: the compiled form of a `match`, and of the conditions beside it.

use super::facts::Call;
use super::predicate::{Conditions, Lookups, Numbers};
use super::template::{Fit, Template};
use super::when::When;
use crate::cel::Moment;
use crate::config::{Config, ConfigError, MatchConfig, PredicateConfig};
use crate::glob::{Glob, Globs, globs, not_empty};
use crate::json::Value;
use crate::mcp::Capability;
use crate::principal::{Principal, PrincipalMatcher, principal_matcher};

/// A `match`, compiled: who, where, what.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(super) principal: PrincipalMatcher,
    pub(super) server: Globs,
    pub(super) capability: CapabilitySet,
    pub(super) method: Globs,
    pub(super) name: Globs,
    /// Whether the environment fits: that is known from the start.
    here: bool,
}

impl Scope {
    /// Compiles a `match` that stands at `at` (a JSON Pointer) within the configuration `whole`, which
    /// knows the servers' names and the environment.
    ///
    /// # Errors
    /// A glob that is none, an empty list, a server that does not exist.
    pub(crate) fn compile(config: &MatchConfig, whole: &Config, at: &str) -> Result<Self, ConfigError> {
        let server_at = format!("{at}/server");
        let server = globs(config.server.as_deref(), &server_at)?;
        known_servers(&server, config.server.as_deref().unwrap_or_default(), whole, &server_at)?;
        let capability = match &config.capability {
            Some(capabilities) => {
                not_empty(capabilities, &format!("{at}/capability"))?;
                CapabilitySet::of(capabilities)
            }
            None => CapabilitySet::ALL,
        };
        let environment = globs(config.environment.as_deref(), &format!("{at}/environment"))?;
        Ok(Self {
            principal: principal_matcher(&config.principal, &format!("{at}/principal"))?,
            server,
            capability,
            method: globs(config.method.as_deref(), &format!("{at}/method"))?,
            name: globs(config.name.as_deref(), &format!("{at}/name"))?,
            here: environment.fit(Some(&whole.environment)),
        })
    }

    /// The same scope where it has `conditions` on arguments. They fail closed on what is missing, and an
    /// `initialize` has no arguments: a rule about some tool's arguments must not end every session.
    pub(super) fn about(self, conditions: bool) -> Self {
        if !conditions || self.method.0.is_some() {
            return self;
        }
        let capability = self.capability.without(Capability::Protocol).without(Capability::List);
        Self { capability, ..self }
    }

    /// Whether anything fits it in this environment.
    pub(crate) fn is_here(&self) -> bool {
        self.here
    }

    /// Whether a message fits. A `method` of `None` fits every matcher.
    pub(crate) fn fits(
        &self,
        principal: &Principal,
        server: &str,
        method: Option<&str>,
        capability: Capability,
        name: Option<&str>,
    ) -> bool {
        self.here
            && self.capability.contains(capability)
            && self.name.fit(name)
            && method.is_none_or(|method| self.method.fit(Some(method)))
            && self.server.fit(Some(server))
            && self.principal.fits(principal)
    }

    /// Whether some message of this caller on this server could fit.
    fn may_fit(&self, principal: &Principal, server: &str) -> bool {
        self.here && self.server.fit(Some(server)) && self.principal.fits(principal)
    }

    /// Whether it says of itself which methods or capabilities it means.
    fn is_explicit(&self) -> bool {
        self.method.0.is_some() || self.capability.0 != CapabilitySet::ALL.0
    }

    /// Whether reading a resource by this template's URIs fits: always, for some of them, or never.
    pub(super) fn fits_template(&self, principal: &Principal, server: &str, template: &Template<'_>) -> Fit {
        let others = self.here
            && self.capability.contains(Capability::Resource)
            && self.method.fit(Some("resources/read"))
            && self.server.fit(Some(server))
            && self.principal.fits(principal);
        match &self.name.0 {
            _ if !others => Fit::None,
            None => Fit::All,
            Some(globs) => globs.iter().map(|glob| template.fit(glob)).max().unwrap_or(Fit::None),
        }
    }

    pub(super) fn fits_server(&self, server: &str) -> bool {
        self.server.fit(Some(server))
    }

    /// Globs of the names this is about; `None` where it is about every name, and none.
    pub(super) fn names(&self) -> Option<&[Glob]> {
        self.name.0.as_deref()
    }
}

/// What a check outside of the rules applies to: a `match` and the conditions beside it.
#[derive(Debug)]
pub(crate) struct Selector {
    scope: Scope,
    conditions: Conditions,
    /// What the conditions ask for.
    numbers: Numbers,
    when: When,
}

impl Selector {
    /// Compiles `match` and `arguments` of the entry that stands at `at` (a JSON Pointer) within the
    /// configuration `whole`. `side` says what becomes of conditions that cannot be decided.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub(crate) fn compile(
        matcher: &MatchConfig,
        arguments: &[PredicateConfig],
        side: Side,
        whole: &Config,
        at: &str,
    ) -> Result<Self, ConfigError> {
        let mut conditions = Conditions::compile(arguments, side, &format!("{at}/arguments"))?;
        let mut numbers = Numbers::default();
        conditions.number(&mut numbers);
        let scope = Scope::compile(matcher, whole, &format!("{at}/match"))?.about(!conditions.is_empty());
        Ok(Self { scope, conditions, numbers, when: When::default() })
    }

    /// The same with a condition in CEL, which stands at `{at}/when`.
    ///
    /// # Errors
    /// A text that is no condition.
    pub(crate) fn with_when(
        self,
        when: Option<&str>,
        side: Side,
        whole: &Config,
        at: &str,
    ) -> Result<Self, ConfigError> {
        let when = When::compile(when, side, whole, &format!("{at}/when"))?;
        Ok(Self { scope: self.scope.about(!when.is_empty()), when, ..self })
    }

    /// Whether anything fits it in this environment.
    pub(crate) fn is_here(&self) -> bool {
        self.scope.is_here()
    }

    /// Whether some message of this caller on this server could fit.
    pub(crate) fn may_fit(&self, principal: &Principal, server: &str) -> bool {
        self.scope.may_fit(principal, server)
    }

    /// Whether it says of itself which methods or capabilities it means.
    pub(crate) fn is_explicit(&self) -> bool {
        self.scope.is_explicit()
    }

    /// Whether a call by this name fits whatever its arguments.
    pub(crate) fn fits_any(&self, principal: &Principal, server: &str, capability: Capability, name: &str) -> bool {
        self.conditions.is_empty()
            && self.when.is_empty()
            && self.scope.fits(principal, server, None, capability, Some(name))
    }

    /// Whether a message fits: by one of its `names` where it has several, without a name where it has none.
    pub(crate) fn fits<N: AsRef<str>>(
        &self,
        principal: &Principal,
        server: &str,
        method: &str,
        capability: Capability,
        names: &[N],
        arguments: Option<Value<'_>>,
    ) -> bool {
        self.fits_at(principal, server, method, capability, names, arguments, &Moment::default())
    }

    /// [`Selector::fits`] at a moment, which conditions in CEL may ask for.
    #[allow(clippy::too_many_arguments, reason = "what a message is, as `fits` takes it")]
    pub(crate) fn fits_at<N: AsRef<str>>(
        &self,
        principal: &Principal,
        server: &str,
        method: &str,
        capability: Capability,
        names: &[N],
        arguments: Option<Value<'_>>,
        moment: &Moment<'_>,
    ) -> bool {
        let fits = |name| {
            self.scope.fits(principal, server, Some(method), capability, name)
                && self.when.holds(principal, &Call { server, method, capability, name, arguments }, moment)
        };
        let in_scope = if names.is_empty() { fits(None) } else { names.iter().any(|name| fits(Some(name.as_ref()))) };
        in_scope && (self.conditions.is_empty() || self.conditions.hold(&Lookups::new(arguments, &self.numbers)))
    }
}

/// What becomes of a condition that cannot be decided: the value is absent, of the wrong type, or can be
/// read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It fails: what it guards lets something through.
    Permits,
    /// It holds: what it guards restricts.
    Restricts,
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

/// A rule for a server that does not exist is a typing mistake, and a deny rule without effect.
fn known_servers(globs: &Globs, patterns: &[String], whole: &Config, at: &str) -> Result<(), ConfigError> {
    if whole.servers.is_empty() {
        return Ok(());
    }
    for (index, (glob, pattern)) in globs.0.iter().flatten().zip(patterns).enumerate() {
        let mut servers = whole.servers.iter().map(|server| server.name.as_str());
        if !servers.clone().any(|server| glob.matches(server)) {
            let error = ConfigError::new(format!("{at}/{index}"), format!("no server is called `{pattern}`"));
            let nearest = crate::config::nearest(pattern, &mut servers);
            return Err(match nearest {
                Some(name) => error.remedy(format!("did you mean `{name}`?")),
                None => error.remedy("name one of `servers`"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Selector, Side};
    use crate::config::{Config, MatchConfig, PredicateConfig};
    use crate::json::{Document, Limits};
    use crate::mcp::Capability;
    use crate::principal::Principal;

    fn selector(matcher: &str, arguments: &str, side: Side) -> Selector {
        let config = Config::from_json(br#"{"version": "1", "environment": "prod", "servers": [{"name": "files"}]}"#);
        let matcher: MatchConfig = crate::config::from_json(matcher.as_bytes()).unwrap();
        let arguments: Vec<PredicateConfig> = crate::config::from_json(arguments.as_bytes()).unwrap();
        Selector::compile(&matcher, &arguments, side, &config.unwrap(), "/quotas/0").unwrap()
    }

    fn fits(selector: &Selector, names: &[&str], arguments: &str) -> bool {
        let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
        let anybody = Principal::default();
        selector.fits(&anybody, "files", "tools/call", Capability::Tool, names, Some(document.root()))
    }

    #[test]
    fn one_of_several_names_is_enough() {
        let some = selector(r#"{"name": ["read_*"]}"#, "[]", Side::Restricts);
        assert!(fits(&some, &["write", "read_all"], "{}"));
        assert!(!fits(&some, &["write"], "{}"));
        assert!(!fits(&some, &[], "{}"));
        assert!(fits(&selector("{}", "[]", Side::Restricts), &[], "{}"));
    }

    #[test]
    fn conditions_fail_to_the_given_side() {
        let large = r#"[{"path": "amount", "op": "gt", "value": 5}]"#;
        for (arguments, restricts, permits) in
            [(r#"{"amount": 6}"#, true, true), (r#"{"amount": 5}"#, false, false), ("{}", true, false)]
        {
            assert_eq!(fits(&selector("{}", large, Side::Restricts), &["t"], arguments), restricts, "{arguments}");
            assert_eq!(fits(&selector("{}", large, Side::Permits), &["t"], arguments), permits, "{arguments}");
        }
        let all = selector("{}", large, Side::Restricts);
        let anybody = Principal::default();
        assert!(!all.fits::<&str>(&anybody, "files", "initialize", Capability::Protocol, &[], None));
    }

    #[test]
    fn another_environment_fits_nothing() {
        let elsewhere = selector(r#"{"environment": ["dev"]}"#, "[]", Side::Restricts);
        assert!(!elsewhere.is_here());
        assert!(!fits(&elsewhere, &["t"], "{}"));
    }
}
