//! Text to tokens (langdef, "Syntax").

use super::CompileError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(Box<str>),
    Int(u64),
    Uint(u64),
    Double(f64),
    Str(Box<str>),
    Bytes(Box<[u8]>),
    /// An operator or a punctuation mark.
    Mark(&'static str),
    End,
}

/// The tokens of a text, each with its byte offset; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, CompileError> {
    let mut out = Vec::new();
    let mut lexer = Lexer { text, at: 0 };
    loop {
        lexer.blank();
        let at = lexer.at;
        let token = lexer.next().map_err(|message| CompileError { offset: at, message: message.to_owned() })?;
        let end = token == Token::End;
        out.push((token, at));
        if end {
            return Ok(out);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']).len();
            if !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn next(&mut self) -> Result<Token, &'static str> {
        if self.rest().is_empty() {
            return Ok(Token::End);
        }
        if let Some(string) = self.string()? {
            return Ok(string);
        }
        let first = self.peek(0);
        if first.is_ascii_alphabetic() || first == b'_' {
            let word = self.take(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return Ok(Token::Name(word.into()));
        }
        if first.is_ascii_digit() || (first == b'.' && self.peek(1).is_ascii_digit()) {
            return self.number();
        }
        let mark = MARKS.iter().find(|mark| self.rest().starts_with(**mark)).ok_or("unexpected character")?;
        self.at += mark.len();
        Ok(Token::Mark(mark))
    }

    fn take(&mut self, fits: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !fits(byte)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn number(&mut self) -> Result<Token, &'static str> {
        const RANGE: &str = "number out of range";
        if self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X') {
            self.at += 2;
            let digits = self.take(|byte| byte.is_ascii_hexdigit());
            let number = u64::from_str_radix(digits, 16).map_err(|_| RANGE)?;
            return Ok(self.whole(number));
        }
        let start = self.at;
        self.take(|byte| byte.is_ascii_digit());
        let mut whole = true;
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            whole = false;
            self.at += 1;
            self.take(|byte| byte.is_ascii_digit());
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                whole = false;
                self.at += 1 + sign;
                self.take(|byte| byte.is_ascii_digit());
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if whole {
            let number = text.parse().map_err(|_| RANGE)?;
            return Ok(self.whole(number));
        }
        let number: f64 = text.parse().map_err(|_| RANGE)?;
        if number.is_finite() { Ok(Token::Double(number)) } else { Err(RANGE) }
    }

    fn whole(&mut self, number: u64) -> Token {
        if matches!(self.peek(0), b'u' | b'U') {
            self.at += 1;
            return Token::Uint(number);
        }
        Token::Int(number)
    }

    /// A string or bytes literal, with the prefixes `r` and `b` in any order and case.
    fn string(&mut self) -> Result<Option<Token>, &'static str> {
        let (mut raw, mut bytes, mut length) = (false, false, 0);
        loop {
            match self.peek(length) {
                b'r' | b'R' if !raw => raw = true,
                b'b' | b'B' if !bytes => bytes = true,
                b'"' | b'\'' => break,
                _ => return Ok(None),
            }
            length += 1;
        }
        let body = self.at + length;
        let rest = self.text.get(body..).unwrap_or_default();
        let close = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|close| rest.starts_with(close)).unwrap_or("\"");
        self.at = body + close.len();
        let mut text = String::new();
        let mut octets: Vec<u8> = Vec::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(close) {
                self.at += close.len();
                break;
            }
            let character = rest.chars().next().ok_or("string without an end")?;
            self.at += character.len_utf8();
            let character = match character {
                '\n' | '\r' if close.len() == 1 => return Err("line break in a string"),
                '\\' if !raw => match self.escape(bytes)? {
                    Escaped::Char(character) => character,
                    Escaped::Octet(octet) => {
                        octets.push(octet);
                        continue;
                    }
                },
                plain => plain,
            };
            if bytes {
                octets.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        Ok(Some(if bytes { Token::Bytes(octets.into()) } else { Token::Str(text.into()) }))
    }

    fn escape(&mut self, bytes: bool) -> Result<Escaped, &'static str> {
        let kind = self.peek(0);
        let plain = match kind {
            b'a' => Some('\u{7}'),
            b'b' => Some('\u{8}'),
            b'f' => Some('\u{c}'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'v' => Some('\u{b}'),
            b'\\' | b'?' | b'"' | b'\'' | b'`' => Some(char::from(kind)),
            _ => None,
        };
        if let Some(plain) = plain {
            self.at += 1;
            return Ok(Escaped::Char(plain));
        }
        let (skip, digits, radix) = match kind {
            b'x' | b'X' => (1, 2, 16),
            b'u' if !bytes => (1, 4, 16),
            b'U' if !bytes => (1, 8, 16),
            b'0'..=b'3' => (0, 3, 8),
            _ => return Err("unknown escape sequence"),
        };
        const WRONG: &str = "wrong escape sequence";
        let digits_text = self.text.get(self.at + skip..self.at + skip + digits).ok_or(WRONG)?;
        if !digits_text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        let code = u32::from_str_radix(digits_text, radix).map_err(|_| WRONG)?;
        self.at += skip + digits;
        if bytes {
            return u8::try_from(code).map(Escaped::Octet).map_err(|_| WRONG);
        }
        char::from_u32(code).map(Escaped::Char).ok_or(WRONG)
    }
}

enum Escaped {
    Char(char),
    Octet(u8),
}

/// Longer ones first.
const MARKS: [&str; 25] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}", ";",
];
