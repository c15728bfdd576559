//! Strings that make sense together only: a key cut into two arguments.

use std::borrow::Cow;

use super::detect::Input;
use super::scanner::Examination;
use super::verify::Candidate;
use super::{Direction, Site, Surface};
use crate::json::Value;

/// Short strings that stand next to each other in one object or array of a request.
#[derive(Default)]
pub(super) struct Split<'d> {
    pieces: Vec<Piece<'d>>,
    /// Windows that were looked at.
    windows: usize,
}

/// A short string.
struct Piece<'d> {
    value: Value<'d>,
    content: Cow<'d, str>,
}

/// What is found in one of several strings.
pub(super) struct Part<'d> {
    pub(super) value: Value<'d>,
    pub(super) content: String,
    pub(super) candidate: Candidate,
}

impl<'d> Split<'d> {
    /// Whether strings of this place are looked at together.
    pub(super) fn applies(site: &Site<'_>) -> bool {
        site.context.direction == Direction::Request && site.context.surface == Surface::Arguments
    }

    /// True where no more strings are put together in this message.
    pub(super) fn is_done(&self) -> bool {
        self.windows >= MAX_WINDOWS
    }

    /// Takes the next string of the message. `gap` is what stands between it and the one before. Returns what was
    /// found in strings that end here.
    pub(super) fn next(
        &mut self,
        value: Value<'d>,
        content: &str,
        gap: Option<&str>,
        examination: &mut Examination<'_>,
        site: &Site<'_>,
    ) -> Vec<Part<'d>> {
        let is_bracket = |byte| matches!(byte, b'{' | b'}' | b'[' | b']');
        let apart = gap.is_none_or(|gap| gap.bytes().any(is_bracket));
        let short = (1..=MAX_PIECE).contains(&content.len());
        let mut found = Vec::new();
        if apart || !short || self.pieces.len() >= MAX_PIECES {
            found = self.finish(examination, site);
            let keep = if apart || !short { 0 } else { MAX_PIECES / 2 };
            self.pieces.drain(..self.pieces.len() - keep.min(self.pieces.len()));
        }
        if short {
            let plain = value.raw_str().filter(|_| !value.has_escapes());
            let content = plain.map_or_else(|| Cow::Owned(content.to_owned()), Cow::Borrowed);
            self.pieces.push(Piece { value, content });
        }
        found
    }

    /// Looks at what was gathered.
    pub(super) fn finish(&mut self, examination: &mut Examination<'_>, site: &Site<'_>) -> Vec<Part<'d>> {
        if self.pieces.len() < 2 || self.is_done() {
            return Vec::new();
        }
        self.windows += 1;
        let parts = joined(&self.pieces, examination, site);
        if !parts.is_empty() {
            self.pieces.clear();
        }
        parts
    }
}

/// A secret with a format of its own that goes on from one string into the next.
fn joined<'d>(pieces: &[Piece<'d>], examination: &mut Examination<'_>, site: &Site<'_>) -> Vec<Part<'d>> {
    let length = pieces.iter().map(|piece| piece.content.len()).sum();
    if length < MIN_SECRET {
        return Vec::new();
    }
    let mut text = String::with_capacity(length);
    pieces.iter().for_each(|piece| text.push_str(&piece.content));
    let scanners = examination.scanners;
    let mut hits = Vec::new();
    scanners.prefilter.scan(text.as_bytes(), &mut hits);
    if hits.is_empty() {
        return Vec::new();
    }
    let input = Input { text: &text, member: None, tool: site.tool, context: site.context, role: None, parsed: None };
    let mut found = Vec::new();
    examination.verify(&input, &hits, &mut found);
    // Only a format says enough: names and values of neighbours are joined by chance.
    found.retain(|candidate| scanners.heads.get(candidate.rule).is_some_and(|head| head.specific >= FORMAT));
    let mut parts = Vec::new();
    for candidate in found {
        let mut start = 0;
        let mut own = Vec::new();
        for piece in pieces {
            let end = start + piece.content.len();
            let range = candidate.range.start.max(start)..candidate.range.end.min(end);
            if range.start < range.end {
                let candidate = Candidate { rule: candidate.rule, range: range.start - start..range.end - start };
                own.push(Part { value: piece.value, content: piece.content.clone().into_owned(), candidate });
            }
            start = end;
        }
        if own.len() >= 2 {
            parts.append(&mut own);
        }
    }
    parts
}

/// Longest string that is put together with others, in bytes.
const MAX_PIECE: usize = 64;

/// How many strings are put together.
const MAX_PIECES: usize = 8;

/// How many times that is done in one message: the work stays a small part of the whole.
const MAX_WINDOWS: usize = 64;

/// A shorter text holds no secret with a format.
const MIN_SECRET: usize = 16;

/// What [`super::verify::Compiled::specific`] says of rules with a format.
const FORMAT: u8 = 4;
