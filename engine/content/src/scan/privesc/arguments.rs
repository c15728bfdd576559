//! Options that make a program run another, and interpreters told to start a shell.

use std::ops::Range;
use std::sync::LazyLock;

use super::Rule;
use crate::scan::shell::{Role, Script, is_shell};
use crate::sort::Arrange;

/// Command lines with such options, by structure rather than by program.
pub(super) fn check(script: &Script, index: usize, name: &str) -> Option<Rule> {
    let command = script.commands.get(index)?;
    let option = command.args().any(runs_by_option);
    let git = name == "git"
        && command.args().any(|arg| {
            let lower = arg.to_ascii_lowercase();
            [
                "core.sshcommand=",
                "core.pager=!",
                "core.editor=!",
                "core.fsmonitor=",
                "diff.external=",
                "credential.helper=!",
                "core.gitproxy=",
                "protocol.ext.allow=",
                "core.hookspath=",
            ]
            .iter()
            .any(|key| lower.starts_with(key))
                || arg.starts_with("ext::")
        });
    // The short form of `--upload-pack`.
    let pack =
        name == "git" && matches!(command.arg(0), "clone" | "ls-remote") && command.args().any(|arg| arg == "-u");
    if option || git || pack {
        return Some(Rule::ArgumentInjection);
    }
    if matches!(name, "nc" | "ncat" | "netcat")
        && command.short('e')
        && command.args().any(|arg| is_shell(arg.rsplit('/').next().unwrap_or(arg)) || arg.starts_with("cmd"))
    {
        return Some(Rule::ShellEscape);
    }
    // The option of a shell by which it keeps the rights of its owner.
    if is_shell(name) && command.arg(0) == "-p" {
        return Some(Rule::ShellEscape);
    }
    // `find . -exec /bin/sh \;`: a shell and nothing for it to do.
    if matches!(name, "find" | "gfind")
        && command.words.windows(3).any(|three| {
            three.first().is_some_and(|word| matches!(word.text.as_str(), "-exec" | "-execdir"))
                && three.get(1).is_some_and(|word| is_shell(word.text.rsplit('/').next().unwrap_or("")))
                && three.get(2).is_some_and(|word| matches!(word.text.as_str(), ";" | "-p" | "-i" | "+"))
        })
    {
        return Some(Rule::ShellEscape);
    }
    let assigned = command.assignments.iter().any(|(key, value)| {
        matches!(
            key.as_str(),
            "LESSOPEN"
                | "PAGER"
                | "MANPAGER"
                | "EDITOR"
                | "VISUAL"
                | "BROWSER"
                | "GIT_SSH_COMMAND"
                | "GIT_PAGER"
                | "BASH_ENV"
                | "ENV"
                | "PERL5OPT"
                | "PYTHONSTARTUP"
        ) && (value.contains("/bin/sh") || value.contains("/bin/bash") || value.starts_with('!'))
    });
    // Programs that take a program to run: `man -P 'sh -c id'`, `gcc -wrapper /bin/sh,-s .`, `busybox sh`.
    let takes = matches!(
        name,
        "man"
            | "rsync"
            | "zip"
            | "gcc"
            | "g++"
            | "cc"
            | "script"
            | "busybox"
            | "systemd-run"
            | "tcpdump"
            | "split"
            | "mtr"
    ) && command.args().any(|arg| {
        let (head, rest) = arg.split_once([' ', ',']).unwrap_or((arg, ""));
        is_shell(head.rsplit('/').next().unwrap_or(head)) && (rest.is_empty() || rest.starts_with(['-', '#']))
    });
    // Programs of Windows that load or start what they are given, past what watches the start of programs.
    if lends(command, name) {
        return Some(Rule::ShellEscape);
    }
    // What clients of databases hand to a shell.
    let client = matches!(name, "psql" | "mysql" | "mariadb" | "sqlite3")
        && command.args().any(|arg| [r"\!", ".shell ", ".system "].iter().any(|sign| arg.starts_with(sign)));
    if takes || client {
        return Some(Rule::ShellEscape);
    }
    let escape = !is_shell(name) && !matches!(name, "echo" | "printf" | "grep") && command.args().any(starts_shell);
    (assigned || escape).then_some(Rule::ShellEscape)
}

/// A program of [`LENDERS`], used so.
#[inline(never)]
fn lends(command: &crate::scan::shell::Command, name: &str) -> bool {
    // Looked up, not looked through: a text may hold a command in every other byte.
    static BY_NAME: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
        let mut all: Vec<_> = LENDERS.split('|').map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
        all.arrange_by_key(|(name, _)| *name);
        all
    });
    let mut args = command.args().peekable();
    if args.peek().is_none() {
        return false;
    }
    let at = BY_NAME.partition_point(|(other, _)| *other < name);
    let Some((_, signs)) = BY_NAME.get(at).filter(|(other, _)| *other == name) else { return false };
    signs.is_empty()
        || args.any(|arg| {
            let arg = arg.to_ascii_lowercase();
            signs.split(' ').any(|sign| arg.contains(sign))
        })
}

