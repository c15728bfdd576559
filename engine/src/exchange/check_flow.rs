//! Flow: what a caller carries is read before a call, and written when an answer passes.
//!
//! Where the state cannot be had, a call counts as one of a caller that carries everything, and an answer that
//! would bring labels is withheld: a label that was lost is worse than an answer that was.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Exchange;
use super::checks::{Called, Ruling};
use super::lists::List;
use super::server::Origin;
use crate::audit::Record;
use crate::cel::Taint;
use crate::config::{Action, Carrier};
use crate::flow::{self, Carried, Classes, Facts, Gain, SESSION_US, SESSIONS, TAINT, Then, Traits};
use crate::json::{Edits, Kind, Locator, Value};
use crate::mcp::Capability;
use crate::policy::Decision;
use crate::sort::Insert;
use crate::state::{Change, Table, Unavailable};

impl Taint for Exchange {
    fn labels(&self, now_us: u64) -> Option<Vec<Arc<str>>> {
        if self.firewall.flow.is_idle() {
            return None;
        }
        Some(self.carried(false, now_us).ok()?.labels().map(Arc::from).collect())
    }
}

impl Exchange {
    /// What flow knows of a call: the class of the tool, and the labels that its answer brings.
    pub(super) fn flow_traits(
        &self,
        method: &str,
        capability: Capability,
        names: &[Cow<'_, str>],
        arguments: Option<Value<'_>>,
        now_us: u64,
    ) -> Traits {
        let flow = &self.firewall.flow;
        if flow.is_idle() {
            return Traits::default();
        }
        let facts = self.facts(method, capability, names, arguments);
        flow.traits(&facts, || {
            let listed = |name: &Cow<'_, str>| self.classes_table().get(&self.class_key(name), now_us).ok().flatten();
            names.iter().filter_map(listed).fold(Classes::NONE, |all, value| all.with(read_classes(&value)))
        })
    }

    /// What the flow rules say about a call.
    pub(super) fn flow_call(&self, called: &Called<'_, '_>, edits: &mut Edits, record: &mut Record) -> Vec<Ruling> {
        let flow = &self.firewall.flow;
        if flow.is_idle() || matches!(called.capability, Capability::List | Capability::Protocol) {
            return Vec::new();
        }
        let facts = self.facts(called.method, called.capability, called.names, called.arguments);
        let rules = flow.rules_about(&facts, called.traits);
        let counted = !called.again
            && flow.counts()
            && matches!(called.capability, Capability::Tool | Capability::Resource | Capability::Prompt);
        if rules.is_empty() && !counted && !flow.configured() {
            return Vec::new();
        }
        let carried = self.carried(counted, called.now_us);
        if let Ok(carried) = &carried {
            record.taint = carried.labels().map(Arc::from).collect();
        }
        let said = called.message.get("params").unwrap_or(called.message);
        let mut rulings = Vec::new();
        for heard in flow.hear(&rules, carried.as_ref().ok(), said) {
            let rule = heard.rule;
            record.rules_fired.push(Arc::clone(&rule.id));
            let reason = if carried.is_ok() { Arc::clone(&rule.reason) } else { Arc::from(LOST) };
            let ruling = |action| Ruling {
                shadow: rule.shadow,
                ..Ruling::new(action, Arc::clone(&rule.id), Arc::clone(&reason))
            };
            match rule.then {
                Then::Act(action) => rulings.push(ruling(action)),
                Then::Redact if rule.shadow => {}
                Then::Redact => {
                    // What decides which call it is cannot be replaced, a key neither.
                    let within = |value: &Value<'_>| {
                        value.kind() == Kind::String
                            && called.arguments.is_some_and(|all| {
                                all.span().start <= value.span().start && value.span().end <= all.span().end
                            })
                    };
                    if carried.is_err() || !heard.places.values().all(within) {
                        rulings.push(ruling(Action::Deny));
                        continue;
                    }
                    let mut locator = Locator::new(called.message);
                    for value in heard.places.into_values() {
                        locator.seek(value);
                        edits.set_string(value, PLACEHOLDER);
                        record.redacted.push(locator.location());
                    }
                }
            }
        }
        rulings
    }

