//! What is kept of each tool between exchanges.
//!
//! Three tables: `pin` holds one [`Status`] per tool, a few hundred bytes that every call reads; `pin.text` the
//! canonical definitions, under their fingerprints, that a change is compared with and arguments are validated
//! against; `pin.index` one [`Index`] per server, which bounds both and knows the names of all tools.

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::Severity;
use crate::state::{Change, Store, Table, Unavailable};

use super::fingerprint::Fingerprint;
use super::judge::{Causes, Flag};
use crate::sort::Insert;

/// What is known of the definitions of one tool (or of one server's instructions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The version that was trusted first, or approved since.
    pub(super) baseline: Option<Fingerprint>,
    /// Flags were found by the scanners of this policy (first bytes of its version).
    pub(super) policy: [u8; 8],
    /// Versions as they were first listed; the last one of a list is not always the current one.
    pub(super) versions: Vec<Version>,
    /// The version that was listed last.
    pub(super) current: Fingerprint,
    /// What the scanners found in the current one.
    pub(super) flags: Vec<Flag>,
    /// A tool of another server, listed before, has this name.
    pub(super) collides: bool,
    /// A tool listed before has a name that looks like this one.
    pub(super) resembles: bool,
}

/// One version of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) fingerprint: Fingerprint,
    /// When it was listed first, microseconds since the Unix epoch.
    pub(super) first_us: u64,
    /// When it was listed last, give or take [`super::REFRESH_US`].
    pub(super) last_us: u64,
    /// How it differed from the baseline when it was listed; `None` for one that was trusted.
    pub(super) drift: Option<(Severity, Causes)>,
}

impl Status {
    /// The version `fingerprint`.
    pub(super) fn version(&self, fingerprint: Fingerprint) -> Option<&Version> {
        self.versions.iter().find(|version| version.fingerprint == fingerprint)
    }

