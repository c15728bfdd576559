//! Quotas: how many calls, or how much of something, in how much time.
//!
//! What a call counts for is a [`Charge`]. It is reserved when the call is about to go on, in all
//! quotas or in none, and settled when its end is known: kept, or rolled back where the server failed.
//! A call whose end nobody sees, because the filter crashed, gives its share back when its lease ends.
//!
//! Counters live in a [`Table`], so they are exact wherever its store is: each step is one
//! compare-and-swap of one counter. Where the table cannot say, calls are refused. Quotas that several Envoys share are
//! counted by their sidecar, with the same code.

mod bucket;
mod compile;
mod counter;
mod encode;
mod limit;
mod shared;
mod window;

use std::sync::Arc;

pub use self::shared::{Demand, Refusal, Reserved, Settlement, Why, renew, reserve, settle};

pub(crate) use self::limit::duration;

use self::counter::{Counter, Held, Terms, UsedUp};
use crate::cel::Moment;
use crate::config::{QuotaOnToolError, QuotaPer};
use crate::json::Value;
use crate::mcp::Capability;
use crate::policy::{Selector, Sum};
use crate::principal::Principal;
use crate::sort::Arrange;
use crate::state::{Change, Store, Table, Unavailable};

/// All quotas of a configuration, in document order.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Vec<Arc<Quota>>);

/// One quota, compiled.
#[derive(Debug)]
struct Quota {
    /// `quota:ID`.
    rule: Arc<str>,
    /// Counts, but never refuses.
    shadow: bool,
    selector: Selector,
    /// The configuration names capabilities or methods: what is no use of anything counts too.
    everything: bool,
    terms: Terms,
    per: Vec<QuotaPer>,
    amount: Option<Sum>,
    on_tool_error: QuotaOnToolError,
    /// What the caller is told.
    reason: Arc<str>,
    /// The sidecar counts.
    shared: bool,
}

/// A message that may count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<'a, 'd, N> {
    pub(crate) principal: &'a Principal,
    pub(crate) server: &'a str,
    /// Key of the caller's session.
    pub(crate) session: &'a [u8],
    pub(crate) method: &'a str,
    pub(crate) capability: Capability,
    pub(crate) names: &'a [N],
    pub(crate) arguments: Option<Value<'d>>,
    pub(crate) moment: Moment<'a>,
}

/// What one message counts for. Dropped without [`Charge::settle`], what is reserved comes back when
/// its lease ends.
#[derive(Debug, Default)]
pub(crate) struct Charge(Vec<Part>);

/// What a message counts for in one counter.
#[derive(Debug)]
struct Part {
    quota: Arc<Quota>,
    /// The counter's key in the table.
    key: Vec<u8>,
    /// In units; `None` where it cannot be said.
    amount: Option<u64>,
    held: Option<Held>,
    /// The sidecar counts it.
    shared: bool,
    /// The sidecar has reserved it; half its lease is over then.
    renew_us: Option<u64>,
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// `quota:ID`.
    pub(crate) rule: Arc<str>,
    /// A sentence for the caller.
    pub(crate) reason: String,
    /// When it may be tried again, in microseconds from now.
    pub(crate) retry_us: Option<u64>,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server did it, or may have.
    Done,
    /// The tool says that it failed.
    ToolError,
    /// The server did not do it.
    Failed,
}

impl Quotas {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True where the sidecar counts some of them.
    pub(crate) fn are_shared(&self) -> bool {
        self.0.iter().any(|quota| quota.shared)
    }

    /// What a message counts for, in the order of the configuration. Nothing is reserved yet.
    pub(crate) fn charge<N: AsRef<str>>(&self, message: &Counted<'_, '_, N>) -> Charge {
        let mut parts = Vec::new();
        for quota in self.0.iter().filter(|quota| quota.counts(message)) {
            let amount = match &quota.amount {
                _ if message.names.len() > MAX_NAMES => None,
                Some(sum) => sum.of(message.arguments, limit::PLACES),
                None => Some(limit::UNITS),
            };
            for key in quota.keys(message) {
                let (quota, shared) = (Arc::clone(quota), quota.shared);
                parts.push(Part { quota, key, amount, held: None, shared, renew_us: None });
            }
        }
        Charge(parts)
    }
}

impl Charge {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True while something is reserved and not settled.
    pub(crate) fn is_held(&self) -> bool {
        self.0.iter().any(|part| part.held.is_some() || part.renew_us.is_some())
    }

