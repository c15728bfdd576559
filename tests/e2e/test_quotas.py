"""Quotas hold exactly, whatever the workers, the server and the client do."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e.harness.envoy import Envoy, Route
from e2e.harness.wire import Send, call, post, request, send
from e2e.policies import policy
from fixtures.upstream import LAST_CHUNK, Reply, answer_any, chunk, event, json_reply, raw, sse_reply, text_result

pytestmark = pytest.mark.filter

TRAPPING = Path(os.environ["PORTCULLIS_WASM_TRAP"]) if os.environ.get("PORTCULLIS_WASM_TRAP") else None


def quota(limit: str, **more):
    """A quota of its own: what earlier tests counted in the same Envoy is another's."""
    return {"id": f"q-{uuid.uuid4().hex[:8]}", "limit": limit, **more}


def guarded(*quotas, **more):
    return policy(default="allow", quotas=list(quotas), **more)


def passes(port: int, what: Send | None = None) -> bool:
    got = send(port, what or post(call("t")))
    return "quota:" not in got.body.decode()


# === exactly as many as the limit says ===


@pytest.mark.parametrize("algorithm", ["sliding_window", "fixed_window", "token_bucket"])
@pytest.mark.parametrize("http", [1, 2])
def test_two_workers_under_load_let_through_as_many_as_the_limit_says(envoy, gateway, upstream, algorithm, http):
    """The day's window and the bucket of a day's 200 fill too slowly to matter here."""
    port = gateway(guarded(quota("200/day", algorithm=algorithm))).port
    # Not across midnight in UTC, where a calendar's day begins anew.
    if algorithm == "fixed_window" and 86_400 - time.time() % 86_400 < 30:
        time.sleep(30)

    def one(number: int) -> bool:
        return "quota:" not in send(port, post(call("t", id=number)), http=http).body.decode()

    with ThreadPoolExecutor(16) as pool:
        admitted = sum(pool.map(one, range(500)))
    assert admitted == 200
    assert len(upstream.requests) == 200


def test_under_load_what_the_server_fails_is_given_back(envoy, gateway, upstream):
    """Every third call fails: in the end exactly as many succeeded as the limit says, and none is lost."""
    port = gateway(guarded(quota("60/day"))).port
    served = iter(range(1 << 20))

    def fails(request):
        if next(served) % 3 == 0:
            return json_reply({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}, status="500 Oops")
        return answer_any(request)

    upstream.script = fails

    def one(_) -> bool:
        for _ in range(200):
            got = send(port, post(call("t"))).body.decode()
            if "hello from upstream" in got:
                return True
            if "quota:" in got:
                return False
        raise AssertionError("never served")

    with ThreadPoolExecutor(8) as pool:
        succeeded = sum(pool.map(one, range(200)))
        # A share that is held while its call fails may have turned others away.
        while succeeded < 60 and one(0):
            succeeded += 1
    assert succeeded == 60
    assert not passes(port)


@pytest.mark.parametrize("per", [["tool"], ["principal"], ["server", "session"]])
def test_each_has_a_count_of_its_own(gateway, upstream, per):
    keys = {"header": "x-key", "entries": [
        {"id": who, "kind": "service", "sha256": hashlib.sha256(who.encode()).hexdigest()}
        for who in ("ann", "bob")
    ]}  # fmt: skip
    port = gateway(guarded(quota("2/day", per=per), identity={"keys": keys})).port

    def admitted(tool: str, who: str, session: str) -> int:
        what = post(call(tool), ("x-key", who), ("mcp-session-id", session))
        return sum(passes(port, what) for _ in range(4))

    assert admitted("a", "ann", "1") == 2
    assert admitted("b", "ann", "1") == (2 if per == ["tool"] else 0)
    assert admitted("a", "bob", "1") == (0 if per == ["tool"] else 2)
    assert admitted("a", "ann", "2") == (2 if per == ["server", "session"] else 0)
    # Who a client says it is makes no difference.
    assert admitted("a", "nobody", "3") == (0 if per == ["tool"] else 2)


def test_amounts_of_an_argument(gateway, upstream):
    port = gateway(guarded(quota("10/day", amount="amount", match={"name": ["pay"]}))).port
    outcomes = [passes(port, post(call("pay", {"amount": n}))) for n in (7.5, 3, 2.5, 0.01)]
    assert outcomes == [True, False, True, False]
    assert not passes(port, post(call("pay", {})))
    assert passes(port, post(call("other")))


# === what the caller is told ===


