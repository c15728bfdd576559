//! Against receivers of our own: what is sent is read back by the grammar, whatever the receiver does meanwhile.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::super::tests::Bench;
use super::*;
use crate::sinks::otlp::{self, Otlp};
use crate::sinks::syslog::Syslog;
use crate::store::NewRecord;
use crate::store::suite::Backing;

fn record(n: u64, record: &str) -> NewRecord {
    NewRecord { id: format!("r{n}"), record: record.to_owned() }
}

fn fill(bench: &Bench, tenant: &str, records: Vec<NewRecord>) {
    bench.shared.store.tenant(&Tenant::new(tenant).unwrap()).append(records, 1_700_000_000_000_000).unwrap();
}

fn actions(bench: &Bench) -> Vec<String> {
    let scope = bench.shared.store.tenant(&Tenant::new("").unwrap());
    let rows = scope.query(&Filter { limit: 100, ..Filter::default() }).unwrap();
    let action = |row: &StoredRow| {
        serde_json::from_str::<serde_json::Value>(&row.record).unwrap()["action"].as_str().map(str::to_owned)
    };
    rows.iter().filter_map(action).filter(|action| action.starts_with("sink.")).collect()
}

/// A receiver of octet-counted messages that keeps what it could take apart.
fn syslogd(listener: TcpListener) -> Receiver<String> {
    let (send, receive): (Sender<String>, _) = channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let space = rest.iter().position(|byte| *byte == b' ').unwrap();
                let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
                let message = String::from_utf8(rest[space + 1..=space + length].to_vec()).unwrap();
                rest = &rest[space + 1 + length..];
                if send.send(message).is_err() {
                    return;
                }
            }
        }
    });
    receive
}

