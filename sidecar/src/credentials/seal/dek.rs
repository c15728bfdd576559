//! A tenant's key, and what is sealed with it: AES-256-GCM (NIST SP 800-38D) with a random nonce.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use super::record::{NONCE, Sealed};
use super::{Plain, SealError};

/// A tenant's key (data encryption key).
pub(crate) struct Dek {
    /// From 1; each rotation has the next one.
    pub(crate) version: u32,
    key: Zeroizing<[u8; 32]>,
}

/// Which record it is: sealed for one, it cannot be opened as another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
}

impl Dek {
    /// A new key of 256 random bits.
    pub(crate) fn random(version: u32) -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(|_| SealError::NoRandom)?;
        Ok(Self { version, key })
    }

    /// A key that was unwrapped.
    pub(crate) fn of(version: u32, key: &[u8]) -> Option<Self> {
        let mut own = Zeroizing::new([0; 32]);
        if key.len() != own.len() {
            return None;
        }
        own.copy_from_slice(key);
        Some(Self { version, key: own })
    }

    /// The key itself, to be wrapped.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.key
    }

    /// Seals a record. With 2³² records of one key the chance of a repeated nonce is 2⁻³³ (NIST SP 800-38D section 8.3).
    pub(crate) fn seal(&self, identity: Identity<'_>, plain: &[u8]) -> Result<String, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let aad = identity.associated_data(self.version);
        let body = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| SealError::NotOurs)?;
        Ok(Sealed { key: self.version, nonce, body }.to_string())
    }

    /// Opens a record that this key sealed for this identity.
    pub(crate) fn open(&self, identity: Identity<'_>, text: &str) -> Result<Plain, SealError> {
        let sealed = Sealed::parse(text).map_err(|_| SealError::NotOurs)?;
        if sealed.key != self.version {
            return Err(SealError::OtherKey);
        }
        let aad = identity.associated_data(self.version);
        let plain = self
            .cipher()
            .decrypt(&Nonce::from(sealed.nonce), Payload { msg: &sealed.body, aad: &aad })
            .map_err(|_| SealError::NotOurs)?;
        Ok(Plain::new(plain))
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&(*self.key).into())
    }
}

impl Identity<'_> {
    /// Each part with its length, so that no two identities are the same bytes.
    fn associated_data(&self, version: u32) -> Vec<u8> {
        let version = version.to_string();
        let mut out = Vec::new();
        for part in ["portcullis sealed record 1", self.tenant, self.kind, self.id, &version] {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHO: Identity<'_> = Identity { tenant: "acme", kind: "credential", id: "github" };

    #[test]
    fn opens_for_the_same_identity_and_key_alone() {
        let key = Dek::random(3).unwrap();
        let text = key.seal(WHO, b"s3cret").unwrap();
        assert!(!text.contains("s3cret"));
        assert_eq!(key.open(WHO, &text).unwrap().expose(), b"s3cret");
        assert_ne!(text, key.seal(WHO, b"s3cret").unwrap(), "a nonce was used twice");
        for other in [
            Identity { tenant: "acm", ..WHO },
            Identity { kind: "key", ..WHO },
            Identity { id: "github2", ..WHO },
            Identity { tenant: "acmec", kind: "redential", ..WHO },
        ] {
            assert!(matches!(key.open(other, &text), Err(SealError::NotOurs)), "{other:?}");
        }
        assert!(matches!(Dek::random(3).unwrap().open(WHO, &text), Err(SealError::NotOurs)));
        assert!(matches!(Dek::of(4, key.expose()).unwrap().open(WHO, &text), Err(SealError::OtherKey)));
        let relabelled = text.replacen("p1.3.", "p1.4.", 1);
        assert!(matches!(Dek::of(4, key.expose()).unwrap().open(WHO, &relabelled), Err(SealError::NotOurs)));
    }

    /// NIST's `gcmEncryptExtIV256`, the case of 16 bytes with associated data whose tag has 128 bits, through the same cipher.
    #[test]
    fn is_the_cipher_of_the_standard() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap())
                .collect()
        };
        let key = Dek::of(1, &hex("92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b")).unwrap();
        let nonce: [u8; 12] = hex("ac93a1a6145299bde902f21a").try_into().unwrap();
        let payload =
            Payload { msg: &hex("2d71bcfa914e4ac045b2aa60955fad24"), aad: &hex("1e0889016f67601c8ebea4943bc23ad6") };
        let sealed = key.cipher().encrypt(&Nonce::from(nonce), payload).unwrap();
        assert_eq!(sealed, hex("8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab"));
    }

    proptest! {
        #[test]
        fn a_changed_text_does_not_open(plain in proptest::collection::vec(any::<u8>(), 0..64), at in 5usize..200, flip in 1u8..128) {
            let key = Dek::random(1).unwrap();
            let mut text = key.seal(WHO, &plain).unwrap().into_bytes();
            let at = at % text.len();
            text[at] ^= flip;
            if let Ok(text) = String::from_utf8(text) {
                prop_assert!(key.open(WHO, &text).is_err());
            }
        }
    }
}
