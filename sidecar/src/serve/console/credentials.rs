//! Credentials of servers and who may use them. No secret is shown, as nobody gets one back.

use maud::{Markup, html};
use serde_json::json;

use super::layout::{show as visible, time};
use super::{Sent, Shown, Visit, back_to};
use crate::credentials::grants::Subject;
use crate::serve::api::caller::Operation;
use crate::serve::api::endpoint::Nothing;
use crate::serve::api::{Refusal, credentials, grants};

pub(super) async fn list(visit: Visit) -> Result<Shown, Refusal> {
    let (frame, csrf) = (visit.frame(), visit.csrf.clone());
    let may_revoke = visit.may(Operation::ManageGrants);
    let call = visit.call(Nothing {}, Nothing {}, Nothing {});
    let known = credentials::list(call.clone()).await?.credentials;
    let granted = grants::list(call).await?.grants;
    let body = html! {
        h1 { "Credentials" }
        p.hint { "What servers want and agents do not have. The filter injects one into a call that policy allowed, where a grant says so." }
        (table_of(&known))
        h2 { "Grants" }
        @if granted.is_empty() {
            p { "Nobody may use any. Grants are made by " code { "portcullis grants add" } "." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Grants" {
                table {
                    thead { tr { th scope="col" { "Server" } th scope="col" { "For" } th scope="col" { "Credential" } th scope="col" { "Scopes" }
                        th scope="col" { "Ends" } th scope="col" { "Made" } th scope="col" { "By" }
                        @if may_revoke { th scope="col" { span.hidden { "Revoke" } } } } }
                    tbody {
                        @for grant in &granted {
                            tr {
                                th scope="row" { (visible(&grant.server)) }
                                td { (visible(&whom(&grant.subject))) }
                                td { (visible(&grant.credential)) }
                                td { (visible(&grant.scopes.join(" "))) }
                                td.short { @match &grant.expires { Some(end) => (time(end)), None => "when revoked" } }
                                td { (time(&grant.created)) }
                                td.short { (visible(&grant.created_by)) }
                                @if may_revoke {
                                    td {
                                        form method="post" action="/credentials/grants/revoke" {
                                            input type="hidden" name="csrf" value=(csrf);
                                            input type="hidden" name="id" value=(grant.id);
                                            button.danger { "Revoke " span.hidden { (visible(&grant.server)) " for " (visible(&whom(&grant.subject))) } }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Shown::Page(frame.page("Credentials", body)))
}

pub(super) async fn revoke(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let id = serde_json::from_value(json!({"id": sent.get("id")})).map_err(|_| Refusal::NotFound)?;
    grants::revoke(visit.call(id, Nothing {}, Nothing {})).await?;
    Ok(back_to("/credentials"))
}

fn table_of(known: &[credentials::Described]) -> Markup {
    if known.is_empty() {
        return html! { p { "There are none. They are added by " code { "portcullis credentials add" } "." } };
    }
    html! {
        div.wide tabindex="0" role="region" aria-label="Credentials" {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" { "Owner" } th scope="col" { "Goes into, comes from" }
                    th scope="col" { "Changed" } th scope="col" { "Made by" } th scope="col" { "State" } } }
                tbody {
                    @for one in known {
                        tr {
                            th scope="row" { (visible(&one.name)) }
                            td.short { (one.kind) }
                            td { @match &one.owner { Some(owner) => (visible(&owner.id)), None => "whoever has a grant" } }
                            td { (visible(&one.headers.as_deref().unwrap_or_default().join(", "))) (visible(one.token_url.as_deref().unwrap_or_default())) }
                            td { (time(&one.changed)) }
                            td { (visible(&one.created_by)) }
                            td {
                                @match &one.failed {
                                    Some(failed) => span.word.bad { "not renewed: " (visible(&failed.error)) },
                                    None => span.word.good { "kept" },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn whom(subject: &Subject) -> String {
    match subject {
        Subject::Principal { kind, id } if kind.is_empty() => id.clone(),
        Subject::Principal { kind, id } => format!("{id} ({kind})"),
        Subject::Team { name } => format!("team {name}"),
        Subject::Role { name } => format!("role {name}"),
    }
}
