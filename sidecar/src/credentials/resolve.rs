//! The credential for a call: the grant, what it names opened, tokens renewed before they end.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::forms;
use super::grants::{self, Grant};
use super::kept;
use super::kinds::{Credential, Kind, Renewal, Secret, Token};
use super::oauth::{self, Proof};
use super::service::{Credentials, Refused, about, insert, put, record};
use crate::audit::action::Action;
use crate::clock;
use crate::proto::{Header, Principal};
use crate::store::{StoreError, Tenant};

/// What is given out for a call.
pub(crate) struct Given {
    /// The credential's name.
    pub(crate) id: String,
    pub(crate) headers: Vec<Header>,
}

/// Why nothing is given out.
#[derive(Debug)]
pub(crate) enum Missing {
    /// Nobody granted it.
    NoGrant,
    /// It was granted and cannot be had, for this reason without content.
    Unusable(String),
    Store(StoreError),
}

impl Credentials {
    /// The credential for a call by this caller to this server. Nothing of it is remembered between calls, so what was
    /// revoked is not given out any more.
    ///
    /// `request` is the correlation id of what the call came in.
    pub(crate) fn resolve(
        &self,
        tenant: &Tenant,
        caller: &Principal,
        server: &str,
        request: &str,
    ) -> Result<Given, Missing> {
        let (grant, credential) = self.granted(tenant, caller, server)?;
        let (name, kind) = (credential.name.clone(), credential.kind.clone());
        let Some(oauth) = kind.oauth() else {
            let secret = self.open(tenant, credential)?;
            return given(&name, &kind, &secret);
        };
        let scopes = if grant.scopes.is_empty() { &oauth.scopes } else { &grant.scopes };
        let token = self.token(tenant, credential, &scopes.join(" "), request)?;
        // Renewing may have taken long.
        self.granted(tenant, caller, server)?;
        let value = format!("Bearer {}", token.access.as_str());
        let forms = forms::forms(&[token.access.to_string()]);
        Ok(Given { id: name, headers: vec![Header { name: "authorization".to_owned(), value, forms }] })
    }

    fn granted(&self, tenant: &Tenant, caller: &Principal, server: &str) -> Result<(Grant, Credential), Missing> {
        let found = self.store.read(tenant, |tx| {
            let Some(grant) = grants::find(tx, caller, server)? else { return Ok(None) };
            Ok(kept::credential(tx, &grant.credential)?.map(|credential| (grant, credential)))
        });
        let (grant, credential) = found?.ok_or(Missing::NoGrant)?;
        if !grants::fits(&grant, &credential, caller) {
            return Err(Missing::NoGrant);
        }
        Ok((grant, credential))
    }

    fn open(&self, tenant: &Tenant, credential: Credential) -> Result<Secret, Missing> {
        let mut credential = credential;
        loop {
            let dek = self.dek(tenant)?;
            match kept::open(&dek, tenant, &credential) {
                Ok(secret) => return Ok(secret),
                // The tenant's key was rotated since it was read.
                Err(super::seal::SealError::OtherKey) => {
                    let revision = credential.sealed.clone();
                    credential = self.show(tenant, &credential.name)?;
                    if credential.sealed == revision && self.dek(tenant)?.version == dek.version {
                        return Err(Missing::Unusable("it is sealed with a key that is gone".to_owned()));
                    }
                }
                Err(error) => return Err(Missing::Unusable(error.to_string())),
            }
        }
    }

