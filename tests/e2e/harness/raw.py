"""One raw request through the firewall: what the client got, what the server got, what was recorded."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fixtures.upstream import Upstream

from .audit import FIELDS, Audit
from .envoy import Gateway
from .wire import Got, Send, send


@dataclass
class Trial:
    """`trial(what)` sends and keeps; the checks below read what came of it."""

    gateway: Gateway
    upstream: Upstream
    http: int = 1

    def __call__(self, what: Send, **options: Any) -> Got:
        self.id = str(uuid.uuid4())
        self.got = send(self.gateway.port, what.with_headers(("x-request-id", self.id)), http=self.http, **options)
        return self.got

    @property
    def record(self) -> dict[str, Any]:
        """The audit record of the request, complete in its fields."""
        record = Audit(self.gateway.envoy).one(self.id)
        assert FIELDS <= record.keys(), FIELDS - record.keys()
        return record

    def refused(self, status: int, *, code: int | None = None, rule: str | None = None) -> None:
        """The client got that HTTP status (and JSON-RPC error code), the server nothing, and a
        record says so."""
        assert self.got.status == status, self.got
        if code is not None:
            assert self.got.get("content-type") == "application/json"
            assert self.got.message["error"]["code"] == code, self.got.message
        assert self.upstream.untouched, self.upstream.requests
        record = self.record
        assert record["decision"] in ("deny", "malformed"), record
        assert record["upstream_status"] is None
        if rule is not None:
            assert record["rule"] == rule
