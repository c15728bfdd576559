//! Commands smuggled into an argument that is no command.

use std::ops::Range;
use std::sync::LazyLock;

use crate::scan::detect::Input;
use crate::scan::literals::Literals;
use crate::scan::shell::{self, Role, is_shell, looks_like_command};

/// A separator with a command behind it, or a substitution.
pub(super) fn find(input: &Input<'_>, role: Role) -> Option<Range<usize>> {
    let text = input.text;
    if text.len() > MAX_TEXT {
        return None;
    }
    let bytes = text.as_bytes();
    if !bytes.iter().any(|b| matches!(b, b';' | b'|' | b'&' | b'`' | b'\n' | b'$' | b'<' | b'{' | b'%' | b'\\')) {
        return None;
    }
    let query = role == Role::Url || (text.contains('=') && text.contains('&') && !text.contains(' '));
    // `id;date`, `name|type`: a list of names. And `C:\\new` holds no line break.
    let list = matches!(role, Role::Value | Role::Word)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b';' | b'|' | b',' | b'_'));
    let drive = bytes.get(1) == Some(&b':');
    let mut at = 0;
    let mut left = MAX_SEPARATORS;
    while at < bytes.len() && left > 0 {
        let (strength, length) = separator(bytes, at, query);
        if length == 0 {
            at += 1;
            continue;
        }
        left -= 1;
        let lead = !drive && text.get(..at).unwrap_or("").trim_matches(['"', '\'', ' ', ')', '\n', '%']).is_empty();
        let rest = text.get(at + length..).unwrap_or("");
        // A word right behind its separator is no prose.
        let adjacent = !list && bytes.get(at) != Some(&b'\n') && rest.starts_with(|c: char| c.is_ascii_lowercase());
        let strength = strength && !list && !(drive && bytes.get(at) == Some(&b'\\'));
        if behind(rest, strength || lead || adjacent, bytes.get(at) == Some(&b'\n')) {
            return Some(at..text.len());
        }
        at += length;
    }
    (substituted(input, role) || disguised(text)).then_some(0..text.len())
}

/// In prose only what no prose holds: a substitution that opens a connection or a shell.
pub(super) fn in_prose(input: &Input<'_>) -> Option<Range<usize>> {
    let text = input.text;
    if text.len() > MAX_TEXT || !text.contains(['`', '$']) {
        return None;
    }
    let script = input.script();
    let found = script.commands.iter().find(|command| {
        command.substituted
            && match command.name().as_str() {
                "nc" | "ncat" | "netcat" => command.short('e') || command.short('c'),
                "bash" | "sh" => command.short('i') && !command.redirects.is_empty(),
                _ => false,
            }
    })?;
    Some(found.span.clone())
}

/// Text that an interpreter on the way expands: Shellshock, server-side includes, JNDI, `${@print(…)}`.
pub(super) fn template(text: &str) -> Option<Range<usize>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    if crate::scan::destructive::hidden::fork_bomb(text) {
        return Some(0..text.len());
    }
    let at = |needle: &str| text.find(needle);
    if let Some(start) = at("()").filter(|_| text.contains('{')) {
        let compact: String = text.get(start..).unwrap_or("").chars().filter(|c| !c.is_whitespace()).take(16).collect();
        if compact.starts_with("(){:;}") || compact.starts_with("(){_;}") || compact.starts_with("(){foo;}") {
            return Some(start..text.len());
        }
    }
    if let Some(range) = expression(text) {
        return Some(range);
    }
    if !TEMPLATES.is_in(text.as_bytes()) {
        return None;
    }
    for (number, needle) in EXPANDED.iter().enumerate() {
        let Some(start) = at(needle) else { continue };
        // `;system('id')`, `| system('sleep 5');`: a call of PHP or Perl behind a separator.
        let before = text.get(..start).unwrap_or("").trim_end_matches([' ', '@']);
        let inside = text.get(start + needle.len()..).unwrap_or("").trim_start();
        if number + CALLS < EXPANDED.len()
            || before.ends_with([';', '|', '&', '\'', '"', '`']) && inside.starts_with(['\'', '"', '$', '`'])
        {
            return Some(start..text.len());
        }
    }
    None
}