    /// A token that is good for a while yet.
    fn token(&self, tenant: &Tenant, credential: Credential, scope: &str, request: &str) -> Result<Token, Missing> {
        let name = credential.name.clone();
        let mut secret = self.open(tenant, credential)?;
        let began = clock::now();
        loop {
            let known = secret.tokens.get(scope).cloned();
            let now = clock::now();
            if let Some(token) = known.clone().filter(|token| now < token.renew) {
                return Ok(token);
            }
            // Until it ends it is good, whatever becomes of the next one.
            let good = known.filter(|token| now.saturating_add(GOOD_US) < token.expires);
            match self.lease(tenant, &name)? {
                Lease::Ours(lease, credential) => {
                    let renewed = self.renew(tenant, &lease, credential, scope, request);
                    return match (renewed, good) {
                        (Ok(token), _) | (Err(_), Some(token)) => Ok(token),
                        (Err(error), None) => Err(error),
                    };
                }
                Lease::Taken | Lease::Failed(_) if good.is_some() => return good.ok_or(Missing::NoGrant),
                Lease::Failed(code) => return Err(cannot_renew(&code)),
                Lease::Taken if now.saturating_sub(began) > PATIENCE_US => {
                    return Err(cannot_renew("it_takes_too_long"));
                }
                Lease::Taken => {
                    thread::sleep(POLL);
                    let credential = self.show(tenant, &name)?;
                    secret = self.open(tenant, credential)?;
                }
            }
        }
    }

    /// Makes us the one who renews, unless somebody does, or did in vain a moment ago.
    fn lease(&self, tenant: &Tenant, name: &str) -> Result<Lease, Missing> {
        let lease = oauth::random().ok_or_else(|| Missing::Unusable("no random numbers".to_owned()))?;
        let name = name.to_owned();
        let done = self.store.write(tenant, move |tx| {
            let now = tx.now();
            let Some(credential) = kept::credential(tx, &name)? else { return Ok(None) };
            let renewal = &credential.renewal;
            // A clock that went back must hold up nobody; somebody whose transaction began a little later may.
            if !renewal.lease.is_empty()
                && now < renewal.lease_until
                && renewal.lease_until <= now.saturating_add(2 * LEASE_US)
            {
                return Ok(Some(Lease::Taken));
            }
            if renewal.failed_at <= now && now < renewal.failed_at.saturating_add(PAUSE_US) {
                return Ok(Some(Lease::Failed(renewal.failure.clone())));
            }
            let renewal = Renewal {
                lease: lease.clone(),
                lease_until: now.saturating_add(LEASE_US),
                ..credential.renewal.clone()
            };
            let credential = Credential { renewal, ..credential };
            kept::put_credential(tx, &credential)?;
            Ok(Some(Lease::Ours(lease, Box::new(credential))))
        });
        done?.ok_or(Missing::NoGrant)
    }

    /// Asks the token endpoint, and keeps what it gave before anybody uses it.
    fn renew(
        &self,
        tenant: &Tenant,
        lease: &str,
        credential: Box<Credential>,
        scope: &str,
        request: &str,
    ) -> Result<Token, Missing> {
        let (name, kind) = (credential.name.clone(), credential.kind.clone());
        let secret = self.open(tenant, *credential)?;
        // Somebody may have renewed it before the lease was ours.
        if let Some(token) = secret.tokens.get(scope).filter(|token| clock::now() < token.renew) {
            let token = token.clone();
            self.settle(tenant, lease, &name, Ok(None), scope, request)?;
            return Ok(token);
        }
        let oauth = kind.oauth().ok_or(Missing::NoGrant)?;
        let proof = match &kind {
            Kind::ClientCredentials { .. } => Ok(Proof::Client),
            _ if secret.refresh_token.is_empty() => Err("authorization_missing".to_owned()),
            _ => Ok(Proof::Refresh(&secret.refresh_token)),
        };
        let given =
            proof.and_then(|proof| oauth::ask(&self.outgoing, oauth, &secret.value, &proof, scope, clock::now()));
        match given {
            Ok(given) => {
                let token = given.token.clone();
                self.settle(tenant, lease, &name, Ok(Some(given)), scope, request)?;
                Ok(token)
            }
            Err(code) => {
                self.settle(tenant, lease, &name, Err(code.clone()), scope, request)?;
                Err(cannot_renew(&code))
            }
        }
    }

