//! What destroys: shell commands, SQL, SQL and NoSQL injection, reverse shells, administration of
//! repositories, clouds, containers and databases.
//!
//! It looks at what goes to a server (arguments and answers of the client). A result that quotes
//! `rm -rf /` destroys nothing, and is not looked at.

use std::cell::OnceCell;

use super::detect::{Detector, Gate, Input, MAX_MATCHES, Match, RuleInfo, heads, push_once};
use super::shell::{self, Role};
use super::sql::{self, Harm, injection};
use super::{Direction, Severity};

mod admin;
mod code;
mod files;
mod git;
pub(super) mod hidden;
mod nosql;
mod reverse;
mod rules;
mod system;

/// The scanner.
pub const DETECTOR: Detector = Detector {
    name: "destructive",
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
    Delete,
    DiskWipe,
    ForkBomb,
    Permissions,
    LogTamper,
    ServiceTamper,
    ReverseShell,
    GitRewrite,
    CloudDestroy,
    DataDestroy,
    DecodedExecution,
    DisguisedCommand,
    CodeDelete,
    Overwrite,
    SqlDestroy,
    SqlSystem,
    SqlInjection,
    Nosql,
    MachineStop,
}

fn detect(input: &Input<'_>, out: &mut Vec<Match>) {
    let text = input.text;
    if input.context.direction != Direction::Request || text.len() < 3 {
        return;
    }
    if nosql::is_operator(text, input.member, input.tool) {
        push(out, Rule::Nosql, 0..text.len());
        return;
    }
    let role = Role::of(input);
    let script = || input.script();
    // Read once, as statements and as a fragment of one.
    let tokens = OnceCell::new();
    let tokens = &|| tokens.get_or_init(|| sql::lex(text)).as_slice();
    let before = out.len();
    if !matches!(role, Role::Prose | Role::Search)
        && let Some(range) = reverse::in_text(text)
    {
        push(out, Rule::ReverseShell, range);
    }
    if is_bare(text) {
        // It can only be the name of a command.
        if matches!(role, Role::Command | Role::Code | Role::Unknown) {
            commands(text, &script(), false, out);
        }
        return;
    }
    match role {
        Role::Command | Role::Unknown => {
            commands(text, &script(), false, out);
            statements(text, tokens, out);
            // Typed into the shell of a document database, or given to it.
            if out.len() == before
                && (text.trim_start().starts_with("db.") || text.contains("mongo"))
                && let Some(range) = code::empties(text)
            {
                push(out, Rule::DataDestroy, range);
            }
        }
        Role::Code => {
            commands(text, &script(), false, out);
            if let Some(range) = code::deletes(text) {
                push(out, Rule::CodeDelete, range);
            }
            if let Some(range) = code::empties(text) {
                push(out, Rule::DataDestroy, range);
            }
        }
        Role::Value | Role::Path | Role::Url => {
            if text.as_bytes().iter().any(|b| matches!(b, b';' | b'|' | b'&' | b'`' | b'\n' | b'$')) {
                commands(text, &script(), true, out);
            }
            statements(text, tokens, out);
        }
        Role::Sql => {
            statements(text, tokens, out);
            if let Some(range) = code::empties(text) {
                push(out, Rule::DataDestroy, range);
            }
        }
        Role::Document => {
            let mut found = Vec::new();
            commands(text, &script(), false, &mut found);
            out.extend(found.into_iter().filter(|found| DEADLY.iter().any(|rule| *rule as usize == found.rule)));
        }
        Role::Word => commands(text, &script(), true, out),
        Role::Prose | Role::Search => {}
    }
    if matches!(role, Role::Unknown | Role::Value | Role::Url | Role::Sql | Role::Path | Role::Search)
        && out.len() == before
    {
        inject(input, role, tokens, out);
    }
}

/// One word without quotes, separators and operators, as most arguments are: a name, a number, a time.
fn is_bare(text: &str) -> bool {
    text.len() <= MAX_BARE
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'))
        && !text.contains("--")
}

/// Shell commands; with `injected` only those that stand behind a separator or in a substitution.
fn commands(text: &str, script: &shell::Script, injected: bool, out: &mut Vec<Match>) {
    if hidden::fork_bomb(text) {
        push(out, Rule::ForkBomb, 0..text.len());
    }
    let first = script.commands.first().map_or(0, |command| command.span.start);
    for (index, command) in script.commands.iter().enumerate() {
        if injected && !command.substituted && command.span.start <= first {
            continue;
        }
        let name = command.name();
        let found = files::check(command, &name)
            .or_else(|| system::check(command, &name))
            .or_else(|| git::check(command, &name))
            .or_else(|| admin::check(command, &name))
            .or_else(|| reverse::check(script, index, &name))
            .or_else(|| code::check(script, index, &name))
            .or_else(|| hidden::check(script, index, &name))
            .or_else(|| sql_client(command, &name));
        if let Some(rule) = found {
            push(out, rule, command.span.clone());
        }
        if out.len() >= MAX_MATCHES {
            return;
        }
    }
}

/// `psql -c "DROP TABLE t"` and other clients.
fn sql_client(command: &shell::Command, name: &str) -> Option<Rule> {
    let known = matches!(
        name,
        "psql"
            | "mysql"
            | "mariadb"
            | "sqlite3"
            | "sqlcmd"
            | "clickhouse-client"
            | "clickhouse"
            | "duckdb"
            | "cockroach"
            | "snowsql"
            | "cqlsh"
            | "bq"
            | "usql"
            | "mycli"
            | "pgcli"
            | "osql"
            | "isql"
            | "sqlplus"
            | "trino"
            | "presto"
            | "hive"
            | "beeline"
            | "spark-sql"
            | "wrangler"
            | "turso"
    );
    if !known {
        return None;
    }
    let texts = command.args().chain(command.stdin.as_deref());
    texts.filter(|text| text.contains(' ')).find_map(|text| sql::harm(&sql::lex(text))).map(|(harm, _)| of_harm(harm))
}

fn statements<'t>(text: &'t str, tokens: &dyn Fn() -> &'t [sql::Token<'t>], out: &mut Vec<Match>) {
    if sql::may_harm(text)
        && let Some((harm, range)) = sql::harm(tokens())
    {
        push(out, of_harm(harm), range);
    }
}

fn inject<'t>(input: &Input<'t>, role: Role, tokens: &dyn Fn() -> &'t [sql::Token<'t>], out: &mut Vec<Match>) {
    if let Some(range) = nosql::find(input.text, role == Role::Search) {
        push(out, Rule::Nosql, range);
        return;
    }
    if let Some((form, range)) = injection::find_in(input.text, tokens, role == Role::Sql) {
        // A filter may call functions; what it never does is change the data, wait, or hold always.
        if role == Role::Search && form == injection::Form::Probe {
            return;
        }
        push(out, Rule::SqlInjection, range);
    }
}

const fn of_harm(harm: Harm) -> Rule {
    match harm {
        Harm::System => Rule::SqlSystem,
        Harm::Stacked => Rule::SqlInjection,
        _ => Rule::SqlDestroy,
    }
}

fn push(out: &mut Vec<Match>, rule: Rule, range: std::ops::Range<usize>) {
    push_once(out, rule as usize, range);
}

/// Longest word that is looked at as such, in bytes; more is no name.
const MAX_BARE: usize = 64;

/// What counts in a document too: nobody writes it by accident.
const DEADLY: [Rule; 4] = [Rule::DiskWipe, Rule::ForkBomb, Rule::ReverseShell, Rule::DecodedExecution];

#[cfg(test)]
mod tests;
