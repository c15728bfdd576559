"""Rules with `require_mfa`, end to end: an authenticator is enrolled, and its codes let calls through, each once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from e2e.harness.envoy import Gateway, sidecar_cluster
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import policy

pytestmark = pytest.mark.filter


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    with Serve() as running:
        yield running


class Authenticator:
    """What a phone does (RFC 6238), written apart from what is tested."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
        query = parse_qs(parts.query)
        assert (query["algorithm"], query["digits"], query["period"]) == (["SHA1"], ["6"], ["30"])
        self.text = query["secret"][0]
        self.secret = base64.b32decode(self.text + "=" * (-len(self.text) % 8))

    def code(self, offset: int = 0) -> str:
        """The code of now, or of so many steps from now: the sidecar takes one step before and after."""
        # Not at the end of a step, which the sidecar could see as the next one.
        while time.time() % 30 > 27:
            time.sleep(0.2)
        counter = int(time.time() // 30) + offset
        digest = hmac.new(self.secret, struct.pack(">Q", counter), hashlib.sha1).digest()
        start = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"

    def wrong(self) -> str:
        known = {self.code(offset) for offset in range(-3, 4)}
        return next(code for code in map(str, range(100_000, 100_100)) if code not in known)


def enrol(serve: Serve, person: str, token: str = "admin-token") -> tuple[Authenticator, list[str]]:
    """A confirmed authenticator, and recovery codes. The code of the step before is used up."""
    shown = serve.ask("mfa", "enrol", "--principal", person, token=token)
    assert shown.returncode == 0, shown.stderr
    uri = next(line for line in shown.stdout.splitlines() if line.startswith("otpauth:"))
    authenticator = Authenticator(uri)
    codes = serve.ask("mfa", "confirm", "--principal", person, token=token, stdin=authenticator.code(-1) + "\n")
    assert codes.returncode == 0, codes.stderr
    return authenticator, codes.stdout.split()


def paying(gateway: Any, serve: Serve, *people: str, **more: Any) -> Gateway:
    """`pay` takes a one-time code; callers are known by keys."""
    entries = [
        {"sha256": hashlib.sha256(f"key-of-{one}-for-this-test".encode()).hexdigest(), "id": one, "kind": "human"}
        for one in people
    ]
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token, "timeout_ms": 3000}
    plugin = policy(
        default="allow",
        sidecar={**block, **more.pop("sidecar", {})},
        identity={"keys": {"header": "x-api-key", "entries": entries}},
        obligations=[{"id": "code", "match": {"name": ["pay", "deploy"]}, "require_mfa": True}],
        **more,
    )
    return gateway(plugin, sidecar=serve.port)


def pay(port: int, person: str, code: str, tool: str = "pay", **how: Any) -> str:
    """What the caller is told; empty where the call went through."""
    headers = [("x-api-key", f"key-of-{person}-for-this-test"), ("x-request-id", str(uuid.uuid4()))]
    if code:
        headers.append(("x-portcullis-mfa", code))
    message = send(port, post(call(tool, {"amount": 5}), *headers), **how).message
    return json.dumps(message) if message["result"].get("isError") else ""


def actions(serve: Serve, person: str) -> list[str]:
    return [row["action"] for row in serve.rows() if row.get("principal") == person and "action" in row]


def test_a_code_lets_one_call_through_and_is_found_nowhere(gateway, upstream, serve, envoy):
    ann, _ = enrol(serve, "ann")
    port = paying(gateway, serve, "ann").port
    assert '"mfa": "required"' in pay(port, "ann", "")
    used = ann.code()
    assert pay(port, "ann", used) == ""
    assert upstream.one.get("x-portcullis-mfa") is None
    said = pay(port, "ann", used)
    assert "used before" in said and '"mfa": "required"' in said
    assert "code is wrong" in pay(port, "ann", ann.wrong())
    assert pay(port, "ann", ann.code(1)) == ""
    assert len(upstream.requests) == 2
    assert actions(serve, "ann") == [
        "mfa.enrolled", "mfa.confirmed", "mfa.verified", "mfa.replayed", "mfa.failed", "mfa.verified"
    ]  # fmt: skip
    rows = json.dumps(serve.rows())
    for secret in (used, ann.text):
        assert f'"{secret}"' not in rows and secret not in serve.log() and f'"{secret}"' not in envoy.log()
    state = serve.data / "state"
    kept = b"".join(file.read_bytes() for file in state.glob("portcullis.db*"))
    assert ann.text.encode() not in kept and ann.secret not in kept and base64.b64encode(ann.secret) not in kept
    assert serve.run("audit", "verify", "--full").returncode == 0


