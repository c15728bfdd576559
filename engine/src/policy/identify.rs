//! From verified facts to a principal.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::facts::{Claim, FactNeeds, IdentityFacts, JwtFacts, JwtNeeds, MtlsFacts};
use crate::glob::Glob;
use crate::principal::{Principal, PrincipalKind};

/// The compiled identity sources.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) jwt: Option<Jwt>,
    pub(super) mtls: Vec<Peer>,
    pub(super) keys: Option<Keys>,
}

#[derive(Debug)]
pub(super) struct Jwt {
    pub(super) needs: JwtNeeds,
    pub(super) default_kind: PrincipalKind,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) san: Glob,
    /// Its id is empty where the certificate's name is the id.
    pub(super) principal: Principal,
}

#[derive(Debug)]
pub(super) struct Keys {
    pub(super) header: String,
    pub(super) entries: Vec<([u8; 32], Arc<Principal>)>,
}

impl Identity {
    pub(super) fn needs(&self) -> FactNeeds {
        FactNeeds {
            jwt: self.jwt.as_ref().map(|jwt| jwt.needs.clone()),
            mtls: !self.mtls.is_empty(),
            key_header: self.keys.as_ref().map(|keys| keys.header.clone()),
            ..FactNeeds::default()
        }
    }

    pub(super) fn identify(&self, facts: &IdentityFacts<'_>) -> Arc<Principal> {
        let by_jwt =
            || self.jwt.as_ref().zip(facts.jwt.as_ref()).and_then(|(jwt, facts)| jwt.principal(facts)).map(Arc::new);
        let by_key = || self.keys.as_ref().zip(facts.key).and_then(|(keys, value)| keys.principal(value));
        let by_mtls =
            || facts.mtls.and_then(|peer| self.mtls.iter().find_map(|entry| entry.principal(&peer))).map(Arc::new);
        by_jwt().or_else(by_key).or_else(by_mtls).unwrap_or_default()
    }
}

impl Jwt {
    /// Nobody for a token without an id, or with a kind that is none of ours: guessing a kind could
    /// give a machine the rights of a person.
    fn principal(&self, facts: &JwtFacts) -> Option<Principal> {
        let id = facts.id.clone().filter(|id| !id.is_empty())?;
        let kind = match facts.kind.as_deref() {
            None => self.default_kind,
            Some("human") => PrincipalKind::Human,
            Some("agent") => PrincipalKind::Agent,
            Some("service") => PrincipalKind::Service,
            Some("workflow") => PrincipalKind::Workflow,
            Some(_) => return None,
        };
        Some(Principal {
            kind: Some(kind),
            id,
            tenant: facts.tenant.clone(),
            roles: facts.roles.clone(),
            teams: facts.teams.clone(),
            agent: facts.agent.clone(),
        })
    }
}

impl Peer {
    fn principal(&self, peer: &MtlsFacts<'_>) -> Option<Principal> {
        let present = |name: Option<&'_ str>| name.filter(|name| !name.is_empty()).map(str::to_owned);
        let sans = [present(peer.uri_san), present(peer.dns_san)];
        let subject = if sans.iter().all(Option::is_none) { present(peer.subject) } else { None };
        let name = sans.into_iter().chain([subject]).flatten().find(|name| self.san.matches(name))?;
        let id = if self.principal.id.is_empty() { name } else { self.principal.id.clone() };
        Some(Principal { id, ..self.principal.clone() })
    }
}

impl Keys {
    fn principal(&self, value: &str) -> Option<Arc<Principal>> {
        let key = if self.header == "authorization" { bearer(value)? } else { value.trim() };
        if key.is_empty() {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        // Every entry is compared to the end: time must not tell how near a guess came.
        let mut found = None;
        for (entry, principal) in &self.entries {
            let difference = entry.iter().zip(&digest).fold(0_u8, |all, (a, b)| all | (a ^ b));
            if std::hint::black_box(difference) == 0 {
                found = Some(principal);
            }
        }
        found.cloned()
    }
}

/// The token of `Bearer <token>` (RFC 6750 section 2.1; the scheme ignores case, RFC 9110 section 11.1).
pub(crate) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Splits a claim's dotted path.
pub(super) fn claim(claim: Claim, path: &str) -> (Claim, Vec<String>) {
    (claim, path.split('.').map(str::to_owned).collect())
}
