"""Secrets do not pass: in arguments they stop the call, in what a server says they are redacted,
wherever in the message and in whichever kind of answer they travel."""

from __future__ import annotations

import json

import pytest
from e2e.harness.clients import PYTHON_1, SESSION_ERA, STATELESS_ERA, TYPESCRIPT_1
from e2e.harness.envoy import Route
from e2e.policies import ALLOW_ALL
from fixtures.canaries import all_secrets, aws_key, github_token

pytestmark = pytest.mark.filter

TOKEN, KEY = "[REDACTED:github-token]", "[REDACTED:aws-access-key-id]"

STEPS = [
    ["call", "credentials", {}],
    ["call", "environment", {}],
    ["read", "test://env"],
    ["prompt", "deploy", {}],
    ["call", "echo", {"text": f"my token is {github_token()}"}],
    ["call", "echo", {"text": "hi"}],
]


def run(envoy, client, port, steps, path="/mcp", **options):
    seen = client.run(envoy.gateway([Route(port)], ALLOW_ALL).url(path), steps, **options)
    everything = json.dumps(seen)
    assert not [secret for secret in all_secrets() if secret in everything]
    return seen


@pytest.mark.parametrize("client", [*SESSION_ERA, *STATELESS_ERA], ids=str)
def test_in_every_kind_of_answer(envoy, session_era, stateless_era, client):
    port = stateless_era if client in STATELESS_ERA else session_era
    credentials, environment, resource, prompt, blocked, fine = run(envoy, client, port, STEPS)["outcomes"]
    # The same value travels twice: as text and as structured content.
    assert credentials["result"]["structuredContent"] == {"user": "ann", "token": TOKEN}
    assert json.loads(credentials["result"]["content"][0]["text"]) == {"user": "ann", "token": TOKEN}
    assert [c["text"] for c in environment["result"]["content"]] == [f"aws_access_key_id = {KEY}", f"GITHUB_TOKEN={TOKEN}"]
    assert resource["result"]["contents"][0]["text"] == f"TOKEN={TOKEN}\nHOME=/home/ann\n"
    assert prompt["result"]["messages"][0]["content"]["text"] == f"Use {TOKEN} to deploy."
    # In an argument it stops the call, and the answer says where it was found.
    text = blocked["result"]["content"][0]["text"]
    assert blocked["result"]["isError"] and "secrets:github-pat" in text and "/params/arguments/text" in text
    assert fine["result"]["content"][0]["text"] == "echo: hi"


@pytest.mark.parametrize("client", SESSION_ERA, ids=str)
def test_in_log_messages_and_in_a_stream_that_is_resumed(envoy, session_era, client):
    seen = run(envoy, client, session_era, [["call", "leak_in_log", {}], ["call", "interrupted", {"leak": True}]])
    logged, resumed = seen["outcomes"]
    assert logged["result"]["content"][0]["text"] == "logged"
    assert resumed["result"]["content"][0]["text"] == f"resumed {TOKEN}"
    assert seen["logs"] == [f"using {TOKEN}", "before the cut", f"after the cut {TOKEN}"]


@pytest.mark.parametrize("client", STATELESS_ERA, ids=str)
def test_in_progress_and_in_a_question_to_the_person(envoy, stateless_era, client):
    seen = run(envoy, client, stateless_era, [["call", "leak_in_progress", {}], ["call", "ask_leaking_secret", {}]])
    assert seen["progress"][0] == [1, 2, f"using {TOKEN}"]
    assert seen["asked"][0]["message"] == f"Is {TOKEN} yours?"
    assert seen["outcomes"][1]["result"]["content"][0]["text"] == "person: Ann"


@pytest.mark.parametrize("client", [PYTHON_1, TYPESCRIPT_1], ids=str)
def test_on_the_transport_of_2024_11_05(envoy, session_era, client):
    steps = [["call", "credentials", {}], ["call", "leak_in_log", {}], ["read", "test://env"]]
    seen = run(envoy, client, session_era, steps, "/sse", transport="sse")
    credentials, _, resource = seen["outcomes"]
    assert credentials["result"]["structuredContent"]["token"] == TOKEN
    assert resource["result"]["contents"][0]["text"] == f"TOKEN={TOKEN}\nHOME=/home/ann\n"
    assert seen["logs"] == [f"using {TOKEN}"]


def test_two_secrets_of_one_kind_are_told_apart_by_neither_text_nor_length(envoy, session_era):
    steps = [["call", "echo", {"text": text}] for text in (aws_key("a"), aws_key("b"))]
    first, second = run(envoy, PYTHON_1, session_era, steps)["outcomes"]
    strip = lambda outcome: outcome["result"]["content"][0]["text"].split("Correlation id")[0]  # noqa: E731
    assert strip(first) == strip(second)
