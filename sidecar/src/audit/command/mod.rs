//! `portcullis audit`: verify, read, export and prune the chain of a data directory.

mod export;
mod list;
mod manage;
mod table;
mod verify;

use clap::Subcommand;

use crate::Report;
use crate::failure::Failure;
use crate::store::{self, Scope, Tenant};

#[cfg(test)]
pub(crate) use verify::whole as prove;

/// What to do with the audit chain.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Prove that no row was edited, moved, removed, inserted or cut off, or say which
    Verify(verify::Args),
    /// List the newest rows, by what they are about
    List(list::ListArgs),
    /// Show one row with its record, hash and place
    Show(list::ShowArgs),
    /// Print rows as they come
    Follow(list::FollowArgs),
    /// Write rows as JSON lines or CSV, or the signed checkpoints to anchor elsewhere
    Export(export::Args),
    /// Sign the last row now
    Checkpoint(manage::CheckpointArgs),
    /// Remove old rows, and leave a signed statement of where the chain begins since
    Prune(manage::PruneArgs),
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Verify(args) => verify::run(args),
        Command::List(args) => list::list(args),
        Command::Show(args) => list::show(args),
        Command::Follow(args) => list::follow(args),
        Command::Export(args) => export::run(args),
        Command::Checkpoint(args) => manage::checkpoint(args),
        Command::Prune(args) => manage::prune(args),
    }
}

/// Whose chain.
#[derive(clap::Args)]
struct Place {
    #[command(flatten)]
    store: store::Location,
    /// The tenant
    #[arg(long, value_name = "NAME", default_value = Tenant::DEFAULT)]
    tenant: String,
}

impl Place {
    fn tenant(&self) -> Result<Tenant, Failure> {
        Tenant::new(&self.tenant)
            .ok_or_else(|| Failure::new("--tenant is longer than 128 bytes or has control characters"))
    }

    /// For reading.
    fn scope(&self) -> Result<Scope, Failure> {
        Ok(self.store.read()?.tenant(&self.tenant()?))
    }
}
