"""The filter and its sidecar: records that are not lost, calls that wait for a person, and what happens when the sidecar
is away, slow or says what it should not."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from e2e.harness.clients import SESSION_ERA, STATELESS_ERA
from e2e.harness.envoy import Envoy, Route, sidecar_cluster
from e2e.harness.raw import Trial
from e2e.harness.wire import call, post, request, send
from e2e.policies import policy
from fixtures.canaries import VALUE, github_token
from fixtures.sidecar import ALLOW, DENY, PENDING, Admit, Fault, Sidecar, admitted, frame, message, recorded
from fixtures.upstream import json_reply, text_result

pytestmark = pytest.mark.filter
BOTH = pytest.mark.parametrize("http", [1, 2])
TRAPPING = Path(os.environ["PORTCULLIS_WASM_TRAP"]) if os.environ.get("PORTCULLIS_WASM_TRAP") else None

TOKEN = "filter-" + uuid.uuid4().hex
"""Must be in no log: Envoy's whole log is searched for it."""


@pytest.fixture(scope="module")
def _sidecar() -> Iterator[Sidecar]:
    with Sidecar() as running:
        yield running


@pytest.fixture
def sidecar(_sidecar: Sidecar) -> Sidecar:
    _sidecar.reset()
    return _sidecar


@pytest.fixture
def guarded(gateway, sidecar, upstream) -> Callable[..., Trial]:
    """`guarded(http, audit=…)`: a gateway with that sidecar block; the tool `deploy` needs an approval."""

    def make(http: int = 1, *, approval: Any = None, rules: Any = (), more: Any = None, **block: Any) -> Trial:
        block = {"cluster": sidecar_cluster(sidecar.port), "token": TOKEN, "timeout_ms": 1000, **block}
        asks = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "reason": "Production."}
        if approval is not None:
            asks["approval"] = approval
        plugin = policy(asks, *rules, default="allow", sidecar=block, **(more or {}))
        return Trial(gateway(plugin, sidecar=sidecar.port), upstream, http)

    return make


def until(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


def text_of(got: Any) -> str:
    result = got.message["result"]
    assert result["isError"], got.message
    return result["content"][0]["text"]


def facts_of(got: Any) -> dict[str, Any]:
    return got.message["result"]["_meta"]["dev.portcullis/decision"]


# === records ===


@BOTH
def test_the_record_of_every_message_arrives(guarded, sidecar, http):
    trial = guarded(http)
    ids = []
    for what in (post(call("read", {"a": VALUE})), post(request("tools/list")), post(b"{")):
        trial(what)
        ids.append(trial.id)
    for id in ids:
        [record] = until(lambda: sidecar.of(id))
        assert record == Trial.record.fget(trial) if id == trial.id else record["correlation_id"] == id
    assert sidecar.tokens == {f"Bearer {TOKEN}"}
    assert VALUE not in json.dumps(list(sidecar.records.values()))
    assert len(sidecar.records) == 3


def test_nothing_is_sent_where_records_stay_in_the_log(guarded, sidecar):
    trial = guarded(audit="log")
    trial(post(call("read")))
    time.sleep(0.6)
    assert trial.record and not sidecar.records


def test_while_the_sidecar_is_away_calls_go_on_and_nothing_is_lost(guarded, sidecar):
    trial = guarded()
    sidecar.stop()
    try:
        ids = []
        for _ in range(40):
            trial(post(call("read")))
            assert "isError" not in trial.got.message["result"], trial.got
            ids.append(trial.id)
        time.sleep(0.5)
    finally:
        sidecar.start()
    until(lambda: {r["correlation_id"] for r in list(sidecar.records.values())} >= set(ids), 20)
    assert len(sidecar.records) == 40


def test_killed_again_and_again_under_load_it_gets_every_record_once(guarded, sidecar):
    trial = guarded()
    port, ids, stop = trial.gateway.port, [str(uuid.uuid4()) for _ in range(300)], threading.Event()

    def kill() -> None:
        while not stop.wait(0.15):
            sidecar.stop()
            stop.wait(0.1)
            sidecar.start()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda id: send(port, post(call("read"), ("x-request-id", id))), ids))
        time.sleep(0.5)
    finally:
        stop.set()
        killer.join()
    until(lambda: {r["correlation_id"] for r in list(sidecar.records.values())} >= set(ids), 30)
    assert len(sidecar.records) == 300


