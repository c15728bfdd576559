//! `portcullis policy`: everything about a policy before the filter sees it.

mod audit;
mod build;
mod cases;
mod check;
mod diff;
mod explain;
mod import;
mod outcomes;
mod remedy;
mod replay;
mod suggest;
mod summary;
mod test;
mod trial;

use clap::Subcommand;

use crate::Report;
use crate::failure::Failure;

pub(crate) use summary::ranked;

/// What to do with a policy.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Load policies exactly as the filter would, and say what is wrong with them
    Check(check::Args),
    /// Write the filter's configuration, or the Istio resource around it, from YAML or JSON and its environments
    Build(build::Args),
    /// Read a policy of another product as ours, and report what could not be carried over
    Import(import::Args),
    /// Try a policy on cases: calls with the decision that is expected
    Test(test::Args),
    /// Explain a policy, or the decision about one call and what would change it
    Explain(Box<explain::Args>),
    /// Compare two policies by what they mean, and by what they decide
    Diff(diff::Args),
    /// Make the decisions of an audit log again, and show which would change
    Replay(replay::Args),
    /// Write the least that the traffic of an audit log needs as a policy
    Suggest(suggest::Args),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Build(args) => build::run(args),
        Command::Import(args) => import::run(args),
        Command::Test(args) => test::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Suggest(args) => suggest::run(args),
        Command::Schema => Report::json(&portcullis_engine::config::config_schema(), false),
    }
}

/// A glob that fits this text alone.
fn literal(text: &str) -> String {
    text.chars().flat_map(|c| matches!(c, '*' | '?' | '\\').then_some('\\').into_iter().chain([c])).collect()
}
