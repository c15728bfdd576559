//! A walk over the strings of a message.

use std::borrow::Cow;

use super::bulk;
use super::decode::Budget;
use super::detect::Input;
use super::names::{Known, Names};
use super::prefilter::Hit;
use super::scanner::{Examination, Look, Running, Scanners};
use super::shell::Role;
use super::split::{Part, Split};
use super::verify::Pass;
use super::words::{Key, READ, Words};
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
        key_hits: Vec::new(),
        named: None,
        split: Split::applies(site).then(Split::default),
        words: Words::new(scanners, site),
        last: None,
        home: None,
        passed: None,
        names: Names::new(),
        commands: site.context.direction == Direction::Request,
        command: false,
        readers: scanners.bits(&READ),
        bulk: scanners.bits(&["bulk"]),
        out,
    };
    let mut strings = value.strings().peekable();
    let mut hits: Vec<Hit> = Vec::new();
    let mut run = Vec::new();
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
            scanners.prefilter.scan(content.as_bytes(), &mut hits);
            content.truncate(length);
            scanners.sift(&mut hits);
            walk.string(first, &content, &hits);
            continue;
        }
        let from = first.span().start - base;
        run.clear();
        while run.len() < MAX_RUN
            && let Some(string) = strings.next_if(|string| !string.has_escapes())
        {
            run.push(string);
        }
        let to = run.last().map_or(from, |last| last.span().end - base);
        scanners.prefilter.scan(text.as_bytes().get(from..to).unwrap_or_default(), &mut hits);
        walk.run(&run, from, &mut hits);
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
    /// The key just passed, if it has keywords.
    key: Option<Value<'d>>,
    /// The keywords in it.
    key_hits: Vec<Hit>,
    /// The string just passed that may be the name of a pair (`{"name": "API_KEY", "value": "…"}`), its keywords in it.
    named: Option<(Value<'d>, Vec<Hit>)>,
    /// Short strings next to each other, where they are looked at together.
    split: Option<Split<'d>>,
    /// The words of the command that the walk is in.
    words: Words,
    /// The string before whose member was asked for, keys left out.
    last: Option<Value<'d>>,
    /// That member.
    home: Option<(Value<'d>, Known)>,
    /// The key before.
    passed: Option<(Value<'d>, Known)>,
    /// Names of members that stood before.
    names: Names<'d>,
    /// Commands may stand in it.
    commands: bool,
    /// The key just passed names a command: its readers need no trigger.
    command: bool,
    /// The detectors that read commands, as bits.
    readers: u32,
    /// The one that asks how many are wanted.
    bulk: u32,
    out: &'o mut Vec<Located<'d>>,
}

impl<'d> Walk<'_, 'd, '_, '_> {
    /// Deals out the hits in a run of strings without escapes, found from byte `from` on, to the
    /// strings they lie in.
    fn run(&mut self, strings: &[Value<'d>], from: usize, hits: &mut [Hit]) {
        hits.arrange_by_key(|hit| hit.start);
        let mut rest = &*hits;
        let mut own: Vec<Hit> = Vec::new();
        for string in strings.iter().copied() {
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
            if !own.is_empty() {
                self.examination.scanners.sift(&mut own);
            }
            self.string(string, string.raw_str().unwrap_or_default(), &own);
        }
    }

    /// Examines one string: most are done with after one look.
    fn string(&mut self, string: Value<'d>, content: &str, hits: &[Hit]) {
        let command = std::mem::take(&mut self.command);
        if string.is_key() {
            return self.name(string, content, hits, command);
        }
        self.split(string, content);
        let look = self.examination.scanners.look(content, self.site.context);
        if hits.is_empty()
            && self.named.is_none()
            && !command
            && look.is_plain(content)
            && (self.key.is_none() || look.stamp && self.is_moot())
        {
            self.key = None;
            return;
        }
        if command {
            self.examination.keyed = self.readers;
        }
        self.closely(string, content, hits, look);
    }

    /// Examines the name of a member, which may have been judged before.
    fn name(&mut self, name: Value<'d>, content: &str, hits: &[Hit], command: bool) {
        // How it is written says what it is only where it has no escapes.
        let known = self.names.get(content).filter(|_| !name.has_escapes());
        self.passed = known.map(|known| (name, known));
        if let Some(known) = known.filter(|known| known.clean) {
            return self.keep(name, content, hits, known);
        }
        let look = self.examination.scanners.look(content, self.site.context);
        if hits.is_empty() && !command && look.is_plain(content) {
            let known = self.learn(name, true);
            return self.keep(name, content, hits, known);
        }
        if command {
            self.examination.keyed = self.readers;
        }
        self.closely(name, content, hits, look);
    }

    /// Goes on from a name in which nothing was found, or that was dealt with.
    fn keep(&mut self, name: Value<'d>, content: &str, hits: &[Hit], known: Known) {
        self.command = self.commands && known.command;
        self.key = None;
        if !hits.is_empty() {
            // A keyword may end with the quote that closes a key (`key"`).
            let of_key = content.len() + 1;
            self.key_hits.clear();
            self.key_hits.extend(hits.iter().filter(|hit| hit.end <= of_key));
            self.key = (!self.key_hits.is_empty()).then_some(name);
        }
        self.number(name, content, known);
    }

    /// True if the keywords in the key before matter to readers of commands alone.
    fn is_moot(&self) -> bool {
        let patterns = &self.examination.scanners.patterns.of_keyword;
        self.triggered(&self.key_hits) & !self.readers == 0
            && self.key_hits.iter().all(|hit| patterns.get(hit.keyword).is_none_or(Vec::is_empty))
    }

    /// Examines one string, and what the key before it says about it.
    #[inline(never)]
    fn closely(&mut self, string: Value<'d>, content: &str, hits: &[Hit], look: Look) {
        let is_key = string.is_key();
        let before = self.key.take();
        let scanners = self.examination.scanners;
        let (tool, context) = (self.site.tool, self.site.context);
        let mut found = Vec::new();
        if let Some(key) = before
            && self.is_member(key, string)
            && let Some(name) = key.as_str()
        {
            let mut pass = Pass::default();
            scanners.patterns.verify_member(&name, &self.key_hits, content, &mut pass);
            found.append(&mut pass.found);
            self.examination.keyed |= self.triggered(&self.key_hits);
        }
        let home = if is_key { None } else { self.home(string) };
        let member = match home {
            // An operator says what it does to the member that it stands in.
            None if is_key && content.starts_with(OPERATOR) => {
                self.locator.seek(string);
                self.locator.outer_key()
            }
            None => None,
            Some((key, _)) => Some(key),
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
        let word = if is_key { None } else { self.words.role(string) };
        let role = word.or_else(|| home.and_then(|(_, known)| known.role));
        let input = Input { text: content, member: member.as_deref(), tool, context, role, parsed: None };
        let inside = up_to(hits, content.len());
        self.examination.examine(&input, &inside, look, &mut Budget::of(content.len()), &mut found);
        self.examination.keyed = 0;
        if is_key {
            let known = self.learn(string, found.is_empty());
            self.keep(string, content, hits, known);
        } else if !hits.is_empty() && NAMES.iter().any(|known| member.as_deref() == Some(known)) {
            let named = up_to(hits, content.len() + 1);
            if !named.is_empty() {
                self.named = Some((string, named.into_owned()));
            }
        }
        self.emit(string, content, found);
    }

    /// Keeps what was found out about a name.
    fn learn(&mut self, name: Value<'d>, clean: bool) -> Known {
        let raw = name.raw_str().unwrap_or_default();
        let before = self.names.get(raw);
        let mut known = before.unwrap_or_else(|| {
            let name = name.as_str().unwrap_or_default();
            let role = self.words.reads().then(|| Role::of_member(Some(&name), self.site.tool));
            Known {
                clean: false,
                words: role.and_then(|role| Key::of(&name, role)),
                role,
                command: COMMANDS.contains(&&*name),
                amount: bulk::says_how_many(&name),
            }
        });
        // What an operator is depends on where it stands.
        known.clean |= clean && !name.has_escapes() && !raw.starts_with(OPERATOR);
        self.names.set(raw, known);
        self.passed = Some((name, known));
        known
    }

    /// The name of the member that a string is in, directly or in an array, and what is known about it.
    fn home(&mut self, string: Value<'d>) -> Option<(Value<'d>, Known)> {
        let passed = self.passed.filter(|(key, _)| string.is_next_to(*key));
        let same = |last: Value<'_>| string.is_next_to(last) || last.span() == string.span();
        if passed.is_some() {
            self.home = passed;
        } else if !self.last.is_some_and(same) {
            self.home = self.home_of(string);
        }
        self.last = Some(string);
        self.home
    }

    #[inline(never)]
    fn home_of(&mut self, string: Value<'d>) -> Option<(Value<'d>, Known)> {
        let key = match string.key_before().filter(|key| key.span().start >= self.base) {
            Some(key) => key,
            None => {
                self.locator.seek(string);
                self.locator.key()?
            }
        };
        let known = self.names.get(key.raw_str().unwrap_or_default());
        Some((key, known.unwrap_or_else(|| self.learn(key, false))))
    }

    /// Looks at short strings together with their neighbours.
    fn split(&mut self, string: Value<'d>, content: &str) {
        let Some(done) = self.split.as_ref().map(Split::is_done) else { return };
        // Nothing asks later where such a string stands: it is in no array.
        if done && self.passed.as_ref().is_some_and(|(key, known)| known.words.is_none() && string.is_next_to(*key)) {
            return;
        }
        let gap = self.last.filter(|_| !done).and_then(|last| self.between(last, string));
        let home = self.home(string);
        let mut parts = Vec::new();
        if let Some(split) = self.split.as_mut().filter(|_| !done) {
            parts = split.next(string, content, gap, &mut self.examination, self.site);
        }
        if let Some(key) = home.and_then(|(_, known)| known.words) {
            self.locator.seek(string);
            parts.extend(self.words.next(string, key, &self.locator, &mut self.examination, self.site));
        }
        if !parts.is_empty() {
            self.emit_parts(parts);
        }
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

    /// Shows a number, or a flag that is set, to the detectors whose trigger stands in its key.
    fn number(&mut self, key: Value<'d>, name: &str, known: Known) {
        let mut keyed = if self.key.is_some() { self.triggered(&self.key_hits) } else { 0 };
        let amount = known.amount.filter(|_| self.commands);
        if keyed == 0 && amount.is_none() {
            return;
        }
        // Most values are none; a look at the next bytes says so.
        let behind = self.text.as_bytes().get(key.span().end.saturating_sub(self.base)..).unwrap_or_default();
        let next = behind.iter().find(|byte| !byte.is_ascii_whitespace() && **byte != b':');
        if !next.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b't')) {
            return;
        }
        let Some(value) = key.member_value() else { return };
        match (value.kind(), amount) {
            // How many are wanted, whatever the name is.
            (Kind::Number, Some(amount)) if amount.may_be(value.raw()) => keyed |= self.bulk,
            (Kind::Number | Kind::True, _) => {}
            _ => return,
        }
        if keyed == 0 {
            return;
        }
        let (tool, context) = (self.site.tool, self.site.context);
        let role = self.words.role(value);
        let input = Input { text: value.raw(), member: Some(name), tool, context, role, parsed: None };
        let mut found = Vec::new();
        let look = self.examination.scanners.look(input.text, context);
        self.examination.keyed = keyed;
        self.examination.examine(&input, &[], look, &mut Budget::of(0), &mut found);
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
        // Many are not moved again and again; that there are fewer in the end costs nothing.
        out.reserve(found.len().min(content.len() / 8));
        scanners.settle(site, content, found, &mut locate, |finding| out.push(Located { finding, value }));
    }

    fn triggered(&self, hits: &[Hit]) -> u32 {
        let bits = hits.iter().filter_map(|hit| self.examination.scanners.triggered.get(hit.keyword));
        bits.fold(0, |all, bits| all | bits & !Running::HINTS)
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

/// The hits that end by `end`: nearly always all.
fn up_to(hits: &[Hit], end: usize) -> Cow<'_, [Hit]> {
    if hits.iter().all(|hit| hit.end <= end) {
        return Cow::Borrowed(hits);
    }
    Cow::Owned(hits.iter().copied().filter(|hit| hit.end <= end).collect())
}

/// Most strings that are scanned at once: what is kept of them stays small.
const MAX_RUN: usize = 2048;
/// What the names of operators of a database begin with.
const OPERATOR: char = '$';
/// Members that hold a command.
const COMMANDS: [&str; 8] = ["command", "cmd", "commands", "script", "shell", "bash", "command_line", "commandLine"];
/// Members that name what stands in the next one.
const NAMES: [&str; 4] = ["name", "key", "variable", "header"];
/// Members whose name stands in the one before.
const VALUES: [&str; 4] = ["value", "val", "content", "default"];
/// Farthest that the value of a pair stands behind its name, in bytes.
const PAIR: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scanner::DETECTORS;
    use crate::scan::testing;

    #[test]
    fn who_reads_commands_finds_nothing_in_a_time() {
        let readers = || DETECTORS.into_iter().filter(|detector| READ.contains(&detector.name));
        let triggers: Vec<&str> = readers().flat_map(|detector| (detector.triggers)()).collect();
        for detector in readers() {
            for member in triggers.iter().copied().chain(COMMANDS).chain(["updated_at", "$where", "path", "url", "sql"])
            {
                for time in ["2026-03-21T09:26:53Z", "2026-03-21T09:26:53.123456789+02:00", "0000-00-00T99:99:99--"] {
                    for tool in ["bash", "execute_sql", "export_data", "fetch"] {
                        assert!(testing::found(detector, time, Some(member), Some(tool)).is_empty(), "{member}");
                    }
                }
            }
        }
    }
}
