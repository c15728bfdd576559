"""What breaks together: Envoy itself, and a sidecar that is there and says nothing."""

from __future__ import annotations

import hashlib
import random
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from e2e.harness.envoy import Envoy, Route, sidecar_cluster
from e2e.harness.postgres import Postgres
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import allow, deny, policy
from fixtures.upstream import Upstream

pytestmark = pytest.mark.filter


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    with ExitStack() as stack:
        database = stack.enter_context(Postgres()) if request.param == "postgres" else None
        yield stack.enter_context(Serve(database=database))


def guarded(serve: Serve, *rules: Any, **block: Any) -> dict[str, Any]:
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token, "timeout_ms": 1500, **block}
    return policy(*rules, default="allow", sidecar=block)


def test_no_call_is_forwarded_without_its_row_where_envoy_is_killed_under_load(serve, upstream):
    """`kill -9` of Envoy at random, three times: of what reached the server the intent is in the chain."""
    chance, sent = random.Random(11), 0
    plugin = guarded(serve, audit="durable")
    for _ in range(3):
        with Envoy(concurrency=2) as envoy:
            port = envoy.gateway([Route(upstream.port)], plugin, sidecar=serve.port).port
            over = threading.Event()

            def load(port: int = port, over: threading.Event = over) -> int:
                count = 0
                while not over.is_set():
                    id = str(uuid.uuid4())
                    count += 1
                    try:
                        send(port, post(call("read", {"id": id}), ("x-request-id", id)))
                    except OSError:
                        break
                return count

            with ThreadPoolExecutor(6) as pool:
                counts = [pool.submit(load) for _ in range(6)]
                time.sleep(chance.uniform(0.6, 1.5))
                envoy.kill()
                over.set()
                sent += sum(count.result() for count in counts)
    forwarded = [request.message["params"]["arguments"]["id"] for request in upstream.requests]
    assert 20 < len(forwarded) < sent, "there was no load, or no kill"
    assert len(forwarded) == len(set(forwarded)), "a call was made twice"
    intents = {row["correlation_id"] for row in serve.rows() if row.get("stage") == "intent"}
    assert set(forwarded) <= intents
    serve.verify()


def test_an_approval_outlives_an_envoy_that_is_killed_while_it_holds_the_call(serve, upstream):
    anna = serve.person(f"anna-{uuid.uuid4()}", "--role", "policy_manager")
    asks = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "approval": {"wait": "20s"}}
    plugin, body = guarded(serve, asks), call("deploy", {"to": str(uuid.uuid4())})

    def waiting() -> list[str]:
        found = serve.ask("approvals", "list", token=anna)
        return [line.split()[0] for line in found.stdout.splitlines() if "deploy" in line]

    with Envoy() as envoy, ThreadPoolExecutor(1) as pool:
        port = envoy.gateway([Route(upstream.port)], plugin, sidecar=serve.port).port
        held = pool.submit(send, port, post(body))
        [id] = until(waiting)
        envoy.kill()
        with pytest.raises((OSError, AssertionError)):
            held.result()
    assert not upstream.requests
    decided = serve.ask("approvals", "approve", id, token=anna)
    assert decided.returncode == 0, decided.stderr
    with Envoy() as envoy:
        port = envoy.gateway([Route(upstream.port)], plugin, sidecar=serve.port).port
        assert send(port, post(body)).status == 200
        assert len(upstream.requests) == 1
        # Used now: the call needs another one.
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(send, port, post(body))
            [other] = until(waiting)
            assert other != id
            assert serve.ask("approvals", "deny", other, token=anna).returncode == 0
            assert b"asks" in again.result().body
        assert len(upstream.requests) == 1
    serve.verify()


