//! Fernet (the specification of `github.com/fernet/spec`, as Python's `cryptography` implements it): AES-128-CBC with PKCS #7
//! padding, HMAC-SHA256, base64url. As `MultiFernet` there: the first key wraps, all of them unwrap.

use std::path::{Path, PathBuf};
use std::sync::RwLock;

use aes::Aes128;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Context, Kek, KekError, fingerprint, secret_lines};
use crate::clock;
use crate::credentials::seal::Plain;
use crate::failure::Failure;

/// Keys of a file.
pub(super) struct Fernet {
    path: PathBuf,
    keys: RwLock<Vec<FernetKey>>,
}

struct FernetKey {
    id: String,
    /// 16 bytes to sign with, then 16 to encrypt with.
    key: Plain,
}

impl Fernet {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self { path: path.to_owned(), keys: RwLock::new(read(path)?) })
    }

    fn with<T>(&self, work: impl FnOnce(&[FernetKey]) -> Option<T>) -> Result<T, KekError> {
        let found = self.keys.read().ok().and_then(|keys| work(&keys));
        found.ok_or_else(|| KekError::new("no Fernet key of the file fits"))
    }
}

impl Kek for Fernet {
    fn id(&self) -> String {
        self.with(|keys| keys.first().map(|key| key.id.clone())).unwrap_or_default()
    }

    fn knows(&self, id: &str) -> bool {
        self.with(|keys| keys.iter().any(|key| key.id == id).then_some(())).is_ok()
    }

    fn wrap(&self, _: &Context<'_>, plain: &[u8]) -> Result<String, KekError> {
        let mut iv = [0; 16];
        getrandom::fill(&mut iv).map_err(|_| KekError::new("no random numbers from the system"))?;
        self.with(|keys| encrypt(&keys.first()?.key, clock::now() / 1_000_000, iv, plain))
    }

    fn unwrap(&self, _: &Context<'_>, id: &str, wrapped: &str) -> Result<Plain, KekError> {
        self.with(|keys| decrypt(&keys.iter().find(|key| key.id == id)?.key, wrapped))
    }

    fn renew(&self, _: u64) -> Result<(), KekError> {
        let read = read(&self.path).map_err(|failure| KekError::new(failure.to_string()))?;
        let mut keys = self.keys.write().map_err(|_| KekError::new("the key file is in use"))?;
        *keys = read;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<FernetKey>, Failure> {
    let mut keys = Vec::new();
    for line in secret_lines(path)? {
        let key = URL_SAFE.decode(line.expose()).ok().map(Plain::new).filter(|key| key.expose().len() == 32);
        let key = key.ok_or_else(|| Failure::file(path, "has a line that is no Fernet key"))?;
        keys.push(FernetKey { id: format!("fernet:{}", fingerprint("fernet", key.expose())), key });
    }
    if keys.is_empty() {
        return Err(Failure::file(path, "has no Fernet key"));
    }
    Ok(keys)
}

fn encrypt(key: &Plain, seconds: u64, iv: [u8; 16], plain: &[u8]) -> Option<String> {
    let (sign, crypt) = halves(key)?;
    let mut token = vec![VERSION];
    token.extend_from_slice(&seconds.to_be_bytes());
    token.extend_from_slice(&iv);
    token.extend(cbc::Encryptor::<Aes128>::new(&crypt.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(plain));
    let mac = mac(sign)?.chain_update(&token).finalize();
    token.extend_from_slice(&mac.into_bytes());
    Some(URL_SAFE.encode(token))
}

fn decrypt(key: &Plain, text: &str) -> Option<Plain> {
    let (sign, crypt) = halves(key)?;
    let token = URL_SAFE.decode(text).ok()?;
    let (signed, tag) = token.split_at_checked(token.len().checked_sub(32)?)?;
    // First the signature: nothing about the padding can be learnt from what is not ours.
    mac(sign)?.chain_update(signed).verify_slice(tag).ok()?;
    let (version, rest) = signed.split_first()?;
    let (iv, body) = rest.get(8..)?.split_first_chunk::<16>()?;
    if *version != VERSION {
        return None;
    }
    let plain = cbc::Decryptor::<Aes128>::new(&crypt.into(), &(*iv).into()).decrypt_padded_vec::<Pkcs7>(body).ok()?;
    Some(Plain::new(plain))
}

fn halves(key: &Plain) -> Option<([u8; 16], [u8; 16])> {
    let (sign, crypt) = key.expose().split_at_checked(16)?;
    Some((sign.try_into().ok()?, crypt.try_into().ok()?))
}

fn mac(key: [u8; 16]) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(&key).ok()
}

const VERSION: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Plain {
        Plain::new(URL_SAFE.decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap())
    }

    /// `generate.json` and `verify.json` of the specification.
    #[test]
    fn is_the_fernet_of_the_specification() {
        let token =
            "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        let iv: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(encrypt(&key(), 499_162_800, iv, b"hello").unwrap(), token);
        assert_eq!(decrypt(&key(), token).unwrap().expose(), b"hello");
    }

    /// `invalid.json` of the specification, without the cases about age: wrapped keys have none.
    #[test]
    fn refuses_what_is_not_signed_by_the_key() {
        for token in [
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==",
            "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODw7Og-LeNkIQjOXYKnW-FGPvlJG-tCG-1tHy3Zy_hyW4lJhFr3QnO0YzW9X3cvz7TdkVVKfLXw9d",
            "",
        ] {
            assert!(decrypt(&key(), token).is_none(), "{token}");
        }
    }
}
