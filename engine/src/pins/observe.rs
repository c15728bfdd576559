//! Looking at what a server lists, and remembering it.

use std::collections::{BTreeMap, BTreeSet};

use super::fingerprint::{Definition, Fingerprint};
use super::judge::{Drift, Flag, Neighbours, flags, judge, unjudged};
use super::kept::{Kept, MAX_DEFINITION, Room, Status, Version};
use super::names::skeleton;
use super::{Pins, REFRESH_US, Refusal, Reviews, Trust, refusal};
use crate::config::canonical_string;
use crate::json::{Document, Limits, Value};
use crate::scan::Scanners;
use crate::sort::Insert;
use crate::state::{Store, Unavailable};

/// What is to be said about one listed definition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// Why it may not be used.
    pub(crate) refusal: Option<Refusal>,
    /// How it differs from what was trusted.
    pub(crate) changed: Option<Changed>,
    /// What the scanners found in it and nobody acknowledged; only where it was looked at for the first time.
    pub(crate) flags: Vec<Flag>,
    /// Its fingerprint, where this version was listed for the first time.
    pub(crate) new: Option<Fingerprint>,
}

/// A definition that is another than the trusted one.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    /// How it differs.
    pub(crate) drift: Drift,
    /// What was trusted; `None` where nothing of it is known.
    pub(crate) from: Option<Fingerprint>,
    /// What is listed now.
    pub(crate) to: Fingerprint,
}

impl Pins {
    /// Observes the entries of a `tools/list` of this server; one answer for each, in their order.
    pub(crate) fn observe<'d>(
        &self,
        store: &dyn Store,
        reviews: Reviews<'_>,
        scanners: &Scanners,
        server: &str,
        entries: impl Iterator<Item = Value<'d>>,
        now_us: u64,
    ) -> Vec<Observed> {
        let definitions: Vec<Option<Definition>> = entries.map(Definition::of).collect();
        let mut looks = Look::new(self, store, reviews, scanners, server, now_us);
        let known: Vec<&Definition> = definitions.iter().flatten().collect();
        let rooms = match looks.prepare(&known) {
            Ok(rooms) => rooms,
            Err(Unavailable) => return definitions.iter().map(|_| self.unavailable()).collect(),
        };
        let mut rooms = rooms.into_iter();
        let mut observed = Vec::with_capacity(definitions.len());
        for definition in &definitions {
            // An entry without a name is never shown, nor can it be called.
            let Some(definition) = definition else {
                observed.push(Observed::default());
                continue;
            };
            let room = rooms.next().unwrap_or(Room::Nothing);
            observed.push(looks.look(definition, room).unwrap_or_else(|Unavailable| self.unavailable()));
        }
        observed
    }

    /// Observes the instructions of a server.
    pub(crate) fn observe_instructions(
        &self,
        store: &dyn Store,
        reviews: Reviews<'_>,
        scanners: &Scanners,
        server: &str,
        text: &str,
        now_us: u64,
    ) -> Observed {
        if !self.pinning {
            return Observed::default();
        }
        let definition = Definition {
            name: String::new(),
            canonical: format!("{{\"instructions\":{}}}", canonical_string(text)),
            fingerprint: Fingerprint::of_instructions(text),
        };
        let mut looks = Look::new(self, store, reviews, scanners, server, now_us);
        looks.kept = Kept::instructions(store);
        looks.instructions = true;
        let room = if definition.canonical.len() <= MAX_DEFINITION { Room::All } else { Room::NoText };
        looks.look(&definition, room).unwrap_or_else(|Unavailable| self.unavailable())
    }

    /// Without a memory nothing can be said to be what it was.
    fn unavailable(&self) -> Observed {
        Observed { refusal: self.decides().then(|| self.lost()), ..Observed::default() }
    }
}

/// One look at a list.
struct Look<'p> {
    pins: &'p Pins,
    store: &'p dyn Store,
    reviews: Reviews<'p>,
    kept: Kept<'p>,
    scanners: &'p Scanners,
    server: &'p str,
    now_us: u64,
    /// Which versions of the definition looked at are trusted.
    trust: Trust<'p>,
    instructions: bool,
    /// Names of this server's tools.
    own: BTreeSet<String>,
    /// Names of other servers' tools, and the names by skeleton; read when something is new.
    others: Option<Others>,
}

struct Others {
    foreign: BTreeSet<String>,
    /// A name for each skeleton, of tools listed before.
    alike: BTreeMap<String, String>,
}

