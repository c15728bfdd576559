//! From a configuration to scanners that run.

use std::collections::HashMap;
use std::sync::Arc;

use super::actions::{self, NAMES, Table};
use super::detect::{Detector, Gate};
use super::glance::Glance;
use super::injection;
use super::literals::Literals;
use super::pattern::Pattern;
use super::prefilter::{GRAM, Prefilter};
use super::rule::{Matcher, Rule};
use super::scanner::{DETECTORS, Head, Running, Scanners};
use super::verify::{Compiled, Patterns};
use super::{Context, Direction, ScanConfigError, ScannerConfig, ScannersConfig, Surface};
use crate::packed::expand;
use crate::settings::{from_json, nearest};

/// Compiles the scanners of a configuration.
pub(super) fn compile(config: &ScannersConfig) -> Result<Scanners, ScanConfigError> {
    let table = Table::compile(config)?;
    let mut builder = Builder::default();
    let settings = actions::settings(config);
    let all = || NAMES.into_iter().zip(settings).enumerate();
    for (scanner, (name, own)) in all() {
        let builtin: Vec<Rule> = match name {
            "secrets" => builtin(&expand(SECRETS).unwrap_or_default())
                .map_err(|error| ScanConfigError::new("/secrets", error))?,
            _ => Vec::new(),
        };
        let detector = DETECTORS.iter().find(|detector| detector.name == name);
        let mut ids: Vec<&str> = builtin.iter().map(|rule| rule.id.as_str()).collect();
        ids.extend(detector.iter().flat_map(|detector| detector.rules).map(|rule| rule.id));
        known("disable_rules", name, &own.disable_rules, &ids)?;
        known("enable_rules", name, &own.enable_rules, &ids)?;
        if !own.enabled {
            continue;
        }
        for rule in builtin.iter().filter(|rule| !own.disable_rules.contains(&rule.id)) {
            builder.add(scanner, rule, &format!("/{name} ({})", rule.id))?;
        }
        for (index, rule) in own.custom_rules.iter().enumerate() {
            let pointer = format!("/{name}/custom_rules/{index}");
            if ids.contains(&rule.id.as_str()) || own.custom_rules.iter().take(index).any(|other| other.id == rule.id) {
                return Err(ScanConfigError::new(
                    format!("{pointer}/id"),
                    format!("there is already a rule `{}`", rule.id),
                ));
            }
            builder.add(scanner, rule, &pointer)?;
        }
    }
    // Rules with a pattern come first: what one pass keeps for each of them stays small.
    for (scanner, (name, own)) in all().filter(|(_, (_, own))| own.enabled) {
        if let Some(detector) = DETECTORS.iter().find(|detector| detector.name == name) {
            builder.detector(scanner, detector, own);
        }
    }
    let scanners = builder.finish(table);
    for (_, (name, own)) in all().filter(|(_, (_, own))| own.enabled) {
        for (index, rule) in own.custom_rules.iter().enumerate() {
            examples(&scanners, name, rule, &format!("/{name}/custom_rules/{index}"))?;
        }
    }
    Ok(scanners)
}

/// Rules out of their JSON.
fn builtin(json: &[u8]) -> Result<Vec<Rule>, String> {
    from_json(json).map_err(|error| error.to_string())
}

