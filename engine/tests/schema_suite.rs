//! The validator against the official test suite of JSON Schema, draft 2020-12 (`make test-schemas` fetches it).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use portcullis_engine::json::{Document, Limits};
use portcullis_engine::schema::{Failure, validate};
use serde_json::Value;

/// Files in which some schemas ask for what is not supported, and for how many of their cases: those are declined,
/// never answered wrongly.
const DECLINED: &[(&str, usize)] = &[
    // References to the meta-schema and to other documents, `$id` below the root, `$dynamicRef`.
    ("anchor.json", 6),
    ("defs.json", 2),
    ("dynamicRef.json", 40),
    ("ref.json", 26),
    ("refRemote.json", 31),
    ("unevaluatedItems.json", 2),
    ("unevaluatedProperties.json", 2),
];

/// Answered otherwise on purpose: a meta-schema that takes the meaning from keywords is not looked up.
const STRICTER: &str = "vocabulary.json: \"schema that uses custom metaschema with with no validation vocabulary\": \"no validation: invalid number, but it still validates\"";

#[test]
fn the_official_suite() {
    let Ok(folder) = std::env::var("PORTCULLIS_SCHEMA_SUITE") else {
        eprintln!("PORTCULLIS_SCHEMA_SUITE is not set: nothing is checked (make test-rust sets it)");
        return;
    };
    let mut declined: BTreeMap<String, usize> = BTreeMap::new();
    let (mut cases, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(Path::new(&folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let groups: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for group in groups.as_array().unwrap() {
            let schema = group["schema"].to_string();
            for case in group["tests"].as_array().unwrap() {
                cases += 1;
                let data = case["data"].to_string();
                let about = format!("{name}: {}: {}", group["description"], case["description"]);
                let answer = match apply(&schema, &data) {
                    Ok(()) => true,
                    Err(Failure::Mismatch { .. }) => false,
                    Err(_) => {
                        *declined.entry(name.clone()).or_default() += 1;
                        continue;
                    }
                };
                if answer != case["valid"].as_bool().unwrap() && about != STRICTER {
                    wrong.push(about);
                }
            }
        }
    }
    let declined: Vec<(&str, usize)> = declined.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    println!("{cases} cases, declined: {declined:?}");
    assert!(wrong.is_empty(), "{} of {cases} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(declined, DECLINED);
}

/// The schema and the value in one document each, as a definition and a message are.
fn apply(schema: &str, data: &str) -> Result<(), Failure> {
    let limits = Limits { max_depth: 128, ..Limits::default() };
    let schema = Document::parse(schema.as_bytes(), &limits).unwrap();
    let data = Document::parse(data.as_bytes(), &limits).unwrap();
    validate(schema.root(), data.root(), &[])
}
