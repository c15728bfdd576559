//! The texts as which a secret could come back from a server.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::audit::hex;
use crate::client::encoded;

/// Shortest secret, in bytes: what is shorter occurs in answers by itself.
pub(crate) const MIN_SECRET: usize = 8;

/// What of a header's value is secret: all of it, and what servers take out of it.
pub(crate) fn secrets(value: &str) -> Vec<String> {
    let mut found = vec![value.to_owned()];
    if let Some((scheme, rest)) = value.split_once(' ')
        && !scheme.contains(['=', ';'])
    {
        found.push(rest.to_owned());
        let basic = STANDARD.decode(rest).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
        if let Some(pair) = basic.and_then(|bytes| String::from_utf8(bytes).ok()) {
            found.extend(pair.split_once(':').map(|(_, password)| password.to_owned()));
            found.push(pair);
        }
    }
    for (_, part) in value.split(';').filter_map(|part| part.split_once('=')) {
        found.push(part.to_owned());
    }
    found.retain(|text| text.len() >= MIN_SECRET);
    found
}

/// The forms of secrets: as they are, within base64 at each of the three places where it can begin, in percent form, in
/// hexadecimal, with the escapes of JSON. Each of at least [`MIN_SECRET`] bytes; those that others contain are left out.
pub(crate) fn forms(secrets: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET) {
        let percent = encoded(secret);
        let json = serde_json::to_string(secret).unwrap_or_default();
        let json = json.trim_matches('"');
        let bytes = hex(secret.as_bytes());
        all.extend([secret.clone(), with_small_digits(&percent), percent, json.to_owned(), json.replace('/', "\\/")]);
        all.extend([bytes.to_uppercase(), bytes]);
        for offset in 0..3 {
            let text = within_base64(secret.as_bytes(), offset);
            all.extend([text.replace('+', "-").replace('/', "_"), text]);
        }
        all.push(URL_SAFE_NO_PAD.encode(secret));
    }
    all.retain(|form| form.len() >= MIN_SECRET);
    all.sort_by_key(|form| (form.len(), form.clone()));
    all.dedup();
    // Whoever finds the shorter one has found the longer.
    let mut kept: Vec<String> = Vec::new();
    for form in all {
        if !kept.iter().any(|known| form.contains(known.as_str())) {
            kept.push(form);
        }
    }
    kept
}

/// The percent form with small hexadecimal digits.
fn with_small_digits(percent: &str) -> String {
    let mut parts = percent.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{text}%{}{rest}", digits.to_lowercase())
    })
}

/// What base64 makes of a text that `offset` bytes precede, as far as it does not depend on what stands around it.
fn within_base64(secret: &[u8], offset: usize) -> String {
    let padded = [vec![0; offset], secret.to_vec()].concat();
    let text = STANDARD_NO_PAD.encode(&padded);
    // Characters in which bits of what precedes, or follows, are mixed.
    let (start, end) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    text.get(start..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn base64_of_whatever_holds_it_is_found(before in proptest::collection::vec(any::<u8>(), 0..9), secret in "[!-~]{12,40}", after in proptest::collection::vec(any::<u8>(), 0..9)) {
            let found = forms(std::slice::from_ref(&secret));
            prop_assert!(found.len() <= 16, "{}", found.len());
            let whole = [before, secret.as_bytes().to_vec(), after].concat();
            for text in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole), hex(&whole)] {
                prop_assert!(found.iter().any(|form| text.contains(form.as_str())), "{} in {}", secret, text);
            }
            for text in [secret.clone(), encoded(&secret), serde_json::to_string(&secret).unwrap()] {
                prop_assert!(found.iter().any(|form| text.contains(form.as_str())), "{}", text);
            }
        }
    }

    #[test]
    fn what_servers_take_out_of_a_header_is_secret_too() {
        assert_eq!(secrets("Bearer abcdefgh"), ["Bearer abcdefgh", "abcdefgh"]);
        let basic = format!("Basic {}", STANDARD.encode("user:pass word"));
        assert_eq!(secrets(&basic)[2..], ["pass word", "user:pass word"]);
        assert_eq!(secrets("sid=0123456789; a=b"), ["sid=0123456789; a=b", "0123456789"]);
        assert!(secrets("short").is_empty());
    }
}
