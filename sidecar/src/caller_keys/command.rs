//! `portcullis keys`.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Remote, encoded};
use crate::failure::Failure;
use crate::{Report, style};

/// What to do with callers' keys.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key for a caller and print it, this once
    Create(Box<CreateArgs>),
    /// List keys: whose they are, what for, when they were used last
    List(ListArgs),
    /// Revoke a key: it is dead at every filter within a second
    Revoke(RevokeArgs),
}

/// Whose key, and what for.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis keys create --kind agent --principal bot-7 --roles reader --token-file admin-token > bot-7.key
  portcullis keys create --kind service --principal ci --servers 'github*' --tools 'read_*,list_*' --expires-in 86400

Callers send it as `Authorization: Bearer KEY`, or in the header that identity.keys.header of the filter's configuration
names. Only its SHA-256 is kept. A key for some tools is for no resources and prompts.

Exit codes:
  0  made; the key is printed
  2  wrong usage, not an admin's token, or the sidecar did not answer")]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    remote: Remote,
    /// human, agent, service or workflow
    #[arg(long, value_name = "KIND", value_parser = ["human", "agent", "service", "workflow"])]
    kind: String,
    /// Id of the caller
    #[arg(long, value_name = "ID")]
    principal: String,
    /// Its roles
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    roles: Vec<String>,
    /// Its teams
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    teams: Vec<String>,
    /// The agent profile that it acts through
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Servers that it is for, by their names in the filter's configuration; all without it
    #[arg(long, value_name = "GLOBS", value_delimiter = ',')]
    servers: Vec<String>,
    /// Tools that it is for; everything without it
    #[arg(long, value_name = "GLOBS", value_delimiter = ',')]
    tools: Vec<String>,
    /// Seconds until it ends by itself
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

/// Who asks.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis keys list --token-file admin-token

Exit codes:
  0  listed
  2  wrong usage, not a policy manager's token, or the sidecar did not answer")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which key.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis keys revoke 1f2e3d4c5b --token-file admin-token

Exit codes:
  0  revoked
  2  wrong usage, no such key, not an admin's token, or the sidecar did not answer")]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    remote: Remote,
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Create(args) => create(args),
        Command::List(args) => args.remote.list(&args.remote.of_tenant("/keys", "limit=1000"), "keys", args.json, line),
        Command::Revoke(args) => {
            let path = args.remote.of_tenant(&format!("/keys/{}", encoded(&args.id)), "");
            Ok(Report::new(format!("revoked: {}", line(&args.remote.delete(&path)?.ok()?)), false))
        }
    }
}

fn create(args: &CreateArgs) -> Result<Report, Failure> {
    let body = json!({"kind": args.kind, "principal": args.principal, "roles": args.roles, "teams": args.teams,
        "agent": args.agent, "servers": args.servers, "tools": args.tools, "expires_in": args.expires_in});
    let made = args.remote.post(&args.remote.of_tenant("/keys", ""), &body)?.ok()?;
    Ok(Report::new(format!("{}\n", made.get("key").and_then(Value::as_str).unwrap_or_default()), false))
}

fn line(key: &Value) -> String {
    let text = |name: &str| style::visible(key.get(name).and_then(Value::as_str).unwrap_or_default());
    let list = |name: &str, all: &str| {
        let texts = key.get(name).and_then(Value::as_array).into_iter().flatten();
        let texts: Vec<_> = texts.filter_map(|text| text.as_str().map(style::visible)).collect();
        if texts.is_empty() { all.to_owned() } else { texts.join(", ") }
    };
    let or = |name: &str, without: &str| if text(name).is_empty() { without.to_owned() } else { text(name) };
    let what = format!("{} of {}", list("tools", "all"), list("servers", "all servers"));
    let (id, until, used) = (style::stdout().bold(&text("id")), or("expires", "revoked"), or("last_used", "never"));
    format!(
        "{id}: {}… of {} {}, for {what}, until {until}, last used {used}\n",
        text("prefix"),
        text("kind"),
        text("principal")
    )
}
