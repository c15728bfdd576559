//! Dates of birth: a date right behind a word that says so, or in a member that is named so.

use std::ops::Range;

use super::checks::is_date;
use super::context::{BIRTH, Contexts};
use super::gate;

/// Finds the dates of birth in `text`; returns how many steps that took.
pub(super) fn find(text: &str, contexts: &mut Contexts<'_>, mut found: impl FnMut(Range<usize>)) -> u64 {
    let bytes = text.as_bytes();
    let mut steps = 0;
    let mut at = 0;
    while let Some(start) = gate::next_digit(bytes, at) {
        let run = bytes.get(start..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        steps += run as u64 + 1;
        at = start + run;
        let before = start.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        // Behind the first part of a date stands a separator, or the letters of one.
        let separates = bytes.get(at).is_some_and(|next| {
            matches!(*next, b'-' | b'/' | b'.' | b',' | b' ' | b's' | b'n' | b'r' | b't' | YEAR | MONTH)
        });
        if run > 4 || !separates || before.is_ascii_digit() || matches!(before, b'.' | b'-' | b'/' | b'_') {
            continue;
        }
        steps += 16;
        let Some(end) = date(bytes, start) else { continue };
        let from = with_month_before(bytes, start);
        if contexts.before(&(from..end), BIRTH) {
            found(from..end);
            at = end.max(at);
        }
    }
    steps
}

/// The end of the date that starts with the digit at `start`.
fn date(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let first = take(bytes, &mut at)?;
    let (separator, width) = separator(bytes, at)?;
    // 3-May-1961, 03/May/1961
    let joined = matches!(separator, b'-' | b'/') && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic);
    if separator == b'A' || joined {
        at += usize::from(joined);
        // 3 May 1961, 3. Mai 1961
        let name = month_name(bytes, &mut at)?;
        let year = year_behind(bytes, &mut at)?;
        return (plausible(year) && is_date(year, name, first.0)).then_some(at);
    }
    if first.1 <= 2 && separator == b',' {
        // May 3, 1961: the month stands before.
        month_before(bytes, start)?;
        let year = year_behind(bytes, &mut at)?;
        return plausible(year).then_some(at);
    }
    at += width;
    let second = take(bytes, &mut at)?;
    let (again, width) = self::separator(bytes, at)?;
    if again != separator {
        return None;
    }
    at += width;
    let third = take(bytes, &mut at)?;
    let end =
        if bytes.get(at..).is_some_and(|rest| rest.starts_with("日".as_bytes())) { at + "日".len() } else { at };
    let valid = if first.1 == 4 {
        plausible(first.0) && is_date(first.0, second.0, third.0)
    } else {
        let year = if third.1 == 2 { 1900 + third.0 } else { third.0 };
        (third.1 == 2 || third.1 == 4 && plausible(year))
            && (is_date(year, second.0, first.0) || is_date(year, first.0, second.0))
    };
    valid.then_some(end)
}

/// A number of at most four digits and how many it has.
fn take(bytes: &[u8], at: &mut usize) -> Option<(u32, usize)> {
    let mut value = 0;
    let mut count = 0;
    while let Some(digit) = bytes.get(*at).filter(|byte| byte.is_ascii_digit()) {
        value = value * 10 + u32::from(digit - b'0');
        count += 1;
        *at += 1;
        if count > 4 {
            return None;
        }
    }
    (count > 0).then_some((value, count))
}

/// What stands between two parts: its kind (`A` for a month in letters) and how long it is.
fn separator(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest {
        [b'-' | b'/', ..] => rest.first().map(|byte| (*byte, 1)),
        [b'.', b' ', next, ..] if next.is_ascii_digit() => Some((b'.', 2)),
        [b'.', next, ..] if next.is_ascii_digit() => Some((b'.', 1)),
        [b',', ..] => Some((b',', 1)),
        [b' ' | b'.' | b's' | b'n' | b'r' | b't', ..] => Some((b'A', 0)),
        _ if rest.starts_with("年".as_bytes()) || rest.starts_with("月".as_bytes()) => Some((b'Y', 3)),
        _ => None,
    }
}

/// The month whose name stands at `at`, behind blanks, dots and "de" or "of".
fn month_name(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let rest = bytes.get(*at..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(24)).unwrap_or_default();
    let mut skip = rest.iter().take(4).position(|byte| *byte == b' ').map_or(0, |blank| blank + 1);
    for filler in [&b"de "[..], b"of "] {
        if rest.get(skip..).is_some_and(|rest| rest.starts_with(filler)) {
            skip += filler.len();
        }
    }
    let month = month_at(rest.get(skip..)?)?;
    let tail = rest.get(skip..)?.iter().position(|byte| !(byte.is_ascii_alphabetic() || *byte >= 0x80))?;
    *at += skip + tail;
    Some(month)
}

/// The month that the text begins with, by its first three letters.
fn month_at(text: &[u8]) -> Option<u32> {
    let three: [u8; 3] = text.first_chunk().copied()?.map(|byte: u8| byte.to_ascii_lowercase());
    MONTHS.iter().find(|(names, _)| names.as_bytes().as_chunks().0.contains(&three)).map(|(_, month)| *month)
}

/// The month whose name stands before the day at `start`.
fn month_before(bytes: &[u8], start: usize) -> Option<u32> {
    let from = with_month_before(bytes, start);
    (from < start).then(|| bytes.get(from..).and_then(month_at)).flatten()
}

/// Where the name of a month before `start` begins; `start` if there is none.
fn with_month_before(bytes: &[u8], start: usize) -> usize {
    let before = bytes.get(..start).unwrap_or_default();
    let Some((b' ', before)) = before.split_last() else { return start };
    let letters = before.iter().rev().take(12).take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'.').count();
    let from = before.len() - letters;
    if letters >= 3 && bytes.get(from..).and_then(month_at).is_some() { from } else { start }
}

/// A year of four digits at most three characters behind `at`.
fn year_behind(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let rest = bytes.get(*at..).unwrap_or_default();
    let skip = rest.iter().take(5).position(u8::is_ascii_digit)?;
    let mut end = *at + skip;
    let (year, count) = take(bytes, &mut end)?;
    *at = end;
    (count == 4).then_some(year)
}

/// Years in which people who live were born.
fn plausible(year: u32) -> bool {
    (1900..=2035).contains(&year)
}

/// The first bytes of 年 and 月 in UTF-8.
const YEAR: u8 = 0xe5;
const MONTH: u8 = 0xe6;

/// The first three bytes of the months' names in English, German, French, Spanish, Italian, Portuguese, Dutch.
const MONTHS: &[(&str, u32)] = &[
    ("janenegen", 1),
    ("febfev", 2),
    ("marmrtmaa", 3),
    ("apravrabr", 4),
    ("maymaimagmei", 5),
    ("junjuigiu", 6),
    ("juljuilug", 7),
    ("augaouago", 8),
    ("sepset", 9),
    ("octoktottout", 10),
    ("nov", 11),
    ("decdezdic", 12),
];
