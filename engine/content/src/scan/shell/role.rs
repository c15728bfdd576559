//! What an argument is for: from its name and the tool's.

use crate::scan::detect::Input;
use crate::scan::lookup::Lookup;

/// The role of a text. What an attack on it is depends on it: a chain of commands is honest in a
/// command line and an attack in a file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A shell runs it.
    Command,
    /// An interpreter runs it (Python, JavaScript, a script with `#!`).
    Code,
    /// A database runs it.
    Sql,
    /// A file or directory.
    Path,
    /// A URL.
    Url,
    /// Text for people: a message, a description, the content of a file; also patterns.
    Prose,
    /// What is looked for: a question, a filter. Separators and quotes are part of it.
    Search,
    /// A word that a known program gets, behind its name.
    Word,
    /// Any other named argument: a branch, a host, an id.
    Value,
    /// Nothing is known about it.
    Unknown,
    /// Nothing is known about it but that it is long and has lines, as no name, id, path or command has: a page, a
    /// file, a record of text. What is a command in it and what is quoted cannot be told.
    Document,
}

impl Role {
    /// The role of an input: the one that it was given, else by the name of the member, then by that of the tool.
    #[must_use]
    pub fn of(input: &Input<'_>) -> Self {
        match input.role.unwrap_or_else(|| Self::of_member(input.member, input.tool)) {
            Self::Unknown | Self::Value if input.is_document() => Self::Document,
            role => role,
        }
    }

    /// What the name of a member says, and that of the tool, whatever the text is.
    pub(in crate::scan) fn of_member(member: Option<&str>, tool: Option<&str>) -> Self {
        let Some(member) = member else { return Self::Unknown };
        let mut buffer = [0u8; 40];
        let name = fold(member, &mut buffer);
        match NAMED.get(name) {
            Some(Named::Sql) => Self::Sql,
            Some(Named::Query) => {
                if tool_is(tool, DATABASES) {
                    Self::Sql
                } else {
                    Self::Search
                }
            }
            Some(Named::Command) => Self::Command,
            Some(Named::Input) => {
                if tool_is(tool, SHELLS) {
                    Self::Command
                } else {
                    Self::Unknown
                }
            }
            Some(Named::Script) => {
                if tool_is(tool, SHELLS) {
                    Self::Command
                } else {
                    Self::Code
                }
            }
            Some(Named::Code) => Self::Code,
            Some(Named::Prose) => Self::Prose,
            Some(Named::Search) => Self::Search,
            Some(Named::Url) => Self::Url,
            Some(Named::Path) => Self::Path,
            None if name.ends_with(b"url") || name.ends_with(b"uri") => Self::Url,
            None if name.ends_with(b"path") || name.ends_with(b"file") || name.ends_with(b"filename") => Self::Path,
            None if name.ends_with(b"dir") => Self::Path,
            None => Self::Value,
        }
    }
}

/// Lines of words, several of them. A script or a query that says so in its first word is none.
pub(in crate::scan) fn is_document(text: &str) -> bool {
    text.len() >= MIN_DOCUMENT
        // The last line may have no end.
        && memchr::memchr_iter(b'\n', text.as_bytes()).take(MIN_LINES).count() >= MIN_LINES - 1
        && !text.trim_start().starts_with("#!")
        && !text
            .split_whitespace()
            .next()
            .is_some_and(|word| STATEMENTS.iter().any(|verb| verb.eq_ignore_ascii_case(word)))
        && text.lines().filter(|line| line.split_whitespace().nth(2).is_some()).take(MIN_LINES).count() == MIN_LINES
}

/// What a name says by itself; some only together with the tool's.
#[derive(Clone, Copy, Debug)]
enum Named {
    Sql,
    Query,
    Command,
    Input,
    Script,
    Code,
    Prose,
    Search,
    Url,
    Path,
}

/// Whether the name of the tool holds one of `words`.
fn tool_is(tool: Option<&str>, words: &[&str]) -> bool {
    let mut buffer = [0u8; 64];
    let tool = std::str::from_utf8(fold(tool.unwrap_or(""), &mut buffer)).unwrap_or_default();
    words.iter().any(|word| tool.contains(word))
}

/// Lower case without `_`, `-` and dots; what does not fit is cut.
pub(in crate::scan) fn fold<'b>(name: &str, buffer: &'b mut [u8]) -> &'b [u8] {
    let mut length = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
        let Some(slot) = buffer.get_mut(length) else { break };
        *slot = byte.to_ascii_lowercase();
        length += 1;
    }
    buffer.get(..length).unwrap_or_default()
}

static SHELLS: &[&str] =
    &["shell", "bash", "terminal", "command", "cmd", "powershell", "exec", "process", "console", "ssh"];

static DATABASES: &[&str] =
    &["sql", "query", "database", "postgres", "mongo", "db", "redshift", "aurora", "clickhouse", "snowflake", "athena"];

/// What a query begins with.
static STATEMENTS: &[&str] =
    &["select", "with", "insert", "update", "delete", "drop", "truncate", "alter", "create", "begin", "--", "exec"];