impl<'p> Look<'p> {
    fn new(
        pins: &'p Pins,
        store: &'p dyn Store,
        reviews: Reviews<'p>,
        scanners: &'p Scanners,
        server: &'p str,
        now_us: u64,
    ) -> Self {
        Self {
            pins,
            store,
            reviews,
            kept: Kept::new(store),
            scanners,
            server,
            now_us,
            trust: Trust::default(),
            instructions: false,
            own: BTreeSet::new(),
            others: None,
        }
    }

    /// Finds room for what is new in a list, and remembers that the rest is still listed.
    fn prepare(&mut self, definitions: &[&Definition]) -> Result<Vec<Room>, Unavailable> {
        let index = self.kept.index(self.server, self.now_us)?;
        let days: BTreeMap<&str, u32> = index.0.iter().map(|tool| (tool.name.as_str(), tool.day)).insert_all();
        self.own = index.names();
        let today = (self.now_us / DAY_US) as u32;
        let mut asked = Vec::with_capacity(definitions.len());
        let mut stale = false;
        for definition in definitions {
            let name = definition.name.as_str();
            let status = self.kept.status(self.server, name, self.now_us)?;
            let is_known = status.as_ref().is_some_and(|status| status.current == definition.fingerprint);
            let bytes = match &status {
                _ if is_known => None,
                // Too large to be kept: more than any tool is given.
                _ if definition.canonical.len() > MAX_DEFINITION => Some(usize::MAX),
                None => Some(definition.canonical.len()),
                Some(_) => Some(definition.canonical.len() + MAX_DEFINITION.min(self.baseline_bytes(name)?)),
            };
            stale |= bytes.is_some() || days.get(name) != Some(&today);
            asked.push((name, bytes));
        }
        if !stale {
            return Ok(vec![Room::All; definitions.len()]);
        }
        self.kept.reserve(self.server, &asked, self.now_us)
    }

    fn baseline_bytes(&self, tool: &str) -> Result<usize, Unavailable> {
        let status = self.kept.status(self.server, tool, self.now_us)?;
        let Some(baseline) = status.and_then(|status| status.baseline) else { return Ok(0) };
        let text = self.kept.text(self.server, tool, baseline, self.now_us)?;
        Ok(text.map_or(0, |text| text.len()))
    }

    /// Looks at one definition and remembers it.
    fn look(&mut self, definition: &Definition, room: Room) -> Result<Observed, Unavailable> {
        if room == Room::Nothing {
            let reason = "The server lists more tools than the firewall keeps in mind.";
            let refusal = self.pins.decides().then(|| refusal("pins:full", reason, true));
            return Ok(Observed { refusal, ..Observed::default() });
        }
        let pins = self.pins;
        let name = definition.name.as_str();
        self.trust = pins.trust(self.reviews, self.server, name);
        for _ in 0..MAX_TRIES {
            let old = self.kept.status(self.server, name, self.now_us)?;
            if let Some(old) = &old
                && self.is_as_it_was(old, definition)
            {
                return Ok(self.report(definition, old, None, &[], false));
            }
            let (new, changed) = self.next(old.as_ref(), definition)?;
            // The text first: a status never names a text that was not there.
            if room == Room::All {
                self.kept.set_text(
                    self.server,
                    name,
                    definition.fingerprint,
                    Some(&definition.canonical),
                    self.now_us,
                )?;
            }
            if !self.kept.set_status(self.server, name, old.as_ref(), &new, self.now_us)? {
                continue;
            }
            for version in old.iter().flat_map(|old| &old.versions) {
                let print = version.fingerprint;
                if Some(print) != new.baseline && print != new.current {
                    self.kept.set_text(self.server, name, print, None, self.now_us)?;
                }
            }
            let known = old.as_ref().is_some_and(|old| old.version(new.current).is_some());
            let seen = old.is_some_and(|old| old.current == new.current && old.flags == new.flags);
            return Ok(self.report(definition, &new, changed, if seen { &[] } else { &new.flags }, !known));
        }
        Err(Unavailable)
    }

    /// True where nothing has to be written.
    fn is_as_it_was(&self, old: &Status, definition: &Definition) -> bool {
        old.current == definition.fingerprint
            && old.policy == self.pins.policy
            && (!self.is_compared() || self.trust.holds(old.current, old.baseline))
            && old.version(old.current).is_some_and(|version| version.last_us.saturating_add(REFRESH_US) > self.now_us)
    }

