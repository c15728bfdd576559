//! Enrolments in the store: read, moved on by [`super::Enrolment`], and written back with their audit record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Checked, Enrolment, new_recovery_codes, totp};
use crate::audit::action::{Action, new_record};
use crate::clock;
use crate::credentials::Credentials;
use crate::credentials::seal::{Dek, Identity, SealError};
use crate::store::{ItemKind, Store, StoreError, Tenant, Tx};

/// The kind of a principal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Human,
    Agent,
    Service,
    Workflow,
}

/// An authenticator, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Authenticator")]
pub(crate) struct Described {
    pub(crate) principal: String,
    pub(crate) kind: Kind,
    /// A first code was right: codes count.
    pub(crate) confirmed: bool,
    /// RFC 3339.
    pub(crate) created: String,
    pub(crate) recovery_codes_left: usize,
    /// After too many wrong codes; null: it is not.
    pub(crate) locked_until: Option<String>,
}

/// Whose authenticator it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    kind: Kind,
    /// As the principal's id in calls.
    principal: String,
}

/// A holder's secret, opened outside of any transaction: a key service may be asked for that.
pub(crate) struct Opened {
    sealed: String,
    secret: Zeroizing<Vec<u8>>,
}

#[cfg(test)]
impl Opened {
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// A new enrolment, as it is shown once.
pub(crate) struct Offer {
    pub(crate) secret: Zeroizing<String>,
    pub(crate) uri: Zeroizing<String>,
}

/// What is left of a change.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is none.
    Missing,
    /// A confirmed one is in the way.
    Exists,
    /// The code did not count.
    Code(Checked),
    /// The tenant's key cannot be had, or is not the one that it was sealed with.
    Keys(crate::credentials::Refused),
    Store(StoreError),
}

impl Holder {
    pub(crate) fn new(kind: Kind, principal: &str) -> Option<Self> {
        let fine = !principal.is_empty() && principal.len() <= MAX_NAME && !principal.chars().any(char::is_control);
        fine.then(|| Self { kind, principal: principal.to_owned() })
    }

    /// The principal of a call.
    pub(crate) fn of_call(kind: &str, principal: &str) -> Option<Self> {
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        Self::new(kind, principal)
    }

    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    /// Whether a person of the admin API is this holder.
    pub(crate) fn is(&self, person: &str) -> bool {
        self.kind == Kind::Human && !person.is_empty() && self.principal.to_lowercase() == person.to_lowercase()
    }

    fn id(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.principal)
    }

    fn of_id(id: &str) -> Option<Self> {
        let (kind, principal) = id.split_once(':')?;
        Self::of_call(kind, principal)
    }

    fn describe(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("principal".to_owned(), self.principal.as_str().into());
        out.insert("principal_kind".to_owned(), self.kind.as_str().into());
        out
    }
}

/// Begins an enrolment, in place of one that was never confirmed.
pub(crate) fn enrol(keys: &Credentials, tenant: &Tenant, holder: &Holder, actor: &str) -> Result<Offer, Refused> {
    let mut secret = Zeroizing::new([0; totp::SECRET]);
    crate::secret_file::fill(secret.as_mut()).map_err(|_| Refused::Store(StoreError::Closed))?;
    let (of, actor, plain) = (holder.clone(), actor.to_owned(), secret.clone());
    let new = keys.sealing(tenant, move |tx, dek| {
        if read(tx, &of)?.is_some_and(|known| known.confirmed) {
            return Ok(Ok(false));
        }
        let sealed = match dek.seal(identity(tx.tenant(), &of.id()), plain.as_slice()) {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(error.into())),
        };
        let enrolment = Enrolment::new(sealed, tx.now());
        write(tx, &of, &enrolment)?;
        record(tx, Action::MfaEnrolled, &actor, of.describe())?;
        Ok(Ok(true))
    })?;
    if !new {
        return Err(Refused::Exists);
    }
    let of_tenant = format!("{ISSUER} {}", tenant.as_str());
    let issuer = if tenant.as_str() == Tenant::DEFAULT { ISSUER } else { &of_tenant };
    Ok(Offer {
        secret: Zeroizing::new(totp::base32(secret.as_slice())),
        uri: Zeroizing::new(totp::uri(secret.as_slice(), &holder.principal, issuer)),
    })
}

