//! Colour, where a person reads: on a terminal, unless `NO_COLOR` is set (no-color.org).

use std::env;
use std::io::{self, IsTerminal};

/// Whether to colour.
#[derive(Clone, Copy)]
pub(crate) struct Style(bool);

/// For what goes to standard output.
pub(crate) fn stdout() -> Style {
    Style(io::stdout().is_terminal() && wanted())
}

/// For what goes to standard error.
pub(crate) fn stderr() -> Style {
    Style(io::stderr().is_terminal() && wanted())
}

/// For what goes to a file.
pub(crate) fn plain() -> Style {
    Style(false)
}

/// Text of others as a terminal may be shown it: nothing that moves the cursor, turns the text around or is not seen.
pub(crate) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

fn wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Style {
    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
