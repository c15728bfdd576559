//! `portcullis approvals`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Remote, encoded};
use crate::failure::Failure;
use crate::style::visible;
use crate::{Report, style};

/// What to do with approvals.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List calls that wait, or how earlier ones ended
    List(ListArgs),
    /// Show one with its redacted arguments, findings and the caller's recent calls
    Show(ShowArgs),
    /// Let a call go on, once
    Approve(DecideArgs),
    /// Refuse a call
    Deny(DecideArgs),
    /// Print approvals as they come and are decided
    Watch(WatchArgs),
}

/// Which approvals.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis approvals list --token-file anna.token
  PORTCULLIS_TOKEN=$(cat anna.token) portcullis approvals list --state denied --json

Exit codes:
  0  there are some
  1  there are none
  2  wrong usage, or the sidecar did not answer or refused")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// pending, approved, denied, used, expired or all
    #[arg(long, value_name = "STATE", default_value = "pending")]
    state: String,
    /// At most, the newest first
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which approval.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis approvals show 3f2a9c0d1e4b5a697887 --token-file anna.token

Exit codes:
  0  it is there
  2  wrong usage, there is none, or the sidecar did not answer or refused")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    remote: Remote,
    /// Id of the approval
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to decide.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis approvals approve 3f2a9c0d1e4b5a697887 --token-file anna.token
  portcullis approvals deny 3f2a9c0d1e4b5a697887 --token-file anna.token --note 'not in production'

The person is the token's. Who asks cannot decide, and nobody decides twice.

Exit codes:
  0  decided
  2  wrong usage, not pending, not theirs to decide, or the sidecar did not answer")]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    remote: Remote,
    /// Id of the approval
    #[arg(value_name = "ID")]
    id: String,
    /// Why, for the audit chain
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// What to watch.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis approvals watch --token-file anna.token

Ends when the reader goes or by Ctrl-C.

Exit codes:
  0  the reader went
  2  wrong usage, or the sidecar did not answer or refused")]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
        Command::Approve(args) => decide(args, "approve"),
        Command::Deny(args) => decide(args, "deny"),
        Command::Watch(args) => watch(args),
    }
}

fn list(args: &ListArgs) -> Result<Report, Failure> {
    let state = if args.state == "all" { String::new() } else { format!("state={}&", encoded(&args.state)) };
    let (mut found, mut cursor) = (Vec::new(), String::new());
    while found.len() < args.limit {
        let page = (args.limit - found.len()).min(MAX_PAGE);
        let (more, next) = fetch(&args.remote, &format!("{state}{cursor}limit={page}"))?;
        found.extend(more);
        match next {
            Some(next) => cursor = format!("cursor={}&", encoded(&next)),
            None => break,
        }
    }
    if args.json {
        return Report::json(&found, found.is_empty());
    }
    let text: String = found.iter().map(line).collect();
    Ok(if found.is_empty() { Report::new("none\n", true) } else { Report::new(text, false) })
}

fn show(args: &ShowArgs) -> Result<Report, Failure> {
    let path = args.remote.of_tenant(&format!("/approvals/{}", encoded(&args.id)), "");
    let approval = args.remote.get(&path)?.ok()?;
    if args.json {
        return Report::json(&approval, false);
    }
    let mut text = line(&approval);
    for name in ["created", "expires", "rule", "reason", "correlation_id", "digest", "policy_version", "session"] {
        text += &format!("  {name}: {}\n", member(&approval, name));
    }
    let items = |name: &str| approval.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let groups: Vec<_> = items("approvers").iter().filter_map(|group| group.as_str().map(visible)).collect();
    if !groups.is_empty() {
        text += &format!("  approvers: {}\n", groups.join(", "));
    }
    for finding in items("findings") {
        text += &format!("  finding: {}\n", visible(finding.as_str().unwrap_or_default()));
    }
    for vote in items("votes") {
        let what = if vote.get("approve").and_then(Value::as_bool) == Some(true) { "approved" } else { "denied" };
        text += &format!(
            "  {what} by {} at {} {}\n",
            member(&vote, "person"),
            member(&vote, "time"),
            member(&vote, "note")
        );
    }
    match approval.get("arguments") {
        None | Some(Value::Null) => text += "  arguments: not shown by the rule, or over\n",
        Some(arguments) => {
            let pretty = serde_json::to_string_pretty(arguments).unwrap_or_default();
            text += "  arguments, redacted:\n";
            text.extend(pretty.lines().map(|line| format!("    {}\n", visible(line))));
        }
    }
    for call in items("recent") {
        let what = [member(&call, "action"), member(&call, "decision")].concat();
        let target = [member(&call, "server"), member(&call, "method"), member(&call, "tool")].join(" ");
        text += &format!("  before: {} {what} {target}\n", member(&call, "time"));
    }
    Ok(Report::new(text, false))
}

