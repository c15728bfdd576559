//! Quotas that a sidecar keeps, so that several Envoys count together.
//!
//! The filter says what a call counts for ([`Demand`]), and how it ended ([`Settlement`]). Whoever keeps the counters runs
//! [`reserve`], [`renew`] and [`settle`] over a store of its own: the counters are those of one Envoy. What is reserved is
//! remembered by the call's id, so that whatever is said again changes nothing.

use super::change;
use super::counter::{Counter, Held, Terms, UsedUp};
use super::encode::{Reader, write};
use crate::config::QuotaAlgorithm;
use crate::sidecar::wire::Writer;
use crate::state::{Change, Store, Table, Unavailable};

/// What a call counts for in one counter. Amounts are in millionths, times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Names the counter: a hash of 32 bytes (BLAKE3).
    pub key: Vec<u8>,
    /// How much.
    pub amount: u64,
    /// How the time is measured.
    pub algorithm: QuotaAlgorithm,
    /// Most in one window; at least 1.
    pub limit: u64,
    /// At least 1.
    pub window_us: u64,
    /// Most that a token bucket holds.
    pub burst: u64,
    /// How long it is held if nobody says how the call ended.
    pub lease_us: u64,
    /// Counts, but never refuses.
    pub shadow: bool,
    /// The callers of all tenants count in it.
    pub common: bool,
}

/// What came of the demands of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// All is reserved that had to be; else nothing is.
    pub held: bool,
    /// What did not fit.
    pub refusals: Vec<Refusal>,
}

/// A demand that did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which demand of the call.
    pub index: u32,
    /// Why.
    pub why: Why,
}

/// Why a demand did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Why {
    /// The count cannot be had.
    #[default]
    Unavailable,
    /// It would fit after this time, in microseconds, if nobody else comes.
    For(u64),
    /// It is more than the limit will ever let through.
    Forever,
}

/// How a call ended, or that it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Unique among settlements and audit records.
    pub id: String,
    /// The id under which it was reserved.
    pub admit: String,
    /// The tenant of the call.
    pub tenant: String,
    /// The demands that do not count after all.
    pub returned: Vec<u32>,
    /// It is still under way: what is held is held for another lease.
    pub renew: bool,
    /// Some of it counts for all tenants.
    pub common: bool,
}

impl Settlement {
    /// `QuotaSettlement` in bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &self.id);
        out.bytes(2, &self.admit);
        out.bytes(3, &self.tenant);
        let mut packed = Vec::new();
        self.returned.iter().for_each(|index| write(&mut packed, (*index).into()));
        out.bytes(4, packed);
        out.number(5, self.renew.into());
        out.number(6, self.common.into());
        out.finish()
    }
}

impl Demand {
    /// `QuotaDemand` in bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &self.key);
        out.number(2, self.amount);
        out.number(3, self.algorithm as u64 + 1);
        out.number(4, self.limit);
        out.number(5, self.window_us);
        out.number(6, self.burst);
        out.number(7, self.lease_us);
        out.number(8, self.shadow.into());
        out.number(9, self.common.into());
        out.finish()
    }

    fn terms(&self) -> Terms {
        let Self { algorithm, limit, window_us, burst, lease_us, .. } = *self;
        Terms { algorithm, limit, window_us, burst, lease_us }
    }
}

/// Reserves all demands of the call `id`, or none. Said again, it is reserved already; said after [`settle`], it comes too
/// late and is refused. `demands` have their numbers within the call.
#[must_use]
pub fn reserve(store: &dyn Store, id: &str, demands: &[(u32, &Demand)], now_us: u64) -> Reserved {
    let unavailable = |index| Reserved { held: false, refusals: vec![Refusal { index, why: Why::Unavailable }] };
    let first = demands.first().map_or(0, |(index, _)| *index);
    let leases = Table::new(store, LEASES);
    match leases.get(id.as_bytes(), now_us).map(|known| known.map(|bytes| decode(&bytes))) {
        Ok(None) => {}
        Ok(Some(Some(parts))) if !parts.is_empty() => return Reserved { held: true, refusals: Vec::new() },
        Ok(Some(_)) | Err(Unavailable) => return unavailable(first),
    }
    let (mut parts, mut refusals, mut held) = (Vec::new(), Vec::new(), true);
    for (index, demand) in demands {
        let (index, terms) = (*index, demand.terms());
        let why = match change(store, terms, &demand.key, now_us, |counter| counter.reserve(demand.amount)) {
            Ok(Ok(held)) => {
                parts.push(Part { index, terms, held, key: demand.key.clone() });
                continue;
            }
            Ok(Err(UsedUp::For(wait_us))) => Why::For(wait_us),
            Ok(Err(UsedUp::Forever)) => Why::Forever,
            Err(Unavailable) => Why::Unavailable,
        };
        refusals.push(Refusal { index, why });
        if !demand.shadow {
            held = false;
            break;
        }
    }
    if held {
        let set = |_: Option<&[u8]>| (Change::Set(encode(&parts), forget_us(&parts, now_us)), ());
        if parts.is_empty() || leases.update(id.as_bytes(), now_us, set).is_ok() {
            return Reserved { held, refusals };
        }
        refusals = unavailable(first).refusals;
    }
    for part in &parts {
        // What cannot be given back is back when its lease ends.
        let _ = part.change(store, now_us, |counter| counter.settle(part.held, false));
    }
    Reserved { held: false, refusals }
}

