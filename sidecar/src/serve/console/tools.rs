//! Tools that filters saw, and who has looked at which version.

use maud::{Markup, html};

use super::layout::{digits, show as visible, time};
use super::{Sent, Shown, Visit, back_to};
use crate::catalogue::{self, Tool};
use crate::serve::api::caller::Operation;
use crate::serve::api::tools::{Seen, looked_at};
use crate::serve::api::{Refusal, blocking};

pub(super) async fn list(visit: Visit) -> Result<Shown, Refusal> {
    let (store, tenant) = (visit.shared.store.clone(), visit.tenant.clone());
    let (mut tools, complete) = blocking(move || {
        let tools = store.read(&tenant, |tx| catalogue::list(tx, "", MAX_SHOWN))?;
        let complete = store.read(&tenant, catalogue::is_complete)?;
        Ok((tools.into_iter().map(|(id, tool)| Seen::of(id, tool)).collect::<Vec<_>>(), complete))
    })
    .await?;
    // What nobody has looked at comes first.
    tools.sort_by(|a, b| {
        (a.acknowledged, &a.tool.server, &a.tool.tool).cmp(&(b.acknowledged, &b.tool.server, &b.tool.tool))
    });
    let body = html! {
        h1 { "Tools" }
        p.hint { "From the records of lists that filters answered. Records have fingerprints and the places of changes, never a "
            "definition's text." }
        @if !complete { p.refused role="alert" { "Servers listed more tools than are kept." } }
        @if tools.is_empty() { p role="status" { "No filter has recorded a list yet." } } @else {
            div.wide tabindex="0" role="region" aria-label="Tools" {
                table {
                    thead { tr { th scope="col" { "Tool" } th scope="col" { "Server" } th scope="col" { "Versions" } th scope="col" { "Changes" }
                        th scope="col" { "Risks" } th scope="col" { "Looked at" } } }
                    tbody {
                        @for seen in &tools {
                            tr {
                                th scope="row" { a href={ "/tools/" (seen.id) } { (visible(name(&seen.tool))) } }
                                td { (visible(&seen.tool.server)) }
                                td.number { (seen.tool.versions.len()) }
                                td { (visible(seen.tool.changes.last().map(|change| change.severity.as_str()).unwrap_or_default())) }
                                td { (visible(seen.tool.risks.last().map(|risk| risk.severity.as_str()).unwrap_or_default())) }
                                td { @if seen.acknowledged { span.word.good { "yes" } } @else { span.word.wait { "not yet" } } }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Shown::Page(visit.frame().page("Tools", body)))
}

pub(super) async fn show(visit: Visit) -> Result<Shown, Refusal> {
    let (store, tenant, id) = (visit.shared.store.clone(), visit.tenant.clone(), visit.id.clone());
    let tool = blocking(move || Ok(store.read(&tenant, move |tx| catalogue::one(tx, &id))?)).await?;
    let seen = Seen::of(visit.id.clone(), tool.ok_or(Refusal::NotFound)?);
    let tool = &seen.tool;
    let body = html! {
        h1 { code { (visible(name(tool))) } " of " (visible(&tool.server)) }
        h2 { "Versions" }
        ol.timeline {
            @for version in &tool.versions {
                li {
                    (time(&version.first_seen)) " " code { (visible(&version.sha256)) } " "
                    @if !version.correlation_id.is_empty() { a href={ "/requests/" (crate::client::encoded(&version.correlation_id)) } { "the list" } }
                    @for one in tool.acknowledgements.iter().filter(|one| one.sha256 == version.sha256) {
                        p { span.word.good { "looked at" } " by " (visible(&one.person)) ", " (time(&one.time))
                            @if !one.note.is_empty() { ": " q { (visible(&one.note)) } } }
                    }
                }
            }
        }
        @if visit.may(Operation::AcknowledgeTool) && !seen.acknowledged { (acknowledge_form(&visit, &seen)) }
        @if !tool.changes.is_empty() {
            h2 { "Changes" }
            @for change in &tool.changes {
                article.card {
                    p { (time(&change.time)) " severity " strong { (visible(&change.severity)) }
                        @if !change.causes.is_empty() { " for " (visible(&change.causes.join(", "))) } }
                    p { "From " @match &change.from { Some(from) => (digits(from)), None => "an unknown version" } " to " (digits(&change.to)) }
                    p { "What differs:" }
                    ul { @for field in &change.fields { li { code { (visible(field)) } } } }
                }
            }
            p.hint { "To read the texts, save the server's list before and after, and let " code { "portcullis tools diff" } " compare them." }
        }
        @if !tool.risks.is_empty() {
            h2 { "Risks" }
            ul {
                @for risk in &tool.risks {
                    li { (time(&risk.time)) " " strong { (visible(&risk.severity)) } ": " (visible(&risk.flags.join(", ")))
                        @if let Some(sha256) = &risk.sha256 { " in " (digits(sha256)) } }
                }
            }
        }
    };
    Ok(Shown::Page(visit.frame().page(&visible(name(tool)), body)))
}

pub(super) async fn acknowledge(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let (sha256, note) = (sent.get("sha256").to_owned(), sent.get("note").to_owned());
    let id = visit.id.clone();
    looked_at(&visit.shared, &visit.caller, &visit.tenant, id.clone(), sha256, note).await?;
    Ok(back_to(&format!("/tools/{}", crate::client::encoded(&id))))
}

fn acknowledge_form(visit: &Visit, seen: &Seen) -> Markup {
    let newest = seen.tool.newest().unwrap_or_default();
    html! {
        form.stack method="post" action={ "/tools/" (seen.id) "/acknowledge" } {
            h2 { "Say that the newest version is fine" }
            input type="hidden" name="csrf" value=(visit.csrf);
            input type="hidden" name="sha256" value=(newest);
            label for="note" { "Note, for the audit chain" }
            input #note name="note" maxlength="500" autocomplete="off";
            p { button.main { "Looked at " (digits(newest)) } }
            p.hint { "Within a second filters trust this version: its change and its flags are refused no more, until it changes again." }
        }
    }
}

fn name(tool: &Tool) -> &str {
    if tool.tool.is_empty() { "(instructions)" } else { &tool.tool }
}

const MAX_SHOWN: u64 = 1000;
