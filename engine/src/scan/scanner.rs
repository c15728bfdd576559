//! The compiled scanners and their one pass over a text.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::checks::{Words, contains_folded, entropy, holds, is_filler};
use super::generic::{self, Assignment, Link};
use super::pattern::Pattern;
use super::prefilter::{GRAM, Hit, Prefilter};
use super::rule::{Matcher, Rule};
use super::structured::{self, Look};
use super::{Context, Direction, Finding, Located, ScanAction, ScanConfigError, ScannersConfig, SecretsConfig};
use crate::json::{Kind, Value};

/// All scanners of a configuration, compiled: shared by every message.
#[derive(Debug)]
pub struct Scanners {
    prefilter: Prefilter,
    /// For each keyword the rules that it belongs to.
    of_keyword: Vec<Vec<usize>>,
    rules: Vec<Compiled>,
    plans: Vec<Plan>,
}

impl Scanners {
    /// Compiles the scanners of a configuration.
    ///
    /// # Errors
    /// [`ScanConfigError`] names the place in the configuration: an unknown rule id, a bad pattern.
    pub fn compile(config: &ScannersConfig) -> Result<Self, ScanConfigError> {
        let mut builder = Builder::default();
        if config.secrets.enabled {
            builder.secrets(&config.secrets)?;
        }
        Ok(builder.finish())
    }

