//! Each operation against values that hold, fail, and cannot be said.

use super::*;

/// The outcome of one condition: what a rule that lets through and one that restricts make of it.
fn outcome(path: &str, op: &str, value: &str, arguments: &str) -> Outcome {
    let holds = |side: Side| {
        let value = if value.is_empty() { String::new() } else { format!(r#","value":{value}"#) };
        let config = format!(r#"[{{"path":{path:?},"op":"{op}"{value}}}]"#);
        let configs: Vec<PredicateConfig> = crate::config::from_json(config.as_bytes()).unwrap();
        let mut conditions = Conditions::compile(&configs, side, "").unwrap();
        let mut numbers = Numbers::default();
        conditions.number(&mut numbers);
        let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
        conditions.hold(&Lookups::new(Some(document.root()), &numbers))
    };
    match (holds(Side::Permits), holds(Side::Restricts)) {
        (true, true) => Outcome::Holds,
        (false, false) => Outcome::Fails,
        (false, true) => Outcome::Unknown,
        (true, false) => panic!("a condition that opens"),
    }
}

#[test]
fn operations() {
    use Outcome::{Fails, Holds, Unknown};
    for (op, value, argument, expected) in [
        ("eq", "1", "1.0", Holds),
        ("eq", "100", "1e2", Holds),
        ("eq", "9007199254740993", "9007199254740992", Fails),
        ("eq", "0.1", "0.10", Holds),
        ("eq", "1", "\"1\"", Unknown),
        ("eq", "1", "1e999", Unknown),
        ("eq", "\"a\"", "\"\\u0061\"", Holds),
        ("eq", "\"a\"", "\"b\"", Fails),
        ("eq", "\"a\"", "null", Unknown),
        ("eq", "null", "null", Holds),
        ("eq", "null", "0", Fails),
        ("eq", "true", "true", Holds),
        ("eq", "true", "false", Fails),
        ("eq", "true", "1", Unknown),
        ("eq", "[1,2]", "[1,2.0]", Holds),
        ("eq", "[1,2]", "[1]", Fails),
        ("eq", "[1,2]", "[1,2,3]", Fails),
        ("eq", "{\"a\":1}", "{\"a\":1}", Holds),
        ("eq", "{\"a\":1}", "{\"a\":1,\"b\":2}", Fails),
        ("eq", "{\"a\":1}", "{\"A\":1}", Unknown),
        ("neq", "\"a\"", "\"b\"", Holds),
        ("neq", "\"a\"", "\"a\"", Fails),
        ("neq", "\"a\"", "1", Unknown),
        ("in", "[\"a\",1]", "1", Holds),
        ("in", "[\"a\",1]", "2", Fails),
        ("in", "[\"a\",1]", "true", Unknown),
        ("not_in", "[\"a\",\"b\"]", "\"c\"", Holds),
        ("not_in", "[\"a\",\"b\"]", "\"b\"", Fails),
        ("not_in", "[\"a\",\"b\"]", "[]", Unknown),
        ("lt", "10", "9.99", Holds),
        ("lt", "10", "10", Fails),
        ("lt", "10", "\"9\"", Unknown),
        ("lte", "10", "10.0", Holds),
        ("lte", "10", "10.0000000000000000000001", Fails),
        ("gt", "-1", "-0.5", Holds),
        ("gt", "0", "1e-400", Unknown),
        ("gte", "1e3", "1000", Holds),
        ("gte", "1e3", "999.9", Fails),
        ("regex", "\"^a+$\"", "\"aaa\"", Holds),
        ("regex", "\"^a+$\"", "\"ab\"", Fails),
        ("regex", "\"b\"", "\"abc\"", Holds),
        ("regex", "\"1\"", "1", Unknown),
        ("not_regex", "\"[;|&]\"", "\"ls\"", Holds),
        ("not_regex", "\"[;|&]\"", "\"ls; rm\"", Fails),
        ("not_regex", "\"[;|&]\"", "[\"ls\"]", Unknown),
        ("glob", "\"a*\"", "\"abc\"", Holds),
        ("glob", "[\"x\",\"b?\"]", "\"bc\"", Holds),
        ("glob", "\"a*\"", "\"ba\"", Fails),
        ("glob", "\"*\"", "7", Unknown),
        ("max_len", "3", "\"日本語\"", Holds),
        ("max_len", "3", "\"abcd\"", Fails),
        ("max_len", "2", "[1,2]", Holds),
        ("max_len", "2", "12345", Unknown),
        ("max_size", "\"8B\"", "\"日本語\"", Fails),
        ("max_size", "\"9B\"", "\"日本語\"", Holds),
        ("max_size", "\"1KiB\"", "{\"a\":[1,2]}", Holds),
        ("max_size", "2", "[1,2]", Fails),
        ("type", "\"integer\"", "1.0", Holds),
        ("type", "\"integer\"", "1.5", Fails),
        ("type", "\"number\"", "1.5", Holds),
        ("type", "[\"string\",\"null\"]", "null", Holds),
        ("type", "\"object\"", "[]", Fails),
        ("exists", "", "null", Holds),
        ("exists", "false", "null", Fails),
        ("path_within", "[\"/data\"]", "\"/data/x\"", Holds),
        ("path_within", "\"/data\"", "\"/etc\"", Fails),
        ("path_within", "\"/data\"", "\"/data/..\"", Unknown),
        ("path_within", "\"/data\"", "[\"/data\"]", Unknown),
        ("host_in", "[\"example.com\"]", "\"https://example.com/\"", Holds),
        ("host_in", "\"example.com\"", "\"https://evil.test/\"", Fails),
        ("host_in", "\"example.com\"", "\"/x\"", Unknown),
    ] {
        let found = outcome("/v", op, value, &format!(r#"{{"v":{argument}}}"#));
        assert_eq!(found, expected, "{op} {value} on {argument}");
    }
}

#[test]
fn paths() {
    use Outcome::{Fails, Holds, Unknown};
    for (path, arguments, expected) in [
        ("/a/b", r#"{"a":{"b":1}}"#, Holds),
        ("a.b", r#"{"a":{"b":1}}"#, Holds),
        ("/a/0", r#"{"a":[1]}"#, Holds),
        ("/a/0", r#"{"a":{"0":1}}"#, Holds),
        ("a[0]", r#"{"a":{"0":1}}"#, Unknown),
        ("a[1].b", r#"{"a":[0,{"b":1}]}"#, Holds),
        ("a[*]", r#"{"a":[1,1]}"#, Holds),
        ("a[*]", r#"{"a":[2,2]}"#, Fails),
        // One of two: too few to let through, enough to restrict.
        ("a[*]", r#"{"a":[1,2]}"#, Unknown),
        ("a[*]", r#"{"a":[]}"#, Unknown),
        ("a[*]", r#"{"a":1}"#, Unknown),
        ("a[*][*]", r#"{"a":[[1],[1,1]]}"#, Holds),
        ("[0]", "[1]", Holds),
        ("", "1", Holds),
        ("a", r#"{}"#, Unknown),
        ("a", "[]", Unknown),
        ("a", r#"{"a":1,"A":1}"#, Unknown),
        ("a", r#"{"A":1}"#, Unknown),
        ("ks", "{\"ks\":1,\"\u{212a}\u{17f}\":1}", Unknown),
        ("a", r#"{"a":1,"\u0041":1}"#, Unknown),
        ("a", r#"{"\u0061":1}"#, Holds),
        ("a.b", r#"{"a":{"b":1},"B":1}"#, Holds),
        ("a.b", r#"{"a":{"b":1},"A":{"b":1}}"#, Unknown),
        ("a.b", r#"{"a":null}"#, Unknown),
        ("/a~1b/~0", r#"{"a/b":{"~":1}}"#, Holds),
    ] {
        assert_eq!(outcome(path, "eq", "1", arguments), expected, "{path} in {arguments}");
    }
}

#[test]
fn exists() {
    use Outcome::{Fails, Holds, Unknown};
    for (value, arguments, expected) in [
        ("", r#"{"v":1}"#, Holds),
        ("", "{}", Fails),
        ("false", "{}", Holds),
        ("false", r#"{"v":null}"#, Fails),
        ("false", r#"{"V":1}"#, Unknown),
    ] {
        assert_eq!(outcome("v", "exists", value, arguments), expected, "{value} {arguments}");
    }
}

/// What costly checks read is bounded: for one string, and over all the elements of a list.
#[test]
fn reading_is_bounded() {
    let long = format!(r#"{{"v":"{}"}}"#, "x".repeat(MAX_TEXT));
    assert_eq!(outcome("v", "regex", "\"x\"", &long), Outcome::Unknown);
    assert_eq!(outcome("v", "not_regex", "\"y\"", &long), Outcome::Unknown);
    assert_eq!(outcome("v", "glob", "\"x*\"", &long), Outcome::Holds);
    let element = format!("\"{}\"", "x".repeat(MAX_TEXT / 4));
    let many = format!(r#"{{"v":[{}]}}"#, [element.as_str(); 5].join(","));
    assert_eq!(outcome("v[*]", "regex", "\"x\"", &many), Outcome::Unknown);
    let few = format!(r#"{{"v":[{}]}}"#, [element.as_str(); 3].join(","));
    assert_eq!(outcome("v[*]", "regex", "\"x\"", &few), Outcome::Holds);
}

#[test]
fn mistakes_are_refused_with_their_place() {
    for (predicate, expected) in [
        (r#"{"path":"a..b","op":"exists"}"#, "/0/path: is no path"),
        (r#"{"path":"a.","op":"exists"}"#, "/0/path: is no path"),
        (r#"{"path":"a[x]","op":"exists"}"#, "/0/path: is no path"),
        (r#"{"path":"a[01]","op":"exists"}"#, "/0/path: is no path"),
        (r#"{"path":"a[0","op":"exists"}"#, "/0/path: is no path"),
        (r#"{"path":"/a~2","op":"exists"}"#, "/0/path: is no path"),
        (r#"{"path":"a","op":"eq"}"#, "/0: missing field `value`"),
        (r#"{"path":"a","op":"eq","value":1e999}"#, "/0/value: is out of range"),
        (r#"{"path":"a","op":"in","value":"x"}"#, "/0/value: is no list of values"),
        (r#"{"path":"a","op":"in","value":[]}"#, "/0/value: is no list of values"),
        (r#"{"path":"a","op":"lt","value":"1"}"#, "/0/value: is no number"),
        (r#"{"path":"a","op":"regex","value":"("}"#, "/0/value: is no regular expression"),
        (r#"{"path":"a","op":"regex","value":["a"]}"#, "/0/value: is no string"),
        (r#"{"path":"a","op":"glob","value":["a","\\x"]}"#, "/0/value/1: `\\` must stand before"),
        (r#"{"path":"a","op":"path_within","value":["/a","/b/../c"]}"#, "/0/value/1: is no plain directory"),
        (r#"{"path":"a","op":"path_within","value":[]}"#, "/0/value: is an empty list"),
        (r#"{"path":"a","op":"host_in","value":"https://x/"}"#, "/0/value: is no host"),
        (r#"{"path":"a","op":"max_len","value":1.5}"#, "/0/value: is no whole number"),
        (r#"{"path":"a","op":"max_size","value":"10 parsecs"}"#, "/0/value: is no size"),
        (r#"{"path":"a","op":"type","value":"strin"}"#, "/0/value: unknown type `strin`; did you mean `string`?"),
        (r#"{"path":"a","op":"exists","value":1}"#, "/0/value: is no boolean"),
        (r#"{"path":"a","op":"exists","missing":"holds"}"#, "/0/missing: has no meaning with `exists`"),
    ] {
        let configs: Vec<PredicateConfig> = crate::config::from_json(format!("[{predicate}]").as_bytes()).unwrap();
        let error = Conditions::compile(&configs, Side::Permits, "").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{predicate}: {error}");
    }
}
