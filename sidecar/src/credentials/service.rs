//! What can be done with credentials and grants. Calls block, on the store and some on the network.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use portcullis_engine::sidecar::{is_header_value, may_be_injected};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::forms::{self, MIN_SECRET};
use super::grants::{self, Grant, Subject, is_kind};
use super::kept;
use super::kinds::{ClientAuth, Credential, Kind, OAuth, Owner, Pending, Renewal, Secret, is_name};
use super::oauth;
use super::outgoing::Outgoing;
use super::seal::{Dek, Keyring, SealError};
use crate::audit::action::{Action, new_record};
use crate::audit::unhex_all;
use crate::clock;
use crate::store::{ItemKind, NewRecord, Store, StoreError, Tenant, Tx};

/// The credentials of all tenants.
pub(crate) struct Credentials {
    pub(super) store: Arc<Store>,
    pub(super) keyring: Keyring,
    pub(super) outgoing: Arc<Outgoing>,
}

/// A credential to add. What does not belong to its kind is left out.
#[derive(Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "NewCredential")]
#[serde(default, deny_unknown_fields)]
pub(crate) struct New {
    pub(crate) name: String,
    /// headers, api_key, client_credentials, refresh_token, authorization_code.
    pub(crate) kind: String,
    pub(crate) owner: Option<Owner>,
    /// headers: names and values.
    #[schemars(with = "BTreeMap<String, String>", extend("writeOnly" = true))]
    pub(crate) headers: BTreeMap<String, Zeroizing<String>>,
    /// api_key: the header; `authorization` without it.
    pub(crate) header: Option<String>,
    /// api_key: what stands before the key; `Bearer ` without it where the header is `authorization`.
    pub(crate) prefix: Option<String>,
    /// api_key: the key. client_credentials, refresh_token, authorization_code: the client's secret.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub(crate) secret: Zeroizing<String>,
    /// refresh_token.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub(crate) refresh_token: Zeroizing<String>,
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_auth: Option<ClientAuth>,
    pub(crate) scopes: Vec<String>,
    pub(crate) resource: Option<String>,
    pub(crate) audience: Option<String>,
    /// authorization_code.
    pub(crate) authorize_url: String,
    /// authorization_code.
    pub(crate) redirect_uri: String,
}

/// A grant to make.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrant {
    pub(crate) server: String,
    pub(crate) subject: Subject,
    pub(crate) credential: String,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Seconds until it ends by itself; without it, it does not.
    #[serde(default)]
    pub(crate) expires_in: Option<u64>,
}

/// Why it was not done. No variant holds anything secret.
#[derive(Debug)]
pub(crate) enum Refused {
    NotFound,
    /// What is in the way.
    Conflict(String),
    /// What is wrong with what was asked for.
    Invalid(String),
    /// An authorization server said no, by this code.
    Endpoint(String),
    Seal(SealError),
    Store(StoreError),
}

impl Credentials {
    pub(crate) fn new(store: Arc<Store>, keyring: Keyring, outgoing: Arc<Outgoing>) -> Self {
        Self { store, keyring, outgoing }
    }

    /// Makes requests of our own.
    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Adds a credential.
    pub(crate) fn add(&self, tenant: &Tenant, actor: &str, new: New) -> Result<Credential, Refused> {
        let (kind, secret) = self.check(&new)?;
        let now = clock::now();
        let credential = Credential {
            name: new.name,
            kind,
            owner: new.owner,
            sealed: String::new(),
            revision: 1,
            renewal: Renewal::default(),
            created: now,
            created_by: actor.to_owned(),
            changed: now,
        };
        let record = action(Action::CredentialCreated, actor, now, about(&credential))?;
        let (secret, of) = (Arc::new(secret), tenant.clone());
        self.sealing(tenant, move |tx, dek| {
            if kept::credential(tx, &credential.name)?.is_some() {
                return Ok(Err(Refused::Conflict("there is a credential of this name".to_owned())));
            }
            let sealed = match kept::seal(dek, &of, &credential.name, &secret) {
                Ok(sealed) => sealed,
                Err(error) => return Ok(Err(error.into())),
            };
            let credential = Credential { sealed, ..credential.clone() };
            kept::put_credential(tx, &credential)?;
            tx.record(record.clone())?;
            Ok(Ok(credential))
        })
    }

