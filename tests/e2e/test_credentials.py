"""Credentials of servers: the filter, the real sidecar and real Envoy. A server gets one by a grant alone; the client and
the log never see it."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import sqlite3
import ssl
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet, MultiFernet
from e2e.harness.audit import Audit
from e2e.harness.clients import PYTHON_1
from e2e.harness.envoy import Gateway, Route, sidecar_cluster
from e2e.harness.pki import Authority
from e2e.harness.raw import Trial
from e2e.harness.serve import Serve
from e2e.harness.wire import Send, call, post, request, send
from e2e.policies import deny, policy
from fixtures.authorization import CLIENT, Authorization
from fixtures.authorization import SECRET as CLIENT_SECRET
from fixtures.keys import ACCESS, ARN, SECRET, VAULT_TOKEN, Kms, Vault
from fixtures.upstream import Upstream, event, json_reply, raw, sse_reply, text_result

pytestmark = pytest.mark.filter

TOKEN = "gh-token-" + uuid.uuid4().hex
"""What is injected: must be in no answer, log, record or database."""

KEYS = {person: f"key-of-{person}-{uuid.uuid4().hex}" for person in ("anna", "ben")}


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    with Serve() as running:
        add(running, "github", TOKEN)
        grant(running, "github", "--principal", "anna")
        yield running
        assert TOKEN not in running.log()
        for file in (running.data / "state").iterdir():
            assert TOKEN.encode() not in file.read_bytes(), file


def secret_file(serve: Serve, secret: str) -> str:
    path = serve.data / f"secret-{uuid.uuid4().hex}"
    path.touch(0o600)
    path.write_text(secret + "\n")
    return str(path)


def add(serve: Serve, name: str, secret: str, *options: str) -> None:
    options = options or ("--kind", "api_key")
    done = serve.ask("credentials", "add", name, "--secret-file", secret_file(serve, secret), *options)
    assert done.returncode == 0, done.stderr
    assert secret not in done.stdout + done.stderr


def grant(serve: Serve, credential: str, *options: str, server: str = "s") -> str:
    done = serve.ask("grants", "add", "--server", server, "--credential", credential, *options)
    assert done.returncode == 0, done.stderr
    tenant = options[options.index("--tenant") :][:2] if "--tenant" in options else ()
    found = json.loads(serve.ask("grants", "list", "--json", *tenant).stdout)["grants"]
    return max(found, key=lambda one: one["created"])["id"]


def config(serve: Serve, *rules: Any, credentials: Any = None, **more: Any) -> Any:
    people = [
        {"sha256": hashlib.sha256(key.encode()).hexdigest(), "id": person, "kind": "human", "roles": ["dev"]}
        for person, key in KEYS.items()
    ]
    # Each test has a policy of its own.
    rules = (*rules, deny(str(uuid.uuid4()), "no-such-tool"))
    return policy(*rules, **{
        "default": "allow",
        "servers": [{"name": "s", "credentials": {"plaintext": True, **(credentials or {})}}],
        "identity": {"keys": {"header": "authorization", "entries": people}},
        "sidecar": {"cluster": sidecar_cluster(serve.port), "token": serve.token, "timeout_ms": 5000},
        **more,
    })  # fmt: skip


def guarded(gateway: Any, serve: Serve, *rules: Any, **more: Any) -> Gateway:
    return gateway(config(serve, *rules, **more), sidecar=serve.port)


def by(person: str, what: Send) -> Send:
    return what.with_headers(("authorization", f"Bearer {KEYS[person]}"))


def rows_of(serve: Serve, id: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 15
    while not (rows := serve.rows("--correlation", id)):
        assert time.monotonic() < deadline, serve.log()
        time.sleep(0.1)
    return rows


def refused(got: Any, rule: str = "credential:none") -> None:
    assert rule in json.dumps(got.message), got.message


@pytest.mark.parametrize("http", [1, 2])
def test_the_server_gets_it_and_nobody_else_sees_it(gateway, upstream, serve, envoy, http):
    trial = Trial(guarded(gateway, serve, credentials={}, audit={"log": "all"}), upstream, http)
    got = trial(by("anna", post(call("read", {}))))
    assert upstream.one.all("authorization") == [f"Bearer {TOKEN}"]
    assert "isError" not in got.message["result"]
    record = trial.record
    assert record["credential_id"] == "github"
    [row] = rows_of(serve, trial.id)
    assert row["credential_id"] == "github"
    for seen in (got, record, row, envoy.log(), envoy.admin("/config_dump")):
        assert TOKEN not in str(seen) and KEYS["anna"] not in str(seen)


def test_other_principals_servers_and_refused_calls_get_none(gateway, upstream, serve):
    port = guarded(gateway, serve, deny("no", "rm")).port
    refused(send(port, by("ben", post(call("read", {})))))
    refused(send(port, post(call("read", {}))))
    refused(send(port, by("anna", post(call("rm", {})))), "no")
    assert upstream.untouched
    # An open server: nothing is injected where nothing is configured.
    port = guarded(gateway, serve, servers=[{"name": "s"}]).port
    send(port, by("anna", post(call("read", {}))))
    assert upstream.one.get("authorization") is None
    # Those without a grant go on without, where that is configured.
    upstream.reset()
    port = guarded(gateway, serve, credentials={"required": False}).port
    send(port, by("ben", post(call("read", {}))))
    assert upstream.one.get("authorization") is None


def test_another_tenant_gets_none(gateway, upstream, serve):
    entry = {"sha256": hashlib.sha256(b"other").hexdigest(), "id": "anna", "kind": "human", "tenant": "other"}
    port = guarded(gateway, serve, identity={"keys": {"header": "authorization", "entries": [entry]}}).port
    refused(send(port, post(call("read", {}), ("authorization", "Bearer other"))))
    assert upstream.untouched


def test_a_revoked_grant_stops_the_next_call(gateway, upstream, serve):
    id = grant(serve, "github", "--principal", "ben")
    port = guarded(gateway, serve).port
    assert "isError" not in send(port, by("ben", post(call("read", {})))).message["result"]
    done = serve.ask("grants", "revoke", id)
    assert done.returncode == 0, done.stderr
    refused(send(port, by("ben", post(call("read", {})))))
    assert len(upstream.requests) == 1
    actions = [row["action"] for row in serve.rows() if row.get("action", "").startswith("grant.")]
    assert actions[-1] == "grant.revoked"


def test_everything_that_is_sent_has_it(gateway, upstream, serve):
    port = guarded(gateway, serve).port
    for what in (
        post(request("ping")),
        post({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        post({"jsonrpc": "2.0", "id": 7, "result": {"roots": []}}),
        Send("GET", "/mcp", [("host", "localhost"), ("accept", "text/event-stream")]),
        Send("DELETE", "/mcp", [("host", "localhost"), ("mcp-session-id", "s-1")]),
    ):
        upstream.reset()
        send(port, by("anna", what))
        assert upstream.one.all("authorization") == [f"Bearer {TOKEN}"], what


def echoes(seen: str) -> dict[str, Any]:
    encoded = base64.b64encode(f"you sent: Authorization: {seen}.".encode()).decode()
    text = json.dumps(text_result(1, f"{seen} {encoded} {urllib.parse.quote(seen)}"))
    escaped = text.replace("gh-token", "\\u0067h-token").encode()
    told = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": seen}}
    stream = event(told, id=f"{seen}-1") + f": {seen}\n\nevent: message\ndata: ".encode() + escaped + b"\n\n"
    return {
        "json": json_reply(escaped),
        "chunked": json_reply(escaped, chunked=True),
        "header": json_reply(text_result(1, "ok"), headers=f"x-echo: {seen}"),
        "error": json_reply({"error": f"bad token {seen}"}, status="401 Unauthorized"),
        "text": raw(f"HTTP/1.1 500 Oh\ncontent-type: text/plain\ncontent-length: {len(seen)}", seen.encode(), close=False),
        "stream": sse_reply(stream),
        "torn": sse_reply(stream, at=sorted(random.Random(5).sample(range(1, len(stream)), 60))),
        "trailers": raw(
            "HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked\ntrailer: x-echo",
            b"0\r\nx-echo: " + seen.encode() + b"\r\n\r\n", close=False,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
@pytest.mark.parametrize("http", [1, 2])
@pytest.mark.parametrize("kind", list(echoes("")))
def test_what_comes_back_is_taken_out(gateway, upstream, serve, kind, http, mode):
    upstream.script = lambda request: echoes(request.get("authorization"))[kind]
    trial = Trial(guarded(gateway, serve, mode=mode), upstream, http)
    got = trial(by("anna", post(call("read", {}))))
    assert upstream.one.get("authorization") == f"Bearer {TOKEN}"
    records = Audit(trial.gateway.envoy).of(trial.id, count=2 if kind in ("stream", "torn") else 1)
    seen = str(got) + got.body.decode() + json.dumps(records)
    plain = seen.replace("\\u0067", "g")
    assert TOKEN not in plain and TOKEN[3:30] not in plain
    for word in plain.replace('"', " ").split():
        try:
            assert TOKEN.encode() not in base64.b64decode(word + "=="), word
        except ValueError:
            pass
    if kind in ("json", "stream"):
        assert "[REDACTED:credential]" in seen
        assert [one["decision"] for one in records if one["direction"] == "request"] == ["redact"]


def test_while_the_sidecar_is_away_nothing_is_sent(gateway, upstream):
    with Serve() as serve:
        add(serve, "github", TOKEN)
        grant(serve, "github", "--role", "dev")
        strict = guarded(gateway, serve).port
        lax = guarded(gateway, serve, credentials={"on_unavailable": "allow"}).port
        assert "isError" not in send(strict, by("ben", post(call("read", {})))).message["result"]
        serve.kill()
        upstream.reset()
        refused(send(strict, by("ben", post(call("read", {})))))
        assert upstream.untouched
        send(lax, by("ben", post(call("read", {}))))
        assert upstream.one.get("authorization") is None
        serve.start()
        assert "isError" not in send(strict, by("ben", post(call("read", {})))).message["result"]
        assert upstream.requests[-1].get("authorization") == f"Bearer {TOKEN}"


def test_without_tls_it_is_sent_once_at_most_and_the_answer_withheld(gateway, upstream, serve, tls_upstream, envoy):
    trial = Trial(guarded(gateway, serve, credentials={"plaintext": False}), upstream)
    refused(trial(by("anna", post(call("read", {})))), "credential:plaintext")
    assert len(upstream.requests) == 1
    for _ in range(4):
        got = trial(by("anna", post(call("read", {}))))
        assert got.status == 502 and trial.record["rule"] == "credential:plaintext"
    assert len(upstream.requests) == 1
    port = envoy.gateway(
        [Route(tls_upstream.port, tls=True)], config(serve, credentials={"plaintext": False}), sidecar=serve.port
    ).port
    assert "isError" not in send(port, by("anna", post(call("read", {})))).message["result"]
    assert tls_upstream.one.get("authorization") == f"Bearer {TOKEN}"


def test_an_unreachable_server_is_not_taken_for_one_without_tls(envoy, serve):
    with Upstream() as gone:
        port = gone.port
    gate = envoy.gateway([Route(port)], config(serve, credentials={"plaintext": False}), sidecar=serve.port).port
    for _ in range(2):
        assert send(gate, by("anna", post(call("read", {})))).status == 503


def test_it_takes_the_place_of_what_the_client_sent(gateway, upstream, serve):
    add(serve, "search", "search-key-" + "0123", "--kind", "api_key", "--header", "x-api-key")
    grant(serve, "search", "--principal", "anna", server="search")
    port = guarded(gateway, serve, servers=[{"name": "search", "credentials": {"plaintext": True}}]).port
    send(port, by("anna", post(call("read", {}), ("x-api-key", "mine"), ("X-API-Key", "mine-too"))))
    assert upstream.one.all("x-api-key") == ["search-key-0123"]
    assert upstream.one.get("authorization") is None


def test_an_official_client_works_through_it(gateway, session_era, envoy, serve):
    port = envoy.gateway([Route(session_era)], config(serve), sidecar=serve.port, caller=("authorization", f"Bearer {KEYS['anna']}"))
    seen = PYTHON_1.run(port.url(), [["call", "echo", {"text": "hi"}]])
    assert "hi" in json.dumps(seen), seen


# === OAuth ===


def test_an_authorization_code_is_exchanged_renewed_and_its_owners_alone(gateway, upstream):
    with Authorization() as idp, Serve() as serve:
        idp.redirect_uri = f"http://127.0.0.1:{serve.http}/api/v1/oauth/callback"
        idp.lifetime = 2
        add(
            serve, "drive", CLIENT_SECRET, "--kind", "authorization_code", "--owner", "anna", "--client-id", CLIENT,
            "--client-auth", "post", "--scopes", "files", "--authorize-url", f"{idp.url}/authorize",
            "--token-url", f"{idp.url}/token", "--redirect-uri", idp.redirect_uri,
        )  # fmt: skip
        assert serve.ask("grants", "add", "--server", "s", "--credential", "drive", "--principal", "ben").returncode == 2
        grant(serve, "drive", "--principal", "anna")
        port = guarded(gateway, serve).port
        refused(send(port, by("anna", post(call("read", {})))))
        url = serve.ask("credentials", "authorize", "drive").stdout.strip()
        done = httpx.get(url, follow_redirects=True)
        assert (done.status_code, done.url.path) == (200, "/api/v1/oauth/callback"), done.text
        assert httpx.get(done.url).status_code == 400, "a state was good twice"
        for lived in range(3):
            send(port, by("anna", post(call("read", {}))))
            assert upstream.requests[-1].get("authorization") == f"Bearer {idp.access[-1]}"
            assert len(idp.access) == lived + 1
            time.sleep(2.1)
        refused(send(port, by("ben", post(call("read", {})))))
        # Revoked at the authorization server.
        idp.refresh.clear()
        refused(send(port, by("anna", post(call("read", {})))))
        [shown] = json.loads(serve.ask("credentials", "list", "--json").stdout)["credentials"]
        assert shown["failed"]["error"] == "invalid_grant"
        seen = serve.log() + json.dumps(serve.rows()) + json.dumps(shown)
        files = b"".join(file.read_bytes() for file in (serve.data / "state").iterdir())
        for secret in [*idp.access, CLIENT_SECRET]:
            assert secret not in seen and secret.encode() not in files


# === keys ===


def kept(serve: Serve, kind: str) -> list[Any]:
    with sqlite3.connect(serve.data / "state" / "portcullis.db") as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM item WHERE kind = ?", (kind,))]


def given(gateway: Any, upstream: Upstream, serve: Serve) -> str | None:
    upstream.reset()
    send(guarded(gateway, serve).port, by("anna", post(call("read", {}))))
    return upstream.requests[-1].get("authorization") if upstream.requests else None


def test_fernet_keys_are_those_of_python(gateway, upstream, tmp_path):
    first, second = Fernet.generate_key(), Fernet.generate_key()
    file = tmp_path / "fernet"
    file.touch(0o600)
    file.write_bytes(first + b"\n")
    with Serve("--kek", f"fernet:{file}") as serve:
        add(serve, "github", TOKEN)
        grant(serve, "github", "--principal", "anna")
        assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"
        [key] = kept(serve, "credential_key")
        assert len(Fernet(first).decrypt(key["wrapped"])) == 64
        # What Python wraps, the sidecar opens.
        serve.kill()
        key["wrapped"] = MultiFernet([Fernet(first)]).rotate(key["wrapped"]).decode()
        with sqlite3.connect(serve.data / "state" / "portcullis.db") as database:
            database.execute("UPDATE item SET body = ? WHERE kind = 'credential_key'", (json.dumps(key),))
        serve.start()
        assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"
        # Rotation as with MultiFernet: the new key goes first.
        file.write_bytes(second + b"\n" + first + b"\n")
        assert serve.ask("credentials", "rotate", "--kek").returncode == 0
        [key] = kept(serve, "credential_key")
        assert len(Fernet(second).decrypt(key["wrapped"])) == 64
        file.write_bytes(second + b"\n")
        serve.kill()
        serve.start()
        assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"


def test_vault_wraps_keys_and_its_own_rotation_is_taken_up(gateway, upstream, tmp_path):
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(VAULT_TOKEN)
    with Vault() as vault:
        options = ("--kek", f"vault:http://{vault.address}/transit/portcullis", "--vault-token-file", str(token))
        with Serve(*options) as serve:
            add(serve, "github", TOKEN)
            grant(serve, "github", "--principal", "anna")
            assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"
            [key] = kept(serve, "credential_key")
            assert key["wrapped"].startswith("vault:v1:")
            vault.rotate()
            assert serve.ask("credentials", "rotate", "--kek").returncode == 0
            [key] = kept(serve, "credential_key")
            assert key["wrapped"].startswith("vault:v2:")
            # While Vault is away, keys that were unwrapped stay for a while; a new process has none.
            vault.up = False
            assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"
            serve.kill()
            serve.start()
            assert given(gateway, upstream, serve) is None
            failed = serve.ask("credentials", "rotate", "--dek")
            assert failed.returncode == 2 and "Vault answers 503" in failed.stderr, failed.stderr
            vault.up = True
            assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"
            assert serve.ask("credentials", "rotate", "--dek").returncode == 0
            assert VAULT_TOKEN not in serve.log() + failed.stderr


def test_aws_kms_wraps_keys_and_a_move_to_a_key_file_is_a_rotation(gateway, upstream):
    with Kms() as kms:
        aws = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_KMS": f"http://{kms.address}"}
        with Serve("--kek", f"aws-kms:{ARN}", **aws) as serve:
            add(serve, "github", TOKEN)
            grant(serve, "github", "--principal", "anna")
            assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"
            assert kms.calls[0] == "TrentService.Encrypt"
            serve.kill()
            serve.options = ("--kek", "local", "--kek-old", f"aws-kms:{ARN}")
            serve.start()
            assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"
            assert "TrentService.Decrypt" in kms.calls
            assert serve.ask("credentials", "rotate", "--kek").returncode == 0
            serve.kill()
            serve.options = ()
            serve.start()
            assert given(gateway, upstream, serve) == f"Bearer {TOKEN}"


def test_a_signature_with_another_key_is_refused():
    with Kms() as kms:
        aws = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL_KMS": f"http://{kms.address}"}
        with Serve("--kek", f"aws-kms:{ARN}", **aws) as serve:
            path = secret_file(serve, TOKEN)
            done = serve.ask("credentials", "add", "github", "--kind", "api_key", "--secret-file", path)
            assert done.returncode == 2 and "AWS KMS answers 400" in done.stderr, done.stderr


def test_killed_at_random_while_keys_rotate_nothing_is_lost():
    chance = random.Random(11)
    tenants = [f"t{number}" for number in range(4)]
    with Serve() as serve:
        for tenant in tenants:
            add(serve, "github", f"{TOKEN}-{tenant}", "--kind", "api_key", "--tenant", tenant)
            grant(serve, "github", "--principal", "anna", "--tenant", tenant)
        for round in range(10):
            what = "--dek" if round % 2 else "--kek"
            rotation = threading.Thread(target=serve.ask, args=("credentials", "rotate", what))
            rotation.start()
            time.sleep(chance.uniform(0.0, 0.06))
            serve.kill()
            rotation.join()
            serve.start()
            for tenant in tenants:
                # A replacement opens what is sealed: it must be whole, with whichever key.
                path = secret_file(serve, f"{TOKEN}-{tenant}-{round}")
                done = serve.ask("credentials", "replace", "github", "--secret-file", path, "--tenant", tenant)
                assert done.returncode == 0, done.stderr
        for what in ("--dek", "--kek"):
            done = serve.ask("credentials", "rotate", what)
            assert done.returncode == 0, done.stderr
        assert serve.run("audit", "verify", "--full").returncode == 0


# === the API ===


def test_secrets_go_in_and_never_come_out_and_roles_count(serve):
    viewer, manager = serve.person("viewer", "--role", "viewer"), serve.person("manager", "--role", "policy_manager")
    path = secret_file(serve, TOKEN)
    assert serve.ask("credentials", "list", token=viewer).returncode == 2
    assert serve.ask("credentials", "list", token=manager).returncode == 0
    for command in (
        ("credentials", "add", "x", "--kind", "api_key", "--secret-file", path),
        ("credentials", "replace", "github", "--secret-file", path),
        ("credentials", "remove", "github"),
        ("credentials", "authorize", "github"),
        ("credentials", "rotate", "--dek"),
        ("grants", "add", "--server", "s", "--credential", "github", "--role", "dev"),
        ("grants", "revoke", "x"),
    ):
        done = serve.ask(*command, token=manager)
        assert done.returncode == 2 and "403" in done.stderr, done.stderr
    admin = (serve.data / "state" / "admin-token").read_text().strip()
    url = f"http://127.0.0.1:{serve.http}/api/v1/credentials"
    headers = {"authorization": f"Bearer {admin}"}
    for body in (f'{{"name": "x", "secret": ["{TOKEN}"]}}', f'{{"{TOKEN}": 1}}', TOKEN, f'{{"name": "x", "kind": "{TOKEN}"}}'):
        got = httpx.post(url, content=body, headers=headers)
        assert got.status_code == 400 and TOKEN not in got.text, got.text
    assert TOKEN not in httpx.get(url, headers=headers).text + httpx.get(f"{url}/github", headers=headers).text


@pytest.fixture(scope="module")
def tls_upstream(tmp_path_factory) -> Iterator[Upstream]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Authority(tmp_path_factory.mktemp("upstream")).issue("upstream"))
    with Upstream(context) as running:
        yield running

