import base64
import json
import math
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.receiver.errors import MalformedRequest
from spanledger.receiver.otlp_json import to_protobuf
from spanledger.receiver.prune import Pruner
from tests.receiver.samples import KEPT, SECRET, SPAN_ID, TRACE_ID, attribute, attributes_of, make_request, make_span, spans_of, value_of

# Every field of a trace request, as the specification spells it.
FULL = """
{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}], "droppedAttributesCount": 1},
  "schemaUrl": "https://opentelemetry.io/schemas/1.37.0",
  "scopeSpans": [{
    "scope": {"name": "lib", "version": "2", "attributes": [{"key": "a", "value": {"intValue": 1}}], "droppedAttributesCount": 2},
    "schemaUrl": "https://opentelemetry.io/schemas/1.36.0",
    "spans": [{
      "traceId": "0AF7651916CD43DD8448EB211C80319C", "spanId": "b7ad6b7169203331", "parentSpanId": "B7ad6b7169203332",
      "traceState": "a=b", "flags": 257, "name": "chat", "kind": 3,
      "startTimeUnixNano": "1795132800000000001", "endTimeUnixNano": 1795132801000000001,
      "attributes": [
        {"key": "text", "value": {"stringValue": "grüße"}}, {"key": "yes", "value": {"boolValue": true}},
        {"key": "int", "value": {"intValue": "-9223372036854775808"}}, {"key": "float", "value": {"doubleValue": 0.1}},
        {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}, {}]}}}, {"key": "nothing", "value": {}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": false}}]}}},
        {"key": "bytes", "value": {"bytesValue": "AAH/"}}],
      "droppedAttributesCount": 3,
      "events": [{"timeUnixNano": "5", "name": "exception", "attributes": [], "droppedAttributesCount": 4}], "droppedEventsCount": 5,
      "links": [{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "traceState": "c=d", "flags": 1,
                 "attributes": [], "droppedAttributesCount": 6}], "droppedLinksCount": 7,
      "status": {"code": 2, "message": "failed"}
    }]
  }]
}]}
"""


def full() -> ExportTraceServiceRequest:
    request = make_request(make_span("chat"))
    resource_spans = request.resource_spans[0]
    resource_spans.resource.dropped_attributes_count, resource_spans.schema_url = 1, "https://opentelemetry.io/schemas/1.37.0"
    scope_spans = resource_spans.scope_spans[0]
    scope_spans.scope.name, scope_spans.scope.version, scope_spans.scope.dropped_attributes_count = "lib", "2", 2
    attribute(scope_spans.scope, "a", 1)
    scope_spans.schema_url = "https://opentelemetry.io/schemas/1.36.0"
    span = scope_spans.spans[0]
    span.parent_span_id, span.trace_state, span.flags, span.kind = SPAN_ID[:-1] + b"\x32", "a=b", 257, 3  # type: ignore[assignment]
    span.start_time_unix_nano, span.end_time_unix_nano = 1795132800000000001, 1795132801000000001
    values = {
        "text": "grüße",
        "yes": True,
        "int": -(2**63),
        "float": 0.1,
        "list": [1, None],
        "nothing": None,
        "map": {"k": False},
        "bytes": b"\x00\x01\xff",
    }
    for key, value in {**values, "map": {"k": False}, "bytes": b"\x00\x01\xff"}.items():
        attribute(span, key, value)
    span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count = 3, 5, 7
    span.events.add(time_unix_nano=5, name="exception", dropped_attributes_count=4)
    span.links.add(trace_id=TRACE_ID, span_id=SPAN_ID, trace_state="c=d", flags=1, dropped_attributes_count=6)
    span.status.code, span.status.message = 2, "failed"  # type: ignore[assignment]
    return request


def span_json(**fields: Any) -> bytes:
    span = {"traceId": TRACE_ID.hex(), "spanId": SPAN_ID.hex(), **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def value_json(value: str) -> bytes:
    return span_json(attributes=[{"key": "k", "value": "?"}]).replace(b'"?"', value.encode())


def read_value(value: str) -> object:
    (span,) = spans_of(to_protobuf(value_json(value)))
    return value_of(span.attributes[0].value)


def test_every_field_arrives_where_it_belongs() -> None:
    assert ExportTraceServiceRequest.FromString(to_protobuf(FULL.encode())) == full()


def test_the_same_payload_gives_the_same_bytes_in_both_encodings() -> None:
    sent = full().SerializeToString()
    assert to_protobuf(FULL.encode()) == sent
    pruner = Pruner(KEPT, SECRET)
    assert pruner.prune(to_protobuf(FULL.encode())) == pruner.prune(sent)


@pytest.mark.parametrize("body", ["{}", '{"resourceSpans": null}', '{"resourceSpans": []}', '{"resourceSpans": [{"scopeSpans": null}]}'])
def test_an_empty_request_is_a_request(body: str) -> None:
    assert spans_of(to_protobuf(body.encode())) == []


@pytest.mark.parametrize("hex_id", [TRACE_ID.hex(), TRACE_ID.hex().upper(), "0Af7651916cD43dd8448eb211c80319C"])
def test_ids_are_hex_of_either_case(hex_id: str) -> None:
    assert spans_of(to_protobuf(span_json(traceId=hex_id)))[0].trace_id == TRACE_ID


HEX = TRACE_ID.hex()
UNREADABLE_IDS = [base64.b64encode(TRACE_ID).decode(), "abc", HEX[:-1], HEX[:-2], " " + HEX, "ä" * 32, 7, [], ""]


@pytest.mark.parametrize("bad", UNREADABLE_IDS)
def test_an_id_that_is_not_hex_quarantines_its_span_and_no_other(bad: object) -> None:
    good = json.loads(span_json())
    spans = good["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for field in ("traceId", "spanId"):
        spans.append({**spans[0], field: bad})
    found = Pruner(KEPT, SECRET).examine(to_protobuf(json.dumps(good).encode()))
    assert (found.spans, found.unidentified) == (3, 2)
    kept = spans_of(found.request)
    assert [(span.trace_id, span.span_id) for span in kept] == [(TRACE_ID, SPAN_ID), (b"", SPAN_ID), (TRACE_ID, b"")]


def test_a_parent_id_that_is_not_hex_is_no_root() -> None:
    assert Pruner(KEPT, SECRET).examine(to_protobuf(span_json(parentSpanId="not hex"))).unidentified == 1
    assert Pruner(KEPT, SECRET).examine(to_protobuf(span_json(parentSpanId=""))).unidentified == 0


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ('{"intValue": "9223372036854775807"}', 2**63 - 1),
        ('{"intValue": 9007199254740993}', 2**53 + 1),
        ('{"intValue": "-5"}', -5),
        ('{"intValue": 12.0}', 12),
        ('{"intValue": 0}', 0),
        ('{"doubleValue": 5}', 5.0),
        ('{"doubleValue": "2.5"}', 2.5),
        ('{"doubleValue": null}', None),
        ('{"doubleValue": "Infinity"}', math.inf),
        ('{"doubleValue": "-Infinity"}', -math.inf),
        ('{"doubleValue": -Infinity}', -math.inf),
        ("{}", None),
        ("null", None),
        ('{"unknownValue": 5}', None),
        ('{"stringValue": "a", "intValue": 3}', 3),
        ('{"bytesValue": "_-8"}', b"\xff\xef"),
        ('{"arrayValue": {}}', []),
        ('{"stringValue": "half \\ud83d"}', "half \ufffd"),
    ],
)
def test_values(value: str, read: object) -> None:
    assert read_value(value) == read


