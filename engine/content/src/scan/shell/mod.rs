//! A reader of shell command lines for scanners: what would run, not what the text looks like.
//!
//! [`parse`] resolves quotes, escapes, `$IFS`, variables assigned in the same text, brace expansion,
//! `$(echo …)`, backticks, here-documents and the usual wrappers (`sudo`, `env`, `xargs`, `sh -c`,
//! `eval`, …), and yields one flat list of simple commands with the span of the source that each
//! comes from. It is a reader, no interpreter: what cannot be known stays as it was written.
//!
//! The work is linear: every byte of the source is read once per level of nesting, nesting is bounded
//! by [`MAX_DEPTH`] and what expansion may produce by a budget of the size of the text.

use std::ops::Range;

mod lexer;
mod names;
mod role;
mod unwrap;

pub use names::{basename, is_shell, looks_like_command};
pub use role::Role;
pub(super) use role::{fold, is_document};
pub use unwrap::runs_words;

/// How deep substitutions, subshells and nested scripts are followed.
pub const MAX_DEPTH: usize = 8;
/// How many simple commands are kept; what follows is not read.
pub const MAX_COMMANDS: usize = 2048;

/// Everything that a text would run.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The simple commands, in the order in which their last word stands; a wrapper precedes what it runs.
    pub commands: Vec<Command>,
    /// Bytes read and produced: a measure of the work, for the test that it is linear.
    pub steps: usize,
}

/// One simple command.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The name and its arguments, after expansion; never empty.
    pub words: Vec<Word>,
    /// Its redirections.
    pub redirects: Vec<Redirect>,
    /// `NAME=value` before the name.
    pub assignments: Vec<(String, String)>,
    /// Where it stands in the source, in bytes. For a script within a string: the whole string.
    pub span: Range<usize>,
    /// Index in [`Script::commands`] of the command whose output it reads.
    pub pipe_from: Option<usize>,
    /// Index of the wrapper (`sudo`, `xargs`, `sh -c`, …) that runs it.
    pub wrapped_by: Option<usize>,
    /// It stands in `$(…)`, backticks or `<(…)`.
    pub substituted: bool,
    /// Its here-document or here-string.
    pub stdin: Option<String>,
    /// Its name was put together by means that serve to hide it.
    pub disguised: bool,
    /// What ends it: `\0` at the end of the text, else `;`, `&`, `|`, `a` (`&&`), `o` (`||`), `\n` or `)`.
    pub end: u8,
}

/// One word after expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Its text. Variables nobody assigned stay as `$NAME`.
    pub text: String,
    /// The text without such variables, if there are any.
    pub bare: Option<String>,
    /// Where it stands in the source.
    pub span: Range<usize>,
    /// Some of it was quoted.
    pub quoted: bool,
}

/// One redirection of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `<`, `>`, `a` (`>>`), `&` (`>&` and `&>`).
    pub kind: u8,
    /// The file.
    pub target: String,
}

impl Script {
    /// The commands whose output the command at `index` reads, nearest first; at most 16.
    pub fn sources(&self, index: usize) -> impl Iterator<Item = &Command> {
        let mut at = self.commands.get(index).and_then(|command| command.pipe_from);
        let mut left = 16;
        std::iter::from_fn(move || {
            let current = self.commands.get(at?)?;
            left -= 1;
            at = if left > 0 { current.pipe_from } else { None };
            Some(current)
        })
    }
}

impl Command {
    /// The name without its directory, its case and `.exe`.
    #[must_use]
    pub fn name(&self) -> String {
        self.words.first().map(|word| basename(word.resolved())).unwrap_or_default()
    }

    /// The arguments.
    pub fn args(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(|word| word.text.as_str())
    }

    /// The argument at `index`, `""` if there is none.
    #[must_use]
    pub fn arg(&self, index: usize) -> &str {
        self.words.get(index + 1).map_or("", |word| word.text.as_str())
    }

    /// Whether an argument equals one of `flags`.
    #[must_use]
    pub fn has(&self, flags: &[&str]) -> bool {
        self.flags().any(|arg| flags.iter().any(|flag| arg == *flag || long_value(arg, flag)))
    }

    /// Whether the short option `letter` is given, alone or within a cluster such as `-rf`.
    #[must_use]
    pub fn short(&self, letter: char) -> bool {
        self.flags().any(|arg| {
            arg.len() <= 12
                && arg.starts_with('-')
                && !arg.starts_with("--")
                && arg.chars().skip(1).any(|c| c == letter)
        })
    }

    /// The arguments that are no options.
    pub fn operands(&self) -> impl Iterator<Item = &str> {
        let mut ended = false;
        self.args().filter(move |arg| {
            if !ended && ends_options(arg) {
                ended = true;
                return false;
            }
            ended || !arg.starts_with('-') || arg.len() == 1
        })
    }

    /// The arguments before `--`.
    fn flags(&self) -> impl Iterator<Item = &str> {
        self.args().take_while(|arg| !ends_options(arg))
    }
}

impl Word {
    /// The text with unknown variables as empty, as the shell would read them.
    #[must_use]
    pub fn resolved(&self) -> &str {
        self.bare.as_deref().unwrap_or(&self.text)
    }
}

/// Reads a command line or a script.
#[must_use]
pub fn parse(text: &str) -> Script {
    let mut sink = lexer::Sink::new(text.len());
    lexer::run(text, None, 0, &mut sink);
    unwrap::unwrap(&mut sink);
    Script { commands: sink.commands, steps: sink.steps }
}

/// `--`
fn ends_options(arg: &str) -> bool {
    matches!(arg.as_bytes(), [b'-', b'-'])
}

fn long_value(arg: &str, flag: &str) -> bool {
    flag.starts_with("--") && arg.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))
}

#[cfg(test)]
mod tests;
