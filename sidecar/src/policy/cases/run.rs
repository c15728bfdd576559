//! Runs cases through the whole engine, as the filter does: rules, checks, scanners, state.

use std::sync::Arc;

use portcullis_engine::audit::Record;
use portcullis_engine::driver::{Driver, Message, Request, Response};
use portcullis_engine::exchange::Facts;
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits, Value};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{IdentityFacts, JwtFacts};
use portcullis_engine::principal::Principal;

use super::{Case, Expect, Sent, Step, Upstream};
use crate::failure::Failure;
use crate::source::Node;

/// A policy, ready to judge cases.
pub(in crate::policy) struct Bench {
    firewall: Arc<Firewall>,
    servers: Vec<String>,
}

/// What one step came to.
pub(in crate::policy) struct Outcome {
    pub(in crate::policy) decision: String,
    pub(in crate::policy) rule: String,
    pub(in crate::policy) reason: String,
    hidden: bool,
    shadow: String,
    findings: Vec<String>,
    redacted: Vec<String>,
    taint: Vec<String>,
    listed: Option<Vec<String>>,
    answer: String,
    forwarded: Option<String>,
}

impl Bench {
    /// Takes a built policy. Cases say who calls and which server they mean; how the policy finds that out from
    /// certificates and paths is not theirs, so both are given to it in the plainest way.
    pub(in crate::policy) fn new(policy: &Node) -> Result<Self, Failure> {
        let mut policy = policy.clone();
        let required = policy.get("identity").and_then(|identity| identity.get("required")).cloned();
        let mut identity = Node::object([("jwt", identity_by_facts())]);
        if let Some(required) = required {
            identity.set("required", required);
        }
        policy.set("identity", identity);
        let mut servers = Vec::new();
        let mut matched = Vec::new();
        for (index, server) in policy.get("servers").map_or(&[][..], Node::elements).iter().enumerate() {
            servers.push(server.get("name").and_then(Node::as_str).unwrap_or_default().to_owned());
            let mut server = server.clone();
            server.set("match", Node::object([("path_prefix", Node::from(prefix(index)))]));
            matched.push(server);
        }
        if servers.is_empty() {
            servers.push("server".to_owned());
            matched.push(Node::object([("name", Node::from("server"))]));
        }
        policy.set("servers", Node::array(matched));
        let firewall = Firewall::from_json(policy.to_json().as_bytes(), [0; 32])
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self { firewall: Arc::new(firewall), servers })
    }

    /// The outcome of one call on a firewall that has seen nothing, at a time in microseconds since the Unix epoch.
    pub(in crate::policy) fn call(&self, step: &Step, now_us: u64) -> Result<Outcome, Failure> {
        let mut driver = Driver::new(Arc::clone(&self.firewall));
        driver.now_us = now_us;
        self.step(&mut driver, step)
    }

    /// The outcome of every step of a case.
    pub(in crate::policy) fn run(&self, case: &Case) -> Result<Vec<Outcome>, Failure> {
        let mut driver = Driver::new(Arc::clone(&self.firewall));
        case.steps.iter().map(|step| self.step(&mut driver, step)).collect()
    }

    fn step(&self, driver: &mut Driver, step: &Step) -> Result<Outcome, Failure> {
        let server = match &step.server {
            None => 0,
            Some(name) => self.servers.iter().position(|known| known == name).ok_or_else(|| {
                Failure::new(format!("no server `{name}` in the policy; it has {}", self.servers.join(", ")))
            })?,
        };
        driver.now_us += u64::try_from(step.after.as_micros()).unwrap_or(u64::MAX);
        let facts = Facts { identity: identity(&step.principal), ..Facts::default() };
        let mut last = None;
        for _ in 0..step.repeat {
            last = Some(self.once(driver, step, &facts, &format!("{}/mcp", prefix(server))));
        }
        last.ok_or_else(|| Failure::new("a step that is made no time"))
    }

    fn once(&self, driver: &mut Driver, step: &Step, facts: &Facts<'_>, path: &str) -> Outcome {
        let exchanged = exchange(step, path);
        let run = driver.run_with(&exchanged.request, facts, |_| exchanged.response);
        let record = run.records.iter().find(|record| record.method == exchanged.method).or(run.records.first());
        outcome(record, &run.client, run.upstream.as_ref(), run.answered)
    }
}

