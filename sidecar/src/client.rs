//! The command line as a client of a running sidecar's admin API: one request per connection, HTTP/1.1 (RFC 9112).

use std::env;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use crate::failure::Failure;
use crate::serve::tls::{authorities, trusting};
use crate::{Report, secret_file};

/// Where the sidecar is, and who asks.
#[derive(clap::Args)]
pub(crate) struct Remote {
    /// Address of the sidecar; PORTCULLIS_URL without it
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the token; the token is taken from PORTCULLIS_TOKEN without it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Authority of the sidecar's certificate (PEM), for https; PORTCULLIS_CA without it
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The tenant, where the token is for all
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

/// What the sidecar answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Remote {
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.send("POST", path, Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send("DELETE", path, None)
    }

    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// `path` with the tenant as its query, where one was named.
    pub(crate) fn of_tenant(&self, path: &str, query: &str) -> String {
        let tenant = self.tenant.as_ref().map(|tenant| format!("tenant={}", encoded(tenant)));
        let query: Vec<_> = tenant.iter().map(String::as_str).chain([query]).filter(|part| !part.is_empty()).collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }

    /// What `path` answers with as `name`: as it came, or a line for each.
    pub(crate) fn list(
        &self,
        path: &str,
        name: &str,
        json: bool,
        line: fn(&Value) -> String,
    ) -> Result<Report, Failure> {
        let body = self.get(path)?.ok()?;
        if json {
            return Report::json(&body, false);
        }
        let all = body.get(name).and_then(Value::as_array).into_iter().flatten();
        Ok(Report::new(all.map(line).collect::<String>(), false))
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let url = self.url.clone().or_else(|| env::var("PORTCULLIS_URL").ok()).unwrap_or_else(|| DEFAULT.to_owned());
        let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, Some(rest)),
            (None, rest) => (false, rest),
        };
        let host = rest
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|host| !host.is_empty() && !host.contains(['/', '@', ' ', '\r', '\n']))
            .ok_or_else(|| Failure::new(format!("{url}: an address looks like http://127.0.0.1:9444")))?;
        let token = self.token()?;
        let failed =
            |error: std::io::Error| Failure::new(format!("{url}: {error}; is `portcullis serve` running there?"));
        let stream = TcpStream::connect(host).map_err(failed)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
        let mut stream = if tls { self.encrypted(stream, host)? } else { Box::new(stream) };
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut request =
            format!("{method} /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n");
        // Writing to a String cannot fail.
        let _ = write!(
            request,
            "connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut bytes = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut bytes).map_err(failed)?;
        parse(&bytes).ok_or_else(|| Failure::new(format!("{url}: the answer is not that of a sidecar")))
    }

    /// The connection, once it speaks TLS. Only who has a certificate of the authority that was named is spoken to.
    fn encrypted(&self, stream: TcpStream, host: &str) -> Result<Box<dyn Stream>, Failure> {
        let path =
            self.ca_file.clone().or_else(|| env::var_os("PORTCULLIS_CA").map(PathBuf::from)).ok_or_else(|| {
                Failure::new("https takes the authority of the sidecar's certificate: --ca-file, or PORTCULLIS_CA")
            })?;
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("https://{host}: {error}"));
        let config = trusting(authorities(&path)?, true)?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
        let name = ServerName::try_from(name.to_owned()).map_err(|error| failed(&error))?;
        let connection = ClientConnection::new(config, name).map_err(|error| failed(&error))?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    }

    fn token(&self) -> Result<String, Failure> {
        let token = match &self.token_file {
            Some(path) => secret_file::read(path)?,
            None => env::var("PORTCULLIS_TOKEN")
                .map_err(|_| Failure::new("no token: name its file with --token-file, or set PORTCULLIS_TOKEN"))?,
        };
        let token = token.trim().to_owned();
        if token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(token);
        }
        Err(Failure::new("the token has characters that no token has"))
    }
}

impl Answer {
    /// The body, where it worked.
    pub(crate) fn ok(self) -> Result<Value, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let message = self.body.get("detail").and_then(Value::as_str).unwrap_or("no reason was given");
        Err(Failure::new(format!("the sidecar says: {message} ({})", self.status)))
    }
}

/// A connection.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// The sidecar's answers have a length and end with the connection.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: serde_json::from_str(body).unwrap_or_default() })
}

/// Text as part of a path or query (RFC 3986): all but unreserved characters in percent form.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

const DEFAULT: &str = "http://127.0.0.1:9444";
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: u64 = 64 << 20;
