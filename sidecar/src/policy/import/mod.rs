//! `portcullis policy import`: policies of other products, read as ours.
//!
//! One law: what cannot be carried over may make the policy stricter, never laxer. A condition of a permission that has
//! no counterpart takes the permission with it; a condition of a prohibition that has none makes it a prohibition of
//! more. Whatever differs is reported with the line it comes from.

mod agentgateway;
mod cel;
mod draft;
mod g8kepr;
mod hosted;
mod intercept;
mod secai;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use crate::failure::Failure;
use crate::source::{self, Node};
use crate::style::{self, Style};
use crate::{Report, config};
use draft::{Draft, Effect, Note};

/// What to import and what to write.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy import policy.json > policy.yaml
  portcullis policy import --from intercept stripe.yaml --server payments --report report.txt > policy.yaml
  portcullis policy import --from agentgateway config.yaml --json

g8kepr         G8KEPR policy.json
intercept      PolicyLayer Intercept, YAML
policylayer    PolicyLayer's hosted policies, JSON
secai          SecAI_OS MCP firewall, YAML
agentgateway   agentgateway's CEL rules (`mcpAuthorization`, `matchExpressions`), YAML

The policy goes to standard output and the report to standard error: every rule that could not be carried over
as it was, and why. Nothing is ever carried over as a wider permission: what cannot be said is refused instead.

Exit codes: 0 everything was carried over, 1 some of it is stricter now (the policy is written all the same),
2 the file cannot be read or is of no known format")]
pub(crate) struct Args {
    /// The policy to import; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Whose format it is; told by its members where that is clear
    #[arg(long, value_enum)]
    from: Option<Format>,
    /// Name of the MCP server that a policy without servers is about; any server without it
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Write the policy as JSON instead of YAML
    #[arg(long)]
    as_json: bool,
    /// Write the report to this file instead of standard error
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print one JSON object with the policy and the report
    #[arg(long, conflicts_with_all = ["as_json", "report"])]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    G8kepr,
    Intercept,
    Policylayer,
    Secai,
    Agentgateway,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let node = source::read(&args.file)??;
    let format = match args.from {
        Some(format) => format,
        None => detect(&node).ok_or_else(|| Failure::file(&args.file, "is of no known format; name it with --from"))?,
    };
    let draft =
        translate(format, &node, args.server.as_deref()).map_err(|failure| Failure::file(&args.file, failure))?;
    let stricter = draft.notes.iter().any(|note| note.effect == Effect::Stricter);
    let (policy, notes) = draft.finish();
    // What the filter would refuse is no import.
    config::compile(policy.clone()).map_err(|refused| {
        Failure::file(&args.file, format!("was read, but as our policy it is refused: {}", refused.error))
    })?;
    if args.json {
        let value = json!({"from": word(format), "policy": policy.to_serde(), "notes": notes.iter().map(describe).collect::<Vec<_>>()});
        return Report::json(&value, stricter);
    }
    match &args.report {
        Some(file) => {
            let text = report(style::plain(), &args.file, format, &notes);
            std::fs::write(file, text).map_err(|error| Failure::file(file, error))?;
        }
        None => eprint!("{}", report(style::stderr(), &args.file, format, &notes)),
    }
    let text = if args.as_json { policy.to_pretty_json() } else { policy.to_yaml() };
    Ok(Report::new(text, stricter))
}

fn translate(format: Format, node: &Node, server: Option<&str>) -> Result<Draft, Failure> {
    let draft = Draft::new(server);
    match format {
        Format::G8kepr => g8kepr::translate(node, draft),
        Format::Intercept => intercept::translate(node, draft),
        Format::Policylayer => hosted::translate(node, draft),
        Format::Secai => secai::translate(node, draft),
        Format::Agentgateway => agentgateway::translate(node, draft),
    }
}

/// The format by members that no other format has.
fn detect(node: &Node) -> Option<Format> {
    let has = |key: &str| node.get(key).is_some();
    let tools = node.get("tools").map_or(&[][..], Node::members);
    if has("default_action") || has("global_rules") || has("taint_rules") {
        Some(Format::Secai)
    } else if has("rules")
        && (has("agent") || node.get("rules")?.elements().iter().any(|rule| rule.get("tool").is_some()))
    {
        Some(Format::G8kepr)
    } else if tools.iter().any(|(_, tool)| tool.get("rules").is_some()) {
        Some(Format::Intercept)
    } else if has("all_tools") || has("tools") {
        Some(Format::Policylayer)
    } else if agentgateway::found(node) {
        Some(Format::Agentgateway)
    } else {
        None
    }
}

fn word(format: Format) -> &'static str {
    match format {
        Format::G8kepr => "g8kepr",
        Format::Intercept => "intercept",
        Format::Policylayer => "policylayer",
        Format::Secai => "secai",
        Format::Agentgateway => "agentgateway",
    }
}

fn report(style: Style, file: &Path, format: Format, notes: &[Note]) -> String {
    if notes.is_empty() {
        return format!("{}: {} carried over as it was\n", file.display(), word(format));
    }
    let mut text = String::new();
    for note in notes {
        let line = note.line.map(|line| format!(":{line}")).unwrap_or_default();
        let effect = match note.effect {
            Effect::Stricter => style.yellow("stricter"),
            Effect::Assumed => style.bold("assumed"),
            Effect::Same => style.dim("left out"),
        };
        let place = if note.pointer.is_empty() { String::new() } else { format!("{}: ", note.pointer) };
        text += &format!("{}{line}: {effect}: {place}{}\n", file.display(), note.message);
    }
    let count = |effect| notes.iter().filter(|note| note.effect == effect).count();
    text + &format!(
        "{}: {} stricter than it was, {} to be read again, {} without effect on decisions\n",
        word(format),
        count(Effect::Stricter),
        count(Effect::Assumed),
        count(Effect::Same)
    )
}

fn describe(note: &Note) -> serde_json::Value {
    let effect = match note.effect {
        Effect::Stricter => "stricter",
        Effect::Assumed => "assumed",
        Effect::Same => "same",
    };
    json!({"pointer": note.pointer, "line": note.line, "effect": effect, "message": note.message})
}