def test_the_refusal_says_when_to_try_again_and_then_it_passes(gateway, upstream):
    port = gateway(guarded(quota("1/second", match={"capability": ["tool"]}))).port
    assert passes(port)
    got = send(port, post(call("t", id="x-1")))
    while "quota:" not in got.body.decode():
        got = send(port, post(call("t", id="x-1")))
    assert got.status == 200 and got.message["id"] == "x-1" and got.message["result"]["isError"] is True
    facts = got.message["result"]["_meta"]["dev.portcullis/decision"]
    assert 0 < facts["retryAfterMs"] <= 1000
    assert "Try again in 1 second." in got.message["result"]["content"][0]["text"]
    time.sleep(facts["retryAfterMs"] / 1000 + 0.01)
    assert passes(port)


def test_another_method_is_refused_by_a_json_rpc_error(gateway, upstream):
    port = gateway(guarded(quota("1/day", match={"method": ["prompts/get"]}))).port
    prompt = post(request("prompts/get", {"name": "p"}, id=7))
    assert passes(port, prompt) and passes(port)
    got = send(port, prompt)
    assert (got.status, got.message["id"], got.message["error"]["code"]) == (200, 7, -31005)
    assert got.message["error"]["data"]["retryAfterMs"] > 0


# === what comes back ===

ERROR = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}
TOOL_ERROR = text_result(1, "no", isError=True)
CUT = "HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: 500"
STREAM = "HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked"

