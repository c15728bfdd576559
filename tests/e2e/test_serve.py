"""The filter with the real sidecar: what it records is in a chain that verifies, whatever was killed on the way."""

from __future__ import annotations

import json
import random
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from e2e.harness.envoy import Gateway, sidecar_cluster
from e2e.harness.postgres import Postgres
from e2e.harness.raw import Trial
from e2e.harness.serve import Serve, cli
from e2e.harness.wire import call, post, send
from e2e.policies import deny, policy
from fixtures.canaries import VALUE

pytestmark = pytest.mark.filter


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    with ExitStack() as stack:
        database = stack.enter_context(Postgres()) if request.param == "postgres" else None
        yield stack.enter_context(Serve(database=database))


def guarded(gateway: Any, serve: Serve, *rules: Any, **block: Any) -> Gateway:
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token, **block}
    return gateway(policy(*rules, default="allow", sidecar=block), sidecar=serve.port)


def rows_of(serve: Serve, correlation_id: str, count: int = 1) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 15
    # What people did about it has rows under the same id.
    while len(rows := [row for row in serve.rows("--correlation", correlation_id) if "action" not in row]) < count:
        assert time.monotonic() < deadline, serve.log()
        time.sleep(0.1)
    return rows


def test_what_the_filter_records_is_in_the_chain_and_the_chain_verifies(gateway, upstream, serve, envoy):
    trial = Trial(guarded(gateway, serve, deny("no", "rm")), upstream)
    for tool, decision in (("read", "allow"), ("rm", "deny")):
        trial(post(call(tool, {"k": VALUE}), ("mcp-session-id", "s-1")))
        [row] = rows_of(serve, trial.id)
        assert (row["tool"], row["decision"], row["argument_keys"]) == (tool, decision, ["k"])
        # The log and the chain hold the same.
        assert row == trial.record
        assert row["session"].startswith("blake3:")
    serve.verify()
    assert VALUE not in serve.log() and serve.token not in envoy.log()


def test_killed_at_random_under_load_no_call_is_made_without_its_row(gateway, upstream, serve):
    """`durable`: the intent of every call that reached the server is in the chain, and all others were told."""
    port = guarded(gateway, serve, audit="durable", timeout_ms=1500).port
    ids = [str(uuid.uuid4()) for _ in range(400)]
    over, chance = threading.Event(), random.Random(7)

    def kill() -> None:
        while not over.wait(chance.uniform(0.1, 0.5)):
            serve.kill()
            over.wait(chance.uniform(0.0, 0.2))
            serve.start()

    def one(id: str) -> bool:
        return b"audit:durable" not in send(port, post(call("read", {"id": id}), ("x-request-id", id))).body

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            passed = dict(zip(ids, pool.map(one, ids), strict=True))
    finally:
        over.set()
        killer.join()
    forwarded = [request.message["params"]["arguments"]["id"] for request in upstream.requests]
    assert sorted(forwarded) == sorted(id for id, passes in passed.items() if passes)
    assert 0 < len(forwarded) < 400, "there was no load, or no kill"
    rows_of(serve, ids[-1])
    deadline = time.monotonic() + 40
    while True:
        rows = serve.rows()
        done = {row["correlation_id"] for row in rows if row.get("tool") == "read" and "stage" not in row}
        if done >= set(ids):
            break
        assert time.monotonic() < deadline, f"{len(set(ids) - done)} records are missing"
        time.sleep(0.5)
    intents = {row["correlation_id"] for row in rows if row.get("stage") == "intent"}
    assert set(forwarded) <= intents
    known = [row["id"] for row in rows if "id" in row and "stage" not in row]
    assert len(known) == len(set(known))
    serve.verify()


# === approvals ===


@pytest.fixture(scope="module")
def anna(serve: Serve) -> str:
    """The token of somebody who may decide."""
    return serve.person("anna", "--role", "policy_manager")


ASKS = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}}


def waiting(serve: Serve, anna: str) -> list[dict[str, Any]]:
    found = serve.ask("approvals", "list", "--json", token=anna)
    assert found.returncode in (0, 1), found.stderr
    return json.loads(found.stdout)


def pending(serve: Serve, anna: str, count: int = 1) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 15
    while True:
        found = waiting(serve, anna)
        if len(found) == count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} are pending, not {count}"
        time.sleep(0.1)


def decide(serve: Serve, anna: str, id: str, word: str = "approve") -> None:
    done = serve.ask("approvals", word, id, token=anna)
    assert done.returncode == 0, done.stderr


def deploying(gateway: Any, serve: Serve, wait: str, **more: Any) -> int:
    # Each test has a policy of its own, and so approvals of its own.
    rule = {**ASKS, "approval": {"wait": wait, **more}, "description": str(uuid.uuid4())}
    return guarded(gateway, serve, rule).port


