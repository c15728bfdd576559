//! Pins: the definitions of tools as they were trusted, and what follows when they change.
//!
//! A server may describe a harmless tool until somebody trusts it, and another one afterwards (a "rug pull"). Each
//! definition has a [`Fingerprint`]; the first one of a tool, or the approved ones, are what later ones are compared
//! with. Every list is observed, entry by entry, and every call asks how its tool stands. What is remembered belongs to
//! the server, not to a session: a server that shows one definition to one caller and another to the next is seen.
//!
//! Where there is a sidecar, it tells which version any filter has seen first, and which ones people have looked at: that goes
//! before what this Envoy remembers.
//!
//! A change is refused as long as it is listed, and for [`SETTLE_US`] after it was listed last: a server that
//! alternates between two definitions does not come through with either.

mod fingerprint;
mod judge;
mod kept;
mod names;
mod observe;
mod widen;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::config::{
    Collisions, Config, ConfigError, DriftThreshold, Drifted, PinMode, RiskThreshold, SchemaMode, ServerConfig, Side,
    UnknownProperties, nearest,
};
use crate::scan::Severity;
use crate::sidecar::Told;
use crate::state::{Store, Unavailable};

pub use fingerprint::{Definition, Fingerprint};
pub use judge::{Causes, Drift, Flag, Neighbours, flags, judge};
use kept::{Kept, Status};
pub(crate) use observe::Observed;

/// The compiled blocks `pins` and `risk`.
#[derive(Debug)]
pub(crate) struct Pins {
    /// What is observed also decides; false where only schemas are looked up.
    pinning: bool,
    /// Tools that are not named in the configuration are trusted by their first definition.
    first_use: bool,
    approved: BTreeMap<(String, String), Vec<Fingerprint>>,
    instructions: BTreeMap<String, Vec<Fingerprint>>,
    deny_drift: Option<Severity>,
    hide_drifted: bool,
    deny_unknown: bool,
    deny_collisions: bool,
    deny_risk: Option<Severity>,
    /// Flags by server, tool and version; all of them where the list is empty.
    acknowledged: BTreeMap<(String, String, Fingerprint), Vec<String>>,
    servers: Vec<String>,
    /// Which policy's scanners find the flags.
    policy: [u8; 8],
}

/// What the sidecar told about definitions, for the callers of one tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reviews<'t> {
    pub(crate) told: &'t Told,
    /// Empty: the default one.
    pub(crate) tenant: &'t str,
}

/// Which versions of one definition are trusted.
#[derive(Clone, Debug, Default)]
struct Trust<'p> {
    /// Those that the configuration names, and those that people have looked at.
    named: Option<Cow<'p, [Fingerprint]>>,
    /// Where there are none: the one that was seen first by any filter.
    first: Option<Fingerprint>,
}

/// Why a tool may not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `pins:…` or `risk:…`.
    pub(crate) rule: String,
    /// One sentence for people.
    pub(crate) reason: &'static str,
    /// Lists do not show it.
    pub(crate) hide: bool,
}

