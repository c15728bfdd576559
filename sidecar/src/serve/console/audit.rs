//! The audit chain: rows by what they are about, one request in order, and whether the chain is whole.

use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::layout::{decision, digits, pretty, show as visible, time};
use super::{Shown, Visit};
use crate::audit::table::Format;
use crate::client::encoded;
use crate::clock;
use crate::serve::api::audit::{self, Row, Rows, Select};
use crate::serve::api::caller::Operation;
use crate::serve::api::stats::{self, Counts};
use crate::serve::api::{Refusal, blocking};

pub(super) async fn list(visit: Visit) -> Result<Shown, Refusal> {
    let select: Select = read(&visit)?;
    let scope = visit.shared.store.tenant(&visit.tenant);
    let found = blocking(move || audit::page(&scope, &select)).await?;
    let without_page = visit.query.iter().filter(|(name, value)| *name != "cursor" && !value.is_empty());
    let query: Vec<_> = without_page.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let query = query.join("&");
    let body = html! {
        h1 { "Audit" }
        form.filters method="get" action="/audit" role="search" {
            @for (name, label) in FILTERS {
                span { label for={ "f-" (name) } { (label) } input id={ "f-" (name) } name=(name) value=[visit.asked(name)] size="14"; }
            }
            span { button.main { "Filter" } " " a href="/audit" { "All" } }
        }
        @if visit.may(Operation::ExportAudit) {
            p { a href={ "/audit.csv?" (query) } { "All of these as CSV" } }
        }
        (rows(&found))
        @if let Some(next) = found.next {
            p { a.button href={ "/audit?" (query) @if !query.is_empty() { "&" } "cursor=" (next) } { "Older rows" } }
        }
    };
    Ok(Shown::Page(visit.frame().page("Audit", body)))
}

pub(super) async fn show(visit: Visit) -> Result<Shown, Refusal> {
    let scope = visit.shared.store.tenant(&visit.tenant);
    let id = visit.id.clone();
    let row = blocking(move || audit::one(&scope, &id)).await?;
    let body = html! {
        h1 { "Row " (row.seq) }
        dl {
            dt { "Id" } dd { code { (visible(&row.id)) } }
            dt { "Appended" } dd { (time(&clock::rfc3339(row.received))) }
            dt { "Follows" } dd { (digits(&row.prev)) }
            dt { "Hash" } dd { (digits(&row.hash)) }
            @if !row.text("correlation_id").is_empty() {
                dt { "Request" } dd { a href={ "/requests/" (encoded(row.text("correlation_id"))) } { (visible(row.text("correlation_id"))) } }
            }
            @if !row.text("approval_id").is_empty() {
                dt { "Approval" } dd { a href={ "/approvals/" (encoded(row.text("approval_id"))) } { (visible(row.text("approval_id"))) } }
            }
        }
        h2 { "Record" }
        pre tabindex="0" aria-label="Record" { (pretty(&Value::Object(row.record.clone()))) }
    };
    Ok(Shown::Page(visit.frame().page(&format!("Row {}", row.seq), body)))
}

pub(super) async fn csv(visit: Visit) -> Result<Shown, Refusal> {
    let select: Select = read(&visit)?;
    audit::exported(&visit.shared, &visit.caller, &visit.tenant, &select, Format::Csv).await.map(Shown::Other)
}

