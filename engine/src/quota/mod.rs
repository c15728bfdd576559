//! Quotas: how many calls, or how much of something, in how much time.
//!
//! What a call counts for is a [`Charge`]. It is reserved when the call is about to go on, in all
//! quotas or in none, and settled when its end is known: kept, or rolled back where the server failed.
//! A call whose end nobody sees, because the filter crashed, gives its share back when its lease ends.
//!
//! Counters live in a [`Table`], so they are exact wherever its store is: each step is one
//! compare-and-swap of one counter. Where the table cannot say, calls are refused.

mod bucket;
mod compile;
mod counter;
mod encode;
mod limit;
mod window;

use std::sync::Arc;

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
                parts.push(Part { quota: Arc::clone(quota), key, amount, held: None });
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
        self.0.iter().any(|part| part.held.is_some())
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

    /// Ends it, and names the rules of the quotas that got their share back.
    pub(crate) fn settle(&mut self, store: &dyn Store, now_us: u64, end: End) -> Vec<Arc<str>> {
        let mut returned = Vec::new();
        for part in &mut self.0 {
            let Some(held) = part.held else { continue };
            let keep = match end {
                End::Done => true,
                End::ToolError => part.quota.on_tool_error == QuotaOnToolError::Keep,
                End::Failed => false,
            };
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
}

impl Part {
    fn reserve(&mut self, store: &dyn Store, now_us: u64) -> Result<(), Refused> {
        let Some(amount) = self.amount else {
            return Err(self.refused(UNCOUNTABLE, None));
        };
        match self.change(store, now_us, |counter| counter.reserve(amount)) {
            Ok(Ok(held)) => {
                self.held = Some(held);
                Ok(())
            }
            Ok(Err(UsedUp::For(wait_us))) => {
                let wait = format!("Try again in {}.", spelled(wait_us.div_ceil(1_000_000)));
                Err(self.refused(&wait, Some(wait_us)))
            }
            Ok(Err(UsedUp::Forever)) => Err(self.refused("This call alone is more than the limit.", None)),
            Err(Unavailable) => Err(self.refused("The count is not available.", None)),
        }
    }

    fn refused(&self, why: &str, retry_us: Option<u64>) -> Refused {
        let Quota { rule, reason, .. } = &*self.quota;
        Refused { rule: Arc::clone(rule), reason: format!("{reason} {why}"), retry_us }
    }

    /// Changes the counter in one step.
    fn change<R>(
        &self,
        store: &dyn Store,
        now_us: u64,
        mut change: impl FnMut(&mut Counter) -> R,
    ) -> Result<R, Unavailable> {
        Table::new(store, SPACE).update(&self.key, now_us, |bytes| {
            let Some(mut counter) = Counter::load(self.quota.terms, bytes, now_us) else {
                return (Change::Keep, Err(Unavailable));
            };
            let before = counter.clone();
            let result = change(&mut counter);
            let change = match counter.encode() {
                // A refusal writes nothing: what is used up is asked often.
                _ if counter == before => Change::Keep,
                Some((bytes, forget_us)) => Change::Set(bytes, forget_us),
                None => Change::Remove,
            };
            (change, Ok(result))
        })?
    }
}

impl Quota {
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
/// Where the counters are kept.
const SPACE: &str = "quota";

#[cfg(test)]
mod tests;
