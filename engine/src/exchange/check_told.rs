//! What the sidecar tells beside the configuration: kill switches.
//!
//! A kill switch is no policy: it holds in shadow mode, too, and for what cannot be read.

use super::Exchange;
use super::checks::Ruling;
use crate::config::{Action, Side};
use crate::mcp::{Capability, HTTP_DELETE};
use crate::sidecar::{Deed, Tool};

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

/// What ends something, or only asks whether somebody is there.
const LETS_GO: [&str; 3] = ["ping", "notifications/cancelled", HTTP_DELETE];
