//! Queries that return whatever a table holds.

use std::ops::Range;

use crate::scan::sql::{self, Kind, Limit, Statement, Token, Verb};

/// What is wrong with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Every column of every row.
    Everything,
    /// A limit that is none.
    HugeLimit,
    /// Rows written to a file, a bucket or a program.
    Export,
}

/// The first finding in a text of SQL.
pub(super) fn examine(text: &str) -> Option<(Finding, Range<usize>)> {
    let tokens = sql::lex(text);
    sql::statements(&tokens).find_map(|statement| {
        let finding = judge(&statement)?;
        let start = statement.tokens.first()?.start();
        let end = statement.tokens.last()?.end();
        text.get(start..end).map(|_| (finding, start..end))
    })
}

fn judge(statement: &Statement<'_, '_>) -> Option<Finding> {
    let first = statement.tokens.iter().find(|token| token.kind != Kind::Open)?;
    let has = |words: &[&str]| words.iter().any(|word| statement.has(word));
    match statement.verb() {
        Some(Verb::Copy) => {
            let second = statement.tokens.get(1);
            // A shell's `export NAME=value` is no statement of SQL.
            let exports = first.is("export")
                && second.is_some_and(|token| token.is_any(&["data", "table", "database"]))
                || first.is("unload") && second.is_some_and(|token| token.kind == Kind::Open || token.is("to"));
            let copies_out = exports
                || (first.is("copy") && has(&["to"]) && !has(&["from"]))
                || (first.is("copy")
                    && statement.tokens.iter().any(|token| token.kind == Kind::Operator && token.text == "@"));
            let into_stage = first.is("copy")
                && statement.tokens.get(1).is_some_and(|token| token.is("into"))
                && statement.tokens.get(2).is_some_and(|token| token.kind == Kind::Text || token.text.starts_with('@'));
            (copies_out || into_stage).then_some(Finding::Export)
        }
        Some(Verb::Select) => {
            let tokens = &*statement.tokens;
            if tokens.iter().any(|token| token.is_any(EXPORTERS)) {
                return Some(Finding::Export);
            }
            let into = tokens
                .windows(2)
                .any(|pair| matches!(pair, [a, b] if a.is("into") && b.is_any(&["outfile", "dumpfile"])));
            if into {
                return Some(Finding::Export);
            }
            match statement.limit() {
                Some(Limit::Rows(rows)) if rows >= HUGE_LIMIT => return Some(Finding::HugeLimit),
                Some(Limit::All) if statement.selects_everything() => return Some(Finding::HugeLimit),
                _ => {}
            }
            let whole_table = first.is("table") && tokens.len() <= 4 && !has(&["limit", "fetch"]);
            let mut budget = Budget { tokens: PASSES * tokens.len(), depth: MAX_DEPTH };
            (whole_table || (first.is_any(&["select", "with"]) && unbounded(tokens, &[], &mut budget)))
                .then_some(Finding::Everything)
        }
        _ if first.is("backup") && has(&["database", "table", "to"]) => Some(Finding::Export),
        _ if first.is("vacuum") && has(&["into"]) => Some(Finding::Export),
        Some(Verb::Insert) if statement.tokens.iter().take(4).any(|token| token.is_any(&["directory", "function"])) => {
            Some(Finding::Export)
        }
        _ => None,
    }
}

/// What may still be read.
#[derive(Clone, Copy)]
struct Budget {
    tokens: usize,
    depth: u8,
}

/// A table expression of `WITH`.
#[derive(Clone, Copy)]
struct Named<'a, 't> {
    name: &'t str,
    body: &'a [Token<'t>],
}

/// Whether a query returns all columns of all rows of some table.
///
/// Each level of nesting is read once per use; `budget` bounds the tokens read in total, so that
/// table expressions that use one another cannot multiply the work.
fn unbounded<'a, 't>(tokens: &'a [Token<'t>], outer: &[Named<'a, 't>], budget: &mut Budget) -> bool {
    let (Some(left), Some(depth)) = (budget.tokens.checked_sub(tokens.len()), budget.depth.checked_sub(1)) else {
        return false;
    };
    *budget = Budget { tokens: left, depth };
    let tokens = unwrapped(tokens);
    let mut named = outer.to_vec();
    let main =
        if tokens.first().is_some_and(|token| token.is("with")) { expressions(tokens, &mut named) } else { tokens };
    let branches = split(main, &["union", "intersect", "except", "minus"]);
    // A limit behind the last branch holds for all.
    let limited = branches.len() > 1 && branches.last().is_some_and(|last| bounded_at_end(last));
    let found = !limited && branches.iter().any(|branch| branch_unbounded(branch, &named, budget));
    budget.depth += 1;
    found
}

