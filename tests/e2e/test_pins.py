"""A tool is what it was when it was trusted: a server that changes it, poisons it, or is called otherwise than it
said is stopped, whichever client and era. What is kept belongs to a server's name, so each test has its own."""

from __future__ import annotations

import itertools
import json
import urllib.request

import pytest
from e2e.harness.clients import PYTHON_1, PYTHON_2_PINNED, STATELESS_ERA, TYPESCRIPT_1, TYPESCRIPT_2_PINNED
from e2e.harness.envoy import Route
from e2e.harness.servers import python_server
from e2e.harness.wire import post, request, send
from fixtures.canaries import VALUE
from fixtures.upstream import event, json_reply, sse_reply

pytestmark = pytest.mark.filter

CLIENTS = [PYTHON_1, TYPESCRIPT_1, PYTHON_2_PINNED, TYPESCRIPT_2_PINNED]
names = (f"changing-{number}" for number in itertools.count())


def plugin(name, **blocks):
    """Everything is allowed but what the blocks refuse; what the scanners find in descriptions passes them."""
    scanners = {"injection": {"description": "log"}, "exfil": {"description": "log"}, "privesc": {"enabled": False}}
    return {"version": "1", "default": "allow", "servers": [{"name": name}], "scanners": scanners, **blocks}


@pytest.fixture(scope="module")
def servers():
    """One for each era."""
    with python_server("server_changing_session.py", "session") as session:
        with python_server("server_changing_stateless.py", "stateless") as stateless:
            yield [session, stateless]


@pytest.fixture
def changing(servers, client):
    """A server of the client's era, as it was before anybody changed it."""
    port = servers[client in STATELESS_ERA]
    urllib.request.urlopen(f"http://127.0.0.1:{port}/reset", timeout=10).close()
    return port


def text(outcome):
    return outcome["result"]["content"][0]["text"]


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_a_rug_pull(envoy, audit, changing, client):
    name = next(names)
    gateway = envoy.gateway([Route(changing)], plugin(name, pins={}))
    steps = [
        ["tools"],
        ["call", "weather", {"city": "Bern"}],
        ["call", "become", {"variant": "poisoned"}],
        ["tools"],
        ["call", "weather", {"city": "Bern"}],
        ["call", "become", {"variant": "honest"}],
    ]
    before, sunny, _, after, refused, back = client.run(gateway.url(), steps)["outcomes"]
    assert sorted(before["result"]) == ["become", "weather"] and text(sunny) == "sunny in Bern"
    assert after["result"] == ["become"]
    assert refused["result"]["isError"] and "pins:drift" in text(refused)
    assert text(back) == "became honest", "the session goes on"
    # Another connection, perhaps on another worker: one memory.
    [again] = client.run(gateway.url(), [["call", "weather", {"city": "Bern"}]])["outcomes"]
    assert "pins:drift" in text(again)
    drifts = [row for record in audit.all() if record["server"] == name for row in record.get("drift", [])]
    assert [drift["tool"] for drift in drifts] == ["weather"] * len(drifts) and drifts
    assert (drifts[0]["severity"], drifts[0]["fields"]) == ("critical", ["/description"])
    assert {"flagged", "new_host", "reworded"} <= set(drifts[0]["causes"])
    assert "collect.example" not in json.dumps(drifts)
    # The log says what was seen, and what it says can be approved: then the tool is the new one, and the old one drift.
    seen = [row for record in audit.all() if record["server"] == name for row in record.get("versions", [])]
    assert sorted(row["tool"] for row in seen) == ["become", "weather", "weather"]
    assert drifts[0]["to"] == seen[-1]["sha256"]
    approved = [{"server": name, "tool": "weather", "sha256": drifts[0]["to"], "note": "looked at"}]
    gateway = envoy.gateway([Route(changing)], plugin(name, pins={"approved": approved}))
    steps = [["call", "become", {"variant": "poisoned"}], ["tools"], ["call", "weather", {"city": "Bern"}]]
    steps += [["call", "become", {"variant": "honest"}], ["tools"], ["call", "weather", {"city": "Bern"}]]
    _, listed, passed, _, hidden, refused = client.run(gateway.url(), steps)["outcomes"]
    assert sorted(listed["result"]) == ["become", "weather"] and text(passed) == "sunny in Bern"
    assert hidden["result"] == ["become"] and "pins:drift" in text(refused)


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_pages_order_and_a_small_change_below_the_threshold(envoy, changing, client):
    gateway = envoy.gateway([Route(changing)], plugin(next(names), pins={"deny_drift": "medium"}))
    steps = [["tools"]]
    for variant in ("reversed", "reworded"):
        steps += [["call", "become", {"variant": variant}], ["tools"], ["call", "weather", {"city": "x"}]]
    outcomes = client.run(gateway.url(), steps)["outcomes"]
    for index in (0, 2, 5):
        assert sorted(outcomes[index]["result"]) == ["become", "weather"]
    for index in (3, 6):
        assert text(outcomes[index]) == "sunny in x"


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_a_poisoned_description_at_first_sight(envoy, changing, client):
    gateway = envoy.gateway([Route(changing)], plugin(next(names), risk={}))
    steps = [["call", "become", {"variant": "poisoned"}], ["tools"], ["call", "weather", {"city": "Bern"}]]
    _, listed, refused = client.run(gateway.url(), steps)["outcomes"]
    assert listed["result"] == ["become"]
    assert refused["result"]["isError"] and "risk:injection:" in text(refused)


@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_arguments_that_do_not_fit(envoy, changing, client):
    gateway = envoy.gateway([Route(changing)], plugin(next(names), schemas={}))
    steps = [
        ["tools"],
        ["call", "weather", {"city": "Bern", "days": 7}],
        ["call", "weather", {"city": "Bern", "days": VALUE}],
        ["call", "weather", {"days": 1}],
    ]
    _, fits, wrong_type, missing = client.run(gateway.url(), steps)["outcomes"]
    assert text(fits) == "sunny in Bern"
    assert wrong_type["result"]["isError"] and "schema:input" in text(wrong_type)
    assert "/params/arguments/days" in text(wrong_type) and VALUE not in text(wrong_type)
    assert missing["result"]["isError"] and "(required)" in text(missing)


@pytest.mark.parametrize("sse", [False, True], ids=["json", "sse"])
def test_a_result_that_does_not_fit_and_arguments_nobody_declared(envoy, upstream, sse):
    gateway = envoy.gateway([Route(upstream.port)], plugin(next(names), schemas={"unknown_properties": "remove"}))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    result = {"tools": [{"name": "count", "inputSchema": schema, "outputSchema": {**schema, "required": ["n"]}}]}

    def ask(method, params):
        message = {"jsonrpc": "2.0", "id": 1, "result": result}
        upstream.script = lambda _: sse_reply(event(message)) if sse else json_reply(message)
        body = send(gateway.port, post(request(method, params))).body
        return json.loads(body.split(b"data: ")[-1])

    ask("tools/list", {})
    for content, fits in [({"n": 1}, True), ({"n": VALUE}, False), ({}, False), (None, False)]:
        result = {"content": [], **({} if content is None else {"structuredContent": content})}
        seen = ask("tools/call", {"name": "count", "arguments": {"n": 1, "note": "x"}})
        assert ("isError" not in seen["result"]) == fits
        assert fits or "schema:output" in seen["result"]["content"][0]["text"]
        assert VALUE not in json.dumps(seen)
    assert upstream.requests[-1].message["params"]["arguments"] == {"n": 1}
