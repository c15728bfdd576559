//! The laws of approvals, whatever comes in whatever order.

use proptest::prelude::*;

use super::*;

fn token(person: &str, role: Role, groups: &[&str]) -> Token {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Token { name: person.to_owned(), person: person.to_owned(), tenant: String::new(), role, groups, created: 0 }
}

fn pending(quorum: u32, approvers: &[&str]) -> Approval {
    let approvers = approvers.iter().map(|group| (*group).to_owned()).collect();
    let ask = Ask { principal: "anna".into(), agent: "bot".into(), quorum, approvers, ..Ask::default() };
    Approval::new("a".into(), ask, 0, 300)
}

#[test]
fn who_asks_does_not_decide() {
    let mut approval = pending(1, &[]);
    for own in ["anna", "ANNA", "bot"] {
        assert_eq!(approval.vote(&token(own, Role::Admin, &[]), true, "", 1), Err(VoteRefused::OwnRequest));
    }
    let alias = Token { name: "x".into(), ..token("Anna", Role::Admin, &[]) };
    assert_eq!(approval.vote(&alias, true, "", 1), Err(VoteRefused::OwnRequest));
    assert_eq!(approval.vote(&token("ben", Role::Viewer, &[]), true, "", 1), Err(VoteRefused::Role));
    assert_eq!(approval.vote(&token("ben", Role::PolicyManager, &[]), true, "", 1), Ok(State::Approved));
}

#[test]
fn groups_count_and_not_roles() {
    let mut approval = pending(2, &["finance", "board"]);
    assert_eq!(approval.vote(&token("cleo", Role::Admin, &["it"]), true, "", 1), Err(VoteRefused::NotInGroup));
    assert_eq!(approval.vote(&token("dan", Role::Viewer, &["finance"]), true, "", 1), Ok(State::Pending));
    assert_eq!(approval.vote(&token("dan", Role::Admin, &["board"]), true, "", 1), Err(VoteRefused::Again));
    assert_eq!(approval.vote(&token("eva", Role::Viewer, &["board"]), true, "", 1), Ok(State::Approved));
    assert_eq!(approval.admit("one", 2), Answer::Allow);
}

#[test]
fn a_late_decision_can_be_used() {
    let mut approval = pending(1, &[]);
    approval.vote(&token("ben", Role::Admin, &[]), true, "", 299).unwrap();
    assert_eq!(approval.admit("one", 299 + GRACE_US - 1), Answer::Allow);
    let mut late = pending(1, &[]);
    assert_eq!(late.vote(&token("ben", Role::Admin, &[]), true, "", 300), Err(VoteRefused::Ended(State::Expired)));
}

#[test]
fn every_member_of_the_key_counts() {
    let tenant = |name| Tenant::new(name).unwrap();
    let ask = Ask { principal: "p".into(), session: "s".into(), ..Ask::default() };
    let key = ask.key(&tenant("a"));
    assert_ne!(key, ask.key(&tenant("b")));
    assert_eq!(key, Ask { session: "other".into(), correlation_id: "c".into(), ..ask.clone() }.key(&tenant("a")));
    let others = [
        Ask { principal: "q".into(), ..ask.clone() },
        Ask { agent: "x".into(), ..ask.clone() },
        Ask { server: "x".into(), ..ask.clone() },
        Ask { name: "x".into(), ..ask.clone() },
        Ask { digest: "x".into(), ..ask.clone() },
        Ask { policy_version: "x".into(), ..ask.clone() },
    ];
    for other in &others {
        assert_ne!(key, other.key(&tenant("a")), "{other:?}");
    }
    let anonymous = Ask { principal: String::new(), ..ask };
    assert_ne!(anonymous.key(&tenant("a")), Ask { session: "t".into(), ..anonymous.clone() }.key(&tenant("a")));
}

#[derive(Clone, Debug)]
enum Event {
    Vote { person: usize, approve: bool },
    Admit { id: u8 },
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        (0_usize..5, prop::bool::weighted(0.85)).prop_map(|(person, approve)| Event::Vote { person, approve }),
        (0_u8..4).prop_map(|id| Event::Admit { id }),
    ];
    prop::collection::vec((0_u64..60, event), 1..30)
}

proptest! {
    #[test]
    fn used_once_by_enough_people_in_time(events in events(), quorum in 0_u32..4) {
        let mut approval = pending(quorum, &[]);
        let (mut now, mut users, mut voted) = (0, std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let mut refused = false;
        for (step, event) in events {
            now += step;
            match event {
                Event::Vote { person, approve } => {
                    let name = ["anna", "ben", "cleo", "dan", "eva"][person];
                    if approval.vote(&token(name, Role::PolicyManager, &[]), approve, "", now).is_ok() {
                        prop_assert!(now < 300 && name != "anna" && !refused);
                        if approve { prop_assert!(voted.insert(name)); } else { refused = true; }
                    }
                }
                Event::Admit { id } => {
                    if approval.admit(&id.to_string(), now) == Answer::Allow {
                        users.insert(id);
                        prop_assert!(voted.len() >= quorum.max(1) as usize && !refused);
                    }
                }
            }
            prop_assert!(users.len() <= 1);
        }
    }
}
