//! From a document to cases. Unknown members are refused: a misspelt expectation would always be met.

use std::path::Path;
use std::time::Duration;

use portcullis_engine::json::quote;
use portcullis_engine::principal::{Principal, PrincipalKind};

use super::{Case, Expect, PolicySource, Sent, Step, Suite, Upstream};
use crate::failure::Failure;
use crate::source::{self, Node, Refused};

/// Reads a file of cases.
pub(in crate::policy) fn read(path: &Path) -> Result<Suite, Failure> {
    Ok(suite(path, &source::read(path)??)?)
}

type Read<T> = Result<T, Refused>;

fn suite(path: &Path, node: &Node) -> Read<Suite> {
    known(node, &["policy", "environment", "defaults", "cases"])?;
    let beside = |file: &str| path.parent().unwrap_or(Path::new("")).join(file);
    let policy = match node.get("policy") {
        None => PolicySource::Unnamed,
        Some(inline) if inline.is_object() => PolicySource::Inline(inline.clone()),
        Some(file) => PolicySource::File(beside(&text(file)?)),
    };
    let empty = Node::object::<String>([]);
    let defaults = node.get("defaults").unwrap_or(&empty);
    known(defaults, &STEP)?;
    let cases = list(required(node, "cases")?)?;
    if cases.is_empty() {
        return Err(refuse(node, "has no cases"));
    }
    let cases = cases.iter().enumerate().map(|(index, case)| self::case(index, case, defaults));
    Ok(Suite {
        policy,
        environment: node.get("environment").map(text).transpose()?,
        cases: cases.collect::<Read<_>>()?,
    })
}

fn case(index: usize, node: &Node, defaults: &Node) -> Read<Case> {
    let given = node.get("case").map(text).transpose()?;
    let steps = match node.get("steps") {
        Some(steps) => {
            known(node, &["case", "defaults", "steps"])?;
            let mut own = defaults.clone();
            if let Some(further) = node.get("defaults") {
                known(further, &STEP)?;
                further.members().iter().for_each(|(key, value)| own.set(key, value.clone()));
            }
            list(steps)?.iter().map(|step| self::step(step, &own)).collect::<Read<Vec<_>>>()?
        }
        None => vec![self::step(node, defaults)?],
    };
    let first = steps.first().ok_or_else(|| refuse(node, "has no steps"))?;
    let name = given.unwrap_or_else(|| match &first.sent {
        Sent::Message { name: Some(name), .. } => format!("{} {name}", index + 1),
        Sent::Message { method, .. } => format!("{} {method}", index + 1),
        Sent::Body(_) => (index + 1).to_string(),
    });
    Ok(Case { name, steps })
}

fn step(node: &Node, defaults: &Node) -> Read<Step> {
    let mut all = vec!["case"];
    all.extend(STEP);
    known(node, &all)?;
    let field = |name: &str| node.get(name).or_else(|| defaults.get(name));
    let upstream = match (field("result"), field("error"), field("status")) {
        (Some(result), None, None) => Upstream::Result(result.to_json()),
        (None, Some(error), None) => Upstream::Error(error.to_json()),
        (None, None, Some(status)) => match status.as_u64().and_then(|status| u16::try_from(status).ok()) {
            Some(status @ 200..=599) => Upstream::Status(status),
            _ => return Err(refuse(status, "is no HTTP status")),
        },
        (None, None, None) => Upstream::Nothing,
        _ => return Err(refuse(node, "has more than one of `result`, `error` and `status`")),
    };
    let mut headers = Vec::new();
    for (name, value) in field("headers").map_or(&[][..], Node::members) {
        headers.push((name.to_ascii_lowercase(), text(value)?));
    }
    if let Some(session) = field("session") {
        headers.push(("mcp-session-id".to_owned(), text(session)?));
    }
    let repeat = match field("repeat") {
        None => 1,
        Some(repeat) => match repeat.as_u64() {
            Some(times @ 1..=MAX_REPEAT) => times,
            _ => return Err(refuse(repeat, format!("is no number from 1 to {MAX_REPEAT}"))),
        },
    };
    Ok(Step {
        place: node.place.clone(),
        principal: field("principal").map_or(Ok(Principal::default()), principal)?,
        server: field("server").map(text).transpose()?,
        sent: sent(node, defaults)?,
        headers,
        after: field("after").map_or(Ok(Duration::ZERO), duration)?,
        repeat,
        upstream,
        expect: field("expect").map_or(Ok(Expect::default()), expect)?,
    })
}

fn sent(node: &Node, defaults: &Node) -> Read<Sent> {
    if let Some(body) = node.get("body") {
        return Ok(Sent::Body(text(body)?));
    }
    let field = |name: &str| node.get(name).or_else(|| defaults.get(name));
    let mut named = None;
    for (key, method, member) in
        [("tool", "tools/call", "name"), ("resource", "resources/read", "uri"), ("prompt", "prompts/get", "name")]
    {
        if let Some(name) = node.get(key) {
            if named.is_some() {
                return Err(refuse(node, "has more than one of `tool`, `resource` and `prompt`"));
            }
            named = Some((text(name)?, method, member));
        }
    }
    let method = match (field("method"), &named) {
        (Some(method), _) => text(method)?,
        (None, Some((_, method, _))) => (*method).to_owned(),
        (None, None) => return Err(refuse(node, "has none of `tool`, `resource`, `prompt`, `method` and `body`")),
    };
    let mut members = Vec::new();
    if let Some((name, _, member)) = &named {
        members.push(format!("{}:{}", quote(member), quote(name)));
    }
    if let Some(arguments) = field("arguments") {
        members.push(format!("\"arguments\":{}", arguments.to_json()));
    }
    let params = match field("params") {
        Some(params) if members.is_empty() => params.to_json(),
        Some(params) => {
            for (key, value) in params.members() {
                members.push(format!("{}:{}", quote(key), value.to_json()));
            }
            format!("{{{}}}", members.join(","))
        }
        None => format!("{{{}}}", members.join(",")),
    };
    Ok(Sent::Message { method, name: named.map(|(name, ..)| name), params })
}

