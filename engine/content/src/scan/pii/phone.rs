//! Telephone numbers: ITU-T E.164 with the lengths of each country, and national numbers by their
//! form or by a word nearby.

use std::ops::Range;

use super::context::{CALL, Contexts, PHONE};
use super::gate;
use super::phone_lengths::LENGTHS;

/// Finds the numbers in `text`; returns how many steps that took.
pub(super) fn find(text: &str, contexts: &mut Contexts<'_>, mut found: impl FnMut(Range<usize>, Trust)) -> u64 {
    let bytes = text.as_bytes();
    let mut steps = 0;
    let mut at = 0;
    while let Some(digit) = gate::next_digit(bytes, at) {
        // What opens a number stands right before its first digit.
        let opened = bytes.get(at..digit).unwrap_or_default().iter().rev().take(2);
        let start = digit - opened.take_while(|byte| matches!(byte, b'+' | b'(')).count();
        let byte = bytes.get(start).copied().unwrap_or(b' ');
        steps += 1;
        let before = start.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        let span = Span::parse(bytes, start);
        steps += (span.end - start) as u64;
        at = span.end.max(digit + 1);
        if span.digits < 7 || before == b'_' {
            continue;
        }
        // A name may run into an international number, nothing else may run into one.
        let glued = before.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'(');
        if glued && !(before.is_ascii_alphabetic() && span.is_north_american(bytes, 0)) {
            continue;
        }
        if matches!(before, b'.' | b'-' | b'/' | b'$' | b'#' | b'=' | b'&' | b'%' | b'@' | b'\\')
            && byte.is_ascii_digit()
        {
            continue;
        }
        if matches!(before, b'+' | b'-' | b'*') {
            continue;
        }
        let after = bytes.get(span.end).copied().unwrap_or(b' ');
        if after.is_ascii_alphanumeric() && !span.extension(bytes) || matches!(after, b'_' | b'%') {
            continue;
        }
        // Of groups that run together the number may be the first ones or the last ones.
        for skip in 0..span.count.min(SKIPPED) {
            steps += 8;
            let Some((from, until, trust)) = span.number(skip, contexts, text) else { continue };
            found(from..until, trust);
            break;
        }
    }
    steps
}

/// How sure a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// By its form.
    Form,
    /// By a word nearby.
    Word,
}

/// Groups of digits with what separates them.
#[derive(Debug)]
struct Span {
    end: usize,
    digits: usize,
    count: usize,
    groups: [Group; GROUPS],
}

/// One group: where it is, and the byte that stands before it (`+`, `(`, `)`, a separator).
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    start: usize,
    end: usize,
    before: u8,
}