def test_after_wrong_codes_none_is_taken_until_an_admin_says_so(gateway, upstream, serve):
    bob, _ = enrol(serve, "bob")
    port = paying(gateway, serve, "bob").port
    said = [pay(port, "bob", bob.wrong()) for _ in range(5)]
    assert all("code is wrong" in one for one in said) and "none is taken for a while" in said[4]
    assert "none is taken for a while" in pay(port, "bob", bob.code())
    listed = json.loads(serve.ask("mfa", "list", "--json").stdout)["mfa"]
    assert next(one for one in listed if one["principal"] == "bob")["locked_until"]
    viewer = serve.person("val", "--role", "policy_manager")
    assert serve.ask("mfa", "unlock", "--principal", "bob", token=viewer).returncode == 2
    assert serve.ask("mfa", "unlock", "--principal", "bob").returncode == 0
    assert pay(port, "bob", bob.code()) == ""
    assert actions(serve, "bob")[2:] == ["mfa.failed"] * 4 + ["mfa.locked", "mfa.unlocked", "mfa.verified"]
    assert len(upstream.requests) == 1


def test_a_recovery_code_counts_once_and_survives_a_restart(gateway, upstream, serve):
    _, recovery = enrol(serve, "cleo")
    assert len(recovery) == 10
    port = paying(gateway, serve, "cleo").port
    serve.kill()
    serve.start()
    deadline = time.monotonic() + 10
    while "does not answer" in (said := pay(port, "cleo", recovery[3])):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert said == ""
    assert "code is wrong" in pay(port, "cleo", recovery[3])
    assert actions(serve, "cleo")[2:] == ["mfa.recovered", "mfa.failed"]
    assert recovery[3] not in json.dumps(serve.rows())


def test_people_enrol_their_own_and_only_admins_undo_it(serve):
    dora = serve.person("dora", "--role", "viewer")
    assert "takes the role admin" in serve.ask("mfa", "enrol", "--principal", "someone", token=dora).stderr
    picture = serve.data / "dora.png"
    asked = serve.ask("mfa", "enrol", "--principal", "Dora", "--png", str(picture), token=dora)
    assert asked.returncode == 0 and picture.read_bytes().startswith(b"\x89PNG") and "█" in asked.stdout
    enrol(serve, "Dora", dora)
    assert "confirmed already" in serve.ask("mfa", "enrol", "--principal", "Dora", token=dora).stderr
    assert "takes the role admin" in serve.ask("mfa", "remove", "--principal", "Dora", token=dora).stderr
    assert serve.ask("mfa", "remove", "--principal", "Dora").returncode == 0
    wrong = serve.ask("mfa", "confirm", "--principal", "Dora", token=dora, stdin="000000\n")
    assert wrong.returncode == 2 and "no such thing" in wrong.stderr


def test_without_an_authenticator_or_a_sidecar_no_code_counts(gateway, upstream, serve):
    port = paying(gateway, serve, "eve").port
    assert "no authenticator is enrolled" in pay(port, "eve", "123456").lower()
    assert "no authenticator is enrolled" in pay(port, "nobody", "123456").lower()
    with Serve() as other:
        lenient = {"on_unavailable": {"audit": "allow", "approval": "allow"}, "token": other.token}
        port = paying(gateway, other, "eve", sidecar=lenient).port
        assert "no authenticator is enrolled" in pay(port, "eve", "123456").lower()
        other.kill()
        assert "does not answer" in pay(port, "eve", "123456")
        other.start()
    assert upstream.untouched


def test_a_code_and_an_approval_are_one_question(gateway, upstream, serve):
    fred, _ = enrol(serve, "fred")
    rule = {"id": "asks", "action": "require_approval", "match": {"name": ["deploy"]}, "approval": {"wait": "0s"}}
    gina = serve.person("gina", "--role", "policy_manager")
    port = paying(gateway, serve, "fred", rules=[rule]).port
    # Nobody is asked about a call whose code is wrong.
    assert "code is wrong" in pay(port, "fred", fred.wrong(), "deploy")
    assert json.loads(serve.ask("approvals", "list", "--json", token=gina).stdout) == []
    assert "needs an approval" in pay(port, "fred", fred.code(), "deploy")
    [approval] = json.loads(serve.ask("approvals", "list", "--json", token=gina).stdout)
    assert serve.ask("approvals", "approve", approval["id"], token=gina).returncode == 0
    assert upstream.untouched
    assert pay(port, "fred", fred.code(1), "deploy") == ""
    assert len(upstream.requests) == 1
