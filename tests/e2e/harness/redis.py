"""Redis, started by the test and gone with it (scripts/redis.sh). What it was told outlives its process."""

from __future__ import annotations

from pathlib import Path

from .scripted import Scripted, free_port


class Redis(Scripted):
    """Start with `with Redis() as counts:`. `stop` is a crash; `start` brings it back; `forget` empties it.

    With a certificate and its key it listens on `port`, too, by TLS and the password `horse`.
    """

    SCRIPT = "redis.sh"

    def __init__(self, *certificate: Path) -> None:
        self.port = free_port() if certificate else 0
        super().__init__(*[*map(str, certificate), str(self.port), "horse"] if certificate else [])

    @property
    def url(self) -> str:
        """By the socket."""
        return f"unix://{self._directory}/redis.sock"

    def forget(self) -> None:
        self._tell("forget")
