//! `portcullis eval`: labelled cases through the whole firewall.

mod cases;
mod score;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use portcullis_engine::config::{Config, Fallback, IdentityConfig, Mode, ServerConfig, ServerMatch};
use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::quote;
use portcullis_engine::scan::ScanAction;

use crate::failure::Failure;
use crate::{Report, config};
use cases::{Case, Content, Direction, Label};
use score::Scores;

/// Which cases to run and what to print.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis eval cases.jsonl.xz
  portcullis eval cases.jsonl --scanner secrets --misses
  portcullis eval cases.jsonl --config policy.json --json

Each line of the file is a JSON object with `id`, `scanner`, `label` (attack or benign), `direction` (request,
response or tool_description), `text` or `args`, and optionally `tool` and `source`. A case counts as found where
the scanner it names has a finding in it. Requests travel as the arguments of a tools/call, responses as its
result, descriptions in a tools/list; the rest of the policy lets everything through. The last lines say how many
benign cases some scanner, whichever, would have stopped.

Exit codes: 0 the cases were run, 2 wrong usage or unreadable input")]
pub(crate) struct Args {
    /// The cases: JSON lines, compressed with xz or not
    #[arg(value_name = "CASES")]
    file: PathBuf,
    /// Run the cases of this scanner only
    #[arg(long, value_name = "NAME")]
    scanner: Option<String>,
    /// Take the scanners and limits of this configuration; all built-in scanners by default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also list the attacks that were missed and the benign cases that were not (ids, never content)
    #[arg(long)]
    misses: bool,
}

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let firewall = Arc::new(firewall(args)?);
    let available = available(firewall.policy.config());
    let mut scores = Scores::new(available.clone());
    let mut driver = Driver::new(firewall.clone());
    let wanted = |case: &Case| args.scanner.as_ref().is_none_or(|name| *name == case.scanner);
    for case in cases::read(&args.file)?.iter().filter(|case| wanted(case)) {
        if available.contains(&case.scanner) {
            let (request, response) = exchange(case);
            let started = Instant::now();
            let outcome = driver.run(&request, |_| response);
            let rules = found(&outcome, &case.scanner);
            scores.add(case, rules, blocking(&outcome), started.elapsed());
        } else {
            scores.skip(case);
        }
    }
    if args.json {
        return Report::json(&scores.json(firewall.version(), args.misses), false);
    }
    Ok(Report::new(scores.text(args.misses), false))
}

/// A firewall that scans as configured and otherwise lets everything through.
fn firewall(args: &Args) -> Result<Firewall, Failure> {
    let mut config = Config::default();
    if let Some(file) = &args.config {
        let loaded = config::load(file)?;
        config.scanners = loaded.policy.config().scanners.clone();
        config.limits = loaded.policy.config().limits;
    }
    config.mode = Mode::Enforce;
    config.default = Fallback::Allow;
    config.identity = IdentityConfig::default();
    config.servers = vec![ServerConfig { name: "eval".to_owned(), r#match: ServerMatch::default(), credentials: None }];
    let text = serde_json::to_vec(&config).map_err(|error| Failure::new(error.to_string()))?;
    Firewall::from_json(&text, [0; 32]).map_err(|error| Failure::new(error.to_string()))
}

/// The scanners that this build has and the configuration has not switched off.
fn available(config: &Config) -> BTreeSet<String> {
    let scanners = serde_json::to_value(&config.scanners).unwrap_or_default();
    let on = |scanner: &serde_json::Value| scanner.get("enabled").and_then(serde_json::Value::as_bool) != Some(false);
    let members = scanners.as_object().into_iter().flatten();
    members.filter(|(_, scanner)| on(scanner)).map(|(name, _)| name.clone()).collect()
}

/// The case as it would travel.
fn exchange(case: &Case) -> (Request, Response) {
    let tool = quote(case.tool.as_deref().unwrap_or("tool"));
    let call = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{tool},"arguments":{arguments}}}}}"#
        )
    };
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
    let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    let (request, response) = match (case.direction, &case.content) {
        (Direction::Request, Content::Args(args)) => (call(args), result(NOTHING)),
        (Direction::Request, Content::Text(text)) => {
            (call(&format!(r#"{{"input":{}}}"#, quote(text))), result(NOTHING))
        }
        (Direction::Response, Content::Text(text)) => {
            (call("{}"), result(&format!(r#"{{"content":[{{"type":"text","text":{}}}]}}"#, quote(text))))
        }
        (Direction::Response, Content::Args(args)) => {
            (call("{}"), result(&format!(r#"{{"content":[],"structuredContent":{args}}}"#)))
        }
        (Direction::ToolDescription, Content::Text(text)) => {
            let described = format!(
                r#"{{"tools":[{{"name":{tool},"description":{},"inputSchema":{{"type":"object"}}}}]}}"#,
                quote(text)
            );
            (list.to_owned(), result(&described))
        }
        (Direction::ToolDescription, Content::Args(args)) => {
            let described =
                format!(r#"{{"tools":[{{"name":{tool},"inputSchema":{{"type":"object"}},"_meta":{args}}}]}}"#);
            (list.to_owned(), result(&described))
        }
    };
    (Request::post("/mcp", request), Response::json(response))
}

/// The rules of this scanner that found something.
fn found(outcome: &Outcome, scanner: &str) -> BTreeSet<String> {
    let findings = outcome.records.iter().flat_map(|record| &record.findings);
    findings.filter(|found| found.scanner == scanner).map(|found| found.rule.clone()).collect()
}

/// The rules of any scanner that stopped it, or would have taken it out of a list, without a person's approval.
fn blocking(outcome: &Outcome) -> BTreeSet<String> {
    let findings = outcome.records.iter().flat_map(|record| &record.findings);
    let stopping = findings.filter(|found| found.action >= ScanAction::RequireApproval);
    stopping.map(|found| format!("{}:{}", found.scanner, found.rule)).collect()
}

const NOTHING: &str = r#"{"content":[]}"#;
