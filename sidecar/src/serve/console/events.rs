//! Tells browsers that the inbox has changed: server-sent events (WHATWG HTML section 9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::IntoResponse;
use http_body_util::channel::{Channel, Sender};
use tokio::time::Instant;

use super::approvals::fingerprint;
use super::{Shown, Visit, session};
use crate::clock;
use crate::serve::api::{Refusal, blocking};
use crate::serve::ended;

pub(super) async fn events(visit: Visit) -> Result<Shown, Refusal> {
    let permit = Arc::clone(&visit.shared.streams).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let (sender, body) = Channel::<Bytes, Infallible>::new(2);
    tokio::spawn(async move {
        let _permit = permit;
        tokio::select! {
            () = tell(&visit, sender) => {}
            () = ended(visit.shared.ending.clone()) => {}
        }
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok(Shown::Other((headers, Body::new(body)).into_response()))
}

/// Until the browser goes, or the session ends.
async fn tell(visit: &Visit, mut sender: Sender<Bytes, Infallible>) {
    let (mut known, mut said) = (None, Instant::now());
    loop {
        let scope = visit.shared.store.tenant(&visit.tenant);
        if let Ok(now) = blocking(move || fingerprint(&scope)).await {
            let first = known.is_none();
            if known.as_ref() != Some(&now) {
                known = Some(now);
                let event = if first { ": hello\n\n" } else { "event: approvals\ndata: changed\n\n" };
                if sender.send_data(event.into()).await.is_err() {
                    return;
                }
                said = Instant::now();
            }
        }
        if said.elapsed() > ALIVE {
            let (store, cookie) = (Arc::clone(&visit.shared.store), visit.cookie.clone());
            // Where the store does not answer nobody knows, and the browser asks again.
            let open = blocking(move || Ok(session::is_open(&store, &cookie, clock::now())?)).await;
            if !open.unwrap_or(false) || sender.send_data(": still here\n\n".into()).await.is_err() {
                return;
            }
            said = Instant::now();
        }
        tokio::time::sleep(STEP).await;
    }
}

/// How often it looks, and how often it says that it is there.
const STEP: Duration = Duration::from_secs(1);
const ALIVE: Duration = Duration::from_secs(15);
