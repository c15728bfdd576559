//! The compiled firewall: everything an exchange needs that outlives it.

use crate::config::{Config, ConfigError, Fallback, Mode, SchemasConfig};
use crate::flow::Flow;
use crate::json;
use crate::obligations::Obligations;
use crate::pins::Pins;
use crate::policy::{FactNeeds, Policy};
use crate::quota::Quotas;
use crate::scan::Scanners;

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
    hash_key: [u8; 32],
    /// What must be done to calls that pass.
    pub(crate) obligations: Obligations,
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
        let scanners = Scanners::compile(&config.scanners).map_err(|error| ConfigError {
            pointer: format!("/scanners{}", error.pointer),
            message: error.message,
            remedy: None,
        })?;
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
            hash_key,
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

    /// True where two callers may see different lists.
    pub(crate) fn lists_depend_on_caller(&self) -> bool {
        self.lists_depend_on_caller
    }
}

/// Keeps this key apart from any other that is derived from the same secret (BLAKE3 `derive_key`).
const KEY_CONTEXT: &str = "Portcullis 2026-11-21 audit input hash v1";
