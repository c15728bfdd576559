"""k8s/: the manifests fit the schemas of Kubernetes and Istio, and Envoy accepts what they patch into it."""

import copy
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, WASM, call, free_ports, running, seen, upstream, validate

import dev_keys
import envoyconf
import httpx

FOLDER = ROOT / "k8s"
SIDECAR = FOLDER / "sidecar"
MANIFESTS = sorted(path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml")
SCHEMAS = os.environ.get("PORTCULLIS_PYTHON_SCHEMAS") or str(ROOT / ".tools/venv-schemas/bin/python")
HCM = "envoy.filters.network.http_connection_manager"


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def check(paths):
    return subprocess.run([SCHEMAS, str(ROOT / "tests/config/manifests.py"), *map(str, paths)],
                          capture_output=True, text=True, timeout=120, check=False)


# === schemas ===


def test_manifests_fit_their_schemas():
    done = check(MANIFESTS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name, old, new, said", [
    ("workload.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"),
    ("envoyfilter.yaml", "operation: INSERT_BEFORE", "operation: INSERT_BEHIND", "INSERT_BEHIND"),
    ("envoyfilter.yaml", "workloadSelector:", "selector:", "selector"),
    ("wasmplugin.yaml", "failStrategy:", "failureStrategy:", "failureStrategy"),
    ("access.yaml", "mode: STRICT", "mode: STRICTLY", "STRICTLY"),
    ("sidecar/deployment.yaml", "readOnlyRootFilesystem:", "readonlyRootFilesystem:", "readonlyRootFilesystem"),
    ("sidecar/mesh.yaml", "mode: MUTUAL", "mode: MUTUALLY", "MUTUALLY"),
])
def test_mistakes_are_found(tmp_path, name, old, new, said):
    text = (FOLDER / name).read_text()
    assert old in text
    broken = tmp_path / Path(name).name
    broken.write_text(text.replace(old, new, 1))
    done = check([broken])
    assert done.returncode == 1 and said in done.stdout, done.stdout + done.stderr


def test_the_kustomization_lists_what_there_is():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert all((FOLDER / resource).exists() for resource in kustomization["resources"])
    alternatives = {"envoyfilter.yaml", "envoyfilter-oci.yaml", "wasmplugin.yaml"}
    assert len(alternatives & set(kustomization["resources"])) == 1
    resources = set(yaml.safe_load((SIDECAR / "kustomization.yaml").read_text())["resources"])
    there = {path.name for path in SIDECAR.glob("*.yaml")} - {"kustomization.yaml"}
    assert resources in (there - {"statefulset.yaml"}, there - {"deployment.yaml", "migrate.yaml"})


# === what pods may do ===


def pods():
    """The pods of all workloads, by file and name."""
    for path in MANIFESTS:
        for document in documents(path):
            if document["kind"] in ("Deployment", "StatefulSet", "Job"):
                yield pytest.param(document["spec"]["template"]["spec"], id=f"{path.name}-{document['kind']}")


@pytest.mark.parametrize("pod", list(pods()))
def test_pods_can_do_nothing_but_their_work(pod):
    assert pod["automountServiceAccountToken"] is False and pod["serviceAccountName"] != "default"
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        context = container["securityContext"]
        assert context == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert "memory" in container["resources"]["limits"] and ":latest" not in container["image"]
    assert all("hostPath" not in volume for volume in pod.get("volumes", []))


def test_no_secret_stands_in_a_manifest():
    for path in MANIFESTS:
        assert all(document["kind"] != "Secret" for document in documents(path)), path
        assert not re.search(r"(?i)(postgres://|\bpassword: |\btoken: )", path.read_text()), path


