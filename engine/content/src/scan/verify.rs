//! Rules with a pattern: from a keyword to what it announces.

use std::ops::Range;

use super::Check;
use super::assignment::{self, Assignment, Link};
use super::checks::{contains_folded, entropy, holds, is_filler};
use super::generic::{self, Reading};
use super::literals::Literals;
use super::pattern::Pattern;
use super::prefilter::Hit;
use super::rule::Matcher;
use super::structured::{self, Look};

/// The rules with a pattern of all scanners, by keyword.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// For each keyword the rules that it belongs to.
    pub(super) of_keyword: Vec<Vec<usize>>,
    pub(super) rules: Vec<Compiled>,
    /// For each keyword whether it means nothing within a word: it begins the tokens of all its rules, and no detector
    /// is triggered by it.
    starts_token: Vec<bool>,
    /// Rules of tokens that are known without a keyword, by their form alone.
    pub(super) bare: Vec<usize>,
}

impl Patterns {
    /// Finds out what is to be known of each keyword, once all rules are there. `triggered` says which keywords trigger
    /// detectors.
    pub(super) fn finish(&mut self, triggered: &[u32]) {
        let of_start = |index: &usize| {
            let rule = self.rules.get(*index);
            rule.is_some_and(|rule| rule.matcher == Matcher::Pattern && rule.at_boundary && rule.lead == 0)
        };
        let starts =
            self.of_keyword.iter().zip(triggered).map(|(rules, bits)| *bits == 0 && rules.iter().all(of_start));
        self.starts_token = starts.collect();
    }

    /// True if nothing comes of a keyword where it stands, as in a run of one letter, which may be a keyword at each.
    #[inline]
    fn is_moot(&self, text: &[u8], hit: &Hit) -> bool {
        is_within(text, hit.start) && self.starts_token.get(hit.keyword) == Some(&true)
    }

    /// Tries the rules that need no keyword where a run of letters and digits starts.
    pub(super) fn verify_bare(&self, text: &[u8], start: usize, pass: &mut Pass) {
        for index in &self.bare {
            let Some(rule) = self.rules.get(*index) else { continue };
            if let Some(pattern) = &rule.pattern
                && let Some(found) = pattern.match_at(text, start, rule.group, &mut pass.work)
                && !text.get(found.whole.end).is_some_and(|next| is_word_byte(*next))
                && rule.accepts(text.get(found.secret.clone()).unwrap_or_default())
            {
                pass.add(*index, found.secret);
            }
        }
    }

