"""Two runs of a program at the same time, with the same counts in every call, are charged twice: what looks alike is not taken for one.

The second run is the first one with ids of its own, started a moment later. Load tests and crowds of users are like that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.enrich.book import Versions
from spanledger.enrich.engine import Engine, Policy
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Reading
from spanledger.enrich.trace_memory import StoredTrace
from tests.conformance.road import CATALOG, RULES, case_names, requests

COUNTED = (
    *("operation", "request_model", "response_model", "tenant_id", "usage_state", "cost_usd"),
    *("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
)
READER = Reader(RULES)


class NoHistory:
    tellers: frozenset[tuple[str, str | None, tuple[str, str]]] = frozenset()

    def traces(self, wanted: Mapping[Any, Any]) -> Mapping[Any, StoredTrace]:
        return {}

    def linked(self, keys: Mapping[int, Any]) -> Iterable[Any]:
        return ()


def read(bodies: Sequence[bytes]) -> list[Reading]:
    return [reading for body in bodies for reading in READER.read(body, authority="default", key_tenant=None, position=0, received_ns=0)[0]]


def charges(readings: Sequence[Reading]) -> Counter[tuple[Any, ...]]:
    engine = Engine(CATALOG, Policy(), NoHistory(), Versions("", ""), horizon_ns=0)
    engine.add(readings)
    return Counter(tuple(getattr(event, name) for name in COUNTED) for event in engine.tick(0, final=True).events)


def another_run(body: bytes, later_ns: int, response_ids: Iterable[str]) -> bytes:
    """The same request from another run: other trace, span and response ids, a moment later."""
    request = ExportTraceServiceRequest.FromString(body)
    ids = sorted(response_ids, key=len, reverse=True)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                span.trace_id, span.span_id, span.parent_span_id = map(_other_id, (span.trace_id, span.span_id, span.parent_span_id))
                span.start_time_unix_nano += later_ns
                span.end_time_unix_nano += later_ns
                for attributes in (span.attributes, *(event.attributes for event in span.events)):
                    for attribute in attributes:
                        _rename(attribute.value, ids)
    return request.SerializeToString()


def _other_id(span_or_trace_id: bytes) -> bytes:
    return bytes(255 - byte for byte in span_or_trace_id)


def _rename(value: Any, ids: Sequence[str]) -> None:
    for each in value.array_value.values:
        _rename(each, ids)
    for each in ids:
        if each in value.string_value:
            value.string_value = value.string_value.replace(each, f"{each}again")


@pytest.mark.parametrize("name", case_names())
def test_two_runs_at_once_are_charged_twice(name: str) -> None:
    once = read(requests(name))
    ids = {reading.call.response_id for reading in once if reading.call is not None and reading.call.response_id}
    twice = Counter({charge: 2 * count for charge, count in charges(once).items()})
    for later_ms in (0, 7):
        again = read([another_run(body, later_ms * 1_000_000, ids) for body in requests(name)])
        assert charges([*once, *again]) == twice