    /// Forgets the oldest versions beyond [`MAX_VERSIONS`], but neither the baseline nor the current one.
    pub(super) fn trim(&mut self) {
        while self.versions.len() > MAX_VERSIONS {
            let spare =
                |version: &Version| Some(version.fingerprint) != self.baseline && version.fingerprint != self.current;
            let oldest = self.versions.iter().enumerate().filter(|(_, version)| spare(version));
            let Some((index, _)) = oldest.min_by_key(|(_, version)| version.last_us) else { return };
            self.versions.remove(index);
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT, u8::from(self.collides) | u8::from(self.resembles) << 1];
        out.extend_from_slice(&self.policy);
        out.extend_from_slice(&self.current.0);
        out.push(u8::from(self.baseline.is_some()));
        out.extend_from_slice(&self.baseline.map_or([0; 32], |baseline| baseline.0));
        out.push(self.versions.len() as u8);
        for version in &self.versions {
            out.extend_from_slice(&version.fingerprint.0);
            out.extend_from_slice(&version.first_us.to_le_bytes());
            out.extend_from_slice(&version.last_us.to_le_bytes());
            let (severity, causes) = version.drift.map_or((0, 0), |(severity, causes)| (rank(severity), causes.0));
            out.push(severity);
            out.extend_from_slice(&causes.to_le_bytes());
        }
        out.push(self.flags.len() as u8);
        for flag in &self.flags {
            out.push(rank(flag.severity));
            let id = flag.id.get(..flag.id.len().min(255)).unwrap_or_default();
            out.push(id.len() as u8);
            out.extend_from_slice(id.as_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut read = Reader(bytes);
        let [format, marks] = read.array()?;
        let policy = read.array()?;
        let current = Fingerprint(read.array()?);
        let [has_baseline] = read.array()?;
        let baseline = Some(Fingerprint(read.array()?)).filter(|_| has_baseline == 1);
        let mut versions = Vec::new();
        let [count] = read.array()?;
        for _ in 0..count {
            let fingerprint = Fingerprint(read.array()?);
            let (first_us, last_us) = (u64::from_le_bytes(read.array()?), u64::from_le_bytes(read.array()?));
            let [severity] = read.array()?;
            let causes = Causes(u16::from_le_bytes(read.array()?));
            let drift = match severity {
                0 => None,
                rank => Some((severity_of(rank)?, causes)),
            };
            versions.push(Version { fingerprint, first_us, last_us, drift });
        }
        let mut flags = Vec::new();
        let [count] = read.array()?;
        for _ in 0..count {
            let [rank, length] = read.array()?;
            let id = std::str::from_utf8(read.take(length.into())?).ok()?.to_owned();
            flags.push(Flag { id, severity: severity_of(rank)? });
        }
        let whole = format == FORMAT && read.0.is_empty();
        let (collides, resembles) = (marks & 1 != 0, marks & 2 != 0);
        whole.then_some(Self { baseline, policy, versions, current, flags, collides, resembles })
    }
}

/// The names of a server's tools, and what is kept of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index(pub(super) Vec<Indexed>);

/// One tool in an [`Index`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) name: String,
    /// Days since the epoch when it was listed last.
    pub(super) day: u32,
    /// Bytes of the definitions that are kept of it.
    pub(super) bytes: u32,
}

impl Index {
    /// The names of all tools.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.0.iter().map(|tool| tool.name.clone()).insert_all()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        for tool in &self.0 {
            out.extend_from_slice(&tool.day.to_le_bytes());
            out.extend_from_slice(&tool.bytes.to_le_bytes());
            out.extend_from_slice(&(tool.name.len() as u32).to_le_bytes());
            out.extend_from_slice(tool.name.as_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut read = Reader(bytes);
        let [format] = read.array()?;
        let mut tools = Vec::new();
        while !read.0.is_empty() {
            let (day, bytes) = (u32::from_le_bytes(read.array()?), u32::from_le_bytes(read.array()?));
            let length = u32::from_le_bytes(read.array()?);
            let name = std::str::from_utf8(read.take(length as usize)?).ok()?.to_owned();
            tools.push(Indexed { name, day, bytes });
        }
        (format == FORMAT).then_some(Self(tools))
    }
}

/// The three tables of one store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<'s> {
    status: Table<'s>,
    text: Table<'s>,
    index: Table<'s>,
}

impl<'s> Kept<'s> {
    /// What is kept of tools.
    pub(super) fn new(store: &'s dyn Store) -> Self {
        let table = |space| Table::new(store, space);
        Self { status: table("pin"), text: table("pin.text"), index: table("pin.index") }
    }

    /// What is kept of the instructions of servers, each under the empty name.
    pub(super) fn instructions(store: &'s dyn Store) -> Self {
        let table = |space| Table::new(store, space);
        Self { status: table("pin.instructions"), text: table("pin.instructions.text"), index: table("pin.index") }
    }

    pub(super) fn status(&self, server: &str, tool: &str, now_us: u64) -> Result<Option<Status>, Unavailable> {
        let bytes = self.status.get(&key(&[server, tool]), now_us)?;
        bytes.map(|bytes| Status::decode(&bytes).ok_or(Unavailable)).transpose()
    }

    /// Writes `new` if the status is still `old`; false if somebody was faster.
    pub(super) fn set_status(
        &self,
        server: &str,
        tool: &str,
        old: Option<&Status>,
        new: &Status,
        now_us: u64,
    ) -> Result<bool, Unavailable> {
        let expected = old.map(Status::encode);
        self.status.update(&key(&[server, tool]), now_us, |found| {
            if found == expected.as_deref() {
                (Change::Set(new.encode(), u64::MAX), true)
            } else {
                (Change::Keep, false)
            }
        })
    }

    pub(super) fn text(
        &self,
        server: &str,
        tool: &str,
        version: Fingerprint,
        now_us: u64,
    ) -> Result<Option<String>, Unavailable> {
        let bytes = self.text.get(&text_key(server, tool, version), now_us)?;
        bytes.map(|bytes| String::from_utf8(bytes).map_err(|_| Unavailable)).transpose()
    }

