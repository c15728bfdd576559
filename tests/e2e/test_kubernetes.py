"""What the containers of k8s/sidecar run, as it stands in the manifests, with paths and ports of this machine: keys are made as
k8s/README.md says, the schema is made by the Job, and a filter connects with a certificate."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from e2e.harness.envoy import REPOSITORY, Route, sidecar_cluster
from e2e.harness.pki import Authority
from e2e.harness.postgres import Postgres
from e2e.harness.scripted import free_port
from e2e.harness.serve import cli
from e2e.harness.wire import call, post, send
from e2e.policies import policy

pytestmark = pytest.mark.filter

FOLDER = REPOSITORY / "k8s" / "sidecar"
HOST = "portcullis.portcullis.svc.cluster.local"


class Pod:
    """The pod of a manifest, its volumes below `folder`; Secrets are folders there, of their name."""

    def __init__(self, manifest: str, folder: Path, **ports: str) -> None:
        (workload, *_) = yaml.safe_load_all((FOLDER / manifest).read_text())
        self.spec: dict[str, Any] = workload["spec"]["template"]["spec"]
        self.folder, self.ports = folder, ports
        claims = workload["spec"].get("volumeClaimTemplates", [])
        self.volumes = {claim["metadata"]["name"]: folder / claim["metadata"]["name"] for claim in claims}
        for volume in self.spec["volumes"]:
            name = volume["secret"]["secretName"] if "secret" in volume else volume["name"]
            self.volumes[volume["name"]] = folder / name
        for path in self.volumes.values():
            path.mkdir(exist_ok=True)

    def command(self, container: dict[str, Any]) -> list[str]:
        command = [*container.get("command", [cli()]), *container.get("args", [])]
        places = {mount["mountPath"]: self.volumes[mount["name"]] for mount in container["volumeMounts"]}
        mounted = re.compile(rf"(?<![\w/])({'|'.join(map(re.escape, places))})(?![\w-])")

        def here(text: str) -> str:
            text = mounted.sub(lambda found: str(places[found[1]]), text)
            for port, other in self.ports.items():
                text = text.replace(f"0.0.0.0:{port.lstrip('_')}", f"127.0.0.1:{other}")
            return text

        return [here(word) for word in command]

    def prepare(self) -> None:
        """Runs the init containers."""
        for container in self.spec.get("initContainers", []):
            subprocess.run(self.command(container), check=True, timeout=30)

    def run(self) -> list[str]:
        (container,) = self.spec["containers"]
        return self.command(container)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    authority = Authority(tmp_path)
    for secret in ("portcullis-tls", "portcullis-client-tls"):
        (tmp_path / secret).mkdir()
        name = x509.DNSName(HOST if secret == "portcullis-tls" else "envoy")
        certificate, key = authority.issue(secret, name, x509.DNSName("localhost"))
        certificate.rename(tmp_path / secret / "tls.crt")
        key.rename(tmp_path / secret / "tls.key")
        (tmp_path / secret / "ca.crt").write_bytes(authority.file.read_bytes())
    yield tmp_path


def serves(pod: Pod, envoy: Any, upstream: Any) -> None:
    """The pod becomes ready by its probes, and takes the records of a filter with a certificate."""
    tls = pod.folder / "portcullis-client-tls"
    log = (pod.folder / "log").open("wb")
    running = subprocess.Popen(pod.run(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        (container,) = pod.spec["containers"]
        context = ssl.create_default_context(cafile=str(tls / "ca.crt"))
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container[kind]["httpGet"]
            url = f"{probe['scheme'].lower()}://localhost:{pod.ports['_9444']}{probe['path']}"
            deadline = time.monotonic() + 20
            while True:
                assert running.poll() is None and time.monotonic() < deadline, (pod.folder / "log").read_text()
                try:
                    assert urllib.request.urlopen(url, context=context, timeout=5).status == 200
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
        port = int(pod.ports["_9443"])
        own = (tls / "tls.crt", tls / "tls.key")
        block = {"cluster": sidecar_cluster(port) + "-mesh", "audit": "durable"}
        gateway = envoy.gateway([Route(upstream.port)], policy(default="allow", sidecar=block), sidecar=port,
                                sidecar_tls=("mesh", tls / "ca.crt", own))  # fmt: skip
        message = send(gateway.port, post(call("read", {}))).message
        assert "isError" not in message["result"], json.dumps(message)
        running.send_signal(signal.SIGTERM)
        assert running.wait(pod.spec["terminationGracePeriodSeconds"]) == 0
    finally:
        running.kill()
        running.wait()
        log.close()


def ports() -> dict[str, str]:
    return {"_9443": str(free_port()), "_9444": str(free_port())}


def test_two_replicas_on_postgresql_by_the_steps_of_the_guide(envoy, upstream, folder):
    (made,) = re.findall(r"```sh\n(   umask 077\n.*?)```", (REPOSITORY / "k8s/README.md").read_text(), re.DOTALL)
    with Postgres() as database:
        # This database is reached by its socket; everything else is as written.
        socket = database.url("portcullis").replace("%", "%%")
        steps, count = re.subn(r"printf '[^']*' \"[^\"]*\"", f"printf {shlex.quote(socket)}", made)
        assert count == 1
        subprocess.run(["sh", "-euc", steps], cwd=folder, check=True, timeout=30)
        (folder / "admin-url").write_text(database.url("postgres"))
        for secret, names in {"keys": ["audit-key", "filter-token", "fernet-keys"], "store": ["store-url"],
                              "migration": ["admin-url", "role-password"]}.items():  # fmt: skip
            (folder / f"portcullis-{secret}").mkdir()
            for name in names:
                (folder / f"portcullis-{secret}" / name).write_bytes((folder / name).read_bytes())
        job = Pod("migrate.yaml", folder)
        job.prepare()
        done = subprocess.run(job.run(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        for number in range(2):
            pod = Pod("deployment.yaml", folder, **ports())
            # Each replica has a state of its own.
            pod.volumes["state"] = folder / f"state-{number}"
            pod.volumes["state"].mkdir()
            pod.prepare()
            # A container that starts anew finds what an earlier one copied.
            pod.prepare()
            assert {path.stat().st_mode & 0o077 for path in (pod.volumes["state"] / "state").iterdir()} == {0}
            serves(pod, envoy, upstream)
        state = folder / "state-1" / "state"
        verified = subprocess.run([cli(), "audit", "verify", "--full", "--data", state], capture_output=True, text=True,
                                  timeout=60, check=False,
                                  env={**os.environ, "PORTCULLIS_STORE": database.url("portcullis")})  # fmt: skip
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_one_replica_on_sqlite(envoy, upstream, folder):
    for _ in range(2):
        serves(Pod("statefulset.yaml", folder, **ports()), envoy, upstream)
    assert (folder / "data" / "state" / "admin-token").exists()
