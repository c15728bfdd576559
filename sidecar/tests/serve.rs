//! The sidecar from outside: started, asked, killed, started again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::panic, reason = "a test may")]

mod common;
#[allow(dead_code, clippy::all, reason = "generated")]
#[rustfmt::skip]
#[path = "../src/proto/portcullis.v1.rs"]
mod proto;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::run;
use proto::portcullis_client::PortcullisClient;
use proto::{AdmitRequest, ApprovalNeed, AuditRecord, Call, Principal, RecordRequest, Verdict};
use serde_json::Value;
use tonic::Request;
use tonic::transport::Channel;

/// A running sidecar, ended with the test.
struct Sidecar {
    data: PathBuf,
    child: Child,
    grpc: String,
    http: String,
}

impl Sidecar {
    fn start(name: &str) -> Self {
        let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("serve-{name}"));
        let _ = fs::remove_dir_all(&data);
        Self::in_directory(data)
    }

    fn in_directory(data: PathBuf) -> Self {
        Self::spawn(data, Command::new(env!("CARGO_BIN_EXE_portcullis")))
    }

    /// One whose files cannot grow beyond so many blocks of 512 bytes.
    fn with_little_room(name: &str, blocks: u32) -> Self {
        let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("serve-{name}"));
        let _ = fs::remove_dir_all(&data);
        let mut shell = Command::new("sh");
        // Ignored, the signal leaves an error to whoever writes.
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_portcullis"));
        Self::spawn(data, shell)
    }

    fn spawn(data: PathBuf, mut command: Command) -> Self {
        let mut child = command
            .args(["serve", "--listen-grpc", "127.0.0.1:0", "--listen-http", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().unwrap().contains("gRPC on")).unwrap().unwrap();
        // Whatever comes later is read, so that the sidecar never waits for us.
        thread::spawn(move || lines.for_each(drop));
        let after = |word: &str| line.split(word).nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
        Self { data, child, grpc: after("gRPC on"), http: after("HTTP on") }
    }

    fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.data.clone()
    }

    async fn client(&self) -> PortcullisClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap();
        PortcullisClient::new(channel)
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let token = fs::read_to_string(self.data.join("filter-token")).unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", token.trim()).parse().unwrap());
        request
    }

    /// A command about it, with the token in a file.
    fn cli(&self, token: &str, args: &[&str]) -> common::Ran {
        let (url, token) = (format!("http://{}", self.http), self.data.join(token));
        let mut all = args.to_vec();
        all.extend(["--url", &url, "--token-file", token.to_str().unwrap()]);
        run(&all, "")
    }

    fn make_token(&self, name: &str, more: &[&str]) {
        let mut args = vec!["tokens", "create", "--name", name];
        args.extend(more);
        let made = self.cli("admin-token", &args);
        assert_eq!(made.code, 0, "{}", made.err);
        let path = self.data.join(name);
        fs::write(&path, made.out).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, mode).unwrap();
    }

    /// Status and body of a request by hand.
    fn http(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        let token = token.map(|name| fs::read_to_string(self.data.join(name)).unwrap());
        let header = token.map(|token| format!("authorization: Bearer {}\r\n", token.trim())).unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text[9..12].parse().unwrap(), text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn audit(&self, args: &[&str]) -> common::Ran {
        let mut all = vec!["audit"];
        all.extend(args);
        all.extend(["--data", self.data.to_str().unwrap()]);
        run(&all, "")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn record(id: usize, decision: &str) -> AuditRecord {
    let json = format!(
        r#"{{"time":"2020-01-01T10:00:00.{id:06}Z","correlation_id":"c-{}","decision":"{decision}","server":"files","method":"tools/call","tool":"=read"}}"#,
        id / 2
    );
    AuditRecord { id: format!("r-{id}"), tenant: String::new(), json: json.into_bytes() }
}

fn held(id: &str, wait_ms: u32) -> AdmitRequest {
    AdmitRequest {
        contract: 1,
        id: id.into(),
        principal: Some(Principal { kind: "human".into(), id: "anna@example.com".into(), ..Principal::default() }),
        call: Some(Call {
            server: "files".into(),
            method: "tools/call".into(),
            name: "delete\u{1b}[2J".into(),
            digest: "a".repeat(64),
            ..Call::default()
        }),
        policy_version: "b".repeat(64),
        approval: Some(ApprovalNeed {
            rule: "careful".into(),
            reason: "deleting takes a second pair of eyes".into(),
            arguments: br#"{"path":"/data/x","key":"[REDACTED:secret]"}"#.to_vec(),
            wait_ms,
            approvers: vec!["ops".into()],
            ..ApprovalNeed::default()
        }),
        ..AdmitRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_held_decided_recorded_and_proved() {
    let sidecar = Sidecar::start("approve");
    for file in ["filter-token", "admin-token", "audit-key", "portcullis.db"] {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(sidecar.data.join(file)).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    sidecar.make_token("anna", &["--person", "Anna@example.com", "--role", "admin", "--groups", "ops"]);
    sidecar.make_token("ben", &["--role", "viewer", "--groups", "ops,dev"]);
    sidecar.make_token("cleo", &["--role", "policy_manager"]);
    assert_eq!(sidecar.cli("ben", &["approvals", "list"]).code, 1, "nothing waits");

    let mut client = sidecar.client().await;
    let request = sidecar.signed(held("one", 30_000));
    let waiting = tokio::spawn(async move { client.admit(request).await.unwrap().into_inner() });
    let id = loop {
        let list = sidecar.cli("ben", &["approvals", "list", "--json"]);
        if list.code == 0 {
            let list: Value = serde_json::from_str(&list.out).unwrap();
            break list[0]["id"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let shown = sidecar.cli("ben", &["approvals", "show", &id]);
    assert!(shown.out.contains("[REDACTED:secret]") && shown.out.contains("second pair of eyes"), "{}", shown.out);
    assert!(!shown.out.contains('\u{1b}'), "nothing of a caller moves the cursor");
    let own = sidecar.cli("anna", &["approvals", "approve", &id]);
    assert!(own.code == 2 && own.err.contains("cannot decide"), "{}", own.err);
    let stranger = sidecar.cli("cleo", &["approvals", "approve", &id]);
    assert!(stranger.code == 2 && stranger.err.contains("groups"), "{}", stranger.err);
    let approved = sidecar.cli("ben", &["approvals", "approve", &id, "--note", "checked with anna"]);
    assert_eq!(approved.code, 0, "{}", approved.err);
    let answer = waiting.await.unwrap();
    assert_eq!((answer.verdict(), answer.approval_id), (Verdict::Allow, id.clone()));
    let again = sidecar.cli("ben", &["approvals", "deny", &id]);
    assert!(again.code == 2 && again.err.contains("the approval is used"), "{}", again.err);

    let listed = sidecar.audit(&["list", "--approval", &id, "--json"]);
    let actions: Vec<Value> = listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = actions.iter().map(|row| row["record"]["action"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["approval.requested", "approval.vote.refused", "approval.vote.refused", "approval.approved", "approval.used"]
    );
    assert_eq!(
        (&actions[3]["record"]["actor"], &actions[3]["record"]["note"]),
        (&"ben".into(), &"checked with anna".into())
    );
    assert!(!listed.out.contains("/data/x"), "no argument in the chain");
    assert_eq!(sidecar.audit(&["verify"]).code, 0);

    assert_eq!(sidecar.cli("admin-token", &["tokens", "revoke", "ben"]).code, 0);
    assert!(sidecar.cli("ben", &["approvals", "list"]).err.contains("(401)"));
    assert!(sidecar.cli("anna", &["tokens", "revoke", "admin"]).code == 0, "anna is an admin of all tenants, too");
    let last = sidecar.cli("anna", &["tokens", "revoke", "anna"]);
    assert!(last.err.contains("the last admin"), "{}", last.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let mut data = Sidecar::start("kill").kill();
    let (mut acknowledged, mut next) = (Vec::new(), 0);
    for round in 0..4 {
        let sidecar = Sidecar::in_directory(data);
        let mut client = sidecar.client().await;
        let (sent, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let requests: Vec<_> = (0..400)
            .map(|n| {
                sidecar.signed(RecordRequest {
                    contract: 1,
                    records: vec![record(next + n, "allow")],
                    ..Default::default()
                })
            })
            .collect();
        next += requests.len();
        let sender = tokio::spawn(async move {
            for request in requests {
                match client.record(request).await {
                    Ok(answer) => sent.send(answer.into_inner().accepted).unwrap(),
                    Err(_) => break,
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(30 + 25 * round)).await;
        data = sidecar.kill();
        sender.await.unwrap();
        while let Some(ids) = answers.recv().await {
            acknowledged.extend(ids);
        }
    }
    let sidecar = Sidecar::in_directory(data);
    assert!(!acknowledged.is_empty());
    let verified = sidecar.audit(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.out);
    let exported = sidecar.audit(&["export"]).out;
    let kept: std::collections::BTreeSet<_> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    for id in &acknowledged {
        assert!(kept.contains(id), "{id} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room() {
    let sidecar = Sidecar::with_little_room("full", 2000);
    let mut client = sidecar.client().await;
    let (mut kept, mut refused) = (Vec::new(), 0);
    for batch in 0..40 {
        let records = (0..100).map(|n| record(batch * 100 + n, "allow")).collect();
        match client.record(sidecar.signed(RecordRequest { contract: 1, records, ..Default::default() })).await {
            Ok(answer) => kept.extend(answer.into_inner().accepted),
            Err(status) => {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
                refused += 1;
            }
        }
    }
    assert!(kept.len() >= 100 && refused > 0, "{} kept, {refused} refused", kept.len());
    let pid = sidecar.child.id().to_string();
    let more = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(more.success());
    let records = vec![record(9_000, "allow")];
    let answer =
        client.record(sidecar.signed(RecordRequest { contract: 1, records, ..Default::default() })).await.unwrap();
    kept.extend(answer.into_inner().accepted);
    let exported = sidecar.audit(&["export"]).out;
    let there: std::collections::BTreeSet<_> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(kept.iter().all(|id| there.contains(id)), "what was acknowledged stays");
    let verified = sidecar.audit(&["verify"]);
    assert_eq!(verified.code, 0, "{}", verified.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_commands_read_what_was_recorded() {
    let sidecar = Sidecar::start("audit");
    let mut client = sidecar.client().await;
    let records = (0..10).map(|id| record(id, if id % 2 == 0 { "allow" } else { "deny" })).collect();
    client.record(sidecar.signed(RecordRequest { contract: 1, records, ..Default::default() })).await.unwrap();
    let denied = sidecar.audit(&["list", "--decision", "deny"]);
    assert_eq!((denied.code, denied.out.lines().count()), (0, 5), "{}", denied.out);
    assert_eq!(sidecar.audit(&["list", "--correlation", "c-2"]).out.lines().count(), 2);
    assert_eq!(
        sidecar.audit(&["list", "--since", "2020-01-01T10:00:00.000008Z", "--until", "2020-01-02"]).out.lines().count(),
        2
    );
    assert_eq!(sidecar.audit(&["list", "--tool", "none"]).code, 1);
    let shown: Value = serde_json::from_str(&sidecar.audit(&["show", "r-3"]).out).unwrap();
    assert_eq!(shown["record"]["correlation_id"], "c-1");
    assert!(sidecar.audit(&["export", "--csv"]).out.contains(",'=read,"), "no formula for a spreadsheet");
    for args in [&["verify", "--full"][..], &["verify", "--last", "3"], &["verify", "--entry", "r-3"]] {
        let verified = sidecar.audit(args);
        assert!(verified.code == 0 && verified.out.contains("ok"), "{args:?}: {}", verified.out);
    }
    assert_eq!(sidecar.audit(&["verify", "--entry", "none"]).code, 1);

    let checkpoint = sidecar.audit(&["checkpoint"]);
    assert_eq!(checkpoint.code, 0, "{}", checkpoint.err);
    let anchor = common::file("anchor.jsonl", &checkpoint.out);
    assert_eq!(sidecar.audit(&["verify", "--anchor", &anchor]).code, 0);
    assert_eq!(sidecar.audit(&["export", "--checkpoints"]).out, checkpoint.out);
    assert_eq!(sidecar.audit(&["prune", "--before", "1h"]).code, 1, "nothing is that old");
    let pruned = sidecar.audit(&["prune", "--before", "0s"]);
    assert_eq!(pruned.code, 0, "{}", pruned.err);
    assert_eq!(sidecar.audit(&["verify", "--anchor", &anchor]).code, 0);
    // It goes on beside all this.
    client
        .record(sidecar.signed(RecordRequest { contract: 1, records: vec![record(50, "allow")], ..Default::default() }))
        .await
        .unwrap();
    let verified = sidecar.audit(&["verify", "--json"]);
    assert_eq!(verified.code, 0, "{}", verified.out);

    // An anchor shows what the directory cannot: all put back to nothing.
    let path = sidecar.data.join("audit-key.pub");
    let key = common::file("audit-key.pub", &fs::read_to_string(path).unwrap());
    let other = Sidecar::start("audit-other");
    let verified = other.audit(&["verify", "--public-key", &key, "--anchor", &anchor]);
    assert!(
        verified.code == 1 && verified.out.contains("cut off the end: a signed checkpoint names row"),
        "{}",
        verified.out
    );
}

const ROLES: [&str; 3] = ["a-viewer", "a-policy_manager", "a-admin"];

/// The roles from outside; that no endpoint is forgotten is a unit test of the list of endpoints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_hold_from_outside() {
    let sidecar = Sidecar::start("roles");
    for role in ROLES {
        sidecar.make_token(role, &["--role", role.trim_start_matches("a-")]);
    }
    fs::write(sidecar.data.join("unknown"), "portcullis_0").unwrap();
    let new = |name: &str| format!(r#"{{"name":"{name}","role":"viewer"}}"#);
    let table: [(&str, &str, String, [u16; 3]); 7] = [
        ("GET", "/approvals", String::new(), [200, 200, 200]),
        ("GET", "/approvals/none", String::new(), [404, 404, 404]),
        ("POST", "/approvals/none/approve", "{}".into(), [404, 404, 404]),
        ("POST", "/approvals/none/deny", "{}".into(), [404, 404, 404]),
        ("GET", "/tokens", String::new(), [403, 403, 200]),
        ("POST", "/tokens", new("x"), [403, 403, 201]),
        ("DELETE", "/tokens/x", String::new(), [403, 403, 200]),
    ];
    for (method, path, body, expected) in &table {
        let path = format!("/api/v1{path}");
        for nobody in [None, Some("unknown"), Some("filter-token")] {
            assert_eq!(sidecar.http(method, &path, nobody, body).0, 401, "{method} {path} {nobody:?}");
        }
        for (role, status) in ROLES.iter().zip(expected) {
            let (got, text) = sidecar.http(method, &path, Some(role), body);
            assert_eq!(got, *status, "{method} {path} as {role}: {text}");
        }
    }
    let wrong = sidecar.http("POST", "/api/v1/tokens", Some("a-admin"), r#"{"name":"y","role":"viewer","rolle":1}"#);
    assert_eq!(wrong.0, 400);
    assert_eq!(sidecar.http("POST", "/api/v1/tokens", Some("a-admin"), &new("a-viewer")).0, 409);
    // A token of one tenant sees no other.
    sidecar.make_token("acme", &["--role", "admin", "--tenant", "acme"]);
    assert_eq!(sidecar.http("GET", "/api/v1/approvals?tenant=acme", Some("acme"), "").0, 200);
    assert_eq!(sidecar.http("GET", "/api/v1/approvals?tenant=other", Some("acme"), "").0, 403);
    assert_eq!(sidecar.http("DELETE", "/api/v1/tokens/admin", Some("acme"), "").0, 404);
    let foreign = sidecar.http("POST", "/api/v1/tokens", Some("acme"), r#"{"name":"z","role":"admin","tenant":""}"#);
    assert_eq!(foreign.0, 403);
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(sidecar.http("GET", path, None, "").0, 200);
    }
    assert!(sidecar.http("GET", "/metrics", None, "").1.contains("portcullis_sidecar_unauthenticated_total 21"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_answers_who_waits_and_ends() {
    let mut sidecar = Sidecar::start("term");
    sidecar.make_token("ben", &["--role", "viewer", "--groups", "ops"]);
    let mut client = sidecar.client().await;
    let request = sidecar.signed(held("one", 200_000));
    let waiting = tokio::spawn(async move { client.admit(request).await });
    while sidecar.cli("ben", &["approvals", "list"]).code != 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What watches prints what waits already, and ends when it is ended.
    let mut watch = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["approvals", "watch", "--json", "--url", &format!("http://{}", sidecar.http), "--token-file"])
        .arg(sidecar.data.join("ben"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["state"], "pending");
    watch.kill().unwrap();
    watch.wait().unwrap();

    let pid = sidecar.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!(sidecar.child.wait().unwrap().code(), Some(0));
    // Started again it knows what waits.
    let sidecar = Sidecar::in_directory(sidecar.data.clone());
    assert_eq!(sidecar.cli("ben", &["approvals", "list"]).code, 0);
    let mut client = sidecar.client().await;
    let attached = client.admit(sidecar.signed(held("two", 0))).await.unwrap().into_inner();
    assert_eq!(attached.verdict(), Verdict::Pending);
}

#[test]
fn one_sidecar_per_directory() {
    let sidecar = Sidecar::start("lock");
    let data = sidecar.data.to_str().unwrap();
    let second = run(&["serve", "--data", data, "--listen-grpc", "127.0.0.1:0", "--listen-http", "127.0.0.1:0"], "");
    assert!(second.code == 2 && second.err.contains("another portcullis serve"), "{}", second.err);
}

#[test]
fn help_has_examples_and_exit_codes() {
    for command in [
        &["serve"][..],
        &["audit", "verify"],
        &["audit", "list"],
        &["audit", "show"],
        &["audit", "follow"],
        &["audit", "export"],
        &["audit", "checkpoint"],
        &["audit", "prune"],
        &["approvals", "list"],
        &["approvals", "show"],
        &["approvals", "approve"],
        &["approvals", "deny"],
        &["approvals", "watch"],
        &["tokens", "create"],
        &["tokens", "list"],
        &["tokens", "revoke"],
        &["store", "migrate"],
    ] {
        let mut args = command.to_vec();
        args.push("--help");
        let help = run(&args, "");
        assert!(help.code == 0 && help.out.contains("Examples:") && help.out.contains("Exit codes:"), "{command:?}");
    }
}
