"""HTTP as bytes: one request description, sent over HTTP/1.1 or HTTP/2 exactly as it says.

Ordinary client libraries repair what these tests need broken: duplicated headers, a body in
chosen pieces, trailers, a wrong length.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import h2.config
import h2.connection
import h2.events
import h11

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Send:
    """A request. `pieces` are separate writes (and separate DATA frames or chunks)."""

    method: str = "POST"
    path: str = "/mcp"
    headers: Headers = field(default_factory=list)
    pieces: tuple[bytes, ...] = ()
    trailers: Headers = field(default_factory=list)
    authority: str = "mcp.test"
    pause: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def with_headers(self, *extra: tuple[str, str]) -> Send:
        return replace(self, headers=[*self.headers, *extra])

    def without(self, *names: str) -> Send:
        return replace(self, headers=[(k, v) for k, v in self.headers if k not in names])

    def split_at(self, *offsets: int) -> Send:
        body, cuts = self.body, [0, *offsets, len(self.body)]
        return replace(self, pieces=tuple(body[a:b] for a, b in zip(cuts, cuts[1:], strict=False)))


@dataclass
class Got:
    """The answer."""

    status: int
    headers: Headers
    body: bytes
    trailers: Headers = field(default_factory=list)
    # When each piece of the body arrived, in seconds after the request was sent.
    arrivals: list[tuple[float, bytes]] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        return next((v for k, v in self.headers if k.lower() == name), None)

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of every `data:` field of a stream; the priming event's empty one left out."""
        data = [line[5:].strip() for line in self.body.decode().splitlines() if line.startswith("data:")]
        return [json.loads(d) for d in data if d]


def post(message: Any, *extra: tuple[str, str], path: str = "/mcp", era: str = "2025-11-25") -> Send:
    """A well-formed MCP request of that revision, with the headers its revision wants.

    `message` may be bytes, for what no serialiser would write.
    """
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers: Headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ]
    if era >= "2025-06-18":
        headers.append(("mcp-protocol-version", era))
    if era >= "2026-07-28" and isinstance(message, dict):
        headers.append(("mcp-method", message["method"]))
        params = message.get("params", {})
        if name := params.get("name") or params.get("uri"):
            headers.append(("mcp-name", name))
    return Send(path=path, headers=[*headers, *extra], pieces=(body,))


