//! `portcullis kill-switch`.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Remote, encoded};
use crate::failure::Failure;
use crate::{Report, style};

/// What to do with kill switches.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Stop calls at every filter, within a second
    On(OnArgs),
    /// Let them go on
    Off(OffArgs),
    /// List the kill switches that are on
    List(ListArgs),
}

/// What to stop.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis kill-switch on --server 'github*' --tool 'delete_*' --reason 'Incident 42' --token-file admin-token
  portcullis kill-switch on --principal bot-7 --reason 'It runs wild' --expires-in 3600
  portcullis kill-switch on --everything --all-tenants --reason 'Incident 42'

It stops what fits all that is named, * and ? as in rules. Without --tool that is everything that a client may send, and
not only calls of tools. The reason is told to callers.

Exit codes:
  0  on; its id is printed
  2  wrong usage, not an admin's token, or the sidecar did not answer")]
pub(crate) struct OnArgs {
    #[command(flatten)]
    remote: Remote,
    /// Servers, by their names in the filter's configuration
    #[arg(long, value_name = "GLOB", required_unless_present_any = ["tool", "principal", "everything"])]
    server: Option<String>,
    /// Tools
    #[arg(long, value_name = "GLOB")]
    tool: Option<String>,
    /// Callers, by their verified ids
    #[arg(long, value_name = "GLOB")]
    principal: Option<String>,
    /// All that the tenant does
    #[arg(long, conflicts_with_all = ["server", "tool", "principal"])]
    everything: bool,
    /// Of every tenant, not of one
    #[arg(long)]
    all_tenants: bool,
    /// Why, in a sentence that callers may read
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Seconds until it ends by itself
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

/// Which one.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis kill-switch off 1f2e3d4c5b --token-file admin-token

Exit codes:
  0  off
  2  wrong usage, no such kill switch, not an admin's token, or the sidecar did not answer")]
pub(crate) struct OffArgs {
    #[command(flatten)]
    remote: Remote,
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
}

/// Who asks.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis kill-switch list --token-file admin-token

Exit codes:
  0  listed
  2  wrong usage, no token, or the sidecar did not answer")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::On(args) => on(args),
        Command::Off(args) => {
            let path = args.remote.of_tenant(&format!("/kill-switch/{}", encoded(&args.id)), "");
            Ok(Report::new(format!("off: {}", line(&args.remote.delete(&path)?.ok()?)), false))
        }
        Command::List(args) => {
            args.remote.list(&args.remote.of_tenant("/kill-switch", ""), "kill_switches", args.json, line)
        }
    }
}

fn on(args: &OnArgs) -> Result<Report, Failure> {
    let body = json!({"server": args.server, "tool": args.tool, "principal": args.principal, "everything": args.everything,
        "all_tenants": args.all_tenants, "reason": args.reason, "expires_in": args.expires_in});
    let on = args.remote.post(&args.remote.of_tenant("/kill-switch", ""), &body)?.ok()?;
    Ok(Report::new(format!("on: {}", line(&on)), false))
}

fn line(stop: &Value) -> String {
    let text = |name: &str| style::visible(stop.get(name).and_then(Value::as_str).unwrap_or_default());
    let named = ["server", "tool", "principal"].into_iter().filter(|name| !text(name).is_empty());
    let mut what: Vec<_> = named.map(|name| format!("{name} {}", text(name))).collect();
    if what.is_empty() {
        what.push("everything".to_owned());
    }
    if stop.get("all_tenants").and_then(Value::as_bool) == Some(true) {
        what.push("all tenants".to_owned());
    }
    let until = if text("expires").is_empty() { String::new() } else { format!(" until {}", text("expires")) };
    let (id, by, since) = (style::stdout().bold(&text("id")), text("by"), text("since"));
    format!("{id}: {} is stopped by {by} since {since}{until}: {}\n", what.join(", "), text("reason"))
}
