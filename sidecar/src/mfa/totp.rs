//! Time-based one-time passwords (RFC 6238) with the parameters that every authenticator app takes: SHA-1, 30 seconds, six
//! digits.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Bytes of a new secret: as long as the hash (RFC 4226 section 4, R6).
pub(crate) const SECRET: usize = 20;
/// Digits of a code.
pub(crate) const DIGITS: usize = 6;
/// Microseconds of a step.
pub(crate) const STEP_US: u64 = 30_000_000;

/// The step that `time` (microseconds since the Unix epoch) lies in.
pub(crate) fn step(time: u64) -> u64 {
    time / STEP_US
}

/// The code of a step (RFC 4226 section 5.3).
pub(crate) fn code(secret: &[u8], step: u64) -> String {
    format!("{:0DIGITS$}", truncated(secret, step) % 1_000_000)
}

/// Whether two codes are the same, in a time that does not say how much of them is.
pub(crate) fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// The address that authenticator apps read from a QR code.
pub(crate) fn uri(secret: &[u8], account: &str, issuer: &str) -> String {
    let (account, issuer) = (crate::client::encoded(account), crate::client::encoded(issuer));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period=30",
        base32(secret)
    )
}

/// Base32 (RFC 4648 section 6) without padding, as authenticator apps want it.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(letter(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(letter(held << (5 - bits)));
    }
    out
}

fn letter(group: u32) -> char {
    let group = (group & 31) as u8;
    char::from(if group < 26 { b'A' + group } else { b'2' + group - 26 })
}

/// Dynamic truncation: 31 bits from the place that the last four bits name.
fn truncated(secret: &[u8], step: u64) -> u32 {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return 0 };
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash.last().copied().unwrap_or_default() & 15);
    let bytes = hash.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &[u8] = b"12345678901234567890";

    #[test]
    fn is_what_the_standards_print() {
        // RFC 6238 appendix B, SHA-1: eight digits, whose last six are ours.
        for (seconds, expected) in [
            (59_u64, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let at = step(seconds * 1_000_000);
            assert_eq!(format!("{:08}", truncated(SHARED, at) % 100_000_000), expected);
            assert!(expected.ends_with(&code(SHARED, at)));
        }
        // RFC 4226 appendix D.
        let codes: Vec<_> = (0..4).map(|count| code(SHARED, count)).collect();
        assert_eq!(codes, ["755224", "287082", "359152", "969429"]);
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        // RFC 4648 section 10, without padding.
        for (plain, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), expected);
        }
        let uri = uri(SHARED, "anna@example.com", "Portcullis acme");
        assert_eq!(
            uri,
            "otpauth://totp/Portcullis%20acme:anna%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=\
             Portcullis%20acme&algorithm=SHA1&digits=6&period=30"
        );
    }
}