fn expect(node: &Node) -> Read<Expect> {
    if let Some(short) = node.as_str() {
        let (decision, rule) = short.split_once(" by ").map_or((short, None), |(d, rule)| (d, Some(rule.to_owned())));
        return Ok(Expect { decision: Some(decision_word(node, decision)?), rule, ..Expect::default() });
    }
    known(node, &EXPECT)?;
    let one = |name: &str| node.get(name).map(text).transpose();
    let many = |name: &str| node.get(name).map(texts).transpose();
    let decision = match node.get("decision") {
        Some(decision) => Some(decision_word(decision, &text(decision)?)?),
        None => None,
    };
    Ok(Expect {
        decision,
        rule: one("rule")?,
        reason: one("reason")?,
        hidden: node.get("hidden").map(boolean).transpose()?,
        shadow: one("shadow")?,
        findings: many("findings")?,
        redacted: many("redacted")?,
        listed: many("listed")?,
        taint: many("taint")?,
        answer_holds: many("answer_holds")?.unwrap_or_default(),
        answer_lacks: many("answer_lacks")?.unwrap_or_default(),
        forwarded_holds: many("forwarded_holds")?.unwrap_or_default(),
        forwarded_lacks: many("forwarded_lacks")?.unwrap_or_default(),
    })
}

fn decision_word(node: &Node, word: &str) -> Read<String> {
    if DECISIONS.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(refuse(node, format!("`{word}` is no decision; write one of {}", DECISIONS.join(", "))))
}

fn principal(node: &Node) -> Read<Principal> {
    if node.is_null() {
        return Ok(Principal::default());
    }
    known(node, &["kind", "id", "tenant", "roles", "teams", "agent"])?;
    let one = |name: &str| node.get(name).map(text).transpose();
    let many = |name: &str| node.get(name).map_or(Ok(Vec::new()), texts);
    let kind = match one("kind")?.as_deref() {
        Some("human") => PrincipalKind::Human,
        Some("agent") => PrincipalKind::Agent,
        Some("service") => PrincipalKind::Service,
        Some("workflow") => PrincipalKind::Workflow,
        _ => return Err(refuse(node, "needs a `kind`: human, agent, service or workflow; `null` is nobody")),
    };
    let id = one("id")?.filter(|id| !id.is_empty()).ok_or_else(|| refuse(node, "needs an `id`"))?;
    Ok(Principal {
        kind: Some(kind),
        id,
        tenant: one("tenant")?,
        roles: many("roles")?,
        teams: many("teams")?,
        agent: one("agent")?,
    })
}

/// `90s`, `15m`, `2h`, `1d`.
fn duration(node: &Node) -> Read<Duration> {
    let written = text(node)?;
    let unit = written.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    });
    let number = written.get(..written.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    match number.zip(unit) {
        Some((number, unit)) => Ok(Duration::from_secs(u64::from(number) * unit)),
        None => Err(refuse(node, "is no duration; write `90s`, `15m`, `2h` or `1d`")),
    }
}

fn required<'n>(node: &'n Node, name: &str) -> Read<&'n Node> {
    node.get(name).ok_or_else(|| refuse(node, format!("has no `{name}`")))
}

fn list(node: &Node) -> Read<&[Node]> {
    if node.is_array() {
        Ok(node.elements())
    } else {
        Err(refuse(node, format!("found {}, expected a list", node.kind())))
    }
}

fn text(node: &Node) -> Read<String> {
    match node.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(refuse(node, format!("found {}, expected a string", node.kind()))),
    }
}

/// A list of strings, or one.
fn texts(node: &Node) -> Read<Vec<String>> {
    if node.as_str().is_some() { Ok(vec![text(node)?]) } else { list(node)?.iter().map(text).collect() }
}

fn boolean(node: &Node) -> Read<bool> {
    node.as_bool().ok_or_else(|| refuse(node, format!("found {}, expected true or false", node.kind())))
}

fn known(node: &Node, names: &[&str]) -> Read<()> {
    if !node.is_object() {
        return Err(refuse(node, format!("found {}, expected an object", node.kind())));
    }
    match node.members().iter().find(|(key, _)| !names.contains(&key.as_str())) {
        Some((key, value)) => Err(refuse(value, format!("unknown field `{key}`; known are {}", names.join(", ")))),
        None => Ok(()),
    }
}

fn refuse(node: &Node, message: impl Into<String>) -> Refused {
    Refused::at(node, "", message)
}

/// The members of a step, and of `defaults`.
const STEP: [&str; 17] = [
    "principal",
    "server",
    "method",
    "tool",
    "resource",
    "prompt",
    "arguments",
    "params",
    "body",
    "headers",
    "session",
    "after",
    "repeat",
    "result",
    "error",
    "status",
    "expect",
];
const EXPECT: [&str; 13] = [
    "decision",
    "rule",
    "reason",
    "hidden",
    "shadow",
    "findings",
    "redacted",
    "listed",
    "taint",
    "answer_holds",
    "answer_lacks",
    "forwarded_holds",
    "forwarded_lacks",
];
/// What an audit record calls decisions.
const DECISIONS: [&str; 7] = ["allow", "log_only", "redact", "require_approval", "deny", "malformed", "pass"];
/// Enough to try any limit.
const MAX_REPEAT: u64 = 100_000;
