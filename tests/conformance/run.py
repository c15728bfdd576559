"""Runs the official MCP conformance suites against one server three ways: directly, through plain
Envoy, and through Envoy with the firewall allowing all. The firewall must change no result.

    tests/conformance/run.py [--without-filter] [--verbose]

Leaves with 0 if every check has the same outcome with the firewall as through plain Envoy, 1 if
one differs, 2 if a suite did not run.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from e2e.harness.envoy import Envoy, Route
from e2e.harness.servers import NODE_MODULES, node, python_server

SCANNERS = ("secrets", "pii", "injection", "destructive", "exfil", "bulk", "privesc")

ALLOW_ALL: dict[str, Any] = {
    "version": "1",
    "default": "allow",
    "servers": [{"name": "conformance"}],
    "scanners": {name: {"enabled": False} for name in SCANNERS},
}

Outcome = dict[str, Counter[str]]
"""Scenario → how often each `check status` came out."""


@dataclass(frozen=True)
class Suite:
    title: str
    package: str
    arguments: tuple[str, ...]


SUITES = (
    Suite("0.1.16, all scenarios to 2025-11-25", "conformance-stable", ("--suite", "all")),
    Suite("0.2.0-alpha.12, requirements of 2025-11-25", "conformance-next", ("--requirements", "2025-11-25")),
    Suite("0.2.0-alpha.12, requirements of 2026-07-28", "conformance-next", ("--requirements", "2026-07-28")),
)


def main() -> int:
    options = arguments()
    different = 0
    with python_server("server_conformance.py", "stateless") as port, Envoy(concurrency=2) as envoy:
        ways = {"direct": f"http://127.0.0.1:{port}/mcp", "envoy": envoy.gateway([Route(port)]).url()}
        if not options.without_filter:
            ways["firewall"] = envoy.gateway([Route(port)], ALLOW_ALL).url()
        for suite in SUITES:
            with ThreadPoolExecutor(1 if options.verbose else 2) as pool:
                jobs = {way: pool.submit(run, suite, url, options.verbose) for way, url in ways.items()}
                results = {way: job.result() for way, job in jobs.items()}
            report(suite, results)
            if "firewall" in results:
                different += compare(results["envoy"], results["firewall"])
    if options.without_filter:
        return 0
    print(f"\n{different} difference(s) between plain Envoy and the firewall" if different else
          "\nNo difference between plain Envoy and the firewall.")  # fmt: skip
    return 1 if different else 0


def run(suite: Suite, url: str, verbose: bool) -> Outcome:
    """One run of one suite; what it says is read from its own records."""
    script = NODE_MODULES / suite.package / "dist" / "index.js"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [node(), str(script), "server", "--url", url, "-o", folder, *suite.arguments],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if verbose:
            print(done.stdout)
        outcome: Outcome = {}
        for record in sorted(Path(folder).glob("*/checks.json")):
            scenario = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", record.parent.name).removeprefix("server-")
            checks = json.loads(record.read_text())
            outcome[scenario] = Counter(f"{c['id']} {c['status']}" for c in checks if c["status"] != "INFO")
    if not outcome:
        print(f"{suite.title}: nothing ran\n{done.stdout[-1000:]}{done.stderr[-1000:]}", file=sys.stderr)
        sys.exit(2)
    return outcome


def report(suite: Suite, results: dict[str, Outcome]) -> None:
    print(f"\n{suite.title}")
    print(f"  {'scenario':<48}" + "".join(f"{way:>12}" for way in results))
    for scenario in sorted(set().union(*results.values())):
        cells = (_cell(outcome.get(scenario)) for outcome in results.values())
        print(f"  {scenario:<48}" + "".join(f"{cell:>12}" for cell in cells))
    totals = (_cell(sum(outcome.values(), Counter())) for outcome in results.values())
    print(f"  {'checks passed / all':<48}" + "".join(f"{total:>12}" for total in totals))


def compare(plain: Outcome, firewall: Outcome) -> int:
    """Prints each check whose outcome differs, and returns how many do."""
    different = 0
    for scenario in sorted(plain.keys() | firewall.keys()):
        before, after = plain.get(scenario, Counter()), firewall.get(scenario, Counter())
        for check in sorted((before - after) + (after - before)):
            different += 1
            print(f"  DIFFERENT {scenario}: {check}: envoy {before[check]}, firewall {after[check]}")
    return different


def _cell(checks: Counter[str] | None) -> str:
    if checks is None:
        return "-"
    passed = sum(count for check, count in checks.items() if check.endswith((" SUCCESS", " SKIPPED")))
    return f"{passed}/{checks.total()}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--without-filter", action="store_true", help="only the first two ways")
    parser.add_argument("--verbose", action="store_true", help="show what the suites print")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
