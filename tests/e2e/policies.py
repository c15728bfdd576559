"""The plugin configurations of the tests."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def policy(*rules: Json, **more: Any) -> Json:
    """One server named `s`, these rules, everything else refused unless `default` says otherwise."""
    return {"version": "1", "servers": [{"name": "s"}], "rules": list(rules), **more}


def allow(id: str, *names: str, **match: Any) -> Json:
    return {"id": id, "action": "allow", "match": {"name": list(names), **match} if names else match}


def deny(id: str, *names: str, hide: bool = False, reason: str = "", **match: Any) -> Json:
    return {
        "id": id,
        "action": "deny",
        "match": {"name": list(names), **match} if names else match,
        "hide": hide,
        **({"reason": reason} if reason else {}),
    }


ALLOW_ALL = policy(default="allow")
"""Every call passes; secrets are blocked in requests and redacted in responses, as by default."""
