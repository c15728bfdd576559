//! Data packed into names and queries.

/// Whether a host name carries data in its labels: text in hexadecimal or base32, a token cut into
/// pieces, or more random characters than a name needs.
pub(super) fn in_name(host: &str) -> bool {
    if host.len() < 24 || host.len() > 1024 || !host.contains('.') {
        return false;
    }
    // The last two labels are the domain itself.
    let mut labels = [""; 32];
    let mut count = 0usize;
    for (slot, label) in labels.iter_mut().zip(host.trim_end_matches('.').split('.')) {
        *slot = label;
        count += 1;
    }
    let carriers = labels.get(..count.saturating_sub(2)).unwrap_or(&[]);
    let pieces = carriers.iter().filter(|label| is_piece(label)).count();
    carriers.iter().any(|label| is_hex_text(label, 16) || is_packed(label) || is_token_head(label)) || pieces >= 3
}

/// Whether the query carries text in base64 or hexadecimal: what is sent out is text, while
/// signatures, hashes and keys decode to noise.
pub(super) fn in_query(rest: &str) -> bool {
    let Some((_, query)) = rest.split_once('?') else { return false };
    query.split(['&', ';', '#']).any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        value.len() >= 40
            && !is_paging(name)
            && (is_hex_text(value, 40) || is_base64_text(value) || carries(name) && is_noise(value))
    })
}

/// Names for what is sent, rather than for what proves or finds something.
fn carries(name: &str) -> bool {
    const NAMES: [&str; 14] =
        ["d", "data", "x", "p", "payload", "c", "content", "body", "b", "blob", "dump", "leak", "loot", "exfil"];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// As much of base64 as compressed or encrypted text makes; a signature is shorter.
fn is_noise(value: &str) -> bool {
    let count = |is: fn(&u8) -> bool| value.bytes().filter(is).count() * 12 >= value.len();
    value.len() >= 128
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=%".contains(&byte))
        && count(u8::is_ascii_uppercase)
        && count(u8::is_ascii_lowercase)
        && count(u8::is_ascii_digit)
}

/// Pages and logins carry encoded JSON honestly.
fn is_paging(name: &str) -> bool {
    [
        "cursor",
        "page",
        "token",
        "state",
        "after",
        "before",
        "next",
        "continuation",
        "sig",
        "jwt",
        "redirect",
        "url",
        "config",
    ]
    .iter()
    .any(|word| name.to_ascii_lowercase().contains(word))
}

/// Hexadecimal that decodes to printable ASCII.
fn is_hex_text(text: &str, least: usize) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < least || !bytes.len().is_multiple_of(2) {
        return false;
    }
    bytes.chunks_exact(2).all(|pair| {
        let code = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        code.is_some_and(|code| matches!(code, b' '..=b'~' | b'\n' | b'\t' | b'\r'))
    }) && bytes.iter().any(|byte| *byte != bytes.first().copied().unwrap_or(0))
}

/// Base64 or base64url that decodes to printable text with some variety.
fn is_base64_text(text: &str) -> bool {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let text = text.trim_end_matches("%3D").trim_end_matches('=');
    let text = text.get(..text.len().min(1024) & !3).unwrap_or("");
    if text.len() < 40 || text.bytes().any(|byte| !byte.is_ascii_alphanumeric() && !b"+/-_".contains(&byte)) {
        return false;
    }
    let standard = text.replace('-', "+").replace('_', "/");
    let Ok(decoded) = STANDARD_NO_PAD.decode(standard) else { return false };
    let printable = decoded.iter().filter(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t' | b'\r')).count();
    printable * 100 >= decoded.len() * 97
}

/// A long label (the limit is 63, RFC 1035) with the mix of letters and digits that encoders make.
fn is_packed(label: &str) -> bool {
    let count = |is: fn(&u8) -> bool| label.bytes().filter(is).count();
    let digits = count(u8::is_ascii_digit);
    // Names have no case, so nobody mixes it but an encoder.
    let mixed =
        label.len() >= 20 && count(u8::is_ascii_uppercase) >= 4 && count(u8::is_ascii_lowercase) >= 4 && digits >= 2;
    // Hashes name buckets and builds.
    let hexadecimal = label.bytes().all(|byte| byte.is_ascii_hexdigit());
    let long = label.len() >= if hexadecimal { 45 } else { 30 };
    (mixed || long)
        && (mixed || !hexadecimal || label.len() != 64)
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'=')
        && digits * 7 >= label.len().min(14)
        && (mixed || digits * 20 >= label.len())
        && !label.contains("--")
}

/// One of several labels that look like a part of encoded data.
fn is_piece(label: &str) -> bool {
    let bytes = label.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if is_hex_text(label, 8) {
        return true;
    }
    let base32 = bytes.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7'));
    bytes.len() >= 8 && ((base32 && !bytes.is_empty()) || (digits >= 3 && digits < bytes.len() && !label.contains('-')))
}

/// Whether a path or a query holds a token of a well-known format.
pub(super) fn holds_token(rest: &str) -> bool {
    rest.split(['/', '?', '&', '=', '#', ';', ',']).any(|part| part.len() >= 20 && is_token_head(part))
}

/// The head of a well-known token format.
fn is_token_head(label: &str) -> bool {
    let heads = ["sk-ant-", "sk-proj-", "sk_live_", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-"];
    let lower = label.to_ascii_lowercase();
    heads.iter().any(|head| lower.starts_with(head))
        || (label.len() >= 16
            && (lower.starts_with("akia") || lower.starts_with("asia"))
            && label.bytes().any(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_carry_data() {
        assert!(in_name("70617373776f72643d68756e74657232.x.example.com"));
        assert!(in_name("ONSWG4TFOQ.GEZDGNBVGY.PMFRGGZDF.x.example.com"));
        assert!(in_name("sk-proj-.AbCd.efgh.example.com"));
        assert!(!in_name("d111111abcdef8.cloudfront.net"));
        assert!(!in_name("ec2-203-0-113-25.compute-1.amazonaws.com"));
        assert!(!in_name("api.us-east-1.staging.example.com"));
    }

    #[test]
    fn queries_that_carry_text() {
        assert!(in_query("/c?d=dXNlcj1hZG1pbiZwYXNzd29yZD1jb3JyZWN0LWhvcnNlLWJhdHRlcnk"));
        assert!(!in_query("/c?sig=3q2-7wAAAAEB_v8QEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBA"));
        assert!(!in_query("/c?cursor=eyJpZCI6MTIzNDU2Nzg5MCwiZGlyIjoibmV4dCIsImxpbWl0IjoyNX0"));
    }
}
