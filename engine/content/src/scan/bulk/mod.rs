//! What takes more than a task needs: whole tables, dumps, page sizes that are none, every file of a
//! machine. It looks at the strings that go to a server, and at a result that comes back as a whole.
//!
//! One call is judged here. How many pages a principal has fetched is counted by the obligation `max_pages`.

use std::ops::Range;

use super::Direction;
use super::detect::{Detector, Gate, Input, Match, RuleInfo, heads};
use super::lookup::Lookup;
use super::shell::{Role, fold};

mod command;
mod query;
pub(super) mod result;
mod rules;

/// The scanner.
pub const DETECTOR: Detector = Detector {
    name: "bulk",
    rules: &heads::<{ rules::RULES.len() }>(rules::RULES),
    triggers: || rules::TRIGGERS.to_vec(),
    gate: Gate::Triggers,
    off: &[],
    direction: Some(Direction::Request),
    detect,
};

/// What is to be known about each rule, in the order of [`DETECTOR`]'s.
pub const CATALOG: &[RuleInfo] = rules::RULES;

/// Index of a rule in [`DETECTOR`]'s table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    SelectEverything,
    HugeLimit,
    TableExport,
    DatabaseDump,
    UnboundedFind,
    PageSize,
    ReadsEverything,
    ArchivesEverything,
    ExportsEverything,
    LargeResult,
    ManyRows,
    PiiRecords,
}

fn detect(input: &Input<'_>, out: &mut Vec<Match>) {
    let text = input.text;
    if input.context.direction != Direction::Request || text.is_empty() {
        return;
    }
    let mut push = |rule: Rule, range: Range<usize>| out.push(Match { rule: rule as usize, range });
    if let Some(member) = input.member
        && text.len() <= 24
    {
        if is_page_size(member, text, input.tool) {
            push(Rule::PageSize, 0..text.len());
            return;
        }
        if exports_everything(member, text, input.tool) {
            push(Rule::ExportsEverything, 0..text.len());
            return;
        }
    }
    let role = Role::of(input);
    // Whatever the argument is called: a glob, a pattern, a path, a root.
    if role != Role::Command && text.len() <= 64 && command::globs_everything(text.trim()) {
        push(Rule::ReadsEverything, 0..text.len());
        return;
    }
    match role {
        Role::Prose if text.starts_with('{') => {}
        Role::Prose | Role::Document | Role::Word => return,
        Role::Command => {
            if let Some((rule, range)) = command::examine(input) {
                push(rule, range);
                return;
            }
        }
        Role::Url | Role::Path => {
            if let Some(range) = huge_parameter(text) {
                push(Rule::PageSize, range);
            }
            return;
        }
        Role::Sql | Role::Search | Role::Value | Role::Unknown | Role::Code => {}
    }
    if role != Role::Command && begins_query(text) {
        if let Some((finding, range)) = query::examine(text) {
            push(finding.rule(), range);
            return;
        }
        if let Some(range) = unbounded_match(text) {
            push(Rule::UnboundedFind, range);
            return;
        }
    }
    if let Some(range) = find_everything(text) {
        push(Rule::UnboundedFind, range);
    } else if let Some(range) = huge_parameter(text) {
        push(Rule::PageSize, range);
    }
}

/// Whether a text begins like a query, not like a sentence.
fn begins_query(text: &str) -> bool {
    let mut head = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    // A comment in front of it hides nothing.
    for _ in 0..8 {
        let rest = if let Some(rest) = head.strip_prefix("/*") {
            rest.split_once("*/").map(|(_, rest)| rest)
        } else if head.starts_with("--") || head.starts_with('#') {
            head.split_once('\n').map(|(_, rest)| rest)
        } else {
            break;
        };
        head = rest.unwrap_or("").trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    }
    let length = head.bytes().take_while(u8::is_ascii_alphabetic).count();
    let word = head.get(..length).unwrap_or("");
    length < head.len() && VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb))
}

/// What the name of a member says about how many are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    /// It is about that and nothing else: `limit`, `$top`.
    Sure,
    /// It may also count bytes or seconds.
    Vague,
}

