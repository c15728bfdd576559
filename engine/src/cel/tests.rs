//! The evaluator by example; against Google's own runtime it was held in a differential test (see
//! `docs/policy/cel.md`).

use proptest::prelude::*;

use super::*;
use crate::json::{Document, Limits};

#[derive(Debug)]
struct Labels;

impl Taint for Labels {
    fn labels(&self, _: u64) -> Option<Vec<Arc<str>>> {
        Some(vec![Arc::from("untrusted")])
    }
}

const ARGUMENTS: &str =
    r#"{"a":1,"b":2.5,"s":"text","l":[1,2,3],"m":{"k":"v"},"z":null,"big":9007199254740993,"Odd":1,"odd":2}"#;

/// What an expression comes to, or why it does not.
fn show(text: &str) -> String {
    let document = Document::parse(ARGUMENTS.as_bytes(), &Limits::default()).unwrap();
    let principal = Principal {
        kind: Some(crate::principal::PrincipalKind::Agent),
        id: "ci".to_owned(),
        roles: vec!["dev".to_owned()],
        ..Principal::default()
    };
    let facts = Facts {
        principal: &principal,
        server: "files",
        environment: "prod",
        method: "tools/call",
        capability: Capability::Tool,
        name: Some("read_file"),
        arguments: Some(document.root()),
        moment: Moment { now_us: Some(1_795_262_400_000_000), session: Some(None), taint: Some(&Labels) },
    };
    match Program::compile(text) {
        Ok(program) => program.show(&facts).unwrap_or_else(|fault| format!("{fault:?}")),
        Err(error) => error.to_string(),
    }
}

