//! Deleting, overwriting, wiping, permissions.

use super::Rule;
use crate::scan::shell::Command;

/// Commands on files and disks.
pub(super) fn check(command: &Command, name: &str) -> Option<Rule> {
    if let Some(rule) = redirects(command, name) {
        return Some(rule);
    }
    match name {
        "rm" | "grm" | "rimraf" | "del-cli" | "srm" | "trash-empty" | "unlink" | "rm-rf" => remove(command, name),
        "rmdir" | "rd" | "del" | "erase" | "deltree" => windows_remove(command),
        "remove-item" | "ri" => power_remove(command),
        "find" | "gfind" => find(command),
        "fd" | "fdfind" => None,
        "shred" | "wipe" | "scrub" | "nwipe" | "sdelete" | "sdelete64" => {
            (command.operands().next().is_some() && !help(command)).then_some(Rule::DiskWipe)
        }
        "mkfs" | "mke2fs" | "mkswap" | "wipefs" | "blkdiscard" | "hdparm" | "newfs" | "mkdosfs" => {
            device(command, name)
        }
        _ if name.starts_with("mkfs.") => device(command, name),
        "dd" => {
            let to = command.args().find_map(|arg| arg.strip_prefix("of="))?;
            (is_device(to) || is_system(to)).then_some(Rule::DiskWipe)
        }
        "format" => command.args().any(|arg| arg.len() == 2 && arg.ends_with(':')).then_some(Rule::DiskWipe),
        "format-volume" | "clear-disk" | "initialize-disk" | "remove-partition" => Some(Rule::DiskWipe),
        "diskpart" => (command.stdin.as_deref().is_some_and(|text| text.contains("clean")) || command.has(&["/s"]))
            .then_some(Rule::DiskWipe),
        "diskutil" => command
            .operands()
            .next()
            .is_some_and(|verb| {
                let verb = verb.to_ascii_lowercase();
                verb.starts_with("erase")
                    || verb.contains("zerodisk")
                    || verb.contains("secureerase")
                    || verb == "partitiondisk"
                    || verb == "reformat"
            })
            .then_some(Rule::DiskWipe),
        // Whatever is not asked to show opens the table of a disk to be written.
        "sgdisk" | "gdisk" | "fdisk" | "sfdisk" | "cfdisk" => {
            let shows = command.has(&[
                "--list", "--dump", "--verify", "--print", "--help", "--info", "-l", "-V", "-p", "-s", "-i", "-v",
            ]) || name == "sfdisk" && command.short('d')
                || command.short('l');
            let writes = command.has(&["--zap-all", "-Z", "-z", "--zap", "-o", "--clear", "--delete"]);
            (writes || !shows && command.operands().any(is_device)).then_some(Rule::DiskWipe)
        }
        "parted" => command
            .args()
            .any(|arg| matches!(arg, "mklabel" | "rm" | "mktable" | "mkpart" | "mkpartfs" | "resizepart" | "toggle"))
            .then_some(Rule::DiskWipe),
        "cipher" => command.args().any(|arg| arg.to_ascii_lowercase().starts_with("/w")).then_some(Rule::DiskWipe),
        "fsutil" => command.args().any(|arg| arg.eq_ignore_ascii_case("deletejournal")).then_some(Rule::LogTamper),
        "lvremove" | "vgremove" | "pvremove" => Some(Rule::DiskWipe),
        "zpool" | "zfs" => command.operands().next().filter(|verb| *verb == "destroy").map(|_| Rule::DiskWipe),
        "btrfs" => (command.arg(0) == "subvolume" && command.arg(1) == "delete").then_some(Rule::DiskWipe),
        "nvme" => (matches!(command.arg(0), "format" | "sanitize" | "write-zeroes")
            && command.operands().any(is_device))
        .then_some(Rule::DiskWipe),
        "cryptsetup" => {
            command.args().any(|arg| matches!(arg, "erase" | "luksErase" | "luksFormat")).then_some(Rule::DiskWipe)
        }
        "mdadm" => command.has(&["--zero-superblock", "--stop"]).then_some(Rule::DiskWipe),
        "truncate" => {
            let zero = command.args().any(|arg| matches!(arg, "0" | "-s0" | "--size=0" | "--size=0K"));
            let log = command.operands().any(|arg| is_log(arg) || is_system(arg));
            (zero && log).then_some(Rule::LogTamper)
        }
        "chmod" => permissions(command),
        "chown" | "chgrp" => {
            let system = command.operands().skip(1).any(is_top);
            (recursive(command) && system).then_some(Rule::Permissions)
        }
        "chattr" => {
            command.args().any(|arg| arg.starts_with("+i") || arg.starts_with("-i")).then_some(Rule::Permissions)
        }
        "setfacl" => {
            ((command.short('b') || command.operands().any(is_top)) && recursive(command)).then_some(Rule::Permissions)
        }
        "icacls" => {
            let everyone = command
                .args()
                .any(|arg| arg.to_ascii_lowercase().contains("everyone") || arg.eq_ignore_ascii_case("/reset"));
            (everyone && command.args().any(|arg| arg.eq_ignore_ascii_case("/t"))).then_some(Rule::Permissions)
        }
        "takeown" => command.args().any(|arg| arg.eq_ignore_ascii_case("/r")).then_some(Rule::Permissions),
        "mv" => {
            let to = command.operands().last()?;
            let from = command.operands().next()?;
            (to == "/dev/null" || is_top(from)).then_some(Rule::Overwrite)
        }
        "cp" | "ln" | "install" => {
            let from = command.operands().find(|arg| arg.contains('/'))?;
            let to = command.operands().last()?;
            let empties = matches!(from, "/dev/null" | "/dev/zero" | "/dev/urandom" | "/dev/random");
            (empties && (is_log(to) || is_system(to) || is_disk(to))).then_some(Rule::Overwrite)
        }
        "tee" => (!command.short('a') && command.operands().any(|arg| is_critical(arg) || is_disk(arg)))
            .then_some(Rule::Overwrite),
        "rsync" => {
            let gone = command.args().any(|arg| {
                matches!(arg, "--delete" | "--del" | "--remove-source-files" | "--delete-missing-args")
                    || arg.starts_with("--delete-")
            });
            (gone && !dry(command) && !command.short('n')).then_some(Rule::Delete)
        }
        _ => None,
    }
}

