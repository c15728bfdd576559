"""Real Envoy for the shipped configs: validation, and starting them on free ports in front of a small MCP upstream."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import envoyconf  # noqa: E402

ENVOY = os.environ.get("ENVOY") or str(ROOT / ".tools/venv/bin/envoy")
WASM = Path(os.environ.get("PORTCULLIS_WASM") or ROOT / envoyconf.FILTER)
START_SECONDS = 60


def validate(config, folder):
    """Runs `envoy --mode validate`, which also loads the filter and configures it; fails with what Envoy says."""
    path = envoyconf.write(config, folder / "envoy.json")
    done = subprocess.run([ENVOY, "--mode", "validate", "-c", str(path), "-l", "warning"],
                          capture_output=True, text=True, timeout=START_SECONDS, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@contextmanager
def running(config, folder, admin):
    """Envoy with `config`, ready; ended when the block is left."""
    path = envoyconf.write(config, folder / "envoy.json")
    log = folder / "envoy.log"
    with open(log, "wb") as output:
        envoy = subprocess.Popen([ENVOY, "-c", str(path), "--disable-hot-restart", "--concurrency", "1",
                                  "--file-flush-interval-msec", "100", "-l", "warning"],
                                 stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
    try:
        end = time.monotonic() + START_SECONDS
        while not ready(admin):
            assert envoy.poll() is None and time.monotonic() < end, log.read_text()[-4000:]
            time.sleep(0.05)
        yield log
    finally:
        envoy.terminate()
        try:
            envoy.wait(10)
        except subprocess.TimeoutExpired:
            envoy.kill()
            envoy.wait()


def ready(admin):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/ready", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def free_ports(count):
    """Ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Upstream(BaseHTTPRequestHandler):
    """Answers every JSON-RPC request with what arrived: path, header names, body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.read_body()
        seen = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body.decode(), "server": self.server.server_name_}
        answer = json.dumps({
            "jsonrpc": "2.0", "id": json.loads(body)["id"],
            "result": {"content": [{"type": "text", "text": json.dumps(seen)}], "resultType": "complete"},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.send_header("x-powered-by", "a test")
        self.end_headers()
        self.wfile.write(answer)

    def read_body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_):
        pass


@contextmanager
def upstream(name):
    """An MCP server of a sort on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.server_name_ = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def call(tool, arguments=None, number=1):
    """The body of a `tools/call`."""
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments or {}}}


def seen(answer):
    """What the upstream got, from an answer that came from it."""
    result = answer.json()["result"]
    assert not result.get("isError"), result
    return json.loads(result["content"][0]["text"])


@pytest.fixture(scope="session", autouse=True)
def built():
    assert WASM.exists(), f"{WASM} is missing: make wasm"
