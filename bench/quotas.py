"""Quotas under load: how many calls a real Envoy with two workers lets through, against the limit.

    .tools/venv/bin/python bench/quotas.py        (needs `wrk` and `h2load`; the filter as `make bench` builds it)

Prints the table of bench/README.md. Runs for about a minute; every load is a fixed number of seconds or calls.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from e2e.harness.envoy import Envoy, Route  # noqa: E402
from e2e.harness.wire import call, post, send  # noqa: E402
from fixtures.upstream import Reply, Upstream, answer_any, json_reply, raw  # noqa: E402

LIMIT = 1000
SECONDS = 4
CONNECTIONS = 32
BODY = json.dumps(call("t"))
ERROR = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}


def wrk(port: int, folder: Path) -> int:
    """HTTP/1.1; the number of answers."""
    script = folder / "post.lua"
    headers = "".join(f'wrk.headers["{name}"]={json.dumps(value)}\n' for name, value in post(call("t")).headers)
    script.write_text(f"wrk.method='POST'\nwrk.body={json.dumps(BODY)}\n{headers}")
    told = run("wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script), f"http://127.0.0.1:{port}/mcp")
    assert "Non-2xx" not in told or "fails" in folder.name, told
    return int(re.search(r"(\d+) requests in", told)[1])


def h2load(port: int, folder: Path) -> int:
    """HTTP/2, four streams on each connection; the number of answers."""
    body = folder / "body.json"
    body.write_text(BODY)
    headers = [f"-H{name}: {value}" for name, value in post(call("t")).headers]
    told = run(
        "h2load", "-t2", f"-c{CONNECTIONS}", "-m4", "-D", str(SECONDS), f"-d{body}", *headers, f"http://127.0.0.1:{port}/mcp"
    )
    return int(re.search(r"requests: \d+ total, \d+ started, (\d+) done", told)[1])


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def healthy(request) -> Reply:
    return answer_any(request)


class Failing:
    """Of every ten calls three are served; three get HTTP 500, three a JSON-RPC error, one a closed connection."""

    def __init__(self) -> None:
        self.seen = self.served = 0

    def __call__(self, request) -> Reply:
        self.seen += 1
        if self.seen % 10 == 0:
            return Reply([], close=True)
        if self.seen % 3 == 1:
            return raw("HTTP/1.1 500 Oops\ncontent-length: 0", close=False)
        if self.seen % 3 == 2:
            return json_reply(ERROR)
        self.served += 1
        return answer_any(request)


def main() -> None:
    print("| algorithm | load | server | calls | reached the server | served | limit |")
    print("|---|---|---|---|---|---|---|")
    with Upstream() as upstream, Envoy(concurrency=2) as envoy, tempfile.TemporaryDirectory() as folder:
        for algorithm in ("sliding_window", "fixed_window", "token_bucket"):
            for name, load in (("wrk", wrk), ("h2load", h2load)):
                for kind in ("healthy", "fails"):
                    failing = Failing()
                    upstream.reset(healthy if kind == "healthy" else failing)
                    quota = {"id": f"{algorithm}-{name}-{kind}-{time.time_ns()}", "limit": f"{LIMIT}/day", "algorithm": algorithm}
                    plugin = {"version": "1", "default": "allow", "servers": [{"name": "s"}], "quotas": [quota]}
                    port = envoy.gateway([Route(upstream.port)], plugin).port
                    place = Path(folder) / f"{name}-{kind}"
                    place.mkdir(exist_ok=True)
                    calls = load(port, place)
                    reached = len(upstream.requests)
                    served = reached if kind == "healthy" else failing.served
                    what = "answers" if kind == "healthy" else "fails 7 of 10"
                    print(f"| `{algorithm}` | {name} | {what} | {calls:,} | {reached:,} | {served:,} | {LIMIT:,} |", flush=True)
                    # What is left, if the load was too short to use it up, is there.
                    upstream.script = healthy
                    left = sum("quota:" not in send(port, post(call("t"))).body.decode() for _ in range(LIMIT - served + 5))
                    assert served + left == LIMIT, f"{served} + {left} != {LIMIT}"


if __name__ == "__main__":
    main()
