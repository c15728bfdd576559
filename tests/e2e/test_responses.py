"""A server's answers, friendly and hostile: judged as a whole or event by event, and whatever is
withheld is answered in a form that the waiting client survives."""

from __future__ import annotations

import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e.harness.audit import Audit
from e2e.harness.raw import Trial
from e2e.harness.wire import Send, call, post, request, send
from e2e.policies import ALLOW_ALL, allow, policy
from fixtures.canaries import github_token
from fixtures.upstream import LAST_CHUNK, chunk, event, json_reply, raw, sse_reply, text_result

pytestmark = pytest.mark.filter
BOTH = pytest.mark.parametrize("http", [1, 2])
TOKEN = "[REDACTED:github-token]"
RESPONSE_REFUSED = -31004


@pytest.fixture
def trial(gateway, upstream, http):
    return Trial(gateway(ALLOW_ALL), upstream, http)


# === streams ===

LEAK, CLEAN = text_result(1, f"a {github_token()} b"), text_result(1, f"a {TOKEN} b")
NOTE = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": github_token()}}

STREAMS = {
    "LF": event(LEAK),
    "CRLF": event(LEAK).replace(b"\n", b"\r\n"),
    "CR": event(LEAK).replace(b"\n", b"\r"),
    "a byte order mark": b"\xef\xbb\xbf" + event(LEAK),
    "no space after the colon": event(LEAK).replace(b": {", b":{"),
    "a comment and unknown fields": b": ping\n\nfoo: bar\nretry: 10\n" + event(LEAK, id="7"),
    "a priming event": b"id: 1\nretry: 100\ndata:\n\n" + event(LEAK, id="2"),
    "data on several lines": b"data: "
    + json.dumps(LEAK, indent=1).replace("\n", "\ndata: ").encode()
    + b"\n\n",
    "no blank line at the end": event(LEAK)[:-1],
}


@BOTH
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_secret_in_a_stream_is_redacted_however_it_is_framed(trial, upstream, stream):
    upstream.script = lambda _: sse_reply(stream)
    got = trial(post(call("echo")))
    assert github_token().encode() not in got.body
    text = got.body.decode().lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    data = [line[5:] for line in text.split("\n") if line.startswith("data:") and line[5:].strip()]
    # An event that its blank line never ended is no event (HTML standard, 9.2.6): it may be left out.
    if data or not stream.endswith(b"}\n"):
        assert json.loads("\n".join(data)) == CLEAN


@BOTH
def test_a_stream_cut_at_any_byte_is_the_same_stream(trial, upstream):
    stream = b"id: 1\ndata:\n\n" + event(NOTE, id="2").replace(b"\n", b"\r\n") + event(LEAK, id="3")
    whole = None
    for cut in range(1, len(stream), 5):
        upstream.reset(lambda _, cut=cut: sse_reply(stream, at=[cut, min(cut + 1, len(stream))]))
        got = trial(post(call("echo")))
        whole = whole or got.body
        assert got.body == whole
    assert b"id: 3" in whole and b"event: message" in whole and whole.count(TOKEN.encode()) == 2


@BOTH
def test_an_event_leaves_as_soon_as_it_is_complete(trial, upstream):
    """The second event is only sent after the client has the first: nothing is held back."""
    seen = threading.Event()
    first, second = event(NOTE), event(LEAK)
    head = "HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked"
    upstream.script = lambda _: raw(head, chunk(first), seen, chunk(second), LAST_CHUNK, close=False)
    timer = threading.Timer(0.6, seen.set)
    timer.start()
    got = trial(post(call("echo")))
    assert got.arrivals[0][0] < 0.5 < got.arrivals[-1][0]
    assert [e.get("method") for e in got.events] == ["notifications/message", None]


@BOTH
def test_every_event_of_a_long_stream_is_judged(trial, upstream):
    events = b"".join(event(NOTE, id=str(n)) for n in range(300)) + event(LEAK)
    upstream.script = lambda _: sse_reply(events, at=list(range(4000, len(events), 4000)))
    got = trial(post(call("echo")))
    assert len(got.events) == 301 and got.body.count(TOKEN.encode()) == 301
    assert got.get("content-length") is None


@BOTH
def test_list_results_in_a_stream_are_filtered(gateway, upstream, http):
    tools = {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in ("a", "b", "c")], "nextCursor": "p2"}
    upstream.script = lambda _: sse_reply(event({"jsonrpc": "2.0", "id": 1, "result": tools}, id="9"))
    got = Trial(gateway(policy(allow("r", "b"))), upstream, http)(post(request("tools/list")))
    [answer] = got.events
    assert [tool["name"] for tool in answer["result"]["tools"]] == ["b"]
    assert answer["result"]["nextCursor"] == "p2" and b"id: 9" in got.body


