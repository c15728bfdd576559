//! Approvals in the store: read, moved on by `crate::approvals`, and written back with their audit record.

use serde_json::json;

use super::tables::{ApprovalRow, By};
use super::tx::Work;
use super::{Admitted, Store, StoreError, Tenant};
use crate::approvals::{Answer, Approval, Ask, State, VoteRefused};
use crate::audit::action::{Action, new_record};
use crate::tokens::Token;
use crate::webhooks::{Event, queue};

/// What a round of expiry came to.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    /// The approvals that were ended.
    pub(crate) ended: Vec<(Tenant, Approval)>,
    /// Why that was not possible for some tenant.
    pub(crate) failed: Option<StoreError>,
}

impl Store {
    /// Ends the approvals whose time is over, a thousand of a tenant at most, and forgets what ended long ago. What goes
    /// wrong with one tenant keeps no other from it.
    pub(crate) fn expire(&self, now: u64) -> Expired {
        let mut expired = Expired::default();
        let due = match self.database.due(now) {
            Ok(due) => due,
            Err(error) => return Expired { failed: Some(error), ..expired },
        };
        for tenant in due.iter().filter_map(|name| Tenant::new(name)) {
            match self.change(&tenant, now, |tx| tx.expire_due()) {
                Ok(ended) => expired.ended.extend(ended.into_iter().map(|approval| (tenant.clone(), approval))),
                Err(error) => expired.failed = Some(error),
            }
        }
        expired
    }
}

