//! `portcullis credentials` and `portcullis grants`: secrets come from files or standard input, never from arguments, which
//! others on the machine can see.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::kinds::ClientAuth;
use crate::client::{Remote, encoded};
use crate::failure::Failure;
use crate::{Report, input, style};

/// What to do with credentials.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a credential of a server
    Add(Box<AddArgs>),
    /// List credentials, never their secrets
    List(ListArgs),
    /// Show one, never its secret
    Show(NameArgs),
    /// Put another secret in place of a credential's
    Replace(ReplaceArgs),
    /// Begin an authorization: print the address that its owner has to open
    Authorize(NameArgs),
    /// Remove one that no grant names
    Remove(NameArgs),
    /// Rotate the tenants' keys, or what wraps them
    Rotate(RotateArgs),
}

/// What to do with grants.
#[derive(Subcommand)]
pub(crate) enum GrantsCommand {
    /// Let callers use a credential for a server
    Add(GrantArgs),
    /// List grants
    List(ListArgs),
    /// Revoke one, at once
    Revoke(NameArgs),
}

/// What kind of credential.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum KindName {
    /// Headers as they are
    Headers,
    /// One key in a header
    ApiKey,
    /// OAuth 2.0 client credentials
    ClientCredentials,
    /// An OAuth 2.0 refresh token
    RefreshToken,
    /// OAuth 2.0 with a person: `portcullis credentials authorize` follows
    AuthorizationCode,
}

/// The credential.
#[derive(Args)]
#[command(after_help = "\
Examples:
  portcullis credentials add github --kind api_key --secret-file github.token
  portcullis credentials add search --kind api_key --header x-api-key --secret-file - < key
  portcullis credentials add legacy --kind headers --header-file authorization=basic.txt
  portcullis credentials add crm --kind client_credentials --token-url https://idp.example/token \\
      --client-id portcullis --scopes crm.read --secret-file client.secret
  portcullis credentials add anna-drive --kind authorization_code --owner anna --client-id portcullis \\
      --authorize-url https://idp.example/authorize --token-url https://idp.example/token \\
      --redirect-uri https://portcullis.example/api/v1/oauth/callback --secret-file client.secret

Secrets are read from files, or with `-` from standard input; a line's end behind them does not count. Nobody can have them
back.

Exit codes:
  0  added
  2  wrong usage, the name is taken, not an admin's token, or the sidecar did not answer")]
pub(crate) struct AddArgs {
    #[command(flatten)]
    remote: Remote,
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    #[arg(long, value_name = "KIND")]
    kind: KindName,
    #[command(flatten)]
    secrets: Secrets,
    /// The header of an API key; authorization without it
    #[arg(long, value_name = "NAME")]
    header: Option<String>,
    /// What stands before an API key; `Bearer ` without it in authorization
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Id of the one principal that may use it
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
    /// human, agent, service or workflow
    #[arg(long, value_name = "KIND", requires = "owner", default_value = "")]
    owner_kind: String,
    /// Token endpoint
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Id of the client at the authorization server
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// How the client proves itself
    #[arg(long, value_name = "HOW")]
    client_auth: Option<ClientAuth>,
    /// Scopes to ask for
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Resource that the token is for (RFC 8707)
    #[arg(long, value_name = "URL")]
    resource: Option<String>,
    /// Audience that the token is for
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// Where people are sent
    #[arg(long, value_name = "URL")]
    authorize_url: Option<String>,
    /// Where they come back to: the sidecar's /api/v1/oauth/callback
    #[arg(long, value_name = "URL")]
    redirect_uri: Option<String>,
}

/// Where the secrets are.
#[derive(Args)]
struct Secrets {
    /// File with the key, or the client's secret; `-` for standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// File with the refresh token
    #[arg(long, value_name = "FILE")]
    refresh_token_file: Option<PathBuf>,
    /// A header's name and the file with its value; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    header_file: Vec<String>,
}

/// The new secret.
#[derive(Args)]
#[command(after_help = "\
Examples:
  portcullis credentials replace github --secret-file new.token

Exit codes:
  0  replaced
  2  wrong usage, no such credential, not an admin's token, or the sidecar did not answer")]
pub(crate) struct ReplaceArgs {
    #[command(flatten)]
    remote: Remote,
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    secrets: Secrets,
}

/// Who asks.
#[derive(Args)]
#[command(after_help = "\
Examples:
  portcullis credentials list --token-file admin-token
  portcullis grants list --json

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

