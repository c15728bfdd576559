//! The console: pages made by the server, for people in front of a browser. Everything works without scripts; one small script
//! keeps the inbox current.
//!
//! As with the API, a page is declared with the operation that it is, which decides who may see it.

mod approvals;
mod audit;
mod credentials;
mod events;
mod keys;
mod layout;
mod login;
mod mfa;
mod policy;
mod session;
mod stops;
#[cfg(test)]
mod tests;
mod tokens;
mod tools;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Form, FromRequest, Query, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use maud::{Markup, html};

use super::Shared;
use super::api::caller::{Caller, Operation};
use super::api::endpoint::Call;
use super::api::{Refusal, blocking};
use super::tls::Connections;
use crate::clock;
use crate::store::Tenant;
pub(super) use session::Logins;

/// The address that a connection came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Connections>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// All pages.
pub(super) fn routes() -> Router<Arc<Shared>> {
    pages()
        .router
        .route("/", get(async || Redirect::to("/approvals")))
        .route("/login", get(login::show).post(login::login))
        .route("/console.css", get(layout::style))
        .route("/console.js", get(layout::script))
        .fallback(async || page_of(&Refusal::NotFound))
}

/// The pages that take a session, each with what it is.
fn pages() -> Pages {
    Pages::new()
        .page("/approvals", Operation::ReadApprovals, approvals::inbox)
        .page("/approvals/{id}", Operation::ReadApprovals, approvals::show)
        .form("/approvals/{id}/approve", Operation::Decide, approvals::approve)
        .form("/approvals/{id}/deny", Operation::Decide, approvals::deny)
        .page("/audit", Operation::ReadAudit, audit::list)
        .page("/audit/rows/{id}", Operation::ReadAudit, audit::show)
        .page("/audit.csv", Operation::ExportAudit, audit::csv)
        .page("/requests/{id}", Operation::ReadAudit, audit::request)
        .page("/chain", Operation::ReadAudit, audit::chain)
        .page("/calls", Operation::ReadStats, audit::calls)
        .page("/policy", Operation::ReadPolicy, policy::show)
        .page("/tools", Operation::ReadTools, tools::list)
        .page("/tools/{id}", Operation::ReadTools, tools::show)
        .form("/tools/{id}/acknowledge", Operation::AcknowledgeTool, tools::acknowledge)
        .page("/tokens", Operation::ManageTokens, tokens::list)
        .form("/tokens", Operation::ManageTokens, tokens::create)
        .form("/tokens/revoke", Operation::ManageTokens, tokens::revoke)
        .page("/credentials", Operation::ReadCredentials, credentials::list)
        .form("/credentials/grants/revoke", Operation::ManageGrants, credentials::revoke)
        .page("/keys", Operation::ReadKeys, keys::list)
        .form("/keys", Operation::ManageKeys, keys::create)
        .form("/keys/revoke", Operation::ManageKeys, keys::revoke)
        .page("/kill-switch", Operation::ReadKillSwitch, stops::list)
        .form("/kill-switch", Operation::ManageKillSwitch, stops::on)
        .form("/kill-switch/off", Operation::ManageKillSwitch, stops::off)
        .page("/codes", Operation::EnrolMfa, mfa::show)
        .form("/codes/enrol", Operation::EnrolMfa, mfa::enrol)
        .form("/codes/confirm", Operation::EnrolMfa, mfa::confirm)
        .form("/codes/unlock", Operation::ManageMfa, mfa::unlock)
        .form("/codes/remove", Operation::ManageMfa, mfa::remove)
        .page("/events", Operation::ReadApprovals, events::events)
        .form("/tenant", Operation::ReadSelf, login::tenant)
        .form("/logout", Operation::ReadSelf, login::logout)
}

/// One look at a page, by somebody who may.
struct Visit {
    shared: Arc<Shared>,
    caller: Caller,
    tenant: Tenant,
    /// What forms have to carry.
    csrf: String,
    /// Where it is.
    here: String,
    /// The part of the path that names something; empty where none does.
    id: String,
    query: BTreeMap<String, String>,
    /// The session's cookie.
    cookie: String,
}

/// What a form sent.
struct Sent(BTreeMap<String, String>);

/// A page, or something else that is shown.
enum Shown {
    Page(Markup),
    Other(Response),
}

struct Pages {
    router: Router<Arc<Shared>>,
    /// All of them, for the test of who may what.
    #[cfg(test)]
    all: Vec<(axum::http::Method, &'static str, Operation)>,
}

impl Pages {
    fn new() -> Self {
        Self {
            router: Router::new(),
            #[cfg(test)]
            all: Vec::new(),
        }
    }

