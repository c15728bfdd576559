"""What an agent sees when policy refuses: an answer it can read, a session that goes on, and no
trace of what is hidden. The same for every official client."""

from __future__ import annotations

import pytest
from e2e.harness.clients import PYTHON_1, SESSION_ERA, STATELESS_ERA, TYPESCRIPT_1
from e2e.harness.envoy import Route
from e2e.policies import allow, deny, policy

pytestmark = pytest.mark.filter

POLICY_REFUSED = -31001

RULES = policy(
    allow("readers", "echo", "add", "steps", "greet", "test://readme", "test://notes/*"),
    deny("no-deleting", "delete_file", reason="Files are never deleted by agents."),
    deny("secret-tools", "environment", hide=True),
    deny("no-deploy-prompt", "deploy", capability=["prompt"]),
    {
        "id": "no-shouting",
        "action": "deny",
        "priority": 1,
        "match": {"name": ["echo"]},
        "arguments": [{"path": "/text", "op": "regex", "value": "^[A-Z]+$"}],
    },
)

ALL = [*SESSION_ERA, *STATELESS_ERA]
ONE_OF_EACH_SDK = [PYTHON_1, TYPESCRIPT_1, *STATELESS_ERA[::2]]

SESSION = [
    ["call", "delete_file", {"path": "/etc"}],
    ["call", "echo", {"text": "LOUD"}],
    ["call", "environment", {}],
    ["prompt", "deploy", {}],
    ["read", "test://env"],
    ["call", "echo", {"text": "hi"}],
    ["read", "test://notes/a"],
    ["prompt", "greet", {"name": "B"}],
    ["tools"],
    ["prompts"],
    ["resources"],
]
"""What each client does, in this order, on one connection."""


def run(envoy, client, ports, steps, rules=RULES):
    port = ports[client in STATELESS_ERA]
    return client.run(envoy.gateway([Route(port)], rules).url(), steps)["outcomes"]


@pytest.fixture(scope="module")
def ports(session_era, stateless_era):
    return [session_era, stateless_era]


@pytest.fixture(scope="module", params=ALL, ids=str)
def outcomes(request, envoy, ports):
    """The outcomes of `SESSION` by step."""
    seen = run(envoy, request.param, ports, SESSION)
    return {tuple(map(str, step)): outcome for step, outcome in zip(SESSION, seen, strict=True)}


def of(outcomes, *step):
    return outcomes[tuple(map(str, step))]


def test_a_denied_call_is_a_result_that_says_why(outcomes):
    denied = of(outcomes, "call", "delete_file", {"path": "/etc"})["result"]
    assert denied["isError"]
    for part in ("Portcullis", "no-deleting", "Files are never deleted by agents.", "Policy version", "Correlation id"):
        assert part in denied["content"][0]["text"]


def test_a_call_denied_for_its_arguments_names_the_rule_and_no_value(outcomes):
    denied = of(outcomes, "call", "echo", {"text": "LOUD"})["result"]
    assert denied["isError"] and "no-shouting" in denied["content"][0]["text"]
    assert "LOUD" not in denied["content"][0]["text"]


def test_a_hidden_tool_does_not_exist(outcomes):
    hidden = of(outcomes, "call", "environment", {})
    assert hidden == {"error": {"code": -32602, "message": "Unknown tool: environment"}}


def test_other_methods_are_refused_with_an_error(outcomes):
    prompt, resource = of(outcomes, "prompt", "deploy", {}), of(outcomes, "read", "test://env")
    assert prompt["error"]["code"] == POLICY_REFUSED and "no-deploy-prompt" in prompt["error"]["message"]
    assert resource["error"]["code"] == POLICY_REFUSED and "default" in resource["error"]["message"]


def test_after_every_refusal_the_session_goes_on(outcomes):
    assert of(outcomes, "call", "echo", {"text": "hi"})["result"]["content"][0]["text"] == "echo: hi"
    assert of(outcomes, "read", "test://notes/a")["result"]["contents"][0]["text"] == "note a"
    assert of(outcomes, "prompt", "greet", {"name": "B"})["result"]["messages"]


def test_lists_show_only_what_may_be_used(outcomes):
    assert set(of(outcomes, "tools")["result"]) == {"echo", "add", "steps"}
    assert of(outcomes, "prompts")["result"] == ["greet"]
    assert of(outcomes, "resources")["result"] == ["test://readme"]


CLIENTS = pytest.mark.parametrize("client", ONE_OF_EACH_SDK, ids=str)


@CLIENTS
def test_with_hide_denied_nothing_refused_by_default_exists(envoy, ports, client):
    tool, prompt = run(
        envoy, client, ports, [["call", "big", {"size": 1}], ["prompt", "deploy", {}]],
        policy(allow("echo", "echo"), hide_denied=True),
    )  # fmt: skip
    assert tool == {"error": {"code": -32602, "message": "Unknown tool: big"}}
    assert prompt == {"error": {"code": -32602, "message": "Unknown prompt: deploy"}}


@CLIENTS
def test_a_call_that_needs_an_approval_says_that_nobody_can_give_it_yet(envoy, ports, client):
    rule = {"id": "ask-first", "action": "require_approval", "match": {"name": ["echo"]}}
    [outcome] = run(envoy, client, ports, [["call", "echo", {"text": "hi"}]], policy(rule, default="allow"))
    assert outcome["result"]["isError"]
    assert "approval service is not configured" in outcome["result"]["content"][0]["text"]


@pytest.mark.parametrize("client", [PYTHON_1, TYPESCRIPT_1], ids=str)
def test_on_the_transport_of_2024_11_05_a_denied_call_is_answered_on_the_stream(envoy, session_era, client):
    url = envoy.gateway([Route(session_era)], RULES).url("/sse")
    steps = [["call", "delete_file", {"path": "/"}], ["call", "environment", {}], ["call", "echo", {"text": "hi"}], ["tools"]]
    denied, hidden, fine, tools = client.run(url, steps, transport="sse")["outcomes"]
    assert denied.get("result", {}).get("isError") or "error" in denied
    assert hidden.get("result", {}).get("isError") or "error" in hidden
    assert fine["result"]["content"][0]["text"] == "echo: hi"
    assert set(tools["result"]) == {"echo", "add", "steps"}


SERVER_MAY_NOT_ASK = policy(
    deny("no-sampling", capability=["sampling"]),
    deny("no-questions", capability=["elicitation"]),
    deny("no-roots", capability=["roots"]),
    default="allow",
)


@CLIENTS
def test_a_server_that_may_not_ask_the_client_gets_a_refusal_and_nothing_hangs(envoy, ports, client):
    steps = [["call", "ask_person", {"question": "q"}], ["call", "ask_model", {"prompt": "p"}], ["call", "roots", {}]]
    port = ports[client in STATELESS_ERA]
    url = envoy.gateway([Route(port)], SERVER_MAY_NOT_ASK).url()
    seen = client.run(url, [*steps, ["call", "echo", {"text": "hi"}]])
    person, model, roots, fine = seen["outcomes"]
    assert not seen["asked"]
    assert person["result"].get("isError") or person["result"]["content"][0]["text"] == "person: decline"
    assert model["result"]["isError"] and roots["result"]["isError"]
    assert fine["result"]["content"][0]["text"] == "echo: hi"
