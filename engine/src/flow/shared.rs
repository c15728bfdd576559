//! Labels that a sidecar keeps, so that a caller carries them from one Envoy to the next.
//!
//! The filter tells what was gained ([`Gain`]) and asks who carries what ([`Bearer`]); the sidecar runs [`carried`] and [`gain`]
//! over a store of its own. What it answers is merged into what the filter has itself.

use super::carried::{Carried, Decay, MAX_LABELS, MAX_NAME};
use super::prints::{MAX_PRINTS, PRINT_BYTES};
use crate::sidecar::wire::Writer;
use crate::state::{Change, Store, Table, Unavailable};

/// Who carries labels, and how they fade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearer {
    /// Names the session: a hash of 32 bytes (BLAKE3); empty where labels are the caller's.
    pub session: Vec<u8>,
    /// Names the caller, alike.
    pub caller: Vec<u8>,
    /// How long after it was last gained a label is forgotten, microseconds.
    pub decay_us: u64,
    /// After so many calls that asked; 0: never.
    pub decay_calls: u32,
}

/// What somebody gained, or that a session began or ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gain {
    /// Unique among all that goes to the sidecar.
    pub id: String,
    /// The caller's tenant.
    pub tenant: String,
    /// Who.
    pub bearer: Bearer,
    /// 32 at most, each of 64 bytes at most.
    pub labels: Vec<String>,
    /// Fingerprints of the text that brought them; 1024 at most, each of 40 bits.
    pub prints: Vec<u64>,
    /// A server issued the session: from now on its labels are its own and not its caller's.
    pub began: bool,
    /// The session is over.
    pub ended: bool,
}

/// What somebody carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Labels and fingerprints, as the engine keeps them; 16 KiB at most.
    pub carried: Vec<u8>,
    /// The session is one that a server issued.
    pub session: bool,
}

/// What somebody carries. `counted`: this is a call that counts for what fades by calls.
///
/// # Errors
/// The state cannot be had.
pub fn carried(store: &dyn Store, bearer: &Bearer, counted: bool, now_us: u64) -> Result<Known, Unavailable> {
    let (key, session) = bearer.key(store, now_us)?;
    let read = |value: Option<&[u8]>| {
        let mut carried = value.map_or(Ok(Carried::default()), Carried::decode)?;
        carried.fade(bearer.decay(), now_us);
        Ok(carried)
    };
    let table = Table::new(store, TAINT);
    let carried = match counted && bearer.decay_calls > 0 {
        false => read(table.get(key, now_us)?.as_deref())?,
        true => table.update(key, now_us, |value| match read(value) {
            Ok(mut carried) if !carried.is_empty() => {
                carried.count();
                carried.fade(bearer.decay(), now_us);
                (Change::Set(carried.encode(), carried.expires_us(bearer.decay())), Ok(carried))
            }
            other => (Change::Keep, other),
        })??,
    };
    Ok(Known { carried: carried.encode(), session })
}

/// Takes up what somebody gained. Said again it changes nothing but the time.
///
/// # Errors
/// The state cannot be had.
pub fn gain(store: &dyn Store, gain: &Gain, now_us: u64) -> Result<(), Unavailable> {
    let Gain { bearer, labels, prints, .. } = gain;
    if gain.ended {
        for space in [TAINT, SESSIONS] {
            Table::new(store, space).update(&bearer.session, now_us, |_| (Change::Remove, ()))?;
        }
        return Ok(());
    }
    if gain.began {
        let expires_us = now_us.saturating_add(SESSION_US);
        Table::new(store, SESSIONS).update(&bearer.session, now_us, |_| (Change::Set(vec![1], expires_us), ()))?;
    }
    if labels.is_empty() {
        return Ok(());
    }
    let (key, _) = bearer.key(store, now_us)?;
    Table::new(store, TAINT).update(key, now_us, |value| {
        let add = || {
            let mut carried = value.map_or(Ok(Carried::default()), Carried::decode)?;
            carried.fade(bearer.decay(), now_us);
            carried.gain(labels.iter().map(String::as_str), prints, now_us)?;
            Ok(carried)
        };
        match add() {
            Ok(carried) => (Change::Set(carried.encode(), carried.expires_us(bearer.decay())), Ok(())),
            Err(lost) => (Change::Keep, Err(lost)),
        }
    })?
}

impl Bearer {
    /// `FlowBearer` in bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &self.session);
        out.bytes(2, &self.caller);
        out.number(3, self.decay_us);
        out.number(4, self.decay_calls.into());
        out.finish()
    }

    /// Whether it is as the contract has it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        [0, KEY_BYTES].contains(&self.session.len()) && self.caller.len() == KEY_BYTES && self.decay_us > 0
    }

    fn decay(&self) -> Decay {
        Decay { time_us: self.decay_us, calls: Some(self.decay_calls).filter(|calls| *calls > 0) }
    }

    /// Under which key the labels are: a session's own only where a server issued it.
    fn key(&self, store: &dyn Store, now_us: u64) -> Result<(&[u8], bool), Unavailable> {
        let issued = !self.session.is_empty() && Table::new(store, SESSIONS).get(&self.session, now_us)?.is_some();
        Ok((if issued { &self.session } else { &self.caller }, issued))
    }
}

