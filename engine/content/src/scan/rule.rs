//! Rules as data: the schema of `rules/*.json` and of `custom_rules`.

use serde::Serialize;

use super::Severity;
use crate::settings::Settings;

/// One rule: what to look for near which keywords, and how to tell a true find from a false one.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
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
    /// them is looked at. The matcher says where it is tried.
    pub keywords: Vec<String>,
    /// How a keyword hit is verified. Default `pattern`.
    #[serde(default)]
    pub matcher: Matcher,
    /// What the found text looks like: a regular expression without look-around and
    /// back-references, tried anchored. At most 512 bytes of text are looked at. Needed by the
    /// matchers `pattern` and `assigned`, unused by the others.
    #[serde(default)]
    pub pattern: String,
    /// How many bytes before the keyword the match may start, 0 to 96. Default 0: at the keyword.
    #[serde(default)]
    pub lead: usize,
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
    /// Texts the rule must find something in. `§` is removed first: it splits what other tools might take for a live secret.
    #[serde(default, rename = "true")]
    pub matching: Vec<String>,
    /// Texts the rule must find nothing in.
    #[serde(default, rename = "false")]
    pub innocent: Vec<String>,
}

/// How a keyword hit is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Matcher {
    /// The pattern matches where the keyword starts, or up to `lead` bytes before.
    #[default]
    Pattern,
    /// The keyword names what follows (`heroku_key = "…"`, or the key of a JSON member): the
    /// pattern is the whole of a word at most 64 bytes behind it.
    Assigned,
    /// A name that holds a password is given a value.
    Password,
    /// A name that holds a token, key or other random credential is given a value.
    Token,
    /// The name of a service stands right before a random value.
    Named,
    /// A PEM, PGP or PuTTY private key with its body.
    PrivateKey,
    /// A JSON Web Token whose header decodes to an object with `alg`.
    Jwt,
    /// A JSON Web Key with its private or symmetric part.
    Jwk,
    /// A password in the authority of a URL.
    UrlCredentials,
}

/// Checks of a found secret beyond its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
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
    /// In answers of a server: not one of the keys that vendors' documentation shows.
    NotDocumented,
    /// Not words, or words joined as in source code (`BasicConfiguration`).
    NotWords,
    /// No placeholder: repeated characters, `example`, `changeme`, templates.
    NotPlaceholder,
}

fn default_severity() -> Severity {
    Severity::High
}
