//! From a configuration to a policy, checking what the types cannot say.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Policy;
use super::decide::{Fallbacks, Rules, Verdict};
use super::facts::{Claim, JwtNeeds};
use super::identify::{Identity, Jwt, Keys, Peer, claim};
use super::predicate::Conditions;
use super::route::{AuthorityGlob, Routes, Server, prefix, split_port};
use super::rule::{Rule, reason, side};
use super::scope::Scope;
use super::when::When;
use crate::config::{
    AuditConfig, Config, ConfigError, HeadersConfig, IdentityConfig, JwtConfig, KeysConfig, LimitsConfig, Mode,
    MtlsEntry, RuleConfig, ServerConfig, Unmatched, canonical_json, sha256_hex,
};
use crate::glob::{glob, globs, not_empty};
use crate::json::{Document, Limits};
use crate::principal::Principal;

/// Compiles a configuration; `version` is the digest of its canonical text.
pub(super) fn compile(config: Config, version: String) -> Result<Policy, ConfigError> {
    check_limits(&config.limits)?;
    check_headers(&config.headers)?;
    check_audit(&config.audit)?;
    let servers = servers(&config.servers)?;
    let names: Vec<Arc<str>> = servers.iter().map(|server| Arc::clone(&server.name)).collect();
    let identity = identity(&config.identity, config.sidecar.is_some())?;
    let rules = rules(&config)?;
    let fallbacks = Fallbacks::new(config.mode, config.default, config.hide_denied);
    Ok(Policy {
        version: Arc::from(version),
        routes: Routes { servers, pass_unmatched: config.unmatched == Unmatched::Pass },
        identity,
        rules: Rules::new(rules, &names, fallbacks),
        config,
    })
}

/// The version of a configuration that was not loaded from a text. The filter has none of those, and so
/// nothing in it that writes configurations.
pub(super) fn built_in_code(config: &Config) -> Result<String, ConfigError> {
    let internal = |error: &dyn std::fmt::Display| ConfigError::new("", error.to_string());
    let text = serde_json::to_vec(config).map_err(|error| internal(&error))?;
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    let document = Document::parse(&text, &limits).map_err(|error| internal(&error))?;
    Ok(sha256_hex(canonical_json(document.root()).as_bytes()))
}

// === servers ===

fn servers(configs: &[ServerConfig]) -> Result<Vec<Server>, ConfigError> {
    let mut names = BTreeSet::new();
    let mut servers = Vec::with_capacity(configs.len());
    for (index, config) in configs.iter().enumerate() {
        let at = format!("/servers/{index}");
        name(&config.name, &format!("{at}/name"))?;
        if !names.insert(config.name.as_str()) {
            return Err(ConfigError::new(format!("{at}/name"), format!("a second server `{}`", config.name)));
        }
        let at = format!("{at}/match");
        let matcher = &config.r#match;
        let path = match &matcher.path_prefix {
            Some(path) => Some(path_prefix(path, &format!("{at}/path_prefix"))?),
            None => None,
        };
        let authority = match &matcher.authority {
            Some(patterns) => Some(authorities(patterns, &format!("{at}/authority"))?),
            None => None,
        };
        servers.push(Server {
            name: Arc::from(config.name.as_str()),
            credentials: config.credentials,
            path,
            authority,
            route: globs(matcher.route.as_deref(), &format!("{at}/route"))?,
            cluster: globs(matcher.cluster.as_deref(), &format!("{at}/cluster"))?,
        });
    }
    Ok(servers)
}

/// A prefix is compared with whole decoded segments, so it must be one plain path itself.
fn path_prefix(path: &str, at: &str) -> Result<Vec<String>, ConfigError> {
    let plain = path.starts_with('/')
        && !path.contains("//")
        && path.split('/').all(|segment| segment != "." && segment != "..")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"%\\;?#".contains(&byte));
    if plain {
        return Ok(prefix(path));
    }
    Err(ConfigError::new(at, "is no plain path prefix")
        .remedy("write it as `/mcp` or `/team/mcp`: no query, escapes, empty or dot segments"))
}

fn authorities(patterns: &[String], at: &str) -> Result<Vec<AuthorityGlob>, ConfigError> {
    not_empty(patterns, at)?;
    let compile = |(index, pattern): (usize, &String)| {
        let lower = pattern.to_ascii_lowercase();
        let has_port = split_port(&lower).1.is_some();
        Ok(AuthorityGlob { glob: glob(&lower, &format!("{at}/{index}"))?, has_port })
    };
    patterns.iter().enumerate().map(compile).collect()
}