    /// Puts another secret in place of a credential's: the values of its headers, its key, its client's secret, its
    /// refresh token. What is not named stays.
    pub(crate) fn replace(&self, tenant: &Tenant, actor: &str, name: &str, new: &New) -> Result<Credential, Refused> {
        let before = self.show(tenant, name)?;
        let known = New {
            name: before.name.clone(),
            kind: before.kind.as_str().to_owned(),
            headers: new.headers.clone(),
            secret: new.secret.clone(),
            refresh_token: new.refresh_token.clone(),
            ..New::default()
        };
        check_secret(&before.kind, &known, false)?;
        let (known, of, actor) = (Arc::new(known), tenant.clone(), actor.to_owned());
        self.changing(tenant, name, move |tx, dek, mut credential| {
            let mut secret = match kept::open(dek, &of, &credential) {
                Ok(secret) => secret,
                Err(error) => return Ok(Err(error.into())),
            };
            for (name, value) in &known.headers {
                secret.headers.insert(name.clone(), value.clone());
            }
            for (own, new) in [(&mut secret.value, &known.secret), (&mut secret.refresh_token, &known.refresh_token)] {
                if !new.is_empty() {
                    own.clone_from(new);
                }
            }
            // Tokens were given to what was replaced.
            secret.tokens.clear();
            credential.changed = tx.now();
            let record = record(Action::CredentialReplaced, &actor, tx.now(), about(&credential))?;
            Ok(put(tx, dek, &of, credential, &secret, record)?.map_err(Refused::from))
        })
    }

    /// A credential, without its secret.
    pub(crate) fn show(&self, tenant: &Tenant, name: &str) -> Result<Credential, Refused> {
        let name = name.to_owned();
        self.store.read(tenant, |tx| kept::credential(tx, &name))?.ok_or(Refused::NotFound)
    }

    /// All of a tenant, by name.
    pub(crate) fn list(&self, tenant: &Tenant) -> Result<Vec<Credential>, Refused> {
        Ok(self.store.read(tenant, |tx| kept::all(tx, ItemKind::Credential))?)
    }

    /// Removes a credential that no grant names.
    pub(crate) fn remove(&self, tenant: &Tenant, actor: &str, name: &str) -> Result<Credential, Refused> {
        let (name, actor) = (name.to_owned(), actor.to_owned());
        self.store.write(tenant, move |tx| {
            let Some(credential) = kept::credential(tx, &name)? else { return Ok(Err(Refused::NotFound)) };
            let grants: Vec<Grant> = kept::all(tx, ItemKind::ConnectionGrant)?;
            if grants.iter().any(|grant| grant.credential == name) {
                return Ok(Err(Refused::Conflict("grants name it; revoke them first".to_owned())));
            }
            tx.remove(ItemKind::Credential, &name)?;
            let record = record(Action::CredentialRemoved, &actor, tx.now(), about(&credential))?;
            tx.record(record)?;
            Ok(Ok(credential))
        })?
    }

    /// Makes a grant.
    pub(crate) fn grant(&self, tenant: &Tenant, actor: &str, new: NewGrant) -> Result<Grant, Refused> {
        let invalid = |text: &str| Err(Refused::Invalid(text.to_owned()));
        if new.server.is_empty() || new.server.len() > 256 || new.server.chars().any(char::is_control) {
            return invalid("the server has no valid name");
        }
        if !new.subject.is_valid() {
            return invalid(
                "a subject is a principal (kind human, agent, service, workflow or none), a team or a role",
            );
        }
        check_scopes(&new.scopes)?;
        let actor = actor.to_owned();
        self.store.write(tenant, move |tx| {
            let now = tx.now();
            let Some(credential) = kept::credential(tx, &new.credential)? else {
                return Ok(Err(Refused::Invalid("there is no such credential".to_owned())));
            };
            if !new.scopes.is_empty() && credential.kind.oauth().is_none() {
                return Ok(Err(Refused::Invalid("only tokens have scopes".to_owned())));
            }
            if let Some(owner) = &credential.owner
                && !new.subject.is(owner)
            {
                return Ok(Err(Refused::Conflict("the credential is another principal's own".to_owned())));
            }
            let id = grants::id(&new.server, &new.subject);
            if let Some(known) = grants::read(tx, &id)?
                && known.expires.is_none_or(|expires| now < expires)
            {
                return Ok(Err(Refused::Conflict(format!("there is a grant for both: {id}; revoke it first"))));
            }
            let grant = Grant {
                id,
                server: new.server,
                subject: new.subject,
                credential: new.credential,
                scopes: new.scopes,
                expires: new.expires_in.map(|seconds| now.saturating_add(seconds.saturating_mul(1_000_000))),
                created: now,
                created_by: actor.clone(),
            };
            tx.put(ItemKind::ConnectionGrant, &grant.id, &kept::json(&grant)?)?;
            let record = record(Action::GrantCreated, &actor, now, about_grant(&grant))?;
            tx.record(record)?;
            Ok(Ok(grant))
        })?
    }

