"""Every message leaves one record that explains what was decided, and none that shows a value."""

from __future__ import annotations

import json
import re
import time

import pytest
from e2e.harness.audit import Audit
from e2e.harness.raw import Trial
from e2e.harness.wire import Send, call, post, request, send
from e2e.policies import allow, deny, policy
from fixtures.canaries import VALUE, github_token
from fixtures.upstream import event, json_reply, sse_reply, text_result

pytestmark = pytest.mark.filter

RULES = policy(
    allow("reads", "read"),
    deny("no-writes", "write"),
    deny("ghosts", "ghost", hide=True),
    {"id": "ask", "action": "require_approval", "match": {"name": ["pay"]}},
    {"id": "watched", "action": "log_only", "match": {"name": ["watch"]}},
    {"id": "try-out", "action": "deny", "mode": "shadow", "priority": 9, "match": {"name": ["read"]}},
    audit={"hash_key": "00" * 32},
)
ARGUMENTS = {"b": VALUE + "1", "a": {"deep": VALUE + "2"}}
LEAK = {"b": github_token()}


@pytest.fixture
def trial(gateway, upstream):
    return Trial(gateway(RULES), upstream)


EXPECTED = [
    # message, decision, rule, status of the upstream
    (call("read", ARGUMENTS), "allow", "reads", 200),
    (call("write", ARGUMENTS), "deny", "no-writes", None),
    (call("ghost", ARGUMENTS), "deny", "ghosts", None),
    (call("other", ARGUMENTS), "deny", "default", None),
    (call("pay", ARGUMENTS), "require_approval", "ask", None),
    (call("watch", ARGUMENTS), "log_only", "watched", 200),
    (call("read", LEAK), "deny", "secrets:github-pat", None),
    (request("tools/list"), "allow", "builtin:list", 200),
    (request("ping"), "allow", "builtin:protocol", 200),
    (request("x/unknown"), "deny", "default", None),
    ({"jsonrpc": "2.0", "method": "notifications/initialized"}, "allow", "builtin:protocol", 202),
    (b"{" + VALUE.encode(), "malformed", "json:strict", None),
    (b'{"jsonrpc":"2.0","id":1}', "malformed", "json-rpc:invalid", None),
]


