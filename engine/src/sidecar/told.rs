//! What the sidecar tells filters beside their configuration: kill switches.

use std::sync::Arc;

use super::message::id;
use super::wire::{Malformed, Reader, Value};
use crate::glob::Glob;

/// What the sidecar told, of all tenants (`portcullis.v1.Told`).
#[derive(Clone, Debug, Default)]
pub struct Told {
    stops: Vec<Stop>,
}

/// A kill switch that is on.
#[derive(Clone, Debug)]
pub struct Stop {
    /// `kill_switch:` and its id.
    pub rule: Arc<str>,
    /// For the client, in a sentence.
    pub reason: Arc<str>,
    /// Empty: all.
    tenant: String,
    server: Option<Glob>,
    tool: Option<Glob>,
    principal: Option<Glob>,
    /// 0: it does not end by itself.
    expires_us: u64,
}

/// What is about to be done.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// The caller's tenant; empty: the default one.
    pub tenant: &'a str,
    /// The caller's id; empty: nobody was verified. `None`: it is not known, and may be anybody.
    pub principal: Option<&'a str>,
    /// The configured server's name; `None`: it is not known.
    pub server: Option<&'a str>,
    /// The tool that is called.
    pub tool: Tool<'a>,
}

/// Which tool is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool<'a> {
    /// It is no call of a tool.
    None,
    /// This one.
    Named(&'a str),
    /// It cannot be told.
    Any,
}

impl Told {
    /// Reads the message. Fields of later versions are skipped.
    ///
    /// # Errors
    /// [`Malformed`] for what is no such message.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut told = Self::default();
        for field in Reader::new(message) {
            let field = field?;
            match (field.number, field.value) {
                (1, Value::Bytes(stop)) => told.stops.push(Stop::decode(stop)?),
                (1, _) => return Err(Malformed),
                _ => {}
            }
        }
        Ok(told)
    }

    /// The kill switch that speaks against it.
    #[must_use]
    pub fn stop(&self, deed: &Deed<'_>, now_us: u64) -> Option<&Stop> {
        self.stops.iter().find(|stop| stop.holds(deed, now_us))
    }
}

// === impl Stop ===

impl Stop {
    fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let (mut name, mut tenant, mut reason, mut expires_us) = ("", "", "", 0);
        let (mut server, mut tool, mut principal) = (None, None, None);
        for field in Reader::new(message) {
            let field = field?;
            match (field.number, field.value) {
                (1, value) => name = id(value)?,
                (2, value) => tenant = value.text(MAX_TEXT)?,
                (3, value) => server = glob(value)?,
                (4, value) => tool = glob(value)?,
                (5, value) => principal = glob(value)?,
                (6, value) => reason = value.text(MAX_TEXT)?,
                (7, Value::Number(time)) => expires_us = time,
                (7, _) => return Err(Malformed),
                _ => {}
            }
        }
        let reason = match reason.trim_end_matches('.') {
            "" => "A kill switch is on.".to_owned(),
            reason => format!("A kill switch is on: {reason}."),
        };
        let (rule, tenant) = (format!("{KILL_SWITCH}{name}"), tenant.to_owned());
        Ok(Self { rule: rule.into(), reason: reason.into(), tenant, server, tool, principal, expires_us })
    }

    fn holds(&self, deed: &Deed<'_>, now_us: u64) -> bool {
        let tenant = if deed.tenant.is_empty() { DEFAULT_TENANT } else { deed.tenant };
        let fits = |glob: &Option<Glob>, text: Option<&str>| {
            glob.as_ref().is_none_or(|glob| text.is_none_or(|text| glob.matches(text)))
        };
        // Who was not verified has no id that a glob could be meant for, not even `*`.
        let somebody = self.principal.is_none() || deed.principal != Some("");
        (self.tenant.is_empty() || self.tenant == tenant || deed.principal.is_none())
            && fits(&self.server, deed.server)
            && somebody
            && fits(&self.principal, deed.principal)
            && match (&self.tool, deed.tool) {
                (None, _) | (Some(_), Tool::Any) => true,
                (Some(_), Tool::None) => false,
                (Some(glob), Tool::Named(name)) => glob.matches(name),
            }
            && (self.expires_us == 0 || now_us < self.expires_us)
    }
}

/// A glob; `None` for the empty one.
fn glob(value: Value<'_>) -> Result<Option<Glob>, Malformed> {
    match value.text(MAX_TEXT)? {
        "" => Ok(None),
        pattern => Glob::new(pattern).map(Some).map_err(|_| Malformed),
    }
}

/// Rules of this beginning are kill switches.
pub(crate) const KILL_SWITCH: &str = "kill_switch:";
/// The tenant of callers who have none.
const DEFAULT_TENANT: &str = "default";
/// Longest pattern or reason, in bytes.
const MAX_TEXT: usize = 2048;
