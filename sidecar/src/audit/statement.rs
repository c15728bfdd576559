//! What the sidecar signs about a chain: heads, checkpoints and prunings.

use serde::{Deserialize, Serialize};

use super::row::{Hash, hex, quoted, unhex};
use super::{AuditKey, PublicKey};

/// What a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The last row, renewed with every transaction: shows rows that were cut off the end.
    Head,
    /// A row on the way: for anchoring outside.
    Checkpoint,
    /// The last row that was pruned: where the chain begins since.
    Prune,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Checkpoint => "checkpoint",
            Self::Prune => "prune",
        }
    }
}

/// That a tenant's chain has a row with this hash at this place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) kind: Kind,
    pub(crate) tenant: String,
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
    /// When it was made, microseconds since the Unix epoch.
    pub(crate) time: u64,
}

/// A statement with its signature, as it is stored and exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct Signed {
    pub(crate) kind: Kind,
    pub(crate) tenant: String,
    pub(crate) seq: u64,
    /// 64 hexadecimal digits.
    pub(crate) hash: String,
    pub(crate) time: u64,
    /// The first 16 hexadecimal digits of the public key's SHA-256.
    pub(crate) key: String,
    /// Ed25519 (RFC 8032) over the RFC 8785 form of the other members, 128 hexadecimal digits.
    pub(crate) signature: String,
}

impl Statement {
    pub(crate) fn sign(&self, key: &AuditKey) -> Signed {
        let mut signed = Signed {
            kind: self.kind,
            tenant: self.tenant.clone(),
            seq: self.seq,
            hash: hex(&self.hash),
            time: self.time,
            key: key.public().id(),
            signature: String::new(),
        };
        signed.signature = hex(&key.sign(signed.covered().as_bytes()));
        signed
    }
}

impl Signed {
    /// The hash as bytes; `None` if somebody wrote something else there.
    pub(crate) fn hash(&self) -> Option<Hash> {
        unhex(&self.hash)
    }

    /// True where the key's owner signed this.
    pub(crate) fn is_genuine(&self, key: &PublicKey) -> bool {
        self.key == key.id()
            && unhex(&self.signature).is_some_and(|signature| key.verify(self.covered().as_bytes(), &signature))
    }

    fn covered(&self) -> String {
        format!(
            "{{\"hash\":{},\"key\":{},\"kind\":\"{}\",\"seq\":{},\"tenant\":{},\"time\":{}}}",
            quoted(&self.hash),
            quoted(&self.key),
            self.kind.as_str(),
            self.seq,
            quoted(&self.tenant),
            self.time
        )
    }
}
