"""OTLP/JSON to protobuf. It is not protobuf's own JSON mapping: ids are hex, enums are integers, unknown names are ignored.

Written against the OTLP specification, "JSON Protobuf Encoding". An id that cannot be read becomes one of a wrong length,
which pruning and reading put in quarantine like any other: one bad span must not cost its neighbours. Everything else that
has the wrong type is MalformedRequest, with the path to it and never with its value.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.receiver.effort import Effort
from spanledger.receiver.errors import MalformedRequest

DEPTH_MAX = 24
"""Attribute values nested deeper become unknown values. Decoders stop at 100 messages, of which a level of maps takes three."""
_UNREADABLE_ID = b"\x00"  # neither absent nor of any valid length
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_FLOAT_EXACT_MAX = 1 << 53
_OBJECT_EFFORT = 3
_VALUES_A_UNIT = 8
_NAMED_DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_Read = Callable[[Any, str], Any]
_Fields = dict[str, tuple[str, _Read]]


def to_protobuf(body: bytes, effort: Effort | None = None) -> bytes:
    """The serialized ExportTraceServiceRequest that an OTLP/JSON body stands for.

    Raises MalformedRequest, or Laborious if it takes more than the `effort`: known before it is parsed, from its braces and commas.
    """
    if effort is not None:
        effort.spend(body.count(b"{") * _OBJECT_EFFORT + body.count(b",") // _VALUES_A_UNIT)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(_json_problem(error)) from error
    request = ExportTraceServiceRequest()
    _fill_list(request.resource_spans, _object(value, "body").get("resourceSpans"), "resourceSpans", _resource_spans)
    return request.SerializeToString(deterministic=True)


def _json_problem(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
    return "the body is not JSON: nested too deeply" if isinstance(error, RecursionError) else "the body is not JSON: not UTF-8"


# -- envelopes and spans ------------------------------------------------------------------------------------------------


def _resource_spans(target: Any, value: dict[str, Any], path: str) -> None:
    if (resource := value.get("resource")) is not None:
        resource = _object(resource, f"{path}.resource")
        target.resource.SetInParent()
        _fill(target.resource, resource, f"{path}.resource", _COUNTED)
        _attributes(target.resource, resource, f"{path}.resource")
    _fill_list(target.scope_spans, value.get("scopeSpans"), f"{path}.scopeSpans", _scope_spans)
    _fill(target, value, path, _SCHEMA_URL)


def _scope_spans(target: Any, value: dict[str, Any], path: str) -> None:
    if (scope := value.get("scope")) is not None:
        scope = _object(scope, f"{path}.scope")
        target.scope.SetInParent()
        _fill(target.scope, scope, f"{path}.scope", _SCOPE)
        _attributes(target.scope, scope, f"{path}.scope")
    _fill_list(target.spans, value.get("spans"), f"{path}.spans", _span)
    _fill(target, value, path, _SCHEMA_URL)


def _span(target: Any, value: dict[str, Any], path: str) -> None:
    _fill(target, value, path, _SPAN)
    _attributes(target, value, path)
    _fill_list(target.events, value.get("events"), f"{path}.events", _event)
    _fill_list(target.links, value.get("links"), f"{path}.links", _link)
    if (status := value.get("status")) is not None:
        target.status.SetInParent()
        _fill(target.status, _object(status, f"{path}.status"), f"{path}.status", _STATUS)


def _event(target: Any, value: dict[str, Any], path: str) -> None:
    _fill(target, value, path, _EVENT)
    _attributes(target, value, path)


def _link(target: Any, value: dict[str, Any], path: str) -> None:
    _fill(target, value, path, _LINK)
    _attributes(target, value, path)


# -- attributes ---------------------------------------------------------------------------------------------------------


def _attributes(target: Any, value: dict[str, Any], path: str) -> None:
    _fill_list(target.attributes, value.get("attributes"), f"{path}.attributes", _top_key_value)


def _top_key_value(target: Any, value: dict[str, Any], path: str) -> None:
    _key_value(target, value, path, 0)


def _key_value(target: Any, value: dict[str, Any], path: str, depth: int) -> None:
    if (key := value.get("key")) is not None:
        target.key = _text(key, f"{path}.key")
    if (inner := value.get("value")) is not None:
        target.value.SetInParent()
        _any_value(target.value, _object(inner, f"{path}.value"), f"{path}.value", depth)


def _any_value(target: Any, value: dict[str, Any], path: str, depth: int) -> None:
    """The last member that is set wins, as on the wire; none or null is the empty value."""
    for name, member in value.items():
        if member is None:
            continue
        if name in _SCALARS:
            field, read = _SCALARS[name]
            setattr(target, field, read(member, f"{path}.{name}"))
        elif name in _NESTED:
            _nested(target, name, _object(member, f"{path}.{name}"), f"{path}.{name}", depth + 1)


def _nested(target: Any, name: str, value: dict[str, Any], path: str, depth: int) -> None:
    if depth > DEPTH_MAX:
        return
    nested = getattr(target, _NESTED[name])
    nested.SetInParent()
    fill = partial(_any_value if name == "arrayValue" else _key_value, depth=depth)
    _fill_list(nested.values, value.get("values"), f"{path}.values", fill)


# -- shapes -------------------------------------------------------------------------------------------------------------


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedRequest(f"{path} is not an object")
    return value


def _fill_list(target: Any, value: Any, path: str, fill: Callable[[Any, dict[str, Any], str], None]) -> None:
    if value is None:
        return
    if not isinstance(value, list):
        raise MalformedRequest(f"{path} is not an array")
    for index, item in enumerate(value):
        fill(target.add(), _object(item, f"{path}[{index}]"), f"{path}[{index}]")


def _fill(target: Any, value: dict[str, Any], path: str, fields: _Fields) -> None:
    for name, (field, read) in fields.items():
        if (member := value.get(name)) is not None:
            setattr(target, field, read(member, f"{path}.{name}"))


# -- scalars ------------------------------------------------------------------------------------------------------------


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise MalformedRequest(f"{path} is not a string")
    # JSON can spell half a surrogate pair, UTF-8 cannot.
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _bool(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise MalformedRequest(f"{path} is not a boolean")
    return value


def _integer(low: int, high: int) -> _Read:
    """A number or a decimal string within bounds; proto3 JSON also allows 1.0 and 1e3 as numbers, when they are whole."""

    def read(value: Any, path: str) -> int:
        number = None
        if isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, str):
            number = int(value) if _INTEGER.fullmatch(value) else None
        elif isinstance(value, float) and value.is_integer() and abs(value) <= _FLOAT_EXACT_MAX:
            number = int(value)
        if number is None or not low <= number <= high:
            raise MalformedRequest(f"{path} is not an integer from {low} to {high}")
        return number

    return read


def _double(value: Any, path: str) -> float:
    if isinstance(value, str):
        if value in _NAMED_DOUBLES:
            return _NAMED_DOUBLES[value]
        try:
            return float(value)
        except ValueError:
            pass
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise MalformedRequest(f"{path} is not a number")


def _bytes(value: Any, path: str) -> bytes:
    """Base64, standard or URL-safe, padded or not."""
    text = _text(value, path).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise MalformedRequest(f"{path} is not base64") from error


def _id(value: Any, _path: str) -> bytes:
    """Hex of either case; pruning looks at the length."""
    if isinstance(value, str) and value.isascii() and not value.isspace():
        try:
            data = binascii.unhexlify(value)
        except binascii.Error:
            return _UNREADABLE_ID
        return data
    return _UNREADABLE_ID


_UINT32 = _integer(0, (1 << 32) - 1)
_UINT64 = _integer(0, (1 << 64) - 1)
_INT64 = _integer(-(1 << 63), (1 << 63) - 1)
_ENUM = _integer(-(1 << 31), (1 << 31) - 1)

_COUNTED: _Fields = {"droppedAttributesCount": ("dropped_attributes_count", _UINT32)}
_SCHEMA_URL: _Fields = {"schemaUrl": ("schema_url", _text)}
_SCOPE: _Fields = {"name": ("name", _text), "version": ("version", _text), **_COUNTED}
_STATUS: _Fields = {"message": ("message", _text), "code": ("code", _ENUM)}
_EVENT: _Fields = {"timeUnixNano": ("time_unix_nano", _UINT64), "name": ("name", _text), **_COUNTED}
_LINK: _Fields = {
    "traceId": ("trace_id", _id),
    "spanId": ("span_id", _id),
    "traceState": ("trace_state", _text),
    "flags": ("flags", _UINT32),
    **_COUNTED,
}
_SPAN: _Fields = {
    "traceId": ("trace_id", _id),
    "spanId": ("span_id", _id),
    "traceState": ("trace_state", _text),
    "parentSpanId": ("parent_span_id", _id),
    "flags": ("flags", _UINT32),
    "name": ("name", _text),
    "kind": ("kind", _ENUM),
    "startTimeUnixNano": ("start_time_unix_nano", _UINT64),
    "endTimeUnixNano": ("end_time_unix_nano", _UINT64),
    **_COUNTED,
    "droppedEventsCount": ("dropped_events_count", _UINT32),
    "droppedLinksCount": ("dropped_links_count", _UINT32),
}
_SCALARS: _Fields = {
    "stringValue": ("string_value", _text),
    "boolValue": ("bool_value", _bool),
    "intValue": ("int_value", _INT64),
    "doubleValue": ("double_value", _double),
    "bytesValue": ("bytes_value", _bytes),
}
_NESTED = {"arrayValue": "array_value", "kvlistValue": "kvlist_value"}
