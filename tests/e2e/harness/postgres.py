"""PostgreSQL, started by the test and gone with it (scripts/postgres.sh), with the schema and the role of the sidecar."""

from __future__ import annotations

import subprocess
from urllib.parse import quote

from .envoy import REPOSITORY


class Postgres:
    """Start with `with Postgres() as database:`. `stop` is a crash; `start` brings it back."""

    def __enter__(self) -> Postgres:
        script = str(REPOSITORY / "scripts" / "postgres.sh")
        self._process = subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, _, self._directory = self._answer().partition(" ")
        assert word == "ready", "scripts/postgres.sh says why not"
        return self

    def __exit__(self, *_: object) -> None:
        # The script ends, and removes all, with its standard input.
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def url(self, role: str) -> str:
        return f"postgres://{role}@{quote(self._directory, safe='')}/postgres"

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
