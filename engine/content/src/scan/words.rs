//! The words of a command, each in a string of its own: `{"command": "rm", "args": ["-rf", "/"]}`, `argv`. They are
//! read as the one command that a process gets, and none of them as a command line.

use std::ops::Range;

use super::Site;
use super::detect::{Input, Parsed};
use super::scanner::{Examination, Scanners};
use super::shell::{self, Role};
use super::split::{Part, Split};
use super::verify::Candidate;
use crate::json::{Kind, Locator, Value};
use crate::sort::Arrange;

/// The list of words that the walk is in or was in last.
pub(super) struct Words {
    /// Whether a scanner that reads commands is on.
    read: bool,
    /// Where the list begins.
    list: Option<usize>,
    /// Where its words begin, in order, and what each is for.
    roles: Vec<(usize, Role)>,
}

impl Words {
    pub(super) fn new(scanners: &Scanners, site: &Site<'_>) -> Self {
        let read = Split::applies(site) && scanners.running.iter().any(|running| READ.contains(&running.detector.name));
        Self { read, list: None, roles: Vec::new() }
    }

    /// Whether names of members are asked for at all.
    pub(super) fn reads(&self) -> bool {
        self.read
    }

    /// Takes a string within the member that `key` is about, which `locator` has gone to. Returns what is found in the
    /// whole command where this is the first of its words.
    pub(super) fn next<'d>(
        &mut self,
        string: Value<'d>,
        key: Key,
        locator: &Locator<'d>,
        examination: &mut Examination<'_>,
        site: &Site<'_>,
    ) -> Vec<Part<'d>> {
        let (array, object) = locator.parents();
        let Some(command) = Command::of(string, key, array, object, site.tool) else { return Vec::new() };
        if self.list == Some(command.list) {
            return Vec::new();
        }
        self.list = Some(command.list);
        self.roles = command.roles();
        command.examine(examination, site)
    }

    /// What a string is for that is one of the words; `None` where that is for its name to say.
    pub(super) fn role(&self, string: Value<'_>) -> Option<Role> {
        self.roles.first()?;
        let start = string.span().start;
        let at = self.roles.binary_search_by_key(&start, |(start, _)| *start).ok()?;
        self.roles.get(at).map(|(_, role)| *role)
    }
}

/// What the name of a member says about the words in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The program, or the whole command.
    Program,
    /// What the program gets.
    Arguments,
}

impl Key {
    /// What a name says that stands for `role`.
    pub(super) fn of(member: &str, role: Role) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|name| member.eq_ignore_ascii_case(name));
        if is(&ARGUMENTS) {
            return Some(Self::Arguments);
        }
        // Each of `commands` is a line of its own.
        (is(&PROGRAMS) || !member.ends_with(['s', 'S']) && role == Role::Command).then_some(Self::Program)
    }
}

/// A command whose words are strings of their own.
struct Command<'d> {
    /// Where what holds the words begins.
    list: usize,
    words: Vec<(Value<'d>, String)>,
    /// The arguments are one string, which somebody cuts into words.
    uncut: bool,
}