    /// What is known after this definition was listed.
    fn next(
        &mut self,
        old: Option<&Status>,
        definition: &Definition,
    ) -> Result<(Status, Option<Changed>), Unavailable> {
        let print = definition.fingerprint;
        let parsed = Document::parse(definition.canonical.as_bytes(), &LIMITS).map_err(|_| Unavailable)?;
        let baseline = match (&self.trust.named, old) {
            (Some(approved), _) if approved.contains(&print) => Some(print),
            // It was looked at after it was listed.
            (Some(approved), Some(old)) if approved.contains(&old.current) => Some(old.current),
            (None, _) if self.trust.first.is_some() => self.trust.first,
            (_, Some(old)) => old.baseline,
            (None, None) if self.pins.first_use => Some(print),
            (_, None) => None,
        };
        let mut status = old.cloned().unwrap_or_else(|| Status {
            baseline,
            policy: self.pins.policy,
            versions: Vec::new(),
            current: print,
            flags: Vec::new(),
            collides: false,
            resembles: false,
        });
        let judged_before = old.is_some_and(|old| old.current == print && old.policy == self.pins.policy);
        if !judged_before {
            status.flags = flags(parsed.root(), self.scanners);
        }
        if old.is_none() && !self.instructions {
            (status.collides, status.resembles) = self.compare_names(&definition.name)?;
        }
        status.baseline = baseline;
        status.policy = self.pins.policy;
        status.current = print;
        let mut changed = None;
        if self.is_compared() && !self.trust.holds(print, baseline) {
            let from = baseline.filter(|baseline| self.trust.holds(*baseline, Some(*baseline)));
            let text = match from {
                Some(from) => self.kept.text(self.server, &definition.name, from, self.now_us)?,
                None => None,
            };
            let drift = match text {
                Some(text) => self.judge(&text, definition)?,
                None => unjudged(),
            };
            changed = Some(Changed { drift, from, to: print });
        }
        let drift = changed.as_ref().map(|changed| (changed.drift.severity, changed.drift.causes));
        match status.versions.iter_mut().find(|version| version.fingerprint == print) {
            Some(version) => (version.last_us, version.drift) = (self.now_us, drift),
            None => {
                status.versions.push(Version { fingerprint: print, first_us: self.now_us, last_us: self.now_us, drift })
            }
        }
        status.trim();
        Ok((status, changed))
    }

    fn judge(&mut self, old: &str, definition: &Definition) -> Result<Drift, Unavailable> {
        self.read_others()?;
        let nobody = BTreeSet::new();
        let foreign = self.others.as_ref().map_or(&nobody, |others| &others.foreign);
        Ok(judge(old, &definition.canonical, self.scanners, Neighbours { own: &self.own, foreign }))
    }

    /// Whether another server has a tool of this name, and whether any has one that looks like it.
    fn compare_names(&mut self, name: &str) -> Result<(bool, bool), Unavailable> {
        self.read_others()?;
        let Some(others) = &mut self.others else { return Ok((false, false)) };
        let collides = others.foreign.contains(name);
        let shape = skeleton(name);
        let resembles = others.alike.get(&shape).is_some_and(|other| other != name);
        others.alike.entry(shape).or_insert_with(|| name.to_owned());
        self.own.insert(name.to_owned());
        Ok((collides, resembles))
    }

    fn read_others(&mut self) -> Result<(), Unavailable> {
        if self.others.is_some() {
            return Ok(());
        }
        let mut foreign = BTreeSet::new();
        for server in self.pins.servers.iter().filter(|server| *server != self.server) {
            foreign.extend(Kept::new(self.store).index(server, self.now_us)?.names());
        }
        let alike = foreign.iter().chain(&self.own).map(|name| (skeleton(name), name.clone())).insert_all();
        self.others = Some(Others { foreign, alike });
        Ok(())
    }

    /// What follows for the one who asked.
    fn report(
        &self,
        definition: &Definition,
        status: &Status,
        changed: Option<Changed>,
        new_flags: &[Flag],
        is_new: bool,
    ) -> Observed {
        let name = definition.name.as_str();
        let refusal = if !self.instructions {
            self.pins.standing(self.reviews, self.server, name, status, self.now_us)
        } else if self.is_compared() {
            self.pins.drifted(&self.trust, status, self.now_us)
        } else {
            self.pins.unknown("Nobody approved these instructions.")
        };
        let flags = self.pins.unacknowledged(self.reviews, self.server, name, status.current, new_flags);
        let new = is_new.then_some(definition.fingerprint);
        Observed { refusal, changed, flags: flags.into_iter().cloned().collect(), new }
    }

    /// False for what can only be unknown: nobody approved a version, and none is trusted for being the first.
    fn is_compared(&self) -> bool {
        self.trust.named.is_some() || self.pins.first_use
    }
}

/// How often a status is written where others are faster.
const MAX_TRIES: usize = 16;
const DAY_US: u64 = 86_400_000_000;
/// What was canonical once has passed the strict parse.
const LIMITS: Limits = Limits { max_bytes: usize::MAX, max_depth: 128 };
