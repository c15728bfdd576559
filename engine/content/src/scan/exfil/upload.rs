//! Commands and programs that send files or the output of commands to somebody.

use std::ops::Range;

use crate::scan::detect::Input;
use crate::scan::shell::{Command, Script};

/// The first command of a script that sends local data out.
pub(super) fn in_command(input: &Input<'_>) -> Option<Range<usize>> {
    let text = input.text;
    if let Some(range) = powershell(text) {
        return Some(range);
    }
    if !SENDERS.iter().any(|name| text.contains(name)) {
        return None;
    }
    let script = input.script();
    script
        .commands
        .iter()
        .enumerate()
        .find(|(index, command)| sends(text, &script, *index, command))
        .map(|(_, command)| command.span.clone())
        .filter(|span| text.get(span.clone()).is_some())
}

/// Whether a text names a way to send a file along.
pub(super) fn names_upload(text: &str) -> bool {
    [
        "-F ",
        "-T ",
        "--form",
        "--upload-file",
        "-d ",
        "--data",
        "--post-file",
        ".post(",
        ".put(",
        "files=",
        "POST",
        "nc ",
    ]
    .iter()
    .any(|mark| text.contains(mark))
}

/// A program that reads a file of the system and sends a body over HTTP or a socket.
pub(super) fn in_code(text: &str) -> Option<Range<usize>> {
    let send = SENDS.iter().find_map(|mark| text.find(mark).map(|at| at..at + mark.len()))?;
    let reads = READS.iter().any(|mark| text.contains(mark));
    if [
        "dict(os.environ",
        "os.environ.copy()",
        "os.environ)",
        "JSON.stringify(process.env)",
        "process.env)",
        "$_ENV",
        "ENV.to_h",
    ]
    .iter()
    .any(|all| text.contains(all))
    {
        return Some(send);
    }
    let places =
        PLACES.iter().any(|place| ["'", "\"", "`"].iter().any(|quote| text.contains(&format!("{quote}{place}"))));
    (reads && places).then_some(send)
}

/// A PowerShell pipeline that reads a file and sends it, or mails it.
fn powershell(text: &str) -> Option<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let has = |marks: &[&str]| marks.iter().find_map(|mark| lower.find(mark).map(|at| at..at + mark.len()));
    if let Some(range) = has(&["send-mailmessage"]).filter(|_| lower.contains("-attachment")) {
        return Some(range);
    }
    has(&["get-content", "readallbytes", "readalltext"])?;
    has(&["-method post", "-method put", ".send(", ".uploadfile(", ".uploadstring(", ".uploaddata(", "-infile"])
}