    /// The rules `quota:ID` of all quotas it counts for.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().map(|part| &part.quota.rule)
    }

    /// Reserves it in all quotas, or in none. The answer holds what quotas in shadow mode would have refused.
    ///
    /// # Errors
    /// A quota is used up, or cannot be asked.
    pub(crate) fn reserve(&mut self, store: &dyn Store, now_us: u64) -> Result<Vec<Refused>, Refused> {
        let mut shadows = Vec::new();
        let mut refused = None;
        for part in &mut self.0 {
            match part.reserve(store, now_us) {
                Ok(()) => {}
                Err(refusal) if part.quota.shadow => shadows.push(refusal),
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        match refused {
            None => Ok(shadows),
            Some(refused) => {
                self.settle(store, now_us, End::Failed);
                Err(refused)
            }
        }
    }

    /// Ends what is reserved here, and names the rules of the quotas that got their share back.
    pub(crate) fn settle(&mut self, store: &dyn Store, now_us: u64, end: End) -> Vec<Arc<str>> {
        let mut returned = Vec::new();
        for part in &mut self.0 {
            let Some(held) = part.held else { continue };
            let keep = part.keeps(end);
            if part.change(store, now_us, |counter| counter.settle(held, keep)).is_ok() {
                part.held = None;
                if !keep {
                    returned.push(Arc::clone(&part.quota.rule));
                }
            }
        }
        returned
    }

    /// Tells that the message is still under way: leases that are half over begin anew.
    pub(crate) fn renew(&mut self, store: &dyn Store, now_us: u64) {
        for part in &mut self.0 {
            let Some(held) = part.held else { continue };
            if held.until_us.saturating_sub(now_us) > part.quota.terms.lease_us / 2 {
                continue;
            }
            if let Ok(renewed) = part.change(store, now_us, |counter| counter.renew(held)) {
                part.held = Some(renewed);
            }
        }
    }

    // === what the sidecar counts ===

    /// What the sidecar has to count, and whether it may refuse the message for it; `None`: nothing.
    pub(crate) fn asks(&self) -> Option<bool> {
        let mut shared = self.countable().map(|part| !part.quota.shadow).peekable();
        shared.peek()?;
        Some(shared.any(|enforced| enforced))
    }

    /// The first quota that the sidecar counts.
    pub(crate) fn asking(&self) -> Option<&Arc<str>> {
        self.shared().next().map(|part| &part.quota.rule)
    }

    /// What the sidecar is to reserve.
    ///
    /// # Errors
    /// It cannot be said how much.
    pub(crate) fn demands(&self) -> Result<Vec<Demand>, Refused> {
        let demand = |part: &Part| {
            let Some(amount) = part.amount else { return Err(part.refused(UNCOUNTABLE, None)) };
            let Terms { algorithm, limit, window_us, burst, lease_us } = part.quota.terms;
            let (shadow, common) = (part.quota.shadow, part.quota.is_common());
            let key = blake3::hash(&part.key).as_bytes().to_vec();
            Ok(Demand { key, amount, algorithm, limit, window_us, burst, lease_us, shadow, common })
        };
        self.countable().map(demand).collect()
    }

    /// The sidecar has reserved its share. Names the quotas that would have refused the message.
    pub(crate) fn granted(&mut self, reserved: &Reserved, now_us: u64) -> Vec<Refused> {
        let shadows = reserved.refusals.iter().filter_map(|refusal| self.refusal(refusal)).collect();
        for part in self.0.iter_mut().filter(|part| part.shared) {
            part.renew_us = Some(now_us.saturating_add(part.quota.terms.lease_us / 2));
        }
        shadows
    }

    /// Why the sidecar refuses the message.
    pub(crate) fn denied(&self, reserved: &Reserved) -> Option<Refused> {
        let enforced =
            |refused: &Refused| self.shared().any(|part| !part.quota.shadow && part.quota.rule == refused.rule);
        let mut refusals = reserved.refusals.iter().filter_map(|refusal| self.refusal(refusal));
        refusals.rfind(enforced).or_else(|| self.uncounted())
    }

    /// That the sidecar does not say whether the message fits.
    pub(crate) fn uncounted(&self) -> Option<Refused> {
        self.shared().find(|part| !part.quota.shadow).map(|part| part.refused(GONE, None))
    }

    /// The message goes on although the sidecar has not counted it.
    pub(crate) fn waive(&mut self) {
        self.0.retain(|part| !part.shared);
    }

    /// What the sidecar would have counted is counted here: there is none.
    pub(crate) fn count_here(&mut self) {
        self.0.iter_mut().for_each(|part| part.shared = false);
    }

    /// How it ended, for the sidecar, with the rules of the quotas that get their share back. `admit` is what it was reserved
    /// under. `None`: the sidecar has reserved nothing.
    pub(crate) fn settle_shared(&mut self, admit: &str, tenant: &str, end: End) -> Option<(Settlement, Vec<Arc<str>>)> {
        self.0.iter().find(|part| part.renew_us.is_some())?;
        let mut returned = Vec::new();
        let settlement = self.give_back(admit, tenant)?;
        let mut index = 0..;
        let settlement = Settlement {
            returned: self
                .countable()
                .filter_map(|part| {
                    let index = index.next()?;
                    (!part.keeps(end)).then(|| returned.push(Arc::clone(&part.quota.rule))).map(|()| index)
                })
                .collect(),
            ..settlement
        };
        self.0.iter_mut().for_each(|part| part.renew_us = None);
        Some((settlement, returned))
    }

    /// That the call is not made, for the sidecar, whatever it may have reserved meanwhile. `None`: it was not asked to.
    pub(crate) fn give_back(&self, admit: &str, tenant: &str) -> Option<Settlement> {
        let count = self.countable().count();
        let common = self.shared().any(|part| part.quota.is_common());
        let (admit, tenant) = (admit.to_owned(), tenant.to_owned());
        let returned: Vec<u32> = (0..).take(count).collect();
        let id = format!("{admit}-q");
        (count > 0).then_some(Settlement { id, admit, tenant, returned, renew: false, common })
    }

    /// That the message is still under way, for the sidecar, where half of a lease is over.
    pub(crate) fn renew_shared(&mut self, admit: &str, tenant: &str, now_us: u64) -> Option<Settlement> {
        self.0.iter().find(|part| part.renew_us.is_some_and(|renew_us| renew_us <= now_us))?;
        for part in self.0.iter_mut().filter(|part| part.renew_us.is_some()) {
            part.renew_us = Some(now_us.saturating_add(part.quota.terms.lease_us / 2));
        }
        let settlement = self.give_back(admit, tenant)?;
        Some(Settlement { id: format!("{admit}-q{now_us:x}"), returned: Vec::new(), renew: true, ..settlement })
    }

    fn shared(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().filter(|part| part.shared)
    }

    /// What the sidecar is told of, by number: what only counts, and cannot, is left out.
    fn countable(&self) -> impl Iterator<Item = &Part> {
        self.shared().filter(|part| part.amount.is_some() || !part.quota.shadow)
    }

    fn refusal(&self, refusal: &Refusal) -> Option<Refused> {
        let mut numbered = self.countable().zip(0..);
        numbered.find(|(_, index)| *index == refusal.index).map(|(part, _)| part.used_up(refusal.why))
    }
}

impl Part {
    fn reserve(&mut self, store: &dyn Store, now_us: u64) -> Result<(), Refused> {
        let Some(amount) = self.amount else {
            return Err(self.refused(UNCOUNTABLE, None));
        };
        if self.shared {
            // Nobody may have forgotten to ask.
            return if self.renew_us.is_some() { Ok(()) } else { Err(self.used_up(Why::Unavailable)) };
        }
        let why = match self.change(store, now_us, |counter| counter.reserve(amount)) {
            Ok(Ok(held)) => {
                self.held = Some(held);
                return Ok(());
            }
            Ok(Err(UsedUp::For(wait_us))) => Why::For(wait_us),
            Ok(Err(UsedUp::Forever)) => Why::Forever,
            Err(Unavailable) => Why::Unavailable,
        };
        Err(self.used_up(why))
    }

    fn used_up(&self, why: Why) -> Refused {
        match why {
            Why::For(wait_us) => {
                let wait = format!("Try again in {}.", spelled(wait_us.div_ceil(1_000_000)));
                self.refused(&wait, Some(wait_us))
            }
            Why::Forever => self.refused("This call alone is more than the limit.", None),
            Why::Unavailable => self.refused(GONE, None),
        }
    }

    /// Whether the share of a call that ended so counts.
    fn keeps(&self, end: End) -> bool {
        match end {
            End::Done => true,
            End::ToolError => self.quota.on_tool_error == QuotaOnToolError::Keep,
            End::Failed => false,
        }
    }

    fn refused(&self, why: &str, retry_us: Option<u64>) -> Refused {
        let Quota { rule, reason, .. } = &*self.quota;
        Refused { rule: Arc::clone(rule), reason: format!("{reason} {why}"), retry_us }
    }

    /// Changes the counter in one step.
    fn change<R>(&self, store: &dyn Store, now_us: u64, with: impl FnMut(&mut Counter) -> R) -> Result<R, Unavailable> {
        change(store, self.quota.terms, &self.key, now_us, with)
    }
}

/// Changes a counter in one step.
fn change<R>(
    store: &dyn Store,
    terms: Terms,
    key: &[u8],
    now_us: u64,
    mut with: impl FnMut(&mut Counter) -> R,
) -> Result<R, Unavailable> {
    Table::new(store, COUNTERS).update(key, now_us, |bytes| {
        let Some(mut counter) = Counter::load(terms, bytes, now_us) else {
            return (Change::Keep, Err(Unavailable));
        };
        let before = counter.clone();
        let result = with(&mut counter);
        let change = match counter.encode() {
            // A refusal writes nothing: what is used up is asked often.
            _ if counter == before => Change::Keep,
            Some((bytes, forget_us)) => Change::Set(bytes, forget_us),
            None => Change::Remove,
        };
        (change, Ok(result))
    })?
}

impl Quota {
    /// True where the callers of all tenants count together.
    fn is_common(&self) -> bool {
        let of_a_tenant = [QuotaPer::Principal, QuotaPer::Tenant, QuotaPer::Session];
        !self.per.iter().any(|per| of_a_tenant.contains(per))
    }

    fn counts<N: AsRef<str>>(&self, message: &Counted<'_, '_, N>) -> bool {
        let Counted { principal, server, method, capability, names, arguments, ref moment, .. } = *message;
        let uses = !matches!(capability, Capability::Protocol | Capability::List | Capability::Task);
        (uses || self.everything)
            && self.selector.fits_at(principal, server, method, capability, names, arguments, moment)
    }

    /// The counters that a message counts in: one for each of its names where tools are counted apart.
    fn keys<N: AsRef<str>>(&self, message: &Counted<'_, '_, N>) -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> = match message.names {
            names @ [_, _, ..] if self.per.contains(&QuotaPer::Tool) => {
                names.iter().take(MAX_NAMES).map(|name| self.key(message, Some(name.as_ref()))).collect()
            }
            names => vec![self.key(message, names.first().map(AsRef::as_ref))],
        };
        keys.arrange();
        keys.dedup();
        keys
    }

    fn key<N>(&self, message: &Counted<'_, '_, N>, name: Option<&str>) -> Vec<u8> {
        let Terms { algorithm, window_us, .. } = self.terms;
        let mut key = Key::default();
        key.part(self.rule.as_bytes());
        // Another measure is another count; another limit goes on with the same.
        key.part(&[algorithm as u8, self.amount.is_some().into()]);
        key.part(&window_us.to_le_bytes());
        for per in &self.per {
            key.part(&[*per as u8]);
            let principal = message.principal;
            match per {
                QuotaPer::Principal => {
                    key.optional(principal.tenant.as_deref());
                    key.part(principal.kind.map_or("", |kind| kind.as_str()).as_bytes());
                    key.part(principal.id.as_bytes());
                }
                QuotaPer::Agent => key.optional(principal.agent.as_deref()),
                QuotaPer::Tenant => key.optional(principal.tenant.as_deref()),
                QuotaPer::Server => key.part(message.server.as_bytes()),
                QuotaPer::Tool => {
                    key.part(message.server.as_bytes());
                    key.part(message.capability.as_str().as_bytes());
                    key.optional(name);
                }
                QuotaPer::Session => key.part(message.session),
            }
        }
        key.0
    }
}

/// Parts one after the other, each behind its length: no two lists of parts are the same bytes.
#[derive(Default)]
struct Key(Vec<u8>);

impl Key {
    fn part(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.part(&[text.is_some().into()]);
        self.part(text.unwrap_or_default().as_bytes());
    }
}

/// A time for people.
fn spelled(seconds: u64) -> String {
    match seconds {
        0..=1 => "1 second".to_owned(),
        2..=119 => format!("{seconds} seconds"),
        120..=7199 => format!("{} minutes ({seconds} seconds)", seconds.div_ceil(60)),
        _ => format!("{} hours ({seconds} seconds)", seconds.div_ceil(3600)),
    }
}

/// Said of a call whose amount cannot be read.
const UNCOUNTABLE: &str = "What is counted is missing, negative or no number.";
/// Most names of one message that are counted.
const MAX_NAMES: usize = 64;
/// Said where a counter cannot be read or written.
const GONE: &str = "The count is not available.";
/// Where the counters are kept.
const COUNTERS: &str = "quota";

#[cfg(test)]
mod tests;
