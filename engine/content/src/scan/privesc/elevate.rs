//! `sudo` and its kin, setuid and capabilities, accounts and groups.

use super::Rule;
use crate::scan::shell::{Command, is_shell};

/// Commands that gain rights, or make it possible to.
pub(super) fn check(command: &Command, name: &str) -> Option<Rule> {
    let lower = |arg: &str| arg.to_ascii_lowercase();
    match name {
        "sudo" | "doas" | "pkexec" | "run0" | "gsudo" | "sudoedit" | "dzdo" | "calife" => {
            if command.args().all(|arg| matches!(arg, "-V" | "--version" | "-h" | "--help" | "-K" | "-k" | "-v")) {
                return None;
            }
            Some(if name != "sudoedit" && shell_follows(command) { Rule::ElevatedShell } else { Rule::Elevation })
        }
        "su" => {
            let first = command.arg(0);
            let version = matches!(first, "--version" | "--help" | "-h" | "-V");
            (!version && command.wrapped_by.is_none())
                .then(|| if command.short('c') { Rule::ElevatedShell } else { Rule::Elevation })
        }
        "runas" | "psexec" | "psexec64" | "paexec" | "runuser" | "machinectl"
            if name != "machinectl" || command.arg(0) == "shell" =>
        {
            (command.words.len() > 1).then_some(Rule::Elevation)
        }
        "start-process" | "saps" => {
            let raised = command.words.windows(2).any(|pair| {
                pair.first().is_some_and(|word| lower(&word.text).starts_with("-v"))
                    && pair.get(1).is_some_and(|word| lower(&word.text) == "runas")
            });
            raised.then_some(Rule::Elevation)
        }
        "chmod" | "install" | "gchmod" => command.args().any(sets_id).then_some(Rule::Setuid),
        "setcap" => (command.operands().count() >= 1 && !command.has(&["-r"])).then_some(Rule::Setuid),
        "capsh" => command
            .args()
            .any(|arg| arg == "--" || arg.starts_with("--uid") || arg.starts_with("--gid") || arg.starts_with("--caps"))
            .then_some(Rule::Setuid),
        "setpriv" => command
            .args()
            .any(|arg| {
                arg.starts_with("--reuid=0") || arg.starts_with("--ambient-caps") || arg.starts_with("--inh-caps")
            })
            .then_some(Rule::Setuid),
        "find" | "gfind" => searches_setid(command).then_some(Rule::Setuid),
        "getcap" => command.short('r').then_some(Rule::Setuid),
        "visudo" => Some(Rule::Accounts),
        "usermod" | "gpasswd" | "adduser" | "addgroup" | "dscl" | "dseditgroup" | "pw" => {
            let group = command.args().any(|arg| {
                arg.split(',').any(|part| {
                    matches!(
                        part,
                        "sudo" | "wheel" | "docker" | "root" | "admin" | "lxd" | "disk" | "shadow" | "adm" | "libvirt"
                    )
                })
            });
            let adds = name != "usermod" || command.short('G') || command.short('a') || command.short('g');
            let zero = command.words.windows(2).any(|pair| {
                pair.first().is_some_and(|word| word.text == "-u" || word.text == "--uid")
                    && pair.get(1).is_some_and(|word| word.text == "0")
            });
            ((group && adds) || zero).then_some(Rule::Accounts)
        }
        "useradd" => {
            let zero = command.words.windows(2).any(|pair| {
                pair.first().is_some_and(|word| word.text.ends_with('u') || word.text == "--uid")
                    && pair.get(1).is_some_and(|word| word.text == "0")
            });
            let group = command
                .args()
                .any(|arg| arg.split(',').any(|part| matches!(part, "sudo" | "wheel" | "docker" | "root")));
            (zero || group || command.short('o')).then_some(Rule::Accounts)
        }
        "passwd" | "chpasswd" => {
            (name == "passwd" && command.operands().any(|arg| arg == "root") && !command.short('S'))
                .then_some(Rule::Accounts)
        }
        "net" | "net1" => {
            let adds = command.args().any(|arg| lower(arg) == "/add" || lower(arg).starts_with("/active:y"));
            let who = matches!(lower(command.arg(0)).as_str(), "user" | "localgroup" | "group");
            (adds && who).then_some(Rule::Accounts)
        }
        "add-localgroupmember" | "new-localuser" | "add-adgroupmember" => Some(Rule::Accounts),
        // The rights of an owner, given or taken.
        "aws" | "gcloud" | "az"
            if command.args().any(|arg| {
                arg.ends_with("/AdministratorAccess")
                    || matches!(arg.trim_start_matches("--role="), "roles/owner" | "roles/editor")
            }) || command.arg(0) == "role"
                && command.arg(2) == "create"
                && command.args().any(|arg| arg == "Owner") =>
        {
            Some(Rule::Accounts)
        }
        _ => writes_accounts(command),
    }
}

