"""Quotas that several Envoys share: the sidecar counts, and whatever fails on the way, never more than the limit get through."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from cryptography import x509
from e2e.harness.envoy import Envoy, Route, sidecar_cluster
from e2e.harness.pki import Authority
from e2e.harness.postgres import Postgres
from e2e.harness.redis import Redis
from e2e.harness.serve import Serve, run
from e2e.harness.wire import call, post, send
from e2e.policies import policy
from fixtures.upstream import answer_any, json_reply

pytestmark = pytest.mark.filter


@pytest.fixture(scope="module")
def other() -> Iterator[Envoy]:
    """Another Envoy: what its workers share is its own."""
    with Envoy(concurrency=2) as running:
        yield running


@pytest.fixture
def counts() -> Iterator[Redis]:
    with Redis() as running:
        yield running


@pytest.fixture(params=["one sidecar on SQLite", "two sidecars on PostgreSQL", "two sidecars and Redis"])
def sidecars(request) -> Iterator[list[Serve]]:
    """Of each Envoy its own."""
    with ExitStack() as stack:
        if request.param == "one sidecar on SQLite":
            one = stack.enter_context(Serve())
            yield [one, one]
            return
        options = ["--redis", request.getfixturevalue("counts").url] if "Redis" in request.param else []
        database = stack.enter_context(Postgres())
        first = stack.enter_context(Serve(*options, database=database))
        yield [first, stack.enter_context(Serve(*options, database=database, replica_of=first))]


@pytest.fixture
def ports(envoy, other, upstream, sidecars) -> Callable[..., list[int]]:
    """`ports(quota, …)`: a gateway of each Envoy, with the same quotas."""

    def make(*quotas: dict[str, Any], rules: Any = (), **more: Any) -> list[int]:
        made = []
        for running, serve in zip((envoy, other), sidecars, strict=True):
            block = {"cluster": sidecar_cluster(serve.port), "token": serve.token, "timeout_ms": 3000, **more}
            plugin = policy(*rules, default="allow", quotas=list(quotas), sidecar=block)
            made.append(running.gateway([Route(upstream.port)], plugin, sidecar=serve.port).port)
        return made

    return make


def quota(limit: str, **more: Any) -> dict[str, Any]:
    """A quota of its own: what earlier tests counted is another's."""
    return {"id": f"q-{uuid.uuid4().hex[:8]}", "limit": limit, "store": "sidecar", **more}


def passes(port: int, tool: str = "t", **arguments: Any) -> bool:
    return b"quota:" not in send(port, post(call(tool, arguments or None)), timeout=20).body


def spread(ports: list[int], count: int, one: Callable[[int], bool] = passes) -> int:
    """How many of so many calls pass, over all gateways at a time."""
    with ThreadPoolExecutor(12) as pool:
        return sum(pool.map(lambda number: one(ports[number % len(ports)]), range(count)))


def test_two_envoys_let_through_as_many_as_the_limit_says(ports, upstream):
    for algorithm in ("sliding_window", "token_bucket"):
        upstream.reset()
        gateways = ports(quota("60/day", algorithm=algorithm), quota("200/day", per=["tool"]))
        assert spread(gateways, 160) == 60
        assert len(upstream.requests) == 60


def test_what_the_server_fails_is_given_back_and_none_is_lost(ports, upstream):
    gateways = ports(quota("30/day"))
    served = iter(range(1 << 20))

    def fails(request):
        if next(served) % 3 == 0:
            return json_reply({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}, status="500 Oops")
        return answer_any(request)

    upstream.script = fails

    def one(port: int) -> bool:
        got = send(port, post(call("t")), timeout=20).body
        return b"hello from upstream" in got

    succeeded = spread(gateways, 60, one)
    deadline = time.monotonic() + 20
    # What failed comes back when the sidecar has heard of it, a moment later.
    while succeeded < 30:
        succeeded += one(gateways[succeeded % 2])
        assert time.monotonic() < deadline, f"{30 - succeeded} were lost"
    time.sleep(1)
    assert not any(passes(port) for port in gateways)
    assert succeeded == 30


def test_a_call_that_is_refused_for_another_reason_gives_back_at_once(ports, upstream):
    local = {**quota("1/day", match={"name": ["rare"]}), "store": "local"}
    shared = quota("3/day")
    gateways = ports(shared, local)
    assert passes(gateways[0], "rare")
    assert not passes(gateways[0], "rare")
    time.sleep(1)
    assert [passes(gateways[1]) for _ in range(3)] == [True, True, False]


def test_the_caller_is_told_which_quota_and_when_it_is_there_again(ports, upstream):
    mine = quota("2/second", reason="Slowly.")
    gateways = ports(mine)
    deadline = time.monotonic() + 10
    while True:
        got = send(gateways[0], post(call("t")))
        if "isError" in got.message["result"]:
            break
        assert time.monotonic() < deadline
    facts = got.message["result"]["_meta"]["dev.portcullis/decision"]
    assert facts["rule"] == f"quota:{mine['id']}" and 0 < facts["retryAfterMs"] <= 1100
    assert "Slowly. Try again in" in got.message["result"]["content"][0]["text"]
    time.sleep(facts["retryAfterMs"] / 1000 + 0.05)
    assert passes(gateways[1])


