//! What is read off documents: machine-readable zones (ICAO 9303) and bank identifier codes (ISO 9362).

use std::ops::Range;

use super::checks::{icao, yymmdd};
use super::context::{BIC_WORDS, Contexts};

/// Finds second lines of passports and visas: number, nation, birth, sex, expiry, with their check digits.
pub(super) fn machine_readable(text: &str, mut found: impl FnMut(Range<usize>)) -> u64 {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut steps = 0;
    while let Some(filler) = bytes.get(at..).and_then(|rest| memchr::memchr(b'<', rest)).map(|next| at + next) {
        let back = bytes.get(at..filler).unwrap_or_default().iter().rev().take_while(|byte| is_zone(**byte)).count();
        let length = back + bytes.get(filler..).unwrap_or_default().iter().take_while(|byte| is_zone(**byte)).count();
        let zone = filler - back..filler - back + length;
        steps += length as u64 + 1;
        at = zone.end;
        let Some(line) = bytes.get(zone.clone()) else { continue };
        if !(36..=90).contains(&length) || !line.contains(&b'<') {
            continue;
        }
        // The line may follow the first one without a break.
        let from = match length {
            36 | 44 => zone.start,
            72 | 88 => zone.start + length / 2,
            _ => continue,
        };
        let part = |range: Range<usize>| bytes.get(from + range.start..from + range.end).unwrap_or_default();
        steps += 44;
        if icao_filled(part(0..10)) && icao_filled(part(13..20)) && icao_filled(part(21..28)) && yymmdd(part(13..19), 0)
        {
            found(zone);
        }
    }
    steps
}

/// Finds bank identifier codes next to a word that says so.
pub(super) fn bic(text: &str, contexts: &mut Contexts<'_>, mut found: impl FnMut(Range<usize>)) -> u64 {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut steps = 0;
    if contexts.member() & BIC_WORDS == 0 && !is_spoken_of(bytes) {
        return 1;
    }
    while at < bytes.len() {
        let length = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        steps += length as u64 + 1;
        let range = at..at + length;
        at = range.end + 1;
        let word = bytes.get(range.clone()).unwrap_or_default();
        let letters = |range: Range<usize>| word.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_uppercase));
        if !matches!(length, 8 | 11) || !letters(0..6) || word.iter().any(u8::is_ascii_lowercase) {
            continue;
        }
        let Some(country) = word.get(4..6) else { continue };
        let known = COUNTRIES.as_bytes().chunks(2).any(|code| code == country);
        steps += 8;
        if known && contexts.next_to(&range, BIC_WORDS) {
            found(range);
        }
    }
    steps
}

/// True if "bic" or "swift" stands somewhere.
fn is_spoken_of(bytes: &[u8]) -> bool {
    let begins =
        |at: usize, word: &[u8]| bytes.get(at..at + word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word));
    memchr::memchr2_iter(b'b', b'B', bytes).any(|at| begins(at, b"bic"))
        || memchr::memchr2_iter(b'w', b'W', bytes).any(|at| at > 0 && begins(at - 1, b"swift"))
}

fn is_zone(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<'
}

/// `<` counts as 0, as does what [`icao`] does not know.
fn icao_filled(part: &[u8]) -> bool {
    !part.is_empty() && icao(part)
}

/// ISO 3166-1 alpha-2.
const COUNTRIES: &str = "ADAEAFAGAIALAMAOARATAUAWAZBABBBDBEBFBGBHBIBJBMBNBOBRBSBTBWBYBZCACDCFCGCHCICLCMCNCOCRCUCVCYCZDEDJDKDMDODZECEEEGERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGTGUGWGYHKHNHRHTHUIDIEILIMINIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNZOMPAPEPFPGPHPKPLPRPSPTPWPYQARERORSRUSARWSBSCSDSESGSHSISKSLSMSNSOSRSSSTSVSYSZTCTDTGTHTJTLTMTNTOTRTTTVTWTZUAUGUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_example_of_icao() {
        let mut count = 0;
        machine_readable(
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
            |_| count += 1,
        );
        assert_eq!(count, 1);
    }
}