GARBAGE = {
    "error": Fault(status=13),
    "wrong token": Fault(status=16),
    "no frame": Fault(raw=b"\xff\xff\xff\xff\xffgarbage"),
    "no message": Fault(raw=frame(b"\xff\xff\xff")),
    "empty": Fault(raw=frame(b"")),
    "unknown ids": Fault(raw=frame(message((1, "somebody-elses")))),
    "silence": Fault(silent=True),
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_records_stay_until_they_are_acknowledged(guarded, sidecar, answer):
    trial = guarded(timeout_ms=200)
    sidecar.on_record = lambda _: answer
    trial(post(call("read")))
    until(lambda: len(sidecar.batches) >= 2)
    assert not sidecar.records
    sidecar.on_record = recorded
    until(lambda: sidecar.of(trial.id))


def test_what_the_sidecar_will_never_take_is_dropped_and_counted(guarded, sidecar, envoy):
    trial = guarded()
    def dropped() -> float:
        lines = [line.rsplit(" ", 1) for line in envoy.stats().splitlines()]
        return sum(float(value) for name, value in lines if re.match(r"portcullis_audit_records_total\W*\w*outcome.*rejected", name))

    before = dropped()
    sidecar.on_record = lambda ids: message(*((2, message((1, id), (2, "too large"))) for id in ids))
    trial(post(call("read")))
    until(lambda: dropped() > before)
    count = len(sidecar.batches)
    time.sleep(0.8)
    assert len(sidecar.batches) == count


def test_where_the_queue_is_full_new_calls_are_refused_and_the_session_goes_on(guarded, sidecar, envoy):
    trial = guarded(queue_bytes=4 << 20, more={"audit": {"log": "none"}})
    port = trial.gateway.port
    sidecar.stop()
    try:
        def refused(number: int) -> bool:
            return b"audit:queue" in send(port, post(call("read" * 100, {"k" * 120 + str(n): 1 for n in range(60)}))).body

        with ThreadPoolExecutor(8) as pool:
            for _ in range(100):
                if sum(pool.map(refused, range(100))) > 80:
                    break
            else:
                pytest.fail("the queue never filled up")
        assert b"audit:queue" not in send(port, post(request("ping"))).body
    finally:
        sidecar.start()
    until(lambda: not refused(0), 40)


@pytest.mark.skipif(TRAPPING is None, reason="PORTCULLIS_WASM_TRAP is not set")
def test_a_worker_that_dies_takes_no_record_with_it(sidecar, upstream):
    block = {"cluster": sidecar_cluster(sidecar.port), "timeout_ms": 500}
    sidecar.stop()
    with Envoy(concurrency=1, wasm=TRAPPING) as own:
        gateway = own.gateway([Route(upstream.port)], policy(default="allow", sidecar=block), sidecar=sidecar.port)
        trial = Trial(gateway, upstream)
        ids = []
        for _ in range(10):
            trial(post(call("read")))
            ids.append(trial.id)
        assert send(gateway.port, post(call("read"), ("x-portcullis-trap", "1"))).status == 503
        sidecar.start()
        # A fresh VM comes with the next request.
        until(lambda: send(gateway.port, post(call("read"))).status == 200)
        until(lambda: {r["correlation_id"] for r in list(sidecar.records.values())} >= set(ids), 20)


# === intents ===


@BOTH
def test_in_durable_mode_the_intent_is_kept_before_the_call_goes_on(guarded, sidecar, upstream, http):
    trial = guarded(http, audit="durable")
    seen = []

    def admit(asked: Admit) -> bytes:
        seen.append((asked.intent, len(upstream.requests)))
        return admitted(ALLOW)

    sidecar.on_admit = admit
    trial(post(call("read", {"a": VALUE})))
    assert "isError" not in trial.got.message["result"]
    [(intent, forwarded)] = seen
    assert forwarded == 0 and len(upstream.requests) == 1
    assert (intent["stage"], intent["tool"], intent["decision"]) == ("intent", "read", "allow")
    assert VALUE not in json.dumps(intent)
    records = until(lambda: found if len(found := sidecar.of(trial.id)) == 2 else None)
    assert sorted(record.get("stage", "") for record in records) == ["", "intent"]


def test_what_holds_a_session_together_needs_no_intent(guarded, sidecar, upstream):
    trial = guarded(audit="durable")
    for what in (request("ping"), {"jsonrpc": "2.0", "method": "notifications/initialized"}):
        trial(post(what))
    assert not sidecar.admits and len(upstream.requests) == 2


AWAY = {**{name: answer for name, answer in GARBAGE.items() if name not in ("empty", "unknown ids")}, "denied": admitted(DENY)}


@pytest.mark.parametrize("answer", AWAY.values(), ids=AWAY)
def test_without_the_intent_no_call_goes_on_and_later_ones_do(guarded, sidecar, upstream, answer):
    trial = guarded(audit="durable", timeout_ms=300)
    sidecar.on_admit = lambda _: answer
    trial(post(call("read")))
    assert facts_of(trial.got)["rule"] == "audit:durable" and upstream.untouched
    assert trial.record["decision"] == "deny"
    sidecar.on_admit = lambda _: admitted(ALLOW)
    trial(post(call("read")))
    assert "isError" not in trial.got.message["result"]


def test_in_durable_mode_a_batch_is_refused_and_a_call_as_notification_dropped(guarded, sidecar, upstream):
    trial = guarded(audit="durable")
    got = trial(post([call("read"), call("write", id=2)], era="2025-03-26"))
    assert all("audit:durable" in json.dumps(answer) or "batch" in json.dumps(answer) for answer in got.message)
    notification = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "read", "arguments": {}}}
    assert trial(post(notification)).status == 202
    assert upstream.untouched


