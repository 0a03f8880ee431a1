"""How much memory the worker needs for a million open spans: traces whose roots never come, through journal, reader, engine and ledger.

    python benchmarks/memory.py [--spans 1000000] [--shape distinct|wide|giant|all] [--json]

Time stands still for the worker, so that nothing is settled because it has waited long enough: every trace waits for a root until memory
is short. `distinct`: traces of 8 spans, two of them calls, one with a payer; `wide`: 40 traces of 25,000 spans, interleaved; `giant`: one
trace. The journal is written by one process and read by another, whose peak of resident memory is told; at the end a few roots come after
all, which must find their calls, and all is settled at once (`peak_settled_mib`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from load import set_attributes
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.cli.config import Config
from spanledger.cli.folder import DataFolder
from spanledger.cli.parts import OpenWorker, open_journal
from spanledger.cli.worker import tune_memory
from spanledger.enrich.grants import DEFAULT_AUTHORITY
from spanledger.receiver.journal import Record
from spanledger.store.reports import report

START_NS = 1_795_132_800_000_000_000  # 2026-11-20 00:00 UTC
MS = 1_000_000
SPANS_PER_REQUEST = 512
TRACE_SPANS = {"distinct": 8, "wide": 25_000, "giant": 1 << 40}
ROOT = 1
ROOTS_AFTER_ALL = 3


def places(spans: int, shape: str) -> Iterator[tuple[int, int]]:
    """(trace, number in it) of each span, in the order they come."""
    size = min(TRACE_SPANS[shape], spans)
    if shape != "wide":
        yield from (divmod(number, size) for number in range(spans))
        return
    traces = -(-spans // size)
    yield from ((number % traces, number // traces) for number in range(spans))


def requests(spans: int, shape: str) -> Iterator[bytes]:
    """Export requests: of every four spans one is a call, and half of the calls say who pays."""
    request, filled = new_request()
    for trace, number in places(spans, shape):
        at_ns = START_NS + (trace * 7 + number * 3) * MS
        span = filled.spans.add(
            trace_id=(trace + 1).to_bytes(16, "big"),
            span_id=(number + ROOT + 1).to_bytes(8, "big"),
            parent_span_id=ROOT.to_bytes(8, "big"),
            start_time_unix_nano=at_ns,
            end_time_unix_nano=at_ns + 900 * MS,
        )
        if number % 4:
            span.name = "GET /orders"
            set_attributes(span.attributes, [("http.request.method", "GET"), ("http.response.status_code", 200)])
        else:
            span.name = "chat gpt-4o"
            set_attributes(span.attributes, call(trace, number))
        if len(filled.spans) == SPANS_PER_REQUEST:
            yield request.SerializeToString()
            request, filled = new_request()
    yield request.SerializeToString()


def call(trace: int, number: int) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "gpt-4o"),
        ("gen_ai.response.model", "gpt-4o-2024-08-06"),
        ("gen_ai.response.id", f"chatcmpl-{trace:016x}{number:012x}"),
        ("gen_ai.usage.input_tokens", 1_000 + number % 5_000),
        ("gen_ai.usage.output_tokens", 100 + trace % 500),
    ]
    return pairs if number % 8 else [*pairs, ("tenant.id", f"tenant-{trace % 200:03d}")]


def new_request() -> tuple[ExportTraceServiceRequest, Any]:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    set_attributes(resource_spans.resource.attributes, [("service.name", "svc-01")])
    filled = resource_spans.scope_spans.add()
    filled.scope.name, filled.scope.version = "opentelemetry.instrumentation.genai.openai", "1.3b0"
    return request, filled


def roots() -> bytes:
    """The roots of the first traces, which say who pays."""
    request, filled = new_request()
    for trace in range(ROOTS_AFTER_ALL):
        span = filled.spans.add(
            trace_id=(trace + 1).to_bytes(16, "big"),
            span_id=ROOT.to_bytes(8, "big"),
            name="POST /v1/answers",
            start_time_unix_nano=START_NS,
            end_time_unix_nano=START_NS + 900_000 * MS,
        )
        set_attributes(span.attributes, [("tenant.id", "came-late")])
    return request.SerializeToString()


def journal(folder: DataFolder, bodies: Iterator[bytes]) -> None:
    with open_journal(folder, Config(), at_least=0) as opened:
        for body in bodies:
            last = opened.append(Record(DEFAULT_AUTHORITY, None, None, START_NS, body))
        last.result()


def work(folder: DataFolder, answers: Any) -> None:
    """Take the journal in while time stands still."""
    tune_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    with OpenWorker(folder, Config()) as opened:
        worker = opened.worker
        worker._clock_ns = lambda: START_NS  # this bench stands where the worker's clock does
        while worker.take():
            if worker._since_commit >= 50_000:
                worker.commit()
        worker.commit()
        seconds = time.perf_counter() - began
        figures = {
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            "before_mib": before >> 10,
            "seconds": round(seconds, 1),
            "spans_held": worker._engine.spans_held,  # type: ignore[attr-defined]  # as above
            "open_traces": worker._engine.open_traces,  # type: ignore[attr-defined]
        }
        journal(folder, iter([roots()]))
        began = time.perf_counter()
        worker.take()
        worker.commit(final=True)
        figures["late_seconds"] = round(time.perf_counter() - began, 1)
        figures["peak_settled_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        table = report(opened.ledger)
        late = next((row[1] for row in table.rows if row[0] == "came-late"), 0)
        figures |= {"calls": table.totals[1], "late_calls": late}
        answers.put(figures)


def measure(spans: int, shape: str) -> dict[str, Any]:
    """One run in processes of its own."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = DataFolder(Path(name) / "data")
        folder.create()
        answers = context.Queue()
        for process in (
            context.Process(target=_journal, args=(folder, spans, shape)),
            context.Process(target=work, args=(folder, answers)),
        ):
            process.start()
            process.join()
        return {"shape": shape, "spans": spans, **answers.get(timeout=5)}


def _journal(folder: DataFolder, spans: int, shape: str) -> None:
    journal(folder, requests(spans, shape))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--shape", choices=(*TRACE_SPANS, "all"), default="all")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for shape in TRACE_SPANS if options.shape == "all" else (options.shape,):
        figures = measure(options.spans, shape)
        print(json.dumps(figures) if options.json else " ".join(f"{key}={value}" for key, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
