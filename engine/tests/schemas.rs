//! Calls and results against the schemas that tools declare, as seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

use std::sync::Arc;

use portcullis_engine::audit::Decided;
use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::firewall::Firewall;
use serde_json::{Value, json};

fn driver(schemas: Value) -> Driver {
    let config = json!({"version": "1", "default": "allow", "servers": [{"name": "s"}], "schemas": schemas});
    Driver::new(Arc::new(Firewall::from_json(config.to_string().as_bytes(), [1; 32]).unwrap()))
}

fn run(driver: &mut Driver, method: &str, params: Value, result: Value) -> Outcome {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
    driver.run(&Request::post("/mcp", request), |_| Response::json(answer))
}

fn list(driver: &mut Driver, input: Value, output: Option<Value>) {
    let mut tool = json!({"name": "t", "inputSchema": input});
    if let Some(output) = output {
        tool["outputSchema"] = output;
    }
    run(driver, "tools/list", json!({}), json!({"tools": [tool]}));
}

fn call(driver: &mut Driver, arguments: Value) -> Outcome {
    run(driver, "tools/call", json!({"name": "t", "arguments": arguments}), json!({"content": []}))
}

/// What the server saw of the arguments, or the rule and the reason of the refusal.
fn fate(outcome: &Outcome) -> Result<Value, (String, String)> {
    let record = &outcome.records[0];
    match &outcome.upstream {
        Some(seen) => {
            let seen: Value = serde_json::from_str(&seen.text()).unwrap();
            Ok(seen["params"]["arguments"].clone())
        }
        None => Err((record.rule.to_string(), record.reason.to_string())),
    }
}

#[test]
fn arguments_are_held_against_the_input_schema() {
    let schema = json!({"type": "object", "properties": {"n": {"$ref": "#/$defs/small"}, "mail": {"type": "string", "pattern": "^[a-z]+@b\\.ch$"}},
        "required": ["n"], "additionalProperties": false, "$defs": {"small": {"type": "integer", "maximum": 9}}});
    for (arguments, place) in [
        (json!({"n": 1}), None),
        (json!({"n": 9.0, "mail": "ann@b.ch"}), None),
        (json!({"n": 10}), Some(("/params/arguments/n", "maximum"))),
        (json!({"n": "secret"}), Some(("/params/arguments/n", "type"))),
        (json!({}), Some(("/params/arguments", "required"))),
        (json!({"n": 1, "more": 1}), Some(("/params/arguments/more", "additionalProperties"))),
        (json!({"n": 1, "mail": "ann@evil.example"}), Some(("/params/arguments/mail", "pattern"))),
    ] {
        let mut driver = driver(json!({}));
        list(&mut driver, schema.clone(), None);
        match (fate(&call(&mut driver, arguments.clone())), place) {
            (Ok(seen), None) => assert_eq!(seen, arguments),
            (Err((rule, reason)), Some((at, keyword))) => {
                assert_eq!(rule, "schema:input");
                assert!(reason.contains(&format!("at {at} ")) && reason.contains(&format!("({keyword})")), "{reason}");
                assert!(!reason.contains("secret") && !reason.contains("evil"));
            }
            (fate, _) => panic!("{arguments}: {fate:?}"),
        }
    }
    let mut driver = driver(json!({}));
    list(&mut driver, schema, None);
    let bare = run(&mut driver, "tools/call", json!({"name": "t"}), json!({"content": []}));
    assert_eq!(fate(&bare).unwrap_err().0, "schema:input", "no arguments are an empty object");
}

#[test]
fn unknown_properties_by_option() {
    let schema = json!({"type": "object", "properties": {"a": {"properties": {"b": {}}}, "list": {"items": {"properties": {"x": {}}}}, "free": {}},
        "anyOf": [{"properties": {"c": {}}}, {"properties": {"d": {}}}]});
    let arguments = json!({"a": {"b": 1, "evil": {"deep": 1}}, "list": [{"x": 1, "y": 2}], "free": {"any": 1}, "d": 1, "note": "x", "more": 2});
    for (option, wanted) in [
        ("keep", Ok(arguments.clone())),
        ("remove", Ok(json!({"a": {"b": 1}, "list": [{"x": 1}], "free": {"any": 1}, "d": 1}))),
        ("deny", Err("/params/arguments/a/evil")),
    ] {
        for checked in ["deny", "off"] {
            let mut driver = driver(json!({"unknown_properties": option, "arguments": checked}));
            list(&mut driver, schema.clone(), None);
            let outcome = call(&mut driver, arguments.clone());
            match (fate(&outcome), &wanted) {
                (Ok(seen), Ok(wanted)) => assert_eq!(seen, *wanted),
                (Err((_, reason)), Err(at)) => assert!(reason.contains(at), "{reason}"),
                (fate, _) => panic!("{option}: {fate:?}"),
            }
            let removed = [
                "/params/arguments/a/evil",
                "/params/arguments/list/0/y",
                "/params/arguments/more",
                "/params/arguments/note",
            ];
            assert_eq!(outcome.records[0].redacted, if option == "remove" { &removed[..] } else { &[] });
        }
    }
    // What is taken out is not held against a schema that refuses it.
    let mut driver = driver(json!({"unknown_properties": "remove"}));
    list(&mut driver, json!({"properties": {"a": {}}, "additionalProperties": false}), None);
    assert_eq!(fate(&call(&mut driver, json!({"x": 1, "a": 2, "y": 3}))), Ok(json!({"a": 2})));
}

