//! `portcullis policy`: everything about a policy before the filter sees it.

mod build;
mod cases;
mod check;
mod explain;
mod summary;
mod test;
mod trial;

use clap::Subcommand;

use crate::Report;
use crate::failure::Failure;

/// What to do with a policy.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Load policies exactly as the filter would, and say what is wrong with them
    Check(check::Args),
    /// Write the filter's configuration, or the Istio resource around it, from YAML or JSON and its environments
    Build(build::Args),
    /// Try a policy on cases: calls with the decision that is expected
    Test(test::Args),
    /// Explain a policy, or the decision about one call and what would change it
    Explain(Box<explain::Args>),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Build(args) => build::run(args),
        Command::Test(args) => test::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Schema => Report::json(&portcullis_engine::config::config_schema(), false),
    }
}
