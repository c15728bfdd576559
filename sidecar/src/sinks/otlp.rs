//! OpenTelemetry logs over OTLP/HTTP in protobuf (opentelemetry-proto 1.x, "OTLP Specification"). The messages are those that a
//! log record needs, by their numbers in `opentelemetry/proto/logs/v1/logs.proto`.

use std::path::Path;

use prost::Message;
use serde_json::Value;
use zeroize::Zeroizing;

use super::event::Severity;
use super::{Event, NotTaken};
use crate::clock;
use crate::credentials::outgoing::Outgoing;
use crate::failure::Failure;

/// A receiver.
pub(crate) struct Otlp {
    url: String,
    /// As they are sent; they may hold a token.
    headers: Vec<(String, Zeroizing<String>)>,
}

impl Otlp {
    /// An address without a path is that of a collector: its logs are under `/v1/logs`.
    pub(crate) fn new(url: &str, headers: Option<&Path>, outgoing: &Outgoing) -> Result<Self, Failure> {
        let bare = url.split_once("://").is_some_and(|(_, rest)| !rest.trim_end_matches('/').contains('/'));
        let url = if bare { format!("{}/v1/logs", url.trim_end_matches('/')) } else { url.to_owned() };
        outgoing.check(&url).map_err(|error| Failure::new(format!("--otlp-logs: {error}")))?;
        let headers = headers.map(read_headers).transpose()?.unwrap_or_default();
        Ok(Self { url, headers })
    }

    pub(super) fn send(&self, events: &[Event<'_>], outgoing: &Outgoing) -> Result<u64, NotTaken> {
        let mut headers = vec![("content-type", "application/x-protobuf")];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let reply = outgoing
            .post(&self.url, &headers, &request(events).encode_to_vec())
            .map_err(|_| NotTaken::Now("the receiver did not answer"))?;
        match reply.status {
            200..=299 => {
                let told = ExportResponse::decode(reply.body.expose()).unwrap_or_default().partial_success;
                Ok(told.map_or(0, |partial| u64::try_from(partial.rejected).unwrap_or_default()))
            }
            // What the specification says never to send again as it is: too much at once, or not understood.
            400 | 413 | 415 | 422 => Err(NotTaken::Ever("the receiver refused it")),
            401 | 403 => Err(NotTaken::Now("the receiver did not accept who asks")),
            404 | 405 => Err(NotTaken::Now("the receiver takes no logs there")),
            _ => Err(NotTaken::Now("the receiver could not take it")),
        }
    }
}

/// Lines `name: value`.
fn read_headers(path: &Path) -> Result<Vec<(String, Zeroizing<String>)>, Failure> {
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_default();
            let (name, value) = (name.trim(), value.trim());
            let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            let fit =
                !name.is_empty() && name.bytes().all(token) && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            // Not which line: it may hold a token.
            if fit {
                Ok((name.to_owned(), Zeroizing::new(value.to_owned())))
            } else {
                Err(Failure::file(path, "has a line that is no header `name: value`"))
            }
        })
        .collect()
}

