//! The validator meets any schema and any value: it answers, always the same, and what it calls unknown is there.
#![allow(clippy::unwrap_used, reason = "a test may")]

use portcullis_engine::json::{Document, Limits};
use portcullis_engine::schema::{unknown_members, validate};
use proptest::prelude::*;
use serde_json::{Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..9_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// Schemas of every keyword, with operands that fit and some that do not.
fn schema() -> impl Strategy<Value = Value> {
    let names = [
        "type",
        "enum",
        "const",
        "required",
        "minimum",
        "multipleOf",
        "maxLength",
        "pattern",
        "minItems",
        "uniqueItems",
        "maxProperties",
        "$ref",
        "$anchor",
        "$id",
        "dependentRequired",
        "format",
    ];
    let operand = prop_oneof![
        value(),
        Just(json!("integer")),
        Just(json!("^a*$")),
        Just(json!("(a*)*b")),
        Just(json!("#")),
        Just(json!("#/properties/a")),
        Just(json!("#b")),
        Just(json!(["a", "b"])),
        Just(json!({"a": ["b"]})),
    ];
    let simple = (prop::sample::select(names.to_vec()), operand);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        prop::collection::vec(simple, 0..3).prop_map(|members| {
            Value::Object(members.into_iter().map(|(name, operand)| (name.to_owned(), operand)).collect())
        }),
    ];
    leaf.prop_recursive(4, 48, 4, |inner| {
        let one = prop::sample::select(vec![
            "not",
            "if",
            "then",
            "else",
            "items",
            "contains",
            "additionalProperties",
            "propertyNames",
            "unevaluatedProperties",
            "unevaluatedItems",
        ]);
        let many = prop::sample::select(vec!["allOf", "anyOf", "oneOf", "prefixItems"]);
        let named = prop::sample::select(vec!["properties", "patternProperties", "dependentSchemas", "$defs"]);
        (
            prop::collection::btree_map(one, inner.clone(), 0..3),
            prop::collection::btree_map(many, prop::collection::vec(inner.clone(), 0..3), 0..2),
            prop::collection::btree_map(named, prop::collection::btree_map("[a-c]", inner, 0..3), 0..3),
        )
            .prop_map(|(one, many, named)| {
                let mut members = serde_json::Map::new();
                members.extend(one.into_iter().map(|(name, schema)| (name.to_owned(), schema)));
                members.extend(many.into_iter().map(|(name, all)| (name.to_owned(), json!(all))));
                members.extend(named.into_iter().map(|(name, all)| (name.to_owned(), json!(all))));
                Value::Object(members)
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_schema_answers_for_any_value(schema in schema(), value in value()) {
        let (schema, value) = (schema.to_string(), value.to_string());
        let limits = Limits::default();
        let (schema, value) = (Document::parse(schema.as_bytes(), &limits).unwrap(), Document::parse(value.as_bytes(), &limits).unwrap());
        let answer = validate(schema.root(), value.root(), &[]);
        prop_assert_eq!(&answer, &validate(schema.root(), value.root(), &[]));
        if let Ok(unknown) = unknown_members(schema.root(), value.root()) {
            prop_assert!(unknown.iter().all(|key| key.is_key() && value.root().pointer(&key.location()).is_some()));
            // What is left out once is not unknown any more.
            let _ = validate(schema.root(), value.root(), &unknown);
        }
    }

    #[test]
    fn true_takes_everything_and_not_turns_it_around(value in value(), schema in schema()) {
        let limits = Limits::default();
        let (not, schema, value) = (json!({"not": schema}).to_string(), json!({"allOf": [schema, true]}).to_string(), value.to_string());
        let parse = |text: &'static str| Document::parse(text.as_bytes(), &limits).unwrap();
        let value = Document::parse(value.as_bytes(), &limits).unwrap();
        prop_assert!(validate(parse("true").root(), value.root(), &[]).is_ok());
        prop_assert!(validate(parse("false").root(), value.root(), &[]).is_err());
        let (not, schema) = (Document::parse(not.as_bytes(), &limits).unwrap(), Document::parse(schema.as_bytes(), &limits).unwrap());
        // References mean something else below another root.
        if !schema.text().contains("$ref") {
            use portcullis_engine::schema::Failure::Mismatch;
            match (validate(schema.root(), value.root(), &[]), validate(not.root(), value.root(), &[])) {
                (Ok(()), Err(Mismatch { .. })) | (Err(Mismatch { .. }), Ok(())) => {}
                (Err(a), Err(b)) => {
                    let neither = !matches!(a, Mismatch { .. }) && !matches!(b, Mismatch { .. });
                    prop_assert!(neither, "{:?} {:?}", a, b);
                }
                (a, b) => prop_assert!(false, "{:?} {:?}", a, b),
            }
        }
    }
}
