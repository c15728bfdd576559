//! The one glob matcher: `*` is any run of characters (none and `/` included), `?` is one
//! character, `\` takes the next `*`, `?` or `\` literally. Everything else is itself, case and all.
//!
//! A match costs time linear in the text for a given pattern: the parts between the stars are found
//! from left to right, each at its first place, which never has to be taken back.

use std::fmt;

use crate::settings::ConfigError;

/// A compiled glob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob {
    /// The parts between the stars. One part: no star; the text must equal it.
    parts: Vec<Part>,
}

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`GlobError`] for a backslash before anything but `*`, `?` or `\`.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        let mut parts = Vec::new();
        let mut part = Part::default();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' => {
                    // `**` is `*`: an empty part between stars would fit anywhere anyway.
                    if parts.is_empty() || !part.pieces.is_empty() {
                        parts.push(std::mem::take(&mut part));
                    }
                }
                '?' => part.pieces.push(Piece::AnyOne),
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => part.push(escaped),
                    _ => return Err(GlobError),
                },
                literal => part.push(literal),
            }
        }
        parts.push(part);
        Ok(Self { parts })
    }

    /// The one text this matches, if it is a glob without `*` and `?`.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part { pieces }] => match pieces.as_slice() {
                [] => Some(""),
                [Piece::Literal(text)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// What every text that this matches begins with.
    pub fn prefix(&self) -> &str {
        match self.parts.first().and_then(|part| part.pieces.first()) {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// What every text that this matches ends with.
    pub fn suffix(&self) -> &str {
        match self.parts.last().and_then(|part| part.pieces.last()) {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// True where a `?` asks for exactly one character.
    pub fn counts_characters(&self) -> bool {
        self.parts.iter().any(|part| part.pieces.contains(&Piece::AnyOne))
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return text.is_empty() };
        let Some(mut left) = first.strip_from(text) else { return false };
        let Some((last, middle)) = rest.split_last() else { return left.is_empty() };
        for part in middle {
            match part.find_in(left) {
                Some(behind) => left = behind,
                None => return false,
            }
        }
        last.ends(left)
    }
}

/// A pattern with a backslash that escapes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobError;

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`\\` must stand before `*`, `?` or `\\`")
    }
}

impl std::error::Error for GlobError {}

/// What stands between two stars.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Literal(String),
    AnyOne,
}

impl Part {
    fn push(&mut self, character: char) {
        if let Some(Piece::Literal(text)) = self.pieces.last_mut() {
            text.push(character);
        } else {
            self.pieces.push(Piece::Literal(character.to_string()));
        }
    }

    /// What follows this part where `text` begins with it.
    fn strip_from<'t>(&self, mut text: &'t str) -> Option<&'t str> {
        for piece in &self.pieces {
            text = match piece {
                Piece::Literal(literal) => text.strip_prefix(literal.as_str())?,
                Piece::AnyOne => {
                    let mut characters = text.chars();
                    characters.next()?;
                    characters.as_str()
                }
            };
        }
        Some(text)
    }

    /// What follows the first occurrence of this part in `text`.
    fn find_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let [Piece::Literal(literal)] = self.pieces.as_slice() {
            return text.split_once(literal.as_str()).map(|(_, behind)| behind);
        }
        let mut from = text;
        loop {
            if let Some(behind) = self.strip_from(from) {
                return Some(behind);
            }
            let mut characters = from.chars();
            characters.next()?;
            from = characters.as_str();
        }
    }

    /// Whether `text` ends with this part.
    fn ends(&self, mut text: &str) -> bool {
        for piece in self.pieces.iter().rev() {
            let left = match piece {
                Piece::Literal(literal) => text.strip_suffix(literal.as_str()),
                Piece::AnyOne => {
                    let mut characters = text.chars();
                    characters.next_back().map(|_| characters.as_str())
                }
            };
            match left {
                Some(left) => text = left,
                None => return false,
            }
        }
        true
    }
}

/// Globs of which one must match; `None` fits everything, an absent text included.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Globs(pub Option<Vec<Glob>>);

impl Globs {
    /// True where one of them matches.
    #[must_use]
    pub fn fit(&self, text: Option<&str>) -> bool {
        match (&self.0, text) {
            (None, _) => true,
            (Some(globs), Some(text)) => globs.iter().any(|glob| glob.matches(text)),
            (Some(_), None) => false,
        }
    }

    /// True where one of them matches one of the texts.
    #[must_use]
    pub fn fit_any(&self, texts: &[String]) -> bool {
        match &self.0 {
            None => true,
            Some(globs) => texts.iter().any(|text| globs.iter().any(|glob| glob.matches(text))),
        }
    }
}

/// Refuses an empty list that stands at `at` (a JSON Pointer).
///
/// # Errors
/// The list is empty.
pub fn not_empty<T>(list: &[T], at: &str) -> Result<(), ConfigError> {
    if list.is_empty() {
        // Read as "everything" it would open, read as "nothing" it would disable a deny rule.
        return Err(ConfigError::new(at, "is an empty list").remedy("leave the field out to match everything"));
    }
    Ok(())
}

/// Compiles a list of globs that stands at `at`; `None` fits everything.
///
/// # Errors
/// An empty list, a glob that is none.
pub fn globs(patterns: Option<&[String]>, at: &str) -> Result<Globs, ConfigError> {
    let Some(patterns) = patterns else { return Ok(Globs(None)) };
    not_empty(patterns, at)?;
    let globs = patterns.iter().enumerate().map(|(index, pattern)| glob(pattern, &format!("{at}/{index}")));
    Ok(Globs(Some(globs.collect::<Result<_, _>>()?)))
}

/// Compiles a glob that stands at `at`.
///
/// # Errors
/// It is no glob.
pub fn glob(pattern: &str, at: &str) -> Result<Glob, ConfigError> {
    Glob::new(pattern).map_err(|error| ConfigError::new(at, error.to_string()).remedy("write `\\\\` for a backslash"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn table() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "a/b", true),
            ("read_*", "read_file", true),
            ("read_*", "READ_file", false),
            ("read_*", "xread_file", false),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("ab*ba", "aba", false),
            ("?", "é", true),
            ("?", "", false),
            ("a?c*?", "abcd", true),
            ("a?c*?", "abc", false),
            ("*?b*", "b", false),
            ("*?b*", "ab", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\?b\\\\", "a?b\\", true),
            ("file:///data/*", "file:///data/../etc", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert_eq!(Glob::new("a\\b"), Err(GlobError));
        assert_eq!(Glob::new("a\\"), Err(GlobError));
    }

    #[test]
    fn literals() {
        for (pattern, literal) in
            [("abc", Some("abc")), ("a\\*", Some("a*")), ("", Some("")), ("a?", None), ("*", None), ("a*", None)]
        {
            assert_eq!(Glob::new(pattern).unwrap().literal(), literal, "{pattern}");
        }
    }

    /// Half a million characters against a pattern that costs a backtracking matcher a square.
    #[test]
    fn hostile_text_is_linear() {
        let text = "a".repeat(500_000);
        assert!(!matches("*a*a*a*a*a*a*a*a*b", &text));
        assert!(!matches("*a?a*?a?a*b*", &text));
    }

    /// The definition, written down naively.
    fn model(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some(('*', tail)), rest) => model(tail, text) || rest.is_some_and(|(_, behind)| model(pattern, behind)),
            (Some(('?', tail)), Some((_, behind))) => model(tail, behind),
            (Some((a, tail)), Some((b, behind))) => a == b && model(tail, behind),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn equals_the_naive_model(pattern in "[ab*?é]{0,8}", text in "[abé]{0,10}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), model(&p, &t));
        }
    }
}
