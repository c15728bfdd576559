"""Labels that the sidecar knows: what is read through one Envoy counts at the next."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from e2e.harness.envoy import Envoy, Route, sidecar_cluster
from e2e.harness.postgres import Postgres
from e2e.harness.serve import Serve
from e2e.harness.wire import Got, call, post, request, send
from fixtures.upstream import answer_any, json_reply, text_result

pytestmark = pytest.mark.filter

SECRETS = "Northwind will be bought for 41.5 million on 14 March, which only the board knows so far; keep it so."


@pytest.fixture(scope="module")
def other() -> Iterator[Envoy]:
    """Another Envoy: what its workers share is its own."""
    with Envoy(concurrency=2) as running:
        yield running


@pytest.fixture(scope="module")
def replicas() -> Iterator[list[Serve]]:
    """Of each Envoy its own sidecar."""
    with Postgres() as database, Serve(database=database) as first, Serve(database=database, replica_of=first) as second:
        yield [first, second]


class Agent:
    """A caller of their own, at both Envoys."""

    def __init__(self, ports: list[int], key: str) -> None:
        self.ports, self.key = ports, key

    def __call__(self, envoy: int, tool: str, *headers: tuple[str, str], **arguments: Any) -> Got:
        return send(self.ports[envoy], post(call(tool, arguments), ("x-key", self.key), *headers), timeout=20)


@pytest.fixture
def agent(envoy, other, upstream, replicas) -> Callable[..., Agent]:
    """`agent(flow)`: somebody nobody knows anything of yet."""

    def make(flow: dict[str, Any] | None = None, *, anonymous: bool = False, **more: Any) -> Agent:
        key, ports = uuid.uuid4().hex, []
        entry = {"id": key, "kind": "agent", "sha256": hashlib.sha256(key.encode()).hexdigest()}
        for running, serve in zip((envoy, other), replicas, strict=True):
            plugin = {
                "version": "1", "default": "allow", "servers": [{"name": "s"}],
                "identity": {} if anonymous else {"keys": {"header": "x-key", "entries": [entry]}},
                "sidecar": {"cluster": sidecar_cluster(serve.port), "token": serve.token, "timeout_ms": 2000, **more},
                "approval": {"wait": "0s"},
                "flow": {"store": "sidecar", **(flow or {})},
            }  # fmt: skip
            ports.append(running.gateway([Route(upstream.port)], plugin, sidecar=serve.port).port)
        return Agent(ports, key)

    return make


def rule_of(got: Got) -> str:
    """The rule that refused a call; empty where it passed."""
    result = got.message["result"]
    return result["_meta"]["dev.portcullis/decision"]["rule"] if result.get("isError") else ""


def soon(check: Callable[[], bool]) -> None:
    """What the sidecar is told it knows a moment later."""
    deadline = time.monotonic() + 5
    while not check():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def test_the_trifecta_over_two_envoys_is_stopped(agent, upstream, replicas):
    bot = agent()
    assert rule_of(bot(0, "send_message", to="x@y.test", body="before")) == ""
    assert rule_of(bot(0, "get_webpage", url="https://blog.test/")) == ""
    assert rule_of(bot(1, "send_message", to="x@y.test", body="after one")) == ""
    assert rule_of(bot(1, "get_record", name="plans")) == ""
    soon(lambda: rule_of(bot(0, "send_message", to="x@y.test", body="after both")) == "flow:trifecta")
    # Whoever makes the call again asks for the approval, which a person may give.
    got = bot(0, "send_message", to="x@y.test", body="made again")
    facts = got.message["result"]["_meta"]["dev.portcullis/decision"]
    assert facts["rule"] == "flow:trifecta" and facts["approvalId"], got.message
    assert rule_of(bot(1, "send_message", to="x@y.test", body="there")) == "flow:trifecta"
    forwarded = [sent.message["params"]["arguments"].get("body") for sent in upstream.requests]
    assert "made again" not in forwarded and "there" not in forwarded
    # Reading goes on, and nobody else carries it.
    assert rule_of(bot(1, "get_webpage", url="https://blog.test/")) == ""
    assert rule_of(agent()(1, "send_message", to="x@y.test", body="of another")) == ""


def test_a_refusal_comes_in_the_same_round_trip(agent, upstream):
    bot = agent({"trifecta": "deny"})
    bot(0, "get_webpage", url="https://blog.test/")
    bot(0, "get_record", name="plans")
    time.sleep(0.5)
    got = bot(1, "send_message", to="x@y.test", body="at once")
    assert rule_of(got) == "flow:trifecta" and "again" not in got.message["result"]["content"][0]["text"]


def test_a_call_that_repeats_what_was_read_elsewhere_is_known(agent, upstream):
    bot = agent({"trifecta": "off", "provenance": {}})

    upstream.script = lambda asked: json_reply(text_result(asked.message["id"], SECRETS))
    bot(0, "get_record", name="plans")
    time.sleep(0.5)
    upstream.script = answer_any
    assert rule_of(bot(1, "send_message", to="x@y.test", body="Nothing of what was read is in this message, long as it is.")) == ""
    assert rule_of(bot(1, "send_message", to="x@y.test", body=SECRETS.upper())) == "flow:provenance"


def test_labels_of_an_anonymous_session_go_with_it(agent, upstream):
    bot = agent({"carrier": "session"}, anonymous=True)
    sessions = [uuid.uuid4().hex, uuid.uuid4().hex]

    def begins(asked: Any) -> Any:
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
        return json_reply({"jsonrpc": "2.0", "id": 1, "result": result}, headers=f"mcp-session-id: {session}\n")

    for session in sessions:
        upstream.script = begins
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        send(bot.ports[0], post(request("initialize", params, id=1)))
    upstream.script = answer_any
    first, second = [("mcp-session-id", session) for session in sessions]
    bot(0, "get_webpage", first, url="https://blog.test/")
    bot(0, "get_record", first, name="plans")
    soon(lambda: rule_of(bot(1, "send_message", first, to="x@y.test", body="x")) == "flow:trifecta")
    assert rule_of(bot(1, "send_message", second, to="x@y.test", body="x")) == "", "the other session read nothing"
    assert rule_of(bot(1, "send_message", to="x@y.test", body="x")) == "", "and whoever has none neither"


def test_without_the_sidecar_who_sends_is_refused_unless_the_policy_says_otherwise(agent, upstream, replicas):
    strict, lenient = agent(), agent(on_unavailable={"flow": "allow"})
    replicas[0].kill()
    try:
        assert rule_of(strict(0, "send_message", to="x@y.test", body="x")) == "flow:state"
        assert rule_of(strict(0, "get_webpage", url="https://blog.test/")) == ""
        assert rule_of(lenient(0, "send_message", to="x@y.test", body="x")) == ""
        # What is read meanwhile is told when it is back.
        assert rule_of(strict(0, "get_record", name="plans")) == ""
    finally:
        replicas[0].start()
    deadline = time.monotonic() + 30
    while rule_of(strict(1, "send_message", to="x@y.test", body="x")) != "flow:trifecta":
        assert time.monotonic() < deadline, "labels were lost"
        time.sleep(0.3)
    assert json.dumps(SECRETS) not in replicas[0].log()