/// The parts of a message by the grammar of RFC 5424, section 6: everything before the structured data, its parameters, the text.
fn taken_apart(message: &str) -> (Vec<&str>, BTreeMap<String, String>, &str) {
    let (head, data) = message.split_once(" [").unwrap();
    let mut params = BTreeMap::new();
    let (id, mut rest) = data.split_at(data.find([' ', ']']).unwrap());
    assert_eq!(id, "portcullis@32473");
    while let Some(param) = rest.strip_prefix(' ') {
        let (name, quoted) = param.split_once("=\"").unwrap();
        assert!(name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"=]\"".contains(&byte)));
        let (mut value, mut chars) = (String::new(), quoted.char_indices());
        rest = loop {
            match chars.next().unwrap() {
                (at, '"') => break quoted.split_at(at + 1).1,
                (_, '\\') => value.push(chars.next().map(|(_, c)| c).filter(|c| "\"\\]".contains(*c)).unwrap()),
                (_, ']') => panic!("an unescaped bracket: {message}"),
                (_, c) => value.push(c),
            }
        };
        assert!(params.insert(name.to_owned(), value).is_none());
    }
    (head.split(' ').collect(), params, rest.strip_prefix("] ").unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syslog_is_what_the_grammar_says_whatever_peers_chose() {
    let bench = Bench::new(Backing::Sqlite).await;
    let token = format!("ghp_{}", "9f2K8xQ7vB3nM5tR1wZ6yL4cD0aH8sJ2eU7p");
    let hostile = json!({"decision": "deny", "server": "s", "method": "tools/call", "principal": "an\"na\\]",
        "tool": format!("x\n<13>1 forged\u{1b}[31m\u{202e} {token}"), "correlation_id": "c-1", "reason": "é".repeat(6000),
        "time": "2026-11-21T14:45:38.123456Z"});
    fill(&bench, "acme", vec![record(1, &hostile.to_string()), record(2, r#"{"action":"mfa.failed","actor":"ben"}"#)]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let messages = syslogd(listener);
    let check = |told: Vec<String>, limit: usize| {
        assert_eq!(told.len(), 3);
        for message in &told {
            assert!(
                message.len() <= limit && !message.contains(&token) && !message.chars().any(char::is_control),
                "{message}"
            );
        }
        let (head, params, text) = taken_apart(&told[1]);
        assert_eq!(head[..2], ["<108>1", "2026-11-21T14:45:38.123456Z"]);
        assert_eq!((head[3], head[5]), ("portcullis", "message"));
        assert_eq!(
            (params["principal"].as_str(), params["seq"].as_str(), params["tenant"].as_str()),
            ("an\"na\\]", "1", "acme")
        );
        assert!(params["tool"].contains("[REDACTED") && text.starts_with("\u{feff}deny an\"na\\]"), "{text}");
        assert!(told[2].starts_with("<108>1 ") && taken_apart(&told[2]).1["actor"] == "ben");
    };
    let sink = Sink::Syslog(Syslog::new(&address, None).unwrap());
    round(&bench.shared, &sink, "a").ok().unwrap();
    check(messages.iter().take(3).collect(), 8192);
    // Once.
    round(&bench.shared, &sink, "a").ok().unwrap();
    assert!(messages.try_recv().is_err());

    let tenant = Tenant::new("acme").unwrap();
    let again = || bench.shared.store.write(&tenant, |tx| tx.remove(crate::store::ItemKind::Sink, "syslog")).unwrap();
    let mut buffer = [0; 65536];
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(again());
    let sink = Sink::Syslog(Syslog::new(&format!("udp://{}", udp.local_addr().unwrap()), None).unwrap());
    round(&bench.shared, &sink, "a").ok().unwrap();
    let mut datagram = || {
        let length = udp.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    check((0..3).map(|_| datagram()).collect(), 2048);

    let path = std::env::temp_dir().join(format!("portcullis-syslog-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let unix = UnixDatagram::bind(&path).unwrap();
    assert!(again());
    let sink = Sink::Syslog(Syslog::new(&format!("unix:{}", path.display()), None).unwrap());
    round(&bench.shared, &sink, "a").ok().unwrap();
    let mut datagram = || {
        let length = unix.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    check((0..3).map(|_| datagram()).collect(), 8192);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_is_away_gets_everything_when_it_is_back() {
    let bench = Bench::new(Backing::Sqlite).await;
    fill(&bench, "", (1..=1200).map(|n| record(n, &format!(r#"{{"decision":"allow","tool":"t{n}"}}"#))).collect());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sink = Sink::Syslog(Syslog::new(&format!("tcp://{address}"), None).unwrap());
    let worker = tokio::spawn(keep(Arc::clone(&bench.shared), sink));
    let told = |shared: &Shared| shared.progress.all().get("syslog").cloned().unwrap_or_default();
    while told(&bench.shared).failures < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(told(&bench.shared).failing && told(&bench.shared).places["default"].1 >= 1201);
    // Meanwhile everybody else goes on, and the failure is recorded once.
    fill(&bench, "", vec![record(1201, "{}")]);
    assert_eq!(actions(&bench), ["sink.failed"]);
    let messages = syslogd(TcpListener::bind(address).unwrap());
    // With the genesis row, what failed and that it is back.
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 1204 {
            let message = messages.recv_timeout(Duration::from_secs(20)).unwrap();
            seen.insert(taken_apart(&message).1["seq"].parse::<u64>().unwrap());
        }
        seen
    });
    let seen: Vec<_> = seen.await.unwrap().into_iter().collect();
    assert_eq!(seen, (0..1204).collect::<Vec<_>>(), "each row, at least once");
    assert_eq!(actions(&bench), ["sink.failed", "sink.recovered"]);
    while told(&bench.shared).places["default"].1 > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let metrics = super::super::metrics::sinks(&bench.shared.progress);
    assert!(metrics.contains("portcullis_sidecar_sink_position{sink=\"syslog\",tenant=\"default\"} 1203"), "{metrics}");
    assert!(metrics.contains("portcullis_sidecar_sink_up{sink=\"syslog\"} 1"), "{metrics}");
    worker.abort();
}

/// A receiver of OTLP/HTTP: `answer` says by the number of the request and its records which status it gets.
fn collector(
    answer: impl Fn(usize, &[otlp::Told]) -> (u16, Vec<u8>) + Send + 'static,
) -> (String, Receiver<otlp::Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut count = 0;
        while let Ok((mut stream, _)) = listener.accept() {
            let mut bytes = Vec::new();
            let mut buffer = [0; 65536];
            while let Ok(length) = stream.read(&mut buffer)
                && length > 0
            {
                bytes.extend_from_slice(&buffer[..length]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = std::str::from_utf8(&bytes[..end]).unwrap().to_ascii_lowercase();
                assert!(
                    head.starts_with("post /v1/logs http/1.1\r\n")
                        && head.contains("\r\ncontent-type: application/x-protobuf")
                );
                assert!(head.contains("\r\nx-scope-orgid: tenant-1"));
                let length: usize =
                    head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
                if bytes.len() < end + 4 + length {
                    continue;
                }
                let told = otlp::told(&bytes[end + 4..end + 4 + length]);
                bytes.clear();
                let (status, body) = answer(count, &told);
                count += 1;
                write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
                stream.write_all(&body).unwrap();
                if status == 200 {
                    told.into_iter().for_each(|one| drop(send.send(one)));
                }
            }
        }
    });
    (url, receive)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn otlp_has_the_names_of_the_conventions_and_leaves_out_what_is_refused() {
    let bench = Bench::new(Backing::Sqlite).await;
    let call = json!({"decision": "deny", "server": "files", "method": "tools/call", "capability": "tool", "tool": "write",
        "principal": "anna", "roles": ["dev"], "time": "2026-11-21T14:45:38.123456Z", "upstream_status": 200, "session": null,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "findings": [{"rule": "x", "count": 2}]});
    let mut records = vec![record(1, &call.to_string())];
    records.extend((2..=40).map(|n| record(n, &format!(r#"{{"decision":"allow","tool":"t{n}"}}"#))));
    fill(&bench, "", records);
    let poison = |told: &otlp::Told| told.attributes.get("portcullis.tool").is_some_and(|tool| tool == "t17");
    let (url, taken) = collector(move |count, told| match count {
        0 => (503, Vec::new()),
        _ if told.iter().any(poison) => (400, b"no".to_vec()),
        // ExportLogsPartialSuccess: one record of these was thrown away.
        3 => (200, vec![0x0a, 0x02, 0x08, 0x01]),
        _ => (200, Vec::new()),
    });
    let headers = std::env::temp_dir().join(format!("portcullis-otlp-{}", std::process::id()));
    std::fs::write(&headers, "X-Scope-OrgID: tenant-1\n").unwrap();
    let sink = Sink::Otlp(Otlp::new(&url, Some(Path::new(&headers)), bench.shared.credentials.outgoing()).unwrap());
    std::fs::remove_file(&headers).unwrap();
    let (first, sink) = tokio::task::spawn_blocking({
        let shared = Arc::clone(&bench.shared);
        move || (round(&shared, &sink, "a"), sink)
    })
    .await
    .unwrap();
    assert!(matches!(first, Err(Stopped::NotTaken("the receiver could not take it"))));
    let shared = Arc::clone(&bench.shared);
    tokio::task::spawn_blocking(move || round(&shared, &sink, "a").ok().unwrap()).await.unwrap();
    let told: Vec<_> = taken.try_iter().collect();
    let seqs: std::collections::BTreeSet<_> =
        told.iter().map(|one| one.attributes["portcullis.audit.seq"].clone()).collect();
    // The genesis row, 39 of 40, and the row that says that one was refused.
    assert_eq!(
        (told.len(), seqs.len(), seqs.contains("17"), actions(&bench).as_slice()),
        (41, 41, false, &["sink.row.refused".to_owned()][..])
    );
    let sent = bench.shared.progress.all()["otlp"].clone();
    assert_eq!((sent.taken + sent.refused, sent.refused), (42, 2));
    let one = told.iter().find(|one| one.attributes["portcullis.audit.seq"] == "1").unwrap();
    assert_eq!(
        (one.severity, one.body.as_str(), one.event.as_str()),
        (13, "deny anna files tools/call write", "portcullis.message")
    );
    assert_eq!(
        (one.time, one.trace.as_str()),
        (1_795_272_338_123_456_000, "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7")
    );
    for (name, value) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "write"),
        ("user.id", "anna"),
        ("http.response.status_code", "200"),
        ("portcullis.audit.tenant", "default"),
        ("portcullis.audit.id", "r1"),
    ] {
        assert_eq!(one.attributes[name], value, "{name}");
    }
    assert!(!one.attributes.contains_key("portcullis.session") && told[0].event == "portcullis.audit.chain.created");
}

#[test]
fn addresses_are_understood_or_refused() {
    for fine in
        ["tls://logs.test", "tls://[2001:db8::1]:6514", "tcp://127.0.0.1:601", "udp://logs.test", "unix:/dev/log"]
    {
        assert!(Syslog::new(fine, None).is_ok(), "{fine}");
    }
    for bad in [
        "",
        "logs.test",
        "tcp://logs.test",
        "tcp://:1",
        "tcp://a:0",
        "tls://a b",
        "http://a:1",
        "unix:log",
        "tcp://a@b:1",
        "tcp://a:1/x",
    ] {
        assert!(Syslog::new(bad, None).is_err(), "{bad}");
    }
    let outgoing = crate::credentials::outgoing::Outgoing::new(&[], None).unwrap();
    assert!(
        Otlp::new("https://c.test", None, &outgoing).is_ok()
            && Otlp::new("http://c.test:4318/v1/logs", None, &outgoing).is_err()
    );
}
