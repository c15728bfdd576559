"""The real sidecar: `portcullis serve` on ports and in a directory of its own, and the commands that look into it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from .envoy import REPOSITORY
from .postgres import Postgres
from .scripted import free_port


class Serve:
    """Start with `with Serve() as serve:`. `kill` is `kill -9`; `start` starts it again where it was, with these `options` of
    `portcullis serve` and this environment.

    With a `database` that is its store; `replica_of` is another one on the same database, whose keys it has.
    """

    def __init__(
        self, *options: str, database: Postgres | None = None, replica_of: Serve | None = None, **environment: str
    ) -> None:
        self.options, self.environment = list(options), environment
        self.data = Path(tempfile.mkdtemp(prefix="portcullis-serve-"))
        self._store: list[str] = []
        if database is not None:
            made = run("store", "migrate", "--admin-url", database.url("postgres"))
            assert made.returncode == 0, made.stderr
            self._store = ["--store", database.url("portcullis")]
        if replica_of is not None:
            shutil.copytree(replica_of.data / "state", self.data / "state")
        self.port, self.http = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Serve:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGTERM)
        shutil.rmtree(self.data, ignore_errors=True)

    def start(self) -> None:
        command = [
            cli(), "serve", "--data", str(self.data / "state"),
            "--listen-grpc", f"127.0.0.1:{self.port}", "--listen-http", f"127.0.0.1:{self.http}",
            *self._store, *self.options,
        ]  # fmt: skip
        with (self.data / "serve.log").open("ab") as log:
            environment = {**os.environ, **self.environment}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + 30
        while not _listens(self.port):
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def token(self) -> str:
        return (self.data / "state" / "filter-token").read_text().strip()

    def log(self) -> str:
        return (self.data / "serve.log").read_text(errors="replace")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command on its data directory, and its database."""
        return run(*arguments, "--data", str(self.data / "state"), *self._store)

    def ask(
        self, *arguments: str, token: str = "admin-token", stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """A command that talks to it, with the token in that file of its directory."""
        where = ["--url", f"http://127.0.0.1:{self.http}", "--token-file", str(self.data / "state" / token)]
        return run(*arguments, *where, stdin=stdin)

    def ask_as(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that says itself whom it asks."""
        return run(*arguments)

    def person(self, name: str, *options: str) -> str:
        """A token for that person; the name of its file."""
        made = self.ask("tokens", "create", "--name", name, *options)
        assert made.returncode == 0, made.stderr
        file = self.data / "state" / f"{name}.token"
        file.touch(0o600)
        file.write_text(made.stdout)
        return file.name

    def rows(self, *filters: str) -> list[dict[str, Any]]:
        """The records of `portcullis audit list`."""
        found = self.run("audit", "list", "--json", "--limit", "100000", *filters)
        assert found.returncode in (0, 1), found.stderr
        return [json.loads(line)["record"] for line in found.stdout.splitlines()]

    def verify(self) -> None:
        """The chain is as it was written."""
        result = self.run("audit", "verify", "--full")
        assert result.returncode == 0, result.stdout + result.stderr

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([cli(), *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)


def cli() -> str:
    """`PORTCULLIS_CLI`, or what `make cli` builds on Linux."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = target / f"{os.uname().machine}-unknown-linux-musl" / "native" / "portcullis"
    return os.environ.get("PORTCULLIS_CLI", str(built))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
