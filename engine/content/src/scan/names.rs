//! Names of members that stood in a message before: objects of a list have the same ones, so each is judged once.

use super::shell::Role;
use super::words::Key;

/// Some of the names without escapes seen so far, found without looking at all of them.
pub(super) struct Names<'d> {
    slots: [Option<(&'d str, Known)>; SLOTS],
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
}

impl<'d> Names<'d> {
    pub(super) fn new() -> Self {
        Self { slots: [None; SLOTS] }
    }

    /// What is known about a name.
    pub(super) fn get(&self, name: &str) -> Option<Known> {
        let from = slot(name);
        let known = self.slots.get(from..from + WAYS)?.iter().flatten();
        known.filter(|(known, _)| *known == name).map(|(_, what)| *what).next()
    }

    /// Keeps what is known about a name, in the place of another one if need be.
    pub(super) fn set(&mut self, name: &'d str, known: Known) {
        let from = slot(name);
        let Some(ways) = self.slots.get_mut(from..from + WAYS) else { return };
        let own = |slot: &Option<(&str, Known)>| slot.is_none_or(|(known, _)| known == name);
        let at = ways.iter().position(own).unwrap_or(name.len() % WAYS);
        if let Some(slot) = ways.get_mut(at) {
            *slot = Some((name, known));
        }
    }
}

/// Where a name is looked for: by its length, its first and its last byte.
fn slot(name: &str) -> usize {
    let byte = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte));
    let bytes = name.as_bytes();
    (name.len() ^ byte(bytes.first()) ^ byte(bytes.last()) << 2) % (SLOTS / WAYS) * WAYS
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
        assert!(all.iter().filter(|name| names.get(name).is_some()).count() <= SLOTS);
        assert!(all.iter().all(|name| names.get(name).is_none_or(|known| known.clean == (name.len() == 3))));
    }
}
