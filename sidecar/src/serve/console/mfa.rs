//! One-time codes: a person's own authenticator, and for admins everybody's.

use maud::{Markup, html};
use serde_json::json;

use super::layout::{show as visible, time};
use super::{Sent, Shown, Visit, back_to};
use crate::mfa::kept::{self, Described, Holder, Kind};
use crate::serve::api::caller::Operation;
use crate::serve::api::endpoint::{Created, Nothing};
use crate::serve::api::{Refusal, blocking, mfa};

pub(super) async fn show(visit: Visit) -> Result<Shown, Refusal> {
    let (store, tenant) = (visit.shared.store.clone(), visit.tenant.clone());
    let (own, admin) = (visit.caller.0.person.clone(), visit.may(Operation::ManageMfa));
    let holder = Holder::new(Kind::Human, &own);
    let (mine, all) = blocking(move || {
        let mine = holder.map(|holder| kept::show(&store, &tenant, &holder)).transpose()?.flatten();
        let all = if admin { kept::list(&store, &tenant, "", MAX_SHOWN)? } else { Vec::new() };
        Ok((mine, all))
    })
    .await?;
    let body = html! {
        h1 { "One-time codes" }
        p.hint { "Rules can ask callers for a code that an authenticator app shows. The one here is for calls that are made as "
            strong { (visible(&own)) } "." }
        section aria-labelledby="mine" {
            h2 #mine { "Yours" }
            @match &mine {
                None => { p { "You have no authenticator." } (enrol_own(&visit, "Enrol one")) }
                Some(mine) if !mine.confirmed => {
                    p { "It waits for its first code since " (time(&mine.created)) "." }
                    (confirm_form(&visit.csrf, mine.kind, &mine.principal))
                    (enrol_own(&visit, "Begin anew"))
                }
                Some(mine) => {
                    p { (state(mine)) " since " (time(&mine.created)) ", " (mine.recovery_codes_left) " recovery codes are left. "
                        "An admin can remove it, for another one to be enrolled." }
                }
            }
        }
        @if admin {
            section aria-labelledby="all" {
                h2 #all { "Everybody's" }
                @if all.is_empty() { p { "There are none." } } @else { (table_of(&visit, &all)) }
            }
            form.stack method="post" action="/codes/enrol" {
                h2 { "Enrol one for somebody" }
                input type="hidden" name="csrf" value=(visit.csrf);
                label for="principal" { "Id that the caller has in calls" }
                input #principal name="principal" required maxlength="255" autocomplete="off";
                label for="kind" { "Kind" }
                select #kind name="kind" { @for kind in Kind::ALL { option value=(kind.as_str()) { (kind.as_str()) } } }
                p { button.main { "Show its code" } }
            }
        }
    };
    Ok(Shown::Page(visit.frame().page("One-time codes", body)))
}

pub(super) async fn enrol(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let new: mfa::New = sent.holder()?;
    let (frame, csrf) = (visit.frame(), visit.csrf.clone());
    let Created(offered) = mfa::enrol(visit.call(Nothing {}, Nothing {}, new)).await?;
    let picture = format!("data:image/png;base64,{}", offered.qr_png);
    let body = html! {
        h1 { "An authenticator for " (visible(&offered.principal)) }
        p { "Scan this with the app. It is shown this once; codes count once the first one was right." }
        p { img.qr src=(picture) alt="QR code of the address below"; }
        details {
            summary { "Without a camera" }
            p { "Secret: " code #secret { (offered.secret) } }
            p { "Address: " code { (offered.uri) } }
        }
        (confirm_form(&csrf, offered.kind, &offered.principal))
        p { a href="/codes" { "Not now" } }
    };
    Ok(Shown::Page(frame.page("New authenticator", body)))
}

pub(super) async fn confirm(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let of: mfa::ByHolder = sent.holder()?;
    let frame = visit.frame();
    let principal = of.principal.clone();
    let code = mfa::Code { code: sent.get("code").to_owned() };
    let recovery = mfa::confirm(visit.call(of, Nothing {}, code)).await?.recovery_codes;
    let body = html! {
        h1 { "Codes of " (visible(&principal)) " count now" }
        p { "Each of these counts once in place of a code. They are shown this once: write them down, and keep them apart from the phone." }
        pre #codes tabindex="0" aria-label="Recovery codes" { (recovery.join("\n")) }
        p { a href="/codes" { "They are written down" } }
    };
    Ok(Shown::Page(frame.page("Recovery codes", body)))
}

pub(super) async fn unlock(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let of = sent.holder()?;
    mfa::unlock(visit.call(of, Nothing {}, Nothing {})).await?;
    Ok(back_to("/codes"))
}

pub(super) async fn remove(visit: Visit, sent: Sent) -> Result<Shown, Refusal> {
    let of = sent.holder()?;
    mfa::remove(visit.call(of, Nothing {}, Nothing {})).await?;
    Ok(back_to("/codes"))
}

impl Sent {
    /// Whose authenticator a form is about.
    fn holder<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_value(json!({"kind": self.get("kind"), "principal": self.get("principal").trim()}))
            .map_err(|_| Refusal::invalid("a principal has a kind and 1 to 255 bytes"))
    }
}

fn table_of(visit: &Visit, all: &[Described]) -> Markup {
    let button = |action: &str, word: &str, of: &Described| {
        html! {
            form method="post" action={ "/codes/" (action) } {
                (hidden(&visit.csrf, of.kind, &of.principal))
                button.danger[action == "remove"] { (word) " " span.hidden { "that of " (visible(&of.principal)) } }
            }
        }
    };
    html! {
        div.wide tabindex="0" role="region" aria-label="Authenticators" {
            table {
                thead { tr { th scope="col" { "Caller" } th scope="col" { "Kind" } th scope="col" { "State" } th scope="col" { "Since" }
                    th scope="col" { "Recovery codes" } th scope="col" { span.hidden { "Actions" } } } }
                tbody {
                    @for one in all {
                        tr {
                            th scope="row" { (visible(&one.principal)) }
                            td.short { (one.kind.as_str()) }
                            td { (state(one)) }
                            td { (time(&one.created)) }
                            td.number { (one.recovery_codes_left) }
                            td { div.row {
                                @if one.locked_until.is_some() { (button("unlock", "Unlock", one)) }
                                (button("remove", "Remove", one))
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn state(one: &Described) -> Markup {
    html! {
        @match (&one.locked_until, one.confirmed) {
            (Some(until), _) => { span.word.bad { "locked" } " until " (time(until)) }
            (None, true) => span.word.good { "counts" },
            (None, false) => span.word.wait { "waits for its first code" },
        }
    }
}

fn enrol_own(visit: &Visit, words: &str) -> Markup {
    html! {
        form method="post" action="/codes/enrol" {
            (hidden(&visit.csrf, Kind::Human, &visit.caller.0.person))
            button.main { (words) }
        }
    }
}

fn confirm_form(csrf: &str, kind: Kind, principal: &str) -> Markup {
    html! {
        form.stack method="post" action="/codes/confirm" {
            (hidden(csrf, kind, principal))
            label for="code" { "The code that it shows" }
            input #code name="code" required inputmode="numeric" pattern="[0-9 ]{6,7}" maxlength="7" autocomplete="one-time-code";
            p { button.main { "Confirm" } }
        }
    }
}

fn hidden(csrf: &str, kind: Kind, principal: &str) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(csrf);
        input type="hidden" name="kind" value=(kind.as_str());
        input type="hidden" name="principal" value=(principal);
    }
}

/// Authenticators on one page.
const MAX_SHOWN: u64 = 1000;
