//! May a call go on: the intent row on disk, an approval where one is needed, held open while people decide, its share of
//! quotas, and the credential of its server.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::json::{Document, Limits};
use portcullis_engine::sidecar::Stop;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use zeroize::Zeroizing;

use super::grpc::{Batch, apart, unavailable};
use super::{Shared, credential, ended, flow, quotas};
use crate::approvals::{Answer, Ask};
use crate::audit::hex;
use crate::mfa::Checked;
use crate::mfa::kept::{self, Holder, Refused};
use crate::proto::{AdmitRequest, AdmitResponse, ApprovalNeed, Mfa, MfaNeed, Verdict};
use crate::store::{Admission, Admitted, Outcome, Scope, Second, StoreError, Tenant};
use crate::{clock, secret_file, tokens};

/// Answers one Admit. Dropped when the client is gone: what is pending stays, and nothing is used that was not answered
/// or about to be.
pub(super) async fn admit(shared: &Arc<Shared>, mut request: AdmitRequest) -> Result<AdmitResponse, Status> {
    let tenant = Tenant::new(&request.tenant).ok_or_else(|| invalid("the tenant has no valid name"))?;
    // A kill switch is looked at before anything else, and again when everything else is settled.
    if let Some(stop) = shared.watching.stop(&request).await? {
        return Ok(stopped(&stop, ""));
    }
    let what = AdmitRequest {
        tenant: request.tenant.clone(),
        principal: request.principal.clone(),
        call: request.call.clone(),
        ..AdmitRequest::default()
    };
    let flow = request.flow.take();
    let quotas = quotas::Wanted::of(&mut request, &tenant)?;
    let mut answer = judge(shared, &tenant, request, &what, quotas.as_ref()).await?;
    if let Some(stop) = shared.watching.stop(&what).await? {
        if let Some(quotas) = quotas.filter(|_| answer.quotas.is_some()) {
            quotas.give_back(shared).await?;
        }
        answer = stopped(&stop, &answer.approval_id);
    }
    if let Some(ask) = flow {
        // Asked last: while people decided the caller may have read more.
        answer.flow = flow::known(shared, &tenant, ask).await?;
    }
    Ok(answer)
}

async fn judge(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    mut request: AdmitRequest,
    what: &AdmitRequest,
    quotas: Option<&quotas::Wanted>,
) -> Result<AdmitResponse, Status> {
    let need = request.credential.take();
    let credential = credential::Wanted::of(&request);
    // Nobody is asked about a call that would be refused. While people decide nothing is held: others may use it.
    if let Some(quotas) = quotas.filter(|_| request.approval.is_some() && request.mfa.is_none())
        && let Some(refused) = quotas.look(shared).await?
    {
        return Ok(refused);
    }
    // Nobody is asked about a call that cannot be made for want of a credential.
    if let Some(need) = need.filter(|_| request.approval.is_some() && request.mfa.is_none())
        && let Err(refused) = credential::find(shared, tenant, &credential, need).await?
    {
        return Ok(refused);
    }
    let mut admitted = tokio::select! {
        admitted = decide(shared, tenant, request) => admitted?,
        stop = shared.watching.stopped(what) => return Ok(stopped(&stop, "")),
    };
    if let Some(quotas) = quotas.filter(|_| admitted.verdict() == Verdict::Allow) {
        admitted = quotas.reserve(shared, admitted).await?;
    }
    let Some(need) = need.filter(|_| admitted.verdict() == Verdict::Allow) else { return Ok(admitted) };
    // Asked for again: people may have taken their time.
    let added = credential::add(shared, tenant, &credential, need, admitted).await;
    if let Some(quotas) = quotas.filter(|_| !added.as_ref().is_ok_and(|added| added.verdict() == Verdict::Allow)) {
        quotas.give_back(shared).await?;
    }
    added
}

/// Refused by a kill switch.
fn stopped(stop: &Stop, approval_id: &str) -> AdmitResponse {
    AdmitResponse { rule: stop.rule.to_string(), ..answer(Verdict::Deny, approval_id, &stop.reason) }
}

