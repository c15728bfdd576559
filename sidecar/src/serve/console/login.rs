//! Logging in and out, and the tenant that is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde_json::json;

use super::session::{self, LONGEST_US};
use super::{Peer, Sent, Shown, Visit, address, as_page, back_to, cookie_name, is_same_origin, layout};
use crate::audit::action::{Action, new_record};
use crate::serve::Shared;
use crate::serve::api::{Refusal, blocking};
use crate::store::Tenant;
use crate::{clock, tokens};

pub(super) async fn show(Query(query): Query<BTreeMap<String, String>>) -> Response {
    page(StatusCode::OK, query.get("next").map(String::as_str).unwrap_or_default(), "")
}

pub(super) async fn login(
    State(shared): State<Arc<Shared>>,
    peer: ConnectInfo<Peer>,
    headers: HeaderMap,
    Form(sent): Form<BTreeMap<String, String>>,
) -> Response {
    let next = sent.get("next").map(String::as_str).unwrap_or_default();
    let (now, from) = (clock::now(), address(peer));
    if !is_same_origin(&headers) {
        return page(StatusCode::FORBIDDEN, next, "The form was not of this site. Try again from here.");
    }
    if !shared.logins.may_try(from, now) {
        shared.attempts.note(Action::LoginLimited, &from.to_string());
        let words = "Too many attempts have failed. Wait a minute, then try again.";
        let mut response = page(StatusCode::TOO_MANY_REQUESTS, next, words);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        return response;
    }
    let hash = tokens::hash(sent.get("token").map(|token| token.trim()).unwrap_or_default());
    let store = Arc::clone(&shared.store);
    let found = match blocking(move || Ok(store.find_token(&hash)?)).await {
        Ok(found) => found,
        Err(refusal) => return page(refusal.status(), next, &refusal.detail()),
    };
    let Some(token) = found else {
        shared.metrics.unauthenticated.add(1);
        shared.logins.failed(from, now);
        let _ = record(&shared, "", Action::LoginFailed, "", json!({"address": from.to_string()})).await;
        return page(StatusCode::UNAUTHORIZED, next, "The token is unknown. It may have been revoked.");
    };
    let details = json!({"name": token.name, "address": from.to_string()});
    if let Err(refusal) = record(&shared, &token.tenant, Action::SessionStarted, &token.person, details).await {
        return page(refusal.status(), next, &refusal.detail());
    }
    let store = Arc::clone(&shared.store);
    let cookie = match blocking(move || Ok(session::start(&store, hash, now)?)).await {
        Ok(cookie) => cookie,
        Err(refusal) => return page(refusal.status(), next, &refusal.detail()),
    };
    let secure = shared.tls.is_some();
    let cookie = set_cookie(secure, &cookie, LONGEST_US / 1_000_000);
    // Only ever to a page of our own.
    let own = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    let next = if own { next } else { "/approvals" };
    ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response()
}

pub(super) async fn logout(visit: Visit, _: Sent) -> Result<Shown, Refusal> {
    let (store, cookie) = (Arc::clone(&visit.shared.store), visit.cookie.clone());
    blocking(move || Ok(session::end(&store, &cookie)?)).await?;
    let token = &visit.caller.0;
    record(&visit.shared, &token.tenant, Action::SessionEnded, &token.person, json!({"name": token.name})).await?;
    let cookie = set_cookie(visit.shared.tls.is_some(), "", 0);
    Ok(Shown::Other(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()))
}

pub(super) async fn tenant(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let tenant = visit.caller.tenant(Some(sent.get("tenant")))?;
    blocking(move || Ok(session::look_at(&visit.shared.store, &visit.cookie, tenant.as_str())?)).await?;
    Ok(back_to("/approvals"))
}

fn page(status: StatusCode, next: &str, words: &str) -> Response {
    let body = html! {
        h1 { "Log in" }
        @if !words.is_empty() { p.refused role="alert" { (words) } }
        form.stack method="post" action="/login" {
            input type="hidden" name="next" value=(next);
            label for="token" { "Token" }
            input #token name="token" type="password" autocomplete="current-password" required autofocus;
            p.hint { "An admin makes it with " code { "portcullis tokens create" } ". The first one is in " code { "admin-token" }
                " in the data directory." }
            button.main { "Log in" }
        }
    };
    as_page(status, layout::bare("Log in", body))
}

fn set_cookie(secure: bool, value: &str, seconds: u64) -> String {
    let secure_word = if secure { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure_word}", cookie_name(secure))
}

async fn record(
    shared: &Shared,
    tenant: &str,
    action: Action,
    person: &str,
    details: serde_json::Value,
) -> Result<(), Refusal> {
    let tenant = Tenant::new(tenant).ok_or(Refusal::NotFound)?;
    let scope = shared.store.tenant(&tenant);
    let now = clock::now();
    let record = new_record(action, person, now, details)?;
    blocking(move || Ok(scope.append(vec![record], now).map(drop)?)).await
}
