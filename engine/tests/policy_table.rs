//! Walks `tests/policy/*.json`: each file is one policy with rows of (principal, call, expected decision).
//!
//! A row's fields fall back to the file's `defaults`; `expect` names the action, the rule, and where
//! given `hide`, `would` (action and rule) and `visible`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

use std::path::Path;

use portcullis_engine::config::from_json;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Call, Policy};
use portcullis_engine::principal::Principal;
use serde_json::Value;

#[test]
fn every_row_is_decided_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut rows, mut failures) = (0, Vec::new());
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let table: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let policy = Policy::from_json(table["policy"].to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for (index, row) in table["rows"].as_array().unwrap().iter().enumerate() {
            rows += 1;
            if let Err(difference) = check(&policy, &table["defaults"], row) {
                let name = file.file_name().unwrap().display();
                failures.push(format!("{name} row {index} ({}): {difference}", row["name"]));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(rows >= 60, "only {rows} rows");
}

fn check(policy: &Policy, defaults: &Value, row: &Value) -> Result<(), String> {
    let field = |name: &str| row.get(name).unwrap_or(&defaults[name]);
    let principal = principal(field("principal"));
    let capability: Capability = from_json(field("capability").to_string().as_bytes()).unwrap();
    let (server, method) = (field("server").as_str().unwrap(), field("method").as_str().unwrap());
    let name = field("name").as_str();
    // Raw text where the row says so: numbers keep their spelling.
    let arguments = match field("arguments") {
        Value::Null => None,
        Value::String(raw) => Some(raw.clone()),
        value => Some(value.to_string()),
    };
    let document = arguments.as_ref().map(|text| Document::parse(text.as_bytes(), &Limits::default()).unwrap());
    let arguments = document.as_ref().map(Document::root);
    let decision = policy.decide(&principal, &Call { server, method, capability, name, arguments });
    let expect = &row["expect"];
    let mut differences = Vec::new();
    let mut compare = |what: &str, expected: &Value, found: Value| {
        if !expected.is_null() && *expected != found {
            differences.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    compare("action", &expect["action"], decision.action.as_str().into());
    compare("rule", &expect["rule"], decision.rule.to_string().into());
    compare("hide", &expect["hide"], decision.hide.into());
    compare("reason", &expect["reason"], decision.reason.to_string().into());
    if let Some(expected) = expect.get("would") {
        let found = decision.would.map_or(
            Value::Null,
            |would| serde_json::json!({"action": would.action.as_str(), "rule": would.rule.to_string()}),
        );
        if *expected != found {
            differences.push(format!("would: expected {expected}, found {found}"));
        }
    }
    if let Some(expected) = expect["visible"].as_bool() {
        let found = policy.visible(&principal, server, capability, name.unwrap());
        if expected != found {
            differences.push(format!("visible: expected {expected}, found {found}"));
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}

fn principal(value: &Value) -> Principal {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let list = |name: &str| {
        value[name].as_array().into_iter().flatten().map(|element| element.as_str().unwrap().to_owned()).collect()
    };
    Principal {
        kind: value["kind"].as_str().map(|kind| from_json(format!("{kind:?}").as_bytes()).unwrap()),
        id: text("id").unwrap_or_default(),
        tenant: text("tenant"),
        roles: list("roles"),
        teams: list("teams"),
        agent: text("agent"),
    }
}
