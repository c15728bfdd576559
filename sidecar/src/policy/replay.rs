//! `portcullis policy replay`: which recorded decisions would a policy change?

use std::path::PathBuf;

use portcullis_engine::policy::Action;
use serde_json::json;

use super::audit::{self, Group};
use super::outcomes::{Outcomes, Possible};
use crate::config::{self, Environment};
use crate::failure::Failure;
use crate::style::Style;
use crate::{Report, style};

/// Which log, on which policy.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy replay --audit envoy.log --policy new.yaml
  kubectl logs deploy/mcp -c istio-proxy | portcullis policy replay --audit - --policy new.yaml --json

Every decision of the log is made again by the rules of the policy. Records hold the names of arguments and never
their values, so a decision that depends on a value is undecidable: it is listed with what it may come to. What
scanners, quotas, pins and flow decided is not made again; such records are counted.

Exit codes: 0 no recorded decision would change, 1 some would, or it cannot be said, 2 unreadable input")]
pub(crate) struct Args {
    /// The log with the audit records; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    audit: PathBuf,
    /// The policy to try
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    environment: Environment,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let built = config::build(&args.policy, &args.environment)?;
    let outcomes = Outcomes::new(&built)?;
    let log = audit::read(&args.audit)?;
    let mut all = Vec::new();
    let (mut same, mut elsewhere) = (0, 0);
    for group in &log.groups {
        if group.record.decided_elsewhere() {
            elsewhere += group.count;
            continue;
        }
        let possible = outcomes.of(group);
        match judge(&group.record.decision, &possible) {
            Change::None => same += group.count,
            change => all.push((change, group, possible)),
        }
    }
    let total =
        |wanted| all.iter().filter(|(change, ..)| *change == wanted).map(|(_, group, _)| group.count).sum::<u64>();
    let (changed, undecidable) = (total(Change::Certain), total(Change::Possible));
    let found = changed + undecidable > 0;
    if args.json {
        let entries: Vec<_> = all.iter().map(|(change, group, possible)| describe(*change, group, possible)).collect();
        let value = json!({
            "policy_version": built.firewall.version(), "records": log.records, "unchanged": same, "changed": changed,
            "undecidable": undecidable, "not_decided_by_rules": elsewhere, "changes": entries,
        });
        return Report::json(&value, found);
    }
    let style = style::stdout();
    let mut text = String::new();
    for (wanted, title) in
        [(Change::Certain, "Would change"), (Change::Possible, "Depends on arguments that records do not hold")]
    {
        if total(wanted) > 0 {
            text += &format!("{}\n", style.bold(title));
        }
        let mut groups = all.iter().filter(|(change, ..)| *change == wanted);
        for (_, group, possible) in groups.by_ref().take(MAX_LINES) {
            text += &line(style, group, possible);
        }
        let more = groups.count();
        if more > 0 {
            text += &format!("  … and {more} more kinds of calls; --json has all of them\n");
        }
    }
    text += &format!(
        "{} records: {same} unchanged, {changed} would change, {undecidable} undecidable, {elsewhere} not decided by rules\n",
        log.records
    );
    Ok(Report::new(text, found))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// Whatever the arguments were.
    Certain,
    /// For some arguments.
    Possible,
}

fn judge(before: &str, possible: &[Possible]) -> Change {
    let differs = |one: &Possible| outcome(before) != outcome(one.action.as_str());
    let different = possible.iter().filter(|one| differs(one)).count();
    match different {
        0 => Change::None,
        some if some == possible.len() => Change::Certain,
        _ => Change::Possible,
    }
}

/// What a decision comes to for the caller: what is redacted or marked goes on all the same.
fn outcome(decision: &str) -> &str {
    match decision {
        "log_only" | "redact" => Action::Allow.as_str(),
        other => other,
    }
}

fn line(style: Style, group: &Group, possible: &[Possible]) -> String {
    let record = &group.record;
    let name = record.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let after: Vec<String> = possible
        .iter()
        .map(|one| {
            let word = one.action.as_str();
            let word = match one.action {
                Action::Deny => style.red(word),
                Action::RequireApproval => style.yellow(word),
                Action::Allow | Action::LogOnly => style.green(word),
            };
            format!("{word} by {}", one.rule)
        })
        .collect();
    format!(
        "  {:>6} x {}{name} on {}, {}: {} by {} -> {} (line {})\n",
        group.count,
        record.method,
        record.server,
        record.principal.label(),
        record.decision,
        record.rule,
        after.join(" or "),
        group.line,
    )
}

fn describe(change: Change, group: &Group, possible: &[Possible]) -> serde_json::Value {
    let record = &group.record;
    json!({
        "certain": change == Change::Certain,
        "count": group.count,
        "line": group.line,
        "principal": record.principal.label(),
        "server": record.server,
        "method": record.method,
        "name": record.name,
        "argument_keys": record.argument_keys,
        "before": {"decision": record.decision, "rule": record.rule},
        "after": possible.iter().map(|one| json!({"decision": one.action.as_str(), "rule": one.rule})).collect::<Vec<_>>(),
    })
}

/// Kinds of calls that are listed under each title.
const MAX_LINES: usize = 100;
