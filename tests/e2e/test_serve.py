"""The filter with the real sidecar: what it records is in a chain that verifies, whatever was killed on the way."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from e2e.harness.envoy import Gateway, sidecar_cluster
from e2e.harness.raw import Trial
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import deny, policy
from fixtures.canaries import VALUE

pytestmark = pytest.mark.filter


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    with Serve() as running:
        yield running


def guarded(gateway: Any, serve: Serve, *rules: Any, **block: Any) -> Gateway:
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token, **block}
    return gateway(policy(*rules, default="allow", sidecar=block), sidecar=serve.port)


def verified(serve: Serve) -> None:
    result = serve.run("audit", "verify", "--full")
    assert result.returncode == 0, result.stdout + result.stderr


def rows_of(serve: Serve, correlation_id: str, count: int = 1) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 15
    while len(rows := serve.rows("--correlation", correlation_id)) < count:
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
    verified(serve)
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
    verified(serve)


def test_with_another_token_nothing_is_forwarded_in_durable_mode(gateway, upstream, serve):
    block = {"cluster": sidecar_cluster(serve.port), "token": "another", "audit": "durable"}
    trial = Trial(gateway(policy(default="allow", sidecar=block), sidecar=serve.port), upstream)
    assert b"audit:durable" in trial(post(call("read"))).body
    assert upstream.untouched
