//! `POST /api/v1/invoke`: one call of a tool through Envoy, so that the policy decides about it as about any other.

use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use base64::prelude::{BASE64_STANDARD, Engine};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::blocking;
use super::endpoint::{Call, Nothing};
use super::refusal::Refusal;
use super::types::Text;
use crate::audit::action::{Action, new_record};
use crate::clock;
use crate::failure::Failure;
use crate::serve::tls::{authorities, system_authorities, trusting};

/// Envoy's listener, as an MCP endpoint.
#[derive(Clone)]
pub(crate) struct Target {
    authority: String,
    path: String,
    /// Whose certificate it has to have, and who vouches for it; `None`: it is spoken to without TLS.
    tls: Option<(ServerName<'static>, TlsConnector)>,
}

/// The call to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invocation {
    /// Name of the tool
    tool: Text,
    #[serde(default)]
    arguments: Map<String, Value>,
    /// The header `Authorization` for Envoy, where the policy wants to know who calls; it is kept nowhere.
    authorization: Option<Secret>,
    /// How long it may take, 1 to 300 seconds, 60 without it. A call that waits for an approval takes longer than others.
    timeout_seconds: Option<Seconds>,
}

/// 1 to 300.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Seconds(Duration);

/// A header's value that nobody sees again. It does not print.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct Secret(HeaderValue);

/// What the client of such a call would have got.
#[derive(Serialize, JsonSchema)]
pub(super) struct Outcome {
    /// The HTTP status.
    status: u16,
    /// Finds the rows of the call.
    correlation_id: String,
    /// The tool's result, or the firewall's in its place; null where there was an error.
    result: Value,
    /// The JSON-RPC error; null where there was a result.
    error: Value,
}

pub(super) async fn invoke(call: Call<Nothing, Nothing, Invocation>) -> Result<Outcome, Refusal> {
    let Some(target) = call.shared.invoke.clone() else {
        return Err(Refusal::Conflict("`portcullis serve` was not told Envoy's address: --invoke-url".to_owned()));
    };
    let patience = call.body.timeout_seconds.map_or(Duration::from_secs(60), |seconds| seconds.0);
    let Ok(_permit) = call.shared.invocations.try_acquire() else { return Err(Refusal::Busy) };
    let person = call.caller.0.person.clone();
    let keys: Vec<_> = call.body.arguments.keys().take(64).cloned().collect();
    let details = json!({"tool": call.body.tool.0, "argument_keys": keys});
    record(&call, Action::ToolInvoked, &person, details).await?;
    let client = Client { target, authorization: call.body.authorization.clone() };
    let made = client.call_tool(&call.body.tool.0, &call.body.arguments);
    let made = match tokio::time::timeout(patience, made).await {
        Ok(made) => made,
        Err(_) => Err(Refusal::Upstream("there was no answer in time".to_owned())),
    };
    let (outcome, correlation) = match &made {
        Ok(made) if made.result.get("isError") == Some(&true.into()) => ("tool_error", made.correlation_id.as_str()),
        Ok(made) if made.error.is_null() => ("result", made.correlation_id.as_str()),
        Ok(made) => ("error", made.correlation_id.as_str()),
        Err(_) => ("none", ""),
    };
    let details = json!({"tool": call.body.tool.0, "outcome": outcome, "correlation_id": correlation});
    record(&call, Action::ToolInvocationEnded, &person, details).await?;
    made
}

async fn record<P, Q, B>(call: &Call<P, Q, B>, action: Action, person: &str, details: Value) -> Result<(), Refusal> {
    let scope = call.shared.store.tenant(&call.tenant);
    let now = clock::now();
    let record = new_record(action, person, now, details)?;
    blocking(move || Ok(scope.append(vec![record], now).map(drop)?)).await
}

impl Target {
    /// Of `http://HOST:PORT/PATH`, or https; then `ca` is a PEM file of authorities in place of those of the system.
    pub(crate) fn parse(url: &str, ca: Option<&Path>) -> Result<Self, Failure> {
        let wrong = || Failure::new(format!("--invoke-url {url}: an address looks like https://mcp.example.com/mcp"));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let (tls, port) = match uri.scheme_str() {
            Some("http") if ca.is_some() => return Err(Failure::new("--invoke-ca is for an address with https")),
            Some("http") => (None, 80),
            Some("https") => {
                let name = host.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(name).map_err(|_| wrong())?;
                let roots = ca.map_or_else(|| Ok(system_authorities()), authorities)?;
                (Some((name, TlsConnector::from(trusting(roots, true)?))), 443)
            }
            _ => return Err(wrong()),
        };
        let port = authority.port_u16().unwrap_or(port);
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { authority: format!("{host}:{port}"), path, tls })
    }
}

