//! Addresses of crypto wallets: Base58Check (Bitcoin and kin), Bech32 (BIP 173, BIP 350), Ethereum.
//!
//! They are single words with a digit in them; [`super::ids`] hands over the long ones.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::context::{Contexts, WALLET};

/// True if the word at `range` is an address.
pub(super) fn is(bytes: &[u8], range: &Range<usize>, contexts: &mut Contexts<'_>) -> bool {
    let word = bytes.get(range.clone()).unwrap_or_default();
    // Part of a longer text in base 64.
    let edge = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|byte| matches!(byte, b'_' | b'+' | b'=' | b'/'))
    };
    if word.len() > 90 || (edge(range.start.checked_sub(1)) && edge(Some(range.end))) {
        return false;
    }
    match is_ethereum(word) {
        Some(true) => true,
        Some(false) => contexts.near(range, WALLET),
        None => word != GENESIS && (is_bech32(word) || is_base58(word)),
    }
}

/// `0x` and 40 hexadecimal digits: `Some(true)` if they are of both cases, as EIP-55 writes its checksum.
fn is_ethereum(word: &[u8]) -> Option<bool> {
    let digits = word.strip_prefix(b"0x")?;
    let hexadecimal = digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit);
    let mixed = digits.iter().any(u8::is_ascii_lowercase) && digits.iter().any(u8::is_ascii_uppercase);
    let varied = digits.windows(8).all(|eight| eight.iter().any(|byte| eight.first() != Some(byte)));
    (hexadecimal && varied).then_some(mixed)
}

/// Base58Check of 21 bytes, the first of which is a version that wallets use.
fn is_base58(word: &[u8]) -> bool {
    if !(26..=35).contains(&word.len()) || !word.first().is_some_and(|first| b"13LMDATtX79r".contains(first)) {
        return false;
    }
    // Five digits of base 58 at a time, into words of 32 bits, the last one the lowest.
    let mut words = [0_u32; 7];
    for five in word.chunks(5) {
        let mut carry = 0_u64;
        for byte in five {
            let Some(value) = digit58(*byte) else { return false };
            carry = carry * 58 + value;
        }
        let scale = 58_u64.pow(five.len() as u32);
        for place in words.iter_mut().rev() {
            carry += u64::from(*place) * scale;
            *place = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            return false;
        }
    }
    let mut number = [0_u8; 28];
    for (to, from) in number.chunks_mut(4).zip(words) {
        to.copy_from_slice(&from.to_be_bytes());
    }
    let [0, 0, number @ ..] = number else { return false };
    // Zcash has a version of two bytes.
    [1, 0].into_iter().any(|skip| {
        let Some((head, tail)) = number.get(skip..).and_then(|number| number.split_at_checked(number.len() - 4)) else {
            return false;
        };
        let version = head.first().copied().unwrap_or(0);
        let known = if skip == 1 { VERSIONS.contains(&version) } else { matches!(head, [0x1c, 0xb8 | 0xbd, ..]) };
        known && Sha256::digest(Sha256::digest(head)).get(..4) == Some(tail)
    })
}

/// Bech32 and Bech32m with the prefix of a coin.
fn is_bech32(word: &[u8]) -> bool {
    let Some(prefix) = PREFIXES
        .iter()
        .find(|prefix| word.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes())))
    else {
        return false;
    };
    if word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase) {
        return false;
    }
    let hrp = prefix.len() - 1;
    let mut check = 1_u32;
    let mut add = |value: u32| {
        let top = check >> 25;
        check = ((check & 0x01ff_ffff) << 5) ^ value;
        for (bit, generator) in GENERATORS.iter().enumerate() {
            if top >> bit & 1 == 1 {
                check ^= generator;
            }
        }
    };
    let head = word.get(..hrp).unwrap_or_default();
    head.iter().for_each(|byte| add(u32::from(byte.to_ascii_lowercase() >> 5)));
    add(0);
    head.iter().for_each(|byte| add(u32::from(byte.to_ascii_lowercase() & 31)));
    for byte in word.iter().skip(prefix.len()) {
        let Some(value) = BECH32.iter().position(|letter| *letter == byte.to_ascii_lowercase()) else { return false };
        add(value as u32);
    }
    matches!(check, 1 | 0x2bc8_30a3)
}

/// The value of a digit of base 58: no 0, O, I, l.
fn digit58(byte: u8) -> Option<u64> {
    let value = match byte {
        b'1'..=b'9' => byte - b'1',
        b'A'..=b'H' => byte - b'A' + 9,
        b'J'..=b'N' => byte - b'J' + 17,
        b'P'..=b'Z' => byte - b'P' + 22,
        b'a'..=b'k' => byte - b'a' + 33,
        b'm'..=b'z' => byte - b'm' + 44,
        _ => return None,
    };
    Some(u64::from(value))
}

/// The address of the first block: in every tutorial, and nobody's.
const GENESIS: &[u8] = b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";

const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];

/// Human-readable parts with the 1 behind them.
const PREFIXES: &[&str] = &["bc1", "tb1", "ltc1", "addr1", "cosmos1", "osmo1", "bnb1", "terra1", "inj1", "sei1"];

/// Bitcoin, Litecoin, Dogecoin, Dash, Tron.
const VERSIONS: &[u8] = &[0x00, 0x05, 0x30, 0x32, 0x1e, 0x16, 0x4c, 0x10, 0x41];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_decide() {
        // Examples of the Bitcoin wiki and of BIP 173.
        assert!(is_base58(b"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"));
        assert!(!is_base58(b"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3"));
        assert!(is_bech32(b"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"));
        assert!(!is_bech32(b"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T5"));
    }
}
