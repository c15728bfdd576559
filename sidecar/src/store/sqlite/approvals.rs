//! Approvals in SQLite: read, moved on by `approvals`, and written back, in one transaction of the one writer.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::{Scoped, Sqlite, audit};
use crate::approvals::{Answer, Approval, Ask, State, VoteRefused};
use crate::audit::AuditKey;
use crate::audit::action::{Action, new_record};
use crate::store::{Admitted, ApprovalStore, NewRecord, StoreError, Tenant};
use crate::tokens::Token;

impl ApprovalStore for Scoped {
    fn admit(
        &self,
        admit: &str,
        ask: Ask,
        expires_in: u64,
        intent: Option<NewRecord>,
        now: u64,
    ) -> Result<Admitted, StoreError> {
        let admit = admit.to_owned();
        self.write(move |connection, tenant, key| {
            if let Some(intent) = intent {
                audit::append(connection, tenant, key, &[intent], now)?;
            }
            let table = Table { connection, tenant, key, now };
            table.admit(&admit, ask, expires_in)
        })
    }

    fn resume(&self, id: &str, admit: &str, now: u64) -> Result<Option<Admitted>, StoreError> {
        let (id, admit) = (id.to_owned(), admit.to_owned());
        self.write(move |connection, tenant, key| {
            let table = Table { connection, tenant, key, now };
            table.by_id(&id)?.map(|approval| table.answer(approval, &admit)).transpose()
        })
    }

    fn vote(
        &self,
        id: &str,
        voter: &Token,
        approve: bool,
        note: &str,
        now: u64,
    ) -> Result<Option<Result<Approval, VoteRefused>>, StoreError> {
        let (id, voter, note) = (id.to_owned(), voter.clone(), note.to_owned());
        self.write(move |connection, tenant, key| {
            let table = Table { connection, tenant, key, now };
            table.by_id(&id)?.map(|approval| table.vote(approval, &voter, approve, &note)).transpose()
        })
    }

    fn approval(&self, id: &str) -> Result<Option<Approval>, StoreError> {
        self.inner.read(|connection| {
            let sql = "SELECT body FROM approval WHERE tenant = ?1 AND id = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let body = statement.query_row([self.tenant.as_str(), id], |row| row.get::<_, String>(0)).optional()?;
            Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
        })
    }

    fn approvals(&self, state: Option<State>, limit: u64) -> Result<Vec<Approval>, StoreError> {
        self.inner.read(|connection| {
            let sql = "SELECT body FROM approval WHERE tenant = ?1 AND (?2 IS NULL OR state = ?2)
                ORDER BY created DESC, id LIMIT ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let values = params![self.tenant.as_str(), state.map(State::as_str), limit];
            let bodies = statement.query_map(values, |row| row.get::<_, String>(0))?;
            bodies.filter_map(|body| body.map(|body| serde_json::from_str(&body).ok()).transpose()).collect()
        })
    }
}

impl Sqlite {
    /// Ends what is due, of all tenants, and forgets what ended long ago.
    pub(super) fn expire_all(&self, now: u64) -> Result<Vec<(Tenant, Approval)>, StoreError> {
        self.write(move |connection, key| {
            let sql =
                "SELECT tenant, body FROM approval WHERE state IN ('pending', 'approved') AND expires <= ?1 LIMIT 1000";
            let mut statement = connection.prepare_cached(sql)?;
            let due = statement.query_map([now], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let mut ended = Vec::new();
            for row in due {
                let (name, body) = row?;
                let (Some(tenant), Ok(approval)) = (Tenant::new(&name), serde_json::from_str::<Approval>(&body)) else {
                    continue;
                };
                let table = Table { connection, tenant: &tenant, key, now };
                let approval = table.expire(approval)?;
                ended.push((tenant, approval));
            }
            let old = now.saturating_sub(KEPT_US);
            let sql = "DELETE FROM approval WHERE state IN ('used', 'denied', 'expired') AND expires < ?1";
            connection.prepare_cached(sql)?.execute([old])?;
            Ok(ended)
        })
    }
}

/// One tenant's approvals within a transaction.
struct Table<'t> {
    connection: &'t Connection,
    tenant: &'t Tenant,
    key: &'t AuditKey,
    now: u64,
}