/// All that came of one HTTP request, in its order.
pub(super) async fn request(visit: Visit) -> Result<Shown, Refusal> {
    let (scope, correlation) = (visit.shared.store.tenant(&visit.tenant), visit.id.clone());
    let found = blocking(move || audit::requested(&scope, &correlation)).await?;
    let body = html! {
        h1 { "Request " code { (visible(&visit.id)) } }
        @if let Some(parent) = &found.parent {
            p { "It goes back to " a href={ "/requests/" (encoded(parent)) } { (visible(parent)) } "." }
        }
        ol.timeline {
            @for audit::Branch { depth, row } in &found.rows {
                li {
                    @if *depth > 0 {
                        a href={ "/requests/" (encoded(row.text("correlation_id"))) } title="A request that goes back to it" { "↳ " (depth) } " "
                    }
                    (time(row.text("time"))) " " (what(row)) " "
                    a href={ "/audit/rows/" (encoded(&row.id)) } { "row " (row.seq) }
                    @if !row.text("reason").is_empty() { p { (visible(row.text("reason"))) } }
                    @if !row.text("note").is_empty() { p { q { (visible(row.text("note"))) } } }
                }
            }
        }
        @if found.more { p.hint { "There are more rows than are shown." } }
    };
    Ok(Shown::Page(visit.frame().page("Request", body)))
}

