"""OTLP trace requests as enrichment needs them: projected protobuf messages whose attributes stay bytes, and those bytes as facts.

The descriptors are wire-compatible with OTLP but name only what is read, and leave each attribute a slice of bytes: most slices
repeat from span to span (the same model, the same operation), so that looking a slice up is cheaper than parsing it again.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_BYTES, _STRING, _FIXED64, _INT64, _INT32, _BOOL, _DOUBLE, _MESSAGE = 12, 9, 6, 3, 5, 8, 1, 11
_PACKAGE: Final = "spanledger.enrich.wire"

# message -> fields (name, number, type, repeated, message type)
_MESSAGES: Final[dict[str, list[tuple[str, int, int, bool, str]]]] = {
    "Status": [("code", 3, _INT32, False, "")],
    "Event": [("name", 2, _BYTES, False, ""), ("attributes", 3, _BYTES, True, "")],
    "Span": [
        ("trace_id", 1, _BYTES, False, ""),
        ("span_id", 2, _BYTES, False, ""),
        ("parent_span_id", 4, _BYTES, False, ""),
        ("name", 5, _BYTES, False, ""),
        ("kind", 6, _INT32, False, ""),
        ("start_time_unix_nano", 7, _FIXED64, False, ""),
        ("end_time_unix_nano", 8, _FIXED64, False, ""),
        ("attributes", 9, _BYTES, True, ""),
        ("events", 11, _BYTES, True, ""),
        ("status", 15, _BYTES, False, ""),
    ],
    "Scope": [("name", 1, _BYTES, False, ""), ("version", 2, _BYTES, False, "")],
    "Resource": [("attributes", 1, _BYTES, True, "")],
    "ScopeSpans": [("scope", 1, _BYTES, False, ""), ("spans", 2, _MESSAGE, True, "Span")],
    "ResourceSpans": [("resource", 1, _BYTES, False, ""), ("scope_spans", 2, _MESSAGE, True, "ScopeSpans")],
    "Request": [("resource_spans", 1, _MESSAGE, True, "ResourceSpans")],
    "RawScopeSpans": [("scope", 1, _BYTES, False, ""), ("spans", 2, _BYTES, True, "")],
    "RawResourceSpans": [("resource", 1, _BYTES, False, ""), ("scope_spans", 2, _MESSAGE, True, "RawScopeSpans")],
    "RawRequest": [("resource_spans", 1, _MESSAGE, True, "RawResourceSpans")],
    "Array": [("values", 1, _BYTES, True, "")],
    "Map": [("values", 1, _BYTES, True, "")],
    "AnyValue": [
        ("string_value", 1, _BYTES, False, "value"),
        ("bool_value", 2, _BOOL, False, "value"),
        ("int_value", 3, _INT64, False, "value"),
        ("double_value", 4, _DOUBLE, False, "value"),
        ("array_value", 5, _BYTES, False, "value"),
        ("kvlist_value", 6, _BYTES, False, "value"),
        ("bytes_value", 7, _BYTES, False, "value"),
    ],
    "KeyValue": [("key", 1, _BYTES, False, ""), ("value", 2, _BYTES, False, "")],
}


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="spanledger_enrich_wire.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
        for field_name, number, kind, repeated, of in fields:
            field = message.field.add(name=field_name, number=number, label=3 if repeated else 1)
            field.type = kind  # type: ignore[assignment]  # the stubs want the enum's wrapper, the value is its number
            if kind == _MESSAGE:
                field.type_name = f".{_PACKAGE}.{of}"
            elif of:
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]  # protobuf ships no types for the pool
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}  # type: ignore[no-untyped-call]  # as above


_CLASSES: Final = _build()
Request: Final = _CLASSES["Request"]
RawRequest: Final = _CLASSES["RawRequest"]
Span: Final = _CLASSES["Span"]
Scope: Final = _CLASSES["Scope"]
ResourceMessage: Final = _CLASSES["Resource"]
Event: Final = _CLASSES["Event"]
Status: Final = _CLASSES["Status"]
_Array, _AnyValue, _KeyValue = _CLASSES["Array"], _CLASSES["AnyValue"], _CLASSES["KeyValue"]

Value = str | int | float | bool | None
"""An attribute's value: an array or map is the JSON text of it, bytes and an empty value are None."""
Fact = tuple[str | None, Value]
"""An attribute that some rule reads, as (key, value); (None, None) for any other and for empty values ("", NaN, nothing)."""

