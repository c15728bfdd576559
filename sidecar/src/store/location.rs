//! Where everything is kept, as commands are told.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::postgres::{self, Target};
use super::{Store, sqlite};
use crate::failure::Failure;
use crate::secret_file;

/// Where everything is kept.
#[derive(clap::Args)]
pub(crate) struct Location {
    /// Data directory of `portcullis serve`: keys, tokens and, without --store, the database
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    server: Server,
}

/// A database server.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// PostgreSQL as the store: a URL without a password [or: PORTCULLIS_STORE in the environment, with one]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// File with that URL, for one with a password; readable by its owner alone
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    store_file: Option<PathBuf>,
    /// Certificate authorities of the database server (PEM), instead of those of the system
    #[arg(long, value_name = "FILE")]
    store_ca: Option<PathBuf>,
}

impl Location {
    /// Opens it to read and write; what is missing in the data directory is made.
    pub(crate) fn open(&self) -> Result<Arc<Store>, Failure> {
        match self.server.target()? {
            Some(target) => postgres::open(target, &self.data),
            None => sqlite::open(&self.data),
        }
    }

    /// As [`Location::open`], where `portcullis serve` has been before.
    pub(crate) fn existing(&self) -> Result<Arc<Store>, Failure> {
        match self.server.target()? {
            Some(target) if self.data.join("audit-key").exists() => postgres::open(target, &self.data),
            Some(_) => {
                Err(Failure::file(&self.data, "has no audit-key; --data names the directory of `portcullis serve`"))
            }
            None => sqlite::existing(&self.data),
        }
    }

    /// Opens it to read; no private key is needed.
    pub(crate) fn read(&self) -> Result<Arc<Store>, Failure> {
        match self.server.target()? {
            Some(target) => postgres::read(target),
            None => sqlite::read(&self.data),
        }
    }
}

impl Server {
    /// `None`: none is named.
    pub(super) fn target(&self) -> Result<Option<Target>, Failure> {
        let ca = self.store_ca.as_deref();
        if let Some(url) = &self.store {
            let target = Target::new(url, ca)?;
            if target.has_password() {
                return Err(Failure::new(
                    "--store has a password, which every process of this machine can see: put the URL into a file \
                     (--store-file) or into PORTCULLIS_STORE",
                ));
            }
            return Ok(Some(target));
        }
        match &self.store_file {
            Some(path) => Ok(Some(from_file(path, ca)?)),
            None => match env::var("PORTCULLIS_STORE") {
                Ok(url) if !url.is_empty() => Ok(Some(Target::new(&url, ca)?)),
                _ => Ok(None),
            },
        }
    }
}

/// A URL in a file that only its owner can read.
pub(super) fn from_file(path: &Path, ca: Option<&Path>) -> Result<Target, Failure> {
    Target::new(&secret_file::read_text(path)?, ca)
}
