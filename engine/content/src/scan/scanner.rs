//! The compiled scanners and their one pass over a text.

use std::ops::Range;
use std::sync::Arc;

use super::actions::{NAMES, Subject, Table};
use super::decode::{self, Budget, Marks};
use super::detect::{Detector, Gate, Input, Match, Parsed};
use super::glance::Glance;
use super::injection::Hints;
use super::prefilter::{Hit, Prefilter};
use super::verify::{Candidate, Pass, Patterns};
use super::{
    Context, Direction, Finding, Located, ScanAction, ScanConfigError, ScannersConfig, Severity, Site, build, bulk,
    destructive, exfil, injection, pii, privesc, walk,
};
use crate::json::{Value, quote};
use crate::sort::Arrange;

/// The scanners that read structure.
pub(super) static DETECTORS: [&Detector; 6] = [
    &pii::DETECTOR,
    &injection::DETECTOR,
    &destructive::DETECTOR,
    &exfil::DETECTOR,
    &bulk::DETECTOR,
    &privesc::DETECTOR,
];

/// All scanners of a configuration, compiled: shared by every message.
#[derive(Debug)]
pub struct Scanners {
    pub(super) prefilter: Prefilter,
    pub(super) patterns: Patterns,
    /// For each keyword the detectors that it triggers, as bits of [`Scanners::running`].
    pub(super) triggered: Vec<u32>,
    pub(super) running: Vec<Running>,
    /// The detectors with [`Gate::Disguise`], as bits.
    pub(super) disguised: u32,
    /// The one that hints are for, as a bit.
    pub(super) hinted: u32,
    /// The first look at a string, by direction: request, response.
    pub(super) glances: [Glance; 2],
    /// All rules: those with a pattern, in the order of [`Patterns::rules`], then those of the detectors.
    pub(super) heads: Vec<Head>,
    pub(super) table: Table,
}

/// A detector that is on.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) detector: &'static Detector,
    /// Index of its first rule.
    pub(super) first: usize,
    /// A rule that is off by default was enabled.
    pub(super) enabled: bool,
}

impl Running {
    /// The bit of keywords that are words turned by ROT13.
    pub(super) const ROT13: u32 = 1 << 31;
    /// The bit of the first kind of the hints of injection.
    pub(super) const HINT: u32 = 24;
    /// The bits of all kinds.
    pub(super) const HINTS: u32 = (1 << (Self::HINT as usize + injection::KINDS)) - (1 << Self::HINT);
}

/// What is to be known of a rule when it has matched.
#[derive(Debug)]
pub(super) struct Head {
    /// Index of its scanner in [`NAMES`].
    pub(super) scanner: usize,
    pub(super) id: Arc<str>,
    pub(super) placeholder: Arc<str>,
    pub(super) severity: Severity,
    pub(super) specific: u8,
    pub(super) on: bool,
}

impl Scanners {
    /// Compiles the scanners of a configuration.
    ///
    /// # Errors
    /// [`ScanConfigError`] names the place in the configuration: an unknown rule id, a bad pattern.
    pub fn compile(config: &ScannersConfig) -> Result<Self, ScanConfigError> {
        build::compile(config)
    }