    pub(super) fn set_text(
        &self,
        server: &str,
        tool: &str,
        version: Fingerprint,
        text: Option<&str>,
        now_us: u64,
    ) -> Result<(), Unavailable> {
        self.text.update(&text_key(server, tool, version), now_us, |found| match text {
            Some(text) if found == Some(text.as_bytes()) => (Change::Keep, ()),
            Some(text) => (Change::Set(text.as_bytes().to_vec(), u64::MAX), ()),
            None => (Change::Remove, ()),
        })
    }

    pub(super) fn index(&self, server: &str, now_us: u64) -> Result<Index, Unavailable> {
        let bytes = self.index.get(&key(&[server]), now_us)?;
        bytes.map_or(Ok(Index::default()), |bytes| Index::decode(&bytes).ok_or(Unavailable))
    }

    /// Finds room for these tools that a server lists: name and the bytes to be kept of it (`None`: what is kept
    /// already). Tools that were not listed for [`FORGET_DAYS`] make room. Says for each whether it has a place, and
    /// whether its text has.
    pub(super) fn reserve(
        &self,
        server: &str,
        tools: &[(&str, Option<usize>)],
        now_us: u64,
    ) -> Result<Vec<Room>, Unavailable> {
        let day = (now_us / DAY_US) as u32;
        let (rooms, gone) = self.index.update(&key(&[server]), now_us, |found| {
            let Some(mut index) = found.map_or(Some(Index::default()), Index::decode) else {
                return (Change::Keep, Err(Unavailable));
            };
            let mut gone = Vec::new();
            let listed: BTreeSet<&str> = tools.iter().map(|(name, _)| *name).insert_all();
            let mut known = 0;
            for tool in index.0.iter_mut().filter(|tool| listed.contains(tool.name.as_str())) {
                tool.day = day;
                known += 1;
            }
            let new = listed.len() - known;
            let mut total: usize = index.0.iter().map(|tool| tool.bytes as usize).sum();
            let asked = tools.iter().filter_map(|(_, bytes)| *bytes).fold(0, usize::saturating_add);
            if index.0.len() + new > MAX_TOOLS || total.saturating_add(asked) > MAX_TEXT_BYTES {
                index.0.retain(|tool| {
                    let kept = tool.day.saturating_add(FORGET_DAYS) >= day;
                    if !kept {
                        gone.push(tool.name.clone());
                    }
                    kept
                });
                total = index.0.iter().map(|tool| tool.bytes as usize).sum();
            }
            let mut rooms = Vec::with_capacity(tools.len());
            let mut places: BTreeMap<String, usize> =
                index.0.iter().enumerate().map(|(place, tool)| (tool.name.clone(), place)).insert_all();
            for (name, asked) in tools {
                let place = places.get(*name).copied();
                let count = index.0.len();
                let known = place.and_then(|place| index.0.get_mut(place));
                let before = known.as_ref().map_or(0, |tool| tool.bytes as usize);
                let asked = asked.unwrap_or(before);
                let fits = asked <= 2 * MAX_DEFINITION && total - before + asked <= MAX_TEXT_BYTES;
                let bytes = if fits { asked } else { 0 };
                if let Some(tool) = known {
                    tool.bytes = bytes as u32;
                } else if count < MAX_TOOLS && name.len() <= MAX_NAME {
                    places.insert((*name).to_owned(), count);
                    index.0.push(Indexed { name: (*name).to_owned(), day, bytes: bytes as u32 });
                } else {
                    rooms.push(Room::Nothing);
                    continue;
                }
                total = total - before + bytes;
                rooms.push(if fits { Room::All } else { Room::NoText });
            }
            (Change::Set(index.encode(), u64::MAX), Ok((rooms, gone)))
        })??;
        for name in gone {
            self.forget(server, &name, now_us)?;
        }
        Ok(rooms)
    }