impl Outcome {
    /// What differs from what is expected: the field, what was expected, what was found.
    pub(in crate::policy) fn differences(&self, expect: &Expect) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        let mut compare = |field: &str, expected: Option<&str>, found: &str| {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                all.push((field.to_owned(), expected.to_owned(), found.to_owned()));
            }
        };
        compare("decision", expect.decision.as_deref(), &self.decision);
        compare("rule", expect.rule.as_deref(), &self.rule);
        compare("reason", expect.reason.as_deref(), &self.reason);
        compare("hidden", expect.hidden.map(|hidden| hidden.to_string()).as_deref(), &self.hidden.to_string());
        let shadow = match &expect.shadow {
            // Without a rule any will do.
            Some(expected) if !expected.contains(" by ") => self.shadow.split(" by ").next().unwrap_or_default(),
            _ => &self.shadow,
        };
        compare("shadow", expect.shadow.as_deref(), shadow);
        for (field, expected, found) in [
            ("findings", &expect.findings, Some(&self.findings)),
            ("redacted", &expect.redacted, Some(&self.redacted)),
            ("taint", &expect.taint, Some(&self.taint)),
            ("listed", &expect.listed, self.listed.as_ref()),
        ] {
            let found = found.map_or("nothing".to_owned(), |found| list(found));
            compare(field, expected.as_ref().map(|expected| list(expected)).as_deref(), &found);
        }
        let nowhere = String::new();
        for (field, texts, holds, text) in [
            ("answer_holds", &expect.answer_holds, true, &self.answer),
            ("answer_lacks", &expect.answer_lacks, false, &self.answer),
            ("forwarded_holds", &expect.forwarded_holds, true, self.forwarded.as_ref().unwrap_or(&nowhere)),
            ("forwarded_lacks", &expect.forwarded_lacks, false, self.forwarded.as_ref().unwrap_or(&nowhere)),
        ] {
            for wanted in texts.iter().filter(|wanted| text.contains(wanted.as_str()) != holds) {
                let found = if holds { "it is not there" } else { "it is there" };
                compare(field, Some(wanted), found);
            }
        }
        all
    }
}

/// A request with the answer that the server has for it.
struct Exchanged {
    request: Request,
    response: Response,
    /// Whose record is looked at.
    method: String,
}

fn exchange(step: &Step, path: &str) -> Exchanged {
    let with_headers = |mut request: Request| {
        for (name, value) in &step.headers {
            request = request.header(name, value);
        }
        request
    };
    let Sent::Message { method, params, .. } = &step.sent else {
        let Sent::Body(body) = &step.sent else { return Exchanged::nothing() };
        let response = answer(&step.upstream, "");
        return Exchanged {
            request: with_headers(Request::post(path, body.as_bytes())),
            response,
            method: String::new(),
        };
    };
    if asked_by_server(method) {
        let quoted = portcullis_engine::json::quote(method);
        let event = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"method\":{quoted},\"params\":{params}}}\n\n");
        let mut request = Request::post(path, "");
        request.chunks.clear();
        request.headers.retain(|(name, _)| !name.starts_with("content-"));
        for (name, value) in &mut request.headers {
            match name.as_str() {
                ":method" => *value = b"GET".to_vec(),
                "accept" => *value = b"text/event-stream".to_vec(),
                _ => {}
            }
        }
        return Exchanged { request: with_headers(request), response: Response::sse([event]), method: method.clone() };
    }
    let quoted = portcullis_engine::json::quote(method);
    let id = if method.starts_with("notifications/") { "" } else { "\"id\":1," };
    let body = format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":{quoted},\"params\":{params}}}");
    Exchanged {
        request: with_headers(Request::post(path, body)),
        response: answer(&step.upstream, method),
        method: method.clone(),
    }
}

impl Exchanged {
    fn nothing() -> Self {
        Self { request: Request::default(), response: Response::default(), method: String::new() }
    }
}

fn asked_by_server(method: &str) -> bool {
    Capability::of_client_method(method) == Capability::Unknown
        && matches!(
            Capability::of_server_method(method),
            Capability::Sampling | Capability::Elicitation | Capability::Roots
        )
}

