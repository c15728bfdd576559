//! `portcullis policy test`: do the decisions come out as expected?

use std::path::{Path, PathBuf};

use serde_json::json;

use super::cases::{self, Bench, PolicySource, Suite};
use crate::config::{self, Environment};
use crate::failure::Failure;
use crate::source::Node;
use crate::{Report, style};

/// Which cases to run, on which policy.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy test cases.yaml
  portcullis policy test --policy policy.yaml --env production cases/*.yaml

A file of cases:
  policy: policy.yaml
  cases:
  - case: developers read below /data
    principal: {kind: agent, id: bot, roles: [dev]}
    tool: read_file
    arguments: {path: /data/report.txt}
    expect: allow by read-data
  - tool: delete_file
    expect: {decision: deny, rule: default, hidden: true}

docs/policy/cases.md describes all of the format.

Exit codes: 0 every case came out as expected, 1 one did not, 2 wrong usage or unreadable input")]
pub(crate) struct Args {
    /// Files of cases, YAML or JSON
    #[arg(required = true, value_name = "CASES")]
    files: Vec<PathBuf>,
    /// The policy to try, in place of the one that the cases name
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    environment: Environment,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let style = style::stdout();
    let (mut text, mut results) = (String::new(), Vec::new());
    let (mut passed, mut failed) = (0, 0);
    for file in &args.files {
        let suite = cases::read(file)?;
        let policy = policy(args, file, &suite)?;
        let bench = Bench::new(&policy).map_err(|failure| Failure::file(file, failure))?;
        for case in &suite.cases {
            let outcomes = bench.run(case).map_err(|failure| Failure::file(file, failure))?;
            let mut differences = Vec::new();
            for (index, (step, outcome)) in case.steps.iter().zip(&outcomes).enumerate() {
                for difference in outcome.differences(&step.expect) {
                    let line = step.place.as_ref().map_or(0, |place| place.line);
                    differences.push((index, line, difference, outcome));
                }
            }
            results.push(json!({
                "file": file, "case": case.name, "ok": differences.is_empty(),
                "differences": differences.iter().map(|(step, line, (field, expected, found), _)| json!({
                    "step": step + 1, "line": line, "field": field, "expected": expected, "found": found,
                })).collect::<Vec<_>>(),
            }));
            if differences.is_empty() {
                passed += 1;
                continue;
            }
            failed += 1;
            let mut told = None;
            for (index, line, (field, expected, found), outcome) in differences {
                if told != Some(index) {
                    told = Some(index);
                    let step = if case.steps.len() > 1 { format!(", step {}", index + 1) } else { String::new() };
                    let place = format!("{}:{line}", file.display());
                    text += &format!("{place}: {}: {}{step}\n", style.red("failed"), style.bold(&case.name));
                    let decided = format!("{} by {}", outcome.decision, outcome.rule);
                    text += &format!("  {}\n", style.dim(&format!("it was {decided}: {}", outcome.reason)));
                }
                text += &format!(
                    "  {field}\n    {}\n    {}\n",
                    style.green(&format!("expected {expected}")),
                    style.red(&format!("found    {found}"))
                );
            }
        }
    }
    if args.json {
        return Report::json(&json!({"passed": passed, "failed": failed, "cases": results}), failed > 0);
    }
    let verdict = if failed == 0 { style.green("ok") } else { style.red("failed") };
    text += &format!("{verdict}: {passed} passed, {failed} failed\n");
    Ok(Report::new(text, failed > 0))
}

/// The policy that the command line names, or else the suite.
fn policy(args: &Args, file: &Path, suite: &Suite) -> Result<Node, Failure> {
    let mut environment = args.environment.clone();
    environment.env = environment.env.or_else(|| suite.environment.clone());
    let source = match (&args.policy, &suite.policy) {
        (Some(policy), _) | (None, PolicySource::File(policy)) => return Ok(config::build(policy, &environment)?.node),
        (None, PolicySource::Inline(inline)) => inline.clone(),
        (None, PolicySource::Unnamed) => {
            return Err(Failure::file(file, "names no policy; give it one (`policy: FILE`), or use --policy"));
        }
    };
    if !environment.overlay.is_empty() {
        return Err(Failure::file(file, "holds its policy itself: --overlay needs --policy"));
    }
    Ok(config::compile(config::assemble(source, environment.env.as_deref(), &[])?)?.node)
}