#[test]
fn results_are_held_against_the_output_schema() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for (result, fits) in [
        (json!({"content": [], "structuredContent": {"n": 1}}), true),
        (json!({"content": [], "structuredContent": {"n": "1"}}), false),
        (json!({"content": []}), false),
        (json!({"content": [], "isError": true}), true),
        (json!({"resultType": "input_required", "inputRequests": {}}), true),
        (json!({"task": {"taskId": "1"}}), true),
    ] {
        let mut driver = driver(json!({}));
        list(&mut driver, json!({"type": "object"}), Some(schema.clone()));
        let outcome = run(&mut driver, "tools/call", json!({"name": "t", "arguments": {}}), result.clone());
        let refused = outcome.client.text().contains("schema:output");
        assert_eq!(refused, !fits, "{result}");
        assert_eq!(outcome.records[0].decision == Decided::Deny, !fits);
    }
}

#[test]
fn what_cannot_be_applied_goes_to_its_stated_side() {
    for (schema, arguments, wanted) in [
        (json!({"$ref": "https://example.com/s.json"}), json!({}), "another document"),
        (json!({"properties": {"a": {"pattern": "(?=x)y"}}}), json!({"a": "y"}), "(pattern)"),
        (json!({"$ref": "#/$defs/none"}), json!({}), "leads nowhere"),
    ] {
        for (side, refused) in [("deny", true), ("allow", false)] {
            let mut driver = driver(json!({"unsupported": side}));
            list(&mut driver, schema.clone(), None);
            let fate = fate(&call(&mut driver, arguments.clone()));
            assert_eq!(fate.is_err(), refused, "{schema}");
            assert!(fate.is_ok() || fate.unwrap_err().1.contains(wanted), "{schema}");
        }
    }
    // Endless work is refused on either side.
    let mut driver = driver(json!({"unsupported": "allow"}));
    let twice = |next: &str| json!({"anyOf": [{"$ref": next}, {"$ref": next}]});
    let mut defs = serde_json::Map::new();
    for level in 0..40 {
        defs.insert(format!("d{level}"), twice(&format!("#/$defs/d{}", level + 1)));
    }
    defs.insert("d40".to_owned(), json!(false));
    list(&mut driver, json!({"$ref": "#/$defs/d0", "$defs": defs}), None);
    assert!(fate(&call(&mut driver, json!({}))).unwrap_err().1.contains("too long"));
}

#[test]
fn a_tool_that_nobody_listed() {
    assert!(fate(&call(&mut driver(json!({})), json!({"x": 1}))).is_ok());
    let (rule, reason) = fate(&call(&mut driver(json!({"unlisted": "deny"})), json!({"x": 1}))).unwrap_err();
    assert!(rule == "schema:input" && reason.contains("list the tools first"), "{reason}");
    let mut large = driver(json!({}));
    list(&mut large, json!({"description": "x".repeat(300 << 10)}), None);
    assert!(fate(&call(&mut large, json!({}))).unwrap_err().1.contains("too large"));
}

#[test]
fn log_only_records() {
    let mut driver = driver(json!({"arguments": "log", "results": "log"}));
    list(&mut driver, json!({"required": ["a"]}), Some(json!({"required": ["b"]})));
    let outcome = call(&mut driver, json!({}));
    assert!(outcome.upstream.is_some() && !outcome.answered);
    let record = &outcome.records[0];
    assert_eq!(record.would.as_ref().map(|would| would.0), Some(Decided::Deny));
    assert_eq!(record.rules_fired.iter().map(|rule| &**rule).collect::<Vec<_>>(), ["schema:input", "schema:output"]);
}
