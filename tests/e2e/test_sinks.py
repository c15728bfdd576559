"""Sinks: rsyslog and an OpenTelemetry collector are told of every row, whatever goes and comes meanwhile, and of no secret."""

from __future__ import annotations

import ipaddress
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from e2e.harness.collectors import Collector, Rsyslog
from e2e.harness.envoy import sidecar_cluster
from e2e.harness.pki import Authority
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import deny, policy
from fixtures.canaries import github_token

pytestmark = pytest.mark.filter


def until(rows: Callable[[], list[dict[str, Any]]], wanted: Callable[[dict[str, Any]], bool], count: int = 1) -> Any:
    """The rows that are wanted, once there are that many."""
    deadline = time.monotonic() + 30
    while len(found := [row for row in rows() if wanted(row)]) < count:
        assert time.monotonic() < deadline, rows()
        time.sleep(0.1)
    return found


def firewall(gateway: Any, serve: Serve) -> int:
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token}
    return gateway(policy(deny("no-writes", "write"), default="allow", sidecar=block), sidecar=serve.port).port


def metric(serve: Serve, name: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{serve.http}/metrics", timeout=10) as got:
        [line] = [line for line in got.read().decode().splitlines() if line.startswith(name)]
    return int(line.rsplit(" ", 1)[1])


def test_every_row_reaches_rsyslog_and_a_collector_and_no_secret_does(gateway, upstream, tmp_path):
    authority = Authority(tmp_path)
    sans = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with Rsyslog(*authority.issue("rsyslog", *sans)) as syslog, Collector() as collector:
        options = [
            "--syslog", f"tls://localhost:{syslog.port}", "--trust-ca", str(authority.file),
            "--otlp-logs", f"http://127.0.0.1:{collector.port}",
        ]  # fmt: skip
        with Serve(*options) as serve:
            port = firewall(gateway, serve)
            send(port, post(call("write"), ("traceparent", f"00-{trace}-{span}-01")))
            secret = github_token()
            forged = f'x"]\n<13>1 forged\x1b[31m\u202e {secret}'
            send(port, post(call(forged)))
            send(port, post(call("read")))
            [denied] = until(syslog.told, lambda row: row.get("tool") == "write")
            assert (denied["pri"], denied["decision"], denied["rule"]) == (13 * 8 + 4, "deny", "no-writes")
            assert (denied["app"], denied["kind"], denied["tenant"]) == ("portcullis", "message", "default")
            assert denied["trace_id"] == trace and denied["text"].strip().startswith("deny anonymous s tools/call write")
            [same] = until(collector.told, lambda row: row.get("gen_ai.tool.name") == "write")
            assert (same["severity"], same["event"]) == ("WARN", "portcullis.message")
            assert (same["trace"], same["span"]) == (trace, span)
            assert same["portcullis.audit.hash"] == denied["hash"] and same["mcp.method.name"] == "tools/call"
            assert same["portcullis.audit.seq"] == int(denied["seq"]) and "portcullis.trace_id" not in same
            [hostile] = until(syslog.told, lambda row: "forged" in row.get("tool", ""))
            assert hostile["tool"].startswith('x"]') and "[REDACTED" in hostile["tool"]
            until(collector.told, lambda row: row.get("gen_ai.tool.name") == "read")
            everything = f"{syslog.told()}{collector.requests}"
            assert secret not in everything and "\x1b" not in everything and "\u202e" not in everything
            # What the chain has is what was told.
            rows = len(serve.rows())
            for told in (syslog.told, collector.told):
                until(told, lambda _: True, rows)


def test_a_sink_that_is_away_stops_nobody_and_a_restart_loses_nothing(gateway, upstream):
    with Rsyslog() as syslog:
        address = f"tcp://127.0.0.1:{syslog.port}"
        syslog.stop()
        with Serve("--syslog", address) as serve:
            port = firewall(gateway, serve)
            for number in range(20):
                assert send(port, post(call(f"tool{number}"))).status == 200
            deadline = time.monotonic() + 20
            while not serve.rows("--action", "sink.failed"):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert metric(serve, 'portcullis_sidecar_sink_up{sink="syslog"}') == 0
            assert metric(serve, 'portcullis_sidecar_sink_lag{sink="syslog",tenant="default"}') > 0
            assert "the sink syslog fails: no connection to the receiver" in serve.log()
            serve.kill()
            syslog.start()
            serve.start()
            seen = until(syslog.told, lambda row: row.get("tool", "").startswith("tool"), 20)
            assert {row["tool"] for row in seen} == {f"tool{number}" for number in range(20)}
            # It goes away again while rows come, and comes back.
            syslog.stop()
            for number in range(20, 30):
                send(port, post(call(f"tool{number}")))
            time.sleep(1)
            syslog.start()
            until(syslog.told, lambda row: row.get("tool", "").startswith("tool2") and len(row["tool"]) == 6, 10)
            until(syslog.told, lambda row: row.get("action") == "sink.recovered")
            seqs = [int(row["seq"]) for row in syslog.told()]
            assert set(range(max(seqs) + 1)) == set(seqs)
            deadline = time.monotonic() + 20
            while metric(serve, 'portcullis_sidecar_sink_lag{sink="syslog",tenant="default"}') > 0:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_datagrams_to_the_socket_of_this_machine(gateway, upstream):
    with Rsyslog() as syslog, Serve("--syslog", f"unix:{syslog.socket}") as serve:
        serve.person("omar", "--role", "viewer")
        [row] = until(syslog.told, lambda row: row.get("action") == "token.created" and row["actor"] == "admin")
        assert (row["pri"], row["kind"]) == (13 * 8 + 5, "action")
