//! Keys of callers: whose there are, when they were used, and for admins making and revoking them.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::layout::{show as visible, time};
use super::{Sent, Shown, Visit, back_to};
use crate::mfa::kept::Kind;
use crate::serve::api::caller::Operation;
use crate::serve::api::endpoint::{Created, Nothing};
use crate::serve::api::keys::{Described, Made, New, Which};
use crate::serve::api::{Refusal, keys};

pub(super) async fn list(visit: Visit) -> Result<Shown, Refusal> {
    let (frame, csrf, may) = (visit.frame(), visit.csrf.clone(), visit.may(Operation::ManageKeys));
    let cursor = visit.asked("cursor").map(str::to_owned);
    let which: Which =
        serde_json::from_value(json!({"cursor": cursor})).map_err(|_| Refusal::invalid("there is no such page"))?;
    let page = keys::list(visit.call(Nothing {}, which, Nothing {})).await?;
    let body = html! {
        h1 { "Keys of callers" }
        p.hint { "By a key an agent, a service or a person is known at every filter. Revoked, it is dead there within a second." }
        @if page.keys.is_empty() { p { "There are none." } } @else { (table_of(&page.keys, may.then_some(&csrf))) }
        @if let Some(next) = &page.next { p { a href={ "/keys?cursor=" (crate::client::encoded(next)) } { "More" } } }
        @if may { (form(&csrf)) }
    };
    Ok(Shown::Page(frame.page("Keys of callers", body)))
}

pub(super) async fn create(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let list = |name: &str| {
        let all = sent.get(name).split(',').map(str::trim).filter(|entry| !entry.is_empty());
        all.map(Value::from).collect::<Vec<_>>()
    };
    let agent = Some(sent.get("agent").trim()).filter(|agent| !agent.is_empty());
    let days = Some(sent.get("days").trim()).filter(|days| !days.is_empty());
    let days = days.map(str::parse::<u64>).transpose().map_err(|_| Refusal::invalid("days are a number"))?;
    let new: New = serde_json::from_value(json!({
        "kind": sent.get("kind"), "principal": sent.get("principal").trim(), "agent": agent,
        "roles": list("roles"), "teams": list("teams"), "servers": list("servers"), "tools": list("tools"),
        "expires_in": days.map(|days| days.saturating_mul(86_400)),
    }))
    .map_err(|_| Refusal::invalid("names have 1 to 128 characters, none of them a control character"))?;
    let frame = visit.frame();
    let Created(Made { described, key }) = keys::create(visit.call(Nothing {}, Nothing {}, new)).await?;
    let body = html! {
        h1 { "The key of " (visible(&described.principal)) }
        p { "It is shown this once; only its hash is kept." }
        pre #secret tabindex="0" aria-label="Key" { (key) }
        p { a href="/keys" { "Back to the keys" } }
    };
    Ok(Shown::Page(frame.page("New key", body)))
}

pub(super) async fn revoke(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let id = serde_json::from_value(json!({"id": sent.get("id")})).map_err(|_| Refusal::NotFound)?;
    keys::revoke(visit.call(id, Nothing {}, Nothing {})).await?;
    Ok(back_to("/keys"))
}

fn table_of(all: &[Described], csrf: Option<&String>) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Keys" {
            table {
                thead { tr { th scope="col" { "Caller" } th scope="col" { "Kind" } th scope="col" { "Begins with" } th scope="col" { "Is" }
                    th scope="col" { "For" } th scope="col" { "Made" } th scope="col" { "Ends" } th scope="col" { "Last used" }
                    @if csrf.is_some() { th scope="col" { span.hidden { "Revoke" } } } } }
                tbody {
                    @for key in all {
                        tr {
                            th scope="row" { (visible(&key.principal)) @if !key.agent.is_empty() { " by " (visible(&key.agent)) } }
                            td.short { (key.kind.as_str()) }
                            td { code { (visible(&key.prefix)) } }
                            td { (visible(&[key.roles.as_slice(), &key.teams].concat().join(", "))) }
                            td { (visible(&scope(key))) }
                            td { (time(&key.created)) }
                            td { @match &key.expires { Some(end) => (time(end)), None => "when revoked" } }
                            td { @match &key.last_used { Some(last) => (time(last)), None => "never" } }
                            @if let Some(csrf) = csrf {
                                td {
                                    form method="post" action="/keys/revoke" {
                                        input type="hidden" name="csrf" value=(csrf);
                                        input type="hidden" name="id" value=(key.id);
                                        button.danger { "Revoke " span.hidden { "that of " (visible(&key.principal)) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn scope(key: &Described) -> String {
    match (key.servers.is_empty(), key.tools.is_empty()) {
        (true, true) => "everything".to_owned(),
        (false, true) => key.servers.join(", "),
        (true, false) => key.tools.join(", "),
        (false, false) => format!("{} of {}", key.tools.join(", "), key.servers.join(", ")),
    }
}

fn form(csrf: &str) -> Markup {
    let text = |name: &str, words: &str, required: bool| {
        html! { label for=(name) { (words) } input id=(name) name=(name) autocomplete="off" maxlength="1000" required[required]; }
    };
    html! {
        form.stack method="post" action="/keys" {
            h2 { "Make one" }
            input type="hidden" name="csrf" value=(csrf);
            label for="kind" { "Kind" }
            select #kind name="kind" { @for kind in Kind::ALL { option value=(kind.as_str()) { (kind.as_str()) } } }
            (text("principal", "Id that the caller has then", true))
            (text("agent", "Agent profile", false))
            (text("roles", "Roles, with commas between", false))
            (text("teams", "Teams", false))
            (text("servers", "Servers that it is for, as patterns; empty: all", false))
            (text("tools", "Tools that it is for; empty: all, and everything else", false))
            label for="days" { "Days until it ends; empty: when it is revoked" }
            input #days name="days" inputmode="numeric" pattern="[0-9]{1,4}" autocomplete="off";
            p { button.main { "Make it" } }
        }
    }
}
