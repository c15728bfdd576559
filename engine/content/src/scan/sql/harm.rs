//! Statements that destroy data or reach beyond the database.

use std::ops::Range;

use super::lexer::{Kind, Token};
use super::statement::{Statement, Verb, statements};

/// What a statement would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// `DROP TABLE t`, also of databases, views, users, …
    Drop,
    /// `TRUNCATE t`
    Truncate,
    /// `DELETE FROM t` without `WHERE`, or with one that always holds.
    DeleteAll,
    /// `UPDATE t SET …` likewise.
    UpdateAll,
    /// `ALTER … DROP …`
    AlterDrop,
    /// `GRANT ALL …`, a user created with a password, `ALTER SYSTEM`.
    Grant,
    /// Runs a program or touches files of the server: `COPY … PROGRAM`, `xp_cmdshell`, `INTO OUTFILE`, `LOAD_FILE`.
    System,
    /// `SHUTDOWN`
    Stop,
    /// A reading statement followed by a writing one.
    Stacked,
}

/// Whether a text can hold a harmful statement: it begins with a verb of SQL, or has several parts.
/// Much cheaper than [`super::lex`].
#[must_use]
pub fn may_harm(text: &str) -> bool {
    let trimmed = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let word = trimmed.get(..trimmed.bytes().take(10).take_while(u8::is_ascii_alphabetic).count()).unwrap_or("");
    VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb))
        || memchr::memchr(b';', text.as_bytes()).is_some()
        || memchr::memmem::find(text.as_bytes(), b"/*").is_some()
}

