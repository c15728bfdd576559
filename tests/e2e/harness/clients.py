"""The official clients under one name each, and the revision each one speaks with whom."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from .servers import FIXTURES, TESTS, node, python_of, run_client


@dataclass(frozen=True)
class ClientKind:
    name: str
    script: str
    mode: str = "legacy"

    def run(self, url: str, steps: list[Any], *, transport: str = "http") -> dict[str, Any]:
        """Connects, runs the steps, disconnects; see tests/fixtures/CLIENTS.md."""
        task = {"url": url, "transport": transport, "mode": self.mode, "steps": steps}
        return run_client(self._command(), task)

    def __str__(self) -> str:
        return self.name

    def _command(self) -> list[str]:
        match self.script.split(" "):
            case ["client.mjs", package]:
                return [node(), str(TESTS / "node" / "client.mjs"), package]
            case ["client_session_era.py"]:
                return [sys.executable, str(FIXTURES / "client_session_era.py")]
            case _:
                return [python_of("stateless"), str(FIXTURES / self.script)]


PYTHON_1 = ClientKind("python-1", "client_session_era.py")
PYTHON_2_LEGACY = ClientKind("python-2-legacy", "client_stateless_era.py", "legacy")
PYTHON_2_AUTO = ClientKind("python-2-auto", "client_stateless_era.py", "auto")
PYTHON_2_PINNED = ClientKind("python-2-pinned", "client_stateless_era.py", "2026-07-28")
TYPESCRIPT_1 = ClientKind("typescript-1", "client.mjs sdk")
TYPESCRIPT_2_LEGACY = ClientKind("typescript-2-legacy", "client.mjs client", "legacy")
TYPESCRIPT_2_AUTO = ClientKind("typescript-2-auto", "client.mjs client", "auto")
TYPESCRIPT_2_PINNED = ClientKind("typescript-2-pinned", "client.mjs client", "2026-07-28")

SESSION_ERA = [PYTHON_1, PYTHON_2_LEGACY, TYPESCRIPT_1, TYPESCRIPT_2_LEGACY]
"""Clients that speak 2025-11-25 whatever the server offers."""
STATELESS_ERA = [PYTHON_2_AUTO, PYTHON_2_PINNED, TYPESCRIPT_2_AUTO, TYPESCRIPT_2_PINNED]
"""Clients that speak 2026-07-28 with a server that offers it."""
