"""The whole server under a steady load: sent = acknowledged = in the ledger, how far behind it runs, how fresh its reports are.

    python benchmarks/serve.py [--rate 40000] [--seconds 60] [--transport grpc|http] [--json]

Starts `spanledger serve` as anybody would, on free ports and a fresh folder, and sends the shared load at a fixed rate of mixed
spans a second (open loop: a request that is late counts as late). Each round of the load gets trace and response ids of its own.
While it runs, small probe traces are sent twice a second, and the ledger is asked until each shows: that is the freshness of a
report. At the end the server is stopped, and the ledger must hold exactly one charge for each provider call sent.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from load import SPANS_PER_REQUEST, requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from receive import grpc_sender, http_sender

CALLS = {"chat", "embeddings"}
DISTINCT = 192
PROBE_EVERY_SECONDS = 0.5
PROGRAM = str(Path(sys.executable).with_name("spanledger"))


class Load:
    """The shared load, endlessly: each round is the same bytes with other ids."""

    def __init__(self) -> None:
        self.bodies = [np.frombuffer(body, dtype=np.uint8) for body in requests(DISTINCT, 1, with_text=False)]
        self.marks = [self._marks(body) for body in self.bodies]
        self.calls = [self._calls(body) for body in self.bodies]

    @staticmethod
    def _spans(body: Any) -> Any:
        for resource in ExportTraceServiceRequest.FromString(body.tobytes()).resource_spans:
            for scope in resource.scope_spans:
                yield from scope.spans

    def _calls(self, body: Any) -> int:
        return sum(
            any(a.key == "gen_ai.operation.name" and a.value.string_value in CALLS for a in span.attributes) for span in self._spans(body)
        )

    def _marks(self, body: Any) -> Any:
        """Where four bytes of each trace id and each response id stand."""
        raw, found = body.tobytes(), []
        for needle, skip in [(b"\n\x10" + trace_id, 2) for trace_id in {span.trace_id for span in self._spans(body)}] + [(b"resp-", 5)]:
            at = raw.find(needle)
            while at >= 0:
                found.append(at + skip)
                at = raw.find(needle, at + 1)
        return np.array(found)

    def body(self, ticket: int) -> bytes:
        """The request of a ticket, with the ids of its round."""
        turn, n = divmod(ticket, len(self.bodies))
        changed = self.bodies[n].copy()
        for digit, byte in enumerate(f"{turn:04x}".encode()):
            changed[self.marks[n] + digit] = byte
        return changed.tobytes()


def probe(number: int) -> bytes:
    """A complete small trace of a tenant of its own."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    a = resource.resource.attributes.add(key="service.name")
    a.value.string_value = "probe"
    scope = resource.scope_spans.add()
    now = time.time_ns()
    span = scope.spans.add(
        trace_id=os.urandom(16), span_id=os.urandom(8), name="chat gpt-4o", kind=3, start_time_unix_nano=now - 10**9, end_time_unix_nano=now
    )
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "tenant.id": f"probe-{number}",
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    for key, count in {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}.items():
        span.attributes.add(key=key).value.int_value = count
    return request.SerializeToString()


