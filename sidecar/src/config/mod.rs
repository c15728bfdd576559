//! `portcullis config`: check, explain, schema.

mod check;
mod explain;
mod load;
mod summary;
mod trial;

use clap::Subcommand;

use crate::Report;
use crate::failure::Failure;

pub(crate) use load::load;

/// What to do with a configuration.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Load configurations exactly as the filter would, and say what is wrong with them
    Check(check::Args),
    /// Explain a policy, or the decision about one call
    Explain(Box<explain::Args>),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Schema => Report::json(&portcullis_engine::config::config_schema(), false),
    }
}