/// `{{7*7}}`, `${x.getClass()…}`: an expression of a template engine that calculates to probe, or reaches for what can run code.
#[inline(never)]
fn expression(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut from = 0;
    for _ in 0..MAX_EXPRESSIONS {
        // By the second byte: few texts have one.
        let opens = |at: &usize| at.checked_sub(1).is_some_and(|before| before >= from && is_opener(bytes, before));
        let start = memchr::memchr3_iter(b'{', b'%', b'#', bytes.get(from..)?).map(|at| from + at).find(opens)? - 1;
        from = start + 2;
        let end = bytes.len().min(from + MAX_EXPRESSION);
        let inner = String::from_utf8_lossy(bytes.get(from..end)?);
        let inner = inner.trim_start_matches(['{', '=', ' ', '-', '"', '\'']);
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let first = digits(inner);
        let behind = inner.get(first..).unwrap_or("").trim_start();
        let second = behind.strip_prefix('*').unwrap_or("").trim_start_matches([' ', '\'', '"']);
        let closed = second.get(digits(second)..).unwrap_or("").trim_start_matches(['\'', '"', ' ']);
        let probe = first > 0 && digits(second) > 0 && closed.starts_with(['}', '%']);
        if probe || REACHES.is_in(inner.as_bytes()) {
            return Some(start..text.len());
        }
    }
    None
}

fn is_opener(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..at + 2).is_some_and(|two| OPENERS.contains(&two))
}

const OPENERS: [&[u8]; 7] = [b"{{", b"${", b"#{", b"*{", b"<%", b"{%", b"<#"];
const MAX_EXPRESSIONS: usize = 16;
const MAX_EXPRESSION: usize = 128;

/// What an expression goes through to run code.
static REACHES: LazyLock<Literals> = LazyLock::new(|| {
    Literals::new(
        [
            "__class__",
            "__mro__",
            "__subclasses__",
            "__globals__",
            "__builtins__",
            "getClass()",
            "getClassLoader",
            "T(java.",
            "java.lang.",
            "freemarker.template.",
            "getRuntime()",
            "ProcessBuilder(",
            "popen(",
            "constructor.constructor",
            "UndefinedFilterCallback",
        ]
        .iter(),
    )
});

/// [`EXPANDED`] in one pass: most texts hold none of it.
static TEMPLATES: LazyLock<Literals> = LazyLock::new(|| Literals::new(EXPANDED.iter()));

/// What such an interpreter expands, and last [`CALLS`] calls of PHP and Perl.
static EXPANDED: &[&str] = &[
    "<!--#exec",
    "<!--#include",
    "${jndi:",
    "{jndi:",
    "${@print(",
    "${@system(",
    "${script:",
    "${${",
    "<%=system",
    "#{`",
    "<?=`",
    "<?php system(",
    "${@exec",
    "{${system",
    "{${sleep(",
    "{${phpinfo",
    "{${exec",
    "T(java.lang.Runtime)",
    "{{_self.env",
    "__import__('os')",
    "__import__(\"os\")",
    "system(",
    "exec(",
    "passthru(",
    "shell_exec(",
    "popen(",
    "eval(",
];

const CALLS: usize = 6;

/// Whether a separator stands here, how telling it is by itself, and its length.
fn separator(bytes: &[u8], at: usize, query: bool) -> (bool, usize) {
    let byte = |ahead: usize| bytes.get(at + ahead).copied();
    match byte(0) {
        Some(b';') => (false, 1),
        Some(b'|') => {
            if byte(1) == Some(b'|') {
                (true, 2)
            } else {
                (true, 1)
            }
        }
        Some(b'&') => match byte(1) {
            Some(b'&') => (true, 2),
            _ if query => (false, 0),
            _ => (false, 1),
        },
        Some(b'`') => (true, 1),
        Some(b'\n') => (false, 1),
        Some(b'\\') if matches!(byte(1), Some(b'n' | b'r')) => (true, 2),
        Some(b'%') if byte(1) == Some(b'0') && matches!(byte(2), Some(b'a' | b'A' | b'd' | b'D')) => (true, 3),
        Some(b'%') if byte(1) == Some(b'3') && matches!(byte(2), Some(b'b' | b'B')) => (true, 3),
        Some(b'%') if byte(1) == Some(b'7') && matches!(byte(2), Some(b'c' | b'C')) => (true, 3),
        Some(b'$') if byte(1) == Some(b'(') => (true, 2),
        Some(b'{') if byte(1) == Some(b',') => (true, 2),
        Some(b'<' | b'>') if byte(1) == Some(b'(') => (true, 2),
        Some(b'{') => (false, 0),
        _ => (false, 0),
    }
}

