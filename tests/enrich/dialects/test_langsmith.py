"""LangSmith's OpenTelemetry mode: reprs and JSON beside plain totals."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

LLM = {
    "langsmith.span.kind": "llm",
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 7594,
    "gen_ai.usage.output_tokens": 847,
    "gen_ai.usage.total_tokens": 8441,
}


def test_details_are_python_reprs() -> None:
    details = {
        "gen_ai.usage.input_token_details": "{'audio': 0, 'cache_read': 1265}",
        "gen_ai.usage.output_token_details": "{'audio': 0, 'reasoning': 310}",
    }
    assert usage_of(read_span("langsmith", {**LLM, **details})) == Usage(7594, 847, 1265, reasoning_tokens=310)


def test_ttls_are_in_the_metadata_where_cache_creation_says_zero() -> None:
    metadata = {
        "input_tokens": 7594,
        "output_tokens": 847,
        "input_token_details": {
            "cache_read": 4000,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": 1200,
            "ephemeral_1h_input_tokens": 2200,
        },
    }
    span = read_span("langsmith", {**LLM, "langsmith.metadata.usage_metadata": metadata, "langsmith.metadata.tenant_id": "initech"})
    assert usage_of(span) == Usage(7594, 847, 4000, 3400, 1200, 2200)
    assert span.payers.tenant == "initech"


def test_ids_are_in_the_completion_and_projects_are_no_sessions() -> None:
    message = {"kwargs": {"content": "hi", "response_metadata": {"id": "msg_6", "model_name": "claude-sonnet-4-5-20250929"}}}
    span = read_span(
        "langsmith", {**LLM, "gen_ai.completion": {"generations": [[{"message": message}]]}, "langsmith.trace.session_name": "default"}
    )
    assert (call_of(span).response_id, call_of(span).response_model) == ("msg_6", "claude-sonnet-4-5-20250929")
    assert span.payers.session is None


def test_kinds() -> None:
    assert (
        read_span("langsmith", {"langsmith.span.kind": "chain", "gen_ai.operation.name": "chain", "gen_ai.system": "langchain"}).kind
        == "aggregate"
    )
    assert read_span("langsmith", {"langsmith.span.kind": "tool", "gen_ai.operation.name": "execute_tool"}).kind == "tool"


def test_usage_that_an_application_writes_for_langsmith() -> None:
    usage = {"input_tokens": 100, "output_tokens": 10, "input_token_details": {"cache_read": 40}, "output_token_details": {"reasoning": 5}}
    span = read_span("my-app", {"langsmith.span.kind": "llm", "gen_ai.request.model": "gpt-4o", "langsmith.usage_metadata": usage})
    assert usage_of(span) == Usage(100, 10, 40, reasoning_tokens=5)