/// A client of one call: a session of its own where the server has sessions (MCP 2025-11-25), none where it has none
/// (2026-07-28).
struct Client {
    target: Target,
    authorization: Option<Secret>,
}

/// An HTTP answer.
struct Answer {
    status: StatusCode,
    session: Option<HeaderValue>,
    correlation_id: String,
    /// The JSON-RPC message that answers; null where there is none.
    message: Value,
}

impl Client {
    async fn call_tool(&self, tool: &str, arguments: &Map<String, Value>) -> Result<Outcome, Refusal> {
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": SESSIONS, "capabilities": {},
            "clientInfo": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION")}}});
        let hello = self.post(&hello, &[]).await?;
        let version = hello.message.pointer("/result/protocolVersion").and_then(Value::as_str).unwrap_or_default();
        if let Ok(version) = HeaderValue::from_str(version)
            && !version.is_empty()
        {
            let mut headers = vec![(PROTOCOL, version)];
            headers.extend(hello.session.map(|session| (SESSION, session)));
            self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &headers).await?;
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": tool, "arguments": arguments}});
            let answer = self.post(&call, &headers).await;
            if headers.len() > 1 {
                // The server keeps nothing for a client that is gone; if it does not listen, it forgets by itself.
                let _ = self.send(Method::DELETE, Bytes::new(), &headers).await;
            }
            return Ok(outcome(answer?));
        }
        let name = as_header(tool).ok_or_else(|| Refusal::invalid("the name does not fit a header"))?;
        let headers = [
            (PROTOCOL, HeaderValue::from_static(STATELESS)),
            (HeaderName::from_static("mcp-method"), HeaderValue::from_static("tools/call")),
            (HeaderName::from_static("mcp-name"), name),
        ];
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": tool, "arguments": arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION")}}}});
        Ok(outcome(self.post(&call, &headers).await?))
    }

    async fn post(&self, message: &Value, headers: &[(HeaderName, HeaderValue)]) -> Result<Answer, Refusal> {
        let wanted = message.get("id").cloned();
        let response = self.send(Method::POST, message.to_string().into(), headers).await?;
        let header = |name: HeaderName| response.headers().get(name).cloned();
        let text = |value: Option<HeaderValue>| {
            value.and_then(|value| value.to_str().map(str::to_owned).ok()).unwrap_or_default()
        };
        let status = response.status();
        let (session, correlation_id) = (header(SESSION), text(header(CORRELATION)));
        let events = text(header(header::CONTENT_TYPE)).starts_with("text/event-stream");
        let message = match wanted {
            Some(id) => read(response.into_body(), events, &id).await?,
            None => Value::Null,
        };
        let correlation_id = Some(correlation_id).filter(|id| !id.is_empty()).unwrap_or_else(|| reported(&message));
        Ok(Answer { status, session, correlation_id, message })
    }

    async fn send(
        &self,
        method: Method,
        body: Bytes,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<hyper::Response<Incoming>, Refusal> {
        let failed = || Refusal::Upstream("Envoy does not answer".to_owned());
        let stream = TcpStream::connect(&self.target.authority).await.map_err(|_| failed())?;
        let mut sender = match self.target.tls.clone() {
            None => speak(stream).await,
            Some((name, connector)) => {
                let strange =
                    || Refusal::Upstream("Envoy has no certificate of an authority that is trusted".to_owned());
                speak(connector.connect(name, stream).await.map_err(|_| strange())?).await
            }
        }
        .ok_or_else(failed)?;
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(&self.target.path)
            .header(header::HOST, &self.target.authority)
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(Secret(value)) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Full::new(body)).map_err(|_| failed())?;
        sender.send_request(request).await.map_err(|_| failed())
    }
}

/// HTTP/1.1 over a connection.
async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Option<SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

