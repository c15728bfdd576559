//! What wrappers run: `sudo`, `env`, `xargs`, `sh -c`, `eval`, `find -exec`, `cmd /c`, …

use super::lexer::{self, Sink};
use super::names::{basename, is_shell};
use super::{Command, MAX_COMMANDS, MAX_DEPTH, Word};

/// Adds to the sink what its commands run in turn.
pub(super) fn unwrap(sink: &mut Sink) {
    let mut depths: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < sink.commands.len() && at < MAX_COMMANDS {
        let depth = depths.get(at).copied().unwrap_or(0);
        if depth < MAX_DEPTH {
            let found = inner(sink, at);
            for run in found {
                depths.resize(sink.commands.len(), 0);
                let first = sink.commands.len();
                match run {
                    Run::Words(words) => {
                        let Some(parent) = sink.commands.get(at) else { break };
                        let cost: usize = words.iter().map(|word| word.text.len() + 16).sum();
                        if words.is_empty() || cost >= sink.budget {
                            continue;
                        }
                        sink.budget -= cost;
                        sink.steps += cost;
                        let span = parent.span.clone();
                        let command = Command {
                            words,
                            redirects: Vec::new(),
                            assignments: Vec::new(),
                            span,
                            pipe_from: parent.pipe_from,
                            wrapped_by: Some(at),
                            substituted: parent.substituted,
                            stdin: parent.stdin.clone(),
                            disguised: false,
                            end: parent.end,
                        };
                        sink.commands.push(command);
                    }
                    Run::Script(script) => {
                        if script.is_empty() || script.len() >= sink.budget {
                            continue;
                        }
                        sink.budget -= script.len();
                        let span = sink.commands.get(at).map_or(0..0, |command| command.span.clone());
                        let added = lexer::run(&script, Some(span), depth + 1, sink);
                        if let Some(commands) = sink.commands.get_mut(added) {
                            for command in commands {
                                command.wrapped_by.get_or_insert(at);
                            }
                        }
                    }
                }
                depths.resize(first, 0);
                depths.resize(sink.commands.len(), depth + 1);
            }
        }
        at += 1;
    }
}

/// Whether a program runs what it gets as words, or gives it to an interpreter of its own.
#[must_use]
pub fn runs_words(name: &str) -> bool {
    let wraps = matches!(
        name,
        "sudo"
            | "doas"
            | "su"
            | "pkexec"
            | "run0"
            | "runuser"
            | "runas"
            | "env"
            | "nohup"
            | "setsid"
            | "exec"
            | "eval"
            | "command"
            | "builtin"
            | "time"
            | "timeout"
            | "gtimeout"
            | "nice"
            | "ionice"
            | "stdbuf"
            | "chroot"
            | "unshare"
            | "nsenter"
            | "flock"
            | "busybox"
            | "toybox"
            | "xargs"
            | "gxargs"
            | "parallel"
            | "watch"
            | "script"
            | "ssh"
            | "cmd"
            | "powershell"
            | "pwsh"
            | "docker"
            | "podman"
            | "nerdctl"
            | "kubectl"
            | "oc"
            | "lxc"
            | "vagrant"
            | "trap"
            | "at"
            | "batch"
            | "screen"
            | "tmux"
            | "crontab"
            | "socat"
            | "expect"
            | "strace"
            | "ltrace"
            | "gdb"
            | "vim"
            | "vi"
            | "npx"
            | "osascript"
            | "wsl"
            | "deno"
            | "bun"
    );
    wraps
        || is_shell(name)
        || matches!(interpreter(name).as_str(), "python" | "perl" | "ruby" | "php" | "lua" | "node" | "tclsh")
}

/// Something that a command runs.
enum Run {
    /// A command given as words.
    Words(Vec<Word>),
    /// A text that a shell reads.
    Script(String),
}

