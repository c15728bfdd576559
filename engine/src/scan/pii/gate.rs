//! The gate in front of this scanner: a text without what it looks for costs one look at each byte.

/// True if `text` may hold a personal number, an address or a telephone number.
///
/// A text passes with an `@` between letters or digits, with a chain of at least
/// six digits in which no two neighbours are more than three bytes apart, with an Indian account
/// number (five capitals, four digits), or with a word of 25 or more letters and digits, as wallets
/// are. What has fewer digits (dates with a month in letters, bank identifier codes) is found
/// through [`super::DETECTOR`]'s triggers. Linear; eight bytes at a time where there are no digits.
#[must_use]
pub fn may_hold(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut chain = Chain::default();
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        if !has_digit_or_at(word) {
            chain.skip(word);
            at += 8;
            continue;
        }
        for byte in eight {
            if chain.step(bytes, at, *byte) {
                return true;
            }
            at += 1;
        }
    }
    while let Some(byte) = bytes.get(at) {
        if chain.step(bytes, at, *byte) {
            return true;
        }
        at += 1;
    }
    false
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
    gap: u32,
    /// The length of the current run of digits.
    run: u32,
    /// The length of the current word, and how many digits are in it.
    word: u32,
    inside: u32,
}

impl Chain {
    /// Eight bytes without digits.
    fn skip(&mut self, eight: u64) {
        self.digits = 0;
        self.gap = GAP + 1;
        self.run = 0;
        // A blank or a mark among them ends the word; where it stands does not matter.
        self.word = if has_mark(eight) { 8 } else { self.word.saturating_add(8) };
        self.inside = if has_mark(eight) { 0 } else { self.inside };
    }

    /// True if the text passes.
    fn step(&mut self, bytes: &[u8], at: usize, byte: u8) -> bool {
        if byte.is_ascii_digit() {
            if self.gap > GAP {
                self.digits = 0;
            }
            self.gap = 0;
            self.digits += 1;
            self.run += 1;
            self.word += 1;
            self.inside += 1;
            return self.digits >= DIGITS
                || (self.word >= WORD && self.inside > 1)
                || (self.run == 4 && is_account(bytes, at));
        }
        self.gap += 1;
        self.run = 0;
        if byte.is_ascii_alphanumeric() {
            self.word += 1;
            return self.word >= WORD && self.inside > 1;
        }
        self.word = 0;
        self.inside = 0;
        byte == b'@'
            && at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(is_name)
            && bytes.get(at + 1).is_some_and(is_name)
    }
}

/// Five capitals before the four digits that end at `at`, and one behind them.
fn is_account(bytes: &[u8], at: usize) -> bool {
    let letters = at.checked_sub(8).and_then(|start| bytes.get(start..start + 5));
    letters.is_some_and(|letters| letters.iter().all(u8::is_ascii_alphabetic))
        && bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
}

fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte >= 0x80 || *byte == b'_'
}

/// True if one of eight bytes is a digit or an `@`; true for a few others too.
fn has_digit_or_at(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // A byte of 0x30 to 0x3f becomes 0x00 to 0x0f, and only such a one has no bit of 0xf0.
    let thirties = (word ^ (ONES * 0x30)) & (ONES * 0xf0);
    let ats = word ^ (ONES * 0x40);
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    zero(thirties) | zero(ats) != 0
}

/// True if one of eight bytes is below `0`: a blank, a control character, most punctuation.
fn has_mark(word: u64) -> bool {
    word.to_le_bytes().iter().any(|byte| *byte < b'0')
}

/// How many digits make a chain.
const DIGITS: u32 = 6;

/// How many bytes may stand between two of them.
const GAP: u32 = 3;

/// A word of this length may be a wallet.
const WORD: u32 = 25;

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