/// The first harmful statement, and where it stands.
#[must_use]
pub fn harm(tokens: &[Token<'_>]) -> Option<(Harm, Range<usize>)> {
    let mut first = None;
    for statement in statements(tokens) {
        let verb = statement.verb();
        let range = span(&statement);
        if let Some(found) = of(&statement, verb) {
            return Some((found, range));
        }
        let writes = matches!(
            verb,
            Some(Verb::Insert | Verb::Update | Verb::Delete | Verb::Grant | Verb::Control | Verb::Execute)
        );
        if writes && first == Some(Verb::Select) && shaped(&statement, verb) {
            return Some((Harm::Stacked, range));
        }
        if first.is_none() {
            first = verb;
        }
    }
    None
}

fn of(statement: &Statement<'_, '_>, verb: Option<Verb>) -> Option<Harm> {
    let tokens = &*statement.tokens;
    let at = |index: usize| tokens.get(index);
    let found = match verb? {
        Verb::Drop => {
            let name = if at(1)?.is_any(&["materialized", "foreign", "external"]) { 3 } else { 2 };
            (at(1)?.is_any(OBJECTS) && object_end(tokens, name)).then_some(Harm::Drop)
        }
        // `WITH gone AS (DELETE FROM t RETURNING *) …`
        Verb::Select => {
            let deletes = |three: &[Token<'_>]| matches!(three, [a, b, c] if a.kind == Kind::Open && b.is("delete") && c.is("from"));
            (at(0)?.is("with") && tokens.windows(3).any(deletes) && !statement.has("where")).then_some(Harm::DeleteAll)
        }
        Verb::Truncate => {
            let name = if at(1)?.is("table") { 2 } else { 1 };
            (at(name)?.kind != Kind::Open && object_end(tokens, name)).then_some(Harm::Truncate)
        }
        Verb::Delete => {
            let shaped = at(1)?.is("from") && named(tokens, 2);
            let ends = !statement.has("where") && object_end(tokens, 2);
            (shaped && (ends || always(statement)) && !statement.has("limit")).then_some(Harm::DeleteAll)
        }
        Verb::Update => {
            let set = statement.find("set").filter(|set| *set <= 5 && named(tokens, 1))?;
            let shaped = (set + 1..set + 5).any(|index| at(index).is_some_and(|token| token.text == "="));
            (shaped && (!statement.has("where") || always(statement)) && !statement.has("limit"))
                .then_some(Harm::UpdateAll)
        }
        Verb::Alter => {
            let altered = at(1)?.is_any(&["table", "database", "schema", "type", "view", "domain", "tablespace"]);
            if at(1)?.is("system") {
                Some(Harm::Grant)
            } else {
                (altered && statement.has("drop")).then_some(Harm::AlterDrop)
            }
        }
        Verb::Grant => {
            let all = at(0)?.is("grant") && at(1)?.is("all") && (statement.has("on") || statement.has("privileges"));
            all.then_some(Harm::Grant)
        }
        Verb::Create => {
            let user = at(1)?.is_any(&["user", "login", "role"])
                && tokens.iter().any(|t| t.is_any(&["identified", "password", "superuser"]));
            if user {
                Some(Harm::Grant)
            } else {
                let library = statement.has("soname")
                    || (at(1)?.is("extension")
                        && tokens.iter().any(|t| t.is_any(&["plpythonu", "plpython3u", "plperlu", "dblink"])));
                library.then_some(Harm::System)
            }
        }
        // `shutdown -c` is a command of the shell.
        Verb::Stop => (at(0)?.is("shutdown")
            && tokens.len() <= 3
            && at(1).is_none_or(|next| next.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == ';')))
        .then_some(Harm::Stop),
        _ => None,
    };
    found.or_else(|| reaches_system(statement).then_some(Harm::System))
}

fn reaches_system(statement: &Statement<'_, '_>) -> bool {
    let tokens = &*statement.tokens;
    tokens.iter().enumerate().any(|(index, token)| {
        if token.kind != Kind::Word {
            return false;
        }
        let next = tokens.get(index + 1);
        let call = next.is_some_and(|next| next.kind == Kind::Open);
        if token.is("program") {
            return statement.verb() == Some(Verb::Copy)
                && index > 0
                && tokens.get(index - 1).is_some_and(|before| before.is_any(&["to", "from"]))
                && next.is_some_and(|next| next.kind == Kind::Text);
        }
        if token.is("into") {
            return next.is_some_and(|next| next.is_any(&["outfile", "dumpfile"]))
                && tokens.get(index + 2).is_some_and(|file| file.text.len() > 2);
        }
        token.is_any(&["xp_cmdshell", "xp_regwrite", "xp_dirtree", "xp_regdelete", "sp_oacreate", "sp_makewebtask"])
            || (call
                && token.is_any(&[
                    "load_file",
                    "pg_read_file",
                    "pg_read_binary_file",
                    "pg_ls_dir",
                    "lo_import",
                    "lo_export",
                    "sys_exec",
                    "sys_eval",
                    "load_extension",
                    "writefile",
                    "readfile",
                    "pg_terminate_backend",
                    "pg_reload_conf",
                    "dblink",
                    "dblink_exec",
                    "query_to_xml",
                ]))
    })
}

/// `WHERE` that holds for every row: `1=1`, `TRUE`, `'a'='a'`.
fn always(statement: &Statement<'_, '_>) -> bool {
    let Some(at) = statement.find("where") else { return false };
    let rest = statement.tokens.get(at + 1..).unwrap_or(&[]);
    match rest {
        [only] => only.is("true") || (only.kind == Kind::Number && only.text != "0"),
        [left, operator, right] => operator.text == "=" && left.text == right.text && left.kind != Kind::Variable,
        _ => false,
    }
}

/// Whether a statement has the form of its verb, and does not just begin with the word.
fn shaped(statement: &Statement<'_, '_>, verb: Option<Verb>) -> bool {
    let second = statement.tokens.get(1);
    match verb {
        Some(Verb::Insert) => second.is_some_and(|token| token.is_any(&["into", "ignore", "or"])),
        Some(Verb::Update) => statement.has("set"),
        Some(Verb::Delete) => second.is_some_and(|token| token.is("from")),
        Some(Verb::Control) => second.is_none() || second.is_some_and(|token| token.is_any(&["transaction", "work"])),
        Some(Verb::Execute) => second.is_some_and(|token| token.kind != Kind::Word || token.text.contains('_')),
        _ => true,
    }
}

/// Whether an object's name begins at `index` and the statement ends soon after it, as prose does not.
fn object_end(tokens: &[Token<'_>], index: usize) -> bool {
    let mut at = index;
    while tokens.get(at).is_some_and(|token| token.is_any(&["if", "exists", "concurrently", "only"])) {
        at += 1;
    }
    if !named(tokens, at) {
        return false;
    }
    at += 1;
    // schema.name, aliases, lists, 'user'@'host', function signatures
    while let Some(token) = tokens.get(at) {
        let part =
            matches!(token.kind, Kind::Dot | Kind::Comma | Kind::Quoted | Kind::Variable | Kind::Open | Kind::Close)
                || matches!(tokens.get(at - 1).map(|before| before.kind), Some(Kind::Dot | Kind::Comma | Kind::Open))
                || token.kind == Kind::Operator;
        let clause = token.is_any(&[
            "cascade",
            "restrict",
            "on",
            "purge",
            "restart",
            "continue",
            "identity",
            "including",
            "as",
            "using",
            "returning",
            "with",
            "go",
            "cluster",
            "sync",
            "ignore",
            "a",
        ]);
        if clause {
            return true;
        }
        if !part {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a name stands at `index`; an article or a preposition before another word is none.
fn named(tokens: &[Token<'_>], index: usize) -> bool {
    let Some(token) = tokens.get(index) else { return false };
    let article = token
        .is_any(&["the", "a", "an", "of", "from", "to", "it", "and", "or", "for", "off", "in", "at", "my", "your"]);
    match token.kind {
        Kind::Word => !article || tokens.get(index + 1).is_none_or(|next| next.kind != Kind::Word || next.is("set")),
        Kind::Quoted | Kind::Text | Kind::Variable => true,
        _ => false,
    }
}

fn span(statement: &Statement<'_, '_>) -> Range<usize> {
    let start = statement.tokens.first().map_or(0, Token::start);
    start..statement.tokens.last().map_or(start, Token::end)
}

static VERBS: &[&str] = &[
    "select", "with", "insert", "replace", "merge", "upsert", "update", "delete", "drop", "truncate", "alter",
    "create", "grant", "revoke", "copy", "unload", "export", "load", "exec", "execute", "call", "do", "declare",
    "begin", "start", "explain", "shutdown", "kill", "values", "table", "use", "set",
];

static OBJECTS: &[&str] = &[
    "table",
    "database",
    "schema",
    "view",
    "index",
    "user",
    "role",
    "column",
    "function",
    "procedure",
    "trigger",
    "sequence",
    "type",
    "materialized",
    "tablespace",
    "login",
    "extension",
    "owned",
    "constraint",
    "keyspace",
    "collection",
    "temporary",
    "foreign",
    "stage",
    "warehouse",
    "event",
    "publication",
    "subscription",
    "server",
    "policy",
    "aggregate",
    "domain",
    "rule",
    "catalog",
    "stream",
    "task",
];