ENDINGS = {
    # what the server does, the quota's own setting, whether the call counts
    "a result": (lambda _: json_reply(text_result(1, "ok")), "keep", True),
    "a result as an event": (lambda _: sse_reply(event(text_result(1, "ok"))), "keep", True),
    "a JSON-RPC error": (lambda _: json_reply(ERROR), "keep", False),
    "a JSON-RPC error as an event": (lambda _: sse_reply(event(ERROR)), "keep", False),
    "a tool's error": (lambda _: json_reply(TOOL_ERROR), "keep", True),
    "a tool's error, rolled back": (lambda _: json_reply(TOOL_ERROR), "roll_back", False),
    "HTTP 503": (lambda _: raw("HTTP/1.1 503 Busy\ncontent-length: 0"), "keep", False),
    "HTTP 401": (lambda _: raw("HTTP/1.1 401 No\ncontent-length: 0"), "keep", False),
    "a connection closed without a word": (lambda _: Reply([], close=True), "keep", False),
    "a body that is cut": (lambda _: raw(CUT, b'{"jsonrpc"'), "keep", False),
    "a stream that is cut": (lambda _: raw(STREAM, chunk(event({"jsonrpc": "2.0", "method": "notifications/x"}))), "keep", False),
    "a stream that ends without the answer": (lambda _: raw(STREAM, LAST_CHUNK), "keep", True),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_fails_is_given_back_and_what_was_done_is_not(gateway, upstream, audit, ending):
    script, on_tool_error, counts = ENDINGS[ending]
    port = gateway(guarded(quota("1/day", on_tool_error=on_tool_error))).port
    upstream.script = script
    try:
        send(port, post(call("t")), timeout=5)
    except (OSError, AssertionError, ValueError):
        pass  # A cut answer is no answer.
    assert len(upstream.requests) == 1
    upstream.script = answer_any
    deadline = time.monotonic() + (0.5 if counts else 3)
    while not (admitted := passes(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert admitted == (not counts)


def test_a_server_that_is_not_there_costs_nothing(envoy):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gateway = envoy.gateway([Route(taken.getsockname()[1])], guarded(quota("1/day")))
        for _ in range(3):
            got = send(gateway.port, post(call("t")))
            assert got.status == 503 and "quota:" not in got.body.decode()


@pytest.mark.parametrize("headers", ["before the answer", "behind the headers"])
def test_a_client_that_leaves_gets_nothing_back(gateway, upstream, headers):
    """Or it could make as many calls as it likes by never waiting for their answers."""
    port = gateway(guarded(quota("1/day"))).port
    done = threading.Event()
    if headers == "before the answer":
        upstream.script = lambda _: Reply([done], close=True)
    else:
        upstream.script = lambda _: raw(STREAM, chunk(event({"jsonrpc": "2.0", "method": "notifications/x"})), done)
    what = post(call("t"))
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = "".join(f"{name}: {value}\r\n" for name, value in what.headers if not name.startswith(":"))
        client.sendall(f"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: {len(what.body)}\r\n{head}\r\n".encode() + what.body)
        deadline = time.monotonic() + 5
        while not upstream.requests and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
    time.sleep(0.3)
    done.set()
    upstream.script = answer_any
    assert len(upstream.requests) == 1
    assert not passes(port)


def test_no_header_of_the_client_makes_its_call_look_failed(gateway, upstream):
    port = gateway(guarded(quota("1/day"))).port
    slow = threading.Event()
    upstream.script = lambda request: Reply([slow, *answer_any(request).pieces])
    threading.Timer(0.5, slow.set).start()
    got = send(port, post(call("t"), ("x-envoy-upstream-rq-timeout-ms", "50")))
    assert got.status == 200 and "hello" in got.body.decode()
    assert not passes(port)


# === shadow, records ===


def test_shadow_counts_records_and_lets_through(gateway, upstream, audit):
    mine = quota("1/day", mode="shadow")
    port = gateway(guarded(mine)).port
    got = [send(port, post(call("t"))) for _ in range(2)]
    assert all("hello" in g.body.decode() for g in got)
    records = _all(audit, mine["id"], 2)
    assert [r.get("shadow_rule") for r in records] == [None, f"quota:{mine['id']}"]
    assert all(r["decision"] == "allow" and r["rules_fired"] == [f"quota:{mine['id']}"] for r in records)


def test_the_record_says_what_was_refused_and_what_came_back(gateway, upstream, audit):
    mine = quota("1/day")
    port = gateway(guarded(mine)).port
    upstream.script = lambda _: json_reply(ERROR)
    send(port, post(call("t")))
    upstream.script = answer_any
    send(port, post(call("t")))
    send(port, post(call("t")))
    first, second, third = _all(audit, mine["id"], 3)
    rule = f"quota:{mine['id']}"
    assert first["rules_fired"] == [rule, f"{rule}:returned"]
    assert second["rules_fired"] == [rule] and second["decision"] == "allow"
    assert third["decision"] == "deny" and third["rule"] == rule and third["upstream_status"] is None


def _all(audit, id: str, count: int):
    deadline = time.monotonic() + 5
    while True:
        found = [r for r in audit.all() if f"quota:{id}" in json.dumps(r)]
        if len(found) >= count or time.monotonic() > deadline:
            assert len(found) == count
            return sorted(found, key=lambda r: r["time"])
        time.sleep(0.05)


# === crashes ===


@pytest.mark.skipif(TRAPPING is None, reason="PORTCULLIS_WASM_TRAP names no module built with the feature `trap`")
def test_what_a_crash_leaves_behind_comes_back_when_its_lease_ends(upstream):
    """The VM dies while a call is under way: nobody says how it ended."""
    go_on = threading.Event()
    upstream.script = lambda request: Reply([go_on, *answer_any(request).pieces])
    with Envoy(concurrency=1, wasm=TRAPPING) as envoy, ThreadPoolExecutor(1) as pool:
        port = envoy.gateway([Route(upstream.port)], guarded(quota("1/day", lease="3s"))).port

        def stranded():
            try:
                return send(port, post(call("t")), timeout=10)
            except OSError as closed:
                return closed

        began = time.monotonic()
        other = pool.submit(stranded)
        while not upstream.requests and time.monotonic() - began < 5:
            time.sleep(0.02)
        assert send(port, post(call("t"), ("x-portcullis-trap", "1"))).status == 503
        go_on.set()
        other.result(10)
        upstream.script = answer_any

        def served() -> str:
            got = send(port, post(call("t")))
            return "refused" if "quota:" in got.body.decode() else "passed" if got.status == 200 else "down"

        # The new VM knows what the dead one had counted.
        while (first := served()) == "down":
            time.sleep(0.1)
        assert first == "refused" and time.monotonic() - began < 3
        while (now := served()) != "passed" and time.monotonic() - began < 8:
            time.sleep(0.1)
        assert now == "passed" and time.monotonic() - began >= 3
        assert served() == "refused"


def test_a_long_call_keeps_its_share_longer_than_a_lease(gateway, upstream):
    """A stream that goes on renews what it holds."""
    port = gateway(guarded(quota("1/day", lease="1s"))).port
    notice = chunk(event({"jsonrpc": "2.0", "method": "notifications/x"}))
    upstream.script = lambda _: raw(STREAM, *[notice] * 12, chunk(event(text_result(1, "ok"))), LAST_CHUNK, pause=0.25)
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(send, port, post(call("t")))
        time.sleep(2.2)
        upstream.script = answer_any
        assert not long.done() and not passes(port)
        assert '"ok"' in long.result(10).body.decode()
    assert not passes(port)
