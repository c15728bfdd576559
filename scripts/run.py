"""`make run`: two MCP servers, the sidecar, Envoy with the filter in front of them, a demonstration; then audit records
until Ctrl-C.

Environment: ENVOY (the binary), PORTCULLIS_WASM (the filter), PORTCULLIS_CLI (the sidecar), PORT (where clients connect; default 10000 or, if
that is taken, any free port).
"""

import argparse
import ctypes
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import audit
import envoyconf

ROOT = envoyconf.ROOT
WORK = ROOT / ".tools" / "run"
EVERYTHING = ROOT / "tests/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
ACCOUNTS = ROOT / "tests/demo/accounts.py"
START_SECONDS = 90


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--once", action="store_true", help="end after the demonstration")
    once = options.parse_args().once
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        with ExitStack() as started:
            return run(started, once)
    except KeyboardInterrupt:
        print("\nstopped")
        return 0


def run(started, once):
    WORK.mkdir(parents=True, exist_ok=True)
    # A credential of the right shape that no one ever issued: what the server is going to leak.
    secret = "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
    # Who calls in the demonstration, and what the second server wants to see.
    caller, credential = secrets.token_hex(24), secrets.token_hex(24)

    everything, accounts = free_port(), free_port()
    say(f"MCP servers: @modelcontextprotocol/server-everything on 127.0.0.1:{everything}, tests/demo/accounts.py on 127.0.0.1:{accounts}")
    servers = {
        "the MCP server": (started.enter_context(process(
            [str(Path(sys.executable).with_name("node")), "--require", str(ROOT / "scripts/loopback.cjs"), str(EVERYTHING), "streamableHttp"],
            WORK / "server.log",
            # Its own small environment, because its tool get-env shows all of it.
            env={"PATH": "/usr/bin:/bin", "PORT": str(everything), "AWS_ACCESS_KEY_ID": secret},
        )), WORK / "server.log", everything),
        "the second MCP server": (started.enter_context(process(
            [sys.executable, str(ACCOUNTS)], WORK / "accounts.log",
            env={"PATH": "/usr/bin:/bin", "PORT": str(accounts), "ACCOUNTS_KEY": credential},
        )), WORK / "accounts.log", accounts),
    }

    sidecar, http = free_port(), free_port()
    port, admin = chosen_port(once), free_port() if once else free_port(9901)
    state = WORK / "state"
    # A chain of its own for each run: what an earlier one recorded is not what this one shows.
    shutil.rmtree(state, ignore_errors=True)
    say(f"Sidecar: portcullis serve on 127.0.0.1:{sidecar} (gRPC) and 127.0.0.1:{http} (HTTP)")
    serve = started.enter_context(process(
        [os.environ["PORTCULLIS_CLI"], "serve", "--data", str(state),
         "--listen-grpc", f"127.0.0.1:{sidecar}", "--listen-http", f"127.0.0.1:{http}",
         "--invoke-url", f"http://127.0.0.1:{port}/mcp"],
        WORK / "serve.log",
    ))
    wait_for("the sidecar", serve, WORK / "serve.log", lambda: connects(sidecar))
    token = (state / "filter-token").read_text().strip()

    config = envoyconf.write(
        envoyconf.adapt(
            envoyconf.load(ROOT / "envoy/sidecar.yaml"),
            ports={10000: port, 9901: admin, 3001: everything, 3002: accounts, 9443: sidecar},
            wasm=os.environ["PORTCULLIS_WASM"],
            plugin=lambda policy: personal(policy, token, caller),
        ),
        WORK / "envoy.json",
    )
    say(f"Envoy with the Portcullis filter on 127.0.0.1:{port}")
    log = WORK / "envoy.log"
    envoy = started.enter_context(process(
        [os.environ["ENVOY"], "-c", str(config), "--disable-hot-restart", "--concurrency", "2",
         "-l", "warning", "--component-log-level", "wasm:info", "--file-flush-interval-msec", "100"],
        WORK / "access.log", errors=log,
    ))
    wait_for("Envoy", envoy, log, lambda: ready(admin))
    for name, (server, output, its_port) in servers.items():
        wait_for(name, server, output, lambda: connects(its_port))

    url = f"http://127.0.0.1:{port}/mcp"
    demo = subprocess.run(
        [sys.executable, str(ROOT / "tests/demo/demo.py"), "--url", url, "--accounts", f"http://127.0.0.1:{port}/accounts/mcp",
         "--log", str(log), "--state", str(state), "--sidecar", f"http://127.0.0.1:{http}"],
        env={**os.environ, "DEMO_SECRET": secret, "DEMO_CALLER": caller, "DEMO_CREDENTIAL": credential}, check=False,
    )
    if demo.returncode != 0:
        tail(log)
        return demo.returncode
    if once:
        return 0
    print(connecting(url, admin, http))
    follow(log, {"Envoy": envoy, "the sidecar": serve, **{name: server for name, (server, *_) in servers.items()}})