fn known(member: &str, name: &str, listed: &[String], ids: &[&str]) -> Result<(), ScanConfigError> {
    match listed.iter().enumerate().find(|(_, id)| !ids.contains(&id.as_str())) {
        None => Ok(()),
        Some((index, id)) => {
            let hint =
                nearest(id, ids.iter().copied()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            Err(ScanConfigError::new(format!("/{name}/{member}/{index}"), format!("there is no rule `{id}`{hint}")))
        }
    }
}

/// Runs the examples of a rule: one that does not do what its author shows would give false comfort.
fn examples(scanners: &Scanners, name: &str, rule: &Rule, pointer: &str) -> Result<(), ScanConfigError> {
    let context = Context { direction: Direction::Request, surface: Surface::Arguments };
    let finds = |example: &str| {
        scanners.matches_of(context, &example.replace('§', "")).any(|(scanner, id)| scanner == name && id == rule.id)
    };
    for (member, texts, wanted) in [("true", &rule.matching, true), ("false", &rule.innocent, false)] {
        if let Some(index) = texts.iter().position(|text| finds(text) != wanted) {
            let message = if wanted {
                "the rule finds nothing in this example"
            } else {
                "the rule finds something in this example"
            };
            return Err(ScanConfigError::new(format!("{pointer}/{member}/{index}"), message));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Builder {
    keywords: Vec<String>,
    known: HashMap<String, usize>,
    patterns: Patterns,
    heads: Vec<Head>,
    /// For each keyword the detectors that it triggers, as bits.
    triggered: Vec<u32>,
    running: Vec<Running>,
    /// Triggers of less than [`GRAM`] bytes, by direction: request, response.
    short: [Vec<(&'static str, u32)>; 2],
}

impl Builder {
    fn keyword(&mut self, keyword: &str) -> usize {
        let folded = keyword.to_ascii_lowercase();
        *self.known.entry(folded.clone()).or_insert_with(|| {
            self.keywords.push(folded);
            self.patterns.of_keyword.push(Vec::new());
            self.triggered.push(0);
            self.keywords.len() - 1
        })
    }

    fn detector(&mut self, scanner: usize, detector: &'static Detector, config: &ScannerConfig) {
        let bit = 1 << self.running.len();
        // What separates a scheme is too short for the shared pass; with the end of the scheme it is not.
        let triggers = (detector.triggers)();
        let schemes =
            triggers.contains(&SCHEME).then(|| ('a'..='z').chain('0'..='9').map(|end| format!("{end}{SCHEME}")));
        for trigger in schemes.into_iter().flatten() {
            self.trigger(&trigger, bit);
        }
        for trigger in triggers.into_iter().filter(|trigger| *trigger != SCHEME) {
            if trigger.len() < GRAM {
                for (short, direction) in self.short.iter_mut().zip([Direction::Request, Direction::Response]) {
                    if detector.direction.is_none_or(|only| only == direction) {
                        short.push((trigger, bit));
                    }
                }
                continue;
            }
            self.trigger(trigger, bit);
        }
        if detector.name == "injection" {
            for (kind, word) in injection::hints() {
                self.trigger(word, kind << Running::HINT);
            }
            for word in ROT13 {
                self.trigger(word, Running::ROT13);
            }
        }
        let first = self.heads.len();
        let is_on = |id: &str| {
            let on = !detector.off.contains(&id) || config.enable_rules.iter().any(|enabled| enabled == id);
            on && !config.disable_rules.iter().any(|disabled| disabled == id)
        };
        self.heads.extend(detector.rules.iter().map(|rule| Head {
            scanner,
            id: Arc::from(rule.id),
            placeholder: Arc::from(format!("[REDACTED:{}]", rule.id)),
            severity: rule.severity,
            specific: 0,
            on: is_on(rule.id),
        }));
        let enabled = detector.off.iter().any(|id| is_on(id));
        self.running.push(Running { detector, first, enabled });
    }

    fn add(&mut self, scanner: usize, rule: &Rule, pointer: &str) -> Result<(), ScanConfigError> {
        let refuse = |member: &str, message: String| ScanConfigError::new(format!("{pointer}/{member}"), message);
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
        let index = self.heads.len();
        for keyword in &rule.keywords {
            let slot = self.keyword(keyword);
            if let Some(rules) = self.patterns.of_keyword.get_mut(slot)
                && rules.last() != Some(&index)
            {
                rules.push(index);
            }
        }
        if BARE.contains(&rule.id.as_str()) {
            self.patterns.bare.push(index);
        }
        let compiled = Compiled {
            matcher: rule.matcher,
            pattern,
            lead: rule.lead,
            group: rule.group,
            entropy: rule.entropy,
            checks: rule.checks.clone(),
            deny_words: (!rule.deny_words.is_empty()).then(|| Literals::new(&rule.deny_words)),
            at_boundary: rule.pattern.starts_with(r"\b"),
            at_lead: rule.lead > 0 && leads_by(&rule.pattern) == Some(rule.lead),
        };
        let word = rule.placeholder.as_deref().unwrap_or(&rule.id);
        self.heads.push(Head {
            scanner,
            id: Arc::from(rule.id.as_str()),
            placeholder: Arc::from(format!("[REDACTED:{word}]")),
            severity: rule.severity,
            specific: compiled.specific(),
            on: true,
        });
        self.patterns.rules.push(compiled);
        Ok(())
    }

    /// A keyword that wants what `bits` stand for.
    fn trigger(&mut self, keyword: &str, bits: u32) {
        let slot = self.keyword(keyword);
        if let Some(wanted) = self.triggered.get_mut(slot) {
            *wanted |= bits;
        }
    }

    fn finish(mut self, table: Table) -> Scanners {
        self.patterns.finish(&self.triggered);
        let disguised = self.running.iter().zip(0..).filter(|(one, _)| matches!(one.detector.gate, Gate::Disguise));
        let hinted = self.running.iter().position(|one| one.detector.name == "injection");
        Scanners {
            hinted: hinted.map_or(0, |index| 1 << index),
            disguised: disguised.fold(0, |bits, (_, index)| bits | 1 << index),
            prefilter: Prefilter::new(&self.keywords),
            patterns: self.patterns,
            triggered: self.triggered,
            running: self.running,
            glances: self.short.map(|triggers| Glance::new(&triggers)),
            heads: self.heads,
            table,
        }
    }
}

/// The built-in rules of the scanner `secrets`: `rules/secrets.json` as `build.rs` leaves it.
/// Rules whose tokens are also found without a keyword.
const BARE: [&str; 5] = ["discord-bot-token", "twilio-key", "twilio-account-sid", "airtable-token", "nats-nkey-seed"];
const SECRETS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/secrets.packed"));

/// Words of instructions to a model, moved by 13 letters: `ignore`, `previous`, `instruction`, `system`,
/// `password`, `secret`, `disregard`, `forget`, `execute`, `send`.
const ROT13: [&str; 10] =
    ["vtaber", "cerivbhf", "vafgehpgvba", "flfgrz", "cnffjbeq", "frperg", "qvfertneq", "sbetrg", "rkrphgr", "fraq "];

/// What stands behind the scheme of a URL.
const SCHEME: &str = "://";

const MAX_LEAD: usize = 96;

/// How many characters the class has that a pattern without alternatives begins with: `[0-9a-z]{76}AZDO`.
fn leads_by(pattern: &str) -> Option<usize> {
    let counted = pattern.get(pattern.find("]{")? + 2..)?;
    let end = counted.find('}')?;
    let mut depth = 0;
    for byte in counted.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'|' if depth == 0 => return None,
            _ => {}
        }
    }
    counted.get(..end)?.parse().ok().filter(|_| pattern.starts_with('['))
}
