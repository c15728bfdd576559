"""When something is wrong with us, nothing passes unjudged: a bad configuration never loads, a
crash refuses the request it happened in and the next one is served again."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e.harness.envoy import ConfigRefused, Envoy, EnvoyExited, Route
from e2e.harness.wire import Got, Send, call, post, send
from e2e.policies import ALLOW_ALL, policy
from fixtures.canaries import VALUE, github_token
from fixtures.upstream import LAST_CHUNK, chunk, event, raw, text_result

pytestmark = pytest.mark.filter

BAD = {
    "no JSON": ("{", ""),
    "nothing": ("", ""),
    "an unknown field": ({**ALLOW_ALL, "defualt": "deny"}, "default"),
    "an unknown field in a rule": (policy({"id": "a", "action": "allow", "mach": {}}), "/rules/0"),
    "an unknown action": (policy({"id": "a", "action": "permit"}), "/rules/0/action"),
    "an unknown version": ({**ALLOW_ALL, "version": "2"}, "/version"),
    "a regex that does not compile": (
        policy({"id": "a", "action": "allow", "arguments": [{"path": "/x", "op": "regex", "value": "("}]}),
        "/rules/0/arguments/0/value",
    ),
    "the same rule twice": (policy({"id": "a", "action": "allow"}, {"id": "a", "action": "deny"}), "/rules/1/id"),
    "the same key twice": ('{"version":"1","default":"deny","default":"allow"}', "line 1, column 33"),
    "a hash that is none": (
        policy(identity={"keys": {"header": "x", "entries": [{"sha256": "abc", "id": "a", "kind": "service"}]}}),
        "/identity/keys/entries/0/sha256",
    ),
}


@pytest.mark.parametrize(("config", "place"), BAD.values(), ids=BAD)
def test_a_bad_configuration_is_refused_with_its_place_while_the_old_one_serves(envoy, upstream, config, place):
    good = envoy.gateway([Route(upstream.port)], ALLOW_ALL)
    with pytest.raises(ConfigRefused) as refused:
        envoy.gateway([Route(upstream.port)], config)
    assert "the configuration was refused" in str(refused.value) and place in str(refused.value)
    assert send(good.port, post(call("a"))).status == 200


@pytest.mark.parametrize("failure_policy", ["FAIL_RELOAD", "FAIL_CLOSED"])
def test_envoy_does_not_start_with_a_bad_configuration(failure_policy):
    config, place = BAD["an unknown field in a rule"]
    envoy = Envoy(failure_policy=failure_policy).from_the_start([Route(1)], config)
    with pytest.raises(EnvoyExited) as left, envoy:
        pass
    assert place in str(left.value) and "match" in str(left.value)


TRAPPING = Path(os.environ.get("PORTCULLIS_WASM_TRAP", "")) if os.environ.get("PORTCULLIS_WASM_TRAP") else None


@pytest.mark.skipif(TRAPPING is None, reason="PORTCULLIS_WASM_TRAP names no module built with the feature `trap`")
def test_a_trap_refuses_its_request_and_the_next_one_is_served(upstream):
    with Envoy(concurrency=1, wasm=TRAPPING) as envoy:
        gateway = envoy.gateway([Route(upstream.port)], ALLOW_ALL)
        assert send(gateway.port, post(call("a"))).status == 200
        upstream.reset()
        assert send(gateway.port, post(call("a"), ("x-portcullis-trap", "1"))).status == 503
        assert upstream.untouched
        deadline = time.monotonic() + 5
        while (healed := send(gateway.port, post(call("a"))).status) != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert healed == 200
        denied = send(gateway.port, post(b"{"))
        assert denied.status == 400


@pytest.mark.skipif(TRAPPING is None, reason="PORTCULLIS_WASM_TRAP names no module built with the feature `trap`")
@pytest.mark.parametrize("phase", ["the request", "the response", "a stream"])
def test_what_a_trap_strands_passes_nothing_and_ends_in_bounded_time(upstream, phase):
    """Another exchange of the same worker is under way when its VM dies."""
    whole = post(call("a", {"k": VALUE}))
    secret = event(text_result(1, github_token()))

    def script(_):
        if phase == "the response":
            body = json.dumps(text_result(1, github_token())).encode()
            return raw(f"HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: {len(body)}", body[:20], trapped, body[20:])
        head = "HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked"
        return raw(head, chunk(event({"jsonrpc": "2.0", "method": "notifications/x"})), trapped, chunk(secret), LAST_CHUNK)

    def stranded():
        what = Send(**{**vars(whole.split_at(30)), "pause": 0.5}) if phase == "the request" else whole
        try:
            return send(gateway.port, what, timeout=10)
        except OSError as closed:
            return closed

    with Envoy(concurrency=1, wasm=TRAPPING, idle_timeout="2s") as envoy:
        gateway = envoy.gateway([Route(upstream.port)], ALLOW_ALL)
        trapped = threading.Event()
        if phase != "the request":
            upstream.script = script
        with ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            other = pool.submit(stranded)
            time.sleep(0.7)
            assert send(gateway.port, post(call("a"), ("x-portcullis-trap", "1"))).status == 503
            trapped.set()
            seen = other.result(10)
        assert time.monotonic() - started < 8
        if isinstance(seen, Got):
            assert github_token().encode() not in seen.body
            assert phase == "a stream" or seen.status >= 500
        if phase == "the request":
            assert upstream.untouched


def test_two_workers_judge_alike(envoy, upstream):
    """Requests on many connections land on both workers; each has its own VM and the same policy."""
    gateway = envoy.gateway([Route(upstream.port)], policy({"id": "no-a", "action": "deny", "match": {"name": ["a"]}}))
    for _ in range(40):
        assert send(gateway.port, post(call("a"))).message["result"]["isError"]
    assert upstream.untouched