def test_while_a_person_decides_nothing_is_held(ports, upstream, sidecars):
    asks = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "approval": {"wait": "20s"}}
    gateways = ports(quota("1/day"), rules=[asks])
    first = sidecars[0]
    ben = first.person(f"ben-{uuid.uuid4().hex[:6]}", "--role", "policy_manager")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(passes, gateways[0], "deploy")
        deadline = time.monotonic() + 10
        while not (pending := first.ask("approvals", "list", "--json", token=ben).stdout.strip().removeprefix("[]")):
            assert time.monotonic() < deadline, "nothing is pending"
        assert passes(gateways[1]), "another call may use what nobody has approved yet"
        assert first.ask("approvals", "approve", json.loads(pending)[0]["id"], token=ben).returncode == 0
        assert not held.result(30), "reserved last, and then it is used up"
    # Nobody is asked about a call that would be refused.
    assert not passes(gateways[0], "deploy", other=1)
    assert first.ask("approvals", "list", "--json", token=ben).stdout.strip() in ("", "[]")


@pytest.mark.parametrize("side", ["deny", "allow"])
def test_without_the_sidecar_calls_are_refused_unless_the_policy_says_otherwise(ports, upstream, sidecars, side):
    gateways = ports(quota("3/day", match={"name": ["counted"]}), on_unavailable={"quota": side})
    assert passes(gateways[0], "counted")
    for serve in set(sidecars):
        serve.kill()
    assert passes(gateways[0], "counted") is (side == "allow")
    assert passes(gateways[1]), "what nobody shares flows"
    for serve in dict.fromkeys(sidecars):
        serve.start()
    deadline = time.monotonic() + 20
    while not passes(gateways[1], "counted"):
        assert time.monotonic() < deadline, "it does not heal"
        time.sleep(0.2)


def test_killed_under_load_never_more_than_the_limit_and_all_of_it_in_the_end(ports, upstream, sidecars):
    def kill() -> None:
        for serve in dict.fromkeys(sidecars):
            serve.kill()
            serve.start()

    never_more_and_all_in_the_end(ports(quota("80/day")), upstream, kill)


@pytest.mark.parametrize("sidecars", ["two sidecars and Redis"], indirect=True)
def test_redis_is_killed_under_load(ports, upstream, sidecars, counts):
    def kill() -> None:
        counts.stop()
        time.sleep(0.2)
        counts.start()

    never_more_and_all_in_the_end(ports(quota("80/day")), upstream, kill)


def never_more_and_all_in_the_end(gateways: list[int], upstream: Any, kill: Callable[[], None]) -> None:
    over = threading.Event()

    def again() -> None:
        while not over.wait(0.6):
            kill()

    killer = threading.Thread(target=again)
    killer.start()
    try:
        spread(gateways, 120)
    finally:
        over.set()
        killer.join()
    assert 0 < len(upstream.requests) <= 80
    deadline = time.monotonic() + 60
    # What was reserved and never answered for comes back as soon as the sidecar hears that the call was not made.
    while len(upstream.requests) < 80:
        spread(gateways, 4)
        assert time.monotonic() < deadline, f"{80 - len(upstream.requests)} leaked"
        time.sleep(0.2)
    time.sleep(1)
    assert not any(passes(port) for port in gateways)
    assert len(upstream.requests) == 80


@pytest.mark.parametrize("sidecars", ["two sidecars and Redis"], indirect=True)
def test_a_redis_that_was_emptied_is_not_taken_for_unused(ports, upstream, sidecars, counts):
    gateways = ports(quota("2/day"))
    assert [passes(port) for port in (*gateways, *gateways)] == [True, True, False, False]
    counts.forget()
    for _ in range(2):
        assert not any(passes(port) for port in gateways)
        time.sleep(0.4)
    for serve in sidecars:
        serve.kill()
        serve.options.append("--redis-may-forget")
        serve.start()
    deadline = time.monotonic() + 10
    while not passes(gateways[0]):
        assert time.monotonic() < deadline, "it may begin anew"
        time.sleep(0.2)


def test_redis_elsewhere_is_believed_only_with_its_certificate_and_the_password(tmp_path, gateway, upstream):
    authority = Authority(tmp_path)
    names = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = authority.issue("redis", *names)

    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.touch(0o600)
        path.write_text(text)
        return str(path)

    with Redis(*certificate) as counts:
        url = f"rediss://:{{}}@127.0.0.1:{counts.port}"
        ca = ["--redis-ca", str(authority.file)]
        for options, admits in [
            (["--redis-file", file("right", url.format("horse")), *ca], True),
            (["--redis-file", file("wrong", url.format("cow")), *ca], False),
            (["--redis-file", file("right", url.format("horse"))], False),
        ]:
            with Serve(*options) as serve:
                block = {"cluster": sidecar_cluster(serve.port), "token": serve.token, "timeout_ms": 3000}
                plugin = policy(default="allow", quotas=[quota("9/day")], sidecar=block)
                assert passes(gateway(plugin, sidecar=serve.port).port) is admits, options
                assert "horse" not in serve.log()
            counts.forget()
        for url, said in [
            ("rediss://:horse@127.0.0.1", "every process of this machine can see"),
            ("redis://redis.internal", "by TLS"),
            ("rediss://127.0.0.1/#insecure", "certificate"),
            ("http://127.0.0.1", "rediss://HOST:PORT"),
        ]:
            started = run("serve", "--data", str(tmp_path / "state"), "--redis", url)
            assert started.returncode == 2 and said in started.stderr and "horse" not in started.stderr