impl Pins {
    /// Compiles what a configuration says about definitions; `None` where nothing is to be remembered of them.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub(crate) fn compile(config: &Config, version: &str) -> Result<Option<Self>, ConfigError> {
        let servers = &config.servers;
        let pins = config.pins.clone().unwrap_or_default();
        let mut approved: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (index, entry) in pins.approved.iter().enumerate() {
            let at = format!("/pins/approved/{index}");
            check_server(&entry.server, servers, &at)?;
            let print = fingerprint(&entry.sha256, &at)?;
            approved.entry((entry.server.clone(), entry.tool.clone())).or_default().push(print);
        }
        let mut instructions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (index, entry) in pins.instructions.iter().enumerate() {
            let at = format!("/pins/instructions/{index}");
            check_server(&entry.server, servers, &at)?;
            instructions.entry(entry.server.clone()).or_default().push(fingerprint(&entry.sha256, &at)?);
        }
        let risk = config.risk.clone().unwrap_or_default();
        let mut acknowledged: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (index, entry) in risk.acknowledged.iter().enumerate() {
            let at = format!("/risk/acknowledged/{index}");
            check_server(&entry.server, servers, &at)?;
            let key = (entry.server.clone(), entry.tool.clone(), fingerprint(&entry.sha256, &at)?);
            if acknowledged.insert(key, entry.flags.clone()).is_some() {
                return Err(ConfigError::new(at, "a second entry for this definition").remedy("put all flags into one"));
            }
        }
        let schemas = config.schemas.as_ref().is_some_and(|schemas| {
            schemas.arguments != SchemaMode::Off
                || schemas.results != SchemaMode::Off
                || schemas.unknown_properties != UnknownProperties::Keep
        });
        let pinning = config.pins.is_some() && pins.mode != PinMode::Off;
        if !pinning && config.risk.is_none() && !schemas {
            return Ok(None);
        }
        let mut policy = [0; 8];
        policy.iter_mut().zip(version.bytes()).for_each(|(slot, byte)| *slot = byte);
        Ok(Some(Self {
            pinning,
            first_use: pins.mode != PinMode::Pinned,
            approved,
            instructions,
            deny_drift: match pins.deny_drift {
                DriftThreshold::Low => Some(Severity::Low),
                DriftThreshold::Medium => Some(Severity::Medium),
                DriftThreshold::High => Some(Severity::High),
                DriftThreshold::Critical => Some(Severity::Critical),
                DriftThreshold::None => None,
            },
            hide_drifted: pins.drifted == Drifted::Hide,
            deny_unknown: match pins.unknown {
                Some(side) => side == Side::Deny,
                None => pins.mode == PinMode::Pinned,
            },
            deny_collisions: pins.collisions == Collisions::Deny,
            deny_risk: config.risk.as_ref().and_then(|risk| match risk.deny {
                RiskThreshold::Low => Some(Severity::Low),
                RiskThreshold::Medium => Some(Severity::Medium),
                RiskThreshold::High => Some(Severity::High),
                RiskThreshold::Critical => Some(Severity::Critical),
                RiskThreshold::None => None,
            }),
            acknowledged,
            servers: servers.iter().map(|server| server.name.clone()).collect(),
            policy,
        }))
    }

    /// Why a call to this tool is refused; `None` where it is not.
    pub(crate) fn judge_call(
        &self,
        store: &dyn Store,
        reviews: Reviews<'_>,
        server: &str,
        tool: &str,
        now_us: u64,
    ) -> Option<Refusal> {
        if !self.decides() {
            return None;
        }
        let Ok(status) = Kept::new(store).status(server, tool, now_us) else { return Some(self.lost()) };
        let Some(status) = status else {
            let reason = "Its definition has not been listed through this firewall; list the tools first.";
            return self.unknown(reason);
        };
        self.standing(reviews, server, tool, &status, now_us)
    }

    /// The schema that a tool declares under `member`, as the server listed it last; `None` where there is no such
    /// tool, `Some(None)` where its definition was too large to be kept.
    ///
    /// # Errors
    /// [`Unavailable`] if the store is.
    pub(crate) fn definition(
        &self,
        store: &dyn Store,
        server: &str,
        tool: &str,
        now_us: u64,
    ) -> Result<Option<Option<String>>, Unavailable> {
        let kept = Kept::new(store);
        let Some(status) = kept.status(server, tool, now_us)? else { return Ok(None) };
        kept.text(server, tool, status.current, now_us).map(Some)
    }

    /// True where a definition can be refused.
    fn decides(&self) -> bool {
        self.pinning || self.deny_risk.is_some()
    }

    /// Why a tool may not be used, as it stands.
    fn standing(
        &self,
        reviews: Reviews<'_>,
        server: &str,
        tool: &str,
        status: &Status,
        now_us: u64,
    ) -> Option<Refusal> {
        if self.pinning {
            let trust = self.trust(reviews, server, tool);
            if trust.named.is_none() && !self.first_use {
                let refusal = self.unknown("Nobody approved this tool.");
                if refusal.is_some() {
                    return refusal;
                }
            } else if let Some(refusal) = self.drifted(&trust, status, now_us) {
                return Some(refusal);
            }
            if self.deny_collisions && status.collides {
                return Some(refusal("pins:collision", "Another server listed a tool of this name before.", true));
            }
            if self.deny_collisions && status.resembles {
                return Some(refusal("pins:look-alike", "Its name looks like that of a tool listed before.", true));
            }
        }
        let risk = self.unacknowledged(reviews, server, tool, status.current, &status.flags);
        let worst = risk.into_iter().filter(|flag| Some(flag.severity) >= self.deny_risk).max_by_key(|f| f.severity);
        let worst = worst.filter(|_| self.deny_risk.is_some())?;
        let reason = "Its definition is flagged as a risk, and nobody acknowledged that.";
        Some(refusal(format!("risk:{}", worst.id), reason, true))
    }

    /// Which versions of a tool are trusted; of the server's instructions under the empty name.
    fn trust<'p>(&'p self, reviews: Reviews<'p>, server: &str, tool: &str) -> Trust<'p> {
        let config = if tool.is_empty() {
            self.instructions.get(server)
        } else {
            self.approved.get(&(server.to_owned(), tool.to_owned()))
        };
        let pin = reviews.told.pin(reviews.tenant, server, tool);
        let told = pin.map(|pin| pin.approved.as_slice()).unwrap_or_default();
        let named = match config {
            Some(config) if told.is_empty() => Some(Cow::Borrowed(config.as_slice())),
            Some(config) => Some(Cow::Owned(config.iter().chain(told).copied().collect())),
            None if told.is_empty() => None,
            None => Some(Cow::Borrowed(told)),
        };
        Trust { named, first: pin.and_then(|pin| pin.first).filter(|_| self.first_use) }
    }

    /// The refusal of a tool that changed, now or lately.
    fn drifted(&self, trust: &Trust<'_>, status: &Status, now_us: u64) -> Option<Refusal> {
        let least = self.deny_drift?;
        for version in &status.versions {
            let is_current = version.fingerprint == status.current;
            // What was trusted when it was listed is no alternation once another version is approved.
            let lately = version.drift.is_some() && version.last_us.saturating_add(SETTLE_US) > now_us;
            if trust.holds(version.fingerprint, status.baseline) || !(is_current || lately) {
                continue;
            }
            let severity = version.drift.map_or(Severity::Critical, |(severity, _)| severity);
            if severity >= least {
                let reason = "Its definition is another than the one that was trusted.";
                return Some(refusal("pins:drift", reason, self.hide_drifted));
            }
        }
        None
    }

    fn unknown(&self, reason: &'static str) -> Option<Refusal> {
        (self.pinning && self.deny_unknown).then(|| refusal("pins:unknown", reason, self.hide_drifted))
    }

    fn lost(&self) -> Refusal {
        refusal("pins:state", "The firewall's memory of tool definitions is not available.", true)
    }

    /// The flags of a version that nobody acknowledged.
    fn unacknowledged<'f>(
        &self,
        reviews: Reviews<'_>,
        server: &str,
        tool: &str,
        version: Fingerprint,
        flags: &'f [Flag],
    ) -> Vec<&'f Flag> {
        let pin = reviews.told.pin(reviews.tenant, server, tool);
        if flags.is_empty() || pin.is_some_and(|pin| pin.approved.contains(&version)) {
            return Vec::new();
        }
        let known = self.acknowledged.get(&(server.to_owned(), tool.to_owned(), version));
        flags.iter().filter(|flag| !known.is_some_and(|ids| ids.is_empty() || ids.contains(&flag.id))).collect()
    }
}

