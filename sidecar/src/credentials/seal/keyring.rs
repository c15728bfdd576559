//! The tenants' keys: wrapped in the store, unwrapped for a few minutes in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kek::{Context, Kek};
use super::{Dek, KekError, Plain, SealError};

/// Unwraps keys with the providers at hand, and wraps new ones with the first.
pub(crate) struct Keyring {
    /// The first one wraps.
    providers: Vec<Box<dyn Kek>>,
    open: Mutex<HashMap<String, Open>>,
}

/// A tenant's key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wrapped {
    /// From 1.
    pub(crate) version: u32,
    /// Who wrapped it, and with which key.
    pub(crate) kek: String,
    /// What the provider made of it.
    pub(crate) wrapped: String,
    /// When the key was made, microseconds since the Unix epoch.
    pub(crate) created: u64,
}

/// An unwrapped key.
struct Open {
    key: Arc<Dek>,
    until: u64,
}

impl Keyring {
    /// The first provider wraps; all unwrap. There is at least one.
    pub(crate) fn new(providers: Vec<Box<dyn Kek>>) -> Self {
        Self { providers, open: Mutex::new(HashMap::new()) }
    }

    /// The id under which keys are wrapped now.
    pub(crate) fn id(&self) -> String {
        self.providers.first().map(|provider| provider.id()).unwrap_or_default()
    }

    /// A new key, and how it is to be kept.
    pub(crate) fn make(&self, tenant: &str, version: u32, now: u64) -> Result<(Arc<Dek>, Wrapped), SealError> {
        let key = Arc::new(Dek::random(version)?);
        let wrapped = self.wrap(tenant, &key, now, now)?;
        Ok((key, wrapped))
    }

    /// Wraps a key with what wraps now; `created` is when the key was made.
    pub(crate) fn wrap(&self, tenant: &str, key: &Arc<Dek>, created: u64, now: u64) -> Result<Wrapped, SealError> {
        let provider = self.providers.first().ok_or_else(|| KekError::new("there is no key provider"))?;
        // Not every provider binds what it wraps to a context, so whose key it is goes inside.
        let bound = Plain::new([key.expose().as_slice(), &owner(tenant, key.version)].concat());
        let kek = provider.id();
        let wrapped = provider.wrap(&Context { tenant, version: key.version }, bound.expose())?;
        let kept = Wrapped { version: key.version, kek, wrapped, created };
        self.remember(tenant, &kept, key, now);
        Ok(kept)
    }

    /// The key of a tenant. What was unwrapped in the last minutes is not unwrapped again.
    pub(crate) fn open(&self, tenant: &str, kept: &Wrapped, now: u64) -> Result<Arc<Dek>, SealError> {
        let place = place(tenant, kept);
        if let Ok(mut open) = self.open.lock() {
            open.retain(|_, open| (now..now.saturating_add(KEEP_US + 1)).contains(&open.until));
            if let Some(open) = open.get(&place) {
                return Ok(Arc::clone(&open.key));
            }
        }
        let known = || self.providers.iter().find(|provider| provider.knows(&kept.kek));
        let provider = match known() {
            Some(provider) => provider,
            // Another replica may have rotated, and a file of keys be another one since.
            None => {
                self.renew(0)?;
                known().ok_or_else(|| KekError::unknown(&kept.kek))?
            }
        };
        let context = Context { tenant, version: kept.version };
        let bound = provider.unwrap(&context, &kept.kek, &kept.wrapped)?;
        let (key, whose) = bound.expose().split_at_checked(32).ok_or(SealError::NotOurs)?;
        if whose != owner(tenant, kept.version) {
            return Err(SealError::NotOurs);
        }
        let key = Arc::new(Dek::of(kept.version, key).ok_or(SealError::NotOurs)?);
        self.remember(tenant, kept, &key, now);
        Ok(key)
    }

    fn remember(&self, tenant: &str, kept: &Wrapped, key: &Arc<Dek>, now: u64) {
        if let Ok(mut open) = self.open.lock()
            && open.len() < MAX_OPEN
        {
            open.insert(place(tenant, kept), Open { key: Arc::clone(key), until: now.saturating_add(KEEP_US) });
        }
    }

    /// Takes up a new wrapping key. See [`Kek::renew`].
    pub(crate) fn renew(&self, since: u64) -> Result<(), KekError> {
        self.providers.iter().try_for_each(|provider| provider.renew(since))
    }
}

/// What an unwrapped key is found by: all that it was unwrapped from.
fn place(tenant: &str, kept: &Wrapped) -> String {
    format!("{tenant}\n{}\n{}\n{}", kept.version, kept.kek, kept.wrapped)
}

/// Whose key it is, as it stands behind the key before it is wrapped.
fn owner(tenant: &str, version: u32) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"portcullis tenant key 1\0")
        .chain_update(version.to_be_bytes())
        .chain_update(tenant.as_bytes())
        .finalize()
        .into()
}

/// How long an unwrapped key stays in memory: 5 minutes.
const KEEP_US: u64 = 300_000_000;
/// Unwrapped keys in memory.
const MAX_OPEN: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Wraps by turning round, and counts.
    struct Turned(&'static str, Arc<AtomicUsize>);

    impl Kek for Turned {
        fn id(&self) -> String {
            self.0.to_owned()
        }

        fn knows(&self, id: &str) -> bool {
            id == self.0
        }

        fn wrap(&self, _: &Context<'_>, plain: &[u8]) -> Result<String, KekError> {
            Ok(plain.iter().rev().map(|byte| format!("{byte:02x}")).collect())
        }

        fn unwrap(&self, _: &Context<'_>, _: &str, wrapped: &str) -> Result<Plain, KekError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let bytes =
                (0..wrapped.len() / 2).rev().map(|at| u8::from_str_radix(wrapped.get(at * 2..at * 2 + 2).unwrap(), 16));
            Ok(Plain::new(bytes.collect::<Result<_, _>>().unwrap()))
        }

        fn renew(&self, _: u64) -> Result<(), KekError> {
            Ok(())
        }
    }

    #[test]
    fn a_key_is_its_tenants_and_is_unwrapped_once_in_a_while() {
        let count = Arc::new(AtomicUsize::new(0));
        let ring = Keyring::new(vec![
            Box::new(Turned("new", Arc::clone(&count))),
            Box::new(Turned("old", Arc::clone(&count))),
        ]);
        let (key, kept) = ring.make("acme", 1, 5).unwrap();
        // Wrapped and remembered: another process has to unwrap it.
        ring.open.lock().unwrap().clear();
        assert_eq!((kept.kek.as_str(), kept.version, kept.created), ("new", 1, 5));
        for now in [10, 10 + KEEP_US] {
            assert_eq!(ring.open("acme", &kept, now).unwrap().expose(), key.expose());
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        // Later, and where the clock went back.
        for (opened, now) in [(2, 11 + KEEP_US), (3, 9)] {
            assert!(ring.open("acme", &kept, now).is_ok());
            assert_eq!(count.load(Ordering::Relaxed), opened);
        }
        assert!(matches!(ring.open("other", &kept, 10), Err(SealError::NotOurs)));
        let other = Wrapped { version: 2, ..kept.clone() };
        assert!(matches!(ring.open("acme", &other, 10), Err(SealError::NotOurs)));
        let old = Wrapped { kek: "old".into(), ..kept.clone() };
        assert!(ring.open("acme", &old, 10).is_ok());
        assert!(matches!(
            ring.open("acme", &Wrapped { kek: "gone".into(), wrapped: "x".into(), ..kept }, 10),
            Err(SealError::Kek(_))
        ));
    }
}
