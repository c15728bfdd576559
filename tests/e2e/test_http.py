"""What is MCP on the HTTP level, what passes beside it, and which headers reach the server."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from e2e.harness.raw import Trial
from e2e.harness.wire import Send, call, post, request
from e2e.policies import ALLOW_ALL, policy

pytestmark = pytest.mark.filter
BOTH = pytest.mark.parametrize("http", [1, 2])
MODERN = "2026-07-28"


@pytest.fixture
def trial(gateway, upstream, http):
    return Trial(gateway(ALLOW_ALL), upstream, http)


def raw_post(body: bytes, *headers: tuple[str, str]) -> Send:
    return Send(headers=list(headers), pieces=(body,))


BODY = post(call("a")).body
JSON = ("content-type", "application/json")


@BOTH
@pytest.mark.parametrize(
    ("what", "status"),
    [
        (raw_post(BODY, ("content-type", "text/plain")), 415),
        (raw_post(BODY, ("content-type", "application/x-www-form-urlencoded")), 415),
        (raw_post(BODY, ("content-type", "application/json; charset=utf-16")), 415),
        (raw_post(BODY), 415),
        # Envoy joins what occurs twice into one value, which is no type and no encoding.
        (raw_post(BODY, JSON, ("content-type", "application/json")), 415),
        (raw_post(gzip.compress(BODY), JSON, ("content-encoding", "gzip")), 415),
        (raw_post(BODY, JSON, ("content-encoding", "br")), 415),
        (raw_post(BODY, JSON, ("content-encoding", "identity"), ("content-encoding", "gzip")), 415),
        (Send("PUT", headers=[JSON], pieces=(BODY,)), 405),
        (Send("PATCH", headers=[JSON], pieces=(BODY,)), 405),
        (Send("HEAD"), 405),
        (Send("QUERY", headers=[JSON], pieces=(BODY,)), 405),
    ],
    ids=lambda value: value.method if isinstance(value, Send) else str(value),
)
def test_what_is_no_mcp_request_is_refused(trial, what, status):
    trial(what)
    trial.refused(status)
    if status == 405:
        assert trial.got.get("allow") == "POST, GET, DELETE"


@BOTH
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_in_utf8_is_accepted(trial, upstream, kind):
    assert trial(raw_post(BODY, ("content-type", kind))).status == 200
    assert upstream.one.body == BODY


@BOTH
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_methods_of_sessions_pass(trial, upstream, method):
    trial(Send(method, headers=[("mcp-session-id", "x")]))
    assert upstream.one.method == method
    assert upstream.one.get("mcp-session-id") == "x"
    assert trial.record["decision"] == "allow"


SERVERS = {
    "version": "1",
    "default": "allow",
    "servers": [{"name": "one", "match": {"path_prefix": "/one"}}, {"name": "two", "match": {"authority": ["two.test"]}}],
}


@BOTH
@pytest.mark.parametrize(
    ("path", "authority", "server"),
    [
        ("/one", "mcp.test", "one"),
        ("/one/mcp", "mcp.test", "one"),
        ("/one?x=/two", "mcp.test", "one"),
        ("/mcp", "two.test", "two"),
        ("/mcp", "two.test:8080", "two"),
        ("/onerous", "mcp.test", None),
        ("/", "mcp.test", None),
        ("/mcp", "not-two.test", None),
    ],
)
def test_a_request_belongs_to_the_first_server_that_fits_or_to_none(gateway, upstream, http, path, authority, server):
    trial = Trial(gateway(SERVERS), upstream, http)
    trial(Send(**{**vars(post(call("a"), path=path)), "authority": authority}))
    if server is None:
        trial.refused(404, rule="http:unmatched")
    else:
        assert trial.got.status == 200 and upstream.one.target == path
        assert trial.record["server"] == server


@BOTH
@pytest.mark.parametrize("kind", ["route", "cluster"])
def test_a_server_can_be_known_by_envoys_route_or_cluster(gateway, upstream, http, kind):
    name = {"route": f"route-{upstream.port}", "cluster": f"upstream-{upstream.port}"}[kind]
    servers = [{"name": "other", "match": {kind: ["elsewhere"]}}, {"name": "this", "match": {kind: [name]}}]
    trial = Trial(gateway({**SERVERS, "servers": servers}), upstream, http)
    assert trial(post(call("a"))).status == 200
    assert trial.record["server"] == "this"


@BOTH
@pytest.mark.parametrize("name", ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"])
def test_a_header_that_makes_another_request_of_it_does_not_arrive(trial, upstream, name):
    trial(post(call("a"), (name, "/other")))
    assert upstream.untouched or upstream.one.get(name) is None


@BOTH
@pytest.mark.parametrize(
    "path", ["/x/%2e%2e/one", "/x%2f..%2fone", "/on%65", "/x/..;/one", "//one/mcp", "/.well-known/../one", "/x/../one"]
)
def test_a_path_that_can_be_read_in_two_ways_reaches_no_server_unjudged(gateway, upstream, http, path):
    """Whatever the path is taken for, a denied call does not arrive."""
    denying = {**SERVERS, "default": "deny", "unmatched": "deny"}
    trial = Trial(gateway(denying), upstream, http)
    got = trial(post(call("a"), path=path))
    assert upstream.untouched
    assert got.status in (400, 404) or got.message["result"]["isError"]


@BOTH
@pytest.mark.parametrize(
    "what",
    [
        Send("OPTIONS", headers=[("origin", "https://a.test"), ("access-control-request-method", "POST")]),
        Send("GET", "/.well-known/oauth-protected-resource"),
        Send("GET", "/.well-known/oauth-protected-resource/mcp"),
        Send("GET", "/.well-known/oauth-authorization-server"),
    ],
    ids=lambda what: f"{what.method} {what.path}",
)
def test_preflights_and_metadata_always_pass(gateway, upstream, http, what):
    trial = Trial(gateway({"version": "1", "servers": [{"name": "s", "match": {"path_prefix": "/s"}}]}), upstream, http)
    trial(what)
    assert (upstream.one.method, upstream.one.target) == (what.method, what.path)
    assert trial.record["decision"] == "pass"


@BOTH
def test_unmatched_requests_pass_where_the_policy_says_so(gateway, upstream, http):
    trial = Trial(gateway({**SERVERS, "unmatched": "pass"}), upstream, http)
    assert trial(Send("PUT", "/other", headers=[("content-type", "text/plain")], pieces=(b"not json",))).status == 202
    assert upstream.one.body == b"not json"


HEADERS = [
    ("authorization", "Bearer " + "not-for-the-server"),
    ("cookie", "a=b"),
    ("x-portcullis-principal", "root"),
    ("x-portcullis-correlation-id", "mine"),
    ("X-Internal", "1"),
    ("accept-encoding", "gzip, br"),
    ("x-harmless", "kept"),
    ("mcp-session-id", "s1"),
    ("origin", "https://a.test"),
]


@BOTH
def test_headers_that_are_not_for_the_server_are_removed(gateway, upstream, http):
    trial = Trial(gateway({**ALLOW_ALL, "headers": {"remove": ["x-internal"]}}), upstream, http)
    trial(post(call("a"), *[(k.lower(), v) for k, v in HEADERS]))
    names = {name.lower() for name, _ in upstream.one.headers}
    assert not names & {"authorization", "cookie", "x-internal", "accept-encoding"}
    assert not [name for name in names if name.startswith("x-portcullis")]
    assert {"x-harmless", "mcp-session-id", "origin", "content-type", "accept"} <= names


@BOTH
def test_the_servers_own_authorization_can_be_kept(gateway, upstream, http):
    trial = Trial(gateway({**ALLOW_ALL, "headers": {"keep_authorization": True}}), upstream, http)
    trial(post(call("a"), ("authorization", "Bearer x"), ("cookie", "a=b")))
    assert upstream.one.get("authorization") == "Bearer x"
    assert upstream.one.get("cookie") is None


def base64_form(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


SNOW = call("snow ☃", {"n": 7}, era=MODERN)
READ = request("resources/read", {"uri": "test://a"}, era=MODERN)
PARAM = call("a", {"region": "eu", "n": 42, "on": True}, era=MODERN)


@BOTH
@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (call("a", era=MODERN), [("mcp-method", "tools/call"), ("mcp-name", "a")]),
        (call("a", era=MODERN), [("mcp-name", base64_form("a"))]),
        (SNOW, [("mcp-name", base64_form("snow ☃"))]),
        (READ, [("mcp-method", "resources/read"), ("mcp-name", "test://a")]),
        (PARAM, [("mcp-param-region", "eu"), ("mcp-param-n", "42"), ("mcp-param-on", "true")]),
        (PARAM, [("mcp-param-region", base64_form("eu"))]),
        (call("a", era=MODERN), [("mcp-protocol-version", MODERN)]),
    ],
)
def test_headers_that_repeat_the_body_are_accepted(trial, upstream, message, headers):
    assert trial(post(message, *headers, era="")).status == 200
    assert [(k, v) for k, v in upstream.one.headers if k.lower().startswith("mcp-")] == headers


HEADER_MISMATCH = -32020


@BOTH
@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (call("a", era=MODERN), [("mcp-method", "tools/list")]),
        (call("a", era=MODERN), [("mcp-method", "Tools/Call")]),
        (call("a", era=MODERN), [("mcp-name", "b")]),
        (call("a", era=MODERN), [("mcp-name", "A")]),
        (call("a", era=MODERN), [("mcp-name", base64_form("b"))]),
        (call("a", era=MODERN), [("mcp-name", "=?base64?!!!?=")]),
        (SNOW, [("mcp-name", "snow ?")]),
        (READ, [("mcp-name", "test://b")]),
        (PARAM, [("mcp-param-region", "us")]),
        (PARAM, [("mcp-param-n", "43")]),
        (call("a", era=MODERN), [("mcp-protocol-version", "2025-11-25")]),
        (request("tools/list", era=MODERN), [("mcp-name", "a")]),
    ],
)
def test_headers_that_contradict_the_body_are_refused(trial, message, headers):
    """Something before us may have routed by the header, and the server acts by the body."""
    trial(post(message, *headers, era=""))
    trial.refused(400, code=HEADER_MISMATCH, rule="http:header-mismatch")
    # The request was understood well enough to name it (the schema of 2026-07-28 has no null ids).
    assert trial.got.message["id"] == 1


@BOTH
@pytest.mark.parametrize("name", ["mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "mcp-param-a"])
def test_a_header_with_a_meaning_may_not_occur_twice(trial, name):
    trial(post(call("a", {"a": "a"}), (name, "a"), (name, "b"), era=""))
    trial.refused(400)


CALL, LIST = call("a", id=1), request("tools/list", id=2)
NOTE = {"jsonrpc": "2.0", "method": "notifications/x"}


@BOTH
@pytest.mark.parametrize("era", ["", "2025-03-26"])
def test_a_batch_passes_where_the_revision_has_batches(gateway, upstream, http, era):
    trial = Trial(gateway(ALLOW_ALL), upstream, http)
    extra = [("mcp-protocol-version", era)] if era else []
    what = Send(headers=[JSON, *extra], pieces=(json.dumps([CALL, LIST, NOTE]).encode(),))
    assert len(trial(what).message) == 2
    assert upstream.one.body == what.body


@BOTH
@pytest.mark.parametrize(
    ("batch", "extra"),
    [
        ([CALL, LIST], [("mcp-protocol-version", "2025-06-18")]),
        ([CALL, LIST], [("mcp-protocol-version", "2025-11-25")]),
        ([CALL], [("mcp-protocol-version", MODERN)]),
        ([CALL, LIST], [("mcp-protocol-version", "1999-01-01")]),
        ([CALL, LIST], [("mcp-method", "tools/call")]),
        ([], []),
        ([CALL, [LIST]], []),
        ([CALL, CALL], []),
        ([CALL, 1], []),
    ],
)
def test_other_batches_are_refused_whole(trial, batch, extra):
    trial(Send(headers=[JSON, *extra], pieces=(json.dumps(batch).encode(),)))
    trial.refused(400)


@BOTH
def test_a_batch_with_a_denied_call_is_answered_and_goes_nowhere(gateway, upstream, http):
    rules = policy({"id": "no-a", "action": "deny", "match": {"name": ["a"]}}, default="allow")
    trial = Trial(gateway(rules), upstream, http)
    got = trial(Send(headers=[JSON], pieces=(json.dumps([CALL, LIST, NOTE]).encode(),)))
    assert upstream.untouched
    answers = {answer["id"]: answer for answer in got.message}
    assert answers[1]["result"]["isError"] and "no-a" in answers[1]["result"]["content"][0]["text"]
    assert "another message of this batch" in answers[2]["error"]["message"]


@BOTH
def test_a_denied_notification_is_accepted_and_goes_nowhere(gateway, upstream, http):
    rules = policy({"id": "no-notes", "action": "deny", "match": {"method": ["notifications/x"]}}, default="allow")
    trial = Trial(gateway(rules), upstream, http)
    got = trial(post(NOTE))
    assert (got.status, got.body) == (202, b"")
    assert upstream.untouched
    record = trial.record
    assert (record["decision"], record["rule"], record["method"]) == ("deny", "no-notes", "notifications/x")


@BOTH
def test_a_hidden_tool_answers_as_if_it_did_not_exist(gateway, upstream, http):
    rules = policy({"id": "h", "action": "deny", "hide": True, "match": {"name": ["a"]}}, default="allow")
    trial = Trial(gateway(rules), upstream, http)
    got = trial(post(call("a", id="x-1")))
    assert got.message == {"jsonrpc": "2.0", "id": "x-1", "error": {"code": -32602, "message": "Unknown tool: a"}}
    trial.refused(200, rule="h")
