"""The OpenAI Agents SDK for JavaScript as its bridge writes it, under any scope."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

COUNTS = {"agents.usage.input_tokens": 2325, "agents.usage.output_tokens": 1549, "agents.usage.total_tokens": 3874}


@pytest.mark.parametrize("scope", ["openai-agents-bridge", "another-bridge"])
def test_a_response_is_a_call(scope: str) -> None:
    span = read_span(
        scope,
        {
            "agents.span.type": "response",
            "gen_ai.request.model": "gpt-5-2025-08-07",
            "gen_ai.response.id": "resp_1",
            **COUNTS,
            "agents.usage.input_tokens_details": {"cached_tokens": 1265},
            "agents.usage.output_tokens_details": [{"reasoning_tokens": 1255}],
        },
    )
    assert span.kind == "inference"
    assert usage_of(span) == Usage(2325, 1549, 1265, reasoning_tokens=1255)
    assert (call_of(span).provider, call_of(span).response_id) == ("openai", "resp_1")


@pytest.mark.parametrize("kind", ["turn", "task"])
def test_turns_and_tasks_restate(kind: str) -> None:
    span = read_span(
        "b", {"agents.span.type": kind, **COUNTS, "agents.usage.cached_input_tokens": 1265, "agents.usage.cache_write_input_tokens": 0}
    )
    assert span.kind == "aggregate"
    assert usage_of(span) == Usage(2325, 1549, 1265, 0)


def test_a_generation_says_nothing_of_usage() -> None:
    span = read_span("b", {"agents.span.type": "generation", "gen_ai.request.model": "gpt-5"})
    assert span.kind == "inference"
    assert call_of(span).usage is None


def test_the_trace_names_the_payer() -> None:
    root = {"gen_ai.operation.name": "invoke_workflow", "agents.trace.metadata.tenant": "acme", "gen_ai.conversation.id": "s-1"}
    span = read_span("openai-agents-bridge", root)
    assert (span.kind, span.payers.tenant, span.payers.session) == ("aggregate", "acme", "s-1")
