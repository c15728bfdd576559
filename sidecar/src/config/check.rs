//! `portcullis config check`: would the filter load this?

use std::path::PathBuf;

use serde_json::json;

use super::load::{Refused, try_load};
use crate::failure::Failure;
use crate::{Report, style};

/// Which files to check.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis config check policy.json
  portcullis config check --json policies/*.json

Exit codes: 0 all load, 1 one is refused, 2 one cannot be read")]
pub(crate) struct Args {
    /// Configuration files; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object a file, as an array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let style = style::stdout();
    let mut text = String::new();
    let mut objects = Vec::new();
    let mut refused = false;
    for file in &args.files {
        match try_load(file)? {
            Ok(firewall) => {
                let config = firewall.policy.config();
                let (servers, rules) = (config.servers.len(), config.rules.len());
                let version = firewall.version();
                objects.push(
                    json!({"file": file, "ok": true, "policy_version": version, "servers": servers, "rules": rules}),
                );
                let ok = style.green("ok");
                text += &format!(
                    "{}: {ok} ({}, {}, policy {})\n",
                    file.display(),
                    count(servers, "server"),
                    count(rules, "rule"),
                    version.get(..12).unwrap_or(version),
                );
            }
            Err(error) => {
                refused = true;
                objects.push(describe(&error));
                text += &format!("{}\n", error.to_string().replacen(": ", &format!(": {}: ", style.red("refused")), 1));
            }
        }
    }
    if args.json { Report::json(&objects, refused) } else { Ok(Report::new(text, refused)) }
}

fn describe(refused: &Refused) -> serde_json::Value {
    json!({
        "file": refused.file,
        "ok": false,
        "line": refused.position.map(|(line, _)| line),
        "column": refused.position.map(|(_, column)| column),
        "pointer": refused.error.pointer,
        "message": refused.error.message,
        "remedy": refused.error.remedy,
    })
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