def test_the_stated_side_can_be_to_let_calls_on(guarded, sidecar, upstream):
    trial = guarded(audit="durable", timeout_ms=300, on_unavailable={"audit": "allow"})
    sidecar.on_admit = lambda _: Fault(status=14)
    trial(post(call("read")))
    assert "isError" not in trial.got.message["result"]
    assert "sidecar:unavailable" in trial.record["rules_fired"]
    # For an approval the side is still to refuse.
    trial(post(call("deploy")))
    assert "does not answer" in text_of(trial.got)


# === approvals ===


@BOTH
def test_a_held_call_that_is_approved_is_made_exactly_once(guarded, sidecar, upstream, http):
    trial = guarded(http, approval={"wait": "30s", "approvers": ["ops"], "quorum": 2})
    decide, got = threading.Event(), []

    def admit(asked: Admit) -> bytes:
        assert decide.wait(10)
        return admitted(ALLOW, "apr-1")

    sidecar.on_admit = admit
    caller = threading.Thread(target=lambda: got.append(trial(post(call("deploy", {"to": VALUE})))))
    caller.start()
    [asked] = until(lambda: sidecar.admits)
    time.sleep(0.3)
    assert upstream.untouched
    # Others flow meanwhile.
    assert "isError" not in send(trial.gateway.port, post(call("read"))).message["result"]
    upstream.requests.clear()
    decide.set()
    caller.join(10)
    assert "isError" not in got[0].message["result"]
    assert upstream.one.message["params"] == {"name": "deploy", "arguments": {"to": VALUE}}
    need = asked.approval
    assert (asked.name, asked.method, asked.server) == ("deploy", "tools/call", "s")
    assert (need[1], need[2], need[5], need[6], need[7], need[8]) == ([b"asks"], [b"Production."], [30000], [300000], [b"ops"], [2])
    assert asked.shown() is None and len(asked.digest) == 64 and len(asked.policy_version) == 64
    assert trial.record["decision"] == "allow" and trial.record["approval_id"] == "apr-1"
    assert len(sidecar.admits) == 1


def test_a_denied_call_is_answered_with_why(guarded, sidecar, upstream):
    trial = guarded()
    sidecar.on_admit = lambda _: admitted(DENY, "apr-2", "Not today.")
    trial(post(call("deploy")))
    assert "It was denied: Not today." in text_of(trial.got) and upstream.untouched
    assert facts_of(trial.got)["approvalId"] == "apr-2"
    assert (trial.record["decision"], trial.record["approval_id"]) == ("deny", "apr-2")


def test_a_call_that_nobody_decides_on_says_what_it_waits_for(guarded, sidecar, upstream):
    trial = guarded()
    sidecar.on_admit = lambda _: admitted(PENDING, "apr-3")
    trial(post(call("deploy")))
    text = text_of(trial.got)
    assert "approval apr-3" in text and "Make the same call again" in text and upstream.untouched
    assert trial.record["decision"] == "require_approval"
    sidecar.on_admit = lambda _: admitted(ALLOW, "apr-3")
    trial(post(call("deploy")))
    assert len(upstream.requests) == 1


def test_other_methods_are_refused_with_an_error(guarded, sidecar, upstream):
    rule = {"id": "files", "action": "require_approval", "match": {"capability": ["resource"]}}
    trial = guarded(rules=[rule])
    sidecar.on_admit = lambda _: admitted(PENDING, "apr-4")
    error = trial(post(request("resources/read", {"uri": "file:///a"}))).message["error"]
    assert error["code"] == -31003 and error["data"]["approvalId"] == "apr-4"


