//! Taint and flow: labels that results give to whoever reads them, and rules on the calls that follow.
//!
//! A result brings labels: by the tool, server or resource it is of, by what the scanners found in it, by
//! the class of the tool. The caller (or its session) carries them until they fade. A rule says what a call may not do
//! while labels are carried; the built-in one is the lethal trifecta: text of strangers, private data, and a
//! tool that can send outward. Of the texts themselves only fingerprints are kept, to tell a call that
//! repeats one from a call that merely comes later.
//!
//! This module is the meaning; [`crate::exchange`] reads and writes the state.

mod carried;
mod compile;
mod hints;
mod prints;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::audit::Found;
use crate::config::{Action, Carrier};
use crate::glob::Globs;
use crate::json::Value;
use crate::mcp::Capability;
use crate::policy::Selector;
use crate::principal::Principal;
use crate::scan::Direction;
use crate::sort::Insert;

pub(crate) use carried::{Carried, Decay};
pub(crate) use hints::{Classes, by_arguments, by_definition, by_name};
pub use shared::{Bearer, Gain, Known, carried, gain};
pub(crate) use shared::{SESSION_US, SESSIONS, TAINT};

/// The compiled flow policy.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) carrier: Carrier,
    pub(crate) decay: Decay,
    /// The sidecar knows what is carried, too.
    pub(crate) shared: bool,
    /// Classes are guessed where none is configured.
    pub(crate) hints: bool,
    /// The configuration says more than the defaults.
    configured: bool,
    sources: Vec<Source>,
    findings: Vec<FindingSource>,
    classes: Vec<(Selector, Classes)>,
    rules: Vec<Rule>,
    /// Labels whose texts are remembered.
    remembered: Vec<Arc<str>>,
    /// Letters and digits in a row that count as repeated; `None` where no text is remembered.
    span: Option<usize>,
}

/// A message, as far as flow asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a, 'd> {
    pub(crate) principal: &'a Principal,
    pub(crate) server: &'a str,
    pub(crate) method: &'a str,
    pub(crate) capability: Capability,
    pub(crate) names: &'a [std::borrow::Cow<'d, str>],
    pub(crate) arguments: Option<Value<'d>>,
}

/// What is known of a call before its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    classes: Classes,
    /// Something is known about what the tool does, if only that it is harmless.
    known: bool,
    /// Labels that the answer brings.
    pub(crate) labels: BTreeSet<Arc<str>>,
    /// Ids of the sources that say so.
    pub(crate) sources: Vec<Arc<str>>,
}

/// What a rule says about a call.
#[derive(Clone, Debug)]
pub(crate) struct Heard<'r, 'd> {
    pub(crate) rule: &'r Rule,
    /// What to replace, where the rule's action is to redact: values by where they begin.
    pub(crate) places: BTreeMap<usize, Value<'d>>,
}

/// A rule on calls.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `flow:<id>`
    pub(crate) id: Arc<str>,
    pub(crate) reason: Arc<str>,
    pub(crate) then: Then,
    pub(crate) shadow: bool,
    selector: Option<Selector>,
    classes: Option<Classes>,
    unknown: bool,
    all: Vec<Arc<str>>,
    any: Vec<Arc<str>>,
    reuse: bool,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Act(Action),
    Redact,
}

#[derive(Debug)]
struct Source {
    id: Arc<str>,
    selector: Selector,
    /// Only of what has content.
    content: bool,
    labels: Vec<Arc<str>>,
}

#[derive(Debug)]
struct FindingSource {
    scanner: String,
    rules: Globs,
    labels: Vec<Arc<str>>,
}

impl Flow {
    /// True where no label is ever asked for.
    pub(crate) fn is_idle(&self) -> bool {
        self.rules.is_empty() && !self.configured
    }

    /// True where calls are to be counted.
    pub(crate) fn counts(&self) -> bool {
        self.decay.calls.is_some()
    }

    /// True where the record of every call shall say what is carried.
    pub(crate) fn configured(&self) -> bool {
        self.configured
    }

    /// What is known of a call. `listed` yields what the server's list says about the tool; it is asked for only where
    /// guesses count.
    pub(crate) fn traits(&self, facts: &Facts<'_, '_>, listed: impl FnOnce() -> Classes) -> Traits {
        let mut traits = Traits::default();
        for (selector, classes) in &self.classes {
            if fits(selector, facts) {
                traits.classes = traits.classes.with(*classes);
                traits.known = true;
            }
        }
        if !traits.known && self.hints && facts.capability == Capability::Tool {
            let named = facts.names.iter().fold(Classes::NONE, |classes, name| classes.with(by_name(name)));
            let argued = facts.arguments.map_or(Classes::NONE, by_arguments);
            traits.classes = named.with(argued).with(listed());
            traits.known = !traits.classes.is_empty();
        }
        for source in &self.sources {
            if (!source.content || has_content(facts)) && fits(&source.selector, facts) {
                traits.labels.extend(source.labels.iter().cloned());
                traits.sources.push(Arc::clone(&source.id));
            }
        }
        for (class, label) in [(Classes::PRIVATE, PRIVATE), (Classes::UNTRUSTED, UNTRUSTED)] {
            if traits.classes.meets(class) {
                traits.labels.insert(Arc::from(label));
            }
        }
        traits
    }