/// Such programs, and what stands in an argument when they are used so; nothing: whenever they have one.
/// Source: LOLBAS project, which lists them by function.
static LENDERS: &str = "\
    addinutil|aspnet_compiler|atbroker /start|bginfo|certoc|cmstp .inf /nf|cdb -c|conhost .exe|control .dll .cpl|\
    createdump|dfsvc|diskshadow /s exec|dnscmd plugindll|dump64|esentutl ntds.dit /vss|explorer /root|extexport|\
    forfiles /c|ftp -s:|gpscript|ieexec|infdefaultinstall|installutil /u|mavinject|microsoft.workflow.compiler|\
    msdt .diagcab pcwdiagnostic /af|mshta|msxsl|odbcconf regsvr installdriver -f /f|pcalua -a|pcwrun|presentationhost|\
    provlaunch|rasautou -d|rdrleakdiag|regasm /u|register-cimprovider|regsvcs|regsvr32 /i scrobj .sct|replace \\\\|\
    rundll32 url.dll advpack syssetup setupapi shdocvw ieframe pcwutl zipfldr dfshim comsvcs mshtml shell32 desk.cpl scrobj|\
    runexehelper|runonce /alternate|runscripthelper|scriptrunner -appvscript|settingsynchost diagscript|sqldumper|\
    stordiag|syncappvpublishingserver|tracker /d|ttdinject|tttracer|verclsid|vsjitdebugger|wbadmin ntds.dit|\
    winrm invoke|wmic create /format:|workfolders|wuauclt updatedeploymentprovider|xwizard runwizard";

/// A value that would be read as an option.
pub(super) fn in_value(text: &str, role: Role) -> Option<Range<usize>> {
    let trimmed = text.trim_start();
    if trimmed.starts_with("ext::") {
        return Some(0..text.len());
    }
    if !trimmed.starts_with('-') || trimmed.len() > 1024 {
        return None;
    }
    let long = trimmed
        .strip_prefix("--")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()) && !rest.contains(' '));
    let short =
        trimmed.as_bytes().get(1).is_some_and(u8::is_ascii_alphabetic) && !trimmed.contains(' ') && trimmed.len() <= 3;
    let found = runs_by_option(trimmed) || (role == Role::Path && (long || short));
    found.then_some(0..text.len())
}

fn runs_by_option(arg: &str) -> bool {
    if !arg.starts_with("--") && !arg.bytes().any(|byte| matches!(byte, b'=' | b':')) {
        return false;
    }
    // What all of these begin with.
    if !arg.trim_start().bytes().next().is_some_and(|byte| b"-adlps".contains(&(byte | 0x20))) {
        return false;
    }
    let lower = arg.to_ascii_lowercase();
    [
        "--upload-pack",
        "--receive-pack",
        "--config=core.",
        "--config=protocol.",
        "--checkpoint-action",
        "--use-askpass=",
        "--open-files-in-pager",
        "--to-command",
        "--rsh=",
        "--use-compress-program=",
        "--unzip-command",
        "--post-file=/etc",
        "--wrap-exec",
        "--ssh-command=",
        "--output=/",
        "--output-document=/",
        "--browser-subprocess-path",
        "--renderer-cmd-prefix",
        "--gpu-launcher",
        "--utility-cmd-prefix",
    ]
    .iter()
    .any(|option| lower.starts_with(option))
        || lower.trim_start_matches("-o").trim_start().starts_with("proxycommand=")
            && !lower.contains("proxycommand=none")
            && !lower.contains("proxycommand=ssh ")
            && !lower.contains("proxycommand=nc ")
        || lower.starts_with("localcommand=")
        || lower.starts_with("apt::update::pre-invoke")
        || lower.starts_with("dpkg::pre-invoke")
        || lower.starts_with("ssh_command=/")
}

/// A call or an escape whose target is a shell: `system("/bin/sh")`, `:!/bin/sh`, `exec "/bin/bash"`.
fn starts_shell(arg: &str) -> bool {
    arg.contains("/bin/")
        && ["/bin/sh", "/bin/bash"].iter().any(|shell| {
            arg.find(shell).is_some_and(|at| {
                let before = arg.get(..at).unwrap_or("").trim_end_matches(['"', '\'', ' ', '[', '\\']);
                let after = arg.get(at + shell.len()..).unwrap_or("").trim_start_matches(['"', '\'']);
                let alone = after.is_empty() || after.starts_with([')', ';', ',', ']', ' ', '}', '`']);
                alone
                    && [
                        "system(",
                        "exec(",
                        "exec",
                        "execl(",
                        "execlp(",
                        "execv(",
                        "spawn(",
                        "popen(",
                        "!",
                        "system",
                        "call(",
                        "run(",
                        "execute(",
                        "pty.spawn(",
                    ]
                    .iter()
                    .any(|call| before.ends_with(call))
            })
        })
}
