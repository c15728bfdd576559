//! `/links`: one decision by a link that a webhook brought. Opening it decides nothing, for whatever previews links opens them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::{Shared, blocking};
use crate::approvals::VoteRefused;
use crate::audit::hex;
use crate::store::{Linked, Scope, StoreError, Tenant};
use crate::style::visible;
use crate::{clock, tokens};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/links/{tenant}/{approval}/{secret}", get(open).post(decide))
        .layer(DefaultBodyLimit::max(16 << 10))
}

/// What the form sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    decision: Word,
    #[serde(default)]
    note: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Word {
    Approve,
    Deny,
}

type At = Path<(String, String, String)>;

async fn open(State(shared): State<Arc<Shared>>, Path((tenant, id, secret)): At) -> Response {
    let found = on_store(&shared, &tenant, move |scope| scope.linked(&id, &hash(&secret))).await;
    match found {
        Ok(Some(linked)) => page(StatusCode::OK, "A call waits for your decision", &form(&linked)),
        Ok(None) => over(),
        Err(error) => failed(&shared, &error),
    }
}

async fn decide(
    State(shared): State<Arc<Shared>>,
    Path((tenant, id, secret)): At,
    Form(Decision { decision, note }): Form<Decision>,
) -> Response {
    let approve = decision == Word::Approve;
    let voted =
        on_store(&shared, &tenant, move |scope| scope.vote_by_link(&id, &hash(&secret), approve, &note, clock::now()));
    match voted.await {
        Ok(Some(Ok(approval))) => {
            if let Some(tenant) = Tenant::new(&tenant) {
                shared.hub.tell(&tenant, &approval.id);
                shared.deliver.wake(&tenant);
            }
            let text = format!("<p>The approval is now <b>{}</b>.</p>", approval.state.as_str());
            page(StatusCode::OK, "Thank you", &text)
        }
        Ok(Some(Err(refused @ (VoteRefused::Ended(_) | VoteRefused::Again)))) => {
            page(StatusCode::CONFLICT, "Not decided", &paragraph(&refused.reason()))
        }
        Ok(Some(Err(refused))) => page(StatusCode::FORBIDDEN, "Not decided", &paragraph(&refused.reason())),
        Ok(None) => over(),
        Err(error) => failed(&shared, &error),
    }
}

/// What the link is about, and the two buttons. Nothing of it is loaded from elsewhere, and no script runs.
fn form(linked: &Linked) -> String {
    let ask = &linked.approval.ask;
    let mut rows = String::new();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            rows += &format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escaped(value));
        }
    };
    let expires = clock::rfc3339(linked.approval.expires);
    for (name, value) in [
        ("Tool", ask.name.as_str()),
        ("Server", &ask.server),
        ("Method", &ask.method),
        ("Caller", if ask.principal.is_empty() { "nobody who was verified" } else { &ask.principal }),
        ("Agent", &ask.agent),
        ("Rule", &ask.rule),
        ("Why", &ask.reason),
        ("Findings", &ask.findings.join(", ")),
        ("Arguments, redacted", ask.arguments.as_deref().unwrap_or("not shown by the rule")),
        ("Approval", &linked.approval.id),
        ("Expires", &expires),
        ("You decide as", &linked.voter.person),
    ] {
        row(name, value);
    }
    format!(
        "<table>{rows}</table><form method=\"post\"><p><label>Why, for the audit chain<br><input name=\"note\" \
         maxlength=\"500\" autocomplete=\"off\"></label></p><p><button name=\"decision\" value=\"approve\">Let it go on, \
         once</button> <button name=\"decision\" value=\"deny\">Refuse it</button></p></form>"
    )
}

fn over() -> Response {
    let text = "The link was used, is over, or is none. Nothing was decided by it now.";
    page(StatusCode::NOT_FOUND, "Nothing to decide", &paragraph(text))
}

fn failed(shared: &Shared, error: &StoreError) -> Response {
    shared.metrics.store_errors.add(1);
    page(StatusCode::SERVICE_UNAVAILABLE, "Not decided", &paragraph(&error.to_string()))
}

/// A whole page, which nobody may keep, frame or learn the address of.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title} · \
         Portcullis</title></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    );
    let mut response = (status, text).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escaped(text))
}

/// Text as HTML shows it, in elements and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn hash(secret: &str) -> String {
    hex(&tokens::hash(secret))
}

async fn on_store<T: Send + 'static>(
    shared: &Arc<Shared>,
    tenant: &str,
    work: impl FnOnce(&Scope) -> Result<Option<T>, StoreError> + Send + 'static,
) -> Result<Option<T>, StoreError> {
    let Some(tenant) = Tenant::new(tenant) else { return Ok(None) };
    let scope = shared.store.tenant(&tenant);
    blocking(move || work(&scope)).await
}

/// Of every page, beside those of all answers (`super::http`): no script, nothing from elsewhere, no frame, no trace of
/// the address.
const HEADERS: [(&str, &str); 3] = [
    ("content-security-policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
];

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_of_others_is_text() {
        assert_eq!(
            escaped("<a href='x' title=\"y\">&\u{202e}"),
            "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;\u{fffd}"
        );
    }
}