/// Takes the first code; the recovery codes where it is right, shown this once.
pub(crate) fn confirm(
    store: &Store,
    keys: &Credentials,
    tenant: &Tenant,
    holder: &Holder,
    code: &str,
    actor: &str,
) -> Result<Vec<String>, Refused> {
    let opened = open(store, keys, tenant, holder)?.ok_or(Refused::Missing)?;
    let recovery = new_recovery_codes().map_err(|_| Refused::Store(StoreError::Closed))?;
    let (of, code, actor, codes) = (holder.clone(), code.to_owned(), actor.to_owned(), recovery.clone());
    store.write(tenant, move |tx| {
        let Some(mut enrolment) = read(tx, &of)?.filter(|found| found.secret == opened.sealed) else {
            return Ok(Err(Refused::Missing));
        };
        if enrolment.confirmed {
            return Ok(Err(Refused::Exists));
        }
        let checked = enrolment.confirm(&opened.secret, &code, &codes, tx.now());
        write(tx, &of, &enrolment)?;
        let action = if checked.counts() { Action::MfaConfirmed } else { Action::MfaFailed };
        record(tx, action, &actor, of.describe())?;
        Ok(if checked.counts() { Ok(()) } else { Err(Refused::Code(checked)) })
    })??;
    Ok(recovery)
}

/// Forgets the wrong codes of a holder.
pub(crate) fn unlock(store: &Store, tenant: &Tenant, holder: &Holder, actor: &str) -> Result<(), Refused> {
    let (of, actor) = (holder.clone(), actor.to_owned());
    store.write(tenant, move |tx| {
        let Some(mut enrolment) = read(tx, &of)? else { return Ok(Err(Refused::Missing)) };
        enrolment.unlock();
        write(tx, &of, &enrolment)?;
        record(tx, Action::MfaUnlocked, &actor, of.describe())?;
        Ok(Ok(()))
    })?
}

/// Removes a holder's authenticator: no code counts any more until another one is enrolled.
pub(crate) fn remove(store: &Store, tenant: &Tenant, holder: &Holder, actor: &str) -> Result<(), Refused> {
    let (of, actor) = (holder.clone(), actor.to_owned());
    store.write(tenant, move |tx| {
        if !tx.remove(ItemKind::Mfa, &of.id())? {
            return Ok(Err(Refused::Missing));
        }
        record(tx, Action::MfaRemoved, &actor, of.describe())?;
        Ok(Ok(()))
    })?
}

/// All of a tenant, without secrets, by holder.
pub(crate) fn list(store: &Store, tenant: &Tenant, after: &str, limit: u64) -> Result<Vec<Described>, StoreError> {
    let after = after.to_owned();
    store.read(tenant, move |tx| {
        let now = tx.now();
        let all = tx
            .items(ItemKind::Mfa, &after, limit)?
            .into_iter()
            .filter_map(|(id, body)| Some(Described::of(Holder::of_id(&id)?, &serde_json::from_str(&body).ok()?, now)));
        Ok(all.collect())
    })
}

/// A holder's, without the secret; `None` where none is enrolled.
pub(crate) fn show(store: &Store, tenant: &Tenant, holder: &Holder) -> Result<Option<Described>, StoreError> {
    let of = holder.clone();
    store.read(tenant, move |tx| {
        let now = tx.now();
        Ok(read(tx, &of)?.map(|enrolment| Described::of(of, &enrolment, now)))
    })
}

/// A holder's secret; `None` where none is enrolled.
pub(crate) fn open(
    store: &Store,
    keys: &Credentials,
    tenant: &Tenant,
    holder: &Holder,
) -> Result<Option<Opened>, Refused> {
    let mut tries = 0;
    loop {
        let of = holder.clone();
        let Some(found) = store.read(tenant, move |tx| read(tx, &of))? else { return Ok(None) };
        let dek = keys.dek(tenant)?;
        match dek.open(identity(tenant, &holder.id()), &found.secret) {
            Ok(plain) => {
                let secret = Zeroizing::new(plain.expose().to_vec());
                return Ok(Some(Opened { sealed: found.secret, secret }));
            }
            // The tenant's key was rotated since it was read.
            Err(SealError::OtherKey) if tries < MAX_TRIES => tries += 1,
            Err(error) => return Err(Refused::Keys(error.into())),
        }
    }
}

