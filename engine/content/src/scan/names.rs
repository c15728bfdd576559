//! Names of members that stood in a message before: objects of a list have the same ones, so each is judged once.

use super::bulk::Amount;
use super::shell::Role;
use super::words::Key;
use crate::json::head;

/// Some of the names without escapes seen so far, found without looking at all of them.
pub(super) struct Names<'d> {
    slots: [Slot<'d>; SLOTS],
}

/// A name and what is known about it, if there is one.
#[derive(Clone, Copy, Default)]
struct Slot<'d> {
    /// [`head`] of the name.
    head: u64,
    name: &'d str,
    known: Option<Known>,
}

impl Slot<'_> {
    /// True if it holds the name that begins with `head`.
    #[inline(always)]
    fn is(&self, head: u64, name: &str) -> bool {
        // Most names are no longer than what the head says: a comparison byte by byte would cost more than the rest.
        self.head == head && self.name.len() == name.len() && (name.len() <= 8 || self.name == name)
    }
}

/// What is known about a name.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    /// No scanner finds anything in the name itself.
    pub(super) clean: bool,
    /// What it says about the words in its member.
    pub(super) words: Option<Key>,
    /// What it says that its member is for; `None` where nobody has asked yet.
    pub(super) role: Option<Role>,
    /// It names a command.
    pub(super) command: bool,
    /// It says how many are wanted.
    pub(super) amount: Option<Amount>,
}

impl<'d> Names<'d> {
    pub(super) fn new() -> Self {
        Self { slots: [Slot::default(); SLOTS] }
    }

    /// What is known about a name.
    pub(super) fn get(&self, name: &str) -> Option<Known> {
        let head = head(name.as_bytes());
        let from = set(head, name);
        let mut ways = self.slots.get(from..from + WAYS)?.iter();
        ways.find(|slot| slot.is(head, name)).and_then(|slot| slot.known)
    }

    /// Keeps what is known about a name, in the place of another one if need be.
    pub(super) fn set(&mut self, name: &'d str, known: Known) {
        let head = head(name.as_bytes());
        let from = set(head, name);
        let Some(ways) = self.slots.get_mut(from..from + WAYS) else { return };
        let own = |slot: &Slot<'_>| slot.known.is_none() || slot.is(head, name);
        let at = ways.iter().position(own).unwrap_or(name.len() % WAYS);
        if let Some(slot) = ways.get_mut(at) {
            *slot = Slot { head, name, known: Some(known) };
        }
    }
}

/// Where a name is looked for.
#[inline(always)]
fn set(head: u64, name: &str) -> usize {
    let hash = (head ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    hash as usize % (SLOTS / WAYS) * WAYS
}

/// How many names are kept.
const SLOTS: usize = 64;

/// How many of them are compared with a name.
const WAYS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_by_itself_alone() {
        let all: Vec<String> = (0..200).map(|number| format!("n{number}e")).collect();
        let mut names = Names::new();
        for name in &all {
            assert!(names.get(name).is_none());
            names.set(name, Known { clean: name.len() == 3, ..Known::default() });
            assert_eq!(names.get(name).map(|known| known.clean), Some(name.len() == 3));
        }
        for (length, name) in ["", "a", "ab", "abc", "abcd", "abcde", "abcdefgh", "abcdefghi"].into_iter().enumerate() {
            names.set(name, Known { clean: length % 2 == 0, ..Known::default() });
            assert_eq!(names.get(name).map(|known| known.clean), Some(length % 2 == 0), "{name}");
        }
        for other in ["b", "ba", "aab", "abd", "abbd", "abdcde", "abcdefgi", "abcdefgha", "bbcdefghi"] {
            assert!(names.get(other).is_none(), "{other}");
        }
        assert!(all.iter().filter(|name| names.get(name).is_some()).count() <= SLOTS);
        assert!(all.iter().all(|name| names.get(name).is_none_or(|known| known.clean == (name.len() == 3))));
    }
}
