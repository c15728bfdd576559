//! Small tables of names, found by their first letter: a bisection would compare more of them, and each comparison that
//! cannot be foreseen costs as much as five others.

/// Names in lower case, sorted, with what each stands for.
pub(super) struct Lookup<T: 'static> {
    names: &'static [(&'static str, T)],
    /// Where those begin that begin with each letter, and where the last of them ends.
    begins: [u8; 27],
}

impl<T: Copy> Lookup<T> {
    /// A table of at most 255 names, each of which begins with a letter: else it does not compile.
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    pub(super) const fn new(names: &'static [(&'static str, T)]) -> Self {
        assert!(names.len() < 256);
        let mut begins = [0; 27];
        let mut at = 0;
        let mut letter = 0;
        while at < names.len() {
            let own = (names[at].0.as_bytes()[0] - b'a') as usize;
            assert!(own < 26 && own >= letter);
            while letter < own {
                letter += 1;
                begins[letter] = at as u8;
            }
            at += 1;
        }
        while letter < 26 {
            letter += 1;
            begins[letter] = at as u8;
        }
        Self { names, begins }
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &[u8]) -> Option<T> {
        let first = usize::from(name.first()?.checked_sub(b'a')?);
        let like = usize::from(*self.begins.get(first)?)..usize::from(*self.begins.get(first + 1)?);
        self.names.get(like)?.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, what)| *what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_name_and_no_other() {
        static TABLE: Lookup<u8> = Lookup::new(&[("a", 1), ("ab", 2), ("cd", 3), ("x", 4), ("zeta", 5)]);
        static NONE: Lookup<u8> = Lookup::new(&[]);
        for (name, found) in [("a", Some(1)), ("ab", Some(2)), ("cd", Some(3)), ("x", Some(4)), ("zeta", Some(5))] {
            assert_eq!(TABLE.get(name.as_bytes()), found, "{name}");
        }
        for name in ["", "b", "abc", "c", "cde", "z", "A", "`", "{", "é", "1"] {
            assert_eq!((TABLE.get(name.as_bytes()), NONE.get(name.as_bytes())), (None, None), "{name}");
        }
    }
}