/// All enrolments of a tenant, sealed with a new key in place of the old one, to be written back in the same transaction.
pub(crate) fn reseal(
    tx: &mut dyn Tx,
    old: &Dek,
    new: &Dek,
) -> Result<Result<Vec<(Holder, Enrolment)>, SealError>, StoreError> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = tx.items(ItemKind::Mfa, &after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(Ok(all)) };
        after.clone_from(last);
        for (id, _) in page {
            let Some(holder) = Holder::of_id(&id) else { continue };
            let Some(enrolment) = read(tx, &holder)? else { continue };
            let identity = identity(tx.tenant(), &id);
            let sealed = old.open(identity, &enrolment.secret).and_then(|plain| new.seal(identity, plain.expose()));
            match sealed {
                Ok(secret) => all.push((holder, Enrolment { secret, ..enrolment })),
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

/// Looks at a code within the transaction of the call that it is for. `details` say which call that is.
pub(crate) fn verify(
    tx: &mut dyn Tx,
    holder: &Holder,
    opened: Option<&Opened>,
    admit: &str,
    code: &str,
    details: Map<String, Value>,
) -> Result<Checked, StoreError> {
    let (Some(opened), Some(mut enrolment)) = (opened, read(tx, holder)?) else { return Ok(Checked::NotEnrolled) };
    if enrolment.secret != opened.sealed {
        return Err(StoreError::Database("the authenticator was changed meanwhile".to_owned()));
    }
    let checked = enrolment.check(&opened.secret, admit, code, tx.now());
    let action = match checked {
        Checked::Right => Action::MfaVerified,
        Checked::Recovered => Action::MfaRecovered,
        Checked::Used => Action::MfaReplayed,
        Checked::Wrong => Action::MfaFailed,
        Checked::WrongAndLocked => Action::MfaLocked,
        // The record of the call itself says all there is.
        Checked::Again | Checked::Locked | Checked::NotEnrolled => return Ok(checked),
    };
    write(tx, holder, &enrolment)?;
    let mut all = holder.describe();
    all.extend(details);
    record(tx, action, &holder.principal, all)?;
    Ok(checked)
}

fn read(tx: &mut dyn Tx, holder: &Holder) -> Result<Option<Enrolment>, StoreError> {
    let body = tx.item(ItemKind::Mfa, &holder.id())?;
    let unreadable = |_| StoreError::Database("an enrolment has not the form that it was written in".to_owned());
    body.map(|body| serde_json::from_str(&body).map_err(unreadable)).transpose()
}

pub(crate) fn write(tx: &mut dyn Tx, holder: &Holder, enrolment: &Enrolment) -> Result<(), StoreError> {
    tx.put(ItemKind::Mfa, &holder.id(), &json!(enrolment).to_string())
}

/// What the secret of a holder is sealed as.
fn identity<'a>(tenant: &'a Tenant, id: &'a str) -> Identity<'a> {
    Identity { tenant: tenant.as_str(), kind: "mfa", id }
}

fn record(tx: &mut dyn Tx, action: Action, actor: &str, details: Map<String, Value>) -> Result<(), StoreError> {
    let record = new_record(action, actor, tx.now(), details.into()).map_err(|_| StoreError::Closed)?;
    tx.record(record)
}

impl Described {
    fn of(holder: Holder, enrolment: &Enrolment, now: u64) -> Self {
        Self {
            principal: holder.principal,
            kind: holder.kind,
            confirmed: enrolment.confirmed,
            created: clock::rfc3339(enrolment.created),
            recovery_codes_left: enrolment.recovery_left(),
            locked_until: (now < enrolment.locked_until).then(|| clock::rfc3339(enrolment.locked_until)),
        }
    }
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Service => "service",
            Self::Workflow => "workflow",
        }
    }

    pub(crate) const ALL: [Self; 4] = [Self::Human, Self::Agent, Self::Service, Self::Workflow];
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<crate::credentials::Refused> for Refused {
    fn from(error: crate::credentials::Refused) -> Self {
        Self::Keys(error)
    }
}

/// Who the code is for, as the app shows it.
const ISSUER: &str = "Portcullis";
/// Bytes of a principal's id.
const MAX_NAME: usize = 255;
/// Rotations that may come in between.
const MAX_TRIES: u32 = 3;
const PAGE: u64 = 500;
