//! A walk over the strings of a message.

use super::bulk;
use super::decode::Budget;
use super::detect::Input;
use super::prefilter::Hit;
use super::scanner::{Examination, Scanners};
use super::split::{Part, Split};
use super::verify::Pass;
use super::words::Words;
use super::{Direction, Located, Site};
use crate::json::{Kind, Locator, Value};
use crate::sort::Arrange;

/// Scans every string and key within `value`, and numbers whose key says that they matter.
pub(super) fn walk<'d>(scanners: &Scanners, site: &Site<'_>, value: Value<'d>, out: &mut Vec<Located<'d>>) {
    let text = value.raw();
    let base = value.span().start;
    let examination = Examination { scanners, keyed: 0, work: 0, matches: Vec::new() };
    let from = out.len();
    let mut walk = Walk {
        examination,
        site,
        text,
        base,
        root: value,
        locator: Locator::new(value),
        key: None,
        named: None,
        split: Split::applies(site).then(Split::default),
        words: Words::new(scanners),
        last: None,
        clean: Vec::new(),
        commands: site.context.direction == Direction::Request,
        command: false,
        out,
    };
    let mut strings = value.strings().peekable();
    let mut hits: Vec<Hit> = Vec::new();
    // Strings without escapes are scanned where they stand, many at once; the others one by one.
    while let Some(first) = strings.peek().copied() {
        hits.clear();
        if first.has_escapes() {
            strings.next();
            let mut content = first.as_str().unwrap_or_default().into_owned();
            let length = content.len();
            if first.is_key() {
                content.push('"');
            }
            scanners.prefilter.scan(content.as_bytes(), |hit| hits.push(hit));
            content.truncate(length);
            walk.string(first, &content, &hits);
            continue;
        }
        let from = first.span().start - base;
        let mut to = from;
        let run = strings.clone();
        while let Some(string) = strings.next_if(|string| !string.has_escapes()) {
            to = string.span().end - base;
        }
        scanners.prefilter.scan(text.as_bytes().get(from..to).unwrap_or_default(), |hit| hits.push(hit));
        walk.run(run.take_while(|string| !string.has_escapes()), from, &mut hits);
    }
    if walk.end_of_split() {
        // What was found in several strings at once came behind the last of them.
        out.get_mut(from..)
            .unwrap_or_default()
            .arrange_by_key(|located| (located.value.span().start, located.finding.range.start));
    }
}

