"""The operating guide: every command in docs/operations.md is run, in its order, with paths and ports of this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.harness.envoy import REPOSITORY, sidecar_cluster
from e2e.harness.postgres import Postgres
from e2e.harness.scripted import free_port
from e2e.harness.serve import cli
from e2e.harness.wire import call, post, send
from e2e.policies import policy

pytestmark = pytest.mark.filter

GUIDE = (REPOSITORY / "docs" / "operations.md").read_text()
# Finds what the backup lacks: exit 1.
NEWEST_ANCHOR = "{{ portcullis audit verify --data {state} --anchor {later} || test $? = 1; }}\n"
ON_POSTGRESQL = ("PostgreSQL: backup and restore", "Upgrade")


def blocks() -> list[tuple[str, str]]:
    """Heading and text of every block of commands."""
    found, heading = [], ""
    for part in re.finditer(r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE):
        if part["heading"]:
            heading = part["heading"]
        elif part["language"] == "sh":
            found.append((heading, part["text"]))
    return found


class Machine:
    """A host with the sidecar as its service, below `folder`."""

    def __init__(self, folder: Path, database: Postgres | None = None) -> None:
        self.folder, self.grpc, self.http = folder, free_port(), free_port()
        self.state = folder / "state"
        for name in ("backups", "etc", "bin", "home"):
            (folder / name).mkdir()
        options = []
        if database is not None:
            options = [f"--store-file={folder}/etc/store-url"]
            self.use(database)
        (folder / "bin" / "portcullis").symlink_to(cli())
        words = [cli(), "serve", f"--data={self.state}", f"--listen-grpc=127.0.0.1:{self.grpc}",
                 f"--listen-http=127.0.0.1:{self.http}", *options]  # fmt: skip
        service = folder / "bin" / "systemctl"
        service.write_text(SERVICE.format(folder=folder, command=" ".join(words), http=self.http))
        service.chmod(0o700)
        self.run("systemctl start portcullis", prelude="")
        admin = f"export PORTCULLIS_URL=http://127.0.0.1:{self.http} PORTCULLIS_TOKEN=$(cat {self.state}/admin-token)\n"
        self.run("portcullis tokens create --name keeper --role admin > keeper.token", admin)

    def use(self, database: Postgres) -> None:
        for name, role in {"store-url": "portcullis", "admin-url": "postgres"}.items():
            file = self.folder / "etc" / name
            file.touch(0o600)
            file.write_text(database.url(role))

    def run(self, text: str, prelude: str | None = None) -> str:
        """Runs commands of the guide; what they print."""
        for there, here in {"/var/lib/portcullis": self.state, "/var/backups": self.folder / "backups",
                            "/etc/portcullis": self.folder / "etc", "127.0.0.1:9444": f"127.0.0.1:{self.http}"}.items():  # fmt: skip
            text = text.replace(there, str(here))
        if prelude is None:
            # An admin's own token, which is not on this host: `admin-token` is in no backup.
            prelude = f"export PORTCULLIS_URL=http://127.0.0.1:{self.http} PORTCULLIS_TOKEN=$(cat keeper.token)\n"
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", prelude + text], cwd=self.folder / "home", env=environment,
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}\n{self.log()}"
        return done.stdout

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def end(self) -> None:
        pid = self.folder / "pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)


SERVICE = """#!/bin/bash
# What the guide calls the service manager.
cd {folder}
stop() {{
    kill "$(cat pid)"
    while kill -0 "$(cat pid)" 2>/dev/null; do sleep 0.05; done
    rm pid
}}
start() {{
    setsid {command} >>log 2>&1 </dev/null &
    echo $! >pid
    for _ in $(seq 200); do
        curl --fail --silent http://127.0.0.1:{http}/ready && return
        kill -0 "$(cat pid)" || exit 1
        sleep 0.05
    done
    exit 1
}}
case $1 in
    stop) stop ;;
    start) start ;;
    restart) stop; start ;;
    reload) kill -HUP "$(cat pid)" ;;
    *) exit 2 ;;
