//! `portcullis audit list`, `show` and `follow`.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use super::Place;
use crate::audit::table::{self, Format};
use crate::failure::Failure;
use crate::store::{Branch, Column, Filter, StoredRow};
use crate::{Report, clock, style};

/// Which rows.
#[derive(clap::Args)]
pub(super) struct Select {
    /// One HTTP request. Alone it lists all that came of it: its approval, and what goes back to it, indented
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Records of this time or later: 2026-11-21T14:00:00Z, 2026-11-21, or 15m for a quarter of an hour ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Records before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Name of a tool or prompt, URI of a resource
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// allow, log_only, redact, deny, require_approval, malformed or pass
    #[arg(long, value_name = "WORD")]
    decision: Option<String>,
    /// Name of the server in the policy
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Id of the caller
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// Id of the session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Id of the rule that decided
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Name of an action of a person, or of Portcullis itself
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// Id of an approval
    #[arg(long, value_name = "ID")]
    approval: Option<String>,
    /// Correlation id of the request that asked for what the rows are about
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
}

impl Select {
    pub(super) fn filter(&self) -> Result<Filter, Failure> {
        let now = clock::now();
        let time =
            |text: &Option<String>| text.as_ref().map(|text| clock::parse(text, now).map(clock::rfc3339)).transpose();
        let equal = Column::ALL.iter().filter_map(|column| Some((*column, self.value(*column)?.clone())));
        Ok(Filter { since: time(&self.since)?, until: time(&self.until)?, equal: equal.collect(), ..Filter::default() })
    }

    fn value(&self, column: Column) -> Option<&String> {
        match column {
            Column::Correlation => self.correlation.as_ref(),
            Column::Decision => self.decision.as_ref(),
            Column::Server => self.server.as_ref(),
            Column::Tool => self.tool.as_ref(),
            Column::Principal => self.principal.as_ref(),
            Column::Session => self.session.as_ref(),
            Column::Action => self.action.as_ref(),
            Column::Rule => self.rule.as_ref(),
            Column::Approval => self.approval.as_ref(),
            Column::Parent => self.parent.as_ref(),
        }
    }
}

/// Which rows, and how.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis audit list --data /var/lib/portcullis --decision deny --since 1h
  portcullis audit list --data /var/lib/portcullis --correlation 5f0c8b3e-…
  portcullis audit list --data /var/lib/portcullis --tool delete_file --json

Rows are in the order in which they were recorded, the newest last.

Exit codes:
  0  rows were found
  1  none were
  2  wrong usage, or a database that cannot be read")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    select: Select,
    /// At most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// Print JSON lines
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

/// Which row.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis audit show --data /var/lib/portcullis 01J9ZQ-17

Exit codes:
  0  the row is there
  1  no row has this id
  2  wrong usage, or a database that cannot be read")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    place: Place,
    /// Id of the record
    #[arg(value_name = "ID")]
    id: String,
}

/// Which rows, as they come.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis audit follow --data /var/lib/portcullis --decision deny

Ends when the reader goes or by Ctrl-C.

Exit codes:
  0  the reader went
  2  wrong usage, or a database that cannot be read")]
pub(crate) struct FollowArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    select: Select,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

pub(super) fn list(args: &ListArgs) -> Result<Report, Failure> {
    let filter = Filter { limit: args.limit, ..args.select.filter()? };
    let scope = args.place.scope()?;
    let branches = match filter.equal.as_slice() {
        [(Column::Correlation, id)] if filter.since.is_none() && filter.until.is_none() => scope.tree(id)?.branches,
        _ => scope.query(&filter)?.into_iter().map(|row| Branch { row, depth: 0 }).collect(),
    };
    let skipped = branches.len().saturating_sub(usize::try_from(args.limit).unwrap_or(usize::MAX));
    let mut text = if args.csv { Format::Csv.header() } else { String::new() };
    for Branch { row, depth } in branches.iter().skip(skipped) {
        text += &match (args.csv, args.json) {
            (true, _) => Format::Csv.row(row),
            (_, true) => {
                let mut json = table::json(row);
                if let Some(members) = json.as_object_mut().filter(|_| *depth > 0) {
                    members.insert("depth".to_owned(), (*depth).into());
                }
                format!("{json}\n")
            }
            _ => format!(
                "{}{}",
                "  ".repeat(usize::try_from(*depth).unwrap_or_default()),
                table::line(row, style::stdout())
            ),
        };
    }
    Ok(Report::new(text, branches.is_empty()))
}

pub(super) fn show(args: &ShowArgs) -> Result<Report, Failure> {
    let scope = args.place.scope()?;
    let row = match scope.place(&args.id)? {
        Some(seq) => row_at(seq, |filter| scope.query(filter).map_err(Failure::from))?,
        None => None,
    };
    match row {
        Some(row) => Report::json(&table::json(&row), false),
        None => Ok(Report::new(format!("no record has the id {}\n", args.id), true)),
    }
}

pub(super) fn follow(args: &FollowArgs) -> Result<Report, Failure> {
    let scope = args.place.scope()?;
    let mut filter = Filter { limit: 1000, oldest_first: true, ..args.select.filter()? };
    if filter.since.is_none() {
        filter.after = scope.end()?;
    }
    let mut out = io::stdout().lock();
    loop {
        for row in scope.query(&filter)? {
            let text = if args.json { format!("{}\n", table::json(&row)) } else { table::line(&row, style::stdout()) };
            if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                return Ok(Report::new("", false));
            }
            filter.after = Some(row.seq);
        }
        thread::sleep(Duration::from_millis(300));
    }
}

fn row_at(
    seq: u64,
    query: impl FnOnce(&Filter) -> Result<Vec<StoredRow>, Failure>,
) -> Result<Option<StoredRow>, Failure> {
    let filter = Filter { after: seq.checked_sub(1), oldest_first: true, limit: 1, ..Filter::default() };
    Ok(query(&filter)?.into_iter().next())
}