fn inner(sink: &Sink, index: usize) -> Vec<Run> {
    let Some(command) = sink.commands.get(index) else { return Vec::new() };
    let name = command.name();
    let words = command.words.get(1..).unwrap_or(&[]);
    match name.as_str() {
        "sudo" | "doas" | "pkexec" | "run0" => after_options(
            words,
            &[
                "-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group", "--chdir",
                "--prompt",
            ],
        ),
        "env" => env(words),
        "nohup" | "setsid" | "builtin" | "time" | "chroot" | "unshare" | "nsenter" | "firejail" | "ltrace"
        | "strace" | "catchsegv" | "eatmydata" | "fakeroot" | "dbus-run-session" | "caffeinate" => {
            let skip = usize::from(name == "chroot");
            after_operands(words, &["-o", "-e", "-p", "-t", "-s", "-S", "-G", "-f"], skip)
        }
        "command" => {
            if words.first().is_some_and(|word| matches!(word.text.as_str(), "-v" | "-V")) {
                return Vec::new();
            }
            after_options(words, &[])
        }
        "exec" => after_options(words, &["-a"]),
        "nice" | "ionice" | "chrt" | "stdbuf" | "taskset" | "choom" => after_operands(
            words,
            &["-n", "-c", "-p", "-i", "-o", "-e"],
            usize::from(name == "taskset" || name == "chrt"),
        ),
        "timeout" | "gtimeout" => after_operands(words, &["-s", "-k", "--signal", "--kill-after"], 1),
        "flock" => {
            let mut found = after_operands(words, &["-w", "-E"], 1);
            found.extend(dash_c(words));
            found
        }
        "busybox" | "toybox" => after_options(words, &[]),
        "xargs" | "gxargs" => xargs(sink, index, words),
        "parallel" | "rush" => parallel(sink, index, words),
        "watch" => vec![Run::Script(joined(
            words.iter().skip_while(|word| word.text.starts_with('-') || word.text.parse::<f32>().is_ok()),
        ))],
        "su" | "runuser" | "script" => dash_c(words),
        "eval" => vec![Run::Script(joined(words.iter()))],
        "source" | "." => Vec::new(),
        "find" | "gfind" | "fd" | "fdfind" => exec_of(words),
        "cmd" => words
            .iter()
            .position(|word| matches!(word.text.to_ascii_lowercase().as_str(), "/c" | "/k" | "/r"))
            .map(|at| Run::Script(joined(words.iter().skip(at + 1))))
            .into_iter()
            .collect(),
        "powershell" | "pwsh" => words
            .iter()
            .position(|word| {
                let flag = word.text.to_ascii_lowercase();
                flag.len() >= 2 && "-command".starts_with(flag.as_str())
            })
            .map(|at| Run::Script(joined(words.iter().skip(at + 1))))
            .into_iter()
            .collect(),
        "ssh" => {
            let mut found =
                after_operands(words, &["-p", "-i", "-l", "-o", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-m"], 1);
            if let Some(Run::Words(words)) = found.pop() {
                return vec![Run::Script(joined(words.iter()))];
            }
            Vec::new()
        }
        "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "lxc" | "vagrant" => contained(&name, words),
        "ansible" => words
            .iter()
            .position(|word| word.text == "-a" || word.text == "--args")
            .and_then(|at| words.get(at + 1))
            .map(|word| Run::Script(word.text.clone()))
            .into_iter()
            .collect(),
        "trap" => words.first().map(|word| Run::Script(word.text.clone())).into_iter().collect(),
        "coproc" => after_options(words, &[]),
        "git" => git_shell(words),
        "rm" | "echo" | "printf" | "cat" => Vec::new(),
        _ if is_shell(&name) => shell(sink, index, words),
        _ => Vec::new(),
    }
}

/// A shell: `-c`, its standard input, a script that another command prints.
fn shell(sink: &Sink, index: usize, words: &[Word]) -> Vec<Run> {
    let mut found = dash_c(words);
    let Some(command) = sink.commands.get(index) else { return found };
    let reads_stdin = words.iter().all(|word| word.text.starts_with('-') || word.text.starts_with("/dev/"));
    if found.is_empty() && reads_stdin {
        if let Some(stdin) = &command.stdin {
            found.push(Run::Script(stdin.clone()));
        } else if let Some(source) = command.pipe_from.and_then(|from| sink.commands.get(from)) {
            if let Some(text) = lexer::printed(source) {
                found.push(Run::Script(text));
            } else if source.name() == "cat"
                && let Some(stdin) = &source.stdin
            {
                found.push(Run::Script(stdin.clone()));
            }
        }
    }
    found
}

/// `-c SCRIPT`, also within a cluster (`-lc`).
fn dash_c(words: &[Word]) -> Vec<Run> {
    let at = words.iter().position(|word| {
        word.text == "--command"
            || (word.text.starts_with('-')
                && !word.text.starts_with("--")
                && word.text.len() <= 6
                && word.text.ends_with('c'))
    });
    if let Some(at) = at {
        return words.get(at + 1).map(|word| Run::Script(word.text.clone())).into_iter().collect();
    }
    words
        .iter()
        .find_map(|word| word.text.strip_prefix("--command="))
        .map(|script| Run::Script(script.to_owned()))
        .into_iter()
        .collect()
}

fn env(words: &[Word]) -> Vec<Run> {
    let mut rest = words;
    while let Some((word, tail)) = rest.split_first() {
        let text = word.text.as_str();
        if let Some(split) = text.strip_prefix("-S").or_else(|| text.strip_prefix("--split-string=")) {
            let tail = joined(tail.iter());
            return vec![Run::Script(format!("{split} {tail}"))];
        }
        if text == "--split-string" {
            return vec![Run::Script(joined(tail.iter()))];
        }
        if matches!(text, "-u" | "--unset" | "-C" | "--chdir") {
            rest = tail.get(1..).unwrap_or(&[]);
        } else if text.starts_with('-') || (text.contains('=') && !text.starts_with('=')) {
            rest = tail;
        } else {
            break;
        }
    }
    if rest.is_empty() { Vec::new() } else { vec![Run::Words(rest.to_vec())] }
}

fn xargs(sink: &Sink, index: usize, words: &[Word]) -> Vec<Run> {
    let with_value = [
        "-I",
        "-n",
        "-P",
        "-L",
        "-d",
        "-a",
        "-s",
        "-E",
        "-J",
        "-R",
        "--max-args",
        "--max-procs",
        "--delimiter",
        "--arg-file",
    ];
    let mut rest = skip_options(words, &with_value).to_vec();
    if rest.is_empty() {
        return Vec::new();
    }
    // What is piped in becomes arguments.
    if let Some(text) = sink
        .commands
        .get(index)
        .and_then(|command| command.pipe_from)
        .and_then(|from| sink.commands.get(from))
        .and_then(lexer::printed)
        && text.len() <= 1024
    {
        let mark = replacement(words);
        let mut placed = false;
        for word in &mut rest {
            if !mark.is_empty() && word.text.contains(mark) && word.text.len() <= 1024 {
                word.text = word.text.replacen(mark, &text, 4);
                placed = true;
            }
        }
        if !placed && rest.last().is_some_and(|word| word.text == "-c") {
            rest.push(Word { text, ..Word::default() });
        } else if !placed {
            rest.extend(text.split_whitespace().take(16).map(|text| Word { text: text.to_owned(), ..Word::default() }));
        }
    }
    vec![Run::Words(rest)]
}

fn replacement(words: &[Word]) -> &str {
    let mut iter = words.iter();
    while let Some(word) = iter.next() {
        if word.text == "-I" || word.text == "-J" {
            return iter.next().map_or("{}", |word| word.text.as_str());
        }
        if word.text.starts_with("-I") {
            return word.text.get(2..).unwrap_or("{}");
        }
        if word.text == "-i" || word.text == "--replace" {
            return "{}";
        }
    }
    ""
}

fn parallel(sink: &Sink, index: usize, words: &[Word]) -> Vec<Run> {
    let rest = skip_options(words, &["-j", "--jobs", "-a", "--colsep", "-n", "-N", "-P"]);
    let at = rest.iter().position(|word| word.text.starts_with(":::")).unwrap_or(rest.len());
    let (template, values) = rest.split_at_checked(at).unwrap_or((rest, &[]));
    let mut values: Vec<String> = values.iter().skip(1).take(8).map(|word| word.text.clone()).collect();
    if values.is_empty()
        && let Some(text) = sink
            .commands
            .get(index)
            .and_then(|command| command.pipe_from)
            .and_then(|from| sink.commands.get(from))
            .and_then(lexer::printed)
    {
        values.push(text);
    }
    if template.is_empty() {
        return values.into_iter().map(Run::Script).collect();
    }
    let first = values.first().map_or("", String::as_str);
    let mut placed = false;
    let mut run: Vec<Word> = template
        .iter()
        .map(|word| {
            let mut word = word.clone();
            if word.text.contains("{}") && first.len() <= 1024 {
                word.text = word.text.replacen("{}", first, 4);
                placed = true;
            }
            word
        })
        .collect();
    if !placed {
        run.extend(values.into_iter().map(|text| Word { text, ..Word::default() }));
    }
    // GNU parallel gives its command to a shell as text.
    if run.len() == 1 {
        run.pop().map(|word| Run::Script(word.text)).into_iter().collect()
    } else {
        vec![Run::Words(run)]
    }
}

/// `find … -exec CMD ;`, `fd -x CMD`
fn exec_of(words: &[Word]) -> Vec<Run> {
    let mut found = Vec::new();
    let mut rest = words;
    while let Some(at) = rest.iter().position(|word| {
        matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch")
    }) {
        let run = rest.get(at + 1..).unwrap_or(&[]);
        let end = run.iter().position(|word| matches!(word.text.as_str(), ";" | "+")).unwrap_or(run.len());
        if end > 0 && found.len() < 8 {
            found.push(Run::Words(run.get(..end).unwrap_or(&[]).to_vec()));
        }
        rest = run.get(end..).unwrap_or(&[]);
    }
    found
}

/// `docker exec C CMD`, `docker run IMAGE CMD`, `kubectl exec POD -- CMD`
fn contained(name: &str, words: &[Word]) -> Vec<Run> {
    if let Some(at) = words.iter().position(|word| word.text == "--") {
        let run = words.get(at + 1..).unwrap_or(&[]);
        return if run.is_empty() { Vec::new() } else { vec![Run::Words(run.to_vec())] };
    }
    if matches!(name, "kubectl" | "oc" | "lxc") {
        return Vec::new();
    }
    let Some(at) = words.iter().position(|word| matches!(word.text.as_str(), "exec" | "run" | "ssh")) else {
        return Vec::new();
    };
    let with_value = [
        "-e",
        "--env",
        "-u",
        "--user",
        "-w",
        "--workdir",
        "-v",
        "--volume",
        "--name",
        "-p",
        "--publish",
        "--network",
        "--net",
        "--pid",
        "--mount",
        "--entrypoint",
        "-h",
        "--hostname",
        "--cap-add",
        "--security-opt",
        "--device",
        "-c",
    ];
    after_operands(words.get(at + 1..).unwrap_or(&[]), &with_value, 1)
}

/// `git -c alias.x='!CMD'`, `git config alias.x '!CMD'`
fn git_shell(words: &[Word]) -> Vec<Run> {
    words
        .iter()
        .take(12)
        .filter_map(|word| word.text.split_once('!'))
        .filter(|(before, script)| !script.is_empty() && (before.is_empty() || before.ends_with('=')))
        .map(|(_, script)| Run::Script(script.to_owned()))
        .collect()
}

fn after_options(words: &[Word], with_value: &[&str]) -> Vec<Run> {
    after_operands(words, with_value, 0)
}

/// The command after options, assignments and `skip` operands.
fn after_operands(words: &[Word], with_value: &[&str], skip: usize) -> Vec<Run> {
    let mut rest = skip_options(words, with_value);
    for _ in 0..skip {
        rest = skip_options(rest.get(1..).unwrap_or(&[]), with_value);
    }
    while rest.first().is_some_and(|word| {
        word.text.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.contains(['/', '-', '.']))
    }) {
        rest = rest.get(1..).unwrap_or(&[]);
    }
    if rest.is_empty() { Vec::new() } else { vec![Run::Words(rest.to_vec())] }
}

fn skip_options<'w>(words: &'w [Word], with_value: &[&str]) -> &'w [Word] {
    let mut rest = words;
    while let Some((word, tail)) = rest.split_first() {
        let text = word.text.as_str();
        if text == "--" {
            return tail;
        }
        if !text.starts_with('-') || text.len() < 2 {
            break;
        }
        rest = if with_value.contains(&text) { tail.get(1..).unwrap_or(&[]) } else { tail };
    }
    rest
}

fn joined<'w>(words: impl Iterator<Item = &'w Word>) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word.text);
    }
    out
}

/// The name of the interpreter behind a path, without a version: `python3.11` is `python`.
pub(super) fn interpreter(name: &str) -> String {
    basename(name).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned()
}
