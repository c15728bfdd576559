//! What gains rights or leaves its place: elevation, setuid and capabilities, escape from containers,
//! path traversal in all encodings, sensitive files, commands smuggled into arguments.
//!
//! It looks at what goes to a server. What an argument is for decides: a chain of harmless commands is
//! honest in a command line and an attack in a file name (see [`Role`]).

use super::detect::{Detector, Gate, Input, MAX_MATCHES, Match, RuleInfo, heads, push_once};
use super::shell::Role;
use super::{Direction, Severity};

mod arguments;
mod chaining;
mod containers;
mod elevate;
mod rules;
mod sensitive;
mod traversal;

/// The scanner.
pub const DETECTOR: Detector = Detector {
    name: "privesc",
    rules: &heads::<{ rules::RULES.len() }>(rules::RULES),
    triggers: || rules::TRIGGERS.to_vec(),
    gate: Gate::Triggers,
    off: &[],
    direction: Some(Direction::Request),
    detect,
};

/// What is to be known about each rule, in the order of [`DETECTOR`]'s.
pub const CATALOG: &[RuleInfo] = rules::RULES;

/// Index of a rule in [`DETECTOR`]'s table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    ElevatedShell,
    Elevation,
    Setuid,
    Accounts,
    ContainerEscape,
    Traversal,
    SensitiveFile,
    Chaining,
    ArgumentInjection,
    ShellEscape,
    TemplateExecution,
    PersistentWrite,
}

fn detect(input: &Input<'_>, out: &mut Vec<Match>) {
    let text = input.text;
    if input.context.direction != Direction::Request || text.len() < 2 {
        return;
    }
    let role = Role::of(input);
    if containers::manifest(text, input.member, role) || input.member.is_some_and(|name| containers::member(text, name))
    {
        push(out, Rule::ContainerEscape, 0..text.len());
        return;
    }
    match role {
        Role::Command => commands(input, role, out),
        Role::Code => {
            commands(input, role, out);
        }
        Role::Unknown | Role::Value | Role::Path | Role::Url => {
            smuggled(input, role, out);
            if let Some(range) = traversal::find(text, role) {
                push(out, Rule::Traversal, range);
            }
            if let Some(range) = sensitive::in_argument(text, role) {
                push(out, Rule::SensitiveFile, range);
            }
            if role == Role::Path && writes(input.tool) && sensitive::persists(text) {
                push(out, Rule::PersistentWrite, 0..text.len());
            }
            if out.is_empty() && role == Role::Unknown {
                commands(input, role, out);
            }
        }
        Role::Prose | Role::Document | Role::Search => {
            if let Some(range) = chaining::in_prose(input) {
                push(out, Rule::Chaining, range);
            }
        }
        // The command that it belongs to was read as a whole.
        Role::Word => {
            if let Some(range) = chaining::find(input, role) {
                push(out, Rule::Chaining, range);
            }
        }
        Role::Sql => {}
    }
}

/// What a shell would run.
fn commands(input: &Input<'_>, role: Role, out: &mut Vec<Match>) {
    let script = input.script();
    for (index, command) in script.commands.iter().enumerate() {
        let name = command.name();
        let found = elevate::check(command, &name)
            .or_else(|| containers::check(command, &name))
            .or_else(|| arguments::check(&script, index, &name))
            .or_else(|| sensitive::check(command, &name, role));
        if let Some(rule) = found {
            push(out, rule, command.span.clone());
        }
        if out.len() >= MAX_MATCHES {
            return;
        }
    }
}

/// What does not belong into an argument that is no command.
fn smuggled(input: &Input<'_>, role: Role, out: &mut Vec<Match>) {
    let text = input.text;
    if let Some(range) = chaining::template(text) {
        push(out, Rule::TemplateExecution, range);
    } else if let Some(range) = chaining::find(input, role) {
        push(out, Rule::Chaining, range);
    }
    if let Some(range) = arguments::in_value(text, role) {
        push(out, Rule::ArgumentInjection, range);
    }
}

fn writes(tool: Option<&str>) -> bool {
    let tool = tool.unwrap_or("").to_ascii_lowercase();
    ["write", "create", "edit", "append", "save", "upload", "put", "move", "copy", "replace"]
        .iter()
        .any(|word| tool.contains(word))
}

fn push(out: &mut Vec<Match>, rule: Rule, range: std::ops::Range<usize>) {
    push_once(out, rule as usize, range);
}

#[cfg(test)]
mod tests;