/// Whether the call may go on, whatever it takes for it.
async fn decide(shared: &Arc<Shared>, tenant: &Tenant, mut request: AdmitRequest) -> Result<AdmitResponse, Status> {
    let intent = match request.intent.take() {
        Some(mut intent) => {
            // The intent is this call's, whatever it says.
            intent.tenant = tenant.as_str().to_owned();
            let mut batch = Batch::of(vec![intent]);
            if let Some(rejected) = batch.rejected.first() {
                return Ok(answer(Verdict::Deny, "", &format!("no audit record can be kept: {}", rejected.reason)));
            }
            batch.tenants.remove(tenant).and_then(|mut records| records.pop())
        }
        None => None,
    };
    let began = Instant::now();
    let client = request.client.take().unwrap_or_default();
    let id = request.id.clone();
    let code = match request.mfa.take() {
        None => None,
        Some(need) => match second_factor(shared, tenant, &request, need).await? {
            Some(second) => Some(second),
            None => return Ok(refused_code(Checked::NotEnrolled)),
        },
    };
    let with_code = code.is_some();
    let need = request.approval.take();
    if (need.is_some() || with_code) && (id.is_empty() || id.len() > MAX_ID) {
        return Err(invalid("an approval or a code takes an id of the call of 1 to 128 bytes"));
    }
    let wait = Duration::from_millis(need.as_ref().map_or(0, |need| need.wait_ms).min(MAX_WAIT_MS).into());
    let ask = need.map(|need| Ok::<_, Status>((expires_us(&need), ask(request, need)?))).transpose()?;
    let admission = Admission {
        admit: id.clone(),
        code,
        intent,
        ask: ask.map(|(expires_in, ask)| (ask, expires_in)),
        returned: (!client.state.is_empty()).then(|| hex(&tokens::hash(&client.state))),
    };
    let outcome = run_raw(shared, tenant, move |scope| scope.admission(admission, clock::now())).await?;
    let mut response = match outcome {
        Ok(Outcome::Code(checked)) => return Ok(refused_code(checked)),
        Ok(Outcome::Stale) => answer(Verdict::Deny, "", STALE),
        Ok(Outcome::Free) => answer(Verdict::Allow, "", ""),
        Ok(Outcome::Asked(admitted)) => {
            let admitted = hold(shared, tenant, &id, *admitted, began + wait).await?;
            let mut response = response(&admitted);
            if admitted.answer == Answer::Pending {
                response.link = shared.places.approval(tenant, &admitted.approval.id);
                if client.retries {
                    response.state = give_state(shared, tenant, &admitted.approval.id, with_code).await?;
                }
            }
            response
        }
        Err(StoreError::Full) => answer(Verdict::Deny, "", "too many approvals are pending"),
        Err(error) => return Err(unavailable(&error)),
    };
    if with_code {
        response.mfa = Mfa::Verified.into();
    }
    Ok(response)
}

/// The code and whose it should be; `None` where nobody could have enrolled.
async fn second_factor(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    request: &AdmitRequest,
    need: MfaNeed,
) -> Result<Option<Second>, Status> {
    let code = Zeroizing::new(need.code);
    if !(6..=8).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("a one-time code has six to eight digits"));
    }
    let principal = request.principal.as_ref();
    let holder = principal.and_then(|principal| Holder::of_call(&principal.kind, &principal.id));
    let Some(holder) = holder else { return Ok(None) };
    let (of, within, shared) = (holder.clone(), tenant.clone(), Arc::clone(shared));
    let opening = move || kept::open(&shared.store, &shared.credentials, &within, &of);
    let opened = apart(opening).await?;
    let opened = opened.map_err(|refused| match refused {
        Refused::Store(error) => unavailable(&error),
        Refused::Keys(error) => Status::unavailable(error.to_string()),
        Refused::Missing | Refused::Exists | Refused::Code(_) => Status::unavailable("no authenticator can be read"),
    })?;
    let call = request.call.clone().unwrap_or_default();
    let details = json!({"rule": need.rule, "server": call.server, "tool": call.name,
        "correlation_id": call.correlation_id, "session": call.session});
    let details = details.as_object().cloned().unwrap_or_default();
    Ok(Some(Second { holder, opened, code, details }))
}

fn refused_code(checked: Checked) -> AdmitResponse {
    AdmitResponse { mfa: Mfa::Refused.into(), ..answer(Verdict::Deny, "", checked.reason()) }
}

/// A state for the client of a pending approval: random, and only its hash is kept. None where it is pending no more.
async fn give_state(shared: &Arc<Shared>, tenant: &Tenant, id: &str, mfa: bool) -> Result<String, Status> {
    let mut state = secret_file::random().map_err(|_| Status::unavailable("no random numbers"))?;
    state.truncate(STATE_DIGITS);
    let (id, hash) = (id.to_owned(), hex(&tokens::hash(&state)));
    let given = run(shared, tenant, move |scope| scope.give_state(&id, hash, mfa, clock::now())).await?;
    Ok(if given { state } else { String::new() })
}

/// Waits while people decide.
async fn hold(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    id: &str,
    mut admitted: Admitted,
    deadline: Instant,
) -> Result<Admitted, Status> {
    if admitted.answer == Answer::Pending {
        shared.deliver.wake(tenant);
    }
    while admitted.answer == Answer::Pending {
        let approval = admitted.approval.id.clone();
        let mut ticket = shared.hub.wait(tenant, &approval);
        // What was decided between the answer and the ticket nobody will tell.
        admitted = resume(shared, tenant, &approval, id).await?;
        if admitted.answer != Answer::Pending {
            break;
        }
        let left = Duration::from_micros(admitted.approval.expires.saturating_sub(clock::now()));
        let over = tokio::select! {
            () = ticket.told() => false,
            () = sleep_until(Instant::now() + left) => false,
            () = sleep_until(deadline) => true,
            () = ended(shared.ending.clone()) => return Err(Status::unavailable("the sidecar is ending")),
        };
        if over {
            break;
        }
        admitted = resume(shared, tenant, &approval, id).await?;
    }
    Ok(admitted)
}

