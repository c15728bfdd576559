//! `portcullis mfa`.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Remote, encoded};
use crate::failure::Failure;
use crate::style::visible;
use crate::{Report, style};

/// What to do with authenticators.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Begin to enrol an authenticator: shows a QR code, once
    Enrol(EnrolArgs),
    /// Confirm an enrolment by a first code, read from standard input: prints recovery codes, once
    Confirm(ConfirmArgs),
    /// List who has an authenticator
    List(ListArgs),
    /// Forget somebody's wrong codes
    Unlock(HolderArgs),
    /// Remove somebody's authenticator
    Remove(HolderArgs),
}

/// Whose authenticator.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis mfa unlock --principal anna@example.com --token-file state/admin-token
  portcullis mfa remove --principal deploy-bot --kind agent --token-file state/admin-token

Exit codes:
  0  done
  2  wrong usage, nothing enrolled, not an admin's token, or the sidecar did not answer")]
pub(crate) struct HolderArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    holder: Holder,
}

/// Whose authenticator, and where to put the picture.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis mfa enrol --principal anna@example.com --token-file state/admin-token
  portcullis mfa enrol --principal anna@example.com --png anna.png --token-file anna.token

The principal is the id that the caller has in calls. People enrol their own with their own token, admins everybody's.
Codes count once it is confirmed: `portcullis mfa confirm`.

Exit codes:
  0  enrolled
  2  wrong usage, one is confirmed already, not allowed, or the sidecar did not answer")]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    holder: Holder,
    /// Write the QR code to this file, too; it must not be there yet
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

/// Whose enrolment.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis mfa confirm --principal anna@example.com --token-file anna.token
  echo 123456 | portcullis mfa confirm --principal anna@example.com --token-file anna.token > recovery.txt

Exit codes:
  0  confirmed; the recovery codes are printed, each counts once
  2  wrong usage, a wrong code, nothing to confirm, not allowed, or the sidecar did not answer")]
pub(crate) struct ConfirmArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    holder: Holder,
}

/// Who asks.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis mfa list --token-file state/admin-token

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

#[derive(clap::Args)]
struct Holder {
    /// Id of the principal
    #[arg(long, value_name = "ID")]
    principal: String,
    /// Kind of the principal: human, agent, service or workflow
    #[arg(long, value_name = "KIND", default_value = "human")]
    kind: String,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Enrol(args) => enrol(args),
        Command::Confirm(args) => confirm(args),
        Command::List(args) => args.remote.list(&args.remote.of_tenant("/mfa", ""), "mfa", args.json, line),
        Command::Unlock(args) => {
            args.remote.post(&args.holder.path(&args.remote, "/unlock"), &json!({}))?.ok()?;
            Ok(Report::new(format!("unlocked: {}\n", visible(&args.holder.principal)), false))
        }
        Command::Remove(args) => {
            args.remote.delete(&args.holder.path(&args.remote, ""))?.ok()?;
            Ok(Report::new(format!("removed: {}\n", visible(&args.holder.principal)), false))
        }
    }
}

fn enrol(args: &EnrolArgs) -> Result<Report, Failure> {
    let body = json!({"principal": args.holder.principal, "kind": args.holder.kind});
    // Before anything is enrolled that could not be shown.
    let file = match &args.png {
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Some((path, file.map_err(|error| Failure::file(path, error))?))
        }
        None => None,
    };
    let offer = args.remote.post(&args.remote.of_tenant("/mfa", ""), &body)?.ok()?;
    let text = |name: &str| offer.get(name).and_then(Value::as_str).unwrap_or_default();
    if let Some((path, mut file)) = file {
        let picture = STANDARD.decode(text("qr_png")).map_err(|error| Failure::file(path, error))?;
        file.write_all(&picture).map_err(|error| Failure::file(path, error))?;
    }
    let kind = if args.holder.kind == "human" { String::new() } else { format!(" --kind {}", args.holder.kind) };
    Ok(Report::new(
        format!(
            "{}\n{}\n\nScan it, or type in the secret {}. Then: portcullis mfa confirm --principal {}{kind}\n",
            text("qr_text"),
            text("uri"),
            text("secret"),
            visible(&args.holder.principal)
        ),
        false,
    ))
}

fn confirm(args: &ConfirmArgs) -> Result<Report, Failure> {
    if io::stdin().is_terminal() {
        let _ = write!(io::stderr().lock(), "Code that the authenticator shows: ");
    }
    let mut code = String::new();
    io::stdin().read_line(&mut code).map_err(|error| Failure::new(format!("standard input: {error}")))?;
    let body = json!({"code": code.trim()});
    let answer = args.remote.post(&args.holder.path(&args.remote, "/confirm"), &body)?.ok()?;
    let codes = answer.get("recovery_codes").and_then(Value::as_array).into_iter().flatten();
    Ok(Report::new(codes.filter_map(Value::as_str).map(|code| format!("{code}\n")).collect::<String>(), false))
}

fn line(one: &Value) -> String {
    let style = style::stdout();
    let text = |name: &str| visible(one.get(name).and_then(Value::as_str).unwrap_or_default());
    let state = match one.get("confirmed").and_then(Value::as_bool) {
        Some(true) if text("locked_until").is_empty() => style.green("confirmed"),
        Some(true) => style.red(&format!("locked until {}", text("locked_until"))),
        _ => style.yellow("waits for its first code"),
    };
    let left = one.get("recovery_codes_left").and_then(Value::as_u64).unwrap_or_default();
    format!("{} ({}): {state}, {left} recovery codes left\n", style.bold(&text("principal")), text("kind"))
}

impl Holder {
    fn path(&self, remote: &Remote, what: &str) -> String {
        remote.of_tenant(&format!("/mfa/{}/{}{what}", encoded(&self.kind), encoded(&self.principal)), "")
    }
}
