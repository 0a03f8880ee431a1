"""Runs the real Collector on loopback with our files, beside a real spanledger that both can be killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.cli.otlp import CHAT_USD
from tests.cli.runner import Server, events
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "otel-config"
NO_GO = 3


def made(script: str, not_to_be_had: int, why: str) -> Path:
    """What a script keeps on this machine, made now if it is not there yet; skipped where the script says that it cannot be."""
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / script)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == not_to_be_had:
        pytest.skip(why)
    assert done.returncode == 0, f"{script} failed"
    return Path(done.stdout.strip())


def built() -> Path:
    """The Collector; the tests are skipped only where there is no Go."""
    return made("build_collector.py", NO_GO, "there is no Go to build the Collector with")


class Certificates:
    """A CA and one certificate of it for localhost, as files and as gRPC wants them."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        issued = ca.issue_cert("localhost", "127.0.0.1")
        self.ca, self.certificate, self.key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
        ca.cert_pem.write_to_path(str(self.ca))
        issued.cert_chain_pems[0].write_to_path(str(self.certificate))
        issued.private_key_pem.write_to_path(str(self.key))
        self.server = grpc.ssl_server_credentials([(self.key.read_bytes(), self.certificate.read_bytes())])
        self.client = grpc.ssl_channel_credentials(self.ca.read_bytes())


class Collector:
    """A Collector process with our configuration files; its ports stay the same over restarts."""

    def __init__(self, binary: Path, folder: Path, configs: Sequence[Path], env: Mapping[str, str]) -> None:
        told = [part for config in configs for part in ("--config", str(config))]
        self._command = [str(binary), *told, "--set", "service.telemetry.metrics.level=none"]  # or all would want one port
        self.health = free_port()
        self._env = os.environ | {"HEALTH": f"127.0.0.1:{self.health}", "QUEUE_DIR": str(folder / "queue")} | dict(env)
        self.log = folder / "collector.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it receives."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._env, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._is_healthy():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=60)


class Setting:
    """What a test runs in: certificates, ports, a spanledger with keys, and Collectors in front of it."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder = binary, folder
        self.certificates = Certificates(folder)
        self.data = folder / "data"
        self.ledger_port = free_port()
        self.server: Server | None = None
        self._collectors: list[Collector] = []

    def serve(self, **env: str) -> Server:
        """Start (again) a spanledger with TLS on its port."""
        tls = {
            "SPANLEDGER_RECEIVER__TLS__CERTIFICATE": str(self.certificates.certificate),
            "SPANLEDGER_RECEIVER__TLS__PRIVATE_KEY": str(self.certificates.key),
        }
        self.server = Server(self.data, "--grpc", f"127.0.0.1:{self.ledger_port}", env=tls | env)
        return self.server

    def collect(self, config: str, *, folder: str = "collector", **env: str) -> Collector:
        """Start a Collector with one of our files."""
        made = self.folder / folder
        made.mkdir()
        told = {
            "SPANLEDGER_ENDPOINT": f"localhost:{self.ledger_port}",
            "SPANLEDGER_CA": str(self.certificates.ca),
            "SPANLEDGER_KEY": "none",
        }
        found = Collector(self.binary, made, [CONFIGS / config, CONFIGS / "redact.yaml"], told | env)
        self._collectors.append(found)
        found.start()
        return found

    def close(self) -> None:
        """End whatever still runs."""
        for each in self._collectors:
            if each.process is not None and each.process.poll() is None:
                each.kill()
        if self.server is not None and self.server.process.poll() is None:
            self.server.kill()


@contextmanager
def setting(binary: Path, folder: Path) -> Iterator[Setting]:
    """A setting that is cleared away."""
    found = Setting(binary, folder)
    try:
        yield found
    finally:
        found.close()


def chats(count: int, **attributes: Any) -> list[ReadableSpan]:
    """Finished chats as the SDK makes them, each a call below a root of its own, both with content that must not travel."""
    kept: list[ReadableSpan] = []
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop", "1")
    for number in range(count):
        with tracer.start_as_current_span("POST /ask", attributes={"tenant.id": "acme", "http.request.header.cookie": CANARY}) as root:
            told = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.response.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": 1000,
                "gen_ai.usage.output_tokens": 100,
                "gen_ai.response.id": f"chatcmpl-{time.time_ns()}-{number}",
                "gen_ai.input.messages": CANARY,
                **attributes,
            }
            with tracer.start_as_current_span("chat gpt-4o-mini", attributes=told) as call:
                call.add_event("gen_ai.user.message", {"content": CANARY})
        kept += [call, root]  # type: ignore[list-item]  # the SDK's own spans, finished
    return kept


CANARY = "my doctor said that I have something rare"


class Sender:
    """An SDK exporter and a patience without end, as a sender has that keeps what was not answered OK."""

    def __init__(self, port: int, credentials: grpc.ChannelCredentials | None = None, key: str | None = None) -> None:
        headers = None if key is None else {"authorization": f"Bearer {key}"}
        target = f"localhost:{port}"
        self._exporter = OTLPSpanExporter(target, insecure=credentials is None, credentials=credentials, headers=headers, timeout=5)

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Until it was answered OK."""
        deadline = time.monotonic() + 120
        while self._exporter.export(spans) is not SpanExportResult.SUCCESS:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def try_once(self, spans: Sequence[ReadableSpan]) -> bool:
        """Whether it was taken."""
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Give the connection up."""
        self._exporter.shutdown()


def charged_once(found: Setting, sent: Sequence[ReadableSpan], *, tenant: str | None = "acme") -> None:
    """Every call that was sent is charged exactly once, to its payer."""
    calls = sorted(f"{span.context.span_id:016x}" for span in sent if span.parent is not None)
    deadline = time.monotonic() + 120
    while True:
        rows = events(found.data)
        if len(rows) >= len(calls) and all(row["tenant_id"] == tenant for row in rows):
            break
        assert time.monotonic() < deadline, f"{len(rows)} of {len(calls)}: {found.server.log.read_text()[-2000:] if found.server else ''}"
        time.sleep(0.2)
    assert sorted(row["span_id"] for row in rows) == calls
    assert sum(Decimal(row["cost_usd"]) for row in rows) == len(calls) * Decimal(CHAT_USD)