fn expires_us(need: &ApprovalNeed) -> u64 {
    let expires_ms = if need.expires_ms == 0 { DEFAULT_EXPIRES_MS } else { need.expires_ms.min(MAX_EXPIRES_MS) };
    u64::from(expires_ms) * 1000
}

async fn resume(shared: &Arc<Shared>, tenant: &Tenant, approval: &str, admit: &str) -> Result<Admitted, Status> {
    let (approval, admit) = (approval.to_owned(), admit.to_owned());
    run(shared, tenant, move |scope| scope.resume(&approval, &admit, clock::now()))
        .await?
        .ok_or_else(|| Status::unavailable("the approval is gone"))
}

fn response(admitted: &Admitted) -> AdmitResponse {
    let approval = &admitted.approval;
    match admitted.answer {
        Answer::Allow => answer(Verdict::Allow, &approval.id, "approved"),
        Answer::Pending => answer(Verdict::Pending, &approval.id, "nobody has decided yet"),
        Answer::Denied => answer(Verdict::Deny, &approval.id, "a person refused it"),
        Answer::Expired => answer(Verdict::Deny, &approval.id, "nobody approved it in time"),
        Answer::UsedElsewhere => answer(Verdict::Deny, &approval.id, "the approval was used by another call"),
    }
}

fn ask(request: AdmitRequest, need: ApprovalNeed) -> Result<Ask, Status> {
    let principal = request.principal.unwrap_or_default();
    let call = request.call.ok_or_else(|| invalid("an approval takes a call"))?;
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash(&call.digest) || !is_hash(&request.policy_version) {
        return Err(invalid("an approval takes a digest and a policy version of 64 hexadecimal digits"));
    }
    let texts = [
        &principal.kind,
        &principal.id,
        &principal.agent,
        &call.server,
        &call.method,
        &call.capability,
        &call.name,
        &call.session,
        &call.correlation_id,
        &need.rule,
        &need.reason,
    ];
    let lists = need.findings.iter().chain(&need.approvers);
    if texts.into_iter().chain(lists).any(|text| text.len() > MAX_TEXT)
        || need.findings.len() > MAX_LIST
        || need.approvers.len() > MAX_LIST
    {
        return Err(invalid("a text is longer than 8 KiB, or a list than 256"));
    }
    Ok(Ask {
        principal_kind: principal.kind,
        principal: principal.id,
        agent: principal.agent,
        server: call.server,
        method: call.method,
        capability: call.capability,
        name: call.name,
        digest: call.digest,
        session: call.session,
        correlation_id: call.correlation_id,
        policy_version: request.policy_version,
        rule: need.rule,
        reason: need.reason,
        findings: need.findings,
        arguments: arguments(need.arguments)?,
        approvers: need.approvers,
        quorum: need.quorum.max(1),
    })
}

/// The redacted arguments, where there are any and they are JSON.
fn arguments(bytes: Vec<u8>) -> Result<Option<String>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let limits = Limits { max_bytes: MAX_ARGUMENTS, max_depth: 64 };
    if Document::parse(&bytes, &limits).is_err() {
        return Err(invalid("the arguments are no strict JSON of at most 1 MiB"));
    }
    Ok(String::from_utf8(bytes).ok())
}

/// Work on the store, which blocks, apart from the threads that answer.
async fn run_raw<T: Send + 'static>(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    work: impl FnOnce(&Scope) -> Result<T, StoreError> + Send + 'static,
) -> Result<Result<T, StoreError>, Status> {
    let scope = shared.store.tenant(tenant);
    apart(move || work(&scope)).await
}

async fn run<T: Send + 'static>(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    work: impl FnOnce(&Scope) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Status> {
    run_raw(shared, tenant, work).await?.map_err(|error| unavailable(&error))
}

pub(super) fn answer(verdict: Verdict, approval_id: &str, reason: &str) -> AdmitResponse {
    let (approval_id, reason) = (approval_id.to_owned(), reason.to_owned());
    AdmitResponse { verdict: verdict.into(), approval_id, reason, ..AdmitResponse::default() }
}

fn invalid(message: &'static str) -> Status {
    Status::invalid_argument(message)
}

/// What a client is told whose state does not count.
const STALE: &str = "the request state was used, is over, or is of another call; make the call again without it";
/// Hexadecimal digits of a state: 160 bits.
const STATE_DIGITS: usize = 40;
/// As `proto/` has them.
const MAX_WAIT_MS: u32 = 300_000;
const MAX_EXPIRES_MS: u32 = 86_400_000;
const DEFAULT_EXPIRES_MS: u32 = 300_000;
const MAX_ID: usize = 128;
const MAX_TEXT: usize = 8 << 10;
const MAX_LIST: usize = 256;
const MAX_ARGUMENTS: usize = 1 << 20;
