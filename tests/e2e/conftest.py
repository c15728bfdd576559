"""Session-wide fixtures: one Envoy, one of each server, and a way to ask for a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from e2e.harness.audit import Audit
from e2e.harness.envoy import PLAIN, Envoy, Gateway, Route, wasm_module
from e2e.harness.servers import everything_server, python_server
from fixtures import canaries
from fixtures.upstream import Upstream

def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if PLAIN:
        for item in items:
            if item.get_closest_marker("filter"):
                item.add_marker(pytest.mark.skip(reason="PORTCULLIS_E2E=plain"))


@pytest.fixture(scope="session")
def envoy() -> Iterator[Envoy]:
    """The Envoy that nearly every test shares: two workers, as any real one has several.

    At its end its whole log is searched: whatever any test sent, no value of it may be there.
    """
    if not PLAIN and not wasm_module().exists():
        pytest.fail(f"{wasm_module()} is missing: run make build, or set PORTCULLIS_WASM")
    with Envoy(concurrency=2) as running:
        yield running
        log = running.log()
        leaked = [name for name in (canaries.VALUE, *canaries.all_secrets()) if name in log]
        assert not leaked, f"values in Envoy's log: {leaked}"


@pytest.fixture
def audit(envoy: Envoy) -> Audit:
    return Audit(envoy)


@pytest.fixture(scope="session")
def _upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def upstream(_upstream: Upstream) -> Upstream:
    """The scriptable server, with nothing received yet and its friendly default script."""
    _upstream.reset()
    return _upstream


@pytest.fixture
def gateway(envoy: Envoy, upstream: Upstream) -> Callable[..., Gateway]:
    """`gateway(policy)`: a listener with that plugin configuration in front of `upstream`."""

    def make(plugin: Any = None, **options: Any) -> Gateway:
        return envoy.gateway([Route(upstream.port)], plugin, **options)

    return make


@pytest.fixture(scope="session")
def session_era() -> Iterator[int]:
    """Port of the Python SDK 1.x server (2025-11-25, and 2024-11-05 HTTP+SSE)."""
    with python_server("server_session_era.py", "session") as port:
        yield port


@pytest.fixture(scope="session")
def stateless_era() -> Iterator[int]:
    """Port of the Python SDK 2.x server (2026-07-28)."""
    with python_server("server_stateless_era.py", "stateless") as port:
        yield port


@pytest.fixture(scope="session")
def everything() -> Iterator[int]:
    """Port of the official server-everything, Streamable HTTP."""
    with everything_server("streamableHttp") as port:
        yield port


@pytest.fixture(scope="session")
def everything_sse() -> Iterator[int]:
    """Port of the official server-everything, HTTP+SSE."""
    with everything_server("sse") as port:
        yield port
