//! One-time links in the store.

use serde_json::json;

use super::tables::By;
use super::tx::Work;
use super::{StoreError, tokens};
use crate::approvals::{Approval, State, VoteRefused};
use crate::audit::action::{Action, new_record};
use crate::tokens::Token;

/// What a one-time link is about.
#[derive(Clone, Debug)]
pub(crate) struct Linked {
    pub(crate) approval: Approval,
    /// As whom it decides.
    pub(crate) voter: Token,
}

impl Work<'_> {
    /// Notes a link of a pending approval.
    pub(super) fn give_link(&mut self, id: &str, hash: String, webhook: &str, token: &str) -> Result<bool, StoreError> {
        let Some(mut approval) = self.one(By::Id(id))?.filter(|found| found.state == State::Pending) else {
            return Ok(false);
        };
        approval.give_link(hash, webhook, token);
        self.save(&approval)?;
        Ok(true)
    }

    /// What a link is about, as long as there is something to decide, and somebody as whom it decides.
    pub(super) fn linked(&mut self, id: &str, hash: &str) -> Result<Option<Linked>, StoreError> {
        let Some(approval) = self.one(By::Id(id))? else { return Ok(None) };
        let Some(link) = approval.link(hash, self.now) else { return Ok(None) };
        let token = self.tables.named_token(&link.token)?.map(|body| tokens::read(&body)).transpose()?;
        let tenant = self.tenant.as_str();
        let voter = token.filter(|token| token.tenant.is_empty() || token.tenant == tenant);
        Ok(voter.map(|voter| Linked { approval, voter }))
    }

    /// Decides by a link, which is used up where the decision counts.
    pub(super) fn vote_by_link(
        &mut self,
        id: &str,
        hash: &str,
        approve: bool,
        note: &str,
    ) -> Result<Option<Result<Approval, VoteRefused>>, StoreError> {
        let Some(Linked { mut approval, voter }) = self.linked(id, hash)? else { return Ok(None) };
        let webhook = approval.link(hash, self.now).map(|link| link.webhook.clone()).unwrap_or_default();
        approval.drop_link(hash);
        let decided = self.decide(approval, &voter, approve, note)?;
        if decided.is_ok() {
            let details = json!({"approval_id": id, "webhook": webhook});
            let record = new_record(Action::LinkUsed, &voter.person, self.now, details);
            self.append(vec![record.map_err(|_| StoreError::Closed)?])?;
        }
        Ok(Some(decided))
    }
}
