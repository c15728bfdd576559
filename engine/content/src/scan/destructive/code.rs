//! Code of common languages that deletes, and shells started from it.

use std::ops::Range;

use super::Rule;
use crate::scan::shell::Script;
use crate::scan::sql;

/// Interpreters started on a command line with a program: `python -c`, `node -e`, a here-document.
pub(super) fn check(script: &Script, index: usize, name: &str) -> Option<Rule> {
    let command = script.commands.get(index)?;
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !matches!(
        base,
        "python"
            | "perl"
            | "ruby"
            | "node"
            | "nodejs"
            | "deno"
            | "bun"
            | "php"
            | "lua"
            | "pypy"
            | "tclsh"
            | "awk"
            | "gawk"
            | "powershell"
            | "pwsh"
            | "groovy"
            | "osascript"
            | "rscript"
    ) {
        return None;
    }
    let piped = command.pipe_from.and_then(|from| script.commands.get(from)).and_then(|source| source.stdin.as_deref());
    command
        .args()
        .chain(command.stdin.as_deref())
        .chain(piped)
        .filter(|text| text.len() > 6)
        .any(|text| deletes(text).is_some() || runs_deletion(text))
        .then_some(Rule::CodeDelete)
}

/// A call that deletes: recursively, or something of the system.
pub(super) fn deletes(text: &str) -> Option<Range<usize>> {
    for call in DEEP {
        if let Some(at) = text.find(call) {
            return Some(at..at + call.len());
        }
    }
    for call in SINGLE {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(call)) {
            let start = from + at;
            let end = start + call.len();
            from = end;
            // The path is an argument, or a name that was given one somewhere in the text.
            let mut window = (end + MAX_ARGUMENT).min(text.len());
            while !text.is_char_boundary(window) {
                window -= 1;
            }
            let argument = text.get(end..window).and_then(|rest| rest.split(['\n', ')']).next()).unwrap_or("");
            let literal = argument.trim_start().starts_with(['"', '\'']);
            // The first literal; what follows belongs to another call.
            let path = if literal { argument.get(..argument.len().min(MAX_LITERAL)).unwrap_or(argument) } else { text };
            if sensitive_literal(path) {
                return Some(start..end);
            }
            if !literal {
                break;
            }
        }
    }
    runs_deletion(text).then_some(0..text.len())
}

/// A call that empties a table, a collection or a graph, or a statement given to a driver that does.
pub(super) fn empties(text: &str) -> Option<Range<usize>> {
    let spaceless = |at: usize| text.get(at..).unwrap_or("").chars().filter(|c| !c.is_whitespace()).take(4);
    for (call, inner) in EMPTYING {
        for (at, _) in text.match_indices(call).take(16) {
            let end = at + call.len();
            let rest: String = spaceless(end).collect();
            if inner.is_empty() || inner.split(' ').any(|inner| rest.starts_with(inner)) {
                return Some(at..end);
            }
        }
    }
    for (at, call) in text.match_indices("execute").chain(text.match_indices("query(")).take(16) {
        let rest = text.get(at + call.len()..).unwrap_or("");
        let Some((open, quote)) = rest.char_indices().take(12).find(|(_, c)| matches!(c, '"' | '\'' | '`')) else {
            continue;
        };
        let statement = rest.get(open..).unwrap_or("").trim_start_matches(quote);
        let statement = statement.split(quote).next().unwrap_or("");
        if sql::may_harm(statement) && sql::harm(&sql::lex(statement)).is_some() {
            return Some(at..at + call.len());
        }
    }
    None
}

/// Whether one of the string literals is a command line that deletes recursively or wipes.
fn runs_deletion(text: &str) -> bool {
    let mut rest = text;
    let mut left = 64;
    while let Some(at) = rest.find(['"', '\'', '`'])
        && left > 0
    {
        left -= 1;
        let quote = rest.get(at..).and_then(|tail| tail.chars().next()).unwrap_or('"');
        let body = rest.get(at + 1..).unwrap_or("");
        let Some(end) = body.find(quote) else { return false };
        let literal = body.get(..end).unwrap_or("").trim_start();
        let behind = body.get(end + 1..).unwrap_or("");
        // `["rm", "-rf", "/"]`: the words of one command.
        if deadly(literal) || matches!(literal, "rm" | "dd" | "shred" | "git") && deadly(&listed(literal, behind)) {
            return true;
        }
        rest = behind;
    }
    deadly(text.trim_start())
}