    /// True if no rule is on: nothing needs to be scanned.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.heads.is_empty()
    }

    /// The ids of the rules that are on, with the name of their scanner.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.heads.iter().filter(|head| head.on).map(|head| (name(head.scanner), head.id.as_ref()))
    }

    /// Scans one text and appends what was found, in the order of the text. Findings of one scanner do not
    /// overlap; [`super::redact`] deals with those of several.
    pub fn scan_text<'t>(&self, site: impl Into<Site<'t>>, text: &str, out: &mut Vec<Finding>) {
        self.scan_text_counted(site, text, out);
    }

    /// Like [`Scanners::scan_text`]; returns how many steps of verification were taken, for tests
    /// that show the work to be linear.
    #[doc(hidden)]
    pub fn scan_text_counted<'t>(&self, site: impl Into<Site<'t>>, text: &str, out: &mut Vec<Finding>) -> u64 {
        let site = site.into();
        let mut found = Vec::new();
        let work = self.examine_text(&site, text, &mut found);
        self.settle(&site, text, found, &mut || site.base.to_owned(), |finding| out.push(finding));
        work
    }

    /// How many keywords the first pass finds in a text: for measuring that pass alone.
    #[doc(hidden)]
    #[must_use]
    pub fn count_hits(&self, text: &str) -> usize {
        let mut hits = Vec::new();
        self.prefilter.scan(text.as_bytes(), &mut hits);
        hits.len()
    }

    /// Scans every string and key within `value` and appends what was found, in the order of the text.
    pub fn scan_value<'d, 't>(&self, site: impl Into<Site<'t>>, value: Value<'d>, out: &mut Vec<Located<'d>>) {
        if !self.is_idle() {
            walk::walk(self, &site.into(), value, out);
        }
    }

    /// Judges a result as a whole and adds what is wrong with it, at the result itself. `out` holds what was found
    /// in it, in text order; `rows` counts its entries and rows. No part of it could be hidden, so what is to be redacted is blocked.
    pub fn weigh<'d>(
        &self,
        site: &Site<'_>,
        result: Value<'d>,
        rows: fn(Value<'_>) -> usize,
        out: &mut Vec<Located<'d>>,
    ) {
        let Some(running) = self.running.iter().find(|running| running.detector.name == "bulk") else { return };
        let before = out.len();
        for rule in bulk::result::judge(result, out, rows) {
            let rule = running.first + rule;
            if self.heads.get(rule).is_some_and(|head| head.on) {
                let found = vec![Candidate { rule, range: 0..0 }];
                self.settle(site, "", found, &mut || format!("{}{}", site.base, result.location()), |mut finding| {
                    if finding.action == ScanAction::Redact {
                        finding.action = ScanAction::Block;
                    }
                    out.push(Located { finding, value: result });
                });
            }
        }
        if out.len() > before {
            out.arrange_by_key(|located| located.value.span().start);
        }
    }

    /// The narrowest exception that would have let a finding pass, as the JSON of an entry of `scanners.suppress`.
    /// `location` is its JSON Pointer within the message. It names no value.
    #[must_use]
    pub fn exception(finding: &Finding, tool: Option<&str>, location: &str) -> String {
        let mut members = vec![("scanner", quote(finding.scanner)), ("rule", quote(&finding.rule))];
        members.extend(tool.map(|tool| ("tool", quote(&literal(tool)))));
        members.push(("path", quote(&literal(location))));
        let members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    /// Scanner and rule of everything that matches in a text, whatever is done about it.
    pub(super) fn matches_of(&self, context: Context, text: &str) -> impl Iterator<Item = (&'static str, &str)> {
        let mut found = Vec::new();
        self.examine_text(&context.into(), text, &mut found);
        found
            .into_iter()
            .filter_map(|candidate| self.heads.get(candidate.rule))
            .map(|head| (name(head.scanner), head.id.as_ref()))
    }

    fn examine_text(&self, site: &Site<'_>, text: &str, found: &mut Vec<Candidate>) -> u64 {
        let mut hits = Vec::new();
        self.prefilter.scan(text.as_bytes(), &mut hits);
        self.sift(&mut hits);
        let input = Input { text, member: None, tool: site.tool, context: site.context, role: None, parsed: None };
        let look = self.look(text, site.context);
        if hits.is_empty() && look.is_plain(text) {
            return 0;
        }
        let mut examination = Examination { scanners: self, keyed: 0, work: 0, matches: Vec::new() };
        examination.examine(&input, &hits, look, &mut Budget::of(text.len()), found);
        examination.work
    }

    /// Removes hints where they are too few to look at the text for.
    pub(super) fn sift(&self, hits: &mut Vec<Hit>) {
        let bits = |hit: &Hit| self.triggered.get(hit.keyword).copied().unwrap_or(0);
        let (mut any, mut hints) = (false, Hints::default());
        for hit in hits.iter() {
            let kinds = (bits(hit) & Running::HINTS) >> Running::HINT;
            any |= kinds != 0;
            if kinds != 0 && hints.add(kinds, hit.start).is_some() {
                return;
            }
        }
        if any {
            let matters = |keyword: usize| self.patterns.of_keyword.get(keyword).is_some_and(|rules| !rules.is_empty());
            hits.retain(|hit| bits(hit) & !Running::HINTS != 0 || matters(hit.keyword));
        }
    }

    /// The cheap look at a text that comes before everything else.
    pub(super) fn look(&self, text: &str, context: Context) -> Look {
        let [request, response] = &self.glances;
        let (marks, triggered) = match context.direction {
            Direction::Request => request.of(text),
            Direction::Response => response.of(text),
        };
        let mut look = Look { marks, wanted: triggered, stamp: false };
        if marks.has(Marks::UNICODE) {
            look.wanted |= self.disguised;
        }
        if marks.has(Marks::PERSONAL) {
            self.gates(text, &mut look);
        }
        look
    }

    /// Adds the detectors that want to see a text with a digit or an `@` whatever its keywords.
    #[inline(never)]
    fn gates(&self, text: &str, look: &mut Look) {
        if is_stamp(text.as_bytes()) {
            look.stamp = text.as_bytes().get(10) == Some(&b'T');
            return;
        }
        for (index, running) in self.running.iter().enumerate() {
            if let Gate::Look { usual, enabled } = running.detector.gate {
                look.wanted |= u32::from(usual(text) || running.enabled && enabled(text)) << index;
            }
        }
    }

    /// The detectors of these names that are on, as bits.
    pub(super) fn bits(&self, names: &[&str]) -> u32 {
        let running = self.running.iter().enumerate();
        running.filter(|(_, one)| names.contains(&one.detector.name)).fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// Gives each finding its action, merges what overlaps within a scanner, and orders what is left.
    pub(super) fn settle(
        &self,
        site: &Site<'_>,
        text: &str,
        found: Vec<Candidate>,
        locate: &mut dyn FnMut() -> String,
        mut emit: impl FnMut(Finding),
    ) {
        if found.is_empty() {
            return;
        }
        let mut settled: Vec<Settled> = Vec::with_capacity(found.len());
        for candidate in found {
            let Some(head) = self.heads.get(candidate.rule) else { continue };
            let start = text.floor_char_boundary(candidate.range.start);
            let end = text.ceil_char_boundary(candidate.range.end).max(start);
            let value = text.get(start..end).unwrap_or_default();
            let subject = Subject { scanner: head.scanner, rule: &head.id, severity: head.severity, value };
            let action = self.table.decide(site, &subject, locate);
            settled.push(Settled {
                rule: candidate.rule as u32,
                scanner: head.scanner as u8,
                range: start..end,
                action,
            });
        }
        settled.arrange_by_key(|one| (one.scanner, one.range.start, usize::MAX - one.range.end, one.rule));
        self.drop_suppressed(&mut settled);
        settled.dedup_by(|next, held| {
            if next.scanner != held.scanner || next.range.start >= held.range.end.max(held.range.start + 1) {
                return false;
            }
            // All of both is hidden, under the name that says most.
            held.range.end = held.range.end.max(next.range.end);
            held.action = held.action.max(next.action);
            if self.rank(next.rule) > self.rank(held.rule) {
                held.rule = next.rule;
            }
            true
        });
        settled.arrange_by_key(|one| (one.range.start, one.range.end));
        for one in settled {
            let (Some(head), Some(action)) = (self.heads.get(one.rule as usize), one.action) else { continue };
            emit(Finding {
                scanner: name(usize::from(one.scanner)),
                rule: Arc::clone(&head.id),
                severity: head.severity,
                action,
                range: one.range,
                placeholder: Arc::clone(&head.placeholder),
            });
        }
    }

    /// Removes what counts for nothing, and what says less about the same text.
    fn drop_suppressed(&self, settled: &mut Vec<Settled>) {
        if settled.iter().all(|one| one.action.is_some()) {
            return;
        }
        let mut from = 0;
        while from < settled.len() {
            // What hangs together would be one finding; the one that says most speaks for what overlaps it.
            let rest = settled.get_mut(from..).unwrap_or_default();
            let mut end = 0;
            let scanner = rest.first().map(|one| one.scanner);
            let together = rest.iter().position(|one| {
                let apart = Some(one.scanner) != scanner || end > 0 && one.range.start >= end;
                end = end.max(one.range.end);
                apart
            });
            let length = together.unwrap_or(rest.len()).max(1);
            let group = rest.get_mut(..length).unwrap_or_default();
            let best = group.iter().max_by_key(|one| self.rank(one.rule)).map(|one| (one.action, one.range.clone()));
            if let Some((None, range)) = best {
                let overlapping = |one: &&mut Settled| one.range.start < range.end && range.start < one.range.end;
                group.iter_mut().filter(overlapping).for_each(|one| one.action = None);
            }
            from += length;
        }
        settled.retain(|one| one.action.is_some());
    }

    /// What wins where findings overlap: the more specific, then the more severe, then the first rule.
    fn rank(&self, rule: u32) -> (u8, Severity, std::cmp::Reverse<u32>) {
        let (specific, severity) =
            self.heads.get(rule as usize).map_or((0, Severity::Low), |head| (head.specific, head.severity));
        (specific, severity, std::cmp::Reverse(rule))
    }
}

/// What a cheap look at a text says.
#[derive(Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) marks: Marks,
    /// Detectors that want to see it, as bits.
    pub(super) wanted: u32,
    /// It is a time and nothing else.
    pub(super) stamp: bool,
}

