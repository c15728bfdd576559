//! Strings that make sense together only: a key cut into two arguments, a command whose words are the elements of
//! an array.

use super::detect::Input;
use super::scanner::Examination;
use super::shell::Role;
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
#[derive(Clone)]
pub(super) struct Piece<'d> {
    pub(super) value: Value<'d>,
    pub(super) content: String,
    /// Whether the member is one that a shell or a process gets.
    command: bool,
}

/// What is found in a part of one string.
pub(super) struct Part<'d> {
    pub(super) piece: Piece<'d>,
    pub(super) candidate: Candidate,
}

impl<'d> Split<'d> {
    /// Whether strings of this place are looked at together.
    pub(super) fn applies(site: &Site<'_>) -> bool {
        site.context.direction == Direction::Request && site.context.surface == Surface::Arguments
    }

    /// Takes the next string of the message. `gap` is what stands between it and the one before; `member` is the name
    /// that it has. Returns what was found in strings that end here.
    pub(super) fn next(
        &mut self,
        value: Value<'d>,
        content: &str,
        gap: Option<&str>,
        member: Option<&str>,
        examination: &mut Examination<'_>,
        site: &Site<'_>,
    ) -> Vec<Part<'d>> {
        let command = member.is_some_and(|member| is_command(member, site.tool));
        let words = self.pieces.iter().position(|piece| piece.command).filter(|_| command);
        let closed = |gap: &str| words.is_some() && gap.matches(']').count() == 1 && !gap.contains('[');
        let program = words.filter(|_| gap.is_some_and(closed));
        let apart = gap.is_none_or(|gap| {
            // `{"command": "rm", "args": ["-rf", "/"]}` is one command, and so it is with its members turned around.
            let opened = command && gap.matches('[').count() == 1 && !gap.contains(']');
            gap.contains(['{', '}']) || gap.contains(['[', ']']) && !opened && !closed(gap)
        });
        let short = (1..=MAX_PIECE).contains(&content.len());
        let mut found = Vec::new();
        if apart || !short || self.pieces.len() >= MAX_PIECES {
            found = self.finish(examination, site);
            let keep = if apart || !short { 0 } else { MAX_PIECES / 2 };
            self.pieces.drain(..self.pieces.len() - keep.min(self.pieces.len()));
        }
        if short {
            // The program comes first, wherever it was written.
            let place = program.unwrap_or(usize::MAX).min(self.pieces.len());
            self.pieces.insert(place, Piece { value, content: content.to_owned(), command });
        }
        found
    }

    /// Looks at what was gathered.
    pub(super) fn finish(&mut self, examination: &mut Examination<'_>, site: &Site<'_>) -> Vec<Part<'d>> {
        if self.pieces.len() < 2 || self.windows >= MAX_WINDOWS {
            return Vec::new();
        }
        self.windows += 1;
        let mut parts = joined(&self.pieces, examination, site);
        let from = self.pieces.iter().position(|piece| piece.command);
        let words = from.and_then(|from| self.pieces.get(from..)).unwrap_or_default();
        let count = words.iter().take_while(|piece| piece.command).count();
        if count >= 2 {
            parts.extend(command(words.get(..count).unwrap_or_default(), examination, site));
        }
        if !parts.is_empty() {
            self.pieces.clear();
        }
        parts
    }
}

/// A secret with a format of its own that goes on from one string into the next.
fn joined<'d>(pieces: &[Piece<'d>], examination: &mut Examination<'_>, site: &Site<'_>) -> Vec<Part<'d>> {
    let text: String = pieces.iter().map(|piece| piece.content.as_str()).collect();
    if text.len() < MIN_SECRET {
        return Vec::new();
    }
    let scanners = examination.scanners;
    let mut hits = Vec::new();
    scanners.prefilter.scan(text.as_bytes(), |hit| hits.push(hit));
    let input = Input { text: &text, member: None, tool: site.tool, context: site.context };
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
                own.push(Part { piece: piece.clone(), candidate });
            }
            start = end;
        }
        if own.len() >= 2 {
            parts.append(&mut own);
        }
    }
    parts
}

/// The words of a command line, one in each string.
fn command<'d>(pieces: &[Piece<'d>], examination: &mut Examination<'_>, site: &Site<'_>) -> Vec<Part<'d>> {
    let mut text = String::new();
    let mut spans = Vec::new();
    for piece in pieces {
        if !text.is_empty() {
            text.push(' ');
        }
        let start = text.len();
        // What a process gets as one word the shell reader must see as one; the first may be a whole line.
        let quoted = start > 0 && piece.content.contains(|c: char| !c.is_alphanumeric() && !"-_./:=,@%+*~".contains(c));
        if quoted {
            text.push('\'');
            text.push_str(&piece.content.replace('\'', "'\\''"));
            text.push('\'');
        } else {
            text.push_str(&piece.content);
        }
        spans.push(start..text.len());
    }
    let input = Input { text: &text, member: Some("command"), tool: site.tool, context: site.context };
    let mut found = Vec::new();
    let scanners = examination.scanners;
    for running in scanners.running.iter().filter(|running| COMMANDS.contains(&running.detector.name)) {
        examination.detect(running, &input, &mut found);
    }
    let mut parts = Vec::new();
    for candidate in found {
        let within: Vec<usize> = spans
            .iter()
            .enumerate()
            .filter(|(_, span)| span.start < candidate.range.end && candidate.range.start < span.end)
            .map(|(index, _)| index)
            .collect();
        if within.len() < 2 {
            continue;
        }
        parts.extend(within.into_iter().filter_map(|index| pieces.get(index)).map(|piece| Part {
            piece: piece.clone(),
            candidate: Candidate { rule: candidate.rule, range: 0..piece.content.len() },
        }));
    }
    parts
}

/// Whether a member holds a command line or a word of one.
fn is_command(member: &str, tool: Option<&str>) -> bool {
    let context = super::Context { direction: Direction::Request, surface: Surface::Arguments };
    ARGUMENTS.iter().any(|name| member.eq_ignore_ascii_case(name))
        || Role::of(&Input { text: "", member: Some(member), tool, context }) == Role::Command
}

/// Members that hold the words of a command.
const ARGUMENTS: [&str; 7] = ["args", "arguments", "argv", "program", "executable", "exec", "binary"];

/// What reads commands.
const COMMANDS: [&str; 3] = ["destructive", "exfil", "privesc"];

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