    /// Adds what is looked at. It must change nothing.
    fn page<F, A>(mut self, path: &'static str, is: Operation, run: F) -> Self
    where
        F: Fn(Visit) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Shown, Refusal>> + Send + 'static,
    {
        let handler = async move |State(shared): State<Arc<Shared>>, params: RawPathParams, request: Request| {
            let (parts, _) = request.into_parts();
            let uri = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            let visit = match Visit::of(shared, &parts.headers, uri, &params).await {
                Ok(visit) => visit,
                Err(Refusal::Unauthenticated) => return log_in(&parts.headers, &parts.uri),
                Err(refusal) => return page_of(&refusal),
            };
            shown(&visit.frame(), visit.caller.wants(is, &visit.shared), move || run(visit)).await
        };
        #[cfg(test)]
        self.all.push((axum::http::Method::GET, path, is));
        self.router = self.router.route(path, get(handler));
        self
    }

    /// Adds what a form does. It is not done unless the form is of this session.
    fn form<F, A>(mut self, path: &'static str, is: Operation, run: F) -> Self
    where
        F: Fn(Visit, Sent) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Shown, Refusal>> + Send + 'static,
    {
        let handler = async move |State(shared): State<Arc<Shared>>, params: RawPathParams, request: Request| {
            let headers = request.headers().clone();
            let visit = match Visit::of(Arc::clone(&shared), &headers, String::new(), &params).await {
                Ok(visit) => visit,
                Err(Refusal::Unauthenticated) => return Redirect::to("/login").into_response(),
                Err(refusal) => return page_of(&refusal),
            };
            let frame = visit.frame();
            let sent = Form::<BTreeMap<String, String>>::from_request(request, &shared).await;
            let Ok(Form(sent)) = sent else { return frame.refused(&Refusal::invalid("the form cannot be read")) };
            let allowed = visit.is_own(&headers, &sent).and_then(|()| visit.caller.wants(is, &visit.shared));
            shown(&frame, allowed, move || run(visit, Sent(sent))).await
        };
        #[cfg(test)]
        self.all.push((axum::http::Method::POST, path, is));
        self.router = self.router.route(path, post(handler));
        self
    }
}

async fn shown<A: Future<Output = Result<Shown, Refusal>>>(
    frame: &layout::Frame,
    allowed: Result<(), Refusal>,
    run: impl FnOnce() -> A,
) -> Response {
    let done = match allowed {
        Ok(()) => run().await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(Shown::Page(page)) => as_page(StatusCode::OK, page),
        Ok(Shown::Other(response)) => response,
        Err(refusal) => frame.refused(&refusal),
    }
}

impl Visit {
    async fn of(
        shared: Arc<Shared>,
        headers: &HeaderMap,
        here: String,
        params: &RawPathParams,
    ) -> Result<Self, Refusal> {
        let cookie = cookie(headers, shared.tls.is_some()).ok_or(Refusal::Unauthenticated)?;
        let (store, of) = (Arc::clone(&shared.store), cookie.clone());
        let found = blocking(move || {
            let Some(session) = session::find(&store, &of, clock::now())? else { return Ok(None) };
            // Asked every time: a token that was revoked ends its sessions.
            Ok(store.find_token(&session.token)?.map(|token| (session, Caller(token))))
        });
        let (session, caller) = found.await?.ok_or(Refusal::Unauthenticated)?;
        let asked = Some(session.tenant.as_str()).filter(|tenant| !tenant.is_empty());
        let tenant = caller.tenant(asked)?;
        let id = params.iter().next().map(|(_, id)| id.to_owned()).unwrap_or_default();
        let query = here.parse().ok().and_then(|uri| Query::try_from_uri(&uri).ok()).map(|Query(query)| query);
        Ok(Self { shared, caller, tenant, csrf: session.csrf, here, id, query: query.unwrap_or_default(), cookie })
    }

    /// Refuses a form that this session's pages did not show.
    fn is_own(&self, headers: &HeaderMap, sent: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let sent = sent.get("csrf").map(String::as_str).unwrap_or_default();
        // Compared as hashes: what the time of the comparison tells is about the hash of what was sent.
        let same = crate::tokens::hash(sent) == crate::tokens::hash(&self.csrf);
        if same && is_same_origin(headers) {
            return Ok(());
        }
        Err(Refusal::Forbidden("the form is not of this session; go back, load the page again and retry".to_owned()))
    }

    fn frame(&self) -> layout::Frame {
        layout::Frame::of(self)
    }

    /// The same as a request to the API, whose functions do what pages show.
    fn call<P, Q, B>(self, path: P, query: Q, body: B) -> Call<P, Q, B> {
        Call { caller: self.caller, shared: self.shared, tenant: self.tenant, path, query, body }
    }

    fn may(&self, operation: Operation) -> bool {
        self.caller.may(operation).is_ok()
    }

    /// A parameter of the query; `None` where it is empty.
    fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Sent {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// The same page again, so that loading it anew sends nothing twice.
fn back_to(path: &str) -> Shown {
    Shown::Other(Redirect::to(path).into_response())
}

/// Where a browser says where a form was, it has to be here.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let host = text(header::HOST);
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map(|(_, host)| host));
    site.is_none_or(|site| matches!(site, "same-origin" | "none")) && origin.is_none_or(|origin| origin == host)
}

/// Where one logs in. The cookie is not sent where a link of another site leads here, so that is tried again from here first.
fn log_in(headers: &HeaderMap, uri: &axum::http::Uri) -> Response {
    let here = uri.path_and_query().map_or("/", |path| path.as_str());
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if site == Some("cross-site") {
        return as_page(StatusCode::OK, layout::onwards(here));
    }
    let next = crate::client::encoded(here);
    Redirect::to(&format!("/login?next={next}")).into_response()
}

fn cookie(headers: &HeaderMap, secure: bool) -> Option<String> {
    let name = cookie_name(secure);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    found.next()
}

/// With the prefix a browser takes it over TLS, for this host and from nobody else (RFC 6265bis section 4.1.3.2).
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-portcullis" } else { "portcullis" }
}

fn as_page(status: StatusCode, page: Markup) -> Response {
    let policy = HeaderValue::from_static(layout::CONTENT_SECURITY_POLICY);
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(page.into_string())).into_response()
}

/// A refusal where it is not known who looks.
fn page_of(refusal: &Refusal) -> Response {
    let body =
        html! { h1 { "Not possible" } p { (refusal.detail()) } p { a href="/approvals" { "To the approvals" } } };
    as_page(refusal.status(), layout::bare("Not possible", body))
}

/// What an address may be shown as in a record.
fn address(peer: ConnectInfo<Peer>) -> IpAddr {
    peer.0.0.ip()
}
