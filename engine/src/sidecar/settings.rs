//! The blocks `sidecar` and `approval` of the configuration, compiled.

use std::time::Duration;

use super::outbox::Outbox;
use super::watch::{Cache, Heard, Watch};
use crate::config::{
    Action, ApprovalConfig, AuditDelivery, Config, ConfigError, Secret, Side, SidecarConfig, sha256_hex,
};
use crate::quota::duration;
use crate::state::Store;

/// How the sidecar is reached, and what is left to it.
#[derive(Debug)]
pub struct Sidecar {
    /// Envoy's name of its cluster; never empty.
    pub cluster: String,
    /// How long an answer may take that nobody has to decide.
    pub timeout: Duration,
    /// When records go to it.
    pub audit: AuditDelivery,
    token: Option<Secret>,
    queue_bytes: usize,
    /// What entries of the store are called by.
    name: String,
    audit_side: Side,
    approval_side: Side,
    quota_side: Side,
    flow_side: Side,
    /// It keeps state that is shared.
    pub(crate) shares: bool,
    kill_switch_side: Side,
    keys_side: Side,
    stale_us: u64,
    heard: Cache,
}

impl Sidecar {
    pub(crate) fn compile(config: &SidecarConfig) -> Result<Self, ConfigError> {
        let refuse = |field: &str, message: &str| Err(ConfigError::new(format!("/sidecar/{field}"), message));
        if config.cluster.is_empty() || config.cluster.len() > MAX_CLUSTER {
            return refuse("cluster", "is no name of a cluster: it must have 1 to 120 bytes");
        }
        let token = config.token.as_ref().map(Secret::expose);
        if token.is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return refuse("token", "must be of visible ASCII characters");
        }
        if !(MIN_TIMEOUT_MS..=MAX_TIMEOUT_MS).contains(&config.timeout_ms) {
            return refuse("timeout_ms", "must be 50 to 60000");
        }
        if !(MIN_QUEUE..=MAX_QUEUE).contains(&config.queue_bytes) {
            return refuse("queue_bytes", "must be 4194304 to 1073741824");
        }
        if !(MIN_STALE_MS..=MAX_STALE_MS).contains(&config.stale_after_ms) {
            return refuse("stale_after_ms", "must be 15000 to 3600000");
        }
        Ok(Self {
            name: sha256_hex(config.cluster.as_bytes()).get(..16).unwrap_or_default().to_owned(),
            cluster: config.cluster.clone(),
            token: config.token.clone(),
            timeout: Duration::from_millis(config.timeout_ms.into()),
            audit: config.audit,
            queue_bytes: config.queue_bytes,
            audit_side: config.on_unavailable.audit,
            approval_side: config.on_unavailable.approval,
            quota_side: config.on_unavailable.quota,
            flow_side: config.on_unavailable.flow,
            shares: false,
            kill_switch_side: config.on_unavailable.kill_switch,
            keys_side: config.on_unavailable.keys,
            stale_us: u64::from(config.stale_after_ms) * 1000,
            heard: Cache::default(),
        })
    }

    /// The value of the metadata `authorization`.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(|token| format!("Bearer {}", token.expose()))
    }

    /// The records that wait for it.
    #[must_use]
    pub fn outbox<'s>(&'s self, store: &'s dyn Store) -> Outbox<'s> {
        Outbox::new(store, &self.name, self.queue_bytes)
    }

    /// What it tells beside the configuration.
    #[must_use]
    pub fn watch<'s>(&'s self, store: &'s dyn Store) -> Watch<'s> {
        Watch::new(store, &self.name)
    }

    /// What it told last.
    pub(crate) fn heard(&self, store: &dyn Store) -> Heard {
        self.watch(store).heard(&self.heard)
    }

    /// Whether it is known for sure what holds at the moment.
    pub(crate) fn is_fresh(&self, heard: &Heard, now_us: u64) -> bool {
        heard.is_fresh(now_us, self.stale_us)
    }

    /// True where its records go to the sidecar at all.
    #[must_use]
    pub fn takes_records(&self) -> bool {
        self.audit != AuditDelivery::Log
    }

    /// True where anything is sent to it that waits in the outbox.
    #[must_use]
    pub fn takes_anything(&self) -> bool {
        self.takes_records() || self.shares
    }

    /// Whether a call goes on whose record finds no room, or is not acknowledged.
    pub(crate) fn audit_side(&self) -> Side {
        self.audit_side
    }

    /// Whether calls go on while it is not known for sure which kill switches are on.
    pub(crate) fn kill_switch_side(&self) -> Side {
        self.kill_switch_side
    }

    /// Whether keys count while it is not known for sure which do.
    pub(crate) fn keys_side(&self) -> Side {
        self.keys_side
    }

    /// Whether a call goes on that nobody can be asked about.
    pub(crate) fn approval_side(&self) -> Side {
        self.approval_side
    }

    /// Whether a call goes on of whose caller only this Envoy is asked.
    pub(crate) fn flow_side(&self) -> Side {
        self.flow_side
    }

    /// Whether a call goes on that is not counted.
    pub(crate) fn quota_side(&self) -> Side {
        self.quota_side
    }
}

