//! The compiled firewall: everything an exchange needs that outlives it.

use std::collections::BTreeMap;

use crate::config::{Action, Config, ConfigError, Fallback, Mode, SchemasConfig};
use crate::flow::Flow;
use crate::json;
use crate::obligations::Obligations;
use crate::pins::Pins;
use crate::policy::{FactNeeds, Policy};
use crate::quota::Quotas;
use crate::scan::{Redaction, ScanConfigError, Scanners, Suppressions};
use crate::sidecar::{Approvals, Sidecar};

/// A policy and its scanners, compiled once and shared by all exchanges.
#[derive(Debug)]
pub struct Firewall {
    /// Who may do what.
    pub policy: Policy,
    /// What may be said.
    pub scanners: Scanners,
    /// What the host must find out about each request.
    pub needs: FactNeeds,
    /// How tools were defined, and what follows from a change; `None` where nothing is remembered of them.
    pub(crate) pins: Option<Pins>,
    /// Checks against the schemas of tools.
    pub(crate) schemas: Option<SchemasConfig>,
    /// What results bring with them, and where it may go.
    pub(crate) flow: Flow,
    /// What is counted.
    pub(crate) quotas: Quotas,
    /// What must be done to calls that pass.
    pub(crate) obligations: Obligations,
    /// Who keeps records and asks people; `None` where nobody does.
    pub sidecar: Option<Sidecar>,
    /// How calls are held for an approval.
    pub(crate) approvals: Approvals,
    /// By the id of the rule that has them.
    suppressions: BTreeMap<Box<str>, Suppressions>,
    hash_key: [u8; 32],
    pseudonyms: bool,
    lists_depend_on_caller: bool,
    passive: bool,
}

impl Firewall {
    /// Compiles the plugin configuration. `fallback_key` keys the hash of inputs where the
    /// configuration has no key; it should be random.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub fn from_json(configuration: &[u8], fallback_key: [u8; 32]) -> Result<Self, ConfigError> {
        let config = Config::from_json(configuration)?;
        let refuse = |at: &str, error: ScanConfigError| ConfigError {
            pointer: format!("{at}{}", error.pointer),
            message: error.message,
            remedy: None,
        };
        let scanners = Scanners::compile(&config.scanners).map_err(|error| refuse("/scanners", error))?;
        let suppressions = suppressions(&config, refuse)?;
        let pseudonyms = config.scanners.redaction == Redaction::Pseudonym;
        let hash_key = match &config.audit.hash_key {
            Some(key) => blake3::derive_key(KEY_CONTEXT, key.as_bytes()),
            None => fallback_key,
        };
        let obligations = Obligations::compile(&config)?;
        let lists_depend_on_caller =
            !(config.rules.is_empty() && config.default == Fallback::Allow) || obligations.hide_by_caller();
        let rules = config.rules.iter().map(|rule| rule.mode);
        let quotas = config.quotas.iter().map(|quota| quota.mode);
        let mut modes = rules.chain(quotas).chain(config.obligations.iter().map(|one| one.mode));
        let passive = config.mode != Mode::Enforce && modes.all(|mode| mode != Some(Mode::Enforce));
        let schemas = config.schemas.clone();
        let flow = Flow::compile(&config)?;
        let quotas = Quotas::compile(&config)?;
        let mut sidecar = config.sidecar.as_ref().map(Sidecar::compile).transpose()?;
        if let Some(sidecar) = &mut sidecar {
            sidecar.shares = quotas.are_shared() || flow.shared;
        }
        if let Some(index) = config.servers.iter().position(|server| server.credentials.is_some())
            && sidecar.is_none()
        {
            let at = format!("/servers/{index}/credentials");
            return Err(ConfigError::new(at, "needs the sidecar, which keeps them").remedy("add the block `sidecar`"));
        }
        let approvals = Approvals::compile(&config)?;
        let policy = Policy::of_text(config)?;
        let pins = Pins::compile(policy.config(), policy.version())?;
        let needs = policy.fact_needs();
        Ok(Self {
            policy,
            scanners,
            needs,
            pins,
            schemas,
            flow,
            quotas,
            obligations,
            sidecar,
            approvals,
            suppressions,
            hash_key,
            pseudonyms,
            lists_depend_on_caller,
            passive,
        })
    }

    /// SHA-256 of the canonical configuration, in hexadecimal.
    #[must_use]
    pub fn version(&self) -> &str {
        self.policy.version()
    }

    /// True where nothing can be refused or changed: shadow mode without a rule that is enforced all the same.
    pub(crate) fn passive(&self) -> bool {
        self.passive
    }

    /// True where findings and malformed messages are acted on; false in shadow mode, where they are
    /// only recorded. Rules carry their own mode.
    #[must_use]
    pub fn enforcing(&self) -> bool {
        self.policy.config().mode == Mode::Enforce
    }

    pub(crate) fn json_limits(&self) -> json::Limits {
        let limits = &self.policy.config().limits;
        json::Limits { max_bytes: limits.max_body_bytes, max_depth: limits.max_depth }
    }

    /// A keyed hash (BLAKE3, keyed mode) by which records of equal inputs can be told without the inputs.
    pub(crate) fn input_hash(&self, text: &str) -> String {
        let hash = blake3::keyed_hash(&self.hash_key, text.as_bytes());
        format!("blake3:{}", hash.to_hex().get(..32).unwrap_or_default())
    }

    /// What the rule of this id suppresses in what it lets through.
    pub(crate) fn suppressions(&self, rule: &str) -> Option<&Suppressions> {
        self.suppressions.get(rule)
    }

    /// The placeholder with six digits that are the same for equal values of one caller and session, where the
    /// configuration wants that. A keyed hash: who does not have the key cannot try values.
    pub(crate) fn pseudonym(&self, placeholder: &str, scope: &[u8], value: &str) -> Option<String> {
        let name = placeholder.strip_suffix(']').filter(|_| self.pseudonyms)?;
        let mut key = blake3::Hasher::new_keyed(&self.hash_key);
        key.update(PSEUDONYM.as_bytes()).update(&(scope.len() as u64).to_le_bytes()).update(scope);
        let hash = key.update(value.as_bytes()).finalize().to_hex();
        Some(format!("{name}-{}]", hash.get(..6)?))
    }

    /// True where two callers may see different lists.
    pub(crate) fn lists_depend_on_caller(&self) -> bool {
        self.lists_depend_on_caller
    }
}

/// The suppressions of each rule.
fn suppressions(
    config: &Config,
    refuse: impl Fn(&str, ScanConfigError) -> ConfigError,
) -> Result<BTreeMap<Box<str>, Suppressions>, ConfigError> {
    let mut all = BTreeMap::new();
    for (index, rule) in config.rules.iter().enumerate().filter(|(_, rule)| !rule.suppress.is_empty()) {
        let at = format!("/rules/{index}/suppress");
        if rule.action == Action::Deny {
            return Err(ConfigError::new(at, "is in a rule that lets nothing through").remedy("leave it out"));
        }
        let own = Suppressions::compile(&rule.suppress, &at).map_err(|error| refuse("", error))?;
        all.insert(Box::from(rule.id.as_str()), own);
    }
    Ok(all)
}

/// Keeps pseudonyms apart from the hashes of inputs, which have the same key.
const PSEUDONYM: &str = "Portcullis pseudonym v1";

/// Keeps this key apart from any other that is derived from the same secret (BLAKE3 `derive_key`).
const KEY_CONTEXT: &str = "Portcullis 2026-11-21 audit input hash v1";
