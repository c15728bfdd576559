//! State that several Envoys share. What it means is the engine's to say; here it is kept, per tenant, and changed in one
//! step by whatever the engine does with it.

mod draft;
mod redis;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use portcullis_engine::state as engine;

use crate::clock;
use crate::store::{ItemKind, Store, StoreError, Tenant, Tx};
use draft::{Done, draft};
#[cfg(test)]
pub(crate) use redis::suite;
pub(crate) use redis::{Redis, RedisServer};

/// Where shared state is kept. Calls block.
#[derive(Clone)]
pub(crate) enum Shared {
    /// In the store, beside everything else.
    Store(Arc<Store>),
    /// In Redis.
    Redis(Arc<Redis>),
}

impl Shared {
    /// Does `work` on what a tenant has, at the time that it is told; what it changes is kept when this returns, all of it or
    /// nothing. It may be done several times, so it must not act on anything else.
    pub(crate) fn change<R: Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl Fn(&dyn engine::Store, u64) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        match self {
            Self::Store(store) => store.write(tenant, move |tx| {
                let mut done = within(tx, work)?;
                let mut written = Vec::new();
                for (name, _, now) in done.values() {
                    written.extend(now.map(|now| (name.to_owned(), STANDARD_NO_PAD.encode(now))));
                }
                for (name, body) in written {
                    match body.is_empty() {
                        true => drop(tx.remove(ItemKind::State, &name)?),
                        false => tx.put(ItemKind::State, &name, &body)?,
                    }
                }
                Ok(done.result)
            }),
            Self::Redis(redis) => redis.work(tenant, true, work),
        }
    }

    /// What `work` would come to; nothing is changed.
    pub(crate) fn look<R: Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl Fn(&dyn engine::Store, u64) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        match self {
            Self::Store(store) => store.read(tenant, move |tx| Ok(within(tx, work)?.result)),
            Self::Redis(redis) => redis.work(tenant, false, work),
        }
    }
}

fn within<R>(tx: &mut dyn Tx, work: impl Fn(&dyn engine::Store, u64) -> R) -> Result<Done<R>, StoreError> {
    // Not the time at which the transaction was wanted: it may have waited for others.
    let now = clock::now();
    let load = |names: &[String]| {
        let read = |name: &String| {
            let body = tx.item(ItemKind::State, name)?.unwrap_or_default();
            STANDARD_NO_PAD
                .decode(body)
                .map_err(|_| StoreError::Database("shared state has not the form that it was written in".to_owned()))
        };
        names.iter().map(read).collect()
    };
    draft(load, |store| work(store, now))
}
