//! Addresses of crypto wallets: Base58Check (Bitcoin and kin), Bech32 (BIP 173, BIP 350), Ethereum.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::context::{Contexts, WALLET};

/// Finds the addresses in `text`; returns how many steps that took.
pub(super) fn find(text: &str, contexts: &mut Contexts<'_>, mut found: impl FnMut(Range<usize>)) -> u64 {
    let bytes = text.as_bytes();
    let mut steps = 0;
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let range = at..at + length;
        steps += length as u64 + 1;
        at = range.end + 1;
        if !(25..=90).contains(&length) {
            continue;
        }
        let word = bytes.get(range.clone()).unwrap_or_default();
        let edge = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at)).is_some_and(|byte| matches!(byte, b'_' | b'+' | b'=' | b'/'))
        };
        steps += 64;
        let ethereum = is_ethereum(word);
        let is = (is_bech32(word) || is_base58(word) || ethereum == Some(true))
            && !(edge(range.start.checked_sub(1)) && edge(Some(range.end)))
            || ethereum == Some(false) && contexts.near(&range, WALLET);
        if is {
            found(range);
        }
    }
    steps
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
    let mut number = [0_u8; 26];
    for byte in word {
        let Some(value) = BASE58.iter().position(|letter| letter == byte) else { return false };
        let mut carry = value as u32;
        for place in number.iter_mut().rev() {
            carry += u32::from(*place) * 58;
            *place = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
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

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
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
        // The first address of the first block, and the examples of BIP 173.
        assert!(is_base58(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"));
        assert!(!is_base58(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"));
        assert!(is_bech32(b"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"));
        assert!(!is_bech32(b"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T5"));
    }
}
