//! Loading a configuration, with errors that lead to the line.

use std::fmt;
use std::path::{Path, PathBuf};

use portcullis_engine::config::{ConfigError, MAX_CONFIG_BYTES};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits};

use crate::failure::Failure;
use crate::input;

/// Loads a configuration exactly as the filter does. The inner error is a configuration that the filter refuses.
pub(crate) fn try_load(path: &Path) -> Result<Result<Firewall, Refused>, Failure> {
    let bytes = input::read(path)?;
    // The key matters to hashes in audit records only, and none is written here.
    Ok(Firewall::from_json(&bytes, [0; 32]).map_err(|error| Refused::new(path, &bytes, error)))
}

/// Loads a configuration that another command needs.
pub(crate) fn load(path: &Path) -> Result<Firewall, Failure> {
    try_load(path)?.map_err(|refused| Failure::new(refused.to_string()))
}

/// A configuration that the filter refuses, and where it is wrong.
pub(crate) struct Refused {
    pub(crate) file: PathBuf,
    /// Line and column, both from 1, where the place is known.
    pub(crate) position: Option<(usize, usize)>,
    pub(crate) error: ConfigError,
}

impl Refused {
    fn new(path: &Path, bytes: &[u8], error: ConfigError) -> Self {
        let limits = Limits { max_bytes: MAX_CONFIG_BYTES, ..Limits::default() };
        let position = Document::parse(bytes, &limits).ok().and_then(|document| {
            let value = document.root().pointer(&error.pointer).filter(|_| !error.pointer.is_empty())?;
            Some(input::position(document.text(), value.span().start))
        });
        Self { file: path.to_owned(), position, error }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.error)
    }
}