    /// All grants of a tenant.
    pub(crate) fn grants(&self, tenant: &Tenant) -> Result<Vec<Grant>, Refused> {
        Ok(self.store.read(tenant, |tx| kept::all(tx, ItemKind::ConnectionGrant))?)
    }

    /// Revokes a grant: the next call goes without it.
    pub(crate) fn revoke(&self, tenant: &Tenant, actor: &str, id: &str) -> Result<Grant, Refused> {
        let (id, actor) = (id.to_owned(), actor.to_owned());
        self.store.write(tenant, move |tx| {
            let Some(grant) = grants::read(tx, &id)? else { return Ok(Err(Refused::NotFound)) };
            tx.remove(ItemKind::ConnectionGrant, &id)?;
            let record = record(Action::GrantRevoked, &actor, tx.now(), about_grant(&grant))?;
            tx.record(record)?;
            Ok(Ok(grant))
        })?
    }

    // === authorization codes ===

    /// Begins an authorization: the address that the owner is to be sent to. It holds for ten minutes, once.
    pub(crate) fn begin(&self, tenant: &Tenant, actor: &str, name: &str) -> Result<String, Refused> {
        let random = || oauth::random().ok_or(Refused::Seal(SealError::NoRandom));
        let (nonce, verifier) = (Zeroizing::new(random()?), Zeroizing::new(random()?));
        // The browser brings nothing else back, so it says whose authorization it is.
        let state = Zeroizing::new(format!("{}.{name}.{}", crate::audit::hex(tenant.as_str().as_bytes()), *nonce));
        let Kind::AuthorizationCode { oauth, authorize_url, redirect_uri } = self.show(tenant, name)?.kind else {
            return Err(Refused::Conflict("it is of no kind that takes an authorization".to_owned()));
        };
        let url = oauth::authorization_url(&authorize_url, &oauth, &redirect_uri, &state, &verifier);
        let (of, actor) = (tenant.clone(), actor.to_owned());
        self.changing(tenant, name, move |tx, dek, credential| {
            let mut secret = match kept::open(dek, &of, &credential) {
                Ok(secret) => secret,
                Err(error) => return Ok(Err(error.into())),
            };
            let until = tx.now().saturating_add(PENDING_US);
            secret.pending = Some(Pending { state: state.clone(), verifier: verifier.clone(), until });
            let record = record(Action::CredentialAuthorizationStarted, &actor, tx.now(), about(&credential))?;
            Ok(put(tx, dek, &of, credential, &secret, record)?.map_err(Refused::from))
        })?;
        Ok(url)
    }