@pytest.mark.parametrize("value", ['{"doubleValue": "NaN"}', '{"doubleValue": NaN}'])
def test_not_a_number_is_a_double(value: str) -> None:
    assert math.isnan(read_value(value))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('{"intValue": "1e3"}', "intValue is not an integer"),
        ('{"intValue": "0x10"}', "intValue is not an integer"),
        ('{"intValue": "9223372036854775808"}', "intValue is not an integer"),
        ('{"intValue": 1.5}', "intValue is not an integer"),
        ('{"intValue": 1e300}', "intValue is not an integer"),
        ('{"intValue": true}', "intValue is not an integer"),
        ('{"doubleValue": "a secret"}', "doubleValue is not a number"),
        ('{"doubleValue": true}', "doubleValue is not a number"),
        ('{"doubleValue": 1' + "0" * 400 + "}", "doubleValue is not a number"),
        ('{"boolValue": 1}', "boolValue is not a boolean"),
        ('{"stringValue": 1}', "stringValue is not a string"),
        ('{"bytesValue": "a secret!"}', "bytesValue is not base64"),
        ('{"arrayValue": []}', "arrayValue is not an object"),
        ('{"arrayValue": {"values": {}}}', "arrayValue.values is not an array"),
        ('"a secret"', "value is not an object"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_by_its_path_and_not_shown(value: str, problem: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        to_protobuf(value_json(value))
    path = "resourceSpans[0].scopeSpans[0].spans[0].attributes[0].value"
    assert str(caught.value).startswith(path)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "SPAN_KIND_SERVER"},
        {"status": {"code": "STATUS_CODE_ERROR"}},
        {"startTimeUnixNano": -1},
        {"startTimeUnixNano": str(2**64)},
        {"flags": 2**32},
        {"name": 5},
        {"attributes": "x"},
        {"attributes": ["x"]},
        {"events": {}},
        {"status": []},
    ],
)
def test_a_field_of_the_wrong_type_is_malformed(fields: dict[str, object]) -> None:
    with pytest.raises(MalformedRequest, match=r"resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\."):
        to_protobuf(span_json(**fields))


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff\xfe{", b"", b"null", b"[" * 100_000])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match=r"^the body is not JSON|^body is not an object"):
        to_protobuf(body)


def test_unknown_names_are_ignored_at_every_level() -> None:
    def sprinkle(value: object) -> object:
        if isinstance(value, dict):
            return {**{key: sprinkle(item) for key, item in value.items()}, "futureField": {"nested": [1]}, "resource_spans": [{}]}
        return [sprinkle(item) for item in value] if isinstance(value, list) else value

    assert ExportTraceServiceRequest.FromString(to_protobuf(json.dumps(sprinkle(json.loads(FULL))).encode())) == full()


def test_snake_case_is_an_unknown_name() -> None:
    (span,) = spans_of(to_protobuf(span_json(parent_span_id=SPAN_ID.hex(), start_time_unix_nano="5")))
    assert (span.parent_span_id, span.start_time_unix_nano) == (b"", 0)
    assert spans_of(to_protobuf(b'{"resource_spans": [{"scope_spans": [{"spans": [{}]}]}]}')) == []


@pytest.mark.parametrize("depth", [1, 24, 25, 90, 200])
@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
def test_nesting_is_bounded_and_the_request_survives(depth: int, kind: str) -> None:
    value = '{"intValue": 7}'
    for _ in range(depth):
        value = f'{{"{kind}": {{"values": [{value if kind == "arrayValue" else f"""{{"key": "k", "value": {value}}}"""}]}}}}'
    request = to_protobuf(value_json(value))
    assert len(spans_of(request)) == 1
    assert list(attributes_of(spans_of(Pruner(KEPT, SECRET).prune(request))[0])) == ["k"]
