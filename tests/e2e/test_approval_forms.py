"""Calls that nobody has decided about, as official clients of both eras are told and come back."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.harness.clients import (
    PYTHON_1,
    PYTHON_2_AUTO,
    PYTHON_2_LEGACY,
    PYTHON_2_PINNED,
    SESSION_ERA,
    STATELESS_ERA,
    TYPESCRIPT_2_PINNED,
)
from e2e.harness.envoy import Route, sidecar_cluster
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import policy

pytestmark = pytest.mark.filter
LINK = "https://console.test/approvals/"
SHOWS_LINKS = [PYTHON_1, PYTHON_2_LEGACY, PYTHON_2_AUTO, PYTHON_2_PINNED]
"""The clients of the fixtures that say that they show links; the others ask their user without."""


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    with Serve("--approval-link", LINK + "{id}") as running:
        yield running


@pytest.fixture(scope="module")
def anna(serve: Serve) -> str:
    return serve.person("anna", "--role", "policy_manager")


def held(serve: Serve, tool: str, wait: str) -> dict[str, Any]:
    """A policy of its own for each test, and so approvals of its own."""
    rule = {
        "id": "asks", "action": "require_approval", "match": {"name": [tool]},
        "approval": {"wait": wait}, "description": str(uuid.uuid4()),
    }  # fmt: skip
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token}
    return policy(rule, default="allow", sidecar=block)


def waiting(serve: Serve, anna: str) -> list[dict[str, Any]]:
    return json.loads(serve.ask("approvals", "list", "--json", token=anna).stdout)


class Approver:
    """Approves whatever waits, as a person at a console does who is a little slow."""

    def __init__(self, serve: Serve, anna: str, after: float = 1.5) -> None:
        self.serve, self.anna, self.after = serve, anna, after
        self.approved: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Approver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for approval in waiting(self.serve, self.anna):
                if self._over.wait(self.after):
                    return
                assert self.serve.ask("approvals", "approve", approval["id"], token=self.anna).returncode == 0
                self.approved.append(approval["id"])


@pytest.mark.parametrize("client", STATELESS_ERA, ids=str)
def test_a_client_of_today_shows_the_link_comes_back_and_gets_its_answer(envoy, stateless_era, serve, anna, client):
    url = envoy.gateway([Route(stateless_era)], held(serve, "echo", "1s"), sidecar=serve.port).url("/mcp")
    with Approver(serve, anna) as people:
        seen = client.run(url, [["call", "echo", {"text": "hi"}]])
    [outcome] = seen["outcomes"]
    assert outcome["result"]["content"][0]["text"] == "echo: hi", outcome
    [id] = people.approved
    assert seen["asked"] and all(id in asked["message"] for asked in seen["asked"])
    assert {asked.get("url") for asked in seen["asked"]} == {LINK + id if client in SHOWS_LINKS else None}
    assert [row["action"] for row in serve.rows("--approval", id) if "action" in row] == [
        "approval.requested", "approval.approved", "approval.used"
    ]  # fmt: skip


@pytest.mark.parametrize("client", [PYTHON_2_PINNED, TYPESCRIPT_2_PINNED], ids=str)
def test_what_the_server_asks_for_itself_is_not_lost_on_the_way(envoy, stateless_era, serve, anna, client):
    """`ask_person` is a call, and again with the person's answer: two calls, each approved, the second one nested."""
    url = envoy.gateway([Route(stateless_era)], held(serve, "ask_person", "1s"), sidecar=serve.port).url("/mcp")
    with Approver(serve, anna) as people:
        seen = client.run(url, [["call", "ask_person", {"question": "q"}]])
    [outcome] = seen["outcomes"]
    assert outcome["result"]["content"][0]["text"] == "person: Ann", outcome
    assert len(people.approved) == 2
    assert {asked.get("mode") for asked in seen["asked"]} == ({"url", "form"} if client in SHOWS_LINKS else {"form"})


@pytest.mark.parametrize("client", SESSION_ERA, ids=str)
def test_a_client_of_the_session_era_is_told_the_link(envoy, session_era, serve, anna, client):
    url = envoy.gateway([Route(session_era)], held(serve, "echo", "0s"), sidecar=serve.port).url("/mcp")
    seen = client.run(url, [["call", "echo", {"text": "hi"}], ["tools"]])
    told, listed = seen["outcomes"]
    [approval] = waiting(serve, anna)
    serve.ask("approvals", "deny", approval["id"], token=anna)
    # They say so when the session begins; the others read why in the call's result.
    if client in SHOWS_LINKS:
        assert told["error"]["code"] == -32042 and approval["id"] in told["error"]["message"]
    else:
        assert told["result"]["isError"] and approval["id"] in told["result"]["content"][0]["text"]
    assert "echo" in listed["result"]


def modern(gateway_port: int, more: dict[str, Any], elicitation: Any = None) -> Any:
    message = call("deploy", {"n": 1}, era="2026-07-28")
    meta = message["params"]["_meta"]
    meta["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": elicitation or {"url": {}}}
    message["params"].update(more)
    return send(gateway_port, post(message, era="2026-07-28")).message["result"]


def test_a_state_is_used_once_and_only_for_its_call(gateway, upstream, serve, anna):
    port = gateway(held(serve, "deploy", "0s"), sidecar=serve.port).port
    first = modern(port, {})
    assert first["resultType"] == "input_required"
    [asked] = first["inputRequests"].values()
    [approval] = waiting(serve, anna)
    assert asked["params"]["url"] == LINK + approval["id"]
    answer = {"portcullis": {"action": "accept"}}
    back = {"requestState": first["requestState"], "inputResponses": answer}
    forged = {"requestState": "portcullis:" + "0" * 40, "inputResponses": answer}
    assert "request state" in json.dumps(modern(port, forged))
    other = {"arguments": {"n": 2}, **back}
    assert "request state" in json.dumps(modern(port, other))
    second = modern(port, back)
    assert second["resultType"] == "input_required" and second["requestState"] != first["requestState"]
    assert "request state" in json.dumps(modern(port, back))
    again = {"requestState": second["requestState"], "inputResponses": {"portcullis": {"action": "decline"}}}
    assert modern(port, again)["isError"]
    assert len(waiting(serve, anna)) == 1 and upstream.untouched
    # What the client says about its user's answer decides nothing; the record does.
    assert serve.ask("approvals", "approve", approval["id"], token=anna).returncode == 0
    third = modern(port, {})
    assert not third.get("isError"), third
    sent = upstream.one.message["params"]
    assert sent["arguments"] == {"n": 1} and "requestState" not in sent and "inputResponses" not in sent


def test_where_a_client_shows_no_links_its_user_is_asked_without(gateway, upstream, serve, anna):
    port = gateway(held(serve, "deploy", "0s"), sidecar=serve.port).port
    told = modern(port, {}, {"form": {}})
    [asked] = told["inputRequests"].values()
    [approval] = waiting(serve, anna)
    assert asked["params"]["mode"] == "form" and approval["id"] in asked["params"]["message"]
    assert serve.ask("approvals", "approve", approval["id"], token=anna).returncode == 0
    back = {"requestState": told["requestState"], "inputResponses": {"portcullis": {"action": "accept", "content": {}}}}
    assert not modern(port, back, {"form": {}}).get("isError")
    assert len(upstream.requests) == 1
