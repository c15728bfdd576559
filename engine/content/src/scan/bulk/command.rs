//! Commands that dump databases, read whole file systems or pack whole homes.

use std::ops::Range;

use crate::scan::detect::Input;
use crate::scan::shell::Command;

use super::Rule;
use super::query::{self, Finding};

/// The first command that reads everything.
pub(super) fn examine(input: &Input<'_>) -> Option<(Rule, Range<usize>)> {
    let (text, script) = (input.text, input.script());
    script.commands.iter().find_map(|command| {
        let rule = judge(command)?;
        text.get(command.span.clone()).map(|_| (rule, command.span.clone()))
    })
}

fn judge(command: &Command) -> Option<Rule> {
    let name = command.name();
    let has = |flags: &[&str]| command.has(flags);
    let asks = has(&["--help", "--version", "-V", "-?"]) && command.words.len() <= 3;
    if asks {
        return None;
    }
    match name.as_str() {
        "mysqldump" | "mariadb-dump" | "mysqlpump" | "pg_dumpall" | "mongodump" | "mongoexport" | "expdp" | "exp"
        | "cockroach-dump" | "cassandra-dump" | "neo4j-admin-dump" | "elasticdump" | "influx_dump"
        | "pg_basebackup" | "xtrabackup" | "mariabackup" | "mydumper" => {
            let only_schema =
                has(&["--no-data", "--schema-only", "-s", "-d"]) && name != "mongodump" && name != "mongoexport";
            let selected = has(&["-q", "--query", "--where", "-w", "--limit"]);
            (!only_schema && !selected).then_some(Rule::DatabaseDump)
        }
        "pg_dump" => (!has(&["-s", "--schema-only"])).then_some(Rule::DatabaseDump),
        "bcp" => command.args().any(|arg| matches!(arg, "out" | "queryout")).then_some(Rule::DatabaseDump),
        "redis-cli" | "valkey-cli" | "keydb-cli" => {
            let all_keys = command
                .args()
                .zip(command.args().skip(1))
                .any(|(word, pattern)| word.eq_ignore_ascii_case("keys") && pattern == "*");
            (has(&["--rdb", "--bigkeys"]) && !has(&["--bigkeys"]) || all_keys).then_some(Rule::DatabaseDump)
        }
        "sqlite3" => {
            let dumps = command
                .args()
                .any(|arg| arg.trim_start().starts_with(".dump") || arg.trim_start().starts_with(".backup"));
            if dumps { Some(Rule::DatabaseDump) } else { in_arguments(command) }
        }
        "bq" if command.arg(0) == "extract" => Some(Rule::DatabaseDump),
        "psql" | "mysql" | "mariadb" | "sqlcmd" | "osql" | "clickhouse-client" | "bq" | "duckdb" | "snowsql"
        | "cqlsh" | "usql" => in_arguments(command),
        "gcloud" => (command.arg(0) == "sql" && command.arg(1) == "export").then_some(Rule::DatabaseDump),
        "gsutil" | "rclone" => {
            // `gs://bucket` or `remote:bucket`, and the machine as the target.
            let whole = |from: &str| match from.split_once(':') {
                Some((_, path)) => !path.trim_matches('/').contains('/'),
                None => false,
            };
            let copies = command.operands().any(|word| matches!(word, "cp" | "rsync" | "copy" | "sync"));
            let deep = name == "rclone" || command.short('r') || command.short('R');
            let mut places = command.operands().skip_while(|word| !matches!(*word, "cp" | "rsync" | "copy" | "sync"));
            let (from, to) = (places.nth(1).unwrap_or(""), places.next().unwrap_or(""));
            (copies && deep && whole(from) && !to.contains(':')).then_some(Rule::DatabaseDump)
        }
        "az" => {
            (command.args().any(|arg| arg == "download-batch") && !has(&["--pattern"])).then_some(Rule::DatabaseDump)
        }
        "etcdctl" => {
            let all =
                command.operands().skip_while(|word| *word != "get").nth(1).is_some_and(|key| matches!(key, "/" | ""));
            (all && has(&["--prefix", "--from-key"])).then_some(Rule::DatabaseDump)
        }
        "ldapsearch" => (command.operands().any(|arg| {
            let filter: String = arg.chars().filter(|c| !c.is_whitespace()).collect();
            filter.trim_matches(['(', ')']).eq_ignore_ascii_case("objectclass=*")
        }) && !has(&["-z", "-s"]))
        .then_some(Rule::DatabaseDump),
        "mongosh" | "mongo" => command.args().any(super::finds_all).then_some(Rule::UnboundedFind),
        "aws" => {
            let scan = command.arg(0) == "dynamodb"
                && command.arg(1) == "scan"
                && !has(&["--max-items", "--limit", "--filter-expression"]);
            let export = matches!(command.arg(1), "export-table-to-point-in-time" | "start-export-task");
            let sync = command.arg(0) == "s3"
                && matches!(command.arg(1), "sync" | "cp")
                && command.arg(2).starts_with("s3://")
                && command.arg(2).trim_end_matches('/').matches('/').count() == 2
                && (command.arg(1) == "sync" || has(&["--recursive"]));
            (scan || export || sync).then_some(Rule::DatabaseDump)
        }
        // Whole disks, sites and histories.
        "dd" => {
            let disk = |arg: &str| arg.strip_prefix("if=/dev/").is_some_and(|disk| !matches!(disk, "zero" | "urandom" | "null" | "random"));
            let kept = |arg: &str| arg.starts_with("of=") && !arg.starts_with("of=/dev/");
            (command.args().any(disk) && command.args().any(kept)).then_some(Rule::ArchivesEverything)
        }
        "wget" => (has(&["--mirror", "-m"]) || command.words.windows(2).any(|pair| {
            matches!(pair, [flag, value] if matches!(flag.text.as_str(), "-l" | "--level") && matches!(value.text.as_str(), "inf" | "0"))
        }))
        .then_some(Rule::ReadsEverything),
        "restic" | "borg" | "duplicity" => {
            command.operands().any(is_home_or_all).then_some(Rule::ArchivesEverything)
        }
        "neo4j-admin" | "influxd" | "influx" | "supabase" | "heroku" | "consul" | "arangodump" | "couchbackup" | "flyctl" => command
            .operands()
            .take(3)
            .any(|word| matches!(word, "dump" | "backup" | "export" | "pg:backups:capture" | "pg:pull"))
            .then_some(Rule::DatabaseDump),
        "get-childitem" | "gci" => (command.args().any(|arg| arg.eq_ignore_ascii_case("-recurse")) && command.operands().any(is_everything))
            .then_some(Rule::ReadsEverything),
        "du" => (command.short('a') && command.operands().any(is_everything)).then_some(Rule::ReadsEverything),
        "find" => {
            let everywhere = command.args().take_while(|arg| !arg.starts_with('-')).any(is_everything);
            let narrowed = has(&[
                "-name",
                "-iname",
                "-path",
                "-ipath",
                "-maxdepth",
                "-perm",
                "-user",
                "-newer",
                "-size",
                "-mtime",
                "-mmin",
                "-regex",
                "-iregex",
                "-quit",
                "-inum",
                "-group",
                "-uid",
                "-links",
                "-samefile",
                "-ctime",
                "-atime",
                "-empty",
                "-nouser",
                "-nogroup",
                "-wholename",
                "-lname",
                "-cmin",
                "-amin",
                "-writable",
                "-gid",
                "-anewer",
                "-cnewer",
                "-newermt",
            ]);
            (everywhere && !narrowed).then_some(Rule::ReadsEverything)
        }
        "grep" | "egrep" | "fgrep" => ((command.short('r') || command.short('R') || has(&["--recursive"]))
            && command.operands().skip(1).any(is_everything))
        .then_some(Rule::ReadsEverything),
        "rg" | "ag" | "ack" => command.operands().skip(1).any(is_everything).then_some(Rule::ReadsEverything),
        "ls" | "tree" | "dir" => {
            let recursive = command.short('R')
                || has(&["--recursive"])
                || (name == "tree" && !has(&["-L"]))
                || command.args().any(|arg| arg.eq_ignore_ascii_case("/s"));
            (recursive && command.operands().any(is_everything)).then_some(Rule::ReadsEverything)
        }
        "cat" | "head" | "tail" | "strings" | "bat" => {
            command.operands().any(globs_everything).then_some(Rule::ReadsEverything)
        }
        "tar" | "zip" | "7z" | "rar" | "cpio" | "bsdtar" | "gtar" => {
            let creates = name != "tar" && name != "bsdtar" && name != "gtar"
                || command.short('c')
                || command.arg(0).bytes().all(|byte| byte.is_ascii_alphabetic()) && command.arg(0).contains('c')
                || has(&["--create"]);
            let inside =
                command.args().zip(command.args().skip(1)).any(|(flag, place)| flag == "-C" && is_everything(place));
            let pipes = name == "cpio";
            (creates && !pipes && (command.operands().any(is_home_or_all) || inside))
                .then_some(Rule::ArchivesEverything)
        }
        "rsync" | "scp" | "robocopy" | "xcopy" => {
            let mut operands: Vec<&str> = command.operands().collect();
            let target = operands.pop().unwrap_or("");
            let windows = matches!(name.as_str(), "robocopy" | "xcopy");
            ((target.contains(':') || windows) && (operands.into_iter().any(is_home_or_all)
                || windows && is_home_or_all(command.arg(0))))
                .then_some(Rule::ArchivesEverything)
        }
        "docker" | "kubectl" | "podman" | "oc" => {
            let dump = command.args().any(|arg| matches!(arg, "mysqldump" | "pg_dump" | "pg_dumpall" | "mongodump"));
            let everything = command.arg(0) == "get"
                && matches!(command.arg(1), "secrets" | "secret" | "configmaps" | "all")
                && (command.short('A') || has(&["--all-namespaces"]))
                && command.args().any(|arg| arg.contains("yaml") || arg.contains("json"));
            (dump || everything).then_some(Rule::DatabaseDump)
        }
        _ => None,
    }
}