impl Table<'_> {
    fn admit(&self, admit: &str, ask: Ask, expires_in: u64) -> Result<Admitted, StoreError> {
        let key = ask.key(self.tenant);
        if let Some(used) = self.by_user(admit)? {
            // Made again: the same answer, if it is about the same call.
            let answer = if used.ask.key(self.tenant) == key { Answer::Allow } else { Answer::UsedElsewhere };
            return Ok(Admitted { answer, approval: used });
        }
        if let Some(approval) = self.by_key(&key)? {
            if approval.attaches(self.now) {
                return self.answer(approval, admit);
            }
            self.expire(approval)?;
        }
        let pending: u64 = self.count("SELECT count(*) FROM approval WHERE tenant = ?1 AND state = 'pending'")?;
        if pending >= MAX_PENDING {
            return Err(StoreError::Full);
        }
        let mut id = crate::secret_file::random().map_err(|_| StoreError::Closed)?;
        // 80 bits: nobody guesses it, and a person can still compare it.
        id.truncate(20);
        let approval = Approval::new(id, ask, self.now, self.now.saturating_add(expires_in));
        self.save(&approval)?;
        self.record(Action::ApprovalRequested, &approval, "portcullis", "")?;
        Ok(Admitted { answer: Answer::Pending, approval })
    }

    fn answer(&self, mut approval: Approval, admit: &str) -> Result<Admitted, StoreError> {
        let before = approval.state;
        let answer = approval.admit(admit, self.now);
        if approval.state != before {
            self.save(&approval)?;
            let action = if approval.state == State::Used { Action::ApprovalUsed } else { Action::ApprovalExpired };
            self.record(action, &approval, "portcullis", "")?;
        }
        Ok(Admitted { answer, approval })
    }

    fn vote(
        &self,
        mut approval: Approval,
        voter: &Token,
        approve: bool,
        note: &str,
    ) -> Result<Result<Approval, VoteRefused>, StoreError> {
        let state = match approval.vote(voter, approve, note, self.now) {
            Ok(state) => state,
            Err(refused) => return Ok(Err(refused)),
        };
        self.save(&approval)?;
        let action = match state {
            State::Approved => Action::ApprovalApproved,
            State::Denied => Action::ApprovalDenied,
            State::Pending | State::Used | State::Expired => Action::ApprovalVoted,
        };
        let note = approval.votes.last().map(|vote| vote.note.clone()).unwrap_or_default();
        self.record(action, &approval, &voter.person, &note)?;
        Ok(Ok(approval))
    }

    fn expire(&self, mut approval: Approval) -> Result<Approval, StoreError> {
        if approval.expire(self.now) {
            self.save(&approval)?;
            self.record(Action::ApprovalExpired, &approval, "portcullis", "")?;
        }
        Ok(approval)
    }

    fn by_id(&self, id: &str) -> Result<Option<Approval>, StoreError> {
        self.one("SELECT body FROM approval WHERE tenant = ?1 AND id = ?2", id)
    }

    fn by_user(&self, admit: &str) -> Result<Option<Approval>, StoreError> {
        self.one("SELECT body FROM approval WHERE tenant = ?1 AND used_by = ?2", admit)
    }

    /// The newest for a call.
    fn by_key(&self, key: &str) -> Result<Option<Approval>, StoreError> {
        self.one("SELECT body FROM approval WHERE tenant = ?1 AND key = ?2 ORDER BY rowid DESC LIMIT 1", key)
    }

    fn one(&self, sql: &str, by: &str) -> Result<Option<Approval>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let body = statement.query_row([self.tenant.as_str(), by], |row| row.get::<_, String>(0)).optional()?;
        let unreadable = |_| StoreError::Database("an approval has not the form that it was written in".to_owned());
        body.map(|body| serde_json::from_str(&body).map_err(unreadable)).transpose()
    }

    fn count(&self, sql: &str) -> Result<u64, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_row([self.tenant.as_str()], |row| row.get(0))?)
    }

    fn save(&self, approval: &Approval) -> Result<(), StoreError> {
        let body = serde_json::to_string(approval).map_err(|error| StoreError::Database(error.to_string()))?;
        // An update keeps the row's place, so the newest of a key stays the newest.
        let sql = "INSERT INTO approval (tenant, id, key, state, created, expires, used_by, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            ON CONFLICT (tenant, id) DO UPDATE SET state = ?4, expires = ?6, used_by = ?7, body = ?8";
        self.connection.prepare_cached(sql)?.execute(params![
            self.tenant.as_str(),
            approval.id,
            approval.ask.key(self.tenant),
            approval.state.as_str(),
            approval.created,
            approval.expires,
            approval.used_by,
            body
        ])?;
        Ok(())
    }

    fn record(&self, action: Action, approval: &Approval, actor: &str, note: &str) -> Result<(), StoreError> {
        let ask = &approval.ask;
        let mut details = json!({"approval_id": approval.id, "correlation_id": ask.correlation_id, "server": ask.server,
            "method": ask.method, "tool": ask.name, "principal": ask.principal, "agent": ask.agent,
            "session": ask.session, "rule": ask.rule, "digest": ask.digest, "policy_version": ask.policy_version,
            "votes": approval.votes.len(), "quorum": ask.quorum.max(1)});
        if let Some(details) = details.as_object_mut().filter(|_| !note.is_empty()) {
            details.insert("note".to_owned(), note.into());
        }
        let record = new_record(action, actor, self.now, details).map_err(|_| StoreError::Closed)?;
        audit::append(self.connection, self.tenant, self.key, &[record], self.now)?;
        Ok(())
    }
}

/// Pending approvals of one tenant: what people can be asked to look at, and a bound on what a caller can fill.
const MAX_PENDING: u64 = 10_000;
/// How long ended approvals are kept: an Admit that is made again gets the same answer for so long.
const KEPT_US: u64 = 7 * 86_400_000_000;