    /// Ends an authorization with what the browser brought back. The state is proof that it is ours, and good for one try.
    pub(crate) fn finish(&self, state: &str, answer: Result<&str, &str>) -> Result<Credential, Refused> {
        let unknown = || Refused::Invalid("the authorization is unknown, was used, or took too long".to_owned());
        let mut parts = state.splitn(2, '.');
        let tenant = parts
            .next()
            .and_then(unhex_all)
            .and_then(|name| Tenant::new(std::str::from_utf8(&name).ok()?))
            .ok_or_else(unknown)?;
        let name = parts.next().and_then(|rest| rest.rsplit_once('.')).map(|(name, _)| name).ok_or_else(unknown)?;
        if !is_name(name) {
            return Err(unknown());
        }
        // Taken out before it is used.
        let (of, claimed) = (tenant.clone(), state.to_owned());
        let (credential, pending, client_secret) = self.changing(&tenant, name, move |tx, dek, credential| {
            let mut secret = match kept::open(dek, &of, &credential) {
                Ok(secret) => secret,
                Err(error) => return Ok(Err(error.into())),
            };
            let ours = |pending: &mut Pending| same(&pending.state, &claimed) && tx.now() < pending.until;
            let Some(pending) = secret.pending.take_if(ours) else {
                return Ok(Err(Refused::Invalid(
                    "the authorization is unknown, was used, or took too long".to_owned(),
                )));
            };
            let client_secret = secret.value.clone();
            let put = put_quietly(tx, dek, &of, credential, &secret)?;
            Ok(put.map(|credential| (credential, pending, client_secret)).map_err(Refused::from))
        })?;
        let Kind::AuthorizationCode { oauth, redirect_uri, .. } = &credential.kind else { return Err(unknown()) };
        let given = match answer {
            Ok(code) => {
                let proof = oauth::Proof::Code { code, verifier: &pending.verifier, redirect_uri };
                oauth::ask(&self.outgoing, oauth, &client_secret, &proof, "", clock::now())
            }
            Err(_) => Err("authorization_refused".to_owned()),
        };
        let scopes = oauth.scopes.join(" ");
        let of = tenant.clone();
        let given = given.map(Arc::new);
        self.changing(&tenant, name, move |tx, dek, credential| {
            let given = match &given {
                Ok(given) => given,
                Err(code) => {
                    let mut details = about(&credential);
                    insert(&mut details, "error", code.as_str().into());
                    let record = record(Action::CredentialAuthorizationFailed, "portcullis", tx.now(), details)?;
                    tx.record(record)?;
                    return Ok(Err(Refused::Endpoint(code.clone())));
                }
            };
            let mut secret = match kept::open(dek, &of, &credential) {
                Ok(secret) => secret,
                Err(error) => return Ok(Err(error.into())),
            };
            secret.tokens = BTreeMap::from([(scopes.clone(), given.token.clone())]);
            secret.refresh_token = given.refresh_token.clone().unwrap_or_default();
            let record = record(Action::CredentialAuthorized, "portcullis", tx.now(), about(&credential))?;
            Ok(put(tx, dek, &of, credential, &secret, record)?.map_err(Refused::from))
        })
    }

    // === sealing ===