@pytest.mark.parametrize("name", ["deployment.yaml", "statefulset.yaml"])
def test_the_sidecar_is_found_and_asked_where_it_listens(name):
    workload = documents(SIDECAR / name)[0]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listens = {arg.rpartition(":")[2] for arg in container["args"] if arg.startswith("--listen-")}
    assert listens == set(map(str, ports.values()))
    (service,) = [document for document in documents(SIDECAR / "service.yaml") if document["kind"] == "Service"]
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    assert service["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    probes = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["path"] for probe in probes.values()} == {"/health", "/ready"}
    assert all(probe["scheme"] == "HTTPS" and probe["port"] == "https" for probe in probes.values())


# === what Envoy gets ===


def sidecar(*names, port=15006, server=3001):
    """An inbound sidecar reduced to what EnvoyFilters address, with the patches of the named manifests applied."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound", "stream_idle_timeout": "0s", "normalize_path": True,
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
        "route_config": {"name": "inbound", "virtual_hosts": [{
            "name": "inbound", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "inbound|3001||", "timeout": "0s"}}],
        }]},
    }
    listener = {"name": "virtualInbound", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "filter_chains": [{"filters": [{"name": HCM, "typed_config": manager}]}]}
    cluster = {"name": "inbound|3001||", "type": "STATIC", "connect_timeout": "2s", "load_assignment": {
        "cluster_name": "inbound|3001||", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": "127.0.0.1", "port_value": server}}}}]}]}}
    bootstrap = {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
    extensions = {}
    for name in names:
        for document in documents(FOLDER / name):
            for item in document["spec"]["configPatches"]:
                apply(item, bootstrap, listener, manager, cluster, extensions)
    # Istio serves these over ADS; here they are put where the listener asks for them.
    manager["http_filters"] = [extensions.get(item["name"], item) for item in manager["http_filters"]]
    return local(bootstrap)


def apply(item, bootstrap, listener, manager, cluster, extensions):
    value = copy.deepcopy(item["patch"]["value"])
    match item["applyTo"], item["patch"]["operation"]:
        case "HTTP_FILTER", "INSERT_BEFORE":
            chain = item["match"]["listener"]["filterChain"]
            assert chain["destinationPort"] == 3001 and chain["filter"]["name"] == HCM
            names = [item["name"] for item in manager["http_filters"]]
            manager["http_filters"].insert(names.index(chain["filter"]["subFilter"]["name"]), value)
        case "NETWORK_FILTER", "MERGE":
            chain = item["match"]["listener"]["filterChain"]
            assert chain["destinationPort"] == 3001 and chain["filter"]["name"] == HCM
            merge(manager, value["typed_config"])
        case "LISTENER", "MERGE":
            assert item["match"]["listener"]["name"] == listener["name"]
            merge(listener, value)
        case "CLUSTER", "MERGE":
            assert item["match"]["cluster"]["portNumber"] == 3001
            merge(cluster, value)
        case "BOOTSTRAP", "MERGE":
            merge(bootstrap, value)
        case "EXTENSION_CONFIG", "ADD":
            extensions[value["name"]] = value
        case other:
            raise AssertionError(f"no such patch in a sidecar here: {other}")


def merge(into, value):
    """As protobuf merges messages: fields replace, messages merge, lists append."""
    for key, new in value.items():
        old = into.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            merge(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            old.extend(new)
        else:
            into[key] = new


def local(node):
    """Code from wherever it comes in a cluster, as Istio's agent leaves it: a local file."""
    if isinstance(node, list):
        return [local(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "vm_config" in node:
        code = node["vm_config"]["code"]
        assert code.get("local") == {"filename": "/etc/portcullis/plugin.wasm"} or len(code["remote"]["sha256"]) == 64
        node = {**node, "vm_config": {**node["vm_config"], "code": {"local": {"filename": str(WASM)}}}}
    return {key: local(value) for key, value in node.items()}


@pytest.mark.parametrize("name", ["envoyfilter.yaml", "envoyfilter-oci.yaml"])
def test_envoy_accepts_the_patched_sidecar(name, tmp_path):
    config = sidecar("envoyfilter-limits.yaml", name)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert [item["name"].split(".")[-1] for item in manager["http_filters"]] == ["decompressor", "portcullis", "router"]
    validate(config, tmp_path)


def test_envoy_accepts_the_cluster_of_the_sidecar(tmp_path):
    config = sidecar("envoyfilter-limits.yaml", "envoyfilter.yaml")
    dev_keys.make(tmp_path)
    files = {"tls.crt": "server.crt", "tls.key": "server.key", "ca.crt": "ca.crt"}
    config["static_resources"]["clusters"].append(outbound(lambda name: str(tmp_path / files[name])))
    filters = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    (plugin,) = [item["typed_config"]["config"]["configuration"] for item in filters if item["name"] == "portcullis"]
    plugin["value"] = json.dumps({**json.loads(plugin["value"]), **the_block()})
    assert the_block()["sidecar"]["cluster"] == config["static_resources"]["clusters"][-1]["name"]
    validate(config, tmp_path)


def the_block():
    """What k8s/README.md says that goes into the policy."""
    return json.loads(re.search(r"```json\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)[1])


def outbound(file, port=9443):
    """Envoy's cluster of the sidecar as Istio makes it of the Service and mesh.yaml."""
    (rule,) = documents(SIDECAR / "mesh.yaml")
    spec, traffic = rule["spec"], rule["spec"]["trafficPolicy"]
    (service,) = [document for document in documents(SIDECAR / "service.yaml") if document["kind"] == "Service"]
    (grpc,) = [port for port in service["spec"]["ports"] if port["appProtocol"] == "grpc"]
    metadata = service["metadata"]
    assert spec["host"] == f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"
    tls, http = traffic["tls"], traffic["connectionPool"]["http"]
    names = [{"san_type": "DNS", "matcher": {"exact": name}} for name in tls["subjectAltNames"]]
    certificate = {"certificate_chain": {"filename": file(Path(tls["clientCertificate"]).name)},
                   "private_key": {"filename": file(Path(tls["privateKey"]).name)}}
    trusted = {"trusted_ca": {"filename": file(Path(tls["caCertificates"]).name)}, "match_typed_subject_alt_names": names}
    name = f"outbound|{grpc['port']}||{spec['host']}"
    return {
        "name": name, "type": "STATIC", "connect_timeout": traffic["connectionPool"]["tcp"]["connectTimeout"],
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}}},
        "circuit_breakers": {"thresholds": [{"max_requests": http["http2MaxRequests"], "max_retries": http["maxRetries"],
                                             "max_pending_requests": http["http1MaxPendingRequests"]}]},
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": tls["sni"],
            "common_tls_context": {"tls_certificates": [certificate], "validation_context": trusted, "alpn_protocols": ["h2"]}}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]},
    }


