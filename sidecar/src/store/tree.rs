//! All that came of one request of a client: its own rows, those of its approval, and those of the requests that go back to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::tx::Work;
use super::{Column, Filter, StoreError, StoredRow};

/// What came of one request, by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) branches: Vec<Branch>,
    /// There are more rows than are here.
    pub(crate) more: bool,
}

/// One row, and how many requests lie between it and the one that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) row: StoredRow,
    pub(crate) depth: u32,
}

impl Work<'_> {
    /// All that came of the request with this correlation id; nothing where there is none.
    pub(super) fn tree(&mut self, correlation: &str) -> Result<Tree, StoreError> {
        let mut tree = BTreeMap::new();
        let mut known = BTreeSet::from([correlation.to_owned()]);
        let mut queue = VecDeque::from([(correlation.to_owned(), 0)]);
        let mut more = false;
        while let Some((id, depth)) = queue.pop_front() {
            let own = self.about(Column::Correlation, &id, &mut more)?;
            let began = own.first().map_or(u64::MAX, |row| row.seq);
            let mut others = self.about(Column::Parent, &id, &mut more)?;
            let approvals: BTreeSet<_> = own.iter().filter_map(|row| member(row, Column::Approval)).collect();
            for row in own {
                tree.entry(row.seq).or_insert(Branch { row, depth });
            }
            for approval in &approvals {
                for row in self.about(Column::Approval, approval, &mut more)? {
                    // What people did about it. Of the calls that have it those before this one are what it goes back to itself.
                    if member(&row, Column::Action).is_some() {
                        tree.entry(row.seq).or_insert(Branch { row, depth });
                    } else if row.seq > began {
                        others.push(row);
                    }
                }
            }
            for of in others.iter().filter_map(|row| member(row, Column::Correlation)) {
                if known.len() >= MAX_REQUESTS {
                    more = true;
                } else if known.insert(of.clone()) {
                    queue.push_back((of, depth + 1));
                }
            }
        }
        more |= tree.len() > MAX_ROWS;
        Ok(Tree { branches: tree.into_values().take(MAX_ROWS).collect(), more })
    }

    /// The oldest rows that have this.
    fn about(&mut self, column: Column, value: &str, more: &mut bool) -> Result<Vec<StoredRow>, StoreError> {
        let equal = vec![(column, value.to_owned())];
        let rows = self.tables.query(&Filter { equal, oldest_first: true, limit: PAGE, ..Filter::default() })?;
        *more |= rows.len() as u64 == PAGE;
        Ok(rows)
    }
}

fn member(row: &StoredRow, column: Column) -> Option<String> {
    let record: Value = serde_json::from_str(&row.record).ok()?;
    Some(record.get(column.member())?.as_str()?.to_owned())
}

/// Requests of a tree, rows of one of them, and rows of all.
const MAX_REQUESTS: usize = 64;
const PAGE: u64 = 1000;
const MAX_ROWS: usize = 1000;
