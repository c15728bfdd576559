//! Credentials over a real store: who gets which, keys rotated under load and broken off, tokens renewed once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::grants::Subject;
use super::kinds::Owner;
use super::outgoing::Outgoing;
use super::rotate::What;
use super::seal::kek::{Context, Kek, Spec, Surroundings};
use super::seal::{KekError, Keyring, Plain};
use super::*;
use crate::proto::Principal;
use crate::store::suite::{Backing, Bed};
use crate::store::{Filter, Store, Tenant};

struct Bench {
    data: PathBuf,
    store: Arc<Store>,
    credentials: Arc<Credentials>,
    _bed: Bed,
}

/// Every test on every database.
macro_rules! on_each {
    ($($name:ident)*) => {
        mod on_sqlite { $(#[test] fn $name() { super::$name(super::Backing::Sqlite); })* }
        mod on_postgres { $(#[test] fn $name() { super::$name(super::Backing::Postgres); })* }
    };
}

on_each! {
    only_a_grant_gives_it_out_and_a_revoked_one_does_not
    what_is_somebodys_own_is_shared_with_nobody
    a_grant_ends_by_itself
    keys_are_rotated_under_load_and_every_call_gets_its_credential
    a_rotation_that_broke_off_anywhere_is_taken_up
    what_was_moved_to_another_place_does_not_open
    many_calls_renew_a_token_once
    a_rotated_refresh_token_is_kept_with_the_token_it_came_with
}

impl Bench {
    fn new() -> Self {
        Self::on(Backing::Sqlite)
    }

    fn on(backing: Backing) -> Self {
        let bed = Bed::new(backing);
        let (data, store) = (bed.data.clone(), bed.open());
        let credentials = Arc::new(Credentials::new(Arc::clone(&store), Self::keyring(&data), outgoing()));
        Self { data, store, credentials, _bed: bed }
    }

    fn keyring(data: &std::path::Path) -> Keyring {
        let around = Surroundings { data: data.to_owned(), vault_token: None, outgoing: outgoing() };
        Keyring::new(vec![Spec::Local.open(&around).unwrap()])
    }

    fn key(&self, tenant: &Tenant, name: &str, secret: &str) {
        let new = New { name: name.into(), kind: "api_key".into(), secret: secret.to_owned().into(), ..New::default() };
        self.credentials.add(tenant, "admin", new).unwrap();
    }

    fn grant(&self, tenant: &Tenant, credential: &str, subject: Subject) -> String {
        let new = NewGrant {
            server: "s".into(),
            subject,
            credential: credential.into(),
            scopes: Vec::new(),
            expires_in: None,
        };
        self.credentials.grant(tenant, "admin", new).unwrap().id
    }

    fn value(&self, tenant: &Tenant, caller: &Principal) -> Option<String> {
        match self.credentials.resolve(tenant, caller, "s", "request-1") {
            Ok(given) => Some(given.headers[0].value.clone()),
            Err(Missing::NoGrant) => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    fn actions(&self, tenant: &Tenant, action: &str) -> usize {
        let rows = self.store.tenant(tenant).query(&Filter { limit: 10_000, ..Filter::default() }).unwrap();
        rows.iter().filter(|row| row.record.contains(&format!("\"action\":\"{action}\""))).count()
    }

    /// Everything that is on disk.
    fn on_disk(&self) -> Vec<u8> {
        let files = fs::read_dir(&self.data).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.file_name().is_some_and(|name| name != "kek"))
            .flat_map(|path| fs::read(path).unwrap())
            .collect()
    }
}

fn outgoing() -> Arc<Outgoing> {
    Arc::new(Outgoing::new(&[], None).unwrap())
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn person(id: &str) -> Principal {
    Principal { kind: "human".into(), id: id.into(), ..Principal::default() }
}

fn one(id: &str) -> Subject {
    Subject::Principal { kind: String::new(), id: id.into() }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn only_a_grant_gives_it_out_and_a_revoked_one_does_not(backing: Backing) {
    let bench = Bench::on(backing);
    let (acme, other) = (tenant("acme"), tenant("other"));
    bench.key(&acme, "github", "gho_0123456789");
    let anna = person("anna");
    assert_eq!(bench.value(&acme, &anna), None);
    let id = bench.grant(&acme, "github", one("anna"));
    assert_eq!(bench.value(&acme, &anna).as_deref(), Some("Bearer gho_0123456789"));
    // Another person, nobody, another tenant, another server.
    assert_eq!(bench.value(&acme, &person("ben")), None);
    assert_eq!(bench.value(&acme, &Principal::default()), None);
    assert_eq!(bench.value(&other, &anna), None);
    assert!(matches!(bench.credentials.resolve(&acme, &anna, "s2", "request-1"), Err(Missing::NoGrant)));
    bench.credentials.revoke(&acme, "admin", &id).unwrap();
    assert_eq!(bench.value(&acme, &anna), None);
    // Groups.
    let team = bench.grant(&acme, "github", Subject::Team { name: "platform".into() });
    let with = |teams: &[&str], roles: &[&str]| Principal {
        teams: teams.iter().map(|name| (*name).to_owned()).collect(),
        roles: roles.iter().map(|name| (*name).to_owned()).collect(),
        ..person("carl")
    };
    assert!(bench.value(&acme, &with(&["a", "platform"], &[])).is_some());
    // A role is no team of the same name.
    assert_eq!(bench.value(&acme, &with(&["a"], &["platform"])), None);
    // The principal's own comes first.
    bench.key(&acme, "carls", "gho_of-carl-himself");
    bench.grant(&acme, "carls", Subject::Principal { kind: "human".into(), id: "carl".into() });
    assert_eq!(bench.value(&acme, &with(&["platform"], &[])).as_deref(), Some("Bearer gho_of-carl-himself"));
    assert_eq!(bench.value(&acme, &Principal { kind: "agent".into(), ..with(&[], &[]) }), None);
    // What is in use cannot be removed.
    assert!(matches!(bench.credentials.remove(&acme, "admin", "github"), Err(Refused::Conflict(_))));
    bench.credentials.revoke(&acme, "admin", &team).unwrap();
    bench.credentials.remove(&acme, "admin", "github").unwrap();
    assert!(!contains(&bench.on_disk(), "gho_"));
    for (action, count) in [
        ("credential.key.created", 1),
        ("credential.created", 2),
        ("credential.removed", 1),
        ("grant.created", 3),
        ("grant.revoked", 2),
    ] {
        assert_eq!(bench.actions(&acme, action), count, "{action}");
    }
}

fn what_is_somebodys_own_is_shared_with_nobody(backing: Backing) {
    let bench = Bench::on(backing);
    let acme = tenant("acme");
    let owner = Some(Owner { kind: String::new(), id: "anna".into() });
    let new = New {
        name: "annas".into(),
        kind: "api_key".into(),
        secret: "0123456789".to_owned().into(),
        owner,
        ..New::default()
    };
    bench.credentials.add(&acme, "admin", new).unwrap();
    for subject in [one("ben"), Subject::Team { name: "anna".into() }, Subject::Role { name: "anna".into() }] {
        let new =
            NewGrant { server: "s".into(), subject, credential: "annas".into(), scopes: Vec::new(), expires_in: None };
        assert!(matches!(bench.credentials.grant(&acme, "admin", new), Err(Refused::Conflict(_))));
    }
    bench.grant(&acme, "annas", one("anna"));
    assert!(bench.value(&acme, &person("anna")).is_some());
}

fn a_grant_ends_by_itself(backing: Backing) {
    let bench = Bench::on(backing);
    let acme = tenant("acme");
    bench.key(&acme, "k", "0123456789");
    let new = NewGrant {
        server: "s".into(),
        subject: one("anna"),
        credential: "k".into(),
        scopes: Vec::new(),
        expires_in: Some(1),
    };
    bench.credentials.grant(&acme, "admin", new).unwrap();
    assert!(bench.value(&acme, &person("anna")).is_some());
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(bench.value(&acme, &person("anna")), None);
    bench.grant(&acme, "k", one("anna"));
}

#[test]
fn what_cannot_be_a_credential_is_refused() {
    let bench = Bench::new();
    let acme = tenant("acme");
    let key = |name: &str, header: &str, secret: &str| New {
        name: name.into(),
        kind: "api_key".into(),
        header: Some(header.into()),
        secret: secret.to_owned().into(),
        ..New::default()
    };
    let headers = |name: &str, value: &str| New {
        name: "h".into(),
        kind: "headers".into(),
        headers: BTreeMap::from([(name.to_owned(), value.to_owned().into())]),
        ..New::default()
    };
    let oauth = |url: &str| New {
        name: "o".into(),
        kind: "client_credentials".into(),
        token_url: url.into(),
        client_id: "c".into(),
        secret: "0123456789".to_owned().into(),
        ..New::default()
    };
    for bad in [
        key("a/b", "x-api-key", "0123456789"),
        key("k", "host", "0123456789"),
        key("k", "X-Api-Key", "0123456789"),
        key("k", ":path", "0123456789"),
        key("k", "x-api-key", "short"),
        key("k", "x-api-key", "0123456789\r\nx: y"),
        headers("mcp-session-id", "0123456789"),
        headers("authorization", "a\nb0123456789"),
        New { headers: BTreeMap::new(), ..headers("a", "0123456789") },
        oauth("http://idp.example/token"),
        oauth("file:///etc/passwd"),
        New { client_id: String::new(), ..oauth("https://idp.example/token") },
        New { refresh_token: "x".to_owned().into(), ..oauth("https://idp.example/token") },
        New { secret: String::new().into(), ..oauth("https://idp.example/token") },
        New { kind: "authorization_code".into(), ..oauth("https://idp.example/token") },
        New { kind: "other".into(), ..key("k", "x-api-key", "0123456789") },
    ] {
        let shown = format!("{} {}", bad.kind, bad.name);
        assert!(matches!(bench.credentials.add(&acme, "admin", bad), Err(Refused::Invalid(_))), "{shown}");
    }
    bench.key(&acme, "k", "0123456789");
    assert!(matches!(bench.credentials.add(&acme, "admin", key("k", "x", "0123456789")), Err(Refused::Conflict(_))));
}

// === rotation ===

fn keys_are_rotated_under_load_and_every_call_gets_its_credential(backing: Backing) {
    let bench = Bench::on(backing);
    let tenants: Vec<Tenant> = (0..3).map(|number| tenant(&format!("t{number}"))).collect();
    for of in &tenants {
        for number in 0..5 {
            bench.key(of, &format!("k{number}"), &format!("secret-{}-{number}", of.as_str()));
        }
        bench.grant(of, "k3", one("anna"));
    }
    let before = bench.on_disk();
    let over = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = tenants
        .iter()
        .map(|of| {
            let (credentials, over, of) = (Arc::clone(&bench.credentials), Arc::clone(&over), of.clone());
            thread::spawn(move || {
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    let given = credentials.resolve(&of, &person("anna"), "s", "request-1").unwrap();
                    assert_eq!(given.headers[0].value, format!("Bearer secret-{}-3", of.as_str()));
                    count += 1;
                }
                count
            })
        })
        .collect();
    for round in 0..4 {
        let what = if round % 2 == 0 { What::Dek } else { What::Kek };
        assert_eq!(bench.credentials.rotate(what, None, "admin").unwrap().rotated, 3);
        // And what is written meanwhile is sealed with whichever key there is.
        bench.key(&tenants[0], &format!("new{round}"), "0123456789");
    }
    over.store(true, Ordering::Relaxed);
    assert!(asking.into_iter().all(|thread| thread.join().unwrap() > 0));
    assert_eq!(bench.actions(&tenants[0], "credential.key.rotated"), 2);
    assert_eq!(bench.actions(&tenants[0], "credential.key.rewrapped"), 2);
    assert!(!contains(&before, "secret-t") && !contains(&bench.on_disk(), "secret-t"));
    // A sidecar that starts anew reads it all.
    let again = Credentials::new(Arc::clone(&bench.store), Bench::keyring(&bench.data), outgoing());
    assert!(again.resolve(&tenants[2], &person("anna"), "s", "request-1").is_ok());
    assert_eq!(bench.credentials.rotate(What::Dek, Some(&tenants[1]), "admin").unwrap().rotated, 1);
}

/// A provider that stops working after so many keys, as a kill would stop it.
struct Dying {
    inner: Box<dyn Kek>,
    left: AtomicUsize,
}

impl Kek for Dying {
    fn id(&self) -> String {
        self.inner.id()
    }

    fn knows(&self, id: &str) -> bool {
        self.inner.knows(id)
    }

    fn wrap(&self, context: &Context<'_>, plain: &[u8]) -> Result<String, KekError> {
        let alive = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        alive.map_err(|_| KekError::new("killed"))?;
        self.inner.wrap(context, plain)
    }

    fn unwrap(&self, context: &Context<'_>, id: &str, wrapped: &str) -> Result<Plain, KekError> {
        self.inner.unwrap(context, id, wrapped)
    }

    fn renew(&self, since: u64) -> Result<(), KekError> {
        self.inner.renew(since)
    }
}

fn a_rotation_that_broke_off_anywhere_is_taken_up(backing: Backing) {
    let bench = Bench::on(backing);
    let tenants: Vec<Tenant> = (0..4).map(|number| tenant(&format!("t{number}"))).collect();
    for of in &tenants {
        bench.key(of, "k", &format!("secret-{}", of.as_str()));
        bench.grant(of, "k", one("anna"));
    }
    for what in [What::Dek, What::Kek] {
        for left in 0..4 {
            let around = Surroundings { data: bench.data.clone(), vault_token: None, outgoing: outgoing() };
            let dying = Dying { inner: Spec::Local.open(&around).unwrap(), left: AtomicUsize::new(left) };
            let killed = Credentials::new(Arc::clone(&bench.store), Keyring::new(vec![Box::new(dying)]), outgoing());
            assert!(killed.rotate(what, None, "admin").is_err());
            let anew = Credentials::new(Arc::clone(&bench.store), Bench::keyring(&bench.data), outgoing());
            for of in &tenants {
                let given = anew.resolve(of, &person("anna"), "s", "request-1").unwrap();
                assert_eq!(given.headers[0].value, format!("Bearer secret-{}", of.as_str()));
            }
            let rotated = anew.rotate(what, None, "admin").unwrap();
            assert_eq!((rotated.rotated, rotated.done_before), (4 - left, left), "{what:?} {left}");
        }
    }
    for of in &tenants {
        assert_eq!(bench.actions(of, "credential.key.rotated"), 4);
        assert_eq!(bench.actions(of, "credential.key.rewrapped"), 4);
    }
}

fn what_was_moved_to_another_place_does_not_open(backing: Backing) {
    let bench = Bench::on(backing);
    let acme = tenant("acme");
    bench.key(&acme, "cheap", "cheap-secret");
    bench.key(&acme, "dear", "dear-secret-0");
    bench.grant(&acme, "cheap", one("anna"));
    // Whoever can write the database puts the dear one under the name of the cheap one.
    bench
        .store
        .write(&acme, |tx| {
            let mut dear = super::kept::credential(tx, "dear")?.unwrap();
            dear.name = "cheap".into();
            super::kept::put_credential(tx, &dear)
        })
        .unwrap();
    assert!(matches!(bench.credentials.resolve(&acme, &person("anna"), "s", "request-1"), Err(Missing::Unusable(_))));
}

// === tokens ===

/// A token endpoint: what it was asked, and what it answers.
struct Endpoint {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    fn new(answer: impl Fn(usize, &str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
                let body = loop {
                    let read = stream.read(&mut buffer).unwrap_or(0);
                    bytes.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&bytes).to_lowercase();
                    let length = text
                        .split("content-length: ")
                        .nth(1)
                        .and_then(|rest| rest.split('\r').next()?.parse::<usize>().ok());
                    if let (Some(head), Some(length)) = (text.find("\r\n\r\n"), length)
                        && bytes.len() >= head + 4 + length
                    {
                        break String::from_utf8_lossy(&bytes[head + 4..]).into_owned();
                    }
                    if read == 0 {
                        break String::new();
                    }
                };
                let number = log.lock().unwrap().len();
                log.lock().unwrap().push(body.clone());
                let (status, text) = answer(number, &body);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn token(number: usize, seconds: u64, more: &str) -> (u16, String) {
    (200, format!(r#"{{"access_token":"access-token-{number}","token_type":"bearer","expires_in":{seconds}{more}}}"#))
}

fn oauth(bench: &Bench, of: &Tenant, endpoint: &Endpoint, kind: &str) {
    let refresh = if kind == "refresh_token" { "refresh-token-0" } else { "" };
    let new = New {
        name: "idp".into(),
        kind: kind.into(),
        token_url: endpoint.url.clone(),
        client_id: "c".into(),
        secret: "client-secret".to_owned().into(),
        refresh_token: refresh.to_owned().into(),
        scopes: vec!["a".into(), "b".into()],
        ..New::default()
    };
    bench.credentials.add(of, "admin", new).unwrap();
    bench.grant(of, "idp", one("anna"));
}

fn many_calls_renew_a_token_once(backing: Backing) {
    let bench = Bench::on(backing);
    let acme = tenant("acme");
    let endpoint = Endpoint::new(|number, _| {
        thread::sleep(Duration::from_millis(200));
        token(number, 3600, "")
    });
    oauth(&bench, &acme, &endpoint, "client_credentials");
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let (credentials, acme) = (Arc::clone(&bench.credentials), acme.clone());
            thread::spawn(move || {
                credentials.resolve(&acme, &person("anna"), "s", "request-1").unwrap().headers[0].value.clone()
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.join().unwrap(), "Bearer access-token-0");
    }
    assert_eq!(endpoint.asked(), ["grant_type=client_credentials&scope=a%20b"]);
    assert!(!contains(&bench.on_disk(), "access-token") && !contains(&bench.on_disk(), "client-secret"));
    assert_eq!(bench.actions(&acme, "credential.refreshed"), 1);
}

fn a_rotated_refresh_token_is_kept_with_the_token_it_came_with(backing: Backing) {
    let bench = Bench::on(backing);
    let acme = tenant("acme");
    // Tokens that end at once, and refresh tokens that are good once.
    let endpoint = Endpoint::new(|number, body| {
        let fits = body.contains(&format!("refresh_token=refresh-token-{number}"));
        if !fits {
            return (400, r#"{"error":"invalid_grant"}"#.to_owned());
        }
        token(number, 1, &format!(r#","refresh_token":"refresh-token-{}""#, number + 1))
    });
    oauth(&bench, &acme, &endpoint, "refresh_token");
    for number in 0..3 {
        assert_eq!(bench.value(&acme, &person("anna")), Some(format!("Bearer access-token-{number}")));
        thread::sleep(Duration::from_millis(1050));
        // Nor does a rotation of keys lose it.
        bench.credentials.rotate(What::Dek, None, "admin").unwrap();
    }
    assert_eq!(endpoint.asked().len(), 3);
}

#[test]
fn a_failure_is_told_by_its_code_and_not_repeated_at_once() {
    let bench = Bench::new();
    let acme = tenant("acme");
    let endpoint = Endpoint::new(|_, _| {
        (400, r#"{"error":"invalid_client","error_description":"client-secret is wrong"}"#.to_owned())
    });
    oauth(&bench, &acme, &endpoint, "client_credentials");
    for _ in 0..3 {
        let Err(Missing::Unusable(reason)) = bench.credentials.resolve(&acme, &person("anna"), "s", "request-1") else {
            panic!()
        };
        assert_eq!(reason, "its token cannot be renewed: invalid_client");
    }
    assert_eq!(endpoint.asked().len(), 1);
    assert_eq!(bench.actions(&acme, "credential.refresh.failed"), 1);
    // A new secret is tried at once.
    let new = New { secret: "another-secret".to_owned().into(), ..New::default() };
    bench.credentials.replace(&acme, "admin", "idp", &new).unwrap();
    assert!(bench.credentials.resolve(&acme, &person("anna"), "s", "request-1").is_err());
    assert_eq!(endpoint.asked().len(), 2);
}

#[test]
fn answers_that_are_no_tokens_are_refused() {
    for (answer, code) in [
        ((200, r#"{"access_token":"a b c d e f g","token_type":"bearer"}"#.to_owned()), "token_is_none"),
        ((200, r#"{"access_token":"0123456789\r\nx: y","token_type":"bearer"}"#.to_owned()), "token_is_none"),
        ((200, r#"{"access_token":"0123456789","token_type":"mac"}"#.to_owned()), "token_is_no_bearer"),
        ((200, "<html>".to_owned()), "token_is_no_bearer"),
        ((302, String::new()), "endpoint_answered_302"),
        ((400, r#"{"error":"Evil <script>"}"#.to_owned()), "endpoint_answered_400"),
        ((500, "x".repeat(2 << 20)), "endpoint_unreachable"),
    ] {
        let bench = Bench::new();
        let acme = tenant("acme");
        let endpoint = Endpoint::new(move |_, _| answer.clone());
        oauth(&bench, &acme, &endpoint, "client_credentials");
        let Err(Missing::Unusable(reason)) = bench.credentials.resolve(&acme, &person("anna"), "s", "request-1") else {
            panic!()
        };
        assert!(reason.ends_with(code), "{reason}");
    }
}

#[test]
fn an_authorization_is_good_once_and_its_codes_are_bound_to_it() {
    let bench = Bench::new();
    let acme = tenant("acme");
    let endpoint = Endpoint::new(|number, _| token(number, 3600, r#","refresh_token":"refresh-token""#));
    let new = New {
        name: "drive".into(),
        kind: "authorization_code".into(),
        owner: Some(Owner { kind: String::new(), id: "anna".into() }),
        token_url: endpoint.url.clone(),
        authorize_url: "https://idp.example/authorize?x=y".into(),
        redirect_uri: "https://portcullis.example/api/v1/oauth/callback".into(),
        client_id: "c".into(),
        scopes: vec!["files".into()],
        ..New::default()
    };
    bench.credentials.add(&acme, "admin", new).unwrap();
    bench.grant(&acme, "drive", one("anna"));
    let Err(Missing::Unusable(reason)) = bench.credentials.resolve(&acme, &person("anna"), "s", "request-1") else {
        panic!()
    };
    assert!(reason.ends_with("authorization_missing"));
    let url = bench.credentials.begin(&acme, "admin", "drive").unwrap();
    assert!(
        url.starts_with("https://idp.example/authorize?x=y&response_type=code&client_id=c&redirect_uri=https%3A%2F%2F")
    );
    assert!(url.contains("&code_challenge_method=S256&scope=files"));
    let state = url.split("&state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let forged = format!("{}x", state.get(..state.len() - 1).unwrap());
    for bad in ["", "a.b", &forged, "zz.drive.x", "61636d65.other.x"] {
        assert!(bench.credentials.finish(bad, Ok("code")).is_err(), "{bad}");
    }
    bench.credentials.finish(&state, Ok("the code")).unwrap();
    assert!(bench.credentials.finish(&state, Ok("the code")).is_err());
    let [asked] = endpoint.asked().try_into().unwrap();
    assert!(asked.starts_with("grant_type=authorization_code&code=the%20code&code_verifier="), "{asked}");
    assert_eq!(bench.value(&acme, &person("anna")).as_deref(), Some("Bearer access-token-0"));
    assert_eq!(bench.value(&acme, &person("ben")), None);
}
