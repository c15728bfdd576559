//! `portcullis tokens`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Role;
use crate::client::{Remote, encoded};
use crate::failure::Failure;
use crate::{Report, style};

/// What to do with tokens.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token and print it, this once
    Create(CreateArgs),
    /// List tokens: names, roles and groups
    List(ListArgs),
    /// Revoke a token, at once
    Revoke(RevokeArgs),
}

/// Whose token.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis tokens create --name anna --role policy_manager --token-file state/admin-token > anna.token
  portcullis tokens create --name ben --person ben@example.com --role viewer --groups finance,board \\
      --token-file state/admin-token

The person is the id that a verified principal of the same person has: nobody decides about their own calls. Only the
token's SHA-256 is kept.

Exit codes:
  0  made
  2  wrong usage, the name is taken, not an admin's token, or the sidecar did not answer")]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    remote: Remote,
    /// Name of the token
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Id of the person; the name without it
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// What it may do
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Groups of the person, for rules that name approvers
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    groups: Vec<String>,
}

/// Who asks.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis tokens list --token-file state/admin-token

Exit codes:
  0  listed
  2  wrong usage, not an admin's token, or the sidecar did not answer")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which token.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis tokens revoke anna --token-file state/admin-token

Exit codes:
  0  revoked
  2  wrong usage, no such token, not an admin's token, or the sidecar did not answer")]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    remote: Remote,
    /// Name of the token
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Create(args) => create(args),
        Command::List(args) => args.remote.list("/tokens", "tokens", args.json, line),
        Command::Revoke(args) => revoke(args),
    }
}

fn create(args: &CreateArgs) -> Result<Report, Failure> {
    let mut body = json!({"name": args.name, "role": args.role.as_str(), "groups": args.groups});
    if let Some(body) = body.as_object_mut() {
        let given = [("person", args.person.as_deref()), ("tenant", args.remote.tenant())];
        body.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    }
    let made = args.remote.post("/tokens", &body)?.ok()?;
    Ok(Report::new(format!("{}\n", made.get("token").and_then(Value::as_str).unwrap_or_default()), false))
}

fn revoke(args: &RevokeArgs) -> Result<Report, Failure> {
    let gone = args.remote.delete(&format!("/tokens/{}", encoded(&args.name)))?.ok()?;
    Ok(Report::new(format!("revoked: {}", line(&gone)), false))
}

fn line(token: &Value) -> String {
    let text = |name: &str| style::visible(token.get(name).and_then(Value::as_str).unwrap_or_default());
    let groups = token.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups: Vec<_> = groups.filter_map(|group| group.as_str().map(style::visible)).collect();
    let tenant = if text("tenant").is_empty() { "all tenants".to_owned() } else { text("tenant") };
    let name = style::stdout().bold(&text("name"));
    format!("{name} ({}): {}, {tenant} {}\n", text("person"), text("role"), groups.join(", "))
}