impl Group {
    fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Span {
    /// Reads groups from `start` as far as single separators go.
    fn parse(bytes: &[u8], start: usize) -> Self {
        let mut span = Self { end: start, digits: 0, count: 0, groups: [Group::default(); GROUPS] };
        let mut at = start;
        let mut before = 0;
        loop {
            // At most: blank, bracket, plus.
            let mut skipped = 0;
            let mut mark = 0;
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'+' if span.count == 0 && mark != b'+' => mark = b'+',
                    b'(' if mark != b'(' => mark = b'(',
                    b')' if span.count > 0 && mark == 0 => mark = b')',
                    b' ' | b'-' | b'.' | b'/' if span.count > 0 && skipped < 2 => {
                        if mark == 0 {
                            mark = *byte;
                        } else if *byte != b' ' && mark != b')' {
                            return span;
                        }
                    }
                    _ => break,
                }
                skipped += 1;
                at += 1;
                if skipped > 3 {
                    return span;
                }
            }
            before = if skipped == 0 && span.count > 0 {
                return span;
            } else if mark == 0 {
                before
            } else {
                mark
            };
            let length = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
            let Some(group) = span.groups.get_mut(span.count) else { return span };
            if length == 0 {
                return span;
            }
            *group = Group { start: at, end: at + length, before };
            at += length;
            span.end = at;
            span.digits += length;
            span.count += 1;
            before = 0;
            if length > LONGEST {
                return span;
            }
        }
    }

    /// The number that starts with group `skip`, if it is one.
    fn number(&self, skip: usize, contexts: &mut Contexts<'_>, text: &str) -> Option<(usize, usize, Trust)> {
        let bytes = text.as_bytes();
        let groups = self.groups.get(skip..self.count)?;
        let first = groups.first()?;
        let mut start = first.start;
        while start.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|byte| matches!(byte, b'+' | b'('))
        {
            start -= 1;
        }
        let plus = bytes.get(start..first.start).is_some_and(|lead| lead.contains(&b'+'));
        let digits: usize = groups.iter().map(Group::len).sum();
        if plus || self.international_prefix(bytes, groups) {
            // Groups of a following number may be glued on: as many are taken as make one.
            let lead = if plus { 0 } else { 2 };
            for count in (1..=groups.len()).rev() {
                let taken = groups.get(..count).unwrap_or_default();
                if international(bytes, taken, lead) {
                    return Some((start, taken.last()?.end, Trust::Form));
                }
            }
            return None;
        }
        if self.is_north_american(bytes, skip)
            || bracketed(bytes, groups, digits)
            || (skip == 0 && trunk(bytes, groups, digits) && !follows_account(bytes, start))
            || turkish(bytes, groups)
        {
            return Some((start, self.end, Trust::Form));
        }
        let range = start..self.end;
        let plain = groups.len() == 1;
        let likely = (7..=13).contains(&digits)
            && groups.len() <= 6
            && !is_dated(bytes, groups)
            && !is_ipv4(bytes, groups)
            && !uniform(bytes, groups)
            && groups.iter().all(|group| group.len() >= 2 || group.before != b'.')
            && groups.iter().skip(1).all(|group| group.before != b'(' || first.len() <= 3)
            && (!plain || digits <= 12);
        // Verbs are said of much else: a number in one piece must be as long as one with its area code.
        let kinds = if plain && digits < 10 { PHONE } else { PHONE | CALL };
        (skip == 0 && likely && contexts.next_to(&range, kinds)).then_some((start, self.end, Trust::Word))
    }

    /// `00` and a country, written in groups.
    fn international_prefix(&self, bytes: &[u8], groups: &[Group]) -> bool {
        groups.len() >= 3
            && groups.iter().skip(1).all(|group| group.len() >= 2 || group.before != b'.')
            && groups.first().is_some_and(|first| {
                (3..=6).contains(&first.len())
                    && bytes.get(first.start..first.end).is_some_and(|digits| digits.starts_with(b"00"))
            })
    }

    /// North America: `(415) 555-0132`, `415-555-0132`, `1-415-555-0132`, `415.555.0132`.
    fn is_north_american(&self, bytes: &[u8], skip: usize) -> bool {
        let Some(groups) = self.groups.get(skip..self.count) else { return false };
        let groups = match groups {
            [one, rest @ ..] if one.len() == 1 && rest.len() == 3 => rest,
            groups => groups,
        };
        let [area, exchange, line] = groups else { return false };
        let lengths = area.len() == 3 && exchange.len() == 3 && line.len() == 4;
        let marks = match area.before {
            b'(' => exchange.before == b')' && matches!(line.before, b'-' | b'.' | b' '),
            _ => exchange.before == line.before && matches!(line.before, b'-' | b'.'),
        };
        // No area begins with 0 or 1.
        let given = bytes.get(area.start).is_some_and(|digit| matches!(digit, b'2'..=b'9'));
        lengths && marks && given
    }

    /// True if what follows is the number of an extension: `x123`, `ext 4`.
    fn extension(&self, bytes: &[u8]) -> bool {
        let rest = bytes.get(self.end..).unwrap_or_default();
        let rest = rest.strip_prefix(b"ext").or_else(|| rest.strip_prefix(b"x")).unwrap_or_default();
        rest.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b' '))
    }
}

/// True for a calling code and a national number of a length that occurs there; `lead` digits come before.
fn international(bytes: &[u8], groups: &[Group], lead: usize) -> bool {
    let mut digits = [0_u8; 18];
    let mut count = 0;
    let mut skipped = lead;
    for (at, group) in groups.iter().enumerate() {
        // +44 (0)20 …: the zero is dialled at home only.
        let optional = at > 0 && group.before == b'(' && bytes.get(group.start..group.end) == Some(b"0");
        if optional {
            continue;
        }
        for byte in bytes.get(group.start..group.end).unwrap_or_default() {
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            let Some(place) = digits.get_mut(count) else { return false };
            *place = byte - b'0';
            count += 1;
        }
    }
    let digits = digits.get(..count).unwrap_or_default();
    if digits.len() < 7 || digits.iter().skip(1).all(|digit| digits.get(1) == Some(digit)) {
        return false;
    }
    let mut code = 0;
    for (at, digit) in digits.iter().take(3).enumerate() {
        code = code * 10 + u16::from(*digit);
        if let Ok(found) = LENGTHS.binary_search_by_key(&code, |(code, _)| *code) {
            let lengths = LENGTHS.get(found).map_or(0, |(_, lengths)| *lengths);
            return lengths >> (count - at - 1) & 1 == 1;
        }
    }
    false
}