fn branch_unbounded<'a, 't>(branch: &'a [Token<'t>], named: &[Named<'a, 't>], budget: &mut Budget) -> bool {
    let branch = match branch.first() {
        Some(token) if token.is_any(&["all", "distinct"]) => branch.get(1..).unwrap_or(&[]),
        Some(token) if token.kind == Kind::Open => return unbounded(unwrapped(branch), named, budget),
        _ => branch,
    };
    let statement = Statement { tokens: branch.into() };
    if statement.verb() != Some(Verb::Select) || !(statement.selects_everything() || collects(branch)) {
        return false;
    }
    let Some(from) = statement.find("from") else { return false };
    let clauses = branch.get(from + 1..).unwrap_or(&[]);
    if restricts(clauses) || statement.limit().is_some() || statement.has("sample") {
        return false;
    }
    let end = positions(clauses).find(|(_, token)| token.is_any(ENDS_FROM)).map_or(clauses.len(), |(at, _)| at);
    let sources = clauses.get(..end).unwrap_or(clauses);
    source_groups(sources).into_iter().any(|source| source_unbounded(source, named, budget))
}

/// A function that puts all rows into one value: `json_agg(u)`.
fn collects(branch: &[Token<'_>]) -> bool {
    let list = branch.iter().take_while(|token| !token.is("from")).take(16);
    let names = list.clone().filter(|token| token.is_any(COLLECTORS));
    names.count() > 0 && list.filter(|token| token.is("over") || token.is("distinct")).count() == 0
}

fn source_unbounded<'a, 't>(source: &'a [Token<'t>], named: &[Named<'a, 't>], budget: &mut Budget) -> bool {
    match source {
        [] => false,
        [open, ..] if open.kind == Kind::Open => {
            let inner = close_of(source).and_then(|end| source.get(1..end)).unwrap_or(&[]);
            let query = inner.iter().find(|token| token.kind != Kind::Open);
            if query.is_some_and(|token| token.is_any(&["select", "with"])) {
                unbounded(inner, named, budget)
            } else {
                source_groups(inner).into_iter().any(|source| {
                    !source.is_empty() && query.is_some_and(|token| !token.is("values")) && !is_call(source)
                })
            }
        }
        [only, ..] if only.is_any(&["values", "unnest", "lateral"]) => false,
        source if is_call(source) => false,
        [only, next @ ..] => {
            let qualified = next.first().is_some_and(|token| token.kind == Kind::Dot);
            match named.iter().rposition(|one| !qualified && one.name.eq_ignore_ascii_case(only.text)) {
                // Only what stands before it: a table expression that names itself reads the table.
                Some(at) => match (named.get(..at), named.get(at)) {
                    (Some(before), Some(one)) => unbounded(one.body, before, budget),
                    _ => false,
                },
                None => true,
            }
        }
    }
}

/// A table function: `generate_series(1, 3)`.
fn is_call(source: &[Token<'_>]) -> bool {
    let name = source.iter().take_while(|token| matches!(token.kind, Kind::Word | Kind::Dot | Kind::Quoted)).count();
    name > 0
        && name <= 5
        && source.get(name).is_some_and(|token| token.kind == Kind::Open)
        && !source.iter().take(name).any(|token| token.is_any(&["pivot", "unpivot", "tablesample", "final", "as"]))
}

/// Whether a clause keeps rows back: `WHERE` with a condition that can fail, groups, samples.
fn restricts(clauses: &[Token<'_>]) -> bool {
    positions(clauses).any(|(at, token)| {
        let behind = clauses.get(at + 1..).unwrap_or(&[]);
        if token.is_any(&["where", "prewhere"]) {
            // `… OR 1 = 1` takes back what stands before it.
            return !behind.is_empty() && !alternatives(behind).into_iter().any(is_tautology);
        }
        token.is_any(&["having", "qualify", "tablesample", "limit", "match_recognize"])
            && behind.first().is_some_and(|next| !matches!(next.kind, Kind::Comma | Kind::Close))
            || (token.is("group") && behind.first().is_some_and(|next| next.is("by")))
    })
}

/// The parts of a condition between `OR`s.
fn alternatives<'a, 't>(condition: &'a [Token<'t>]) -> Vec<&'a [Token<'t>]> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, token) in positions(condition) {
        if token.is("or") {
            parts.extend(condition.get(from..at));
            from = at + 1;
        }
    }
    parts.extend(condition.get(from..));
    parts
}

