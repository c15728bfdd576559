//! `portcullis audit export`.

use std::io::{self, BufWriter, Write};

use super::Place;
use super::list::Select;
use crate::Report;
use crate::audit::Kind;
use crate::audit::table::Format;
use crate::failure::Failure;
use crate::store::Filter;

/// What to write.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis audit export --data /var/lib/portcullis --since 2026-11-01 > november.jsonl
  portcullis audit export --data /var/lib/portcullis --csv --decision deny > refused.csv
  portcullis audit export --data /var/lib/portcullis --checkpoints > checkpoints.jsonl

A JSON line has all that the row's hash covers, so it can be checked without Portcullis: SHA-256 over the RFC 8785 form of
{id, prev, received, record, seq, tenant}. Checkpoints are what to keep elsewhere: `audit verify --anchor` takes them.

Exit codes:
  0  written, also where there is nothing
  2  wrong usage, or a database that cannot be read")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    select: Select,
    /// Write CSV for spreadsheets
    #[arg(long, conflicts_with = "checkpoints")]
    csv: bool,
    /// Write JSON lines with the members of SecAI's audit
    #[arg(long, conflicts_with_all = ["checkpoints", "csv"])]
    secai: bool,
    /// Write the signed checkpoints and prunings instead of rows
    #[arg(long)]
    checkpoints: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let scope = args.place.scope()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut write = |text: &str| out.write_all(text.as_bytes()).is_ok();
    if args.checkpoints {
        for signed in scope.statements()?.iter().filter(|signed| signed.kind != Kind::Head) {
            let text = serde_json::to_string(signed).map_err(|error| Failure::new(error.to_string()))?;
            write(&format!("{text}\n"));
        }
        return Ok(Report::new("", false));
    }
    let format = match (args.csv, args.secai) {
        (true, _) => Format::Csv,
        (_, true) => Format::Secai,
        _ => Format::Jsonl,
    };
    write(&format.header());
    let mut filter = Filter { limit: BATCH, oldest_first: true, ..args.select.filter()? };
    loop {
        let rows = scope.query(&filter)?;
        for row in &rows {
            // A reader that closes the pipe early has what it wanted.
            if !write(&format.row(row)) {
                return Ok(Report::new("", false));
            }
        }
        match rows.last() {
            Some(last) => filter.after = Some(last.seq),
            None => return Ok(Report::new("", false)),
        }
    }
}

/// Rows read at a time.
const BATCH: u64 = 1000;