def test_the_digest_is_the_same_for_the_same_call_and_another_for_any_other(guarded, sidecar):
    trial = guarded()
    sidecar.on_admit = lambda _: admitted(PENDING)

    def digest(params: Any, method: str = "tools/call") -> str:
        trial(post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        return sidecar.admits[-1].digest

    first = digest({"name": "deploy", "arguments": {"a": 1, "b": "x"}})
    same = [
        {"arguments": {"b": "x", "a": 1.0}, "name": "deploy"},
        {"name": "deploy", "arguments": {"a": 1, "b": "x"}, "_meta": {"progressToken": 7}},
    ]
    others = [
        {"name": "deploy", "arguments": {"a": 1, "b": "y"}},
        {"name": "deploy", "arguments": {"a": 1}},
        {"name": "deploy", "arguments": {"a": 1, "b": "x"}, "task": {"ttl": 1}},
        {"name": "deploy"},
    ]
    assert [digest(params) for params in same] == [first, first]
    assert len({first, *(digest(params) for params in others)}) == 5


def test_who_decides_sees_the_arguments_only_where_the_rule_says_so_and_never_a_secret(guarded, sidecar, upstream):
    redact = {"obligations": [{"id": "o", "redact_arguments": ["pin"]}]}
    trial = guarded(
        approval={"show_arguments": True},
        more={**redact, "scanners": {"secrets": {"request": "log"}}},
    )
    arguments = {"to": "production", "note": f"key {github_token('b')} end", "pin": "4711"}
    trial(post(call("deploy", arguments)))
    [asked] = sidecar.admits
    shown = asked.shown()
    assert shown["to"] == "production" and shown["pin"] == "[REDACTED:o]"
    assert github_token("b") not in json.dumps(shown) and "[REDACTED" in shown["note"]
    assert "secrets/github-pat at /params/arguments/note" in [finding.decode() for finding in asked.approval[3]]
    # The server gets what policy lets through.
    assert upstream.one.message["params"]["arguments"] == {**arguments, "pin": "[REDACTED:o]"}


def test_a_finding_can_need_an_approval(guarded, sidecar, upstream):
    trial = guarded(more={"scanners": {"secrets": {"request": "require_approval"}}})
    secret = call("read", {"note": github_token("b")})
    sidecar.on_admit = lambda _: admitted(DENY, "apr-5")
    trial(post(secret))
    assert "content that may not be sent" in text_of(trial.got) and upstream.untouched
    [asked] = sidecar.admits
    assert asked.approval[1] == [b"secrets:github-pat"] and asked.approval[2] == [b"Found at /params/arguments/note."]
    sidecar.on_admit = lambda _: admitted(ALLOW, "apr-5")
    trial(post(secret))
    assert upstream.one.message == secret


@pytest.mark.parametrize("answer", AWAY.values(), ids=AWAY)
def test_where_the_sidecar_fails_the_call_is_refused_others_flow_and_it_heals(guarded, sidecar, upstream, answer):
    trial = guarded(timeout_ms=300, approval={"wait": "0s"})
    sidecar.on_admit = lambda _: answer
    trial(post(call("deploy")))
    text = text_of(trial.got)
    assert ("denied" if answer == admitted(DENY) else "the approval service does not answer") in text
    assert upstream.untouched
    assert "isError" not in send(trial.gateway.port, post(call("read"))).message["result"]
    upstream.requests.clear()
    sidecar.on_admit = lambda _: admitted(ALLOW)
    trial(post(call("deploy")))
    assert len(upstream.requests) == 1


def test_killed_while_it_holds_calls_the_sidecar_lets_none_through(guarded, sidecar, upstream):
    trial = guarded(approval={"wait": "30s"})
    sidecar.on_admit = lambda asked: admitted(ALLOW) if asked.gone.wait(20) else admitted(ALLOW)
    with ThreadPoolExecutor(8) as pool:
        held = [pool.submit(send, trial.gateway.port, post(call("deploy", {"n": n}))) for n in range(8)]
        until(lambda: len(sidecar.admits) == 8)
        sidecar.stop()
        try:
            assert all("does not answer" in text_of(one.result(10)) for one in held)
        finally:
            sidecar.start()
    assert upstream.untouched
    sidecar.on_admit = lambda _: admitted(ALLOW)
    until(lambda: "isError" not in send(trial.gateway.port, post(call("deploy"))).message["result"])


def test_a_client_that_leaves_is_not_waited_for(guarded, sidecar, upstream):
    trial = guarded(approval={"wait": "30s"})
    sidecar.on_admit = lambda asked: admitted(ALLOW) if asked.gone.wait(20) else admitted(ALLOW)
    body = json.dumps(call("deploy")).encode()
    head = f"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", trial.gateway.port)) as client:
        client.sendall(head.encode() + body)
        [asked] = until(lambda: sidecar.admits)
    assert asked.gone.wait(5)
    time.sleep(0.3)
    assert upstream.untouched


