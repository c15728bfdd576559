//! The kill switch.

use maud::{Markup, html};
use serde_json::json;

use super::layout::{show as visible, time};
use super::{Sent, Shown, Visit, back_to};
use crate::serve::api::caller::Operation;
use crate::serve::api::endpoint::Nothing;
use crate::serve::api::kill_switch::{Described, New};
use crate::serve::api::{Refusal, kill_switch};

pub(super) async fn list(visit: Visit) -> Result<Shown, Refusal> {
    let (frame, csrf, may) = (visit.frame(), visit.csrf.clone(), visit.may(Operation::ManageKillSwitch));
    let every_tenant = visit.caller.0.tenant.is_empty();
    let on = kill_switch::list(visit.call(Nothing {}, Nothing {}, Nothing {})).await?.kill_switches;
    let body = html! {
        h1 { "Kill switch" }
        p role="status" {
            @match on.len() { 0 => "Nothing is stopped.", 1 => "One is on.", count => { (count) " are on." } }
        }
        @for stop in &on { (card(stop, may.then_some(&csrf))) }
        @if may { (form(&csrf, every_tenant)) }
    };
    Ok(Shown::Page(frame.page("Kill switch", body)))
}

pub(super) async fn on(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let named = |name: &str| Some(sent.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    let new: New = serde_json::from_value(json!({
        "server": named("server"), "tool": named("tool"), "principal": named("principal"),
        "everything": sent.get("everything") == "yes", "all_tenants": sent.get("all-tenants") == "yes",
        "reason": sent.get("reason"), "expires_in": null,
    }))
    .map_err(|_| Refusal::invalid("patterns have 1 to 128 characters, none of them a control character"))?;
    kill_switch::on(visit.call(Nothing {}, Nothing {}, new)).await?;
    Ok(back_to("/kill-switch"))
}

pub(super) async fn off(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let id = serde_json::from_value(json!({"id": sent.get("id")})).map_err(|_| Refusal::NotFound)?;
    kill_switch::off(visit.call(id, Nothing {}, Nothing {})).await?;
    Ok(back_to("/kill-switch"))
}

fn card(stop: &Described, csrf: Option<&String>) -> Markup {
    let any = |text: &str| if text.is_empty() { "any".to_owned() } else { visible(text) };
    html! {
        article.card aria-labelledby={ "s-" (stop.id) } {
            h2 id={ "s-" (stop.id) } {
                @if stop.tool.is_empty() { "All calls" } @else { "Tool " code { (visible(&stop.tool)) } }
                " on server " code { (any(&stop.server)) } ", caller " code { (any(&stop.principal)) }
                @if stop.all_tenants { ", of every tenant" }
            }
            p.why { (visible(&stop.reason)) }
            p { "On since " (time(&stop.since)) " by " strong { (visible(&stop.by)) }
                @if let Some(end) = &stop.expires { ", until " (time(end)) } ". The rule is " code { "kill_switch:" (visible(&stop.id)) } "." }
            @if let Some(csrf) = csrf {
                form method="post" action="/kill-switch/off" {
                    input type="hidden" name="csrf" value=(csrf);
                    input type="hidden" name="id" value=(stop.id);
                    button { "Let them go on" span.hidden { ": " (visible(&stop.reason)) } }
                }
            }
        }
    }
}

fn form(csrf: &str, every_tenant: bool) -> Markup {
    html! {
        form.stack method="post" action="/kill-switch" {
            h2 { "Stop calls" }
            p.hint { "At every filter, within a second. What fits all that is named is refused; patterns may have * and ?." }
            input type="hidden" name="csrf" value=(csrf);
            label for="server" { "Server" }
            input #server name="server" maxlength="128" autocomplete="off";
            label for="tool" { "Tool; empty: everything that a client may send" }
            input #tool name="tool" maxlength="128" autocomplete="off";
            label for="principal" { "Caller" }
            input #principal name="principal" maxlength="128" autocomplete="off";
            p { input #everything type="checkbox" name="everything" value="yes"; " " label for="everything" { "Nothing is named: stop everything" } }
            @if every_tenant {
                p { input #all-tenants type="checkbox" name="all-tenants" value="yes"; " " label for="all-tenants" { "Of every tenant" } }
            }
            label for="reason" { "Reason, for callers" }
            input #reason name="reason" required maxlength="500" autocomplete="off";
            p { button.danger { "Stop them" } }
        }
    }
}
