//! Tokens, for admins.

use maud::html;
use serde_json::{Value, json};

use super::layout::{show as visible, time};
use super::{Sent, Shown, Visit, back_to};
use crate::serve::api::{Refusal, tokens};

pub(super) async fn list(visit: Visit) -> Result<Shown, Refusal> {
    let all = tokens::all(&visit.shared, &visit.caller).await?;
    let body = html! {
        h1 { "Tokens" }
        div.wide tabindex="0" role="region" aria-label="Tokens" {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Person" } th scope="col" { "Role" } th scope="col" { "Tenant" }
                    th scope="col" { "Groups" } th scope="col" { "Made" } th scope="col" { span.hidden { "Revoke" } } } }
                tbody {
                    @for token in &all {
                        tr {
                            th scope="row" { (visible(&token.name)) }
                            td { (visible(&token.person)) }
                            td { (token.role.as_str()) }
                            td { @if token.tenant.is_empty() { "all" } @else { (visible(&token.tenant)) } }
                            td { (visible(&token.groups.join(", "))) }
                            td { (time(&token.created)) }
                            td {
                                form method="post" action="/tokens/revoke" {
                                    input type="hidden" name="csrf" value=(visit.csrf);
                                    input type="hidden" name="name" value=(token.name);
                                    button.danger { "Revoke " span.hidden { (visible(&token.name)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
        form.stack method="post" action="/tokens" {
            h2 { "Make one" }
            input type="hidden" name="csrf" value=(visit.csrf);
            label for="name" { "Name" }
            input #name name="name" required maxlength="128" autocomplete="off";
            label for="person" { "Person: the id that the same person has as a caller" }
            input #person name="person" maxlength="128" autocomplete="off";
            label for="role" { "Role" }
            select #role name="role" {
                option value="viewer" { "viewer: reads, decides for its groups" }
                option value="policy_manager" { "policy_manager: decides" }
                option value="admin" { "admin: makes tokens" }
            }
            label for="groups" { "Groups, with commas between" }
            input #groups name="groups" autocomplete="off";
            label for="of-tenant" { "Tenant; empty: all" }
            input #of-tenant name="of-tenant" maxlength="128" value=(visit.caller.0.tenant);
            p { button.main { "Make it" } }
        }
    };
    Ok(Shown::Page(visit.frame().page("Tokens", body)))
}

pub(super) async fn create(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let groups = sent.get("groups").split(',').map(str::trim).filter(|group| !group.is_empty());
    let person = Some(sent.get("person").trim()).filter(|person| !person.is_empty());
    let new = json!({
        "name": sent.get("name").trim(), "person": person, "role": sent.get("role"),
        "tenant": sent.get("of-tenant").trim(), "groups": groups.map(Value::from).collect::<Vec<_>>(),
    });
    let new = serde_json::from_value(new)
        .map_err(|_| Refusal::invalid("names have 1 to 128 characters, none of them a control character"))?;
    let made = tokens::make(&visit.shared, &visit.caller, new).await?;
    let body = html! {
        h1 { "The token of " (visible(&made.described.name)) }
        p { "It is shown this once; only its hash is kept." }
        pre #secret tabindex="0" aria-label="Token" { (made.token) }
        p { a href="/tokens" { "Back to the tokens" } }
    };
    Ok(Shown::Page(visit.frame().page("New token", body)))
}

pub(super) async fn revoke(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    tokens::remove(&visit.shared, &visit.caller, sent.get("name").to_owned()).await?;
    Ok(back_to("/tokens"))
}
