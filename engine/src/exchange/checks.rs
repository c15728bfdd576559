//! What stands between the policy's permission and a message: checks that need state or content.
//! Each can only restrict what the rules decided.

use std::borrow::Cow;
use std::sync::Arc;

use super::Exchange;
use crate::audit::Record;
use crate::cel::Moment;
use crate::config::Action;
use crate::flow::Traits;
use crate::json::{Edits, Value};
use crate::mcp::Capability;
use crate::policy::{Decision, Verdict};

/// What one check says about a message that the rules let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ruling {
    /// What it wants done.
    pub(crate) verdict: Verdict,
    /// Only recorded, never enforced.
    pub(crate) shadow: bool,
    /// A refusal is answered as if the tool, resource or prompt did not exist.
    pub(crate) hide: bool,
}

impl Ruling {
    /// A ruling of the check `rule`.
    pub(crate) fn new(action: Action, rule: impl Into<Arc<str>>, reason: impl Into<Arc<str>>) -> Self {
        let verdict = Verdict { action, rule: rule.into(), reason: reason.into() };
        Self { verdict, shadow: false, hide: false }
    }
}

/// The decision once `rulings` are heard: the most restrictive one counts, the first of equals; the
/// rules' own decision where no check is stricter.
pub(super) fn restrict(mut decision: Decision, rulings: impl IntoIterator<Item = Ruling>) -> Decision {
    for ruling in rulings {
        let Ruling { verdict, shadow, hide } = ruling;
        if shadow {
            let known = decision.would.as_ref().map_or(decision.action, |would| would.action);
            if verdict.action > known {
                decision.would = Some(verdict);
            }
        } else if verdict.action > decision.action {
            let would = decision.would.take().filter(|would| would.action > verdict.action);
            let hide = hide && verdict.action == Action::Deny;
            decision = Decision { action: verdict.action, rule: verdict.rule, reason: verdict.reason, hide, would };
        }
    }
    decision
}

/// A message of the client that the rules let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called<'a, 'd> {
    /// JSON-RPC method.
    pub(crate) method: &'a str,
    /// What it makes use of.
    pub(crate) capability: Capability,
    /// Tool, prompt or resource; several for `subscriptions/listen`.
    pub(crate) names: &'a [Cow<'d, str>],
    /// `params.arguments` of calls and prompts, `params` of all else.
    pub(crate) arguments: Option<Value<'d>>,
    /// The whole message.
    pub(crate) message: Value<'d>,
    /// The obligations that hold for it.
    pub(crate) held: &'a [u16],
    /// What flow knows of the call.
    pub(crate) traits: &'a Traits,
    /// It was looked at before, and counts only once.
    pub(crate) again: bool,
    /// Microseconds since the Unix epoch.
    pub(crate) now_us: u64,
}

/// A result of the server that the scanners let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a, 'd> {
    /// JSON-RPC method of the request; empty where it is not known (streams of the old transport).
    pub(crate) method: &'a str,
    /// The member `result`.
    pub(crate) result: Value<'d>,
    /// The whole message.
    pub(crate) message: Value<'d>,
    /// The obligations that hold for the call it answers, or could.
    pub(crate) held: &'a [u16],
    /// Microseconds since the Unix epoch.
    pub(crate) now_us: u64,
}

impl Exchange {
    /// What the checks say about a message of the client, before it is scanned: edits are noted.
    pub(super) fn check_call(&self, called: &Called<'_, '_>, edits: &mut Edits, record: &mut Record) -> Vec<Ruling> {
        let mut rulings = Vec::new();
        rulings.extend(self.oblige_call(called, edits, record));
        rulings.extend(self.schema_call(called, edits, record));
        rulings.extend(self.pins_call(called, record));
        rulings.extend(self.flow_call(called, edits, record));
        rulings.extend(self.audit_call(called));
        rulings
    }

    /// What the checks say about a result: edits are noted, a ruling that does not let through replaces the answer.
    pub(super) fn check_result(
        &self,
        answered: &Answered<'_, '_>,
        edits: &mut Edits,
        record: &mut Record,
    ) -> Vec<Ruling> {
        self.pins_result(answered, edits, record);
        let mut rulings = Vec::new();
        rulings.extend(self.oblige_result(answered, edits, record));
        rulings.extend(self.schema_result(answered, record));
        rulings
    }

    /// What conditions in CEL may ask for beside the message.
    pub(super) fn moment(&self, now_us: u64) -> Moment<'_> {
        let session = self.scene.session.headers.iter().find(|(name, _)| name == "mcp-session-id");
        Moment { now_us: Some(now_us), session: Some(session.map(|(_, id)| id.as_str())), taint: Some(self) }
    }

    /// Whose state a message counts for: the session of a caller where there are sessions, else the
    /// caller. What a client merely carries never makes it somebody else: the verified identity is
    /// always part of it.
    pub(crate) fn subject(&self) -> Subject {
        let principal = &self.scene.principal;
        let mut text = Vec::new();
        let parts = [
            principal.tenant.as_deref().unwrap_or_default(),
            &principal.id,
            principal.agent.as_deref().unwrap_or_default(),
        ];
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let caller = text.clone();
        let headers = &self.scene.session.headers;
        if let Some((_, id)) = headers.iter().find(|(name, _)| name == "mcp-session-id") {
            text.extend_from_slice(self.scene.server.as_bytes());
            text.push(0);
            text.extend_from_slice(id.as_bytes());
        }
        Subject { caller, session: text }
    }
}

/// Keys of the state that belongs to a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The verified tenant, id and agent.
    pub(crate) caller: Vec<u8>,
    /// The same with server and session, where there is one.
    pub(crate) session: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::{Ruling, restrict};
    use crate::config::Action;
    use crate::policy::{Decision, Verdict};

    fn decision(action: Action, would: Option<Action>) -> Decision {
        let would = would.map(|action| Verdict { action, rule: "w".into(), reason: "".into() });
        Decision { action, rule: "rule".into(), reason: "".into(), hide: false, would }
    }

    #[test]
    fn the_strictest_counts_and_nothing_is_loosened() {
        let rulings = [
            Ruling::new(Action::LogOnly, "log", ""),
            Ruling::new(Action::Deny, "first", ""),
            Ruling::new(Action::Deny, "second", ""),
            Ruling::new(Action::Allow, "loose", ""),
        ];
        let heard = restrict(decision(Action::Allow, None), rulings);
        assert_eq!((heard.action, &*heard.rule), (Action::Deny, "first"));
        let heard = restrict(decision(Action::Deny, None), [Ruling::new(Action::Allow, "loose", "")]);
        assert_eq!((heard.action, &*heard.rule), (Action::Deny, "rule"));
    }

    #[test]
    fn a_shadow_ruling_is_only_recorded() {
        let shadow = Ruling { shadow: true, ..Ruling::new(Action::Deny, "shadow", "") };
        let heard = restrict(decision(Action::Allow, None), [shadow.clone()]);
        assert_eq!(heard.action, Action::Allow);
        assert_eq!(heard.would.map(|would| (would.action, would.rule)), Some((Action::Deny, "shadow".into())));
        let heard = restrict(decision(Action::Allow, None), [shadow, Ruling::new(Action::Deny, "enforced", "")]);
        assert_eq!((heard.action, heard.would), (Action::Deny, None));
        // What a shadow rule would have refused stays on record while the call is held.
        let heard =
            restrict(decision(Action::Allow, Some(Action::Deny)), [Ruling::new(Action::RequireApproval, "hold", "")]);
        assert_eq!(heard.would.map(|would| would.action), Some(Action::Deny));
    }
}
