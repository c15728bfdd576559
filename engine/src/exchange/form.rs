//! The forms in which a client is told that people have to decide first, and how it comes back with its call.
//!
//! What comes back proves nothing: the state that a client carries is a random name that the sidecar gave out, once and
//! for a short time, and the sidecar's record of the approval alone says what was decided.

use super::parent::Mark;
use super::{Asked, Exchange};
use crate::answer::Denial;
use crate::json::{Document, Edits, Limits, Value, quote};
use crate::mcp::Revision;
use crate::sidecar::AdmitResponse;
use crate::state::{Change, Table};

/// What a client can be told about a call that nobody has decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A text.
    Text,
    /// That it should show a link and make the call again (2025-11-25, "URL elicitation required").
    Link,
    /// That it should ask its user and come back with a state (2026-07-28, `input_required`).
    Retry {
        /// It shows links.
        link: bool,
        /// It asks its user without one.
        plain: bool,
    },
}

/// How a client came back with a call.
#[derive(Debug)]
pub(super) struct Return {
    /// The state that it was given.
    pub(super) state: String,
    /// Its user wanted to go on.
    accepted: bool,
}

impl Exchange {
    /// What the client of this call can be told.
    pub(super) fn form(&self, method: &str, params: Option<Value<'_>>, now_us: u64) -> Form {
        if self.scene.revision != Some(Revision::V2026_07_28) {
            let session = self.subject().session;
            let known = Table::new(&*self.store, LINKS).get(&session, now_us);
            return if matches!(known, Ok(Some(_))) { Form::Link } else { Form::Text };
        }
        let abilities = params.and_then(|params| params.get("_meta")?.get(ABILITIES)?.get("elicitation"));
        let declined = self.scene.returned.as_ref().is_some_and(|returned| !returned.accepted);
        match abilities {
            Some(abilities) if !declined && RETRIED.contains(&method) => {
                let link = abilities.get("url").is_some();
                Form::Retry { link, plain: !link || abilities.get("form").is_some() }
            }
            _ => Form::Text,
        }
    }

    /// Remembers for the session that a server just began that its client shows links.
    pub(super) fn note_links(&self, now_us: u64) {
        if self.firewall.sidecar.is_some() && self.calls.first().is_some_and(|call| call.shows_links) {
            let until = now_us.saturating_add(LINKS_US);
            let table = Table::new(&*self.store, LINKS);
            // A client that this is forgotten of gets texts.
            let _ = table.update(&self.subject().session, now_us, |_| (Change::Set(vec![1], until), ()));
        }
    }

    /// The answer to a call that nobody has decided about, where it has another form than a text.
    pub(super) fn pending(&self, asked: &Asked, denial: &Denial<'_>, response: &AdmitResponse) -> Option<String> {
        let (id, text) = (&asked.id, quote(denial.text));
        let link = Some(response.link.as_str()).filter(|link| !link.is_empty());
        match asked.form {
            Form::Link => Some(denial.link(id, &response.approval_id, link?)),
            Form::Retry { link: shows, plain } if !response.state.is_empty() => {
                let ask = match link.filter(|_| shows) {
                    Some(link) => format!(r#""mode":"url","url":{}"#, quote(link)),
                    None if plain => r#""mode":"form","requestedSchema":{"type":"object","properties":{}}"#.to_owned(),
                    None => return None,
                };
                let state = format!("{STATE}{}{}", response.state, asked.carried);
                self.expect_back(Mark::State(&state), self.scene.started_us);
                let state = quote(&state);
                Some(denial.result(
                    id,
                    &format!(
                        r#""resultType":"input_required","inputRequests":{{"{KEY}":{{"method":"elicitation/create","params":{{{ask},"message":{text}}}}}}},"requestState":{state}"#
                    ),
                ))
            }
            Form::Text | Form::Retry { .. } => None,
        }
    }
}

/// Whether the client that sends these parameters of `initialize` shows links.
pub(super) fn shows_links(method: &str, params: Option<Value<'_>>) -> bool {
    let elicitation = || params?.get("capabilities")?.get("elicitation")?.get("url");
    method == "initialize" && elicitation().is_some()
}

/// The members of `params` that a server of 2026-07-28 gave a meaning to, as a client that comes back has to bring
/// them: what it sends then is meant for us.
pub(super) fn carried(params: Option<Value<'_>>) -> String {
    let mut out = String::from("{");
    if let Some(params) = params {
        copy(&mut out, params, true);
    }
    if out.len() > 1 { out + "}" } else { String::new() }
}

/// A call that came back, as it was before we answered it. All that follows is about this text alone: what a client
/// puts in place of the members that it was to carry is as if it had sent them itself.
pub(super) fn come_back(root: Value<'_>, body: &[u8], limits: &Limits) -> Option<(Return, Vec<u8>)> {
    let params = root.get("params")?;
    let text = params.get("requestState")?.as_str()?;
    let own = text.strip_prefix(STATE)?;
    let (state, carried) = own.split_at(own.find('{').unwrap_or(own.len()));
    let mut members = String::from("{");
    copy(&mut members, params, false);
    if let Ok(carried) = Document::parse(carried.as_bytes(), limits) {
        copy(&mut members, carried.root(), true);
    }
    let mut edits = Edits::default();
    edits.replace(params.span(), members + "}");
    let action = params.get("inputResponses").and_then(|responses| responses.get(KEY)?.get("action"));
    let accepted = action.is_some_and(|action| action.is_str("accept"));
    Some((Return { state: state.to_owned(), accepted }, edits.apply(body)))
}

/// Copies members of `object` to the end of an object that is being written: those by which a client answers, or all others.
fn copy(out: &mut String, object: Value<'_>, answers: bool) {
    for (key, value) in object.members() {
        if (key.is_str("requestState") || key.is_str("inputResponses")) == answers {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(key.raw());
            out.push(':');
            out.push_str(value.raw());
        }
    }
}

/// What our states begin with.
const STATE: &str = "portcullis:";
/// Our name among `inputRequests`.
const KEY: &str = "portcullis";
/// What a client of 2026-07-28 can, in `_meta`.
const ABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Requests that may be answered with `input_required` (2026-07-28, "Multi round-trip requests").
const RETRIED: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];
/// The table of sessions whose clients show links, and how long they are remembered.
const LINKS: &str = "links";
const LINKS_US: u64 = 86_400_000_000;