pub(super) async fn chain(visit: Visit) -> Result<Shown, Refusal> {
    let wanted = visit.asked("last").and_then(|last| last.parse().ok()).unwrap_or(1000).clamp(1, 1_000_000);
    let verified = audit::verified(&visit.shared, &visit.tenant, wanted).await?;
    let (store, tenant) = (visit.shared.store.clone(), visit.tenant.clone());
    let signed = blocking(move || audit::signed(&store, &tenant)).await?;
    let body = html! {
        h1 { "Chain" }
        p role="status" {
            @if verified.rows == 0 {
                "Nothing was recorded yet."
            } @else if verified.intact {
                span.word.good { "intact" } " Rows " (verified.from) " to " (verified.to) " are what was recorded ("
                (verified.rows) " rows, " (verified.statements) " signed statements, " (format!("{:.2}", verified.seconds)) " s)."
            } @else {
                span.word.bad { "broken" } " Of " (verified.rows) " rows up to " (verified.to) " something is wrong:"
            }
        }
        @if !verified.faults.is_empty() {
            ul { @for fault in &verified.faults { li { (visible(fault)) } } }
            @if verified.more > 0 { p { "and " (verified.more) " more" } }
        }
        form.filters method="get" action="/chain" {
            span { label for="last" { "Newest rows" } input #last name="last" type="number" min="1" max="1000000" value=(wanted); }
            span { button.main { "Verify" } }
        }
        h2 { "Last checkpoint" }
        @match signed.statements.iter().rev().find(|one| one.kind == crate::audit::Kind::Checkpoint) {
            Some(one) => p { "Row " (one.seq) ", " (time(&clock::rfc3339(one.time))) ", hash " (digits(&one.hash)) },
            None => p.hint { "None yet. The head of the chain is signed with every transaction." },
        }
        p.hint { "Key " (digits(&signed.public_key)) ". Checkpoints that are kept elsewhere show what nothing here can: "
            code { "portcullis audit verify --anchor" } "." }
    };
    Ok(Shown::Page(visit.frame().page("Chain", body)))
}

/// What the calls of a time add up to.
pub(super) async fn calls(visit: Visit) -> Result<Shown, Refusal> {
    let now = clock::now();
    let asked = visit.asked("since").unwrap_or("1h");
    let since =
        clock::parse(asked, now).map_err(|_| Refusal::invalid("write the time as 15m, 1h, 7d or 2026-11-21"))?;
    let stats = stats::of(&visit.shared, &visit.tenant, since, now).await?;
    let body = html! {
        h1 { "Calls" }
        form.filters method="get" action="/calls" {
            span { label for="since" { "Since" } input #since name="since" value=(asked) size="14"; }
            span { button.main { "Count" } }
        }
        @if !stats.complete { p.refused role="alert" { "There are more rows than are counted at once: these are the newest " (stats.rows) "." } }
        div.wide tabindex="0" role="region" aria-label="Calls of tools" {
            table {
                thead { tr { th scope="col" { "Of" } th scope="col" { "Calls" } th scope="col" { "Refused" } th scope="col" { "Decisions" }
                    th scope="col" { "p50" } th scope="col" { "p90" } th scope="col" { "p99" } } }
                tbody {
                    (counted("all requests", &stats.requests))
                    (counted("all calls of tools", &stats.calls))
                    @for one in &stats.servers { (counted(&one.server, &one.counts)) }
                    @for one in &stats.tools { (counted(&format!("{} / {}", one.server, one.tool), &one.counts)) }
                }
            }
        }
        p.hint { "Latency in milliseconds, from arrival to the end; the time in which people decide is part of it." }
    };
    Ok(Shown::Page(visit.frame().page("Calls", body)))
}

fn counted(name: &str, counts: &Counts) -> Markup {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let milliseconds = |us: Option<u64>| us.map(|us| format!("{:.1}", us as f64 / 1000.0)).unwrap_or_default();
    let decisions: Vec<_> = counts.decisions.iter().map(|(word, count)| format!("{word} {count}")).collect();
    html! {
        tr {
            th scope="row" { (visible(name)) }
            td.number { (counts.count) }
            td.number { (counts.refused) " (" (format!("{:.1}", counts.deny_rate * 100.0)) " %)" }
            td { (visible(&decisions.join(", "))) }
            td.number { (milliseconds(counts.latency.p50_us)) }
            td.number { (milliseconds(counts.latency.p90_us)) }
            td.number { (milliseconds(counts.latency.p99_us)) }
        }
    }
}

fn rows(found: &Rows) -> Markup {
    if found.rows.is_empty() {
        return html! { p role="status" { "No rows are about that." } };
    }
    html! {
        div.wide tabindex="0" role="region" aria-label="Rows" {
            table {
                thead { tr { th scope="col" { "Row" } th scope="col" { "Time" } th scope="col" { "Who" } th scope="col" { "What" }
                    th scope="col" { "Rule" } th scope="col" { "Request" } } }
                tbody {
                    @for row in &found.rows {
                        tr {
                            td.number { a href={ "/audit/rows/" (encoded(&row.id)) } { (row.seq) } }
                            td { (time(row.text("time"))) }
                            td { (visible(who(row))) }
                            td { (what(row)) }
                            td { (visible(row.text("rule"))) }
                            td { @if !row.text("correlation_id").is_empty() {
                                a href={ "/requests/" (encoded(row.text("correlation_id"))) } { (visible(row.text("correlation_id").get(..8).unwrap_or_else(|| row.text("correlation_id")))) }
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn who(row: &Row) -> &str {
    let names = [row.text("principal"), row.text("actor")];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("anonymous")
}

fn what(row: &Row) -> Markup {
    let target: Vec<_> =
        ["server", "method", "tool"].iter().map(|name| row.text(name)).filter(|text| !text.is_empty()).collect();
    html! {
        @if row.text("action").is_empty() { (decision(row.text("decision"))) } @else { strong { (visible(row.text("action"))) } }
        @if row.text("stage") == "intent" { " (intent)" }
        " " (visible(&target.join(" ")))
    }
}

/// The query as the API takes it; fields that are empty were not filled in.
fn read<T: DeserializeOwned>(visit: &Visit) -> Result<T, Refusal> {
    let number = |name: &str| matches!(name, "cursor" | "limit");
    let given = visit.query.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
        let value =
            if number(name) { value.parse::<u64>().map_or(Value::Null, |value| json!(value)) } else { json!(value) };
        (name.clone(), value)
    });
    serde_json::from_value(Value::Object(given.collect()))
        .map_err(|_| Refusal::invalid("one of the fields has no value that is possible there"))
}

const FILTERS: [(&str, &str); 11] = [
    ("since", "Since (1h, 2026-11-21)"),
    ("until", "Until"),
    ("decision", "Decision"),
    ("server", "Server"),
    ("tool", "Tool"),
    ("principal", "Caller"),
    ("rule", "Rule"),
    ("action", "Action"),
    ("session", "Session"),
    ("correlation_id", "Request"),
    ("approval_id", "Approval"),
];
