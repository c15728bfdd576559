//! Reverse and bind shells: a connection joined to an interpreter.

use std::ops::Range;
use std::sync::LazyLock;

use super::super::literals::Literals;
use super::Rule;
use crate::scan::shell::{Script, is_shell};

/// Command lines of network tools that hand their connection to a shell.
pub(super) fn check(script: &Script, index: usize, name: &str) -> Option<Rule> {
    let command = script.commands.get(index)?;
    let shell_word = |text: &str| {
        let first = text.split([' ', ',', ':']).next().unwrap_or(text);
        let base = first.rsplit('/').next().unwrap_or(first).to_ascii_lowercase();
        is_shell(&base) || matches!(base.as_str(), "cmd" | "cmd.exe" | "powershell" | "powershell.exe" | "pwsh")
    };
    let found = match name {
        "nc" | "ncat" | "netcat" | "nc.traditional" | "nc.openbsd" | "nc.exe" | "pnetcat" | "rustcat" | "rcat" => {
            let executes = command.words.windows(2).any(|pair| {
                let flag = pair.first().map_or("", |word| word.text.as_str());
                let short = flag.starts_with('-')
                    && !flag.starts_with("--")
                    && flag.len() <= 8
                    && (flag.ends_with('e') || flag.ends_with('c'));
                (short || matches!(flag, "--exec" | "--sh-exec" | "--lua-exec"))
                    && pair.get(1).is_some_and(|word| {
                        shell_word(&word.text) || !word.text.starts_with('-') && word.text.starts_with('/')
                    })
            }) || command.args().any(|arg| arg.starts_with("--exec=") || arg.starts_with("--sh-exec="));
            executes || joined(script, index)
        }
        "socat" => {
            command.args().any(|arg| {
                let upper = arg.to_ascii_uppercase();
                upper.starts_with("EXEC:") || upper.starts_with("SYSTEM:") || upper.starts_with("SHELL:")
            }) && command.args().any(|arg| {
                let upper = arg.to_ascii_uppercase();
                upper.starts_with("TCP")
                    || upper.starts_with("UDP")
                    || upper.starts_with("OPENSSL")
                    || upper.starts_with("SSL")
                    || upper.starts_with("SCTP")
            }) || command.args().any(|arg| arg.to_ascii_uppercase().starts_with("TCP-L")) && joined(script, index)
        }
        "telnet" => joined(script, index),
        "openssl" => {
            matches!(command.arg(0), "s_client" | "s_server")
                && (joined(script, index) || (command.arg(0) == "s_server" && command.has(&["-quiet", "-nocert"])))
        }
        "socket" => {
            command.args().any(|arg| arg.starts_with('-') && arg.contains('p')) && command.args().any(shell_word)
        }
        "xterm" => {
            command.args().any(|arg| arg == "-display")
                && command.args().any(|arg| arg.contains(':') && arg.len() > 3 && !arg.starts_with(':'))
        }
        "ssh" => {
            command.args().any(|arg| arg == "-R")
                && command.args().any(|arg| arg.starts_with("ProxyCommand=;") || arg.contains("ProxyCommand=sh"))
        }
        _ => false,
    };
    found.then_some(Rule::ReverseShell)
}

/// Whether a shell reads from or writes to this command: through a pipe, or a FIFO.
fn joined(script: &Script, index: usize) -> bool {
    let near = index.saturating_sub(4)..(index + 5).min(script.commands.len());
    let Some(command) = script.commands.get(index) else { return false };
    let reads_shell = script.sources(index).any(|source| is_shell(&source.name()));
    let feeds_shell = script.commands.get(near).unwrap_or(&[]).iter().any(|other| {
        is_shell(&other.name())
            && other.operands().next().is_none_or(|operand| operand.starts_with('-'))
            && other.pipe_from.is_some_and(|from| from == index)
    });
    let redirected = !command.redirects.is_empty();
    reads_shell || feeds_shell && redirected || feeds_shell && script.sources(index).next().is_some()
}

/// Code that connects a socket to a shell, `/dev/tcp`, and similar, in any language.
pub(super) fn in_text(text: &str) -> Option<Range<usize>> {
    if !may_connect(text.as_bytes()) {
        return None;
    }
    let (mut connects, mut runs, mut shell) = (None, false, false);
    let mut start = usize::MAX;
    let mut end = 0;
    for found in WORDS.find(text.as_bytes(), 0..text.len()).take(64) {
        let kind = KINDS.get(found.number).map_or(0, |kind| kind.1);
        start = start.min(found.range.start);
        end = end.max(found.range.end);
        match kind {
            ALONE => return Some(found.range),
            CONNECT => connects = connects.or(Some(found.range.start)),
            RUN => runs = true,
            SHELL => shell = true,
            RUNS_SHELL => {
                runs = true;
                shell = true;
            }
            BOTH => {
                connects = connects.or(Some(found.range.start));
                runs = true;
            }
            DEVICE => {
                // A redirection from or to the device, or `exec` of it; a mention in prose has none.
                let before = text.get(..found.range.start).unwrap_or("").trim_end_matches([' ', '"', '\'']);
                if before.ends_with(['>', '<', '&']) || before.ends_with("cat") {
                    return Some(found.range);
                }
            }
            _ => {}
        }
    }
    (connects.is_some() && runs && shell).then_some(start..end)
}