@pytest.mark.parametrize(
    ("message", "decision", "rule", "status"), EXPECTED, ids=[f"{e[1]}-{e[2]}" for e in EXPECTED]
)
def test_one_record_says_what_was_decided_and_why(trial, message, decision, rule, status):
    trial(post(message))
    record = trial.record
    assert (record["decision"], record["rule"], record["upstream_status"]) == (decision, rule, status)
    assert record["server"] == "s" and record["reason"] and record["latency_us"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"])
    assert re.fullmatch(r"[0-9a-f]{64}", record["policy_version"])
    if isinstance(message, dict):
        assert record["method"] == message["method"]
        assert record["tool"] == message.get("params", {}).get("name")


def test_arguments_are_recorded_by_key_and_by_keyed_hash(trial):
    records = []
    for arguments in (ARGUMENTS, ARGUMENTS, {**ARGUMENTS, "b": VALUE + "9"}):
        trial(post(call("read", arguments)))
        records.append(trial.record)
    assert [record["argument_keys"] for record in records] == [["a", "b"]] * 3
    assert {record["redaction_scheme"] for record in records} == {1}
    first, same, other = (record["input_hash"] for record in records)
    assert first == same != other and len(first) >= 32


def test_findings_name_scanner_rule_and_place(trial, upstream):
    upstream.script = lambda _: json_reply(text_result(1, github_token()))
    trial(post(call("read", {"b": "x"})))
    [finding] = trial.record["findings"]
    place = "/result/content/0/text"
    assert (finding["scanner"], finding["rule"], finding["location"]) == ("secrets", "github-pat", place)
    assert (trial.record["redacted"], trial.record["decision"]) == ([place], "redact")


SECRET = github_token("c")
NAMED = {
    "argument": call("read", {SECRET: 1}),
    "deeper argument": call("read", {"a": {SECRET: 1}}),
    "tool": call(SECRET, {}),
    "resource": request("resources/read", {"uri": f"test://x?k={SECRET}"}),
    "method": request(SECRET),
    "notification": {"jsonrpc": "2.0", "method": SECRET},
}


@pytest.mark.parametrize("message", NAMED.values(), ids=NAMED)
def test_a_secret_used_as_a_name_is_in_no_record_and_no_answer(trial, message):
    """Argument keys, JSON Pointers, tools, URIs and methods are recorded, and each can hold a secret."""
    trial(post(message))
    assert trial.upstream.untouched
    assert SECRET not in json.dumps(trial.record)
    assert SECRET.encode() not in trial.got.body


def test_a_secret_used_as_a_name_by_the_server_is_in_no_record(trial, upstream):
    upstream.script = lambda _: json_reply(text_result(1, "x", structuredContent={SECRET: {"x": github_token()}}))
    trial(post(call("read", {})))
    assert SECRET not in json.dumps(trial.record)
    assert SECRET.encode() not in trial.got.body


def test_what_a_shadow_rule_would_have_done_is_recorded(trial):
    trial(post(call("read", {})))
    record = trial.record
    assert (record["decision"], record["shadow_decision"], record["shadow_rule"]) == ("allow", "deny", "try-out")


def test_a_whole_deployment_in_shadow_refuses_nothing_and_records_everything(gateway, upstream):
    trial = Trial(gateway({**RULES, "mode": "shadow"}), upstream)
    cases = [
        (post(call("write", {})), "deny", "no-writes"),
        (post(call("watch", LEAK)), "deny", "secrets:github-pat"),
        (post(b"[" * 100), "malformed", "json:strict"),
        (Send("PUT", pieces=(b"x",)), "deny", "http:method"),
    ]
    for what, decision, rule in cases:
        upstream.reset()
        trial(what)
        assert upstream.one.body == what.body
        record = trial.record
        assert (record["shadow_decision"], record["shadow_rule"]) == (decision, rule)
        assert record["decision"] in ("allow", "pass")


def test_a_disabled_deployment_does_nothing(gateway, upstream):
    trial = Trial(gateway({**RULES, "mode": "disabled"}), upstream)
    what = Send("POST", headers=[("cookie", "a=b"), ("x-portcullis-x", "1")], pieces=(b"\xff{",))
    trial(what)
    assert upstream.one.body == what.body and upstream.one.get("cookie") == "a=b"


@pytest.mark.parametrize(("log", "kept"), [("all", ["read", "write"]), ("denied", ["write"]), ("none", [])])
def test_records_can_be_limited(gateway, upstream, log, kept):
    rules = policy(allow("reads", "read"), deny("no-writes", "write"), audit={"log": log})
    trial = Trial(gateway(rules), upstream)
    ids = {}
    for tool in ("read", "write"):
        trial(post(call(tool, {})))
        ids[trial.id] = tool
    time.sleep(0.3)
    found = [r["tool"] for r in Audit(trial.gateway.envoy).all() if r["correlation_id"] in ids]
    assert found == kept


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-request-id", "0123456789abcdef")], "0123456789abcdef"),
        ([("x-request-id", "0123456789abcdef"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")], "0123456789abcdef"),
    ],
)  # fmt: skip
def test_the_correlation_id_is_the_requests_and_the_client_is_told(gateway, upstream, headers, expected):
    got = send(gateway(RULES).port, post(call("write", {}), *headers))
    assert got.get("x-portcullis-correlation-id") == expected
    assert expected in got.message["result"]["content"][0]["text"]


def test_a_correlation_id_cannot_forge_a_line(gateway, upstream, audit):
    got = send(gateway(RULES).port, post(call("write", {}), ("x-request-id", 'x","decision":"allow","a":"')))
    [record] = audit.of(got.get("x-portcullis-correlation-id"))
    assert record["decision"] == "deny"


def test_access_logs_can_show_the_decision(trial):
    trial(post(call("write", {})))
    time.sleep(0.4)
    [line] = [line for line in trial.gateway.envoy.access_log() if line["request_id"] == trial.id]
    assert (line["decision"], line["rule"], line["server"]) == ("deny", "no-writes", "s")
    assert (line["method"], line["tool"]) == ("tools/call", "write")
    assert line["correlation_id"] == trial.id and len(line["policy_version"]) == 64


METRICS = [
    "portcullis_messages_total", "portcullis_refused_total", "portcullis_malformed_total", "portcullis_findings_total",
    "portcullis_redactions_total", "portcullis_list_entries_hidden_total", "portcullis_shadow_total",
    "portcullis_anonymous_total", "portcullis_config_loads_total", "portcullis_policy_rules", "portcullis_streams_active",
    "portcullis_decision_duration_microseconds_count", "portcullis_exchange_duration_microseconds_count",
    "portcullis_request_bytes_count", "portcullis_response_bytes_count",
]  # fmt: skip


def test_counters_are_on_envoys_prometheus_page(envoy, trial, upstream):
    def total(name):
        lines = [line.rsplit(" ", 1) for line in envoy.stats().splitlines() if re.match(rf"{name}\w*[{{ .]", line)]
        return sum(float(value) for _, value in lines)

    tools = {"tools": [{"name": "read", "inputSchema": {}}, {"name": "write", "inputSchema": {}}]}
    upstream.script = lambda r: json_reply(
        {"jsonrpc": "2.0", "id": 1, "result": tools} if b"list" in r.body else text_result(1, github_token())
    )
    before = total("portcullis_messages_total"), total("portcullis_refused_total")
    for message in (call("read", {}), call("write", {}), b"{", request("tools/list")):
        trial(post(message))
    upstream.script = lambda _: sse_reply(event(text_result(1, "x")))
    trial(post(call("read", {})))
    trial.record
    after = total("portcullis_messages_total"), total("portcullis_refused_total")
    assert after[0] - before[0] >= 3 and after[1] - before[1] >= 1
    missing = [name for name in METRICS if name not in envoy.stats()]
    assert not missing
