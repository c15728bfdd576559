//! A name and the value it is given, in all the ways that texts write it.
//!
//! What stands between a name and its value is read by a table of spellings, each of which goes on where the one before
//! left off: what closes the name, words between, the sign, what opens the value.

use std::ops::Range;

use super::generic::{MAX_VALUE, forth, is_component, is_name};

/// A name and the value it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment<'t> {
    /// The whole name: `AWS_SECRET_ACCESS_KEY`.
    pub(super) name: &'t [u8],
    /// Where in the name the keyword ends.
    pub(super) keyword_end: usize,
    /// Where the value is.
    pub(super) range: Range<usize>,
    /// The value.
    pub(super) value: &'t [u8],
    /// How the value is given to the name.
    pub(super) link: Link,
    /// Whether the value stands in quotes (or is a whole JSON string).
    pub(super) quoted: bool,
}

/// What stands between a name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The name is the key of a JSON member and the value its whole string.
    Member,
    /// `=`, without spaces around it.
    Tight,
    /// `=`, `:`, `=>` and kin.
    Operator,
    /// `,`, `(`, `>`: an argument of a call, an element of markup.
    Argument,
    /// White space only.
    Space,
}

/// Reads the assignment whose name holds the keyword `hit`. `known` is the name read last: a name that holds the
/// keyword over and over is read once.
pub(super) fn read<'t>(text: &'t [u8], hit: Range<usize>, known: &mut Range<usize>) -> Option<Assignment<'t>> {
    let hit = hit.start..word_end(text, &hit);
    if !is_component(text, &hit) {
        return None;
    }
    let name = name_around(text, &hit, known);
    // A sentence's full stop is no part of a name. What closes a quoted or indexed name, then space: the other way
    // round a quote opens the value.
    let closed = name.end
        + forth(text, name.end, 6, |byte| matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b']' | b'}' | b')' | b'*'));
    let at = closed + forth(text, closed, 8, is_blank);
    // The name goes on beyond what is read of it.
    if at == name.end && text.get(at).is_none_or(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return None;
    }
    let mut cursor = Cursor { text, name: name.clone(), closed, at, gap: false, wide: false, sign: b"", link: None };
    let (range, quoted) = SPELLINGS.iter().find_map(|spelling| match spelling(&mut cursor) {
        Next::On => None,
        Next::Nothing => Some(None),
        Next::Value(range, quoted) => Some(Some((range, quoted))),
    })??;
    Some(Assignment {
        name: text.get(name.clone())?,
        keyword_end: hit.end - name.start,
        value: text.get(range.clone())?,
        range,
        link: cursor.link?,
        quoted,
    })
}

/// Where the word of a keyword such as `key=` ends: the sign behind it only makes it rare enough.
pub(super) fn word_end(text: &[u8], hit: &Range<usize>) -> usize {
    let keyword = text.get(hit.clone()).unwrap_or_default();
    hit.start + keyword.iter().rposition(u8::is_ascii_alphanumeric).map_or(keyword.len(), |last| last + 1)
}

/// The name around a keyword, at most [`MAX_NAME`] bytes to either side.
fn name_around(text: &[u8], hit: &Range<usize>, known: &mut Range<usize>) -> Range<usize> {
    if !(known.start <= hit.start && hit.end <= known.end) {
        let head = text.get(..hit.start).unwrap_or_default();
        let start = head.iter().rposition(|byte| !is_name(*byte)).map_or(0, |last| last + 1);
        let all = start..hit.end + forth(text, hit.end, text.len(), is_name);
        if !text.get(hit.clone()).is_some_and(|keyword| keyword.iter().all(|byte| is_name(*byte))) {
            return all.start.max(hit.start.saturating_sub(MAX_NAME))..all.end.min(hit.end + MAX_NAME);
        }
        *known = all;
    }
    known.start.max(hit.start.saturating_sub(MAX_NAME))..known.end.min(hit.end + MAX_NAME)
}

/// How far an assignment is read.
struct Cursor<'t> {
    text: &'t [u8],
    name: Range<usize>,
    /// Behind what closes the name.
    closed: usize,
    at: usize,
    /// A blank stands before `at`.
    gap: bool,
    /// A sign of Chinese or Japanese was read.
    wide: bool,
    sign: &'t [u8],
    link: Option<Link>,
}

/// What a spelling says.
enum Next {
    /// The next one goes on.
    On,
    /// No value is given.
    Nothing,
    /// Where the value is, and whether it stands in quotes.
    Value(Range<usize>, bool),
}

