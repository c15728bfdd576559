//! SQL injection by structure.
//!
//! A fragment is read three times: as it stands, and as the continuation of a string in single and in
//! double quotes, since that is how a server would paste it. In each reading the tokens are parsed as
//! expressions and clauses. Words alone never match; what matches is a form that only SQL has: a
//! condition over constants, `UNION` before a select list, a call that waits, a statement behind `;`,
//! a string that is closed and continued by an operator up to the end of the text.

use std::borrow::Cow;
use std::ops::Range;

use super::lexer::{KEYWORD, Kind, Token, lex_within};
use super::statement::without_comments;

/// What form was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A condition that does not depend on the data.
    Tautology,
    /// `UNION SELECT …`
    Union,
    /// A statement behind `;`.
    Stacked,
    /// A call that waits or burns time.
    Timed,
    /// A string closed and continued, or cut off by a comment.
    Breakout,
    /// System tables and functions, subqueries and error-based probes.
    Probe,
}

/// The first form of SQL injection in a text, and where it stands.
#[must_use]
pub fn find(text: &str) -> Option<(Form, Range<usize>)> {
    read(text, &|| Cow::Owned(lex_within(text, None)), false).0
}

/// [`find`] in a text of which the tokens may be there already. `query` is for an argument that is meant to hold a
/// query: a query of its own is honest there.
#[must_use]
pub fn find_in<'t>(text: &'t str, tokens: &dyn Fn() -> &'t [Token<'t>], query: bool) -> Option<(Form, Range<usize>)> {
    read(text, &|| Cow::Borrowed(tokens()), query).0
}

/// [`find`] with a measure of its work, in tokens looked at.
#[cfg(test)]
pub(super) fn counted(text: &str) -> (Option<(Form, Range<usize>)>, usize) {
    read(text, &|| Cow::Owned(lex_within(text, None)), false)
}

fn read<'t>(
    text: &'t str,
    plain: &dyn Fn() -> Cow<'t, [Token<'t>]>,
    query: bool,
) -> (Option<(Form, Range<usize>)>, usize) {
    let mut steps = 0;
    if !worth_reading(text) {
        return (None, 0);
    }
    let whole = begins_as_statement(text, query);
    for quote in [None, Some(b'\''), Some(b'"')] {
        if let Some(quote) = quote
            && (whole || memchr::memchr(quote, text.as_bytes()).is_none())
        {
            continue;
        }
        let tokens = if quote.is_none() { plain() } else { Cow::Owned(lex_within(text, quote)) };
        let mut reading = Reading::new(&tokens, whole, quote);
        let found = reading.find();
        steps += reading.steps + tokens.len();
        if let Some((form, range)) = found {
            let start = tokens.get(range.start).map_or(0, Token::start);
            let end = tokens.get(range.end).or(tokens.last()).map_or(text.len(), Token::end);
            return (Some((form, start..end.max(start))), steps);
        }
    }
    (None, steps)
}

/// Whether the text holds any character or word without which no form exists.
fn worth_reading(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr3(b'\'', b'"', b'(', bytes).is_some()
        || memchr::memchr3(b'=', b';', b'#', bytes).is_some()
        || memchr::memchr3(b'>', b'<', b'@', bytes).is_some()
        || memchr::memmem::find(bytes, b"--").is_some()
        || memchr::memmem::find(bytes, b"/*").is_some()
        || contains_word(text, "select")
        || contains_word(text, "information_schema")
}

fn contains_word(text: &str, word: &str) -> bool {
    text.len() >= word.len()
        && memchr::memchr2_iter(
            word.as_bytes().first().map_or(0, |b| *b),
            word.as_bytes().first().map_or(0, u8::to_ascii_uppercase),
            text.as_bytes(),
        )
        .any(|at| text.get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word)))
}

/// Whether the text is a query of its own rather than a fragment of one.
fn begins_as_statement(text: &str, query: bool) -> bool {
    let text = text.trim_start();
    let text = if query { text.trim_start_matches(['(', ' ', '\n']) } else { text };
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).take(12).collect();
    let rest = text.get(word.len()..).unwrap_or("").trim_start();
    match word.to_ascii_lowercase().as_str() {
        "select" => !rest.is_empty(),
        "with" => contains_word(rest, "select"),
        "insert" => starts_with_word(rest, "into"),
        "update" => contains_word(rest, "set"),
        "delete" => starts_with_word(rest, "from"),
        "create" | "alter" | "drop" | "explain" | "merge" => {
            contains_word(rest, "table")
                || contains_word(rest, "select")
                || contains_word(rest, "index")
                || contains_word(rest, "view")
        }
        _ => false,
    }
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word))
}

struct Reading<'a, 't> {
    all: &'a [Token<'t>],
    /// The tokens without comments.
    tokens: Cow<'a, [Token<'t>]>,
    /// Index in `all` of each token; nothing where there are no comments.
    index: Vec<usize>,
    /// Index of the bracket that closes the one at this index; nothing where there are no brackets.
    close: Vec<usize>,
    whole: bool,
    quote: Option<u8>,
    /// The text ends in a comment; its first one.
    comment: Option<usize>,
    steps: usize,
}