/// Which one.
#[derive(Args)]
#[command(after_help = "\
Examples:
  portcullis credentials show github
  portcullis grants revoke 1f2e3d4c5b6a79880123456789abcdef

Exit codes:
  0  done
  2  wrong usage, no such thing, not an admin's token, or the sidecar did not answer")]
pub(crate) struct NameArgs {
    #[command(flatten)]
    remote: Remote,
    /// Name of the credential, id of the grant
    #[arg(value_name = "NAME")]
    name: String,
}

/// Which keys.
#[derive(Args)]
#[command(after_help = "\
Examples:
  portcullis credentials rotate --dek --tenant acme
  portcullis credentials rotate --kek

Calls go on meanwhile. A rotation that was broken off is taken up by the same command.

Exit codes:
  0  rotated
  2  wrong usage, a key that cannot be had, not an admin's token, or the sidecar did not answer")]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    remote: Remote,
    /// New keys for the tenants: everything is sealed anew
    #[arg(long, required_unless_present = "kek", conflicts_with = "kek")]
    dek: bool,
    /// The tenants' keys are wrapped anew, by what --kek of `portcullis serve` names
    #[arg(long)]
    kek: bool,
}

/// The grant.
#[derive(Args)]
#[command(after_help = "\
Examples:
  portcullis grants add --server github --credential github --team platform
  portcullis grants add --server crm --credential crm --principal bot --principal-kind agent --scopes crm.read
  portcullis grants add --server drive --credential anna-drive --principal anna --expires-in 86400

Exit codes:
  0  granted
  2  wrong usage, no such credential, a grant that there is, not an admin's token, or the sidecar did not answer")]
pub(crate) struct GrantArgs {
    #[command(flatten)]
    remote: Remote,
    /// The server's name in the filter's configuration
    #[arg(long, value_name = "NAME")]
    server: String,
    /// Name of the credential
    #[arg(long, value_name = "NAME")]
    credential: String,
    /// One principal, by its id
    #[arg(long, value_name = "ID", required_unless_present_any = ["team", "role"], conflicts_with_all = ["team", "role"])]
    principal: Option<String>,
    /// human, agent, service or workflow
    #[arg(long, value_name = "KIND", requires = "principal", default_value = "")]
    principal_kind: String,
    /// All of a team
    #[arg(long, value_name = "NAME", conflicts_with = "role")]
    team: Option<String>,
    /// All with a role
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Scopes of its tokens, in place of the credential's
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Seconds until it ends by itself
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Add(args) => add(args),
        Command::List(args) => list(args, "credentials", credential_line),
        Command::Show(args) => {
            let path = args.remote.of_tenant(&format!("/credentials/{}", encoded(&args.name)), "");
            Report::json(&args.remote.get(&path)?.ok()?, false)
        }
        Command::Replace(args) => {
            let path = args.remote.of_tenant(&format!("/credentials/{}/secret", encoded(&args.name)), "");
            let body = Value::Object(args.secrets.read()?);
            Ok(Report::new(format!("replaced: {}", credential_line(&args.remote.post(&path, &body)?.ok()?)), false))
        }
        Command::Authorize(args) => {
            let path = args.remote.of_tenant(&format!("/credentials/{}/authorize", encoded(&args.name)), "");
            let answer = args.remote.post(&path, &json!({}))?.ok()?;
            Ok(Report::new(format!("{}\n", text(&answer, "authorize_url")), false))
        }
        Command::Remove(args) => {
            let path = args.remote.of_tenant(&format!("/credentials/{}", encoded(&args.name)), "");
            Ok(Report::new(format!("removed: {}", credential_line(&args.remote.delete(&path)?.ok()?)), false))
        }
        Command::Rotate(args) => {
            let body = json!({"what": if args.dek { "dek" } else { "kek" }, "tenant": args.remote.tenant()});
            let done = args.remote.post("/credential-keys/rotate", &body)?.ok()?;
            let count = |name: &str| done.get(name).and_then(Value::as_u64).unwrap_or_default();
            let before = match count("done_before") {
                0 => String::new(),
                before => format!(" ({before} had been before)"),
            };
            Ok(Report::new(format!("rotated the keys of {} tenants{before}\n", count("rotated")), false))
        }
    }
}

pub(crate) fn run_grants(command: &GrantsCommand) -> Result<Report, Failure> {
    match command {
        GrantsCommand::Add(args) => grant(args),
        GrantsCommand::List(args) => list(args, "grants", grant_line),
        GrantsCommand::Revoke(args) => {
            let path = args.remote.of_tenant(&format!("/grants/{}", encoded(&args.name)), "");
            Ok(Report::new(format!("revoked: {}", grant_line(&args.remote.delete(&path)?.ok()?)), false))
        }
    }
}

