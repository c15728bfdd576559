//! Labels that callers carry from one Envoy to the next: told by the filters, and asked for before a call goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::flow::{self, Bearer, Gain, Known};
use portcullis_engine::state::{self, Unavailable};
use tonic::Status;

use super::Shared;
use super::grpc::apart;
use crate::audit;
use crate::proto::{FlowAsk, FlowBearer, FlowGain, FlowKnown, Rejected};
use crate::state::Shared as State;
use crate::store::{StoreError, Tenant};

/// What the caller of a call carries; `None` where that is not known.
pub(super) async fn known(shared: &Shared, tenant: &Tenant, ask: FlowAsk) -> Result<Option<FlowKnown>, Status> {
    let bearer = ask.bearer.map(read).filter(Bearer::is_sound);
    let bearer = bearer.ok_or_else(|| Status::invalid_argument("who carries labels is not as the contract has it"))?;
    let (state, tenant) = (State::Store(Arc::clone(&shared.store)), tenant.clone());
    let counted = ask.counted && bearer.decay_calls > 0;
    let look = move || {
        let work = move |store: &dyn state::Store, now| flow::carried(store, &bearer, counted, now);
        if counted { state.change(&tenant, work) } else { state.look(&tenant, work) }
    };
    let known = apart(look).await?;
    Ok(known.ok().and_then(Result::ok).map(|Known { carried, session }| FlowKnown { carried, session }))
}

/// Takes up what callers gained: the ids of what is kept now, those of what never will be, and why others are not yet.
pub(super) async fn gain(
    shared: &Shared,
    gains: Vec<FlowGain>,
) -> Result<(Vec<String>, Vec<Rejected>, Option<StoreError>), Status> {
    let (mut tenants, mut rejected) = (BTreeMap::new(), Vec::new());
    for gain in gains {
        let id = gain.id.clone();
        let sound =
            Tenant::new(&gain.tenant).zip(gained(gain).filter(|gain| audit::is_id(&gain.id) && gain.is_sound()));
        match sound {
            Some((tenant, gain)) => tenants.entry(tenant).or_insert_with(Vec::new).push(gain),
            None => rejected.push(Rejected { id, reason: "the gain is not as the contract has it".into() }),
        }
    }
    let state = State::Store(Arc::clone(&shared.store));
    let work = move || {
        let (mut accepted, mut failed) = (Vec::new(), None);
        for (tenant, gains) in tenants {
            let work = move |store: &dyn state::Store, now| -> Vec<(String, Result<(), Unavailable>)> {
                gains.iter().map(|gain| (gain.id.clone(), flow::gain(store, gain, now))).collect()
            };
            match state.change(&tenant, work) {
                Ok(done) => accepted.extend(done),
                Err(error) => failed = Some(error),
            }
        }
        (accepted, failed)
    };
    let (done, failed) = apart(work).await?;
    let mut accepted = Vec::new();
    for (id, done) in done {
        match done {
            Ok(()) => accepted.push(id),
            // It would be no other the next time. What is not of the engine's form makes who asks for it be refused.
            Err(Unavailable) => rejected.push(Rejected { id, reason: "more labels than can be kept".into() }),
        }
    }
    Ok((accepted, rejected, failed))
}

fn gained(gain: FlowGain) -> Option<Gain> {
    let FlowGain { id, tenant, bearer, labels, prints, began, ended } = gain;
    Some(Gain { id, tenant, bearer: read(bearer?), labels, prints: Gain::read_prints(&prints)?, began, ended })
}

fn read(bearer: FlowBearer) -> Bearer {
    let FlowBearer { session, caller, decay_us, decay_calls } = bearer;
    Bearer { session, caller, decay_us, decay_calls }
}
