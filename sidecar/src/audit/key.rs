//! The Ed25519 key that signs statements about audit chains.

use std::fs;
use std::path::Path;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::row::{hex, unhex};
use crate::failure::Failure;
use crate::secret_file;

/// The private key; it does not print.
pub(crate) struct AuditKey(SigningKey);

/// The public key, for whoever verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey(VerifyingKey);

impl AuditKey {
    /// The key in the data directory, made at the first start: the seed in `audit-key` (readable by its owner alone), the
    /// public key in `audit-key.pub`.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let path = data.join("audit-key");
        let text = secret_file::open_or_create(&path)?;
        let seed = unhex::<32>(text.trim()).ok_or_else(|| Failure::file(&path, "holds no 64 hexadecimal digits"))?;
        let key = Self(SigningKey::from_bytes(&seed));
        let public = data.join("audit-key.pub");
        let expected = key.public().to_text();
        match fs::read_to_string(&public) {
            Ok(text) if text == expected => {}
            Ok(_) => return Err(Failure::file(&public, "is not the public key of audit-key")),
            Err(_) => fs::write(&public, expected).map_err(|error| Failure::file(&public, error))?,
        }
        Ok(key)
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

impl PublicKey {
    /// Reads 64 hexadecimal digits, as `audit-key.pub` has them.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        unhex(text.trim())
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .map(Self)
            .ok_or_else(|| Failure::file(path, "holds no Ed25519 public key of 64 hexadecimal digits"))
    }

    /// 64 hexadecimal digits and a line feed, as `audit-key.pub` has them.
    pub(crate) fn to_text(&self) -> String {
        format!("{}\n", hex(self.0.as_bytes()))
    }

    /// The first 16 hexadecimal digits of its SHA-256.
    pub(crate) fn id(&self) -> String {
        let mut id = hex(&Sha256::digest(self.0.as_bytes()));
        id.truncate(16);
        id
    }

    pub(super) fn verify(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        // Strict: no key or signature of small order, which would be true of many messages.
        self.0.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
    }
}
