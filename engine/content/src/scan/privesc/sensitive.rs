//! Files that hold secrets, or that run at the next login.

use std::ops::Range;

use super::Rule;
use super::traversal;
use crate::scan::shell::{Command, Role};

/// A command that reads or copies a file of secrets.
pub(super) fn check(command: &Command, name: &str, role: Role) -> Option<Rule> {
    if dumps_accounts(command, name) {
        return Some(Rule::SensitiveFile);
    }
    // `find /etc -name passwd -exec cat {}`
    if name == "find" && role == Role::Unknown && command.arg(0).starts_with("/etc") && command.has(&["-exec"]) {
        return command.args().any(|arg| matches!(arg, "passwd" | "shadow")).then_some(Rule::SensitiveFile);
    }
    // Their operands are no files that they read.
    if matches!(
        name,
        "echo"
            | "printf"
            | "git"
            | "man"
            | "touch"
            | "ls"
            | "stat"
            | "chmod"
            | "chown"
            | "test"
            | "["
            | "mkdir"
            | "which"
            | "ssh-keygen"
            | "find"
            | "ssh"
            | "scp"
            | "sftp"
            | "ssh-add"
            | "ssh-copy-id"
            | "mosh"
            | "rsync"
            | "systemctl"
            | "docker"
            | "export"
    ) {
        return None;
    }
    let unknown = role == Role::Unknown;
    let secret = |path: &str| {
        let path = behind(path);
        secrets(path)
            || (unknown && (path.starts_with("/etc/") || path.starts_with('.')) && listed(path))
            || (path.len() >= 9 && path.matches("../").count() >= 3 && listed(path.trim_start_matches("../")))
    };
    let reads = matches!(
        name,
        "cat" | "less" | "more" | "head" | "tail" | "bat" | "base64" | "xxd" | "strings" | "type" | "nl"
    ) && command.operands().any(is_environment);
    let packs = matches!(name, "tar" | "zip" | "7z" | "cp" | "mv" | "cpio" | "xcopy" | "robocopy")
        && command.operands().any(|path| {
            let path = path.trim_end_matches(['/', '*', '\\']);
            [".ssh", ".aws", ".gnupg", ".kube", ".azure"]
                .iter()
                .any(|home| path.ends_with(home) && path.len() > home.len())
        });
    let named = packs
        || reads
        || command.args().any(secret)
        || command.redirects.iter().any(|redirect| redirect.kind == b'<' && secret(&redirect.target));
    // `curl -d @/etc/passwd`, `nc host < /etc/passwd`: any account file, once it leaves.
    let sends = matches!(name, "curl" | "wget" | "nc" | "ncat" | "ftp" | "tftp" | "telnet")
        && (command.args().any(|arg| listed(behind(arg)))
            || command.redirects.iter().any(|redirect| listed(&redirect.target)));
    (named || sends).then_some(Rule::SensitiveFile)
}

/// What stands behind the last `=` or `@`, as in `--data=@file`.
fn behind(arg: &str) -> &str {
    let last = arg.bytes().rposition(|byte| matches!(byte, b'=' | b'@'));
    arg.get(last.map_or(0, |last| last + 1)..).unwrap_or(arg)
}

/// Windows' own store of accounts, and the tools that read it out of memory or the registry.
fn dumps_accounts(command: &Command, name: &str) -> bool {
    let any = |parts: &[&str]| {
        command.args().any(|arg| {
            let lower = arg.to_ascii_lowercase();
            parts.iter().any(|part| lower.contains(part))
        })
    };
    match name {
        // A POSIX reader drops the backslash.
        "reg" => {
            let hive = |arg: &str| {
                let path = arg.to_ascii_lowercase().replace('\\', "");
                matches!(path.as_str(), "hklmsam" | "hklmsecurity" | "hklmsystem" | "hkey_local_machinesam")
            };
            command.args().any(hive) && !any(&["/v"])
        }
        "procdump" | "procdump64" | "taskkill" | "rundll32" => any(&["lsass", "comsvcs"]),
        "mimikatz" | "secretsdump" | "secretsdump.py" | "impacket-secretsdump" | "lsassy" | "pypykatz" | "nanodump" => {
            true
        }
        "gpg" | "gpg2" => any(&["--export-secret-"]),
        "security" => any(&["dump-keychain", "find-generic-password", "find-internet-password"]),
        // Searching for keys.
        "find" => command.args().zip(command.args().skip(1)).any(|(flag, name)| {
            matches!(flag, "-name" | "-iname")
                && (name.starts_with("id_rsa")
                    || name.starts_with("id_dsa")
                    || name.starts_with("id_ed25519")
                    || name.ends_with(".kdbx")
                    || matches!(name, ".git-credentials" | ".netrc" | "shadow"))
        }),
        "ntdsutil" => any(&["ifm", "ntds"]),
        _ => false,
    }
}

