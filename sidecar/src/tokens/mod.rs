//! Tokens of people and programs for the admin API. Only their hashes are kept.

pub(crate) mod command;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::Hash;
use crate::failure::Failure;
use crate::secret_file;

/// What a token's owner may do. Each role includes those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Reads; decides about approvals of its groups
    Viewer,
    /// Decides about approvals that name no group
    PolicyManager,
    /// Makes and revokes tokens
    Admin,
}

/// A token, without what it is proved by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    /// Unique.
    pub(crate) name: String,
    /// Whose it is: the id that a verified principal of the same person has. Tokens of one person count once.
    pub(crate) person: String,
    /// The tenant it is for; empty: all.
    pub(crate) tenant: String,
    pub(crate) role: Role,
    pub(crate) groups: Vec<String>,
    /// Microseconds since the Unix epoch.
    pub(crate) created: u64,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::PolicyManager => "policy_manager",
            Self::Admin => "admin",
        }
    }
}

impl Token {
    /// Whether the names can stand in records and lists.
    pub(crate) fn is_valid(&self) -> bool {
        let fine = |text: &str| !text.is_empty() && text.chars().count() <= 128 && !text.chars().any(char::is_control);
        fine(&self.name) && fine(&self.person) && self.groups.len() <= 64 && self.groups.iter().all(|group| fine(group))
    }
}

/// A new secret: a prefix that scanners of repositories can know, and 256 random bits.
pub(crate) fn new_secret() -> Result<String, Failure> {
    Ok(format!("{PREFIX}{}", secret_file::random()?))
}

/// What is kept of a secret. It has 256 random bits, so a hash without salt or delay cannot be reversed.
pub(crate) fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

const PREFIX: &str = "portcullis_";
