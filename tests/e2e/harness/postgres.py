"""PostgreSQL, started by the test and gone with it (scripts/postgres.sh), with the schema and the role of the sidecar."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from .scripted import Scripted, free_port


class Postgres(Scripted):
    """Start with `with Postgres() as database:`. `stop` is a crash; `start` brings it back.

    With a certificate and its key it listens on `port`, too.
    """

    SCRIPT = "postgres.sh"

    def __init__(self, *certificate: Path) -> None:
        self.port = free_port() if certificate else 5432
        super().__init__(*[*map(str, certificate), str(self.port)] if certificate else [])

    def url(self, role: str) -> str:
        """By the socket."""
        return f"postgres://{role}@{quote(self._directory, safe='')}:{self.port}/postgres"
