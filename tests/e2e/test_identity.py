"""Who calls is what Envoy verified: a token, a client certificate, or a key known by its hash.
What a client merely says about itself is nothing."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from e2e.harness.pki import Authority, Issuer
from e2e.harness.raw import Trial
from e2e.harness.wire import call, post
from e2e.policies import policy

pytestmark = pytest.mark.filter
BOTH = pytest.mark.parametrize("http", [1, 2])

ONLY_CORE = {"id": "core-only", "action": "allow", "match": {"principal": {"tenant": ["acme"], "roles": ["dev"]}}}


def answer(got):
    """`allowed`, or the rule that refused."""
    result = got.message["result"]
    return result["_meta"]["dev.portcullis/decision"]["rule"] if result.get("isError") else "allowed"


# === keys ===

KEY = "a-key-" + "made-for-this-test"


def keys(header="authorization", key=KEY):
    entry = {
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "id": "ci", "kind": "service", "tenant": "acme", "roles": ["dev"], "agent": "bot",
    }  # fmt: skip
    return {"keys": {"header": header, "entries": [entry]}}


@BOTH
@pytest.mark.parametrize(
    ("header", "sent", "expected"),
    [
        ("authorization", ("authorization", f"Bearer {KEY}"), "allowed"),
        ("authorization", ("authorization", f"bearer {KEY}"), "allowed"),
        ("x-api-key", ("x-api-key", KEY), "allowed"),
        ("authorization", ("authorization", f"Bearer {KEY}x"), "default"),
        ("authorization", ("authorization", "Bearer "), "default"),
        ("authorization", ("x-api-key", KEY), "default"),
        ("x-api-key", ("authorization", f"Bearer {KEY}"), "default"),
    ],
)
def test_a_key_is_known_by_its_hash_and_never_forwarded(gateway, upstream, http, header, sent, expected):
    trial = Trial(gateway(policy(ONLY_CORE, identity=keys(header))), upstream, http)
    assert answer(trial(post(call("a"), sent))) == expected
    record = trial.record
    if expected == "allowed":
        assert upstream.one.get(header) is None
        assert (record["principal"], record["tenant"], record["agent"]) == ("ci", "acme", "bot")
        assert record["principal_kind"] == "service"
    else:
        assert upstream.untouched and record["principal"] is None and record["tenant"] is None
    assert KEY not in trial.gateway.envoy.log()


@BOTH
def test_two_keys_are_no_key(gateway, upstream, http):
    trial = Trial(gateway(policy(ONLY_CORE, identity=keys("x-api-key"))), upstream, http)
    trial(post(call("a"), ("x-api-key", "other"), ("x-api-key", KEY)))
    trial.refused(400)


@BOTH
def test_an_anonymous_request_is_refused_where_identity_is_required(gateway, upstream, http):
    trial = Trial(gateway(policy(ONLY_CORE, identity={**keys(), "required": True})), upstream, http)
    trial(post(call("a")))
    trial.refused(401, rule="identity:required")
    assert "Bearer" in trial.got.get("www-authenticate")


CLAIMS = [
    ("x-portcullis-principal", "ci"), ("x-portcullis-tenant", "acme"), ("x-portcullis-roles", "dev"),
    ("x-forwarded-client-cert", "URI=spiffe://acme/dev"), ("x-user", "ci"), ("x-tenant", "acme"),
    ("x-envoy-peer-metadata", "x"), ("from", "ci@acme"),
]  # fmt: skip


@BOTH
def test_what_a_client_says_about_itself_is_nothing(gateway, upstream, http):
    trial = Trial(gateway(policy(ONLY_CORE, identity=keys())), upstream, http)
    message = call("a")
    message["params"]["_meta"] = {"io.modelcontextprotocol/clientInfo": {"name": "ci", "version": "dev"}}
    assert answer(trial(post(message, *CLAIMS))) == "default"
    assert trial.record["principal"] is None


# === tokens ===

JWT = {"jwt": {"payload": "mcp", "claims": {"id": "sub", "tenant": "org.name", "roles": "realm.roles", "agent": "azp"}}}


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


ANN = {"sub": "ann@acme.test", "org": {"name": "acme"}, "realm": {"roles": ["dev", "ops"]}, "azp": "cursor"}


@BOTH
@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (ANN, "allowed"),
        ({**ANN, "realm": {"roles": ["ops"]}}, "default"),
        ({**ANN, "org": {"name": "other"}}, "default"),
        ({"sub": "ann"}, "default"),
        ({**ANN, "realm": {"roles": "dev"}}, "allowed"),
    ],
)
def test_the_claims_of_a_verified_token_are_the_principal(gateway, upstream, http, issuer, claims, expected):
    trial = Trial(gateway(policy(ONLY_CORE, identity=JWT), jwt=issuer.jwt_authn(required=False)), upstream, http)
    token = issuer.token(**claims)
    assert answer(trial(post(call("a"), ("authorization", f"Bearer {token}")))) == expected
    record = trial.record
    assert record["principal"] == claims["sub"]
    if expected == "allowed":
        assert upstream.one.get("authorization") is None
        assert (record["tenant"], record["agent"]) == ("acme", "cursor")


@BOTH
@pytest.mark.parametrize("trouble", ["another audience", "expired", "another key", "no token"])
def test_a_token_that_does_not_verify_is_envoys_refusal_or_nobody(gateway, upstream, http, issuer, trouble):
    token = {
        "another audience": lambda: issuer.token(audience="other", **ANN),
        "expired": lambda: issuer.token(lives=-100, **ANN),
        "another key": lambda: Issuer(issuer.name).token(**ANN),
        "no token": lambda: None,
    }[trouble]()
    trial = Trial(gateway(policy(ONLY_CORE, identity=JWT), jwt=issuer.jwt_authn(required=False)), upstream, http)
    got = trial(post(call("a"), *([("authorization", f"Bearer {token}")] if token else [])))
    assert got.status in (401, 403) or answer(got) == "default"
    assert upstream.untouched


# === certificates ===

MTLS = {
    "mtls": [
        {"san": "spiffe://cluster.local/ns/*/sa/builder", "kind": "service", "tenant": "acme", "roles": ["dev"]},
        {"san": "*.agents.test", "kind": "agent", "tenant": "acme", "roles": ["dev"], "id": "an-agent"},
    ]
}
SPIFFE = "spiffe://cluster.local/ns/prod/sa/"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def tls(authority):
    return authority.server(client_ca=True)


@BOTH
@pytest.mark.parametrize(
    ("name", "san", "principal"),
    [
        ("builder", x509.UniformResourceIdentifier(SPIFFE + "builder"), SPIFFE + "builder"),
        ("agent", x509.DNSName("one.agents.test"), "an-agent"),
        ("stranger", x509.UniformResourceIdentifier(SPIFFE + "builder2"), None),
        ("suffix", x509.DNSName("agents.test"), None),
    ],
)
def test_the_peer_certificate_is_the_principal(gateway, upstream, http, authority, tls, name, san, principal):
    trial = Trial(gateway(policy(ONLY_CORE, identity=MTLS), tls=tls), upstream, http)
    context = authority.client(authority.issue(name, san))
    got = trial(post(call("a"), *CLAIMS), tls=context)
    assert answer(got) == ("allowed" if principal else "default")
    assert trial.record["principal"] == principal


@BOTH
def test_without_a_trusted_certificate_there_is_no_connection(gateway, upstream, http, authority, tls, tmp_path):
    stranger = Authority(tmp_path, "another authority").issue("x", x509.DNSName("one.agents.test"))
    trial = Trial(gateway(policy(ONLY_CORE, identity=MTLS), tls=tls), upstream, http)
    for certificate in (None, stranger):
        with pytest.raises(OSError):
            trial(post(call("a")), tls=authority.client(certificate))
    assert upstream.untouched