/// A shell or interpreter as what the wrapper runs, or as a value of one of its arguments.
fn shell_follows(command: &Command) -> bool {
    command.args().any(|arg| {
        let base = arg.rsplit('/').next().unwrap_or(arg);
        is_shell(base) || arg.contains("/bin/sh") || arg.contains("/bin/bash")
    }) || command.args().take(2).any(|arg| matches!(arg, "-i" | "-s" | "su" | "--login" | "--shell"))
}

/// Modes that set the user or group id: `u+s`, `g+xs`, `4755`, `02755`.
fn sets_id(mode: &str) -> bool {
    let mode = mode.strip_prefix("--mode=").or_else(|| mode.strip_prefix("-m")).unwrap_or(mode);
    if (4..=5).contains(&mode.len()) && mode.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        let special = mode.as_bytes().get(mode.len() - 4).map_or(0, |b| b - b'0');
        return special & 4 != 0 || special & 2 != 0 && special != 1 && mode.len() == 4 || special & 6 != 0;
    }
    mode.len() <= 16
        && mode.split(',').any(|clause| {
            clause.split_once(['+', '=']).is_some_and(|(who, bits)| {
                who.bytes().all(|b| matches!(b, b'u' | b'g' | b'o' | b'a'))
                    && bits.contains('s')
                    && bits.bytes().all(|b| matches!(b, b'r' | b'w' | b'x' | b'X' | b's' | b't'))
            })
        })
}

fn searches_setid(command: &Command) -> bool {
    command.words.windows(2).any(|pair| {
        let flag = pair.first().map_or("", |word| word.text.as_str());
        let mode = pair.get(1).map_or("", |word| word.text.as_str()).trim_start_matches(['-', '/', '+']);
        flag == "-perm"
            && (matches!(mode, "4000" | "2000" | "6000" | "04000" | "02000" | "06000" | "7000")
                || mode.contains("u=s")
                || mode.contains("g=s")
                || mode.contains("u+s")
                || mode.contains("g+s"))
    })
}

fn writes_accounts(command: &Command) -> Option<Rule> {
    let target = |path: &str| {
        matches!(
            path,
            "/etc/passwd" | "/etc/shadow" | "/etc/sudoers" | "/etc/group" | "/etc/ld.so.preload" | "/etc/doas.conf"
        ) || path.starts_with("/etc/sudoers.d/")
            || path.ends_with("/.ssh/authorized_keys")
            || path.starts_with("/etc/polkit")
            || path.starts_with("/etc/pam.d/")
    };
    let redirected =
        command.redirects.iter().any(|redirect| matches!(redirect.kind, b'>' | b'a') && target(&redirect.target));
    let name = command.name();
    let edits = match name.as_str() {
        "tee" | "vim" | "vi" | "nano" | "emacs" => command.operands().any(target),
        "sed" | "perl" => {
            command.args().any(|arg| arg.starts_with("-i") || arg == "--in-place") && command.operands().any(target)
        }
        "cp" | "mv" | "install" | "ln" => {
            command.operands().last().is_some_and(target) && command.operands().count() > 1
        }
        _ => false,
    };
    (redirected || edits).then_some(Rule::Accounts)
}