/// Whether a command follows. An ordinary word needs arguments as only a command has.
fn behind(rest: &str, strong: bool, line: bool) -> bool {
    let rest = rest
        .trim_start_matches([' ', '\t', '\n', '\r', ';', '|', '&', '(', ')', '`', '"', '\'', ',', '!', '@', '+', '{']);
    let rest = rest.strip_prefix("%20").unwrap_or(rest);
    let mut rest = rest.strip_prefix("\\n").unwrap_or(rest);
    // Unset variables before the name vanish, assignments change nothing.
    for _ in 0..4 {
        let (word, tail) = cut(rest);
        let variable = word.starts_with('$')
            && word.len() <= 24
            && word.get(1..).is_some_and(|name| {
                name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'{' | b'}' | b'@' | b'*' | b'.'))
            });
        let assignment = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.len() <= 16 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if (variable || assignment) && !tail.is_empty() && tail.starts_with(' ') {
            rest = tail.trim_start();
        } else {
            break;
        }
    }
    let (word, tail) = cut(rest);
    if word.is_empty() || word.len() > 128 {
        return false;
    }
    let plain = plain(word);
    let (name_part, glued) =
        plain.split_once(['+', ',', '<', '(', '[']).map_or((plain.as_str(), ""), |(name, rest)| (name, rest));
    let pathed = name_part.starts_with('/')
        || name_part.starts_with("./")
        || name_part.contains(":\\")
        || name_part.contains("\\windows");
    // `cat$IFS/etc/hosts`
    let spaced = word.to_ascii_lowercase().contains("$ifs") || word.to_ascii_lowercase().contains("${ifs");
    if spaced
        && word.to_ascii_lowercase().split_once("$").is_some_and(|(name, _)| looks_like_command(&shell::basename(name)))
    {
        return true;
    }
    if name_part.starts_with('/') && name_part.matches('?').count() >= 2 && name_part.matches('/').count() >= 2 {
        return true;
    }
    let globbed = name_part.contains(['?', '*']) && name_part.starts_with('/') && name_part.contains("bin");
    let name = shell::basename(name_part);
    let windows_switch =
        name_part.split_once('/').is_some_and(|(name, switch)| looks_like_command(name) && switch.len() <= 8);
    let known = looks_like_command(&name)
        || globbed
        || windows_switch
        || looks_like_command(name.split('.').next().unwrap_or(""));
    let dotted = matches!(
        name_part,
        ".system"
            | ".shell"
            | ".databases"
            | ".tables"
            | ".dump"
            | ".schema"
            | ".import"
            | ".load"
            | ".output"
            | ".open"
    );
    if dotted {
        return true;
    }
    // `data:image/png;base64,…`
    if !known || (name.starts_with("base") && glued.len() > 8) {
        return false;
    }
    if pathed
        || globbed
        || windows_switch
        || plain != word && word.contains(['\\', '\'', '"', '$', '^']) && name_part != word
    {
        return true;
    }
    if !glued.is_empty() && (glued.contains('/') || plain.contains('<') || plain.contains('+')) {
        return true;
    }
    let tail = tail.trim_start();
    let ends = tail.is_empty() || tail.starts_with([';', '|', '&', '`', ')', '<', '>', '"', '\'', '#', '\n', '}']);
    let shaped = {
        let (first, _) = cut(tail);
        first.starts_with(['-', '/', '.', '$', '~', '%', '{', '\\', '*', '@'])
            || first.contains(['/', '=', '\\', '.', '*', '\'', '"', '@', ':'])
            || first.bytes().any(|b| b.is_ascii_digit())
            || (first == "/" || first == "-")
    };
    let verb = cut(tail).0.to_ascii_lowercase();
    let administers = match name.as_str() {
        "net" | "net1" => matches!(
            verb.as_str(),
            "view" | "user" | "localgroup" | "group" | "use" | "share" | "start" | "stop" | "accounts" | "session"
        ),
        "reg" => matches!(verb.as_str(), "add" | "query" | "delete" | "save" | "export"),
        "sc" => matches!(verb.as_str(), "query" | "create" | "config" | "start" | "stop" | "delete"),
        "git" => matches!(verb.as_str(), "clone" | "push" | "config" | "reset" | "checkout"),
        _ => false,
    };
    if administers {
        return true;
    }
    if WORDS.contains(&name.as_str()) {
        // `time`, `find`, `who`: at the end, or with an argument no sentence has.
        let file = first_of(tail).contains('/')
            || (first_of(tail).contains('.') && first_of(tail).bytes().any(|b| b.is_ascii_alphabetic()));
        return (file && !line) || (ends && strong) || (shaped && (strong || tail.starts_with(['-', '/', '$'])));
    }
    ends || shaped || strong || !line
}

fn first_of(text: &str) -> &str {
    cut(text).0
}

/// The first word up to a blank or separator, and the rest.
fn cut(text: &str) -> (&str, &str) {
    let end = text.find([' ', '\t', '\n', '\r', ';', '|', '&', '`', ')']).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A word without quotes, escapes, carets and the empty expansions `$@`, `$*`, `$x`, `${x}`.
fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\'' | '"' | '^' => {}
            '\\' => {
                // Windows paths keep theirs.
                if out.ends_with(':') || out.contains('\\') {
                    out.push(char);
                }
            }
            '$' => match chars.peek() {
                Some('@' | '*' | '$' | '!' | '#' | '?' | '-' | '0'..='9') => {
                    chars.next();
                }
                Some('{') => {
                    for inner in chars.by_ref() {
                        if inner == '}' {
                            break;
                        }
                    }
                }
                Some(next) if next.is_ascii_alphabetic() => {
                    // `$u`: one letter; longer names eat what follows, as the shell does.
                    chars.next();
                }
                _ => {}
            },
            other => out.push(other.to_ascii_lowercase()),
        }
    }
    out
}

