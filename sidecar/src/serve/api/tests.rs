//! Who may what, over the list of endpoints itself.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;

use super::endpoints;
use crate::serve::tests::Bench;
use crate::store::suite::Backing;
use crate::tokens::Role;

async fn ask(router: &Router, method: &Method, path: &str, token: Option<&str>, body: &str) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let answer = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = answer.status();
    if status.is_client_error() {
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json", "{method} {path}");
    }
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A new endpoint is tested by being declared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_endpoint_is_refused_below_its_role_and_open_from_it_on() {
    let bench = Bench::new(Backing::Sqlite).await;
    let api = endpoints();
    let list = api.endpoints.clone();
    let router = api.finish().0.with_state(Arc::clone(&bench.shared));
    assert!(list.len() >= 8);
    for (method, path, operation) in list {
        let path = path.replace("{id}", "none").replace("{name}", "none");
        let (status, problem) = ask(&router, &method, &path, None, "{}").await;
        assert_eq!((status, problem["status"].as_u64()), (StatusCode::UNAUTHORIZED, Some(401)), "{method} {path}");
        let (status, _) = ask(&router, &method, &path, Some("portcullis_unknown"), "{}").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        for role in [Role::Viewer, Role::PolicyManager, Role::Admin] {
            let token = bench.token(role, "");
            let (status, problem) = ask(&router, &method, &path, Some(&token), "{}").await;
            let may = role >= operation.role();
            assert_eq!(status != StatusCode::FORBIDDEN, may, "{role:?} {method} {path}: {status} {problem}");
            // And never of another tenant.
            let token = bench.token(role, "acme");
            let elsewhere = format!("{path}?tenant=other");
            let (status, _) = ask(&router, &method, &elsewhere, Some(&token), "{}").await;
            assert!(status == StatusCode::FORBIDDEN || !operation.is_of_tenant(), "{role:?} {method} {path}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_as_documented_is_a_problem_without_what_was_sent() {
    let bench = Bench::new(Backing::Sqlite).await;
    let router = endpoints().finish().0.with_state(Arc::clone(&bench.shared));
    let token = bench.token(Role::Admin, "");
    for (method, path, body, expected) in [
        (Method::GET, "/approvals?limit=0", "", 400),
        (Method::GET, "/approvals?limit=1&limit=2", "", 400),
        (Method::GET, "/approvals?tenant=a&tenant=b", "", 400),
        (Method::GET, "/approvals?state=s3cret", "", 400),
        (Method::GET, "/approvals?s3cret=1", "", 400),
        (Method::GET, "/approvals/a%20s3cret", "", 404),
        (Method::GET, "/nowhere/s3cret", "", 404),
        (Method::PUT, "/approvals", "", 405),
        (Method::POST, "/tokens", "s3cret", 400),
        (Method::POST, "/tokens", r#"{"name":"a","role":"s3cret"}"#, 400),
        (Method::POST, "/tokens", r#"{"name":"a","role":"viewer","role":"admin"}"#, 400),
        (Method::POST, "/tokens", r#"{"name":"a","role":"viewer","s3cret":1}"#, 400),
    ] {
        let (status, problem) = ask(&router, &method, path, Some(&token), body).await;
        assert_eq!(status.as_u16(), expected, "{method} {path} {body}");
        assert_eq!(problem["type"], "about:blank");
        assert!(
            !problem["detail"].as_str().unwrap().is_empty() && !problem.to_string().contains("s3cret"),
            "{problem}"
        );
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(ask(&router, &Method::POST, "/tokens", Some(&token), &large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

/// `docs/openapi.json` is what the code says. `PORTCULLIS_REGENERATE=1 cargo test -p portcullis openapi` writes it anew.
#[test]
fn the_committed_openapi_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let (_, document) = endpoints().finish();
    if std::env::var_os("PORTCULLIS_REGENERATE").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == document,
        "docs/openapi.json is not current: PORTCULLIS_REGENERATE=1 cargo test -p portcullis openapi"
    );
}
