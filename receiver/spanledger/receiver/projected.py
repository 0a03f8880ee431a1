"""OTLP messages as pruning wants them: the same wire form as the published ones, but what Python decides on stays a slice of bytes.

A `string` or a repeated message costs an object each when it is touched; the same field declared `bytes` is a slice, and a
whole attribute becomes one key of a dictionary. Everything that is text is `bytes` here, so nothing in this file checks
UTF-8: whoever keeps such a slice must. Fields that are not listed are unknown, and dropped with DiscardUnknownFields.
Field numbers and types: opentelemetry-proto 1.x, trace/v1/trace.proto and common/v1/common.proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "spanledger.projected"
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "fixed32": _Field.TYPE_FIXED32,
    "fixed64": _Field.TYPE_FIXED64,
    "double": _Field.TYPE_DOUBLE,
}
_MESSAGES = {
    "RawRequest": "1 resource_spans bytes*",
    "RawResourceSpans": "1 resource bytes, 2 scope_spans bytes*, 3 schema_url bytes",
    "RawScopeSpans": "1 scope bytes, 2 spans bytes*, 3 schema_url bytes",
    "CountedRequest": "1 resource_spans CountedResourceSpans*",
    "CountedResourceSpans": "2 scope_spans CountedScopeSpans*",
    "CountedScopeSpans": "2 spans bytes*",
    "Request": "1 resource_spans ResourceSpans*",
    "ResourceSpans": "1 resource bytes, 2 scope_spans ScopeSpans*, 3 schema_url bytes",
    "ScopeSpans": "1 scope bytes, 2 spans Span*, 3 schema_url bytes",
    "Resource": "1 attributes bytes*, 2 dropped_attributes_count uint32",
    "Scope": "1 name bytes, 2 version bytes, 3 attributes bytes*, 4 dropped_attributes_count uint32",
    "Span": (
        "1 trace_id bytes, 2 span_id bytes, 3 trace_state bytes, 4 parent_span_id bytes, 5 name bytes, 6 kind int32, "
        "7 start_time_unix_nano fixed64, 8 end_time_unix_nano fixed64, 9 attributes bytes*, 10 dropped_attributes_count uint32, "
        "11 events bytes*, 12 dropped_events_count uint32, 13 links bytes*, "
        "14 dropped_links_count uint32, 15 status Status, 16 flags fixed32"
    ),
    "Event": "1 time_unix_nano fixed64, 2 name bytes, 3 attributes bytes*, 4 dropped_attributes_count uint32",
    "Link": (
        "1 trace_id bytes, 2 span_id bytes, 3 trace_state bytes, 4 attributes bytes*, 5 dropped_attributes_count uint32, 6 flags fixed32"
    ),
    "Status": "2 message bytes, 3 code int32",
    "KeyValue": "1 key bytes, 2 value AnyValue",
    "AnyValue": (
        "1 string_value bytes|, 2 bool_value bool|, 3 int_value int64|, 4 double_value double|, "
        "5 array_value bytes|, 6 kvlist_value bytes|, 7 bytes_value bytes|"
    ),
    "Values": "1 values bytes*",  # ArrayValue and KeyValueList alike
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="spanledger/projected.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for spec in fields.split(", "):
            number, field_name, kind = spec.split()
            field = message.field.add(name=field_name, number=int(number))
            field.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            if kind.endswith("|"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name="value")
                field.oneof_index = 0
            kind = kind.rstrip("*|")
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


_CLASSES: dict[str, Any] = {name: message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}
"""All of them, also those that only appear inside others. A class that nobody holds is made when a field is touched and is garbage when
no message of it is left; a thread that touches the field while another's collection takes the class apart crashes the process."""

# Classes made at run time have no static type; each is used in prune*.py and bounds.py only.
RawRequest: Any = _CLASSES["RawRequest"]
RawResourceSpans: Any = _CLASSES["RawResourceSpans"]
RawScopeSpans: Any = _CLASSES["RawScopeSpans"]
CountedRequest: Any = _CLASSES["CountedRequest"]
Request: Any = _CLASSES["Request"]
Resource: Any = _CLASSES["Resource"]
Scope: Any = _CLASSES["Scope"]
Event: Any = _CLASSES["Event"]
Link: Any = _CLASSES["Link"]
KeyValue: Any = _CLASSES["KeyValue"]
AnyValue: Any = _CLASSES["AnyValue"]
Values: Any = _CLASSES["Values"]