/// A cheap condition of everything that counts alone or connects: each has one of these, or a dot or a colon within.
fn may_connect(bytes: &[u8]) -> bool {
    memchr::memchr3(b'(', b'/', b'[', bytes).is_some()
        || memchr::memchr2(b'|', b'`', bytes).is_some()
        || memchr::memchr2_iter(b':', b'.', bytes)
            .any(|at| bytes.get(at + 1).is_some_and(|next| next.is_ascii_alphabetic() || *next == b':'))
}

const ALONE: u8 = 0;
const CONNECT: u8 = 1;
const RUN: u8 = 2;
const SHELL: u8 = 3;
const DEVICE: u8 = 4;
const BOTH: u8 = 5;
const RUNS_SHELL: u8 = 6;

static WORDS: LazyLock<Literals> = LazyLock::new(|| Literals::new(KINDS.iter().map(|kind| kind.0)));

static KINDS: &[(&str, u8)] = &[
    ("/dev/tcp/", DEVICE),
    ("/dev/udp/", DEVICE),
    ("/inet/tcp/", ALONE),
    ("/inet/udp/", ALONE),
    (".connect((", CONNECT),
    (".connect(", CONNECT),
    ("tcpsocket.new(", CONNECT),
    ("tcpsocket.open(", CONNECT),
    ("fsockopen(", CONNECT),
    ("stream_socket_client(", CONNECT),
    ("sockets.tcpclient(", CONNECT),
    ("tcpclient(", CONNECT),
    ("net.dial(", CONNECT),
    ("net.socket(", CONNECT),
    ("java.net.socket(", CONNECT),
    ("new socket(", CONNECT),
    ("io::socket", CONNECT),
    ("connect(s,", CONNECT),
    ("connect(sock", CONNECT),
    ("socket.tcp", CONNECT),
    ("net.connect(", CONNECT),
    ("net.createconnection(", CONNECT),
    (":connect(", CONNECT),
    ("[socket ", CONNECT),
    ("syscall.socket(", CONNECT),
    ("socket(pf_inet", CONNECT),
    ("socket(af_inet", CONNECT),
    ("gen_tcp:connect", CONNECT),
    ("tcpstream::connect", CONNECT),
    ("socket_connect(", CONNECT),
    ("socket.connect", CONNECT),
    ("socket.bind", CONNECT),
    ("bind((", CONNECT),
    ("tcpserver.new(", CONNECT),
    ("socket_listen(", CONNECT),
    ("socket_accept(", CONNECT),
    ("bind(s,", CONNECT),
    ("wsasocket(", CONNECT),
    ("wsasocketa(", CONNECT),
    ("wsasocketw(", CONNECT),
    ("wsaconnect(", CONNECT),
    // A pipeline of a shell within a string of any language.
    ("|nc ", CONNECT),
    ("| nc ", CONNECT),
    ("mkfifo", RUN),
    ("createprocess(", RUN),
    ("<&3", SHELL),
    ("popen($", RUNS_SHELL),
    ("popen(\"$", RUNS_SHELL),
    ("popen(\\\"$", RUNS_SHELL),
    ("shell=true", RUNS_SHELL),
    // What a visitor sends is run.
    ("`$_get", ALONE),
    ("`$_post", ALONE),
    ("`$_request", ALONE),
    ("system($_", ALONE),
    ("exec($_", ALONE),
    ("passthru($_", ALONE),
    ("eval($_", ALONE),
    ("assert($_", ALONE),
    ("subprocess.", RUN),
    ("pty.spawn", RUN),
    ("os.dup2", RUN),
    ("dup2(", RUN),
    ("popen(", RUN),
    ("exec(", RUN),
    ("exec ", RUN),
    ("system(", RUN),
    ("passthru(", RUN),
    ("shell_exec(", RUN),
    ("proc_open(", RUN),
    ("processbuilder(", RUN),
    ("child_process", RUN),
    ("getruntime()", RUN),
    ("exec.command(", RUN),
    ("command::new(", RUN),
    ("execve(", RUN),
    ("execl(", RUN),
    ("iex ", RUN),
    ("invoke-expression", RUN),
    ("io.popen", RUNS_SHELL),
    ("os.execute(", RUN),
    ("os:cmd", RUN),
    ("spawn(", RUN),
    ("process.start", RUN),
    ("syscall.exec", RUN),
    ("os.system(", RUN),
    ("open(stdin", RUN),
    ("`$", RUN),
    ("`.$", RUN),
    ("system $", RUN),
    ("$~->fdopen", RUN),
    ("a(\"subprocess\")", BOTH),
    ("eval $", RUN),
    ("getstream()", CONNECT),
    ("[eval ", RUNS_SHELL),
    ("/bin/sh", SHELL),
    ("/bin/bash", SHELL),
    ("/bin/zsh", SHELL),
    ("cmd.exe", SHELL),
    ("\"cmd\"", SHELL),
    ("powershell", SHELL),
    ("'sh'", SHELL),
    ("\"sh\"", SHELL),
    ("\"bash\"", SHELL),
    ("'bash'", SHELL),
    ("iex", SHELL),
    ("while(cmd=", SHELL),
    ("$_", SHELL),
    ("io.popen(", RUNS_SHELL),
    ("popen(cmd", RUNS_SHELL),
    ("%comspec%", SHELL),
    ("sh -i", SHELL),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_connects_is_looked_for() {
        for (word, kind) in KINDS {
            if [ALONE, CONNECT, DEVICE, BOTH].contains(kind) {
                assert!(may_connect(word.as_bytes()), "{word}");
            }
        }
    }
}
