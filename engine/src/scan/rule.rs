//! Rules as data: the schema of `rules/*.json` and of `custom_rules`.

use serde::{Deserialize, Serialize};

use super::Severity;

/// One rule: what to look for near which keywords, and how to tell a true find from a false one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique within the scanner: lower-case letters, digits and hyphens.
    pub id: String,
    /// How grave a finding is. Default `high`.
    #[serde(default = "default_severity")]
    pub severity: Severity,
    /// What is found, in one line.
    pub description: String,
    /// Where the format is documented: a URL or the name of a document.
    #[serde(default)]
    pub source: String,
    /// What to do about a finding.
    #[serde(default)]
    pub remedy: String,
    /// Literals of at least 4 bytes, matched without regard to ASCII case: no text without one of
    /// them is looked at. In a rule without `assigned` the pattern is tried where the keyword
    /// starts (see `lead`).
    pub keywords: Vec<String>,
    /// What the found text looks like: a regular expression without look-around and
    /// back-references, tried anchored. At most 512 bytes of text are looked at.
    pub pattern: String,
    /// How many bytes before the keyword the match may start, 0 to 64. Default 0: at the keyword.
    #[serde(default)]
    pub lead: usize,
    /// True: the keyword names what follows (`heroku_key = "…"`); the pattern is the whole of a
    /// word that stands at most 64 bytes behind it.
    #[serde(default)]
    pub assigned: bool,
    /// The capture group that is the secret; 0, the default, is the whole match.
    #[serde(default)]
    pub group: usize,
    /// The word in `[REDACTED:…]`. Default: the id.
    #[serde(default)]
    pub placeholder: Option<String>,
    /// The least Shannon entropy of the secret, in bits per byte. Default 0.
    #[serde(default)]
    pub entropy: f64,
    /// Further checks, all of which must hold.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Words that make a find a false one where the secret contains them (without regard to ASCII case).
    #[serde(default)]
    pub deny_words: Vec<String>,
    /// Texts the rule must find something in. `~` is removed first: it splits what other tools might take for a live secret.
    #[serde(default, rename = "true")]
    pub matching: Vec<String>,
    /// Texts the rule must find nothing in.
    #[serde(default, rename = "false")]
    pub innocent: Vec<String>,
}

/// Checks of a found secret beyond its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The last six characters are the CRC-32 of what stands between prefix and them, in base 62.
    Crc32Base62,
    /// The Luhn checksum over its digits.
    Luhn,
    /// At least one digit.
    Digit,
    /// At least one letter.
    Letter,
    /// At least one upper-case and one lower-case letter.
    MixedCase,
    /// No placeholder: repeated characters, `example`, `changeme`, templates.
    NotPlaceholder,
    /// A JWT: its header decodes to a JSON object with `alg`.
    Jwt,
}

fn default_severity() -> Severity {
    Severity::High
}
