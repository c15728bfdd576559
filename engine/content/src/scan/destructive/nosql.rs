//! Operators of document databases where a value was expected.

use std::ops::Range;

/// Whether an operator as the name of a member makes an attack: code run by the server, or a condition where the member
/// around it, a credential, was to be compared. Tools that ask a database have such conditions on everything else.
pub(super) fn is_operator(name: &str, member: Option<&str>, tool: Option<&str>) -> bool {
    let Some(name) = name.strip_prefix('$') else { return false };
    if matches!(name, "where" | "function" | "accumulator") {
        return true;
    }
    let has = |text: Option<&str>, words: &[&str]| {
        let text = text.unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    matches!(name, "ne" | "gt" | "gte" | "lt" | "lte" | "nin" | "regex" | "exists" | "not")
        && (has(member, &["passw", "pwd", "token", "secret", "otp"])
            || has(member, &["user", "login", "email", "account", "pin"])
                && has(tool, &["login", "auth", "sign", "verify", "password", "session", "user"])
                && !has(tool, &["find", "query", "search", "aggregate", "mongo", "count", "list"]))
}

/// The operator, and where it stands. In what is searched for (`search`) conditions are honest: there only code that the
/// server runs counts, and a condition on a credential.
pub(super) fn find(text: &str, search: bool) -> Option<Range<usize>> {
    if let Some(range) = loops(text) {
        return Some(range);
    }
    memchr::memchr3(b'$', b'\'', b'"', text.as_bytes())?;
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('$')) {
        let start = from + at;
        from = start + 1;
        let rest = text.get(start + 1..).unwrap_or("");
        let length = rest.bytes().take(16).take_while(u8::is_ascii_alphabetic).count();
        let name = rest.get(..length).unwrap_or("");
        if !OPERATORS.contains(&name) {
            continue;
        }
        let before = text.get(..start).unwrap_or("").trim_end_matches(['"', '\'', ' ']).chars().next_back();
        let after = rest.get(length..).unwrap_or("").trim_start_matches(['"', '\'', ' ']);
        let end = start + 1 + length;
        // `password[$ne]=x`: PHP and Express make an object of it.
        if before == Some('[') && after.starts_with(']') && (!search || names_credential(text, start)) {
            return Some(start..end);
        }
        if let Some(value) = after.strip_prefix(':').map(str::trim_start)
            && matches!(before, Some('{' | ','))
        {
            let server_side = matches!(name, "where" | "function" | "accumulator");
            if search && !server_side {
                continue;
            }
            let always =
                ["null", "\"\"", "''", "1", "0", "-1", "{", "[]", "\".*\"", "\"^", "undefined", "\"x\"", "\".{"]
                    .iter()
                    .any(|probe| value.starts_with(probe));
            let probing =
                matches!(name, "ne" | "gt" | "gte" | "lt" | "lte" | "regex" | "nin" | "exists" | "not") && always;
            if server_side || probing {
                return Some(start..end);
            }
        }
    }
    if search {
        return None;
    }
    // A condition in JavaScript that closes the string it was pasted into.
    for (open, tail) in [("'", "||"), ("\"", "||"), ("'", ";return"), ("';", "return"), ("'", "&&")] {
        if let Some(at) = text.find(open) {
            let rest: String =
                text.get(at + open.len()..).unwrap_or("").chars().filter(|c| !c.is_whitespace()).take(48).collect();
            if let Some(condition) = rest.strip_prefix(tail)
                && (condition.contains("==") || condition.starts_with("true") || condition.contains("this."))
            {
                return Some(at..text.len());
            }
        }
    }
    None
}

/// A loop over the clock in place of a value: the server waits.
#[inline(never)]
fn loops(text: &str) -> Option<Range<usize>> {
    let start = text.find("do{").or_else(|| text.find("do {"))?;
    (text.contains("while") && text.contains("new Date()")).then_some(start..text.len())
}

/// Whether what stands right before the operator at `at` names a credential.
#[inline(never)]
fn names_credential(text: &str, at: usize) -> bool {
    let before = text.as_bytes().get(at.saturating_sub(NAME)..at).unwrap_or_default();
    [&b"pass"[..], b"pwd", b"token", b"user", b"login", b"email"]
        .iter()
        .any(|word| before.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word)))
}

/// How far back a name is looked for.
const NAME: usize = 16;

static OPERATORS: &[&str] = &[
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "eq",
    "in",
    "nin",
    "regex",
    "where",
    "exists",
    "not",
    "or",
    "and",
    "nor",
    "expr",
    "function",
    "accumulator",
    "elemMatch",
    "type",
    "mod",
    "comment",
    "size",
    "all",
];