def personal(policy, token, caller):
    """The policy with what the file leaves open: the sidecar's token, and the key of the one caller it knows."""
    policy["sidecar"]["token"] = token
    (entry,) = policy["identity"]["keys"]["entries"]
    entry["sha256"] = hashlib.sha256(caller.encode()).hexdigest()
    return policy


def follow(log, processes):
    """Prints audit records as they come, until Ctrl-C or until one of `processes` ends."""
    records = audit.Log(log)
    records.skip()
    while True:
        for found in records.records():
            print(json.dumps(found, separators=(",", ":")), flush=True)
        for name, running in processes.items():
            if running.poll() is not None:
                tail(log)
                raise SystemExit(f"{name} ended with status {running.returncode}")
        time.sleep(0.2)


def connecting(url, admin, http):
    snippet = json.dumps({"mcpServers": {"everything": {"type": "http", "url": url}}}, indent=2)
    state = (WORK / "state").relative_to(ROOT)
    return f"""
== Connect a client
URL               {url}   (Streamable HTTP)
MCP inspector     npx @modelcontextprotocol/inspector --cli {url} --transport http --method tools/list
Claude Code       claude mcp add --transport http everything {url}
Claude, Cursor    (.mcp.json, .cursor/mcp.json)
{snippet}

Policy            envoy/sidecar.yaml, under `configuration`
Metrics           curl -s http://127.0.0.1:{admin}/stats/prometheus | grep portcullis
Audit chain       portcullis audit list|verify --data {state}
Console           http://127.0.0.1:{http}/ (log in with {state}/admin-token)
Approvals         portcullis approvals list|approve|deny --url http://127.0.0.1:{http} --token-file {state}/admin-token
Logs              {WORK.relative_to(ROOT)}/envoy.log (audit records), {WORK.relative_to(ROOT)}/access.log

== Audit records (Ctrl-C ends everything)"""


def chosen_port(once):
    """The port for clients: PORT, else 10000 if it is free. A test takes any, so that it can run beside a `make run`."""
    wanted = os.environ.get("PORT")
    if wanted:
        port = int(wanted)
        if not is_free(port):
            raise SystemExit(f"port {port} is taken: choose another with PORT=…, or leave PORT out")
        return port
    return free_port() if once else free_port(10000)


def free_port(preferred=0):
    """`preferred` if nothing listens there, else one that the kernel picks."""
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port):
    # Envoy sets SO_REUSEPORT: two of them on one port would silently share the clients.
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


@contextmanager
def process(command, output, errors=None, env=None):
    """Runs `command` until the block is left; a Ctrl-C on the terminal is for us alone."""
    with open(output, "wb") as out, open(errors or os.devnull, "wb") as err:
        child = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=err if errors else subprocess.STDOUT, start_new_session=True,
                                 preexec_fn=die_with_parent)
    try:
        yield child
    finally:
        # The whole group: what the child started belongs to it.
        end(child, signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            end(child, signal.SIGKILL)
            child.wait()


def end(child, number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


def die_with_parent():
    """Even a SIGKILL of this process leaves nothing running (Linux)."""
    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    except (OSError, AttributeError):
        pass


def wait_for(name, child, log, condition):
    end = time.monotonic() + START_SECONDS
    while not condition():
        if child.poll() is not None:
            tail(log)
            raise SystemExit(f"{name} ended with status {child.returncode} before it was ready")
        if time.monotonic() > end:
            tail(log)
            raise SystemExit(f"{name} was not ready within {START_SECONDS} s")
        time.sleep(0.1)


def connects(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ready(admin):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/ready", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def tail(log, lines=15):
    print(f"-- the end of {log.relative_to(ROOT)}", *log.read_text(errors="replace").splitlines()[-lines:],
          sep="\n", file=sys.stderr)


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def say(text):
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
