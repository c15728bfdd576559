//! Texts that a regular expression cannot match without.
//!
//! The engine behind `regex` is small and slow; most texts lack even the words a pattern names, and to
//! look for words is fast. What is said here is only ever "this cannot match": a pattern this reads
//! wrongly as needing nothing costs time, so everything unusual needs nothing.

use memchr::memmem::Finder;

/// Texts one of which is in everything that a pattern matches.
#[derive(Debug)]
pub(super) struct Required {
    finders: Vec<Finder<'static>>,
    /// The texts are in lower case, and so must be what is searched (ASCII; regex-lite folds no more).
    folded: bool,
}

impl Required {
    /// Reads a pattern that `regex-lite` has accepted. `None` where no text is known to be needed.
    pub(super) fn of(pattern: &str) -> Option<Self> {
        let (folded, body) = match pattern.strip_prefix("(?i)") {
            Some(body) => (true, body),
            None => (false, pattern),
        };
        let mut reader = Reader { rest: body, depth: 0 };
        let texts = reader.alternatives().ok()??;
        if !reader.rest.is_empty() {
            return None;
        }
        let needle = |text: &String| if folded { text.to_ascii_lowercase() } else { text.clone() };
        let finders = texts.iter().map(|text| Finder::new(needle(text).as_bytes()).into_owned()).collect();
        Some(Self { finders, folded })
    }

    /// True where one of them is in `text`; false says that the pattern does not match.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let found = |text: &[u8]| self.finders.iter().any(|finder| finder.find(text).is_some());
        if self.folded { found(text.to_ascii_lowercase().as_bytes()) } else { found(text.as_bytes()) }
    }
}

/// Reads the parts of the syntax whose meaning is plain.
struct Reader<'p> {
    rest: &'p str,
    depth: usize,
}

/// The pattern holds something that is not read here.
struct Unusual;

/// Texts one of which is needed; `None` where none is.
type Texts = Option<Vec<String>>;

