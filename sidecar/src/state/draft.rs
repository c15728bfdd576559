//! Work on the engine's state, done on paper first: what it reads is fetched as it asks, and what it would write comes out
//! at the end. So all that one call changes is written in one step, wherever it is kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use portcullis_engine::state::{Revision, Store, Stored, Unavailable};

/// Does `work` on the values that `load` has for names, in the order in which they are asked for. A value is empty where
/// nothing was ever written.
///
/// `work` is done anew whenever more is known, so it must not act on anything else.
pub(super) fn draft<R, E>(
    mut load: impl FnMut(&[String]) -> Result<Vec<Vec<u8>>, E>,
    work: impl Fn(&dyn Store) -> R,
) -> Result<Done<R>, E> {
    let mut known = BTreeMap::new();
    loop {
        let draft = Draft { known, missing: Mutex::default() };
        let result = work(&draft);
        let missing = draft.missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        known = draft.known;
        if missing.is_empty() {
            return Ok(Done { result, values: known });
        }
        for value in known.values_mut() {
            *value.now.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let values = load(&missing)?;
        for (name, before) in missing.into_iter().zip(values) {
            known.insert(name, Value { before, now: Mutex::default() });
        }
    }
}

/// What work came to.
pub(super) struct Done<R> {
    pub(super) result: R,
    /// Everything it has looked at.
    values: BTreeMap<String, Value>,
}

impl<R> Done<R> {
    /// Names with what stood there and what is to stand there; `None`: it was only looked at.
    pub(super) fn values(&mut self) -> impl Iterator<Item = (&str, &[u8], Option<&[u8]>)> {
        self.values.iter_mut().map(|(name, value)| {
            let Value { before, now } = value;
            let now = now.get_mut().unwrap_or_else(PoisonError::into_inner).as_deref();
            (name.as_str(), before.as_slice(), now.filter(|now| *now != before.as_slice()))
        })
    }
}

/// What stood under a name, and what the work has written there.
struct Value {
    before: Vec<u8>,
    now: Mutex<Option<Vec<u8>>>,
}

struct Draft {
    known: BTreeMap<String, Value>,
    /// What has to be fetched: the result counts for nothing until then.
    missing: Mutex<Vec<String>>,
}

impl Store for Draft {
    fn read(&self, name: &str) -> Result<Stored, Unavailable> {
        // Nobody else writes: every revision is the same.
        let revision = Revision::At(1);
        let Some(Value { before, now }) = self.known.get(name) else {
            let mut missing = self.missing.lock().map_err(|_| Unavailable)?;
            if !missing.iter().any(|known| known == name) {
                missing.push(name.to_owned());
            }
            return Ok(Stored { value: Vec::new(), revision });
        };
        let now = now.lock().map_err(|_| Unavailable)?;
        Ok(Stored { value: now.as_ref().unwrap_or(before).clone(), revision })
    }

    fn swap(&self, name: &str, value: &[u8], _: Revision) -> Result<bool, Unavailable> {
        if let Some(known) = self.known.get(name) {
            *known.now.lock().map_err(|_| Unavailable)? = Some(value.to_vec());
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_engine::state::{Change, Table};

    use super::*;

    #[test]
    fn what_is_read_is_fetched_and_what_is_written_comes_out() {
        let mut fetched = 0;
        let add = |store: &dyn Store| {
            for key in [b"a", b"b", b"a"] {
                let next = |value: Option<&[u8]>| {
                    let count = value.map_or(0, |value| value[0]);
                    (Change::Set(vec![count + 1], 10), count)
                };
                Table::new(store, "t").update(key, 1, next).unwrap();
            }
            Table::new(store, "t").get(b"a", 1).unwrap()
        };
        let load = |names: &[String]| {
            fetched += names.len();
            Ok::<_, ()>(vec![Vec::new(); names.len()])
        };
        let mut done = draft(load, add).unwrap();
        assert_eq!(done.result, Some(vec![2]));
        assert_eq!(done.values().filter(|(_, _, now)| now.is_some()).count(), 2);
        assert_eq!(fetched, 2);
        let mut looked = draft(|_| Ok::<_, ()>(vec![b"x".to_vec()]), |store| store.read("n").map(drop)).unwrap();
        assert_eq!(looked.values().collect::<Vec<_>>(), [("n", &b"x"[..], None)]);
        assert!(draft(|_| Err::<Vec<Vec<u8>>, _>(7), |store| store.read("n").map(drop)).is_err_and(|error| error == 7));
    }
}