/// Commands in `$(…)`, backticks and behind assignments, as the shell's reader sees them.
fn substituted(input: &Input<'_>, role: Role) -> bool {
    let text = input.text;
    if !text.contains(['$', '`', '=', '<', '{', '|']) {
        return false;
    }
    let script = input.script();
    if substitutes(&script, text, role) {
        return true;
    }
    // A quote in front ends the string that the text was pasted into.
    let inner = text.trim_start();
    inner.starts_with(['\'', '"']) && inner.get(1..).is_some_and(|inner| substitutes(&shell::parse(inner), inner, role))
}

#[inline(never)]
fn substitutes(script: &shell::Script, text: &str, role: Role) -> bool {
    let assigned = script.commands.iter().filter(|command| !command.assignments.is_empty()).count();
    script.commands.iter().enumerate().any(|(index, command)| {
        let name = command.name();
        let known = looks_like_command(&name) && !WORDS.contains(&name.as_str());
        // What probes whether it is run; `$(date)` may be meant for a file's name.
        let probes = matches!(name.as_str(), "cmd" | "id")
            || matches!(name.as_str(), "echo" | "sleep" | "ping" | "host" | "dig" | "cat" | "env")
                && command.words.len() > 1;
        let substitution = command.substituted && (known || probes);
        let spliced = assigned > 0
            && index > 0
            && looks_like_command(&name)
            && command.words.len() > 1
            && command.words.first().is_some_and(|word| word.span.len() != name.len());
        let piped = command.pipe_from.is_some() && is_shell(&name) && command.operands().next().is_none();
        let braced = command.words.len() > 1 && known && text.starts_with('{');
        let fed = command.stdin.is_some() && known && role == Role::Unknown && text.contains("<<<");
        substitution || spliced || piped || braced || fed
    })
}

/// A command whose name is put together, and that is all of the text: `py''thon -c …`, `{id,}`, `bash -i …`.
fn disguised(text: &str) -> bool {
    let trimmed = text.trim();
    let braces =
        trimmed.contains('{') && trimmed.contains(',') && !trimmed.contains([':', '"']) && trimmed.len() <= 256;
    let head = cut(trimmed).0;
    let pieces = ["''", "\"\"", "$()", "``", "$@", "$*", "${"].iter().any(|piece| head.contains(piece));
    let shell_first = is_shell(&shell::basename(head)) && trimmed.contains(" -");
    if !braces && !pieces && !shell_first {
        return false;
    }
    let script = shell::parse(trimmed);
    let Some(first) = script.commands.first() else { return false };
    let name = first.name();
    let known = |word: &str| {
        let base = shell::basename(word);
        looks_like_command(&base)
            || (word.contains('?') && word.starts_with('/'))
            || looks_like_command(&base.replace('$', ""))
    };
    if shell_first {
        return first.short('i') || first.short('c');
    }
    if braces && trimmed.starts_with('{') && trimmed.ends_with('}') {
        return first.words.iter().take(2).any(|word| known(word.resolved()));
    }
    if braces && !trimmed.contains(' ') {
        return first.words.iter().take(2).all(|word| known(&word.text) || word.text.len() > 2)
            && first.words.len() > 1
            && first.words.iter().take(2).any(|word| known(&word.text));
    }
    pieces && known(&name)
}

/// Commands whose name is a word of ordinary text.
static WORDS: &[&str] = &[
    "time", "find", "who", "sort", "more", "less", "last", "test", "file", "head", "tail", "cut", "join", "watch",
    "date", "top", "kill", "set", "type", "at", "service", "start", "where", "which", "copy", "move", "replace",
    "task", "view", "screen", "link", "install", "patch", "expand", "format", "route", "split", "paste", "fold",
    "strings", "make", "go", "as", "w", "echo", "node", "ping", "mail", "exec", "export", "ex", "ed", "env", "host",
    "groups", "tree", "net", "reg", "sleep", "git", "php", "perl", "ruby", "python", "java", "docker", "halt", "nice",
    "seq", "stat", "touch", "erase", "ar", "arch", "batch", "chef", "dash", "fish", "gem", "cargo", "cron", "locate",
    "mount", "rename", "rev", "dig", "ver", "vol", "ld", "dc", "cal", "id", "ip", "df", "ps", "pr", "sc", "tr", "od",
    "nl", "ln", "rc", "posh", "cat", "yarn", "eval", "timeout", "comm",
];

const MAX_TEXT: usize = 8192;
const MAX_SEPARATORS: usize = 64;
