//! The seam between the shared pass over a text and a scanner that has to read structure.
//!
//! The pass finds literal triggers of all scanners at once. A scanner whose trigger was seen gets the
//! text through [`Detector::detect`]; one whose trigger was not seen costs nothing.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use super::shell::{self, Role, Script};
use super::{Context, Direction, Severity};

/// A scanner that reads structure: a shell command, a query, a sentence, a number with its check digit.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// The scanner's name: `pii`, `injection`, `destructive`, `exfil`, `bulk`, `privesc`.
    pub name: &'static str,
    /// Its rules, in the order of [`Match::rule`]; `heads` makes them of the table.
    pub rules: &'static [RuleHead],
    /// Literals in lower case, compared without regard to ASCII case. A text in which none occurs
    /// holds nothing for this scanner. Few and rare: each hit costs a call. Those of less than four
    /// bytes cost a pass of their own.
    pub triggers: fn() -> Vec<&'static str>,
    /// What makes the scanner look at a text that has none of the triggers.
    pub gate: Gate,
    /// Ids of the rules that run only where the configuration enables them.
    pub off: &'static [&'static str],
    /// The one direction it looks at; `None` for both.
    pub direction: Option<Direction>,
    /// Finds matches in one text, in time linear in its length.
    pub detect: fn(&Input<'_>, &mut Vec<Match>),
}

/// What makes a scanner look at a text beside its triggers.
#[derive(Clone, Copy, Debug)]
pub enum Gate {
    /// Nothing.
    Triggers,
    /// Characters that may look like others, or like nothing.
    Disguise,
    /// A text with a digit or an `@` of which `usual` says so, or where a rule that is off by default was
    /// enabled, `enabled`. They must be much faster than [`Detector::detect`].
    Look {
        /// For the rules that are on by default.
        usual: fn(&str) -> bool,
        /// For the others.
        enabled: fn(&str) -> bool,
    },
}

/// What the filter has to know about a rule without running it.
#[derive(Clone, Copy, Debug)]
pub struct RuleHead {
    /// Unique within the scanner, in kebab-case.
    pub id: &'static str,
    /// How grave a match is.
    pub severity: Severity,
}

/// The heads of a table of `N` rules, cut off by the compiler.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
pub(super) const fn heads<const N: usize>(rules: &[RuleInfo]) -> [RuleHead; N] {
    let mut heads = [RuleHead { id: "", severity: Severity::Low }; N];
    let mut index = 0;
    while index < N {
        heads[index] = RuleHead { id: rules[index].id, severity: rules[index].severity };
        index += 1;
    }
    heads
}

/// What people want to know about a rule: the `CATALOG` of each scanner. The filter does without, as sources and
/// examples would be a tenth of its size.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// Unique within the scanner, in kebab-case.
    pub id: &'static str,
    /// How grave a match is.
    pub severity: Severity,
    /// What it finds, in one sentence.
    pub description: &'static str,
    /// What to do about a match that is none.
    pub remedy: &'static str,
    /// Where the format, the attack or the check is described.
    pub source: &'static str,
    /// OWASP (LLM, MCP, Agentic) and MITRE ATLAS or ATT&CK ids.
    pub tags: &'static [&'static str],
    /// Texts in which the rule matches, tested by one loop.
    pub hits: &'static [&'static str],
    /// Texts in which it does not.
    pub misses: &'static [&'static str],
}

/// One text as a detector sees it: a JSON string without its escapes, or a plain text.
#[derive(Clone, Copy, Debug)]
pub struct Input<'t> {
    /// The text.
    pub text: &'t str,
    /// The name of the member that holds it (`command`, `query`, `path`, …), if any: what an argument
    /// is for decides what an attack on it is.
    pub member: Option<&'t str>,
    /// The tool that is called, if that is known.
    pub tool: Option<&'t str>,
    /// Which way it travels, and where it stands.
    pub context: Context,
    /// What it is for, where its place says more than its name does.
    pub role: Option<Role>,
    /// What other scanners have read of the same text; `None` where one scanner is asked.
    pub parsed: Option<&'t Parsed>,
}

impl Input<'_> {
    /// The text as a shell would read it.
    pub(super) fn script(&self) -> Cow<'_, Script> {
        match self.parsed {
            Some(parsed) => Cow::Borrowed(parsed.script.get_or_init(|| shell::parse(self.text))),
            None => Cow::Owned(shell::parse(self.text)),
        }
    }

    /// True for lines of words, several of them, that are no script.
    pub(super) fn is_document(&self) -> bool {
        let read = || shell::is_document(self.text);
        self.parsed.map_or_else(read, |parsed| *parsed.document.get_or_init(read))
    }
}

/// What scanners read of one text, each thing once.
#[derive(Debug, Default)]
pub struct Parsed {
    script: OnceCell<Script>,
    document: OnceCell<bool>,
}

/// One match of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index into [`Detector::rules`].
    pub rule: usize,
    /// Byte range within the text, on character boundaries.
    pub range: Range<usize>,
}

/// Adds a match unless it is there already.
pub(super) fn push_once(out: &mut Vec<Match>, rule: usize, range: Range<usize>) {
    if !out.iter().any(|found| found.rule == rule && found.range == range) {
        out.push(Match { rule, range });
    }
}

/// What a scanner of commands tells about one text; more says nothing new.
pub(super) const MAX_MATCHES: usize = 32;