def test_a_call_is_held_approved_made_once_recorded_and_verified(gateway, upstream, serve, anna):
    port = deploying(gateway, serve, "30s", show_arguments=True)
    id = str(uuid.uuid4())
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(send, port, post(call("deploy", {"to": "production"}), ("x-request-id", id)), timeout=40)
        [approval] = pending(serve, anna)
        assert upstream.untouched
        shown = serve.ask("approvals", "show", approval["id"], "--json", token=anna)
        assert json.loads(shown.stdout)["arguments"] == {"to": "production"}
        decide(serve, anna, approval["id"])
        assert "isError" not in held.result(20).message["result"]
    assert upstream.one.message["params"]["arguments"] == {"to": "production"}
    [row] = rows_of(serve, id)
    assert (row["decision"], row["approval_id"]) == ("allow", approval["id"])
    linked = serve.rows("--approval", approval["id"])
    assert any(row.get("action", "").startswith("approval.") for row in linked), linked
    serve.verify()
    # It was for once.
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(send, port, post(call("deploy", {"to": "production"})), timeout=40)
        [other] = pending(serve, anna)
        assert other["id"] != approval["id"]
        decide(serve, anna, other["id"], "deny")
        assert "It was denied" in json.dumps(again.result(20).message)
    assert len(upstream.requests) == 1


def test_a_call_that_waited_in_vain_attaches_when_it_is_made_again_and_a_changed_one_does_not(gateway, upstream, serve, anna):
    port = deploying(gateway, serve, "0s")
    message = send(port, post(call("deploy", {"n": 1}))).message
    [approval] = pending(serve, anna)
    assert approval["id"] in json.dumps(message)
    decide(serve, anna, approval["id"])
    changed = send(port, post(call("deploy", {"n": 2}))).message
    [other] = pending(serve, anna)
    assert other["id"] in json.dumps(changed) and other["id"] != approval["id"]
    assert upstream.untouched
    assert "isError" not in send(port, post(call("deploy", {"n": 1}))).message["result"]
    assert upstream.one.message["params"]["arguments"] == {"n": 1}
    decide(serve, anna, other["id"], "deny")


def test_one_approval_lets_one_of_many_equal_calls_through(gateway, upstream, serve, anna):
    port = deploying(gateway, serve, "3s")
    with ThreadPoolExecutor(8) as pool:
        held = [pool.submit(send, port, post(call("deploy", {"n": 1}, id=n)), timeout=40) for n in range(8)]
        [approval] = pending(serve, anna)
        decide(serve, anna, approval["id"])
        answers = [one.result(30).message for one in held]
    passed = [answer for answer in answers if "isError" not in answer["result"]]
    assert len(passed) == len(upstream.requests) == 1
    for left in waiting(serve, anna):
        decide(serve, anna, left["id"], "deny")


def test_an_approval_outlives_a_sidecar_that_was_killed(gateway, upstream, serve, anna):
    port = deploying(gateway, serve, "30s")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(send, port, post(call("deploy", {"n": 1})), timeout=40)
        [approval] = pending(serve, anna)
        serve.kill()
        assert "does not answer" in json.dumps(held.result(10).message)
    serve.start()
    decide(serve, anna, approval["id"])
    until_up = time.monotonic() + 10
    while "isError" in (message := send(port, post(call("deploy", {"n": 1}))).message)["result"]:
        assert "does not answer" in json.dumps(message) and time.monotonic() < until_up, message
        time.sleep(0.2)
    assert len(upstream.requests) == 1


def test_with_another_token_nothing_is_forwarded_in_durable_mode(gateway, upstream, serve):
    block = {"cluster": sidecar_cluster(serve.port), "token": "another", "audit": "durable"}
    trial = Trial(gateway(policy(default="allow", sidecar=block), sidecar=serve.port), upstream)
    assert b"audit:durable" in trial(post(call("read"))).body
    assert upstream.untouched


def test_the_binary_needs_no_library_of_its_host():
    """An ELF file that asks for no dynamic linker (PT_INTERP) and names no library (DT_NEEDED): it runs in an empty image."""
    binary = Path(cli()).read_bytes()
    assert binary[:6] == b"\x7fELF\x02\x01", "64 bits, little-endian"
    (headers,) = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    segments = [struct.unpack_from("<IIQQQQ", binary, headers + size * index) for index in range(count)]
    kinds = {kind for kind, *_ in segments}
    assert PT_LOAD in kinds and PT_INTERP not in kinds
    for kind, _, offset, _, _, length in segments:
        if kind == PT_DYNAMIC:  # of a position-independent executable, which relocates itself
            assert DT_NEEDED not in {tag for tag, _ in struct.iter_unpack("<qQ", binary[offset : offset + length])}


PT_LOAD, PT_DYNAMIC, PT_INTERP, DT_NEEDED = 1, 2, 3, 1