impl Amount {
    /// The least number that no page has.
    fn least(self) -> f64 {
        if self == Self::Sure { HUGE_PAGE } else { HUGE_PAGE * 10.0 }
    }

    /// Whether a number as it is written may be as large: looking at each would cost as much as all the rest.
    pub(super) fn may_be(self, number: &str) -> bool {
        let digits = if self == Self::Sure { LARGE } else { LARGE + 1 };
        number.len() >= LARGE && (number.len() >= digits || !number.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// What a member is named for, if it says how many are wanted.
pub(super) fn says_how_many(member: &str) -> Option<Amount> {
    // A longer name than any of them fits too, and is none of them.
    let mut buffer = [0; LONGEST + 1];
    let name = fold(member, &mut buffer);
    // `$top`, `$limit`: a language of queries says so.
    if member.starts_with('$') && name.len() <= LONGEST {
        return Some(Amount::Sure);
    }
    AMOUNTS.get(name)
}

/// A member that says how many, with a number that says all.
fn is_page_size(member: &str, text: &str, tool: Option<&str>) -> bool {
    let Some(amount) = says_how_many(member) else { return false };
    let reads = || {
        let tool = tool.unwrap_or("").to_ascii_lowercase();
        ["search", "list", "query", "find", "fetch", "get", "read", "export", "scan", "graphql", "download"]
            .iter()
            .any(|word| tool.contains(word))
    };
    let sure = amount == Amount::Sure;
    if !(sure || reads()) {
        return false;
    }
    let text = text.trim();
    if sure && ["all", "unlimited", "infinity", "inf", "max", "-1"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return true;
    }
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.parse::<f64>().is_ok_and(|number| number >= amount.least())
}

/// `*` or `all` as what an exporting tool is to export.
fn exports_everything(member: &str, text: &str, tool: Option<&str>) -> bool {
    let tool = tool.unwrap_or("").to_ascii_lowercase();
    let member = member.to_ascii_lowercase();
    ["export", "dump", "backup", "download", "extract"].iter().any(|word| tool.contains(word))
        && ["table", "collection", "scope", "record", "id", "user", "column", "object", "entit", "dataset", "customer"]
            .iter()
            .any(|word| member.contains(word))
        && ["*", "all", "everything", "%", "_all"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// `limit=999999` and its like in a query string, a GraphQL field (`first: 999999`) or an Elasticsearch body.
fn huge_parameter(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(offset) = memchr::memchr2(b'=', b':', bytes.get(at..)?) {
        let sign = at + offset;
        at = sign + 1;
        let name_length = bytes
            .get(sign.saturating_sub(24)..sign)
            .unwrap_or(&[])
            .iter()
            .rev()
            .skip_while(|byte| matches!(byte, b'"' | b'\\' | b'\'' | b' '))
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte == b'-')
            .count();
        if name_length == 0 {
            continue;
        }
        let padding = bytes
            .get(sign + 1..)
            .unwrap_or(&[])
            .iter()
            .take(3)
            .take_while(|byte| matches!(byte, b' ' | b'"' | b'\''))
            .count();
        let digits = bytes
            .get(sign + 1 + padding..)
            .unwrap_or(&[])
            .iter()
            .take(20)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits < 5 {
            continue;
        }
        let end = sign + 1 + padding + digits;
        let quotes = bytes
            .get(sign.saturating_sub(24)..sign)
            .unwrap_or(&[])
            .iter()
            .rev()
            .take_while(|byte| matches!(byte, b'"' | b'\\' | b'\'' | b' '))
            .count();
        let start = sign - quotes.min(sign) - name_length.min(sign - quotes.min(sign));
        if let (Some(name), Some(number)) = (text.get(start..sign - quotes), text.get(sign + 1 + padding..end))
            && is_page_size(name, number, Some("query"))
        {
            return Some(start..end);
        }
    }
    None
}

/// MongoDB's `find({})` and `find()` without a limit, Elasticsearch's `match_all` with a huge size is
/// [`huge_parameter`]'s.
fn find_everything(text: &str) -> Option<Range<usize>> {
    let at = memchr::memmem::find(text.as_bytes(), b".find(")
        .or_else(|| memchr::memmem::find(text.as_bytes(), b".aggregate([])"))?;
    finds_all(text).then_some(at..at + 6)
}

/// Whether a MongoDB expression reads a whole collection.
fn finds_all(text: &str) -> bool {
    if text.contains(".aggregate([])") {
        return true;
    }
    let Some((before, after)) = text.split_once(".find(") else { return false };
    if !before.contains("db.") && !before.contains("getCollection") {
        return false;
    }
    let inner: String = after.chars().take(64).filter(|c| !c.is_whitespace()).collect();
    (inner.starts_with(')') || inner.starts_with("{})") || inner.starts_with("{},"))
        && ![".limit(", ".count(", ".size("].iter().any(|bound| after.contains(bound))
}

/// Cypher's `MATCH (n) RETURN n` without condition and limit.
fn unbounded_match(text: &str) -> Option<Range<usize>> {
    let lower = text.trim_start().get(..text.len().min(512)).unwrap_or(text.trim_start()).to_ascii_lowercase();
    let pattern = lower.strip_prefix("match")?.trim_start().strip_prefix('(')?;
    let (node, rest) = pattern.split_once(')')?;
    let open = !node.contains(['{', ':']);
    let bounded = ["where", "limit", "count(", "delete", "set "].iter().any(|word| rest.contains(word));
    (open && rest.trim_start().starts_with("return") && !bounded).then_some(0..text.len())
}

/// Rows or items that no page has.
const HUGE_PAGE: f64 = 10_000.0;
/// Its digits.
const LARGE: usize = 5;
/// Longest name that says how many are wanted, folded, in bytes.
const LONGEST: usize = 24;
const VERBS: &[&str] = &[
    "select", "with", "table", "copy", "unload", "export", "backup", "vacuum", "insert", "match", "explain", "use",
    "begin", "set", "create",
];
/// Names that say how many items are wanted, folded, sorted.
static AMOUNTS: Lookup<Amount> = Lookup::new(&[
    ("batchsize", Amount::Vague),
    ("count", Amount::Vague),
    ("fetchsize", Amount::Sure),
    ("first", Amount::Vague),
    ("hitsperpage", Amount::Sure),
    ("itemsperpage", Amount::Sure),
    ("k", Amount::Vague),
    ("last", Amount::Vague),
    ("length", Amount::Vague),
    ("limit", Amount::Sure),
    ("limitrows", Amount::Sure),
    ("listsize", Amount::Sure),
    ("max", Amount::Vague),
    ("maxcount", Amount::Sure),
    ("maxdocuments", Amount::Sure),
    ("maxhits", Amount::Sure),
    ("maxitems", Amount::Sure),
    ("maxkeys", Amount::Sure),
    ("maxrecords", Amount::Sure),
    ("maxresultcount", Amount::Sure),
    ("maxresults", Amount::Sure),
    ("maxreturn", Amount::Sure),
    ("maxrows", Amount::Sure),
    ("n", Amount::Vague),
    ("nresults", Amount::Sure),
    ("numberofresults", Amount::Sure),
    ("numberofrows", Amount::Sure),
    ("numitems", Amount::Sure),
    ("numresults", Amount::Sure),
    ("numrows", Amount::Sure),
    ("pagecount", Amount::Sure),
    ("pagelength", Amount::Sure),
    ("pagelimit", Amount::Sure),
    ("pagesize", Amount::Sure),
    ("perpage", Amount::Sure),
    ("perpagecount", Amount::Sure),
    ("querylimit", Amount::Sure),
    ("recordlimit", Amount::Sure),
    ("resultlimit", Amount::Sure),
    ("results", Amount::Vague),
    ("resultsperpage", Amount::Sure),
    ("rowcount", Amount::Sure),
    ("rowlimit", Amount::Sure),
    ("rows", Amount::Vague),
    ("searchlimit", Amount::Sure),
    ("size", Amount::Vague),
    ("take", Amount::Vague),
    ("top", Amount::Vague),
    ("topk", Amount::Sure),
]);

#[cfg(test)]
mod tests;
