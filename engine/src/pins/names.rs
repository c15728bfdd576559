//! Names of tools: who is mentioned, and who looks like whom.

use crate::scan::plain_letters;

/// True where `text` names the tool `name`: as a word of its own, and written as no ordinary word is. `search` may be
/// a verb; `send_mail`, `sendMail` and `` `search` `` are tools.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    if name.len() < SHORTEST {
        return false;
    }
    let telling =
        name.contains(['_', '-', '.', '/', ':']) || name.bytes().skip(1).any(|byte| byte.is_ascii_uppercase());
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|tail| tail.chars().next());
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let quoted = before == after && matches!(before, Some('`' | '"' | '\''));
        !part(before) && !part(after) && (telling || quoted)
    })
}

/// What a reader takes a name for: letters that imitate others as those, digits as the letters they resemble, no
/// case, no separators. Equal for names that are easily mistaken for one another (after UTS #39, "skeleton").
pub(super) fn skeleton(name: &str) -> String {
    let plain = plain_letters(name).to_lowercase();
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '_' | '-' | '.' | ' ' | '/' | ':' => {}
            '0' => out.push('o'),
            '1' | 'i' | '|' => out.push('l'),
            '3' => out.push('e'),
            '5' => out.push('s'),
            _ => out.push(c),
        }
    }
    // Two letters that together look like one.
    out.replace("rn", "m").replace("vv", "w")
}

/// Shorter names are found everywhere.
const SHORTEST: usize = 4;

#[cfg(test)]
mod tests {
    use super::{mentions, skeleton};

    #[test]
    fn a_tool_is_named_as_a_word() {
        for (text, name, expected) in [
            ("Call send_mail first.", "send_mail", true),
            ("Before sendMail, do this", "sendMail", true),
            ("search the web", "search", false),
            ("use `search` first", "search", true),
            ("resend_mails", "send_mail", false),
            ("send_mail2", "send_mail", false),
            ("ls", "ls", false),
        ] {
            assert_eq!(mentions(text, name), expected, "{text} {name}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for other in
            ["Send-Mail", "sendmail", "s\u{435}nd_mail", "send_mai1", "ｓend_mail", "send\u{200b}_mail", "sendrnail"]
        {
            assert_eq!(skeleton("send_mail"), skeleton(other), "{other}");
        }
        assert_ne!(skeleton("send_mail"), skeleton("send_mails"));
        assert_ne!(skeleton("read_file"), skeleton("reads_file"));
    }
}