IGNORED: Final[Fact] = (None, None)
_MEMO_SLICE_MAX: Final = 256
_MEMO_PER_KEY: Final = 2048
_MEMO_MAX: Final = 1 << 16
_NEST_MAX: Final = 16
_unpack_double = struct.Struct("<d").unpack_from


class Facts(dict[bytes, Fact]):
    """Serialized KeyValue -> fact, parsed when first seen. Bounded, and keys with ever new values (ids, counts) stop being remembered."""

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__()
        self._keys = {key.encode(): key for key in keys}
        self._room: dict[bytes, int] = {}

    def __missing__(self, data: bytes) -> Fact:
        fact = self._parse(data)
        if len(data) <= _MEMO_SLICE_MAX:
            key = data[2 : data[1] + 2] if len(data) > 1 else b""
            room = self._room.get(key, _MEMO_PER_KEY)
            if room:
                self._room[key] = room - 1
                self[data] = fact
                if len(self) > _MEMO_MAX:
                    self.clear()
                    self._room.clear()
        return fact

    def _parse(self, data: bytes) -> Fact:
        fact = self._quick(data)
        if fact is None:
            fact = self._slow(data)
        value = fact[1]
        return IGNORED if value is None or value == "" or value != value else fact  # noqa: PLR0124  # NaN is what differs from itself

    def of(self, attributes: Iterable[bytes]) -> dict[str | None, Value]:
        """The facts of one span or resource by key (None for everything no rule reads); the last of a repeated key wins."""
        return dict(map(self.__getitem__, attributes))

    def _quick(self, data: bytes) -> Fact | None:
        """By the layout every exporter writes (one-byte lengths, key before value); None when the slice has another."""
        size = len(data)
        if size < 4 or data[0] != 0x0A or (end := data[1] + 2) > size or end > 129:
            return None
        key = self._keys.get(data[2:end])
        if end + 2 > size or data[end] != 0x12 or data[end + 1] != size - end - 2 or size - end > 129:
            return None
        if key is None:
            return IGNORED
        start = end + 2
        if start == size:
            return key, None
        tag = data[start]
        if tag == 0x18:
            return (key, number) if (number := _varint(data, start + 1)) is not None else None
        if tag == 0x0A and start + 2 <= size and data[start + 1] == size - start - 2:
            return key, data[start + 2 :].decode("utf-8", "replace")
        if tag == 0x21 and size == start + 9:
            return key, _unpack_double(data, start + 1)[0]
        return None

    def _slow(self, data: bytes) -> Fact:
        try:
            message = _KeyValue.FromString(data)
            key = self._keys.get(message.key)
            return IGNORED if key is None else (key, any_value(message.value))
        except DecodeError:
            return IGNORED


def _varint(data: bytes, start: int) -> int | None:
    """The int64 that fills the slice from `start` to its end; None where it does not."""
    number = shift = 0
    size = len(data)
    for index in range(start, size):
        byte = data[index]
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            if index != size - 1 or shift > 70:
                return None
            number &= (1 << 64) - 1
            return number - (1 << 64) if number >> 63 else number
    return None


def any_value(data: bytes) -> Value:
    """The value of a serialized AnyValue. Raises DecodeError where the bytes are none."""
    value = _plain(data, 0)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value  # type: ignore[no-any-return]  # _plain returns scalars beside lists and dicts


def _plain(data: bytes, depth: int) -> Any:
    message = _AnyValue.FromString(data)
    kind = message.WhichOneof("value")
    if kind is None or kind == "bytes_value" or depth > _NEST_MAX:
        return None
    value = getattr(message, kind)
    if kind == "string_value":
        return value.decode("utf-8", "replace")
    if kind == "array_value":
        return [_plain(item, depth + 1) for item in _Array.FromString(value).values]
    if kind == "kvlist_value":
        pairs = [_KeyValue.FromString(item) for item in _Array.FromString(value).values]
        return {pair.key.decode("utf-8", "replace"): _plain(pair.value, depth + 1) for pair in pairs}
    return value


def is_error(status: bytes) -> bool:
    """Whether a serialized Status says ERROR; one that cannot be read says nothing."""
    if status in (b"", b"\x18\x01"):
        return False
    try:
        return bool(Status.FromString(status).code == 2)
    except DecodeError:
        return False


def sane_ids(trace_id: bytes, span_id: bytes) -> bool:
    """Whether both ids have their length and are not all zero, as the OTLP specification demands."""
    return len(trace_id) == 16 and len(span_id) == 8 and any(trace_id) and any(span_id)
