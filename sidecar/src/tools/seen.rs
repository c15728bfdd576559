//! `portcullis tools seen` and `acknowledge`: what filters saw, at a running sidecar.

use serde_json::{Value, json};

use crate::client::{Remote, encoded};
use crate::failure::Failure;
use crate::{Report, style};

/// Which tools.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis tools seen --token-file admin-token
  portcullis tools seen --new --server files --token-file admin-token

A tool without a name stands for the instructions of its server.

Exit codes:
  0  listed
  2  wrong usage, no token, or the sidecar did not answer")]
pub(crate) struct SeenArgs {
    #[command(flatten)]
    remote: Remote,
    /// Of this server, by its name in the filter's configuration
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Only those whose newest version nobody has acknowledged
    #[arg(long)]
    new: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which version is fine.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis tools acknowledge files read_file --sha256 9f2c41d8 --note 'Ticket 17' --token-file admin-token

Filters trust the version from then on, within a second. It is named, so that what came up since you looked is not meant.

Exit codes:
  0  acknowledged
  2  wrong usage, no such tool or version, a token that may not, or the sidecar did not answer")]
pub(crate) struct AcknowledgeArgs {
    #[command(flatten)]
    remote: Remote,
    /// The server, by its name in the filter's configuration
    #[arg(value_name = "SERVER")]
    server: String,
    /// The tool; '' for the server's instructions
    #[arg(value_name = "TOOL")]
    tool: String,
    /// The version that you have looked at: its fingerprint, or eight digits or more that it begins with
    #[arg(long, value_name = "HEX", value_parser = beginning)]
    sha256: String,
    /// Why it is fine
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

pub(crate) fn seen(args: &SeenArgs) -> Result<Report, Failure> {
    let wanted = args.new.then_some("acknowledged=false");
    let tools = all(&args.remote, args.server.as_deref(), wanted)?;
    if args.json {
        return Report::json(&tools, false);
    }
    Ok(Report::new(tools.iter().map(line).collect::<String>(), false))
}

pub(crate) fn acknowledge(args: &AcknowledgeArgs) -> Result<Report, Failure> {
    let tools = all(&args.remote, Some(&args.server), None)?;
    let tool = tools.iter().find(|tool| text(tool, "tool") == args.tool);
    let tool = tool.ok_or_else(|| Failure::new(format!("no filter saw {} of {}", args.tool, args.server)))?;
    let fitting: Vec<_> = versions(tool).filter(|version| version.starts_with(&args.sha256)).collect();
    let [version] = fitting.as_slice() else {
        let known: Vec<_> = versions(tool).collect();
        let how = if fitting.is_empty() { "in no version" } else { "in several versions" };
        let all = known.join(", ");
        return Err(Failure::new(format!("the tool was seen {how} that begins with {}: {all}", args.sha256)));
    };
    let path = format!("/tools/{}/acknowledge", encoded(text(tool, "id")));
    let body = json!({"sha256": version, "note": args.note});
    let done = args.remote.post(&args.remote.of_tenant(&path, ""), &body)?.ok()?;
    Ok(Report::new(line(&done), false))
}

/// All pages of the list.
fn all(remote: &Remote, server: Option<&str>, wanted: Option<&str>) -> Result<Vec<Value>, Failure> {
    let server = server.map(|server| format!("server={}", encoded(server)));
    let (mut tools, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let of_page = cursor.map(|cursor| format!("cursor={}", encoded(&cursor)));
        let query: Vec<_> = [server.as_deref(), wanted, of_page.as_deref()].into_iter().flatten().collect();
        let page = remote.get(&remote.of_tenant("/tools", &query.join("&")))?.ok()?;
        tools.extend(page.get("tools").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(tools),
        }
    }
}

/// One tool for a person, with its newest version.
fn line(tool: &Value) -> String {
    let style = style::stdout();
    let name = style::visible(text(tool, "tool"));
    let name = if name.is_empty() { "(instructions)".to_owned() } else { name };
    let newest = versions(tool).last().unwrap_or("no version");
    let state = match tool.get("acknowledged").and_then(Value::as_bool) {
        Some(true) => style.green("acknowledged"),
        _ => style.yellow("new"),
    };
    let last = |list: &str| tool.get(list).and_then(Value::as_array).and_then(|all| all.last());
    let mut notes = Vec::new();
    if let Some(change) = last("changes") {
        notes.push(format!("changed, {}", style::visible(text(change, "severity"))));
    }
    if let Some(risk) = last("risks") {
        let flags = risk.get("flags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        notes.push(flags.map(style::visible).collect::<Vec<_>>().join(" "));
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    let server = style::visible(text(tool, "server"));
    format!("{server} {}: {state} {}{notes}\n", style.bold(&name), style::visible(newest))
}

fn versions(tool: &Value) -> impl Iterator<Item = &str> {
    let all = tool.get("versions").and_then(Value::as_array).into_iter().flatten();
    all.map(|version| text(version, "sha256"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn beginning(digits: &str) -> Result<String, String> {
    let fits = (8..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| digits.to_ascii_lowercase()).ok_or_else(|| "8 to 64 hexadecimal digits".to_owned())
}