/// What an operand is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// A literal, or brackets around literals.
    Constant,
    /// A call of a function that SQL has, or a subquery.
    Call,
    /// A name.
    Name,
    /// A text whose end is not in the fragment.
    Unclosed,
}

impl<'a, 't> Reading<'a, 't> {
    fn new(all: &'a [Token<'t>], whole: bool, quote: Option<u8>) -> Self {
        let (mut comment, mut brackets) = (None, false);
        for (at, token) in all.iter().enumerate() {
            match token.kind {
                Kind::Comment if comment.is_none() => comment = Some(at),
                Kind::Open => brackets = true,
                _ => {}
            }
        }
        let tokens = if comment.is_some() { without_comments(all) } else { Cow::Borrowed(all) };
        let mut index = Vec::new();
        if comment.is_some() {
            index.extend(all.iter().enumerate().filter(|(_, token)| token.kind != Kind::Comment).map(|(at, _)| at));
        }
        let mut close = vec![usize::MAX; if brackets { tokens.len() } else { 0 }];
        let mut open = Vec::new();
        for (at, token) in tokens.iter().enumerate().filter(|_| brackets) {
            match token.kind {
                Kind::Open => open.push(at),
                Kind::Close => {
                    if let Some(slot) = open.pop().and_then(|from: usize| close.get_mut(from)) {
                        *slot = at;
                    }
                }
                _ => {}
            }
        }
        Self { all, tokens, index, close, whole, quote, comment, steps: 0 }
    }

    fn find(&mut self) -> Option<(Form, Range<usize>)> {
        let length = self.tokens.len();
        if self.quote.is_some()
            && let Some(end) = self.breakout()
        {
            return Some((Form::Breakout, self.source(0, end)));
        }
        for at in 0..length {
            self.steps += 1;
            let Some(token) = self.tokens.get(at).copied() else { break };
            let found = match token.kind {
                Kind::Word => self.word(at, &token),
                Kind::Operator if matches!(token.text, "||" | "&&") && !self.whole => {
                    self.condition(at).map(|end| (Form::Tautology, end))
                }
                Kind::Number
                    if token.text.ends_with(".e")
                        && self.tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Dot) =>
                {
                    Some((Form::Probe, at))
                }
                Kind::Semicolon => self.stacked(at).map(|end| (Form::Stacked, end)),
                Kind::Variable
                    if token.text.eq_ignore_ascii_case("@@version")
                        || token.text.eq_ignore_ascii_case("@@datadir")
                        || token.text.eq_ignore_ascii_case("@@hostname") =>
                {
                    (!self.whole || length > 2).then_some((Form::Probe, at))
                }
                _ => None,
            };
            if let Some((form, end)) = found {
                return Some((form, self.source(at, end)));
            }
        }
        let hides = |token: &Token<'_>| token.kind == Kind::Comment && token.text.contains("sp_password");
        if let Some(at) = self.comment.and_then(|_| self.all.iter().position(hides)) {
            return Some((Form::Probe, at..at));
        }
        if self.quote.is_none() { self.shape() } else { None }
    }

    fn word(&mut self, at: usize, token: &Token<'t>) -> Option<(Form, usize)> {
        let shape = shape(token.text.as_bytes());
        if token.text.len() < 2 || TELLING.get(shape / 32).is_none_or(|shapes| shapes >> (shape % 32) & 1 == 0) {
            return None;
        }
        let next = self.tokens.get(at + 1).copied();
        let call = next.is_some_and(|next| next.kind == Kind::Open);
        if token.is("union") {
            return self.union(at).map(|end| (Form::Union, end));
        }
        if token.is_any(LOGIC) {
            if self.whole && !token.is("or") {
                return None;
            }
            return self.condition(at).map(|end| (Form::Tautology, end));
        }
        if call && token.is_any(WAITING) && self.waits(at, token) {
            return Some((Form::Timed, at + 1));
        }
        if token.is("waitfor") && next.is_some_and(|next| next.is_any(&["delay", "time"])) {
            return self
                .tokens
                .get(at + 2)
                .filter(|third| matches!(third.kind, Kind::Text | Kind::Variable))
                .map(|_| (Form::Timed, at + 2));
        }
        if token.is("into") && next.is_some_and(|next| next.is_any(&["outfile", "dumpfile"])) && !self.whole {
            return Some((Form::Stacked, at + 1));
        }
        if token.is_any(PACKAGES) && next.is_some_and(|next| next.kind == Kind::Dot) && !self.whole {
            return Some((Form::Probe, at + 1));
        }
        if token.is_any(SYSTEM_TABLES) {
            self.steps += 1;
            let dotted = next.is_some_and(|next| next.kind == Kind::Dot);
            let from = at > 0
                && self.tokens.get(at - 1).is_some_and(|before| {
                    before.is_any(&["from", "join"]) || matches!(before.kind, Kind::Dot | Kind::Comma)
                });
            // A whole query of the catalogue is how a client lists tables.
            let evidence = if self.whole {
                self.tokens.iter().filter(|token| token.is_any(SYSTEM_TABLES)).nth(2).is_some()
                    || token.is("all_tab_tables")
            } else {
                dotted || from
            };
            return evidence.then_some((Form::Probe, at));
        }
        if token.is_any(&["order", "group"]) && next.is_some_and(|next| next.is("by")) && !self.whole {
            return self.ordered(at).map(|end| (Form::Probe, end));
        }
        if token.is("procedure") && next.is_some_and(|next| next.is("analyse")) {
            return Some((Form::Probe, at + 1));
        }
        if token.is_any(&["exec", "execute"]) && !self.whole {
            let shell = next.is_some_and(|next| {
                let text = next.text.to_ascii_lowercase();
                text.starts_with("xp_")
                    || text.starts_with("sp_")
                    || text == "immediate"
                    || (text == "master" && self.tokens.get(at + 2).is_some_and(|t| t.kind == Kind::Dot))
            });
            return shell.then_some((Form::Stacked, at + 1));
        }
        if token.is("declare") && !self.whole {
            let variable = next.is_some_and(|next| next.kind == Kind::Variable && next.text.starts_with('@'));
            return variable.then_some((Form::Stacked, at + 1));
        }
        if call && token.is_any(PROBES) && !self.whole {
            return Some((Form::Probe, at + 1));
        }
        if call && token.is_any(PROBES_WHOLE) && self.whole {
            return Some((Form::Probe, at + 1));
        }
        if call && token.is("iif") && !self.whole && self.condition(at + 1).is_some() {
            return Some((Form::Tautology, at + 1));
        }
        if call && token.is_any(STRING_CALLS) && !self.whole {
            return self.assembled(at).then_some((Form::Probe, at + 1));
        }
        if token.is("select") && !self.whole && at > 0 {
            return self.subquery(at).map(|end| (Form::Probe, end));
        }
        if token.is("sp_password") || (token.is("xp_cmdshell") && !self.whole) {
            return Some((Form::Probe, at));
        }
        None
    }

    fn union(&mut self, at: usize) -> Option<usize> {
        let mut next = at + 1;
        let qualified = self.tokens.get(next).is_some_and(|token| token.is_any(&["all", "distinct", "distinctrow"]));
        next += usize::from(qualified);
        while self.tokens.get(next).is_some_and(|token| token.kind == Kind::Open) {
            next += 1;
        }
        let select = self.tokens.get(next).copied();
        let select = select.filter(|token| token.kind == Kind::Word && starts_with_word(token.text, "select"))?;
        if select.text.len() > 6 {
            // `UNION ALL SELECTCHAR(…)`: a known slip that some servers read as intended.
            return self.tokens.get(next + 1).filter(|token| token.kind == Kind::Open).map(|_| next);
        }
        if self.whole {
            return self.telling_select(next).then_some(next);
        }
        let Some(first) = self.tokens.get(next + 1).copied() else {
            let numbered = at > 0
                && self.tokens.get(at - 1).is_some_and(|token| {
                    matches!(token.kind, Kind::Number | Kind::Text | Kind::Close | Kind::Variable)
                });
            return (qualified || numbered || at == 0 || self.quote.is_some()).then_some(next);
        };
        self.select_item(next + 1, &first).then_some(next)
    }

    /// Whether a token begins a select list, as a word of prose does not.
    fn select_item(&self, at: usize, first: &Token<'t>) -> bool {
        match first.kind {
            Kind::Number | Kind::Text | Kind::Variable | Kind::Quoted | Kind::Open | Kind::Dot => true,
            Kind::Operator => matches!(first.text, "*" | "-" | "+" | "~" | "!"),
            Kind::Word => {
                let after = self.tokens.get(at + 1);
                first.is_any(&["null", "top", "distinct", "case", "char", "chr"])
                    || after.is_none_or(|after| {
                        matches!(after.kind, Kind::Comma | Kind::Open | Kind::Dot)
                            || after.is("from")
                            || after.is("as")
                            || (after.kind == Kind::Operator && after.text != "-")
                    })
            }
            _ => false,
        }
    }

    /// In a whole query `UNION SELECT` is honest, unless its list is made to fit another or to read secrets.
    fn telling_select(&mut self, select: usize) -> bool {
        let mut plain = 0;
        let mut items = 0;
        for token in self.tokens.get(select + 1..).unwrap_or(&[]).iter().take(64) {
            self.steps += 1;
            if token.is("from") || token.kind == Kind::Semicolon || token.is("union") {
                break;
            }
            if token.is_any(&["password", "passwd", "pwd", "user_pass", "password_hash", "secret"]) {
                return true;
            }
            items += usize::from(token.kind != Kind::Comma);
            plain += usize::from(token.is("null"));
        }
        let tables =
            self.tokens.get(select + 1..).unwrap_or(&[]).iter().take(64).any(|token| token.is_any(SYSTEM_TABLES));
        tables || (plain >= 3 && plain == items)
    }

    /// `OR 1=1` and the like: the end of a condition over constants that begins behind `at`.
    fn condition(&mut self, at: usize) -> Option<usize> {
        let word = self.tokens.get(at).copied()?;
        let strong = word.is_any(&["and", "or", "xor", "having", "where", "when", "if", "not"])
            || matches!(word.kind, Kind::Operator | Kind::Open);
        // `and (3=pi())`
        let mut inner = at + 1;
        while self.tokens.get(inner).is_some_and(|token| token.kind == Kind::Open) && inner < at + 16 {
            inner += 1;
        }
        if inner > at + 1
            && strong
            && word.kind != Kind::Open
            && !self.whole
            && let Some(end) = self.condition(inner - 1)
        {
            return Some(end);
        }
        let (left, next) = self.operand(at + 1)?;
        let after = self.tokens.get(next).copied();
        if let Some(operator) = after.filter(|token| is_comparison(token)) {
            let (right, end) =
                self.operand(next + 1 + usize::from(operator.is("not") || operator.is("is") || operator.is("sounds")))?;
            if self.whole {
                // `OR 1=1`, with equal sides.
                let same =
                    self.tokens.get(at + 1).zip(self.tokens.get(next + 1)).is_some_and(|(a, b)| a.text == b.text);
                return (left == Operand::Constant
                    && right == Operand::Constant
                    && same
                    && next == at + 2
                    && operator.text == "=")
                    .then_some(end - 1);
            }
            let constant = |operand| matches!(operand, Operand::Constant | Operand::Call);
            let found = match (left, right) {
                (Operand::Constant, Operand::Unclosed) => strong,
                (Operand::Name, Operand::Unclosed) => self.same_text(at + 1, next + 1),
                (Operand::Call, Operand::Unclosed) => true,
                (a, b) if constant(a) && constant(b) => strong && self.sql_comparison(&operator, at, end),
                (Operand::Name, Operand::Name) => at == 0 && self.comment.is_some() && word.is_any(&["or", "and"]),
                (Operand::Constant, Operand::Name) => strong && self.comment.is_some() && operator.text == "=",
                (Operand::Call, Operand::Name) => true,
                _ => false,
            };
            return found.then_some(end - 1);
        }
        // `OR TRUE`, `OR @a`, `OR SLEEP(1)`: a condition of one operand, up to the end or a comment.
        let ends = after.is_none_or(|token| matches!(token.kind, Kind::Semicolon | Kind::Close))
            && (self.comment.is_some() || after.is_some());
        let single = self
            .tokens
            .get(at + 1)
            .is_some_and(|token| token.is_any(&["true", "false"]) || token.kind == Kind::Variable);
        if !self.whole
            && strong
            && single
            && word.is_any(&["and", "or", "xor"])
            && (ends || at > 0)
            && after.is_none_or(|token| token.kind != Kind::Word)
        {
            return Some(next - 1);
        }
        (!self.whole && strong && left == Operand::Call && self.sql_call(at + 1)).then_some(next - 1)
    }

    /// `or a=a'`: a name against a text that goes on behind the fragment.
    fn same_text(&self, left: usize, right: usize) -> bool {
        let strip = |index: usize| self.tokens.get(index).map_or("", |token| token.text.trim_matches(['\'', '"', ' ']));
        !strip(left).is_empty() && strip(left).eq_ignore_ascii_case(strip(right))
    }

    /// `AND 3 < 5` is SQL; prose has `3 < 5` too, so a smaller sign asks for more: the end or a comment.
    fn sql_comparison(&self, operator: &Token<'t>, at: usize, end: usize) -> bool {
        if operator.text != "=" && !operator.is_any(&["like", "in", "rlike", "regexp", "between", "is"]) {
            return at > 0 || end >= self.tokens.len();
        }
        true
    }

    /// An operand behind any unary operators: what it is, and the index behind it.
    fn operand(&mut self, at: usize) -> Option<(Operand, usize)> {
        let mut next = at;
        while self.tokens.get(next).is_some_and(|token| {
            token.is_any(&["not", "binary", "all", "any", "some"])
                || (token.kind == Kind::Operator && matches!(token.text, "-" | "+" | "!" | "~" | "@"))
        }) {
            next += 1;
            self.steps += 1;
            if next - at > 16 {
                return None;
            }
        }
        let (mut left, mut next) = self.primary(next)?;
        // `1+2`, `'a'||'b'`
        let mut rounds = 0;
        while self.tokens.get(next).is_some_and(|token| {
            (token.kind == Kind::Operator
                && matches!(token.text, "+" | "-" | "*" | "/" | "%" | "^" | "|" | "&" | "<<" | ">>"))
                || token.is_any(&["div", "mod"])
        }) {
            self.steps += 1;
            rounds += 1;
            if rounds > 16 {
                break;
            }
            let Some((right, end)) = self.primary(next + 1) else { break };
            if right == Operand::Unclosed || right == Operand::Name {
                left = if left == Operand::Constant { right } else { left };
            }
            next = end;
        }
        Some((left, next))
    }

    fn primary(&mut self, at: usize) -> Option<(Operand, usize)> {
        self.steps += 1;
        let token = self.tokens.get(at).copied()?;
        match token.kind {
            Kind::Number | Kind::Variable => Some((Operand::Constant, at + 1)),
            Kind::Text => Some((if token.closed { Operand::Constant } else { Operand::Unclosed }, at + 1)),
            Kind::Open => {
                let close = self.close.get(at).copied().filter(|close| *close != usize::MAX);
                let inner = self.tokens.get(at + 1).copied()?;
                let end = close.map_or(self.tokens.len(), |close| close + 1);
                if inner.is("select") {
                    return Some((Operand::Call, end));
                }
                // Brackets around one thing; anything longer counts as what it begins with.
                let mut from = at + 1;
                while self.tokens.get(from).is_some_and(|token| token.kind == Kind::Open) && from < at + 16 {
                    from += 1;
                }
                let first = self.tokens.get(from).copied()?;
                let kind = match first.kind {
                    Kind::Number | Kind::Variable => Operand::Constant,
                    Kind::Text => {
                        if first.closed {
                            Operand::Constant
                        } else {
                            Operand::Unclosed
                        }
                    }
                    Kind::Word if self.tokens.get(from + 1).is_some_and(|token| token.kind == Kind::Open) => {
                        Operand::Call
                    }
                    Kind::Word if first.is_any(&["true", "false", "null"]) => Operand::Constant,
                    Kind::Word if first.is("select") => Operand::Call,
                    _ => Operand::Name,
                };
                // An open bracket that the server closes: `AND (5913=5913`
                if close.is_none() {
                    return Some((kind, from + 1));
                }
                Some((kind, end))
            }
            Kind::Word => {
                if token.is_any(&["null", "true", "false"]) {
                    return Some((Operand::Constant, at + 1));
                }
                if token.is("case") {
                    return Some((Operand::Call, self.tokens.len()));
                }
                if self.tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Open) {
                    let kind = if self.names_inside(at + 2) { Operand::Name } else { Operand::Call };
                    let close = self.close.get(at + 1).copied().filter(|close| *close != usize::MAX);
                    return Some((kind, close.map_or(self.tokens.len(), |close| close + 1)));
                }
                let mut end = at + 1;
                while self.tokens.get(end).is_some_and(|token| token.kind == Kind::Dot) && end < at + 8 {
                    end += 2;
                }
                Some((Operand::Name, end.min(self.tokens.len())))
            }
            Kind::Quoted => Some((Operand::Name, at + 1)),
            _ => None,
        }
    }

    /// Whether a call's arguments hold a name of a column: `lower(name)` depends on the data.
    fn names_inside(&mut self, at: usize) -> bool {
        let inside = self.tokens.get(at..).unwrap_or(&[]);
        for (offset, token) in inside.iter().take(16).enumerate() {
            self.steps += 1;
            match token.kind {
                Kind::Close | Kind::Semicolon => return false,
                Kind::Word => {
                    let call = inside.get(offset + 1).is_some_and(|next| next.kind == Kind::Open);
                    let keyword = token.is_any(&[
                        "null",
                        "true",
                        "false",
                        "select",
                        "from",
                        "as",
                        "using",
                        "user",
                        "current_user",
                        "database",
                        "int",
                        "char",
                        "case",
                        "when",
                        "and",
                        "or",
                        "not",
                        "binary",
                        "if",
                        "union",
                        "all",
                    ]) || token.is_any(SYSTEM_TABLES);
                    if !call && !keyword {
                        return !inside.iter().take(offset).any(|token| token.is("select"));
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// Whether the operand at `at` is a call or a subquery that only SQL has.
    fn sql_call(&self, at: usize) -> bool {
        let mut at = at;
        while self.tokens.get(at).is_some_and(|token| token.kind == Kind::Open || token.is("not")) {
            at += 1;
        }
        self.tokens.get(at).is_some_and(|token| {
            token.is_any(&["select", "exists"])
                || token.is_any(WAITING)
                || token.is_any(PROBES)
                || token.is_any(STRING_CALLS)
        })
    }

    /// The fragment closes the string it was pasted into, and goes on.
    fn breakout(&mut self) -> Option<usize> {
        let first = self.tokens.first().copied().filter(|token| token.closed)?;
        let mut at = 1;
        let mut closed = 0;
        while self.tokens.get(at).is_some_and(|token| token.kind == Kind::Close) {
            at += 1;
            closed += 1;
        }
        // `admin'--`, `') #`
        let cut = self
            .tokens
            .get(at - 1)
            .and_then(|_| self.all.get(self.of_all(at - 1) + 1))
            .filter(|token| token.kind == Kind::Comment);
        if let Some(comment) = cut {
            let hidden = comment.text.starts_with("/*") && comment.closed;
            let tail = comment.text.trim_start_matches(['-', '#', '/', '*']).trim();
            let fits = !hidden
                && (tail.is_empty()
                    || tail.len() <= 12
                    || comment.text.starts_with("-- ")
                    || comment.text.starts_with("/*"));
            let name = first.text.trim_end_matches(['\'', '"']);
            if fits
                && name.len() <= 64
                && at >= self.tokens.len()
                && !tail.contains(['\'', '"'])
                && name.split_whitespace().count() <= 2
                && (closed > 0 || !name.contains("--"))
                && !tail.contains(';')
            {
                return Some(at - 1);
            }
        }
        if at >= self.tokens.len() {
            return None;
        }
        // `x' AND userid IS NULL`
        let compared = self.tokens.get(at).is_some_and(|token| token.is_any(&["and", "or"]))
            && self.tokens.get(at + 1).is_some_and(|token| token.kind == Kind::Word)
            && self.tokens.get(at + 2).is_some_and(is_comparison)
            && first.text.len() <= 65;
        if compared
            && let Some((right, end)) = self.operand(at + 3)
            && (right != Operand::Name)
        {
            return Some(end - 1);
        }
        // `x' or 'x`, `x' + y = 'x`: operators and operands up to the end.
        let mut logical = false;
        let mut operators = 0;
        let mut unclosed = false;
        while let Some(token) = self.tokens.get(at).copied() {
            self.steps += 1;
            let joins = token
                .is_any(&["and", "or", "xor", "like", "rlike", "regexp", "div", "between", "in", "not", "sounds"])
                || (self.quote == Some(b'\'') && token.is("mod"));
            let symbol = token.kind == Kind::Operator
                && matches!(
                    token.text,
                    "=" | "<"
                        | ">"
                        | "<>"
                        | "!="
                        | "<="
                        | ">="
                        | "<=>"
                        | "||"
                        | "&&"
                        | "+"
                        | "-"
                        | "*"
                        | "/"
                        | "^"
                        | "%"
                        | "<<"
                        | ">>"
                );
            // `Q="LIKE"&…`: quotes around a word, not a word between strings.
            if joins
                && self.quote == Some(b'"')
                && self.tokens.get(at - 1).is_some_and(|before| before.end() == token.start())
            {
                return None;
            }
            if !joins && !symbol {
                break;
            }
            logical |= joins
                || matches!(token.text, "||" | "&&" | "=" | "<>" | "!=" | "<=>" | "<=" | ">=")
                || (self.quote == Some(b'\'') && matches!(token.text, "<<" | ">>"));
            operators += 1;
            at += 1;
            while self.tokens.get(at).is_some_and(|token| token.is_any(&["rlike", "like", "regexp", "not", "in"])) {
                at += 1;
            }
            let (operand, end) = self.operand(at)?;
            unclosed = operand == Operand::Unclosed;
            at = end;
            if operators > 64 {
                return None;
            }
        }
        let ended = at >= self.tokens.len();
        if !ended || operators == 0 {
            return None;
        }
        let tail = self.tokens.last().map_or(0, |token| token.text.len());
        let name = first.text.len() <= 65;
        let cut = self.comment.is_some();
        // `'-'`: nothing but an operator between quotes.
        if unclosed
            && operators == 1
            && self.all.iter().map(|token| token.text.len()).sum::<usize>() <= 4
            && first.text.len() == 1
        {
            return Some(at - 1);
        }
        let found = if unclosed { logical && (name || tail <= 64) && tail <= 65 } else { logical && cut };
        found.then(|| at - 1)
    }

    /// A statement behind `;`, by its form.
    fn stacked(&mut self, at: usize) -> Option<usize> {
        let verb = self.tokens.get(at + 1).copied()?;
        let second = self.tokens.get(at + 2).copied();
        let is = |words: &[&str]| second.is_some_and(|second| second.is_any(words));
        let found = match verb.lower(&mut [0; KEYWORD]) {
            "drop" => is(&["table", "database", "schema", "view", "user", "index", "function", "procedure", "column"]),
            "delete" => is(&["from"]) && self.tokens.len() > at + 3,
            "insert" | "replace" => {
                !self.whole
                    && (is(&["into"])
                        || second.is_some_and(|_| {
                            self.tokens.get(at + 3).is_some_and(|t| t.kind == Kind::Open) && verb.is("replace")
                        }))
            }
            "update" => {
                self.tokens.get(at + 3..at + 7).unwrap_or(&[]).iter().any(|token| token.is("set")) && !self.whole
            }
            "truncate" => second.is_some_and(|second| second.is("table") || second.kind == Kind::Operator),
            "alter" | "create" => {
                is(&["table", "user", "database", "login", "function", "view", "procedure", "role"]) && !self.whole
            }
            "exec" | "execute" => second.is_some_and(|second| {
                let text = second.text.to_ascii_lowercase();
                text.starts_with("xp_")
                    || text.starts_with("sp_")
                    || text == "master"
                    || second.kind == Kind::Open
                    || second.kind == Kind::Variable
            }),
            "declare" => second.is_some_and(|second| second.kind == Kind::Variable),
            "shutdown" => second.is_none_or(|second| second.kind == Kind::Semicolon) || is(&["with"]),
            "select" => !self.whole && second.is_some_and(|second| self.select_item(at + 2, &second)),
            "grant" => is(&["all", "select", "insert", "execute"]) && !self.whole,
            "if" => {
                !self.whole
                    && matches!(second.map(|second| second.kind), Some(Kind::Number | Kind::Open))
                    && self.tokens.get(at + 3).is_some_and(|t| t.text == "=" || t.is("select"))
            }
            "copy" => self.tokens.get(at + 2..at + 8).unwrap_or(&[]).iter().any(|token| token.is("program")),
            "handler" => self.tokens.get(at + 3).is_some_and(|token| token.is("open")),
            _ => false,
        };
        found.then_some(at + 2)
    }

    /// `1 ORDER BY 1--`
    fn ordered(&mut self, at: usize) -> Option<usize> {
        let (operand, mut next) = self.operand(at + 2)?;
        let mut more = 0;
        while self.tokens.get(next).is_some_and(|token| token.kind == Kind::Comma) && more < 256 {
            let Some((_, end)) = self.operand(next + 1) else { break };
            next = end;
            more += 1;
        }
        let ends = next >= self.tokens.len();
        let before = at == 0
            || self
                .tokens
                .get(at - 1)
                .is_some_and(|token| matches!(token.kind, Kind::Number | Kind::Text | Kind::Close | Kind::Variable));
        (operand == Operand::Constant && ends && before && (self.comment.is_some() || more > 0 || at > 0))
            .then(|| next - 1)
    }

    /// `(select … from …`, or `select` with a system function, within a fragment.
    fn subquery(&mut self, at: usize) -> Option<usize> {
        let first = self.tokens.get(at + 1).copied()?;
        if !self.select_item(at + 1, &first) {
            return None;
        }
        let bracket = self.tokens.get(at - 1).is_some_and(|token| token.kind == Kind::Open);
        let near = self.tokens.get(at + 1..).unwrap_or(&[]).iter().take(24);
        let from = near.clone().any(|token| token.is("from"));
        let telling = near.clone().any(|token| token.kind == Kind::Variable && token.text.starts_with("@@"))
            || near.clone().any(|token| token.is_any(PROBES) || token.is_any(WAITING));
        let calls = first.kind != Kind::Word
            || self.tokens.get(at + 2).is_some_and(|token| token.kind == Kind::Open)
            || first.is("null");
        self.steps += 24;
        ((bracket && (from || telling || calls)) || telling || (from && calls)).then_some(at + 1)
    }

    /// `CHAR(1)+CHAR(2)`, `CONCAT(0x3a, …)`, `ASCII(SUBSTRING(…`, `VERSION()`: text put together by calls.
    fn assembled(&mut self, at: usize) -> bool {
        self.steps += 16;
        let inside = self.tokens.get(at + 2..).unwrap_or(&[]).iter().take(16);
        let hex = inside.clone().any(|token| token.kind == Kind::Number && token.text.starts_with("0x"));
        let nested = inside.clone().zip(self.tokens.get(at + 3..).unwrap_or(&[])).any(|(token, next)| {
            next.kind == Kind::Open
                && (token.is_any(STRING_CALLS)
                    || token.is_any(PROBES)
                    || token.is_any(&["select", "user", "database", "version"]))
        });
        let select = inside.clone().any(|token| token.is("select"));
        let close = self.close.get(at + 1).copied().filter(|close| *close != usize::MAX);
        let joined = close.and_then(|close| self.tokens.get(close + 1).zip(self.tokens.get(close + 2))).is_some_and(
            |(operator, next)| {
                matches!(operator.text, "+" | "||") && (next.is_any(STRING_CALLS) || next.kind == Kind::Text)
            },
        );
        let compared =
            close.and_then(|close| self.tokens.get(close + 1)).is_some_and(|token| token.text == "=") && at > 0;
        hex || nested || select || joined || compared
    }

    fn waits(&self, at: usize, token: &Token<'t>) -> bool {
        let first = self.tokens.get(at + 2).copied();
        let argument = first.is_some_and(|first| {
            matches!(first.kind, Kind::Number | Kind::Text | Kind::Open | Kind::Variable | Kind::Word)
        });
        // `sleep(5)` alone is a call in many languages; a whole query or a name of SQL alone is telling.
        argument && (!token.is("randomblob") || first.is_some_and(|first| first.text.len() >= 6))
    }

    /// What the whole fragment looks like: a bracketed expression cut off by a comment.
    fn shape(&mut self) -> Option<(Form, Range<usize>)> {
        let comment = self.comment?;
        if comment + 1 != self.all.len()
            || !self.all.get(comment)?.text.trim_start_matches(['-', '#']).trim().is_empty()
        {
            return None;
        }
        let last = self.tokens.last()?;
        let first = self.tokens.first()?;
        let brackets = first.kind == Kind::Open
            && last.kind == Kind::Close
            && self.close.first() == Some(&(self.tokens.len() - 1));
        let logic = self
            .tokens
            .iter()
            .take(32)
            .any(|token| token.is_any(&["or", "and", "binary", "in", "like", "union", "not", "is"]));
        let value =
            self.tokens.iter().take(32).any(|token| matches!(token.kind, Kind::Number | Kind::Text | Kind::Variable));
        self.steps += 64;
        (brackets && logic && value).then(|| (Form::Breakout, self.source(0, self.tokens.len() - 1)))
    }

    /// From indices of tokens without comments to those with.
    fn source(&self, start: usize, end: usize) -> Range<usize> {
        self.of_all(start)..self.of_all(end.min(self.tokens.len().saturating_sub(1)))
    }

    /// The index of a token in a list with comments.
    fn of_all(&self, index: usize) -> usize {
        if self.index.is_empty() { index } else { self.index.get(index).copied().unwrap_or(0) }
    }
}

fn is_comparison(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Operator => {
            matches!(token.text, "=" | "==" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "<=>" | "!<" | "!>")
        }
        Kind::Word => token.is_any(&["like", "rlike", "regexp", "in", "between", "is", "sounds", "ilike"]),
        _ => false,
    }
}

/// Words that [`Reading::word`] looks at, by their [`shape`]: hardly any other has one of these.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static TELLING: [u32; SHAPES / 32] = {
    let lists = [LOGIC, WAITING, PACKAGES, SYSTEM_TABLES, PROBES, PROBES_WHOLE, STRING_CALLS, OTHERS];
    let mut shapes = [0; SHAPES / 32];
    let mut list = 0;
    while list < lists.len() {
        let mut word = 0;
        while word < lists[list].len() {
            let shape = shape(lists[list][word].as_bytes());
            shapes[shape / 32] |= 1 << (shape % 32);
            word += 1;
        }
        list += 1;
    }
    shapes
};

/// A number of a word's length, its first two letters and its last, whatever their case.
const fn shape(word: &[u8]) -> usize {
    let (first, second, last) = match word {
        [] => (0, 0, 0),
        [only] => (*only, 0, *only),
        [first, last] => (*first, *last, *last),
        [first, second, .., last] => (*first, *second, *last),
    };
    let letters = (first & 31) as usize * 7 + (second & 31) as usize * 61 + (last & 31) as usize * 331;
    (letters + word.len() * 29) % SHAPES
}

const SHAPES: usize = 1024;

/// Words before a condition.
const LOGIC: &[&str] = &[
    "and", "or", "xor", "having", "where", "not", "rlike", "like", "regexp", "when", "if", "on", "div", "mod",
    "between",
];

/// Packages of Oracle that reach out, wait or fail with a message.
const PACKAGES: &[&str] = &["utl_http", "utl_inaddr", "dbms_pipe", "dbms_lock", "dbms_ldap", "dbms_xmlgen", "utl_smtp"];

/// The words that stand in no list.
const OTHERS: &[&str] = &[
    "union",
    "waitfor",
    "into",
    "order",
    "group",
    "procedure",
    "exec",
    "execute",
    "declare",
    "iif",
    "select",
    "sp_password",
    "xp_cmdshell",
];

const WAITING: &[&str] =
    &["sleep", "pg_sleep", "benchmark", "randomblob", "receive_message", "pg_sleep_for", "dbms_lock"];

/// Functions that tell about the server or fail with a message of one's own.
const PROBES: &[&str] = &[
    "extractvalue",
    "updatexml",
    "json_keys",
    "load_file",
    "xmltype",
    "group_concat",
    "current_user",
    "session_user",
    "system_user",
    "user_name",
    "db_name",
    "pg_read_file",
    "get_host_address",
    "get_host_name",
    "xp_dirtree",
    "name_const",
    "make_set",
    "elt",
    "aes_decrypt",
    "fn_virtualfilestats",
    "dbms_xmlgen",
    "utl_inaddr",
    "utl_http",
    "ctxsys",
    "sys_context",
    "sqlite_version",
    "is_srvrolemember",
    "gtid_subset",
    "st_latfromgeohash",
    "row_count",
    "found_rows",
    "last_insert_id",
];

/// Those that no honest query needs.
const PROBES_WHOLE: &[&str] = &["extractvalue", "updatexml", "name_const", "xp_dirtree", "gtid_subset"];

/// Functions that put texts together or take them apart.
const STRING_CALLS: &[&str] = &[
    "concat",
    "concat_ws",
    "char",
    "chr",
    "ascii",
    "ord",
    "substring",
    "substr",
    "mid",
    "hex",
    "unhex",
    "length",
    "ifnull",
    "convert",
    "cast",
    "exp",
    "floor",
    "compress",
    "uncompress",
    "reverse",
    "lower",
    "upper",
    "conv",
    "right",
    "left",
    "len",
    "pi",
    "cos",
    "ltrim",
    "rtrim",
    "coalesce",
    "nullif",
    "if",
    "iif",
];

const SYSTEM_TABLES: &[&str] = &[
    "information_schema",
    "sysobjects",
    "syscolumns",
    "sysusers",
    "sysdatabases",
    "sqlite_master",
    "sqlite_schema",
    "all_tab_tables",
    "all_tables",
    "user_tables",
    "all_tab_columns",
    "pg_catalog",
    "pg_user",
    "pg_shadow",
    "pg_tables",
    "msysobjects",
    "syslogins",
    "sysxlogins",
    "v$version",
    "dba_users",
    "all_users",
    "jos_users",
    "pg_database",
];