/// SQL among the arguments, or in the here-document, of a client.
fn in_arguments(command: &Command) -> Option<Rule> {
    let texts = command.args().map(|arg| arg.split_once("SELECT").map_or(arg, |_| arg)).chain(command.stdin.as_deref());
    let found = texts.filter(|text| text.len() >= 8 && text.contains(' ')).find_map(|text| {
        let text = text
            .trim_start()
            .trim_start_matches("--execute=")
            .trim_start_matches("--command=")
            .trim_start_matches("\\copy ");
        query::examine(text).map(|(finding, _)| finding.rule())
    });
    found.or_else(|| {
        // `\copy users to …` of psql.
        let out = |arg: &str| arg.trim_start().starts_with("\\copy") && arg.to_ascii_lowercase().contains(" to ");
        command.args().any(out).then_some(Rule::TableExport)
    })
}

impl Finding {
    pub(super) fn rule(self) -> Rule {
        match self {
            Self::Everything => Rule::SelectEverything,
            Self::HugeLimit => Rule::HugeLimit,
            Self::Export => Rule::TableExport,
        }
    }
}

/// The root of a file system.
pub(super) fn is_everything(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    matches!(lower.as_str(), "/" | "/*" | "c:\\" | "c:/" | "c:\\*" | "//" | "/." | "\\") || globs_everything(path)
}