impl Look {
    /// True if nothing can be found in the text unless it has keywords.
    pub(super) fn is_plain(self, text: &str) -> bool {
        self.wanted == 0 && !self.marks.is_telling() && !decode::may_hold_code(text)
    }
}

/// One text of a message, and all that comes out of it by decoding, before all scanners.
pub(super) struct Examination<'s> {
    pub(super) scanners: &'s Scanners,
    /// Detectors whose trigger stands in the name of the text, as bits.
    pub(super) keyed: u32,
    /// Steps of verification so far.
    pub(super) work: u64,
    pub(super) matches: Vec<Match>,
}

impl Examination<'_> {
    /// Appends what is found in a text whose keywords are `hits`.
    pub(super) fn examine(
        &mut self,
        input: &Input<'_>,
        hits: &[Hit],
        look: Look,
        budget: &mut Budget,
        found: &mut Vec<Candidate>,
    ) {
        let parsed = Parsed::default();
        let input = &Input { parsed: Some(&parsed), ..*input };
        let mut wanted = self.keyed | look.wanted;
        if !hits.is_empty() {
            wanted |= self.verify(input, hits, found);
        }
        for (index, running) in self.scanners.running.iter().enumerate() {
            let reads = running.detector.direction.is_none_or(|direction| direction == input.context.direction);
            if wanted >> index & 1 != 0 && reads {
                self.detect(running, input, found);
            }
        }
        if wanted & Running::ROT13 != 0 {
            self.turned(input, found);
        }
        let mut pass = Pass::default();
        // None is without a digit.
        if look.marks.has(Marks::PERSONAL) {
            decode::tokens(input.text, |start| {
                self.scanners.patterns.verify_bare(input.text.as_bytes(), start, &mut pass);
            });
        }
        self.work += pass.work;
        found.append(&mut pass.found);
        // What came out of the runs before, and what was found in it: the same holds the same.
        let mut seen: Vec<(String, Range<usize>)> = Vec::new();
        budget.layers(input.text, look.marks, |layer, budget| {
            let from = found.len();
            let same = seen.iter().position(|(text, _)| *text == layer.text);
            if let Some((_, known)) = same.and_then(|index| seen.get(index)) {
                for index in known.clone() {
                    found.extend(found.get(index).map(|one| Candidate { rule: one.rule, range: 0..layer.text.len() }));
                }
            } else {
                let mut hits = Vec::new();
                self.scanners.prefilter.scan(layer.text.as_bytes(), &mut hits);
                self.scanners.sift(&mut hits);
                let inner = Input { text: &layer.text, ..*input };
                self.examine(&inner, &hits, self.scanners.look(inner.text, inner.context), budget, found);
            }
            for candidate in found.iter_mut().skip(from) {
                candidate.range = layer.spans.original(candidate.range.clone());
            }
            if same.is_none() && layer.spans.is_whole() && seen.len() < MAX_SEEN {
                seen.push((layer.text, from..found.len()));
            }
        });
    }

    /// Verifies the rules with a pattern at every hit; returns the detectors that the hits trigger.
    pub(super) fn verify(&mut self, input: &Input<'_>, hits: &[Hit], found: &mut Vec<Candidate>) -> u32 {
        let patterns = &self.scanners.patterns;
        let text = input.text.as_bytes();
        let mut wanted = 0;
        let mut pass = Pass::default();
        let mut hints = Hints::default();
        for hit in hits {
            let bits = self.scanners.triggered.get(hit.keyword).copied().unwrap_or(0);
            let kinds = (bits & Running::HINTS) >> Running::HINT;
            if kinds != 0 && hints.add(kinds, hit.start).is_some() {
                wanted |= self.scanners.hinted;
            }
            wanted |= bits & !Running::HINTS;
            patterns.verify(text, *hit, &mut pass);
        }
        self.work += pass.work;
        let answer = input.context.direction == Direction::Response;
        let is_shown = |candidate: &Candidate| {
            !answer
                || !patterns
                    .rules
                    .get(candidate.rule)
                    .zip(text.get(candidate.range.clone()))
                    .is_some_and(|(rule, secret)| rule.is_documented(secret))
        };
        found.extend(pass.found.into_iter().filter(is_shown));
        wanted
    }

    /// Runs one detector.
    pub(super) fn detect(&mut self, running: &Running, input: &Input<'_>, found: &mut Vec<Candidate>) {
        self.matches.clear();
        (running.detector.detect)(input, &mut self.matches);
        self.work += input.text.len() as u64;
        for matched in self.matches.drain(..) {
            let rule = running.first + matched.rule;
            let end = matched.range.end.min(input.text.len());
            let range: Range<usize> = matched.range.start.min(end)..end;
            if matched.rule < running.detector.rules.len() && self.scanners.heads.get(rule).is_some_and(|head| head.on)
            {
                found.push(Candidate { rule, range });
            }
        }
    }

    /// What ROT13 hides matters to a model only.
    fn turned(&mut self, input: &Input<'_>, found: &mut Vec<Candidate>) {
        let Some(running) = self.scanners.running.iter().find(|running| running.detector.name == "injection") else {
            return;
        };
        let layer = decode::rot13(input.text);
        let from = found.len();
        self.detect(running, &Input { text: &layer.text, parsed: None, ..*input }, found);
        for candidate in found.iter_mut().skip(from) {
            candidate.range = layer.spans.original(candidate.range.clone());
        }
    }
}