fn sends(text: &str, script: &Script, index: usize, command: &Command) -> bool {
    let name = command.name();
    let piped = || script.sources(index).any(|source| is_reader(&source.name()) || reads_private(source));
    match name.as_str() {
        "curl" => {
            command.wrapped_by.is_some() && script.sources(index).any(reads_private) || curl(text, command, piped)
        }
        "gh" => command.arg(0) == "gist" && command.operands().any(is_private),
        "croc" | "wormhole" | "magic-wormhole" => command.operands().any(is_private),
        "wget" => {
            let file =
                command.args().find_map(|arg| arg.strip_prefix("--post-file=").or(arg.strip_prefix("--body-file=")));
            let follows = command
                .args()
                .zip(command.args().skip(1))
                .any(|(flag, value)| matches!(flag, "--post-file" | "--body-file") && !is_payload(value));
            file.is_some_and(|file| !is_payload(file))
                || follows
                || command.args().any(|arg| arg.starts_with("--post-data") && substitutes(arg))
                || command.words.windows(2).any(|pair| {
                    matches!(pair, [flag, value] if matches!(flag.text.as_str(), "--post-data" | "--body-data")
                        && text.get(value.span.clone()).is_some_and(substitutes))
                })
                || url_with_output(text, command)
        }
        "nc" | "ncat" | "netcat" | "socat" | "telnet" => {
            let listens = command.short('l') || command.args().any(|arg| arg.to_ascii_lowercase().contains("listen"));
            let from_file = reads_file(command);
            !listens
                && (from_file
                    || piped()
                    || command
                        .args()
                        .any(|arg| arg.to_ascii_lowercase().starts_with("file:") || arg.starts_with("OPEN:/")))
        }
        "openssl" => command.arg(0) == "s_client" && (piped() || reads_file(command)),
        "scp" | "rsync" | "sftp" | "rclone" => {
            let mut operands = command.operands().peekable();
            let last = command.operands().last().unwrap_or("");
            let to_remote = last.contains(':') && !last.starts_with('/');
            to_remote && operands.any(is_private)
        }
        "ssh" => {
            let receives = command.args().any(|arg| {
                arg.contains("cat >") || arg.contains("cat>") || arg.contains("dd of=") || arg.contains("tee ")
            });
            let packs = command.args().any(|arg| {
                arg.contains("tar ")
                    && arg.contains("-")
                    && (arg.contains("/etc") || arg.contains("/home") || arg.contains("/root") || arg.contains("/var"))
            });
            (receives && script.sources(index).any(|source| is_packer(&source.name()) || reads_private(source)))
                || (packs && command.redirects.iter().any(|redirect| redirect.kind != b'<'))
        }
        "dig" | "nslookup" | "host" | "ping" | "resolve-dnsname" => command.words.iter().skip(1).any(|word| {
            let source = text.get(word.span.clone()).unwrap_or("");
            // `$piece.example.com`, where something was read and encoded before.
            let spliced = source.contains('.') && source.contains('$') && !source.contains("$(");
            source.contains('.') && substitutes(source)
                || spliced
                    && script
                        .commands
                        .iter()
                        .any(|other| matches!(other.name().as_str(), "xxd" | "base64" | "od" | "hexdump" | "base32"))
        }),
        "mail" | "mailx" | "sendmail" | "mutt" | "swaks" => {
            command.redirects.iter().any(|r| r.kind == b'<' && is_private(&r.target))
                || script.sources(index).any(reads_private)
                || command.operands().any(is_private)
        }
        "aws" => {
            command.arg(0) == "s3"
                && matches!(command.arg(1), "cp" | "sync" | "mv")
                && command.operands().any(is_private)
        }
        "gsutil" | "azcopy" => command.operands().any(is_private),
        "ftp" | "tftp" | "ftpput" | "smbclient" | "whois" => {
            command.operands().any(is_private) || (name == "whois" && command.args().any(substitutes))
        }
        "finger" => command.args().any(substitutes),
        "cat" | "tar" | "base64" | "xxd" | "gzip" => command
            .redirects
            .iter()
            .any(|r| r.kind != b'<' && (r.target.starts_with("/dev/tcp/") || r.target.starts_with("/dev/udp/"))),
        "invoke-webrequest" | "invoke-restmethod" | "iwr" | "irm" => {
            command.has(&["-InFile", "-infile", "-Infile"])
                || command.args().any(|arg| arg.contains("Get-Content") || arg.contains("ReadAllBytes"))
        }
        "certreq" => command.has(&["-Post", "-post"]),
        "bitsadmin" => command.args().any(|arg| arg.eq_ignore_ascii_case("/upload")),
        "python" | "python2" | "python3" => {
            command.args().any(|arg| matches!(arg, "http.server" | "SimpleHTTPServer")) && command.end == b'&'
                || command.args().any(|arg| in_code(arg).is_some())
        }
        _ => false,
    }
}

fn curl(text: &str, command: &Command, piped: impl Fn() -> bool) -> bool {
    let mut takes: Option<&str> = None;
    for word in command.words.iter().skip(1) {
        let arg = word.text.as_str();
        let source = text.get(word.span.clone()).unwrap_or("");
        let (flag, value) = match takes.take() {
            Some(flag) => (flag, arg),
            None => match split_flag(arg) {
                (flag, None) if FILE_FLAGS.contains(&flag) => {
                    takes = Some(flag);
                    continue;
                }
                (flag, Some(value)) => (flag, value),
                _ => continue,
            },
        };
        let file = match flag {
            "-T" | "--upload-file" => Some(value),
            "-F" | "--form" => value.split_once("=@").or(value.split_once("=<")).map(|(_, file)| file),
            _ => value.strip_prefix('@').or_else(|| value.split_once("=@").map(|(_, file)| file)),
        };
        if let Some(file) = file {
            let whole = matches!(flag, "-T" | "--upload-file" | "-F" | "--form" | "--data-binary");
            if file == "-" || file == "." {
                if piped() {
                    return true;
                }
            } else if is_private(file) || (whole && file.starts_with('$')) {
                return true;
            }
        } else if substitutes(source) && reads_in(source) {
            return true;
        }
    }
    url_with_output(text, command)
}

fn reads_file(command: &Command) -> bool {
    command.redirects.iter().any(|redirect| redirect.kind == b'<' && redirect.target != "/dev/null")
}

/// `-dVALUE`, `--data=VALUE` or a flag alone.
fn split_flag(arg: &str) -> (&str, Option<&str>) {
    if let Some((flag, value)) = arg.split_once('=').filter(|(flag, _)| flag.starts_with("--")) {
        return (flag, Some(value));
    }
    match arg.get(..2) {
        Some(flag) if arg.len() > 2 && matches!(flag, "-T" | "-F" | "-d") => (flag, arg.get(2..)),
        _ => (arg, None),
    }
}

/// The output of a command that tells something stands in the URL.
fn url_with_output(text: &str, command: &Command) -> bool {
    command.words.iter().skip(1).any(|word| {
        let source = text.get(word.span.clone()).unwrap_or("");
        source.contains("://") && substitutes(source) && reads_in(source)
    })
}

fn substitutes(source: &str) -> bool {
    source.contains("$(") || source.contains('`')
}

/// A substitution that tells who and where, or what is in a file.
fn reads_in(source: &str) -> bool {
    source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').any(|word| {
        is_reader(word)
            || matches!(word, "whoami" | "id" | "hostname" | "uname" | "printenv" | "env" | "ifconfig" | "history")
    })
}

