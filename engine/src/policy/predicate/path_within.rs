//! `path_within`: a file path that lies within one of the directories.
//!
//! A server may decode, normalise and expand a path in ways this filter cannot know, so a path is
//! judged in every reading: as written, and after each round of percent-decoding. It is within a
//! directory only if all the readings are; what no reading can make plain (look-alikes of `.` and
//! `/`, overlong UTF-8, backslashes, `~`, drives, control characters) cannot be said at all.
//!
//! `..` is resolved by the text, and may at no point climb out of the directory: `/data/a/../b` is
//! within `/data`, `/data/../data/b` cannot be said. Symbolic links cannot be seen from here: one
//! that leads out of the directory is as open with `..` as without, and must not be there.

use std::borrow::Cow;

use super::path::same_but_for_case;
use super::{Check, MAX_TEXT, Outcome, Problem, one_or_list, string};
use crate::json::{Kind, Value};
use crate::policy::route::percent_decode;

/// Within one of these directories.
#[derive(Debug)]
pub(super) struct PathWithin(Vec<Directory>);

impl PathWithin {
    pub(super) fn new(value: Value<'_>) -> Result<Self, Problem> {
        one_or_list(value, |value| {
            let text = string(value)?;
            Directory::new(&text).ok_or_else(|| {
                Problem::new("is no plain directory", "write it as `/data` or `docs`: no escapes, `..` or `~`")
            })
        })
        .map(Self)
    }
}

impl Check for PathWithin {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        match (value.kind(), value.as_str()) {
            (Kind::String, Some(text)) if text.len() <= MAX_TEXT => self.judge(&text),
            _ => Outcome::Unknown,
        }
    }
}

impl PathWithin {
    fn judge(&self, text: &str) -> Outcome {
        let Some(readings) = readings(text) else { return Outcome::Unknown };
        let mut all: Option<Outcome> = None;
        for reading in &readings {
            let mut outcome = Outcome::Fails;
            for directory in &self.0 {
                match directory.holds(reading) {
                    Outcome::Holds => {
                        outcome = Outcome::Holds;
                        break;
                    }
                    Outcome::Unknown => outcome = Outcome::Unknown,
                    Outcome::Fails => {}
                }
            }
            if all.is_some_and(|all| all != outcome) {
                return Outcome::Unknown;
            }
            all = Some(outcome);
        }
        all.unwrap_or(Outcome::Unknown)
    }
}

/// The text as written, and after each round of decoding; `None` where it cannot be made plain.
fn readings(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut readings = vec![Cow::Borrowed(text)];
    let mut current = Cow::Borrowed(text);
    for _ in 0..=DECODING_ROUNDS {
        if !is_plain(&current) {
            return None;
        }
        if !current.contains('%') {
            return Some(readings);
        }
        // Overlong forms (`%c0%ae`) end here: they are no UTF-8.
        let decoded = String::from_utf8(percent_decode(current.as_bytes())).ok()?;
        if decoded == *current {
            return Some(readings);
        }
        readings.push(Cow::Owned(decoded.clone()));
        current = Cow::Owned(decoded);
    }
    None
}

/// Without characters that somebody could take for `.`, `/`, `\`, `%`, `:` or `~`, or drop unseen.
fn is_plain(text: &str) -> bool {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'%') {
        return true;
    }
    !text.contains("%u") && !text.contains("%U") && !text.chars().any(is_odd)
}

/// The characters whose compatibility form (NFKC) holds one of the above, their look-alikes, the
/// ones that Windows code pages map to them, and the invisible ones.
fn is_odd(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{a5}' | '\u{ad}' | '\u{34f}' | '\u{589}' | '\u{61c}' | '\u{66a}' | '\u{701}' | '\u{702}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2024}'..='\u{2026}' | '\u{2028}'..='\u{202e}' | '\u{2044}' | '\u{2060}'..='\u{206f}'
        | '\u{20a9}' | '\u{2100}' | '\u{2101}' | '\u{2105}' | '\u{2106}' | '\u{2215}' | '\u{2216}' | '\u{2236}' | '\u{223c}'
        | '\u{244a}' | '\u{2488}'..='\u{249b}' | '\u{2571}' | '\u{2572}' | '\u{29f5}' | '\u{29f8}' | '\u{29f9}' | '\u{2a74}'
        | '\u{3002}' | '\u{3164}' | '\u{33c2}' | '\u{33c7}' | '\u{33d8}' | '\u{a4f8}' | '\u{a60e}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{fe13}' | '\u{fe19}' | '\u{fe30}' | '\u{fe52}' | '\u{fe55}' | '\u{fe68}' | '\u{fe6a}'
        | '\u{feff}' | '\u{ff01}'..='\u{ff5e}' | '\u{ff61}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
        | '\u{1f100}' | '\u{e0000}'..='\u{e0fff}')
}

