"""Ledger entries as OTLP log records: each linked to the span it charges, with everything the ledger says of it.

An entry has about sixty attributes, so they are written as bytes, those with few values from a cache; a test holds them to protobuf's own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from spanledger.enrich.events import COLUMNS, CostEvent
from spanledger.enrich.money import text_from_atto

EVENT_NAME: Final = "spanledger.cost"
PREFIX: Final = "spanledger."
SCOPE: Final = "spanledger.forward"
_SAMPLED: Final = 1
_ELSEWHERE: Final = frozenset({"trace_id", "span_id", "prompt_hmac"})
"""In the record itself; and what is of no use outside the ledger."""
CONVENTIONS: Final = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
    "response_model": "gen_ai.response.model",
    "agent": "gen_ai.agent.name",
    "error_type": "error.type",
}
"""Columns that are told once more under the name that OpenTelemetry has for them, so that existing queries and views find them."""


def logs_request(entries: Iterable[tuple[int, CostEvent]]) -> ExportLogsServiceRequest:
    """The export request of these entries (number, entry), in their order."""
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add(resource=our_resource())
    scope_logs = resource_logs.scope_logs.add(scope=our_scope())
    for number, event in entries:
        scope_logs.log_records.add().MergeFromString(record_bytes(number, event))
    return request


def our_resource() -> Resource:
    """spanledger as the one that tells."""
    return Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="spanledger"))])


def our_scope() -> InstrumentationScope:
    """The instrumentation scope of all that is sent on."""
    return InstrumentationScope(name=SCOPE, version=version("spanledger"))


def log_record(number: int, event: CostEvent) -> LogRecord:
    """One entry as a message."""
    return LogRecord.FromString(record_bytes(number, event))


def record_bytes(number: int, event: CostEvent) -> bytes:
    """One entry as a serialized LogRecord. `log.record.uid` is the entry's own id: one that comes twice can be told by it."""
    cost = "unpriced" if event.cost_usd is None else f"{text_from_atto(event.cost_usd)} USD"
    head = LogRecord(
        time_unix_nano=max(event.end_ns, 0),
        observed_time_unix_nano=event.booked_ns,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        severity_text="INFO",
        event_name=EVENT_NAME,
        body=AnyValue(string_value=f"{event.kind} {cost}"),
        trace_id=event.trace_id,
        span_id=event.span_id,
        flags=_SAMPLED,
    )
    return b"".join([head.SerializeToString(), *_attributes(number, event)])


def _attributes(number: int, event: CostEvent) -> Iterator[bytes]:
    yield _text("log.record.uid", event.event_id.hex())
    yield _integer(f"{PREFIX}entry_number", number)
    values: tuple[Any, ...] = event
    for (column, kind, name, convention), value in zip(_COLUMNS, values, strict=True):
        if value is None or value == () or name is None:
            continue
        if kind == "money":
            text = text_from_atto(value)
            yield _text(name, text)
            yield _double(f"{name}_double", float(Decimal(text)))
        elif kind in ("int", "ns"):
            yield _integer(name, value)
        elif kind == "text":
            yield _common_text(name, value) if column in _COMMON else _text(name, value)
        else:
            yield _pair(name, _any_value(kind, value))
        if convention is not None:
            yield _common_text(convention, value)


_COLUMNS: Final[tuple[tuple[str, str, str | None, str | None], ...]] = tuple(
    (each.name, each.type, None if each.name in _ELSEWHERE else f"{PREFIX}{each.name}", CONVENTIONS.get(each.name)) for each in COLUMNS
)
"""What is told of each column: its name and type, the attribute (None: none) and the second one."""
_COMMON: Final = frozenset(each.name for each in COLUMNS if each.type == "text") - {"user_id", "session_id", "response_id"}
"""Texts of which the same come again and again."""


def _any_value(kind: str, value: Any) -> AnyValue:
    match kind:
        case "bool":
            return AnyValue(bool_value=value)
        case "id16" | "id8":
            return AnyValue(string_value=value.hex())
        case "texts":
            return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=text) for text in value]))
        case "usage":
            return AnyValue(string_value=_json(dict(value)))
        case "lines":
            return AnyValue(string_value=_json([{**line._asdict(), "cost_usd": text_from_atto(line.cost_usd)} for line in value]))
    raise TypeError(f"a column of type {kind} has no form as an attribute")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# The wire form: LogRecord.attributes is field 6, a KeyValue of key (1) and value (2); an AnyValue's text is 1, its integer 3, its double 4.


def _pair(key: str, value: AnyValue) -> bytes:
    return _attribute(key, value.SerializeToString())


def _attribute(key: str, value: bytes) -> bytes:
    pair = b"".join((_key(key), b"\x12", _varint(len(value)), value))
    return b"".join((b"\x32", _varint(len(pair)), pair))


@lru_cache(maxsize=1024)
def _key(key: str) -> bytes:
    raw = key.encode()
    return b"\x0a" + _varint(len(raw)) + raw


def _text(key: str, value: str) -> bytes:
    raw = value.encode()
    return _attribute(key, b"".join((b"\x0a", _varint(len(raw)), raw)))


_common_text = lru_cache(maxsize=8_192)(_text)


def _integer(key: str, value: int) -> bytes:
    return _attribute(key, b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF))


def _double(key: str, value: float) -> bytes:
    return _attribute(key, b"\x21" + struct.pack("<d", value))


def _varint(value: int) -> bytes:
    if value < 0x80:
        return _SMALL[value]
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


_SMALL: Final = tuple(bytes((n,)) for n in range(0x80))
