//! Verification of a chain: which rows were edited, moved, removed, inserted, rewritten or cut off, and how that is known.
//!
//! A walk over all rows in their order, in constant memory unless rows are broken. Each row's hash is computed from its
//! content, compared with the stored one and with what the next row follows; signed statements are compared on the way.
//! A row whose hash does not fit is tried at other places, so that a row that was moved is told from one that was edited.

use std::collections::BTreeMap;
use std::fmt;

use super::PublicKey;
use super::row::{Hash, Row};
use super::statement::{Kind, Signed};

/// What is wrong with a chain. Places are sequence numbers; ranges include both ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The content is not what was hashed.
    Edited { seq: u64 },
    /// The rows stand at another place than they were written to.
    Moved { from: u64, to: u64, was: u64 },
    /// The rows are missing.
    Removed { from: u64, to: u64 },
    /// The row was never written there.
    Inserted { seq: u64 },
    /// The row fits its own hash, but the next row follows another.
    Rewritten { seq: u64 },
    /// Rows up to this place do not end in what was signed: the chain was computed anew from some row on.
    Forged { seq: u64, by: Kind },
    /// A signed statement names a later row than there is.
    Truncated { from: u64, to: u64, by: Kind },
    /// Rows behind the signed head: added without the key, or the head is an old one.
    Unsigned { from: u64, to: u64 },
    /// There are rows, but no signed head.
    NoHead,
    /// The statement's signature is not of the key, or the statement was edited.
    BadSignature { seq: u64, by: Kind },
}

/// Takes the rows of one tenant in ascending order and says what is wrong with them.
pub(crate) struct Verifier<'k> {
    tenant: String,
    key: &'k PublicKey,
    /// Statements that the walk has yet to reach, by place.
    ahead: BTreeMap<u64, Vec<Signed>>,
    /// The last row, as signed.
    head: Option<u64>,
    /// The walk goes to the end of the chain.
    to_end: bool,
    start: Start,
    last: Option<Last>,
    /// The last row whose hash fits its content and place.
    intact: Option<u64>,
    rows: u64,
    statements: u64,
    /// Rows that were found at another place than theirs, as runs of the same distance.
    moved: Vec<Moved>,
    /// Rows that fit no place that was tried.
    broken: Vec<Broken>,
    gaps: Vec<(u64, u64)>,
    /// Places with a row that fits, beside one that does not.
    doubled: Vec<(u64, u64)>,
    faults: Vec<Fault>,
    more: u64,
}

/// What the first row has to follow.
#[derive(Clone, Copy)]
struct Start {
    seq: u64,
    prev: Option<Hash>,
}

struct Last {
    seq: u64,
    hash: Hash,
    /// Its hash fits its content at its place.
    intact: bool,
}

/// Rows `from` to `to` were written `shift` places later.
struct Moved {
    from: u64,
    to: u64,
    shift: i64,
}

struct Broken {
    seq: u64,
    id: String,
    received: u64,
    record: String,
    prev: Hash,
    hash: Hash,
    /// Where it was written, once that is known.
    was: Option<u64>,
}

/// What a verification came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Rows looked at.
    pub(crate) rows: u64,
    /// Genuine statements compared.
    pub(crate) statements: u64,
    /// At most [`MAX_FAULTS`], by place.
    pub(crate) faults: Vec<Fault>,
    /// Faults that are not listed.
    pub(crate) more: u64,
}

impl<'k> Verifier<'k> {
    /// Of a whole chain: it begins with the genesis row or where a signed pruning says.
    pub(crate) fn whole(tenant: &str, key: &'k PublicKey, statements: Vec<Signed>) -> Self {
        let mut verifier = Self::new(tenant, key, Start { seq: 0, prev: Some(Row::NOTHING) }, true);
        verifier.take_statements(statements, true);
        verifier
    }

