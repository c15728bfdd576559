"""One strict parse: what two JSON readers could read differently is no message, and goes nowhere."""

from __future__ import annotations

import json

import pytest
from e2e.harness.raw import Trial
from e2e.harness.wire import Send, call, post
from e2e.policies import ALLOW_ALL
from fixtures.canaries import VALUE
from fixtures.upstream import text_result

pytestmark = pytest.mark.filter
BOTH = pytest.mark.parametrize("http", [1, 2])

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":%s}}}'


@pytest.fixture
def trial(gateway, upstream, http):
    return Trial(gateway(ALLOW_ALL), upstream, http)


NO_JSON = {
    "empty": b"",
    "white space": b" \n",
    "a word": b"hello " + VALUE.encode(),
    "cut off": CALL[:-1] % b"1",
    "cut off within a string": b'{"jsonrpc":"2.0","id":1,"method":"tools/ca',
    "two values": CALL % b"1" + CALL % b"2",
    "a byte behind": CALL % b"1" + b"x",
    "a NUL behind": CALL % b"1" + b"\0",
    "a comment": CALL % b"/* 1 */ 1",
    "a comma too many": CALL % b"[1,]",
    "single quotes": CALL % b"'1'",
    "NaN": CALL % b"NaN",
    "a number with a leading zero": CALL % b"01",
    "a plus sign": CALL % b"+1",
    "a control character in a string": CALL % b'"a\nb"',
    "an unknown escape": CALL % rb'"\x41"',
    "half a surrogate pair": CALL % rb'"\ud800"',
    "invalid UTF-8 in a value": CALL % b'"\xff"',
    "overlong UTF-8": CALL % b'"\xc0\xaf"',
    "a surrogate in UTF-8": CALL % b'"\xed\xa0\x80"',
    "a byte order mark": b"\xef\xbb\xbf" + CALL % b"1",
    "UTF-16": (CALL % b"1").decode().encode("utf-16"),
    "the same key twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}',
    "the same key twice, one escaped": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","meth\\u006fd":"tools/call"}',
    "the same key twice, deep down": CALL % b'[{"a":{"b":1,"c":2,"b":3}}]',
    "65 levels": CALL % (b"[" * 62 + b"]" * 62),
    "10,000 levels": b"[" * 10_000,
}


@BOTH
@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_refused(trial, body):
    trial(post(body))
    trial.refused(400, code=PARSE_ERROR)
    assert VALUE not in str(trial.got)


NO_MESSAGE = {
    "a number": b"1",
    "a string": b'"tools/call"',
    "null": b"null",
    "an empty object": b"{}",
    "no version": b'{"id":1,"method":"tools/list"}',
    "another version": b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
    "a null id": b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}',
    "an object as id": b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
    "a method that is no string": b'{"jsonrpc":"2.0","id":1,"method":7}',
    "params that are a string": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"x"}',
    "result and error": b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}',
    "method and result": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","result":{}}',
}


@BOTH
@pytest.mark.parametrize("body", NO_MESSAGE.values(), ids=NO_MESSAGE)
def test_what_is_no_message_is_refused(trial, body):
    trial(post(body))
    trial.refused(400, code=INVALID_REQUEST, rule="json-rpc:invalid")


FINE = {
    "64 levels": CALL % (b"[" * 61 + b"]" * 61),
    "white space everywhere": b' \r\n\t{ "jsonrpc" :"2.0", "id": 1 , "method":"tools/call","params": {"name":"a"} } \n',
    "escapes and odd numbers": CALL % rb'["\u0041\ud83d\ude00\/", 1.50, -0, 1E400, 123456789012345678901234567890]',
    "a long string": CALL % (b'"' + b"x" * 500_000 + b'"'),
    "a string id": b'{"jsonrpc":"2.0","id":"a\\u0062","method":"tools/call","params":{"name":"a"}}',
    "key order": b'{"params":{"arguments":{},"name":"a"},"method":"tools/call","id":1,"jsonrpc":"2.0"}',
    "an unknown method": b'{"jsonrpc":"2.0","id":1,"method":"x/y"}',
    "unknown members": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","x":{}},"extra":1}',
}


@BOTH
@pytest.mark.parametrize("body", FINE.values(), ids=FINE)
def test_everything_else_arrives_byte_for_byte(trial, upstream, body):
    got = trial(post(body))
    assert got.message == text_result(json.loads(body)["id"], "hello from upstream")
    assert upstream.one.body == body
    assert trial.record["decision"] == "allow"


@BOTH
@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_is_exact(gateway, upstream, http, over):
    limit = 20_000
    trial = Trial(gateway({**ALLOW_ALL, "limits": {"max_body_bytes": limit}}), upstream, http)
    body = CALL % (b'"' + b"x" * (limit + over - len(CALL)) + b'"')
    assert len(body) == limit + over
    trial(post(body))
    if over:
        trial.refused(413, code=INVALID_REQUEST, rule="limits:max_body_bytes")
    else:
        assert trial.got.status == 200 and upstream.one.body == body


@BOTH
def test_a_body_without_a_declared_length_is_stopped_when_it_grows_too_large(trial):
    """The default limit is 1 MiB; the rest of the body is not waited for."""
    piece = b"x" * 65_536
    trial(Send(**{**vars(post(b"")), "pieces": (b'["', *[piece] * 24)}))
    trial.refused(413, rule="limits:max_body_bytes")


@BOTH
@pytest.mark.parametrize("trailers", [[], [("x-end", "1")]], ids=["end of stream", "trailers"])
def test_a_body_split_anywhere_is_judged_as_the_same_message(gateway, upstream, http, trailers):
    """One denied call and one allowed, cut at every seventh byte: the cut changes nothing."""
    trial = Trial(gateway({**ALLOW_ALL, "rules": DENY_B}), upstream, http)
    for tool in ("a", "b"):
        whole = post(call(tool, {"k": "v"}))
        for cut in range(1, len(whole.body), 7):
            upstream.reset()
            trial(Send(**{**vars(whole.split_at(cut)), "trailers": trailers}))
            if tool == "b":
                assert trial.got.message["result"]["isError"] and upstream.untouched
            else:
                assert "hello" in trial.got.message["result"]["content"][0]["text"]
                assert upstream.one.body == whole.body
                assert upstream.one.trailers == trailers


DENY_B = [{"id": "no-b", "action": "deny", "match": {"name": ["b"]}}]
