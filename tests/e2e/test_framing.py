"""Edits change lengths; they never change how many messages there are. The server sees exactly one
request and the client exactly one response, each with the length it says it has."""

from __future__ import annotations

import json

import pytest
from e2e.harness.raw import Trial
from e2e.harness.wire import Send, call, exchange_bytes, post
from e2e.policies import ALLOW_ALL
from fixtures.canaries import github_token, private_key
from fixtures.upstream import LAST_CHUNK, chunk, json_reply, raw, text_result

pytestmark = pytest.mark.filter
BOTH = pytest.mark.parametrize("http", [1, 2])

REDACT_BOTH_WAYS = {**ALLOW_ALL, "scanners": {"secrets": {"request": "redact", "response": "redact"}}}
TOKEN = "[REDACTED:github-token]"
LONGER_RULE = {"id": "m", "description": "a marker", "keywords": ["qqqq"], "pattern": "qqqq", "placeholder": "a-placeholder-that-is-longer-than-what-it-replaces"}
GROWING = {
    **ALLOW_ALL,
    "scanners": {"secrets": {"request": "redact", "response": "redact", "custom_rules": [LONGER_RULE]}},
}
LONGER = "[REDACTED:a-placeholder-that-is-longer-than-what-it-replaces]"

EDITS = pytest.mark.parametrize(
    ("config", "before", "after"),
    [
        (REDACT_BOTH_WAYS, github_token(), TOKEN),
        (REDACT_BOTH_WAYS, private_key().strip(), "[REDACTED:private-key]"),
        (GROWING, "qqqq", LONGER),
        (GROWING, " ".join(["qqqq"] * 500), " ".join([LONGER] * 500)),
    ],
    ids=["shorter", "much shorter", "longer", "much longer"],
)


@BOTH
@EDITS
@pytest.mark.parametrize("pieces", [1, 3], ids=["content-length", "chunked"])
def test_an_edited_request_has_the_length_it_says(gateway, upstream, http, config, before, after, pieces):
    trial = Trial(gateway(config), upstream, http)
    what = post(call("echo", {"keep": 1.50, "text": f"<{before}>"}))
    if http == 2 and pieces == 1:
        what = what.with_headers(("content-length", str(len(what.body))))
    trial(what if pieces == 1 else what.split_at(10, 90))
    assert trial.got.status == 200
    assert upstream.one.message["params"]["arguments"]["text"] == f"<{after}>"
    # Around the edit every byte is the client's.
    inner = json.dumps(before)[1:-1].encode(), json.dumps(after)[1:-1].encode()
    assert upstream.one.body == what.body.replace(*inner)
    if length := upstream.one.get("content-length"):
        assert int(length) == len(upstream.one.body) and not upstream.one.get("transfer-encoding")
    assert trial.record["redacted"] == ["/params/arguments/text"]


@BOTH
@EDITS
@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_an_edited_response_has_the_length_it_says(gateway, upstream, http, config, before, after, chunked):
    body = json.dumps(text_result(1, before, structuredContent={"copy": before, "n": 1.50})).encode()
    upstream.script = lambda _: json_reply(body, chunked=chunked)
    trial = Trial(gateway(config), upstream, http)
    got = trial(post(call("echo")))
    assert got.message == text_result(1, after, structuredContent={"copy": after, "n": 1.5})
    inner = json.dumps(before)[1:-1].encode(), json.dumps(after)[1:-1].encode()
    assert got.body == body.replace(*inner)
    if length := got.get("content-length"):
        assert int(length) == len(got.body)


@BOTH
def test_trailers_of_an_edited_response_still_come(gateway, upstream, http):
    body = json.dumps(text_result(1, github_token())).encode()
    head = "HTTP/1.1 200 OK\ncontent-type: application/json\ntransfer-encoding: chunked"
    upstream.script = lambda _: raw(head, chunk(body[:30]), chunk(body[30:]), b"0\r\nx-end: 1\r\n\r\n", close=False)
    got = Trial(gateway(ALLOW_ALL), upstream, http)(post(call("echo")))
    assert got.message == text_result(1, TOKEN)
    if http == 2:
        assert got.trailers == [("x-end", "1")]


@BOTH
def test_trailers_of_an_edited_request_still_come(gateway, upstream, http):
    trial = Trial(gateway(GROWING), upstream, http)
    trial(Send(**{**vars(post(call("echo", {"text": "qqqq"}))), "trailers": [("x-end", "1")]}))
    assert upstream.one.message["params"]["arguments"]["text"] == LONGER
    assert upstream.one.trailers == [("x-end", "1")]


INNER = b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: %d\r\ntransfer-encoding: chunked\r\n",
        b"content-length: %d\r\ncontent-length: 5\r\n",
        b"content-length: +%d\r\n",
        b"content-length: %d, 5\r\n",
        b"transfer-encoding: chunked, identity\r\ncontent-length: %d\r\n",
        b"transfer-encoding : chunked\r\ncontent-length: %d\r\n",
        b"transfer-encoding: xchunked\r\ncontent-length: %d\r\n",
    ],
)
def test_an_ambiguous_length_never_becomes_a_second_request(gateway, upstream, framing):
    body = b"0\r\n\r\n" + INNER
    head = b"POST /mcp HTTP/1.1\r\nhost: mcp.test\r\ncontent-type: application/json\r\n"
    exchange_bytes(gateway(ALLOW_ALL).port, head + framing % len(body) + b"\r\n" + body)
    assert "/mcp" not in [r.target for r in upstream.requests] or len(upstream.requests) <= 1
    assert not upstream.stray
    assert all(request.body != b"{}" for request in upstream.requests)


def test_two_requests_on_one_connection_are_two(gateway, upstream):
    """The redaction of the first must not shift where the second begins."""
    first = json.dumps(call("echo", {"text": github_token()}, id=1)).encode()
    second = json.dumps(call("echo", {"text": "second"}, id=2)).encode()
    head = b"POST /mcp HTTP/1.1\r\nhost: mcp.test\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    got = exchange_bytes(gateway(REDACT_BOTH_WAYS).port, b"".join(head % len(b) + b for b in (first, second)))
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert not upstream.stray
    texts = [request.message["params"]["arguments"]["text"] for request in upstream.requests]
    assert texts == [TOKEN, "second"]
    assert LAST_CHUNK not in got


def test_an_empty_last_data_frame_ends_the_body(gateway, upstream):
    trial = Trial(gateway(ALLOW_ALL), upstream, http=2)
    what = post(call("a"))
    trial(Send(**{**vars(what), "pieces": (*what.split_at(5).pieces, b"")}))
    assert trial.got.status == 200 and upstream.one.body == what.body


@pytest.mark.parametrize("http", [1, 2])
def test_a_compressed_request_is_read_where_envoy_decompresses_before_us(gateway, upstream, http):
    import gzip

    trial = Trial(gateway({**ALLOW_ALL, "rules": NO_A}, decompress=True), upstream, http)
    headers = [("content-type", "application/json"), ("content-encoding", "gzip")]
    for tool, arrives in (("a", False), ("b", True)):
        upstream.reset()
        body = json.dumps(call(tool)).encode()
        trial(Send(headers=headers, pieces=(gzip.compress(body),)))
        assert upstream.untouched is not arrives
        if arrives:
            assert upstream.one.body == body and upstream.one.get("content-encoding") is None


NO_A = [{"id": "no-a", "action": "deny", "match": {"name": ["a"]}}]
