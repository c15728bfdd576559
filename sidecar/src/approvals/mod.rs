//! Approvals: a call that waits for people, who may decide about it, and that the decision is used once. A state machine
//! without I/O; time comes in.

pub(crate) mod command;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::hex;
use crate::store::Tenant;
use crate::tokens::{Role, Token};

/// What a call asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) principal_kind: String,
    /// Empty: nobody was verified.
    pub(crate) principal: String,
    pub(crate) agent: String,
    pub(crate) server: String,
    pub(crate) method: String,
    pub(crate) capability: String,
    pub(crate) name: String,
    /// SHA-256 of method, name and arguments, 64 hexadecimal digits.
    pub(crate) digest: String,
    pub(crate) session: String,
    pub(crate) correlation_id: String,
    pub(crate) policy_version: String,
    pub(crate) rule: String,
    pub(crate) reason: String,
    pub(crate) findings: Vec<String>,
    /// Redacted JSON, where the rule lets a reviewer see it. Gone once the approval has ended.
    pub(crate) arguments: Option<String>,
    /// Groups whose members may decide; empty: whoever has the role.
    pub(crate) approvers: Vec<String>,
    /// Different people who have to approve, at least 1.
    pub(crate) quorum: u32,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approval {
    pub(crate) id: String,
    pub(crate) state: State,
    pub(crate) ask: Ask,
    /// Microseconds since the Unix epoch, as all times here.
    pub(crate) created: u64,
    /// From then on it is as if it had never been asked for.
    pub(crate) expires: u64,
    pub(crate) votes: Vec<Vote>,
    /// The Admit that was answered ALLOW.
    pub(crate) used_by: Option<String>,
    /// What clients may come back with.
    #[serde(default)]
    states: Vec<Handle>,
    /// The one-time links that are out.
    #[serde(default)]
    links: Vec<Link>,
}

/// A state that a client was given for its call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Handle {
    hash: String,
    until: u64,
    /// The call's one-time code was verified.
    mfa: bool,
    /// The Admit that came with it.
    taken_by: Option<String>,
}

/// A link by which one person can decide, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    hash: String,
    /// The webhook that it was sent to.
    pub(crate) webhook: String,
    /// The name of the token as whose owner it decides.
    pub(crate) token: String,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Nobody, or not everybody who is needed, has decided.
    Pending,
    /// May be used once.
    Approved,
    /// Refused; the same call is refused until it expires.
    Denied,
    /// Was used.
    Used,
    /// Ended without being used.
    Expired,
}

/// What one person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vote {
    pub(crate) person: String,
    pub(crate) approve: bool,
    pub(crate) note: String,
    pub(crate) time: u64,
}

/// What an Admit is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Forward it: the approval is used now, or was by this very Admit.
    Allow,
    Denied,
    Expired,
    /// Another Admit has used it.
    UsedElsewhere,
    Pending,
}

/// Why somebody cannot decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VoteRefused {
    /// It is not pending any more.
    Ended(State),
    /// Who asked must not decide.
    OwnRequest,
    /// Not in any of the groups.
    NotInGroup,
    /// No groups are named, and the role is too low.
    Role,
    /// This person has decided before.
    Again,
}

impl VoteRefused {
    /// The reason, for the audit chain.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Ended(_) => "it is not pending any more",
            Self::OwnRequest => "who asks must not decide",
            Self::NotInGroup => "not in a group that may decide",
            Self::Role => "the role does not include it",
            Self::Again => "this person has decided before",
        }
    }
}