/// How many decoded runs are kept to be compared with the next ones.
const MAX_SEEN: usize = 8;

/// Small, as a message may hold thousands.
struct Settled {
    range: Range<usize>,
    rule: u32,
    /// Index into [`NAMES`].
    scanner: u8,
    action: Option<ScanAction>,
}

fn name(scanner: usize) -> &'static str {
    NAMES.get(scanner).copied().unwrap_or_default()
}

/// True for a text that is a time (RFC 3339), a UUID (RFC 9562) or a digest in hexadecimal and nothing else:
/// full of digits, and of no person.
fn is_stamp(text: &[u8]) -> bool {
    let has = |at: usize, byte: u8| text.get(at) == Some(&byte);
    match text.len() {
        20..=35 if has(4, b'-') && has(7, b'-') && has(10, b'T') && has(13, b':') && has(16, b':') => {
            text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'.' | b'+' | b'T' | b'Z'))
        }
        36 => {
            [8, 13, 18, 23].into_iter().all(|at| has(at, b'-'))
                && text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
        }
        32 | 40 | 64 => text.iter().all(u8::is_ascii_hexdigit) && text.iter().any(u8::is_ascii_alphabetic),
        _ => false,
    }
}

/// A glob that matches this text alone.
fn literal(text: &str) -> String {
    text.replace('\\', r"\\").replace('*', r"\*").replace('?', r"\?")
}