    /// Of the rows from `seq` on. `to_end`: up to the last.
    pub(crate) fn part(tenant: &str, key: &'k PublicKey, seq: u64, to_end: bool, statements: Vec<Signed>) -> Self {
        let mut verifier = Self::new(tenant, key, Start { seq, prev: None }, to_end);
        verifier.take_statements(statements, false);
        verifier
    }

    fn new(tenant: &str, key: &'k PublicKey, start: Start, to_end: bool) -> Self {
        Self {
            tenant: tenant.to_owned(),
            key,
            ahead: BTreeMap::new(),
            head: None,
            to_end,
            start,
            last: None,
            intact: None,
            rows: 0,
            statements: 0,
            moved: Vec::new(),
            broken: Vec::new(),
            gaps: Vec::new(),
            doubled: Vec::new(),
            faults: Vec::new(),
            more: 0,
        }
    }

    fn take_statements(&mut self, statements: Vec<Signed>, prunes: bool) {
        for signed in statements {
            if signed.tenant != self.tenant || !signed.is_genuine(self.key) {
                self.fault(Fault::BadSignature { seq: signed.seq, by: signed.kind });
                continue;
            }
            self.statements += 1;
            match signed.kind {
                Kind::Head => self.head = self.head.max(Some(signed.seq)),
                Kind::Prune if prunes && signed.seq >= self.start.seq => {
                    self.start = Start { seq: signed.seq + 1, prev: signed.hash() };
                }
                Kind::Prune | Kind::Checkpoint => {}
            }
            self.ahead.entry(signed.seq).or_default().push(signed);
        }
        // Of rows that are gone there is nothing to compare; the statements stand as evidence.
        self.ahead = self.ahead.split_off(&self.start.seq);
    }

    /// The next row, with the hash that is stored with it.
    pub(crate) fn row(&mut self, row: &Row<'_>, stored: Hash) {
        self.rows += 1;
        let last = self.last.take();
        let expected = last.as_ref().map_or(self.start.seq, |last| last.seq + 1);
        let intact = row.tenant == self.tenant && row.hash() == stored;
        if row.seq < expected {
            // Of two rows at one place the one that fits is the one that was written there.
            if intact && last.as_ref().is_some_and(|last| last.seq == row.seq && !last.intact) {
                self.doubled.push((row.seq, row.seq));
                self.last = Some(Last { seq: row.seq, hash: stored, intact });
                self.intact = Some(row.seq);
                return;
            }
            self.fault(Fault::Inserted { seq: row.seq });
            self.last = last;
            return;
        }
        if row.seq > expected {
            self.gaps.push((expected, row.seq - 1));
            self.missed(expected, row.seq - 1);
        } else if intact {
            let follows = match &last {
                None => self.start.prev.is_none_or(|prev| prev == row.prev),
                Some(last) => !last.intact || last.hash == row.prev,
            };
            if !follows {
                self.fault(Fault::Rewritten { seq: row.seq.saturating_sub(u64::from(last.is_some())) });
            }
        }
        if !intact {
            self.locate(row, stored);
        }
        for signed in self.ahead.remove(&row.seq).unwrap_or_default() {
            if signed.hash() != Some(stored) && intact {
                self.fault(Fault::Forged { seq: row.seq, by: signed.kind });
            }
        }
        if intact {
            self.intact = Some(row.seq);
        }
        self.last = Some(Last { seq: row.seq, hash: stored, intact });
    }

    /// Statements about rows that are missing, while later rows are there, add nothing to the gap.
    fn missed(&mut self, from: u64, to: u64) {
        let later = self.ahead.split_off(&(to + 1));
        self.ahead.retain(|seq, _| *seq < from);
        self.ahead.extend(later);
    }