/// A directory of the policy.
#[derive(Debug)]
struct Directory {
    root: Root,
    segments: Vec<String>,
}

/// What a path starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    /// The server's working directory.
    Relative,
    /// `/`
    Unix,
    /// `C:\`, in upper case.
    Drive(char),
    /// `\\server\share`, its names standing first among the segments.
    Share,
}

impl Root {
    fn is_windows(&self) -> bool {
        matches!(self, Self::Drive(_) | Self::Share)
    }
}

impl Directory {
    fn new(text: &str) -> Option<Self> {
        let windows = text.starts_with("\\\\") || drive(text).is_some();
        if text.is_empty() || !is_plain(text) || text.contains('%') {
            return None;
        }
        let (root, rest) = split_root(without_scheme(text).filter(|path| *path == text)?, windows)?;
        let mut segments = Vec::new();
        for segment in rest.split(['/', '\\']) {
            match segment {
                "" | "." => {}
                segment if is_strange(segment, windows) || segment == ".." => return None,
                segment => segments.push(segment.to_owned()),
            }
        }
        (root != Root::Share || segments.len() >= 2).then_some(Self { root, segments })
    }

    /// Unknown where the path starts from elsewhere than this directory does, climbs while it is
    /// outside, climbs out, or holds what servers treat in different ways.
    fn holds(&self, path: &str) -> Outcome {
        let windows = self.root.is_windows();
        let Some(path) = without_scheme(path) else { return Outcome::Unknown };
        let Some((root, rest)) = split_root(path, windows) else { return Outcome::Unknown };
        if root != self.root {
            return Outcome::Unknown;
        }
        let mut segments: Vec<&str> = Vec::with_capacity(16);
        for segment in rest.split(|c: char| c == '/' || windows && c == '\\') {
            match segment {
                "" | "." => {}
                ".." => {
                    // `/etc/../data` is `/data` by its text, and anything if `/etc` is a symbolic link.
                    let within = self.contains(&segments, str::eq);
                    if !within || segments.pop().is_none() || !self.contains(&segments, str::eq) {
                        return Outcome::Unknown;
                    }
                }
                segment if is_strange(segment, windows) => return Outcome::Unknown,
                segment => segments.push(segment),
            }
        }
        if self.contains(&segments, str::eq) {
            Outcome::Holds
        } else if self.contains(&segments, same_but_for_case) {
            // On a file system that ignores case this is the very directory.
            Outcome::Unknown
        } else {
            Outcome::Fails
        }
    }

    fn contains(&self, segments: &[&str], same: impl Fn(&str, &str) -> bool) -> bool {
        self.segments.len() <= segments.len() && self.segments.iter().zip(segments).all(|(a, b)| same(a, b))
    }
}

/// The path of a `file:` URI on this machine (RFC 8089), or the text itself where it is none;
/// `None` for any other URI.
fn without_scheme(text: &str) -> Option<&str> {
    if !text.contains(':') {
        return Some(text);
    }
    let Some((scheme, rest)) = text.split_at_checked(5) else { return Some(text) };
    if !scheme.eq_ignore_ascii_case("file:") {
        return (!text.contains("://")).then_some(text);
    }
    if rest.contains(['?', '#']) {
        return None;
    }
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, path) = rest.split_at_checked(rest.find('/')?)?;
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return None;
            }
            path
        }
        None => rest,
    };
    let local = path.strip_prefix('/')?;
    Some(if drive(local).is_some() { local } else { path })
}

