"""Rules that look into arguments, end to end: what is within bounds arrives, every other spelling
of the same path or host does not. The full tables of each operator are the engine's own tests."""

from __future__ import annotations

import pytest
from e2e.harness.raw import Trial
from e2e.harness.wire import call, post
from e2e.policies import policy

pytestmark = pytest.mark.filter


def when(path, op, value=None):
    return {"path": path, "op": op, **({} if value is None else {"value": value})}


def rule(*predicates):
    return policy({"id": "bounds", "action": "allow", "match": {"name": ["t"]}, "arguments": list(predicates)})


PATH, HOST = when("/path", "path_within", ["/home/user"]), when("/url", "host_in", ["api.example.com", "*.trusted.org"])

CASES = [
    (PATH, {"path": "/home/user"}, True),
    (PATH, {"path": "/home/user/a.txt"}, True),
    (PATH, {"path": "/home/user/./x/../a"}, True),
    (PATH, {"path": "/home/user2/a"}, False),
    (PATH, {"path": "/home/user/../root"}, False),
    (PATH, {"path": "/home//user/..//../etc/passwd"}, False),
    (PATH, {"path": "/home/user/%2e%2e/root"}, False),
    (PATH, {"path": "/home/user/%252e%252e/root"}, False),
    (PATH, {"path": "/home/user\\..\\..\\etc"}, False),
    (PATH, {"path": "home/user/a"}, False),
    (PATH, {"path": "/home/user/\u0000/../.."}, False),
    (PATH, {"path": "/home/user/\uff0e\uff0e/\uff0e\uff0e/etc"}, False),
    (PATH, {"path": 7}, False),
    (PATH, {"path": None}, False),
    (PATH, {}, False),
    (HOST, {"url": "https://api.example.com/x"}, True),
    (HOST, {"url": "https://API.example.com:443/x"}, True),
    (HOST, {"url": "https://a.trusted.org"}, True),
    (HOST, {"url": "https://api.example.com@evil.test/"}, False),
    (HOST, {"url": "https://evil.test/#api.example.com"}, False),
    (HOST, {"url": "https://evil.test\\@api.example.com/"}, False),
    (HOST, {"url": "https://api.example.com.evil.test/"}, False),
    (HOST, {"url": "https://eviltrusted.org/"}, False),
    (HOST, {"url": "https://0x7f000001/"}, False),
    (HOST, {"url": "https://2130706433/"}, False),
    (HOST, {"url": "https://[::ffff:127.0.0.1]/"}, False),
    (HOST, {"url": "//api.example.com/x"}, False),
    (HOST, {"url": ["https://api.example.com"]}, False),
    (when("/a/b/0", "eq", "x"), {"a": {"b": ["x"]}}, True),
    (when("a.b", "in", ["x", "y"]), {"a": {"b": "y"}}, True),
    (when("a.b", "in", ["x", "y"]), {"a": {"b": "z"}}, False),
    (when("/n", "lte", 10), {"n": 10}, True),
    (when("/n", "lte", 10), {"n": 10.5}, False),
    (when("/n", "lte", 10), {"n": "9"}, False),
    (when("/n", "lte", 10), {"n": 1e400}, False),
    (when("/s", "regex", "^[a-z]+$"), {"s": "abc"}, True),
    (when("/s", "regex", "^[a-z]+$"), {"s": "abc\n"}, False),
    (when("/s", "not_regex", "drop"), {"s": "select"}, True),
    (when("/s", "not_regex", "drop"), {"s": ["drop"]}, False),
    (when("/s", "max_len", 3), {"s": "äöü"}, True),
    (when("/s", "max_len", 3), {"s": "äöüx"}, False),
    (when("/s", "type", "string"), {"s": "x"}, True),
    (when("/s", "type", "string"), {"s": 1}, False),
]


@pytest.mark.parametrize(("predicate", "arguments", "arrives"), CASES, ids=[f"{c[0]['op']}-{n}" for n, c in enumerate(CASES)])
def test_an_argument_decides(gateway, upstream, predicate, arguments, arrives):
    trial = Trial(gateway(rule(predicate)), upstream)
    message = post(call("t", arguments))
    # Python writes infinity as a word that is no JSON.
    message = post(message.body.replace(b"Infinity", b"1e400")) if b"Infinity" in message.body else message
    got = trial(message)
    assert got.status == 200
    assert (not upstream.untouched) is arrives
    assert trial.record["rule"] == ("bounds" if arrives else "default")
