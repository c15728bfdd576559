//! Envelope encryption: each tenant has a random key of its own (DEK), every secret is sealed with it, and the key itself is
//! wrapped by a key (KEK) that is not in the database.

mod dek;
pub(crate) mod kek;
mod keyring;
mod record;

use std::fmt;

use zeroize::Zeroizing;

pub(crate) use dek::{Dek, Identity};
pub(crate) use kek::KekError;
pub(crate) use keyring::{Keyring, Wrapped};

/// Bytes that are overwritten when they are dropped, and that do not print.
pub(crate) struct Plain(Zeroizing<Vec<u8>>);

/// Why something could not be sealed or opened. No variant holds anything of it.
#[derive(Debug)]
pub(crate) enum SealError {
    /// It was sealed with another version of the tenant's key.
    OtherKey,
    /// It was changed, sealed for another record, or with another key.
    NotOurs,
    /// The system has no random numbers.
    NoRandom,
    /// The key could not be wrapped or unwrapped.
    Kek(KekError),
}

impl Plain {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for whoever they are meant for.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(…)")
    }
}

impl From<KekError> for SealError {
    fn from(error: KekError) -> Self {
        Self::Kek(error)
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKey => f.write_str("it is sealed with another key of the tenant"),
            Self::NotOurs => f.write_str("it was changed, or sealed for something else"),
            Self::NoRandom => f.write_str("no random numbers from the system"),
            Self::Kek(error) => error.fmt(f),
        }
    }
}