/// What a path starts from, and the rest; `None` where servers differ about it.
fn split_root(text: &str, windows: bool) -> Option<(Root, &str)> {
    let separator = |c: char| c == '/' || windows && c == '\\';
    if !windows && text.contains('\\') || text.is_empty() || text.starts_with(['~', '$', '%']) {
        return None;
    }
    if let Some(letter) = drive(text) {
        let rest = text.get(2..).filter(|rest| windows && rest.starts_with(separator))?;
        return Some((Root::Drive(letter), rest));
    }
    match text.strip_prefix(separator) {
        // POSIX leaves the meaning of exactly two slashes open (XBD 4.16); on Windows it is a share.
        Some(rest) if rest.starts_with(separator) => windows.then_some((Root::Share, rest)),
        Some(rest) => (!windows).then_some((Root::Unix, rest)),
        None => Some((Root::Relative, text)),
    }
}

/// The drive letter of `C:…` or `C|…`, in upper case.
fn drive(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let letter = characters.next().filter(char::is_ascii_alphabetic)?;
    matches!(characters.next(), Some(':' | '|')).then(|| letter.to_ascii_uppercase())
}

/// Segments that some servers read as others than they are: `..;x` (path parameters), `.. ` and
/// `...` (trimmed), drives in the middle; on Windows also streams, short names and trailing dots.
fn is_strange(segment: &str, windows: bool) -> bool {
    // The usual name, at a glance.
    if !windows && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return false;
    }
    let bare = segment.split_once(';').map_or(segment, |(bare, _)| bare).trim();
    let dots = !bare.is_empty() && bare.bytes().all(|byte| byte == b'.') && segment != "." && segment != "..";
    let strange_on_windows = || segment.ends_with(['.', ' ']) || segment.contains([':', '~', '%', '|']);
    dots || drive(segment).is_some() || windows && strange_on_windows()
}