    /// The labels that findings in a result bring.
    pub(crate) fn found(&self, findings: &[Found]) -> BTreeSet<Arc<str>> {
        let mut labels = BTreeSet::new();
        for found in findings.iter().filter(|found| found.direction == Direction::Response) {
            for source in &self.findings {
                if source.scanner == found.scanner && source.rules.fit(Some(&found.rule)) {
                    labels.extend(source.labels.iter().cloned());
                }
            }
        }
        labels
    }

    /// True where texts that bring one of these labels are remembered.
    pub(crate) fn remembers<'l>(&self, labels: impl IntoIterator<Item = &'l str>) -> bool {
        labels.into_iter().any(|label| self.remembered.iter().any(|known| **known == *label))
    }

    /// True where no text is remembered.
    pub(crate) fn is_forgetful(&self) -> bool {
        self.remembered.is_empty()
    }

    /// The fingerprints of what a message says.
    pub(crate) fn prints(&self, message: Value<'_>) -> Vec<u64> {
        self.span.map_or(Vec::new(), |span| prints::prints_of(message, span))
    }

    /// The rules that a call could break, whatever is carried.
    pub(crate) fn rules_about<'f>(&'f self, facts: &Facts<'_, '_>, traits: &Traits) -> Vec<&'f Rule> {
        self.rules.iter().filter(|rule| rule.is_about(facts, traits)).collect()
    }

    /// What these rules say about a call of a caller that carries `carried`; `None` where that is lost, which counts as
    /// everything. `said` is all that the call tells the server.
    pub(crate) fn hear<'r, 'd>(
        &self,
        rules: &[&'r Rule],
        carried: Option<&Carried>,
        said: Value<'d>,
    ) -> Vec<Heard<'r, 'd>> {
        let mut heard = Vec::new();
        for rule in rules {
            let Some(carried) = carried else {
                heard.push(Heard { rule, places: whole(said) });
                continue;
            };
            let tainted = rule.all.iter().all(|label| carried.has(label))
                && (rule.any.is_empty() || rule.any.iter().any(|label| carried.has(label)));
            if !tainted {
                continue;
            }
            if !rule.reuse {
                heard.push(Heard { rule, places: BTreeMap::new() });
                continue;
            }
            let labels: Vec<&str> = rule.all.iter().chain(&rule.any).map(|label| &**label).collect();
            let wanted = prints::Wanted::new(self.span.unwrap_or(MIN_SPAN), carried.texts(&labels));
            let places: BTreeMap<usize, Value<'d>> = wanted.find(said).into_values().flatten().insert_all();
            if !places.is_empty() {
                heard.push(Heard { rule, places });
            }
        }
        heard
    }
}

impl Rule {
    fn is_about(&self, facts: &Facts<'_, '_>, traits: &Traits) -> bool {
        let of_class = match self.classes {
            None => true,
            Some(classes) => traits.classes.meets(classes) || (self.unknown && !traits.known),
        };
        of_class && self.selector.as_ref().is_none_or(|selector| fits(selector, facts))
    }
}

fn fits(selector: &Selector, facts: &Facts<'_, '_>) -> bool {
    selector.fits(facts.principal, facts.server, facts.method, facts.capability, facts.names, facts.arguments)
}

/// Lists and the life cycle of a session say what a server offers; content is what it was asked for, and what it tells
/// unasked.
fn has_content(facts: &Facts<'_, '_>) -> bool {
    match facts.capability {
        Capability::List => false,
        Capability::Protocol => TELLING.contains(&facts.method),
        _ => true,
    }
}

/// Every string of a call's parameters.
fn whole(said: Value<'_>) -> BTreeMap<usize, Value<'_>> {
    said.strings().filter(|string| !string.is_key()).map(|string| (string.span().start, string)).insert_all()
}

/// Notifications in which a server says something of its own.
const TELLING: [&str; 4] =
    ["notifications/message", "notifications/progress", "notifications/tasks", "notifications/tasks/status"];
/// The label of data that is not everybody's.
const PRIVATE: &str = "private";
/// The label of text that anybody may have written.
const UNTRUSTED: &str = "untrusted";
/// The label of what nobody should read at all.
const SECRET: &str = "secret";
/// Shortest run that counts as repeated.
const MIN_SPAN: usize = 16;
