"""OTLP trace requests as enrichment needs them: projected protobuf messages whose attributes stay bytes, and those bytes as facts.

The descriptors are wire-compatible with OTLP but name only what is read, and leave each attribute a slice of bytes: most slices
repeat from span to span (the same model, the same operation), so that looking a slice up is cheaper than parsing it again.
"""

from __future__ import annotations

import json
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
        ("links", 13, _BYTES, True, ""),
        ("status", 15, _BYTES, False, ""),
    ],
    "Link": [("trace_id", 1, _BYTES, False, ""), ("span_id", 2, _BYTES, False, "")],
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
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}


_CLASSES: Final = _build()
Request: Final = _CLASSES["Request"]
RawRequest: Final = _CLASSES["RawRequest"]
Span: Final = _CLASSES["Span"]
Scope: Final = _CLASSES["Scope"]
ResourceMessage: Final = _CLASSES["Resource"]
Event: Final = _CLASSES["Event"]
Link: Final = _CLASSES["Link"]
Status: Final = _CLASSES["Status"]
_Array, _AnyValue, _KeyValue = _CLASSES["Array"], _CLASSES["AnyValue"], _CLASSES["KeyValue"]

Value = str | int | float | bool | None
"""An attribute's value: an array or map is the JSON text of it, bytes and an empty value are None."""
Fact = tuple[str | None, Value]
"""An attribute that some rule reads, as (key, value); (None, None) for any other and for empty values ("", nothing)."""

_Header = tuple[str | None, int, int, int, list[int]]
"""Key, type of the value, size of the whole slice, where the value starts, [how many more values to remember]."""
IGNORED: Final[Fact] = (None, None)
_MEMO_SLICE_MAX: Final = 256
_MEMO_PER_HEADER: Final = 1024
_MEMO_MAX: Final = 1 << 16
_HEADERS_MAX: Final = 1 << 14
_INT_TAG: Final = 0x18
_STRING_TAG: Final = 0x0A
_NEST_MAX: Final = 16
_VARINT_MAX: Final = 10
_UINT64_MAX: Final = (1 << 64) - 1


class Facts(dict[bytes, Fact]):
    """Serialized KeyValue -> fact, parsed when first seen.

    Bounded; `volatile` keys (counts, ids) and others with ever new values are not remembered.
    """

    def __init__(self, keys: Iterable[str], volatile: Iterable[str] = ()) -> None:
        super().__init__()
        self._keys = {key.encode(): key for key in keys}
        self._volatile = {key.encode() for key in volatile}
        self._headers: dict[bytes, _Header] = {}

    def __missing__(self, data: bytes) -> Fact:
        # All bytes up to the type of the value are its header: the same header is the same key, type and size.
        header = data[: data[1] + 5] if len(data) > 5 else data
        key, tag, size, start, room = self._headers.get(header) or self._learn(header)
        fact: Fact
        if size != len(data):
            fact = self._slow(data)
            if len(data) > _MEMO_SLICE_MAX:
                return fact
        elif key is None:
            fact = IGNORED
        elif tag == _INT_TAG:
            if start + 2 == size and data[start] > 127 > data[start + 1]:  # the usual size of counts, at once
                fact = key, data[start] - 128 | data[start + 1] << 7
            else:
                number = _varint(data, start, size - start)
                fact = self._slow(data) if number is None else (key, number)
        elif data[start] == size - start - 1 > 0:
            fact = key, data[start + 1 :].decode("utf-8", "replace")
        else:
            fact = self._slow(data)
        if room[0]:
            room[0] -= 1
            if len(self) >= _MEMO_MAX:
                self.clear()
            self[data] = fact
        return fact

    def _learn(self, header: bytes) -> _Header:
        """What is known of all slices with a header; a size of -1 where it is not the layout every exporter writes.

        That layout has one-byte lengths, the key before the value, and a text or an integer where the key is of interest.
        """
        size = len(header)
        learnt: _Header = None, 0, -1, size, [0]
        if size > 5 and header[0] == 0x0A and header[1] == size - 5 and size < 130 and header[size - 3] == 0x12 and header[size - 2] < 128:
            raw_key, tag = header[2 : size - 3], header[size - 1]
            key = self._keys.get(raw_key)
            usual = key is None or tag in (_INT_TAG, _STRING_TAG)
            room = [0 if raw_key in self._volatile else _MEMO_PER_HEADER]
            learnt = key, tag, size - 1 + header[size - 2] if usual else -1, size, room
        if len(self._headers) >= _HEADERS_MAX:
            self._headers.clear()
        self._headers[header] = learnt
        return learnt

    def of(self, attributes: Iterable[bytes]) -> dict[str | None, Value]:
        """The facts of one span or resource by key (None for everything no rule reads); the last of a repeated key wins."""
        return dict(map(self.__getitem__, attributes))

    def _slow(self, data: bytes) -> Fact:
        try:
            message = _KeyValue.FromString(data)
            key = self._keys.get(message.key)
            value = None if key is None else any_value(message.value)
        except DecodeError:
            return IGNORED
        return IGNORED if value is None or value == "" else (key, value)


def _varint(data: bytes, start: int, size: int) -> int | None:
    """The int64 that fills the slice from `start` over `size` bytes to its end; None where it does not."""
    if size == 2 and data[start] > 127 > data[start + 1]:
        return data[start] - 128 | data[start + 1] << 7
    if size == 3 and data[start] > 127 < data[start + 1] and data[start + 2] < 128:
        return data[start] - 128 | data[start + 1] - 128 << 7 | data[start + 2] << 14
    if not 0 < size <= _VARINT_MAX or data[-1] > 127 or (size > 1 and min(data[start:-1]) < 128):
        return None
    number = 0
    for index in range(size):
        number |= (data[start + index] & 127) << (7 * index)
    number &= _UINT64_MAX
    return number - (1 << 64) if number >> 63 else number


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
