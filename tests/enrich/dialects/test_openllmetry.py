"""OpenLLMetry in Python and JavaScript."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

PYTHON = "opentelemetry.instrumentation."
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5"}


def counts(given: float, made: float, total: float | None = None, read: int | None = None, write: int | None = None) -> dict[str, object]:
    found = {
        "gen_ai.usage.input_tokens": given,
        "gen_ai.usage.output_tokens": made,
        "gen_ai.usage.total_tokens": total,
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.cache_creation.input_tokens": write,
    }
    return {key: value for key, value in found.items() if value is not None}


def test_2025_names() -> None:
    attributes = {
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.prompt_tokens": 3060,
        "gen_ai.usage.completion_tokens": 294,
        "gen_ai.usage.cache_read_input_tokens": 2000,
        "llm.usage.total_tokens": 3354,
    }
    span = read_span(PYTHON + "openai.v1", attributes, version="0.39.4", name="openai.chat")
    assert (span.kind, span.operation, call_of(span).provider) == ("inference", "chat", "openai")
    assert usage_of(span) == Usage(3060, 294, 2000)


def test_bedrock_says_the_uncached_part_only_though_its_total_adds_up() -> None:
    attributes = {**CHAT, "gen_ai.provider.name": "aws.bedrock", **counts(1060, 841, 1901, 4000, 1200)}
    assert usage_of(read_span(PYTHON + "bedrock", attributes)) == Usage(6260, 841, 4000, 1200)


def test_gemini_leaves_the_thoughts_to_the_total() -> None:
    attributes = {**CHAT, "gen_ai.provider.name": "gcp.gen_ai", "gen_ai.request.model": "gemini-2.5-flash", **counts(2325, 294, 3874, 1265)}
    assert usage_of(read_span(PYTHON + "google_generativeai", attributes)) == Usage(2325, 1549, 1265, reasoning_tokens=1255)


def test_langchains_zero_of_cache_writes_says_nothing() -> None:
    call = call_of(read_span(PYTHON + "langchain", {**CHAT, **counts(9367, 440, read=4000, write=0)}))
    assert call.usage == Usage(9367, 440, 4000)
    assert call.flags == ("cache_write_unknown",)


def test_cohere_counts_are_doubles() -> None:
    attributes = {"llm.request.type": "chat", "gen_ai.system": "Cohere", "gen_ai.request.model": "command-r-plus", **counts(1020.0, 294.0)}
    span = read_span(PYTHON + "cohere", attributes)
    assert (usage_of(span), call_of(span).provider) == (Usage(1020, 294), "cohere")


@pytest.mark.parametrize(("kind", "wanted"), [("workflow", "aggregate"), ("task", "aggregate"), ("agent", "aggregate"), ("tool", "tool")])
def test_span_kinds(kind: str, wanted: str) -> None:
    attributes = {"traceloop.span.kind": kind, "traceloop.workflow.name": "answer", "traceloop.association.properties.tenant_id": "acme"}
    span = read_span(PYTHON + "langchain", attributes)
    assert (span.kind, span.payers.workflow, span.payers.tenant) == (wanted, "answer", "acme")


def test_javascript_by_provider() -> None:
    anthropic = read_span("@traceloop/instrumentation-anthropic", {**CHAT, **counts(2195, 428, 2623, 1111, 1300)})
    assert usage_of(anthropic) == Usage(4606, 428, 1111, 1300)
    openai = read_span(
        "@traceloop/instrumentation-openai",
        {**CHAT, "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", **counts(2325, 1549, 3874)},
    )
    assert usage_of(openai) == Usage(2325, 1549)
    assert call_of(openai).flags == ("cache_read_untold", "reasoning_untold")


def test_a_javascript_stream_of_four_tokens_is_an_estimate() -> None:
    """No chat request is that small: the framing of a single message alone counts seven tokens."""
    attributes = {**CHAT, "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini"}
    states = [
        call_of(read_span("@traceloop/instrumentation-openai", {**attributes, **counts(given, 3)})).usage_state for given in (1, 7, 2596)
    ]
    assert states == ["estimated", "measured", "measured"]


def test_a_workflow_that_returns_the_response_tells_the_call_again() -> None:
    response = {
        "id": "chatcmpl-1",
        "model": "gpt-5-2025-08-07",
        "choices": [{"message": {"content": "secret"}}],
        "usage": {
            "prompt_tokens": 2325,
            "completion_tokens": 1549,
            "prompt_tokens_details": {"cached_tokens": 1265},
            "completion_tokens_details": {"reasoning_tokens": 1255},
        },
    }
    span = read_span("@traceloop/node-server-sdk", {"traceloop.span.kind": "task", "traceloop.entity.output": response})
    assert (span.kind, call_of(span).response_id, call_of(span).response_model) == ("inference", "chatcmpl-1", "gpt-5-2025-08-07")
    assert usage_of(span) == Usage(2325, 1549, 1265, reasoning_tokens=1255)
    plain = read_span("@traceloop/node-server-sdk", {"traceloop.span.kind": "task", "traceloop.entity.output": {"answer": "secret"}})
    assert plain.kind == "aggregate"


def test_langchains_model_node_has_the_whole_message() -> None:
    message = {
        "id": ["langchain_core", "messages", "AIMessage"],
        "kwargs": {
            "id": "msg_3",
            "usage_metadata": {
                "input_tokens": 3667,
                "output_tokens": 440,
                "input_token_details": {"cache_read": 0, "cache_creation": 1700},
            },
            "response_metadata": {"usage": {"cache_creation": {"ephemeral_5m_input_tokens": 1700, "ephemeral_1h_input_tokens": 0}}},
        },
    }
    node = {"traceloop.span.kind": "workflow", "traceloop.entity.output": {"output": [{"update": {"messages": [message]}}]}}
    span = read_span("@traceloop/instrumentation-langchain", node)
    assert (span.kind, call_of(span).response_id) == ("inference", "msg_3")
    assert usage_of(span) == Usage(3667, 440, 0, 1700, 1700, 0)