/// A root, or everybody's files.
fn is_home_or_all(path: &str) -> bool {
    is_everything(path)
        || matches!(
            path.trim_end_matches(['/', '*']),
            "~" | "$HOME"
                | "${HOME}"
                | "/home"
                | "/root"
                | "/Users"
                | "/etc"
                | "/var"
                | "C:\\Users"
                | "%USERPROFILE%"
                | "/srv"
                | "/mnt"
                | "$USERPROFILE"
        )
        || {
            let rest = path
                .trim_end_matches('/')
                .strip_prefix("/home/")
                .or(path.trim_end_matches('/').strip_prefix("/Users/"));
            rest.is_some_and(|user| !user.is_empty() && !user.contains('/'))
        }
}

/// A pattern for every file below a root or a home: `/**/*`, `~/**`, `C:\**\*`.
pub(super) fn globs_everything(path: &str) -> bool {
    let mut rest = path.strip_prefix("file://").unwrap_or(path);
    for root in ["/home", "/root", "/Users", "~", "$HOME", "${HOME}", "%USERPROFILE%", "C:\\Users", "C:", "c:"] {
        if let Some(below) = rest.strip_prefix(root).filter(|below| below.starts_with(['/', '\\'])) {
            rest = below;
            break;
        }
    }
    let Some(below) = rest.strip_prefix(['/', '\\']) else { return false };
    below.contains("**") && below.bytes().all(|byte| matches!(byte, b'*' | b'/' | b'\\' | b'.'))
}