impl<'d> Command<'d> {
    fn of(
        string: Value<'d>,
        key: Key,
        array: Option<Value<'d>>,
        object: Option<Value<'d>>,
        tool: Option<&str>,
    ) -> Option<Self> {
        let sibling = |wanted: Key, is: fn(Kind) -> bool| {
            let fits = |(name, value): &(Value<'_>, Value<'_>)| {
                is(value.kind())
                    && name.as_str().and_then(|name| Key::of(&name, Role::of_member(Some(&name), tool))) == Some(wanted)
            };
            object?.members().take(MAX_MEMBERS).find(fits).map(|(_, value)| value)
        };
        let program = || sibling(Key::Program, |kind| kind == Kind::String);
        let text = |value: Value<'d>| value.as_str().map_or_else(|| value.raw().to_owned(), |text| text.into_owned());
        let (program, list) = match (array, key) {
            (Some(array), Key::Arguments) => (program(), array),
            (Some(array), Key::Program) => (None, array),
            (None, Key::Arguments) => (Some(program()?), string),
            (None, Key::Program) => {
                (Some(string), sibling(Key::Arguments, |kind| matches!(kind, Kind::Array | Kind::String))?)
            }
        };
        let plain = |value: &Value<'_>| matches!(value.kind(), Kind::String | Kind::Number);
        let uncut = list.kind() == Kind::String;
        let arguments = list.elements().take(MAX_WORDS).take_while(plain).chain(uncut.then_some(list));
        let words = program.into_iter().chain(arguments);
        let mut left = MAX_BYTES;
        let fits = |value: &Value<'_>| {
            left = left.saturating_sub(value.span().len());
            left > 0
        };
        let words: Vec<_> = words.take_while(fits).map(|value| (value, text(value))).collect();
        (words.len() >= 2).then(|| Self { list: list.span().start, words, uncut })
    }

    /// What each word is for. What a program that is not known does with its words is not known either.
    fn roles(&self) -> Vec<(usize, Role)> {
        let Some(((first, program), arguments)) = self.words.split_first() else { return Vec::new() };
        let name = shell::basename(program);
        let mut roles = Vec::new();
        // Read with its words; one that is a whole line is read for itself as well.
        if !program.contains(char::is_whitespace) {
            roles.push((first.span().start, Role::Word));
        }
        let tracker = TRACKERS.contains(&name.as_str());
        if !self.uncut && (tracker || shell::looks_like_command(&name)) && !shell::runs_words(&name) {
            let reads = READERS.contains(&name.as_str());
            let mut before = program.as_str();
            for (value, word) in arguments {
                let option = word.split_once('=').map_or(before, |(option, _)| option);
                let says = MESSAGES.contains(&option) || tracker && matches!(option, "-t" | "-b");
                roles.push((value.span().start, if reads || says { Role::Prose } else { Role::Word }));
                before = word;
            }
        }
        roles.arrange_by_key(|(start, _)| *start);
        roles
    }

    fn examine(&self, examination: &mut Examination<'_>, site: &Site<'_>) -> Vec<Part<'d>> {
        let mut text = String::new();
        let mut spans = Vec::new();
        for (_, word) in &self.words {
            if !text.is_empty() {
                text.push(' ');
            }
            let start = text.len();
            // What a process gets as one word the shell reader must see as one; the first may be a whole line.
            let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+*~".contains(c);
            if start == 0 || self.uncut || !word.is_empty() && word.chars().all(plain) {
                text.push_str(word);
            } else {
                text.push('\'');
                text.push_str(&word.replace('\'', "'\\''"));
                text.push('\'');
            }
            spans.push(start..text.len());
        }
        let parsed = Parsed::default();
        let input = Input {
            text: &text,
            member: Some("command"),
            tool: site.tool,
            context: site.context,
            role: Some(Role::Command),
            parsed: Some(&parsed),
        };
        let mut found = Vec::new();
        let scanners = examination.scanners;
        for running in scanners.running.iter().filter(|running| READ.contains(&running.detector.name)) {
            examination.detect(running, &input, &mut found);
        }
        let mut parts = Vec::new();
        for Candidate { rule, range } in found {
            let within = |span: &Range<usize>| span.start < range.end && range.start < span.end;
            let words = self.words.iter().zip(&spans).filter(|(_, span)| within(span)).map(|(word, _)| word);
            let strings: Vec<_> = words.filter(|(value, _)| value.kind() == Kind::String).collect();
            // What is found in one argument alone is found where that is looked at.
            if strings.len() >= 2 || spans.first().is_some_and(within) {
                parts.extend(strings.into_iter().map(|(value, content)| Part {
                    value: *value,
                    content: content.clone(),
                    candidate: Candidate { rule, range: 0..content.len() },
                }));
            }
        }
        parts
    }
}

/// Members that hold what a program gets.
const ARGUMENTS: [&str; 4] = ["args", "arguments", "argv", "parameters"];

/// Members that hold a program, beside those that hold a command.
const PROGRAMS: [&str; 4] = ["program", "executable", "exec", "binary"];

/// Scanners that read commands.
pub(super) const READ: [&str; 4] = ["destructive", "exfil", "bulk", "privesc"];

/// Programs whose words are texts, patterns or scripts of their own.
const READERS: [&str; 14] =
    ["ack", "ag", "awk", "echo", "egrep", "fgrep", "gawk", "grep", "jq", "logger", "printf", "rg", "sed", "yq"];

/// Programs for issues, reviews and revisions. Nobody attacks with them, so they are not known otherwise.
const TRACKERS: [&str; 5] = ["gh", "glab", "hg", "jj", "svn"];

/// Options behind which text for people stands.
const MESSAGES: [&str; 9] =
    ["-m", "-am", "--message", "--title", "--body", "--notes", "--description", "--subject", "--comment"];

/// How many members of an object are looked at for the program of a list.
const MAX_MEMBERS: usize = 32;

/// How many words are read together.
const MAX_WORDS: usize = 256;

/// How many bytes of JSON are read together: more than a line that a person would write.
const MAX_BYTES: usize = 16 << 10;
