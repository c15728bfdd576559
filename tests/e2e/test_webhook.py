"""Webhooks: a receiver that verifies signatures is told of approvals, and a link in the message decides once."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from e2e.harness.envoy import Gateway, sidecar_cluster
from e2e.harness.serve import Serve
from e2e.harness.wire import call, post, send
from e2e.policies import policy
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

pytestmark = pytest.mark.filter
OMARS_KEY = "the-key-of-omar-in-this-test"


class Receiver:
    """A real receiver: what it cannot verify by the library of the scheme it refuses."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.taken: dict[str, list[tuple[str, Any]]] = {}
        self.refusals = 0
        self._fail = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(receiver.take(self.path.strip("/"), dict(self.headers.items()), body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, name: str, headers: dict[str, str], body: bytes) -> int:
        try:
            message = Webhook(self.secrets[name]).verify(body, {k.lower(): v for k, v in headers.items()})
        except WebhookVerificationError:
            self.refusals += 1
            return 401
        if self._fail:
            self._fail -= 1
            return 503
        self.taken.setdefault(name, []).append((headers["webhook-id"], message))
        return 204

    def fail(self, times: int) -> None:
        self._fail = times

    def wait(self, name: str, count: int, event: str = "") -> list[tuple[str, Any]]:
        """The first messages to it, of that event where one is said; they may come in any order."""
        deadline = time.monotonic() + 25
        while len(found := [one for one in self.taken.get(name, []) if event in one[1].get("type", "")]) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count}, {self.refusals} refused"
            time.sleep(0.05)
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


