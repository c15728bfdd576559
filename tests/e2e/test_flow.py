"""Labels come with what is read, and decide what may be done next: across tools, servers, requests and
workers, with real clients of both eras, in JSON and in streams."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid

import pytest
from e2e.harness.clients import PYTHON_1, PYTHON_2_PINNED, TYPESCRIPT_1, TYPESCRIPT_2_PINNED
from e2e.harness.envoy import Route
from e2e.harness.raw import Trial
from e2e.harness.servers import python_server
from e2e.harness.wire import call, post
from fixtures.upstream import event, json_reply, raw, sse_reply, text_result

pytestmark = pytest.mark.filter

RECORD = "Northwind will be bought for 41.5 million on 14 March, which only the board knows so far; keep it so."

READ_PAGE = ["call", "get_webpage", {"url": "https://blog.test/"}]
READ_RECORD = ["call", "get_record", {"name": "plans"}]


def send(body):
    return ["call", "send_message", {"to": "x@y.test", "body": body}]


@pytest.fixture(scope="module", params=["session-sse", "session-json", "stateless-sse", "stateless-json"])
def servers(request):
    """Ports of two servers with the same tools: `web` and `office`, and the clients that speak with them."""
    era, form = request.param.split("-")
    arguments = ["json"] if form == "json" else []
    clients = [PYTHON_1, TYPESCRIPT_1] if era == "session" else [PYTHON_2_PINNED, TYPESCRIPT_2_PINNED]
    with (
        python_server("server_flow.py", era, *arguments) as web,
        python_server("server_flow.py", era, *arguments) as office,
    ):
        yield web, office, clients


def plugin(flow=None, *, key):
    entry = {"sha256": hashlib.sha256(key.encode()).hexdigest(), "id": key, "kind": "agent"}
    servers = [{"name": name, "match": {"path_prefix": f"/{name}"}} for name in ("web", "office")]
    identity = {"keys": {"header": "x-api-key", "entries": [entry]}}
    extra = {} if flow is None else {"flow": flow}
    return {"version": "1", "default": "allow", "servers": servers, "identity": identity, **extra}


class Person:
    """A caller of their own, with a gateway that knows them: what others carry is none of theirs."""

    def __init__(self, envoy, web, office, flow=None):
        self.key = f"key-{uuid.uuid4()}"
        routes = [Route(web, "/web/", "/"), Route(office, "/office/", "/")]
        self.gateway = envoy.gateway(routes, plugin(flow, key=self.key), caller=("x-api-key", self.key))

    def run(self, client, server, *steps):
        """The outcome of each step: its text, or the rule that refused it."""
        outcomes = client.run(self.gateway.url(f"/{server}/mcp"), list(steps))["outcomes"]
        return [outcome_of(outcome) for outcome in outcomes]


def outcome_of(outcome):
    result = outcome["result"]
    if result.get("isError"):
        return result["_meta"]["dev.portcullis/decision"]["rule"]
    return (result.get("content") or result.get("contents"))[0]["text"]


# === the lethal trifecta ===


def test_the_trifecta_over_three_tools_of_two_servers_needs_an_approval(envoy, servers):
    web, office, clients = servers
    for client in clients:
        person = Person(envoy, web, office)
        page, sent = person.run(client, "web", READ_PAGE, send("after one"))
        assert page.startswith("Spring") and sent == "sent: after one"
        record, held = person.run(client, "office", READ_RECORD, send("after both"))
        assert (record, held) == (RECORD, "flow:trifecta"), client
        # Not on the other server either, in a session of its own; reading goes on.
        assert person.run(client, "web", send("there"), READ_PAGE) == ["flow:trifecta", page]
        # Nobody else carries it.
        assert Person(envoy, web, office).run(client, "office", send("of another")) == ["sent: of another"]


def test_the_policy_can_turn_it_off_or_deny(envoy, servers):
    web, office, (client, _) = servers
    for flow, wanted in [({"trifecta": "off"}, "sent: x"), ({"trifecta": "log"}, "sent: x"), ({"trifecta": "deny"}, "flow:trifecta")]:
        person = Person(envoy, web, office, flow)
        assert person.run(client, "web", READ_PAGE, READ_RECORD, send("x"))[2] == wanted


# === rules of one's own ===

RULES = {
    "hints": False,
    "trifecta": "off",
    "sources": [
        {"id": "pages", "match": {"server": ["web"]}, "labels": ["untrusted"]},
        {"id": "minutes", "match": {"capability": ["resource"], "name": ["office://*"]}, "labels": ["board"]},
    ],
    "rules": [
        {"id": "no-mixing", "match": {"name": ["send_*"]}, "has_taint": ["untrusted", "board"], "action": "deny"},
        {"id": "watch", "match": {"name": ["send_*"]}, "any_taint": ["board"], "action": "warn"},
    ],
}


def test_labels_come_from_resources_and_servers(envoy, servers):
    web, office, clients = servers
    for client in clients:
        person = Person(envoy, web, office, RULES)
        assert person.run(client, "office", ["read", "office://minutes"], send("a")) == [RECORD, "sent: a"]
        assert person.run(client, "web", READ_PAGE, send("b"))[1] == "flow:no-mixing"


def test_labels_fade(envoy, servers):
    web, office, (client, _) = servers
    person = Person(envoy, web, office, {**RULES, "decay": {"calls": 3}})
    steps = [["read", "office://minutes"], READ_RECORD, READ_RECORD, READ_RECORD, READ_RECORD]
    person.run(client, "office", *steps)
    assert person.run(client, "web", READ_PAGE, send("after four calls"))[1] == "sent: after four calls"

    person = Person(envoy, web, office, {**RULES, "decay": {"time": "2s"}})
    person.run(client, "office", ["read", "office://minutes"])
    time.sleep(2.1)
    assert person.run(client, "web", READ_PAGE, send("two seconds later"))[1] == "sent: two seconds later"


# === what a call repeats ===


def test_a_call_that_repeats_what_was_read_is_held_however_it_is_written(envoy, servers):
    web, office, clients = servers
    flow = {"trifecta": "off", "provenance": {}}
    for client in clients:
        person = Person(envoy, web, office, flow)
        harmless = "Nothing of what was read is in this message, though it is a long one too."
        encoded = base64.b64encode(RECORD.encode()).decode()
        bodies = [harmless, RECORD, RECORD.upper().replace(" ", "\n"), f"see {encoded}", RECORD.encode().hex()]
        _, *sent = person.run(client, "office", READ_RECORD, *map(send, bodies))
        assert sent == [f"sent: {harmless}", *["flow:provenance"] * 4], client
        # Through the other server just as little.
        assert person.run(client, "web", send(encoded)) == ["flow:provenance"]


def test_what_is_repeated_can_be_redacted(envoy, servers):
    web, office, (client, _) = servers
    rule = {"id": "mask", "class": ["sends"], "any_taint": ["private"], "action": "redact"}
    person = Person(envoy, web, office, {"trifecta": "off", "provenance": {"action": "off"}, "rules": [rule]})
    _, masked, whole = person.run(client, "office", READ_RECORD, send(RECORD), send("hello"))
    assert (masked, whole) == ("sent: [REDACTED:flow]", "sent: hello")


# === byte by byte ===


@pytest.fixture
def trial(envoy, upstream):
    """Raw requests of one caller, HTTP/1.1 or /2."""

    def make(flow, http=1):
        key = f"key-{uuid.uuid4()}"
        policy = {**plugin(flow, key=key), "servers": [{"name": "s"}]}
        return Trial(envoy.gateway([Route(upstream.port)], policy, caller=("x-api-key", key)), upstream, http)

    return make


TAINTED = {
    "hints": False,
    "sources": [{"id": "all", "match": {"name": ["read"]}, "labels": ["own"]}],
    "rules": [{"id": "stop", "match": {"name": ["write"]}, "any_taint": ["own"], "action": "deny"}],
}


@pytest.mark.parametrize("http", [1, 2])
@pytest.mark.parametrize("form", ["json", "sse", "cut", "error"])
def test_labels_come_with_every_kind_of_answer(trial, upstream, form, http):
    trial = trial(TAINTED, http)
    result = text_result(1, "x")
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "text of the server's"}}
    answers = {
        "json": json_reply(result),
        "sse": sse_reply(event(result), at=[9, 30], pause=0.02),
        # The stream ends before the answer: it may come when the client resumes.
        "cut": sse_reply(event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}})),
        "error": json_reply(error),
    }
    upstream.script = lambda _: answers[form]
    trial(post(call("read")))
    assert trial.record["rules_fired"] == ["flow:all"] if form != "cut" else True
    upstream.reset()
    trial(post(call("write")))
    assert trial.got.message["result"]["isError"]
    assert trial.record["rule"] == "flow:stop"
    assert trial.record["taint"] == ["own"]
    assert upstream.untouched


def test_a_refused_answer_brings_nothing(trial, upstream):
    trial = trial(TAINTED)
    upstream.script = lambda _: raw("HTTP/1.1 200 OK\ncontent-type: text/html\ncontent-length: 4", b"<p/>", close=False)
    trial(post(call("read")))
    upstream.reset()
    trial(post(call("write")))
    assert trial.record["decision"] == "allow"


def test_many_at_once_on_two_workers_lose_no_label(envoy, upstream):
    """Labels are added by compare-and-swap: what many connections gain at a time is all there in the end."""
    from concurrent.futures import ThreadPoolExecutor

    key = f"key-{uuid.uuid4()}"
    labels = [f"l{n}" for n in range(24)]
    flow = {
        "hints": False,
        "sources": [{"id": label, "match": {"name": [label]}, "labels": [label]} for label in labels],
        "rules": [{"id": "all", "match": {"name": ["write"]}, "has_taint": labels, "action": "deny"}],
    }
    policy = {**plugin(flow, key=key), "servers": [{"name": "s"}]}
    gateway = envoy.gateway([Route(upstream.port)], policy, caller=("x-api-key", key))
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda label: Trial(gateway, upstream)(post(call(label))), labels))
    trial = Trial(gateway, upstream)
    trial(post(call("write")))
    assert trial.record["rule"] == "flow:all"
    assert trial.record["taint"] == sorted(labels)
