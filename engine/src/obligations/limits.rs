//! How large a result may be.

use super::embedded;
use crate::json::{Kind, Value};

/// Bounds on a result.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResultLimits {
    pub(super) bytes: Option<u64>,
    pub(super) items: Option<usize>,
    pub(super) rows: Option<usize>,
}

impl ResultLimits {
    /// What the result is too large in, as the caller is told; `None` if it is not.
    pub(super) fn exceeded(&self, result: Value<'_>) -> Option<String> {
        let size = result.span().len();
        if let Some(most) = self.bytes.filter(|most| size as u64 > *most) {
            return Some(format!("The result has {size} bytes; {most} are allowed."));
        }
        if let Some(most) = self.items {
            let items = items(result);
            if items > most {
                return Some(format!("The result has {items} entries; {most} are allowed."));
            }
        }
        let most = self.rows?;
        let rows = rows_of(result);
        (rows > most).then(|| format!("The result has {rows} rows; {most} are allowed."))
    }
}

/// The entries of the longest list of a result or the rows of its longest table, whichever are more.
pub(crate) fn entries(result: Value<'_>) -> usize {
    items(result).max(rows_of(result))
}

/// The entries of the longest list that a result consists of.
fn items(result: Value<'_>) -> usize {
    let lists = result
        .members()
        .filter(|(key, value)| value.kind() == Kind::Array && LISTS.iter().any(|list| key.is_str(list)));
    let lengths = lists.map(|(_, list)| list.elements().count());
    let completions = result.get("completion").and_then(|completion| completion.get("values"));
    lengths.max().unwrap_or(0).max(completions.map_or(0, |values| values.elements().count()))
}

/// The rows of the longest table of a result. What a result is a list of are its entries, not rows.
fn rows_of(result: Value<'_>) -> usize {
    let of_member = |(key, value): (Value<'_>, Value<'_>)| {
        if LISTS.iter().any(|list| key.is_str(list)) {
            value.elements().map(|element| rows(element, 0)).max().unwrap_or(0)
        } else {
            rows(value, 0)
        }
    };
    result.members().map(of_member).max().unwrap_or(0)
}

/// The rows of the longest table within a value, JSON and CSV within its texts included.
fn rows(value: Value<'_>, depth: u8) -> usize {
    let mut most = 0;
    match value.kind() {
        Kind::Array => {
            let is_row = |element: &Value<'_>| matches!(element.kind(), Kind::Object | Kind::Array);
            most = value.elements().filter(is_row).count();
            value.elements().for_each(|element| most = most.max(rows(element, depth)));
        }
        Kind::Object => value.members().for_each(|(_, member)| most = most.max(rows(member, depth))),
        Kind::String if depth < MAX_EMBEDDED => {
            let Some(text) = value.as_str() else { return 0 };
            let mut documents = 0;
            let is_json = embedded::each(&text, |_, root| {
                documents += usize::from(matches!(root.kind(), Kind::Object | Kind::Array));
                most = most.max(rows(root, depth + 1));
            });
            // JSON line by line is a table as well.
            most = if is_json { most.max(if documents > 1 { documents } else { 0 }) } else { csv_rows(&text) };
        }
        _ => {}
    }
    most
}

/// The lines below the heading of a text that is a table by its delimiters; 0 where it is none.
fn csv_rows(text: &str) -> usize {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let Some(heading) = lines().next() else { return 0 };
    let columns = |line: &str, delimiter: char| {
        let mut quoted = false;
        line.chars()
            .filter(|c| {
                quoted ^= *c == '"';
                !quoted && *c == delimiter
            })
            .count()
    };
    let delimiter = ['\t', ';', '|', ','].into_iter().find(|delimiter| columns(heading, *delimiter) > 0);
    let Some(delimiter) = delimiter else { return 0 };
    let wanted = columns(heading, delimiter);
    let (mut all, mut fitting) = (0_usize, 0_usize);
    for line in lines() {
        all += 1;
        fitting += usize::from(columns(line, delimiter) == wanted);
    }
    if all > 2 && fitting * 10 >= all * 8 { fitting.saturating_sub(1) } else { 0 }
}

/// Members of a result that are lists of what was asked for.
const LISTS: [&str; 8] =
    ["content", "contents", "messages", "tools", "resources", "resourceTemplates", "prompts", "tasks"];

/// How deep JSON within JSON is looked into.
const MAX_EMBEDDED: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    #[test]
    fn counts_entries_and_rows() {
        for (text, expected_items, expected_rows) in [
            (r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#, 2, 0),
            (r#"{"content":[{"text":"[{\"a\":1},{\"a\":2},{\"a\":3}]"}]}"#, 1, 3),
            (r#"{"content":[{"text":"{\"a\":1}\n{\"a\":2}\n{\"a\":3}"}]}"#, 1, 3),
            (r#"{"content":[],"structuredContent":{"rows":[[1],[2]]}}"#, 0, 2),
            (r#"{"content":[{"text":"a,b\n1,2\n3,4\n5,\"6,7\"\n"}]}"#, 1, 3),
            (r#"{"content":[{"text":"Hello, world.\nAll is well.\nBye, then."}]}"#, 1, 0),
            (r#"{"contents":[1,2],"structuredContent":[1,2,3]}"#, 2, 0),
            (r#"{"completion":{"values":["a","b"]}}"#, 2, 0),
        ] {
            let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(items(document.root()), expected_items, "{text}");
            assert_eq!(rows_of(document.root()), expected_rows, "{text}");
        }
    }

    #[test]
    fn says_what_is_too_large() {
        let document = Document::parse(br#"{"content":[1,2,3]}"#, &Limits::default()).unwrap();
        let limits = |bytes, items, rows| ResultLimits { bytes, items, rows };
        assert_eq!(limits(Some(19), Some(3), Some(0)).exceeded(document.root()), None);
        assert!(limits(Some(18), None, None).exceeded(document.root()).is_some());
        assert!(limits(None, Some(2), None).exceeded(document.root()).is_some());
    }
}