@pytest.fixture(scope="module")
def serve(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    place = tmp_path_factory.mktemp("webhooks")
    every = ["approval.requested", "approval.decided", "approval.expired"]
    hooks = [
        {"name": name, "url": f"http://127.0.0.1:{receiver.port}/{name}", "secret_file": f"{name}.secret", **more}
        for name, more in {
            "all": {"events": every, "decides_as": "omar"},
            "slack": {"format": "slack"},
            "teams": {"format": "teams"},
            "elsewhere": {"tenant": "another"},
        }.items()
    ]
    (place / "webhooks.json").write_text(json.dumps({"webhooks": hooks}))
    with Serve("--webhooks", str(place / "webhooks.json"), "--public-url", "http://127.0.0.1:1/base") as running:
        for file in place.glob("*.secret"):
            receiver.secrets[file.stem] = file.read_text().strip()
        running.person("omar", "--role", "policy_manager")
        yield running


@pytest.fixture(autouse=True)
def forget(receiver: Receiver) -> None:
    receiver.taken.clear()


def deploying(gateway: Any, serve: Serve, wait: str, **terms: Any) -> Gateway:
    rule = {
        "id": "asks", "action": "require_approval", "match": {"name": ["deploy"]},
        "approval": {"wait": wait, **terms}, "description": str(uuid.uuid4()),
    }  # fmt: skip
    block = {"cluster": sidecar_cluster(serve.port), "token": serve.token}
    omar = {"sha256": hashlib.sha256(OMARS_KEY.encode()).hexdigest(), "id": "Omar", "kind": "human"}
    keys = {"keys": {"header": "x-api-key", "entries": [omar]}}
    return gateway(policy(rule, default="allow", sidecar=block, identity=keys), sidecar=serve.port)


def visit(serve: Serve, link: str, form: dict[str, str] | None = None) -> tuple[int, str, dict[str, str]]:
    """Opens a link, or sends the form on its page. The link says where people come from; here it is the sidecar itself."""
    path = urllib.parse.urlsplit(link).path.removeprefix("/base")
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{serve.http}{path}", data, timeout=10) as got:
            return got.status, got.read().decode(), dict(got.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def test_a_receiver_is_told_and_its_link_decides_once(gateway, upstream, serve, receiver):
    port = deploying(gateway, serve, "30s").port
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(send, port, post(call("deploy", {"to": "<b>prod</b>"})), timeout=40)
        [(_, told)] = receiver.wait("all", 1, "requested")
        link = told["data"]["decide_link"]
        assert told["type"] == "approval.requested" and link.startswith("http://127.0.0.1:1/base/links/default/")
        approval = told["data"]["approval"]
        assert approval["tool"] == "deploy" and "arguments" not in approval and "prod" not in json.dumps(told)
        # Whatever opens it, however often, decides nothing.
        for _ in range(3):
            status, page, headers = visit(serve, link)
            assert status == 200 and "You decide as</th><td>omar" in page and "<script" not in page
            assert "default-src 'none'" in headers["content-security-policy"]
            assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert upstream.untouched
        assert visit(serve, link + "0", {"decision": "approve"})[0] == 404
        assert visit(serve, link, {"decision": "perhaps"})[0] == 422
        status, page, _ = visit(serve, link, {"decision": "approve", "note": "fine"})
        assert status == 200 and "approved" in page
        assert not held.result(20).message["result"].get("isError")
    assert visit(serve, link, {"decision": "deny"})[0] == visit(serve, link)[0] == 404
    assert len(upstream.requests) == 1
    [(_, decided)] = receiver.wait("all", 1, "decided")
    assert decided["type"] == "approval.decided" and "decide_link" not in decided["data"]
    vote = decided["data"]["approval"]["votes"][0]
    assert (vote["person"], vote["note"]) == ("omar", "fine")
    rows = [row["action"] for row in serve.rows("--approval", approval["id"]) if "action" in row]
    assert {"approval.requested", "webhook.delivered", "link.used", "approval.approved", "approval.used"} <= set(rows)
    secret = link.rsplit("/", 1)[1]
    kept = b"".join(file.read_bytes() for file in (serve.data / "state").glob("portcullis.db*"))
    assert secret.encode() not in kept and secret not in serve.log()
    assert "elsewhere" not in receiver.taken and receiver.refusals == 0


def test_chats_get_their_form(gateway, upstream, serve, receiver):
    port = deploying(gateway, serve, "0s", show_arguments=True).port
    send(port, post(call("deploy", {"why": "<!channel> & [x](https://evil.test)"})))
    [(_, slack)] = receiver.wait("slack", 1)
    texts = [block["text"] for block in slack["blocks"] if "text" in block]
    assert all(text["type"] == "plain_text" for text in texts) and "evil.test" in json.dumps(slack)
    [actions] = [block for block in slack["blocks"] if block["type"] == "actions"]
    [button] = actions["elements"]
    assert button["url"].startswith("http://127.0.0.1:1/base/approvals/")
    [(_, teams)] = receiver.wait("teams", 1)
    card = teams["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard" and "evil.test" in json.dumps(card["body"])
    assert all("evil.test" not in block.get("text", "") for block in card["body"])
    # What comes late would be taken for the next test's.
    receiver.wait("all", 1, "requested")


def test_who_asks_does_not_decide_by_the_link_either(gateway, upstream, serve, receiver):
    port = deploying(gateway, serve, "0s").port
    send(port, post(call("deploy"), ("x-api-key", OMARS_KEY)))
    [(_, told)] = receiver.wait("all", 1, "requested")
    assert told["data"]["approval"]["principal"] == "Omar"
    status, page, _ = visit(serve, told["data"]["decide_link"], {"decision": "approve"})
    assert status == 403 and "cannot decide" in page
    assert upstream.untouched


def test_a_message_outlives_a_receiver_that_fails_and_a_sidecar_that_is_killed(gateway, upstream, serve, receiver):
    receiver.fail(3)
    port = deploying(gateway, serve, "0s").port
    send(port, post(call("deploy")))
    time.sleep(1)
    serve.kill()
    serve.start()
    [(first, told)] = receiver.wait("all", 1, "requested")
    receiver.wait("slack", 1)
    receiver.wait("teams", 1)
    time.sleep(2)
    assert [id for id, message in receiver.taken["all"] if message["type"] == "approval.requested"] == [first]
    # A link of an earlier try would be of no use; this one is.
    assert visit(serve, told["data"]["decide_link"], {"decision": "deny"})[0] == 200


def test_nobody_decides_by_a_link_whose_token_was_revoked(gateway, upstream, serve, receiver):
    port = deploying(gateway, serve, "0s").port
    send(port, post(call("deploy")))
    [(_, told)] = receiver.wait("all", 1, "requested")
    assert serve.ask("tokens", "revoke", "omar").returncode == 0
    link = told["data"]["decide_link"]
    assert visit(serve, link)[0] == visit(serve, link, {"decision": "approve"})[0] == 404
    assert re.search(r"/links/default/[0-9a-f]{20}/[0-9a-f]{64}$", link)
    assert upstream.untouched