fn remove(command: &Command, name: &str) -> Option<Rule> {
    if help(command) {
        return None;
    }
    let targets = || command.operands();
    let deep = matches!(name, "rimraf" | "srm" | "trash-empty" | "rm-rf") || recursive(command);
    let system = targets().any(|arg| is_system(arg) || is_log(arg) || is_home_config(arg));
    let all = targets().any(|arg| arg.ends_with('*') && matches!(arg, "*" | "/*" | "./*" | "~/*" | ".*"));
    // `rm -f` of a path from the root: quietly, and not in the work at hand.
    let forced = (command.short('f') || command.has(&["--force"]))
        && targets().any(|arg| arg.starts_with('/') || arg.starts_with("~/") || arg.starts_with("$HOME"));
    let piped = command.wrapped_by.is_some() && command.short('f') && targets().next().is_none();
    if system && targets().any(is_log) {
        return Some(if deep { Rule::Delete } else { Rule::LogTamper });
    }
    let exists = targets().next().is_some() || command.wrapped_by.is_some() || command.pipe_from.is_some();
    ((deep && exists) || system || all || forced || piped).then_some(Rule::Delete)
}

fn windows_remove(command: &Command) -> Option<Rule> {
    let lower = |arg: &str| arg.to_ascii_lowercase();
    let deep = command.args().any(|arg| {
        let arg = lower(arg);
        arg.starts_with("/s") || arg.contains("/s/") || arg.starts_with("/f/s") || arg == "-recurse" || arg == "-r"
    });
    let system = command.args().any(is_system);
    let forced = command.args().any(|arg| matches!(lower(arg).as_str(), "/f" | "/q" | "-force"));
    let wild = command.args().any(|arg| arg.contains("*.*") || arg == "*" || arg.ends_with("\\*"));
    (deep || system || (forced && wild)).then_some(Rule::Delete)
}