/// A name as a header's value: what other characters there are travels as base64 (MCP 2026-07-28, "Header Encoding").
fn as_header(name: &str) -> Option<HeaderValue> {
    let plain = name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && name.trim() == name && !name.starts_with("=?");
    let encoded = || format!("=?base64?{}?=", BASE64_STANDARD.encode(name));
    HeaderValue::from_str(&if plain { name.to_owned() } else { encoded() }).ok()
}

fn outcome(answer: Answer) -> Outcome {
    let member = |name: &str| answer.message.get(name).cloned().unwrap_or_default();
    Outcome {
        status: answer.status.as_u16(),
        correlation_id: answer.correlation_id,
        result: member("result"),
        error: member("error"),
    }
}

/// The firewall says in a refusal which rows it left.
fn reported(message: &Value) -> String {
    ["/result/_meta/dev.portcullis~1decision/correlation_id", "/error/data/correlation_id"]
        .iter()
        .find_map(|pointer| message.pointer(pointer).and_then(Value::as_str))
        .unwrap_or_default()
        .to_owned()
}

/// The message with this id; null where the body ends without it.
async fn read(mut body: Incoming, events: bool, id: &Value) -> Result<Value, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Upstream("the answer was cut off".to_owned()))?;
        bytes.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        if bytes.len() > MAX_ANSWER {
            return Err(Refusal::Upstream("the answer is larger than 4 MiB".to_owned()));
        }
        if events && let Some(found) = answer_in(&bytes, id) {
            return Ok(found);
        }
    }
    Ok(if events { answer_in(&bytes, id) } else { serde_json::from_slice(&bytes).ok() }.unwrap_or_default())
}

/// The message with this id in an event stream, as far as it has come.
fn answer_in(bytes: &[u8], id: &Value) -> Option<Value> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.split("\n\n").find_map(|event| {
        let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
        let data: Vec<_> = data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let message: Value = serde_json::from_str(&data.join("\n")).ok()?;
        (message.get("id") == Some(id) && message.get("method").is_none()).then_some(message)
    })
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut value = HeaderValue::from_str(&text).map_err(|_| "not the form of a header")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        // JSON Schema calls 2.0 an integer.
        if !(1.0..=300.0).contains(&seconds) || seconds.fract() != 0.0 {
            return Err("1 to 300");
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 300})
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "writeOnly": true, "maxLength": 8192, "pattern": "^[\\x20-\\x7e]*$"})
    }
}

/// The versions of MCP that are spoken.
const SESSIONS: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";
const PROTOCOL: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const CORRELATION: HeaderName = HeaderName::from_static("x-portcullis-correlation-id");
const MAX_ANSWER: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_among_events() {
        let stream =
            b"id: 1\ndata:\n\ndata: {\"method\":\"x\",\"id\":1}\r\n\r\ndata: {\"id\":1,\ndata: \"result\":{}}\n\n";
        assert_eq!(answer_in(stream, &1.into()), Some(json!({"id": 1, "result": {}})));
        assert_eq!(answer_in(stream, &2.into()), None);
    }

    #[test]
    fn names_that_are_no_header_are_encoded() {
        assert_eq!(as_header("read_file").unwrap(), "read_file");
        assert_eq!(as_header("é").unwrap(), "=?base64?w6k=?=");
        assert_eq!(as_header(" a").unwrap(), "=?base64?IGE=?=");
        assert_eq!(as_header("=?base64?w6k=?=").unwrap(), "=?base64?PT9iYXNlNjQ/dzZrPT89?=");
    }

    #[test]
    fn only_addresses_of_http_are_taken() {
        let parse = |url| Target::parse(url, None);
        let target = parse("http://127.0.0.1:10000/mcp?a=b").unwrap();
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("127.0.0.1:10000", "/mcp?a=b"));
        assert!(target.tls.is_none());
        assert_eq!(parse("http://envoy").unwrap().authority, "envoy:80");
        let target = parse("https://envoy/mcp").unwrap();
        assert_eq!((target.authority.as_str(), target.tls.is_some()), ("envoy:443", true));
        for url in ["ftp://envoy/mcp", "envoy:10000", "http://a@envoy/", "/mcp", "http://", "https://not a name/"] {
            assert!(parse(url).is_err(), "{url}");
        }
        assert!(Target::parse("http://envoy", Some(Path::new("ca.pem"))).is_err());
    }
}
