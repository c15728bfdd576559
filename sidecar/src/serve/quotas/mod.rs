//! Quotas that several Envoys share: what a call counts for is reserved before it goes on, and settled when its end is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::config::QuotaAlgorithm as Algorithm;
use portcullis_engine::quota::{self, Demand, Refusal, Reserved, Why};
use portcullis_engine::state::{self, Unavailable};
use tonic::Status;

use super::Shared;
use super::admit::answer;
use super::grpc::{apart, unavailable};
use crate::audit;
use crate::proto::{
    AdmitRequest, AdmitResponse, QuotaAlgorithm, QuotaAnswer, QuotaDemand, QuotaRefusal, QuotaSettlement, Rejected,
    Verdict, quota_refusal,
};
use crate::state::Shared as State;
use crate::store::{StoreError, Tenant};

/// What a call counts for.
pub(super) struct Wanted(Arc<Call>);

struct Call {
    /// The Admit's id.
    id: String,
    /// In whose counters: the tenant's own and, behind them, those of all tenants.
    scopes: Vec<(Tenant, Demands)>,
    /// Some of it may refuse the call.
    enforced: bool,
}

/// Demands with their numbers within the call.
type Demands = Vec<(u32, Demand)>;
/// Reserves those of one scope.
type Reserving = Box<dyn Fn(&dyn state::Store, u64) -> Reserved + Send>;
/// What became of settlements: the ids of those that count now, those that never will, and why others do not yet.
type Settled = (Vec<String>, Vec<Rejected>, Option<StoreError>);

impl Wanted {
    /// `None`: it counts for nothing.
    pub(super) fn of(request: &mut AdmitRequest, tenant: &Tenant) -> Result<Option<Self>, Status> {
        let demands = std::mem::take(&mut request.demands);
        if demands.is_empty() {
            return Ok(None);
        }
        if demands.len() > MAX_DEMANDS || request.id.is_empty() || request.id.len() > MAX_ID {
            return Err(Status::invalid_argument(
                "demands take an id of the call of 1 to 128 bytes, and are at most 1024",
            ));
        }
        let (mut own, mut common) = (Vec::new(), Vec::new());
        for (number, demand) in (0..).zip(demands) {
            let all = demand.common && tenant.as_str() != Tenant::DEFAULT;
            let demand =
                read(demand).ok_or_else(|| Status::invalid_argument("a demand is not as the contract has it"))?;
            if all { &mut common } else { &mut own }.push((number, demand));
        }
        let enforced = own.iter().chain(&common).any(|(_, demand)| !demand.shadow);
        let everybody = Tenant::new(Tenant::DEFAULT).ok_or_else(|| Status::internal("no default tenant"))?;
        let mut scopes = vec![(tenant.clone(), own), (everybody, common)];
        scopes.retain(|(_, demands)| !demands.is_empty());
        Ok(Some(Self(Arc::new(Call { id: request.id.clone(), scopes, enforced }))))
    }

    /// The refusal of a call that would not fit now. Nothing is reserved.
    pub(super) async fn look(&self, shared: &Shared) -> Result<Option<AdmitResponse>, Status> {
        let (state, call) = (shared.state.clone(), Arc::clone(&self.0));
        let reserved = self.heard(apart(move || call.each(|tenant, work| state.look(tenant, work))).await?)?;
        Ok((!reserved.held && self.0.enforced).then(|| refused(reserved)))
    }

    /// Reserves what the call counts for. Where it does not fit, the answer becomes a refusal.
    pub(super) async fn reserve(&self, shared: &Shared, admitted: AdmitResponse) -> Result<AdmitResponse, Status> {
        let (state, call) = (shared.state.clone(), Arc::clone(&self.0));
        let reserved = apart(move || {
            let reserved = call.each(|tenant, work| state.change(tenant, work));
            if call.scopes.len() > 1 && !reserved.as_ref().is_ok_and(|reserved| reserved.held) {
                // An earlier scope may hold something. What cannot be given back ends with its lease.
                let _ = call.give_back(&state);
            }
            reserved
        });
        let reserved = self.heard(reserved.await?)?;
        if !reserved.held && self.0.enforced {
            let AdmitResponse { approval_id, mfa, .. } = admitted;
            return Ok(AdmitResponse { approval_id, mfa, ..refused(reserved) });
        }
        Ok(AdmitResponse { quotas: Some(written(reserved)), ..admitted })
    }

    /// Where the count cannot be had, nobody knows what is reserved: that is no answer, so that the filter takes back whatever
    /// it is. What never refuses goes on.
    fn heard(&self, reserved: Result<Reserved, StoreError>) -> Result<Reserved, Status> {
        match reserved {
            Err(error) if self.0.enforced => Err(unavailable(&error)),
            reserved => Ok(reserved.unwrap_or_default()),
        }
    }

    /// The call does not go on after all.
    pub(super) async fn give_back(&self, shared: &Shared) -> Result<(), Status> {
        let (state, call) = (shared.state.clone(), Arc::clone(&self.0));
        // What cannot be given back ends with its lease.
        apart(move || drop(call.give_back(&state))).await
    }
}

