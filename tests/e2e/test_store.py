"""PostgreSQL as the store: it goes and comes back while calls are made, and several sidecars share it."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from e2e.harness.envoy import sidecar_cluster
from e2e.harness.pki import Authority
from e2e.harness.postgres import Postgres
from e2e.harness.serve import Serve, run
from e2e.harness.wire import call, post, send
from e2e.policies import policy

pytestmark = pytest.mark.filter


@pytest.fixture
def database() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


def test_while_the_database_is_away_durable_calls_are_refused_others_flow_and_nothing_is_lost(gateway, upstream, database):
    with Serve(database=database) as serve:
        block = {"cluster": sidecar_cluster(serve.port), "token": serve.token, "timeout_ms": 1500}
        durable = gateway(policy(default="allow", sidecar={**block, "audit": "durable"}), sidecar=serve.port).port
        batch = gateway(policy(default="allow", sidecar=block), sidecar=serve.port).port
        over = threading.Event()

        def fault() -> None:
            while not over.wait(0.7):
                database.stop()
                over.wait(0.7)
                database.start()

        def one(port: int, id: str) -> bytes:
            time.sleep(0.02)
            return send(port, post(call("read", {"id": id}), ("x-request-id", id))).body

        held, flowing = ([str(uuid.uuid4()) for _ in range(200)] for _ in range(2))
        breaker = threading.Thread(target=fault)
        breaker.start()
        try:
            with ThreadPoolExecutor(8) as pool:
                pairs = zip(held, flowing, strict=True)
                bodies = list(pool.map(lambda pair: (one(durable, pair[0]), one(batch, pair[1])), pairs))
        finally:
            over.set()
            breaker.join()
        passed = {id for id, (body, _) in zip(held, bodies, strict=True) if b"audit:durable" not in body}
        assert 0 < len(passed) < len(held), "there was no load, or no fault"
        assert not [body for _, body in bodies if b'"result"' not in body], "who needs no intent goes on"
        forwarded = [request.message["params"]["arguments"]["id"] for request in upstream.requests]
        assert sorted(forwarded) == sorted([*passed, *flowing])

        # It healed by itself, and what was recorded meanwhile arrives.
        deadline = time.monotonic() + 40
        while True:
            rows = serve.rows()
            done = {row["correlation_id"] for row in rows if "stage" not in row and "action" not in row}
            if done >= {*held, *flowing}:
                break
            assert time.monotonic() < deadline, f"{len({*held, *flowing} - done)} records are missing"
            time.sleep(0.5)
        assert passed <= {row["correlation_id"] for row in rows if row.get("stage") == "intent"}
        verified = serve.run("audit", "verify", "--full")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_an_approval_given_at_one_replica_lets_the_call_go_on_that_another_holds(gateway, upstream, database):
    with Serve(database=database) as first, Serve(database=database, replica_of=first) as second:
        ben = second.person("ben", "--role", "policy_manager")
        asks = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "approval": {"wait": "30s"}}
        block = {"cluster": sidecar_cluster(first.port), "token": first.token}
        port = gateway(policy(asks, default="allow", sidecar=block), sidecar=first.port).port
        with ThreadPoolExecutor(4) as pool:
            held = [pool.submit(send, port, post(call("deploy", {"n": 1}, id=n)), timeout=40) for n in range(4)]
            deadline = time.monotonic() + 15
            while not (pending := json.loads(second.ask("approvals", "list", "--json", token=ben).stdout)):
                assert time.monotonic() < deadline, "nothing is pending"
            time.sleep(0.5)
            began = time.monotonic()
            assert second.ask("approvals", "approve", pending[0]["id"], token=ben).returncode == 0
            # One goes on at once; the others ask anew and are refused by a person, at the other replica again.
            while not any(one.done() for one in held):
                assert time.monotonic() < began + 3, "a decision elsewhere wakes who waits"
                time.sleep(0.02)
            while left := [one for one in held if not one.done()]:
                for other in json.loads(second.ask("approvals", "list", "--json", token=ben).stdout or "[]"):
                    second.ask("approvals", "deny", other["id"], token=ben)
                assert time.monotonic() < began + 15, f"{len(left)} still wait"
        passed = [one for one in held if "isError" not in one.result().message["result"]]
        assert len(passed) == len(upstream.requests) == 1
        # What one does is in the one chain that both continue.
        second.kill()
        assert "isError" in send(port, post(call("deploy", {"n": 2}), ("x-request-id", "last")), timeout=40).message["result"]
        verified = first.run("audit", "verify", "--full")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_server_elsewhere_is_believed_only_with_its_certificate_and_the_password(tmp_path):
    authority = Authority(tmp_path)
    names = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = authority.issue("database", *names)

    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.touch(0o600)
        path.write_text(text)
        return str(path)

    with Postgres(*certificate) as database:
        password = file("password", "corr:ct h@rse")
        made = run("store", "migrate", "--admin-url", database.url("postgres"), "--role-password-file", password)
        assert made.returncode == 0, made.stderr
        where = f"127.0.0.1:{database.port}/postgres"
        right = file("right", f"postgres://portcullis:corr%3Act%20h%40rse@{where}")
        data = tmp_path / "state"

        def opens(url: str, *more: str) -> str:
            """What `audit list` says; nothing where the database is reached."""
            done = run("audit", "list", "--data", str(data), "--store-file", url, *more)
            assert "rse" not in done.stdout + done.stderr, "no password is ever shown"
            assert done.returncode in (1, 2), done.stdout
            return done.stderr

        ca = ("--store-ca", str(authority.file))
        assert opens(right, *ca) == ""
        other = Authority(tmp_path, "somebody else")
        assert "certificate" in opens(right, "--store-ca", str(other.file))
        assert "certificate" in opens(file("required", f"{Path(right).read_text()}?sslmode=require"))
        # Without TLS the server has no entry for it: nothing was sent that a listener could use.
        assert "no encryption" in opens(right)
        assert "password" in opens(file("wrong", f"postgres://portcullis:wrong@{where}"), *ca)
        Path(right).chmod(0o644)
        assert "chmod 600" in opens(right, *ca)
        shown = run("audit", "list", "--data", str(data), "--store", f"postgres://portcullis:horse@{where}")
        assert "every process of this machine can see" in shown.stderr and "horse" not in shown.stderr