/// An area in brackets and two more groups: `(08) 8747 6301`, `0 (917) 123 4567`.
fn bracketed(bytes: &[u8], groups: &[Group], digits: usize) -> bool {
    let groups = match groups {
        [zero, rest @ ..] if bytes.get(zero.start..zero.end) == Some(b"0") => rest,
        groups => groups,
    };
    let [area, second, rest @ ..] = groups else { return false };
    area.before == b'('
        && second.before == b')'
        && (2..=5).contains(&area.len())
        && (9..=12).contains(&digits)
        && (1..=3).contains(&rest.len())
        && rest.iter().all(|group| group.before != b'(' && group.len() >= 2)
        && second.len() >= 2
}

/// A number that begins with the 0 of long distance calls and is written in groups.
fn trunk(bytes: &[u8], groups: &[Group], digits: usize) -> bool {
    let (Some(first), Some(second)) = (groups.first(), groups.get(1)) else { return false };
    let separator = second.before;
    let lead = bytes.get(first.start..first.end).unwrap_or_default();
    let shape = match separator {
        b'-' => groups.len() >= 3 || (groups.len() == 2 && (2..=5).contains(&lead.len()) && second.len() >= 6),
        b' ' => groups.len() >= 3 && lead.len() >= 2,
        b'.' => groups.len() >= 4 && lead.len() >= 2,
        b'/' => groups.len() == 2 && lead.len() >= 3 && second.len() >= 6,
        _ => false,
    };
    shape
        && lead.starts_with(b"0")
        && !lead.starts_with(b"00")
        && (9..=11).contains(&digits)
        && groups.iter().skip(1).all(|group| group.before == separator && group.len() <= 8)
        && groups.iter().skip(1).all(|group| group.len() >= 2)
        && groups.len() <= 5
        && !is_dated(bytes, groups)
}

/// Turkey: `532.123.45.67`, and the same with other separators, for mobile numbers.
fn turkish(bytes: &[u8], groups: &[Group]) -> bool {
    let [area, three, two, last] = groups else { return false };
    area.len() == 3
        && three.len() == 3
        && two.len() == 2
        && last.len() == 2
        && bytes.get(area.start) == Some(&b'5')
        && three.before == two.before
        && two.before == last.before
        && matches!(two.before, b'.' | b'-' | b' ')
}

/// True if the groups are a date or a time: `2024 05 19 1300`, `19-05-2024`.
fn is_dated(bytes: &[u8], groups: &[Group]) -> bool {
    let year = |group: &Group| {
        group.len() == 4
            && bytes
                .get(group.start..group.end)
                .is_some_and(|digits| digits.starts_with(b"19") || digits.starts_with(b"20"))
    };
    let short = groups.iter().filter(|group| group.len() <= 2).count();
    groups.iter().any(year) && short >= 2 || (groups.len() == 2 && groups.iter().all(year))
}

/// True for four groups with dots of which none is more than 255.
fn is_ipv4(bytes: &[u8], groups: &[Group]) -> bool {
    let value = |group: &Group| {
        bytes
            .get(group.start..group.end)
            .unwrap_or_default()
            .iter()
            .fold(0_u32, |sum, byte| sum.saturating_mul(10) + u32::from(byte - b'0'))
    };
    groups.len() == 4
        && groups.iter().skip(1).all(|group| group.before == b'.')
        && groups.iter().all(|group| value(group) <= 255)
}

/// True behind a group of four capitals or digits, as in an account number that was mistyped.
fn follows_account(bytes: &[u8], start: usize) -> bool {
    let before = start.checked_sub(5).and_then(|from| bytes.get(from..start)).unwrap_or_default();
    matches!(before, [four @ .., b' '] if four.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
        && !start.checked_sub(6).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric)
        && start > 5
}

fn uniform(bytes: &[u8], groups: &[Group]) -> bool {
    let first = groups.first().and_then(|group| bytes.get(group.start));
    groups
        .iter()
        .all(|group| bytes.get(group.start..group.end).unwrap_or_default().iter().all(|byte| Some(byte) == first))
}

/// The most groups of a span.
const GROUPS: usize = 10;

/// How many groups may stand before the number within a span.
const SKIPPED: usize = 4;

/// More digits in one group are no number.
const LONGEST: usize = 16;
