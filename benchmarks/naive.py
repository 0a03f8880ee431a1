"""The loop every figure is compared with: what a good engineer writes in an hour with the published protobuf classes.

    python benchmarks/naive.py LOAD.bin [--core 0]

Decode, make a dictionary of every span's attributes, keep the provider calls, price each with Decimal, collect rows, make one
Arrow batch a request. It settles nothing, knows one dialect and no payers, and stores nothing. Prints mixed spans a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from load import read_frames
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

CALLS = {"chat", "text_completion", "generate_content", "embeddings"}
USD_PER_MILLION = {"input": Decimal("2.50"), "read": Decimal("1.25"), "write": Decimal("3.125"), "output": Decimal(10)}
USAGE = "gen_ai.usage."


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


def cost_usd(attributes: dict[str, Any]) -> Decimal:
    inputs = attributes.get(USAGE + "input_tokens") or 0
    read = attributes.get(USAGE + "cache_read.input_tokens") or 0
    write = attributes.get(USAGE + "cache_creation.input_tokens") or 0
    outputs = attributes.get(USAGE + "output_tokens") or 0
    rate = USD_PER_MILLION
    return (rate["input"] * (inputs - read - write) + rate["read"] * read + rate["write"] * write + rate["output"] * outputs) / 1_000_000


def row(span: Any, attributes: dict[str, Any], resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent": span.parent_span_id,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "service": resource.get("service.name"),
        "tenant": attributes.get("tenant.id"),
        "user": attributes.get("user.id"),
        "session": attributes.get("gen_ai.conversation.id"),
        "agent": attributes.get("gen_ai.agent.name"),
        "operation": attributes.get("gen_ai.operation.name"),
        "provider": attributes.get("gen_ai.provider.name"),
        "model": attributes.get("gen_ai.request.model"),
        "response_id": attributes.get("gen_ai.response.id"),
        "input_tokens": attributes.get(USAGE + "input_tokens"),
        "output_tokens": attributes.get(USAGE + "output_tokens"),
        "cache_read_tokens": attributes.get(USAGE + "cache_read.input_tokens"),
        "cost_usd": cost_usd(attributes),
    }


def rows(request: bytes) -> list[dict[str, Any]]:
    found = []
    for resource_spans in ExportTraceServiceRequest.FromString(request).resource_spans:
        resource = {each.key: plain(each.value) for each in resource_spans.resource.attributes}
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                attributes = {each.key: plain(each.value) for each in span.attributes}
                if attributes.get("gen_ai.operation.name") in CALLS:
                    found.append(row(span, attributes, resource))
    return found


def count_spans(requests: list[bytes]) -> int:
    decoded = (ExportTraceServiceRequest.FromString(request) for request in requests)
    return sum(len(scope.spans) for request in decoded for resource in request.resource_spans for scope in resource.scope_spans)


def spans_per_second(requests: list[bytes], rounds: int = 5) -> float:
    """The median of some rounds over all requests, in this process and thread."""
    spans = count_spans(requests)
    rates = []
    for _ in range(rounds):
        began = time.perf_counter()
        for request in requests:
            pa.RecordBatch.from_pylist(rows(request))
        rates.append(spans / (time.perf_counter() - began))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("load", type=Path)
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    print(f"naive: {spans_per_second(read_frames(options.load)):,.0f} spans/s")


if __name__ == "__main__":
    main()
