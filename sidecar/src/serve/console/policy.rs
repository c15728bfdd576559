//! The policy that the sidecar was told.

use maud::html;
use serde_json::Value;

use super::layout::{digits, facts, pretty, show as visible, time};
use super::{Shown, Visit};
use crate::serve::api::{Refusal, policy};

pub(super) async fn show(visit: Visit) -> Result<Shown, Refusal> {
    let known = policy::known(&visit.shared, &visit.tenant).await?;
    let text = |rule: &serde_json::Map<String, Value>, name: &str| {
        visible(rule.get(name).and_then(Value::as_str).unwrap_or_default())
    };
    let body = html! {
        h1 { "Policy" }
        @if let Some(recorded) = &known.recorded {
            p { "The newest message was judged by " (digits(&recorded.policy_version)) ", " (time(&recorded.time)) "."
                @if known.told.as_ref().is_some_and(|told| told.policy_version != recorded.policy_version) {
                    " " span.word.wait { "not the one below" } }
            }
        }
        @match &known.told {
            None => p.hint { "The sidecar was not told a policy: start it with " code { "--policy FILE" } ". It only shows it; Envoy has its own." },
            Some(told) => {
                (facts(&[("Version", &told.policy_version), ("Mode", &told.mode), ("Default", &told.default),
                    ("Environment", &told.environment), ("Servers", &told.servers.join(", "))]))
                h2 { "Rules, by precedence" }
                div.wide tabindex="0" role="region" aria-label="Rules" {
                    table {
                        thead { tr { th scope="col" { "Rule" } th scope="col" { "Action" } th scope="col" { "What for" } th scope="col" { "As written" } } }
                        tbody {
                            @for rule in &told.rules {
                                tr {
                                    th scope="row" { (text(rule, "id")) }
                                    td { (text(rule, "action")) }
                                    td { (text(rule, "description")) }
                                    td { details { summary { "JSON" } pre { (pretty(&Value::Object(rule.clone()))) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Shown::Page(visit.frame().page("Policy", body)))
}