/// Rounds of percent-decoding after which a path that still changes is given up.
const DECODING_ROUNDS: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(base: &str, path: &str) -> Outcome {
        PathWithin(vec![Directory::new(base).unwrap()]).judge(path)
    }

    #[test]
    fn within() {
        for (base, path) in [
            ("/home/user", "/home/user"),
            ("/home/user", "/home/user/"),
            ("/home/user/", "/home/user/a.txt"),
            ("/home/user", "/home/user//a//b"),
            ("/home/user", "/home/user/./a/../b"),
            ("/home/user", "/home/./user/a"),
            ("/home/user", "/home/user/a%20b"),
            ("/home/user", "/home/user/100%"),
            ("/home/user", "/home/user/..hidden/file..name"),
            ("/home/user", "/home/user/müller/日本語.txt"),
            ("/home/user", "file:///home/user/a"),
            ("/home/user", "FILE://localhost/home/user/a%20b"),
            ("/", "/etc/passwd"),
            ("docs", "docs/a.md"),
            ("docs", "./docs/a.md"),
            (".", "a/../b"),
            ("C:\\data", "c:\\data\\x\\..\\y"),
            ("C:/data", "C:\\data/x"),
            ("C:/data", "file:///c:/data/x"),
            ("\\\\server\\share", "\\\\server\\share\\x"),
        ] {
            assert_eq!(judge(base, path), Outcome::Holds, "{base} {path}");
        }
    }

    #[test]
    fn elsewhere() {
        for (base, path) in [
            ("/home/user", "/home/user2"),
            ("/home/user", "/home/use"),
            ("/home/user", "/home"),
            ("/home/user", "/"),
            ("/home/user", "/etc/passwd"),
            ("/home/user", "/etc//passwd"),
            ("/home/user", "file:///etc/passwd"),
            ("/home/user", "/%65tc/passwd"),
            ("docs", "docs2/a"),
            ("C:\\data", "C:\\windows"),
        ] {
            assert_eq!(judge(base, path), Outcome::Fails, "{base} {path}");
        }
    }

    #[test]
    fn attacks_cannot_be_said() {
        for path in [
            "",
            "home/user/a",
            "./a",
            "/home/user/..",
            "/home/user/../user2",
            "/home/user/../../etc/passwd",
            "/home/user/../user/a",
            "/etc/../home/user/a",
            "/../home/user/a",
            "/home/user/%2e%2e/x",
            "/home/user/%2E%2e%2Fx",
            "/home/user/..%2f..%2fetc",
            "/home/user%2f..%2f..%2fetc",
            "/home/user/%252e%252e/x",
            "/home/user/%25252e%25252e/x",
            "/home/user/%252525252e%252525252e/x",
            "/home/user/%25252525252525252e/x",
            "/home%2fuser/a",
            "/home/user/%c0%ae%c0%ae/x",
            "/home/user/%e0%80%ae/x",
            "/home/user/%c0%af",
            "/home/user/%ff",
            "/home/user/%u002e%u002e/x",
            "/home/user/\u{ff0e}\u{ff0e}/x",
            "/home/user/\u{2024}\u{2024}/x",
            "/home/user/\u{2025}/x",
            "/home/user/..\u{2215}x",
            "/home/user/..\u{ff0f}x",
            "/home/user/..\u{2044}x",
            "/home/user/\u{ff05}2e",
            "/home/user/%ef%bc%8e%ef%bc%8e/x",
            "/home/user/.\u{200b}./x",
            "/home/user/.\u{ad}./x",
            "/home/user/\u{202e}x",
            "/home/user/..\\x",
            "\\home\\user\\a",
            "/home/user/%5c..%5cx",
            "/home/user/a\0.txt",
            "/home/user/a%00.txt",
            "/home/user/a\n",
            "/home/user/..;/x",
            "/home/user/.. /x",
            "/home/user/..%20/x",
            "/home/user/.../x",
            "~/a",
            "~root/a",
            "$HOME/a",
            "%HOME%/a",
            "//home/user/a",
            "\\\\home\\user",
            "C:\\home\\user",
            "C:/home/user",
            "/C:/home/user",
            "/home/user/C:/x",
            "file://evil/home/user/a",
            "file:home/user/a",
            "file:///home/user/a?x",
            "file:////home/user/a",
            "file:///home/user/%2e%2e/x",
            "http://host/home/user",
            "/HOME/user/a",
            "/home/User",
        ] {
            assert_eq!(judge("/home/user", path), Outcome::Unknown, "{path:?}");
        }
        for (base, path) in [
            ("docs", "/docs/a"),
            ("docs", "../docs/a"),
            (".", ".."),
            (".", "a/../../b"),
            ("/", "/.."),
            ("C:\\data", "C:data"),
            ("C:\\data", "D:\\data\\x"),
            ("C:\\data", "C:\\data\\..\\x"),
            ("C:\\data", "C:\\data\\x:stream"),
            ("C:\\data", "C:\\data\\.. \\x"),
            ("C:\\data", "C:\\data\\progra~1"),
            ("C:\\data", "/data/x"),
            ("C:\\data", "\\\\?\\C:\\data"),
        ] {
            assert_eq!(judge(base, path), Outcome::Unknown, "{base} {path}");
        }
    }

    #[test]
    fn bases() {
        for base in ["", "/a/../b", "~/x", "/a%20b", "//x", "/a\0", "http://x/", "C:x", "\\\\server", "/a/...", "$HOME"]
        {
            assert!(Directory::new(base).is_none(), "{base}");
        }
    }

    /// Everything decoded until nothing changes, then resolved by the text alone.
    fn naive(path: &str) -> Option<Vec<String>> {
        let mut bytes = path.as_bytes().to_vec();
        loop {
            let decoded = percent_decode(&bytes);
            if decoded == bytes {
                break;
            }
            bytes = decoded;
        }
        let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
        let mut segments = Vec::new();
        for segment in text.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop()?;
                }
                name => segments.push(name.to_owned()),
            }
        }
        Some(segments)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn never_accepts_what_leaves(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "/", "//", "..", ".", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "2e", "2f", "a", "data", "user", "%c0%ae",
                    "%00", "~", "\u{ff0e}", ";", " ", "%20", "file://", "C:", "..;", "%",
                ]),
                0..12,
            ),
            prefixed in any::<bool>(),
        ) {
            let path = format!("{}{}", if prefixed { "/data/user" } else { "" }, pieces.concat());
            if judge("/data/user", &path) == Outcome::Holds {
                let path = path.strip_prefix("file://").unwrap_or(&path);
                let resolved = naive(path).unwrap_or_default();
                prop_assert_eq!(resolved.get(..2), Some(&["data".to_owned(), "user".to_owned()][..]), "{}", path);
            }
        }

        #[test]
        fn honest_paths_are_within(names in prop::collection::vec("[a-zA-Z0-9_é -]{0,6}[a-z0-9]", 0..6)) {
            prop_assert_eq!(judge("/data/user", &format!("/data/user/{}", names.join("/"))), Outcome::Holds);
        }
    }
}
