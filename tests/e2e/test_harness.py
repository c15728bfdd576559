"""The instruments measure what they say: plain Envoy, no filter."""

from __future__ import annotations

import pytest
from e2e.harness.wire import Got, Send, call, post, send
from fixtures.upstream import LAST_CHUNK, chunk, event, raw, sse_reply, text_result

BOTH = pytest.mark.parametrize("http", [1, 2])


@BOTH
def test_a_request_arrives_byte_for_byte(gateway, upstream, http):
    what = post(call("echo", {"text": "hi"}))
    got = send(gateway().port, what, http=http)
    assert got.status == 200
    assert got.message == text_result(1, "hello from upstream")
    assert upstream.one.body == what.body


@BOTH
def test_a_body_can_come_in_pieces_and_end_in_trailers(gateway, upstream, http):
    what = post(call("echo")).split_at(1, 20, 21)
    what = Send(**{**vars(what), "trailers": [("x-checksum", "1")], "pause": 0.01})
    assert send(gateway().port, what, http=http).status == 200
    assert upstream.one.body == what.body
    assert upstream.one.trailers == [("x-checksum", "1")]


@BOTH
def test_a_stream_is_seen_event_by_event(gateway, upstream, http):
    first, second = event({"n": 1}), event({"n": 2})
    upstream.script = lambda _: sse_reply(first + second, at=[len(first)], pause=0.1)
    got: Got = send(gateway().port, post(call("echo")), http=http)
    assert got.events == [{"n": 1}, {"n": 2}]
    assert got.arrivals[-1][0] - got.arrivals[0][0] > 0.05


def test_a_hidden_second_request_is_seen(gateway, upstream):
    """The instrument that would show smuggling does show it."""
    import socket

    with socket.create_connection(("127.0.0.1", upstream.port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}GET /smuggled HTTP/1.1\r\n\r\n")
        connection.recv(100)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(100):
            pass
    assert [r.target for r in upstream.requests] == ["/", "/smuggled"]


def test_upstream_trailers_come_through(gateway, upstream):
    end = b"0\r\nx-end: yes\r\n\r\n"
    head = "HTTP/1.1 200 OK\ncontent-type: application/json\ntransfer-encoding: chunked"
    upstream.script = lambda _: raw(head, chunk(b'{"a":'), chunk(b"1}"), end, close=False)
    got = send(gateway().port, post(call("echo")), http=2)
    assert (got.body, got.trailers) == (b'{"a":1}', [("x-end", "yes")])
    assert LAST_CHUNK.startswith(end[:3])