/// How calls are held for an approval: of each rule that says so, and of all others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Approvals {
    others: ApprovalTerms,
    /// By the ids of the rules.
    rules: Vec<(String, ApprovalTerms)>,
}

/// How a call is held for an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApprovalTerms {
    /// How long the call is held, milliseconds.
    pub(crate) wait_ms: u32,
    /// How long the approval stays pending, milliseconds.
    pub(crate) expires_ms: u32,
    /// Whether who decides sees the arguments.
    pub(crate) show_arguments: bool,
    /// Groups whose members may decide.
    pub(crate) approvers: Vec<String>,
    /// Decisions needed.
    pub(crate) quorum: u32,
}

impl Default for ApprovalTerms {
    fn default() -> Self {
        Self { wait_ms: 45_000, expires_ms: 300_000, show_arguments: false, approvers: Vec::new(), quorum: 1 }
    }
}

impl Approvals {
    pub(crate) fn compile(config: &Config) -> Result<Self, ConfigError> {
        let others = ApprovalTerms::default().with(config.approval.as_ref(), "/approval")?;
        let mut rules = Vec::new();
        for (index, rule) in config.rules.iter().enumerate() {
            let Some(own) = &rule.approval else { continue };
            let at = format!("/rules/{index}/approval");
            if rule.action == Action::Deny {
                return Err(ConfigError::new(at, "is in a rule that lets nothing through").remedy("leave it out"));
            }
            rules.push((rule.id.clone(), others.clone().with(Some(own), &at)?));
        }
        Ok(Self { others, rules })
    }

    /// How a call is held that `rule` let through or asks about.
    pub(crate) fn of(&self, rule: &str) -> &ApprovalTerms {
        self.rules.iter().find(|(id, _)| id == rule).map_or(&self.others, |(_, terms)| terms)
    }
}

impl ApprovalTerms {
    /// These terms, where `config` says nothing else.
    fn with(self, config: Option<&ApprovalConfig>, at: &str) -> Result<Self, ConfigError> {
        let Some(config) = config else { return Ok(self) };
        let time = |text: Option<&String>, known: u32, name: &str, most_ms: u32| {
            let Some(text) = text else { return Ok(known) };
            let milliseconds = duration(text).and_then(|time_us| u32::try_from(time_us / 1000).ok());
            milliseconds.filter(|time| *time <= most_ms).ok_or_else(|| {
                ConfigError::new(format!("{at}/{name}"), format!("is no time of at most {} s", most_ms / 1000))
                    .remedy("write it as `45s` or `5m`")
            })
        };
        let wait_ms = time(config.wait.as_ref(), self.wait_ms, "wait", MAX_WAIT_MS)?;
        let expires_ms = time(config.expires.as_ref(), self.expires_ms, "expires", MAX_EXPIRES_MS)?;
        if expires_ms == 0 {
            return Err(ConfigError::new(format!("{at}/expires"), "must be at least 1 s"));
        }
        let approvers = config.approvers.clone().unwrap_or(self.approvers);
        if approvers.len() > MAX_GROUPS || approvers.iter().any(|group| group.is_empty() || group.len() > MAX_NAME) {
            return Err(ConfigError::new(format!("{at}/approvers"), "must be at most 32 names of 1 to 255 bytes"));
        }
        let quorum = config.quorum.unwrap_or(self.quorum);
        if !(1..=MAX_QUORUM).contains(&quorum) {
            return Err(ConfigError::new(format!("{at}/quorum"), "must be 1 to 16"));
        }
        let show_arguments = config.show_arguments.unwrap_or(self.show_arguments);
        Ok(Self { wait_ms: wait_ms.min(expires_ms), expires_ms, show_arguments, approvers, quorum })
    }
}

const MAX_NAME: usize = 255;
/// Envoy gets it as a message whose lengths must each fit seven bits.
const MAX_CLUSTER: usize = 120;
const MAX_GROUPS: usize = 32;
const MAX_QUORUM: u32 = 16;
const MIN_TIMEOUT_MS: u32 = 50;
const MAX_TIMEOUT_MS: u32 = 60_000;
/// By the contract.
const MAX_WAIT_MS: u32 = 300_000;
/// By the contract.
const MAX_EXPIRES_MS: u32 = 86_400_000;
/// Longer than a Watch is held, so that one answer after the other keeps it fresh.
const MIN_STALE_MS: u32 = 15_000;
const MAX_STALE_MS: u32 = 3_600_000;
const MIN_QUEUE: usize = 4 << 20;
const MAX_QUEUE: usize = 1 << 30;
