//! `portcullis policy check`: would the filter load this?

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::config::{self, Environment};
use crate::failure::Failure;
use crate::source::Refused;
use crate::{Report, style};

/// Which files to check.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy check policy.yaml
  portcullis policy check --env production policy.yaml
  portcullis policy check --json policies/*.json

A file with `environments` is checked for each of them, unless --env names one.

Exit codes: 0 all load, 1 one is refused, 2 one cannot be read")]
pub(crate) struct Args {
    /// Policies in YAML or JSON; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    environment: Environment,
    /// Print one JSON object for each file, or each mistake of it, as an array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let style = style::stdout();
    let mut text = String::new();
    let mut objects = Vec::new();
    let mut found = false;
    for file in &args.files {
        for (environment, result) in each(file, &args.environment)? {
            let label = match &environment {
                Some(name) => format!("{} ({name})", file.display()),
                None => file.display().to_string(),
            };
            match result {
                Ok(built) => {
                    let config = built.firewall.policy.config();
                    let (servers, rules) = (config.servers.len(), config.rules.len());
                    let version = built.firewall.version();
                    objects.push(json!({
                        "file": file, "environment": environment, "ok": true, "policy_version": version,
                        "servers": servers, "rules": rules,
                    }));
                    let ok = style.green("ok");
                    text += &format!(
                        "{label}: {ok} ({}, {}, policy {})\n",
                        count(servers, "server"),
                        count(rules, "rule"),
                        version.get(..12).unwrap_or(version),
                    );
                }
                Err(mistakes) => {
                    found = true;
                    objects.extend(mistakes.iter().map(|refused| describe(refused, environment.as_deref())));
                    let place = match environment {
                        Some(name) => format!(" ({name}): {}: ", style.red("refused")),
                        None => format!(": {}: ", style.red("refused")),
                    };
                    for refused in mistakes {
                        text += &format!("{}\n", refused.to_string().replacen(": ", &place, 1));
                    }
                }
            }
        }
    }
    if args.json { Report::json(&objects, found) } else { Ok(Report::new(text, found)) }
}

/// What a check of one file comes to: the environment, and what was built for it.
type Checked = (Option<String>, Result<config::Built, Vec<Refused>>);

/// The file in every environment it has, or in the one that is asked for.
fn each(file: &Path, asked: &Environment) -> Result<Vec<Checked>, Failure> {
    if asked.env.is_some() || file == Path::new("-") {
        return Ok(vec![(asked.env.clone(), config::try_build_all(file, asked)?)]);
    }
    let names = match config::environments(file)? {
        Ok(names) => names,
        Err(refused) => return Ok(vec![(None, Err(vec![refused]))]),
    };
    if names.is_empty() {
        return Ok(vec![(None, config::try_build_all(file, asked)?)]);
    }
    let in_each = |name: String| {
        let environment = Environment { env: Some(name.clone()), overlay: asked.overlay.clone() };
        Ok((Some(name), config::try_build_all(file, &environment)?))
    };
    names.into_iter().map(in_each).collect()
}

fn describe(refused: &Refused, environment: Option<&str>) -> serde_json::Value {
    json!({
        "file": &*refused.file,
        "environment": environment,
        "ok": false,
        "line": refused.position.map(|(line, _)| line),
        "column": refused.position.map(|(_, column)| column),
        "pointer": refused.error.pointer,
        "message": refused.error.message,
        "remedy": refused.error.remedy,
    })
}

/// A number of things.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