fn power_remove(command: &Command) -> Option<Rule> {
    let flags = command.args().any(|arg| {
        let arg = arg.to_ascii_lowercase();
        (arg.len() >= 2 && "-recurse".starts_with(arg.as_str()))
            || (arg.len() >= 3 && "-force".starts_with(arg.as_str()))
    });
    (flags || command.args().any(is_system)).then_some(Rule::Delete)
}

fn find(command: &Command) -> Option<Rule> {
    if command.args().any(|arg| matches!(arg, "-delete" | "-fprint0")) && !help(command) {
        // The text of `-name -delete` is a pattern; only a whole word of its own deletes.
        let pattern = command.words.windows(2).any(|pair| {
            let before = pair.first().map_or("", |word| word.text.as_str());
            let word = pair.get(1).map_or("", |word| word.text.as_str());
            word == "-delete"
                && matches!(
                    before,
                    "-name" | "-iname" | "-path" | "-ipath" | "-regex" | "-iregex" | "-wholename" | "-lname"
                )
        });
        return (!pattern && command.args().any(|arg| arg == "-delete")).then_some(Rule::Delete);
    }
    // `-exec rm {}` is looked at as the command that it runs, with files from the search.
    let mut args = command.args();
    while let Some(arg) = args.next() {
        if matches!(arg, "-exec" | "-execdir" | "-ok") {
            let run = args.next().unwrap_or("");
            if matches!(run.rsplit('/').next().unwrap_or(run), "rm" | "shred" | "unlink" | "rmdir" | "truncate") {
                return Some(Rule::Delete);
            }
        }
    }
    None
}

fn device(command: &Command, name: &str) -> Option<Rule> {
    if help(command) {
        return None;
    }
    let acts = match name {
        "wipefs" => command.has(&["--all", "--offset"]) || command.short('a') || command.short('o'),
        "hdparm" => command.args().any(|arg| arg.starts_with("--security-erase") || arg == "--trim-sector-ranges"),
        _ => true,
    };
    (acts && command.operands().any(is_device)).then_some(Rule::DiskWipe)
}

fn permissions(command: &Command) -> Option<Rule> {
    let wide = command.operands().any(|arg| {
        matches!(
            arg,
            "777" | "0777" | "a+rwx" | "ugo+rwx" | "o+w" | "a+w" | "000" | "0000" | "-rwx" | "a-rwx" | "666" | "a=rwx"
        )
    }) || command.args().any(|arg| matches!(arg, "-rwx" | "a-rwx"));
    let top = command.operands().skip(1).any(is_top);
    let critical = command.operands().skip(1).any(is_critical);
    ((recursive(command) && (wide || top)) || (wide && critical)).then_some(Rule::Permissions)
}

fn redirects(command: &Command, name: &str) -> Option<Rule> {
    command.redirects.iter().find_map(|redirect| {
        let target = redirect.target.as_str();
        let overwrites = redirect.kind == b'>';
        if matches!(redirect.kind, b'>' | b'a') && is_disk(target) {
            return Some(Rule::DiskWipe);
        }
        if overwrites && is_critical(target) {
            return Some(Rule::Overwrite);
        }
        // Writing nothing into a log empties it.
        let empty = name.is_empty()
            || matches!(name, "echo" | ":" | "true" | "printf")
                && command.args().all(|arg| arg.is_empty() || arg == "-n");
        let null = name == "cat" && command.arg(0) == "/dev/null";
        let fills =
            matches!(name, "cat" | "yes") && matches!(command.arg(0), "/dev/zero" | "/dev/urandom" | "/dev/random");
        if overwrites && fills && target != "/dev/null" {
            return Some(Rule::Overwrite);
        }
        (overwrites && (empty || null) && is_log(target)).then_some(Rule::LogTamper)
    })
}

pub(super) fn recursive(command: &Command) -> bool {
    command.short('r') || command.short('R') || command.has(&["--recursive", "-recursive"])
}

pub(super) fn help(command: &Command) -> bool {
    command.args().any(|arg| matches!(arg, "--help" | "--version" | "help"))
}

pub(super) fn dry(command: &Command) -> bool {
    command.args().any(|arg| {
        matches!(
            arg,
            "--dry-run" | "--dryrun" | "--what-if" | "-whatif" | "--noop" | "--dry-run=client" | "--dry-run=server"
        )
    })
}

