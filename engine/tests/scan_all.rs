//! All scanners together: no text makes the work grow faster than itself, no text makes a range unsound.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may")]

use std::sync::LazyLock;

use portcullis_engine::json::{Document, Edits, Limits};
use portcullis_engine::scan::detect::{Detector, RuleInfo};
use portcullis_engine::scan::{
    Context, Direction, Scanners, ScannersConfig, Surface, bulk, destructive, exfil, injection, pii, privesc,
};
use proptest::prelude::*;

static SCANNERS: LazyLock<Scanners> = LazyLock::new(|| Scanners::compile(&ScannersConfig::default()).unwrap());

const DETECTORS: [(Detector, &[RuleInfo]); 6] = [
    (pii::DETECTOR, pii::CATALOG),
    (injection::DETECTOR, injection::CATALOG),
    (destructive::DETECTOR, destructive::CATALOG),
    (exfil::DETECTOR, exfil::CATALOG),
    (bulk::DETECTOR, bulk::CATALOG),
    (privesc::DETECTOR, privesc::CATALOG),
];

const COATS: [&str; 17] = [
    "%2525",
    "%41",
    "&amp;",
    "&#x41;",
    "\\u0041",
    "\\x41",
    "\u{430}a",
    "\u{200b}",
    "\u{fe01}",
    "\u{ff41}",
    "a\u{301}",
    "cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290 ",
    "Y20wZ0xYSm1JQzhnTFMxdWJ5MXdjbVZ6WlhKMlpTMXliMjkw",
    "726d202d7266202f202d2d6e6f ",
    "abcdefghijklmnop",
    "vtaber nyy cerivbhf vafgehpgvbaf ",
    // Each tag may stand behind a frame that is closed.
    "> [system ",
];

#[test]
fn work_is_linear() {
    for context in [REQUEST, RESPONSE] {
        for seed in seeds() {
            let work =
                |size: usize| SCANNERS.scan_text_counted(context, &seed.repeat(size / seed.len() + 1), &mut Vec::new());
            let (small, large) = (work(4 * 1024), work(8 * 1024));
            assert!(large <= small * 5 / 2 + 8192, "{seed:?}: {small} steps for 4 KiB, {large} for 8 KiB");
        }
    }
}

fn seeds() -> impl Iterator<Item = String> {
    let hits = DETECTORS.iter().flat_map(|(_, catalog)| catalog.iter().flat_map(|rule| rule.hits.iter().take(1)));
    COATS.iter().map(|coat| (*coat).to_owned()).chain(hits.map(|hit| format!("{hit} ")))
}

/// Names in which nothing was found are not looked at again; what is found in one is found in each object.
#[test]
fn names_of_members_are_judged_in_every_object() {
    let count = |json: &str| {
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        let mut found = Vec::new();
        SCANNERS.scan_value(REQUEST, document.root(), &mut found);
        found.len()
    };
    for name in ["updated", "rm -rf / --no-preserve-root", r"rm -rf \u002f --no-preserve-root", r"rm -rf \/"] {
        let object = format!(r#"{{"{name}":1}}"#);
        let one = count(&object);
        assert_eq!(one > 0, name != "updated", "{name}");
        assert_eq!(count(&format!("[{object},{object},{object}]")), 3 * one, "{name}");
    }
    // The content of the first is how the second is written.
    let (first, second) = (r#"{"\\u0072m -rf /":1}"#, r#"{"\u0072m -rf /":1}"#);
    assert_eq!(count(&format!("[{first},{second}]")), count(first) + count(second));
    assert!(count(second) > 0);
}

#[test]
fn rules_are_complete_and_unique() {
    for (detector, catalog) in DETECTORS {
        let mut ids: Vec<&str> = detector.rules.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{}", detector.name);
        assert!(detector.off.iter().all(|off| ids.contains(off)), "{}", detector.name);
        for rule in catalog {
            assert!(!rule.description.is_empty() && !rule.remedy.is_empty() && !rule.source.is_empty(), "{}", rule.id);
            assert!(!(rule.hits.is_empty() && rule.misses.is_empty()), "{}", rule.id);
        }
    }
}

#[test]
fn pairs_of_name_and_value_are_read_as_one() {
    let text = br#"{"env":[{"name":"API_KEY","value":"q7Lk2TtB9sD8vYpQ1mWx3"},{"name":"PAGE","value":"q7Lk2TtB9sD8vYpQ1mWx3"}]}"#;
    let doc = Document::parse(text, &Limits::default()).unwrap();
    let mut found = Vec::new();
    SCANNERS.scan_value(RESPONSE, doc.root(), &mut found);
    assert_eq!(found.iter().map(|located| located.location()).collect::<Vec<_>>(), ["/env/0/value"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn ranges_are_sound_and_redaction_keeps_json(
        pieces in prop::collection::vec(prop_oneof![
            "\\PC{0,12}".prop_map(String::from),
            prop::sample::select(COATS.to_vec()).prop_map(String::from),
            prop::sample::select(DETECTORS.iter().flat_map(|(_, catalog)| *catalog).flat_map(|rule| rule.hits).collect::<Vec<_>>())
                .prop_map(|hit| (*hit).to_owned()),
        ], 0..10)
    ) {
        let text = pieces.concat();
        for context in [REQUEST, RESPONSE] {
            let mut found = Vec::new();
            SCANNERS.scan_text(context, &text, &mut found);
            for finding in &found {
                prop_assert!(text.get(finding.range.clone()).is_some());
            }
            let json = serde_json::json!({"command": text, "list": [text, {text.clone(): 1}]}).to_string();
            let doc = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
            let mut located = Vec::new();
            SCANNERS.scan_value(context, doc.root(), &mut located);
            let mut edits = Edits::default();
            located.iter().for_each(|located| located.redact(&mut edits));
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&edits.apply(json.as_bytes())).is_ok());
        }
    }
}

const REQUEST: Context = Context { direction: Direction::Request, surface: Surface::Arguments };
const RESPONSE: Context = Context { direction: Direction::Response, surface: Surface::Result };
