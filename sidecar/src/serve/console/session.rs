//! Who is logged in. A session is a random cookie that stands for a token; it is kept as a hash, in the memory of this process,
//! and is worth nothing once the token is revoked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audit::Hash;
use crate::failure::Failure;
use crate::{secret_file, tokens};

/// All sessions, and failed attempts to begin one.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<Hash, Session>>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

/// One session.
#[derive(Clone)]
pub(super) struct Session {
    /// Of the token that was logged in with.
    pub(super) token: Hash,
    /// What forms of the session carry, so that no other site can send them.
    pub(super) csrf: String,
    /// The tenant that is looked at, where the token is for all.
    pub(super) tenant: String,
    /// Microseconds since the Unix epoch.
    started: u64,
    seen: u64,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: u64,
}

impl Sessions {
    /// Begins a session; the cookie's value.
    pub(super) fn start(&self, token: Hash, now: u64) -> Result<String, Failure> {
        let (cookie, csrf) = (secret_file::random()?, secret_file::random()?);
        let mut open = lock(&self.open);
        open.retain(|_, session| session.is_open(now));
        if open.len() >= MAX_SESSIONS {
            // The one that was not used for longest gives way.
            let oldest = open.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key);
            oldest.map(|key| open.remove(&key));
        }
        let session = Session { token, csrf, tenant: String::new(), started: now, seen: now };
        open.insert(tokens::hash(&cookie), session);
        Ok(cookie)
    }

    /// The session of a cookie, used now.
    pub(super) fn find(&self, cookie: &str, now: u64) -> Option<Session> {
        let key = tokens::hash(cookie);
        let mut open = lock(&self.open);
        let session = open.get_mut(&key)?;
        if !session.is_open(now) {
            open.remove(&key);
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    /// Whether it is still open. To look is not to use it.
    pub(super) fn peek(&self, cookie: &str, now: u64) -> bool {
        lock(&self.open).get(&tokens::hash(cookie)).is_some_and(|session| session.is_open(now))
    }

    /// Looks at another tenant from now on.
    pub(super) fn look_at(&self, cookie: &str, tenant: &str) {
        if let Some(session) = lock(&self.open).get_mut(&tokens::hash(cookie)) {
            tenant.clone_into(&mut session.tenant);
        }
    }

    pub(super) fn end(&self, cookie: &str) {
        lock(&self.open).remove(&tokens::hash(cookie));
    }

    /// False: so many attempts from there have failed that no more are looked at for now.
    pub(super) fn may_try(&self, from: IpAddr, now: u64) -> bool {
        let mut failures = lock(&self.failures);
        failures.retain(|_, failed| now.saturating_sub(failed.since) < WINDOW_US);
        let all: u32 = failures.values().map(|failed| failed.count).sum();
        all < MAX_FAILURES && failures.get(&from).is_none_or(|failed| failed.count < MAX_FAILURES_OF_ONE)
    }

    pub(super) fn failed(&self, from: IpAddr, now: u64) {
        lock(&self.failures).entry(from).or_insert(Failures { count: 0, since: now }).count += 1;
    }
}

impl Session {
    fn is_open(&self, now: u64) -> bool {
        now.saturating_sub(self.seen) < IDLE_US && now.saturating_sub(self.started) < LONGEST_US
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session ends that nobody uses for half an hour, and any after twelve hours.
const IDLE_US: u64 = 30 * 60_000_000;
pub(super) const LONGEST_US: u64 = 12 * 3_600_000_000;
const MAX_SESSIONS: usize = 1000;
/// Failed attempts of a minute: of one address, and of all.
const MAX_FAILURES_OF_ONE: u32 = 5;
const MAX_FAILURES: u32 = 100;
const WINDOW_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_by_themselves() {
        let sessions = Sessions::default();
        let cookie = sessions.start([1; 32], 0).unwrap();
        assert!(sessions.find(&cookie, IDLE_US - 1).is_some(), "used");
        assert!(sessions.find(&cookie, 2 * IDLE_US - 2).is_some(), "and used again");
        assert!(sessions.find(&cookie, 3 * IDLE_US).is_none());
        let cookie = sessions.start([1; 32], 0).unwrap();
        for now in (0..LONGEST_US).step_by(usize::try_from(IDLE_US / 2).unwrap()) {
            assert!(sessions.find(&cookie, now).is_some());
        }
        assert!(sessions.find(&cookie, LONGEST_US).is_none());
        let cookie = sessions.start([1; 32], 0).unwrap();
        sessions.end(&cookie);
        assert!(sessions.find(&cookie, 1).is_none() && sessions.find("", 1).is_none());
    }

    #[test]
    fn who_guesses_has_to_wait() {
        let (sessions, here, there) = (Sessions::default(), IpAddr::from([1, 2, 3, 4]), IpAddr::from([5, 6, 7, 8]));
        for _ in 0..MAX_FAILURES_OF_ONE {
            assert!(sessions.may_try(here, 1));
            sessions.failed(here, 1);
        }
        assert!(!sessions.may_try(here, 2) && sessions.may_try(there, 2));
        assert!(sessions.may_try(here, WINDOW_US + 1));
    }
}