/// What may stand between a name and its value, in this order.
const SPELLINGS: [fn(&mut Cursor<'_>) -> Next; 10] = [
    |cursor| cursor.property(),
    |cursor| cursor.pair(),
    |cursor| cursor.appended(),
    |cursor| cursor.word_between(),
    |cursor| cursor.operator(),
    |cursor| cursor.blanks(),
    |cursor| cursor.element(),
    |cursor| cursor.kind(),
    |cursor| cursor.opened(),
    |cursor| cursor.value(),
];

/// Signs that give a value to a name, or do not. Any other is an [`Link::Operator`].
const OPERATORS: [(&[u8], Option<Link>); 12] = [
    (b">", Some(Link::Argument)),
    (b"==", None),
    (b"===", None),
    (b"=~", None),
    (b"-", None),
    (b"--", None),
    (b"?", None),
    (b"|", None),
    (b"||", None),
    (b"+", None),
    (b"::", None),
    (b"~", None),
];

impl Cursor<'_> {
    /// `<key>token</key><string>…</string>`: a property list, the value stands in the element behind the name's.
    fn property(&mut self) -> Next {
        if !self.starts(self.name.end, b"</key>") {
            return Next::On;
        }
        let at = self.name.end + 6;
        let at = at + forth(self.text, at, 24, |byte| byte.is_ascii_whitespace());
        if self.starts(at, b"<string>") { self.text_of(at + 8) } else { Next::Nothing }
    }

    /// `name="API_KEY" value="…"`, `- name: API_KEY` over `value: …`, `"name": "API_KEY", "value": "…"`.
    fn pair(&mut self) -> Next {
        let quote = |byte| matches!(byte, b'"' | b'\'' | b'\\');
        let pair = self.closed + forth(self.text, self.closed, 24, |byte| byte.is_ascii_whitespace() || byte == b',');
        let pair = pair + forth(self.text, pair, 2, quote);
        let word = self.text.get(pair..pair + 5).filter(|_| pair > self.closed);
        if word.is_some_and(|word| word.eq_ignore_ascii_case(b"value")) {
            let end = pair + 5 + forth(self.text, pair + 5, 2, quote);
            let sign = end + forth(self.text, end, 2, |byte| byte == b' ');
            if matches!(self.text.get(sign), Some(b'=' | b':')) {
                self.at = sign;
            }
        }
        let before = self.text.get(self.at.saturating_sub(1)).copied();
        self.gap = self.at > self.name.end && before.is_some_and(is_blank);
        Next::On
    }

    /// `password .= "…"`
    fn appended(&mut self) -> Next {
        self.at += usize::from(self.starts(self.at, b".="));
        Next::On
    }

    /// `password is "…"`, `var token string = "…"`: the word between is skipped.
    fn word_between(&mut self) -> Next {
        if self.gap {
            let word = forth(self.text, self.at, 16, |byte| byte.is_ascii_alphabetic());
            let spaces = forth(self.text, self.at + word, 2, |byte| byte == b' ');
            // `"token" to "…"`: pairs in Kotlin and Scala.
            let behind = self.text.get(self.at + word + spaces);
            let copula = match self.text.get(self.at..self.at + word) {
                Some(b"is") => true,
                Some(b"to") => self.closed > self.name.end && behind == Some(&b'"'),
                _ => false,
            };
            if spaces > 0 && (copula || word > 0 && self.is_given(self.at + word + spaces)) {
                self.at += word + spaces;
            }
        }
        Next::On
    }

    /// `token=…`, `token: …`, `token => …`, `密码：…`; `f(token, "…")`, `token("…")`; `--token …`.
    fn operator(&mut self) -> Next {
        let wide = "：".as_bytes();
        self.wide = self.starts(self.at, wide);
        self.at += if self.wide { wide.len() } else { 0 };
        let length =
            forth(self.text, self.at, 4, |byte| matches!(byte, b'=' | b':' | b'?' | b'|' | b'>' | b'-' | b'~' | b'+'));
        self.sign = self.text.get(self.at..self.at + length).unwrap_or_default();
        self.link = match self.sign {
            b"-" if self.gap => Some(Link::Space),
            b"" if self.wide => Some(Link::Operator),
            b"" if matches!(self.text.get(self.at), Some(b',' | b'(')) => {
                self.at += 1;
                Some(Link::Argument)
            }
            b"" => (self.at > self.name.end).then_some(Link::Space),
            b"=" if !self.gap => Some(Link::Tight),
            sign => OPERATORS.iter().find(|(known, _)| *known == sign).map_or(Some(Link::Operator), |(_, link)| *link),
        };
        self.at += length;
        if self.link.is_some() { Next::On } else { Next::Nothing }
    }

    /// Names in a list stand on lines of their own; the arguments of a call that is broken over lines do too, but
    /// behind `(`.
    fn blanks(&mut self) -> Next {
        let before = self.text.get(self.at.saturating_sub(1));
        let lines = self.link == Some(Link::Argument) && before != Some(&b',');
        self.at += forth(self.text, self.at, 24, |byte| is_blank(byte) || lines && matches!(byte, b'\r' | b'\n'));
        let before = self.text.get(self.at.saturating_sub(1));
        if self.link == Some(Link::Tight) && before.is_some_and(u8::is_ascii_whitespace) {
            self.link = Some(Link::Operator);
        }
        Next::On
    }

    /// `<token>…</token>`
    fn element(&mut self) -> Next {
        if self.sign == b">" { self.text_of(self.at) } else { Next::On }
    }

    /// `password: String = "…"`: the type is skipped.
    fn kind(&mut self) -> Next {
        if self.link == Some(Link::Operator) && self.sign == b":" {
            let kind = forth(self.text, self.at, 32, |byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'&' | b'<' | b'>' | b'?' | b'[' | b']' | b'.' | b'|' | b'_')
            });
            let spaces = forth(self.text, self.at + kind, 2, |byte| byte == b' ');
            if kind > 0 && spaces > 0 && self.is_given(self.at + kind + spaces) {
                self.at += kind + spaces + 1;
                self.at += forth(self.text, self.at, 4, |byte| byte == b' ');
            }
        }
        Next::On
    }

    /// `token = ["…"]`, `token = b"…"`, `token=$'…'`
    fn opened(&mut self) -> Next {
        self.at += forth(self.text, self.at, 2, |byte| matches!(byte, b'[' | b'(' | b'\\'));
        let prefix = forth(self.text, self.at, 2, |byte| {
            matches!(byte, b'b' | b'r' | b'u' | b'f' | b'@' | b'L' | b'N' | b'$' | b'%' | b'q')
        });
        if prefix > 0 && matches!(self.text.get(self.at + prefix), Some(b'"' | b'\'')) {
            self.at += prefix;
        }
        Next::On
    }

    /// The value itself.
    fn value(&mut self) -> Next {
        let found = within_object(self.text, self.at)
            .or_else(|| fallback(self.text, self.at))
            .or_else(|| value(self.text, self.at));
        found.map_or(Next::Nothing, |(range, quoted)| Next::Value(range, quoted))
    }

    fn text_of(&mut self, at: usize) -> Next {
        self.link = Some(Link::Operator);
        element(self.text, at).map_or(Next::Nothing, |range| Next::Value(range, true))
    }

    /// True if `=` stands at `at`, and no `==`.
    fn is_given(&self, at: usize) -> bool {
        self.text.get(at) == Some(&b'=') && self.text.get(at + 1) != Some(&b'=')
    }

    fn starts(&self, at: usize, what: &[u8]) -> bool {
        self.text.get(at..).is_some_and(|rest| rest.starts_with(what))
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The last word of the text of a markup element that begins at `at`: what stands before it says
/// what it is (`<secret>{AES x9…}</secret>`).
fn element(text: &[u8], at: usize) -> Option<Range<usize>> {
    let at = at + forth(text, at, 24, |byte| byte.is_ascii_whitespace());
    let length = forth(text, at, MAX_VALUE, |byte| byte != b'<');
    let content = text.get(at..at + length).filter(|_| text.get(at + length) == Some(&b'<'))?;
    let end =
        at + content.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != b'}').map_or(0, |last| last + 1);
    let content = text.get(at..end)?;
    let start =
        at + content.iter().rposition(|byte| byte.is_ascii_whitespace() || *byte == b'{').map_or(0, |last| last + 1);
    (start < end).then_some(start..end)
}