    /// Looks where a row whose hash does not fit was written.
    fn locate(&mut self, row: &Row<'_>, stored: Hash) {
        let fits = |shift: i64| row.seq.checked_add_signed(shift).is_some_and(|seq| row.hash_at(seq) == stored);
        let known = self.moved.last().map(|run| run.shift);
        if let Some(shift) = known.into_iter().chain(NEAR).find(|shift| fits(*shift)) {
            self.add_moved(row.seq, shift);
        } else if self.broken.len() < MAX_BROKEN {
            self.broken.push(Broken {
                seq: row.seq,
                id: row.id.to_owned(),
                received: row.received,
                record: row.record.to_owned(),
                prev: row.prev,
                hash: stored,
                was: None,
            });
        } else {
            self.more += 1;
        }
    }

    fn add_moved(&mut self, seq: u64, shift: i64) {
        let full = self.moved.len() >= MAX_BROKEN;
        match self.moved.last_mut() {
            Some(run) if run.shift == shift && run.to + 1 == seq => run.to = seq,
            _ if full => self.more += 1,
            _ => self.moved.push(Moved { from: seq, to: seq, shift }),
        }
    }

    /// Previous hashes of rows that fit no near place: a second walk may find the rows that have them.
    pub(crate) fn wanted(&self) -> bool {
        !self.broken.is_empty()
    }

    /// A row of the second walk: a broken row that follows it was written right behind it.
    pub(crate) fn second(&mut self, seq: u64, hash: Hash) {
        for broken in self.broken.iter_mut().filter(|broken| broken.prev == hash && broken.was.is_none()) {
            let row = Row {
                tenant: &self.tenant,
                seq: broken.seq,
                id: &broken.id,
                received: broken.received,
                record: &broken.record,
                prev: broken.prev,
            };
            broken.was = Some(seq + 1).filter(|was| row.hash_at(*was) == broken.hash);
        }
    }

    /// What it came to.
    pub(crate) fn finish(mut self) -> Outcome {
        for broken in std::mem::take(&mut self.broken) {
            match broken.was {
                Some(was) => {
                    let shift = i64::try_from(i128::from(was) - i128::from(broken.seq)).unwrap_or(0);
                    self.moved.push(Moved { from: broken.seq, to: broken.seq, shift });
                }
                None => self.broken.push(broken),
            }
        }
        self.judge_places();
        self.judge_end();
        self.faults.sort();
        self.faults.dedup();
        self.more += self.faults.len().saturating_sub(MAX_FAULTS) as u64;
        self.faults.truncate(MAX_FAULTS);
        Outcome { rows: self.rows, statements: self.statements, faults: self.faults, more: self.more }
    }

    /// Which places have lost their row, and which have one too many.
    fn judge_places(&mut self) {
        let end = self.last.as_ref().map_or(self.start.seq, |last| last.seq + 1);
        let at = |seq: u64, shift: i64| seq.saturating_add_signed(shift);
        // Places that rows which stand elsewhere were written to.
        let mut written: Vec<(u64, u64)> =
            self.moved.iter().map(|run| (at(run.from, run.shift), at(run.to, run.shift))).collect();
        written.sort_unstable();
        // Places whose own row is not there.
        let mut vacant: Vec<(u64, u64)> = self.moved.iter().map(|run| (run.from, run.to)).collect();
        vacant.extend(self.gaps.iter().copied());
        vacant.sort_unstable();
        // The last place that is known to have been written.
        let known = written.last().map(|(_, to)| *to).max(self.intact).max(self.head);
        for run in std::mem::take(&mut self.moved) {
            self.fault(Fault::Moved { from: run.from, to: run.to, was: at(run.from, run.shift) });
        }
        for (from, to) in minus(&vacant, &written) {
            if known.is_some_and(|known| from <= known) {
                self.fault(Fault::Removed { from, to: to.min(known.unwrap_or(to)) });
            }
        }
        for broken in std::mem::take(&mut self.broken) {
            let seq = broken.seq;
            let elsewhere = written.iter().chain(&self.doubled).any(|(from, to)| (*from..=*to).contains(&seq));
            self.fault(if elsewhere || known.is_some_and(|known| seq > known) {
                Fault::Inserted { seq }
            } else {
                Fault::Edited { seq }
            });
        }
        // A row that fits its place, which another row was written to: one of them is made up, and it is not the one that moved.
        let mut taken = vacant;
        taken.extend(self.faults.iter().filter_map(|fault| match fault {
            Fault::Inserted { seq } => Some((*seq, *seq)),
            _ => None,
        }));
        taken.sort_unstable();
        let within: Vec<_> = written
            .iter()
            .filter(|(from, _)| *from < end)
            .map(|(from, to)| (*from, (*to).min(end.saturating_sub(1))))
            .collect();
        for (from, to) in minus(&within, &taken) {
            for seq in (from..=to).take(MAX_FAULTS) {
                self.fault(Fault::Inserted { seq });
            }
        }
        // Rows that were written behind what is now the end moved up: their old places are not cut off.
        if let Some((_, to)) = written.last().filter(|(_, to)| *to >= end) {
            self.ahead.retain(|seq, _| seq > to);
        }
    }

