//! What an argument is for: from its name and the tool's.

use crate::scan::detect::Input;

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
    /// Text for people: a message, a description, the content of a file.
    Prose,
    /// Any other named argument: a branch, a host, an id.
    Value,
    /// Nothing is known about it.
    Unknown,
}

impl Role {
    /// The role of an input: by the name of the member, then by that of the tool.
    #[must_use]
    pub fn of(input: &Input<'_>) -> Self {
        let Some(member) = input.member else { return Self::Unknown };
        let mut name = [0u8; 40];
        let member = fold(member, &mut name);
        let mut buffer = [0u8; 64];
        let tool = fold(input.tool.unwrap_or(""), &mut buffer);
        let is = |list: &[&str]| list.contains(&member);
        if is(&["sql", "sqlquery", "sqlstatement", "rawsql"]) {
            return Self::Sql;
        }
        let shell = ["shell", "bash", "terminal", "command", "cmd", "powershell", "exec", "process", "console", "ssh"];
        let database = [
            "sql",
            "query",
            "database",
            "postgres",
            "sqlite",
            "mongo",
            "db",
            "redshift",
            "aurora",
            "clickhouse",
            "snowflake",
            "bigquery",
            "athena",
        ];
        let in_tool = |words: &[&str]| words.iter().any(|word| tool.contains(word));
        if is(&["query", "statement", "q", "queries", "statements", "stmt"]) && in_tool(&database) {
            return Self::Sql;
        }
        if is(&[
            "command",
            "cmd",
            "commands",
            "commandline",
            "cmdline",
            "shell",
            "bash",
            "shellcommand",
            "bashcommand",
            "powershell",
            "cmds",
        ]) {
            return Self::Command;
        }
        if is(&["script", "run", "exec", "input", "line", "args", "argv", "arguments"]) && in_tool(&shell) {
            return Self::Command;
        }
        if is(&[
            "code",
            "source",
            "sourcecode",
            "snippet",
            "program",
            "script",
            "python",
            "javascript",
            "expression",
            "notebook",
            "cell",
        ]) {
            return Self::Code;
        }
        if is(&[
            "message",
            "body",
            "content",
            "contents",
            "text",
            "description",
            "summary",
            "thought",
            "comment",
            "comments",
            "note",
            "notes",
            "title",
            "subject",
            "prompt",
            "question",
            "reason",
            "instructions",
            "markdown",
            "html",
            "answer",
            "context",
            "newstr",
            "oldstr",
            "newstring",
            "oldstring",
            "diff",
            "patch",
            "filetext",
            "newtext",
            "oldtext",
        ]) {
            return Self::Prose;
        }
        if member.ends_with("url") || member.ends_with("uri") || is(&["link", "href", "endpoint", "urls", "uris"]) {
            return Self::Url;
        }
        if member.ends_with("path")
            || member.ends_with("file")
            || member.ends_with("filename")
            || member.ends_with("dir")
            || is(&["paths", "files", "directory", "folder", "destination", "dest", "src", "root", "cwd", "workdir"])
        {
            return Self::Path;
        }
        Self::Value
    }
}

/// Lower case without `_`, `-` and dots; what does not fit is cut.
fn fold<'b>(name: &str, buffer: &'b mut [u8]) -> &'b str {
    let mut length = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
        let Some(slot) = buffer.get_mut(length) else { break };
        *slot = byte.to_ascii_lowercase();
        length += 1;
    }
    buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
}