fn decide(args: &DecideArgs, what: &str) -> Result<Report, Failure> {
    let path = args.remote.of_tenant(&format!("/approvals/{}/{what}", encoded(&args.id)), "");
    let approval = args.remote.post(&path, &json!({"note": args.note}))?.ok()?;
    Ok(Report::new(line(&approval), false))
}

fn watch(args: &WatchArgs) -> Result<Report, Failure> {
    let mut known: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut out = io::stdout().lock();
    loop {
        let (mut found, _) = fetch(&args.remote, "limit=200")?;
        found.reverse();
        let mut next = BTreeMap::new();
        for approval in &found {
            let votes = approval.get("votes").and_then(Value::as_array).map_or(0, Vec::len);
            let (id, now) = (member(approval, "id"), (member(approval, "state"), votes));
            let news = match known.get(&id) {
                Some(before) => *before != now,
                // What ended before the watch began is no news.
                None => !known.is_empty() || now.0 == "pending",
            };
            next.insert(id, now);
            let text = if args.json { format!("{approval}\n") } else { line(approval) };
            if news && out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                return Ok(Report::new("", false));
            }
        }
        known = next;
        thread::sleep(Duration::from_secs(1));
    }
}

/// A page of approvals, and where the next one begins.
fn fetch(remote: &Remote, query: &str) -> Result<(Vec<Value>, Option<String>), Failure> {
    let mut body = remote.get(&remote.of_tenant("/approvals", query))?.ok()?;
    let next = body.get("next").and_then(Value::as_str).map(str::to_owned);
    match body.get_mut("approvals").map(Value::take) {
        Some(Value::Array(found)) => Ok((found, next)),
        _ => Err(Failure::new("the answer is not that of a sidecar")),
    }
}

/// One approval in a line.
fn line(approval: &Value) -> String {
    let style = style::stdout();
    let state = member(approval, "state");
    let state = match state.as_str() {
        "pending" => style.yellow(&state),
        "approved" | "used" => style.green(&state),
        _ => style.red(&state),
    };
    let who = member(approval, "principal");
    let who = if who.is_empty() { "anonymous".to_owned() } else { who };
    let agent = member(approval, "agent");
    let agent = if agent.is_empty() { agent } else { format!(" by {agent}") };
    let votes = approval.get("votes").and_then(Value::as_array).map_or(0, Vec::len);
    let quorum = approval.get("quorum").and_then(Value::as_u64).unwrap_or(1);
    let needed = if quorum > 1 { format!(" ({votes} of {quorum})") } else { String::new() };
    format!(
        "{} {state}{needed} {who}{agent}: {} {} {}\n",
        style.bold(&member(approval, "id")),
        member(approval, "server"),
        member(approval, "method"),
        member(approval, "tool")
    )
}

fn member(value: &Value, name: &str) -> String {
    visible(value.get(name).and_then(Value::as_str).unwrap_or_default())
}

/// Approvals that the API gives at a time.
const MAX_PAGE: usize = 200;
