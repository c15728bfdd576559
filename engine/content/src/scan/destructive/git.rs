//! Git: what throws away work or rewrites history that others have.

use super::Rule;
use crate::scan::shell::Command;

/// A `git` command line.
pub(super) fn check(command: &Command, name: &str) -> Option<Rule> {
    if !matches!(name, "git" | "hub" | "yadm" | "git-filter-repo" | "bfg") {
        return None;
    }
    if name == "git-filter-repo" || name == "bfg" {
        return Some(Rule::GitRewrite);
    }
    let args: Vec<&str> = command.args().collect();
    let mut rest = args.as_slice();
    // Options of git itself.
    let verb = loop {
        let (first, tail) = rest.split_first()?;
        rest = tail;
        match *first {
            "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" | "--super-prefix" | "--config-env"
            | "--exec-path" | "--attr-source" => {
                rest = rest.get(1..)?;
            }
            "--" | "--help" | "--version" => return None,
            option if option.starts_with('-') => {}
            verb => break verb.to_ascii_lowercase(),
        }
    };
    if rest.iter().take_while(|arg| **arg != "--").any(|arg| matches!(*arg, "--help" | "-h" | "--dry-run"))
        && verb != "clean"
    {
        return None;
    }
    let line = Line { args: rest };
    let found = match verb.as_str() {
        "reset" => line.long(&["--hard", "--merge", "--keep"]),
        "clean" => line.short('f', &['e']) || line.long(&["--force"]),
        "checkout" => checkout(&line),
        "restore" => {
            let staged = line.long(&["--staged"]) || line.short('S', &['s']);
            let worktree = line.long(&["--worktree"]) || line.short('W', &['s']);
            (!staged || worktree) && (line.operands() > 0 || line.long(&["--pathspec-from-file"]))
        }
        "switch" => line.short('f', &['c', 'C']) || line.long(&["--force", "--discard-changes"]),
        "branch" => line.short('D', &['u']) || line.short('f', &['u']) || line.long(&["--force"]),
        "push" => {
            line.short('f', &['o'])
                || line.long(&["--force", "--mirror", "--delete", "--prune"])
                || line.short('d', &['o'])
                || rest.iter().any(|arg| arg.len() > 1 && (arg.starts_with('+') || arg.starts_with(':')))
        }
        "stash" => matches!(rest.first(), Some(&("drop" | "clear"))),
        "worktree" => rest.first() == Some(&"remove") && (line.short('f', &[]) || line.long(&["--force"])),
        "reflog" => matches!(rest.first(), Some(&("expire" | "delete"))),
        "gc" => rest
            .iter()
            .any(|arg| matches!(*arg, "--prune=now" | "--prune=all" | "--aggressive") && *arg != "--aggressive"),
        "prune" => rest.is_empty() || rest.iter().any(|arg| arg.starts_with("--expire")),
        "filter-branch" | "filter-repo" => true,
        "update-ref" => line.short('d', &['m']) || line.long(&["--stdin"]),
        "tag" => line.short('d', &['m']) || line.long(&["--delete"]) || line.short('f', &['m']),
        "rm" => line.short('f', &[]) || line.long(&["--force"]) || (line.short('r', &[]) && !line.long(&["--cached"])),
        "rebase" => line.long(&["--root"]) || line.short('f', &['X', 's', 'x']),
        "submodule" => rest.first() == Some(&"deinit") && (line.short('f', &[]) || line.long(&["--force", "--all"])),
        "remote" => matches!(rest.first(), Some(&("rm" | "remove"))),
        "lfs" => rest.first() == Some(&"prune") && line.long(&["--force"]),
        _ => false,
    };
    found.then_some(Rule::GitRewrite)
}

fn checkout(line: &Line<'_>) -> bool {
    if line.short('f', &['b', 'B', 'U']) || line.long(&["--force", "--pathspec-from-file", "--ours", "--theirs"]) {
        return true;
    }
    // `git checkout -- file`, `git checkout HEAD -- file`
    if let Some(at) = line.args.iter().position(|arg| *arg == "--") {
        return line.args.len() > at + 1;
    }
    let creates = line.short('b', &['B', 'U'])
        || line.short('B', &['b', 'U'])
        || line.short('t', &['b', 'B', 'U'])
        || line.short('d', &['b', 'B', 'U'])
        || line.long(&["--orphan", "--track", "--no-track", "--detach", "--patch"]);
    if creates || line.short('p', &['b', 'B', 'U']) {
        return false;
    }
    let mut operands = 0;
    let mut skip = false;
    for arg in line.args {
        if skip {
            skip = false;
        } else if matches!(*arg, "--unified" | "-U" | "--conflict" | "--inter-hunk-context") {
            skip = true;
        } else if matches!(*arg, "." | "*" | "./" | ":/") {
            return true;
        } else if !arg.starts_with('-') {
            operands += 1;
        }
    }
    operands >= 2 && !line.args.iter().any(|arg| arg.starts_with("--") && !KNOWN.contains(arg))
}

struct Line<'a> {
    args: &'a [&'a str],
}

impl Line<'_> {
    fn options(&self) -> impl Iterator<Item = &str> {
        self.args.iter().copied().take_while(|arg| *arg != "--")
    }

    fn long(&self, names: &[&str]) -> bool {
        self.options().any(|arg| {
            names.iter().any(|name| {
                arg == *name
                    || (arg.len() > 4
                        && arg.starts_with("--")
                        && arg.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
            })
        })
    }

    /// A short option within clusters; what follows a letter that takes a value is that value.
    fn short(&self, letter: char, with_value: &[char]) -> bool {
        self.options().filter(|arg| arg.starts_with('-') && !arg.starts_with("--")).any(|arg| {
            for found in arg.chars().skip(1) {
                if found == letter {
                    return true;
                }
                if with_value.contains(&found) {
                    return false;
                }
            }
            false
        })
    }

    fn operands(&self) -> usize {
        let before = self.options().filter(|arg| !arg.starts_with('-')).count();
        let after = self.args.iter().skip_while(|arg| **arg != "--").skip(1).count();
        before + after
    }
}

static KNOWN: &[&str] = &[
    "--guess",
    "--no-guess",
    "--quiet",
    "--progress",
    "--no-progress",
    "--merge",
    "--ignore-skip-worktree-bits",
    "--overlay",
    "--no-overlay",
    "--recurse-submodules",
    "--no-recurse-submodules",
];
