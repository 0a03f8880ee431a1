"""Spans in the vocabularies of observability products, under any scope."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

METRICS = {"prompt_tokens": 1000, "completion_tokens": 100, "tokens": 1100, "prompt_cached_tokens": 600, "completion_reasoning_tokens": 40}


def braintrust(kind: str, **metrics: int) -> dict[str, Any]:
    about = {"model": "claude-sonnet-4-5", "provider": "anthropic", "id": "msg_1"}
    return {"braintrust.span_attributes": {"type": kind}, "braintrust.metadata": about, "braintrust.metrics": metrics}


def test_braintrust_counts_in_one_json_text() -> None:
    span = read_span("github.com/braintrustdata/braintrust-sdk-go", braintrust("llm", **METRICS))
    assert usage_of(span) == Usage(1000, 100, 600, reasoning_tokens=40)
    call = call_of(span)
    assert (span.kind, call.provider, call.request_model, call.response_id) == ("inference", "anthropic", "claude-sonnet-4-5", "msg_1")


def test_braintrusts_cache_writes_by_ttl_stand_in_place_of_their_sum() -> None:
    written = {"prompt_cache_creation_5m_tokens": 100, "prompt_cache_creation_1h_tokens": 50}
    assert usage_of(read_span("app", braintrust("llm", **METRICS, **written))) == Usage(1000, 100, 600, 150, 100, 50, 40)


def test_braintrust_dotnet_counts_in_attributes_of_their_own() -> None:
    counts = {f"braintrust.metrics.{key}": count for key, count in METRICS.items()}
    span = read_span("Braintrust", {**counts, "braintrust.span_attributes": {"type": "llm"}, "gen_ai.request.model": "gpt-4o"})
    assert usage_of(span) == Usage(1000, 100, 600, reasoning_tokens=40)


@pytest.mark.parametrize(("kind", "expected"), [("task", "aggregate"), ("tool", "tool"), ("score", "other")])
def test_only_braintrusts_llm_spans_are_calls(kind: str, expected: str) -> None:
    assert read_span("app", braintrust(kind, **METRICS)).kind == expected


def test_confident_ai() -> None:
    counts = {"confident.llm.input_token_count": 10, "confident.llm.output_token_count": 5}
    span = read_span("deepeval.tracing", {"confident.span.type": "llm", "confident.llm.model": "gpt-4o", **counts})
    assert (span.kind, usage_of(span), call_of(span).provider) == ("inference", Usage(10, 5), "openai")
    assert read_span("deepeval.tracing", {"confident.span.type": "agent"}).kind == "aggregate"


OLDER = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 5}


@pytest.mark.parametrize(("kind", "expected"), [("llm", "inference"), ("agent", "aggregate"), ("session", "aggregate"), ("tool", "tool")])
def test_agentops_agents_restate(kind: str, expected: str) -> None:
    assert read_span("agentops", {**OLDER, "agentops.span.kind": kind}).kind == expected


def test_langtraces_older_counts() -> None:
    older = {"langtrace.service.type": "llm", "langtrace.service.name": "OpenAI", "llm.model": "gpt-4"}
    span = read_span("langtrace", {**older, "llm.token.counts": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}})
    assert (span.kind, usage_of(span), call_of(span).request_model) == ("inference", Usage(10, 5), "gpt-4")


@pytest.mark.parametrize(
    ("kind", "expected"), [("LLM", "inference"), ("llm", "inference"), ("AGENT", "aggregate"), ("CHAIN", "aggregate"), ("TOOL", "tool")]
)
def test_a_span_kind_in_place_of_an_operation(kind: str, expected: str) -> None:
    span = read_span("loongsuite", {**OLDER, "gen_ai.span.kind": kind})
    assert span.kind == expected
    assert read_span("loongsuite", {**OLDER, "gen_ai.span.kind": kind, "gen_ai.operation.name": "chat"}).kind == "inference"


def test_difys_workspace_is_a_tenant() -> None:
    span = read_span("dify", {"gen_ai.span.kind": "CHAIN", "dify.tenant_id": "t-1", "dify.app_id": "a-1"})
    assert (span.payers.tenant, span.payers.workflow) == ("t-1", "a-1")