fn add(args: &AddArgs) -> Result<Report, Failure> {
    let mut body = args.secrets.read()?;
    body.insert("name".to_owned(), args.name.clone().into());
    let kind = args.kind.to_possible_value().map(|kind| kind.get_name().to_owned());
    body.insert("kind".to_owned(), kind.into());
    let texts = [
        ("header", &args.header),
        ("prefix", &args.prefix),
        ("token_url", &args.token_url),
        ("client_id", &args.client_id),
        ("resource", &args.resource),
        ("audience", &args.audience),
        ("authorize_url", &args.authorize_url),
        ("redirect_uri", &args.redirect_uri),
    ];
    body.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?.into()))));
    if let Some(id) = &args.owner {
        body.insert("owner".to_owned(), json!({"id": id, "kind": args.owner_kind}));
    }
    if let Some(how) = args.client_auth {
        body.insert("client_auth".to_owned(), json!(how));
    }
    body.insert("scopes".to_owned(), json!(args.scopes));
    let made = args.remote.post(&args.remote.of_tenant("/credentials", ""), &Value::Object(body))?.ok()?;
    Ok(Report::new(format!("added: {}", credential_line(&made)), false))
}

fn grant(args: &GrantArgs) -> Result<Report, Failure> {
    let subject = match (&args.principal, &args.team, &args.role) {
        (Some(id), _, _) => json!({"type": "principal", "kind": args.principal_kind, "id": id}),
        (None, Some(name), _) => json!({"type": "team", "name": name}),
        (None, None, role) => json!({"type": "role", "name": role}),
    };
    let body = json!({"server": args.server, "credential": args.credential, "subject": subject, "scopes": args.scopes,
        "expires_in": args.expires_in});
    let made = args.remote.post(&args.remote.of_tenant("/grants", ""), &body)?.ok()?;
    Ok(Report::new(format!("granted: {}", grant_line(&made)), false))
}

fn list(args: &ListArgs, what: &str, line: fn(&Value) -> String) -> Result<Report, Failure> {
    args.remote.list(&args.remote.of_tenant(&format!("/{what}"), ""), what, args.json, line)
}

impl Secrets {
    /// The secrets as members of a request.
    fn read(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        for (name, path) in [("secret", &self.secret_file), ("refresh_token", &self.refresh_token_file)] {
            if let Some(path) = path {
                body.insert(name.to_owned(), read(path)?.as_str().into());
            }
        }
        let mut headers = Map::new();
        for pair in &self.header_file {
            let (name, path) = pair.split_once('=').ok_or_else(|| Failure::new("--header-file takes NAME=FILE"))?;
            headers.insert(name.to_ascii_lowercase(), read(Path::new(path))?.as_str().into());
        }
        if !headers.is_empty() {
            body.insert("headers".to_owned(), headers.into());
        }
        Ok(body)
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(input::read(path)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::file(path, "is no text"))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn text(value: &Value, name: &str) -> String {
    style::visible(value.get(name).and_then(Value::as_str).unwrap_or_default())
}

fn credential_line(credential: &Value) -> String {
    let owner = credential.pointer("/owner/id").and_then(Value::as_str).map(style::visible);
    let owner = owner.map_or_else(String::new, |owner| format!(", {owner}'s own"));
    let failed = credential.pointer("/failed/error").and_then(Value::as_str).map(style::visible);
    let failed = failed.map_or_else(String::new, |error| format!(", cannot be renewed: {error}"));
    let name = style::stdout().bold(&text(credential, "name"));
    format!("{name} ({}){owner}, changed {}{failed}\n", text(credential, "kind"), text(credential, "changed"))
}

fn grant_line(grant: &Value) -> String {
    let subject = grant.get("subject").cloned().unwrap_or_default();
    let who = match text(&subject, "type").as_str() {
        "principal" => format!("{} {}", text(&subject, "kind"), text(&subject, "id")).trim().to_owned(),
        other => format!("{other} {}", text(&subject, "name")),
    };
    let expires = grant.get("expires").and_then(Value::as_str).map(style::visible);
    let expires = expires.map_or_else(String::new, |time| format!(", until {time}"));
    let id = style::stdout().bold(&text(grant, "id"));
    format!("{id}: {who} may use {} for {}{expires}\n", text(grant, "credential"), text(grant, "server"))
}