impl Gain {
    /// `FlowGain` in bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &self.id);
        out.bytes(2, &self.tenant);
        out.item(3, self.bearer.encode());
        self.labels.iter().for_each(|label| out.item(4, label));
        let mut packed = Vec::with_capacity(self.prints.len() * PRINT_BYTES);
        for print in &self.prints {
            packed.extend_from_slice(print.to_le_bytes().first_chunk::<PRINT_BYTES>().unwrap_or(&[0; PRINT_BYTES]));
        }
        out.bytes(5, packed);
        out.number(6, self.began.into());
        out.number(7, self.ended.into());
        out.finish()
    }

    /// The fingerprints in the bytes of the contract; `None` where these are none.
    #[must_use]
    pub fn read_prints(bytes: &[u8]) -> Option<Vec<u64>> {
        if !bytes.len().is_multiple_of(PRINT_BYTES) || bytes.len() > MAX_PRINTS * PRINT_BYTES {
            return None;
        }
        let read = |print: &[u8]| print.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Some(bytes.chunks_exact(PRINT_BYTES).map(read).collect())
    }

    /// Whether it is as the contract has it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let labels = &self.labels;
        self.bearer.is_sound()
            && labels.len() <= MAX_LABELS
            && labels.iter().all(|label| (1..=MAX_NAME).contains(&label.len()))
            && (!(self.began || self.ended) || !self.bearer.session.is_empty())
    }
}

/// Where labels are kept.
pub(crate) const TAINT: &str = "taint";
/// Where sessions are known that a server issued.
pub(crate) const SESSIONS: &str = "session";
/// How long a session is known after it began: a day, in microseconds.
pub(crate) const SESSION_US: u64 = 86_400_000_000;
const KEY_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryStore;

    fn bearer(session: Option<u8>, caller: u8) -> Bearer {
        let session = session.map_or(Vec::new(), |session| vec![session; 32]);
        Bearer { session, caller: vec![caller; 32], decay_us: 100, decay_calls: 0 }
    }

    fn labels(store: &MemoryStore, bearer: &Bearer, now_us: u64) -> Vec<String> {
        let known = carried(store, bearer, true, now_us).unwrap();
        Carried::decode(&known.carried).unwrap().labels().map(str::to_owned).collect()
    }

    fn gains(bearer: &Bearer, label: &str) -> Gain {
        Gain { bearer: bearer.clone(), labels: vec![label.to_owned()], prints: vec![7, 9], ..Gain::default() }
    }

    #[test]
    fn a_session_has_its_own_labels_once_a_server_has_issued_it() {
        let store = MemoryStore::default();
        let (one, other) = (bearer(Some(1), 9), bearer(Some(2), 9));
        gain(&store, &gains(&one, "untrusted"), 1).unwrap();
        assert_eq!(labels(&store, &other, 2), ["untrusted"], "of a session that nobody issued they are the caller's");
        let began = Gain { bearer: one.clone(), began: true, ..Gain::default() };
        gain(&store, &began, 2).unwrap();
        assert!(labels(&store, &one, 3).is_empty());
        assert!(
            carried(&store, &one, false, 3).unwrap().session && !carried(&store, &other, false, 3).unwrap().session
        );
        gain(&store, &gains(&one, "private"), 3).unwrap();
        gain(&store, &gains(&one, "private"), 4).unwrap();
        assert_eq!((labels(&store, &one, 5), labels(&store, &other, 5).len()), (vec!["private".to_owned()], 1));
        let kept = Carried::decode(&carried(&store, &one, false, 5).unwrap().carried).unwrap();
        assert_eq!(kept.texts(&["private"]).count(), 1, "the same text, said again, is one");
        let ended = Gain { ended: true, ..began };
        gain(&store, &ended, 5).unwrap();
        assert_eq!(labels(&store, &one, 6), ["untrusted"]);
        assert!(labels(&store, &one, 101).is_empty());
    }

    #[test]
    fn labels_fade_by_calls_that_ask() {
        let store = MemoryStore::default();
        let bearer = Bearer { decay_calls: 2, ..bearer(None, 1) };
        gain(&store, &gains(&bearer, "private"), 1).unwrap();
        let carries = || labels(&store, &bearer, 2).len();
        assert_eq!([carries(), carries(), carries(), carries()], [1, 1, 0, 0]);
    }
}