    /// A transaction with the tenant's key, which is made where there is none. The key is unwrapped before: that may take
    /// the network, and nobody can write meanwhile. Where it was rotated in between, all is done again.
    pub(crate) fn sealing<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl Fn(&mut dyn Tx, &Dek) -> Result<Result<T, Refused>, StoreError> + Send + Sync + 'static,
    ) -> Result<T, Refused> {
        let work = Arc::new(work);
        for _ in 0..MAX_TRIES {
            let dek = self.dek(tenant)?;
            let work = Arc::clone(&work);
            let done = self.store.write(tenant, move |tx| {
                if kept::key(tx)?.is_none_or(|kept| kept.version != dek.version) {
                    return Ok(None);
                }
                work(tx, &dek).map(Some)
            })?;
            if let Some(done) = done {
                return done;
            }
        }
        Err(Refused::Conflict("the tenant's key changes all the time".to_owned()))
    }

    /// The same with a credential that there is.
    pub(super) fn changing<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        name: &str,
        work: impl Fn(&mut dyn Tx, &Dek, Credential) -> Result<Result<T, Refused>, StoreError> + Send + Sync + 'static,
    ) -> Result<T, Refused> {
        let name = name.to_owned();
        self.sealing(tenant, move |tx, dek| match kept::credential(tx, &name)? {
            Some(credential) => work(tx, dek, credential),
            None => Ok(Err(Refused::NotFound)),
        })
    }

    /// The tenant's key.
    pub(crate) fn dek(&self, tenant: &Tenant) -> Result<Arc<Dek>, Refused> {
        loop {
            if let Some(kept) = self.store.read(tenant, |tx| kept::key(tx))? {
                return Ok(self.keyring.open(tenant.as_str(), &kept, clock::now())?);
            }
            let now = clock::now();
            let (_, wrapped) = self.keyring.make(tenant.as_str(), 1, now)?;
            let details = json!({"version": wrapped.version, "kek": wrapped.kek});
            let record = action(Action::CredentialKeyCreated, "portcullis", now, details)?;
            self.store.write(tenant, move |tx| {
                // Somebody may have been faster; what is kept counts.
                if kept::key(tx)?.is_none() {
                    kept::put_key(tx, &wrapped)?;
                    tx.record(record)?;
                }
                Ok(())
            })?;
        }
    }

    // === what is asked for ===

    fn check(&self, new: &New) -> Result<(Kind, Secret), Refused> {
        let invalid = |text: &str| Err(Refused::Invalid(text.to_owned()));
        if !is_name(&new.name) {
            return invalid("a name is 1 to 64 of [0-9A-Za-z._-]");
        }
        if let Some(owner) = &new.owner
            && (owner.id.is_empty()
                || owner.id.len() > 256
                || owner.id.chars().any(char::is_control)
                || !is_kind(&owner.kind))
        {
            return invalid("an owner has an id, and a kind of human, agent, service or workflow, or none");
        }
        let kind = match new.kind.as_str() {
            "headers" => Kind::Headers { names: new.headers.keys().cloned().collect() },
            "api_key" => {
                let header = new.header.clone().unwrap_or_else(|| "authorization".to_owned());
                let usual = if header == "authorization" { "Bearer " } else { "" };
                Kind::ApiKey { prefix: new.prefix.clone().unwrap_or_else(|| usual.to_owned()), header }
            }
            "client_credentials" => Kind::ClientCredentials { oauth: self.check_oauth(new)? },
            "refresh_token" => Kind::RefreshToken { oauth: self.check_oauth(new)? },
            "authorization_code" => {
                if new.owner.is_none() {
                    return invalid("an authorization code is somebody's own: name the owner");
                }
                for url in [&new.authorize_url, &new.redirect_uri] {
                    self.outgoing
                        .check(url)
                        .map_err(|error| Refused::Invalid(format!("authorize_url, redirect_uri: {error}")))?;
                }
                Kind::AuthorizationCode {
                    oauth: self.check_oauth(new)?,
                    authorize_url: new.authorize_url.clone(),
                    redirect_uri: new.redirect_uri.clone(),
                }
            }
            _ => return invalid("kind is headers, api_key, client_credentials, refresh_token or authorization_code"),
        };
        check_secret(&kind, new, true)?;
        let secret = Secret {
            headers: new.headers.clone(),
            value: new.secret.clone(),
            refresh_token: new.refresh_token.clone(),
            ..Secret::default()
        };
        Ok((kind, secret))
    }

    fn check_oauth(&self, new: &New) -> Result<OAuth, Refused> {
        self.outgoing.check(&new.token_url).map_err(|error| Refused::Invalid(format!("token_url: {error}")))?;
        let texts = [Some(&new.client_id), new.resource.as_ref(), new.audience.as_ref()];
        let fine = |text: &&String| !text.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control);
        if !texts.iter().flatten().all(fine) {
            return Err(Refused::Invalid("client_id, resource and audience are texts of 1 to 1024 bytes".to_owned()));
        }
        check_scopes(&new.scopes)?;
        let usual = if new.secret.is_empty() { ClientAuth::None } else { ClientAuth::Basic };
        Ok(OAuth {
            token_url: new.token_url.clone(),
            client_id: new.client_id.clone(),
            client_auth: new.client_auth.unwrap_or(usual),
            scopes: new.scopes.clone(),
            resource: new.resource.clone(),
            audience: new.audience.clone(),
        })
    }
}

/// Whether the secret is there that a kind needs (or, of a replacement, only such), and can be told from other text.
fn check_secret(kind: &Kind, new: &New, all: bool) -> Result<(), Refused> {
    let invalid = |text: String| Err(Refused::Invalid(text));
    let headers: Vec<(&str, &str)> = match kind {
        Kind::Headers { names } => {
            if new.headers.is_empty()
                || new.headers.len() > MAX_HEADERS
                || !new.headers.keys().all(|name| names.contains(name))
            {
                return invalid(format!("headers are 1 to {MAX_HEADERS}, of a replacement those that there are"));
            }
            new.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
        }
        Kind::ApiKey { header, .. } => vec![(header, &new.secret)],
        Kind::ClientCredentials { oauth } | Kind::RefreshToken { oauth } | Kind::AuthorizationCode { oauth, .. } => {
            let needed = all && oauth.client_auth != ClientAuth::None;
            if needed && new.secret.is_empty() {
                return invalid("the client's secret is missing".to_owned());
            }
            Vec::new()
        }
    };
    if !matches!(kind, Kind::Headers { .. }) && !new.headers.is_empty() {
        return invalid("only the kind headers has headers".to_owned());
    }
    let refreshes = matches!(kind, Kind::RefreshToken { .. });
    if new.refresh_token.is_empty() == refreshes && (all || !refreshes) {
        return invalid("a refresh token belongs to the kind refresh_token, and to no other".to_owned());
    }
    if matches!(kind, Kind::ClientCredentials { .. }) && all && new.secret.is_empty() {
        return invalid("the client's secret is missing".to_owned());
    }
    if !all && new.headers.is_empty() && new.secret.is_empty() && new.refresh_token.is_empty() {
        return invalid("there is nothing to replace it by".to_owned());
    }
    for (name, value) in headers {
        if !may_be_injected(name) {
            return invalid(format!("no credential can travel in a header of this name: {}", name.escape_debug()));
        }
        if !is_header_value(value) || forms::secrets(value).is_empty() {
            return invalid(format!("a secret is {MIN_SECRET} bytes to 16 KiB of visible ASCII"));
        }
    }
    if let Kind::ApiKey { prefix, .. } = kind
        && (prefix.len() > 64 || !prefix.bytes().all(|byte| (b' '..0x7f).contains(&byte)))
    {
        return invalid("a prefix is at most 64 bytes of visible ASCII".to_owned());
    }
    if [&new.secret, &new.refresh_token].iter().any(|text| text.len() > MAX_SECRET) {
        return invalid("the secret is longer than 12 KiB".to_owned());
    }
    Ok(())
}

