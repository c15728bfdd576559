"""The decision tables of `tests/policy/`, a sample of their rows sent through Envoy: the filter
decides what the same engine decides natively, with the caller told by a key and the server by its
path."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.harness.raw import Trial
from e2e.harness.wire import post, request

pytestmark = pytest.mark.filter

Json = dict[str, Any]

TABLES = Path(__file__).resolve().parents[1] / "policy"

# PyYAML reads YAML 1.1, which has other numbers than the firewall's YAML: tables about numbers stay native.
SENT = ["arguments", "content", "hidden", "hosts", "methods", "modes", "names", "open", "paths", "precedence", "principals", "servers"]  # fmt: skip
OF_EACH = 12
"""Rows of each table."""

SERVER_METHODS = {"sampling/createMessage", "elicitation/create", "roots/list"}


def rows() -> list[Any]:
    """Rows spread evenly over each table."""
    all_of = []
    for name in SENT:
        table = yaml.safe_load((TABLES / f"{name}.yaml").read_text())
        defaults = table.get("defaults", {})
        cases = [{**defaults, **case} for case in table["cases"] if "steps" not in case]
        cases = [case for case in cases if case.get("method") not in SERVER_METHODS and "result" not in case]
        step = max(1, len(cases) // OF_EACH)
        for index, case in enumerate(cases[::step]):
            all_of.append(pytest.param(table["policy"], case, id=f"{name}-{index}"))
    return all_of


def prepared(policy: Json, principal: Json | None) -> tuple[Json, tuple[tuple[str, str], ...]]:
    """The policy with servers told by their path, and the key by which the caller is known."""
    servers = [{"name": s["name"], "match": {"path_prefix": f"/{s['name']}"}} for s in policy["servers"]]
    policy = {**policy, "servers": servers}
    if principal is None:
        return policy, ()
    key = "key-of-" + hashlib.sha256(json.dumps(principal, sort_keys=True).encode()).hexdigest()
    entry = {**principal, "sha256": hashlib.sha256(key.encode()).hexdigest()}
    return {**policy, "identity": {"keys": {"entries": [entry]}}}, (("authorization", f"Bearer {key}"),)


def message(case: Json) -> Any:
    if "body" in case:
        return case["body"].encode()
    for kind, method, member in [("tool", "tools/call", "name"), ("resource", "resources/read", "uri"), ("prompt", "prompts/get", "name")]:  # fmt: skip
        if kind in case:
            params = {member: case[kind], **({"arguments": case["arguments"]} if "arguments" in case else {})}
            return request(method, params)
    sent = request(case["method"], case.get("params", {}))
    if case["method"].startswith("notifications/"):
        del sent["id"]
    return sent


@pytest.mark.parametrize(("policy", "case"), rows())
def test_envoy_decides_as_the_table_says(gateway, upstream, policy, case):
    plugin, who = prepared(policy, case.get("principal"))
    trial = Trial(gateway(plugin), upstream)
    server = case.get("server", policy["servers"][0]["name"])
    trial(post(message(case), *who, path=f"/{server}/mcp"))
    record = trial.record
    expect = case["expect"]
    if isinstance(expect, str):
        decision, _, rule = expect.partition(" by ")
        expect = {"decision": decision, **({"rule": rule} if rule else {})}
    assert record["decision"] == expect["decision"], record
    for field in ("rule", "reason"):
        assert record[field] == expect.get(field, record[field]), record
    if "shadow" in expect:
        found = f"{record['shadow_decision']} by {record['shadow_rule']}" if "shadow_rule" in record else "none"
        assert found == expect["shadow"]
    assert upstream.untouched == (expect["decision"] not in ("allow", "log_only", "redact"))
