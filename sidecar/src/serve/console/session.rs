//! Who is logged in. A session is a random cookie that stands for a token. The store keeps it under the cookie's hash, so that it
//! outlives the process and holds at every replica; it is worth nothing once the token is revoked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::{Hash, hex, unhex};
use crate::store::{ItemKind, Store, StoreError, Tenant, Tx};
use crate::{secret_file, tokens};

/// One session.
#[derive(Clone)]
pub(super) struct Session {
    /// Of the token that was logged in with.
    pub(super) token: Hash,
    /// What forms of the session carry, so that no other site can send them.
    pub(super) csrf: String,
    /// The tenant that is looked at, where the token is for all.
    pub(super) tenant: String,
}

/// What the store has of a session: nothing that it could be entered by.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Hash of the token, as hexadecimal digits.
    token: String,
    tenant: String,
    /// Microseconds since the Unix epoch.
    started: u64,
    seen: u64,
}

/// Begins a session; the cookie's value.
pub(super) fn start(store: &Store, token: Hash, now: u64) -> Result<String, StoreError> {
    let cookie = secret_file::random().map_err(|_| StoreError::Closed)?;
    let (id, kept) = (id(&cookie), Kept { token: hex(&token), tenant: String::new(), started: now, seen: now });
    store.write(&home()?, move |tx| {
        make_room(tx, now)?;
        write(tx, &id, &kept)
    })?;
    Ok(cookie)
}

/// The session of a cookie, used now.
pub(super) fn find(store: &Store, cookie: &str, now: u64) -> Result<Option<Session>, StoreError> {
    let Some(kept) = open(store, cookie, now)? else { return Ok(None) };
    if now.saturating_sub(kept.seen) >= NOTED_US {
        change(store, cookie, move |kept| kept.seen = kept.seen.max(now))?;
    }
    // Follows from the cookie, which only the browser has.
    let csrf = hex(&tokens::hash(&format!("csrf {cookie}")));
    Ok(unhex(&kept.token).map(|token| Session { token, csrf, tenant: kept.tenant }))
}

/// Whether it is still open. To look is not to use it.
pub(super) fn is_open(store: &Store, cookie: &str, now: u64) -> Result<bool, StoreError> {
    Ok(open(store, cookie, now)?.is_some())
}

/// Looks at another tenant from now on.
pub(super) fn look_at(store: &Store, cookie: &str, tenant: &str) -> Result<(), StoreError> {
    let tenant = tenant.to_owned();
    change(store, cookie, move |kept| kept.tenant = tenant)
}

pub(super) fn end(store: &Store, cookie: &str) -> Result<(), StoreError> {
    let id = id(cookie);
    store.write(&home()?, move |tx| tx.remove(ItemKind::Session, &id).map(drop))
}

fn open(store: &Store, cookie: &str, now: u64) -> Result<Option<Kept>, StoreError> {
    let id = id(cookie);
    let kept = store.read(&home()?, move |tx| read(tx, &id))?;
    Ok(kept.filter(|kept| kept.is_open(now)))
}

fn change(store: &Store, cookie: &str, how: impl FnOnce(&mut Kept) + Send + 'static) -> Result<(), StoreError> {
    let id = id(cookie);
    store.write(&home()?, move |tx| {
        // One that has ended meanwhile stays so.
        let Some(mut kept) = read(tx, &id)? else { return Ok(()) };
        how(&mut kept);
        write(tx, &id, &kept)
    })
}

/// Removes what is over and, where there are too many all the same, the one that was not used for longest.
fn make_room(tx: &mut dyn Tx, now: u64) -> Result<(), StoreError> {
    let (mut open, mut after) = (Vec::new(), String::new());
    loop {
        let page = tx.items(ItemKind::Session, &after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        for (id, body) in page {
            match serde_json::from_str::<Kept>(&body).ok().filter(|kept| kept.is_open(now)) {
                Some(kept) => open.push((kept.seen, id)),
                None => drop(tx.remove(ItemKind::Session, &id)?),
            }
        }
    }
    open.sort_unstable();
    for (_, id) in open.iter().take((open.len() + 1).saturating_sub(MAX_SESSIONS)) {
        tx.remove(ItemKind::Session, id)?;
    }
    Ok(())
}

fn read(tx: &mut dyn Tx, id: &str) -> Result<Option<Kept>, StoreError> {
    Ok(tx.item(ItemKind::Session, id)?.and_then(|body| serde_json::from_str(&body).ok()))
}

fn write(tx: &mut dyn Tx, id: &str, kept: &Kept) -> Result<(), StoreError> {
    tx.put(ItemKind::Session, id, &json!(kept).to_string())
}

fn id(cookie: &str) -> String {
    hex(&tokens::hash(cookie))
}

/// A cookie says nothing of a tenant, so sessions of all of them are in one place.
fn home() -> Result<Tenant, StoreError> {
    Tenant::new("").ok_or(StoreError::Closed)
}

impl Kept {
    fn is_open(&self, now: u64) -> bool {
        now.saturating_sub(self.seen) < IDLE_US && now.saturating_sub(self.started) < LONGEST_US
    }
}

/// Logins to log in that failed at this process.
#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    since: u64,
}

