//! The transit secrets engine of HashiCorp Vault, by its HTTP API (`/v1/MOUNT/encrypt/KEY`, `/v1/MOUNT/decrypt/KEY`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Context, Kek, KekError};
use crate::credentials::outgoing::Outgoing;
use crate::credentials::seal::Plain;
use crate::failure::Failure;
use crate::secret_file;

/// A key of the transit engine. Its versions are Vault's own business: they stand in what it wrapped.
pub(super) struct Vault {
    /// `https://HOST:PORT/v1/MOUNT`.
    base: String,
    key: String,
    /// Read for every request: Vault's agent writes a new one before the old one ends.
    token: PathBuf,
    outgoing: Arc<Outgoing>,
}

impl Vault {
    /// `url` is `https://HOST:PORT/MOUNT/KEY`.
    pub(super) fn new(url: &str, token: &Path, outgoing: Arc<Outgoing>) -> Result<Self, Failure> {
        let refuse =
            || Failure::new(format!("{url}: a key of Vault looks like https://vault.example:8200/transit/portcullis"));
        let (scheme, rest) = url.split_once("://").ok_or_else(refuse)?;
        let (host, path) = rest.split_once('/').ok_or_else(refuse)?;
        let (mount, key) = path.rsplit_once('/').ok_or_else(refuse)?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if host.is_empty() || mount.is_empty() || key.is_empty() || !plain(path) {
            return Err(refuse());
        }
        let base = format!("{scheme}://{host}/v1/{mount}");
        outgoing.check(&base).map_err(|error| Failure::new(format!("{url}: {error}")))?;
        secret_file::read_text(token)?;
        Ok(Self { base, key: key.to_owned(), token: token.to_owned(), outgoing })
    }

    fn call(&self, what: &str, context: &Context<'_>, name: &str, value: &str) -> Result<Value, KekError> {
        let token = secret_file::read_text(&self.token).map_err(|failure| KekError::new(failure.to_string()))?;
        let token = Zeroizing::new(token);
        // For keys of an AEAD (the default type is one) Vault binds what it wraps to this as well.
        let bound = STANDARD.encode(format!("portcullis {} {}", context.version, context.tenant));
        let body = Zeroizing::new(json!({name: value, "associated_data": bound}).to_string());
        let url = format!("{}/{what}/{}", self.base, self.key);
        let headers =
            [("x-vault-token", token.as_str()), ("x-vault-request", "true"), ("content-type", "application/json")];
        let reply = self
            .outgoing
            .post(&url, &headers, body.as_bytes())
            .map_err(|error| KekError::new(format!("Vault: {error}")))?;
        if reply.status != 200 {
            // Its message may repeat what was sent.
            return Err(KekError::new(format!("Vault answers {} to {what}", reply.status)));
        }
        serde_json::from_slice(reply.body.expose()).map_err(|_| KekError::new("Vault's answer is no JSON"))
    }
}

impl Kek for Vault {
    fn id(&self) -> String {
        format!("vault:{}", self.key.replace('.', "-"))
    }

    fn knows(&self, id: &str) -> bool {
        id == self.id()
    }

    fn wrap(&self, context: &Context<'_>, plain: &[u8]) -> Result<String, KekError> {
        let plain = Zeroizing::new(STANDARD.encode(plain));
        let answer = self.call("encrypt", context, "plaintext", &plain)?;
        let wrapped = answer.pointer("/data/ciphertext").and_then(Value::as_str);
        wrapped.map(str::to_owned).ok_or_else(|| KekError::new("Vault's answer has no ciphertext"))
    }

    fn unwrap(&self, context: &Context<'_>, _: &str, wrapped: &str) -> Result<Plain, KekError> {
        let answer = self.call("decrypt", context, "ciphertext", wrapped)?;
        let plain =
            answer.pointer("/data/plaintext").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
        plain.map(Plain::new).ok_or_else(|| KekError::new("Vault's answer has no plaintext"))
    }

    /// Vault wraps with its newest version by itself; `vault write -f MOUNT/keys/KEY/rotate` makes one.
    fn renew(&self, _: u64) -> Result<(), KekError> {
        Ok(())
    }
}