/// Ends the call `id`: what it has reserved counts, but for the demands `returned`. From then on nothing can be reserved
/// under this id. Said again, or of a call that has nothing, it changes nothing.
///
/// # Errors
/// The state cannot be had: it is to be said again.
pub fn settle(store: &dyn Store, id: &str, returned: &[u32], now_us: u64) -> Result<(), Unavailable> {
    let parts = Table::new(store, LEASES).update(id.as_bytes(), now_us, |known| {
        let over = Change::Set(vec![VERSION], now_us.saturating_add(OVER_US));
        match known.map(decode) {
            Some(Some(parts)) => (over, Ok(parts)),
            None => (over, Ok(Vec::new())),
            Some(None) => (Change::Keep, Err(Unavailable)),
        }
    })??;
    for part in parts {
        part.change(store, now_us, |counter| counter.settle(part.held, !returned.contains(&part.index)))?;
    }
    Ok(())
}

/// Lets the leases of the call `id` begin anew. One that has nothing is left alone.
///
/// # Errors
/// The state cannot be had.
pub fn renew(store: &dyn Store, id: &str, now_us: u64) -> Result<(), Unavailable> {
    let leases = Table::new(store, LEASES);
    let known = leases.get(id.as_bytes(), now_us)?;
    let mut parts = known.map_or(Some(Vec::new()), |bytes| decode(&bytes)).ok_or(Unavailable)?;
    for part in &mut parts {
        part.held = part.change(store, now_us, |counter| counter.renew(part.held))?;
    }
    if parts.is_empty() {
        return Ok(());
    }
    leases.update(id.as_bytes(), now_us, |_| (Change::Set(encode(&parts), forget_us(&parts, now_us)), ()))
}

/// A share that is held.
struct Part {
    index: u32,
    terms: Terms,
    held: Held,
    key: Vec<u8>,
}

impl Part {
    fn change<R>(&self, store: &dyn Store, now_us: u64, with: impl FnMut(&mut Counter) -> R) -> Result<R, Unavailable> {
        change(store, self.terms, &self.key, now_us, with)
    }
}

/// Until when the end of a call may still change its counters.
fn forget_us(parts: &[Part], now_us: u64) -> u64 {
    let end = |part: &Part| part.held.until_us.saturating_add(part.terms.window_us);
    parts.iter().map(end).max().unwrap_or(now_us)
}

fn encode(parts: &[Part]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for Part { index, terms, held, key } in parts {
        let numbers = [
            (*index).into(),
            terms.algorithm as u64,
            terms.limit,
            terms.window_us,
            terms.burst,
            terms.lease_us,
            held.slot,
            held.until_us,
            held.amount,
            key.len() as u64,
        ];
        numbers.into_iter().for_each(|number| write(&mut out, number));
        out.extend_from_slice(key);
    }
    out
}

fn decode(bytes: &[u8]) -> Option<Vec<Part>> {
    let mut reader = Reader(bytes.strip_prefix(&[VERSION])?);
    let mut parts = Vec::new();
    while !reader.is_empty() {
        let index = u32::try_from(reader.number()?).ok()?;
        let algorithm = match reader.number()? {
            0 => QuotaAlgorithm::SlidingWindow,
            1 => QuotaAlgorithm::FixedWindow,
            2 => QuotaAlgorithm::TokenBucket,
            _ => return None,
        };
        let (limit, window_us) = (reader.number()?, reader.number()?);
        let (burst, lease_us) = (reader.number()?, reader.number()?);
        let terms = Terms { algorithm, limit, window_us, burst, lease_us };
        let held = Held { slot: reader.number()?, until_us: reader.number()?, amount: reader.number()? };
        let length = usize::try_from(reader.number()?).ok()?;
        let (key, rest) = reader.0.split_at_checked(length)?;
        reader.0 = rest;
        parts.push(Part { index, terms, held, key: key.to_vec() });
    }
    Some(parts)
}

/// Where it is kept what a call has reserved. Nothing: it is over.
const LEASES: &str = "lease";
const VERSION: u8 = 1;
/// How long it is known that a call is over: longer than any question about it may be under way.
const OVER_US: u64 = 900_000_000;
