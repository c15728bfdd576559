//! What came back: one result as a whole, not one of its strings.

use std::collections::BTreeSet;

use super::Rule;
use crate::json::Value;
use crate::scan::Located;

/// The rules that a result falls under. `found` is what was found in it; `rows` counts its entries and rows, which
/// costs a walk over it.
pub(in crate::scan) fn judge(result: Value<'_>, found: &[Located<'_>], rows: fn(Value<'_>) -> usize) -> Vec<usize> {
    let size = result.span().len();
    let mut rules = Vec::new();
    if size >= LARGE {
        rules.push(Rule::LargeResult as usize);
    }
    // Small results are the many, and hold no long table.
    if size >= WORTH_COUNTING && rows(result) >= MANY_ROWS {
        rules.push(Rule::ManyRows as usize);
    }
    if people(found) >= MANY_PEOPLE {
        rules.push(Rule::PiiRecords as usize);
    }
    rules
}

/// How many values of personal data are among the findings, equal ones counted once; at most [`MANY_PEOPLE`].
fn people(found: &[Located<'_>]) -> usize {
    let personal = |located: &&Located<'_>| located.finding.scanner == "pii";
    if found.iter().filter(personal).take(MANY_PEOPLE).count() < MANY_PEOPLE {
        return 0;
    }
    let mut values = BTreeSet::new();
    for located in found.iter().filter(personal) {
        let text = located.value.as_str().unwrap_or(located.value.raw().into());
        values.extend(text.get(located.finding.range.clone()).map(str::to_owned));
        if values.len() >= MANY_PEOPLE {
            break;
        }
    }
    values.len()
}

/// Bytes of JSON: 128 thousand tokens or so, which is the whole window of many models.
const LARGE: usize = 512 << 10;

/// Entries of a list, or rows of a table.
const MANY_ROWS: usize = 5_000;

/// Bytes of JSON below which rows are not counted: 26 for each of [`MANY_ROWS`].
const WORTH_COUNTING: usize = 128 << 10;

/// Values of personal data, each counted once: no answer about one person or one order holds as many.
const MANY_PEOPLE: usize = 25;