/// RFC 6749 section 3.3.
fn check_scopes(scopes: &[String]) -> Result<(), Refused> {
    let fine = |scope: &String| {
        !scope.is_empty()
            && scope.len() <= 256
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    };
    if scopes.len() <= 64 && scopes.iter().all(fine) {
        return Ok(());
    }
    Err(Refused::Invalid("scopes are at most 64 words of visible ASCII".to_owned()))
}

/// Seals and keeps a changed credential, with its audit record.
pub(super) fn put(
    tx: &mut dyn Tx,
    dek: &Dek,
    tenant: &Tenant,
    credential: Credential,
    secret: &Secret,
    record: NewRecord,
) -> Result<Result<Credential, SealError>, StoreError> {
    let done = put_quietly(tx, dek, tenant, credential, secret)?;
    if done.is_ok() {
        tx.record(record)?;
    }
    Ok(done)
}

fn put_quietly(
    tx: &mut dyn Tx,
    dek: &Dek,
    tenant: &Tenant,
    credential: Credential,
    secret: &Secret,
) -> Result<Result<Credential, SealError>, StoreError> {
    let sealed = match kept::seal(dek, tenant, &credential.name, secret) {
        Ok(sealed) => sealed,
        Err(error) => return Ok(Err(error)),
    };
    let revision = credential.revision + 1;
    // Whoever renews what was there before renews nothing any more.
    let credential = Credential { sealed, revision, renewal: Renewal::default(), ..credential };
    kept::put_credential(tx, &credential)?;
    Ok(Ok(credential))
}

/// What an audit record says of a credential.
pub(super) fn about(credential: &Credential) -> Value {
    let mut details = json!({"credential_id": credential.name, "kind": credential.kind.as_str()});
    if let Some(owner) = &credential.owner {
        insert(&mut details, "owner", owner.id.as_str().into());
    }
    details
}

fn about_grant(grant: &Grant) -> Value {
    json!({"grant_id": grant.id, "credential_id": grant.credential, "server": grant.server, "subject": grant.subject,
        "scopes": grant.scopes})
}

pub(super) fn insert(details: &mut Value, name: &str, value: Value) {
    if let Some(members) = details.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The record of an action, outside a transaction.
pub(super) fn action(action: Action, actor: &str, now: u64, details: Value) -> Result<NewRecord, Refused> {
    Ok(record(action, actor, now, details)?)
}

/// The record of an action.
pub(super) fn record(action: Action, actor: &str, now: u64, details: Value) -> Result<NewRecord, StoreError> {
    new_record(action, actor, now, details).map_err(|_| StoreError::Closed)
}

/// Compares in a time that does not depend on where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SealError> for Refused {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such thing"),
            Self::Conflict(text) | Self::Invalid(text) => f.write_str(text),
            Self::Endpoint(code) => write!(f, "the authorization server says {code}"),
            Self::Seal(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

/// How often a transaction begins anew because the key was rotated.
const MAX_TRIES: usize = 5;
/// As the contract has it.
const MAX_HEADERS: usize = 8;
const MAX_SECRET: usize = 12 << 10;
/// How long an authorization may take: 10 minutes.
const PENDING_US: u64 = 600_000_000;