/// An argument that names such a file.
pub(super) fn in_argument(text: &str, role: Role) -> Option<Range<usize>> {
    if text.len() > MAX_PATH || (role == Role::Unknown && text.len() > 256) {
        return None;
    }
    if role != Role::Path && !is_pathlike(text) && !text.contains('%') {
        return None;
    }
    let plain = traversal::decode(text);
    let lower = plain.to_ascii_lowercase().replace('\\', "/");
    let path = lower.split(['\0', '?', '#']).next().unwrap_or("").trim();
    let path = path.trim_end_matches("%00");
    // A path of its own, or behind a scheme; prose that mentions one has blanks before it.
    let alone = !path.contains(' ') || path.starts_with("c:/") || path.starts_with("cat ");
    let found = match role {
        Role::Url => path.starts_with("file:") && (secrets(path) || listed(path)),
        Role::Path => {
            secrets(path) || listed(path) || is_environment(path)
            // What PHP opens instead of a file.
            || ["php://", "expect://", "phar://", "zip://", "glob://"].iter().any(|scheme| path.starts_with(scheme))
        }
        _ => alone && (secrets(path) || listed(path)) && (path.contains('/') || path.starts_with('.')),
    };
    found.then_some(0..text.len())
}

/// Whether a path is that of a file that runs by itself: shells' start-up files, cron, services.
pub(super) fn persists(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let home =
        path.starts_with('~') || path.starts_with("/home/") || path.starts_with("/root") || path.starts_with("/Users/");
    let dot = matches!(
        name,
        ".bashrc"
            | ".bash_profile"
            | ".profile"
            | ".zshrc"
            | ".zprofile"
            | ".zshenv"
            | ".bash_login"
            | ".bash_logout"
            | "authorized_keys"
            | ".netrc"
            | ".gitconfig"
            | ".npmrc"
    );
    let lower = path.to_ascii_lowercase();
    let system = [
        "/etc/cron",
        "/etc/systemd/",
        "/lib/systemd/",
        "/usr/lib/systemd/",
        "/etc/init",
        "/etc/rc",
        "/etc/profile",
        "/etc/ld.so",
        "/etc/sudoers",
        "/etc/passwd",
        "/etc/shadow",
        "/etc/pam.d",
        "/var/spool/cron",
        "/library/launch",
        "/etc/bash.bashrc",
        "/etc/environment",
        "/etc/hosts",
    ]
    .iter()
    .any(|prefix| lower.starts_with(prefix));
    let user = lower.contains("/library/launchagents/")
        || lower.contains("/.config/systemd/user/")
        || lower.contains("/.config/autostart/")
        || lower.contains("start menu\\programs\\startup")
        || lower.contains(".git/hooks/")
        || lower.contains("/.ssh/");
    (home && dot) || system || user
}

/// `.env` and its kin, but for those that are shown around.
fn is_environment(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if matches!(name, ".bash_history" | ".zsh_history") {
        return true;
    }
    name.strip_prefix(".env").is_some_and(|rest| {
        rest.is_empty()
            || rest.starts_with('.')
                && !["example", "sample", "template", "dist", "test"].iter().any(|word| rest.contains(word))
    })
}