class Freshness:
    """Sends probes and notes when each shows in the ledger, in a thread of its own."""

    def __init__(self, data: Path, send: Any) -> None:
        self.data, self.send = data, send
        self.sent: dict[str, float] = {}
        self.seconds: list[float] = []
        self.query_seconds: list[float] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        from spanledger.store.ledger import Ledger
        from spanledger.store.reports import report

        number, due = 0, time.monotonic()
        while not self.stopping.is_set() or (self.sent and time.monotonic() < due + 15):
            if not self.stopping.is_set() and time.monotonic() >= due:
                self.send(probe(number))
                self.sent[f"probe-{number}"] = time.monotonic()
                number, due = number + 1, due + PROBE_EVERY_SECONDS
            began = time.monotonic()
            with Ledger.open(self.data, read_only=True) as ledger:
                rows = report(ledger, by=["tenant"], filters={"service": "probe"}).rows
            self.query_seconds.append(time.monotonic() - began)
            for row in rows:
                if (at := self.sent.pop(str(row[0]), None)) is not None:
                    self.seconds.append(time.monotonic() - at)
            time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=40_000, help="mixed spans a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--transport", choices=("grpc", "http"), default="grpc")
    parser.add_argument("--senders", type=int, default=8)
    parser.add_argument("--probes", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load = Load()
    with tempfile.TemporaryDirectory() as name:
        figures = run(Path(name), load, options)
    print(json.dumps(figures) if options.json else "\n".join(f"{key:32} {value}" for key, value in figures.items()))
    return 0 if figures["calls_sent"] == figures["calls_charged"] else 1


def run(data: Path, load: Load, options: Any) -> dict[str, Any]:
    command = [PROGRAM, "serve", "--data", str(data), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        return measure(process, data, load, options)
    finally:
        process.kill()


def measure(process: Any, data: Path, load: Load, options: Any) -> dict[str, Any]:
    info = json.loads(wait_for(data / "server.json"))
    port = int(str(info[options.transport]).rpartition(":")[2])
    make = grpc_sender if options.transport == "grpc" else http_sender
    freshness = Freshness(data, make(port, 99))
    if options.probes:
        freshness.thread.start()
    latencies, lags = drive(make, port, load, options, lambda: lag_bytes(info))
    freshness.stopping.set()
    if options.probes:
        freshness.thread.join()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    drained = time.monotonic() - began
    settle_the_rest(data)
    sent = sum(load.calls[ticket % DISTINCT] for ticket in range(len(latencies)))
    return {
        "rate_spans_per_second": options.rate,
        "seconds": options.seconds,
        "requests": len(latencies),
        "calls_sent": sent,
        "calls_charged": charged(data),
        "ack_p50_ms": round(1000 * statistics.median(latencies), 1),
        "ack_p99_ms": round(1000 * sorted(latencies)[int(len(latencies) * 0.99)], 1),
        "journal_lag_mib_max": round(max(lags) / 2**20, 1),
        "journal_lag_mib_end": round(lags[-1] / 2**20, 1),
        "drained_after_seconds": round(drained, 1),
        "in_report_p50_seconds": round(statistics.median(freshness.seconds), 2) if freshness.seconds else None,
        "in_report_p99_seconds": round(sorted(freshness.seconds)[int(len(freshness.seconds) * 0.99)], 2) if freshness.seconds else None,
        "booked_after_p99_seconds": booked_after(data),
        "report_seconds_median": round(statistics.median(freshness.query_seconds), 2) if freshness.query_seconds else None,
    }


def drive(make: Any, port: int, load: Load, options: Any, lag: Any) -> tuple[list[float], list[int]]:
    """(latencies in seconds, lag in bytes each second) of an open loop at the wanted rate."""
    per_second = options.rate / SPANS_PER_REQUEST
    local, latencies, lags = threading.local(), [], []
    began = time.perf_counter()

    def send(ticket: int, due: float) -> None:
        sender = getattr(local, "send", None)
        if sender is None:
            sender = local.send = make(port, ticket % options.senders)
        sender(load.body(ticket))
        latencies.append(time.perf_counter() - due)

    with ThreadPoolExecutor(options.senders) as pool:
        futures = []
        for ticket in range(int(per_second * options.seconds)):
            due = began + ticket / per_second
            time.sleep(max(0.0, due - time.perf_counter()))
            futures.append(pool.submit(send, ticket, due))
            if ticket % max(1, int(per_second)) == 0:
                lags.append(lag())
        for future in futures:
            future.result()
    lags.append(lag())
    return latencies, lags


def lag_bytes(info: dict[str, Any]) -> int:
    import urllib.request

    address = str(info["http"]).rpartition("//")[2]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("spanledger_worker_lag_bytes"):
                return int(float(line.split()[-1]))
    return 0


def settle_the_rest(data: Path) -> None:
    """The last traces of the load are cut off and wait for their roots; ingesting settles whatever waits."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "probe.pb"
        path.write_bytes(probe(0))
        subprocess.run([PROGRAM, "ingest", "--data", str(data), str(path)], check=True, capture_output=True)


def charged(data: Path) -> int:
    from spanledger.store.ledger import Ledger
    from spanledger.store.reports import report

    with Ledger.open(data, read_only=True) as ledger:
        table = report(ledger, by=["service"])
    calls = table.columns.index("calls")
    return sum(row[calls] for row in table.rows if row[0] != "probe")


def booked_after(data: Path) -> float:
    """The 99th percentile of booking time less time of receipt, in seconds, over every charge of the load."""
    import duckdb

    [row] = duckdb.execute(
        "SELECT quantile_cont((booked_ns - received_ns) / 1e9, 0.99) FROM read_parquet(?)", [f"{data}/events/*/*.ledger"]
    ).fetchall()
    return round(float(row[0]), 2)


def wait_for(path: Path) -> str:
    for _ in range(200):
        if path.exists() and path.stat().st_size:
            return path.read_text()
        time.sleep(0.05)
    raise TimeoutError(f"{path} did not come")


if __name__ == "__main__":
    sys.exit(main())
