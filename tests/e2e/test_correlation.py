"""One query tells all that came of one request of a client, in order."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from e2e.harness.envoy import sidecar_cluster
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import policy
from fixtures.upstream import answer_any, event, sse_reply, text_result

pytestmark = pytest.mark.filter


@pytest.fixture(scope="module")
def serve():
    with Serve() as running:
        yield running


def deploying(gateway: Any, serve: Serve) -> int:
    rule = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "approval": {"wait": "0s"}}
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token}
    return gateway(policy(rule, default="allow", sidecar=block), sidecar=serve.port).port


def tree(serve: Serve, correlation: str, wanted: int) -> list[dict[str, Any]]:
    """What the API says, once it has that many rows; the command says the same."""
    token = (serve.data / "state" / "admin-token").read_text().strip()
    deadline = time.monotonic() + 20
    while True:
        ask = urllib.request.Request(
            f"http://127.0.0.1:{serve.http}/api/v1/audit/requests/{correlation}", headers={"authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(ask, timeout=10) as got:
                said = json.load(got)
        except urllib.error.HTTPError:
            said = {"rows": []}
        if len(said["rows"]) >= wanted:
            break
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    listed = serve.run("audit", "list", "--json", "--correlation", correlation)
    assert [json.loads(line)["seq"] for line in listed.stdout.splitlines()] == [row["seq"] for row in said["rows"]]
    assert [row["seq"] for row in said["rows"]] == sorted(row["seq"] for row in said["rows"]) and not said["more"]
    return said["rows"]


def test_an_approval_and_the_call_that_used_it(gateway, upstream, serve):
    port = deploying(gateway, serve)
    first, second = "aaaaaaaa-first-request", "bbbbbbbb-second-request"
    send(port, post(call("deploy"), ("x-request-id", first)))
    [asked] = serve.rows("--action", "approval.requested")
    serve.person("omar", "--role", "policy_manager")
    assert serve.ask("approvals", "approve", asked["approval_id"], token="omar.token").returncode == 0
    send(port, post(call("deploy"), ("x-request-id", second)))
    assert len(upstream.requests) == 1
    rows = tree(serve, first, 5)
    told = [(row["depth"], row["record"].get("action") or row["record"]["decision"]) for row in rows]
    assert sorted(told) == [
        (0, "approval.approved"), (0, "approval.requested"), (0, "approval.used"), (0, "require_approval"), (1, "allow"),
    ]  # fmt: skip
    [used] = [row["record"] for row in rows if row["depth"] == 1]
    assert (used["correlation_id"], used["parent"]) == (second, first)
    text = serve.run("audit", "list", "--correlation", first).stdout.splitlines()
    assert sum(line.startswith("  ") and "allow anonymous" in line for line in text) == 1


def test_what_a_server_asks_and_what_the_client_answers(gateway, upstream, serve):
    port = deploying(gateway, serve)
    session = ("mcp-session-id", "session-of-this-test")
    params = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}
    asks = {"jsonrpc": "2.0", "id": "s-1", "method": "elicitation/create", "params": params}
    upstream.script = lambda got: sse_reply(event(asks) + event(text_result(1, "done"))) if "method" in got.message else answer_any(got)
    first, second = "cccccccc-first-request", "dddddddd-second-request"
    send(port, post(call("ask"), session, ("x-request-id", first)))
    answer = {"jsonrpc": "2.0", "id": "s-1", "result": {"action": "accept", "content": {}}}
    send(port, post(answer, session, ("x-request-id", second)))
    rows = tree(serve, first, 3)
    assert [(row["depth"], row["record"]["method"]) for row in rows if row["record"]["correlation_id"] == second] == [(1, "response")]
    assert {row["record"]["method"] for row in rows if row["depth"] == 0} == {"tools/call", "elicitation/create"}
