"""Spans as an emitter would export them, for the tests of dialects: pruned as the receiver prunes them, then read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.enrich.kept import kept_for
from spanledger.enrich.read import Reader
from spanledger.enrich.records import Call, Reading, Usage
from spanledger.enrich.rules import default_rules
from spanledger.receiver.prune import Pruner


@lru_cache(maxsize=1)
def _tools() -> tuple[Reader, Pruner]:
    rules = default_rules()
    return Reader(rules), Pruner(kept_for(rules), b"a key of thirty-two bytes exactly")


def read_span(
    scope: str,
    attributes: Mapping[str, Any],
    *,
    version: str = "",
    name: str = "span",
    status: int = 0,
    events: Sequence[Mapping[str, Any]] = (),
) -> Reading:
    """The reading of one exported span; dicts among the attributes are written as JSON texts. `events` are the attributes of its events.

    The span is read raw and pruned: usage, ids, models and payers must be the same, or pruning threw away what a rule needs.
    """
    reader, pruner = _tools()
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = scope, version
    span = scope_spans.spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, name=name, start_time_unix_nano=10**18, end_time_unix_nano=10**18 + 1
    )
    span.status.code = status  # type: ignore[assignment]  # an enum's number is what the wire has
    for key, value in attributes.items():
        _set(span.attributes.add(key=key).value, value)
    for number, attributes_of_event in enumerate(events):
        event = span.events.add(name=f"event.{number}")
        for key, value in attributes_of_event.items():
            _set(event.attributes.add(key=key).value, value)
    raw, pruned = (_read(reader, data) for data in (request.SerializeToString(), pruner.prune(request.SerializeToString())))
    assert pruned.payers == raw.payers
    assert (pruned.kind, pruned.operation, pruned.failed) == (raw.kind, raw.operation, raw.failed)
    if raw.call is None or pruned.call is None:
        assert raw.call is pruned.call is None
    else:
        assert pruned.call._replace(prompt_hmac=None) == raw.call
    return pruned


def call_of(reading: Reading) -> Call:
    """The call of a reading that has one."""
    assert reading.call is not None
    return reading.call


def usage_of(reading: Reading) -> Usage:
    """The usage of a reading that has one."""
    usage = call_of(reading).usage
    assert usage is not None
    return usage


def _read(reader: Reader, data: bytes) -> Reading:
    readings, problems = reader.read(data, authority="default", key_tenant=None, position=0, received_ns=0)
    assert not problems
    return readings[0]


def _set(value: Any, given: Any) -> None:
    if isinstance(given, bool):
        value.bool_value = given
    elif isinstance(given, int):
        value.int_value = given
    elif isinstance(given, float):
        value.double_value = given
    elif isinstance(given, list):
        for item in given:
            _set(value.array_value.values.add(), item)
    else:
        value.string_value = given if isinstance(given, str) else json.dumps(given)
