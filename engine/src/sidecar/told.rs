//! What the sidecar tells filters beside their configuration: kill switches, the keys of callers, and
//! which definitions of tools are trusted.

use std::sync::Arc;

use super::message::id;
use super::wire::{Malformed, Reader, Value};
use crate::glob::Glob;
use crate::pins::Fingerprint;
use crate::principal::{Principal, PrincipalKind};
use crate::sort::Arrange;

/// What the sidecar told, of all tenants (`portcullis.v1.Told`).
#[derive(Clone, Debug, Default)]
pub struct Told {
    stops: Vec<Stop>,
    /// By SHA-256.
    keys: Vec<([u8; 32], Arc<CallerKey>)>,
    /// By tenant, server and tool.
    pins: Vec<Pin>,
}

/// What is trusted of a tool, for the callers of one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    tenant: String,
    server: String,
    tool: String,
    /// The definition that was seen first.
    pub(crate) first: Option<Fingerprint>,
    /// Definitions that people have looked at.
    pub(crate) approved: Vec<Fingerprint>,
}

/// A key by which a caller is known.
#[derive(Debug)]
pub struct CallerKey {
    /// For the audit record.
    pub id: Arc<str>,
    /// Whose it is.
    pub principal: Arc<Principal>,
    servers: Vec<Glob>,
    tools: Vec<Glob>,
    /// 0: it does not end by itself.
    expires_us: u64,
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
                (2, Value::Bytes(key)) => told.keys.push(CallerKey::decode(key)?),
                (3, Value::Bytes(pin)) => told.pins.push(Pin::decode(pin)?),
                (1..=3, _) => return Err(Malformed),
                _ => {}
            }
        }
        told.pins.arrange_by(|a, b| a.place().cmp(&b.place()));
        told.keys.arrange_by(|a, b| a.0.cmp(&b.0));
        Ok(told)
    }

    /// The key of this SHA-256, unless its time is over. What the time of the search tells is about the hash of what was
    /// sent.
    #[must_use]
    pub fn key(&self, sha256: &[u8; 32], now_us: u64) -> Option<&Arc<CallerKey>> {
        let at = self.keys.binary_search_by(|(known, _)| known.cmp(sha256)).ok()?;
        let (_, key) = self.keys.get(at)?;
        (key.expires_us == 0 || now_us < key.expires_us).then_some(key)
    }

    /// What is trusted of a tool, for callers of a tenant (empty: the default one).
    pub(crate) fn pin(&self, tenant: &str, server: &str, tool: &str) -> Option<&Pin> {
        let tenant = if tenant.is_empty() { DEFAULT_TENANT } else { tenant };
        let at = self.pins.binary_search_by(|pin| pin.place().cmp(&(tenant, server, tool))).ok()?;
        self.pins.get(at)
    }

    /// True where there are keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The kill switch that speaks against it.
    #[must_use]
    pub fn stop(&self, deed: &Deed<'_>, now_us: u64) -> Option<&Stop> {
        self.stops.iter().find(|stop| stop.holds(deed, now_us))
    }
}

// === impl CallerKey ===

impl CallerKey {
    fn decode(message: &[u8]) -> Result<([u8; 32], Arc<Self>), Malformed> {
        let (mut name, mut sha256, mut tenant, mut expires_us) = ("", None, "", 0);
        let (mut principal, mut servers, mut tools) = (Principal::default(), Vec::new(), Vec::new());
        for field in Reader::new(message) {
            let field = field?;
            match (field.number, field.value) {
                (1, value) => name = id(value)?,
                (2, Value::Bytes(bytes)) => sha256 = bytes.try_into().ok(),
                (3, value) => tenant = value.text(MAX_TEXT)?,
                (4, Value::Bytes(message)) => principal = decode_principal(message)?,
                (5, value) => servers.push(glob(value)?.ok_or(Malformed)?),
                (6, value) => tools.push(glob(value)?.ok_or(Malformed)?),
                (7, Value::Number(time)) => expires_us = time,
                (2 | 4 | 7, _) => return Err(Malformed),
                _ => {}
            }
        }
        let sha256 = sha256.ok_or(Malformed)?;
        // Nobody must become one who is not verified, or one of another tenant.
        if name.is_empty() || tenant.is_empty() || principal.kind.is_none() || principal.id.is_empty() {
            return Err(Malformed);
        }
        principal.tenant = (tenant != DEFAULT_TENANT).then(|| tenant.to_owned());
        let (id, principal) = (name.into(), Arc::new(principal));
        Ok((sha256, Arc::new(Self { id, principal, servers, tools, expires_us })))
    }

    /// Whether it is for this server.
    pub(crate) fn is_for_server(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|glob| glob.matches(server))
    }

    /// Whether it is for all tools, and for what is none.
    pub(crate) fn is_for_all_tools(&self) -> bool {
        self.tools.is_empty()
    }

    /// Whether it is for this tool.
    pub(crate) fn is_for_tool(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|glob| glob.matches(tool))
    }
}

/// Reads `portcullis.v1.Principal`.
fn decode_principal(message: &[u8]) -> Result<Principal, Malformed> {
    let mut principal = Principal::default();
    for field in Reader::new(message) {
        let field = field?;
        let text = || Ok(field.value.text(MAX_TEXT)?.to_owned());
        match field.number {
            1 => {
                let kinds =
                    [PrincipalKind::Human, PrincipalKind::Agent, PrincipalKind::Service, PrincipalKind::Workflow];
                let named = text()?;
                principal.kind = kinds.into_iter().find(|kind| kind.as_str() == named);
            }
            2 => principal.id = text()?,
            3 => principal.roles.push(text()?),
            4 => principal.teams.push(text()?),
            5 => principal.agent = Some(text()?).filter(|agent| !agent.is_empty()),
            _ => {}
        }
    }
    Ok(principal)
}

// === impl Pin ===

impl Pin {
    fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let (mut tenant, mut server, mut tool, mut first) = ("", "", "", None);
        let mut approved = Vec::new();
        for field in Reader::new(message) {
            let field = field?;
            match (field.number, field.value) {
                (1, value) => tenant = value.text(MAX_TEXT)?,
                (2, value) => server = value.text(MAX_TEXT)?,
                (3, value) => tool = value.text(MAX_TEXT)?,
                (4, value) => first = Some(fingerprint(value)?),
                (5, value) => approved.push(fingerprint(value)?),
                _ => {}
            }
        }
        let (tenant, server, tool) = (tenant.to_owned(), server.to_owned(), tool.to_owned());
        Ok(Self { tenant, server, tool, first, approved })
    }

    fn place(&self) -> (&str, &str, &str) {
        (&self.tenant, &self.server, &self.tool)
    }
}

fn fingerprint(value: Value<'_>) -> Result<Fingerprint, Malformed> {
    match value {
        Value::Bytes(bytes) => bytes.try_into().map(Fingerprint).map_err(|_| Malformed),
        _ => Err(Malformed),
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

/// What every key begins with that the sidecar makes for a caller: so it is known for one by whoever finds it, and a
/// bearer of somebody else's is not looked up.
pub const KEY_PREFIX: &str = "portcullis_key_";
/// Rules of this beginning are kill switches.
pub(crate) const KILL_SWITCH: &str = "kill_switch:";
/// The tenant of callers who have none.
const DEFAULT_TENANT: &str = "default";
/// Longest pattern or reason, in bytes.
const MAX_TEXT: usize = 2048;
