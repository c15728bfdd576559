use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b"12345678901234567890";
const START: u64 = 1_800_000_000_000_000;
const SECOND: u64 = 1_000_000;

fn at(time: u64) -> String {
    totp::code(SECRET, totp::step(time))
}

fn enrolled() -> Enrolment {
    let mut enrolment = Enrolment::new(String::new(), START);
    let recovery = ["00000001", "12345678"].map(str::to_owned);
    assert_eq!(enrolment.check(SECRET, "a", &at(START), START), Checked::NotEnrolled);
    assert_eq!(enrolment.confirm(SECRET, "000000", &recovery, START), Checked::Wrong);
    assert!(!enrolment.confirmed);
    assert_eq!(enrolment.confirm(SECRET, &at(START), &recovery, START), Checked::Right);
    enrolment
}

#[test]
fn a_code_counts_once_in_its_time() {
    let mut enrolment = enrolled();
    // The code that confirmed it has counted.
    assert_eq!(enrolment.check(SECRET, "a", &at(START), START + SECOND), Checked::Used);
    let later = START + 300 * SECOND;
    for (offset, expected) in [(-61, Checked::Wrong), (61, Checked::Wrong), (-30, Checked::Right), (30, Checked::Right)]
    {
        let shown = at(later.saturating_add_signed(offset * SECOND as i64));
        assert_eq!(enrolment.clone().check(SECRET, "a", &shown, later), expected, "{offset}");
    }
    assert_eq!(enrolment.check(SECRET, "a", &at(later), later), Checked::Right);
    assert_eq!(enrolment.check(SECRET, "a", &at(later), later), Checked::Again);
    assert_eq!(enrolment.check(SECRET, "b", &at(later), later), Checked::Used);
    // Nor does one of before it, however fresh.
    assert_eq!(enrolment.check(SECRET, "c", &at(later - 30 * SECOND), later), Checked::Used);
    assert_eq!(enrolment.check(SECRET, "d", &at(later + 30 * SECOND), later), Checked::Right);
    assert_eq!(enrolment.check(SECRET, "a", &at(later), later), Checked::Used);
}

#[test]
fn wrong_codes_lock_for_longer_and_longer() {
    let mut enrolment = enrolled();
    let mut now = START + 60 * SECOND;
    for _ in 0..4 {
        assert_eq!(enrolment.check(SECRET, "a", "000000", now), Checked::Wrong);
    }
    let mut pauses = Vec::new();
    for _ in 0..14 {
        assert_eq!(enrolment.check(SECRET, "a", "000000", now), Checked::WrongAndLocked);
        assert_eq!(enrolment.check(SECRET, "a", &at(now), now), Checked::Locked);
        pauses.push((enrolment.locked_until - now) / SECOND);
        now = enrolment.locked_until;
    }
    assert_eq!(&pauses[..3], [60, 120, 240]);
    assert_eq!(pauses.last(), Some(&86_400));
    // A right one forgives.
    assert_eq!(enrolment.check(SECRET, "a", &at(now), now), Checked::Right);
    assert_eq!(enrolment.check(SECRET, "a", "000000", now), Checked::Wrong);
    for _ in 0..4 {
        enrolment.check(SECRET, "a", "000000", now);
    }
    assert_eq!(enrolment.check(SECRET, "a", "000000", now), Checked::Locked);
    enrolment.unlock();
    assert_eq!(enrolment.check(SECRET, "a", &at(now + 30 * SECOND), now), Checked::Right);
}

#[test]
fn a_recovery_code_counts_once() {
    let mut enrolment = enrolled();
    let kept = serde_json::to_string(&enrolment).unwrap();
    assert!(!kept.contains("12345678") && !kept.contains("00000001"), "{kept}");
    assert_eq!(enrolment.check(SECRET, "a", "12345678", START), Checked::Recovered);
    assert_eq!((enrolment.recovery_left(), enrolment.check(SECRET, "a", "12345678", START)), (1, Checked::Wrong));
    assert_eq!(enrolment.check(SECRET, "b", "00000001", START), Checked::Recovered);
    let codes = new_recovery_codes().unwrap();
    assert!(codes.len() == RECOVERY_CODES && codes.iter().all(|code| code.len() == RECOVERY_DIGITS), "{codes:?}");
}

proptest! {
    /// Whatever is sent in whatever order, no step counts for two Admits.
    #[test]
    fn no_step_counts_twice(sent in proptest::collection::vec((0..8_u64, -1..=1_i64, 0..3_u8), 1..60)) {
        let mut enrolment = enrolled();
        let (mut now, mut counted) = (START, std::collections::BTreeMap::new());
        for (ahead, offset, admit) in sent {
            now += ahead * 10 * SECOND;
            let step = totp::step(now).saturating_add_signed(offset);
            let code = totp::code(SECRET, step);
            match enrolment.check(SECRET, &admit.to_string(), &code, now) {
                Checked::Right => prop_assert_eq!(counted.insert(step, admit), None),
                Checked::Again => prop_assert_eq!(counted.get(&step), Some(&admit)),
                Checked::Used => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
