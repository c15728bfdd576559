//! `portcullis tools`: fingerprints of tool definitions, and what a change of one means.

mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use portcullis_engine::json::{Document, Kind, Limits, Value};
use portcullis_engine::pins::{Definition, Fingerprint, Neighbours, flags, judge};
use portcullis_engine::scan::{Scanners, ScannersConfig};
use serde_json::json;

use crate::failure::Failure;
use crate::{Report, input, style};

/// What to do with saved lists of tools.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print the fingerprint of each tool of a saved tools/list, for `pins.approved`
    Fingerprint(FingerprintArgs),
    /// Compare two saved tools/list answers as the filter does
    Diff(DiffArgs),
    /// List the tools that filters saw, with their newest versions
    Seen(seen::SeenArgs),
    /// Say that a version of a tool is fine
    Acknowledge(seen::AcknowledgeArgs),
}

/// Whose fingerprints.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis tools fingerprint tools.json
  portcullis tools fingerprint --server files tools.json > approved.json

The file holds the answer to tools/list, its result, or the list itself; of the answer to initialize the
instructions are taken. With --server the output is what `pins` takes: `approved` and `instructions`.

Exit codes: 0, or 2 for an input that cannot be read")]
pub(crate) struct FingerprintArgs {
    /// The saved list; standard input for `-`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON for the block `pins`, under this name of the server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
}

/// What to compare.
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 nothing changed, 1 something did, 2 an input that cannot be read")]
pub(crate) struct DiffArgs {
    /// The list that was trusted
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The list to judge
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Fingerprint(args) => fingerprint(args),
        Command::Diff(args) => diff(args),
        Command::Seen(args) => seen::seen(args),
        Command::Acknowledge(args) => seen::acknowledge(args),
    }
}

fn fingerprint(args: &FingerprintArgs) -> Result<Report, Failure> {
    let saved = Saved::read(&args.file)?;
    if let Some(server) = &args.server {
        let tools = saved.tools.values();
        let approved: Vec<_> = tools
            .map(|tool| json!({"server": server, "tool": tool.name, "sha256": tool.fingerprint.to_string()}))
            .collect();
        let print = saved.instructions.map(|print| json!({"server": server, "sha256": print.to_string()}));
        let instructions: Vec<_> = print.into_iter().collect();
        return Report::json(&json!({"approved": approved, "instructions": instructions}), false);
    }
    let mut text = String::new();
    for tool in saved.tools.values() {
        text += &format!("{}  {}\n", tool.fingerprint, style::visible(&tool.name));
    }
    if let Some(print) = saved.instructions {
        text += &format!("{print}  (instructions)\n");
    }
    Ok(Report::new(text, false))
}

fn diff(args: &DiffArgs) -> Result<Report, Failure> {
    let (old, new) = (Saved::read(&args.old)?, Saved::read(&args.new)?);
    let scanners = Scanners::compile(&ScannersConfig::default()).map_err(|error| Failure::new(error.to_string()))?;
    let own: BTreeSet<String> = new.tools.keys().cloned().collect();
    let foreign = BTreeSet::new();
    let mut changes = Vec::new();
    for (name, tool) in &new.tools {
        let change = match old.tools.get(name) {
            Some(before) if before.fingerprint == tool.fingerprint => continue,
            Some(before) => {
                let neighbours = Neighbours { own: &own, foreign: &foreign };
                let drift = judge(&before.canonical, &tool.canonical, &scanners, neighbours);
                let causes = drift.causes.names();
                json!({"tool": name, "change": "changed", "severity": drift.severity.as_str(), "causes": causes,
                    "fields": drift.fields, "from": before.fingerprint.to_string(), "to": tool.fingerprint.to_string()})
            }
            None => {
                let document = Document::parse(tool.canonical.as_bytes(), &LIMITS);
                let found = document.map(|document| flags(document.root(), &scanners)).unwrap_or_default();
                let flags: Vec<_> = found.into_iter().map(|flag| flag.id).collect();
                json!({"tool": name, "change": "added", "flags": flags, "to": tool.fingerprint.to_string()})
            }
        };
        changes.push(change);
    }
    for (name, tool) in old.tools.iter().filter(|(name, _)| !new.tools.contains_key(*name)) {
        changes.push(json!({"tool": name, "change": "removed", "from": tool.fingerprint.to_string()}));
    }
    let changed = !changes.is_empty();
    if args.json {
        return Report::json(&changes, changed);
    }
    Ok(Report::new(changes.iter().map(line).collect::<String>(), changed))
}

/// One change for a person.
fn line(change: &serde_json::Value) -> String {
    let text = |key: &str| style::visible(change.get(key).and_then(serde_json::Value::as_str).unwrap_or_default());
    let list = |key: &str| {
        let items = change.get(key).and_then(serde_json::Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(style::visible)).collect::<Vec<_>>().join(", ")
    };
    let style = style::stdout();
    let name = style.bold(&text("tool"));
    match text("change").as_str() {
        "changed" => {
            let severity = text("severity");
            let severity = if severity == "low" { severity } else { style.yellow(&severity) };
            format!("{name}: changed, {severity} ({}) at {}\n", list("causes"), list("fields"))
        }
        "added" if list("flags").is_empty() => format!("{name}: added\n"),
        "added" => format!("{name}: added, {}\n", style.yellow(&list("flags"))),
        _ => format!("{name}: removed\n"),
    }
}

/// A saved answer of a server.
struct Saved {
    tools: BTreeMap<String, Definition>,
    instructions: Option<Fingerprint>,
}

impl Saved {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = input::read(path)?;
        let document = Document::parse(&bytes, &LIMITS)
            .map_err(|error| Failure::new(format!("{}: no strict JSON: {error}", path.display())))?;
        let root = document.root();
        let result = root.get("result").unwrap_or(root);
        let list = if result.kind() == Kind::Array { Some(result) } else { result.get("tools") };
        let instructions = result.get("instructions").and_then(Value::as_str);
        if list.is_none() && instructions.is_none() {
            let problem = "holds neither a list of tools nor instructions; save the answer to tools/list";
            return Err(Failure::new(format!("{}: {problem}", path.display())));
        }
        let definitions = list.into_iter().flat_map(Value::elements).filter_map(Definition::of);
        Ok(Self {
            tools: definitions.map(|tool| (tool.name.clone(), tool)).collect(),
            instructions: instructions.map(|text| Fingerprint::of_instructions(&text)),
        })
    }
}

const LIMITS: Limits = Limits { max_bytes: usize::MAX, max_depth: 128 };
