"""Ledger entries as OTLP log records: each linked to the span it charges, with everything the ledger says of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
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
    scope_logs.log_records.extend(log_record(number, event) for number, event in entries)
    return request


def our_resource() -> Resource:
    """spanledger as the one that tells."""
    return Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="spanledger"))])


def our_scope() -> InstrumentationScope:
    """The instrumentation scope of all that is sent on."""
    return InstrumentationScope(name=SCOPE, version=version("spanledger"))


def log_record(number: int, event: CostEvent) -> LogRecord:
    """One entry. `log.record.uid` is the entry's own id: one that comes twice can be told by it."""
    cost = "unpriced" if event.cost_usd is None else f"{text_from_atto(event.cost_usd)} USD"
    return LogRecord(
        time_unix_nano=max(event.end_ns, 0),
        observed_time_unix_nano=event.booked_ns,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        severity_text="INFO",
        event_name=EVENT_NAME,
        body=AnyValue(string_value=f"{event.kind} {cost}"),
        attributes=[KeyValue(key=key, value=value) for key, value in _attributes(number, event)],
        trace_id=event.trace_id,
        span_id=event.span_id,
        flags=_SAMPLED,
    )


def _attributes(number: int, event: CostEvent) -> Iterator[tuple[str, AnyValue]]:
    yield "log.record.uid", AnyValue(string_value=event.event_id.hex())
    yield f"{PREFIX}entry_number", AnyValue(int_value=number)
    values: tuple[Any, ...] = event
    for column, value in zip(COLUMNS, values, strict=True):
        if value is None or column.name in _ELSEWHERE:
            continue
        name = f"{PREFIX}{column.name}"
        if column.type == "money":
            text = text_from_atto(value)
            yield name, AnyValue(string_value=text)
            yield f"{name}_double", AnyValue(double_value=float(Decimal(text)))
        elif value != ():
            yield name, _any_value(column.type, value)
        if column.name in CONVENTIONS:
            yield CONVENTIONS[column.name], AnyValue(string_value=value)


def _any_value(kind: str, value: Any) -> AnyValue:
    match kind:
        case "bool":
            return AnyValue(bool_value=value)
        case "int" | "ns":
            return AnyValue(int_value=value)
        case "id16" | "id8":
            return AnyValue(string_value=value.hex())
        case "texts":
            return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=text) for text in value]))
        case "usage":
            return AnyValue(string_value=_json(dict(value)))
        case "lines":
            return AnyValue(string_value=_json([{**line._asdict(), "cost_usd": text_from_atto(line.cost_usd)} for line in value]))
    return AnyValue(string_value=value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
