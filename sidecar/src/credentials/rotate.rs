//! Rotation of keys, tenant by tenant: each in one transaction, so that a tenant has its old key or its new one, whenever
//! the sidecar is killed. What was begun is remembered and taken up by the next one.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kept;
use super::kinds::Credential;
use super::seal::Wrapped;
use super::service::{Credentials, Refused, action};
use crate::audit::action::Action;
use crate::store::{ItemKind, StoreError, Tenant};
use crate::{clock, mfa};

/// Which keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The tenants' keys: new ones, and everything sealed anew.
    Dek,
    /// What wraps them.
    Kek,
}

/// A rotation that has begun.
#[derive(Serialize, Deserialize)]
struct Run {
    /// Microseconds since the Unix epoch: keys from before are rotated.
    began: u64,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rotated {
    /// Tenants whose keys are other ones now.
    pub(crate) rotated: usize,
    /// Tenants whose keys were rotated before, by the rotation that this one took up.
    pub(crate) done_before: usize,
}

impl Credentials {
    /// Rotates the keys of one tenant, or of all.
    pub(crate) fn rotate(&self, what: What, only: Option<&Tenant>, actor: &str) -> Result<Rotated, Refused> {
        let place = Tenant::new("").ok_or(Refused::NotFound)?;
        let id = match (what, only) {
            (What::Dek, None) => "dek".to_owned(),
            (What::Kek, None) => "kek".to_owned(),
            (What::Dek, Some(tenant)) => format!("dek.{}", tenant.as_str()),
            (What::Kek, Some(tenant)) => format!("kek.{}", tenant.as_str()),
        };
        let run = id.clone();
        let began = self.store.write(&place, move |tx| {
            if let Some(run) = kept::parse::<Run>(tx.item(ItemKind::KeyRotation, &run)?)? {
                return Ok(run.began);
            }
            let began = tx.now();
            tx.put(ItemKind::KeyRotation, &run, &kept::json(&Run { began })?)?;
            Ok(began)
        })?;
        if what == What::Kek {
            self.keyring.renew(began).map_err(super::seal::SealError::from)?;
        }
        let tenants = match only {
            Some(tenant) => vec![tenant.clone()],
            None => self.store.tenants()?,
        };
        let mut rotated = Rotated::default();
        for tenant in tenants {
            let done = match what {
                What::Dek => self.rotate_dek(&tenant, began, actor)?,
                What::Kek => self.rewrap(&tenant, actor)?,
            };
            match done {
                Some(true) => rotated.rotated += 1,
                Some(false) => rotated.done_before += 1,
                None => {}
            }
        }
        self.store.write(&place, move |tx| tx.remove(ItemKind::KeyRotation, &id))?;
        Ok(rotated)
    }

    /// A new key for a tenant whose key is from before. `None`: it has none.
    fn rotate_dek(&self, tenant: &Tenant, began: u64, actor: &str) -> Result<Option<bool>, Refused> {
        loop {
            let Some(kept) = self.store.read(tenant, |tx| kept::key(tx))? else { return Ok(None) };
            if kept.created > began {
                return Ok(Some(false));
            }
            let old = self.keyring.open(tenant.as_str(), &kept, clock::now())?;
            // Later than `began` even where the clock went back since.
            let now = clock::now().max(began + 1);
            let version =
                kept.version.checked_add(1).ok_or_else(|| Refused::Conflict("no version is left".to_owned()))?;
            let (new, wrapped) = self.keyring.make(tenant.as_str(), version, now)?;
            let details = json!({"version": version, "kek": wrapped.kek});
            let record = action(Action::CredentialKeyRotated, actor, clock::now(), details)?;
            let of = tenant.clone();
            let done = self.store.write(tenant, move |tx| {
                if kept::key(tx)?.is_none_or(|now| now.version != kept.version) {
                    return Ok(Ok(false));
                }
                let all: Vec<Credential> = kept::all(tx, ItemKind::Credential)?;
                let mut resealed = Vec::with_capacity(all.len());
                for credential in all {
                    match kept::reseal(&old, &new, &of, &credential) {
                        Ok(sealed) => resealed.push(Credential { sealed, ..credential }),
                        // Nothing was written yet.
                        Err(error) => return Ok(Err(Refused::from(error))),
                    }
                }
                let authenticators = match mfa::kept::reseal(tx, &old, &new)? {
                    Ok(authenticators) => authenticators,
                    Err(error) => return Ok(Err(Refused::from(error))),
                };
                for credential in &resealed {
                    kept::put_credential(tx, credential)?;
                }
                for (holder, enrolment) in &authenticators {
                    mfa::kept::write(tx, holder, enrolment)?;
                }
                kept::put_key(tx, &wrapped)?;
                tx.record(record)?;
                Ok(Ok(true))
            })??;
            if done {
                return Ok(Some(true));
            }
        }
    }

    /// Wraps a tenant's key with what wraps now. A provider that rotates inside (Vault, KMS) keeps its id, so what it
    /// wrapped is wrapped again all the same.
    fn rewrap(&self, tenant: &Tenant, actor: &str) -> Result<Option<bool>, Refused> {
        loop {
            let Some(kept) = self.store.read(tenant, |tx| kept::key(tx))? else { return Ok(None) };
            let id = self.keyring.id();
            let rotates_itself = id.starts_with("vault:") || id.starts_with("aws-kms:");
            if kept.kek == id && !rotates_itself {
                return Ok(Some(false));
            }
            let dek = self.keyring.open(tenant.as_str(), &kept, clock::now())?;
            let wrapped = self.keyring.wrap(tenant.as_str(), &dek, kept.created, clock::now())?;
            let details = json!({"version": kept.version, "from": kept.kek, "kek": wrapped.kek});
            let record = action(Action::CredentialKeyRewrapped, actor, clock::now(), details)?;
            let done = self.store.write(tenant, move |tx| -> Result<bool, StoreError> {
                if kept::key(tx)? != Some(kept) {
                    return Ok(false);
                }
                let wrapped: Wrapped = wrapped;
                kept::put_key(tx, &wrapped)?;
                tx.record(record)?;
                Ok(true)
            })?;
            if done {
                return Ok(Some(true));
            }
        }
    }
}
