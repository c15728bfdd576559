//! Obligations: what must be done to the calls that pass, and to their results.
//!
//! A rule says whether a call may go on; an obligation says what becomes of it: members are redacted,
//! results are bounded, hosts are held against a list, the caller's clearance or a one-time code is asked for. All
//! obligations that fit a call hold at once. Where two say something about the same thing, the stricter one counts.

mod egress;
mod embedded;
mod keys;
mod limits;
mod mfa;
mod pages;
mod redact;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::cel::Moment;
use crate::config::{
    ClearanceConfig, Config, ConfigError, DlpAction, DlpConfig, Mode, ObligationConfig, PrincipalMatch, nearest,
};
use crate::json::Value;
use crate::mcp::Capability;
use crate::policy::{Selector, Side, name, size};
use crate::principal::Principal;
use crate::principal::{PrincipalMatcher, principal_matcher};
use crate::scan::{Direction, NAMES as SCANNERS};

pub(crate) use egress::Egress;
use keys::Keys;
use limits::ResultLimits;
pub(crate) use limits::entries;
pub use mfa::Code;
pub(crate) use mfa::META as MFA_META;
pub(crate) use pages::{Pages, continues};
use redact::Redaction;

/// All obligations of a configuration, compiled.
#[derive(Debug, Default)]
pub(crate) struct Obligations {
    entries: Vec<Obligation>,
    clearance: Clearance,
}

/// Which obligations hold for a call: indexes, ascending.
pub(crate) type Held = Vec<u16>;

/// One obligation.
#[derive(Debug)]
pub(crate) struct Obligation {
    id: String,
    /// What records and answers call it: `obligation:<id>`.
    pub(crate) rule: Arc<str>,
    /// Never enforced, only recorded.
    pub(crate) shadow: bool,
    selector: Selector,
    redact_arguments: Keys,
    redact_result: Keys,
    placeholder: String,
    limits: ResultLimits,
    egress: Option<Egress>,
    dlp: Option<Dlp>,
    /// Index of a level.
    clearance: Option<usize>,
    /// The call needs a one-time code.
    pub(crate) mfa: bool,
    /// A bound on reading page by page.
    pub(crate) pages: Option<Pages>,
    reason: Option<Arc<str>>,
}

#[derive(Debug)]
struct Dlp {
    arguments: Option<DlpAction>,
    result: Option<DlpAction>,
    /// Bits of [`SCANNERS`].
    scanners: u8,
}

/// Who has which level.
#[derive(Debug, Default)]
struct Clearance {
    principals: Vec<(PrincipalMatcher, usize)>,
    default: usize,
}

impl Obligations {
    /// Compiles the obligations of a configuration.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub(crate) fn compile(config: &Config) -> Result<Self, ConfigError> {
        let levels = config.clearance.clone().unwrap_or_default();
        let clearance = Clearance::compile(&levels)?;
        let mut ids = BTreeSet::new();
        let mut entries = Vec::new();
        for (index, one) in config.obligations.iter().enumerate() {
            let at = format!("/obligations/{index}");
            name(&one.id, &format!("{at}/id"))?;
            if !ids.insert(one.id.as_str()) {
                return Err(ConfigError::new(format!("{at}/id"), format!("a second obligation `{}`", one.id))
                    .remedy("every obligation needs an id of its own"));
            }
            let compiled = Obligation::compile(one, config, &levels, &at)?;
            // One that cannot hold here was checked all the same.
            if one.mode.unwrap_or(config.mode) != Mode::Disabled && compiled.selector.is_here() {
                entries.push(compiled);
            }
        }
        if entries.len() > usize::from(u16::MAX) {
            return Err(ConfigError::new("/obligations", "are too many"));
        }
        Ok(Self { entries, clearance })
    }

    /// Those that hold for a call of the client.
    #[allow(clippy::too_many_arguments, reason = "what a message is, as selectors take it")]
    pub(crate) fn holding<N: AsRef<str>>(
        &self,
        principal: &Principal,
        server: &str,
        method: &str,
        capability: Capability,
        names: &[N],
        arguments: Option<Value<'_>>,
        moment: &Moment<'_>,
    ) -> Held {
        let implied = !matches!(capability, Capability::Protocol | Capability::List);
        self.indexes(|one| {
            (implied || one.selector.is_explicit())
                && one.selector.fits_at(principal, server, method, capability, names, arguments, moment)
        })
    }

    /// Those that hold for what a server sends of itself.
    pub(crate) fn holding_of_server(
        &self,
        principal: &Principal,
        server: &str,
        method: &str,
        capability: Capability,
        params: Option<Value<'_>>,
    ) -> Held {
        self.indexes(|one| one.selector.fits::<&str>(principal, server, method, capability, &[], params))
    }

    /// Those that hold for some call of this caller: where nothing tells which call an answer belongs to.
    pub(crate) fn perhaps(&self, principal: &Principal, server: &str) -> Held {
        self.indexes(|one| one.selector.may_fit(principal, server))
    }

    fn indexes(&self, mut holds: impl FnMut(&Obligation) -> bool) -> Held {
        (0_u16..).zip(&self.entries).filter(|(_, one)| holds(one)).map(|(index, _)| index).collect()
    }

    /// The obligations behind the indexes.
    pub(crate) fn of(&self, held: &[u16]) -> impl Iterator<Item = &Obligation> {
        held.iter().filter_map(|index| self.entries.get(usize::from(*index)))
    }

    /// What is done about findings of each scanner in place of its own actions, for calls that these hold for.
    pub(crate) fn dlp(&self, held: &[u16], direction: Direction) -> [Option<DlpAction>; SCANNERS.len()] {
        let mut actions = [None; SCANNERS.len()];
        for one in self.of(held).filter(|one| !one.shadow) {
            let Some(dlp) = &one.dlp else { continue };
            let action = match direction {
                Direction::Request => dlp.arguments,
                Direction::Response => dlp.result,
            };
            for (index, slot) in actions.iter_mut().enumerate() {
                if dlp.scanners >> index & 1 != 0 {
                    *slot = (*slot).max(action);
                }
            }
        }
        actions
    }

    /// True where the caller's level is below what an obligation asks for.
    pub(crate) fn is_below(&self, one: &Obligation, principal: &Principal) -> bool {
        one.clearance.is_some_and(|level| self.clearance.of(principal) < level)
    }

    /// Whether an entry of a list is shown: false where every call by that name is above the caller's clearance.
    pub(crate) fn visible(&self, principal: &Principal, server: &str, capability: Capability, name: &str) -> bool {
        !self.entries.iter().any(|one| {
            !one.shadow && self.is_below(one, principal) && one.selector.fits_any(principal, server, capability, name)
        })
    }

    /// True where lists depend on who asks for them.
    pub(crate) fn hide_by_caller(&self) -> bool {
        self.entries.iter().any(|one| one.clearance.is_some())
    }
}