/// `1 = 1`, `TRUE`, `1`, `'a' = 'a'`, and nothing behind but an order.
fn is_tautology(condition: &[Token<'_>]) -> bool {
    let rest = match condition {
        [a, sign, b, rest @ ..]
            if sign.text == "=" && a.text.eq_ignore_ascii_case(b.text) && a.kind != Kind::Variable =>
        {
            rest
        }
        [one, rest @ ..]
            if one.is("true") || (one.kind == Kind::Number && one.text.bytes().any(|digit| digit != b'0')) =>
        {
            rest
        }
        _ => return false,
    };
    rest.first().is_none_or(|next| next.is("order"))
}

fn bounded_at_end(branch: &[Token<'_>]) -> bool {
    positions(branch).any(|(_, token)| token.is_any(&["limit", "fetch"]))
}

/// The table expressions of `WITH` go to `named`; the query behind them is returned.
fn expressions<'a, 't>(tokens: &'a [Token<'t>], named: &mut Vec<Named<'a, 't>>) -> &'a [Token<'t>] {
    let mut at = 1;
    while let Some(name) = tokens.get(at) {
        if name.is("recursive") {
            at += 1;
            continue;
        }
        if name.is_any(&["select", "insert", "update", "delete", "values"]) || named.len() >= 64 {
            break;
        }
        // A list of columns, `AS`, `MATERIALIZED`, then the query in brackets.
        let mut open = at + 1;
        if tokens.get(open).is_some_and(|token| token.kind == Kind::Open) {
            open += tokens.get(open..).and_then(close_of).map_or(1, |end| end + 1);
        }
        while tokens.get(open).is_some_and(|token| token.is_any(&["as", "not", "materialized"])) {
            open += 1;
        }
        let Some(rest) = tokens.get(open..).filter(|rest| rest.first().is_some_and(|token| token.kind == Kind::Open))
        else {
            break;
        };
        let Some(end) = close_of(rest) else { break };
        if let Some(body) = rest.get(1..end) {
            named.push(Named { name: name.text, body });
        }
        at = open + end + 1;
        if tokens.get(at).is_some_and(|token| token.kind == Kind::Comma) {
            at += 1;
        } else {
            break;
        }
    }
    tokens.get(at..).unwrap_or(&[])
}

/// Index of the bracket that closes the one at 0.
fn close_of(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0i32;
    tokens.iter().position(|token| {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// Without the brackets around all of it.
fn unwrapped<'a, 't>(mut tokens: &'a [Token<'t>]) -> &'a [Token<'t>] {
    for _ in 0..8 {
        match tokens {
            [open, inner @ .., _] if open.kind == Kind::Open && close_of(tokens) == Some(tokens.len() - 1) => {
                tokens = inner
            }
            _ => break,
        }
    }
    tokens
}

/// The tokens outside all brackets.
fn positions<'a, 't>(tokens: &'a [Token<'t>]) -> impl Iterator<Item = (usize, &'a Token<'t>)> {
    let mut depth = 0i32;
    tokens.iter().enumerate().filter(move |(_, token)| {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        depth == 0 && token.kind != Kind::Close
    })
}

fn split<'a, 't>(tokens: &'a [Token<'t>], words: &[&str]) -> Vec<&'a [Token<'t>]> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, token) in positions(tokens) {
        // `EXCEPT (a, b)` behind a star names columns (BigQuery, Snowflake).
        let columns = token.is("except") && at > 0 && tokens.get(at - 1).is_some_and(|before| before.text == "*");
        if token.is_any(words) && !columns && at > from {
            parts.extend(tokens.get(from..at));
            from = at + 1;
        }
    }
    parts.extend(tokens.get(from..));
    parts
}

/// The sources between commas and joins.
fn source_groups<'a, 't>(sources: &'a [Token<'t>]) -> Vec<&'a [Token<'t>]> {
    let mut groups = Vec::new();
    let mut from = 0;
    for (at, token) in positions(sources) {
        if token.kind == Kind::Comma || token.is("join") {
            groups.extend(sources.get(from..at));
            from = at + 1;
        }
    }
    groups.extend(sources.get(from..));
    groups
}

/// Functions that put all rows into one value.
const COLLECTORS: &[&str] = &[
    "json_agg",
    "jsonb_agg",
    "array_agg",
    "string_agg",
    "group_concat",
    "listagg",
    "xmlagg",
    "json_arrayagg",
    "json_group_array",
    "collect_list",
];
/// Functions that return a table, a schema or a database as one document (PostgreSQL).
const EXPORTERS: &[&str] =
    &["query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "table_to_xml_and_xmlschema"];
/// What ends the list of sources.
const ENDS_FROM: &[&str] = &["order", "where", "group", "having", "limit", "offset", "for", "settings", "option"];
/// More rows than a person reads or a model can hold.
const HUGE_LIMIT: u64 = 50_000;
/// How often a statement's tokens may be read in total.
const PASSES: usize = 32;
/// How deep derived tables are followed.
const MAX_DEPTH: u8 = 12;