/// The longest word of an object in quotes at `at`: `"Api-Token": "{\"site\": \"a\", \"key\": \"…\"}"`.
fn within_object(text: &[u8], at: usize) -> Option<(Range<usize>, bool)> {
    let start = at + 1 + forth(text, at + 1, 2, |byte| byte == b'{');
    if start == at + 1 || !matches!(text.get(at), Some(b'"' | b'\'')) {
        return None;
    }
    let end = start + forth(text, start, MAX_OBJECT, |byte| byte != b'}' && byte != b'\n');
    let mut longest = start..start;
    let mut from = start;
    while from < end {
        let length = forth(text, from, end - from, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if length > longest.len() {
            longest = from..from + length;
        }
        from += length + 1;
    }
    let digits = text.get(longest.clone())?.iter().filter(|byte| byte.is_ascii_digit()).count();
    (longest.len() >= 24 && digits >= 4 && digits < longest.len()).then_some((longest, true))
}

/// What stands in for a variable of the environment that is not set: `os.getenv("TOKEN", "…")`, `process.env.TOKEN || "…"`.
#[inline(never)]
fn fallback(text: &[u8], at: usize) -> Option<(Range<usize>, bool)> {
    let line = text.get(at..text.len().min(at + MAX_FALLBACK))?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    line.get(..line.len().min(24))?.windows(3).find(|word| word.eq_ignore_ascii_case(b"env"))?;
    let behind = |sign: &&[u8]| {
        let end = memchr::memmem::find(line, sign)? + sign.len();
        matches!(line.get(end), Some(b'"' | b'\'')).then_some(at + end)
    };
    let signs: [&[u8]; 5] = [b"|| ", b"?? ", b"?: ", b" or ", b", "];
    value(text, signs.iter().filter_map(behind).min()?)
}

/// The quoted or bare word at `at`.
fn value(text: &[u8], at: usize) -> Option<(Range<usize>, bool)> {
    let quote = text.get(at).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    if let Some(quote) = quote {
        let mut start = at + 1;
        start += forth(text, start, 2, |byte| byte == b' ');
        let length = forth(text, start, MAX_VALUE, |byte| byte != quote && !matches!(byte, b'\n' | b'\r'));
        let mut end = start + length;
        if text.get(end) != Some(&quote) {
            return None;
        }
        while end > start && text.get(end - 1).is_some_and(|byte| matches!(byte, b' ' | b'\\')) {
            end -= 1;
        }
        return Some((start..end, true));
    }
    let length = forth(text, at, MAX_BARE, |byte| {
        byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'"' | b'\''
                    | b'`'
                    | b','
                    | b';'
                    | b'<'
                    | b'>'
                    | b'('
                    | b')'
                    | b'{'
                    | b'}'
                    | b'['
                    | b']'
                    | b'&'
                    | b'|'
                    | b'\\'
            )
    });
    let mut end = at + length;
    // The next option is no value.
    if text.get(at..at + 2) == Some(b"--") {
        return None;
    }
    // What is called or indexed is code.
    if matches!(text.get(end), Some(b'(' | b'[')) {
        return None;
    }
    while end > at && text.get(end - 1).is_some_and(|byte| matches!(byte, b'.' | b':' | b'*')) {
        end -= 1;
    }
    (end > at).then_some((at..end, false))
}

