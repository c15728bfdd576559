"""A server that a script of scripts/ starts and obeys on its standard input: it is gone with the test, whatever becomes of it."""

from __future__ import annotations

import socket
import subprocess
from typing import Self

from .envoy import REPOSITORY


class Scripted:
    """Start with `with`. `stop` is a crash; `start` brings it back."""

    SCRIPT: str
    """Its name in scripts/."""

    def __init__(self, *options: str) -> None:
        self._options = options

    def __enter__(self) -> Self:
        command = [str(REPOSITORY / "scripts" / self.SCRIPT), *self._options]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, _, self._directory = self._answer().partition(" ")
        assert word == "ready", f"scripts/{self.SCRIPT} says why not"
        return self

    def __exit__(self, *_: object) -> None:
        # The script ends, and removes all, with its standard input.
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

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
