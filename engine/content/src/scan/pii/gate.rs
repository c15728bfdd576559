//! The gate in front of this scanner: a text without what it looks for costs one look at each byte.

use std::ops::Range;

/// True if `text` may hold a personal number, an address or a telephone number.
///
/// A text passes with an `@` between letters or digits, with a chain of at least
/// six digits in which no two neighbours are more than three bytes apart, with an Indian account
/// number (five letters, four digits, one letter) or an Italian identity card (two letters, five
/// digits, two letters), or with a word of 25 or more letters and digits, as wallets
/// are. What has fewer digits (dates with a month in letters, bank identifier codes) is found
/// through [`super::DETECTOR`]'s triggers. Linear; eight bytes at a time where there are no digits.
#[must_use]
pub fn may_hold(text: &str) -> bool {
    let bytes = text.as_bytes();
    passes(bytes) && !is_ordinary(bytes)
}

fn passes(bytes: &[u8]) -> bool {
    let mut chain = Chain::default();
    // Digits in the blocks since the last one without any; where the exact count has come to.
    let (mut digits, mut counted) = (0, 0);
    // Blocks without a mark in a row; the digits in them and in the one before.
    let (mut solid, mut held) = (0, 0);
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let block = u64::from_le_bytes(*eight);
        let here = digits_of(block).count_ones();
        if marks_of(block) == 0 {
            solid += 1;
            held += here;
            if solid >= SOLID && held > 0 {
                return true;
            }
        } else {
            solid = 0;
            held = here;
        }
        if ats_of(block) != 0 && (at..at + 8).any(|at| is_address(bytes, at)) {
            return true;
        }
        at += 8;
        if here == 0 {
            (digits, counted, chain) = (0, at, Chain::default());
            continue;
        }
        digits += here;
        // Fewer cannot be enough: the exact count can wait.
        if digits >= FEW {
            if chain.walk(bytes, counted..at) {
                return true;
            }
            counted = at;
        }
    }
    chain.walk(bytes, counted..bytes.len()) || (at..bytes.len()).any(|at| is_address(bytes, at)) || {
        let tail = bytes.get(at..).unwrap_or_default();
        solid + 1 >= SOLID
            && tail.len() >= 2
            && held + tail.iter().filter(|byte| byte.is_ascii_digit()).count() as u32 > 0
    }
}

/// The position of the next digit from `at` on.
pub(super) fn next_digit(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let digits = digits_of(u64::from_le_bytes(*eight));
        if digits != 0 {
            return Some(at + (digits.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    bytes.get(at..).unwrap_or_default().iter().position(u8::is_ascii_digit).map(|next| at + next)
}

/// True for what machines write most: a time stamp, a UUID, a hash, as the whole text. A date alone
/// is not among them, for it may be a date of birth.
fn is_ordinary(bytes: &[u8]) -> bool {
    match bytes {
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b' ', _, _, b':', _, _, rest @ ..] => {
            rest.len() <= 16 && rest.iter().all(|byte| byte.is_ascii_digit() || b":.+-Z ".contains(byte))
        }
        _ => match bytes.len() {
            36 => {
                bytes.iter().enumerate().all(|(at, byte)| matches!(at, 8 | 13 | 18 | 23) == (*byte == b'-'))
                    && bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
            }
            32 | 40 | 64 => bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            _ => false,
        },
    }
}

/// True if `text` may hold an IP or a MAC address: only to be asked if those rules are on.
#[must_use]
pub fn may_hold_network(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(3).any(|three| {
        matches!(three, [a, b'.' | b':' | b'-', c] if a.is_ascii_hexdigit() && c.is_ascii_hexdigit())
            || matches!(three, [b':', b':', _])
    })
}

/// Digits not far from each other.
#[derive(Debug, Default)]
struct Chain {
    digits: u32,
    /// Bytes since the last digit.
    gap: u32,
    /// The length of the current run of digits.
    run: u32,
}

impl Chain {
    /// True if the chain becomes long enough within `range`.
    fn walk(&mut self, bytes: &[u8], range: Range<usize>) -> bool {
        range.into_iter().any(|at| self.step(bytes, at))
    }

    fn step(&mut self, bytes: &[u8], at: usize) -> bool {
        if !bytes.get(at).is_some_and(u8::is_ascii_digit) {
            self.gap += 1;
            self.run = 0;
            return false;
        }
        if self.gap > GAP {
            self.digits = 0;
        }
        self.gap = 0;
        self.digits += 1;
        self.run += 1;
        self.digits >= DIGITS || (self.run == 4 && is_account(bytes, at)) || (self.run == 5 && is_card(bytes, at))
    }
}

/// True for an `@` between what may be a name and a host.
fn is_address(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'@')
        && at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(is_name)
        && bytes.get(at + 1).is_some_and(is_name)
}

/// Five capitals before the four digits that end at `at`, and one behind them.
fn is_account(bytes: &[u8], at: usize) -> bool {
    let letters = at.checked_sub(8).and_then(|start| bytes.get(start..start + 5));
    letters.is_some_and(|letters| letters.iter().all(u8::is_ascii_alphabetic))
        && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// Two letters before the five digits that end at `at`, and two behind them: an Italian identity card.
fn is_card(bytes: &[u8], at: usize) -> bool {
    let letters =
        |range: Range<usize>| bytes.get(range).is_some_and(|letters| letters.iter().all(u8::is_ascii_alphabetic));
    at >= 6 && letters(at - 6..at - 4) && letters(at + 1..at + 3)
}

fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte >= 0x80 || *byte == b'_'
}

/// The highest bit of each byte that is a digit.
fn digits_of(block: u64) -> u64 {
    let low = block & LOW;
    // Without its highest bit no byte can carry into the next.
    (low + ONES * 0x50) & !(low + ONES * 0x46) & !block & HIGH
}

/// The highest bit of each byte below `0`: blanks, control characters, most punctuation.
fn marks_of(block: u64) -> u64 {
    !((block & LOW) + ONES * 0x50) & !block & HIGH
}

/// Some bit for eight bytes with an `@` among them; now and then for others.
fn ats_of(block: u64) -> u64 {
    let block = block ^ (ONES * 0x40);
    block.wrapping_sub(ONES) & !block & HIGH
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES * 0x80;
const LOW: u64 = !HIGH;

/// How many digits make a chain.
const DIGITS: u32 = 6;

/// How many bytes may stand between two of them.
const GAP: u32 = 3;

/// So few digits are never enough.
const FEW: u32 = 4;

/// A word of 25 bytes fills at least so many blocks.
const SOLID: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_pass_what_may_be_found() {
        for text in [
            "536-90-4399",
            "+690 7290",
            "a@b.de",
            "RSSMRA85T10A562S",
            "ABCPD1234Z",
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "LI21 0881 0000 2324 013A A",
            "GEBOREN 1.2.1990",
            "prefix prefix prefix 131052A308T",
        ] {
            assert!(may_hold(text), "{text}");
        }
    }

    #[test]
    fn keeps_out_what_holds_nothing() {
        for text in [
            "",
            "a few plain words, and more of them",
            "version 1.20.3",
            "at 12:30",
            "5 of 10 items",
            "@decorator",
            "x @ y",
        ] {
            assert!(!may_hold(text), "{text}");
        }
    }
}