fn answer(upstream: &Upstream, method: &str) -> Response {
    match upstream {
        Upstream::Result(result) => Response::json(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}")),
        Upstream::Error(error) => Response::json(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{error}}}")),
        Upstream::Status(status) => Response::empty(*status),
        Upstream::Nothing if method.starts_with("notifications/") => Response::empty(202),
        Upstream::Nothing => {
            let result = match method {
                "tools/call" => r#"{"content":[]}"#,
                "tools/list" => r#"{"tools":[]}"#,
                "resources/list" => r#"{"resources":[]}"#,
                "resources/templates/list" => r#"{"resourceTemplates":[]}"#,
                "prompts/list" => r#"{"prompts":[]}"#,
                "resources/read" => r#"{"contents":[]}"#,
                "prompts/get" => r#"{"messages":[]}"#,
                "completion/complete" => r#"{"completion":{"values":[]}}"#,
                _ => "{}",
            };
            Response::json(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}"))
        }
    }
}

fn outcome(record: Option<&Record>, client: &Message, upstream: Option<&Message>, answered: bool) -> Outcome {
    let answer = client.text();
    let document = Document::parse(answer.as_bytes(), &Limits::default()).ok();
    let root = document.as_ref().map(Document::root);
    // A refusal of our own has a code outside of the range that JSON-RPC reserves; one that hides has a server's.
    let code = root.and_then(|root| root.pointer("/error/code")).and_then(Value::as_f64);
    let mut outcome = Outcome {
        decision: "none".to_owned(),
        rule: String::new(),
        reason: String::new(),
        hidden: answered && code.is_some_and(|code| (-32_768.0..=-32_000.0).contains(&code)),
        shadow: "none".to_owned(),
        findings: Vec::new(),
        redacted: Vec::new(),
        taint: Vec::new(),
        listed: root.and_then(listed),
        forwarded: upstream.map(Message::text),
        answer,
    };
    if let Some(record) = record {
        outcome.hidden &= record.decision.as_str() == "deny";
        outcome.decision = record.decision.as_str().to_owned();
        outcome.rule = record.rule.to_string();
        outcome.reason = record.reason.to_string();
        if let Some((decision, rule)) = &record.would {
            outcome.shadow = format!("{} by {rule}", decision.as_str());
        }
        outcome.findings = record.findings.iter().map(|found| format!("{}/{}", found.scanner, found.rule)).collect();
        outcome.findings.sort();
        outcome.findings.dedup();
        outcome.redacted = record.redacted.clone();
        outcome.taint = record.taint.iter().map(ToString::to_string).collect();
    } else {
        outcome.hidden = false;
    }
    outcome
}

/// The names of a list that the client got.
fn listed(root: Value<'_>) -> Option<Vec<String>> {
    let result = root.get("result")?;
    let entries = ["tools", "prompts", "resources", "resourceTemplates"].into_iter().find_map(|key| result.get(key))?;
    let name = |entry: Value<'_>| {
        let name = ["uri", "uriTemplate", "name"].into_iter().find_map(|key| entry.get(key))?;
        Some(name.as_str()?.into_owned())
    };
    Some(entries.elements().filter_map(name).collect())
}

fn identity(principal: &Principal) -> IdentityFacts<'static> {
    let Some(kind) = principal.kind else { return IdentityFacts::default() };
    let jwt = JwtFacts {
        id: Some(principal.id.clone()),
        tenant: principal.tenant.clone(),
        roles: principal.roles.clone(),
        teams: principal.teams.clone(),
        kind: Some(kind.as_str().to_owned()),
        agent: principal.agent.clone(),
    };
    IdentityFacts { jwt: Some(jwt), ..IdentityFacts::default() }
}

/// A source of identity that takes what the facts say.
fn identity_by_facts() -> Node {
    let claims = ["id", "tenant", "roles", "teams", "kind", "agent"].map(|name| (name, Node::from(name)));
    Node::object([("payload", Node::from("case")), ("claims", Node::object(claims))])
}

fn prefix(server: usize) -> String {
    format!("/{server}")
}

fn list(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}
