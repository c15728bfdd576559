//! Which request another one goes back to: a client's answer to what a server asked in the response of a call, and a call that
//! comes back with the state that its first answer gave it. Records of the later request name the earlier one.

use super::Exchange;
use crate::json::Value;
use crate::state::{Change, Table};

/// What the later request is known by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark<'m> {
    /// The raw JSON id of a server's request.
    Id(&'m str),
    /// A `requestState`.
    State(&'m str),
    /// An approval: the call that asked for it, and those that use it.
    Approval(&'m str),
}

impl Exchange {
    /// Remembers that what comes with this mark goes back to this exchange.
    pub(super) fn expect_back(&self, mark: Mark<'_>, now_us: u64) {
        if let Some(key) = self.mark_key(mark) {
            let id = self.scene.correlation_id.as_bytes();
            let until = now_us.saturating_add(EXPECTED_US);
            // A store that is full loses the link and nothing else.
            let _ = Table::new(&*self.store, PARENTS).update(&key, now_us, |_| (Change::Set(id.to_vec(), until), ()));
        }
    }

    /// Notes the call that this one goes back to by its approval, and remembers the first one that has it.
    pub(super) fn attach(&mut self, approval: &str) {
        let (mark, now_us) = (Mark::Approval(approval), self.scene.started_us);
        match self.expected(mark, now_us) {
            None => self.expect_back(mark, now_us),
            Some(first) if first == self.scene.correlation_id => {}
            Some(first) => self.calls.iter_mut().for_each(|call| {
                call.record.parent.get_or_insert_with(|| first.clone());
            }),
        }
    }

    /// Remembers the state that a server's result gives the client.
    pub(super) fn expect_state(&self, result: Value<'_>, now_us: u64) {
        if result.get("resultType").is_some_and(|kind| kind.is_str("input_required"))
            && let Some(state) = result.get("requestState").and_then(|state| state.as_str())
        {
            self.expect_back(Mark::State(&state), now_us);
        }
    }

    /// What a client's message goes back to.
    pub(super) fn parent_of(&self, root: Value<'_>, now_us: u64) -> Option<String> {
        match root.get("method") {
            None => self.expected(Mark::Id(root.get("id")?.raw()), now_us),
            Some(_) => self.expected(Mark::State(&root.get("params")?.get("requestState")?.as_str()?), now_us),
        }
    }

    /// What comes with this mark goes back to.
    fn expected(&self, mark: Mark<'_>, now_us: u64) -> Option<String> {
        let id = Table::new(&*self.store, PARENTS).get(&self.mark_key(mark)?, now_us).ok()??;
        String::from_utf8(id).ok()
    }

    /// Ids are a session's; states are taken for unique to a caller.
    fn mark_key(&self, mark: Mark<'_>) -> Option<Vec<u8>> {
        let (mut key, kind, text) = match mark {
            Mark::Id(id) => (self.scene.session.hash.as_ref()?.as_bytes().to_vec(), 1, id),
            Mark::State(state) => (self.subject().caller, 2, state),
            Mark::Approval(id) => (self.subject().caller, 3, id),
        };
        for part in [self.scene.server.as_bytes(), text.as_bytes()] {
            key.push(0);
            key.extend_from_slice(part);
        }
        key.push(kind);
        Some(key)
    }
}

/// The table of marks, and how long they are remembered.
const PARENTS: &str = "parents";
const EXPECTED_US: u64 = 3_600_000_000;
