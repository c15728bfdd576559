//! Names of commands.

/// The last part of a path in lower case, without `.exe`.
#[must_use]
pub fn basename(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let mut name = name.to_ascii_lowercase();
    for suffix in [".exe", ".cmd", ".bat", ".com"] {
        if name.len() > suffix.len() && name.ends_with(suffix) {
            name.truncate(name.len() - suffix.len());
            break;
        }
    }
    name
}

/// Whether a name is that of a shell that reads POSIX-like text.
#[must_use]
pub fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "zsh" | "dash" | "ash" | "ksh" | "mksh" | "csh" | "tcsh" | "fish" | "rbash" | "sash" | "yash" | "elvish" | "rc" | "posh" | "bash2" | "ksh93" | "pdksh" | "lksh")
}

/// Whether a word is the name of a program that an attacker would put behind a separator. Names that
/// are ordinary words (`time`, `find`, `who`) are among them: the caller looks at what follows.
#[must_use]
pub fn looks_like_command(name: &str) -> bool {
    COMMANDS.binary_search(&name).is_ok() || is_shell(name) || matches!(super::unwrap::interpreter(name).as_str(), "python" | "perl" | "ruby" | "php" | "lua" | "node" | "gcc" | "pip")
}

/// Sorted.
static COMMANDS: &[&str] = &[
    "7z", "ansible-galaxy", "apt", "apt-get", "ar", "arch", "arp", "as", "at", "attrib", "awk", "base32", "base64", "batch",
    "bcdboot", "bcdedit", "bitsadmin", "breaksw", "bsdtar", "bunzip2", "busybox", "bzip2", "c89", "c99", "cabal", "cacls", "cal",
    "capsh", "cargo", "cat", "cd", "certutil", "cfdisk", "chattr", "chdir", "chef", "chflags", "chgrp", "chmod", "chown",
    "chroot", "cipher", "clang", "cls", "cmd", "cmp", "comm", "copy", "cp", "cpan", "cpio", "cron", "crontab", "cscli", "cscript",
    "csvtool", "cupsfilter", "curl", "cut", "cvs", "dash", "date", "dc", "dd", "del", "df", "dhclient", "diff", "dig", "dir",
    "diskpart", "diskutil", "dmesg", "dmidecode", "dnf", "doas", "docker", "dpkg", "driverquery", "du", "easy_install", "echo",
    "ed", "egrep", "emacs", "env", "erase", "eval", "ex", "exec", "expand", "export", "expr", "fdisk", "fgrep", "file", "find",
    "findstr", "fold", "forfiles", "format", "fping", "ftp", "gawk", "gci", "gcc", "gdb", "gem", "getent", "getfacl", "getmac",
    "git", "go", "grep", "groups", "gunzip", "gzip", "halt", "head", "hexdump", "hg", "hostid", "hostname", "hping3", "htop",
    "icacls", "iconv", "id", "iex", "ifconfig", "iftop", "install", "invoke-expression", "invoke-webrequest", "ionice", "ip",
    "ipconfig", "iptables", "irb", "iwr", "java", "jjs", "join", "journalctl", "jq", "jrunscript", "kill", "killall", "kubectl",
    "last", "lastcomm", "lastlog", "ld", "ldd", "less", "link", "ln", "locate", "logname", "ls", "lsattr", "lsblk", "lscpu",
    "lsof", "lsusb", "lua", "lynx", "lzma", "mail", "mailx", "make", "mawk", "md5sum", "mkdir", "mkfifo", "mkfs", "mknod", "mktemp",
    "more", "mount", "move", "mshta", "msiexec", "mtr", "mv", "mysql", "mysqldump", "nano", "nasm", "nawk", "nbtstat", "nc",
    "nc.openbsd", "nc.traditional", "ncat", "net", "net1", "netcat", "netsh", "netstat", "nice", "nl", "nmap", "node", "nohup",
    "npm", "nroff", "nsenter", "nslookup", "ntpdate", "od", "openssl", "osascript", "passwd", "paste", "patch", "perl", "pgrep",
    "php", "pico", "pidof", "ping", "ping6", "pip", "pkexec", "pkg", "pkill", "powershell", "printenv", "printf", "prlimit", "ps",
    "psql", "pstree", "pwd", "pwsh", "python", "rbash", "rcp", "readelf", "readlink", "realpath", "reboot", "reg", "regsvr32",
    "ren", "rename", "replace", "rev", "rm", "rmdir", "rmt-tar", "rmuser", "route", "rpm", "rsync", "ruby", "rundll32", "rvim",
    "sc", "schtasks", "scp", "screen", "sed", "seq", "service", "set", "setarch", "sftp", "sg", "sha1sum", "sha256sum", "showmount",
    "shred", "shuf", "shutdown", "sleep", "smbclient", "socat", "sort", "split", "sqlite3", "ssh", "start", "stat", "strace",
    "strings", "su", "sudo", "svn", "sysctl", "systemctl", "systeminfo", "tac", "tail", "tar", "task", "taskkill", "tasklist",
    "tclsh", "tcpdump", "tcping", "tee", "telnet", "test", "tftp", "time", "timeout", "tmux", "top", "touch", "tr", "traceroute",
    "tracert", "tree", "tshark", "type", "ufw", "umask", "uname", "unlink", "uptime", "useradd", "userdel", "usermod", "uudecode",
    "ver", "vi", "view", "vim", "visudo", "vol", "w", "watch", "wc", "wevtutil", "wget", "where", "whereis", "which", "who", "whoami",
    "whois", "wmic", "wscript", "xargs", "xxd", "xz", "yarn", "yum", "zcat", "zip", "zsh", "zypper",
];