#[test]
fn facts() {
    for (text, expected) in [
        ("mcp.method + mcp.tool + mcp.name + mcp.capability", r#""tools/callread_fileread_filetool""#),
        ("has(mcp.resource) || has(mcp.prompt)", "false"),
        ("mcp.prompt == 'x'", "Missing"),
        ("principal.kind == 'agent' && principal.id == 'ci' && 'dev' in principal.roles", "true"),
        ("has(principal.tenant)", "false"),
        ("server.name", r#""files""#),
        ("environment", r#""prod""#),
        ("now", "2026-11-21T12:00:00Z"),
        ("now - duration('1h') < timestamp('2026-11-21T11:30:00Z')", "true"),
        ("now.getHours('+02:00') == 14 && now.getDayOfWeek() == 6", "true"),
        ("has(session.id)", "false"),
        ("'untrusted' in session.taint", "true"),
        ("args.a + 1", "2"),
        ("args.b > args.a", "true"),
        ("args.big == 9007199254740993", "true"),
        ("args.l.exists(x, x > 2) && args.l.all(x, x < 9)", "true"),
        ("args.l.filter(x, x != 2).map(x, x * 2)", "[2,6]"),
        ("args.m.map(k, args.m[k])", r#"["v"]"#),
        ("args.m == {'k': 'v'} && args.l == [1, 2.0, 3u]", "true"),
        ("args.nope", "Missing"),
        ("has(args.nope) || has(args.m.k)", "true"),
        ("args.odd", "Ambiguous"),
        ("args.l[3]", "Missing"),
        ("args.s.size()", "4"),
    ] {
        assert_eq!(show(text), expected, "{text}");
    }
}

#[test]
fn the_language() {
    for (text, expected) in [
        ("1 + 2 * 3 - 4 / 2 % 3", "5"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775807 + 1", "Range"),
        ("1 / 0", "Range"),
        ("1.0 / 0.0 > 1e300", "true"),
        ("1 + 1.0", "Type"),
        ("1u < 1.5 && 2 > 1.5 && 1u == 1", "true"),
        ("'a' < 'b' && b'a' < b'b' && false < true", "true"),
        ("1 == '1'", "false"),
        ("1 < '1'", "Type"),
        ("true || 1 / 0 == 1", "true"),
        ("1 / 0 == 1 || true", "true"),
        ("1 / 0 == 1 && false", "false"),
        ("1 / 0 == 1 && true", "Range"),
        ("[0, 1].exists(x, 1 / x == 1)", "true"),
        ("[0, 1].all(x, 1 / x == 2)", "false"),
        ("[0, 1].exists_one(x, 1 / x == 1)", "Range"),
        ("true ? 1 : 1 / 0", "1"),
        (r"'\x41\u00e9\U0001f600\101' + r'\d'", r#""Aé😀A\\d""#),
        ("'ünï'.size() == 3 && size(b'ünï') == 5", "true"),
        ("'abc'.matches('^a.c$') && matches('xabcx', 'abc')", "true"),
        ("type(1) == int && type([]) == list && type(null) == null_type", "true"),
        ("string(1.5) + string(2u) + string(true)", r#""1.52true""#),
        ("int('-7') + int(2.9) + int(timestamp('1970-01-01T00:01:00Z'))", "55"),
        ("uint(-1)", "Range"),
        ("int('x')", "Conversion"),
        ("duration('1h30m').getMinutes()", "90"),
        ("timestamp('2000-02-29T00:00:00Z').getDayOfYear()", "59"),
        ("timestamp('2001-02-29T00:00:00Z')", "Conversion"),
        ("{'a': 1, 'a': 2}", "Ambiguous"),
        ("{'a': {'b': [1]}}.a.b[0]", "1"),
        ("2 in {1: 'x', 2: 'y'}", "true"),
        ("null in {}", "Type"),
        ("'A'.lowerAscii() + 'b'.upperAscii()", r#""aB""#),
        ("// nothing\n1 // one", "1"),
    ] {
        assert_eq!(show(text), expected, "{text}");
    }
}

#[test]
fn mistakes_stop_the_load() {
    for (text, expected) in [
        ("", "expression expected at byte 0"),
        ("1 +", "expression expected at byte 3"),
        ("(1", "`)` expected at byte 2"),
        ("1 2", "unexpected token at byte 2"),
        ("arg.x", "unknown name `arg`; did you mean `args`? at byte 0"),
        ("principal.role", "unknown field `principal.role`; did you mean `principal.roles`? at byte 10"),
        ("args.s.startswith('x')", "unknown function `startswith`; did you mean `startsWith`? at byte 7"),
        ("args.s.contains()", "wrong number of arguments for `contains` at byte 7"),
        ("args.s.matches(args.p)", "`matches` takes one regular expression, written in quotes at byte 7"),
        ("has(args.l[0])", "`has` takes a field, as in `has(args.path)` at byte 0"),
        ("'a\nb'", "line break in a string at byte 0"),
        ("9223372036854775808", "number out of range at byte 0"),
        ("a$", "unexpected character at byte 1"),
    ] {
        assert_eq!(show(text), expected, "{text}");
    }
    assert!(show("args.s.matches('(')").starts_with("wrong pattern"));
    for deep in [
        "(".repeat(100_000),
        "[".repeat(5000),
        "!".repeat(10_000) + "1",
        "-".repeat(9000) + "args.a",
        "a.".repeat(5000),
    ] {
        let _ = show(&deep);
    }
    assert_eq!(show(&format!("1{}", "+1".repeat(200))), "expression nested too deeply at byte 193");
    assert_eq!(show(&format!("true{}", " && true".repeat(1000))), "true");
}

#[test]
fn the_work_is_bounded() {
    let many = format!("[{}]", vec!["1"; 900].join(","));
    assert_eq!(show(&format!("{many}.all(x, {many}.all(y, {many}.all(z, x == z)))")), "TooMuch");
    let doubling = "args.s".to_owned() + &" + args.s".repeat(60);
    assert!(show(&doubling).starts_with("\"text"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        show(&text);
    }

    #[test]
    fn no_expression_panics(pieces in prop::collection::vec(prop::sample::select(vec![
        "args", ".a", ".l", ".m", "[", "]", "(", ")", "1", "-1", "2u", "1.5", "'a'", "b'x'", "+", "-", "*", "/", "%", "==", "<", "in",
        "&&", "||", "!", "?", ":", ",", "{", "}", "has(", "size(", ".all(x,", ".map(x,", "x", "int(", "timestamp(", "duration('1h')",
        "now", "null", "true", ".getHours()", ".contains(", ".matches('a')", "9223372036854775807", "mcp.tool", "\\", "'", "\"",
    ]), 0..24)) {
        show(&pieces.concat());
        show(&pieces.join(" "));
    }
}
