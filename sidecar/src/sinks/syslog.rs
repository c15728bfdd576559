//! Syslog: messages of RFC 5424, framed by octet counting over TCP (RFC 6587, section 3.4.1) and TLS (RFC 5425), one a datagram
//! over UDP (RFC 5426) and to a socket of this machine.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::event::Severity;
use super::{Event, NotTaken};
use crate::clock;
use crate::failure::Failure;
use crate::serve::tls;

/// A receiver.
pub(crate) struct Syslog {
    to: To,
    /// This machine's name, as messages have it.
    host: String,
}

enum To {
    Tls { address: String, name: ServerName<'static>, config: Arc<ClientConfig> },
    Tcp(String),
    Udp(String),
    Unix(PathBuf),
}

impl Syslog {
    /// `authorities` are trusted in place of the system's.
    pub(crate) fn new(address: &str, authorities: Option<&Path>) -> Result<Self, Failure> {
        let refused =
            || Failure::new("--syslog is none of tls://HOST[:PORT], tcp://HOST:PORT, udp://HOST[:PORT], unix:/PATH");
        let to = match address.split_once(':').ok_or_else(refused)? {
            ("unix", path) if path.starts_with('/') => To::Unix(path.into()),
            (scheme, rest) => {
                let rest = rest.strip_prefix("//").ok_or_else(refused)?.trim_end_matches('/');
                let port = |rest: &str, default: &str| {
                    // An IPv6 address has brackets.
                    let has_port =
                        rest.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
                    if has_port { rest.to_owned() } else { format!("{rest}:{default}") }
                };
                let of = |address: String| {
                    let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
                    let fit = !host.is_empty()
                        && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@?#".contains(&byte));
                    if fit && port.parse::<u16>().is_ok_and(|port| port > 0) { Ok(address) } else { Err(refused()) }
                };
                match scheme {
                    "tcp" => To::Tcp(of(rest.to_owned())?),
                    "udp" => To::Udp(of(port(rest, "514"))?),
                    "tls" => {
                        let address = of(port(rest, "6514"))?;
                        let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
                        let name = ServerName::try_from(host.to_owned()).map_err(|_| refused())?;
                        let roots = authorities.map_or_else(|| Ok(tls::system_authorities()), tls::authorities)?;
                        To::Tls { name, config: tls::trusting(roots, false)?, address }
                    }
                    _ => return Err(refused()),
                }
            }
        };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self { to, host: header(host.trim(), 255) })
    }

    pub(super) fn send(&self, events: &[Event<'_>]) -> Result<(), NotTaken> {
        self.deliver(events).map_err(|error| {
            NotTaken::Now(match error.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "the receiver does not read",
                io::ErrorKind::InvalidData => "TLS failed",
                io::ErrorKind::NotFound => "the address is not known",
                _ => "no connection to the receiver",
            })
        })
    }

    fn deliver(&self, events: &[Event<'_>]) -> io::Result<()> {
        let messages = |limit| events.iter().map(move |event| message(event, &self.host, limit));
        let framed = || -> Vec<u8> {
            messages(MAX_STREAM)
                .flat_map(|one| [format!("{} ", one.len()).into_bytes(), one.into_bytes()].concat())
                .collect()
        };
        match &self.to {
            To::Tcp(address) => {
                let mut stream = connect(address)?;
                stream.write_all(&framed())?;
                stream.shutdown(Shutdown::Write)?;
                read_to_end(&mut stream)
            }
            To::Tls { address, name, config } => {
                let connection = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(connection, connect(address)?);
                stream.write_all(&framed())?;
                stream.conn.send_close_notify();
                stream.flush()?;
                stream.sock.shutdown(Shutdown::Write)?;
                read_to_end(&mut stream)
            }
            To::Udp(address) => {
                let to = resolve(address)?;
                let any =
                    if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(to)?;
                messages(MAX_DATAGRAM).try_for_each(|one| socket.send(one.as_bytes()).map(drop))
            }
            To::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(TIMEOUT))?;
                socket.connect(path)?;
                messages(MAX_STREAM).try_for_each(|one| socket.send(one.as_bytes()).map(drop))
            }
        }
    }
}

fn resolve(address: &str) -> io::Result<SocketAddr> {
    address.to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&resolve(address)?, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// Syslog has no acknowledgement. A receiver that has read all that came ends its side of a connection that we ended; one that
/// went away before resets it.
fn read_to_end(stream: &mut impl Read) -> io::Result<()> {
    let mut ignored = [0; 512];
    for _ in 0..MAX_READS {
        match stream.read(&mut ignored) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Ended without the word that TLS has for it, but ended.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            // One that leaves connections open took it, as far as can be told.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::InvalidInput.into())
}

/// One message of at most `limit` bytes.
fn message(event: &Event<'_>, host: &str, limit: usize) -> String {
    let severity = match event.severity() {
        Severity::Info => 6,
        Severity::Notice => 5,
        Severity::Warning => 4,
    };
    let time = clock::parse(event.text("time"), 0).unwrap_or(event.row.received);
    let kind = if event.text("action").is_empty() { "message" } else { "action" };
    let mut out = format!(
        "<{}>1 {} {host} portcullis {} {kind} [{ID}",
        FACILITY * 8 + severity,
        clock::rfc3339(time),
        std::process::id()
    );
    let (seq, hash) = (event.row.seq.to_string(), crate::audit::hex(&event.row.hash));
    let own = [("tenant", event.tenant.as_str()), ("seq", &seq), ("id", &event.row.id), ("hash", &hash)];
    let told = MEMBERS.iter().map(|name| (*name, event.text(name)));
    // Nothing is cut within a value: what does not fit is left out, and the place in the chain is always there.
    for (name, value) in own.into_iter().chain(told).filter(|(_, value)| !value.is_empty()) {
        let mut param = format!(" {name}=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\' | ']') {
                param.push('\\');
            }
            param.push(c);
        }
        param.push('"');
        if out.len() + param.len() + RESERVE <= limit {
            out.push_str(&param);
        }
    }
    out.push_str("] ");
    let mut text = event.summary();
    if !text.is_ascii() {
        // What is UTF-8 has to say so.
        text.insert(0, '\u{feff}');
    }
    let room = limit.saturating_sub(out.len());
    let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = write!(out, "{}", text.get(..end).unwrap_or_default());
    out
}

/// A field of the header: visible ASCII, or a dash.
fn header(text: &str, length: usize) -> String {
    let fit: String = text.chars().filter(char::is_ascii_graphic).take(length).collect();
    if fit.is_empty() { "-".to_owned() } else { fit }
}

/// "Log audit" of RFC 5424, section 6.2.1.
const FACILITY: u32 = 13;
/// The id of the structured data. 32473 is the number that RFC 5612 keeps for whoever has none.
const ID: &str = "portcullis@32473";
/// Members that are parameters, what matters most first.
const MEMBERS: [&str; 20] = [
    "action",
    "decision",
    "correlation_id",
    "parent",
    "principal",
    "actor",
    "server",
    "method",
    "tool",
    "rule",
    "approval_id",
    "session",
    "agent",
    "reason",
    "outcome",
    "note",
    "trace_id",
    "span_id",
    "policy_version",
    "input_hash",
];
/// What RFC 5425 (section 4.3.1) and RFC 5426 (section 3.2) say that receivers should take.
const MAX_STREAM: usize = 8192;
const MAX_DATAGRAM: usize = 2048;
/// Left for the sentence behind the data.
const RESERVE: usize = 128;
/// For connecting, and for each time that nothing moves.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A receiver has nothing to say; one that keeps talking is none.
const MAX_READS: usize = 64;