struct Walk<'s, 'd, 'o, 't> {
    examination: Examination<'s>,
    site: &'o Site<'t>,
    text: &'d str,
    base: usize,
    root: Value<'d>,
    locator: Locator<'d>,
    /// The key just passed and the keywords in it, if there are any.
    key: Option<(Value<'d>, Vec<Hit>)>,
    /// The string just passed that may be the name of a pair (`{"name": "API_KEY", "value": "…"}`), its keywords in it.
    named: Option<(Value<'d>, Vec<Hit>)>,
    /// Short strings next to each other, where they are looked at together.
    split: Option<Split<'d>>,
    /// The words of the command that the walk is in.
    words: Words<'d>,
    /// The string before, keys left out.
    last: Option<Value<'d>>,
    /// Names of members in which nothing was found: objects of a list have the same ones.
    clean: Vec<&'d str>,
    /// Commands may stand in it.
    commands: bool,
    /// The key just passed names a command: its readers need no trigger.
    command: bool,
    out: &'o mut Vec<Located<'d>>,
}

impl<'d> Walk<'_, 'd, '_, '_> {
    /// Deals out the hits in a run of strings without escapes, found from byte `from` on, to the
    /// strings they lie in.
    fn run(&mut self, strings: impl Iterator<Item = Value<'d>>, from: usize, hits: &mut [Hit]) {
        hits.arrange_by_key(|hit| hit.start);
        let mut rest = &*hits;
        let mut own: Vec<Hit> = Vec::new();
        for string in strings {
            let span = string.span();
            let start = (span.start + 1).saturating_sub(self.base + from);
            let end = span.end.saturating_sub(self.base + from);
            own.clear();
            while let Some((hit, others)) = rest.split_first().filter(|(hit, _)| hit.start < end) {
                if hit.start >= start {
                    own.push(Hit { start: hit.start - start, end: hit.end - start, ..*hit });
                }
                rest = others;
            }
            self.string(string, string.raw_str().unwrap_or_default(), &own);
        }
    }

    /// Examines one string, and what the key before it says about it.
    fn string(&mut self, string: Value<'d>, content: &str, hits: &[Hit]) {
        if !string.is_key() {
            self.split(string, content);
        }
        let before = self.key.take();
        let scanners = self.examination.scanners;
        // The name is not known yet; no gate asks for it.
        let (tool, context) = (self.site.tool, self.site.context);
        let input = Input { text: content, member: None, tool, context, role: None };
        let look = scanners.look(&input);
        let command = std::mem::take(&mut self.command);
        let is_key = string.is_key();
        if is_key && self.commands {
            self.command = matches!(content.as_bytes(), [b'b' | b'c' | b's', ..]) && COMMANDS.contains(&content);
        }
        let quiet = hits.is_empty() && before.is_none() && self.named.is_none() && look.is_plain(content);
        if quiet && !command {
            if is_key && self.commands {
                self.number(string, content, hits);
            }
            return;
        }
        let mut found = Vec::new();
        // A keyword may end with the quote that closes a key (`key"`).
        let (within, of_key) = (content.len(), content.len() + 1);
        if let Some((key, key_hits)) = before
            && self.is_member(key, string)
            && let Some(name) = key.as_str()
        {
            let mut pass = Pass::default();
            scanners.patterns.verify_member(&name, &key_hits, content, &mut pass);
            found.append(&mut pass.found);
            self.examination.keyed = self.triggered(&key_hits);
        }
        if command {
            self.examination.keyed |= scanners.bits(&["destructive", "exfil", "bulk", "privesc"]);
        }
        self.locator.seek(string);
        let member = match is_key {
            false => self.locator.key(),
            // An operator says what it does to the member that it stands in.
            true => self.locator.outer_key().filter(|_| content.starts_with('$')),
        };
        let member = member.and_then(Value::as_str);
        if let Some((name, name_hits)) = self.named.take_if(|_| !is_key)
            && VALUES.iter().any(|known| member.as_deref() == Some(known))
            && self.is_pair(name, string)
            && let Some(name) = name.as_str()
        {
            let mut pass = Pass::default();
            scanners.patterns.verify_member(&name, &name_hits, content, &mut pass);
            found.append(&mut pass.found);
        }
        let role = if is_key { None } else { self.words.role(string) };
        let input = Input { member: member.as_deref(), role, ..input };
        let inside: Vec<Hit> = hits.iter().copied().filter(|hit| hit.end <= within).collect();
        if !is_key || !self.clean.contains(&content) {
            self.examination.examine(&input, &inside, look, &mut Budget::of(content.len()), &mut found);
        }
        self.examination.keyed = 0;
        let named: Vec<Hit> = hits.iter().copied().filter(|hit| hit.end <= of_key).collect();
        if is_key {
            if let Some(name) = string.raw_str()
                && found.is_empty()
                && !string.has_escapes()
                && self.clean.len() < MAX_CLEAN
                && !self.clean.contains(&name)
            {
                self.clean.push(name);
            }
            self.number(string, content, &named);
            self.key = (!named.is_empty()).then_some((string, named));
        } else if !named.is_empty() && NAMES.iter().any(|known| member.as_deref() == Some(known)) {
            self.named = Some((string, named));
        }
        self.emit(string, content, found);
    }

    /// Looks at short strings together with their neighbours.
    fn split(&mut self, string: Value<'d>, content: &str) {
        let Some(mut split) = self.split.take() else { return };
        let gap = self.last.and_then(|last| self.between(last, string));
        self.locator.seek(string);
        let (examination, site) = (&mut self.examination, self.site);
        let mut parts = split.next(string, content, gap, examination, site);
        parts.extend(self.words.next(string, &self.locator, examination, site));
        self.last = Some(string);
        self.split = Some(split);
        self.emit_parts(parts);
    }

    /// Looks at what is left, and says whether anything was looked at together.
    fn end_of_split(&mut self) -> bool {
        let Some(mut split) = self.split.take() else { return false };
        let parts = split.finish(&mut self.examination, self.site);
        self.emit_parts(parts);
        true
    }

    fn emit_parts(&mut self, parts: Vec<Part<'d>>) {
        for part in parts {
            // The walk's own locator has passed it.
            let (mut locator, site) = (Locator::new(self.root), self.site);
            let mut locate = || {
                locator.seek(part.value);
                format!("{}{}", site.base, locator.location())
            };
            let (out, value) = (&mut *self.out, part.value);
            let scanners = self.examination.scanners;
            scanners.settle(site, &part.content, vec![part.candidate], &mut locate, |finding| {
                if !out.iter().any(|known| known.value.span() == value.span() && known.finding == finding) {
                    out.push(Located { finding, value });
                }
            });
        }
    }

    /// Shows a number to the detectors whose trigger stands in its key.
    fn number(&mut self, key: Value<'d>, name: &str, hits: &[Hit]) {
        let mut keyed = self.triggered(hits);
        if keyed == 0 && !self.commands {
            return;
        }
        // Most values are none; a look at the next bytes says so.
        let behind = self.text.as_bytes().get(key.span().end.saturating_sub(self.base)..).unwrap_or_default();
        let next = behind.iter().find(|byte| !byte.is_ascii_whitespace() && **byte != b':');
        if !next.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b't')) {
            return;
        }
        let Some(value) = key.member_value() else { return };
        match value.kind() {
            // How many are wanted, whatever the name is.
            Kind::Number if self.commands && value.raw().len() >= LARGE && bulk::says_how_many(name) => {
                keyed |= self.bulk();
            }
            Kind::Number | Kind::True => {}
            _ => return,
        }
        if keyed == 0 {
            return;
        }
        let (tool, context) = (self.site.tool, self.site.context);
        let input = Input { text: value.raw(), member: Some(name), tool, context, role: self.words.role(value) };
        let mut found = Vec::new();
        let scanners = self.examination.scanners;
        self.examination.keyed = keyed;
        self.examination.examine(&input, &[], scanners.look(&input), &mut Budget::of(0), &mut found);
        self.examination.keyed = 0;
        self.emit(value, value.raw(), found);
    }

    fn emit(&mut self, value: Value<'d>, content: &str, found: Vec<super::verify::Candidate>) {
        let (out, locator, site) = (&mut *self.out, &mut self.locator, self.site);
        let mut locate = || {
            locator.seek(value);
            format!("{}{}", site.base, locator.location())
        };
        let scanners = self.examination.scanners;
        scanners.settle(site, content, found, &mut locate, |finding| out.push(Located { finding, value }));
    }

    fn bulk(&self) -> u32 {
        self.examination.scanners.bits(&["bulk"])
    }

    fn triggered(&self, hits: &[Hit]) -> u32 {
        let bits = hits.iter().filter_map(|hit| self.examination.scanners.triggered.get(hit.keyword));
        bits.fold(0, |all, bits| all | bits)
    }

    /// True if `string` is the value of `key`, or the first of an array that is.
    fn is_member(&self, key: Value<'d>, string: Value<'d>) -> bool {
        string.kind() == Kind::String
            && self
                .between(key, string)
                .is_some_and(|gap| gap.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b':' | b'[')))
    }

    /// True if `string` stands in the same object as the string `name`, not far behind it.
    fn is_pair(&self, name: Value<'d>, string: Value<'d>) -> bool {
        string.kind() == Kind::String
            && self.between(name, string).is_some_and(|gap| {
                gap.len() <= PAIR && !gap.bytes().any(|byte| matches!(byte, b'{' | b'}' | b'[' | b']'))
            })
    }

    fn between(&self, first: Value<'d>, second: Value<'d>) -> Option<&'d str> {
        self.text.get(first.span().end.saturating_sub(self.base)..second.span().start.saturating_sub(self.base))
    }
}

/// Members that hold a command.
const COMMANDS: [&str; 8] = ["command", "cmd", "commands", "script", "shell", "bash", "command_line", "commandLine"];
/// Digits of a number that may say how many are wanted.
const LARGE: usize = 5;
/// Most names that are kept as clean.
const MAX_CLEAN: usize = 32;
/// Members that name what stands in the next one.
const NAMES: [&str; 4] = ["name", "key", "variable", "header"];
/// Members whose name stands in the one before.
const VALUES: [&str; 4] = ["value", "val", "content", "default"];
/// Farthest that the value of a pair stands behind its name, in bytes.
const PAIR: usize = 64;