impl Reader<'_> {
    /// `a|b`: what either needs.
    fn alternatives(&mut self) -> Result<Texts, Unusual> {
        let mut all = self.sequence()?;
        while self.take('|') {
            let next = self.sequence()?;
            all = all.zip(next).map(|(mut all, next)| {
                all.extend(next);
                all
            });
        }
        Ok(all.filter(|texts| texts.len() <= MOST_TEXTS))
    }

    /// `abc(d|e)f*`: the most telling of what its parts need.
    fn sequence(&mut self) -> Result<Texts, Unusual> {
        let mut best = None;
        let mut run = String::new();
        loop {
            let Some(next) = self.rest.chars().next().filter(|next| !matches!(next, '|' | ')')) else {
                better(&mut best, Some(vec![run]));
                return Ok(best);
            };
            let part = self.part(next)?;
            let repeated = self.repetition()?;
            match (part, repeated) {
                (Part::Literal(literal), Repeated::Once) => run.push(literal),
                (Part::Literal(literal), Repeated::AtLeastOnce) => {
                    run.push(literal);
                    better(&mut best, Some(vec![std::mem::take(&mut run)]));
                }
                (Part::Group(texts), Repeated::Once | Repeated::AtLeastOnce) => {
                    better(&mut best, Some(vec![std::mem::take(&mut run)]));
                    better(&mut best, texts);
                }
                (_, _) => better(&mut best, Some(vec![std::mem::take(&mut run)])),
            }
        }
    }

    fn part(&mut self, first: char) -> Result<Part, Unusual> {
        self.rest = self.rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '(' => self.group(),
            '[' => self.class(),
            '.' | '^' | '$' => Ok(Part::Other),
            '\\' => {
                let escaped = self.rest.chars().next().ok_or(Unusual)?;
                self.rest = self.rest.get(escaped.len_utf8()..).unwrap_or_default();
                match escaped {
                    'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'A' | 'z' | 'B' | '<' | '>' => Ok(Part::Other),
                    // `\b{start}` is a boundary too.
                    'b' if !self.rest.starts_with('{') => Ok(Part::Other),
                    '.' | '/' | '-' | '_' | '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' | '|' | '^' | '$'
                    | '\\' | '#' | '&' | '~' | ':' | '@' | '=' | ',' | '"' | '\'' | '%' | '!' | ';' | '`' => {
                        Ok(Part::Literal(escaped))
                    }
                    _ => Err(Unusual),
                }
            }
            '*' | '+' | '?' | '{' | '}' | ']' => Err(Unusual),
            literal => Ok(Part::Literal(literal)),
        }
    }

    /// `(…)` or `(?:…)`; no flags, no names.
    fn group(&mut self) -> Result<Part, Unusual> {
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest.strip_prefix(':').ok_or(Unusual)?;
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Unusual);
        }
        let texts = self.alternatives()?;
        self.depth -= 1;
        if self.take(')') { Ok(Part::Group(texts)) } else { Err(Unusual) }
    }

    /// `[…]` without brackets in it.
    fn class(&mut self) -> Result<Part, Unusual> {
        let whole = self.rest.strip_prefix('^').unwrap_or(self.rest);
        let mut characters = whole.char_indices();
        if whole.starts_with(']') {
            return Err(Unusual);
        }
        while let Some((at, character)) = characters.next() {
            match character {
                '[' => return Err(Unusual),
                '\\' => drop(characters.next()),
                ']' => {
                    self.rest = whole.get(at + 1..).unwrap_or_default();
                    return Ok(Part::Other);
                }
                _ => {}
            }
        }
        Err(Unusual)
    }

    fn repetition(&mut self) -> Result<Repeated, Unusual> {
        let repeated = if self.take('*') || self.take('?') {
            Repeated::PerhapsNever
        } else if self.take('+') {
            Repeated::AtLeastOnce
        } else if self.take('{') {
            let (_, rest) = self.rest.split_once('}').ok_or(Unusual)?;
            self.rest = rest;
            Repeated::PerhapsNever
        } else {
            return Ok(Repeated::Once);
        };
        // Lazy or not, the same texts match.
        let _lazy = self.take('?');
        // `a**`: whatever it means, less is needed than thought.
        if self.rest.starts_with(['*', '+', '?', '{']) { Err(Unusual) } else { Ok(repeated) }
    }

    fn take(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// One part of a sequence.
enum Part {
    Literal(char),
    Group(Texts),
    /// Something that needs no text: a class, a boundary.
    Other,
}

#[derive(Clone, Copy)]
enum Repeated {
    Once,
    AtLeastOnce,
    PerhapsNever,
}

/// Keeps the need whose shortest text is longer.
fn better(best: &mut Texts, other: Texts) {
    let shortest = |texts: &Texts| texts.iter().flatten().map(String::len).min().unwrap_or(0);
    if shortest(&other) > shortest(best) {
        *best = other;
    }
}

/// Most texts that are looked for one by one.
const MOST_TEXTS: usize = 16;
/// Deepest nesting of groups that is read.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_lite::Regex;

    use super::*;

    fn texts(pattern: &str) -> Option<Vec<String>> {
        assert!(Regex::new(pattern).is_ok(), "{pattern}");
        let required = Required::of(pattern)?;
        Some(required.finders.iter().map(|finder| String::from_utf8(finder.needle().to_vec()).unwrap()).collect())
    }

    #[test]
    fn table() {
        for (pattern, expected) in [
            ("abc", &["abc"][..]),
            ("^abc$", &["abc"]),
            ("(?i)\\b(Payroll|salary) of Team\\b", &[" of team"]),
            ("(?i)\\b(drop|truncate)\\b", &["drop", "truncate"]),
            ("a|bc", &["a", "bc"]),
            ("a|", &[]),
            ("a|b*", &[]),
            ("ab*cd", &["cd"]),
            ("abc+d", &["abc"]),
            ("ab{0,1}", &["a"]),
            ("(abc)?d", &["d"]),
            ("(abc)+d", &["abc"]),
            ("a\\.b[^\\]x]cd", &["a.b"]),
            ("[[:alpha:]]abc", &[]),
            ("(?x)a b", &[]),
            ("a(?i)b", &[]),
            ("(?i:abc)d", &[]),
            ("\\x41bc", &[]),
            ("(?P<n>abc)", &[]),
            ("", &[]),
            (".*", &[]),
        ] {
            assert_eq!(texts(pattern).unwrap_or_default(), expected, "{pattern}");
        }
    }

    proptest! {
        /// Whatever matches has what is needed.
        #[test]
        fn never_hides_a_match(pattern in "(\\(\\?i\\))?([abAB.|()*+?^$]|\\(\\?:|\\[ab\\]|\\[\\^a\\]|\\{0,2\\}|\\\\b|\\\\.|K){0,10}", text in "[abAB. kK\u{212a}]{0,8}") {
            if let (Ok(regex), Some(required)) = (Regex::new(&pattern), Required::of(&pattern)) {
                prop_assert!(!regex.is_match(&text) || required.are_in(&text), "{} {}", pattern, text);
            }
        }
    }
}
