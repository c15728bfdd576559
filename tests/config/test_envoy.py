"""The bootstrap configs in envoy/: Envoy accepts them, they agree with each other, and they do what their comments say."""

import gzip
import json
import re
import ssl
import time
from pathlib import Path

import dev_keys
import envoyconf
import httpx
import pytest
from conftest import ROOT, WASM, call, free_ports, running, seen, upstream, validate

CONFIGS = sorted((ROOT / "envoy").glob("*.yaml"))
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    out = tmp_path_factory.mktemp("keys")
    dev_keys.make(out)
    return out


def adapted(name, keys, ports):
    files = {f".tools/dev/{file}": str(keys / file) for file in ("server.crt", "server.key", "jwks.json")}
    return envoyconf.adapt(envoyconf.load(ROOT / "envoy" / name), ports=ports, wasm=WASM, files=files)


# === accepted by Envoy ===


def test_the_filter_is_small():
    """Envoy compiles all of it at every start."""
    assert WASM.stat().st_size <= 2_000_000



def test_there_are_configs():
    assert {path.name for path in CONFIGS} >= {"plain.yaml", "tls-jwt.yaml", "two-servers.yaml"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_envoy_accepts(path, keys, tmp_path):
    validate(adapted(path.name, keys, {}), tmp_path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_broken_policy_is_refused_at_start(path, keys, tmp_path):
    config = envoyconf.adapt(adapted(path.name, keys, {}), plugin=lambda policy: {**policy, "defualt": "allow"})
    with pytest.raises(AssertionError, match="default"):
        validate(config, tmp_path)


def test_policies_in_the_readme_are_valid(keys, tmp_path):
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    policies = [policy for policy in map(json.loads, blocks) if "version" in policy]
    assert policies
    for policy in policies:
        validate(envoyconf.adapt(adapted("plain.yaml", keys, {}), plugin=lambda _, policy=policy: policy), tmp_path)


# === the same where they should be ===


def manager(config):
    (filter_,) = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    return filter_["typed_config"]


def plugin(config):
    (filter_,) = [item for item in manager(config)["http_filters"] if item["name"] == "portcullis"]
    return filter_["typed_config"]["config"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_limits_and_timeouts_are_those_of_plain(path):
    config, plain = envoyconf.load(path), envoyconf.load(ROOT / "envoy/plain.yaml")

    def limits(manager):
        special = ("http_filters", "route_config", "local_reply_config")
        return {key: value for key, value in manager.items() if key not in special}

    def routes(config):
        hosts = manager(config)["route_config"]["virtual_hosts"]
        actions = [route["route"] for host in hosts for route in host["routes"] if "route" in route]
        return [{key: value for key, value in action.items() if "time" in key or "duration" in key} for action in actions]

    def clusters(config):
        return [{key: value for key, value in cluster.items() if key not in ("name", "load_assignment")}
                for cluster in config["static_resources"]["clusters"] if cluster["name"] != "portcullis-sidecar"]

    assert limits(manager(config)) == limits(manager(plain))
    assert all(route == routes(plain)[0] for route in routes(config))
    assert all(cluster == clusters(plain)[0] for cluster in clusters(config))
    assert config["stats_config"] == plain["stats_config"]
    assert config["overload_manager"] == plain["overload_manager"]
    assert {**plugin(config), "configuration": None} == {**plugin(plain), "configuration": None}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_what_envoy_buffers_covers_what_the_filter_accepts(path):
    config = envoyconf.load(path)
    policy = json.loads(plugin(config)["configuration"]["value"])
    (listener,) = config["static_resources"]["listeners"]
    buffer = listener["per_connection_buffer_limit_bytes"]
    assert buffer >= 2 * policy["limits"]["max_body_bytes"]
    assert manager(config)["http2_protocol_options"]["initial_stream_window_size"] == buffer
    assert all(cluster["per_connection_buffer_limit_bytes"] == buffer for cluster in config["static_resources"]["clusters"])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_trap_never_opens_the_firewall(path):
    config = plugin(envoyconf.load(path))
    assert config["failure_policy"] == "FAIL_RELOAD"
    assert "fail_open" not in config
    assert config["allow_on_headers_stop_iteration"] is True
    assert config["vm_config"]["vm_id"] == "portcullis"


# === plain ===


@pytest.fixture(scope="module")
def plain(keys, tmp_path_factory):
    port, admin = free_ports(2)
    folder = tmp_path_factory.mktemp("plain")
    with upstream("everything") as server:
        with running(adapted("plain.yaml", keys, {10000: port, 9901: admin, 3001: server}), folder, admin) as log:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=ACCEPT) as client:
                client.log, client.admin = log, f"http://127.0.0.1:{admin}"
                yield client


def test_a_call_passes(plain):
    answer = plain.post("/mcp", json=call("echo", {"message": "hello"}))
    got = seen(answer)
    assert json.loads(got["body"]) == call("echo", {"message": "hello"})
    assert "x-powered-by" not in answer.headers
    assert answer.headers["server"] == "envoy"
    assert answer.headers["x-request-id"]


def test_a_client_cannot_choose_its_request_id(plain):
    answer = plain.post("/mcp", json=call("echo"), headers={"x-request-id": "11111111-1111-4111-8111-111111111111"})
    assert answer.headers["x-request-id"] != "11111111-1111-4111-8111-111111111111"


def test_compressed_requests_are_opened_first(plain):
    body = json.dumps(call("echo", {"message": "packed"})).encode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    got = seen(plain.post("/mcp", content=gzip.compress(body), headers=headers))
    assert got["body"].encode() == body
    assert "content-encoding" not in got["headers"]


@pytest.mark.parametrize("path", ["/x%2Fmcp", "/x%5Cmcp"])
def test_escaped_slashes_are_refused(plain, path):
    assert plain.post(path, json=call("echo")).status_code == 400


def test_headers_with_underscores_are_refused(plain):
    assert plain.post("/mcp", json=call("echo"), headers={"mcp_method": "tools/list"}).status_code == 400


def test_paths_are_normalized(plain):
    answer = plain.send(plain.build_request("POST", "//a/..//mcp", json=call("echo")))
    assert seen(answer)["path"] == "/mcp"


def test_what_the_filter_states_is_in_the_access_log(plain):
    answer = plain.post("/mcp", json=call("gzip-file-as-resource", {"data": "http://169.254.169.254/"}))
    assert answer.json()["result"]["isError"] is True
    line = access_line(plain.log, answer.headers["x-request-id"])
    assert line["decision"] == "deny"
    assert line["rule"] == "no-other-fetches"
    assert line["tool"] == "gzip-file-as-resource"
    assert line["mcp_method"] == "tools/call"
    assert line["policy_version"] and line["correlation_id"]
    assert line["upstream"] in (None, "everything")


def test_metrics_have_labels_and_buckets(plain):
    plain.post("/mcp", json=call("gzip-file-as-resource", {"data": "http://169.254.169.254/"}))
    metrics = httpx.get(f"{plain.admin}/stats/prometheus").text
    ours = [line for line in metrics.splitlines() if line.startswith("portcullis_")]
    assert not [line for line in ours if "|" in line]
    (refused,) = [line for line in ours if line.startswith("portcullis_refused_total") and "no-other-fetches" in line]
    assert 'server="everything"' in refused and 'rule="no-other-fetches"' in refused
    assert any(line.startswith("portcullis_decision_duration_microseconds_bucket") and 'le="25"' in line for line in ours)
    assert any(line.startswith("portcullis_request_bytes_bucket") and 'le="65536"' in line for line in ours)


def access_line(log, request_id, seconds=5):
    """The access log's line of one request, which Envoy writes a moment after it has answered."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for line in Path(log).read_text().splitlines():
            if request_id in line and line.startswith("{"):
                return json.loads(line)
        time.sleep(0.1)
    raise AssertionError(f"no line of {request_id} in the access log")


# === TLS and tokens ===


@pytest.fixture(scope="module")
def tls(keys, tmp_path_factory):
    port, admin = free_ports(2)
    folder = tmp_path_factory.mktemp("tls")
    with upstream("everything") as server:
        with running(adapted("tls-jwt.yaml", keys, {10443: port, 9901: admin, 3001: server}), folder, admin):
            with httpx.Client(base_url=f"https://localhost:{port}", headers=ACCEPT, http2=True, verify=context(keys)) as client:
                yield client


def context(keys):
    return ssl.create_default_context(cafile=keys / "ca.crt")


def bearer(keys, seconds=300, **claims):
    defaults = {"iss": dev_keys.ISSUER, "aud": dev_keys.AUDIENCE, "sub": "dev@example.com", "kind": "human",
                "tenant": "acme", "roles": ["operator"], "groups": []}
    return {"authorization": "Bearer " + dev_keys.token(keys, {**defaults, **claims}, seconds)}


def refused(answer):
    assert answer.status_code in (401, 403), answer.text
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    return answer


def test_a_good_token_passes_and_goes_no_further(tls, keys):
    answer = tls.post("/mcp", json=call("echo"), headers=bearer(keys))
    assert answer.http_version == "HTTP/2"
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    assert "authorization" not in seen(answer)["headers"]


def test_without_a_token_the_client_learns_where_to_get_one(tls):
    answer = refused(tls.post("/mcp", json=call("echo")))
    assert answer.status_code == 401
    assert 'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"' in answer.headers["www-authenticate"]
    metadata = tls.get("/.well-known/oauth-protected-resource/mcp")
    assert metadata.json()["resource"] == "https://mcp.example.com/mcp"
    assert metadata.headers["content-type"] == "application/json"


@pytest.mark.parametrize("wrong", [
    {"iss": "https://other.example.com/"},
    {"aud": "https://other.example.com/mcp"},
    {"seconds": -120},
    {"exp": 4102444800},
], ids=["issuer", "audience", "expired", "lives too long"])
def test_tokens_that_are_not_for_this_server(tls, keys, wrong):
    refused(tls.post("/mcp", json=call("echo"), headers=bearer(keys, **wrong)))


def test_a_token_in_the_query_is_no_token(tls, keys):
    token = bearer(keys)["authorization"].removeprefix("Bearer ")
    refused(tls.post(f"/mcp?access_token={token}", json=call("echo")))


def test_a_token_signed_by_someone_else(tls, tmp_path):
    dev_keys.make(tmp_path)
    refused(tls.post("/mcp", json=call("echo"), headers=bearer(tmp_path)))


def test_roles_come_from_the_token(tls, keys):
    assert seen(tls.post("/mcp", json=call("get-env"), headers=bearer(keys)))
    denied = tls.post("/mcp", json=call("get-env"), headers={**bearer(keys, roles=[]), "x-portcullis-roles": "operator"})
    # hide_denied: as if there were no such tool.
    assert denied.json()["error"]["code"] == -32602


def test_other_hosts_and_paths_lead_nowhere(tls, keys):
    assert tls.post("/mcp", json=call("echo"), headers={**bearer(keys), "host": "evil.example"}).status_code == 404
    assert tls.post("/other", json=call("echo"), headers=bearer(keys)).status_code == 404


# === two servers ===


@pytest.fixture(scope="module")
def two(keys, tmp_path_factory):
    port, admin = free_ports(2)
    folder = tmp_path_factory.mktemp("two")
    with upstream("tools") as tools, upstream("library") as library:
        config = adapted("two-servers.yaml", keys, {10000: port, 9901: admin, 3001: tools, 3002: library})
        with running(config, folder, admin):
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=ACCEPT) as client:
                yield client


def read(number=1):
    return {"jsonrpc": "2.0", "id": number, "method": "resources/read", "params": {"uri": "demo://resource/static/1"}}


def test_the_path_chooses_server_and_policy(two):
    got = seen(two.post("/tools/mcp", json=call("echo")))
    assert (got["server"], got["path"]) == ("tools", "/mcp")
    got = seen(two.post("/library/mcp", json=read()))
    assert (got["server"], got["path"]) == ("library", "/mcp")


def test_what_one_server_may_the_other_may_not(two):
    assert two.post("/library/mcp", json=call("echo")).json()["result"]["isError"] is True
    assert "error" in two.post("/tools/mcp", json=read()).json()


def test_no_server_no_way_in(two):
    assert two.post("/toolsmith/mcp", json=call("echo")).status_code in (403, 404)
