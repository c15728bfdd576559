//! The scanner for personal data: numbers that states and banks give to people, ways to reach them,
//! dates of birth.
//!
//! A number counts if its form, its check digits and, where these are weak, a word near it say so.
//! Each kind has a module of its own; [`DETECTOR`] is the table of rules.
//!
//! Digits are everywhere, so literals alone cannot tell which texts to look at: ask [`may_hold`] first,
//! and [`DETECTOR`]'s triggers for what it does not see.
//!
//! ```
//! use portcullis_content::scan::detect::Input;
//! use portcullis_content::scan::{Context, Direction, Surface, pii};
//!
//! let context = Context { direction: Direction::Response, surface: Surface::Result };
//! let text = "IBAN DE75 5121 0800 1245 1261 99, thanks";
//! assert!(pii::may_hold(text));
//! let mut found = Vec::new();
//! (pii::DETECTOR.detect)(&Input { text, member: None, tool: None, context, role: None, parsed: None }, &mut found);
//! assert_eq!(&text[found[0].range.clone()], "DE75 5121 0800 1245 1261 99");
//! assert_eq!(pii::DETECTOR.rules[found[0].rule].id, "iban");
//! ```

use std::ops::Range;

use super::detect::{Detector, Gate, Input, Match, RuleInfo, heads};
use super::{Direction, Surface};
use crate::sort::Arrange;

mod birth;
mod card;
mod checks;
mod context;
mod documents;
mod email;
mod gate;
mod iban;
mod ids;
mod network;
mod numbers;
mod phone;
mod phone_lengths;
mod rules;
#[cfg(test)]
mod tests;
mod wallet;

pub use gate::{may_hold, may_hold_network};
pub use rules::DEFAULT_OFF;

use context::Contexts;
use phone::Trust;
use rules::{Name, RULES};

/// The scanner. Texts to look at are those that [`may_hold`] or a trigger picks.
pub const DETECTOR: Detector = Detector {
    name: "pii",
    rules: &heads::<{ RULES.len() }>(RULES),
    triggers: || TRIGGERS.to_vec(),
    gate: Gate::Look { usual: may_hold, enabled: may_hold_network },
    off: DEFAULT_OFF,
    direction: None,
    detect,
};

/// Words that dates of birth and other data are told by.
const TRIGGERS: &[&str] = &[
    "birth",
    "geboren",
    "geburts",
    "naissance",
    "né le ",
    "née le ",
    "nacimiento",
    "nascita",
    "nascimento",
    "nato il",
    "nata il",
    "geboorte",
    "født",
    "född",
    "рожд",
    "родил",
    "出生",
    "生年月日",
    "swift",
    "\"bic\"",
    "bic:",
    "bic ",
    "born ",
    "passport",
    "\"dob\"",
    "dob:",
    // Names of members whose value may be a number.
    "ssn\"",
    "card\"",
    "card_number\"",
    "cardnumber\"",
    "account_number\"",
    "phone\"",
    "mobile\"",
    "phone_number\"",
    "tax_id\"",
    "security_number\"",
];

/// What is to be known about each rule, in the order of [`DETECTOR`]'s.
pub const CATALOG: &[RuleInfo] = RULES;

/// A match before those that overlap are weighed against each other.
#[derive(Clone, Debug)]
struct Candidate {
    rule: Name,
    range: Range<usize>,
    weight: u8,
}

fn detect(input: &Input<'_>, out: &mut Vec<Match>) {
    detect_counted(input, out);
}

/// Like [`detect`]; returns how many steps were taken, for the test that shows them to be linear.
fn detect_counted(input: &Input<'_>, out: &mut Vec<Match>) -> u64 {
    let text = input.text;
    let mut contexts = Contexts::new(text, input.member);
    let mut found = Vec::new();
    let mut steps = text.len() as u64;
    let mut add = |rule, range, weight| found.push(Candidate { rule, range, weight });
    if reaches_people(input) {
        steps += email::find(text, |range| add(Name::Email, range, ids::STRONG));
        steps += phone::find(text, &mut contexts, |range, trust| {
            add(Name::Phone, range, if trust == Trust::Form { ids::PHONE + 1 } else { ids::PHONE });
        });
        steps += birth::find(text, &mut contexts, |range| add(Name::DateOfBirth, range, ids::NEXT));
        steps += documents::bic(text, &mut contexts, |range| add(Name::Bic, range, ids::NAMED));
        steps += network::find(text, |kind, range| {
            add(if kind == network::Kind::Ip { Name::IpAddress } else { Name::MacAddress }, range, ids::STRONG);
        });
    }
    steps += documents::machine_readable(text, |range| add(Name::PassportZone, range, ids::STRONG));
    steps += ids::find(text, &mut contexts, &mut found, |range, contexts, found| {
        if wallet::is(text.as_bytes(), &range, contexts) {
            found.push(Candidate { rule: Name::CryptoWallet, range, weight: ids::ALONE });
        }
    });
    settle(input, found, out);
    steps
}

/// Whom to write to or call is what many calls are about: an address in the arguments of a call, or
/// in the description of a tool, is no leak. In what a server answers it may be one.
fn reaches_people(input: &Input<'_>) -> bool {
    input.context.direction == Direction::Response && input.context.surface != Surface::Description
}

/// Of candidates that overlap, the heaviest stays, then the longest, then the first in the table.
fn settle(input: &Input<'_>, mut found: Vec<Candidate>, out: &mut Vec<Match>) {
    // The payee of a transfer is the very purpose of the argument that holds nothing else.
    let whole = |range: &Range<usize>| input.text.trim_ascii().len() == range.len();
    if input.context.direction == Direction::Request {
        found.retain(|candidate| {
            !(matches!(candidate.rule, Name::Iban | Name::CryptoWallet) && whole(&candidate.range))
        });
    }
    found.arrange_by(|a, b| {
        (a.range.start.cmp(&b.range.start))
            .then(b.range.end.cmp(&a.range.end))
            .then(b.weight.cmp(&a.weight))
            .then((a.rule as usize).cmp(&(b.rule as usize)))
    });
    let mut last: Option<Candidate> = None;
    for candidate in found {
        match &mut last {
            Some(kept) if candidate.range.start < kept.range.end => {
                if candidate.weight > kept.weight {
                    *kept = candidate;
                }
            }
            Some(kept) => {
                out.push(Match { rule: kept.rule as usize, range: kept.range.clone() });
                last = Some(candidate);
            }
            None => last = Some(candidate),
        }
    }
    out.extend(last.map(|kept| Match { rule: kept.rule as usize, range: kept.range }));
}
