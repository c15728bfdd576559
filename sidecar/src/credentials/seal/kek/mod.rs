//! Who wraps the tenants' keys (key encryption keys): a file, Fernet keys, HashiCorp Vault, AWS KMS.

mod fernet;
mod kms;
mod local;
mod sigv4;
mod vault;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Plain;
use crate::credentials::outgoing::Outgoing;
use crate::failure::Failure;

/// Wraps and unwraps keys. Calls block, some on the network.
pub(crate) trait Kek: Send + Sync {
    /// The provider and the key that wraps now, as it is noted beside what it wrapped. Without a dot.
    fn id(&self) -> String;

    /// Whether it can unwrap what was wrapped under this id.
    fn knows(&self, id: &str) -> bool;

    /// Wraps under [`Kek::id`].
    fn wrap(&self, context: &Context<'_>, plain: &[u8]) -> Result<String, KekError>;

    /// Unwraps what was wrapped under an id that it knows.
    fn unwrap(&self, context: &Context<'_>, id: &str, wrapped: &str) -> Result<Plain, KekError>;

    /// Takes up a new key: makes one where it makes its own and the newest is older than `since` (microseconds since the
    /// Unix epoch), reads its file again where somebody else makes them.
    fn renew(&self, since: u64) -> Result<(), KekError>;
}

/// Whose key is wrapped: for providers that bind what they wrap to a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) version: u32,
}

/// Why a key could not be wrapped or unwrapped, in a sentence without content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KekError(String);

/// Which provider, as `--kek` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    /// `local`: the file `kek` in the data directory, made at the first start.
    Local,
    /// `fernet:FILE`: keys as Python's `cryptography` makes them, one a line, the first one wraps.
    Fernet(PathBuf),
    /// `vault:URL/MOUNT/KEY`: the transit engine of HashiCorp Vault.
    Vault(String),
    /// `aws-kms:ARN`: a key of AWS KMS.
    Kms(String),
}

/// What providers need beside their name.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// File with Vault's token.
    pub(crate) vault_token: Option<PathBuf>,
    pub(crate) outgoing: Arc<Outgoing>,
}

impl Spec {
    /// Reads what `--kek` says.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
        let spec = match text.split_once(':') {
            None if text == "local" => Some(Self::Local),
            Some(("fernet", path)) => file(path).map(Self::Fernet),
            Some(("vault", url)) if url.contains("://") => Some(Self::Vault(url.to_owned())),
            Some(("aws-kms", arn)) if arn.starts_with("arn:") => Some(Self::Kms(arn.to_owned())),
            _ => None,
        };
        spec.ok_or_else(|| {
            "is none of local, fernet:FILE, vault:https://HOST:8200/MOUNT/KEY, aws-kms:arn:aws:kms:REGION:…".to_owned()
        })
    }

    /// The provider, ready to use. Nothing is asked over the network yet.
    pub(crate) fn open(&self, around: &Surroundings) -> Result<Box<dyn Kek>, Failure> {
        Ok(match self {
            Self::Local => Box::new(local::Local::open(&around.data.join("kek"))?),
            Self::Fernet(path) => Box::new(fernet::Fernet::open(path)?),
            Self::Vault(url) => {
                let token = around.vault_token.as_deref();
                let token = token.ok_or_else(|| Failure::new("Vault needs --vault-token-file"))?;
                Box::new(vault::Vault::new(url, token, Arc::clone(&around.outgoing))?)
            }
            Self::Kms(arn) => Box::new(kms::Kms::from_environment(arn, Arc::clone(&around.outgoing))?),
        })
    }
}

impl KekError {
    pub(in crate::credentials) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// No provider at hand has the key.
    pub(super) fn unknown(id: &str) -> Self {
        Self(format!("the key {id} is not at hand; name its provider with --kek or --kek-old"))
    }
}

impl fmt::Display for KekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The lines of a file with secrets that nobody but its owner may read. Empty lines and those that begin with `#` say nothing.
fn secret_lines(path: &Path) -> Result<Vec<Plain>, Failure> {
    let text = crate::secret_file::read(path)?;
    let text = Plain::new(text.into_bytes());
    let lines = text.text().unwrap_or_default().lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| Plain::new(line.into())).collect())
}

/// The first eight bytes of a SHA-256, by which a key can be told without telling anything of it.
fn fingerprint(kind: &str, key: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new().chain_update("portcullis kek ").chain_update(kind).chain_update([0]).chain_update(key);
    crate::audit::hex(digest.finalize().get(..8).unwrap_or_default())
}
