"""Receivers of logs: rsyslog, and an OpenTelemetry collector whose output is read by the protocol's own library."""

from __future__ import annotations

import gzip
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from .scripted import free_port


class Rsyslog:
    """Start with `with Rsyslog() as syslog:`; `stop` and `start` take it away and bring it back. With a certificate and its key
    it takes TLS on `port`; always datagrams at `socket`."""

    def __init__(self, *certificate: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="portcullis-rsyslog-"))
        self.port, self.socket = free_port(), self._folder / "log"
        tls, driver = "", ""
        if certificate:
            cert, key = certificate
            names = {"CAFile": cert, "CertFile": cert, "KeyFile": key}
            tls = " ".join(f'defaultNetstreamDriver{name}="{file}"' for name, file in names.items())
            driver = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"'
        (self._folder / "rsyslog.conf").write_text(
            f"""
global(workDirectory="{self._folder}" maxMessageSize="8k" {tls})
module(load="imtcp" {driver})
module(load="imuxsock" SysSock.Use="off")
module(load="mmpstrucdata")
template(name="told" type="string"
  string="%pri%\\t%timereported:::date-rfc3339%\\t%app-name%\\t%msgid%\\t%$!%\\t%msg%\\n")
ruleset(name="keep") {{
  action(type="mmpstrucdata")
  action(type="omfile" file="{self._folder}/told" template="told")
}}
input(type="imtcp" port="{self.port}" address="127.0.0.1" ruleset="keep")
input(type="imuxsock" socket="{self.socket}" useSpecialParser="off" parseHostname="on" ruleset="keep")
"""
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Rsyslog:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        command = ["/usr/sbin/rsyslogd", "-n", "-f", str(self._folder / "rsyslog.conf"), "-i", str(self._folder / "pid")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        _until(self.socket.exists, "rsyslog does not listen")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self.socket.unlink(missing_ok=True)
            self._process = None

    def told(self) -> list[dict[str, Any]]:
        """What it took apart."""
        file = self._folder / "told"
        rows = []
        for line in file.read_text().splitlines() if file.exists() else []:
            pri, when, app, kind, data, text = line.split("\t", 5)
            parsed = json.loads(data)["rfc5424-sd"]["portcullis@32473"]
            rows.append({"pri": int(pri), "time": when, "app": app, "kind": kind, "text": text, **parsed})
        return rows


class Collector:
    """rotel, a collector, sends on what it takes to a receiver of ours."""

    def __init__(self) -> None:
        self.port = free_port()
        self.requests: list[ExportLogsServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                collector.requests.append(ExportLogsServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        import rotel

        folder = tempfile.mkdtemp(prefix="portcullis-rotel-")
        receiver = f"http://127.0.0.1:{self._server.server_address[1]}"
        command = [
            str(Path(rotel.__file__).with_name("rotel-agent")), "start", "--exporter", "otlp",
            "--otlp-http-endpoint", f"127.0.0.1:{self.port}", "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}",
            "--otlp-exporter-endpoint", receiver, "--otlp-exporter-protocol", "http",
            "--batch-timeout", "100ms", "--log-file", f"{folder}/log",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        from .serve import _listens

        _until(lambda: _listens(self.port), "the collector does not listen")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def told(self) -> list[dict[str, Any]]:
        """The log records, with their attributes as Python values."""
        scoped = [scope for request in self.requests for logs in request.resource_logs for scope in logs.scope_logs]
        return [
            {
                "severity": record.severity_text,
                "body": record.body.string_value,
                "event": record.event_name,
                "trace": record.trace_id.hex(),
                "span": record.span_id.hex(),
                **{attribute.key: _value(attribute.value) for attribute in record.attributes},
            }
            for scope in scoped
            for record in scope.log_records
        ]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def _until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
