//! The `portcullis` command line: check and explain a configuration, scan text, run labelled cases. It decides
//! nothing by itself: every verdict comes from the engine that runs in Envoy.

mod approvals;
mod audit;
mod caller_keys;
mod catalogue;
mod client;
mod clock;
mod config;
mod credentials;
mod eval;
mod failure;
mod input;
mod kill_switch;
mod mfa;
mod policy;
mod proto;
mod sanitise;
mod scan;
mod secret_file;
mod serve;
mod sinks;
mod source;
mod state;
mod store;
mod style;
mod tokens;
mod tools;
mod webhooks;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Check and explain firewall policies, scan text, measure scanners
///
/// Every verdict comes from the same engine that runs inside Envoy, so what a command says here is what the
/// filter does there.
#[derive(Parser)]
#[command(name = "portcullis", version, after_help = EXIT_CODES, after_long_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check, build, import, test and explain policies
    #[command(subcommand, visible_alias = "config")]
    Policy(policy::Command),
    /// Scan text or JSON for secrets and print where they are, never what they are
    Scan(scan::Args),
    /// Fingerprint and compare the tools that a server lists
    #[command(subcommand)]
    Tools(tools::Command),
    /// Answer the filter: audit records and approvals, kept in one directory
    Serve(Box<serve::Args>),
    /// Verify, read, export and prune the audit chain
    #[command(subcommand)]
    Audit(Box<audit::command::Command>),
    /// Decide about calls that wait for a person
    #[command(subcommand)]
    Approvals(approvals::command::Command),
    /// Keep credentials of servers, sealed, and rotate the keys
    #[command(subcommand)]
    Credentials(credentials::command::Command),
    /// Say who may use which credential for which server
    #[command(subcommand)]
    Grants(credentials::command::GrantsCommand),
    /// Make keys for callers, and revoke them
    #[command(subcommand)]
    Keys(caller_keys::command::Command),
    /// Stop calls at every filter, and let them go on
    #[command(subcommand)]
    KillSwitch(kill_switch::command::Command),
    /// Make and revoke tokens of people
    #[command(subcommand)]
    Tokens(tokens::command::Command),
    /// Enrol authenticators for one-time codes, and manage them
    #[command(subcommand)]
    Mfa(mfa::command::Command),
    /// Prepare PostgreSQL as the store of several replicas
    #[command(subcommand)]
    Store(store::command::Command),
    /// Run labelled cases through the firewall and measure recall and false positives
    Eval(eval::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Policy(command) => policy::run(&command),
        Command::Scan(args) => scan::run(&args),
        Command::Tools(command) => tools::run(&command),
        Command::Serve(args) => serve::run(&args),
        Command::Audit(command) => audit::command::run(&command),
        Command::Approvals(command) => approvals::command::run(&command),
        Command::Credentials(command) => credentials::command::run(&command),
        Command::Grants(command) => credentials::command::run_grants(&command),
        Command::Keys(command) => caller_keys::command::run(&command),
        Command::KillSwitch(command) => kill_switch::command::run(&command),
        Command::Tokens(command) => tokens::command::run(&command),
        Command::Mfa(command) => mfa::command::run(&command),
        Command::Store(command) => store::command::run(&command),
        Command::Eval(args) => eval::run(&args),
    };
    match result {
        Ok(report) => {
            // A reader that closes the pipe early has what it wanted.
            let _ = io::stdout().lock().write_all(&report.text);
            ExitCode::from(u8::from(report.found))
        }
        Err(failure) => {
            let _ = writeln!(io::stderr().lock(), "{}: {failure}", style::stderr().red("error"));
            ExitCode::from(2)
        }
    }
}

/// What a command has to say.
struct Report {
    /// For standard output.
    text: Vec<u8>,
    /// Something was found or refused: exit code 1.
    found: bool,
}

impl Report {
    fn new(text: impl Into<Vec<u8>>, found: bool) -> Self {
        Self { text: text.into(), found }
    }

    fn json(value: &impl serde::Serialize, found: bool) -> Result<Self, Failure> {
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| Failure::new(error.to_string()))?;
        text.push(b'\n');
        Ok(Self { text, found })
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well: the configuration loads, the call passes, nothing was found
  1  something was found or refused
  2  wrong usage, or an input that cannot be read";

const EXAMPLES: &str = "\
Examples:
  portcullis policy check policy.yaml
  portcullis policy explain policy.json --principal-kind agent --id bot --server files \\
      --tool read_file --args '{\"path\": \"/data/report.txt\"}'
  portcullis policy schema > portcullis.schema.json
  kubectl logs deploy/api | portcullis scan --redact
  portcullis eval cases.jsonl.xz --scanner secrets --misses

Exit codes:
  0  all is well: the configuration loads, the call passes, nothing was found
  1  something was found or refused
  2  wrong usage, or an input that cannot be read";
