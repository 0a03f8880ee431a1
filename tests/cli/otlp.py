"""Export requests for the tests of the command line, small enough to read: chats in traces, as OTLP/JSON and as protobuf."""

from __future__ import annotations

import json
import time
from typing import Any

from spanledger.receiver.otlp_json import to_protobuf

NOW_NS = time.time_ns()
SECOND_NS = 1_000_000_000


def attribute(key: str, value: Any) -> dict[str, Any]:
    """An OTLP/JSON attribute of a string, an integer, a float or a boolean."""
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": key, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": key, "value": {"doubleValue": value if value == value else "NaN"}}
    return {"key": key, "value": {"stringValue": value}}


def span(trace: int, number: int, attributes: dict[str, Any], *, parent: int = 0, start_ns: int = 0, name: str = "chat gpt-4o-mini") -> Any:
    """A span of one second; ids are small numbers."""
    start_ns = start_ns or NOW_NS - 60 * SECOND_NS + number * SECOND_NS
    found = {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "name": name,
        "kind": 3,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(min(start_ns + SECOND_NS, (1 << 64) - 1)),
        "attributes": [attribute(key, value) for key, value in attributes.items()],
    }
    return found | ({"parentSpanId": f"{parent:016x}"} if parent else {})


def chat(trace: int, number: int, tenant: str | None = "acme", *, input_tokens: Any = 1000, output_tokens: Any = 100, **more: Any) -> Any:
    """A chat with gpt-4o-mini: 1,000 tokens in at 0.15 and 100 out at 0.60 USD per million are 0.00015 + 0.00006 = 0.00021 USD."""
    model = more.pop("model", "gpt-4o-mini")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"chatcmpl-{trace}-{number}",
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
    }
    attributes |= {"tenant.id": tenant} if tenant is not None else {}
    attributes |= more.pop("attributes", {})
    return span(trace, number, {key: value for key, value in attributes.items() if value is not None}, **more)


CHAT_USD = "0.00021"


def request(*spans: Any, service: str = "shop") -> dict[str, Any]:
    """An export request of spans of one service."""
    resource = {"attributes": [attribute("service.name", service)]}
    scope_spans = {"scope": {"name": "test.app", "version": "1"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope_spans]}]}


def as_json(*spans: Any) -> bytes:
    """A request as OTLP/JSON."""
    return json.dumps(request(*spans)).encode()


def as_protobuf(*spans: Any) -> bytes:
    """A request as protobuf."""
    return to_protobuf(as_json(*spans))
