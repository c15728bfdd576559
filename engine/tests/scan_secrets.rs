//! The secrets scanner through its public interface: every rule's own examples, redaction, keys,
//! escapes, text in other scripts, arbitrary bytes, and work that grows no faster than the input.
#![allow(clippy::string_slice, clippy::unwrap_used)]

use std::sync::LazyLock;

use portcullis_engine::config::from_json;
use portcullis_engine::json::{Document, Edits, Limits};
use portcullis_engine::scan::{
    Context, Direction, Finding, Located, Rule, ScanAction, ScanConfigError, ScannerConfig, Scanners, ScannersConfig,
    Surface,
};
use proptest::prelude::*;

static SCANNERS: LazyLock<Scanners> = LazyLock::new(|| Scanners::compile(&secrets(ScannerConfig::default())).unwrap());

const RULES: &str = include_str!("../content/rules/secrets.json");

#[test]
fn every_rule_finds_its_true_examples_and_none_of_its_false_ones() {
    let rules: Vec<Rule> = from_json(RULES.as_bytes()).unwrap();
    let scanners = &SCANNERS;
    let mut wrong = Vec::new();
    for rule in &rules {
        assert!(!rule.description.is_empty() && !rule.remedy.is_empty() && !rule.source.is_empty(), "{}", rule.id);
        assert!(!rule.matching.is_empty() && !rule.innocent.is_empty(), "{} has no examples", rule.id);
        let alone = only(rule);
        for example in &rule.matching {
            let text = example.replace('§', "");
            if scan(&alone, &text).is_empty() || scan(scanners, &text).is_empty() {
                wrong.push(format!("{}: {text}", rule.id));
            }
        }
        for example in &rule.innocent {
            let text = example.replace('§', "");
            if !scan(&alone, &text).is_empty() {
                wrong.push(format!("{} (false): {text}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn redaction_leaves_every_other_byte() {
    let cases = [
        (r#"{"password":"kT9vQ2mZ7x","n":1}"#, r#"{"password":"[REDACTED:password]","n":1}"#),
        (r#"{"text":"a\tb password=kT9vQ2mZ7x\nz"}"#, r#"{"text":"a\tb password=[REDACTED:password]\nz"}"#),
        (r#"{"passw\u006frd":"kT9vQ2mZ7x"}"#, r#"{"passw\u006frd":"[REDACTED:password]"}"#),
        (r#"{"password":"kT9v\u00512mZ7x"}"#, r#"{"password":"[REDACTED:password]"}"#),
        (r#"{"a":"größer → password=kT9vQ2mZ7x 完"}"#, r#"{"a":"größer → password=[REDACTED:password] 完"}"#),
        (r#"{"tokens":["q7Lk2TtB9sD8vYpQ1mWx3"]}"#, r#"{"tokens":["[REDACTED:secret]"]}"#),
    ];
    for (text, expected) in cases {
        assert_eq!(redacted(text), expected);
    }
    // A key may be a secret as well; nothing may be cut.
    let token = github_token();
    assert_eq!(redacted(&format!(r#"{{"{token}":1}}"#)), r#"{"[REDACTED:github-token]":1}"#);
    let twice = format!(r#"{{"a":"{token}","b":["x {token} y {token}"]}}"#);
    assert_eq!(
        redacted(&twice),
        r#"{"a":"[REDACTED:github-token]","b":["x [REDACTED:github-token] y [REDACTED:github-token]"]}"#
    );
}

#[test]
fn findings_are_located() {
    let text = br#"{"a/b":[{"x":1},{"secret":"q7Lk2TtB9sD8vYpQ1mWx3"}]}"#;
    let doc = Document::parse(text, &Limits::default()).unwrap();
    let found = scan_document(&SCANNERS, &doc);
    assert_eq!(found.iter().map(Located::location).collect::<Vec<_>>(), ["/a~1b/1/secret"]);
    assert_eq!(found[0].finding.action, ScanAction::Redact);
}

#[test]
fn overlapping_findings_hide_all_under_the_most_specific_name() {
    let token = github_token();
    let text = format!("https://user:{token}@github.com/x");
    let found = scan(&SCANNERS, &text);
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].rule, &text[found[0].range.clone()]), ("github-pat", token.as_str()));
}

#[test]
fn look_alikes_are_left_alone() {
    let scanners = &SCANNERS;
    for text in [
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "id: 550e8400-e29b-41d4-a716-446655440000",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVQI12NgAAIABQABNjN9GQAAAAlwSFlzAAAWJQ==",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "export API_KEY=<your-api-key>",
        "api_key = os.environ['API_KEY']",
        "The password must have at least 12 characters.",
        "Enter your token: ",
        "max_tokens=4096",
        "const token = await getToken(userId);",
    ] {
        assert_eq!(scan(scanners, text), [], "{text}");
    }
}

#[test]
fn rules_can_be_turned_off_and_added() {
    let custom = r#"{"secrets": {"request": "log", "disable_rules": ["generic-token"], "custom_rules": [
        {"id": "acme-key", "description": "ACME key", "severity": "critical", "keywords": ["acme_"],
         "pattern": "\\bacme_([0-9a-f]{16})\\b", "group": 1}]}}"#;
    let custom: ScannersConfig = from_json(custom.as_bytes()).unwrap();
    let scanners = &Scanners::compile(&secrets(custom.secrets)).unwrap();
    let found = scan(scanners, "key: acme_0123456789abcdef");
    assert_eq!((found.len(), &*found[0].rule, found[0].range.clone()), (1, "acme-key", 10..26));
    assert_eq!(&*found[0].placeholder, "[REDACTED:acme-key]");
    assert_eq!(scan(scanners, "token = q7Lk2TtB9sD8vYpQ1mWx3"), []);
    let names = ["secrets", "pii", "injection", "destructive", "exfil", "bulk", "privesc"];
    let off: serde_json::Value =
        names.iter().map(|name| ((*name).to_owned(), serde_json::json!({"enabled": false}))).collect();
    let off: ScannersConfig = from_json(off.to_string().as_bytes()).unwrap();
    assert!(Scanners::compile(&off).unwrap().is_idle());
}

#[test]
fn bad_configurations_are_refused_with_the_place() {
    let refused = |text: &str| -> ScanConfigError {
        Scanners::compile(&from_json(format!(r#"{{"secrets":{text}}}"#).as_bytes()).unwrap()).unwrap_err()
    };
    let error = refused(r#"{"disable_rules":["jwt","github-patt"]}"#);
    assert_eq!(error.pointer, "/secrets/disable_rules/1");
    assert!(error.message.contains("`github-pat`"), "{error}");
    let rule = |members: &str| format!(r#"{{"custom_rules":[{{"description":"d",{members}}}]}}"#);
    for (members, pointer) in [
        (r#""id":"a","keywords":["abcd"],"pattern":"a(""#, "/pattern"),
        (r#""id":"a","keywords":["abcd"],"pattern":"(?=a)""#, "/pattern"),
        (r#""id":"a","keywords":["abcd"]"#, "/pattern"),
        (r#""id":"a","keywords":["abc"],"pattern":"a""#, "/keywords/0"),
        (r#""id":"a","keywords":[],"pattern":"a""#, "/keywords"),
        (r#""id":"A b","keywords":["abcd"],"pattern":"a""#, "/id"),
        (r#""id":"jwt","keywords":["abcd"],"pattern":"a""#, "/id"),
        (r#""id":"a","keywords":["abcd"],"pattern":"a","group":1"#, "/group"),
        (r#""id":"a","keywords":["abcd"],"pattern":"a","lead":200"#, "/lead"),
        (r#""id":"a","keywords":["abcd"],"pattern":"a","entropy":9"#, "/entropy"),
    ] {
        assert_eq!(refused(&rule(members)).pointer, format!("/secrets/custom_rules/0{pointer}"), "{members}");
    }
    assert!(from_json::<ScannersConfig>(br#"{"secret":{}}"#).is_err());
}

/// No input makes the work grow faster than its length: steps are counted, not seconds.
#[test]
fn work_is_linear() {
    let rules: Vec<Rule> = from_json(RULES.as_bytes()).unwrap();
    let scanners = &SCANNERS;
    let context = Context { direction: Direction::Request, surface: Surface::Arguments };
    let mut seeds: Vec<String> = rules.iter().flat_map(|rule| rule.keywords.iter().take(3).cloned()).collect();
    seeds.extend(rules.iter().flat_map(|rule| rule.matching.iter().map(|example| example.replace('§', ""))));
    seeds.extend(
        ["token=", "password: ", "secret-", "http://a:", "{\"kty\"", "-----BEGIN PRIVATE KEY-----", "key key "]
            .map(String::from),
    );
    let work = |seed: &str, size: usize| {
        scanners.scan_text_counted(context, &seed.repeat(size / seed.len() + 1), &mut Vec::new())
    };
    for seed in seeds {
        let (small, large) = (work(&seed, 4 * 1024), work(&seed, 8 * 1024));
        assert!(large <= small * 5 / 2 + 4096, "{seed:?}: {small} steps for 4 KiB, {large} for 8 KiB");
        assert!(large <= 8 * 1024 * 512, "{seed:?}: {large} steps for 8 KiB");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn arbitrary_text_never_panics_and_ranges_are_sound(
        pieces in prop::collection::vec(prop_oneof![
            "\\PC{0,12}",
            prop::sample::select(vec![
                "password", "=", ": ", "\"", "token", "://", "user:", "@", "ghp_", "eyJhbGciOiJub25lIn0", ".", "é", "🔑",
                "-----BEGIN PRIVATE KEY-----", "<secret>", "</", "kty\"", "{", "}", "\n", "\\", "q7Lk2TtB9sD8vYpQ1mWx3",
                " is ",
            ]).prop_map(String::from),
        ], 0..24)
    ) {
        let scanners = &SCANNERS;
        let text = pieces.concat();
        let mut end = 0;
        for finding in scan(scanners, &text) {
            prop_assert!(finding.range.start >= end && finding.range.end > finding.range.start);
            prop_assert!(text.get(finding.range.clone()).is_some());
            end = finding.range.end;
        }
        // The same within JSON: redaction leaves a document that parses.
        let json = serde_json::json!({"password": text, "list": [text, {text.clone(): text}]}).to_string();
        let after = redacted(&json);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&after).is_ok());
    }
}

fn github_token() -> String {
    let random = "q7Lk2TtB9sD8vYpQ1mWx3q7Lk2TtB9sD8vYp";
    ["ghp", "_", random].concat()
}

fn only(rule: &Rule) -> Scanners {
    let builtin: Vec<Rule> = from_json(RULES.as_bytes()).unwrap();
    let disable_rules = builtin.into_iter().map(|other| other.id).filter(|id| *id != rule.id).collect();
    let own = ScannerConfig { disable_rules, ..ScannerConfig::default() };
    Scanners::compile(&secrets(own)).unwrap()
}

/// All other scanners off.
fn secrets(secrets: ScannerConfig) -> ScannersConfig {
    let off = || ScannerConfig { enabled: false, ..ScannerConfig::default() };
    ScannersConfig {
        secrets,
        pii: off(),
        injection: off(),
        destructive: off(),
        exfil: off(),
        bulk: off(),
        privesc: off(),
        ..ScannersConfig::default()
    }
}

fn scan(scanners: &Scanners, text: &str) -> Vec<Finding> {
    let mut out = Vec::new();
    scanners.scan_text(Context { direction: Direction::Response, surface: Surface::Result }, text, &mut out);
    out
}

fn scan_document<'d>(scanners: &Scanners, doc: &'d Document<'_>) -> Vec<Located<'d>> {
    let mut out = Vec::new();
    scanners.scan_value(Context { direction: Direction::Response, surface: Surface::Result }, doc.root(), &mut out);
    out
}

fn redacted(text: &str) -> String {
    let scanners = &SCANNERS;
    let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    let mut edits = Edits::default();
    scan_document(scanners, &doc).iter().for_each(|located| located.redact(&mut edits));
    String::from_utf8(edits.apply(text.as_bytes())).unwrap()
}
