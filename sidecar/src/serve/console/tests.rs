//! Who may see and do what, over the list of pages itself.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use tower::ServiceExt;

use super::{Peer, pages};
use crate::serve::http;
use crate::serve::tests::Bench;
use crate::store::suite::Backing;
use crate::tokens::Role;

/// Status, where it leads to, cookie, text.
struct Answer(StatusCode, String, String, String);

async fn ask(app: &Router, method: &Method, path: &str, cookie: &str, form: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(ConnectInfo(Peer(SocketAddr::from(([127, 0, 0, 1], 1)))))
        .body(Body::from(form.to_owned()))
        .unwrap();
    let answer = app.clone().oneshot(request).await.unwrap();
    let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, to, cookie) = (answer.status(), text(header::LOCATION), text(header::SET_COOKIE));
    // The stream of events has no end.
    let endless = text(header::CONTENT_TYPE) == "text/event-stream";
    let body = if endless { Default::default() } else { to_bytes(answer.into_body(), 1 << 20).await.unwrap() };
    Answer(status, to, cookie.split(';').next().unwrap().to_owned(), String::from_utf8(body.to_vec()).unwrap())
}

async fn log_in(app: &Router, token: &str) -> String {
    let Answer(status, _, cookie, _) = ask(app, &Method::POST, "/login", "", &format!("token={token}")).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    cookie
}

async fn csrf(app: &Router, cookie: &str) -> String {
    let Answer(.., page) = ask(app, &Method::GET, "/approvals", cookie, "").await;
    page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// A new page is tested by being declared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_refused_below_its_role_and_without_a_session() {
    let bench = Bench::new(Backing::Sqlite).await;
    let app = http::routes(Arc::clone(&bench.shared));
    let all = pages().all;
    assert!(all.len() >= 20);
    for (method, path, operation) in all {
        let path = path.replace("{id}", "none");
        let Answer(status, to, ..) = ask(&app, &method, &path, "portcullis=0000", "csrf=0").await;
        assert!(status == StatusCode::SEE_OTHER && to.starts_with("/login"), "{method} {path}: {status} {to}");
        for role in [Role::Viewer, Role::PolicyManager, Role::Admin] {
            let cookie = log_in(&app, &bench.token(role, "")).await;
            let (form, csrf) = (method == Method::POST, csrf(&app, &cookie).await);
            if form {
                let Answer(status, ..) = ask(&app, &method, &path, &cookie, "csrf=").await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{path} without what forms carry");
            }
            let Answer(status, _, _, page) = ask(&app, &method, &path, &cookie, &format!("csrf={csrf}")).await;
            let may = role >= operation.role();
            assert_eq!(page.contains("this takes the role"), !may, "{role:?} {method} {path}: {status}");
            assert_eq!(status == StatusCode::FORBIDDEN, !may, "{role:?} {method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_one_tenant_sees_no_other() {
    let bench = Bench::new(Backing::Sqlite).await;
    let app = http::routes(Arc::clone(&bench.shared));
    let cookie = log_in(&app, &bench.token(Role::Admin, "acme")).await;
    let form = format!("csrf={}&tenant=other", csrf(&app, &cookie).await);
    assert_eq!(ask(&app, &Method::POST, "/tenant", &cookie, &form).await.0, StatusCode::FORBIDDEN);
    let all = log_in(&app, &bench.token(Role::Admin, "")).await;
    let form = format!("csrf={}&tenant=other", csrf(&app, &all).await);
    assert_eq!(ask(&app, &Method::POST, "/tenant", &all, &form).await.0, StatusCode::SEE_OTHER);
    // Its own chain, which has nothing; the other's has the token that was made.
    let rows = async |cookie: &str| ask(&app, &Method::GET, "/audit?action=token.created", cookie, "").await.3;
    assert!(rows(&all).await.contains("No rows are about that"));
    assert!(rows(&cookie).await.contains("token.created"));
}
