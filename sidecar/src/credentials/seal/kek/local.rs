//! Keys in a file of the data directory, made here.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use super::{Context, Kek, KekError, fingerprint, secret_lines};
use crate::clock;
use crate::credentials::seal::{Dek, Identity, Plain};
use crate::failure::Failure;

/// Keys of 256 bits, the newest first. A line holds a key as 64 hexadecimal digits and when it was made.
pub(super) struct Local {
    path: PathBuf,
    keys: RwLock<Vec<LocalKey>>,
}

struct LocalKey {
    id: String,
    key: Dek,
    /// Microseconds since the Unix epoch.
    made: u64,
}

impl Local {
    /// Opens the file, made at the first start.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if !path.exists() {
            write(path, &[], clock::now())?;
        }
        Ok(Self { path: path.to_owned(), keys: RwLock::new(read(path)?) })
    }

    fn with<T>(&self, work: impl FnOnce(&[LocalKey]) -> Option<T>) -> Result<T, KekError> {
        self.keys.read().ok().and_then(|keys| work(&keys)).ok_or_else(|| KekError::new("the key file has no such key"))
    }
}

impl Kek for Local {
    fn id(&self) -> String {
        self.with(|keys| keys.first().map(|key| key.id.clone())).unwrap_or_default()
    }

    fn knows(&self, id: &str) -> bool {
        self.with(|keys| keys.iter().any(|key| key.id == id).then_some(())).is_ok()
    }

    fn wrap(&self, context: &Context<'_>, plain: &[u8]) -> Result<String, KekError> {
        self.with(|keys| keys.first().map(|key| key.key.seal(identity(context, &key.id), plain)))?
            .map_err(|error| KekError::new(error.to_string()))
    }

    fn unwrap(&self, context: &Context<'_>, id: &str, wrapped: &str) -> Result<Plain, KekError> {
        self.with(|keys| keys.iter().find(|key| key.id == id).map(|key| key.key.open(identity(context, id), wrapped)))?
            .map_err(|_| KekError::new("the wrapped key was changed"))
    }

    fn renew(&self, since: u64) -> Result<(), KekError> {
        let failed = |failure: Failure| KekError::new(failure.to_string());
        let mut keys = self.keys.write().map_err(|_| KekError::new("the key file is in use"))?;
        // Another process may have made it.
        *keys = read(&self.path).map_err(failed)?;
        if keys.first().is_none_or(|newest| newest.made < since) {
            write(&self.path, &keys, clock::now().max(since)).map_err(failed)?;
            *keys = read(&self.path).map_err(failed)?;
        }
        Ok(())
    }
}

fn identity<'a>(context: &Context<'a>, id: &'a str) -> Identity<'a> {
    Identity { tenant: context.tenant, kind: "dek", id }
}

/// Puts a new key before the others: written beside the file and renamed, so that there is no moment without a whole one.
fn write(path: &Path, others: &[LocalKey], made: u64) -> Result<(), Failure> {
    let new = Dek::random(1).map_err(|error| Failure::file(path, error))?;
    let line = |key: &[u8; 32], made: u64| format!("{} {made}\n", crate::audit::hex(key));
    let mut text = line(new.expose(), made);
    others.iter().for_each(|key| text.push_str(&line(key.key.expose(), key.made)));
    let text = Plain::new(text.into_bytes());
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        file.write_all(text.expose())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        // The rename itself must survive a power cut: what is wrapped with the key is written next.
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    });
    written.map_err(|error| Failure::file(path, error))
}

fn read(path: &Path) -> Result<Vec<LocalKey>, Failure> {
    let refuse =
        || Failure::file(path, "is no file of keys; restore it from the backup: without it no credential can be read");
    let mut keys = Vec::new();
    for line in secret_lines(path)? {
        let (key, made) = line.text().and_then(|line| line.split_once(' ')).ok_or_else(refuse)?;
        let bytes = (0..32).map(|at| u8::from_str_radix(key.get(at * 2..at * 2 + 2)?, 16).ok());
        let bytes = Plain::new(bytes.collect::<Option<Vec<u8>>>().filter(|_| key.len() == 64).ok_or_else(refuse)?);
        let id = format!("local:{}", fingerprint("local", bytes.expose()));
        let key = Dek::of(1, bytes.expose()).ok_or_else(refuse)?;
        keys.push(LocalKey { id, key, made: made.parse().map_err(|_| refuse())? });
    }
    if keys.is_empty() {
        return Err(refuse());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const CONTEXT: Context<'_> = Context { tenant: "acme", version: 1 };

    #[test]
    fn keys_are_made_kept_and_renewed() {
        let folder = std::env::temp_dir().join(format!("portcullis-kek-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let path = folder.join("kek");
        let local = Local::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (old, wrapped) = (local.id(), local.wrap(&CONTEXT, b"key").unwrap());
        // The newest is not older than that.
        local.renew(1).unwrap();
        assert_eq!(local.id(), old);
        local.renew(clock::now() + 1).unwrap();
        assert_ne!(local.id(), old);
        for local in [&local, &Local::open(&path).unwrap()] {
            assert_eq!(local.unwrap(&CONTEXT, &old, &wrapped).unwrap().expose(), b"key");
            let again = local.wrap(&CONTEXT, b"key").unwrap();
            assert_eq!(local.unwrap(&CONTEXT, &local.id(), &again).unwrap().expose(), b"key");
            assert!(local.unwrap(&CONTEXT, &old, &again).is_err());
            assert!(local.unwrap(&Context { tenant: "other", ..CONTEXT }, &old, &wrapped).is_err());
        }
        fs::write(&path, "00 1\n").unwrap();
        assert!(Local::open(&path).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Local::open(&path).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