    /// Takes up the labels of an answer that passes; what is to be done instead where that fails. Lists tell what
    /// classes a server's tools are of.
    pub(super) fn flow_passed(
        &self,
        origin: &Origin<'_>,
        said: Value<'_>,
        lists: &[List<'_>],
        record: &mut Record,
    ) -> Option<Decision> {
        let (flow, now_us) = (&self.firewall.flow, origin.now_us);
        if flow.is_idle() {
            return None;
        }
        if flow.hints {
            lists.iter().for_each(|list| self.note_classes(list, now_us));
        }
        if origin.method == "initialize" && self.scene.session.issued {
            self.session_began(now_us);
        }
        let found = flow.found(&record.findings);
        let gained = match origin.traits {
            Some(traits) => {
                let labels: BTreeSet<Arc<str>> = traits.labels.union(&found).cloned().insert_all();
                record.rules_fired.extend(traits.sources.iter().cloned());
                self.gain(&labels, Some(said), false, now_us)
            }
            // The labels of the call came when it was made. What its answer says is remembered under all that is carried.
            None => self.gain(&found, Some(said), true, now_us),
        };
        self.note_gain(gained, record)
    }

    /// Takes up the labels of what a server tells unasked; what is to be done instead where that fails.
    pub(super) fn flow_told(
        &self,
        method: &str,
        capability: Capability,
        message: Value<'_>,
        record: &mut Record,
        now_us: u64,
    ) -> Option<Decision> {
        let flow = &self.firewall.flow;
        if flow.is_idle() {
            return None;
        }
        let traits = self.flow_traits(method, capability, &[], message.get("params"), now_us);
        let mut labels = flow.found(&record.findings);
        labels.extend(traits.labels.iter().cloned());
        record.rules_fired.extend(traits.sources.iter().cloned());
        let gained = self.gain(&labels, Some(message), false, now_us);
        self.note_gain(gained, record)
    }

    /// Takes up the labels of an answer that will come where it cannot be told from others, or has not come in time.
    pub(super) fn flow_expect(&self, traits: &Traits, now_us: u64) {
        // Nothing is left to be refused here; without state the next call is.
        let _ = self.gain(&traits.labels, None, false, now_us);
    }

    /// A session is over: nobody carries its labels any more.
    pub(super) fn flow_session_ended(&self, now_us: u64) {
        if self.firewall.flow.is_idle() {
            return;
        }
        let session = self.subject().session;
        self.share(Gain { ended: true, ..Gain::default() }, now_us);
        for table in [self.taint_table(), self.sessions_table()] {
            // What could not be removed fades by itself.
            let _ = table.update(&session, now_us, |_| (Change::Remove, ()));
        }
    }

    /// Remembers that a server issued this session: labels of a session that a client made up are the caller's.
    fn session_began(&self, now_us: u64) {
        if !self.by_session() {
            return;
        }
        self.share(Gain { began: true, ..Gain::default() }, now_us);
        self.know_session(now_us);
    }

    /// Remembers that the labels of this session are its own.
    pub(super) fn know_session(&self, now_us: u64) {
        let expires_us = now_us.saturating_add(SESSION_US);
        // An unknown session is one with its caller's labels: stricter, not looser.
        let _ =
            self.sessions_table().update(&self.subject().session, now_us, |_| (Change::Set(vec![1], expires_us), ()));
    }

    /// What the caller carries. Counts a call where `counted`.
    fn carried(&self, counted: bool, now_us: u64) -> Result<Carried, Unavailable> {
        let decay = self.firewall.flow.decay;
        let key = self.carrier_key(now_us)?;
        let read = |value: Option<&[u8]>| {
            let mut carried = value.map_or(Ok(Carried::default()), Carried::decode)?;
            carried.fade(decay, now_us);
            Ok(carried)
        };
        if !counted {
            return read(self.taint_table().get(&key, now_us)?.as_deref());
        }
        self.taint_table().update(&key, now_us, |value| {
            let mut carried = match read(value) {
                Ok(carried) => carried,
                Err(lost) => return (Change::Keep, Err(lost)),
            };
            if carried.is_empty() {
                return (if value.is_some() { Change::Remove } else { Change::Keep }, Ok(carried));
            }
            carried.count();
            carried.fade(decay, now_us);
            (Change::Set(carried.encode(), carried.expires_us(decay)), Ok(carried))
        })?
    }

    /// Adds labels to what the caller carries, in one step with the fingerprints of their `text`; `under_all` has it remembered
    /// under everything that is carried. Returns all that is carried then; `None` where there was nothing to add.
    fn gain(
        &self,
        labels: &BTreeSet<Arc<str>>,
        text: Option<Value<'_>>,
        under_all: bool,
        now_us: u64,
    ) -> Result<Option<Carried>, Unavailable> {
        let flow = &self.firewall.flow;
        if labels.is_empty() && (!under_all || flow.is_forgetful()) {
            return Ok(None);
        }
        let prints = OnceCell::new();
        let add = |value: Option<&[u8]>| {
            let mut carried = value.map_or(Ok(Carried::default()), Carried::decode)?;
            carried.fade(flow.decay, now_us);
            let mut under: BTreeSet<Arc<str>> = labels.clone();
            if under_all {
                under.extend(carried.labels().map(Arc::from));
            }
            let text = text.filter(|_| flow.remembers(under.iter().map(|label| &**label)));
            let prints: &[u64] = text.map_or(&[], |text| prints.get_or_init(|| flow.prints(text)));
            if labels.is_empty() && prints.is_empty() {
                return Ok(None);
            }
            carried.gain(under.iter().map(|label| &**label), prints, now_us)?;
            Ok(Some((carried, under)))
        };
        let key = self.carrier_key(now_us)?;
        let gained = self.taint_table().update(&key, now_us, |value| match add(value) {
            Ok(Some(gained)) => (Change::Set(gained.0.encode(), gained.0.expires_us(flow.decay)), Ok(Some(gained))),
            other => (Change::Keep, other),
        })??;
        let Some((carried, under)) = gained else { return Ok(None) };
        if flow.shared {
            let labels = under.iter().map(|label| label.to_string()).collect();
            let prints = prints.into_inner().unwrap_or_default();
            if !self.share(Gain { labels, prints, ..Gain::default() }, now_us) {
                return Err(Unavailable);
            }
        }
        Ok(Some(carried))
    }

    /// Writes into the record what was gained; the decision to withhold the message where it was lost.
    fn note_gain(&self, gained: Result<Option<Carried>, Unavailable>, record: &mut Record) -> Option<Decision> {
        match gained {
            Ok(None) => None,
            Ok(Some(carried)) => {
                record.taint = carried.labels().map(Arc::from).collect();
                None
            }
            Err(Unavailable) => {
                record.rules_fired.push(Arc::from(STATE));
                let lost = Ruling::new(Action::Deny, STATE, LOST).verdict;
                if self.enforcing() {
                    return Some(Decision {
                        action: lost.action,
                        rule: lost.rule,
                        reason: lost.reason,
                        hide: false,
                        would: None,
                    });
                }
                record.would = Some((super::client::decided(lost.action), lost.rule.to_string()));
                None
            }
        }
    }

    /// Notes what a list says about the classes of a server's tools.
    fn note_classes(&self, list: &List<'_>, now_us: u64) {
        let named = list.array.elements().zip(&list.kept).filter(|(_, kept)| **kept).map(|(entry, _)| entry);
        for tool in named.take(MAX_TOOLS) {
            let classes = flow::by_definition(tool);
            let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
            if classes.is_empty() {
                continue;
            }
            let (table, key) = (self.classes_table(), self.class_key(&name));
            let value = vec![1, classes.bits()];
            // A guess that is not kept is one guess less; the tool's name and arguments are still looked at.
            if table.get(&key, now_us) != Ok(Some(value.clone())) {
                let expires_us = now_us.saturating_add(CLASS_US);
                let _ = table.update(&key, now_us, |_| (Change::Set(value.clone(), expires_us), ()));
            }
        }
    }

    /// Where the labels of this caller are kept.
    pub(super) fn carrier_key(&self, now_us: u64) -> Result<Vec<u8>, Unavailable> {
        let subject = self.subject();
        if !self.by_session() || subject.session == subject.caller {
            return Ok(subject.caller);
        }
        let issued = self.sessions_table().get(&subject.session, now_us)?.is_some();
        Ok(if issued { subject.session } else { subject.caller })
    }

    pub(super) fn by_session(&self) -> bool {
        match self.firewall.flow.carrier {
            Carrier::Principal => false,
            Carrier::Session => true,
            Carrier::Auto => self.scene.principal.is_anonymous(),
        }
    }

    fn class_key(&self, tool: &str) -> Vec<u8> {
        [self.scene.server.as_bytes(), &[0], tool.as_bytes()].concat()
    }

    pub(super) fn facts<'a, 'd>(
        &'a self,
        method: &'a str,
        capability: Capability,
        names: &'a [Cow<'d, str>],
        arguments: Option<Value<'d>>,
    ) -> Facts<'a, 'd> {
        Facts { principal: &self.scene.principal, server: &self.scene.server, method, capability, names, arguments }
    }

    pub(super) fn taint_table(&self) -> Table<'_> {
        Table::new(&*self.store, TAINT)
    }

    fn sessions_table(&self) -> Table<'_> {
        Table::new(&*self.store, SESSIONS)
    }

    fn classes_table(&self) -> Table<'_> {
        Table::new(&*self.store, "class")
    }
}

fn read_classes(value: &[u8]) -> Classes {
    match value {
        [1, bits] => Classes::from_bits(*bits),
        _ => Classes::NONE,
    }
}

/// The rule of what is refused for want of state.
pub(super) const STATE: &str = "flow:state";
pub(super) const LOST: &str = "What the caller has read so far is not known: the firewall's state is not available.";
/// What stands in place of an argument that repeats what was read.
const PLACEHOLDER: &str = "[REDACTED:flow]";
/// Tools of one list whose classes are noted.
const MAX_TOOLS: usize = 256;
/// How long what a list said is known: a week.
const CLASS_US: u64 = 7 * SESSION_US;
