//! `/links`: one decision by a link that a webhook brought. Opening it decides nothing, for whatever previews links opens them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};
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
            let text = html! { p { "The approval is now " b { (approval.state.as_str()) } "." } };
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
fn form(linked: &Linked) -> Markup {
    let ask = &linked.approval.ask;
    let expires = clock::rfc3339(linked.approval.expires);
    let rows = [
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
    ];
    html! {
        table {
            @for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
                tr { th scope="row" { (name) } td { (visible(value)) } }
            }
        }
        form method="post" {
            p { label { "Why, for the audit chain" br; input name="note" maxlength="500" autocomplete="off"; } }
            p {
                button name="decision" value="approve" { "Let it go on, once" } " "
                button name="decision" value="deny" { "Refuse it" }
            }
        }
    }
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
fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light dark";
                title { (title) " · Portcullis" }
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    let mut response = (status, Html(page.into_string())).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn paragraph(text: &str) -> Markup {
    html! { p { (visible(text)) } }
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
    use super::paragraph;

    #[test]
    fn text_of_others_is_text() {
        let text = paragraph("<a title=\"y\">&\u{202e}").into_string();
        assert_eq!(text, "<p>&lt;a title=&quot;y&quot;&gt;&amp;\u{fffd}</p>");
    }
}