// === identity ===

fn identity(config: &IdentityConfig, has_sidecar: bool) -> Result<Identity, ConfigError> {
    let jwt = match &config.jwt {
        Some(jwt) => Some(self::jwt(jwt)?),
        None => None,
    };
    let keys = match &config.keys {
        Some(keys) => Some(self::keys(keys)?),
        None => None,
    };
    let mtls = config.mtls.iter().enumerate().map(|(index, entry)| peer(entry, &format!("/identity/mtls/{index}")));
    let identity = Identity { jwt, mtls: mtls.collect::<Result<_, _>>()?, keys };
    let known = identity.jwt.is_some() || !identity.mtls.is_empty() || identity.keys.is_some() || has_sidecar;
    if config.required && !known {
        return Err(ConfigError::new("/identity/required", "no request could ever be answered")
            .remedy("configure `jwt`, `mtls` or `keys`, or leave `required` out"));
    }
    Ok(identity)
}

fn jwt(config: &JwtConfig) -> Result<Jwt, ConfigError> {
    let at = "/identity/jwt";
    name(&config.payload, &format!("{at}/payload"))?;
    let claims = &config.claims;
    let all = [
        (Claim::Id, "id", Some(&claims.id)),
        (Claim::Tenant, "tenant", claims.tenant.as_ref()),
        (Claim::Roles, "roles", claims.roles.as_ref()),
        (Claim::Teams, "teams", claims.teams.as_ref()),
        (Claim::Kind, "kind", claims.kind.as_ref()),
        (Claim::Agent, "agent", claims.agent.as_ref()),
    ];
    let mut needed = Vec::new();
    for (ours, field, path) in all {
        let Some(path) = path else { continue };
        if path.split('.').any(str::is_empty) {
            return Err(ConfigError::new(format!("{at}/claims/{field}"), "is no path to a claim")
                .remedy("write it as `sub` or `realm_access.roles`"));
        }
        needed.push(claim(ours, path));
    }
    Ok(Jwt { needs: JwtNeeds { payload: config.payload.clone(), claims: needed }, default_kind: config.default_kind })
}

fn peer(entry: &MtlsEntry, at: &str) -> Result<Peer, ConfigError> {
    name(&entry.san, &format!("{at}/san"))?;
    if let Some(id) = &entry.id {
        name(id, &format!("{at}/id"))?;
    }
    Ok(Peer {
        san: glob(&entry.san, &format!("{at}/san"))?,
        principal: Principal {
            kind: Some(entry.kind),
            id: entry.id.clone().unwrap_or_default(),
            tenant: entry.tenant.clone(),
            roles: entry.roles.clone(),
            teams: entry.teams.clone(),
            agent: entry.agent.clone(),
        },
    })
}

fn keys(config: &KeysConfig) -> Result<Keys, ConfigError> {
    let at = "/identity/keys";
    header(&config.header, &format!("{at}/header"))?;
    let mut seen = BTreeSet::new();
    let mut entries = Vec::with_capacity(config.entries.len());
    for (index, entry) in config.entries.iter().enumerate() {
        let at = format!("{at}/entries/{index}");
        name(&entry.id, &format!("{at}/id"))?;
        let digest = unhex(&entry.sha256).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        // The text is not repeated: it may be the key itself, put there by mistake.
        let Some(digest) = digest else {
            return Err(ConfigError::new(format!("{at}/sha256"), "is no SHA-256 in hexadecimal")
                .remedy("write the 64 digits that `printf %s \"$KEY\" | sha256sum` prints"));
        };
        if !seen.insert(digest) {
            return Err(ConfigError::new(format!("{at}/sha256"), "the same key a second time"));
        }
        let principal = Principal {
            kind: Some(entry.kind),
            id: entry.id.clone(),
            tenant: entry.tenant.clone(),
            roles: entry.roles.clone(),
            teams: entry.teams.clone(),
            agent: entry.agent.clone(),
        };
        entries.push((digest, Arc::new(principal)));
    }
    Ok(Keys { header: config.header.to_ascii_lowercase(), entries })
}

// === rules ===