impl Trust<'_> {
    /// Whether a version is one that is trusted: by name where there are names, else for being the first. `baseline` is the
    /// first one that this Envoy has seen.
    fn holds(&self, version: Fingerprint, baseline: Option<Fingerprint>) -> bool {
        match &self.named {
            Some(named) => named.contains(&version),
            None => self.first.or(baseline) == Some(version),
        }
    }
}

fn refusal(rule: impl Into<String>, reason: &'static str, hide: bool) -> Refusal {
    Refusal { rule: rule.into(), reason, hide }
}

fn check_server(name: &str, servers: &[ServerConfig], at: &str) -> Result<(), ConfigError> {
    if servers.iter().any(|server| server.name == name) {
        return Ok(());
    }
    let error = ConfigError::new(format!("{at}/server"), format!("there is no server `{name}`"));
    Err(match nearest(name, servers.iter().map(|server| server.name.as_str())) {
        Some(known) => error.remedy(format!("did you mean `{known}`?")),
        None => error,
    })
}

fn fingerprint(text: &str, at: &str) -> Result<Fingerprint, ConfigError> {
    Fingerprint::parse(text).ok_or_else(|| {
        ConfigError::new(format!("{at}/sha256"), "is no fingerprint").remedy("write 64 hexadecimal digits")
    })
}

/// How long a change is refused after it was listed last, in microseconds: 10 minutes.
const SETTLE_US: u64 = 600_000_000;
/// How exactly the time of the last listing is kept, in microseconds: a minute.
const REFRESH_US: u64 = 60_000_000;