    fn forget(&self, server: &str, tool: &str, now_us: u64) -> Result<(), Unavailable> {
        if let Some(status) = self.status(server, tool, now_us)? {
            for version in &status.versions {
                self.set_text(server, tool, version.fingerprint, None, now_us)?;
            }
        }
        self.status.update(&key(&[server, tool]), now_us, |_| (Change::Remove, ()))
    }
}

/// Whether there is room for a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// For its status and its definition.
    All,
    /// For its status only.
    NoText,
    /// The server has too many tools, or this one too long a name.
    Nothing,
}

/// Parts that cannot run into one another.
fn key(parts: &[&str]) -> Vec<u8> {
    let mut key = Vec::new();
    for part in parts {
        key.extend_from_slice(&(part.len() as u64).to_le_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    key
}

fn text_key(server: &str, tool: &str, version: Fingerprint) -> Vec<u8> {
    let mut key = key(&[server, tool]);
    key.extend_from_slice(&version.0);
    key
}

fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

fn severity_of(rank: u8) -> Option<Severity> {
    Some(match rank {
        1 => Severity::Low,
        2 => Severity::Medium,
        3 => Severity::High,
        4 => Severity::Critical,
        _ => return None,
    })
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

const FORMAT: u8 = 1;
const DAY_US: u64 = 86_400_000_000;

/// Most versions kept of one tool.
pub(super) const MAX_VERSIONS: usize = 8;
/// Most tools kept of one server.
pub(super) const MAX_TOOLS: usize = 2000;
/// Longest name of a tool that is kept, in bytes.
const MAX_NAME: usize = 1024;
/// Largest definition that is kept, in bytes of its canonical form.
pub(super) const MAX_DEFINITION: usize = 256 << 10;
/// What is kept of the definitions of one server altogether, in bytes.
const MAX_TEXT_BYTES: usize = 64 << 20;
/// After so many days without being listed a tool is forgotten if its place is needed.
const FORGET_DAYS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryStore;

    #[test]
    fn a_status_is_read_as_it_was_written_and_nothing_else_is() {
        let print = Fingerprint([3; 32]);
        let status = Status {
            baseline: Some(print),
            policy: [9; 8],
            versions: vec![Version {
                fingerprint: print,
                first_us: 1,
                last_us: 2,
                drift: Some((Severity::High, Causes::NEW_HOST)),
            }],
            current: Fingerprint([4; 32]),
            flags: vec![Flag { id: "injection:x".to_owned(), severity: Severity::Critical }],
            collides: true,
            resembles: false,
        };
        let bytes = status.encode();
        assert_eq!(Status::decode(&bytes), Some(status));
        for length in 0..bytes.len() {
            assert_eq!(Status::decode(&bytes[..length]), None);
        }
        let index = Index(vec![Indexed { name: "ä".to_owned(), day: 1, bytes: 2 }]);
        assert_eq!(Index::decode(&index.encode()), Some(index));
        assert_eq!(Index::decode(&[FORMAT, 0]), None);
    }

    #[test]
    fn a_server_cannot_fill_the_store() {
        let store = MemoryStore::default();
        let kept = Kept::new(&store);
        let names: Vec<String> = (0..MAX_TOOLS + 1).map(|number| format!("tool{number}")).collect();
        let asked: Vec<_> = names.iter().map(|name| (name.as_str(), Some(60_000))).collect();
        let rooms = kept.reserve("s", &asked, 1).unwrap();
        assert_eq!(rooms.last(), Some(&Room::Nothing));
        let with_text = rooms.iter().filter(|room| **room == Room::All).count();
        assert_eq!(with_text, MAX_TEXT_BYTES / 60_000);
        assert_eq!(kept.reserve("s", &[("tool0", Some(MAX_DEFINITION * 3))], 1).unwrap(), [Room::NoText]);
        // What was not listed for long makes room.
        let later = (u64::from(FORGET_DAYS) + 2) * DAY_US;
        assert_eq!(kept.reserve("s", &[("new", Some(10))], later).unwrap(), [Room::All]);
        assert_eq!(kept.index("s", later).unwrap().0.len(), 1);
    }
}
