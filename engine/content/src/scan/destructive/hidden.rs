//! Commands that hide what they run, and fork bombs.

use super::Rule;
use crate::scan::shell::{Script, is_shell};

/// `… | base64 -d | sh`, `curl … | sh`, names put together from pieces.
pub(super) fn check(script: &Script, index: usize, name: &str) -> Option<Rule> {
    let command = script.commands.get(index)?;
    let interpreter = is_shell(name)
        || matches!(
            name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'),
            "python" | "perl" | "ruby" | "node" | "php" | "iex" | "invoke-expression"
        );
    let operand = command.operands().next().unwrap_or("");
    if interpreter && (operand.is_empty() || operand == "-" || operand.starts_with("/dev/stdin")) {
        for source in script.sources(index) {
            if decodes(&source.name(), &source.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>())
                || downloads(&source.name())
            {
                return Some(Rule::DecodedExecution);
            }
        }
    }
    let evaluates = matches!(name, "eval" | "iex" | "invoke-expression" | "source" | ".") || interpreter;
    if evaluates {
        // `eval "$(… | base64 -d)"`, `bash <(curl …)`, `sh -c "$(curl …)"`
        let text = command.args().chain(command.stdin.as_deref()).find(|text| {
            let lower = text.to_ascii_lowercase();
            let decoded = [
                "base64 -d",
                "base64 --d",
                "base64 -D",
                "frombase64string",
                "xxd -r",
                "openssl enc -d",
                "openssl base64 -d",
                "| rev",
                "b64decode",
                "atob(",
                "base32 -d",
                "-decode",
            ]
            .iter()
            .any(|part| lower.contains(&part.to_ascii_lowercase()));
            let fetched = [
                "$(curl",
                "$(wget",
                "`curl",
                "`wget",
                "downloadstring",
                "net.webclient",
                "(iwr ",
                "invoke-webrequest",
                "invoke-restmethod",
                "(irm ",
            ]
            .iter()
            .any(|part| lower.contains(part));
            (decoded
                && name != "."
                && name != "source"
                && (text.contains("$(")
                    || lower.contains("exec")
                    || lower.contains("frombase64")
                    || lower.contains("eval")
                    || text.contains('`')
                    || lower.contains("system")))
                || fetched
        });
        let substituted = command.args().any(|arg| arg == "/dev/fd/63")
            && script.commands.iter().any(|inner| {
                inner.substituted
                    && command.span.start <= inner.span.start
                    && inner.span.end <= command.span.end
                    && (downloads(&inner.name())
                        || decodes(
                            &inner.name(),
                            &inner.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(),
                        ))
            });
        if text.is_some() || substituted {
            return Some(Rule::DecodedExecution);
        }
    }
    if matches!(name, "powershell" | "pwsh")
        && command.words.windows(2).any(|pair| {
            let flag = pair.first().map(|word| word.text.to_ascii_lowercase()).unwrap_or_default();
            let value = pair.get(1).map_or("", |word| word.text.as_str());
            flag.len() >= 2
                && flag.starts_with("-e")
                && "-encodedcommand".starts_with(flag.as_str())
                && value.len() >= 16
                && !value.starts_with('-')
        })
    {
        return Some(Rule::DecodedExecution);
    }
    if matches!(name, "iex" | "invoke-expression") && script.sources(index).any(|source| downloads(&source.name())) {
        return Some(Rule::DecodedExecution);
    }
    // A name that was written to be overlooked, for a program that exists.
    (command.disguised
        && !name.is_empty()
        && command.wrapped_by.is_none()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b','))
        && command.words.len() > 1)
        .then_some(Rule::DisguisedCommand)
}

fn decodes(name: &str, words: &[&str]) -> bool {
    let args = words.get(1..).unwrap_or(&[]);
    match name {
        "base64" | "base32" | "basenc" | "gbase64" => args.iter().any(|arg| {
            matches!(*arg, "-d" | "-D" | "--decode" | "-di" | "-id")
                || (arg.starts_with("--d") && "--decode".starts_with(*arg))
        }),
        "xxd" => args.iter().any(|arg| arg.starts_with("-r") || *arg == "-p"),
        "openssl" => args.contains(&"-d"),
        "rev" | "uudecode" => true,
        "tr" => args.iter().any(|arg| arg.contains("a-z")) && args.iter().any(|arg| arg.contains("n-z")),
        "certutil" => args.iter().any(|arg| arg.eq_ignore_ascii_case("-decode")),
        "gunzip" | "zcat" => false,
        _ => false,
    }
}

fn downloads(name: &str) -> bool {
    matches!(
        name,
        "curl"
            | "wget"
            | "fetch"
            | "aria2c"
            | "lynx"
            | "iwr"
            | "irm"
            | "invoke-webrequest"
            | "invoke-restmethod"
            | "http"
            | "tftp"
            | "ftp"
    )
}

/// A function that starts itself twice: `:(){ :|:& };:` under any name, `%0|%0`, `fork while fork`.
pub(in crate::scan) fn fork_bomb(text: &str) -> bool {
    if text.len() > 4096 || memchr::memchr3(b'(', b'|', b'k', text.as_bytes()).is_none() {
        return false;
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut rest = compact.as_str();
    while let Some(at) = rest.find("(){") {
        let before = rest.get(..at).unwrap_or("");
        let name_at = before.rfind([';', '&', '|', '{', '}', '"', '\'']).map_or(0, |found| found + 1);
        let name = before.get(name_at..).unwrap_or("").trim_start_matches("function");
        let body = rest.get(at + 3..).unwrap_or("");
        let inner = body.split('}').next().unwrap_or("");
        if !name.is_empty() && name.len() <= 16 {
            let piped = inner
                .split_once('|')
                .is_some_and(|(left, right)| left.trim_end_matches("()").ends_with(name) && right.starts_with(name));
            if piped {
                return true;
            }
        }
        rest = body;
    }
    compact.contains("%0|%0")
        || compact.contains("forkwhilefork")
        || compact.contains("os.fork()whileTrue")
        || compact.contains("whileTrue:os.fork()")
        || compact.contains("while1:os.fork()")
        || compact.contains("fork()whiletrue")
        || compact.contains("loop{fork")
}
