"""The redaction in a real Collector, over every captured program: no content passes, and every count passes that is not inside of content."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.enrich.kept import PRUNED_PREFIX, kept_for
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Reading
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from tests.conformance.road import RULES, case_names, requests
from tests.otel_config.collector import CONFIGS, Collector, free_port

PIPELINE = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{file: {{path: "{out}"}}}}
extensions: {{health_check: {{endpoint: "${{env:HEALTH}}"}}}}
service:
  extensions: [health_check]
  pipelines: {{traces: {{receivers: [otlp], processors: [transform/redact], exporters: [file]}}}}
"""
LOST = {
    # usage, or a part of it, is only inside of the answer's JSON
}


@pytest.fixture(scope="module")
def redacted(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """Every captured request as it comes out of the redaction, by case."""
    folder = tmp_path_factory.mktemp("redaction")
    out, port = folder / "out.jsonl", free_port()
    (folder / "pipeline.yaml").write_text(PIPELINE.format(port=port, out=out))
    collector = Collector(binary, folder, [folder / "pipeline.yaml", CONFIGS / "redact.yaml"], {})
    collector.start()
    sizes = {}
    for name in case_names():
        sizes[name] = len(requests(name))
        for body in requests(name):
            told = urllib.request.Request(f"http://127.0.0.1:{port}/v1/traces", body, {"content-type": "application/x-protobuf"})
            with urllib.request.urlopen(told, timeout=10) as answer:
                assert answer.status == 200
    collector.stop()
    lines = iter(out.read_bytes().splitlines())
    found = {name: [to_protobuf(next(lines)) for _ in range(size)] for name, size in sizes.items()}
    assert next(lines, None) is None
    return found


def readings(body: bytes) -> list[Reading]:
    pruned = Pruner(kept_for(RULES), b"k" * 32).prune(body)
    return Reader(RULES).read(pruned, authority="default", key_tenant=None, position=0, received_ns=1)[0]


def told(reading: Reading) -> tuple[Any, ...]:
    """What a reading says of money and payers; prompt hashes and the emitter's own cost apart."""
    call = reading.call
    named = None if call is None else (call.usage, call.provider, call.response_model or call.request_model, call.response_id)
    return reading.span_id, reading.kind, reading.payers, reading.resource.payers, named


def texts(message: Any) -> Iterator[str]:
    """Every text in attribute values, however deep."""
    for pair in message:
        yield from _inside(pair.value)


def _inside(value: Any) -> Iterator[str]:
    match value.WhichOneof("value"):
        case "string_value":
            yield value.string_value
        case "array_value":
            for item in value.array_value.values:
                yield from _inside(item)
        case "kvlist_value":
            yield from texts(value.kvlist_value.values)


def test_nothing_passes_that_spanledger_would_throw_away(redacted: dict[str, list[bytes]]) -> None:
    """What its own pruning still finds to take out are JSON texts that it reduces, and texts that are too long to be names."""
    left: dict[str, int] = {}
    for bodies in redacted.values():
        for body in bodies:
            pruned = ExportTraceServiceRequest.FromString(Pruner(kept_for(RULES), b"k" * 32).prune(body))
            for resource_spans in pruned.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    for span in scope_spans.spans:
                        assert not span.status.message
                        for holder in (resource_spans.resource, scope_spans.scope, span, *span.events):
                            for pair in holder.attributes:
                                if any(text.startswith(PRUNED_PREFIX) for text in _inside(pair.value)):
                                    left[pair.key] = left.get(pair.key, 0) + 1
    assert left.keys() <= kept_for(RULES).json_keys.keys() | kept_for(RULES).number_keys, left


def test_every_count_and_payer_passes_that_is_not_inside_of_content(redacted: dict[str, list[bytes]]) -> None:
    lost = {}
    for name, bodies in redacted.items():
        before = [told(each) for body in requests(name) for each in readings(body)]
        after = [told(each) for body in bodies for each in readings(body)]
        differing = sum(one != other for one, other in zip(before, after, strict=True))
        if differing:
            lost[name] = differing
    assert lost == LOST
