"""Requests to readings: every span becomes one, and nothing that arrives can stop the others."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger.enrich.config import EnrichConfig, rules_from
from spanledger.enrich.read import LINKS_MAX, TIME_MAX, Reader
from spanledger.enrich.records import Problem, Reading
from spanledger.enrich.rules import default_rules

SCOPE = "opentelemetry.instrumentation.genai.openai"
CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 50,
}


SHARED = Reader(default_rules())


def span_of(attributes: dict[str, Any], **fields: Any) -> Span:
    span = Span(
        **{"trace_id": b"t" * 16, "span_id": b"s" * 8, "start_time_unix_nano": 1, "end_time_unix_nano": 2, "name": "chat gpt-4o", **fields}
    )
    for key, value in attributes.items():
        target = span.attributes.add(key=key).value
        if isinstance(value, int):
            target.int_value = value
        elif isinstance(value, float):
            target.double_value = value
        else:
            target.string_value = value
    return span


def request_of(*spans: Span, resource: dict[str, str] | None = None) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in (resource or {}).items():
        resource_spans.resource.attributes.add(key=key).value.string_value = value
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = SCOPE, "1.3b0"
    scope_spans.spans.extend(spans)
    return request.SerializeToString()


def read(request: bytes, reader: Reader | None = None) -> tuple[list[Reading], list[Problem]]:
    reader = reader or Reader(default_rules())  # a fresh one: what it remembers must not matter
    return reader.read(request, authority="acct", key_tenant="acme", position=7, received_ns=9)


def test_a_call_with_all_around_it() -> None:
    request = request_of(span_of(CHAT, parent_span_id=b"p" * 8), resource={"service.name": "bot", "deployment.environment.name": "prod"})
    (reading,), problems = read(request)
    assert problems == []
    assert reading[:6] == ("acct", b"t" * 16, b"s" * 8, b"p" * 8, 1, 2)
    assert (reading.kind, reading.operation, reading.scope, reading.failed) == ("inference", "chat", f"{SCOPE}@1.3b0", False)
    assert (reading.resource.service, reading.resource.payers.environment) == ("bot", "prod")
    assert (reading.position, reading.received_ns, reading.key_tenant) == (7, 9, "acme")
    assert reading.call is not None
    assert (reading.call.dialect, reading.call.provider, reading.call.response_id) == ("otel-genai", "openai", "chatcmpl-1")
    assert reading.call.usage is not None
    assert reading.call.usage[:2] == (100, 50)
    assert (reading.call.usage_state, reading.call.flags) == ("measured", ())


def test_one_resource_object_serves_all_spans() -> None:
    request = request_of(span_of(CHAT), span_of({}, span_id=b"x" * 8), resource={"service.name": "bot"})
    readings, _ = read(request)
    assert readings[0].resource is readings[1].resource


def test_an_unset_service_is_none() -> None:
    (reading,), _ = read(request_of(span_of({}), resource={"service.name": "unknown_service:python"}))
    assert reading.resource.service is None


@pytest.mark.parametrize("ids", [{"trace_id": b"t" * 15}, {"span_id": b""}, {"trace_id": bytes(16)}, {"span_id": bytes(8)}])
def test_spans_without_sane_ids_are_problems_and_the_others_are_read(ids: dict[str, bytes]) -> None:
    readings, problems = read(request_of(span_of(CHAT, **ids), span_of(CHAT)))
    assert len(readings) == 1
    assert [problem.code for problem in problems] == ["bad_id"]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 1), (TIME_MAX, TIME_MAX), (10**18, 1)])
def test_odd_times_survive(start: int, end: int) -> None:
    readings, problems = read(request_of(span_of(CHAT, start_time_unix_nano=start, end_time_unix_nano=end)))
    assert (readings[0].start_ns, readings[0].end_ns, problems) == (start, end, [])


def test_a_time_no_int64_holds_is_the_last_one_and_reported() -> None:
    readings, problems = read(request_of(span_of(CHAT, start_time_unix_nano=2**64 - 1, end_time_unix_nano=2**64 - 1)))
    assert readings[0].start_ns == TIME_MAX
    assert [problem.code for problem in problems] == ["bad_time"]


@pytest.mark.parametrize("count", [-1, 2**62, float("inf"), float("nan"), "many"])
def test_nonsense_counts_are_no_usage_and_flagged(count: object) -> None:
    (reading,), _ = read(request_of(span_of({**CHAT, "gen_ai.usage.input_tokens": count, "gen_ai.usage.output_tokens": count})))
    assert reading.call is not None
    assert (reading.call.usage, reading.call.usage_state) == (None, "missing")
    assert reading.call.flags in (("bad_count",), ("negative_count",))


def test_one_good_count_beside_a_bad_one_is_partial() -> None:
    (reading,), _ = read(request_of(span_of({**CHAT, "gen_ai.usage.input_tokens": -5})))
    assert reading.call is not None
    assert reading.call.usage is not None
    assert (reading.call.usage[:2], reading.call.usage_state) == ((None, 50), "partial")


def test_zeros_of_a_failed_call_are_no_usage() -> None:
    span = span_of({**CHAT, "gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0})
    span.status.code = 2  # type: ignore[assignment]  # an enum's number is what the wire has
    event = span.events.add(name="exception")
    event.attributes.add(key="exception.type").value.string_value = "openai.RateLimitError"
    (reading,), _ = read(request_of(span))
    assert reading.failed
    assert reading.call is not None
    assert (reading.call.usage, reading.call.error_type, reading.call.flags) == (None, "openai.RateLimitError", ("zero_usage",))


def test_usage_on_a_span_event_is_read() -> None:
    span = span_of({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
    event = span.events.add(name="gen_ai.usage")
    event.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 194
    event.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 309
    (reading,), _ = read(request_of(span))
    assert reading.call is not None
    assert reading.call.usage is not None
    assert reading.call.usage[:2] == (194, 309)


def test_a_repeated_key_counts_once_and_the_last_wins() -> None:
    span = span_of(CHAT)
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 200
    (reading,), _ = read(request_of(span))
    assert reading.call is not None
    assert reading.call.usage is not None
    assert reading.call.usage.input_tokens == 200


def test_a_damaged_span_is_a_problem_and_the_others_are_read() -> None:
    good = span_of(CHAT).SerializeToString()
    bad = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + b"\x39\x01"
    body = b"".join(b"\x12" + bytes([len(span) & 127 | 128, len(span) >> 7]) + span for span in (good, bad, good))
    scope_spans = b"\x12" + bytes([len(body) & 127 | 128, len(body) >> 7]) + body
    request = b"\x0a" + bytes([len(scope_spans) & 127 | 128, len(scope_spans) >> 7]) + scope_spans
    readings, problems = read(request)
    assert len(readings) == 2
    assert [problem.code for problem in problems] == ["malformed_span"]


def test_what_is_no_request_is_a_problem() -> None:
    assert [problem.code for problem in read(b"\xff\xff\xff")[1]] == ["malformed_request"]
    assert read(b"") == ([], [])


@given(st.binary(max_size=200))
def test_random_bytes_never_raise(data: bytes) -> None:
    read(data, SHARED)


@given(st.integers(0, 2**32))
def test_damaged_requests_never_raise(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  # repeatable damage, no secret
    request = bytearray(request_of(span_of({**CHAT, "metadata": '{"tenant": "acme"}'}), span_of({}, span_id=b"x" * 8)))
    for _ in range(rng.randint(1, 6)):
        request[rng.randrange(len(request))] = rng.randrange(256)
    readings, _ = read(bytes(request), SHARED)
    assert all(isinstance(reading.payers.tenant, str | None) for reading in readings)


def test_what_was_read_before_changes_nothing() -> None:
    """The reader remembers much; a fresh one must say the same of every span."""
    reader = Reader(default_rules())
    spans = [
        span_of({**CHAT, "gen_ai.usage.input_tokens": number, "tenant.id": f"t{number % 3}", "gen_ai.request.model": model}, name=name)
        for number in (1, 5, 1000, 70_000)
        for model in ("gpt-4o", "claude-sonnet-4-5")
        for name in ("chat", "POST /x")
    ]
    for span in spans * 2:
        assert read(request_of(span), reader) == read(request_of(span))


def test_the_order_of_attributes_changes_nothing() -> None:
    """Every order is a way to the same plan, and however many come, few are remembered."""
    reader = Reader(default_rules())
    keys = [*CHAT, "tenant.id", "user.id"]
    wanted = None
    for seed in range(60):
        random.Random(seed).shuffle(keys)  # noqa: S311  # repeatable orders, no secret
        (reading,), _ = read(request_of(span_of({key: CHAT.get(key, "acme") for key in keys})), reader)
        wanted = wanted or reading
        assert reading == wanted


def test_a_reader_that_saw_much_reads_on() -> None:
    reader = Reader(default_rules())
    for number in range(3000):
        span = span_of({**CHAT, "tenant.id": f"t{number}", "gen_ai.request.model": f"m{number}", "gen_ai.usage.input_tokens": number + 1})
        (reading,), _ = read(request_of(span, resource={"service.name": f"s{number}"}), reader)
        assert (reading.payers.tenant, reading.resource.service) == (f"t{number}", f"s{number}")
        assert reading.call is not None
        assert (reading.call.request_model, reading.call.usage and reading.call.usage.input_tokens) == (f"m{number}", number + 1)


WITH_LINKS = Reader(rules_from(EnrichConfig.model_validate({"payers": {"from_links": True}})))


def test_links_to_other_traces_are_read_where_payers_are_taken_from_them() -> None:
    span = span_of(CHAT)
    for trace_id, span_id in (
        (b"u" * 16, b"2" * 8),
        (b"u" * 16, b"1" * 8),
        (b"u" * 16, b"1" * 8),
        (b"t" * 16, b"3" * 8),
        (b"short", b"4" * 8),
    ):
        span.links.add(trace_id=trace_id, span_id=span_id)
    assert read(request_of(span), WITH_LINKS)[0][0].links == ((b"u" * 16, b"1" * 8), (b"u" * 16, b"2" * 8))
    assert read(request_of(span))[0][0].links == ()


@pytest.mark.parametrize("count", [LINKS_MAX, LINKS_MAX + 1, 1000])
def test_a_span_with_very_many_links_has_none(count: int) -> None:
    span = span_of(CHAT)
    for n in range(count):
        span.links.add(trace_id=b"u" * 16, span_id=(n + 1).to_bytes(8, "big"))
    assert len(read(request_of(span), WITH_LINKS)[0][0].links) == (count if count <= LINKS_MAX else 0)
