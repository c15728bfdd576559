//! Connection grants: who may use which credential for which server. Without one there is none.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kinds::{Credential, Owner};
use crate::audit::hex;
use crate::proto::Principal;
use crate::store::{ItemKind, StoreError, Tx};

/// A connection grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// Follows from server and subject: there is one grant for both.
    pub(crate) id: String,
    /// The server's name in the filter's configuration.
    pub(crate) server: String,
    pub(crate) subject: Subject,
    /// Name of the credential.
    pub(crate) credential: String,
    /// Scopes that tokens are asked for (RFC 6749 section 3.3); none: those of the credential.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// When it ends by itself, microseconds since the Unix epoch.
    #[serde(default)]
    pub(crate) expires: Option<u64>,
    pub(crate) created: u64,
    pub(crate) created_by: String,
}

/// Whom it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Subject {
    /// One principal; an empty kind is any.
    Principal {
        #[serde(default)]
        kind: String,
        id: String,
    },
    /// All of a team.
    Team { name: String },
    /// All with a role.
    Role { name: String },
}

impl Subject {
    /// Whether it can be one: names of 1 to 256 bytes without control characters.
    pub(crate) fn is_valid(&self) -> bool {
        let fine = |text: &str| !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
        match self {
            Self::Principal { kind, id } => fine(id) && is_kind(kind),
            Self::Team { name } | Self::Role { name } => fine(name),
        }
    }

    /// Whether a credential of this owner can be for it.
    pub(crate) fn is(&self, owner: &Owner) -> bool {
        match self {
            Self::Principal { kind, id } => {
                *id == owner.id && (owner.kind.is_empty() || kind.is_empty() || *kind == owner.kind)
            }
            Self::Team { .. } | Self::Role { .. } => false,
        }
    }
}

/// The kinds of principals; the empty one is any.
pub(crate) fn is_kind(kind: &str) -> bool {
    matches!(kind, "" | "human" | "agent" | "service" | "workflow")
}

/// The id of the grant for a server and subject.
pub(crate) fn id(server: &str, subject: &Subject) -> String {
    let (kind, more, name) = match subject {
        Subject::Principal { kind, id } => ("principal", kind.as_str(), id),
        Subject::Team { name } => ("team", "", name),
        Subject::Role { name } => ("role", "", name),
    };
    let mut hash = Sha256::new();
    for part in ["portcullis connection grant", server, kind, more, name] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(hash.finalize().get(..16).unwrap_or_default())
}

/// The grant that counts for a caller: the principal's own before those of its teams and roles, each in the order of
/// their names. Nobody who was not verified has one.
pub(crate) fn find(tx: &mut dyn Tx, caller: &Principal, server: &str) -> Result<Option<Grant>, StoreError> {
    let own = [caller.kind.as_str(), ""];
    let own = own.into_iter().filter(|_| !caller.id.is_empty());
    let own = own.map(|kind| Subject::Principal { kind: kind.to_owned(), id: caller.id.clone() });
    let mut teams: Vec<_> = caller.teams.iter().take(MAX_GROUPS).cloned().collect();
    let mut roles: Vec<_> = caller.roles.iter().take(MAX_GROUPS).cloned().collect();
    teams.sort_unstable();
    roles.sort_unstable();
    let teams = teams.into_iter().map(|name| Subject::Team { name });
    let roles = roles.into_iter().map(|name| Subject::Role { name });
    let now = tx.now();
    for subject in own.chain(teams).chain(roles) {
        let Some(grant) = read(tx, &id(server, &subject))? else { continue };
        // What is kept says for whom it is; the id alone is not trusted.
        if grant.server == server && grant.subject == subject && grant.expires.is_none_or(|expires| now < expires) {
            return Ok(Some(grant));
        }
    }
    Ok(None)
}

/// Whether a caller may use a credential that a grant names.
pub(crate) fn fits(grant: &Grant, credential: &Credential, caller: &Principal) -> bool {
    credential.name == grant.credential
        && credential.owner.as_ref().is_none_or(|owner| {
            let kind = owner.kind.is_empty() || owner.kind == caller.kind;
            kind && owner.id == caller.id && grant.subject.is(owner)
        })
}

pub(crate) fn read(tx: &mut dyn Tx, id: &str) -> Result<Option<Grant>, StoreError> {
    super::kept::parse(tx.item(ItemKind::ConnectionGrant, id)?)
}

/// Teams, or roles, of a caller that are looked at.
const MAX_GROUPS: usize = 64;
