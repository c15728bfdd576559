//! Calls that wait for people.

use maud::{Markup, html};
use serde_json::Value;

use super::layout::{NOTHING, decision, digits, facts, pretty, show as visible, time};
use super::{Sent, Shown, Visit, back_to};
use crate::approvals::State;
use crate::clock;
use crate::serve::api::approvals::{self, Recent, Summary};
use crate::serve::api::caller::Operation;
use crate::serve::api::{Refusal, blocking};

pub(super) async fn inbox(visit: Visit) -> Result<Shown, Refusal> {
    let scope = visit.shared.store.tenant(&visit.tenant);
    let (pending, all) =
        blocking(move || Ok((scope.approvals(Some(State::Pending), MAX_PENDING)?, scope.approvals(None, MAX_ENDED)?)))
            .await?;
    let pending: Vec<_> = pending.iter().map(Summary::of).collect();
    let ended: Vec<_> =
        all.iter().filter(|approval| approval.state != State::Pending).map(Summary::of).take(20).collect();
    let title = if pending.is_empty() { "Approvals".to_owned() } else { format!("({}) Approvals", pending.len()) };
    let body = html! {
        h1 { "Approvals" }
        noscript { p.hint { "Load the page again to see what has come since." } }
        div #live data-live="approvals" {
            p role="status" aria-live="polite" {
                @match pending.len() {
                    0 => "Nothing waits.",
                    1 => "One call waits.",
                    count => { (count) " calls wait." }
                }
            }
            @for approval in &pending { (card(approval)) }
            @if !ended.is_empty() {
                h2 { "Before" }
                (table(&ended))
            }
        }
    };
    Ok(Shown::Page(visit.frame().page(&title, body)))
}

pub(super) async fn show(visit: Visit) -> Result<Shown, Refusal> {
    let scope = visit.shared.store.tenant(&visit.tenant);
    let id = visit.id.clone();
    let shown = blocking(move || approvals::shown(&scope, &id)).await?;
    let approval = &shown.summary;
    let open = approval.state == State::Pending && visit.may(Operation::Decide);
    let body = html! {
        h1 { "Approval of " code { (visible(&approval.tool)) } }
        p { (decision(approval.state.as_str())) " " (votes_of(approval)) }
        p.why { (visible(&approval.reason)) }
        (facts(&[
            ("Server", &approval.server), ("Method", &approval.method), ("Asked by", who(approval)),
            ("Kind", &approval.principal_kind), ("Agent", &approval.agent), ("Rule", &approval.rule),
            ("Approvers", &approval.approvers.join(", ")), ("Session", &approval.session),
        ]))
        dl {
            dt { "Asked" } dd { (time(&approval.created)) }
            dt { "Expires" } dd { (time(&approval.expires)) }
            dt { "Request" } dd { a href={ "/requests/" (crate::client::encoded(&approval.correlation_id)) } { (visible(&approval.correlation_id)) } }
            dt { "Policy" } dd { (digits(&approval.policy_version)) }
            dt { "Digest" } dd { (digits(&approval.digest)) }
        }
        @if !approval.findings.is_empty() {
            h2 { "What scanners found" }
            ul { @for finding in &approval.findings { li { (visible(finding)) } } }
        }
        h2 { "Arguments" }
        @if shown.arguments == Value::Null {
            p.hint { "The rule does not show them, or it is over. The approval is for these arguments alone, whatever they are." }
        } @else {
            pre tabindex="0" aria-label="Redacted arguments" { (pretty(&shown.arguments)) }
        }
        @if open { (decide(&visit, approval)) }
        @if !approval.votes.is_empty() {
            h2 { "Who decided" }
            ul {
                @for vote in &approval.votes {
                    li { (visible(&vote.person)) @if vote.approve { " approved " } @else { " refused " } (time(&vote.time))
                        @if !vote.note.is_empty() { ": " q { (visible(&vote.note)) } } }
                }
            }
        }
        h2 { "Before that, the same caller" }
        (recent(&shown.recent))
    };
    Ok(Shown::Page(visit.frame().page(&format!("Approval of {}", visible(&approval.tool)), body)))
}

pub(super) async fn approve(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    decided(visit, sent, true).await
}

pub(super) async fn deny(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    decided(visit, sent, false).await
}

