//! How an endpoint is declared: with the operation it is, which decides who may, and as a function from typed input to
//! typed output, from which its description for OpenAPI is made. There is no other way to add one.

use std::any::TypeId;
use std::future::Future;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Operation};
use super::openapi::{Description, Document};
use super::refusal::Refusal;
use crate::serve::Shared;
use crate::store::Tenant;

/// Endpoints, and their description.
pub(crate) struct Api {
    router: Router<Arc<Shared>>,
    document: Document,
    /// All of them, for the test of who may what.
    #[cfg(test)]
    pub(super) endpoints: Vec<(Method, &'static str, Operation)>,
}

/// One request, by somebody who may make it.
#[derive(Clone)]
pub(crate) struct Call<P = Nothing, Q = Nothing, B = Nothing> {
    pub(crate) caller: Caller,
    pub(crate) shared: Arc<Shared>,
    /// The tenant that it is about.
    pub(crate) tenant: Tenant,
    /// What the path says.
    pub(crate) path: P,
    /// What the query says, without `tenant`.
    pub(crate) query: Q,
    pub(crate) body: B,
}

/// Nothing is expected there.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Answered with 201 instead of 200.
pub(crate) struct Created<T>(pub(crate) T);

/// A body that is no JSON, of one of the declared media types.
pub(super) struct Raw(pub(super) Response);

/// What a function of an endpoint answers.
pub(super) trait Reply {
    /// Puts the answer where it works into the description.
    fn describe(description: &mut Description<'_>);

    fn reply(self) -> Response;
}

impl Api {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            document: Document::default(),
            #[cfg(test)]
            endpoints: Vec::new(),
        }
    }

