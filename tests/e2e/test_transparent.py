"""Through a firewall that allows everything, every official client can do everything it could
without it, with the server of each era: not one answer differs."""

from __future__ import annotations

import pytest
from e2e.harness.clients import PYTHON_1, SESSION_ERA, STATELESS_ERA, TYPESCRIPT_1
from e2e.harness.envoy import PLAIN, Route
from e2e.policies import ALLOW_ALL


def says(text: str, *, error: bool = False):
    """The outcome is a tool result with this text."""
    return lambda outcome: (
        outcome["result"]["content"][0]["text"] == text and bool(outcome["result"].get("isError")) == error
    )


def has(*path, value):
    """The outcome has this value at that place."""

    def check(outcome):
        for key in path:
            outcome = outcome[key]
        return outcome == value

    return check


COMMON = [
    (["call", "echo", {"text": "hi"}], says("echo: hi")),
    (["call", "add", {"a": 1, "b": 2}], has("result", "structuredContent", value={"total": 3})),
    (["call", "fail", {"message": "no"}], says("Error executing tool fail: no", error=True)),
    (["call", "nonesuch", {}], says("Unknown tool: nonesuch", error=True)),
    (["call", "big", {"size": 300_000}], says("x" * 300_000)),
    (["tools"], lambda o: {"echo", "add", "delete_file"} <= set(o["result"])),
    (["resources"], has("result", value=["test://readme", "test://env"])),
    (["read", "test://readme"], has("result", "contents", 0, "text", value="read me")),
    (["read", "test://notes/a"], has("result", "contents", 0, "text", value="note a")),
    (["read", "test://nonesuch"], lambda o: "error" in o),
    (["prompts"], has("result", value=["greet", "deploy"])),
    (["prompt", "greet", {"name": "Bo"}], has("result", "messages", 0, "content", "text", value="Please greet Bo.")),
    (["complete", "greet", "name", "a"], has("result", "completion", "values", value=["ann", "bob"])),
    (["call", "steps", {"count": 2}], says("done")),
    (["call", "ask_model", {"prompt": "p"}], says("model: the model's answer")),
    (["call", "ask_person", {"question": "q"}], says("person: Ann")),
    (["call", "roots", {}], says("file:///roots/one")),
    (
        ["together", [["call", "echo", {"text": str(n)}] for n in range(8)]],
        lambda outcomes: all(says(f"echo: {n}")(outcome) for n, outcome in enumerate(outcomes)),
    ),
    (["call", "cancellations", {}], lambda o: "result" in o),
    (["cancel", "slow", {"seconds": 30}, 0.3], has("result", value="cancelled")),
    (["call", "cancellations", {}], lambda o: "result" in o),
]
ONLY_SESSION_ERA = [
    (["ping"], lambda o: not o["result"].get("isError")),
    (["level", "info"], lambda o: "result" in o),
    (["call", "interrupted", {"leak": False}], says("resumed")),
]
EVENTS = [(["listen", "change_tools"], lambda o: len(o["result"]) == 1)]


def firewall(envoy, port, path="/mcp"):
    return envoy.gateway([Route(port)], None if PLAIN else ALLOW_ALL).url(path)


def check(client, url, revision, script, **options):
    seen = client.run(url, [step for step, _ in script], **options)
    assert seen["revision"] == revision
    counted = []
    for (step, expected), outcome in zip(script, seen["outcomes"], strict=True):
        assert expected(outcome), f"{step[:2]}: {str(outcome)[:300]}"
        if step[1:2] == ["cancellations"]:
            counted.append(int(outcome["result"]["content"][0]["text"]))
    # The server counts them for all clients, one after the other.
    assert ["cancel"] not in [step[:1] for step, _ in script] or counted[1] == counted[0] + 1
    return seen


@pytest.mark.parametrize("client", SESSION_ERA, ids=str)
def test_session_era_clients_with_a_session_era_server(envoy, session_era, client):
    script = COMMON + ONLY_SESSION_ERA + EVENTS
    seen = check(client, firewall(envoy, session_era), "2025-11-25", script)
    assert seen["progress"][:2] == [[1, 2, "step 1"], [2, 2, "step 2"]]
    assert seen["logs"] == ["log line 1", "log line 2", "before the cut", "after the cut"]
    assert [asked.get("message") for asked in seen["asked"]][1] == "q"


@pytest.mark.parametrize("client", STATELESS_ERA, ids=str)
def test_stateless_era_clients_with_a_stateless_era_server(envoy, stateless_era, client):
    seen = check(client, firewall(envoy, stateless_era), "2026-07-28", COMMON + EVENTS)
    assert seen["progress"][:2] == [[1, 2, "step 1"], [2, 2, "step 2"]]
    assert len(seen["asked"]) == 2


@pytest.mark.parametrize("client", [c for c in STATELESS_ERA if c.mode == "auto"], ids=str)
def test_stateless_era_clients_fall_back_for_a_session_era_server(envoy, session_era, client):
    check(client, firewall(envoy, session_era), "2025-11-25", COMMON + ONLY_SESSION_ERA)


@pytest.mark.parametrize("client", [PYTHON_1, TYPESCRIPT_1], ids=str)
def test_session_era_clients_with_a_stateless_era_server(envoy, stateless_era, client):
    """The modern SDK serves old clients too."""
    check(client, firewall(envoy, stateless_era), "2025-11-25", COMMON)


@pytest.mark.parametrize("client", SESSION_ERA, ids=str)
def test_the_transport_of_2024_11_05(envoy, session_era, client):
    """GET /sse names the URL to post to; every answer travels on that one stream."""
    script = [row for row in COMMON if row[0][0] != "cancel"] + [(["ping"], lambda o: "result" in o)]
    seen = check(client, firewall(envoy, session_era, "/sse"), seen_revision(client), script, transport="sse")
    assert seen["logs"] == ["log line 1", "log line 2"]


def seen_revision(client):
    # This SDK does not tell the revision of this transport.
    return None if client.name == "typescript-1" else "2025-11-25"


EVERYTHING = [
    (["tools"], lambda o: {"echo", "get-env", "get-sum"} <= set(o["result"])),
    (["call", "echo", {"message": "hi"}], says("Echo: hi")),
    (["call", "get-sum", {"a": 1, "b": 2}], says("The sum of 1 and 2 is 3.")),
    (["call", "get-structured-content", {"location": "Chicago"}], lambda o: "temperature" in o["result"]["structuredContent"]),
    (["call", "get-tiny-image", {}], lambda o: o["result"]["content"][1]["type"] == "image"),
    (["call", "trigger-long-running-operation", {"duration": 0.2, "steps": 2}], lambda o: "result" in o),
    (["resources"], lambda o: len(o["result"]) >= 7),
    (["prompts"], lambda o: "simple-prompt" in o["result"]),
    (["prompt", "simple-prompt", {}], lambda o: o["result"]["messages"]),
]  # fmt: skip


@pytest.mark.parametrize("client", [PYTHON_1, TYPESCRIPT_1, *STATELESS_ERA[:1]], ids=str)
def test_the_official_everything_server(envoy, everything, client):
    check(client, firewall(envoy, everything), "2025-11-25", EVERYTHING)


def test_the_official_everything_server_over_sse(envoy, everything_sse):
    script = [(["call", "echo", {"message": "hi"}], says("Echo: hi")), EVERYTHING[0]]
    check(TYPESCRIPT_1, firewall(envoy, everything_sse, "/sse"), None, script, transport="sse")