def test_a_sidecar_that_is_there_and_says_nothing_stops_what_needs_it_and_nothing_else(serve, gateway, upstream):
    """Stopped processes keep their connections, as behind a partition. What was sent meanwhile arrives twice."""
    plugin = guarded(serve, deny("no", "rm"), allow("rest", "*"))
    records = gateway(plugin, sidecar=serve.port).port
    durable = gateway(guarded(serve, audit="durable"), sidecar=serve.port).port
    ids = [str(uuid.uuid4()) for _ in range(30)]
    assert send(durable, post(call("read", {}))).status == 200
    try:
        serve.signal(signal.SIGSTOP)
        for id in ids:
            assert b'"result"' in send(records, post(call("read", {}), ("x-request-id", id))).body
            # The filter sends, and gets no answer in time.
            time.sleep(0.15)
        began = time.monotonic()
        assert b"audit:durable" in send(durable, post(call("read", {}))).body
        assert time.monotonic() - began < 5
    finally:
        serve.signal(signal.SIGCONT)
    until(lambda: {row.get("correlation_id") for row in serve.rows()} >= set(ids), seconds=40)
    kept = [row["correlation_id"] for row in serve.rows() if row.get("correlation_id") in ids]
    assert sorted(kept) == sorted(ids), "a record is there twice"
    until(lambda: b'"result"' in send(durable, post(call("read", {}))).body)
    serve.verify()


def test_every_promise_holds_at_once_whatever_is_killed(serve):
    """Two servers with a credential each, a quota at the sidecar, `durable` records; sidecar and Envoy are killed at random."""
    key, chance = uuid.uuid4().hex, random.Random(5)
    names = [f"{letter}-{key[:8]}" for letter in "ab"]
    secrets = [f"key-of-{name}-{uuid.uuid4().hex}" for name in names]
    for name, secret in zip(names, secrets, strict=True):
        file = serve.data / f"secret-{name}"
        file.touch(0o600)
        file.write_text(secret)
        for what in (
            ("credentials", "add", name, "--secret-file", str(file), "--kind", "api_key"),
            ("grants", "add", "--server", name, "--credential", name, "--principal", key),
        ):
            done = serve.ask(*what)
            assert done.returncode == 0, done.stderr
    plugin = guarded(
        serve,
        deny(key, "no-such-tool"),
        audit="durable",
    ) | {
        "servers": [
            {"name": name, "match": {"path_prefix": f"/{name}"}, "credentials": {"plaintext": True}} for name in names
        ],
        "identity": {"keys": {"header": "authorization", "entries": [
            {"sha256": hashlib.sha256(key.encode()).hexdigest(), "id": key, "kind": "agent"},
        ]}},
        "quotas": [{"id": f"q-{key}", "limit": f"{LIMIT}/day", "store": "sidecar"}],
    }  # fmt: skip
    over = threading.Event()

    def kill() -> None:
        while not over.wait(chance.uniform(0.3, 0.8)):
            serve.kill()
            over.wait(chance.uniform(0.0, 0.3))
            serve.start()

    killer = threading.Thread(target=kill)
    with Upstream() as one, Upstream() as two:
        killer.start()
        try:
            for _ in range(3):
                with Envoy(concurrency=2) as envoy:
                    routes = [Route(server.port, f"/{name}") for server, name in zip((one, two), names, strict=True)]
                    port = envoy.gateway(routes, plugin, sidecar=serve.port).port

                    def burst(worker: int, port: int = port) -> None:
                        for number in range(60):
                            id, name = str(uuid.uuid4()), names[(worker + number) % 2]
                            what = post(call("read", {"id": id}), ("x-request-id", id), path=f"/{name}/mcp")
                            try:
                                send(port, what.with_headers(("authorization", f"Bearer {key}")))
                            except OSError:
                                return

                    with ThreadPoolExecutor(6) as pool:
                        bursts = [pool.submit(burst, worker) for worker in range(6)]
                        time.sleep(chance.uniform(1.0, 2.0))
                        envoy.kill()
                        for each in bursts:
                            each.result()
        finally:
            over.set()
            killer.join()
        forwarded = []
        for server, own, other in ((one, *secrets), (two, *reversed(secrets))):
            assert server.requests, "there was no load"
            for request in server.requests:
                assert own.encode() in request.raw and other.encode() not in request.raw and key.encode() not in request.raw
                forwarded.append(request.message["params"]["arguments"]["id"])
    assert len(forwarded) == len(set(forwarded)), "a call was made twice"
    assert len(forwarded) <= LIMIT, "more calls than the quota lets through"
    intents = {row["correlation_id"] for row in serve.rows() if row.get("stage") == "intent"}
    assert set(forwarded) <= intents
    serve.verify()


LIMIT = 80


def until(check: Any, seconds: float = 15.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)
    return found
