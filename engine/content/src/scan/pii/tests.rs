use proptest::prelude::*;

use super::*;
use crate::scan::Context;

fn found(text: &str, member: Option<&str>, direction: Direction, surface: Surface) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let input = Input { text, member, tool: None, context: Context { direction, surface }, role: None, parsed: None };
    detect(&input, &mut out);
    out.iter().map(|found| (RULES[found.rule].id, text.get(found.range.clone()).unwrap().to_owned())).collect()
}

fn result(text: &str) -> Vec<&'static str> {
    found(text, None, Direction::Response, Surface::Result).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn the_examples_of_every_rule_hold() {
    let mut wrong = Vec::new();
    for rule in RULES {
        for hit in rule.hits {
            if !result(hit).contains(&rule.id) {
                wrong.push(format!("{} misses {hit:?}: {:?}", rule.id, result(hit)));
            }
        }
        for miss in rule.misses {
            if result(miss).contains(&rule.id) {
                wrong.push(format!("{} finds {miss:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rules_that_are_off_exist() {
    for id in DEFAULT_OFF {
        assert!(RULES.iter().any(|rule| rule.id == *id), "{id}");
    }
    for (at, rule) in RULES.iter().enumerate() {
        assert!(RULES.iter().skip(at + 1).all(|other| other.id != rule.id), "{}", rule.id);
        // What only the name of a member tells has no hit that is a text alone.
        assert!((!rule.hits.is_empty() || rule.id == "national-id") && rule.misses.len() >= 2, "{}", rule.id);
    }
}

#[test]
fn the_gate_or_a_trigger_lets_every_example_pass() {
    for rule in RULES.iter().filter(|rule| !DEFAULT_OFF.contains(&rule.id)) {
        for hit in rule.hits {
            let folded = hit.to_ascii_lowercase();
            assert!(may_hold(hit) || (DETECTOR.triggers)().iter().any(|trigger| folded.contains(trigger)), "{hit}");
        }
    }
    for hit in RULES.iter().filter(|rule| DEFAULT_OFF.contains(&rule.id)).flat_map(|rule| rule.hits) {
        assert!(may_hold_network(hit), "{hit}");
    }
}

#[test]
fn members_name_what_they_hold() {
    let named = |member, text| {
        found(text, Some(member), Direction::Response, Surface::Result)
            .into_iter()
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    };
    assert_eq!(named("phoneNumber", "9498777106"), ["phone"]);
    assert_eq!(named("national_id", "8507 30 033-28"), ["be-national"]);
    assert_eq!(named("pesel", "44051401359"), ["pl-pesel"]);
    assert_eq!(named("nationalId", "AB-1234-XY-56"), ["national-id"]);
    assert_eq!(named("dob", "1990-05-03"), ["date-of-birth"]);
    assert_eq!(named("order", "44051401359"), [""; 0]);
}

#[test]
fn calls_may_name_whom_they_concern() {
    let request = |text| found(text, None, Direction::Request, Surface::Arguments).len();
    assert_eq!(request("lena.kraus@firma.example.org"), 0);
    assert_eq!(request("call +49 30 901820"), 0);
    assert_eq!(request("DE75512108001245126199"), 0);
    assert_eq!(request("the account is DE75512108001245126199"), 1);
    assert_eq!(request("SSN 536-90-4399"), 1);
    assert!(found("mail lena.kraus@firma.example.org", None, Direction::Response, Surface::Description).is_empty());
}

#[test]
fn matches_do_not_overlap() {
    let text = "IBAN DE75 5121 0800 1245 1261 99, card 4532 0151 1283 0366 phone +49 30 901820, 536-90-4399";
    let all = found(text, None, Direction::Response, Surface::Result);
    let ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["iban", "credit-card", "phone", "us-ssn"]);
}

#[test]
fn work_is_linear() {
    let units = [
        "1",
        "1 ",
        "12 34 ",
        "4111-1111-",
        "390533447",
        "sin 046454286 ",
        "+1 ",
        "+49 30 1234567 ",
        "a@b.de ",
        "@",
        "AB12",
        "aa 1",
        "born 1.2.1990 ",
        "DE89 3704 0044 0532 0130 01 ",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb ",
        "(1",
        "1.",
        "1:",
        "<",
        "aaaaaaaaaa@",
    ];
    for unit in units {
        let steps = |count: usize| {
            let text = unit.repeat(count);
            let context = Context { direction: Direction::Response, surface: Surface::Result };
            detect_counted(
                &Input { text: &text, member: None, tool: None, context, role: None, parsed: None },
                &mut Vec::new(),
            )
        };
        let (one, two) = (steps(1000), steps(2000));
        assert!(two <= one * 2 + 500, "{unit:?}: {one} {two}");
        assert!(one / (1000 * unit.len() as u64) < 150, "{unit:?}: {one}");
    }
}

proptest! {
    #[test]
    fn ranges_lie_within_any_text(text in r"([a-zA-Zéü出 ]{0,6}|[0-9]{1,9}|[-+./:()@ _<]{1,2}|phone|iban|DE89|born |1990){0,30}") {
        let _ = (may_hold(&text), may_hold_network(&text));
        for direction in [Direction::Request, Direction::Response] {
            for (_, part) in found(&text, Some("phone"), direction, Surface::Result) {
                prop_assert!(!part.is_empty());
            }
        }
    }

    #[test]
    fn any_string_at_all(text in any::<String>()) {
        found(&text, None, Direction::Response, Surface::Result);
    }
}
