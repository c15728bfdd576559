//! The frame of every page, and what pages have in common.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::{Visit, as_page};
use crate::serve::api::Refusal;
use crate::serve::api::caller::Operation;
use crate::style::visible;

/// Who looks, and where: what is around a page.
pub(super) struct Frame {
    person: String,
    role: &'static str,
    tenant: String,
    all_tenants: bool,
    csrf: String,
    here: String,
    /// Pages that they may see.
    links: Vec<(&'static str, &'static str)>,
}

impl Frame {
    pub(super) fn of(visit: &Visit) -> Self {
        let token = &visit.caller.0;
        Self {
            person: token.person.clone(),
            role: token.role.as_str(),
            tenant: visit.tenant.as_str().to_owned(),
            all_tenants: token.tenant.is_empty(),
            csrf: visit.csrf.clone(),
            here: visit.here.clone(),
            links: LINKS.iter().filter(|(.., is)| visit.may(*is)).map(|(path, name, _)| (*path, *name)).collect(),
        }
    }

    /// A page with `title` and `body`.
    pub(super) fn page(&self, title: &str, body: Markup) -> Markup {
        let at = |path: &str| self.here.split(['?', '#']).next().is_some_and(|here| here.starts_with(path));
        document(
            title,
            html! {
                header {
                    a.brand href="/approvals" { "Portcullis" }
                    nav aria-label="Pages" {
                        @for (path, name) in &self.links {
                            a href=(path) aria-current=[at(path).then_some("page")] { (name) }
                        }
                    }
                    div.who {
                        span { (show(&self.person)) " (" (self.role) ")" }
                        @if self.all_tenants {
                            form method="post" action="/tenant" {
                                input type="hidden" name="csrf" value=(self.csrf);
                                label for="tenant" { "Tenant" }
                                input #tenant name="tenant" value=(self.tenant) size="12" maxlength="128";
                                button.quiet { "Go" }
                            }
                        } @else {
                            span { "Tenant " (show(&self.tenant)) }
                        }
                        form method="post" action="/logout" {
                            input type="hidden" name="csrf" value=(self.csrf);
                            button.quiet { "Log out" }
                        }
                    }
                }
                main #main tabindex="-1" { (body) }
            },
        )
    }

    /// Why something is not shown or done.
    pub(super) fn refused(&self, refusal: &Refusal) -> Response {
        let body = html! {
            h1 { "Not possible" }
            p.refused role="alert" { (refusal.detail()) "." }
            p { a href="/approvals" { "To the approvals" } }
        };
        as_page(refusal.status(), self.page("Not possible", body))
    }
}

/// A page of nobody in particular.
pub(super) fn bare(title: &str, body: Markup) -> Markup {
    document(title, html! { header { span.brand { "Portcullis" } } main #main tabindex="-1" { (body) } })
}

/// A page that leads on to another of ours.
pub(super) fn onwards(to: &str) -> Markup {
    let head = html! { meta http-equiv="refresh" content=(format!("0;url={to}")); };
    html! {
        (DOCTYPE)
        html lang="en" { head { meta charset="utf-8"; title { "Portcullis" } (head) } body { a href=(to) { "Go on" } } }
    }
}

fn document(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Portcullis" }
                link rel="stylesheet" href="/console.css";
                link rel="icon" href="data:,";
                script src="/console.js" defer {}
            }
            body { a.skip href="#main" { "Skip to the content" } (body) }
        }
    }
}

/// Text that somebody else chose: escaped by the template, and without characters that turn text around or hide it.
pub(super) fn show(text: &str) -> String {
    visible(text)
}

/// JSON over several lines, made visible as well.
pub(super) fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// A time as people read it.
pub(super) fn time(rfc3339: &str) -> Markup {
    let short = rfc3339.get(..19).unwrap_or(rfc3339).replace('T', " ");
    html! { time datetime=(rfc3339) title="UTC" { (visible(&short)) } }
}

/// The first digits of a hash, with all of it for whoever points at it.
pub(super) fn digits(hash: &str) -> Markup {
    html! { code title=(show(hash)) { (show(hash.get(..12).unwrap_or(hash))) } }
}

/// A word for what was decided, which is told apart by more than its colour.
pub(super) fn decision(word: &str) -> Markup {
    let kind = match word {
        "allow" | "pass" | "log_only" | "approved" | "used" => "good",
        "redact" | "require_approval" | "pending" => "wait",
        "" => "none",
        _ => "bad",
    };
    html! { span class=(format!("word {kind}")) { (show(word)) } }
}

/// A row of facts; those that are empty are left out.
pub(super) fn facts(facts: &[(&str, &str)]) -> Markup {
    html! {
        dl {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                dt { (name) } dd { (show(value)) }
            }
        }
    }
}

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("console.css"))
}

pub(super) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("console.js"))
}

/// Nothing at all.
pub(super) const NOTHING: PreEscaped<String> = PreEscaped(String::new());

const LINKS: [(&str, &str, Operation); 11] = [
    ("/approvals", "Approvals", Operation::ReadApprovals),
    ("/audit", "Audit", Operation::ReadAudit),
    ("/chain", "Chain", Operation::ReadAudit),
    ("/calls", "Calls", Operation::ReadStats),
    ("/tools", "Tools", Operation::ReadTools),
    ("/policy", "Policy", Operation::ReadPolicy),
    ("/credentials", "Credentials", Operation::ReadCredentials),
    ("/keys", "Keys", Operation::ReadKeys),
    ("/codes", "Codes", Operation::EnrolMfa),
    ("/kill-switch", "Kill switch", Operation::ReadKillSwitch),
    ("/tokens", "Tokens", Operation::ManageTokens),
];

/// Nothing of elsewhere, nothing inline, no frames; forms go here only.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