async fn decided(visit: Visit, sent: Sent, approve: bool) -> Result<Shown, Refusal> {
    let note = sent.get("note").to_owned();
    let id = visit.id.clone();
    approvals::decide(&visit.shared, &visit.caller, &visit.tenant, id.clone(), approve, note).await?;
    Ok(back_to(&format!("/approvals/{}", crate::client::encoded(&id))))
}

fn card(approval: &Summary) -> Markup {
    html! {
        article.card aria-labelledby={ "a-" (approval.id) } {
            h2 id={ "a-" (approval.id) } { code { (visible(&approval.tool)) } " on " (visible(&approval.server)) }
            p.why { (visible(&approval.reason)) }
            p { "Asked by " strong { (visible(who(approval))) } ", " (time(&approval.created)) ", until " (time(&approval.expires)) ". "
                (votes_of(approval)) }
            @if !approval.findings.is_empty() {
                p { (approval.findings.len()) " findings: " (visible(&approval.findings.join(", "))) }
            }
            p { a.button href={ "/approvals/" (approval.id) } { "Review " span.hidden { (visible(&approval.tool)) } } }
        }
    }
}

fn decide(visit: &Visit, approval: &Summary) -> Markup {
    html! {
        form.stack method="post" action={ "/approvals/" (approval.id) "/approve" } {
            h2 { "Your decision" }
            input type="hidden" name="csrf" value=(visit.csrf);
            label for="note" { "Note, for the audit chain" }
            input #note name="note" maxlength="500" autocomplete="off";
            p.row {
                button.main { "Approve" }
                button.danger formaction={ "/approvals/" (approval.id) "/deny" } { "Deny" }
            }
            p.hint { "You decide as " (visible(&visit.caller.0.person)) ". It counts once, for these arguments." }
        }
    }
}

fn table(approvals: &[Summary]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Earlier approvals" {
            table {
                thead { tr { th scope="col" { "Asked" } th scope="col" { "State" } th scope="col" { "Tool" } th scope="col" { "Server" }
                    th scope="col" { "Asked by" } th scope="col" { "Decided by" } } }
                tbody {
                    @for approval in approvals {
                        tr {
                            td { (time(&approval.created)) }
                            td { (decision(approval.state.as_str())) }
                            td { a href={ "/approvals/" (approval.id) } { (visible(&approval.tool)) } }
                            td { (visible(&approval.server)) }
                            td { (visible(who(approval))) }
                            td { (visible(&approval.votes.iter().map(|vote| vote.person.as_str()).collect::<Vec<_>>().join(", "))) }
                        }
                    }
                }
            }
        }
    }
}

fn recent(recent: &[Recent]) -> Markup {
    if recent.is_empty() {
        return html! { p.hint { "Nothing is recorded of this session or caller." } };
    }
    html! {
        div.wide tabindex="0" role="region" aria-label="Recent calls" {
            table {
                thead { tr { th scope="col" { "Time" } th scope="col" { "What" } th scope="col" { "Server" } th scope="col" { "Tool" } } }
                tbody {
                    @for one in recent {
                        tr {
                            td { (time(&one.time)) }
                            td { (decision(&one.decision)) (visible(&one.action)) " " (visible(&one.method)) }
                            td { (visible(&one.server)) }
                            td { (visible(&one.tool)) }
                        }
                    }
                }
            }
        }
    }
}

fn who(approval: &Summary) -> &str {
    if approval.principal.is_empty() { "somebody unknown" } else { &approval.principal }
}

fn votes_of(approval: &Summary) -> Markup {
    let yes = approval.votes.iter().filter(|vote| vote.approve).count();
    if approval.quorum < 2 && approval.state != State::Pending {
        return NOTHING;
    }
    html! { span.hint { (yes) " of " (approval.quorum) " have approved." } }
}

/// What changes when the inbox does: for the stream that tells browsers.
pub(super) fn fingerprint(scope: &crate::store::Scope) -> Result<String, Refusal> {
    let now = clock::now();
    let pending = scope.approvals(Some(State::Pending), MAX_PENDING)?;
    let open = pending.iter().filter(|approval| approval.expires > now);
    Ok(open.map(|approval| format!("{}:{} ", approval.id, approval.votes.len())).collect())
}

const MAX_PENDING: u64 = 200;
const MAX_ENDED: u64 = 220;
