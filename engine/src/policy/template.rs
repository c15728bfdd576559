//! URI templates (RFC 6570) of `resources/templates/list`: which rules can be about a URI that one expands to.

use crate::glob::Glob;

/// How a glob and the URIs of a template relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It matches none of them.
    None,
    /// It may match some of them.
    Some,
    /// It matches every one.
    All,
}

/// A URI template: literal text and expressions in braces, each of which may become any text.
#[derive(Debug)]
pub(super) struct Template<'t> {
    prefix: &'t str,
    suffix: &'t str,
    /// The template with a character of no URI in the place of each expression; the URI itself where there is none.
    filled: String,
    fixed: bool,
}

impl<'t> Template<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut filled = String::with_capacity(text.len());
        let (prefix, mut rest) = text.split_at(text.find('{').unwrap_or(text.len()));
        let fixed = rest.is_empty();
        filled.push_str(prefix);
        while let Some((literal, expression)) = rest.split_once('{') {
            filled.push_str(literal);
            filled.push(ANYTHING);
            // What is never closed may become anything to its end.
            rest = expression.split_once('}').map_or("", |(_, rest)| rest);
        }
        filled.push_str(rest);
        let suffix = if fixed { text } else { rest };
        Self { prefix, suffix, filled, fixed }
    }

    /// Errs towards [`Fit::Some`]: a template that is shown in vain costs nothing, the read is judged by itself.
    pub(super) fn fit(&self, glob: &Glob) -> Fit {
        let matches = glob.matches(&self.filled);
        if self.fixed {
            return if matches { Fit::All } else { Fit::None };
        }
        // What the glob spells out lies within what the template does, so only its stars cover the expressions.
        if matches && !glob.counts_characters() {
            return Fit::All;
        }
        let (prefix, suffix) = (glob.prefix(), glob.suffix());
        let together = (prefix.starts_with(self.prefix) || self.prefix.starts_with(prefix))
            && (suffix.ends_with(self.suffix) || self.suffix.ends_with(suffix));
        if together { Fit::Some } else { Fit::None }
    }
}

/// Stands for an expression; no URI and no sensible glob holds this noncharacter.
const ANYTHING: char = '\u{FFFF}';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fit, Template};
    use crate::policy::Glob;

    fn fit(glob: &str, template: &str) -> Fit {
        Template::new(template).fit(&Glob::new(glob).unwrap())
    }

    #[test]
    fn globs_over_templates() {
        for (glob, template, expected) in [
            ("*", "file:///{+path}", Fit::All),
            ("file:///*", "file:///{+path}", Fit::All),
            ("file:///docs/*", "file:///{+path}", Fit::Some),
            ("file:///docs/a.md", "file:///{+path}", Fit::Some),
            ("https:*", "file:///{+path}", Fit::None),
            ("*.md", "file:///{name}.txt", Fit::None),
            ("*.md", "file:///{name}.md", Fit::All),
            ("file:///?", "file:///{name}", Fit::Some),
            ("db://*/rows/*", "db://{table}/rows/{id}{?format}", Fit::All),
            ("db://users/*", "db://{table}/rows/{id}", Fit::Some),
            ("file:///a", "file:///a", Fit::All),
            ("file:///b", "file:///a", Fit::None),
            ("file:///*", "file:///{never closed", Fit::All),
        ] {
            assert_eq!(fit(glob, template), expected, "{glob} {template}");
        }
    }

    proptest! {
        #[test]
        fn an_expansion_never_contradicts(
            glob in "[ab*?/]{0,6}", literals in prop::collection::vec("[ab/]{0,3}", 1..4), values in prop::collection::vec("[ab/]{0,3}", 3),
        ) {
            let template = literals.join("{x}");
            let mut uri = String::new();
            for (index, literal) in literals.iter().enumerate() {
                if index > 0 {
                    uri.push_str(&values[index - 1]);
                }
                uri.push_str(literal);
            }
            let glob = Glob::new(&glob).unwrap();
            match Template::new(&template).fit(&glob) {
                Fit::All => prop_assert!(glob.matches(&uri)),
                Fit::None => prop_assert!(!glob.matches(&uri)),
                Fit::Some => {}
            }
        }
    }
}