/// Secrets that nothing but their owner reads.
fn secrets(path: &str) -> bool {
    let path = path.trim_matches(['"', '\'']);
    // All of them have a directory or a dot, but the keys of SSH.
    if !is_pathlike(path) && !path.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("id_")) {
        return false;
    }
    let lower;
    let path = if path.bytes().any(|b| b.is_ascii_uppercase() || b == b'\\') {
        lower = path.to_ascii_lowercase().replace('\\', "/");
        lower.as_str()
    } else {
        path
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    let directory = path.contains('/');
    (directory
        && matches!(name, "shadow" | "gshadow" | "shadow-" | "sudoers" | "master.passwd" | "krb5.keytab" | "opasswd")
        && path.contains("etc/"))
        || (path.contains(".ssh/")
            && (name.starts_with("id_") && !name.ends_with(".pub") || name == "authorized_keys" || name == "identity"))
        || path.contains("etc/ssh/ssh_host_")
        || [
            ".aws/credentials",
            ".kube/config",
            ".docker/config.json",
            ".config/gcloud/",
            ".azure/accesstokens.json",
            ".azure/msal_token",
            "gcloud/application_default_credentials",
            ".git-credentials",
            ".gnupg/",
            ".password-store/",
            "/admin.conf",
            "serviceaccount/token",
            ".config/gh/hosts.yml",
            ".vault-token",
            "login.keychain",
            "cookies.sqlite",
            "logins.json",
            "ssl/private/",
            "kubelet/pki/",
        ]
        .iter()
        .any(|part| path.contains(part) && (directory || path.starts_with('.')))
        || matches!(
            name,
            ".netrc"
                | "_netrc"
                | ".pgpass"
                | ".my.cnf"
                | ".htpasswd"
                | "ntds.dit"
                | "unattend.xml"
                | "sysprep.inf"
                | "kubeconfig"
                | "web.config.bak"
                | "id_rsa"
                | "id_ed25519"
                | "id_ecdsa"
                | "id_dsa"
                | "master.key"
                | "ntuser.dat"
                | "login data"
        ) && (directory || name.starts_with('.') || name.starts_with("id_") || name == "ntds.dit")
        || path.contains("system32/config/sam")
        || path.contains("system32/config/system")
        || path.contains("system32/config/security")
        || path.contains("repair/sam")
        || path.contains("regback/sam")
        || path.contains("proc/self/environ")
        || path.contains("proc/1/environ")
        || path.contains("proc/kcore")
        || matches!(path, "/dev/mem" | "/dev/kmem" | "/dev/port")
        || path.ends_with("/docker.sock")
        || path.ends_with("/containerd.sock")
        || path.ends_with("/environ") && path.contains("proc/")
        || path.contains("/run/secrets/")
}

/// Files by which a traversal is proved: harmless to the system's own users, telling in an argument.
fn listed(path: &str) -> bool {
    let path = path.trim_matches(['"', '\'', ' ', '/']);
    if !is_pathlike(path) {
        return secrets(path);
    }
    let etc = path.rsplit_once("etc/").is_some_and(|(before, file)| {
        (before.is_empty() || before.ends_with('/') || before.ends_with('='))
            && matches!(
                file.trim_end_matches("%00"),
                "passwd"
                    | "passwd-"
                    | "group"
                    | "shadow"
                    | "gshadow"
                    | "sudoers"
                    | "subuid"
                    | "subgid"
                    | "issue"
                    | "crontab"
                    | "fstab"
                    | "master.passwd"
                    | "security/passwd"
                    | "security/opasswd"
                    | "pam.conf"
                    | "ssh/sshd_config"
                    | "mysql/my.cnf"
                    | "exports"
                    | "httpd/conf/httpd.conf"
            )
    });
    etc || matches!(
        path.rsplit('/').next().unwrap_or(path),
        "boot.ini"
            | "win.ini"
            | "system.ini"
            | "autoexec.bat"
            | ".bash_history"
            | ".zsh_history"
            | ".mysql_history"
            | ".psql_history"
    ) || path.contains("proc/self/")
        || path.contains("windows/system32/drivers/etc/")
        || secrets(path)
}

fn is_pathlike(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'/' | b'.' | b'\\'))
}

const MAX_PATH: usize = 4096;