def wasm_config(name):
    config = sidecar(name)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    (found,) = [item for item in manager["http_filters"] if item["name"].endswith("portcullis")]
    return found["typed_config"]["config"]


def test_the_three_ways_carry_one_policy():
    policies = [json.loads(wasm_config(name)["configuration"]["value"]) for name in ("envoyfilter.yaml", "envoyfilter-oci.yaml")]
    (plugin,) = documents(FOLDER / "wasmplugin.yaml")
    assert policies[0] == policies[1] == plugin["spec"]["pluginConfig"]


def test_the_sidecar_is_set_up_like_the_standalone_envoy():
    plain = envoyconf.load(ROOT / "envoy/plain.yaml")
    config = sidecar("envoyfilter-limits.yaml", "envoyfilter.yaml")

    def manager(config):
        return config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]

    for key in ("request_headers_timeout", "request_timeout", "merge_slashes", "normalize_path", "path_with_escaped_slashes_action"):
        assert manager(config)[key] == manager(plain)[key], key
    (route,) = manager(plain)["route_config"]["virtual_hosts"][0]["routes"]
    assert manager(config)["stream_idle_timeout"] == route["route"]["idle_timeout"]
    assert config["stats_config"]["stats_tags"] == plain["stats_config"]["stats_tags"]
    (ours,) = [item for item in manager(plain)["http_filters"] if item["name"] == "portcullis"]
    same = {"allow_on_headers_stop_iteration", "failure_policy", "reload_config", "root_id", "name"}
    assert {key: wasm_config("envoyfilter.yaml")[key] for key in same} == {key: ours["typed_config"]["config"][key] for key in same}


def test_without_the_flag_nothing_gets_through(tmp_path):
    # What k8s/README.md says of WasmPlugin, which has no such flag. The day this fails, the advice there can change.
    port, admin = free_ports(2)
    with upstream("everything") as server:
        config = sidecar("envoyfilter-limits.yaml", "envoyfilter.yaml", port=port, server=server)
        config["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}
        manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["stream_idle_timeout"] = "1s"
        (filter_,) = [item for item in manager["http_filters"] if item["name"] == "portcullis"]
        plugin = filter_["typed_config"]["config"]
        del plugin["allow_on_headers_stop_iteration"]
        plugin["configuration"]["value"] = json.dumps({"version": "1", "default": "allow", "servers": [{"name": "any"}]})
        with running(config, tmp_path, admin):
            assert httpx.post(f"http://127.0.0.1:{port}/mcp", json=call("echo"), timeout=10).status_code == 504


def test_an_anonymous_call_gets_401(tmp_path):
    # Nothing in this sidecar authenticates, and the policy requires an identity.
    port, admin = free_ports(2)
    with upstream("everything") as server:
        config = sidecar("envoyfilter-limits.yaml", "envoyfilter.yaml", port=port, server=server)
        config["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}
        with running(config, tmp_path, admin):
            answer = httpx.post(f"http://127.0.0.1:{port}/mcp", json=call("echo"))
            assert answer.status_code == 401
