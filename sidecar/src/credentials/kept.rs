//! Credentials and keys in the store.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kinds::{Credential, Secret};
use super::seal::{Dek, Identity, Plain, SealError, Wrapped};
use crate::store::{ItemKind, StoreError, Tenant, Tx};

/// A tenant's wrapped key.
pub(super) fn key(tx: &mut dyn Tx) -> Result<Option<Wrapped>, StoreError> {
    parse(tx.item(ItemKind::CredentialKey, KEY)?)
}

pub(super) fn put_key(tx: &mut dyn Tx, key: &Wrapped) -> Result<(), StoreError> {
    tx.put(ItemKind::CredentialKey, KEY, &json(key)?)
}

pub(super) fn credential(tx: &mut dyn Tx, name: &str) -> Result<Option<Credential>, StoreError> {
    parse(tx.item(ItemKind::Credential, name)?)
}

pub(super) fn put_credential(tx: &mut dyn Tx, credential: &Credential) -> Result<(), StoreError> {
    tx.put(ItemKind::Credential, &credential.name, &json(credential)?)
}

/// All items of a kind, by id.
pub(super) fn all<T: DeserializeOwned>(tx: &mut dyn Tx, kind: ItemKind) -> Result<Vec<T>, StoreError> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = tx.items(kind, &after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        for (_, body) in page {
            found.extend(parse(Some(body))?);
        }
    }
}

/// The body of an item, if there is one.
pub(super) fn parse<T: DeserializeOwned>(body: Option<String>) -> Result<Option<T>, StoreError> {
    body.map(|body| serde_json::from_str(&body).map_err(|_| form())).transpose()
}

pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| form())
}

/// What is secret of a credential.
pub(super) fn open(dek: &Dek, tenant: &Tenant, credential: &Credential) -> Result<Secret, SealError> {
    let plain = dek.open(identity(tenant, &credential.name), &credential.sealed)?;
    serde_json::from_slice(plain.expose()).map_err(|_| SealError::NotOurs)
}

pub(super) fn seal(dek: &Dek, tenant: &Tenant, name: &str, secret: &Secret) -> Result<String, SealError> {
    let plain = Plain::new(serde_json::to_vec(secret).map_err(|_| SealError::NotOurs)?);
    dek.seal(identity(tenant, name), plain.expose())
}

/// Seals with one key what another one sealed.
pub(super) fn reseal(old: &Dek, new: &Dek, tenant: &Tenant, credential: &Credential) -> Result<String, SealError> {
    let identity = identity(tenant, &credential.name);
    let plain = old.open(identity, &credential.sealed)?;
    new.seal(identity, plain.expose())
}

fn identity<'a>(tenant: &'a Tenant, name: &'a str) -> Identity<'a> {
    Identity { tenant: tenant.as_str(), kind: "credential", id: name }
}

fn form() -> StoreError {
    StoreError::Database("an item has not the form that it was written in".to_owned())
}

/// The id of a tenant's key.
const KEY: &str = "dek";
const PAGE: u64 = 500;