    /// Whether the chain ends where it was signed to end.
    fn judge_end(&mut self) {
        let next = self.last.as_ref().map_or(self.start.seq, |last| last.seq + 1);
        if let Some((to, by)) = self.ahead.last_key_value().and_then(|(seq, list)| Some((*seq, list.first()?.kind)))
            && to >= next
        {
            self.fault(Fault::Truncated { from: next, to, by });
        }
        if !self.to_end {
            return;
        }
        match (self.head, self.intact) {
            (None, _) if self.last.is_some() => self.fault(Fault::NoHead),
            (Some(head), Some(last)) if last > head => self.fault(Fault::Unsigned { from: head + 1, to: last }),
            _ => {}
        }
    }

    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < 4 * MAX_FAULTS {
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }
}

/// The parts of sorted ranges that no range of `other` (sorted) covers.
fn minus(ranges: &[(u64, u64)], other: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut rest = Vec::new();
    for &(mut from, to) in ranges {
        let mut covered = false;
        for &(a, b) in other {
            if b < from || a > to {
                continue;
            }
            if a > from {
                rest.push((from, a - 1));
            }
            if b >= to {
                covered = true;
                break;
            }
            from = b + 1;
        }
        if !covered {
            rest.push((from, to));
        }
    }
    rest
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = |from: &u64, to: &u64| {
            if from == to { format!("row {from}") } else { format!("rows {from} to {to}") }
        };
        match self {
            Self::Edited { seq } => write!(f, "row {seq} was edited: its hash is that of another content"),
            Self::Moved { from, to, was } => write!(f, "{} moved: written at {was} on", rows(from, to)),
            Self::Removed { from, to } => write!(f, "{} removed", rows(from, to)),
            Self::Inserted { seq } => write!(f, "row {seq} was inserted: it was never written there"),
            Self::Rewritten { seq } => write!(f, "row {seq} was rewritten with its hash: the next row follows another"),
            Self::Forged { seq, by } => write!(
                f,
                "rows up to {seq} were rewritten: the {} that was signed has another hash for row {seq}",
                by.as_str()
            ),
            Self::Truncated { from, to, by } => {
                write!(f, "{} cut off the end: a signed {} names row {to}", rows(from, to), by.as_str())
            }
            Self::Unsigned { from, to } => {
                write!(
                    f,
                    "{} stand behind the signed head: added without the key, or the head is an old one",
                    rows(from, to)
                )
            }
            Self::NoHead => f.write_str("the signed head is missing"),
            Self::BadSignature { seq, by } => {
                write!(f, "the {} about row {seq} is not signed by this key", by.as_str())
            }
        }
    }
}

/// Faults that are listed.
pub(crate) const MAX_FAULTS: usize = 100;
/// Rows kept for the second walk, and runs of moved rows: bounds what a shuffled database costs.
const MAX_BROKEN: usize = 1000;
/// Places that are tried before a second walk: somebody who inserts or removes a few rows and numbers the rest anew.
const NEAR: [i64; 8] = [1, -1, 2, -2, 3, -3, 4, -4];