    /// Adds `GET path`. `summary` is for the documentation.
    pub(super) fn get<P, Q, T, F, A>(self, path: &'static str, is: Operation, summary: &str, run: F) -> Self
    where
        P: Input,
        Q: Input,
        T: Reply,
        F: Fn(Call<P, Q, Nothing>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        self.on(Method::GET, path, is, summary, run)
    }

    /// Adds `POST path`.
    pub(super) fn post<P, Q, B, T, F, A>(self, path: &'static str, is: Operation, summary: &str, run: F) -> Self
    where
        P: Input,
        Q: Input,
        B: Input,
        T: Reply,
        F: Fn(Call<P, Q, B>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        self.on(Method::POST, path, is, summary, run)
    }

    /// Adds `DELETE path`.
    pub(super) fn delete<P, Q, T, F, A>(self, path: &'static str, is: Operation, summary: &str, run: F) -> Self
    where
        P: Input,
        Q: Input,
        T: Reply,
        F: Fn(Call<P, Q, Nothing>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        self.on(Method::DELETE, path, is, summary, run)
    }

    fn on<P, Q, B, T, F, A>(mut self, method: Method, path: &'static str, is: Operation, summary: &str, run: F) -> Self
    where
        P: Input,
        Q: Input,
        B: Input,
        T: Reply,
        F: Fn(Call<P, Q, B>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let mut description = self.document.endpoint(&method, path, is, summary);
        description.path::<P>();
        description.query::<Q>();
        if !is_nothing::<B>() {
            description.body::<B>();
        }
        T::describe(&mut description);
        drop(description);
        #[cfg(test)]
        self.endpoints.push((method.clone(), path, is));
        let filter = MethodFilter::try_from(method).unwrap_or(MethodFilter::GET);
        let handler = async move |State(shared): State<Arc<Shared>>, request: Request| {
            let answer = async { run(read(shared, request, is).await?).await };
            answer.await.map_or_else(IntoResponse::into_response, Reply::reply)
        };
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    /// Adds what browsers come to that have no token: it has to know by itself whom it answers, and is not in the description.
    pub(super) fn without_token(mut self, path: &'static str, handler: MethodRouter<Arc<Shared>>) -> Self {
        self.router = self.router.route(path, handler);
        self
    }

    /// The router and the OpenAPI document of it, as JSON.
    pub(super) fn finish(self) -> (Router<Arc<Shared>>, String) {
        let document: Arc<str> = self.document.finish().into();
        let served = Arc::clone(&document);
        let read = async move || ([(header::CONTENT_TYPE, "application/json")], served.to_string());
        let router = self
            .router
            // The one endpoint that takes no token: it says what everybody can read in the repository.
            .route("/openapi.json", axum::routing::get(read))
            .method_not_allowed_fallback(async || Refusal::Method)
            .fallback(async || Refusal::NotFound);
        (router, document.to_string())
    }
}

/// Who asks is known, and may, before anything of the request is read.
async fn read<P: Input, Q: Input, B: Input>(
    shared: Arc<Shared>,
    request: Request,
    is: Operation,
) -> Result<Call<P, Q, B>, Refusal> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::of(&parts.headers, &shared).await?;
    caller.wants(is, &shared)?;
    let (tenant, query) = query(&parts, is)?;
    let tenant = caller.tenant(tenant.as_deref())?;
    let path = if is_nothing::<P>() {
        serde_json::from_str("{}").map_err(|_| Refusal::NotFound)?
    } else {
        // A name that cannot be one names nothing.
        Path::from_request_parts(&mut parts, &shared).await.map(|Path(path)| path).map_err(|_| Refusal::NotFound)?
    };
    let body = read_body(&parts, body).await?;
    Ok(Call { caller, shared, tenant, path, query, body })
}

/// The tenant and the rest of the query.
fn query<Q: Input>(parts: &Parts, is: Operation) -> Result<(Option<String>, Q), Refusal> {
    let wrong = || Refusal::invalid("the query is not one that /api/v1/openapi.json describes");
    let Query(mut pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|_| wrong())?;
    let mut tenants: Vec<String> = Vec::new();
    if is.is_of_tenant() {
        pairs.retain(|(name, value)| {
            let other = name != "tenant";
            if !other {
                tenants.push(value.clone());
            }
            other
        });
    }
    if tenants.len() > 1 {
        return Err(wrong());
    }
    let rest = form(&pairs).ok_or_else(wrong)?;
    Ok((tenants.pop(), rest))
}

/// Pairs as a struct. By way of a form, whose reader turns digits into numbers.
fn form<Q: Input>(pairs: &[(String, String)]) -> Option<Q> {
    let encoded = |(name, value): &(String, String)| {
        format!("{}={}", crate::client::encoded(name), crate::client::encoded(value))
    };
    let text = pairs.iter().map(encoded).collect::<Vec<_>>().join("&");
    let uri = format!("/?{text}").parse().ok()?;
    Query::try_from_uri(&uri).ok().map(|Query(query)| query)
}

async fn read_body<B: Input>(parts: &Parts, body: Body) -> Result<B, Refusal> {
    if is_nothing::<B>() {
        return serde_json::from_str("{}").map_err(|_| Refusal::NotFound);
    }
    let json = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = json.and_then(|value| value.split(';').next()).map(|value| value.trim().eq_ignore_ascii_case(JSON));
    if json != Some(true) {
        return Err(Refusal::MediaType);
    }
    let bytes: Bytes = to_bytes(body, MAX_BODY).await.map_err(|_| Refusal::TooLarge)?;
    // Without the words of the parser, which quote what was sent.
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Refusal::Invalid(format!("the body is not what /api/v1/openapi.json describes (line {line}, column {column})"))
    })
}

/// What can be read from a request.
pub(super) trait Input: DeserializeOwned + JsonSchema + Send + 'static {}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for T {}

fn is_nothing<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<Nothing>()
}

impl<T: Serialize + JsonSchema> Reply for T {
    fn describe(description: &mut Description<'_>) {
        description.answer::<T>(StatusCode::OK);
    }

    fn reply(self) -> Response {
        Json(self).into_response()
    }
}

impl<T: Serialize + JsonSchema> Reply for Created<T> {
    fn describe(description: &mut Description<'_>) {
        description.answer::<T>(StatusCode::CREATED);
    }

    fn reply(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl Reply for Raw {
    fn describe(description: &mut Description<'_>) {
        description.raw_answer(&["text/csv", "application/jsonl"]);
    }

    fn reply(self) -> Response {
        self.0
    }
}

const JSON: &str = "application/json";
/// Bytes of a body.
const MAX_BODY: usize = 64 << 10;