impl Ask {
    /// What makes two calls the same for an approval: SHA-256 over tenant, principal, server, name, digest and policy version,
    /// each with its length. A caller whom nobody verified is known by the session alone.
    pub(crate) fn key(&self, tenant: &Tenant) -> String {
        let session = if self.principal.is_empty() { &self.session } else { "" };
        let mut hash = Sha256::new();
        for part in [
            tenant.as_str(),
            &self.principal_kind,
            &self.principal,
            &self.agent,
            session,
            &self.server,
            &self.method,
            &self.name,
            &self.digest,
            &self.policy_version,
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex(&hash.finalize())
    }
}

impl Approval {
    pub(crate) fn new(id: String, ask: Ask, now: u64, expires: u64) -> Self {
        Self {
            id,
            state: State::Pending,
            ask,
            created: now,
            expires,
            votes: Vec::new(),
            used_by: None,
            states: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Ends it where its time is over. True where that changed something.
    pub(crate) fn expire(&mut self, now: u64) -> bool {
        let due = now >= self.expires && matches!(self.state, State::Pending | State::Approved);
        if due {
            self.end(State::Expired);
        }
        due
    }

    /// Whether the same call, made again, attaches to it.
    pub(crate) fn attaches(&self, now: u64) -> bool {
        now < self.expires && matches!(self.state, State::Pending | State::Approved | State::Denied)
    }

    /// The answer to an Admit. Only one Admit is ever told to go ahead; the same one as often as it asks.
    pub(crate) fn admit(&mut self, admit: &str, now: u64) -> Answer {
        self.expire(now);
        match self.state {
            State::Pending => Answer::Pending,
            State::Denied => Answer::Denied,
            State::Expired => Answer::Expired,
            State::Used if self.used_by.as_deref() == Some(admit) => Answer::Allow,
            State::Used => Answer::UsedElsewhere,
            State::Approved => {
                self.used_by = Some(admit.to_owned());
                self.end(State::Used);
                Answer::Allow
            }
        }
    }

    /// A person's decision. One refusal is enough; approval takes as many people as the rule asks for.
    pub(crate) fn vote(&mut self, voter: &Token, approve: bool, note: &str, now: u64) -> Result<State, VoteRefused> {
        self.expire(now);
        if self.state != State::Pending {
            return Err(VoteRefused::Ended(self.state));
        }
        self.may_vote(voter)?;
        let note = note.chars().filter(|c| !c.is_control()).take(MAX_NOTE).collect();
        self.votes.push(Vote { person: voter.person.clone(), approve, note, time: now });
        if !approve {
            self.end(State::Denied);
        } else if self.votes.len() >= self.ask.quorum.max(1) as usize {
            self.state = State::Approved;
            // A decision in the last second is of use to a client that has to ask again.
            self.expires = self.expires.max(now.saturating_add(GRACE_US));
        }
        Ok(self.state)
    }

    /// Notes a state that a client is given, by the hash of it. Only while it is pending.
    pub(crate) fn give_state(&mut self, hash: String, mfa: bool, now: u64) {
        self.states.retain(|state| now < state.until);
        if self.states.len() >= MAX_OUT {
            self.states.remove(0);
        }
        let until = self.expires.saturating_add(GRACE_US).min(now.saturating_add(STATE_US));
        self.states.push(Handle { hash, until, mfa, taken_by: None });
    }

    /// Takes a state that a client came back with: once, or again for the same Admit. Returns whether the call's one-time
    /// code was verified when it was given out.
    pub(crate) fn take_state(&mut self, hash: &str, admit: &str, now: u64) -> Option<bool> {
        let state = self.states.iter_mut().find(|state| state.hash == hash && now < state.until)?;
        if state.taken_by.as_deref().is_some_and(|taken| taken != admit) {
            return None;
        }
        state.taken_by = Some(admit.to_owned());
        Some(state.mfa)
    }

    /// Notes a link, by the hash of its secret, in place of the one that the webhook had.
    pub(crate) fn give_link(&mut self, hash: String, webhook: &str, token: &str) {
        self.links.retain(|link| link.webhook != webhook);
        self.links.push(Link { hash, webhook: webhook.to_owned(), token: token.to_owned() });
    }

    /// The link of this hash, as long as there is something to decide.
    pub(crate) fn link(&self, hash: &str, now: u64) -> Option<&Link> {
        let open = self.state == State::Pending && now < self.expires;
        self.links.iter().find(|link| open && link.hash == hash)
    }

    /// Uses a link up.
    pub(crate) fn drop_link(&mut self, hash: &str) {
        self.links.retain(|link| link.hash != hash);
    }

    fn may_vote(&self, voter: &Token) -> Result<(), VoteRefused> {
        let same = |a: &str, b: &str| !a.is_empty() && a.to_lowercase() == b.to_lowercase();
        let requesters = [&self.ask.principal, &self.ask.agent];
        if requesters.iter().any(|who| same(who, &voter.person) || same(who, &voter.name)) {
            return Err(VoteRefused::OwnRequest);
        }
        if self.ask.approvers.is_empty() {
            if voter.role < Role::PolicyManager {
                return Err(VoteRefused::Role);
            }
        } else if !self.ask.approvers.iter().any(|group| voter.groups.contains(group)) {
            return Err(VoteRefused::NotInGroup);
        }
        if self.votes.iter().any(|vote| same(&vote.person, &voter.person)) {
            return Err(VoteRefused::Again);
        }
        Ok(())
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.ask.arguments = None;
        self.links.clear();
    }
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Used => "used",
            Self::Expired => "expired",
        }
    }
}

impl VoteRefused {
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Ended(state) => format!("the approval is {}", state.as_str()),
            Self::OwnRequest => "who asks for an approval cannot decide about it".to_owned(),
            Self::NotInGroup => "only members of its groups can decide about this approval".to_owned(),
            Self::Role => "deciding takes the role policy_manager".to_owned(),
            Self::Again => "this person has decided already; it takes another".to_owned(),
        }
    }
}

/// How long an approval can be used after the decision, whenever it came.
const GRACE_US: u64 = 60_000_000;
/// The longest life of a state: a client comes back with it as soon as its user has answered.
const STATE_US: u64 = 600_000_000;
/// States of one approval that are out.
const MAX_OUT: usize = 32;
/// Characters of a note.
const MAX_NOTE: usize = 500;
