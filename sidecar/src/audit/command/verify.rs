//! `portcullis audit verify`.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::super::verify::Outcome;
use crate::audit::{Kind, PublicKey, Signed, Verifier};
use crate::failure::Failure;
use crate::store::{self, Scope, Tenant};
use crate::{Report, input, style};

/// What to verify.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis audit verify --data /var/lib/portcullis
  portcullis audit verify --data /var/lib/portcullis --last 1000
  portcullis audit verify --data backup --public-key audit-key.pub --anchor checkpoints.jsonl
  portcullis audit verify --data /var/lib/portcullis --entry 01J9ZQ-17

Checkpoints that were exported (`audit export --checkpoints`) and kept elsewhere show what nothing inside the data
directory can: that the whole directory was put back to an older state.

Exit codes:
  0  the chain is whole
  1  something is wrong with it; each fault is a line
  2  wrong usage, or a database or key that cannot be read")]
pub(crate) struct Args {
    #[command(flatten)]
    store: store::Location,
    /// One tenant; all without it
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Every row from the chain's beginning: the default
    #[arg(long, conflicts_with_all = ["entry", "last"])]
    full: bool,
    /// One record with this id, up to the next signed statement
    #[arg(long, value_name = "ID", conflicts_with = "last")]
    entry: Option<String>,
    /// The last N rows
    #[arg(long, value_name = "N")]
    last: Option<u64>,
    /// The public key, instead of `audit-key.pub` of the directory
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Checkpoints that were exported earlier, as JSON lines
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let store = args.store.read()?;
    let key = PublicKey::read(args.public_key.as_deref().unwrap_or(&args.store.data.join("audit-key.pub")))?;
    let anchors = anchors(&args.anchor)?;
    let mut tenants = match &args.tenant {
        Some(name) => vec![Tenant::new(name).ok_or_else(|| Failure::new("--tenant is no name of a tenant"))?],
        None => store.tenants()?,
    };
    // A tenant all of whose rows are gone is known by its anchors.
    if args.tenant.is_none() {
        tenants.extend(anchors.iter().filter_map(|signed| Tenant::new(&signed.tenant)));
        tenants.sort();
        tenants.dedup();
    }
    let (mut found, mut text, mut values, mut seen) = (false, String::new(), Vec::new(), false);
    for tenant in &tenants {
        let began = Instant::now();
        let scope = store.tenant(tenant);
        let anchors: Vec<_> = anchors.iter().filter(|signed| signed.tenant == tenant.as_str()).cloned().collect();
        let outcome = match (&args.entry, args.last) {
            (Some(id), _) => match scope.place(id)? {
                Some(seq) => entry(&scope, tenant, &key, seq, anchors)?,
                None => continue,
            },
            (None, Some(count)) => last(&scope, tenant, &key, count, anchors)?,
            (None, None) => whole(&scope, tenant, &key, anchors)?,
        };
        seen = true;
        found |= !outcome.faults.is_empty();
        describe(tenant, &outcome, began.elapsed().as_secs_f64(), &mut text);
        let faults: Vec<_> = outcome.faults.iter().map(ToString::to_string).collect();
        values.push(json!({"tenant": tenant.as_str(), "ok": faults.is_empty(), "rows": outcome.rows,
            "statements": outcome.statements, "faults": faults, "more": outcome.more}));
    }
    if let Some(id) = args.entry.as_ref().filter(|_| !seen) {
        return Ok(Report::new(format!("no record has the id {id}\n"), true));
    }
    if args.json {
        return Report::json(&values, found);
    }
    if tenants.is_empty() {
        text.push_str("no chain: nothing was recorded yet\n");
    }
    Ok(Report::new(text, found))
}

