"""What the sidecar itself does, and what it refuses, is in the chain by name."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
from cryptography import x509
from e2e.harness.envoy import sidecar_cluster
from e2e.harness.pki import Authority
from e2e.harness.postgres import Postgres
from e2e.harness.scripted import free_port
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import allow, policy

pytestmark = pytest.mark.filter


def until(serve: Serve, action: str, **members: Any) -> dict[str, Any]:
    """The row of that action, once there is one that says this."""
    deadline = time.monotonic() + 20
    while True:
        rows = serve.rows("--action", action)
        for row in rows:
            if all(row.get(name) == value for name, value in members.items()):
                return row
        assert time.monotonic() < deadline, (action, rows)
        time.sleep(0.1)


def test_starts_stops_and_what_it_is_told(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("sidecar", x509.DNSName("localhost"))
    rules = tmp_path / "policy.json"
    rules.write_text(json.dumps(policy(default="allow")))
    hooks = tmp_path / "webhooks.json"
    options = ["--policy", str(rules), "--tls-cert", str(certificate), "--tls-key", str(key)]
    with Serve(*options) as serve:
        assert until(serve, "serve.started")["tls"] is True
        first = until(serve, "policy.changed")
        assert "from" not in first
        rules.write_text(json.dumps(policy(allow("reads", "read"))))
        serve.signal(signal.SIGHUP)
        second = until(serve, "policy.changed", **{"from": first["to"]})
        assert second["to"] != first["to"] and until(serve, "policy.read", policy_version=second["to"])
        until(serve, "certificate.reloaded")
        rules.write_text('{"version": "1", "secret-of-somebody": 1}')
        certificate.write_text("no certificate")
        serve.signal(signal.SIGHUP)
        refused = until(serve, "policy.refused")
        assert "secret-of-somebody" not in json.dumps(refused)
        until(serve, "certificate.refused")
        serve.signal(signal.SIGTERM)
        until(serve, "serve.stopped")
        # Another start says nothing of what is as it was.
        serve.options = []
        serve.start()
        time.sleep(1)
        assert len(serve.rows("--action", "policy.changed")) == 2
        assert not serve.rows("--action", "webhook.configured") and not serve.rows("--action", "sink.configured")
        serve.kill()
        chat = {"name": "chat", "url": "http://127.0.0.1:9/token-in-it", "secret_file": "s"}
        hooks.write_text(json.dumps({"webhooks": [chat]}))
        serve.options = ["--webhooks", str(hooks), "--syslog", f"tcp://127.0.0.1:{free_port()}"]
        serve.start()
        assert until(serve, "webhook.configured")["webhooks"] == ["chat"]
        assert until(serve, "sink.configured")["sinks"] == ["syslog"]
        assert "token-in-it" not in json.dumps(serve.rows())
        assert serve.run("audit", "verify").returncode == 0


def test_who_may_not_is_recorded_and_fills_nothing(gateway, upstream):
    with Serve() as serve:
        block = {"cluster": sidecar_cluster(serve.port), "token": "a-token-that-is-not-the-filters"}
        rule = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "approval": {"wait": "0s"}}
        port = gateway(policy(rule, default="allow", sidecar=block), sidecar=serve.port).port
        send(port, post(call("deploy")))
        until(serve, "filter.refused")
        assert upstream.untouched
        base = f"http://127.0.0.1:{serve.http}"
        for _ in range(50):
            with pytest.raises(urllib.error.HTTPError):
                ask = urllib.request.Request(f"{base}/api/v1/self", headers={"authorization": "Bearer nobodys"})
                urllib.request.urlopen(ask, timeout=10)
        serve.person("vera", "--role", "viewer")
        for _ in range(20):
            assert serve.ask("tokens", "list", token="vera.token").returncode == 2
        assert until(serve, "access.denied", name="vera")["count"] >= 1
        until(serve, "token.refused")
        limited = 0
        for _ in range(30):
            form = urllib.parse.urlencode({"token": "wrong"}).encode()
            ask = urllib.request.Request(f"{base}/login", form, {"origin": base})
            try:
                urllib.request.urlopen(ask, timeout=10)
            except urllib.error.HTTPError as error:
                limited += error.code == 429
        assert limited
        until(serve, "session.login.limited", address="127.0.0.1")
        for action in ("filter.refused", "token.refused", "access.denied", "session.login.limited"):
            assert len(serve.rows("--action", action)) == 1
        # What no row told of yet is told at the end.
        serve.signal(signal.SIGTERM)
        until(serve, "serve.stopped")
        for action, count in {"token.refused": 50, "access.denied": 20}.items():
            assert sum(row["count"] for row in serve.rows("--action", action)) == count


def test_a_vote_that_does_not_count_is_recorded(gateway, upstream):
    with Serve() as serve:
        block = {"cluster": sidecar_cluster(serve.port), "token": serve.token}
        rule = {
            "id": "asks", "action": "require_approval", "match": {"name": ["deploy"]},
            "approval": {"wait": "0s", "approvers": ["operations"]},
        }  # fmt: skip
        port = gateway(policy(rule, default="allow", sidecar=block), sidecar=serve.port).port
        send(port, post(call("deploy")))
        [asked] = serve.rows("--action", "approval.requested")
        serve.person("vera", "--role", "policy_manager")
        assert serve.ask("approvals", "approve", asked["approval_id"], token="vera.token").returncode == 2
        row = until(serve, "approval.vote.refused")
        assert (row["actor"], row["note"]) == ("vera", "not in a group that may decide")


def test_an_upgrade_of_the_tables_is_recorded():
    with Postgres() as database, Serve(database=database) as serve:
        until(serve, "serve.started")
        serve.kill()
        # As if the sidecar had last seen older tables.
        older = "UPDATE portcullis.item SET body = '1' WHERE kind = 'seen' AND id = 'store'"
        subprocess.run(["psql", "-q", database.url("postgres"), "-c", older], check=True, timeout=30)
        serve.start()
        row = until(serve, "store.migrated")
        assert row["from"] == 1 and row["to"] > 1