esac
"""


def rows(machine: Machine, gateway: Any, count: int) -> None:
    """Records of a filter, in the chain."""
    token = (machine.state / "filter-token").read_text().strip()
    block = {"cluster": sidecar_cluster(machine.grpc), "token": token, "audit": "durable"}
    port = gateway(policy(default="allow", sidecar=block), sidecar=machine.grpc).port
    deadline = time.monotonic() + 15
    done = 0
    while done < count:
        done += "isError" not in send(port, post(call("read", {}))).message["result"]
        assert time.monotonic() < deadline, machine.log()


def add_credential(machine: Machine) -> None:
    machine.run("printf 'a-secret-of-a-server' > old.token && portcullis credentials add github --kind api_key --secret-file old.token"
                " && portcullis grants add --server github --credential github --team platform")  # fmt: skip


def test_every_command_on_sqlite(gateway, tmp_path):
    machine = Machine(tmp_path)
    try:
        add_credential(machine)
        (tmp_path / "home" / "new-github.token").write_text("another-secret-of-a-server")
        machine.run("portcullis mfa enrol --principal anna@example.com > /dev/null")
        rows(machine, gateway, 3)
        later = tmp_path / "later.jsonl"
        ran = 0
        for heading, text in blocks():
            if heading in ON_POSTGRESQL:
                continue
            if heading == "Restore":
                # What comes after the backup is lost by it, and an anchor says so.
                rows(machine, gateway, 2)
                machine.run(f"portcullis audit checkpoint --data {machine.state} > {later}")
            if "faults.txt" in text:
                machine.run("systemctl stop portcullis")
                edit_a_row(machine.state / "portcullis.db")
            if '"actor":"anna@example.com"' in text:
                machine.run("PORTCULLIS_TOKEN=$(cat anna-2.token) portcullis tokens create --name x --role viewer > /dev/null")
            if heading == "Restore":
                # Before the start, as the guide says: from then on what the filters still have to write goes on from the backup.
                text = text.replace("systemctl start", f"{NEWEST_ANCHOR.format(state=machine.state, later=later)}systemctl start")
            said = machine.run(text)
            ran += 1
            if heading == "Restore":
                assert "cut off the end" in said, said
                machine.run("rm -r /var/lib/portcullis.lost")
                # What is sealed opens with the keys that came back.
                machine.run("portcullis credentials rotate --dek")
                rows(machine, gateway, 1)
            if '"actor":"anna@example.com"' in text:
                assert "token.created" in said
            if "grants revoke" in text:
                assert json.loads(machine.run("portcullis grants list --json"))["grants"] == []
        assert ran >= 12
        assert (tmp_path / "home" / "faults.txt").read_text()
    finally:
        machine.end()


def test_backup_restore_and_upgrade_on_postgresql(gateway, tmp_path):
    with Postgres() as database, Postgres() as empty:
        made = subprocess.run([cli(), "store", "migrate", "--admin-url", database.url("postgres")], capture_output=True, check=False)
        assert made.returncode == 0, made.stderr
        machine = Machine(tmp_path, database)
        try:
            add_credential(machine)
            rows(machine, gateway, 3)
            ran = [(heading, text) for heading, text in blocks() if heading in ON_POSTGRESQL]
            assert len(ran) == 3
            for _, text in ran:
                if "pg_restore" in text:
                    # Another server, with nothing in it.
                    machine.use(empty)
                machine.run(text)
            assert "github" in machine.run("portcullis credentials list")
            machine.run("portcullis credentials rotate --dek")
            rows(machine, gateway, 1)
        finally:
            machine.end()


def edit_a_row(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        assert connection.execute("UPDATE audit_row SET received = received + 1 WHERE seq = 2").rowcount == 1


def test_the_alerts_ask_for_metrics_that_there_are(tmp_path):
    (rules,) = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(groups:.*?)```", GUIDE, re.DOTALL)]
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    assert len(expressions) >= 8 and all(rule["annotations"]["summary"] for rule in rules["groups"][0]["rules"])
    machine = Machine(tmp_path)
    try:
        ours = urllib.request.urlopen(f"http://127.0.0.1:{machine.http}/metrics").read().decode()
    finally:
        machine.end()
    # Those of filters, and of sinks, which this one has none of.
    sources = ("engine/src/telemetry.rs", "sidecar/src/serve/metrics.rs")
    known = ours + "".join((REPOSITORY / source).read_text() for source in sources)
    for expression in expressions:
        assert expression.count("(") == expression.count(")")
        for name in re.findall(r"portcullis_\w+", expression):
            assert name.removesuffix("_bucket") in known, name