/// The file tree itself, a directory right below the root, a home.
fn is_top(path: &str) -> bool {
    let path = path.trim_end_matches(['*', '/']);
    let top = path.strip_prefix('/').is_some_and(|rest| {
        matches!(
            rest,
            "etc"
                | "usr"
                | "var"
                | "bin"
                | "sbin"
                | "lib"
                | "lib64"
                | "boot"
                | "dev"
                | "proc"
                | "sys"
                | "root"
                | "home"
                | "opt"
                | "srv"
                | "tmp"
                | "mnt"
                | "usr/bin"
                | "usr/lib"
                | "var/lib"
                | "var/log"
        )
    });
    path.is_empty() || top || matches!(path, "~" | "$HOME" | "${HOME}" | "C:" | "C:\\" | "C:\\Windows" | "..")
}

fn is_device(path: &str) -> bool {
    path.starts_with("/dev/") && !matches!(path, "/dev/null" | "/dev/stdout" | "/dev/stderr" | "/dev/tty" | "/dev/zero")
        || path.starts_with("\\\\.\\")
}

fn is_disk(path: &str) -> bool {
    path.starts_with('/')
        && [
            "/dev/sd",
            "/dev/hd",
            "/dev/nvme",
            "/dev/vd",
            "/dev/xvd",
            "/dev/mmcblk",
            "/dev/disk",
            "/dev/rdisk",
            "/dev/mem",
            "/dev/kmem",
            "/dev/dm-",
            "/dev/mapper/",
            "/dev/md",
        ]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// A file that the system needs to come up or to let anybody in.
fn is_critical(path: &str) -> bool {
    path.starts_with('/')
        && [
            "/etc/passwd",
            "/etc/shadow",
            "/etc/group",
            "/etc/gshadow",
            "/etc/sudoers",
            "/etc/fstab",
            "/etc/hosts",
            "/etc/ssh/",
            "/etc/pam.d",
            "/etc/crontab",
            "/etc/ld.so",
            "/boot/",
            "/etc/resolv.conf",
            "/etc/profile",
            "/etc/systemd/",
            "/etc/cron",
            "/etc/init",
        ]
        .iter()
        .any(|prefix| path.starts_with(prefix))
        || path.eq_ignore_ascii_case("C:\\Windows\\System32\\drivers\\etc\\hosts")
}

/// Below a directory of the operating system.
pub(super) fn is_system(path: &str) -> bool {
    let below = path.starts_with('/')
        && [
            "/etc/",
            "/usr/",
            "/boot/",
            "/bin/",
            "/sbin/",
            "/lib/",
            "/lib64/",
            "/root/",
            "/proc/",
            "/sys/",
            "/var/log/",
            "/var/lib/",
            "/var/spool/",
            "/var/db/",
            "/System/",
            "/Library/",
        ]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    let windows = path.get(..2).is_some_and(|drive| drive.ends_with(':')) && {
        let lower = path.to_ascii_lowercase();
        lower.contains("windows") || lower.contains("program files") || lower.len() <= 4
    };
    // What packages and builds leave there is no part of the system.
    let harmless = path.starts_with("/usr/local/") || path.starts_with("/var/lib/apt/lists");
    (below && !harmless) || is_top(path) && !path.is_empty() || windows
}

fn is_home_config(path: &str) -> bool {
    let known = |part: &str| {
        matches!(
            part,
            ".ssh"
                | ".bashrc"
                | ".profile"
                | ".bash_profile"
                | ".bash_history"
                | ".zshrc"
                | ".zsh_history"
                | ".aws"
                | ".kube"
                | ".gnupg"
                | ".git-credentials"
                | ".netrc"
        )
    };
    path.contains('.') && path.split('/').any(known)
}

/// A log, a history or an audit trail.
fn is_log(path: &str) -> bool {
    if path.len() < SHORTEST_LOG {
        return false;
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    path.starts_with("/var/log/")
        || name.ends_with("_history")
        || (name.contains("audit") && !name.contains("npm"))
        || matches!(
            name.as_str(),
            "wtmp" | "btmp" | "utmp" | "lastlog" | "syslog" | "auth.log" | "events.jsonl" | "access.log" | "messages"
        )
}

/// `wtmp`
const SHORTEST_LOG: usize = 4;
