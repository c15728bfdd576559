//! A configuration loads or is refused with a place; what loads decides without a panic, always the same, and
//! means the same however it is laid out.
//!
//! Input: the configuration's text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::config::Config;
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Call, IdentityFacts, JwtFacts, MtlsFacts, Policy, RouteFacts};
use portcullis_engine::principal::{Principal, PrincipalKind};

fuzz_target!(|text: &[u8]| {
    let firewall = match Firewall::from_json(text, [1; 32]) {
        Ok(firewall) => firewall,
        Err(error) => {
            assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{error}");
            assert!(!error.message.is_empty());
            return;
        }
    };
    let version = firewall.version();
    assert!(version.len() == 64 && version.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let spaced = [b" \n", text, b"\t"].concat();
    assert_eq!(Policy::from_json(&spaced).expect("whitespace changes nothing").version().as_ref(), version);
    let config = firewall.policy.config();
    let written = serde_json::to_vec(config).expect("a configuration can be written");
    let again = Config::from_json(&written).expect("what was written loads");
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
    decide(&firewall.policy);
});

fn decide(policy: &Policy) {
    let arguments =
        br#"{"path":"/data/../etc","url":"https://example.com:8080/","n":-1.5e3,"list":["a",{"b":null}],"":true}"#;
    let document = Document::parse(arguments, &Limits::default()).expect("JSON");
    let path = "/files/%2e%2e/x?y=z";
    let route = RouteFacts { authority: "example.com:8080", path, route: Some("r"), cluster: Some("c") };
    let server = policy.server(&route).map_or("", |server| &*server.name);
    let jwt = JwtFacts { id: Some("alice".to_owned()), roles: vec!["dev".to_owned()], ..JwtFacts::default() };
    let mtls = MtlsFacts { uri_san: Some("spiffe://cluster.local/ns/a/sa/b"), dns_san: None, subject: Some("CN=x") };
    let verified = policy.identify(&IdentityFacts { jwt: Some(jwt), mtls: Some(mtls), key: Some("Bearer key") });
    let agent = Principal { kind: Some(PrincipalKind::Agent), id: "bot".to_owned(), ..Principal::default() };
    for principal in [std::sync::Arc::default(), verified, std::sync::Arc::new(agent)] {
        for (method, capability, name) in CALLS {
            let call = Call { server, method, capability, name, arguments: Some(document.root()) };
            let decision = policy.decide(&principal, &call);
            assert_eq!(decision, policy.decide(&principal, &call));
            assert!(!decision.rule.is_empty());
            let visible = policy.visible(&principal, server, capability, name.unwrap_or_default());
            // What may be called as it stands here may be seen.
            let usable = matches!(capability, Capability::Tool | Capability::Resource | Capability::Prompt);
            assert!(visible || !usable || !decision.lets_through(), "{} hides what {} allows", method, decision.rule);
        }
    }
}

const CALLS: [(&str, Capability, Option<&str>); 5] = [
    ("tools/call", Capability::Tool, Some("read_file")),
    ("resources/read", Capability::Resource, Some("file:///data/x")),
    ("prompts/get", Capability::Prompt, Some("review")),
    ("tools/list", Capability::List, None),
    ("no/such", Capability::Unknown, None),
];
