//! Refused attempts: each is a row of the chain, or one of a number that a row tells. Whoever may not come in must not be able to fill
//! the chain either.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Shared, ended};
use crate::audit::action::Action;
use crate::clock;

/// Attempts that no row tells of yet.
#[derive(Default)]
pub(super) struct Attempts(Mutex<BTreeMap<(Action, String), Count>>);

/// Of one kind, by one that is told apart.
#[derive(Default)]
struct Count {
    /// Since the last row.
    attempts: u64,
    /// No row before, microseconds since the Unix epoch.
    next: u64,
}

impl Attempts {
    /// Counts one. `who` is what tells it apart from others, if anything is known.
    pub(super) fn note(&self, action: Action, who: &str) {
        let Ok(mut all) = self.0.lock() else { return };
        let full = all.len() >= MAX_TOLD_APART && !all.contains_key(&(action, who.to_owned()));
        let who = if full { "" } else { who };
        all.entry((action, who.to_owned())).or_default().attempts += 1;
    }

    /// Those of which a row is to tell now, with their numbers.
    fn due(&self, now: u64, all_of_them: bool) -> Vec<(Action, String, u64)> {
        let Ok(mut all) = self.0.lock() else { return Vec::new() };
        all.retain(|_, count| count.attempts > 0 || now < count.next);
        let due = all.iter_mut().filter(|(_, count)| count.attempts > 0 && (all_of_them || count.next <= now));
        due.map(|((action, who), count)| {
            count.next = now.saturating_add(PAUSE_US);
            (*action, who.clone(), std::mem::take(&mut count.attempts))
        })
        .collect()
    }
}

/// Writes rows until the sidecar ends, and then the last ones.
pub(super) async fn keep(shared: Arc<Shared>) {
    loop {
        let over = tokio::select! {
            () = tokio::time::sleep(STEP) => false,
            () = ended(shared.ending.clone()) => true,
        };
        let here = Arc::clone(&shared);
        let told = tokio::task::spawn_blocking(move || tell(&here, over)).await;
        if over || told.is_err() {
            return;
        }
    }
}

fn tell(shared: &Shared, all_of_them: bool) {
    for (action, who, attempts) in shared.attempts.due(clock::now(), all_of_them) {
        let mut details = Map::from_iter([("count".to_owned(), Value::from(attempts))]);
        if !who.is_empty() {
            let member = if action == Action::LoginLimited { "address" } else { "name" };
            details.insert(member.to_owned(), who.into());
        }
        shared.record(action, Value::Object(details));
    }
}

/// How often it looks.
const STEP: Duration = Duration::from_millis(500);
/// Between two rows about the same.
const PAUSE_US: u64 = 60_000_000;
/// More than these are counted together.
const MAX_TOLD_APART: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_attempts_are_few_rows() {
        let attempts = Attempts::default();
        let due = |now| attempts.due(now, false).into_iter().map(|(_, who, count)| (who, count)).collect::<Vec<_>>();
        for _ in 0..1000 {
            attempts.note(Action::LoginLimited, "203.0.113.9");
        }
        assert_eq!(due(1), [("203.0.113.9".to_owned(), 1000)]);
        attempts.note(Action::LoginLimited, "203.0.113.9");
        assert_eq!((due(2), due(PAUSE_US)), (vec![], vec![]));
        assert_eq!(due(PAUSE_US + 1), [("203.0.113.9".to_owned(), 1)]);
        for n in 0..10_000 {
            attempts.note(Action::LoginLimited, &n.to_string());
        }
        let told = due(3 * PAUSE_US);
        assert!(told.len() <= MAX_TOLD_APART + 1 && told.iter().map(|(_, count)| count).sum::<u64>() == 10_000);
        attempts.note(Action::TokenRefused, "");
        assert_eq!(attempts.due(3 * PAUSE_US, true).len(), 1, "the end waits for nothing");
    }
}
