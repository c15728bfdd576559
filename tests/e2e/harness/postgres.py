"""PostgreSQL, started by the test and gone with it (scripts/postgres.sh), with the schema and the role of the sidecar."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from .envoy import REPOSITORY


class Postgres:
    """Start with `with Postgres() as database:`. `stop` is a crash; `start` brings it back.

    With a certificate and its key it listens on `port`, too.
    """

    def __init__(self, *certificate: Path) -> None:
        self._certificate = certificate
        self.port = free_port() if certificate else 5432

    def __enter__(self) -> Postgres:
        script = str(REPOSITORY / "scripts" / "postgres.sh")
        tls = [*map(str, self._certificate), str(self.port)] if self._certificate else []
        self._process = subprocess.Popen([script, *tls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, _, self._directory = self._answer().partition(" ")
        assert word == "ready", "scripts/postgres.sh says why not"
        return self

    def __exit__(self, *_: object) -> None:
        # The script ends, and removes all, with its standard input.
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def url(self, role: str) -> str:
        """By the socket."""
        return f"postgres://{role}@{quote(self._directory, safe='')}:{self.port}/postgres"

    def stop(self) -> None:
        self._tell("stop")

    def start(self) -> None:
        self._tell("start")

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
