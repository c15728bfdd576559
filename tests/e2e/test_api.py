"""The API of the real sidecar behind a real Envoy: by what its own document says, over TLS, and calling tools through the policy."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from e2e.harness.envoy import REPOSITORY, Route, Tls, sidecar_cluster
from e2e.harness.pki import Authority
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, request, send
from e2e.policies import deny, policy
from fixtures.canaries import VALUE
from fixtures.upstream import json_reply

pytestmark = pytest.mark.filter

ASKS = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "approval": {"wait": "0s", "show_arguments": True}}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policy") / "policy.json"


@pytest.fixture(scope="module")
def serve(envoy, _upstream, told) -> Iterator[Serve]:
    """A sidecar that was told the policy of a gateway and where the gateway is."""
    with Serve() as running:
        plugin = policy(deny("no", "rm", reason="Never."), ASKS, default="allow", pins={},
                        sidecar={"cluster": sidecar_cluster(running.port), "token": running.token})  # fmt: skip
        running.gateway = envoy.gateway([Route(_upstream.port)], plugin, sidecar=running.port)
        told.write_text(json.dumps(plugin))
        running.kill()
        running.options = ["--policy", str(told), "--invoke-url", running.gateway.url()]
        running.start()
        yield running


@pytest.fixture(scope="module")
def admin(serve: Serve) -> str:
    return token(serve, "admin-token")


@pytest.fixture(scope="module")
def seeded(serve: Serve, admin: str) -> str:
    """The correlation id of a refused call, once rows of it and of others are there."""
    ids = [str(uuid.uuid4()) for _ in range(4)]
    whats = [call("read", {"k": VALUE}), call("rm", {"k": VALUE}), request("tools/list"), call("deploy", {"k": 1})]
    for id, what in zip(ids, whats, strict=True):
        send(serve.gateway.port, post(what, ("x-request-id", id)))

    def recorded(id: str) -> bool:
        # What people have to decide has rows of its own under the same id.
        return any("direction" in row["record"] for row in ask(serve, admin, f"audit?correlation_id={id}")["rows"])

    until(lambda: all(map(recorded, ids)))
    return ids[1]


def token(serve: Serve, file: str) -> str:
    return (serve.data / "state" / file).read_text().strip()


def ask(serve: Serve, token: str, path: str, body: Any = None, *, raw: bool = False) -> Any:
    sent = urllib.request.Request(f"http://127.0.0.1:{serve.http}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
    if body is not None:
        sent.data = json.dumps(body).encode()
        sent.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(sent, timeout=60) as answer:
        text = answer.read().decode()
        return text if raw else json.loads(text)


def refused(serve: Serve, token: str, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(serve, token, path, body)
    problem = json.loads(caught.value.read())
    assert caught.value.headers["content-type"] == "application/problem+json" and problem["status"] == caught.value.code
    return caught.value.code, problem["detail"]


def until(check: Any, seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
    return found


def test_what_was_recorded_is_found_paged_exported_and_verified(serve, admin, seeded):
    [row] = ask(serve, admin, f"audit?correlation_id={seeded}")["rows"]
    record = row["record"]
    assert (record["decision"], record["rule"], record["tool"], record["argument_keys"]) == ("deny", "no", "rm", ["k"])
    assert ask(serve, admin, f"audit/rows/{row['id']}") == row
    # Every row once, from either end.
    for order in ("newest_first", "oldest_first"):
        seen, cursor = [], ""
        while True:
            page = ask(serve, admin, f"audit?limit=3&order={order}{cursor}")
            seen += [row["seq"] for row in page["rows"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert seen == sorted(set(seen), reverse=order == "newest_first") and 0 in seen
    assert [r["seq"] for r in ask(serve, admin, "audit?decision=deny&tool=rm&since=1h")["rows"]] == [row["seq"]]
    assert ask(serve, admin, "audit?decision=deny&until=2020-01-01")["rows"] == []
    lines = ask(serve, admin, "audit/export?server=s", raw=True).splitlines()
    assert row in [json.loads(line) for line in lines]
    table = list(csv.DictReader(io.StringIO(ask(serve, admin, "audit/export?format=csv&server=s", raw=True))))
    assert [line["id"] for line in table] == [json.loads(line)["id"] for line in lines]
    assert [r["actor"] for r in serve.rows("--action", "audit.exported")] == ["admin", "admin"]
    proof = ask(serve, admin, "audit/verify?last=100000")
    assert proof["intact"] and proof["faults"] == [] and proof["rows"] == proof["to"] + 1
    assert VALUE not in "".join(lines)


def test_statistics_add_up(serve, admin, seeded):
    stats = ask(serve, admin, "stats?since=1h")
    assert stats["complete"] and stats["requests"]["count"] >= 4
    [server] = stats["servers"]
    assert server["server"] == "s" and server["count"] == stats["calls"]["count"] == sum(stats["calls"]["decisions"].values())
    rm = next(tool for tool in stats["tools"] if tool["tool"] == "rm")
    assert (rm["count"], rm["refused"], rm["deny_rate"]) == (1, 1, 1.0) and rm["latency"]["p99_us"] > 0


def test_the_policy_is_shown_without_its_secrets_and_read_again(serve, admin, seeded, told):
    shown = ask(serve, admin, "policy")
    assert [rule["id"] for rule in shown["told"]["rules"]] == ["no", "asks"]
    assert shown["told"]["policy_version"] == shown["recorded"]["policy_version"]
    assert serve.token not in json.dumps(shown)
    before = told.read_text()
    told.write_text(before.replace("Never.", "Not today."))
    serve.signal(signal.SIGHUP)
    until(lambda: ask(serve, admin, "policy")["told"]["policy_version"] != shown["told"]["policy_version"])
    # What cannot be read changes nothing.
    told.write_text("{")
    serve.signal(signal.SIGHUP)
    until(lambda: "the policy stays as it was" in serve.log())
    assert ask(serve, admin, "policy")["told"]["rules"][0]["reason"] == "Not today."
    told.write_text(before)
    serve.signal(signal.SIGHUP)
    until(lambda: ask(serve, admin, "policy")["told"] == shown["told"])
    assert len(serve.rows("--action", "policy.read")) == 2


def test_tools_are_known_by_their_versions(serve, admin, seeded, upstream):
    # What Envoy has seen once of a server is not new to it in the next test.
    name = f"weather-{uuid.uuid4()}"

    def lists(description: str) -> None:
        tool = {"name": name, "description": description, "inputSchema": {"type": "object"}}
        upstream.script = lambda asked: json_reply({"jsonrpc": "2.0", "id": asked.message["id"], "result": {"tools": [tool]}})
        send(serve.gateway.port, post(request("tools/list")))

    def weather() -> Any:
        return next((tool for tool in ask(serve, admin, "tools?server=s")["tools"] if tool["tool"] == name), None)

    lists("Says what the weather is.")
    tool = until(weather)
    [version] = tool["versions"]
    assert not tool["acknowledged"] and tool["changes"] == []
    note = {"sha256": version["sha256"], "note": "fine"}
    done = ask(serve, admin, f"tools/{tool['id']}/acknowledge", note)
    assert done["acknowledged"] and done["acknowledgements"][0]["person"] == "admin"
    for _ in range(2):
        lists("Says what the weather is, and was.")
    tool = until(lambda: found if len((found := weather())["versions"]) == 2 else None)
    [change] = tool["changes"]
    assert (change["from"], change["fields"]) == (version["sha256"], ["/description"]) and not tool["acknowledged"]
    assert [one["tool"] for one in ask(serve, admin, "tools?acknowledged=false")["tools"]].count(name) == 1
    assert refused(serve, admin, f"tools/{tool['id']}/acknowledge", {"sha256": "0" * 64})[0] == 409
    [row] = serve.rows("--action", "tool.acknowledged")
    assert (row["actor"], row["tool"], row["sha256"], row["note"]) == ("admin", name, version["sha256"], "fine")
    acknowledged_on_the_command_line(serve, name, [one["sha256"] for one in tool["versions"]])


def acknowledged_on_the_command_line(serve: Serve, name: str, versions: list[str]) -> None:
    def new() -> list[str]:
        shown = serve.ask("tools", "seen", "--new", "--server", "s")
        assert shown.returncode == 0, shown.stderr
        return [line for line in shown.stdout.splitlines() if f" {name}: " in line]

    def acknowledge(tool: str, version: str) -> subprocess.CompletedProcess[str]:
        return serve.ask("tools", "acknowledge", "s", tool, "--sha256", version, "--note", "read")

    [line] = new()
    assert f"new {versions[1]} (changed, " in line
    for tool, version, why in [(name, "0" * 64, "in no version"), (f"{name}-2", versions[1], "no filter saw")]:
        refusal = acknowledge(tool, version)
        assert refusal.returncode == 2 and why in refusal.stderr
    done = acknowledge(name, versions[1][:12].upper())
    assert done.returncode == 0 and f"acknowledged {versions[1]}" in done.stdout and new() == []
    assert [row["sha256"] for row in serve.rows("--action", "tool.acknowledged")] == versions


def test_a_tool_is_called_through_the_policy(serve, admin, upstream, session_era, stateless_era, envoy):
    viewer = token(serve, serve.person("a-manager", "--role", "policy_manager"))
    assert refused(serve, viewer, "invoke", {"tool": "read"})[0] == 403
    no = ask(serve, admin, "invoke", {"tool": "rm", "arguments": {"k": VALUE}, "authorization": "Bearer " + VALUE})
    assert no["result"]["isError"] and "Never." in json.dumps(no)
    assert "rm" not in [asked.message.get("params", {}).get("name") for asked in upstream.requests if asked.body]
    [row] = until(lambda: ask(serve, admin, f"audit?correlation_id={no['correlation_id']}&tool=rm&decision=deny")["rows"])
    assert row["record"]["rule"] == "no"
    actions = [row for row in serve.rows("--action", "tool.invoked") if row["tool"] == "rm"]
    assert [(row["actor"], row["argument_keys"]) for row in actions] == [("admin", ["k"])]
    assert VALUE not in json.dumps(serve.rows()) and VALUE not in serve.log()
    # A real server of each era.
    for port in (session_era, stateless_era):
        with Serve() as own:
            block = {"cluster": sidecar_cluster(own.port), "token": own.token}
            gateway = envoy.gateway([Route(port)], policy(default="allow", sidecar=block), sidecar=own.port)
            own.kill()
            own.options = ["--invoke-url", gateway.url()]
            own.start()
            done = ask(own, token(own, "admin-token"), "invoke", {"tool": "echo", "arguments": {"text": "hello"}})
            assert done["error"] is None and "hello" in json.dumps(done["result"]), done


def test_a_tool_is_called_over_tls(envoy, upstream, tmp_path):
    authority = Authority(tmp_path)
    listener = Tls(*authority.issue("localhost", x509.DNSName("localhost")))
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "another authority")
    with Serve() as own:
        block = {"cluster": sidecar_cluster(own.port), "token": own.token}
        gateway = envoy.gateway([Route(upstream.port)], policy(default="allow", sidecar=block), sidecar=own.port, tls=listener)
        url = f"https://localhost:{gateway.port}/mcp"
        for ca, works in ((authority, True), (other, False)):
            own.kill()
            own.options = ["--invoke-url", url, "--invoke-ca", str(ca.file)]
            own.start()
            upstream.reset()
            if works:
                done = ask(own, token(own, "admin-token"), "invoke", {"tool": "read"})
                assert done["error"] is None and done["result"], done
            else:
                status, why = refused(own, token(own, "admin-token"), "invoke", {"tool": "read"})
                assert status == 502 and "certificate" in json.dumps(why) and upstream.untouched


def test_schemathesis_finds_nothing(serve, admin, seeded):
    """Answers are as the document says, whatever is sent."""
    from shutil import which

    program = os.environ.get("PORTCULLIS_SCHEMATHESIS") or which("schemathesis")
    assert program, "PORTCULLIS_SCHEMATHESIS names the program; make test-e2e installs it"
    url = f"http://127.0.0.1:{serve.http}/api/v1/openapi.json"
    assert urllib.request.urlopen(url).read() == (REPOSITORY / "docs/openapi.json").read_bytes()
    own = token(serve, serve.person("schemathesis", "--role", "admin"))
    # Revoking is tried without what it learns elsewhere: it would revoke its own token first of all.
    revoking = ["/tokens/{name}", "--phases", "coverage,fuzzing", "--max-time", "10"]
    # What fits together in a credential, a grant or a kill switch, and which patterns are good, no schema says.
    credentials = ["--include-path-regex", "^/(credential|grant|kill-switch|keys)", "--exclude-checks", "positive_data_acceptance", "--max-time", "10"]
    rest = ["--exclude-path", "/tokens/{name}", "--exclude-path-regex", "^/(credential|grant|kill-switch|keys)", "--max-time", "30"]
    for more in (rest, credentials, ["--include-path", *revoking]):
        command = [program, "run", url, "--header", f"Authorization: Bearer {own}", "--max-examples", "12",
                   "--seed", "1", "--request-timeout", "20", *more]  # fmt: skip
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=serve.data)
        assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr
    assert "admin" in {token["name"] for token in ask(serve, admin, "tokens")["tokens"]}
    assert ask(serve, admin, "audit/verify?last=100000")["intact"]


# === TLS ===


def test_over_tls_and_with_client_certificates(envoy, upstream, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("localhost", x509.DNSName("localhost"))
    client = authority.client()
    with Serve() as serve:
        serve.kill()
        serve.options = ["--tls-cert", str(certificate), "--tls-key", str(key), "--client-ca", str(authority.file)]
        serve.start()
        secret, url = token(serve, "admin-token"), f"https://localhost:{serve.http}"
        with urllib.request.urlopen(f"{url}/login", context=client) as answer:
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        form = urllib.request.Request(f"{url}/login", data=f"token={secret}".encode())
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=client), NoRedirect())
        with pytest.raises(urllib.error.HTTPError) as answer:
            opener.open(form)
        cookie = answer.value.headers["set-cookie"]
        assert cookie.startswith("__Host-portcullis=") and "; Secure" in cookie
        with pytest.raises((urllib.error.URLError, ConnectionError, HTTPException)):
            urllib.request.urlopen(f"http://localhost:{serve.http}/health", timeout=5)
        # The command line, which believes the authority alone that it was named.
        where = ["--url", f"https://localhost:{serve.http}", "--token-file", str(serve.data / "state/admin-token")]
        listed = serve.ask_as("tokens", "list", *where, "--ca-file", str(authority.file))
        assert listed.returncode == 0, listed.stderr
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other", "another authority")
        assert serve.ask_as("tokens", "list", *where, "--ca-file", str(other.file)).returncode == 2
        # The filter's port: with a certificate of the authority no token is needed, without one there is nothing.
        for certified in (True, False):
            shown = authority.issue("envoy", x509.DNSName("envoy")) if certified else None
            block = {"cluster": sidecar_cluster(serve.port) + f"-{certified}", "audit": "durable"}
            plugin = policy(default="allow", sidecar=block)
            gateway = envoy.gateway([Route(upstream.port)], plugin, sidecar=serve.port,
                                    sidecar_tls=(certified, authority.file, shown))  # fmt: skip
            body = send(gateway.port, post(call("read"))).body
            assert (b"audit:durable" in body) != certified, body
        # New certificates without a restart; what cannot be read changes nothing.
        renewed, renewed_key = other.issue("localhost", x509.DNSName("localhost"))
        certificate.write_bytes(renewed.read_bytes())
        serve.signal(signal.SIGHUP)
        until(lambda: "the certificates stay as they were" in serve.log())
        assert urllib.request.urlopen(f"{url}/health", context=client).status == 200
        key.write_bytes(renewed_key.read_bytes())
        serve.signal(signal.SIGHUP)
        until(lambda: "the certificates were read again" in serve.log())
        assert urllib.request.urlopen(f"{url}/health", context=other.client()).status == 200
        with pytest.raises(urllib.error.URLError) as answer:
            urllib.request.urlopen(f"{url}/health", context=client)
        assert isinstance(answer.value.reason, ssl.SSLError)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def test_many_at_once_are_answered_or_told_to_come_back(serve, admin, seeded):
    def one(_: int) -> int:
        try:
            ask(serve, admin, "audit/verify?last=100000")
            return 200
        except urllib.error.HTTPError as error:
            return error.code

    with ThreadPoolExecutor(16) as pool:
        codes = set(pool.map(one, range(64)))
    assert 200 in codes and codes <= {200, 503}