impl Logins {
    /// False: so many from there have failed that no more are looked at for now.
    pub(super) fn may_try(&self, from: IpAddr, now: u64) -> bool {
        let mut failures = self.lock();
        failures.retain(|_, failed| now.saturating_sub(failed.since) < WINDOW_US);
        let all: u32 = failures.values().map(|failed| failed.count).sum();
        all < MAX_FAILURES && failures.get(&from).is_none_or(|failed| failed.count < MAX_FAILURES_OF_ONE)
    }

    pub(super) fn failed(&self, from: IpAddr, now: u64) {
        self.lock().entry(from).or_insert(Failures { count: 0, since: now }).count += 1;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session ends that nobody uses for half an hour, and any after twelve hours.
const IDLE_US: u64 = 30 * 60_000_000;
pub(super) const LONGEST_US: u64 = 12 * 3_600_000_000;
/// How exactly it is kept when it was used: not every page writes.
const NOTED_US: u64 = 60_000_000;
const MAX_SESSIONS: usize = 1000;
const PAGE: u64 = 500;
/// Failed attempts of a minute: of one address, and of all.
const MAX_FAILURES_OF_ONE: u32 = 5;
const MAX_FAILURES: u32 = 100;
const WINDOW_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::{Backing, Bed};

    #[test]
    fn sessions_end_by_themselves() {
        for backing in [Backing::Sqlite, Backing::Postgres] {
            let bed = Bed::new(backing);
            let store = bed.open();
            let found = |cookie: &str, now| find(&store, cookie, now).unwrap().is_some();
            let cookie = start(&store, [1; 32], 0).unwrap();
            assert!(found(&cookie, IDLE_US - 1), "used");
            assert!(found(&cookie, 2 * IDLE_US - 2), "and used again");
            assert!(!found(&cookie, 3 * IDLE_US));
            let cookie = start(&store, [1; 32], 0).unwrap();
            for now in (0..LONGEST_US).step_by(usize::try_from(IDLE_US / 2).unwrap()) {
                assert!(found(&cookie, now));
            }
            assert!(!found(&cookie, LONGEST_US));
            let cookie = start(&store, [1; 32], 0).unwrap();
            end(&store, &cookie).unwrap();
            look_at(&store, &cookie, "acme").unwrap();
            assert!(!found(&cookie, 1) && !found("", 1));
        }
    }

    #[test]
    fn nothing_that_is_kept_opens_a_session_and_what_is_over_goes() {
        let bed = Bed::new(Backing::Sqlite);
        let store = bed.open();
        let cookies: Vec<_> = (0..3).map(|now| start(&store, [7; 32], now).unwrap()).collect();
        let kept = || store.read(&home().unwrap(), |tx| tx.items(ItemKind::Session, "", 10)).unwrap();
        for (id, body) in kept() {
            assert!(cookies.iter().all(|cookie| !id.contains(cookie.as_str()) && !body.contains(cookie.as_str())));
            assert!(find(&store, &id, 1).unwrap().is_none());
        }
        let [first, second] = [0, 1].map(|at| find(&store, &cookies[at], 2).unwrap().unwrap().csrf);
        assert_ne!(first, second);
        start(&store, [7; 32], IDLE_US + 1).unwrap();
        assert_eq!(kept().len(), 2, "the last of the three, and the new one");
    }

    #[test]
    fn who_guesses_has_to_wait() {
        let (logins, here, there) = (Logins::default(), IpAddr::from([1, 2, 3, 4]), IpAddr::from([5, 6, 7, 8]));
        for _ in 0..MAX_FAILURES_OF_ONE {
            assert!(logins.may_try(here, 1));
            logins.failed(here, 1);
        }
        assert!(!logins.may_try(here, 2) && logins.may_try(there, 2));
        assert!(logins.may_try(here, WINDOW_US + 1));
    }
}