    /// Looks at the value of a member whose key holds keywords.
    pub(super) fn verify_member(&self, name: &str, hits: &[Hit], value: &str, pass: &mut Pass) {
        for hit in hits {
            let trimmed = name.as_bytes().get(hit.start..hit.end.min(name.len())).unwrap_or_default();
            let length = trimmed.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
            let hit = &Hit { end: hit.start + length, ..*hit };
            if !generic::is_component(name.as_bytes(), &(hit.start..hit.end)) {
                continue;
            }
            let mut reading = Reading::of(Assignment {
                name: name.as_bytes(),
                keyword_end: hit.end.min(name.len()),
                range: 0..value.len(),
                value: value.as_bytes(),
                link: Link::Member,
                quoted: true,
            });
            for index in self.of_keyword.get(hit.keyword).into_iter().flatten() {
                let Some(rule) = self.rules.get(*index) else { continue };
                pass.work += 1;
                match rule.matcher {
                    Matcher::Password | Matcher::Token | Matcher::Named
                        if reading.is_credential(rule.matcher, rule.entropy) && rule.accepts(value.as_bytes()) =>
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
    pub(super) fn verify(&self, text: &[u8], hit: Hit, pass: &mut Pass) {
        if self.is_moot(text, &hit) {
            return;
        }
        // Read once for all rules of the keyword.
        let mut read: Option<Option<Reading<'_>>> = None;
        for index in self.of_keyword.get(hit.keyword).into_iter().flatten() {
            let Some(rule) = self.rules.get(*index) else { continue };
            pass.work += 1;
            if pass.is_covered(*index, hit.start) {
                continue;
            }
            match rule.matcher {
                Matcher::Pattern => self.verify_pattern(*index, rule, text, hit, pass),
                Matcher::Assigned => self.verify_assigned(*index, rule, text, hit, pass),
                Matcher::Password | Matcher::Token | Matcher::Named => {
                    if rule.matcher != Matcher::Password
                        && let Some(joined) = generic::joined(text, hit.start..hit.end, &mut pass.joined)
                        && let range = joined.range.clone()
                        && Reading::of(joined).is_credential(Matcher::Token, rule.entropy)
                    {
                        pass.cover(*index, range.end);
                        pass.add(*index, range);
                        continue;
                    }
                    let assigned = || assignment::read(text, hit.start..hit.end, &mut pass.name).map(Reading::of);
                    let Some(reading) = read.get_or_insert_with(assigned) else { continue };
                    let (name, value) = (reading.assignment.name, reading.assignment.value);
                    let range = reading.assignment.range.clone();
                    pass.work += (name.len() + value.len()) as u64;
                    if reading.is_credential(rule.matcher, rule.entropy) && rule.accepts(value) {
                        pass.cover(*index, range.end);
                        pass.add(*index, range);
                    } else if value.len() > COVER {
                        pass.cover(*index, range.end);
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
        let first = hit.start.saturating_sub(rule.lead);
        for start in first..=if rule.at_lead { first } else { hit.start } {
            if rule.at_boundary && is_within(text, start) {
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
}

/// A rule with a pattern, ready to run.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) matcher: Matcher,
    pub(super) pattern: Option<Pattern>,
    pub(super) lead: usize,
    pub(super) group: usize,
    pub(super) entropy: f64,
    pub(super) checks: Vec<Check>,
    pub(super) deny_words: Option<Literals>,
    /// The pattern starts with `\\b`: within a word it need not be tried.
    pub(super) at_boundary: bool,
    /// The pattern starts with `lead` characters of one class: it need be tried only so far before the keyword.
    pub(super) at_lead: bool,
}

impl Compiled {
    /// What wins where findings overlap: the more specific.
    pub(super) fn specific(&self) -> u8 {
        match self.matcher {
            Matcher::Pattern | Matcher::PrivateKey | Matcher::Jwk => 4,
            Matcher::Jwt => 3,
            Matcher::Assigned | Matcher::UrlCredentials => 2,
            Matcher::Password | Matcher::Token => 1,
            Matcher::Named => 0,
        }
    }

    /// True if the secret is one that vendors' documentation shows, and the rule leaves those alone.
    pub(super) fn is_documented(&self, secret: &[u8]) -> bool {
        self.checks.contains(&Check::NotDocumented) && contains_folded(secret, b"example")
    }

    fn accepts(&self, secret: &[u8]) -> bool {
        let generic = matches!(self.matcher, Matcher::Password | Matcher::Token | Matcher::Named);
        // A generic rule has looked for fillers by itself, and at its own names.
        (generic || self.matcher == Matcher::PrivateKey || !is_filler(secret))
            && (self.entropy <= 0.0 || generic || entropy(secret) >= self.entropy)
            && self.checks.iter().all(|check| holds(*check, secret))
            && !self.deny_words.as_ref().is_some_and(|words| words.is_in(secret))
    }
}

/// What one pass over one text has found so far.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) found: Vec<Candidate>,
    /// For each rule how far it needs not look again; shorter than the rules are where none of the last ones has looked.
    covered: Vec<usize>,
    /// Where no value is joined to a name.
    joined: Range<usize>,
    /// The name read last.
    name: Range<usize>,
    pub(super) work: u64,
}

impl Pass {
    fn is_covered(&self, rule: usize, at: usize) -> bool {
        self.covered.get(rule).is_some_and(|end| at < *end)
    }

    fn cover(&mut self, rule: usize, end: usize) {
        if self.covered.len() <= rule {
            self.covered.resize(rule + 1, 0);
        }
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

/// A match that is still to be settled.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Index of the rule among all rules of all scanners.
    pub(super) rule: usize,
    pub(super) range: Range<usize>,
}

/// True if letters or digits stand before `at` and there.
#[inline]
fn is_within(text: &[u8], at: usize) -> bool {
    let is = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphanumeric);
    at > 0 && is(at - 1) && is(at)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// How far behind its keyword an assigned value may start, in bytes.
const REACH: usize = 64;

/// What was looked at for longer than this is not looked at again.
const COVER: usize = 64;
