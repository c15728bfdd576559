//! May a call go on: the intent row on disk, an approval where one is needed, held open while people decide, and the
//! credential of its server.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::json::{Document, Limits};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::grpc::{Batch, unavailable};
use super::{Shared, credential, ended};
use crate::approvals::{Answer, Ask};
use crate::clock;
use crate::proto::{AdmitRequest, AdmitResponse, ApprovalNeed, Verdict};
use crate::store::{Admitted, NewRecord, Scope, StoreError, Tenant};

/// Answers one Admit. Dropped when the client is gone: what is pending stays, and nothing is used that was not answered
/// or about to be.
pub(super) async fn admit(shared: &Arc<Shared>, request: AdmitRequest) -> Result<AdmitResponse, Status> {
    let tenant = Tenant::new(&request.tenant).ok_or_else(|| invalid("the tenant has no valid name"))?;
    let mut request = request;
    let need = request.credential.take();
    let credential = credential::Wanted::of(&request);
    // Nobody is asked about a call that cannot be made for want of a credential.
    if let Some(need) = need.filter(|_| request.approval.is_some())
        && let Err(refused) = credential::find(shared, &tenant, &credential, need).await?
    {
        return Ok(refused);
    }
    let admitted = decide(shared, &tenant, request).await?;
    match need {
        // Asked for again: people may have taken their time.
        Some(need) if admitted.verdict() == Verdict::Allow => {
            credential::add(shared, &tenant, &credential, need, admitted).await
        }
        _ => Ok(admitted),
    }
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
    match request.approval.take() {
        None => {
            if let Some(intent) = intent {
                on_disk(shared, tenant, intent).await?;
            }
            Ok(answer(Verdict::Allow, "", ""))
        }
        Some(need) => hold(shared, tenant.clone(), request, need, intent).await,
    }
}

async fn on_disk(shared: &Arc<Shared>, tenant: &Tenant, intent: NewRecord) -> Result<(), Status> {
    run(shared, tenant, move |scope| scope.append(vec![intent], clock::now()).map(drop)).await
}

/// Asks for an approval and waits, as long as the rule says.
async fn hold(
    shared: &Arc<Shared>,
    tenant: Tenant,
    request: AdmitRequest,
    need: ApprovalNeed,
    intent: Option<NewRecord>,
) -> Result<AdmitResponse, Status> {
    let began = Instant::now();
    let wait = Duration::from_millis(need.wait_ms.min(MAX_WAIT_MS).into());
    let expires_ms = if need.expires_ms == 0 { DEFAULT_EXPIRES_MS } else { need.expires_ms.min(MAX_EXPIRES_MS) };
    let id = request.id.clone();
    if id.is_empty() || id.len() > MAX_ID {
        return Err(invalid("an approval takes an id of the call of 1 to 128 bytes"));
    }
    let ask = ask(request, need)?;
    let admit = id.clone();
    let work = move |scope: &Scope| scope.admit(&admit, ask, u64::from(expires_ms) * 1000, intent, clock::now());
    let mut admitted = match run_raw(shared, &tenant, work).await? {
        Ok(admitted) => admitted,
        Err(StoreError::Full) => return Ok(answer(Verdict::Deny, "", "too many approvals are pending")),
        Err(error) => return Err(unavailable(&error)),
    };
    let deadline = began + wait;
    while admitted.answer == Answer::Pending {
        let approval = admitted.approval.id.clone();
        let mut ticket = shared.hub.wait(&tenant, &approval);
        // What was decided between the answer and the ticket nobody will tell.
        admitted = resume(shared, &tenant, &approval, &id).await?;
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
        admitted = resume(shared, &tenant, &approval, &id).await?;
    }
    Ok(response(&admitted))
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
    let done = tokio::task::spawn_blocking(move || work(&scope)).await;
    done.map_err(|_| Status::unavailable("the request was given up"))
}

async fn run<T: Send + 'static>(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    work: impl FnOnce(&Scope) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Status> {
    run_raw(shared, tenant, work).await?.map_err(|error| unavailable(&error))
}

pub(super) fn answer(verdict: Verdict, approval_id: &str, reason: &str) -> AdmitResponse {
    AdmitResponse {
        verdict: verdict.into(),
        approval_id: approval_id.to_owned(),
        reason: reason.to_owned(),
        ..AdmitResponse::default()
    }
}

fn invalid(message: &'static str) -> Status {
    Status::invalid_argument(message)
}

/// As `proto/` has them.
const MAX_WAIT_MS: u32 = 300_000;
const MAX_EXPIRES_MS: u32 = 86_400_000;
const DEFAULT_EXPIRES_MS: u32 = 300_000;
const MAX_ID: usize = 128;
const MAX_TEXT: usize = 8 << 10;
const MAX_LIST: usize = 256;
const MAX_ARGUMENTS: usize = 1 << 20;
