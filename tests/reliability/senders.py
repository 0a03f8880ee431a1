"""Senders under trial: real OpenTelemetry exporters with their retries, which remember what they were told of every span."""

from __future__ import annotations

import http.client
import itertools
import logging
import random
import threading
import time
from collections import Counter
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanledger.cli.workload import Protocol, exporter
from spanledger.store.ledger import Ledger
from tests.cli.otlp import as_protobuf, chat
from tests.reliability.bars import require
from tests.reliability.small_life import net_of

_STOP_SECONDS = 4.0
Span = tuple[int, int]
_numbers = itertools.count(1)


class Senders:
    """Threads that send until told to stop. `acknowledged` are the spans of which an exporter was told that they succeeded."""

    def __init__(self, grpc: str, http_address: str, seed: int, *, each: int = 2) -> None:
        for name in ("opentelemetry", "grpc"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self.acknowledged: set[Span] = set()
        self.sent: set[Span] = set()
        self.exports = 0
        self._http = http_address
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        kinds: list[tuple[Protocol, str]] = [("grpc", grpc), ("http", http_address)]
        self._exporters = [exporter(*kind) for kind in kinds for _ in range(each)]
        self._threads = [threading.Thread(target=self._send, args=(each, seed + n)) for n, each in enumerate(self._exporters)]
        self._threads.append(threading.Thread(target=self._post, args=(seed,)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let exports end that can within a while, and stop."""
        self._stopping.set()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for each in self._exporters:
            each.shutdown()
        for thread in self._threads:
            thread.join()

    def _send(self, each: SpanExporter, seed: int) -> None:
        rng = random.Random(seed)
        while not self._stopping.is_set():
            spans = _some_spans(rng)
            ids = {(span.context.trace_id, span.context.span_id) for span in spans if span.context is not None}
            self._note(ids, done=False)
            if each.export(spans) is SpanExportResult.SUCCESS:
                self._note(ids, done=True)
            self._stopping.wait(rng.random() * 0.05)

    def _post(self, seed: int) -> None:
        """A sender without patience, so that there is always a request under way."""
        base = (seed % 1000 + 1) << 40
        while not self._stopping.is_set():
            number = base + next(_numbers)
            self._note({(number, 1)}, done=False)
            connection = http.client.HTTPConnection(self._http, timeout=10)
            try:
                connection.request("POST", "/v1/traces", as_protobuf(chat(number, 1)), {"content-type": "application/x-protobuf"})
                if connection.getresponse().status == 200:
                    self._note({(number, 1)}, done=True)
            except (OSError, http.client.HTTPException):
                self._stopping.wait(0.01)
            finally:
                connection.close()

    def _note(self, ids: set[Span], *, done: bool) -> None:
        with self._guard:
            (self.acknowledged if done else self.sent).update(ids)
            self.exports += done


def _some_spans(rng: random.Random) -> list[ReadableSpan]:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test.app", "1")
    for _ in range(rng.randint(1, 6)):
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": rng.randint(1, 5000),
            "gen_ai.usage.output_tokens": rng.randint(1, 500),
            "tenant.id": f"tenant-{rng.randrange(5)}",
        }
        tracer.start_span("chat gpt-4o-mini", attributes=attributes).end()
    return list(kept.get_finished_spans())


def check_ledger(data: Path, acknowledged: set[Span], sent: set[Span]) -> Counter[str]:
    """Hold the ledger against what the senders know: figures, or BrokenBarError."""
    with Ledger.open(data, read_only=True) as ledger:
        net = net_of(ledger)
    lost = [span for span in acknowledged if net[span] < 1]
    require(not lost, f"{len(lost)} of {len(acknowledged)} acknowledged spans lost, as {lost[:1]}")
    doubled = [span for span, times in net.items() if times > 1]
    require(not doubled, f"{len(doubled)} spans charged more than once, as {doubled[:1]}")
    strange = [span for span, times in net.items() if times and span not in sent]
    require(not strange, f"{len(strange)} charges that nobody sent, as {strange[:1]}")
    return Counter(acknowledged=len(acknowledged), sent=len(sent), charged=+sum(net.values()), lost=0, doubled=0)
