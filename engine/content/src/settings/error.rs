//! The one error of loading and compiling a configuration.

use std::fmt;

/// What is wrong with a configuration, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// RFC 6901 JSON Pointer to the mistake; empty for the document as a whole.
    pub pointer: String,
    /// What was found. Never holds a key or another secret of the configuration.
    pub message: String,
    /// What to do about it, where that is known.
    pub remedy: Option<String>,
}

impl ConfigError {
    /// An error at `pointer` without a remedy.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), remedy: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

// === impl ConfigError ===

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "configuration" } else { &self.pointer };
        write!(f, "{place}: {}", self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The member of `valid` that `found` was most likely meant to be.
#[must_use]
pub fn nearest<'a>(found: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase();
    valid
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Jaro-Winkler similarity from which a name is worth suggesting.
const SIMILAR: f64 = 0.7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name() {
        assert_eq!(nearest("pathprefix", ["path_prefix", "authority"]), Some("path_prefix"));
        assert_eq!(nearest("Rules", ["rules", "mode"]), Some("rules"));
        assert_eq!(nearest("zzz", ["rules", "mode"]), None);
    }

    #[test]
    fn reads_as_one_sentence() {
        let error = ConfigError::new("/rules/0/nam", "unknown field `nam`").remedy("did you mean `name`?");
        assert_eq!(error.to_string(), "/rules/0/nam: unknown field `nam`; did you mean `name`?");
        assert_eq!(ConfigError::new("", "is empty").to_string(), "configuration: is empty");
    }
}