def call(tool: str, arguments: Any = None, *, id: Any = 1, era: str = "2025-11-25") -> dict[str, Any]:
    """A `tools/call` request."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments or {}}
    return request("tools/call", params, id=id, era=era)


def request(method: str, params: Any = None, *, id: Any = 1, era: str = "2025-11-25") -> dict[str, Any]:
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
    if params is not None:
        message["params"] = params
    if era >= "2026-07-28":
        meta = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        message["params"] = {**(params or {}), "_meta": meta}
    return message


def send(port: int, what: Send, *, http: int = 1, tls: ssl.SSLContext | None = None, timeout: float = 10.0) -> Got:
    """One request on a connection of its own; returns when the answer is complete."""
    return (send_h2 if http == 2 else send_h1)(port, what, tls=tls, timeout=timeout)


def send_h1(port: int, what: Send, *, tls: ssl.SSLContext | None = None, timeout: float = 10.0) -> Got:
    """Content-Length framing for one piece, chunked for several pieces or trailers, unless the
    headers bring a framing of their own."""
    own_framing = any(k in ("content-length", "transfer-encoding") for k, _ in what.headers)
    chunked = not own_framing and (len(what.pieces) > 1 or bool(what.trailers))
    lines = [f"{what.method} {what.path} HTTP/1.1", f"host: {what.authority}"]
    lines += [f"{k}: {v}" for k, v in what.headers]
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif not own_framing and what.method not in ("GET", "OPTIONS", "DELETE"):
        lines.append(f"content-length: {len(what.body)}")
    with _connect(port, tls, ["http/1.1"], timeout) as connection:
        started = time.monotonic()
        _write(connection, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        for piece in what.pieces:
            if what.pause:
                time.sleep(what.pause)
            _write(connection, b"%x\r\n%s\r\n" % (len(piece), piece) if chunked and piece else piece)
        if chunked:
            end = "".join(f"{k}: {v}\r\n" for k, v in what.trailers)
            _write(connection, b"0\r\n" + end.encode() + b"\r\n")
        return _read_h1(connection, what.method, started)


def exchange_bytes(port: int, data: bytes, *, timeout: float = 5.0) -> bytes:
    """Writes exactly these bytes and returns everything that comes back until close or silence."""
    with _connect(port, None, [], timeout) as connection:
        connection.settimeout(1.0)
        _write(connection, data)
        received = b""
        try:
            while block := connection.recv(65536):
                received += block
        except (TimeoutError, ConnectionError):
            pass
        return received


def send_h2(port: int, what: Send, *, tls: ssl.SSLContext | None = None, timeout: float = 10.0) -> Got:
    """Each piece is a DATA frame; trailers end the stream if there are any."""
    headers = [(":method", what.method), (":scheme", "https" if tls else "http")]
    headers += [(":authority", what.authority), (":path", what.path), *what.headers]
    config = h2.config.H2Configuration(
        header_encoding="utf-8",
        # Duplicated and odd headers are the point of some tests: let them through.
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    protocol = h2.connection.H2Connection(config)
    with _connect(port, tls, ["h2"], timeout) as connection:
        started = time.monotonic()
        protocol.initiate_connection()
        protocol.increment_flow_control_window(1 << 24)
        empty = not what.pieces and not what.trailers
        protocol.send_headers(1, headers, end_stream=empty)
        _write(connection, protocol.data_to_send())
        got = Got(0, [], b"")
        for piece in what.pieces:
            if what.pause:
                time.sleep(what.pause)
            for block in _blocks(piece, protocol.max_outbound_frame_size):
                while protocol.local_flow_control_window(1) < len(block):
                    if _read_h2(connection, protocol, got, started):
                        return got
                protocol.send_data(1, block)
                _write(connection, protocol.data_to_send())
        if what.trailers:
            protocol.send_headers(1, what.trailers, end_stream=True)
        elif not empty:
            protocol.end_stream(1)
        _write(connection, protocol.data_to_send())
        while not _read_h2(connection, protocol, got, started):
            pass
        return got


def _read_h1(connection: socket.socket, method: str, started: float) -> Got:
    parser = h11.Connection(h11.CLIENT)
    # h11 only needs to know the method to frame the answer; the request itself is already sent.
    parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    got = Got(0, [], b"")
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as cut:
            raise ConnectionError(f"the answer is no HTTP or was cut: {cut}") from cut
        if event is h11.NEED_DATA:
            parser.receive_data(connection.recv(65536))
        elif isinstance(event, h11.Response):
            got.status = event.status_code
            got.headers = [(k.decode(), v.decode("latin-1")) for k, v in event.headers]
        elif isinstance(event, h11.Data):
            got.arrivals.append((time.monotonic() - started, bytes(event.data)))
            got.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            got.trailers = [(k.decode(), v.decode("latin-1")) for k, v in event.headers]
            return got
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionError("closed before the answer was complete")


def _read_h2(connection: socket.socket, protocol: h2.connection.H2Connection, got: Got, started: float) -> bool:
    """Takes what has arrived; True at the end of the stream."""
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("closed before the answer was complete")
    done = False
    for event in protocol.receive_data(data):
        if isinstance(event, h2.events.ResponseReceived):
            fields = [(str(k), str(v)) for k, v in event.headers]
            got.status = int(dict(fields)[":status"])
            got.headers = [(k, v) for k, v in fields if not k.startswith(":")]
        elif isinstance(event, h2.events.DataReceived):
            got.arrivals.append((time.monotonic() - started, event.data))
            got.body += event.data
            protocol.acknowledge_received_data(event.flow_controlled_length, 1)
        elif isinstance(event, h2.events.TrailersReceived):
            got.trailers = [(str(k), str(v)) for k, v in event.headers]
        elif isinstance(event, h2.events.StreamReset):
            if not got.status:
                raise ConnectionError(f"stream reset: {event.error_code}")
            done = True
        elif isinstance(event, h2.events.StreamEnded):
            done = True
    _write(connection, protocol.data_to_send())
    return done


def _connect(port: int, tls: ssl.SSLContext | None, alpn: list[str], timeout: float) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        tls.set_alpn_protocols(alpn)
        return tls.wrap_socket(connection, server_hostname="mcp.test")
    return connection


def _write(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        # An answer may come before the body is complete (413, 400): go on and read it.
        pass


def _blocks(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[i : i + size] for i in range(0, len(data), size)) if data else iter([b""])


def every_cut(body: bytes, *, step: int = 1) -> Iterable[int]:
    """Offsets to split at: all of them, or every `step`-th."""
    return range(1, len(body), step)
