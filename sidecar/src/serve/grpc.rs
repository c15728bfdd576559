//! `portcullis.v1` for the filter.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;
use sha2::{Digest, Sha256};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::tls::{Client, Connections};
use super::{Shared, admit, ended, flow, quotas};
use crate::audit::action::Action;
use crate::audit::{self, Refused};
use crate::failure::Failure;
use crate::proto::portcullis_server::{Portcullis, PortcullisServer};
use crate::proto::{
    AdmitRequest, AdmitResponse, AuditRecord, CONTRACT, RecordRequest, RecordResponse, Rejected, Verdict, WatchRequest,
    WatchResponse,
};
use crate::store::{NewRecord, StoreError, Tenant, Tx};
use crate::{caller_keys, catalogue, clock};

/// Serves until the sidecar ends.
pub(super) fn serve(
    connections: Connections,
    shared: Arc<Shared>,
    token: &str,
) -> impl Future<Output = Result<(), Failure>> + use<> {
    let expected: [u8; 32] = Sha256::digest(format!("Bearer {token}")).into();
    let counted = Arc::clone(&shared);
    // Compared as hashes: what the time of the comparison tells is about the hash of what was sent.
    let authenticate = move |request: Request<()>| {
        let sent = request.metadata().get("authorization").map(|value| Sha256::digest(value.as_bytes()).into());
        // Mutual TLS says who it is; a token that is sent all the same has to be right.
        let is_certified = request.extensions().get::<Client>().is_some_and(|client| client.is_certified);
        if sent == Some(expected) || (is_certified && sent.is_none()) {
            return Ok(request);
        }
        counted.metrics.unauthenticated.add(1);
        counted.attempts.note(Action::FilterRefused, "");
        Err(Status::unauthenticated("the filter's token is missing or wrong"))
    };
    async move {
        let ending = shared.ending.clone();
        let service = PortcullisServer::new(Service { shared }).max_decoding_message_size(MAX_MESSAGE);
        let service = tonic::service::interceptor::InterceptedService::new(service, authenticate);
        // Health is for load balancers, which have no token.
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<PortcullisServer<Service>>().await;
        Server::builder()
            // Held approvals are streams of one connection.
            .max_concurrent_streams(Some(MAX_STREAMS))
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .add_service(health_service)
            .add_service(service)
            .serve_with_incoming_shutdown(connections, ended(ending))
            .await
            .map_err(|error| Failure::new(format!("gRPC: {error}")))
    }
}

struct Service {
    shared: Arc<Shared>,
}

#[tonic::async_trait]
impl Portcullis for Service {
    async fn admit(&self, request: Request<AdmitRequest>) -> Result<Response<AdmitResponse>, Status> {
        let request = request.into_inner();
        speaks(request.contract)?;
        let answer = admit::admit(&self.shared, request).await?;
        let metrics = &self.shared.metrics;
        match answer.verdict() {
            Verdict::Allow => metrics.admits_allowed.add(1),
            Verdict::Pending => metrics.admits_pending.add(1),
            Verdict::Deny | Verdict::NoCredential | Verdict::OverQuota | Verdict::Unspecified => {
                metrics.admits_denied.add(1);
            }
        }
        Ok(Response::new(answer))
    }