def test_a_hundred_held_calls_each_get_their_own_answer(guarded, sidecar, upstream):
    trial = guarded(approval={"wait": "30s", "show_arguments": True})
    upstream.script = lambda request: json_reply(text_result(request.message["id"], str(request.message["id"])))
    go = threading.Event()

    def admit(asked: Admit) -> bytes:
        go.wait(20)
        return admitted(ALLOW if asked.shown()["n"] % 2 else DENY)

    sidecar.on_admit = admit
    with ThreadPoolExecutor(100) as pool:
        held = [pool.submit(send, trial.gateway.port, post(call("deploy", {"n": n}, id=n)), timeout=30) for n in range(100)]
        until(lambda: len(sidecar.admits) == 100, 20)
        go.set()
        answers = [one.result(30).message for one in held]
    assert [("isError" in answer["result"]) for answer in answers] == [n % 2 == 0 for n in range(100)]
    assert sorted(request.message["id"] for request in upstream.requests) == list(range(1, 100, 2))


def test_a_batch_cannot_be_held(guarded, sidecar, upstream):
    trial = guarded()
    got = trial(post([call("deploy"), call("read", id=2)], era="2025-03-26"))
    assert "has to be sent by itself" in json.dumps(got.message)
    assert not sidecar.admits and upstream.untouched


def test_a_client_of_the_old_transport_waits_too(guarded, sidecar, upstream):
    """Its answer comes by another stream: the server gets a call that it does not know in place of a refused one."""
    trial = guarded()
    old = post(call("deploy"), path="/messages/?session_id=1").without("accept", "mcp-protocol-version")
    trial(old)
    assert upstream.requests[-1].message == call("deploy")
    sidecar.on_admit = lambda _: admitted(PENDING, "apr-6")
    trial(old)
    assert "refused by Portcullis" in upstream.requests[-1].message["params"]["name"]


@pytest.mark.parametrize("client", [*SESSION_ERA, *STATELESS_ERA], ids=str)
def test_official_clients_wait_and_read_what_they_are_told(envoy, sidecar, session_era, stateless_era, client):
    """Approved after a while, denied, nobody there, and a call that needs nothing: on one connection."""
    port = stateless_era if client in STATELESS_ERA else session_era
    block = {"cluster": sidecar_cluster(sidecar.port), "audit": "durable"}
    asks = {"id": "asks", "action": "require_approval", "match": {"name": ["add"]}}
    gateway = envoy.gateway([Route(port)], policy(asks, default="allow", sidecar=block), sidecar=sidecar.port)
    answers = iter([(1.5, admitted(ALLOW, "a-1")), (0, admitted(DENY, "a-2", "No.")), (0, admitted(PENDING, "a-3"))])

    def admit(asked: Admit) -> bytes:
        if asked.name != "add":
            return admitted(ALLOW)
        pause, answer = next(answers)
        time.sleep(pause)
        return answer

    sidecar.on_admit = admit
    add = ["call", "add", {"a": 2, "b": 3}]
    outcomes = client.run(gateway.url(), [add, add, add, ["call", "echo", {"text": "hi"}]])["outcomes"]
    done, denied, waiting, other = (json.dumps(outcome["result"]) for outcome in outcomes)
    assert "5" in done and '"isError": true' not in done
    assert "It was denied: No." in denied and "approval a-3" in waiting
    assert '"isError": true' in denied and '"isError": true' in waiting
    assert "hi" in other


def test_the_token_is_in_no_log(guarded, sidecar, envoy):
    trial = guarded(timeout_ms=300)
    sidecar.on_record = lambda _: Fault(status=16)
    sidecar.on_admit = lambda _: Fault(status=16)
    trial(post(call("deploy")))
    time.sleep(0.5)
    assert TOKEN not in envoy.log() and TOKEN not in json.dumps(envoy.access_log())


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"cluster": ""}, "/sidecar/cluster: is no name of a cluster"),
        ({"cluser": "x"}, "/sidecar/cluser: unknown field `cluser`; did you mean `cluster`?"),
        ({"token": "a b"}, "/sidecar/token: must be of visible ASCII characters"),
    ],
)
def test_mistakes_in_the_block_keep_the_filter_from_loading(gateway, block, message):
    with pytest.raises(Exception, match="(?s).*" + message.replace("?", r"\?")):
        gateway(policy(sidecar=block))
