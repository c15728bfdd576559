use super::super::testing::{self, Place};
use super::*;

fn found(text: &str, member: Option<&str>, tool: Option<&str>) -> Vec<Match> {
    testing::found(&DETECTOR, text, member, tool)
}

fn place(rule: &str) -> Place {
    match rule {
        "select-everything" | "huge-limit" | "table-export" | "unbounded-find" => (Some("query"), "execute_sql"),
        "page-size" => (Some("query"), "request"),
        "exports-everything" => (Some("tables"), "export_data"),
        _ => (Some("command"), "bash"),
    }
}

#[test]
fn every_rule_finds_its_hits_and_leaves_its_misses() {
    testing::examples_hold(&DETECTOR, CATALOG, place, |id| vec![place(id)]);
}

#[test]
fn members_say_how_much() {
    for (member, text, hit) in [
        ("limit", "999999", true),
        ("per_page", "100000", true),
        ("pageSize", "1e6", true),
        ("max_results", "-1", true),
        ("limit", "unlimited", true),
        ("limit", "100", false),
        ("page", "999999", false),
        ("user_id", "999999", false),
        ("amount", "500000", false),
        ("path", "/**/*", true),
        ("pattern", "/**", true),
        ("pattern", "src/**/*.rs", false),
        ("pattern", "**/*", false),
    ] {
        assert_eq!(!found(text, Some(member), Some("search")).is_empty(), hit, "{member}={text}");
    }
}

#[test]
fn prose_is_not_a_query() {
    assert!(found("SELECT * FROM users", Some("message"), Some("send")).is_empty());
    assert!(found("export KEY=value", None, None).is_empty());
    assert!(found("select all that apply", Some("value"), Some("t")).is_empty());
}

#[test]
fn clients_on_a_command_line_are_read() {
    for command in
        ["psql -c 'SELECT * FROM users'", "mysql -e \"select * from t\" shop", "sqlite3 a.db 'SELECT * FROM t;'"]
    {
        assert!(!found(command, Some("command"), Some("bash")).is_empty(), "{command}");
    }
    assert!(found("psql -c 'SELECT * FROM users LIMIT 3'", Some("command"), Some("bash")).is_empty());
}

#[test]
fn table_expressions_cannot_multiply_the_work() {
    // Each expression reads the one before twice: without a budget 2^40 steps.
    let mut text = String::from("WITH a0 AS (SELECT * FROM (SELECT b FROM t) x)");
    for index in 1..40 {
        text.push_str(&format!(", a{index} AS (SELECT * FROM a{} x, a{} y)", index - 1, index - 1));
    }
    text.push_str(" SELECT * FROM a39");
    assert!(found(&text, Some("query"), Some("execute_sql")).is_empty());
    let nested = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(5_000), ")".repeat(5_000));
    let _ = found(&nested, Some("query"), Some("execute_sql"));
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n$`'\"(){}<>|&;\\\\ a-z=*,.]{0,160}", role in 0usize..8) {
        for prefix in ["", "select * from ", "with a as (", "find / "] {
            testing::is_sound(&DETECTOR, &format!("{prefix}{text}"), role);
        }
    }
}

#[test]
fn no_number_that_counts_is_passed_over() {
    for member in ["limit", "$top", "pageSize", "size", "first", "batch_size"] {
        let amount = says_how_many(member).unwrap();
        for number in ["9999", "10000", "99999", "100000", "1e9", "1e999", "1.0e5", "12345.5", "1234567890"] {
            let counts = number.len() >= LARGE && is_page_size(member, number, Some("search"));
            assert!(!counts || amount.may_be(number), "{member}: {number}");
        }
    }
    for member in ["", "$", "limits", "resultsperpages", "$aaaaaaaaaaaaaaaaaaaaaaaaa"] {
        assert_eq!(says_how_many(member), (member == "$").then_some(Amount::Sure), "{member}");
    }
}