fn describe(tenant: &Tenant, outcome: &Outcome, seconds: f64, text: &mut String) {
    let style = style::stdout();
    let name = tenant.as_str();
    let (rows, statements) = (outcome.rows, outcome.statements);
    // Writing to a String cannot fail.
    if outcome.faults.is_empty() {
        let ok = style.green("ok");
        let _ = writeln!(text, "{name}: {ok} ({rows} rows, {statements} signed statements, {seconds:.1} s)");
        return;
    }
    let _ = writeln!(text, "{name}: {} ({rows} rows, {statements} signed statements)", style.red("broken"));
    for fault in &outcome.faults {
        let _ = writeln!(text, "  {fault}");
    }
    if outcome.more > 0 {
        let _ = writeln!(text, "  and {} more", outcome.more);
    }
}

/// A whole chain.
pub(crate) fn whole(scope: &Scope, tenant: &Tenant, key: &PublicKey, anchors: Vec<Signed>) -> Result<Outcome, Failure> {
    let (statements, end) = signed(scope, anchors)?;
    walk(scope, Verifier::whole(tenant.as_str(), key, statements), 0, end)
}

/// The last rows of one.
fn last(scope: &Scope, tenant: &Tenant, key: &PublicKey, count: u64, anchors: Vec<Signed>) -> Result<Outcome, Failure> {
    let (statements, end) = signed(scope, anchors)?;
    let pruned = statements.iter().filter(|signed| signed.kind == Kind::Prune).map(|signed| signed.seq + 1).max();
    let from = (end + 1).saturating_sub(count).max(pruned.unwrap_or_default());
    walk(scope, Verifier::part(tenant.as_str(), key, from, true, statements), from, end)
}

/// The statements, and the place up to which rows are to be read. The end is read before the head, and rows up to
/// the head only: what a running server appends meanwhile is neither behind the head nor missing before it.
fn signed(scope: &Scope, anchors: Vec<Signed>) -> Result<(Vec<Signed>, u64), Failure> {
    let end = scope.end()?.unwrap_or_default();
    let mut statements = scope.statements()?;
    let head = statements.iter().filter(|signed| signed.kind == Kind::Head).map(|signed| signed.seq).max();
    statements.extend(anchors);
    Ok((statements, head.map_or(end, |head| head.max(end))))
}

/// One row: its own hash, that it follows the row before, and all that follows up to a signature.
fn entry(scope: &Scope, tenant: &Tenant, key: &PublicKey, seq: u64, anchors: Vec<Signed>) -> Result<Outcome, Failure> {
    let mut statements = scope.statements()?;
    statements.extend(anchors);
    let signed_at = statements.iter().filter(|signed| signed.is_genuine(key)).map(|signed| signed.seq);
    let to = signed_at.filter(|at| *at >= seq).min();
    let first = statements.iter().filter(|signed| signed.kind == Kind::Prune).map(|signed| signed.seq + 1).max();
    let from = seq.saturating_sub(1).max(first.unwrap_or(0)).min(seq);
    let end = to.unwrap_or(seq);
    statements.retain(|signed| (seq..=end).contains(&signed.seq));
    let unsigned = to.is_none();
    walk(scope, Verifier::part(tenant.as_str(), key, from, unsigned, statements), from, end)
}

fn walk(scope: &Scope, mut verifier: Verifier<'_>, from: u64, to: u64) -> Result<Outcome, Failure> {
    scope.walk(from, to, &mut |row, hash| {
        verifier.row(row, hash);
        true
    })?;
    if verifier.wanted() {
        scope.walk(from, to, &mut |row, hash| {
            verifier.second(row.seq, hash);
            true
        })?;
    }
    Ok(verifier.finish())
}

fn anchors(files: &[PathBuf]) -> Result<Vec<Signed>, Failure> {
    let mut anchors = Vec::new();
    for file in files {
        let bytes = input::read(file)?;
        for (number, line) in
            String::from_utf8_lossy(&bytes).lines().enumerate().filter(|(_, line)| !line.trim().is_empty())
        {
            let signed = serde_json::from_str(line)
                .map_err(|_| Failure::file(file, format!("line {} is no signed checkpoint", number + 1)))?;
            anchors.push(signed);
        }
    }
    Ok(anchors)
}