    /// True if no rule is on: nothing needs to be scanned.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty()
    }

    /// The ids of the rules that are on, with the name of their scanner.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.rules.iter().map(|rule| (self.plan(rule).name, rule.id.as_ref()))
    }

    /// Scans one text and appends what was found, in the order of the text and without overlaps.
    pub fn scan_text(&self, context: Context, text: &str, out: &mut Vec<Finding>) {
        self.scan_text_counted(context, text, out);
    }

    /// Like [`Scanners::scan_text`]; returns how many steps of verification were taken, for tests
    /// that show the work to be linear.
    #[doc(hidden)]
    pub fn scan_text_counted(&self, context: Context, text: &str, out: &mut Vec<Finding>) -> u64 {
        let mut pass = Pass::default();
        self.prefilter.scan(text.as_bytes(), |hit| self.verify(text.as_bytes(), hit, &mut pass));
        self.settle(context, text, pass.found, |finding| out.push(finding));
        pass.work
    }

    /// How many keywords the first pass finds in a text: for measuring that pass alone.
    #[doc(hidden)]
    #[must_use]
    pub fn count_hits(&self, text: &str) -> usize {
        let mut count = 0;
        self.prefilter.scan(text.as_bytes(), |_| count += 1);
        count
    }

    /// Scans every string and key within `value` and appends what was found, in the order of the text.
    pub fn scan_value<'d>(&self, context: Context, value: Value<'d>, out: &mut Vec<Located<'d>>) {
        if self.is_idle() {
            return;
        }
        let text = value.raw();
        let base = value.span().start;
        let mut walk = Walk { scanners: self, context, text, base, key: None, out };
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
                self.prefilter.scan(content.as_bytes(), |hit| hits.push(hit));
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
            self.prefilter.scan(text.as_bytes().get(from..to).unwrap_or_default(), |hit| hits.push(hit));
            walk.run(run.take_while(|string| !string.has_escapes()), from, &mut hits);
        }
    }

    /// Looks at the value of a member whose key holds keywords.
    fn verify_member(&self, name: &str, hits: &[Hit], value: &str, pass: &mut Pass) {
        for hit in hits {
            let trimmed = name.as_bytes().get(hit.start..hit.end.min(name.len())).unwrap_or_default();
            let length = trimmed.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
            let hit = &Hit { end: hit.start + length, ..*hit };
            if !generic::is_component(name.as_bytes(), &(hit.start..hit.end)) {
                continue;
            }
            let assignment = Assignment {
                name: name.as_bytes(),
                keyword_end: hit.end.min(name.len()),
                range: 0..value.len(),
                value: value.as_bytes(),
                link: Link::Member,
                quoted: true,
            };
            for index in self.of_keyword.get(hit.keyword).into_iter().flatten() {
                let Some(rule) = self.rules.get(*index) else { continue };
                pass.work += 1;
                match rule.matcher {
                    Matcher::Password | Matcher::Token | Matcher::Named
                        if generic::is_credential(rule.matcher, &assignment, rule.entropy)
                            && rule.accepts(value.as_bytes()) =>
                    {
                        pass.add(*index, 0..value.len());
                    }
                    Matcher::Assigned => {
                        let Some(pattern) = &rule.pattern else { continue };
                        if let Some(found) = pattern.match_at(value.as_bytes(), 0, rule.group, &mut pass.work)
                            && found.whole.end == value.len()
                            && rule.accepts(value.as_bytes().get(found.secret.clone()).unwrap_or_default())
                        {
                            pass.add(*index, found.secret);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Verifies the rules of one keyword hit.
    fn verify(&self, text: &[u8], hit: Hit, pass: &mut Pass) {
        for index in self.of_keyword.get(hit.keyword).into_iter().flatten() {
            let Some(rule) = self.rules.get(*index) else { continue };
            pass.work += 1;
            if pass.is_covered(*index, hit.start, self.rules.len()) {
                continue;
            }
            match rule.matcher {
                Matcher::Pattern => self.verify_pattern(*index, rule, text, hit, pass),
                Matcher::Assigned => self.verify_assigned(*index, rule, text, hit, pass),
                Matcher::Password | Matcher::Token | Matcher::Named => {
                    if rule.matcher != Matcher::Password
                        && let Some(joined) = generic::joined(text, hit.start..hit.end)
                        && generic::is_credential(Matcher::Token, &joined, rule.entropy)
                    {
                        pass.cover(*index, joined.range.end);
                        pass.add(*index, joined.range);
                        continue;
                    }
                    let Some(assignment) = generic::assignment(text, hit.start..hit.end) else { continue };
                    pass.work += (assignment.name.len() + assignment.value.len()) as u64;
                    if generic::is_credential(rule.matcher, &assignment, rule.entropy) && rule.accepts(assignment.value)
                    {
                        pass.add(*index, assignment.range.clone());
                        pass.cover(*index, assignment.range.end);
                    } else if assignment.value.len() > COVER {
                        pass.cover(*index, assignment.range.end);
                    }
                }
                Matcher::PrivateKey => {
                    self.look(*index, rule, text, structured::private_key(text, hit.start, hit.end), hit, pass);
                }
                Matcher::Jwk => self.look(*index, rule, text, structured::jwk(text, hit.start), hit, pass),
                Matcher::Jwt => self.look(*index, rule, text, structured::jwt(text, hit.start), hit, pass),
                Matcher::UrlCredentials => {
                    self.look(*index, rule, text, structured::url_credentials(text, hit.end), hit, pass);
                }
            }
        }
    }

    fn look(&self, index: usize, rule: &Compiled, text: &[u8], look: Look, hit: Hit, pass: &mut Pass) {
        pass.work += look.seen.saturating_sub(hit.start) as u64;
        pass.cover(index, look.seen);
        if let Some(secret) = look.secret
            && rule.accepts(text.get(secret.clone()).unwrap_or_default())
        {
            pass.add(index, secret);
        }
    }

    fn verify_pattern(&self, index: usize, rule: &Compiled, text: &[u8], hit: Hit, pass: &mut Pass) {
        let Some(pattern) = &rule.pattern else { return };
        for start in hit.start.saturating_sub(rule.lead)..=hit.start {
            let inside = |index: usize| text.get(index).is_some_and(u8::is_ascii_alphanumeric);
            if rule.at_boundary && start > 0 && inside(start - 1) && inside(start) {
                continue;
            }
            let Some(found) = pattern.match_at(text, start, rule.group, &mut pass.work) else { continue };
            if found.whole.len() > COVER {
                pass.cover(index, found.whole.end);
            }
            if rule.accepts(text.get(found.secret.clone()).unwrap_or_default()) {
                pass.cover(index, found.whole.end);
                pass.add(index, found.secret);
            }
            return;
        }
    }

    /// Tries the pattern at every start of a word behind the keyword.
    fn verify_assigned(&self, index: usize, rule: &Compiled, text: &[u8], hit: Hit, pass: &mut Pass) {
        let Some(pattern) = &rule.pattern else { return };
        let end = text.len().min(hit.end + REACH);
        let mut inside = true;
        for at in hit.end..end {
            let Some(byte) = text.get(at) else { return };
            let word = is_word_byte(*byte);
            if word
                && !inside
                && let Some(found) = pattern.match_at(text, at, rule.group, &mut pass.work)
                && !text.get(found.whole.end).is_some_and(|next| is_word_byte(*next))
                && rule.accepts(text.get(found.secret.clone()).unwrap_or_default())
            {
                pass.cover(index, found.whole.end);
                pass.add(index, found.secret);
                return;
            }
            inside = word;
        }
        pass.work += REACH as u64;
    }

    /// Orders what was found, merges what overlaps, and gives each finding its action.
    fn settle(&self, context: Context, text: &str, mut found: Vec<Candidate>, mut emit: impl FnMut(Finding)) {
        if found.is_empty() {
            return;
        }
        found.sort_unstable_by_key(|candidate| (candidate.range.start, candidate.range.end, candidate.rule));
        let mut best: Option<Candidate> = None;
        for next in found {
            best = Some(match best {
                None => next,
                Some(held) if next.range.start < held.range.end => {
                    // All of both is hidden, under the name that says most.
                    let range = held.range.start..held.range.end.max(next.range.end);
                    let winner = if self.rank(&next) > self.rank(&held) { next } else { held };
                    Candidate { range, ..winner }
                }
                Some(held) => {
                    self.finish(context, text, held, &mut emit);
                    next
                }
            });
        }
        if let Some(held) = best {
            self.finish(context, text, held, &mut emit);
        }
    }

    fn finish(&self, context: Context, text: &str, candidate: Candidate, emit: &mut impl FnMut(Finding)) {
        let Some(rule) = self.rules.get(candidate.rule) else { return };
        if context.direction == Direction::Response
            && rule.checks.contains(&super::Check::NotDocumented)
            && text.as_bytes().get(candidate.range.clone()).is_some_and(|secret| contains_folded(secret, b"example"))
        {
            return;
        }
        let plan = self.plan(rule);
        let (mut start, mut end) = (candidate.range.start, candidate.range.end);
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end += 1;
        }
        emit(Finding {
            scanner: plan.name,
            rule: Arc::clone(&rule.id),
            severity: rule.severity,
            action: match context.direction {
                Direction::Request => plan.request,
                Direction::Response => plan.response,
            },
            range: start..end,
            placeholder: Arc::clone(&rule.placeholder),
        });
    }

    /// What wins where findings overlap: the more specific, then the more severe, then the first rule.
    fn rank(&self, candidate: &Candidate) -> (u8, super::Severity, std::cmp::Reverse<usize>) {
        let (specific, severity) = self.rules.get(candidate.rule).map_or((0, super::Severity::Low), |rule| {
            let specific = match rule.matcher {
                Matcher::Pattern | Matcher::PrivateKey | Matcher::Jwk => 4,
                Matcher::Jwt => 3,
                Matcher::Assigned | Matcher::UrlCredentials => 2,
                Matcher::Password | Matcher::Token => 1,
                Matcher::Named => 0,
            };
            (specific, rule.severity)
        });
        (specific, severity, std::cmp::Reverse(candidate.rule))
    }

    fn plan(&self, rule: &Compiled) -> &Plan {
        self.plans.get(rule.plan).unwrap_or(&Plan::NONE)
    }
}

/// A walk over the strings of one value.
struct Walk<'s, 'd, 'o> {
    scanners: &'s Scanners,
    context: Context,
    text: &'d str,
    base: usize,
    /// The key just passed and the keywords in it, if there are any.
    key: Option<(Value<'d>, Vec<Hit>)>,
    out: &'o mut Vec<Located<'d>>,
}

impl<'d> Walk<'_, 'd, '_> {
    /// Deals out the hits in a run of strings without escapes, found from byte `from` on, to the
    /// strings they lie in.
    fn run(&mut self, strings: impl Iterator<Item = Value<'d>>, from: usize, hits: &mut [Hit]) {
        if hits.is_empty() && self.key.is_none() {
            return;
        }
        hits.sort_unstable_by_key(|hit| hit.start);
        let mut rest = &*hits;
        let mut own: Vec<Hit> = Vec::new();
        for string in strings {
            let span = string.span();
            let start = (span.start + 1).saturating_sub(self.base + from);
            let end = span.end.saturating_sub(self.base + from);
            let skipped = rest.iter().position(|hit| hit.start >= start).unwrap_or(rest.len());
            rest = rest.get(skipped..).unwrap_or_default();
            let count = rest.iter().position(|hit| hit.start >= end).unwrap_or(rest.len());
            let (mine, others) = rest.split_at_checked(count).unwrap_or_default();
            rest = others;
            own.clear();
            own.extend(mine.iter().map(|hit| Hit { start: hit.start - start, end: hit.end - start, ..*hit }));
            if !own.is_empty() || self.key.is_some() {
                self.string(string, string.raw_str().unwrap_or_default(), &own);
            }
            if rest.is_empty() && self.key.is_none() {
                return;
            }
        }
    }

    /// Verifies the hits in one string, and what the key before it says about it.
    fn string(&mut self, string: Value<'d>, content: &str, hits: &[Hit]) {
        let mut pass = Pass::default();
        // A keyword may end with the quote that closes a key (`key"`).
        let (within, of_key) = (content.len(), content.len() + 1);
        hits.iter()
            .filter(|hit| hit.end <= within)
            .for_each(|hit| self.scanners.verify(content.as_bytes(), *hit, &mut pass));
        if let Some((key, key_hits)) = self.key.take()
            && self.is_member(key, string)
            && let Some(name) = key.as_str()
        {
            self.scanners.verify_member(&name, &key_hits, content, &mut pass);
        }
        if string.is_key() {
            let named: Vec<Hit> = hits.iter().copied().filter(|hit| hit.end <= of_key).collect();
            self.key = (!named.is_empty()).then_some((string, named));
        }
        let out = &mut *self.out;
        self.scanners.settle(self.context, content, pass.found, |finding| out.push(Located { finding, value: string }));
    }

    /// True if `string` is the value of `key`, or the first of an array that is.
    fn is_member(&self, key: Value<'d>, string: Value<'d>) -> bool {
        let between = key.span().end.saturating_sub(self.base)..string.span().start.saturating_sub(self.base);
        string.kind() == Kind::String
            && self
                .text
                .get(between)
                .is_some_and(|gap| gap.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b':' | b'[')))
    }
}

/// What one scanner does with its findings.
#[derive(Debug)]
struct Plan {
    name: &'static str,
    request: ScanAction,
    response: ScanAction,
}

impl Plan {
    const NONE: Self = Self { name: "", request: ScanAction::Block, response: ScanAction::Block };
}

/// A rule ready to run.
#[derive(Debug)]
struct Compiled {
    plan: usize,
    id: Arc<str>,
    placeholder: Arc<str>,
    severity: super::Severity,
    matcher: Matcher,
    pattern: Option<Pattern>,
    lead: usize,
    group: usize,
    entropy: f64,
    checks: Vec<super::Check>,
    deny_words: Option<Words>,
    /// The pattern starts with `\\b`: within a word it need not be tried.
    at_boundary: bool,
}

impl Compiled {
    fn accepts(&self, secret: &[u8]) -> bool {
        let generic = matches!(self.matcher, Matcher::Password | Matcher::Token | Matcher::Named);
        // A generic rule has looked for fillers by itself, and at its own names.
        (generic || self.matcher == Matcher::PrivateKey || !is_filler(secret))
            && (self.entropy <= 0.0 || generic || entropy(secret) >= self.entropy)
            && self.checks.iter().all(|check| holds(*check, secret))
            && !self.deny_words.as_ref().is_some_and(|words| words.found_in(secret))
    }
}

/// What one pass over one text has found so far.
#[derive(Default)]
struct Pass {
    found: Vec<Candidate>,
    /// For each rule how far it needs not look again.
    covered: Vec<usize>,
    work: u64,
}

impl Pass {
    fn is_covered(&mut self, rule: usize, at: usize, rules: usize) -> bool {
        if self.covered.is_empty() {
            self.covered.resize(rules, 0);
        }
        self.covered.get(rule).is_some_and(|end| at < *end)
    }

    fn cover(&mut self, rule: usize, end: usize) {
        if let Some(covered) = self.covered.get_mut(rule) {
            *covered = end.max(*covered);
        }
    }

    fn add(&mut self, index: usize, range: Range<usize>) {
        if !range.is_empty() {
            self.found.push(Candidate { rule: index, range });
        }
    }
}

#[derive(Clone, Debug)]
struct Candidate {
    rule: usize,
    range: Range<usize>,
}

#[derive(Default)]
struct Builder {
    keywords: Vec<String>,
    known: HashMap<String, usize>,
    of_keyword: Vec<Vec<usize>>,
    rules: Vec<Compiled>,
    plans: Vec<Plan>,
}

impl Builder {
    fn secrets(&mut self, config: &SecretsConfig) -> Result<(), ScanConfigError> {
        let builtin: Vec<Rule> = serde_json::from_str(SECRETS)
            .map_err(|error| ScanConfigError { pointer: "/secrets".to_owned(), message: error.to_string() })?;
        for (index, id) in config.disable_rules.iter().enumerate() {
            if !builtin.iter().any(|rule| rule.id == *id) {
                return Err(ScanConfigError {
                    pointer: format!("/secrets/disable_rules/{index}"),
                    message: match nearest(id, builtin.iter().map(|rule| rule.id.as_str())) {
                        Some(near) => format!("there is no rule `{id}`; did you mean `{near}`?"),
                        None => format!("there is no rule `{id}`"),
                    },
                });
            }
        }
        let plan = self.plans.len();
        self.plans.push(Plan {
            name: "secrets",
            request: config.action(Direction::Request),
            response: config.action(Direction::Response),
        });
        for rule in &builtin {
            if !config.disable_rules.contains(&rule.id) {
                self.add(plan, rule, &format!("/secrets ({})", rule.id))?;
            }
        }
        for (index, rule) in config.custom_rules.iter().enumerate() {
            let pointer = format!("/secrets/custom_rules/{index}");
            let taken = builtin.iter().chain(config.custom_rules.iter().take(index)).any(|other| other.id == rule.id);
            if taken {
                return Err(ScanConfigError {
                    pointer: format!("{pointer}/id"),
                    message: format!("there is already a rule `{}`", rule.id),
                });
            }
            self.add(plan, rule, &pointer)?;
        }
        Ok(())
    }

    fn add(&mut self, plan: usize, rule: &Rule, pointer: &str) -> Result<(), ScanConfigError> {
        let refuse =
            |member: &str, message: String| ScanConfigError { pointer: format!("{pointer}/{member}"), message };
        if rule.id.is_empty() || !rule.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(refuse("id", "expected lower-case letters, digits and hyphens".to_owned()));
        }
        if rule.keywords.is_empty() {
            return Err(refuse("keywords", "expected at least one keyword".to_owned()));
        }
        if let Some(index) = rule.keywords.iter().position(|keyword| keyword.len() < GRAM || keyword.len() > 64) {
            return Err(refuse(&format!("keywords/{index}"), format!("expected {GRAM} to 64 bytes")));
        }
        let needs_pattern = matches!(rule.matcher, Matcher::Pattern | Matcher::Assigned);
        if needs_pattern && rule.pattern.is_empty() {
            return Err(refuse("pattern", "this matcher needs a pattern".to_owned()));
        }
        let pattern = match needs_pattern {
            true => Some(Pattern::new(&rule.pattern).map_err(|message| refuse("pattern", message))?),
            false => None,
        };
        if rule.group > pattern.as_ref().map_or(0, Pattern::groups) {
            return Err(refuse("group", format!("the pattern has no capture group {}", rule.group)));
        }
        if rule.lead > MAX_LEAD {
            return Err(refuse("lead", format!("expected at most {MAX_LEAD}")));
        }
        if !(0.0..=8.0).contains(&rule.entropy) {
            return Err(refuse("entropy", "expected 0 to 8 bits per byte".to_owned()));
        }
        let index = self.rules.len();
        for keyword in &rule.keywords {
            let folded = keyword.to_ascii_lowercase();
            let slot = *self.known.entry(folded.clone()).or_insert_with(|| {
                self.keywords.push(folded);
                self.of_keyword.push(Vec::new());
                self.of_keyword.len() - 1
            });
            if let Some(rules) = self.of_keyword.get_mut(slot)
                && rules.last() != Some(&index)
            {
                rules.push(index);
            }
        }
        let word = rule.placeholder.as_deref().unwrap_or(&rule.id);
        self.rules.push(Compiled {
            plan,
            id: Arc::from(rule.id.as_str()),
            placeholder: Arc::from(format!("[REDACTED:{word}]")),
            severity: rule.severity,
            matcher: rule.matcher,
            pattern,
            lead: rule.lead,
            group: rule.group,
            entropy: rule.entropy,
            checks: rule.checks.clone(),
            deny_words: (!rule.deny_words.is_empty())
                .then(|| Words::new(&rule.deny_words.iter().map(String::as_str).collect::<Vec<_>>())),
            at_boundary: rule.pattern.starts_with(r"\b"),
        });
        Ok(())
    }

    fn finish(self) -> Scanners {
        Scanners {
            prefilter: Prefilter::new(&self.keywords),
            of_keyword: self.of_keyword,
            rules: self.rules,
            plans: self.plans,
        }
    }
}

/// The name nearest to `wanted` by edit distance, if one is near.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|name| (distance(wanted, name), name))
        .min()
        .filter(|(distance, _)| *distance <= wanted.len().max(3) / 2)
        .map(|(_, name)| name)
}

/// Levenshtein's distance between two texts, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            left = (left + 1).min(above + 1).min(diagonal + usize::from(x != y));
            diagonal = above;
            *cell = left;
        }
        if let Some(cell) = row.first_mut() {
            *cell = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The built-in rules of the scanner `secrets`.
const SECRETS: &str = include_str!("../../rules/secrets.json");

/// How far behind its keyword an assigned value may start, in bytes.
const REACH: usize = 64;

/// What was looked at for longer than this is not looked at again.
const COVER: usize = 64;

const MAX_LEAD: usize = 96;