/// How much of a name is read to either side of its keyword.
const MAX_NAME: usize = 48;
const MAX_OBJECT: usize = 256;
/// How far behind a name what stands in for a variable ends, at most.
const MAX_FALLBACK: usize = 128;
/// What is read of a value without quotes.
const MAX_BARE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (text, link) in [
            ("<key>token</key>\n <string>VALUE</string>", Link::Operator),
            ("name=\"token\" value=\"VALUE\"", Link::Tight),
            ("- name: token\n  value: VALUE", Link::Operator),
            ("\"name\": \"token\", \"value\": \"VALUE\"", Link::Operator),
            ("$token .= 'VALUE'", Link::Operator),
            ("token is \"VALUE\"", Link::Space),
            ("\"token\" to \"VALUE\"", Link::Space),
            ("token = os.getenv(\"NAME\", \"VALUE\")", Link::Operator),
            ("token = ENV['NAME'] || 'VALUE'", Link::Operator),
            ("const token = process.env.NAME ?? \"VALUE\"", Link::Operator),
            ("var token string = \"VALUE\"", Link::Operator),
            ("token：VALUE", Link::Operator),
            ("token=VALUE", Link::Tight),
            ("token => VALUE", Link::Operator),
            ("f(\"token\", \"VALUE\")", Link::Argument),
            ("token(\n  'VALUE')", Link::Argument),
            ("--token VALUE", Link::Space),
            ("token - VALUE", Link::Space),
            ("<token>VALUE</token>", Link::Operator),
            ("token: Option<String> = \"VALUE\"", Link::Operator),
            ("token = [b\"VALUE\"]", Link::Operator),
        ] {
            let at = text.find("token").unwrap();
            let found = read(text.as_bytes(), at..at + 5, &mut (0..0));
            let found = found.map(|found| (found.value, found.link));
            assert_eq!(found, Some((&b"VALUE"[..], link)), "{text}");
        }
    }

    #[test]
    fn what_gives_no_value_is_not_read() {
        for text in [
            "token == VALUE",
            "token",
            "tokenize",
            "token -- VALUE",
            "token::VALUE",
            "<key>token</key>",
            "token || VALUE",
        ] {
            let at = text.find("token").unwrap();
            assert_eq!(read(text.as_bytes(), at..at + 5, &mut (0..0)), None, "{text}");
        }
    }

    #[test]
    fn a_name_is_the_same_whatever_was_read_before() {
        let text = b"secret-token-secret.token=abc, api key=x, secret-secret-secret-secret-secret-secret-secret-secret";
        let mut known = 0..0;
        for at in 0..text.len() - 6 {
            for length in [3, 5, 6] {
                let (hit, mut fresh) = (at..at + length, 0..0);
                let name = name_around(text, &hit, &mut fresh);
                assert_eq!(name_around(text, &hit, &mut known), name);
                assert!(hit.start - name.start <= MAX_NAME && name.end - hit.end <= MAX_NAME);
            }
        }
    }
}