TRICKS = {
    "no JSON": b"data: hello\n\n",
    "cut JSON": b'data: {"jsonrpc":"2.0","id":1,"result":\n\n',
    "the same key twice": b'data: {"jsonrpc":"2.0","id":1,"result":{"x":1,"x":2}}\n\n',
    "no message": b'data: {"id":1}\n\n',
    "65 levels": b"data: " + b"[" * 65 + b"]" * 65 + b"\n\n",
    "invalid UTF-8": b'data: {"jsonrpc":"2.0","id":1,"result":{"x":"\xff"}}\n\n',
    "an endless event": b"data: " + b"x" * 1_200_000,
}


@BOTH
@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_an_event_that_cannot_be_judged_is_withheld_and_the_client_is_answered(trial, upstream, trick):
    upstream.script = lambda _: sse_reply(trick, at=list(range(60_000, len(trick), 60_000)))
    got = trial(post(call("echo")))
    assert len(got.body) < 100_000
    [answer] = got.events
    assert answer["id"] == 1 and answer["result"]["isError"]
    # One record of the event, one of the call it should have answered.
    assert "deny" in [record["decision"] for record in Audit(trial.gateway.envoy).of(trial.id, count=2)]


# === bodies ===

OK = "HTTP/1.1 200 OK\ncontent-type: application/json\n"


def body(data: bytes, head: str = OK, length: int | None = None):
    return raw(f"{head}content-length: {len(data) if length is None else length}", data, close=length is not None)


MESSAGE = json.dumps(text_result(1, "fine")).encode()

HOSTILE = {
    "no JSON": body(b"hello"),
    "cut JSON": body(MESSAGE[:-1]),
    "two values": body(MESSAGE + MESSAGE),
    "the same key twice": body(b'{"jsonrpc":"2.0","id":1,"result":{"x":1,"x":2}}'),
    "65 levels": body(b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 64 + b"]" * 64 + b"}"),
    "no message": body(b"{}"),
    "gzip": body(gzip.compress(MESSAGE), OK + "content-encoding: gzip\n"),
    "brotli": body(b"\x0b\x02\x80abc\x03", OK + "content-encoding: br\n"),
    "gzip in a stream": body(gzip.compress(event(LEAK)), OK.replace("application/json", "text/event-stream") + "content-encoding: gzip\n"),
    "plain text": body(b"hello", "HTTP/1.1 200 OK\ncontent-type: text/plain\n"),
    "a page": body(b"<html>", "HTTP/1.1 200 OK\ncontent-type: text/html\n"),
    "no type": body(MESSAGE, "HTTP/1.1 200 OK\n"),
    "two types": body(MESSAGE, OK + "content-type: text/event-stream\n"),
    "too large": body(b'{"jsonrpc":"2.0","id":1,"result":{"x":"' + b"x" * 1_100_000 + b'"}}'),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_that_cannot_be_judged_is_withheld_and_the_client_is_answered(trial, upstream, reply):
    upstream.script = lambda _: reply
    got = trial(post(call("echo", id="q")))
    assert got.status == 200 and got.message["id"] == "q"
    assert got.message["result"]["isError"] and "Portcullis" in got.message["result"]["content"][0]["text"]
    record = trial.record
    assert record["decision"] == "deny" and record["upstream_status"] == 200


@BOTH
def test_for_other_methods_the_answer_is_an_error(trial, upstream):
    upstream.script = lambda _: body(b"hello")
    got = trial(post(request("resources/list", id=7)))
    assert (got.status, got.message["id"], got.message["error"]["code"]) == (200, 7, RESPONSE_REFUSED)


@BOTH
def test_an_answer_that_ends_early_is_no_answer(trial, upstream):
    upstream.script = lambda _: body(MESSAGE[:20], length=len(MESSAGE))
    try:
        got = trial(post(call("echo")))
    except ConnectionError:
        return
    assert got.status >= 500 or got.message["result"]["isError"]


@BOTH
@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        ("500 Oops", "text/plain", f"trace: {github_token()}"),
        ("401 Unauthorized", "application/json", json.dumps({"error": f"bad {github_token()}"})),
        ("404 Not Found", "text/html", f"<p>{github_token()}</p>"),
        ("400 Bad Request", "application/json", json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": github_token()}})),
    ],
)  # fmt: skip
def test_http_errors_keep_their_status_and_lose_their_secrets(trial, upstream, status, kind, said):
    upstream.script = lambda _: body(said.encode(), f"HTTP/1.1 {status}\ncontent-type: {kind}\n")
    got = trial(post(call("echo")))
    assert got.status == int(status[:3])
    assert got.body.decode() == said.replace(github_token(), TOKEN)
    assert int(got.get("content-length")) == len(got.body)


@BOTH
def test_the_same_text_elsewhere_in_the_message_is_redacted_too(trial, upstream):
    leak = github_token()
    result = {
        "content": [
            {"type": "text", "text": leak},
            {"type": "resource_link", "uri": f"https://x/?t={leak}", "name": leak, "description": leak},
            {"type": "resource", "resource": {"uri": "test://a", "text": leak}},
        ],
        "structuredContent": {"a": [{"b": {leak: leak}}]},
        "_meta": {"note": leak},
    }
    upstream.script = lambda _: json_reply({"jsonrpc": "2.0", "id": 1, "result": result})
    got = trial(post(call("echo")))
    assert leak.encode() not in got.body and got.body.count(TOKEN[:-1].encode()) == 8
    assert len(trial.record["redacted"]) >= 7