impl Call {
    /// Reserves in one scope after the other, until one refuses.
    fn each(
        self: &Arc<Self>,
        within: impl Fn(&Tenant, Reserving) -> Result<Reserved, StoreError>,
    ) -> Result<Reserved, StoreError> {
        let mut all = Reserved { held: true, refusals: Vec::new() };
        for (number, (tenant, _)) in self.scopes.iter().enumerate() {
            let call = Arc::clone(self);
            let work = move |store: &dyn state::Store, now: u64| {
                let demands = call.scopes.get(number).map(|(_, demands)| demands.as_slice()).unwrap_or_default();
                let demands: Vec<_> = demands.iter().map(|(number, demand)| (*number, demand)).collect();
                quota::reserve(store, &call.id, &demands, now)
            };
            let reserved = within(tenant, Box::new(work))?;
            all.refusals.extend(reserved.refusals);
            if !reserved.held {
                all.held = false;
                break;
            }
        }
        Ok(all)
    }

    fn give_back(&self, state: &State) -> Result<(), StoreError> {
        for (tenant, demands) in &self.scopes {
            let (id, all) = (self.id.clone(), demands.iter().map(|(number, _)| *number).collect::<Vec<_>>());
            let _ = state.change(tenant, move |store, now| quota::settle(store, &id, &all, now))?;
        }
        Ok(())
    }
}

/// Settles calls.
pub(super) async fn settle(shared: &Shared, settlements: Vec<QuotaSettlement>) -> Result<Settled, Status> {
    let (mut scopes, mut ids, mut rejected) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for settlement in settlements {
        let tenant = Tenant::new(&settlement.tenant).filter(|_| audit::is_id(&settlement.id));
        let Some(tenant) = tenant.filter(|_| (1..=MAX_ID).contains(&settlement.admit.len())) else {
            rejected
                .push(Rejected { id: settlement.id, reason: "the settlement is not as the contract has it".into() });
            continue;
        };
        let default = Tenant::new(Tenant::DEFAULT).filter(|default| settlement.common && *default != tenant);
        let settlement = Arc::new(settlement);
        for scope in std::iter::once(tenant).chain(default) {
            *ids.entry(settlement.id.clone()).or_insert(0) += 1;
            scopes.entry(scope).or_insert_with(Vec::new).push(Arc::clone(&settlement));
        }
    }
    let state = shared.state.clone();
    let (left, spoilt, failed) = apart(move || {
        let (mut failed, mut spoilt) = (None, Vec::new());
        for (tenant, settlements) in scopes {
            let work = move |store: &dyn state::Store, now| -> Vec<(String, Result<(), Unavailable>)> {
                let one = |settlement: &Arc<QuotaSettlement>| {
                    let QuotaSettlement { id, admit, returned, renew, .. } = &**settlement;
                    let done = match renew {
                        true => quota::renew(store, admit, now),
                        false => quota::settle(store, admit, returned, now),
                    };
                    (id.clone(), done)
                };
                settlements.iter().map(one).collect()
            };
            match state.change(&tenant, work) {
                Ok(done) => {
                    for (id, done) in done {
                        match done {
                            Ok(()) => drop(ids.entry(id).and_modify(|left| *left -= 1)),
                            Err(Unavailable) => spoilt.push(id),
                        }
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        (ids, spoilt, failed)
    })
    .await?;
    // It would be no other the next time; what is held ends with its lease.
    let lost = |id| Rejected { id, reason: "the counter has not the form that it was written in".into() };
    rejected.extend(spoilt.into_iter().map(lost));
    Ok((left.into_iter().filter(|(_, left)| *left == 0).map(|(id, _)| id).collect(), rejected, failed))
}

fn read(demand: QuotaDemand) -> Option<Demand> {
    let algorithm = match demand.algorithm() {
        QuotaAlgorithm::SlidingWindow => Algorithm::SlidingWindow,
        QuotaAlgorithm::FixedWindow => Algorithm::FixedWindow,
        QuotaAlgorithm::TokenBucket => Algorithm::TokenBucket,
        QuotaAlgorithm::Unspecified => return None,
    };
    let QuotaDemand { key, amount, limit, window_us, burst, lease_us, shadow, common, .. } = demand;
    let fits = key.len() == KEY_BYTES && limit > 0 && (1..=MAX_TIME_US).contains(&window_us) && lease_us <= MAX_TIME_US;
    fits.then_some(Demand { key, amount, algorithm, limit, window_us, burst, lease_us, shadow, common })
}

fn refused(reserved: Reserved) -> AdmitResponse {
    AdmitResponse {
        quotas: Some(written(reserved)),
        ..answer(Verdict::OverQuota, "", "a quota does not let it through")
    }
}

fn written(reserved: Reserved) -> QuotaAnswer {
    let refusal = |Refusal { index, why }: Refusal| {
        let (why, retry_us) = match why {
            Why::Unavailable => (quota_refusal::Why::Unspecified, 0),
            Why::For(retry_us) => (quota_refusal::Why::UsedUp, retry_us),
            Why::Forever => (quota_refusal::Why::TooMuch, 0),
        };
        QuotaRefusal { index, why: why.into(), retry_us }
    };
    QuotaAnswer { held: reserved.held, refusals: reserved.refusals.into_iter().map(refusal).collect() }
}

/// As `proto/` has them.
const MAX_DEMANDS: usize = 1024;
const KEY_BYTES: usize = 32;
const MAX_ID: usize = 128;
/// Longest window and lease: 31 days.
const MAX_TIME_US: u64 = 31 * 86_400_000_000;

#[cfg(test)]
mod tests;