impl Obligation {
    fn compile(
        config: &ObligationConfig,
        whole: &Config,
        levels: &ClearanceConfig,
        at: &str,
    ) -> Result<Self, ConfigError> {
        let egress = match &config.egress {
            Some(egress) => Some(Egress::compile(egress, &format!("{at}/egress"))?),
            None => None,
        };
        let dlp = match &config.dlp {
            Some(dlp) => Some(Dlp::compile(dlp, &format!("{at}/dlp"))?),
            None => None,
        };
        let clearance = match &config.require_clearance {
            Some(wanted) => Some(level(levels, wanted, &format!("{at}/require_clearance"))?),
            None => None,
        };
        let bytes = match &config.max_result_bytes {
            Some(literal) => Some(size(literal).ok_or_else(|| {
                ConfigError::new(format!("{at}/max_result_bytes"), "is no size")
                    .remedy("use bytes (`1024`) or a unit (`\"10MB\"`, `\"4KiB\"`)")
            })?),
            None => None,
        };
        let pages = match &config.max_pages {
            Some(text) => Some(Pages::compile(text, &format!("{at}/max_pages"))?),
            None => None,
        };
        if let Some(reason) = &config.reason {
            name(reason, &format!("{at}/reason"))?;
        }
        let one =
            Self {
                rule: Arc::from(format!("obligation:{}", config.id)),
                placeholder: format!("[REDACTED:{}]", config.id),
                id: config.id.clone(),
                shadow: config.mode.unwrap_or(whole.mode) == Mode::Shadow,
                selector: Selector::compile(&config.r#match, &config.arguments, Side::Restricts, whole, at)?
                    .with_when(config.when.as_deref(), Side::Restricts, whole, at)?,
                redact_arguments: Keys::compile(&config.redact_arguments, &format!("{at}/redact_arguments"))?,
                redact_result: Keys::compile(&config.redact_result, &format!("{at}/redact_result"))?,
                limits: ResultLimits { bytes, items: config.max_result_items, rows: config.max_result_rows },
                egress,
                dlp,
                clearance,
                mfa: config.require_mfa,
                pages,
                reason: config.reason.as_deref().map(Arc::from),
            };
        let ResultLimits { bytes, items, rows } = one.limits;
        let idle = one.redact_arguments.is_empty()
            && one.redact_result.is_empty()
            && bytes.is_none()
            && items.is_none()
            && rows.is_none()
            && one.egress.is_none()
            && one.dlp.is_none()
            && one.clearance.is_none()
            && one.pages.is_none()
            && !one.mfa;
        if idle {
            return Err(ConfigError::new(at, "obliges nobody to anything")
                .remedy("give it `redact_result`, `max_result_bytes`, `egress`, `require_clearance` or another duty"));
        }
        Ok(one)
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What stands in place of what it redacts.
    pub(crate) fn placeholder(&self) -> &str {
        &self.placeholder
    }

    /// What the caller is told: the obligation's own sentence, or `otherwise`.
    pub(crate) fn reason(&self, otherwise: impl Into<Arc<str>>) -> Arc<str> {
        self.reason.clone().unwrap_or_else(|| otherwise.into())
    }

    /// The list of hosts, for messages of this direction.
    pub(crate) fn egress(&self, direction: Direction) -> Option<&Egress> {
        self.egress.as_ref().filter(|egress| match direction {
            Direction::Request => egress.arguments,
            Direction::Response => egress.result,
        })
    }

    /// What replaces which bytes of a message whose arguments are `arguments`.
    pub(crate) fn redactions_of_arguments(&self, arguments: Value<'_>) -> Vec<(Range<usize>, String)> {
        if self.redact_arguments.is_empty() {
            return Vec::new();
        }
        Redaction::new(&self.redact_arguments, &self.placeholder).of_arguments(arguments)
    }

    /// What replaces which bytes of a message whose result is `result`.
    pub(crate) fn redactions_of_result(&self, result: Value<'_>) -> Vec<(Range<usize>, String)> {
        if self.redact_result.is_empty() {
            return Vec::new();
        }
        Redaction::new(&self.redact_result, &self.placeholder).of_result(result)
    }

    /// What a result is too large in; `None` if it is not.
    pub(crate) fn too_large(&self, result: Value<'_>) -> Option<String> {
        self.limits.exceeded(result)
    }
}

impl Dlp {
    fn compile(config: &DlpConfig, at: &str) -> Result<Self, ConfigError> {
        let mut scanners = 0;
        for (index, wanted) in config.scanners.iter().enumerate() {
            let Some(bit) = SCANNERS.iter().position(|known| known == wanted) else {
                let error = ConfigError::new(format!("{at}/scanners/{index}"), format!("unknown scanner `{wanted}`"));
                return Err(match nearest(wanted, SCANNERS) {
                    Some(known) => error.remedy(format!("did you mean `{known}`?")),
                    None => error.remedy(format!("use one of {}", SCANNERS.join(", "))),
                });
            };
            scanners |= 1 << bit;
        }
        if scanners == 0 {
            return Err(ConfigError::new(format!("{at}/scanners"), "is an empty list"));
        }
        if config.arguments.is_none() && config.result.is_none() {
            return Err(ConfigError::new(at, "changes nothing").remedy("give `arguments` or `result`"));
        }
        Ok(Self { arguments: config.arguments, result: config.result, scanners })
    }
}

impl Clearance {
    fn compile(config: &ClearanceConfig) -> Result<Self, ConfigError> {
        let at = "/clearance";
        if config.levels.is_empty() {
            return Err(ConfigError::new(format!("{at}/levels"), "is an empty list"));
        }
        for (index, one) in config.levels.iter().enumerate() {
            let at = format!("{at}/levels/{index}");
            name(one, &at)?;
            if config.levels.iter().take(index).any(|other| other == one) {
                return Err(ConfigError::new(at, format!("a second level `{one}`")));
            }
        }
        let mut principals = Vec::with_capacity(config.principals.len());
        for (index, entry) in config.principals.iter().enumerate() {
            let at = format!("{at}/principals/{index}");
            if entry.r#match == PrincipalMatch::default() {
                return Err(ConfigError::new(format!("{at}/match"), "fits everybody")
                    .remedy("use `default` for everybody else"));
            }
            let matcher = principal_matcher(&entry.r#match, &format!("{at}/match"))?;
            principals.push((matcher, level(config, &entry.level, &format!("{at}/level"))?));
        }
        let default = match &config.default {
            Some(wanted) => level(config, wanted, &format!("{at}/default"))?,
            None => 0,
        };
        Ok(Self { principals, default })
    }

    fn of(&self, principal: &Principal) -> usize {
        let entry = self.principals.iter().find(|(matcher, _)| matcher.fits(principal));
        entry.map_or(self.default, |(_, level)| *level)
    }
}

/// The place of a level among `config.levels`.
fn level(config: &ClearanceConfig, wanted: &str, at: &str) -> Result<usize, ConfigError> {
    config.levels.iter().position(|level| level == wanted).ok_or_else(|| {
        let error = ConfigError::new(at, format!("unknown level `{wanted}`"));
        match nearest(wanted, config.levels.iter().map(String::as_str)) {
            Some(known) => error.remedy(format!("did you mean `{known}`?")),
            None => error.remedy(format!("use one of {}", config.levels.join(", "))),
        }
    })
}