# === requests of the server ===

ASK = {"jsonrpc": "2.0", "id": "s1", "method": "roots/list"}
MAY_NOT_ASK = policy({"id": "no-roots", "action": "deny", "match": {"capability": ["roots"]}}, default="allow")


@BOTH
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_refused_request_of_the_server_is_answered_to_the_server(gateway, upstream, http, method):
    """It would wait for ever; the answer goes out as a POST of the client's session."""

    def script(request):
        if request.method == "POST" and b'"s1"' in request.body:
            return raw("HTTP/1.1 202 Accepted\ncontent-length: 0", close=False)
        rest = event(text_result(1, "done")) if method == "POST" else event(NOTE)
        return sse_reply(event(ASK) + rest, at=[len(event(ASK))], pause=0.2)

    upstream.script = script
    what = post(call("echo")) if method == "POST" else Send("GET", headers=[("accept", "text/event-stream")])
    got = Trial(gateway(MAY_NOT_ASK), upstream, http)(what.with_headers(("mcp-session-id", "abc")))
    assert len(got.events) == 1 and b"roots/list" not in got.body
    deadline = time.monotonic() + 3
    while len(upstream.requests) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    answer = upstream.requests[1]
    assert (answer.method, answer.target, answer.get("mcp-session-id")) == ("POST", "/mcp", "abc")
    assert answer.message["id"] == "s1" and "error" in answer.message


# === what is between request and answer ===


@BOTH
def test_a_clients_answer_with_a_secret_becomes_a_refusal(trial, upstream):
    """The server asked; it gets an answer under the same id, but not that one."""
    answer = {"jsonrpc": "2.0", "id": "s1", "result": {"action": "accept", "content": {"name": github_token()}}}
    assert trial(post(answer)).status == 202
    assert upstream.one.message["id"] == "s1" and github_token().encode() not in upstream.one.body
    assert trial.record["decision"] == "deny"


@BOTH
@pytest.mark.parametrize(
    ("endpoint", "passes"),
    [
        ("/messages/?session_id=1", True),
        ("messages?session_id=1", True),
        ("http://evil.test/messages", False),
        ("//evil.test/messages", False),
        ("/\\\\evil.test/", False),
        ("javascript:alert(1)", False),
    ],
)
def test_the_endpoint_event_may_not_lead_elsewhere(trial, upstream, endpoint, passes):
    """A client of 2024-11-05 posts everything it says, credentials included, to this address."""
    upstream.script = lambda _: sse_reply(f"event: endpoint\ndata: {endpoint}\n\n".encode())
    got = trial(Send("GET", "/sse", headers=[("accept", "text/event-stream")]))
    assert (endpoint.encode() in got.body) is passes
    refused = {r["decision"] for r in Audit(trial.gateway.envoy).of(trial.id)} & {"deny", "malformed"}
    assert bool(refused) is not passes


@BOTH
def test_a_filtered_list_is_not_for_shared_caches(gateway, upstream, http):
    result = {"tools": [{"name": "b", "inputSchema": {}}], "ttlMs": 3_600_000, "cacheScope": "public", "resultType": "complete"}
    upstream.script = lambda _: json_reply({"jsonrpc": "2.0", "id": 1, "result": result})
    got = Trial(gateway(policy(allow("r", "b"))), upstream, http)(post(request("tools/list", era="2026-07-28"), era="2026-07-28"))
    assert got.message["result"]["cacheScope"] == "private" and got.message["result"]["ttlMs"] <= 5000


@BOTH
def test_each_answer_of_a_batch_is_judged(gateway, upstream, http):
    upstream.script = lambda _: json_reply([text_result(2, github_token()), text_result(1, "fine"), NOTE])
    what = Send(headers=[("content-type", "application/json")], pieces=(json.dumps([call("a", id=1), call("b", id=2)]).encode(),))
    got = Trial(gateway(ALLOW_ALL), upstream, http)(what)
    assert [m.get("id") for m in got.message] == [2, 1, None]
    assert github_token().encode() not in got.body and got.body.count(TOKEN.encode()) == 2


@BOTH
def test_many_calls_at_once_do_not_mix(gateway, upstream, http):
    """Interleaved exchanges on both workers: each client gets its own answer and its own verdict."""
    upstream.script = lambda r: json_reply(text_result(r.message["id"], r.message["params"]["arguments"]["n"]))
    port = gateway(policy(allow("r", "a"))).port

    def one(n: int):
        got = send(port, post(call("ab"[n % 2], {"n": f"number {n}"}, id=n)), http=http)
        assert got.message["id"] == n
        text = got.message["result"]["content"][0]["text"]
        assert text == f"number {n}" if n % 2 == 0 else "was refused" in text

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(200)))
    assert len(upstream.requests) == 100
