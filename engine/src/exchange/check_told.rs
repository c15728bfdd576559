//! What the sidecar tells beside the configuration: kill switches, and the keys of callers.
//!
//! A kill switch is no policy: it holds in shadow mode, too, and for what cannot be read.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::checks::Ruling;
use super::{Exchange, Refusal};
use crate::config::{Action, Side};
use crate::http::{HeaderOp, Headers};
use crate::mcp::{Capability, HTTP_DELETE};
use crate::policy::{IdentityFacts, bearer};
use crate::principal::Principal;
use crate::sidecar::{Deed, KEY_PREFIX, Tool};

impl Exchange {
    /// Looks up what the sidecar told. Done anew where time may have passed: a client can hold a request open.
    pub(super) fn hear_told(&mut self) {
        if let Some(sidecar) = &self.firewall.sidecar {
            self.scene.heard = sidecar.heard(&*self.store);
        }
    }

    /// The kill switch that speaks against a message of the client. `name` is the tool, as far as it is known.
    pub(super) fn stopped(
        &self,
        method: &str,
        capability: Capability,
        name: Option<&str>,
        now_us: u64,
    ) -> Option<Ruling> {
        let sidecar = self.firewall.sidecar.as_ref()?;
        if LETS_GO.contains(&method) {
            return None;
        }
        let principal = &self.scene.principal;
        let deed = Deed {
            tenant: principal.tenant.as_deref().unwrap_or_default(),
            principal: Some(&principal.id),
            server: Some(&self.scene.server),
            tool: match (capability, name) {
                (Capability::Tool, Some(name)) => Tool::Named(name),
                (Capability::Tool, None) => Tool::Any,
                _ => Tool::None,
            },
        };
        if let Some(stop) = self.scene.heard.told.stop(&deed, now_us) {
            return Some(Ruling::new(Action::Deny, stop.rule.clone(), stop.reason.clone()));
        }
        if sidecar.kill_switch_side() == Side::Allow || sidecar.is_fresh(&self.scene.heard, now_us) {
            return None;
        }
        let reason = "It is not known whether a kill switch is on: the sidecar has not been heard of. Try again later.";
        Some(Ruling { shadow: !self.enforcing(), ..Ruling::new(Action::Deny, "kill_switch:unknown", reason) })
    }

    /// The kill switch that could speak against a request which cannot be read, whoever makes it.
    pub(super) fn stopped_unread(&self, now_us: u64) -> Option<Ruling> {
        let server = Some(&*self.scene.server).filter(|server| !server.is_empty());
        let deed = Deed { tenant: "", principal: None, server, tool: Tool::Any };
        let stop = self.scene.heard.told.stop(&deed, now_us)?;
        Some(Ruling::new(Action::Deny, stop.rule.clone(), stop.reason.clone()))
    }
}

// === keys of callers ===

impl Exchange {
    /// The principal whose key the sidecar made; `None` where the request brings no such key, or where a verified token or a
    /// configured key says already who calls.
    pub(super) fn told_key(
        &mut self,
        headers: &Headers<'_>,
        facts: &IdentityFacts<'_>,
        now_us: u64,
    ) -> Result<Option<Arc<Principal>>, Refusal> {
        let firewall = self.firewall.clone();
        let Some(sidecar) = &firewall.sidecar else { return Ok(None) };
        let mut found: Option<&str> = None;
        let mut several = false;
        let named = firewall.needs.key_header.as_deref().filter(|name| *name != AUTHORIZATION);
        for name in [Some(AUTHORIZATION), named].into_iter().flatten() {
            let values = headers.items_named(name);
            let values = values.iter().filter_map(|value| std::str::from_utf8(value).ok());
            let keys =
                values.filter_map(|value| if name == AUTHORIZATION { bearer(value) } else { Some(value.trim()) });
            for key in keys.filter(|key| key.starts_with(KEY_PREFIX)) {
                several |= found.is_some_and(|other| other != key);
                found = Some(key);
                self.scene.own_keys.push(HeaderOp::Remove(name.to_owned()));
            }
        }
        let Some(key) = found else { return Ok(None) };
        let (policy, unmet) = (&firewall.policy, IdentityFacts { mtls: None, ..facts.clone() });
        if !policy.identify(&unmet).is_anonymous() {
            return Ok(None);
        }
        if sidecar.keys_side() == Side::Deny && !sidecar.is_fresh(&self.scene.heard, now_us) {
            let reason = "The key cannot be verified: the sidecar has not been heard of. Try again later.";
            return Err(Refusal::http(503, "identity:key-unverified", reason));
        }
        let sha256: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let known = self.scene.heard.told.key(&sha256, now_us).filter(|_| !several).cloned();
        let known = known.ok_or_else(unknown_key)?;
        let principal = Arc::clone(&known.principal);
        self.scene.key = Some((sha256, known));
        Ok(Some(principal))
    }

    /// The refusal of a request whose key has ended since its headers came.
    pub(super) fn lost_key(&self, now_us: u64) -> Option<Refusal> {
        let (sha256, key) = self.scene.key.as_ref()?;
        let known = self.scene.heard.told.key(sha256, now_us);
        if known.is_some_and(|known| known.id == key.id) {
            return None;
        }
        Some(unknown_key()).filter(|_| self.enforcing())
    }

    /// What speaks against a message because the caller's key is for other things.
    pub(super) fn scoped(&self, method: &str, capability: Capability, name: Option<&str>) -> Option<Ruling> {
        let (_, key) = self.scene.key.as_ref()?;
        if LETS_GO.contains(&method) {
            return None;
        }
        let reason = if !key.is_for_server(&self.scene.server) {
            "The key is for other servers."
        } else if !self.in_scope(capability, name) {
            "The key is for other tools."
        } else {
            return None;
        };
        Some(Ruling { shadow: !self.enforcing(), ..Ruling::new(Action::Deny, "grant:scope", reason) })
    }

    /// Whether a list shows an entry, as far as the caller's key is concerned.
    pub(super) fn key_shows(&self, capability: Capability, name: &str) -> bool {
        !self.enforcing() || self.in_scope(capability, Some(name))
    }

    fn in_scope(&self, capability: Capability, name: Option<&str>) -> bool {
        let Some((_, key)) = self.scene.key.as_ref().filter(|(_, key)| !key.is_for_all_tools()) else { return true };
        match capability {
            Capability::Tool => name.is_some_and(|name| key.is_for_tool(name)),
            Capability::Resource | Capability::Prompt | Capability::Completion | Capability::Unknown => false,
            // What carries calls of tools, and what the server asks for meanwhile.
            _ => true,
        }
    }
}

fn unknown_key() -> Refusal {
    let reason = "The key is not known, was revoked, or has ended.";
    let mut refusal = Refusal::http(401, "identity:key", reason);
    refusal.headers.push(("www-authenticate", "Bearer error=\"invalid_token\"".to_owned()));
    refusal
}

const AUTHORIZATION: &str = "authorization";
/// What ends something, or only asks whether somebody is there.
const LETS_GO: [&str; 3] = ["ping", "notifications/cancelled", HTTP_DELETE];
