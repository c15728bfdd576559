//! `portcullis audit checkpoint` and `prune`.

use serde_json::json;

use super::Place;
use crate::audit::Signed;
use crate::audit::action::{Action, actor, new_record};
use crate::failure::Failure;
use crate::store::Scope;
use crate::{Report, clock};

/// Whose chain to sign.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis audit checkpoint --data /var/lib/portcullis >> /mnt/elsewhere/checkpoints.jsonl

Prints the signed checkpoint. `portcullis serve` makes them by itself as well.

Exit codes:
  0  signed
  1  nothing was recorded yet
  2  wrong usage, a database that cannot be written, or a chain that does not end as it was signed")]
pub(crate) struct CheckpointArgs {
    #[command(flatten)]
    place: Place,
}

/// What to remove.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis audit prune --data /var/lib/portcullis --before 2026-08-01
  portcullis audit prune --data /var/lib/portcullis --before 90d

The chain is verified first, and nothing is removed from one that does not verify. What stays is a signed statement with the
hash of the last row that went, which the first remaining row has to follow. Export before, if the rows are to be kept.

Exit codes:
  0  rows were removed
  1  there was nothing to remove
  2  wrong usage, a database that cannot be written, or a chain that does not verify")]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    place: Place,
    /// Remove rows recorded before this time: 2026-08-01, or 90d for ninety days ago
    #[arg(long, value_name = "TIME")]
    before: String,
}

pub(super) fn checkpoint(args: &CheckpointArgs) -> Result<Report, Failure> {
    let scope = owned(&args.place)?;
    if scope.end()?.is_none() {
        return Ok(Report::new("nothing was recorded yet\n", true));
    }
    let now = clock::now();
    scope.append(vec![new_record(Action::CheckpointCreated, &actor(), now, json!({}))?], now)?;
    match scope.checkpoint(now)? {
        Some(signed) => print(&signed),
        None => Ok(Report::new("nothing was recorded yet\n", true)),
    }
}

pub(super) fn prune(args: &PruneArgs) -> Result<Report, Failure> {
    let now = clock::now();
    let before = clock::parse(&args.before, now)?;
    let scope = owned(&args.place)?;
    let record = new_record(Action::AuditPruned, &actor(), now, json!({"before": clock::rfc3339(before)}))?;
    match scope.prune(before, record, now)? {
        Some(signed) => print(&signed),
        None => Ok(Report::new("nothing to remove\n", true)),
    }
}

fn owned(place: &Place) -> Result<Scope, Failure> {
    Ok(place.store.existing()?.tenant(&place.tenant()?))
}

fn print(signed: &Signed) -> Result<Report, Failure> {
    let text = serde_json::to_string(signed).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Report::new(format!("{text}\n"), false))
}
