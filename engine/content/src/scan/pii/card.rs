//! Payment cards, ISO/IEC 7812: ranges of issuers, lengths, the Luhn formula.

use super::checks::{luhn, number, uniform};
use super::context::{CARD, Contexts};
use super::ids::{ALONE, NAMED, NEXT, Run, is_named};

/// The weight of the run as a card number, if it is one.
pub(super) fn is(run: &Run<'_>, contexts: &mut Contexts<'_>) -> Option<u8> {
    if !run.is_number() || !(12..=19).contains(&run.compact().len()) {
        return None;
    }
    let scheme = scheme(run.compact())?;
    let usual = same(run.separators()) && run.separators().iter().all(|byte| b" -.".contains(byte));
    if !usual || !luhn(run.compact()) || uniform(run.compact()) {
        return None;
    }
    let before = run.start.checked_sub(1).and_then(|before| run.bytes.get(before)).copied().unwrap_or(b' ');
    if is_named(run, contexts, CARD) {
        return Some(if contexts.next_to(&(run.start..run.end), CARD) { NEXT } else { NAMED });
    }
    (scheme == Scheme::Distinct && !matches!(before, b'/' | b'=' | b'&' | b'@')).then_some(ALONE)
}

/// How cards are written: in one, or in the groups that are embossed.
pub(super) const LAYOUTS: &[&str] = &[
    "12",
    "13",
    "14",
    "15",
    "16",
    "17",
    "18",
    "19",
    "4 4 4 4",
    "4 6 4",
    "4 6 5",
    "4 4 4 4 3",
    "4 4 4 1",
    "4 4 5",
    "6 13",
];

/// True for a number that would be one if its member says so.
pub(super) fn is_number(compact: &[u8]) -> bool {
    compact.iter().all(u8::is_ascii_digit) && scheme(compact).is_some() && luhn(compact) && !uniform(compact)
}

/// How telling the first digits and the length are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// Few other numbers look like it.
    Distinct,
    /// A word must stand near it.
    Vague,
}

/// The range of issuers that a number belongs to. Maestro, UATP, thirteen-digit Visa and other
/// wide or short ranges are vague.
fn scheme(digits: &[u8]) -> Option<Scheme> {
    let six = number(digits, 0, 6);
    let four = six / 100;
    let distinct = match digits.len() {
        14 => matches!(four, 3000..=3059 | 3095 | 3600..=3699 | 3800..=3999),
        15 => matches!(four, 3400..=3499 | 3700..=3799),
        16 => {
            matches!(four, 4000..=4999 | 5100..=5599 | 2221..=2720 | 3528..=3589 | 6011 | 6440..=6599 | 6200..=6299 | 2200..=2204 | 9792)
                || matches!(six, 508_500..=508_999 | 606_985..=607_984 | 608_001..=608_500 | 652_150..=653_149 | 817_200..=819_899)
        }
        _ => false,
    };
    if distinct {
        return Some(Scheme::Distinct);
    }
    let vague = match digits.len() {
        12 | 13 | 17 | 18 | 19 => matches!(four, 4000..=4999 | 5000..=5099 | 5600..=6999 | 3528..=3589),
        14 => matches!(four, 5000..=5099 | 5600..=6999),
        15 => matches!(four, 1800 | 2131 | 1000..=1999 | 2014 | 2149 | 5000..=5099 | 5600..=6999),
        16 => matches!(four, 3000..=3999 | 5000..=6999 | 8600..=8699),
        _ => false,
    };
    vague.then_some(Scheme::Vague)
}

fn same(separators: &[u8]) -> bool {
    separators.windows(2).all(|pair| matches!(pair, [a, b] if a == b))
}
