//! Tokens of SQL, tolerant of dialects and of broken text.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, name or function.
    Word,
    /// A number, also hexadecimal.
    Number,
    /// `'…'`, `"…"`, `$tag$…$tag$`.
    Text,
    /// `` `…` `` and `[…]`.
    Quoted,
    /// `@x`, `@@x`, `:x`, `$1`, `?`.
    Variable,
    /// One or more operator characters.
    Operator,
    /// `,`
    Comma,
    /// `.`
    Dot,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `-- …`, `# …`, `/* … */`.
    Comment,
}

/// One token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'t> {
    /// What it is.
    pub kind: Kind,
    /// Its source, with quotes.
    pub text: &'t str,
    /// Offset of its first byte. Small, as there may be a token for each byte.
    start: u32,
    /// For texts and comments: their end was found.
    pub closed: bool,
}

impl Token<'_> {
    /// Whether it is this word, without regard to case.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is one of these words.
    #[must_use]
    pub fn is_any(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word && words.iter().any(|word| self.text.eq_ignore_ascii_case(word))
    }

    /// Its text in lower case; nothing of one that is longer than any keyword asked for.
    pub(super) fn lower<'b>(&self, buffer: &'b mut [u8; KEYWORD]) -> &'b str {
        let Some(slot) = buffer.get_mut(..self.text.len()) else { return "" };
        slot.copy_from_slice(self.text.as_bytes());
        slot.make_ascii_lowercase();
        std::str::from_utf8(slot).unwrap_or("")
    }

    /// Offset of its first byte.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// Offset behind its last byte.
    #[must_use]
    pub fn end(&self) -> usize {
        self.start() + self.text.len()
    }
}

/// The tokens of a text, comments included. MySQL's conditional comments (`/*!50000 … */`) are read as what they hold.
#[must_use]
pub fn lex(text: &str) -> Vec<Token<'_>> {
    lex_within(text, None)
}

/// The tokens of a text that continues a string begun with `quote`, as a fragment does that was
/// pasted between quotes.
#[must_use]
pub fn lex_within(text: &str, quote: Option<u8>) -> Vec<Token<'_>> {
    let tokens = Vec::with_capacity(text.len() / 4);
    let mut lexer = Lexer { text, bytes: text.as_bytes(), pos: 0, tokens, conditional: 0 };
    if let Some(quote) = quote {
        lexer.quoted(quote, 0, 0);
    }
    while lexer.pos < text.len() {
        lexer.next();
    }
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    tokens: Vec<Token<'t>>,
    /// Open conditional comments.
    conditional: usize,
}