fn is_reader(name: &str) -> bool {
    is_packer(name)
        || matches!(
            name,
            "cat"
                | "base64"
                | "xxd"
                | "env"
                | "printenv"
                | "set"
                | "history"
                | "mysqldump"
                | "pg_dump"
                | "dd"
                | "head"
                | "tail"
                | "less"
                | "od"
                | "hexdump"
                | "openssl"
                | "gpg"
                | "find"
        )
}

fn is_packer(name: &str) -> bool {
    matches!(name, "tar" | "zip" | "gzip" | "cpio" | "7z" | "bzip2" | "xz" | "mysqldump" | "pg_dump" | "mongodump")
}

fn reads_private(command: &Command) -> bool {
    command.operands().any(is_private)
        || matches!(command.name().as_str(), "env" | "printenv" | "history")
        || matches!(command.name().as_str(), "kubectl" | "oc")
            && command.operands().any(|arg| matches!(arg, "secret" | "secrets"))
        || command.redirects.iter().any(|redirect| redirect.kind == b'<' && is_private(&redirect.target))
}

/// A request body that a developer keeps in a file.
fn is_payload(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    !is_private(file) && [".json", ".xml", ".txt", ".yaml", ".yml", ".graphql"].iter().any(|end| name.ends_with(end))
}

/// A file of the system or of a person that is nobody else's business.
fn is_private(file: &str) -> bool {
    let file = file.trim_start_matches('@');
    let home = matches!(file.trim_end_matches(['/', '*']), "~" | "$HOME" | "${HOME}");
    home || PLACES.iter().any(|place| file.starts_with(place)) || SECRETS.iter().any(|part| file.contains(part))
}

const SENDERS: &[&str] = &[
    "gist",
    "croc",
    "wormhole",
    "curl",
    "wget",
    "nc",
    "socat",
    "telnet",
    "openssl",
    "scp",
    "rsync",
    "sftp",
    "rclone",
    "ssh",
    "dig",
    "nslookup",
    "host",
    "ping",
    "mail",
    "mutt",
    "swaks",
    "aws",
    "gsutil",
    "azcopy",
    "ftp",
    "smbclient",
    "whois",
    "finger",
    "/dev/tcp",
    "/dev/udp",
    "nvoke-",
    "iwr",
    "irm",
    "certreq",
    "bitsadmin",
    "dnsname",
    "http.server",
    "SimpleHTTP",
    "requests.",
    "urlopen",
    "http.client",
];
const FILE_FLAGS: &[&str] = &[
    "-T",
    "--upload-file",
    "-F",
    "--form",
    "-d",
    "--data",
    "--data-binary",
    "--data-raw",
    "--data-urlencode",
    "--data-ascii",
    "-H",
    "--header",
    "-b",
    "--cookie",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
];
const PLACES: &[&str] = &[
    "/etc/",
    "/proc/",
    "/sys/",
    "/root/",
    "/var/log",
    "/var/lib/",
    "/boot/",
    "/dev/mem",
    "/run/secrets",
    "/var/run/secrets",
    "~/.",
    "$HOME/.",
    "${HOME}/.",
    "C:\\Windows",
    "C:/Windows",
    "%APPDATA%",
    "%USERPROFILE%",
    "/var/spool",
    "/home/",
    "/Users/",
];
const SECRETS: &[&str] = &[
    ".ssh/",
    "id_rsa",
    "id_ed25519",
    ".aws/",
    ".env",
    ".kube/",
    ".gnupg",
    ".netrc",
    ".pgpass",
    ".git-credentials",
    ".npmrc",
    ".docker/config",
    "credentials",
    "passwd",
    "shadow",
    ".pem",
    ".bash_history",
    "keychain",
    "wallet",
    "cookies.sqlite",
    "Login Data",
    "secrets.",
];
const SENDS: &[&str] = &[
    "urlopen(",
    "requests.post(",
    "requests.put(",
    "httpx.post(",
    "httpx.put(",
    "http.client",
    "session.post(",
    "aiohttp",
    "socket.connect",
    ".sendall(",
    "sendto(",
    "fetch(",
    "axios.post(",
    "axios.put(",
    "http.request(",
    "https.request(",
    "XMLHttpRequest",
    "Net::HTTP",
    "http.Post(",
    "file_get_contents('http",
    "curl_exec(",
    "HttpClient",
    "WebClient",
    "UploadFile(",
    "UploadString(",
    "smtplib",
    "ftplib",
    "curl ",
    "wget ",
    "nc ",
    "LWP::UserAgent",
    "pycurl",
    "urllib3",
];
const READS: &[&str] = &[
    "open(",
    "read(",
    "readFile",
    "read_text",
    "read_bytes",
    "File.read",
    "ReadFile",
    "file_get_contents(",
    "ReadAll",
    "--data-binary",
    "-d @",
    "--data @",
    "-T ",
    "--upload-file",
    "-F ",
    "Get-Content",
    "cat ",
    "--post-file",
    "< ",
];