impl Work<'_> {
    pub(super) fn admit(&mut self, admit: &str, ask: Ask, expires_in: u64) -> Result<Admitted, StoreError> {
        let call = ask.key(self.tenant);
        if let Some(used) = self.one(By::User(admit))? {
            // Made again: the same answer, if it is about the same call.
            let answer = if used.ask.key(self.tenant) == call { Answer::Allow } else { Answer::UsedElsewhere };
            return Ok(Admitted { answer, approval: used });
        }
        if let Some(approval) = self.one(By::Call(&call))? {
            if approval.attaches(self.now) {
                return self.answer(approval, admit);
            }
            self.expire(approval)?;
        }
        if self.tables.pending()? >= MAX_PENDING {
            return Err(StoreError::Full);
        }
        let mut id = crate::secret_file::random().map_err(|_| StoreError::Closed)?;
        // 80 bits: nobody guesses it, and a person can still compare it.
        id.truncate(20);
        let approval = Approval::new(id, ask, self.now, self.now.saturating_add(expires_in));
        self.save(&approval)?;
        self.record_approval(Action::ApprovalRequested, &approval, "portcullis", "")?;
        Ok(Admitted { answer: Answer::Pending, approval })
    }

    pub(super) fn resume(&mut self, id: &str, admit: &str) -> Result<Option<Admitted>, StoreError> {
        self.one(By::Id(id))?.map(|approval| self.answer(approval, admit)).transpose()
    }

    pub(super) fn vote(
        &mut self,
        id: &str,
        voter: &Token,
        approve: bool,
        note: &str,
    ) -> Result<Option<Result<Approval, VoteRefused>>, StoreError> {
        self.one(By::Id(id))?.map(|approval| self.decide(approval, voter, approve, note)).transpose()
    }

    pub(super) fn decide(
        &mut self,
        mut approval: Approval,
        voter: &Token,
        approve: bool,
        note: &str,
    ) -> Result<Result<Approval, VoteRefused>, StoreError> {
        let state = match approval.vote(voter, approve, note, self.now) {
            Ok(state) => state,
            Err(refused) => {
                if !matches!(refused, VoteRefused::Ended(_)) {
                    self.record_approval(Action::VoteRefused, &approval, &voter.person, refused.why())?;
                }
                return Ok(Err(refused));
            }
        };
        self.save(&approval)?;
        let action = match state {
            State::Approved => Action::ApprovalApproved,
            State::Denied => Action::ApprovalDenied,
            State::Pending | State::Used | State::Expired => Action::ApprovalVoted,
        };
        let note = approval.votes.last().map(|vote| vote.note.clone()).unwrap_or_default();
        self.record_approval(action, &approval, &voter.person, &note)?;
        Ok(Ok(approval))
    }

    pub(super) fn approval(&mut self, id: &str) -> Result<Option<Approval>, StoreError> {
        self.one(By::Id(id))
    }

    pub(super) fn approvals(
        &mut self,
        state: Option<State>,
        after: Option<(u64, &str)>,
        limit: u64,
    ) -> Result<Vec<Approval>, StoreError> {
        self.tables.approvals(state, after, limit)?.iter().map(|body| read(body)).collect()
    }

    /// Ends what is due and forgets what ended long ago.
    fn expire_due(&mut self) -> Result<Vec<Approval>, StoreError> {
        let mut ended = Vec::new();
        for body in self.tables.due_approvals(self.now, MAX_DUE)? {
            let approval = read(&body)?;
            if matches!(approval.state, State::Pending | State::Approved) {
                ended.push(self.expire(approval)?);
            } else {
                self.tables.remove_approval(&approval.id)?;
            }
        }
        self.tables.settled()?;
        Ok(ended)
    }

    pub(super) fn answer(&mut self, mut approval: Approval, admit: &str) -> Result<Admitted, StoreError> {
        let before = approval.state;
        let answer = approval.admit(admit, self.now);
        if approval.state != before {
            self.save(&approval)?;
            let action = if approval.state == State::Used { Action::ApprovalUsed } else { Action::ApprovalExpired };
            self.record_approval(action, &approval, "portcullis", "")?;
        }
        Ok(Admitted { answer, approval })
    }

    fn expire(&mut self, mut approval: Approval) -> Result<Approval, StoreError> {
        if approval.expire(self.now) {
            self.save(&approval)?;
            self.record_approval(Action::ApprovalExpired, &approval, "portcullis", "")?;
        }
        Ok(approval)
    }

    pub(super) fn one(&mut self, by: By<'_>) -> Result<Option<Approval>, StoreError> {
        self.tables.approval(by)?.map(|body| read(&body)).transpose()
    }

    pub(super) fn save(&mut self, approval: &Approval) -> Result<(), StoreError> {
        let body = serde_json::to_string(approval).map_err(|error| StoreError::Database(error.to_string()))?;
        let kept = match approval.state {
            State::Pending | State::Approved => 0,
            State::Denied | State::Used | State::Expired => KEPT_US,
        };
        self.tables.put_approval(&ApprovalRow {
            id: &approval.id,
            call: &approval.ask.key(self.tenant),
            state: approval.state,
            created: approval.created,
            due: approval.expires.saturating_add(kept),
            used_by: approval.used_by.as_deref(),
            body: &body,
        })
    }

    fn record_approval(
        &mut self,
        action: Action,
        approval: &Approval,
        actor: &str,
        note: &str,
    ) -> Result<(), StoreError> {
        let ask = &approval.ask;
        let mut details = json!({"approval_id": approval.id, "correlation_id": ask.correlation_id, "server": ask.server,
            "method": ask.method, "tool": ask.name, "principal": ask.principal, "agent": ask.agent,
            "session": ask.session, "rule": ask.rule, "digest": ask.digest, "policy_version": ask.policy_version,
            "votes": approval.votes.len(), "quorum": ask.quorum.max(1)});
        if let Some(details) = details.as_object_mut().filter(|_| !note.is_empty()) {
            details.insert("note".to_owned(), note.into());
        }
        let record = new_record(action, actor, self.now, details).map_err(|_| StoreError::Closed)?;
        self.append(vec![record])?;
        match (Event::of(action), self.hooks.clone()) {
            (Some(event), Some(hooks)) => queue::add(self, &hooks, event, &approval.id),
            _ => Ok(()),
        }
    }
}

fn read(body: &str) -> Result<Approval, StoreError> {
    serde_json::from_str(body)
        .map_err(|_| StoreError::Database("an approval has not the form that it was written in".to_owned()))
}

/// Pending approvals of one tenant: what people can be asked to look at, and a bound on what a caller can fill.
const MAX_PENDING: u64 = 10_000;
/// How long ended approvals are kept: an Admit that is made again gets the same answer for so long.
const KEPT_US: u64 = 7 * 86_400_000_000;
/// Approvals of a tenant in one round of expiry.
const MAX_DUE: u64 = 1000;
