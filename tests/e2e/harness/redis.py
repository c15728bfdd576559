"""Redis, started by the test and gone with it (scripts/redis.sh). What it was told outlives its process."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .envoy import REPOSITORY
from .postgres import free_port


class Redis:
    """Start with `with Redis() as counts:`. `stop` is a crash; `start` brings it back; `forget` empties it.

    With a certificate and its key it listens on `port`, too, by TLS and the password `horse`.
    """

    def __init__(self, *certificate: Path) -> None:
        self._certificate = certificate
        self.port = free_port() if certificate else 0

    def __enter__(self) -> Redis:
        script = str(REPOSITORY / "scripts" / "redis.sh")
        tls = [*map(str, self._certificate), str(self.port), "horse"] if self._certificate else []
        self._process = subprocess.Popen([script, *tls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, _, self._directory = self._answer().partition(" ")
        assert word == "ready", "scripts/redis.sh says why not"
        return self

    def __exit__(self, *_: object) -> None:
        # The script ends, and removes all, with its standard input.
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    @property
    def url(self) -> str:
        """By the socket."""
        return f"unix://{self._directory}/redis.sock"

    def stop(self) -> None:
        self._tell("stop")

    def start(self) -> None:
        self._tell("start")

    def forget(self) -> None:
        self._tell("forget")

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