fn request(events: &[Event<'_>]) -> ExportRequest {
    let resource = Resource {
        attributes: vec![
            attribute("service.name", "portcullis"),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
        ],
    };
    let scope = Scope { name: "portcullis.audit".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let records = events.iter().map(log_record).collect();
    let scoped = ScopeLogs { scope: Some(scope), log_records: records };
    ExportRequest { resource_logs: vec![ResourceLogs { resource: Some(resource), scope_logs: vec![scoped] }] }
}

fn log_record(event: &Event<'_>) -> LogRecord {
    let (number, name) = match event.severity() {
        Severity::Info => (9, "INFO"),
        Severity::Notice => (10, "INFO2"),
        Severity::Warning => (13, "WARN"),
    };
    let capability = event.text("capability");
    let mut attributes = vec![
        attribute("portcullis.audit.tenant", &event.tenant),
        KeyValue { key: "portcullis.audit.seq".to_owned(), value: Some(int(event.row.seq)) },
        attribute("portcullis.audit.id", &event.row.id),
        attribute("portcullis.audit.hash", &crate::audit::hex(&event.row.hash)),
    ];
    let told = event
        .record
        .iter()
        .filter(|(name, _)| !["time", "tenant", "id", "trace_id", "span_id"].contains(&name.as_str()));
    attributes
        .extend(told.map(|(name, value)| KeyValue { key: convention(name, capability), value: Some(any(value)) }));
    let action = event.text("action");
    LogRecord {
        time_unix_nano: clock::parse(event.text("time"), 0).unwrap_or(event.row.received).saturating_mul(1000),
        observed_time_unix_nano: event.row.received.saturating_mul(1000),
        severity_number: number,
        severity_text: name.to_owned(),
        body: Some(string(&event.summary())),
        attributes,
        trace_id: bytes(event.text("trace_id"), 16),
        span_id: bytes(event.text("span_id"), 8),
        event_name: if action.is_empty() { "portcullis.message".to_owned() } else { format!("portcullis.{action}") },
    }
}

/// The name that the semantic conventions have for a member, else one of our own.
fn convention(member: &str, capability: &str) -> String {
    match (member, capability) {
        ("method", _) => "mcp.method.name",
        ("tool", "tool") => "gen_ai.tool.name",
        ("tool", "prompt") => "gen_ai.prompt.name",
        ("tool", "resource") => "mcp.resource.uri",
        ("agent", _) => "gen_ai.agent.name",
        ("principal" | "actor", _) => "user.id",
        ("roles", _) => "user.roles",
        ("upstream_status", _) => "http.response.status_code",
        ("request_bytes", _) => "http.request.body.size",
        ("response_bytes", _) => "http.response.body.size",
        _ => return format!("portcullis.{member}"),
    }
    .to_owned()
}

/// The bytes of an identifier of W3C Trace Context; none where it is none, zeros among them.
fn bytes(hex: &str, length: usize) -> Vec<u8> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * length && digits.iter().any(|digit| *digit != 0));
    let pairs =
        |digits: Vec<u8>| digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    digits.map(pairs).unwrap_or_default()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(string(value)) }
}

fn string(text: &str) -> AnyValue {
    AnyValue { value: Some(Any::Text(text.to_owned())) }
}

fn int(number: u64) -> AnyValue {
    AnyValue { value: Some(Any::Int(i64::try_from(number).unwrap_or(i64::MAX))) }
}

fn any(value: &Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(truth) => Some(Any::Bool(*truth)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(number) => Any::Int(number),
            None => Any::Double(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Some(Any::Text(text.clone())),
        Value::Array(items) => Some(Any::Array(ArrayValue { values: items.iter().map(any).collect() })),
        Value::Object(members) => Some(Any::Map(KeyValueList {
            values: members.iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(any(value)) }).collect(),
        })),
    };
    AnyValue { value }
}

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
    #[prost(string, tag = "12")]
    event_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    Map(KeyValueList),
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
}

/// A log record as a receiver reads it.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) severity: i32,
    pub(crate) time: u64,
    pub(crate) body: String,
    pub(crate) event: String,
    pub(crate) trace: String,
    /// Texts and numbers as text.
    pub(crate) attributes: std::collections::BTreeMap<String, String>,
}

#[cfg(test)]
pub(crate) fn told(bytes: &[u8]) -> Vec<Told> {
    let plain = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.clone()) {
        Some(Any::Text(text)) => text,
        Some(Any::Int(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let request = ExportRequest::decode(bytes).unwrap();
    let scoped = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
    let told = |record: LogRecord| Told {
        severity: record.severity_number,
        time: record.time_unix_nano,
        body: plain(&record.body),
        event: record.event_name,
        trace: format!("{}-{}", crate::audit::hex(&record.trace_id), crate::audit::hex(&record.span_id)),
        attributes: record.attributes.iter().map(|one| (one.key.clone(), plain(&one.value))).collect(),
    };
    scoped.flat_map(|scope| scope.log_records).map(told).collect()
}