/// Labelled attacks on arguments of unknown names are shorter, but for programs.
const MIN_DOCUMENT: usize = 400;

/// Lines of at least three words.
const MIN_LINES: usize = 5;

/// Names of members, folded, sorted.
static NAMED: Lookup<Named> = Lookup::new(&[
    ("answer", Named::Prose),
    ("args", Named::Input),
    ("arguments", Named::Input),
    ("argv", Named::Input),
    ("bash", Named::Command),
    ("bashcommand", Named::Command),
    ("body", Named::Prose),
    ("cell", Named::Code),
    ("cmd", Named::Command),
    ("cmdline", Named::Command),
    ("cmds", Named::Command),
    ("code", Named::Code),
    ("command", Named::Command),
    ("commandline", Named::Command),
    ("commands", Named::Command),
    ("comment", Named::Prose),
    ("comments", Named::Prose),
    ("condition", Named::Search),
    ("conditions", Named::Search),
    ("content", Named::Prose),
    ("contents", Named::Prose),
    ("context", Named::Prose),
    ("cql", Named::Search),
    ("cwd", Named::Path),
    ("description", Named::Prose),
    ("dest", Named::Path),
    ("destination", Named::Path),
    ("diff", Named::Prose),
    ("directory", Named::Path),
    ("endpoint", Named::Url),
    ("exclude", Named::Prose),
    ("exec", Named::Input),
    ("expression", Named::Code),
    ("files", Named::Path),
    ("filetext", Named::Prose),
    ("filter", Named::Search),
    ("filterexpression", Named::Search),
    ("filters", Named::Search),
    ("folder", Named::Path),
    ("format", Named::Prose),
    ("glob", Named::Prose),
    ("grep", Named::Search),
    ("href", Named::Url),
    ("html", Named::Prose),
    ("include", Named::Prose),
    ("input", Named::Input),
    ("instructions", Named::Prose),
    ("javascript", Named::Code),
    ("jq", Named::Prose),
    ("jql", Named::Search),
    ("keyword", Named::Search),
    ("keywords", Named::Search),
    ("line", Named::Input),
    ("link", Named::Url),
    ("markdown", Named::Prose),
    ("match", Named::Prose),
    ("message", Named::Prose),
    ("newstr", Named::Prose),
    ("newstring", Named::Prose),
    ("newtext", Named::Prose),
    ("note", Named::Prose),
    ("notebook", Named::Code),
    ("notes", Named::Prose),
    ("oldstr", Named::Prose),
    ("oldstring", Named::Prose),
    ("oldtext", Named::Prose),
    ("patch", Named::Prose),
    ("paths", Named::Path),
    ("pattern", Named::Prose),
    ("patterns", Named::Prose),
    ("powershell", Named::Command),
    ("predicate", Named::Search),
    ("program", Named::Code),
    ("prompt", Named::Prose),
    ("python", Named::Code),
    ("q", Named::Query),
    ("queries", Named::Query),
    ("query", Named::Query),
    ("question", Named::Prose),
    ("rawsql", Named::Sql),
    ("reason", Named::Prose),
    ("regex", Named::Prose),
    ("regexp", Named::Prose),
    ("root", Named::Path),
    ("run", Named::Input),
    ("script", Named::Script),
    ("search", Named::Search),
    ("searchquery", Named::Search),
    ("searchterm", Named::Search),
    ("selector", Named::Prose),
    ("shell", Named::Command),
    ("shellcommand", Named::Command),
    ("snippet", Named::Code),
    ("source", Named::Code),
    ("sourcecode", Named::Code),
    ("sql", Named::Sql),
    ("sqlquery", Named::Sql),
    ("sqlstatement", Named::Sql),
    ("src", Named::Path),
    ("statement", Named::Query),
    ("statements", Named::Query),
    ("stmt", Named::Query),
    ("subject", Named::Prose),
    ("summary", Named::Prose),
    ("text", Named::Prose),
    ("thought", Named::Prose),
    ("title", Named::Prose),
    ("uris", Named::Url),
    ("urls", Named::Url),
    ("where", Named::Search),
    ("whereclause", Named::Search),
    ("workdir", Named::Path),
]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Context, Direction, Surface};

    #[test]
    fn documents_are_long_and_have_lines() {
        let of = |text: &str, member: &str| {
            let context = Context { direction: Direction::Request, surface: Surface::Arguments };
            Role::of(&Input { text, member: Some(member), tool: None, context, role: None, parsed: None })
        };
        let page = "A line of several words that says something.\n".repeat(12);
        assert_eq!(of(&page, "input"), Role::Document);
        assert_eq!(of(&page, "readme"), Role::Document);
        assert_eq!(of(&page, "path"), Role::Path);
        assert_eq!(of(&page, "command"), Role::Command);
        assert_eq!(of(&page.replace('\n', " "), "input"), Role::Unknown);
        assert_eq!(of(&format!("#!/bin/sh\n{page}"), "input"), Role::Unknown);
        assert_eq!(of(&format!("main{}; id", "\n".repeat(500)), "branch"), Role::Value);
    }
}
