//! Arguments and results against the schemas that the tool itself declares.

use super::checks::{Answered, Called, Ruling};
use super::{Exchange, content};
use crate::audit::Record;
use crate::config::{Action, SchemaMode, Side, UnknownProperties};
use crate::json::{Document, Edits, Kind, Limits, Value};
use crate::mcp::Capability;
use crate::scan::Direction;
use crate::schema::{self, Failure};

impl Exchange {
    /// What the tool's `inputSchema` says about a call; members it does not know are taken out where that is wished.
    pub(super) fn schema_call(
        &self,
        called: &Called<'_, '_>,
        edits: &mut Edits,
        record: &mut Record,
    ) -> Option<Ruling> {
        let config = self.firewall.schemas.as_ref()?;
        let sanitise = config.unknown_properties;
        if called.capability != Capability::Tool
            || (config.arguments == SchemaMode::Off && sanitise == UnknownProperties::Keep)
        {
            return None;
        }
        // Where arguments are only sanitised, what cannot be sanitised is refused all the same.
        let mode = if config.arguments == SchemaMode::Off { SchemaMode::Deny } else { config.arguments };
        let text = match self.definition(called.names.first()?, called.now_us) {
            Ok(text) => text,
            Err(problem) => return self.problem(problem, INPUT, mode, record),
        };
        let (Ok(definition), Ok(none)) = (Document::parse(text.as_bytes(), &LIMITS), Document::parse(b"{}", &LIMITS))
        else {
            return self.problem(Problem::Lost, INPUT, mode, record);
        };
        let schema = definition.root().get("inputSchema")?;
        let arguments = called.arguments.unwrap_or(none.root());
        let mut ignored = Vec::new();
        if sanitise != UnknownProperties::Keep {
            match schema::unknown_members(schema, arguments) {
                Ok(unknown) => ignored = unknown,
                Err(failure) => return self.failed(&failure, Direction::Request, INPUT, mode, record),
            }
            if let (Some(first), UnknownProperties::Deny) = (ignored.first(), sanitise) {
                let failure = Failure::Mismatch { at: first.location(), keyword: "properties" };
                return self.failed(&failure, Direction::Request, INPUT, mode, record);
            }
        }
        if config.arguments != SchemaMode::Off
            && let Err(failure) = schema::validate(schema, arguments, &ignored)
        {
            let ruling = self.failed(&failure, Direction::Request, INPUT, mode, record);
            if ruling.as_ref().is_some_and(|ruling| !ruling.shadow) {
                return ruling;
            }
            self.remove(arguments, &ignored, edits, record);
            return ruling;
        }
        self.remove(arguments, &ignored, edits, record);
        None
    }

    /// What the tool's `outputSchema` says about its result.
    pub(super) fn schema_result(&self, answered: &Answered<'_, '_>, record: &mut Record) -> Option<Ruling> {
        let config = self.firewall.schemas.as_ref()?;
        if config.results == SchemaMode::Off || answered.method != "tools/call" {
            return None;
        }
        let result = answered.result;
        let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        // A result that is still to come says so (2026-07-28, `resultType`; tasks of 2025-11-25).
        let complete = result.get("resultType").is_none_or(|kind| kind.is_str("complete"));
        if is_error || !complete || (result.get("task").is_some() && result.get("content").is_none()) {
            return None;
        }
        let tool = record.name.clone()?;
        let text = match self.definition(&tool, answered.now_us) {
            Ok(text) => text,
            // The call was let through without its definition; so is its result.
            Err(Problem::Unlisted) => return None,
            Err(problem) => return self.problem(problem, OUTPUT, config.results, record),
        };
        let Ok(definition) = Document::parse(text.as_bytes(), &LIMITS) else {
            return self.problem(Problem::Lost, OUTPUT, config.results, record);
        };
        let schema = definition.root().get("outputSchema")?;
        let failure = match result.get("structuredContent") {
            Some(content) => schema::validate(schema, content, &[]).err()?,
            None => Failure::Mismatch { at: "/result/structuredContent".to_owned(), keyword: "required" },
        };
        self.failed(&failure, Direction::Response, OUTPUT, config.results, record)
    }

