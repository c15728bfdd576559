//! Statements: what they do, what they return.

use std::borrow::Cow;

use super::lexer::{KEYWORD, Kind, Token};

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// `SELECT`, `WITH … SELECT`, `TABLE`, `VALUES`.
    Select,
    /// `INSERT`, `REPLACE`, `MERGE`, `UPSERT`.
    Insert,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
    /// `DROP`
    Drop,
    /// `TRUNCATE`
    Truncate,
    /// `ALTER`
    Alter,
    /// `CREATE`
    Create,
    /// `GRANT` and `REVOKE`.
    Grant,
    /// `COPY`, `LOAD DATA`, `UNLOAD`, `EXPORT`.
    Copy,
    /// `EXEC`, `EXECUTE`, `CALL`, `DO`, `DECLARE`.
    Execute,
    /// `BEGIN`, `START TRANSACTION`, `COMMIT`, `ROLLBACK`, `SET`.
    Control,
    /// `EXPLAIN`, `SHOW`, `DESCRIBE`, `PRAGMA`, `USE`.
    Show,
    /// `SHUTDOWN`, `KILL`.
    Stop,
}

/// How many rows a statement asks for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Rows(u64),
    /// A parameter or an expression.
    Unknown,
    /// `LIMIT ALL`, `LIMIT NULL`.
    All,
}

/// One statement: its tokens without comments and without the semicolon.
#[derive(Clone, Debug)]
pub struct Statement<'a, 't> {
    /// The tokens.
    pub tokens: Cow<'a, [Token<'t>]>,
}

/// The statements of a text, empty ones left out.
pub fn statements<'a, 't: 'a>(tokens: &'a [Token<'t>]) -> impl Iterator<Item = Statement<'a, 't>> + 'a {
    tokens
        .split(|token| token.kind == Kind::Semicolon)
        .map(|part| Statement { tokens: without_comments(part) })
        .filter(|statement| !statement.tokens.is_empty())
}

/// The tokens that are no comments; most texts have none.
pub(super) fn without_comments<'a, 't>(tokens: &'a [Token<'t>]) -> Cow<'a, [Token<'t>]> {
    let is_comment = |token: &Token<'_>| token.kind == Kind::Comment;
    if tokens.iter().any(is_comment) {
        return tokens.iter().filter(|token| !is_comment(token)).copied().collect();
    }
    Cow::Borrowed(tokens)
}

impl<'t> Statement<'_, 't> {
    /// What it does; `None` if it begins with no verb of SQL. `EXPLAIN ANALYZE` does what it explains.
    #[must_use]
    pub fn verb(&self) -> Option<Verb> {
        let mut start = self.verb_at();
        if self.tokens.get(start)?.is("explain")
            && let Some(at) = self.tokens.iter().take(start + 6).position(|token| token.is("analyze"))
        {
            let rest = self.tokens.get(at + 1..).unwrap_or(&[]);
            start = at + 1 + rest.iter().position(|token| token.kind == Kind::Word).unwrap_or(0);
        }
        let first = self.tokens.get(start)?;
        let second = self.tokens.get(start + 1);
        // The shortest verb is "do".
        if first.kind != Kind::Word || first.text.len() < 2 {
            return None;
        }
        Some(match first.lower(&mut [0; KEYWORD]) {
            "select" | "values" | "table" => Verb::Select,
            "with" => self.main_verb(),
            "insert" | "replace" | "merge" | "upsert" => Verb::Insert,
            "update" => Verb::Update,
            "delete" => Verb::Delete,
            "drop" => Verb::Drop,
            "truncate" => Verb::Truncate,
            "alter" => Verb::Alter,
            "create" => Verb::Create,
            "grant" | "revoke" => Verb::Grant,
            "copy" | "unload" | "export" => Verb::Copy,
            "load" if second.is_some_and(|token| token.is("data")) => Verb::Copy,
            "exec" | "execute" | "call" | "do" | "declare" => Verb::Execute,
            "begin" | "start" | "commit" | "rollback" | "set" | "savepoint" => Verb::Control,
            "explain" | "show" | "describe" | "desc" | "pragma" | "use" => Verb::Show,
            "shutdown" | "kill" => Verb::Stop,
            _ => return None,
        })
    }

    /// Whether a word stands outside all brackets.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.find(word).is_some()
    }

    /// Index of the first such word outside all brackets.
    #[must_use]
    pub fn find(&self, word: &str) -> Option<usize> {
        let mut depth = 0i32;
        self.tokens
            .iter()
            .skip(self.verb_at())
            .position(|token| {
                match token.kind {
                    Kind::Open => depth += 1,
                    Kind::Close => depth -= 1,
                    _ => {}
                }
                depth <= 0 && token.is(word)
            })
            .map(|at| at + self.verb_at())
    }

    /// The tokens between `SELECT` and `FROM` of the outermost query.
    #[must_use]
    pub fn select_list(&self) -> Option<&[Token<'t>]> {
        let start = self.find("select")? + 1;
        let end = self.find("from").filter(|end| *end >= start).unwrap_or(self.tokens.len());
        self.tokens.get(start..end)
    }

    /// Whether the select list holds `*` or `t.*`, outside of calls such as `count(*)`.
    #[must_use]
    pub fn selects_everything(&self) -> bool {
        let Some(list) = self.select_list() else { return false };
        let mut depth = 0i32;
        let mut fresh = true;
        for token in list {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                Kind::Operator if token.text == "*" && depth == 0 && fresh => return true,
                _ => {}
            }
            fresh = matches!(token.kind, Kind::Comma | Kind::Dot) || token.is_any(&["distinct", "all"]);
        }
        false
    }

    /// The limit of the outermost query: `LIMIT n`, `LIMIT o, n`, `TOP n`, `FETCH FIRST n ROWS`, `ROWNUM <= n`.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        let count = |index: usize| {
            let token =
                self.tokens.get(index).filter(|token| token.kind != Kind::Open).or(self.tokens.get(index + 1))?;
            Some(match token.kind {
                Kind::Number => token.text.parse().map_or(Limit::Unknown, Limit::Rows),
                _ if token.is_any(&["all", "null"]) => Limit::All,
                _ => Limit::Unknown,
            })
        };
        if let Some(at) = self.find("limit") {
            let comma = self.tokens.get(at + 2).is_some_and(|token| token.kind == Kind::Comma);
            return count(if comma { at + 3 } else { at + 1 });
        }
        if let Some(at) = self.find("fetch") {
            return match self.tokens.get(at + 2) {
                Some(token) if token.kind == Kind::Number => count(at + 2),
                _ => Some(Limit::Rows(1)),
            };
        }
        if let Some(at) = self.find("top")
            && self.find("select").is_some_and(|select| at > select && at <= select + 2)
        {
            return count(at + 1);
        }
        self.find("rownum").and_then(|at| count(at + 2))
    }

    /// Where the outermost query begins, past brackets.
    fn verb_at(&self) -> usize {
        self.tokens.iter().position(|token| token.kind != Kind::Open).unwrap_or(0)
    }

    /// The verb behind the common table expressions of `WITH`.
    fn main_verb(&self) -> Verb {
        for (word, verb) in [("insert", Verb::Insert), ("update", Verb::Update), ("delete", Verb::Delete)] {
            if self.has(word) {
                return verb;
            }
        }
        Verb::Select
    }
}
