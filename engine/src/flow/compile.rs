//! From the configuration to a [`Flow`], checking what the types cannot say.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::carried::{MAX_LABELS, MAX_NAME};
use super::hints::Classes;
use super::{Decay, FindingSource, Flow, MIN_SPAN, PRIVATE, Rule, SECRET, Source, Then, UNTRUSTED};
use crate::config::{
    Action, Config, ConfigError, Escalation, FindingLabels, FlowAction, FlowConfig, FlowRuleConfig, FlowStore, Mode,
    ToolClass, nearest,
};
use crate::glob::{Globs, globs};
use crate::policy::{Selector, Side, name};
use crate::scan;

impl Flow {
    /// Compiles the `flow` of a configuration.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub(crate) fn compile(config: &Config) -> Result<Self, ConfigError> {
        let flow = &config.flow;
        let mut compiler = Compiler { config, flow, ids: BTreeSet::new(), labels: BTreeSet::new() };
        compiler.flow()
    }
}

struct Compiler<'c> {
    config: &'c Config,
    flow: &'c FlowConfig,
    ids: BTreeSet<&'c str>,
    /// Labels that something brings.
    labels: BTreeSet<Arc<str>>,
}

impl<'c> Compiler<'c> {
    fn flow(&mut self) -> Result<Flow, ConfigError> {
        let flow = self.flow;
        self.labels.extend([PRIVATE, UNTRUSTED, SECRET].map(Arc::from));
        let mut sources = Vec::new();
        for (index, source) in flow.sources.iter().enumerate() {
            let at = format!("{AT}/sources/{index}");
            self.id(&source.id, &at)?;
            let labels = self.brought(&source.labels, &format!("{at}/labels"))?;
            let selector = Selector::compile(&source.r#match, &[], Side::Restricts, self.config, &at)?;
            sources.push(Source {
                id: Arc::from(format!("flow:{}", source.id)),
                content: source.r#match.capability.is_none() && source.r#match.method.is_none(),
                selector,
                labels,
            });
        }
        let findings = self.findings()?;
        if self.labels.len() > MAX_LABELS {
            return Err(ConfigError::new(AT, format!("has more than {MAX_LABELS} labels")));
        }
        let mut classes = Vec::new();
        for (index, class) in flow.classes.iter().enumerate() {
            let at = format!("{AT}/classes/{index}");
            classes.push((
                Selector::compile(&class.r#match, &[], Side::Restricts, self.config, &at)?,
                Classes::of(&class.class),
            ));
        }
        let span = self.span()?;
        let mut remembered = BTreeSet::new();
        let mut rules = Vec::new();
        for (index, rule) in flow.rules.iter().enumerate() {
            let at = format!("{AT}/rules/{index}");
            if let Some(rule) = self.rule(rule, span, &at)? {
                rules.push(rule);
            }
        }
        rules.extend(self.trifecta());
        rules.extend(self.provenance()?);
        for rule in rules.iter().filter(|rule| rule.reuse) {
            remembered.extend(rule.all.iter().chain(&rule.any).cloned());
        }
        let disabled = self.config.mode == Mode::Disabled;
        let shared = flow.store == FlowStore::Sidecar;
        if shared && self.config.sidecar.is_none() {
            return Err(ConfigError::new(format!("{AT}/store"), "needs the sidecar, which keeps the labels")
                .remedy("add the block `sidecar`, or leave it out"));
        }
        Ok(Flow {
            shared: shared && !disabled,
            carrier: flow.carrier,
            decay: decay(flow)?,
            hints: flow.hints,
            configured: *flow != FlowConfig::default() && !disabled && flow_is_used(flow),
            sources,
            findings,
            classes,
            rules: if disabled { Vec::new() } else { rules },
            remembered: remembered.into_iter().collect(),
            span,
        })
    }

    /// An id is unique, and ends up in log lines and HTTP answers.
    fn id(&mut self, id: &'c str, at: &str) -> Result<(), ConfigError> {
        let at = format!("{at}/id");
        name(id, &at)?;
        if BUILT_IN.contains(&id) {
            return Err(ConfigError::new(at, format!("`{id}` is a name of our own")));
        }
        if !self.ids.insert(id) {
            return Err(ConfigError::new(at, format!("a second `{id}` in `flow`"))
                .remedy("sources and rules need an id of their own"));
        }
        Ok(())
    }

    /// Labels that something brings.
    fn brought(&mut self, labels: &[String], at: &str) -> Result<Vec<Arc<str>>, ConfigError> {
        if labels.is_empty() {
            return Err(ConfigError::new(at, "is an empty list").remedy("name the labels it brings"));
        }
        let mut brought = Vec::with_capacity(labels.len());
        for (index, label) in labels.iter().enumerate() {
            let fit = (1..=MAX_NAME).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.:".contains(&byte));
            if !fit {
                return Err(ConfigError::new(format!("{at}/{index}"), "is no label")
                    .remedy("use up to 64 lower-case letters, digits, `-`, `_`, `.` and `:`"));
            }
            let label: Arc<str> = Arc::from(label.as_str());
            self.labels.insert(Arc::clone(&label));
            brought.push(label);
        }
        Ok(brought)
    }

    /// Labels that something must bring: a rule for one that never comes is a typing mistake.
    fn asked(&self, labels: &[String], at: &str) -> Result<Vec<Arc<str>>, ConfigError> {
        let find = |(index, label): (usize, &String)| {
            self.labels.get(label.as_str()).cloned().ok_or_else(|| {
                let error = ConfigError::new(format!("{at}/{index}"), format!("nothing brings the label `{label}`"));
                match nearest(label, self.labels.iter().map(|label| &**label)) {
                    Some(name) => error.remedy(format!("did you mean `{name}`?")),
                    None => error.remedy("add a source of it to `flow.sources`"),
                }
            })
        };
        labels.iter().enumerate().map(find).collect()
    }

    fn findings(&mut self) -> Result<Vec<FindingSource>, ConfigError> {
        let by_default = [("injection", &[UNTRUSTED][..]), ("secrets", &[PRIVATE, SECRET][..])];
        let Some(findings) = &self.flow.findings else {
            return Ok(by_default
                .map(|(scanner, labels)| FindingSource {
                    scanner: scanner.to_owned(),
                    rules: Globs::default(),
                    labels: labels.iter().map(|label| Arc::from(*label)).collect(),
                })
                .into());
        };
        let mut sources = Vec::with_capacity(findings.len());
        for (index, FindingLabels { scanner, rule, labels }) in findings.iter().enumerate() {
            let at = format!("{AT}/findings/{index}");
            if !scan::NAMES.contains(&scanner.as_str()) {
                let error = ConfigError::new(format!("{at}/scanner"), format!("no scanner is called `{scanner}`"));
                return Err(match nearest(scanner, scan::NAMES.iter().copied()) {
                    Some(name) => error.remedy(format!("did you mean `{name}`?")),
                    None => error.remedy(format!("name one of {}", scan::NAMES.join(", "))),
                });
            }
            sources.push(FindingSource {
                scanner: scanner.clone(),
                rules: globs(rule.as_deref(), &format!("{at}/rule"))?,
                labels: self.brought(labels, &format!("{at}/labels"))?,
            });
        }
        Ok(sources)
    }

    fn rule(&mut self, rule: &'c FlowRuleConfig, span: Option<usize>, at: &str) -> Result<Option<Rule>, ConfigError> {
        self.id(&rule.id, at)?;
        let all = self.asked(&rule.has_taint, &format!("{at}/has_taint"))?;
        let any = self.asked(&rule.any_taint, &format!("{at}/any_taint"))?;
        if all.is_empty() && any.is_empty() {
            return Err(ConfigError::new(at, "names no label")
                .remedy("add `has_taint` or `any_taint`, or write it as one of `rules`"));
        }
        let reuse = rule.reuse || rule.action == FlowAction::Redact;
        if reuse && span.is_none() {
            let what = if rule.reuse { "reuse" } else { "action" };
            return Err(ConfigError::new(format!("{at}/{what}"), "asks for texts that are not remembered")
                .remedy("add `\"provenance\": {}` to `flow`"));
        }
        if rule.class.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(format!("{at}/class"), "is an empty list")
                .remedy("leave the field out to match every tool"));
        }
        if rule.unknown && rule.class.is_none() {
            return Err(ConfigError::new(format!("{at}/unknown"), "says how to read a `class` that is not there"));
        }
        if let Some(reason) = &rule.reason {
            name(reason, &format!("{at}/reason"))?;
        }
        let selector = Selector::compile(&rule.r#match, &rule.arguments, Side::Restricts, self.config, at)?;
        let mode = rule.mode.unwrap_or(self.config.mode);
        if mode == Mode::Disabled || !selector.is_here() {
            return Ok(None);
        }
        let reason = match &rule.reason {
            Some(reason) => reason.clone(),
            None => {
                let labels: Vec<&str> = all.iter().chain(&any).map(|label| &**label).collect();
                let how = if reuse { "repeats what was read with" } else { "comes after what was read with" };
                let plural = if labels.len() == 1 { "" } else { "s" };
                format!("The call {how} the label{plural} {}.", labels.join(", "))
            }
        };
        Ok(Some(Rule {
            id: Arc::from(format!("flow:{}", rule.id)),
            reason: Arc::from(reason),
            then: match rule.action {
                FlowAction::Warn => Then::Act(Action::LogOnly),
                FlowAction::Redact => Then::Redact,
                FlowAction::RequireApproval => Then::Act(Action::RequireApproval),
                FlowAction::Deny => Then::Act(Action::Deny),
            },
            shadow: mode == Mode::Shadow,
            selector: Some(selector),
            classes: rule.class.as_deref().map(Classes::of),
            unknown: rule.unknown,
            all,
            any,
            reuse,
        }))
    }

    fn trifecta(&self) -> Option<Rule> {
        self.built_in("flow:trifecta", self.flow.trifecta, TRIFECTA, &[ToolClass::Sends], |rule| Rule {
            all: [PRIVATE, UNTRUSTED].map(Arc::from).into(),
            ..rule
        })
    }

    fn provenance(&self) -> Result<Option<Rule>, ConfigError> {
        let Some(config) = self.flow.provenance.as_ref().filter(|config| config.enabled) else { return Ok(None) };
        let at = format!("{AT}/provenance");
        let any = self.asked(&config.labels, &format!("{at}/labels"))?;
        for (empty, field) in [(any.is_empty(), "labels"), (config.class.is_empty(), "class")] {
            if empty {
                return Err(ConfigError::new(format!("{at}/{field}"), "is an empty list")
                    .remedy("set `action` to `off` where only rules with `reuse` shall look"));
            }
        }
        let unknown = config.unknown;
        Ok(self.built_in("flow:provenance", config.action, REUSE, &config.class, |rule| Rule {
            any,
            unknown,
            reuse: true,
            ..rule
        }))
    }

    fn built_in(
        &self,
        id: &str,
        escalation: Escalation,
        reason: &str,
        class: &[ToolClass],
        finish: impl FnOnce(Rule) -> Rule,
    ) -> Option<Rule> {
        let action = match escalation {
            Escalation::Off => return None,
            Escalation::Log => Action::LogOnly,
            Escalation::RequireApproval => Action::RequireApproval,
            Escalation::Deny => Action::Deny,
        };
        Some(finish(Rule {
            id: Arc::from(id),
            reason: Arc::from(reason),
            then: Then::Act(action),
            shadow: self.config.mode == Mode::Shadow,
            selector: None,
            classes: Some(Classes::of(class)),
            unknown: false,
            all: Vec::new(),
            any: Vec::new(),
            reuse: false,
        }))
    }

    fn span(&self) -> Result<Option<usize>, ConfigError> {
        let Some(provenance) = self.flow.provenance.as_ref().filter(|config| config.enabled) else { return Ok(None) };
        if (MIN_SPAN..=MAX_SPAN).contains(&provenance.min_bytes) {
            return Ok(Some(provenance.min_bytes));
        }
        Err(ConfigError::new(format!("{AT}/provenance/min_bytes"), "is out of range")
            .remedy(format!("use a number from {MIN_SPAN} to {MAX_SPAN}")))
    }
}

/// True where the configuration asks for anything to be carried.
fn flow_is_used(flow: &FlowConfig) -> bool {
    flow.trifecta != Escalation::Off || !flow.rules.is_empty() || !flow.sources.is_empty() || flow.provenance.is_some()
}

fn decay(flow: &FlowConfig) -> Result<Decay, ConfigError> {
    let text = &flow.decay.time;
    let unit = |unit: &str| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(split);
    let seconds = number.parse::<u64>().ok().zip(unit(rest)).and_then(|(number, unit)| number.checked_mul(unit));
    let Some(seconds) = seconds.filter(|seconds| (1..=MAX_DECAY).contains(seconds)) else {
        return Err(ConfigError::new(format!("{AT}/decay/time"), "is no duration from one second to 30 days")
            .remedy("write it as `\"90s\"`, `\"30m\"`, `\"8h\"` or `\"7d\"`"));
    };
    if flow.decay.calls.is_some_and(|calls| !(1..=MAX_CALLS).contains(&calls)) {
        return Err(ConfigError::new(format!("{AT}/decay/calls"), "is out of range")
            .remedy(format!("use a number from 1 to {MAX_CALLS}")));
    }
    Ok(Decay { time_us: seconds * 1_000_000, calls: flow.decay.calls })
}

/// Where the configuration stands.
const AT: &str = "/flow";
/// Ids of built-in rules.
const BUILT_IN: [&str; 3] = ["trifecta", "provenance", "state"];
/// What the caller of a tool is told.
const TRIFECTA: &str =
    "The caller has read both private data and text that anybody may have written, and the tool can send outward.";
const REUSE: &str = "The call repeats text that was read with a label, and the tool can carry it on.";
/// Longest run that can be asked for.
const MAX_SPAN: usize = 256;
/// 30 days, in seconds.
const MAX_DECAY: u64 = 30 * 86_400;
const MAX_CALLS: u32 = 1_000_000;