/// A word and the literals behind it in a list or a call.
fn listed(first: &str, mut rest: &str) -> String {
    let mut line = first.to_owned();
    for _ in 0..8 {
        let Some(next) = rest.trim_start().strip_prefix(',').map(str::trim_start) else { break };
        let Some(quote) = next.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else { break };
        let Some((word, behind)) = next.get(1..).unwrap_or("").split_once(quote) else { break };
        line.push(' ');
        line.push_str(word);
        rest = behind;
    }
    line
}

fn deadly(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let mut first = words.next().unwrap_or("");
    if first == "sudo" {
        first = words.next().unwrap_or("");
    }
    match first.rsplit('/').next().unwrap_or(first) {
        "rm" => {
            let words: Vec<&str> = words.take(8).collect();
            let deep =
                words.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(['r', 'R']));
            deep && words.iter().any(|word| !word.starts_with('-'))
        }
        "mkfs" | "shred" | "wipefs" => words.next().is_some(),
        "dd" => words.any(|word| word.starts_with("of=/dev/")),
        "git" => {
            let rest: Vec<_> = words.take(4).collect();
            rest.first() == Some(&"reset") && rest.contains(&"--hard")
                || rest.first() == Some(&"clean") && rest.iter().any(|word| word.starts_with("-f"))
                || rest.first() == Some(&"push") && rest.iter().any(|word| matches!(*word, "-f" | "--force"))
        }
        _ => first.starts_with("mkfs."),
    }
}

fn sensitive_literal(text: &str) -> bool {
    let mut rest = text;
    let mut left = 64;
    while let Some(at) = rest.find(['"', '\''])
        && left > 0
    {
        left -= 1;
        rest = rest.get(at + 1..).unwrap_or("");
        let path = rest.split(['"', '\'']).next().unwrap_or("");
        if super::files::is_system(path) || path.starts_with("~/.ssh") || path.contains("/.ssh/") {
            return true;
        }
    }
    false
}

/// Calls that empty a table, a collection or a graph, and what stands in their brackets (nothing: whatever it is).
static EMPTYING: &[(&str, &str)] = &[
    (".deleteMany(", "{})"),
    (".delete_many(", "{})"),
    (".remove(", "{})"),
    (".updateMany(", "{},"),
    (".update_many(", "{},"),
    (".dropDatabase(", ""),
    (".drop_database(", ""),
    (".drop_collection(", ""),
    (".drop_all(", ""),
    (".delete_all", ""),
    (".destroy_all", ""),
    ("DETACH DELETE", ""),
    ("detach delete", ""),
    (".drop(", ")"),
    (".objects.all().delete(", ""),
    (")->truncate(", ""),
    ("::truncate(", ""),
    (".flushall(", ""),
    (".flushdb(", ""),
];

/// Calls that delete trees.
static DEEP: &[&str] = &[
    "shutil.rmtree(",
    "FileUtils.rm_rf",
    "FileUtils.rm_r(",
    "FileUtils.remove_dir",
    "FileUtils.remove_entry",
    "rmSync(",
    "rmdirSync(",
    "fs.rm(",
    "fs.promises.rm(",
    "rimraf(",
    "rimraf.sync(",
    "Directory.Delete(",
    "os.RemoveAll(",
    "remove_tree(",
    "rmtree(",
    "File::Path::remove",
    "fs::remove_dir_all(",
    "deltree(",
    "Remove-Item -Recurse",
    "os.removedirs(",
    "fsExtra.remove",
    "deleteDirectory(",
    "deleteRecursively(",
    "removeSync(",
    "emptyDirSync(",
    "unlink\", glob",
    "unlink', glob",
    "unlink(glob",
    "unlink glob",
];

/// Calls that delete one file.
static SINGLE: &[&str] = &[
    "os.remove(",
    "os.unlink(",
    ".unlink(",
    "unlinkSync(",
    "File.delete(",
    "File.unlink(",
    "unlink(",
    "os.Remove(",
    "fs::remove_file(",
    "Files.delete(",
    "File.Delete(",
    "os.rename(",
    "os.truncate(",
    ".rmdir(",
    "remove(",
    "unlink ",
];

/// Bytes of a call's argument that are looked at.
const MAX_ARGUMENT: usize = 160;
/// Bytes of a path in it.
const MAX_LITERAL: usize = 96;
