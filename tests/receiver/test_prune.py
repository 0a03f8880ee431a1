"""Pruning of whole requests. A canary is a text that must not survive; the property tests put it everywhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger.receiver.errors import MalformedRequest
from spanledger.receiver.prune import Bounds, Pruner
from tests.receiver.samples import KEPT, SECRET, SPAN_ID, TRACE_ID, attribute, attributes_of, make_request, make_span, spans_of, value_of

CANARY = "Meet me at midnight"
PRUNER = Pruner(KEPT, SECRET)


def prune(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(PRUNER.prune(request.SerializeToString()))


def prune_span(span: Span) -> Span:
    return prune(make_request(span)).resource_spans[0].scope_spans[0].spans[0]


# -- what is kept and what is not, case by case ------------------------------------------------------------------------


def test_numbers_booleans_times_and_ids_are_kept() -> None:
    span = make_span("chat", {"a": 1, "b": -(2**63), "c": 2**63 - 1, "d": 0.1, "e": math.inf, "f": True, "g": False, "h": 0, "i": None})
    span.parent_span_id, span.flags, span.kind, span.dropped_attributes_count = SPAN_ID[::-1], 257, Span.SPAN_KIND_CLIENT, 3
    span.status.code = Status.STATUS_CODE_ERROR
    assert prune_span(span) == span


def test_a_text_is_kept_under_a_named_key_only_and_only_up_to_a_length() -> None:
    span = make_span("chat", {"gen_ai.request.model": "gpt-4o", "gen_ai.prompt": CANARY, "tenant.id": "x" * 64})
    attribute(span, "gen_ai.request.model", "x" * 65)
    kept = prune_span(span)
    texts = [value_of(each.value) for each in kept.attributes]
    assert texts[0] == "gpt-4o"
    assert str(texts[1]).startswith(f"pruned:{len(CANARY)}:")
    assert texts[2] == "x" * 64
    assert str(texts[3]).startswith("pruned:65:")


def test_a_text_under_a_key_of_counts_is_kept_where_it_is_a_number() -> None:
    pruner = Pruner(KEPT._replace(text_keys=KEPT.text_keys | {"tokens.in"}, number_keys=frozenset({"tokens.in"})), SECRET)
    for text, is_kept in (("1200", True), (" 12 ", True), (CANARY, False), ("1" * 41, False)):
        request = make_request(make_span("chat", {"tokens.in": text}))
        (span,) = spans_of(pruner.prune(request.SerializeToString()))
        assert (attributes_of(span)["tokens.in"] == text) == is_kept


def test_the_length_that_counts_is_in_characters() -> None:
    assert attributes_of(prune_span(make_span("chat", {"tenant.id": "ü" * 64}))) == {"tenant.id": "ü" * 64}
    assert attributes_of(prune_span(make_span("chat", {"tenant.id": "ü" * 65})))["tenant.id"].startswith("pruned:65:")  # type: ignore[attr-defined]


def test_duplicate_keys_stay_in_order() -> None:
    span = make_span("chat")
    for count in (5, 7):
        attribute(span, "gen_ai.usage.input_tokens", count)
    assert [value_of(each.value) for each in prune_span(span).attributes] == [5, 7]


def test_json_of_a_named_key_is_reduced_and_any_other_json_replaced() -> None:
    text = '{"tenant":"acme","tokens":12,"note":"' + CANARY + '"}'
    kept = attributes_of(prune_span(make_span("chat", {"metadata": text, "other": text})))
    assert kept["metadata"] == '{"tenant":"acme","tokens":12}'
    assert str(kept["other"]).startswith("pruned:")
    assert str(attributes_of(prune_span(make_span("chat", {"metadata": CANARY})))["metadata"]).startswith("pruned:")


def test_a_map_on_the_wire_is_reduced_like_its_json_text() -> None:
    value = {"tenant": "acme", "tokens": 12, "note": CANARY, "flag": True}
    kept = attributes_of(prune_span(make_span("chat", {"metadata": value})))["metadata"]
    assert isinstance(kept, dict)
    assert (kept["tenant"], kept["tokens"], kept["flag"]) == ("acme", 12, True)
    assert kept["note"].startswith("pruned:")


def test_lists_and_maps_are_pruned_inside() -> None:
    values: dict[str, object] = {
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "some.list": [CANARY, 3, True, [CANARY], None],
        "some.map": {"tenant.id": "acme", "gen_ai.prompt": CANARY, "count": 4, "inner": {"text": CANARY, "number": 1.5}},
        "blob": CANARY.encode(),
    }
    kept = attributes_of(prune_span(make_span("chat", values)))
    assert kept["gen_ai.response.finish_reasons"] == ["stop", "length"]
    some_list, some_map = kept["some.list"], kept["some.map"]
    assert isinstance(some_list, list)
    assert isinstance(some_map, dict)
    assert some_list[1:3] == [3, True]
    assert some_list[4] is None
    assert some_map["tenant.id"] == "acme"
    assert (some_map["count"], some_map["inner"]["number"]) == (4, 1.5)
    assert str(kept["blob"]).startswith(f"pruned:{len(CANARY)}:")


@pytest.mark.parametrize("key", ["k" * 257, "line\nbreak", "\x7f", "k\u0085", "a sentence", "two\u2003words"])
def test_a_key_that_is_no_name_is_replaced(key: str) -> None:
    (kept,) = prune_span(make_span("chat", {key: 5})).attributes
    assert kept.key.startswith(f"pruned:{len(key)}:")
    assert kept.value.int_value == 5


@pytest.mark.parametrize(
    ("name", "kept"),
    [("", ""), ("ai.generateText.doGenerate", "ai.generateText.doGenerate"), ("chat gpt-4o", "chat"), ("chat", "chat")],
)
def test_a_span_name_that_rules_know_is_kept(name: str, kept: str) -> None:
    assert prune_span(make_span(name)).name == kept


@pytest.mark.parametrize("name", [CANARY, "chats of mine", "ai.generateText.doGenerate " + CANARY])
def test_any_other_span_name_is_replaced(name: str) -> None:
    assert prune_span(make_span(name)).name.startswith(f"pruned:{len(name)}:")


@pytest.mark.parametrize(
    ("url", "is_kept"),
    [
        ("https://opentelemetry.io/schemas/1.37.0", True),
        ("http://localhost:8080/schemas/genai/1.0", True),
        ("https://opentelemetry.io/schemas/" + CANARY, False),
        ("https://opentelemetry.io/?q=" + CANARY, False),
        (CANARY, False),
    ],
)
def test_a_schema_url_is_kept_when_it_is_one(url: str, is_kept: bool) -> None:
    request = make_request()
    request.resource_spans[0].schema_url = url
    request.resource_spans[0].scope_spans[0].schema_url = url
    pruned = prune(request).resource_spans[0]
    assert (pruned.schema_url == url) is is_kept
    assert pruned.schema_url == pruned.scope_spans[0].schema_url


def test_a_scope_keeps_name_and_version_up_to_a_length() -> None:
    request = make_request()
    scope = request.resource_spans[0].scope_spans[0].scope
    scope.name, scope.version = "n" * 256, "v" * 257
    attribute(scope, "text", CANARY)
    kept = prune(request).resource_spans[0].scope_spans[0].scope
    assert kept.name == scope.name
    assert kept.version.startswith("pruned:257:")
    assert attributes_of(kept)["text"].startswith("pruned:")  # type: ignore[attr-defined]


def test_events_and_links_are_pruned_too() -> None:
    span = make_span("chat")
    for name in ("exception", CANARY):
        event = span.events.add(name=name, time_unix_nano=5, dropped_attributes_count=2)
        attribute(event, "exception.message", CANARY)
        attribute(event, "count", 3)
    link = span.links.add(trace_id=TRACE_ID, span_id=SPAN_ID, trace_state=CANARY, flags=1)
    attribute(link, "tenant.id", "acme")
    span.links.add(trace_id=b"any length", span_id=SPAN_ID)
    kept = prune_span(span)
    assert [event.name.partition(":")[0] for event in kept.events] == ["exception", "pruned"]
    assert [(event.time_unix_nano, event.dropped_attributes_count) for event in kept.events] == [(5, 2), (5, 2)]
    assert [attributes_of(event)["count"] for event in kept.events] == [3, 3]
    assert (kept.links[0].trace_id, kept.links[0].span_id, kept.links[0].flags) == (TRACE_ID, SPAN_ID, 1)
    assert attributes_of(kept.links[0]) == {"tenant.id": "acme"}
    assert (kept.links[1].trace_id, kept.links[1].span_id) == (b"", b"")


# -- properties ---------------------------------------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.just(CANARY),
    st.just(CANARY.encode()),
    st.just(f'{{"note":"{CANARY}"}}'),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)
keys = st.sampled_from(["gen_ai.prompt", "input.value", "tokens", "metadata", "k" * 300, "x" * 130, "ключ", f"bad\n{CANARY}"])
texts = st.sampled_from(["", CANARY, "\n".join([CANARY] * 50), f"chats {CANARY}"])


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """A request that has the canary wherever text can stand."""
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        resource_spans = request.resource_spans.add(schema_url=draw(texts))
        _fill(draw, resource_spans.resource)
        entity = resource_spans.resource.entity_refs.add(type=CANARY, schema_url=CANARY)
        entity.id_keys.append(CANARY)
        scope_spans = resource_spans.scope_spans.add(schema_url=draw(texts))
        _fill(draw, scope_spans.scope)
        for number in range(draw(st.integers(0, 3))):
            span = scope_spans.spans.add(span_id=number.to_bytes(8, "big"))
            span.trace_id = draw(st.sampled_from([TRACE_ID, b"", CANARY.encode()]))
            span.name, span.trace_state, span.status.message = draw(texts), draw(texts), draw(texts)
            span.start_time_unix_nano = draw(st.integers(0, 2**64 - 1))
            _fill(draw, span)
            for _ in range(draw(st.integers(0, 2))):
                _fill(draw, span.events.add(name=draw(texts)))
                _fill(draw, span.links.add(trace_state=draw(texts), trace_id=draw(st.sampled_from([TRACE_ID, CANARY.encode()]))))
    return request


def _fill(draw: st.DrawFn, holder: Any) -> None:
    for key, value in draw(st.dictionaries(keys, values, max_size=4)).items():
        attribute(holder, key, value)


def numbers_in(value: object) -> list[object]:
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    return [repr(value)] if isinstance(value, bool | int | float) else []


@given(requests())
def test_no_canary_survives_anywhere(request: ExportTraceServiceRequest) -> None:
    pruned = PRUNER.prune(request.SerializeToString())
    assert CANARY.encode() not in pruned
    assert b"midnight" not in pruned


def test_the_canary_would_be_found_without_pruning() -> None:
    """The control: the same search does find it in what is sent, and where pruning is turned off."""
    sent = make_request(make_span("chat", {"gen_ai.prompt": CANARY})).SerializeToString()
    assert CANARY.encode() in sent
    assert CANARY.encode() in Pruner(KEPT, SECRET, keep_content=True).prune(sent)
    assert CANARY.encode() in Pruner(KEPT._replace(text_keys=frozenset({"gen_ai.prompt"})), SECRET).prune(sent)


@given(requests())
def test_a_pruned_request_is_valid_keeps_every_number_and_prunes_to_itself(request: ExportTraceServiceRequest) -> None:
    sent = request.SerializeToString()
    pruned = PRUNER.prune(sent)
    assert PRUNER.prune(pruned) == pruned
    before, after = spans_of(sent), spans_of(pruned)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert numbers_in([value_of(each.value) for each in old.attributes]) == numbers_in(
            [value_of(each.value) for each in new.attributes]
        )
        assert [len(old.events), len(old.links)] == [len(new.events), len(new.links)]
        assert (old.span_id, old.start_time_unix_nano) == (new.span_id, new.start_time_unix_nano)
        assert new.trace_id == (old.trace_id if len(old.trace_id) == 16 else b"")


@given(requests(), st.data())
def test_damaged_bytes_are_malformed_or_pruned_and_never_anything_else(request: ExportTraceServiceRequest, data: st.DataObject) -> None:
    body = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        if body:
            at = data.draw(st.integers(0, len(body) - 1))
            body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        pruned = PRUNER.prune(bytes(body))
    except MalformedRequest:
        pass
    else:
        ExportTraceServiceRequest.FromString(pruned)
        assert PRUNER.prune(pruned) == pruned


# -- wire forms that no exporter writes ---------------------------------------------------------------------------------


def field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    tag = number << 3 | 2
    return (bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])) + bytes([len(data)]) + data


def request_of(span: bytes) -> bytes:
    ids = field(1, TRACE_ID) + field(2, SPAN_ID)
    return field(1, field(2, field(2, ids + span)))


HIDDEN = b"meet at dawn"
WIRE_FORMS = {
    "an unknown field of a span": field(31, HIDDEN),
    "an unknown field of an attribute": field(9, field(1, b"k") + field(2, b"\x18\x01") + field(9, HIDDEN)),
    "an unknown field of a value": field(9, field(1, b"k") + field(2, b"\x18\x01" + field(9, HIDDEN))),
    "a number and then a text in one value": field(9, field(1, b"k") + field(2, b"\x18\x01" + field(1, HIDDEN))),
    "a boolean and then a text in one value": field(9, field(1, b"k") + field(2, b"\x10\x01" + field(1, HIDDEN))),
    "a second value": field(9, field(1, b"k") + field(2, b"\x18\x01") + field(2, field(1, HIDDEN))),
    "a value before its key": field(9, field(2, field(1, HIDDEN)) + field(1, b"k")),
    "a kept key after another": field(9, field(1, b"tenant.id") + field(2, field(1, HIDDEN)) + field(1, b"k")),
    "a length in two bytes": b"\x4a\x95\x00" + (b"\x0a\x81\x00k\x12" + bytes([len(HIDDEN) + 3]) + b"\x0a\x8c\x00" + HIDDEN),
    "a text that is no UTF-8 under a kept key": field(9, field(1, b"tenant.id") + field(2, field(1, HIDDEN + b"\xff"))),
    "a key that is no UTF-8": field(9, field(1, HIDDEN + b"\xff") + field(2, b"\x18\x01")),
    "an unknown field of a status": field(15, b"\x18\x01" + field(9, HIDDEN)),
    "the old status message field": field(15, field(2, HIDDEN) + b"\x18\x02"),
    "an unknown field of an event": field(11, field(2, b"exception") + field(9, HIDDEN)),
    "an unknown field of a link": field(13, field(1, TRACE_ID) + field(2, SPAN_ID) + field(9, HIDDEN)),
    "an id of any length": field(4, HIDDEN),
    "a group": b"\xfb\x01" + field(1, HIDDEN) + b"\xfc\x01",
}


@pytest.mark.parametrize("form", WIRE_FORMS)
def test_a_text_cannot_hide_in_the_wire_form(form: str) -> None:
    pruned = PRUNER.prune(request_of(WIRE_FORMS[form]))
    assert HIDDEN not in pruned
    (span,) = spans_of(pruned)  # the published classes read it, so every string is UTF-8
    assert (span.trace_id, span.span_id) == (TRACE_ID, SPAN_ID)


def test_a_key_given_twice_goes_by_the_last_one() -> None:
    kept = field(9, field(1, b"k") + field(2, field(1, b"acme")) + field(1, b"tenant.id"))
    assert attributes_of(spans_of(PRUNER.prune(request_of(kept)))[0]) == {"tenant.id": "acme"}


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05abc", field(1, b"\xff\xff"), field(1, field(2, field(2, field(9, b"\x0a\x7fk"))))])
def test_what_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match="not a serialized ExportTraceServiceRequest"):
        PRUNER.prune(body)


# -- bounds -------------------------------------------------------------------------------------------------------------


def bounded(**bounds: int) -> Pruner:
    return Pruner(KEPT, SECRET, bounds=Bounds(**bounds))


@pytest.mark.parametrize("keep_content", [False, True])
def test_spans_beyond_the_bound_are_dropped_and_counted(keep_content: bool) -> None:
    request = make_request(*(make_span("chat", number=number) for number in range(5)))
    request.resource_spans.append(request.resource_spans[0])
    found = Pruner(KEPT, SECRET, keep_content, bounds=Bounds(spans=7)).examine(request.SerializeToString())
    assert (found.spans, found.dropped_spans) == (7, 3)
    assert len(spans_of(found.request)) == 7


def test_scopes_beyond_the_bound_are_dropped_and_counted() -> None:
    request = make_request()
    resource_spans = request.resource_spans[0]
    for _ in range(3):
        resource_spans.scope_spans.append(resource_spans.scope_spans[0])
    request.resource_spans.append(resource_spans)
    found = bounded(scopes=3).examine(request.SerializeToString())
    assert (found.spans, found.dropped_scopes) == (3, 2), "a scope of the first resource, and the second resource"
    assert len(spans_of(found.request)) == 3
    many = ExportTraceServiceRequest()
    for _ in range(5):
        many.resource_spans.add()
    assert bounded(scopes=3).examine(many.SerializeToString()).dropped_scopes == 2


def test_parts_of_a_span_beyond_the_bound_are_dropped_and_counted_in_the_span() -> None:
    span = make_span("chat", {f"key.{number}": number for number in range(5)}, dropped_attributes_count=1)
    for number in range(4):
        attribute(span.events.add(name="exception", time_unix_nano=number), "a", 1)
        span.links.add(trace_id=TRACE_ID, span_id=SPAN_ID)
    found = bounded(attributes=3, events=2, links=1).examine(make_request(span).SerializeToString())
    (kept,) = spans_of(found.request)
    assert (len(kept.attributes), kept.dropped_attributes_count) == (3, 3)
    assert (len(kept.events), kept.dropped_events_count) == (2, 2)
    assert (len(kept.links), kept.dropped_links_count) == (1, 3)
    assert found.dropped_parts == 2 + 2 + 3


def test_attributes_of_an_event_are_bounded() -> None:
    span = make_span("chat")
    event = span.events.add(name="exception")
    for number in range(4):
        attribute(event, f"k{number}", number)
    found = bounded(attributes=3).examine(make_request(span).SerializeToString())
    assert found.dropped_parts == 1
    assert spans_of(found.request)[0].events[0].dropped_attributes_count == 1


@pytest.mark.parametrize("depth", [1, 15, 16, 17, 47, 60, 2000])
@pytest.mark.parametrize("kind", ["list", "map"])
def test_nesting_beyond_the_bound_is_replaced_and_the_rest_stays(depth: int, kind: str) -> None:
    value = b"\x18\x07"  # int_value: 7
    for _ in range(depth):
        inner = _long(2, value)
        value = _long(5, _long(1, value)) if kind == "list" else _long(6, _long(1, _long(1, b"k") + inner))
    body = _long(1, _long(2, _long(2, field(1, TRACE_ID) + field(2, SPAN_ID) + _long(9, _long(1, b"deep") + _long(2, value)))))
    kept = attributes_of(spans_of(PRUNER.prune(body))[0])["deep"]
    levels = 0
    while isinstance(kept, list | dict):
        kept = kept[0] if isinstance(kept, list) else kept["k"]
        levels += 1
    assert levels == min(depth, Bounds().depth)
    assert kept == 7 if depth <= Bounds().depth else str(kept).startswith("pruned:")


def _long(number: int, data: bytes) -> bytes:
    size, length = len(data), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def test_a_list_of_very_many_values_is_replaced_whole() -> None:
    kept = attributes_of(prune_span(make_span("chat", {"small": [1] * 1024, "large": [1] * 1025})))
    assert kept["small"] == [1] * 1024
    assert str(kept["large"]).startswith("pruned:")


# -- ids ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "left"),
    [
        ({"trace_id": b""}, (b"", SPAN_ID, b"")),
        ({"trace_id": bytes(16)}, (bytes(16), SPAN_ID, b"")),
        ({"trace_id": TRACE_ID[:15]}, (b"", SPAN_ID, b"")),
        ({"span_id": bytes(8)}, (TRACE_ID, bytes(8), b"")),
        ({"span_id": SPAN_ID + b"x"}, (TRACE_ID, b"", b"")),
        ({"parent_span_id": b"x"}, (TRACE_ID, SPAN_ID, b"")),
    ],
)
def test_a_span_without_a_usable_id_is_passed_on_and_counted(ids: dict[str, bytes], left: tuple[bytes, ...]) -> None:
    request = make_request(make_span("chat", number=1), make_span("chat", **ids)).SerializeToString()
    found = PRUNER.examine(request)
    assert (found.spans, found.unidentified) == (2, 1)
    bad = spans_of(found.request)[1]
    assert (bad.trace_id, bad.span_id, bad.parent_span_id) == left
    assert Pruner(KEPT, SECRET, keep_content=True).examine(request).unidentified == 1


# -- turned off ---------------------------------------------------------------------------------------------------------


def test_with_content_kept_a_request_passes_as_it_is() -> None:
    span = make_span("a name", {"gen_ai.prompt": CANARY, "blob": b"\x00\xff"})
    sent = make_request(span).SerializeToString()
    keeper = Pruner(KEPT, SECRET, keep_content=True)
    assert keeper.prune(sent) == sent
    with pytest.raises(MalformedRequest):
        keeper.prune(b"\x0a\x05abc")


def test_memories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many different values and keys: the answer stays right when what was remembered is forgotten."""
    monkeypatch.setattr("spanledger.receiver.prune_attributes._MEMO_SIZE", 8)
    monkeypatch.setattr("spanledger.receiver.prune_attributes._ACTIONS_SIZE", 8)
    monkeypatch.setattr("spanledger.receiver.prune._MEMO_SIZE", 2)
    pruner = Pruner(KEPT, SECRET)
    for number in range(50):
        span = make_span(f"name {number}", {f"key.{number}": CANARY, "tenant.id": f"t{number}"})
        (kept,) = spans_of(pruner.prune(make_request(span).SerializeToString()))
        assert attributes_of(kept)["tenant.id"] == f"t{number}"
        assert str(attributes_of(kept)[f"key.{number}"]).startswith("pruned:")
    assert len(pruner._attributes._memo) <= 8
    assert len(pruner._names) <= 2
