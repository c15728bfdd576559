use super::*;

fn first(text: &str) -> Statement<'static, '_> {
    let tokens = lex(text);
    let tokens = statements(&tokens).next().unwrap().tokens.into_owned();
    Statement { tokens: tokens.into() }
}

#[test]
fn statements_tell_what_they_return() {
    for text in [
        "SELECT * FROM t",
        "select distinct * from t",
        "SELECT t.*, 1 FROM t",
        "SELECT a, * FROM t",
        "(SELECT * FROM t)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
    ] {
        assert!(first(text).selects_everything(), "{text}");
    }
    for text in ["SELECT count(*) FROM t", "SELECT a*b FROM t", "SELECT a FROM (SELECT * FROM t)", "DELETE FROM t"] {
        assert!(!first(text).selects_everything(), "{text}");
    }
}

#[test]
fn limits_of_all_dialects() {
    for (text, limit) in [
        ("SELECT a FROM t LIMIT 10", Some(Limit::Rows(10))),
        ("SELECT a FROM t LIMIT 5, 10", Some(Limit::Rows(10))),
        ("SELECT a FROM t LIMIT ALL", Some(Limit::All)),
        ("SELECT a FROM t LIMIT $1", Some(Limit::Unknown)),
        ("SELECT TOP 3 a FROM t", Some(Limit::Rows(3))),
        ("SELECT TOP (3) a FROM t", Some(Limit::Rows(3))),
        ("SELECT a FROM t FETCH FIRST 7 ROWS ONLY", Some(Limit::Rows(7))),
        ("SELECT a FROM t WHERE ROWNUM <= 9", Some(Limit::Rows(9))),
        ("SELECT a FROM (SELECT a FROM t LIMIT 4) x", None),
        ("SELECT a FROM t", None),
    ] {
        assert_eq!(first(text).limit(), limit, "{text}");
    }
}

#[test]
fn harm_is_a_matter_of_form() {
    for (text, wanted) in [
        ("drop table if exists a.b cascade", Some(Harm::Drop)),
        ("TRUNCATE logs;", Some(Harm::Truncate)),
        ("DELETE FROM \"Users\";", Some(Harm::DeleteAll)),
        ("DELETE FROM t WHERE 1=1", Some(Harm::DeleteAll)),
        ("UPDATE t SET a = 1", Some(Harm::UpdateAll)),
        ("ALTER TABLE t DROP COLUMN c", Some(Harm::AlterDrop)),
        ("SELECT 1; BEGIN; INSERT INTO t VALUES (1)", Some(Harm::Stacked)),
        ("COPY t TO PROGRAM 'id'", Some(Harm::System)),
        ("DELETE FROM t WHERE id = 5", None),
        ("UPDATE t SET a = 1 WHERE b = 2", None),
        ("SELECT truncate(a, 2) FROM t", None),
        ("drop table of contents from the book", None),
        ("SELECT 'DROP TABLE t'", None),
        ("SELECT 1 -- DROP TABLE t", None),
        ("Delete from the list all names that are old", None),
    ] {
        assert_eq!(harm(&lex(text)).map(|found| found.0), wanted, "{text}");
    }
}

#[test]
fn dialect_quotes_and_comments() {
    let kinds = |text: &str| lex(text).iter().map(|token| token.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds("`a` [b] \"c\" 'd''e' $x$f'$x$"),
        [Kind::Quoted, Kind::Quoted, Kind::Text, Kind::Text, Kind::Text]
    );
    assert_eq!(
        kinds("a/*b*/c--d\ne#f"),
        [Kind::Word, Kind::Comment, Kind::Word, Kind::Comment, Kind::Word, Kind::Comment]
    );
    assert_eq!(kinds("/*!50000union*/select"), [Kind::Word, Kind::Word]);
}

#[test]
fn work_is_linear() {
    for unit in ["(", "'", "/*", "$a$", "`", "union select ", "or 1=", "-- \n", "[a", "/*!", "' or '", "a.b,", "case ("]
    {
        let text = unit.repeat(4000);
        assert!(lex(&text).len() <= text.len());
        let steps = |n: usize| {
            let text = unit.repeat(n);
            injection::counted(&text).1
        };
        let (small, large) = (steps(500), steps(2000));
        assert!(large <= 6 * small.max(1000), "{unit:?}: {small} {large}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n'\"`()$*/#;=-]{0,200}") {
        for token in lex(&text) {
            proptest::prop_assert_eq!(text.get(token.start()..token.end()), Some(token.text));
        }
        if let Some((_, range)) = harm(&lex(&text)) {
            proptest::prop_assert!(text.get(range).is_some());
        }
        if let Some((_, range)) = injection::find(&text) {
            proptest::prop_assert!(text.get(range).is_some());
        }
    }
}
