//! Loading and compiling: mistakes with their place, versions, routes, identities.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

use portcullis_engine::policy::{
    Claim, FactNeeds, IdentityFacts, JwtFacts, JwtNeeds, MtlsFacts, Policy, RouteFacts, Routed,
};
use portcullis_engine::principal::{Principal, PrincipalKind};

fn policy(members: &str) -> Policy {
    Policy::from_json(format!(r#"{{"version":"1",{members}}}"#).as_bytes()).unwrap()
}

#[test]
fn mistakes_are_refused_with_their_place() {
    let rule = |fields: &str| format!(r#""rules":[{{"id":"a","action":"allow",{fields}}}]"#);
    let servers = r#""servers":[{"name":"files"}]"#;
    for (members, expected) in [
        (r#""rules":[{"id":"","action":"allow"}]"#.to_owned(), "/rules/0/id: is empty"),
        (
            r#""rules":[{"id":"a","action":"allow"},{"id":"a","action":"deny"}]"#.to_owned(),
            "/rules/1/id: a second rule `a`",
        ),
        (r#""rules":[{"id":"default","action":"allow"}]"#.to_owned(), "/rules/0/id: `default` is a name of our own"),
        (
            r#""rules":[{"id":"builtin:x","action":"allow"}]"#.to_owned(),
            "/rules/0/id: `builtin:x` is a name of our own",
        ),
        (rule(r#""priority":1000001"#), "/rules/0/priority: is out of range"),
        (rule(r#""priority":-2147483648"#), "/rules/0/priority: is out of range"),
        (rule(r#""match":{"name":[]}"#), "/rules/0/match/name: is an empty list; leave the field out"),
        (rule(r#""match":{"name":["a\\b"]}"#), "/rules/0/match/name/0: `\\` must stand before"),
        (rule(r#""match":{"principal":{"kind":[]}}"#), "/rules/0/match/principal/kind: is an empty list"),
        (
            rule(r#""match":{"principal":{"role":["x"]}}"#),
            "/rules/0/match/principal/role: unknown field `role`; did you mean `roles`?",
        ),
        (
            rule(r#""mode":"disabled","arguments":[{"path":"a","op":"regex","value":"["}]"#),
            "/rules/0/arguments/0/value: is no regular expression",
        ),
        (
            rule(r#""arguments":[{"path":"a","op":"equals","value":1}]"#),
            "/rules/0/arguments/0/op: unknown value `equals`",
        ),
        (
            format!("{servers},{}", rule(r#""match":{"server":["file"]}"#)),
            "/rules/0/match/server/0: no server is called `file`; did you mean `files`?",
        ),
        (
            format!("{servers},{}", rule(r#""match":{"server":["x*"]}"#)),
            "/rules/0/match/server/0: no server is called `x*`",
        ),
        (r#""servers":[{"name":"a"},{"name":"a"}]"#.to_owned(), "/servers/1/name: a second server `a`"),
        (
            r#""servers":[{"name":"a","match":{"path_prefix":"mcp"}}]"#.to_owned(),
            "/servers/0/match/path_prefix: is no plain path prefix",
        ),
        (
            r#""servers":[{"name":"a","match":{"path_prefix":"/a/../b"}}]"#.to_owned(),
            "/servers/0/match/path_prefix: is no plain path prefix",
        ),
        (
            r#""servers":[{"name":"a","match":{"authority":[]}}]"#.to_owned(),
            "/servers/0/match/authority: is an empty list",
        ),
        (r#""identity":{"required":true}"#.to_owned(), "/identity/required: no request could ever be answered"),
        (r#""identity":{"jwt":{"payload":""}}"#.to_owned(), "/identity/jwt/payload: is empty"),
        (
            r#""identity":{"jwt":{"payload":"p","claims":{"roles":"a..b"}}}"#.to_owned(),
            "/identity/jwt/claims/roles: is no path to a claim",
        ),
        (
            r#""identity":{"keys":{"entries":[{"sha256":"my-secret","id":"ci"}]}}"#.to_owned(),
            "/identity/keys/entries/0/sha256: is no SHA-256",
        ),
        (r#""identity":{"keys":{"header":"a b","entries":[]}}"#.to_owned(), "/identity/keys/header: is no header name"),
        (
            r#""limits":{"max_depth":1000}"#.to_owned(),
            "/limits/max_depth: 1000 is out of range; use a number from 4 to 128",
        ),
        (r#""limits":{"max_body_bytes":0}"#.to_owned(), "/limits/max_body_bytes: 0 is out of range"),
        (r#""limits":{"max_body_bytes":-1}"#.to_owned(), "/limits/max_body_bytes: found a number"),
        (r#""headers":{"remove":["a:b"]}"#.to_owned(), "/headers/remove/0: is no header name"),
        (r#""audit":{"hash_key":"abc"}"#.to_owned(), "/audit/hash_key: is no key"),
        (r#""identiy":{}"#.to_owned(), "/identiy: unknown field `identiy`; did you mean `identity`?"),
    ] {
        let error = Policy::from_json(format!(r#"{{"version":"1",{members}}}"#).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{members}: {error}");
        assert!(!error.contains("my-secret"));
    }
}

#[test]
fn the_version_depends_on_the_content_only() {
    let version = |text: &str| Policy::from_json(text.as_bytes()).unwrap().version().to_string();
    let one = version(r#"{"version":"1","limits":{"max_depth":32,"max_body_bytes":2048},"environment":"é"}"#);
    let laid_out = "{\n \"environment\": \"\\u00e9\",\n \"limits\": {\"max_body_bytes\": 2048, \"max_depth\": 32},\n\"version\":\"1\" }";
    assert_eq!(one, version(laid_out));
    assert_ne!(one, version(r#"{"version":"1","limits":{"max_depth":33,"max_body_bytes":2048},"environment":"é"}"#));
    assert_eq!(one.len(), 64);
    // printf '%s' '{"version":"1"}' | sha256sum
    assert_eq!(version(r#"{"version": "1"}"#), "aa5bc61f44d5f633935d04cbccf2654c56806fc924b0083a6cb6b7545369ad64");
}

#[test]
fn routes() {
    let policy = policy(
        r#""servers":[
            {"name":"admin","match":{"path_prefix":"/admin"}},
            {"name":"deep","match":{"path_prefix":"/mcp/deep"}},
            {"name":"mcp","match":{"path_prefix":"/mcp"}},
            {"name":"port","match":{"authority":["Ported.example:8443"]}},
            {"name":"host","match":{"authority":["*.example.com","[::1]"]}},
            {"name":"route","match":{"route":["r*"],"cluster":["c1"]}}
        ]"#,
    );
    let mut facts = RouteFacts::default();
    let name = |facts: &RouteFacts<'_>| match policy.route(facts) {
        Routed::Server(server) => server.name.to_string(),
        Routed::Pass => "(pass)".to_owned(),
        Routed::Refuse => "(refuse)".to_owned(),
        Routed::Ambiguous => "(ambiguous)".to_owned(),
    };
    for (path, expected) in [
        ("/mcp", "mcp"),
        ("/mcp/", "mcp"),
        ("/mcp/x", "mcp"),
        ("/mcp?x=/../admin", "mcp"),
        ("/mcp/deep/er", "deep"),
        ("/mcpx", "(refuse)"),
        ("/", "(refuse)"),
        ("", "(refuse)"),
        ("/.well-known/oauth-protected-resource", "(refuse)"),
        ("/mcp/./x", "mcp"),
        ("/mcp//x", "mcp"),
        ("/mcp/a%20b", "mcp"),
        ("/mcp/%2e%2e/mcp/x", "mcp"),
        ("/a/../mcp", "(ambiguous)"),
        ("//mcp", "(ambiguous)"),
        ("/%6dcp", "(ambiguous)"),
        ("/mcp/../admin", "(ambiguous)"),
        ("/mcp/..%2fadmin", "(ambiguous)"),
        ("/mcp/%2e%2e/admin", "(ambiguous)"),
        ("/mcp/%252e%252e/admin", "(ambiguous)"),
        ("/mcp/..\\admin", "(ambiguous)"),
        ("/mcp/..;/admin", "(ambiguous)"),
        ("/mcp%2fdeep", "(ambiguous)"),
        ("/mcp;x=1", "(ambiguous)"),
        ("mcp", "mcp"),
    ] {
        facts.path = path;
        assert_eq!(name(&facts), expected, "{path}");
    }
    facts.path = "/";
    for (authority, expected) in [
        ("ported.EXAMPLE:8443", "port"),
        ("ported.example", "(refuse)"),
        ("ported.example:443", "(refuse)"),
        ("A.Example.Com:1234", "host"),
        ("a.example.com.", "host"),
        ("[::1]:80", "host"),
        ("example.com", "(refuse)"),
        ("a.example.com.evil", "(refuse)"),
    ] {
        facts.authority = authority;
        assert_eq!(name(&facts), expected, "{authority}");
    }
    let facts = RouteFacts { route: Some("r7"), cluster: Some("c1"), path: "/", authority: "" };
    assert_eq!(name(&facts), "route");
    assert_eq!(name(&RouteFacts { cluster: None, ..facts }), "(refuse)");
    let needs = policy.fact_needs();
    assert!(needs.route && needs.cluster && !needs.mtls && needs.jwt.is_none() && needs.key_header.is_none());
}

#[test]
fn what_belongs_to_no_server_passes_only_where_that_is_plain() {
    let policy = policy(r#""unmatched":"pass","servers":[{"name":"mcp","match":{"path_prefix":"/mcp"}}]"#);
    let route = |path| policy.route(&RouteFacts { path, ..RouteFacts::default() });
    assert!(matches!(route("/health"), Routed::Pass));
    assert!(matches!(route("/health/../mcp"), Routed::Ambiguous));
    assert!(matches!(route("//mcp"), Routed::Ambiguous));
}

const IDENTITY: &str = r#""identity":{
    "jwt":{"payload":"mcp","claims":{"id":"sub","tenant":"org.tenant","roles":"realm.roles","kind":"kind","agent":"azp"}},
    "mtls":[{"san":"spiffe://cluster.local/ns/*/sa/*","tenant":"acme","roles":["mesh"]},{"san":"CN=legacy*","id":"legacy","kind":"workflow"}],
    "keys":{"header":"Authorization","entries":[{"sha256":"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b","id":"ci","roles":["ci"]}]}
}"#;

#[test]
fn only_what_is_configured_is_needed() {
    let none = policy(r#""mode":"enforce""#);
    assert_eq!(none.fact_needs(), FactNeeds::default());
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        policy(IDENTITY).fact_needs(),
        FactNeeds {
            jwt: Some(JwtNeeds {
                payload: "mcp".to_owned(),
                claims: vec![
                    (Claim::Id, path("sub")),
                    (Claim::Tenant, path("org.tenant")),
                    (Claim::Roles, path("realm.roles")),
                    (Claim::Kind, path("kind")),
                    (Claim::Agent, path("azp")),
                ],
            }),
            mtls: true,
            key_header: Some("authorization".to_owned()),
            ..FactNeeds::default()
        }
    );
    // Facts that nobody asked for change nothing.
    let mut jwt = JwtFacts::default();
    jwt.set(Claim::Id, vec!["alice".to_owned()]);
    let facts = IdentityFacts { jwt: Some(jwt), key: Some("Bearer secret"), ..IdentityFacts::default() };
    assert!(none.identify(&facts).is_anonymous());
}

#[test]
fn identities() {
    let policy = policy(IDENTITY);
    let jwt = |claims: &[(Claim, &[&str])]| {
        let mut facts = JwtFacts::default();
        for (claim, values) in claims {
            facts.set(*claim, values.iter().map(|value| (*value).to_owned()).collect());
        }
        Some(facts)
    };
    let identify = |jwt, mtls, key| policy.identify(&IdentityFacts { jwt, mtls, key });
    let key = |value| identify(None, None, Some(value));
    assert!(identify(None, None, None).is_anonymous());

    let alice = identify(jwt(&[(Claim::Id, &["alice"]), (Claim::Roles, &["a", "b"])]), None, Some("Bearer secret"));
    let expected = Principal {
        kind: Some(PrincipalKind::Human),
        id: "alice".to_owned(),
        roles: vec!["a".to_owned(), "b".to_owned()],
        ..Principal::default()
    };
    assert_eq!(*alice, expected);
    let kind = |kind| identify(jwt(&[(Claim::Id, &["x"]), (Claim::Kind, &[kind])]), None, None).kind;
    assert_eq!(kind("agent"), Some(PrincipalKind::Agent));
    assert_eq!(kind("root"), None);
    assert!(identify(jwt(&[(Claim::Id, &[""])]), None, None).is_anonymous());
    assert!(identify(jwt(&[(Claim::Id, &["a", "b"])]), None, None).is_anonymous());

    // printf %s secret | sha256sum
    for value in ["Bearer secret", "bearer  secret ", "BEARER secret"] {
        assert_eq!(key(value).id, "ci", "{value}");
    }
    for value in ["secret", "Basic secret", "Bearer", "Bearer ", "Bearer secrets", "Bearer Secret", "Bearersecret"] {
        assert!(key(value).is_anonymous(), "{value}");
    }

    let peer = |uri_san, dns_san, subject| identify(None, Some(MtlsFacts { uri_san, dns_san, subject }), None);
    let spiffe = peer(Some("spiffe://cluster.local/ns/a/sa/b"), None, Some("CN=legacy"));
    assert_eq!((spiffe.id.as_str(), spiffe.kind), ("spiffe://cluster.local/ns/a/sa/b", Some(PrincipalKind::Service)));
    assert_eq!(spiffe.roles, ["mesh"]);
    assert_eq!(peer(None, None, Some("CN=legacy,O=x")).id, "legacy");
    assert!(peer(Some("spiffe://other/ns/a/sa/b"), None, Some("CN=legacy")).is_anonymous());
    assert!(peer(Some(""), Some(""), Some("")).is_anonymous());
}