    /// Gives the lease back, with what came of it. Where the credential was replaced meanwhile, nothing is kept.
    fn settle(
        &self,
        tenant: &Tenant,
        lease: &str,
        name: &str,
        outcome: Result<Option<oauth::Given>, String>,
        scope: &str,
        request: &str,
    ) -> Result<(), Missing> {
        let request = request.to_owned();
        let about = move |credential: &Credential| {
            let mut details = about(credential);
            if !request.is_empty() {
                insert(&mut details, "correlation_id", request.as_str().into());
            }
            details
        };
        let (of, lease, scope, outcome) = (tenant.clone(), lease.to_owned(), scope.to_owned(), Arc::new(outcome));
        self.changing(tenant, name, move |tx, dek, mut credential| {
            if credential.renewal.lease != lease {
                return Ok(Ok(()));
            }
            let now = tx.now();
            match &*outcome {
                Ok(None) => {
                    credential.renewal = Renewal::default();
                    kept::put_credential(tx, &credential)?;
                }
                Ok(Some(given)) => {
                    let mut secret = match kept::open(dek, &of, &credential) {
                        Ok(secret) => secret,
                        Err(error) => return Ok(Err(error.into())),
                    };
                    secret.tokens.retain(|_, token| now < token.expires);
                    while secret.tokens.len() >= MAX_TOKENS {
                        secret.tokens.pop_first();
                    }
                    secret.tokens.insert(scope.clone(), given.token.clone());
                    if let Some(rotated) = &given.refresh_token {
                        secret.refresh_token.clone_from(rotated);
                    }
                    let record = record(Action::CredentialRefreshed, "portcullis", now, about(&credential))?;
                    return Ok(put(tx, dek, &of, credential, &secret, record)?.map(drop).map_err(Refused::from));
                }
                Err(code) => {
                    let mut details = about(&credential);
                    insert(&mut details, "error", code.as_str().into());
                    credential.renewal = Renewal { failed_at: now, failure: code.clone(), ..Renewal::default() };
                    kept::put_credential(tx, &credential)?;
                    tx.record(record(Action::CredentialRefreshFailed, "portcullis", now, details)?)?;
                }
            }
            Ok(Ok(()))
        })?;
        Ok(())
    }
}

enum Lease {
    /// We renew it.
    Ours(String, Box<Credential>),
    /// Somebody else does.
    Taken,
    /// Somebody did, in vain.
    Failed(String),
}

/// What a credential that needs no token is in headers.
fn given(name: &str, kind: &Kind, secret: &Secret) -> Result<Given, Missing> {
    let headers = match kind {
        Kind::ApiKey { header, prefix } => {
            let forms = forms::forms(&forms::secrets(&secret.value));
            vec![Header { name: header.clone(), value: format!("{prefix}{}", secret.value.as_str()), forms }]
        }
        _ => {
            let header = |(name, value): (&String, &Zeroizing<String>)| Header {
                name: name.clone(),
                value: value.to_string(),
                forms: forms::forms(&forms::secrets(value)),
            };
            secret.headers.iter().map(header).collect()
        }
    };
    if headers.is_empty() {
        return Err(Missing::Unusable("it has no headers".to_owned()));
    }
    Ok(Given { id: name.to_owned(), headers })
}

fn cannot_renew(code: &str) -> Missing {
    Missing::Unusable(format!("its token cannot be renewed: {code}"))
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for Missing {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => Self::Store(error),
            Refused::NotFound => Self::NoGrant,
            other => Self::Unusable(other.to_string()),
        }
    }
}

/// A token that ends sooner could end on its way.
const GOOD_US: u64 = 5_000_000;
/// How long whoever renews has for it: more than a request takes.
const LEASE_US: u64 = 30_000_000;
/// How long somebody waits for another's renewal.
const PATIENCE_US: u64 = 12_000_000;
const POLL: Duration = Duration::from_millis(50);
/// How long after a failure nobody asks the endpoint again.
const PAUSE_US: u64 = 5_000_000;
/// Tokens of one credential, for different scopes.
const MAX_TOKENS: usize = 16;