impl Lexer<'_> {
    fn next(&mut self) {
        let start = self.pos;
        let Some(byte) = self.peek(0) else { return };
        match byte {
            0..=b' ' => self.pos += 1,
            b'\'' | b'"' => {
                self.pos += 1;
                self.quoted(byte, start, self.pos);
            }
            b'`' => {
                self.pos += 1;
                let found = self.find(b'`');
                self.pos = found.map_or(self.text.len(), |at| at + 1);
                self.push(Kind::Quoted, start, found.is_some());
            }
            b'[' => {
                let rest = self.bytes.get(start + 1..).unwrap_or(&[]);
                let length =
                    rest.iter().take(64).position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'_' | b' ' | b'$'));
                match length {
                    Some(length) if length > 0 && rest.get(length) == Some(&b']') => {
                        self.pos = start + length + 2;
                        self.push(Kind::Quoted, start, true);
                    }
                    _ => self.single(Kind::Operator),
                }
            }
            b'(' | b'{' => self.single(Kind::Open),
            b')' | b'}' => self.single(Kind::Close),
            b',' => self.single(Kind::Comma),
            b';' => self.single(Kind::Semicolon),
            b'#' => self.line_comment(),
            b'-' if self.peek(1) == Some(b'-') => self.line_comment(),
            b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
            b'*' if self.conditional > 0 && self.peek(1) == Some(b'/') => {
                self.conditional -= 1;
                self.pos += 2;
            }
            b'0' if matches!(self.peek(1), Some(b'x' | b'X')) => {
                self.pos += 2;
                self.skip(|b| b.is_ascii_hexdigit());
                self.push(Kind::Number, start, true);
            }
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|b| b.is_ascii_digit()) && !self.after_name() => self.number(),
            b'.' => self.single(Kind::Dot),
            b'@' => {
                self.skip(|b| b == b'@');
                if matches!(self.peek(0), Some(b'`')) {
                    self.pos += 1;
                    self.pos = self.find(b'`').map_or(self.text.len(), |at| at + 1);
                }
                self.skip(is_name);
                self.push(Kind::Variable, start, true);
            }
            b':' if self.peek(1).is_some_and(|b| b.is_ascii_alphabetic()) => {
                self.pos += 1;
                self.skip(is_name);
                self.push(Kind::Variable, start, true);
            }
            b'?' => self.single(Kind::Variable),
            b'$' => self.dollar(),
            _ if is_name(byte) => {
                self.skip(is_name);
                // N'…', x'…', E'…', U&'…'
                if self.pos - start == 1
                    && matches!(byte | 32, b'n' | b'x' | b'e' | b'b')
                    && self.peek(0) == Some(b'\'')
                {
                    self.pos += 1;
                    self.quoted(b'\'', start, self.pos);
                    return;
                }
                self.push(Kind::Word, start, true);
            }
            _ => self.operator(),
        }
    }

    fn quoted(&mut self, quote: u8, start: usize, inner: usize) {
        let mut at = inner;
        let closed = loop {
            match self.bytes.get(at) {
                None => break false,
                Some(b'\\') if self.bytes.get(at + 1).is_some_and(|b| *b == quote || *b == b'\\') => at += 2,
                Some(b) if *b == quote => {
                    at += 1;
                    if self.bytes.get(at) != Some(&quote) {
                        break true;
                    }
                    at += 1;
                }
                Some(_) => at += 1,
            }
        };
        self.pos = at;
        self.push(Kind::Text, start, closed);
    }

    fn dollar(&mut self) {
        let start = self.pos;
        self.pos += 1;
        self.skip(is_name);
        if self.peek(0) == Some(b'$') {
            let tag = self.text.get(start..=self.pos).unwrap_or("$$");
            let body = self.pos + 1;
            let found = self.text.get(body..).and_then(|rest| rest.find(tag));
            self.pos = found.map_or(self.text.len(), |at| body + at + tag.len());
            self.push(Kind::Text, start, found.is_some());
        } else {
            self.push(Kind::Variable, start, true);
        }
    }

    fn number(&mut self) {
        let start = self.pos;
        self.skip(|b| b.is_ascii_digit());
        if self.peek(0) == Some(b'.') {
            self.pos += 1;
            self.skip(|b| b.is_ascii_digit());
        }
        let exponent = matches!(self.peek(0), Some(b'e' | b'E'));
        if exponent {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self.peek(1 + sign).is_some_and(|b| b.is_ascii_digit()) {
                self.pos += 1 + sign;
                self.skip(|b| b.is_ascii_digit());
            } else if self.peek(1) == Some(b'.') {
                // 1.e.table_name: MySQL reads 1.e as a number
                self.pos += 2;
            }
        }
        self.push(Kind::Number, start, true);
    }

    fn operator(&mut self) {
        let start = self.pos;
        let byte = self.peek(0).unwrap_or(b' ');
        self.pos += 1;
        let second = self.peek(0);
        let double = matches!(
            (byte, second),
            (b'<', Some(b'=' | b'>' | b'<'))
                | (b'>', Some(b'=' | b'>'))
                | (b'!', Some(b'=' | b'<' | b'>'))
                | (b'|', Some(b'|'))
                | (b'&', Some(b'&'))
                | (b':', Some(b':' | b'='))
                | (b'=', Some(b'='))
        );
        if double {
            self.pos += 1;
            if byte == b'<' && second == Some(b'=') && self.peek(0) == Some(b'>') {
                self.pos += 1;
            }
        }
        self.push(Kind::Operator, start, true);
    }

    fn line_comment(&mut self) {
        let start = self.pos;
        self.pos = self.find(b'\n').unwrap_or(self.text.len());
        self.push(Kind::Comment, start, true);
    }

    fn block_comment(&mut self) {
        let start = self.pos;
        if self.peek(2) == Some(b'!') {
            self.pos += 3;
            self.skip(|b| b.is_ascii_digit());
            self.conditional += 1;
            return;
        }
        let found = self.text.get(start + 2..).and_then(|rest| rest.find("*/"));
        self.pos = found.map_or(self.text.len(), |at| start + at + 4);
        self.push(Kind::Comment, start, found.is_some());
    }

    fn after_name(&self) -> bool {
        self.tokens.last().is_some_and(|last| last.end() == self.pos && matches!(last.kind, Kind::Word | Kind::Quoted))
    }

    fn find(&self, byte: u8) -> Option<usize> {
        self.bytes.get(self.pos..).and_then(|rest| memchr::memchr(byte, rest)).map(|at| self.pos + at)
    }

    fn skip(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.pos += 1;
        }
    }

    fn single(&mut self, kind: Kind) {
        self.pos += 1;
        self.push(kind, self.pos - 1, true);
    }

    fn push(&mut self, kind: Kind, start: usize, closed: bool) {
        let text = self.text.get(start..self.pos).unwrap_or("");
        self.tokens.push(Token { kind, text, start: start as u32, closed });
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.pos + ahead).copied()
    }
}

/// The longest keyword that [`Token::lower`] is for.
pub(super) const KEYWORD: usize = 12;

/// Bytes of names; every byte beyond ASCII is one, so tokens lie on character boundaries.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
