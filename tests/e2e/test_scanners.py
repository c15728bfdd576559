"""What scanners do beyond one string: pseudonyms, secrets and commands in several strings, suppressions of a rule."""

from __future__ import annotations

import re

import pytest
from e2e.harness.wire import call, post, send
from e2e.policies import allow, policy
from fixtures.canaries import github_token
from fixtures.upstream import event, json_reply, sse_reply, text_result

pytestmark = pytest.mark.filter

PSEUDONYMS = policy(default="allow", scanners={"redaction": "pseudonym"})
TOKENS = f"first {github_token('a')} then {github_token('b')} and {github_token('a')}"
NAME = re.compile(r"\[REDACTED:github-token-([0-9a-f]{6})\]")


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "sse"])
def test_equal_values_keep_one_pseudonym_in_a_session(gateway, upstream, streamed):
    answer = text_result(1, TOKENS)
    upstream.script = lambda _: sse_reply(event(answer)) if streamed else json_reply(answer)
    through = gateway(PSEUDONYMS)

    def names(session: str) -> list[str]:
        got = send(through.port, post(call("read"), ("mcp-session-id", session)))
        text = got.body.decode()
        assert github_token("a") not in text and github_token("b") not in text
        return NAME.findall(text)

    first, second, third = names("one")
    assert first == third != second
    assert names("one") == [first, second, third]
    assert names("two") != [first, second, third]


def test_a_secret_in_two_strings_is_stopped(gateway, upstream):
    through, token = gateway(policy(default="allow")), github_token()
    got = send(through.port, post(call("echo", {"parts": [token[:12], token[12:]]})))
    assert "secrets:github-pat" in got.body.decode() and upstream.untouched
    got = send(through.port, post(call("echo", {"a": {"x": token[:12]}, "b": {"x": "and so on"}})))
    assert upstream.one.message["params"]["arguments"]["a"]["x"] == token[:12]


def test_the_words_of_a_command_are_one(gateway, upstream):
    through = gateway(policy(default="allow"))
    got = send(through.port, post(call("run", {"command": "rm", "args": ["-rf", "--no-preserve-root", "/"]})))
    assert "destructive:shell-delete" in got.body.decode() and upstream.untouched
    send(through.port, post(call("run", {"command": "grep", "args": ["-r", "rm -rf", "docs/"]})))
    assert upstream.one.message["params"]["name"] == "run"


def test_a_rule_suppresses_what_it_lets_through(gateway, upstream):
    rule = allow("cleanup", "cleanup")
    rule["suppress"] = [{"scanner": "destructive", "rule": "shell-delete"}]
    through = gateway(policy(rule, default="allow"))
    arguments = {"command": "rm -rf /srv/cache"}
    got = send(through.port, post(call("run", arguments)))
    assert "destructive:shell-delete" in got.body.decode() and upstream.untouched
    send(through.port, post(call("cleanup", arguments)))
    assert upstream.one.message["params"]["arguments"] == arguments
