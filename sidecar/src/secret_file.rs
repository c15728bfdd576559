//! Secrets that are made at the first start and kept in files of their owner.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::audit::hex;
use crate::failure::Failure;

/// Reads a secret, or makes one of 256 random bits as 64 hexadecimal digits, in a file that only its owner can read. A
/// file that others can read is refused: whoever did could have the secret by now.
pub(crate) fn open_or_create(path: &Path) -> Result<String, Failure> {
    open_or_make(path, random)
}

/// The same with a secret that is made in another form.
pub(crate) fn open_or_make(path: &Path, make: impl FnOnce() -> Result<String, Failure>) -> Result<String, Failure> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let text = make()?;
            let written = file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all());
            if let Err(error) = written {
                // Half a secret must not be taken for one at the next start.
                let _ = fs::remove_file(path);
                return Err(Failure::file(path, error));
            }
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(Failure::file(path, error)),
    }
}

/// Reads a secret that somebody else made.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let text = read_text(path)?;
    if text.len() < 32 {
        return Err(Failure::file(path, "is too short for a secret; remove it to have it made anew"));
    }
    Ok(text)
}

/// Reads what its owner alone may read, without the white space around it.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let metadata = fs::metadata(path).map_err(|error| Failure::file(path, error))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Failure::file(path, "can be read by others than its owner; chmod 600 it, or renew it"));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    Ok(text.trim().to_owned())
}

/// 256 random bits as 64 hexadecimal digits.
pub(crate) fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Random bytes from the system.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes).map_err(|error| Failure::new(format!("no random numbers from the system: {error}")))
}
