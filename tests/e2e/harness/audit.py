"""Reads the audit records that the filter writes to Envoy's log."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .envoy import Envoy

FIELDS = {
    "time", "correlation_id", "tenant", "principal", "server", "method", "tool", "decision", "rule",
    "policy_version", "redaction_scheme", "argument_keys", "input_hash", "findings", "redacted", "latency_us", "upstream_status",
}  # fmt: skip


@dataclass
class Audit:
    envoy: Envoy

    def of(self, correlation_id: str, *, count: int = 1) -> list[dict[str, Any]]:
        """The records of one request, oldest first; waits for at least `count`.

        Envoy writes its log a moment after the answer has left.
        """
        deadline = time.monotonic() + 5
        while True:
            found = [r for r in self.all() if r["correlation_id"] == correlation_id]
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(found)} audit records of {correlation_id}, not {count}")
            time.sleep(0.05)

    def one(self, correlation_id: str) -> dict[str, Any]:
        """The only record of that request."""
        found = self.of(correlation_id)
        assert len(found) == 1, f"{len(found)} audit records: {found}"
        return found[0]

    def all(self) -> list[dict[str, Any]]:
        records = (_record(line) for line in self.envoy.log().splitlines() if '"correlation_id"' in line)
        return [r for r in records if r is not None]


def _record(line: str) -> dict[str, Any] | None:
    if not (found := re.search(r"\{.*\}", line)):
        return None
    try:
        return json.loads(found[0])
    except ValueError:
        raise AssertionError(f"an audit line is not JSON: {line}") from None