    async fn record(&self, request: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        let request = request.into_inner();
        speaks(request.contract)?;
        let entries = request.records.len() + request.settlements.len() + request.gains.len();
        if entries > MAX_RECORDS || request.encoded_len() > MAX_BATCH {
            return Err(Status::invalid_argument("more than 1000 records or 4 MiB in one request"));
        }
        let mut response = RecordResponse::default();
        let mut failed = None;
        if !request.settlements.is_empty() {
            let settled = quotas::settle(&self.shared, request.settlements).await?;
            (response.accepted, response.rejected) = (settled.0, settled.1);
            failed = settled.2;
        }
        if !request.gains.is_empty() {
            let (accepted, rejected, error) = flow::gain(&self.shared, request.gains).await?;
            response.accepted.extend(accepted);
            response.rejected.extend(rejected);
            failed = failed.or(error);
        }
        if !request.records.is_empty() {
            let (appended, error) = self.append(Batch::of(request.records)).await?;
            response.accepted.extend(appended.accepted);
            response.rejected.extend(appended.rejected);
            failed = failed.or(error);
        }
        if let Some(error) = failed {
            self.shared.metrics.store_errors.add(1);
            if response.accepted.is_empty() {
                return Err(unavailable(&error));
            }
        }
        Ok(Response::new(response))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<WatchResponse>, Status> {
        let request = request.into_inner();
        speaks(request.contract)?;
        self.shared.watching.answer(&self.shared, request).await.map(Response::new)
    }
}

impl Service {
    /// Puts records on disk, each tenant's by itself: one chain that is broken keeps nobody else from recording.
    async fn append(&self, batch: Batch) -> Result<(RecordResponse, Option<StoreError>), Status> {
        let began = Instant::now();
        let store = Arc::clone(&self.shared.store);
        let Batch { tenants, rejected } = batch;
        let work = tokio::task::spawn_blocking(move || {
            let (mut accepted, mut failed) = (Vec::new(), None);
            let now = clock::now();
            for (tenant, records) in tenants {
                let ids: Vec<_> = records.iter().map(|record| record.id.clone()).collect();
                let kept = records.clone();
                let observe = move |tx: &mut dyn Tx| {
                    catalogue::observe(tx, &kept)?;
                    caller_keys::observe(tx, &kept)
                };
                match store.tenant(&tenant).append_and(records, now, observe) {
                    Ok(_) => accepted.extend(ids),
                    Err(error) => failed = Some(error),
                }
            }
            (accepted, failed)
        });
        let (accepted, failed) = work.await.map_err(|_| Status::internal("the request was given up"))?;
        let metrics = &self.shared.metrics;
        metrics.append.observe(began.elapsed());
        metrics.records_accepted.add(accepted.len());
        metrics.records_rejected.add(rejected.len());
        Ok((RecordResponse { accepted, rejected }, failed))
    }
}

/// Records by tenant, and those that cannot be taken.
pub(super) struct Batch {
    pub(super) tenants: BTreeMap<Tenant, Vec<NewRecord>>,
    pub(super) rejected: Vec<Rejected>,
}

impl Batch {
    pub(super) fn of(records: Vec<AuditRecord>) -> Self {
        let mut batch = Self { tenants: BTreeMap::new(), rejected: Vec::new() };
        for record in records {
            let tenant = Tenant::new(&record.tenant).ok_or(Refused::Tenant);
            let json = tenant.and_then(|tenant| Ok((tenant, audit::canonical(&record.id, &record.json)?)));
            match json {
                Ok((tenant, json)) => {
                    batch.tenants.entry(tenant).or_default().push(NewRecord { id: record.id, record: json });
                }
                Err(refused) => {
                    batch.rejected.push(Rejected { id: record.id, reason: refused.reason().to_owned() });
                }
            }
        }
        batch
    }
}

fn speaks(contract: u32) -> Result<(), Status> {
    if contract == CONTRACT {
        return Ok(());
    }
    Err(Status::failed_precondition(format!("this sidecar speaks version {CONTRACT} of the contract")))
}

/// Work that blocks, apart from the threads that answer.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::unavailable("the request was given up"))
}

/// What a filter may try again, and what it need not.
pub(super) fn unavailable(error: &StoreError) -> Status {
    match error {
        StoreError::Chain(_) => Status::failed_precondition(error.to_string()),
        StoreError::Database(_) | StoreError::Full | StoreError::ReadOnly | StoreError::Closed => {
            Status::unavailable(error.to_string())
        }
    }
}

/// As `proto/` has it.
const MAX_RECORDS: usize = 1000;
const MAX_BATCH: usize = 4 << 20;
/// What is decoded at all: a little more, so that what is too large is answered and not cut off.
const MAX_MESSAGE: usize = MAX_BATCH + (64 << 10);
/// Of one connection.
const MAX_STREAMS: u32 = 8192;