    /// The tool's definition as it was listed last.
    fn definition(&self, tool: &str, now_us: u64) -> Result<String, Problem> {
        let pins = self.firewall.pins.as_ref().ok_or(Problem::Lost)?;
        let found = pins.definition(&*self.store, &self.scene.server, tool, now_us);
        found.map_err(|_| Problem::Lost)?.ok_or(Problem::Unlisted)?.ok_or(Problem::NotKept)
    }

    /// What follows where there is no schema to check against.
    fn problem(&self, problem: Problem, rule: &str, mode: SchemaMode, record: &mut Record) -> Option<Ruling> {
        let config = self.firewall.schemas.as_ref()?;
        let (side, reason) = match problem {
            Problem::Lost => (Side::Deny, "The firewall's memory of tool definitions is not available."),
            Problem::Unlisted => {
                (config.unlisted, "Its definition has not been listed through this firewall; list the tools first.")
            }
            Problem::NotKept => (config.unsupported, "Its definition is too large to be kept."),
        };
        (side == Side::Deny).then(|| self.ruling(rule, reason, mode, record))
    }

    /// What follows from a check that did not pass. Members are named by their pointers, values not at all.
    fn failed(
        &self,
        failure: &Failure,
        direction: Direction,
        rule: &str,
        mode: SchemaMode,
        record: &mut Record,
    ) -> Option<Ruling> {
        let config = self.firewall.schemas.as_ref()?;
        let reason = match failure {
            Failure::Mismatch { at, keyword } => {
                let at: String = content::recordable(self, direction, at).chars().take(MAX_POINTER).collect();
                format!("The value at {at} does not fit the tool's own schema ({keyword}).")
            }
            Failure::Unsupported(_) if config.unsupported == Side::Allow => {
                record.rules_fired.push("schema:unsupported".into());
                return None;
            }
            Failure::Unsupported(what) => format!("The tool's schema cannot be applied ({what})."),
            Failure::TooMuch => "Applying the tool's schema would take too long.".to_owned(),
        };
        Some(self.ruling(rule, &reason, mode, record))
    }

    fn ruling(&self, rule: &str, reason: &str, mode: SchemaMode, record: &mut Record) -> Ruling {
        record.rules_fired.push(rule.into());
        let shadow = mode == SchemaMode::Log || !self.enforcing();
        Ruling { shadow, ..Ruling::new(Action::Deny, rule, reason) }
    }

    /// Takes members out of the arguments.
    fn remove(&self, arguments: Value<'_>, keys: &[Value<'_>], edits: &mut Edits, record: &mut Record) {
        if keys.is_empty() {
            return;
        }
        record.rules_fired.push("schema:unknown-properties".into());
        if !self.enforcing() {
            return;
        }
        for key in keys {
            record.redacted.push(content::recordable(self, Direction::Request, &key.location()));
        }
        let starts: Vec<usize> = keys.iter().map(|key| key.span().start).collect();
        remove_within(arguments, &starts, edits);
    }
}

/// Why there is no definition.
enum Problem {
    /// The state could not be read.
    Lost,
    /// Nobody listed the tool.
    Unlisted,
    /// It was too large.
    NotKept,
}

/// Recursion is bounded by the depth limit of the strict parse.
fn remove_within(value: Value<'_>, starts: &[usize], edits: &mut Edits) {
    match value.kind() {
        Kind::Object => {
            if value.members().any(|(key, _)| starts.contains(&key.span().start)) {
                edits.retain_members(value, |key| !starts.contains(&key.span().start));
            }
            for (_, member) in value.members() {
                remove_within(member, starts, edits);
            }
        }
        Kind::Array => value.elements().for_each(|element| remove_within(element, starts, edits)),
        _ => {}
    }
}

const INPUT: &str = "schema:input";
const OUTPUT: &str = "schema:output";
/// Longest pointer that a reason holds, in characters.
const MAX_POINTER: usize = 200;
/// What is kept has passed the strict parse once.
const LIMITS: Limits = Limits { max_bytes: usize::MAX, max_depth: 128 };
