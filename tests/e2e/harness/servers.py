"""The fixture servers and scripts of other environments, as processes of the test run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .envoy import REPOSITORY

TESTS = REPOSITORY / "tests"
FIXTURES = TESTS / "fixtures"
NODE_MODULES = TESTS / "node" / "node_modules"


def python_of(era: str) -> str:
    """The interpreter whose environment has the SDK of that era: `session` (1.x) or `stateless` (2.x)."""
    if era == "session":
        return sys.executable
    found = Path(os.environ.get("PORTCULLIS_PYTHON_MODERN", REPOSITORY / ".tools" / "venv-modern" / "bin" / "python"))
    if not found.exists():
        raise FileNotFoundError(f"{found} is missing: run the tests by make")
    return str(found)


def node() -> str:
    """Node.js 22 or newer: the one beside this Python, else one on the path."""
    beside = Path(sys.executable).with_name("node")
    found = str(beside) if beside.exists() else shutil.which("node")
    if not found:
        raise FileNotFoundError("no Node.js: run the tests by make")
    return found


@contextmanager
def python_server(script: str, era: str, *arguments: str) -> Iterator[int]:
    """Runs tests/fixtures/`script`, which prints `PORT n` when it has one."""
    with _process([python_of(era), str(FIXTURES / script), *arguments], FIXTURES) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not (found := re.match(rb"PORT (\d+)", line)):
            raise RuntimeError(f"{script} did not start: {line!r}")
        port = int(found[1])
        _wait_for(port, process)
        yield port


@contextmanager
def everything_server(mode: str) -> Iterator[int]:
    """The official `server-everything`; `mode` is `streamableHttp` or `sse`."""
    port = _free_port()
    script = NODE_MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
    with _process([node(), str(script), mode], TESTS, {"PORT": str(port)}) as process:
        _wait_for(port, process)
        yield port


def run_client(command: list[str], task: Any, *, timeout: float = 60.0) -> Any:
    """Runs a client script with the task as JSON on its standard input; its output is JSON too."""
    done = subprocess.run(
        command, input=json.dumps(task).encode(), capture_output=True, timeout=timeout, cwd=TESTS / "fixtures"
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[1]} left with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout)


@contextmanager
def _process(command: list[str], cwd: Path, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("PORTCULLIS_SHOW_SERVERS") else subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} left with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{process.args!r} does not listen on {port}")


def _free_port() -> int:
    # Only for servers that cannot choose for themselves: another process could take it meanwhile.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