fn rules(config: &Config) -> Result<Vec<Rule>, ConfigError> {
    let mut ids = BTreeSet::new();
    let mut rules = Vec::with_capacity(config.rules.len());
    for (index, rule) in config.rules.iter().enumerate() {
        let at = format!("/rules/{index}");
        name(&rule.id, &format!("{at}/id"))?;
        if rule.id == "default" || OURS.iter().any(|prefix| rule.id.starts_with(prefix)) {
            return Err(ConfigError::new(format!("{at}/id"), format!("`{}` is a name of our own", rule.id)));
        }
        if !ids.insert(rule.id.as_str()) {
            return Err(ConfigError::new(format!("{at}/id"), format!("a second rule `{}`", rule.id))
                .remedy("every rule needs an id of its own"));
        }
        let mode = rule.mode.unwrap_or(config.mode);
        let compiled = self::rule(rule, mode, config, &at)?;
        // A rule that cannot match here was checked all the same.
        if mode != Mode::Disabled && compiled.scope.is_here() {
            rules.push(compiled);
        }
    }
    Ok(rules)
}

fn rule(config: &RuleConfig, mode: Mode, whole: &Config, at: &str) -> Result<Rule, ConfigError> {
    if !(-MAX_PRIORITY..=MAX_PRIORITY).contains(&config.priority) {
        return Err(ConfigError::new(format!("{at}/priority"), "is out of range")
            .remedy(format!("use a number from -{MAX_PRIORITY} to {MAX_PRIORITY}")));
    }
    let conditions = Conditions::compile(&config.arguments, side(config.action), &format!("{at}/arguments"))?;
    let when = When::compile(config.when.as_deref(), side(config.action), whole, &format!("{at}/when"))?;
    let scope = Scope::compile(&config.r#match, whole, &format!("{at}/match"))?
        .about(!conditions.is_empty() || !when.is_empty());
    let reason = match &config.reason {
        Some(text) => {
            name(text, &format!("{at}/reason"))?;
            Arc::from(text.as_str())
        }
        None => reason(config.action, &config.id),
    };
    Ok(Rule {
        priority: config.priority,
        action: config.action,
        shadow: mode == Mode::Shadow,
        hide: config.hide,
        verdict: Verdict { action: config.action, rule: Arc::from(config.id.as_str()), reason },
        scope,
        conditions,
        when,
    })
}

// === limits, headers, audit ===

fn check_limits(limits: &LimitsConfig) -> Result<(), ConfigError> {
    for (field, value, low, high) in [
        ("max_body_bytes", limits.max_body_bytes, 1 << 10, 64 << 20),
        ("max_event_bytes", limits.max_event_bytes, 1 << 10, 64 << 20),
        ("max_depth", limits.max_depth, 4, 128),
    ] {
        if !(low..=high).contains(&value) {
            return Err(ConfigError::new(format!("/limits/{field}"), format!("{value} is out of range"))
                .remedy(format!("use a number from {low} to {high}")));
        }
    }
    Ok(())
}

fn check_headers(headers: &HeadersConfig) -> Result<(), ConfigError> {
    for (index, name) in headers.remove.iter().enumerate() {
        header(name, &format!("/headers/remove/{index}"))?;
    }
    Ok(())
}

fn check_audit(audit: &AuditConfig) -> Result<(), ConfigError> {
    let Some(key) = &audit.hash_key else { return Ok(()) };
    match unhex(key) {
        Some(bytes) if (16..=64).contains(&bytes.len()) => Ok(()),
        _ => Err(ConfigError::new("/audit/hash_key", "is no key of 16 to 64 bytes in hexadecimal")
            .remedy("make one with `openssl rand -hex 32`")),
    }
}

// === shared checks ===

pub(crate) fn name(text: &str, at: &str) -> Result<(), ConfigError> {
    if text.is_empty() {
        return Err(ConfigError::new(at, "is empty"));
    }
    // It ends up in log lines and HTTP answers.
    if text.chars().any(char::is_control) {
        return Err(ConfigError::new(at, "holds a control character"));
    }
    Ok(())
}

/// RFC 9110 section 5.6.2.
fn header(name: &str, at: &str) -> Result<(), ConfigError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(ConfigError::new(at, "is no header name"));
    }
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| Some((digit(*high)? * 16 + digit(*low)?) as u8)).collect()
}

/// What the ids of built-in rules and of checks begin with: a record must not leave open which of them decided.
const OURS: [&str; 9] =
    ["builtin:", "quota:", "obligation:", "schema:", "pins:", "risk:", "flow:", "kill_switch:", "grant:"];
const MAX_PRIORITY: i32 = 1_000_000;
