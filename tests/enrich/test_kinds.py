"""Kinds and operations by the rules of a dialect."""

from __future__ import annotations

import pytest

from spanledger.enrich.kinds import split_verdict
from tests.enrich.dialects.emitted import read_span

SCOPE = "opentelemetry.instrumentation.genai.openai"


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", "inference"),
        ("generate_content", "inference"),
        ("embeddings", "inference"),
        ("rerank", "inference"),
        ("invoke_agent", "aggregate"),
        ("invoke_workflow", "aggregate"),
        ("execute_tool", "tool"),
        ("retrieval", "retrieval"),
        ("search_memory", "retrieval"),
        ("create_agent", "other"),
        ("fetch_response", "other"),
    ],
)
def test_the_conventions_operations(operation: str, kind: str) -> None:
    span = read_span(SCOPE, {"gen_ai.operation.name": operation})
    assert (span.kind, span.operation) == (kind, operation)


def test_a_fetched_response_is_no_call_whatever_it_carries() -> None:
    span = read_span(SCOPE, {"gen_ai.operation.name": "fetch_response", "gen_ai.response.id": "resp_1", "gen_ai.usage.input_tokens": 5})
    assert (span.kind, span.call) == ("other", None)


def test_a_span_without_operation_is_known_by_its_name_or_its_usage() -> None:
    assert read_span(SCOPE, {}, name="execute_tool search").kind == "tool"
    assert read_span(SCOPE, {}, name="POST").kind == "other"
    counted = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 7}
    assert (read_span(SCOPE, counted).kind, read_span(SCOPE, counted).operation) == ("inference", "chat")
    embedded = {"gen_ai.request.model": "text-embedding-3-small", "gen_ai.usage.input_tokens": 5}
    assert read_span(SCOPE, embedded).operation == "embeddings"


def test_usage_of_nobody_knows_what_restates() -> None:
    """It may be the sum of what is below; where nothing is, it is all that is known, and shown without a price rather than dropped."""
    span = read_span("my-app", {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 7})
    assert (span.kind, span.operation) == ("aggregate", "unnamed")


def test_names_are_told_apart_though_the_texts_are_equal() -> None:
    """What is remembered by a span's texts must not hide its name."""
    kinds = [
        read_span(SCOPE, {"tenant.id": "acme"}, name=name).kind for name in ("POST", "execute_tool x", "GET", "invoke_agent y", "POST")
    ]
    assert kinds == ["other", "tool", "other", "aggregate", "other"]


@pytest.mark.parametrize(
    ("verdict", "text", "wanted"),
    [("inference:chat", "LLM", ("inference", "chat")), ("aggregate", "step", ("aggregate", "step")), ("nonsense:x", "y", (None, None))],
)
def test_verdicts(verdict: str, text: str, wanted: tuple[str | None, str | None]) -> None:
    assert split_verdict(verdict, text) == wanted
