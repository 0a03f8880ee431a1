"""OpenInference's attributes by instrumentation, language and version."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

PY = "openinference.instrumentation."
JS = "@arizeai/openinference-instrumentation-"
LLM = {"openinference.span.kind": "LLM"}
RAW_CLAUDE = {
    "id": "msg_1",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "answer", "id": "not this one"}],
    "usage": {
        "input_tokens": 194,
        "output_tokens": 1180,
        "cache_read_input_tokens": 4000,
        "cache_creation_input_tokens": 3400,
        "cache_creation": {"ephemeral_5m_input_tokens": 1200, "ephemeral_1h_input_tokens": 2200},
        "output_tokens_details": {"thinking_tokens": 333},
        "service_tier": "standard",
    },
}


def counts(prompt: int, completion: int, read: int | None = None, write: int | None = None, reasoning: int | None = None) -> dict[str, Any]:
    """The token counts that are given, under OpenInference's keys."""
    found = {
        "llm.token_count.prompt": prompt,
        "llm.token_count.completion": completion,
        "llm.token_count.total": prompt + completion,
        "llm.token_count.prompt_details.cache_read": read,
        "llm.token_count.prompt_details.cache_write": write,
        "llm.token_count.completion_details.reasoning": reasoning,
    }
    return {key: count for key, count in found.items() if count is not None}


@pytest.mark.parametrize("scope", [PY + "openai", JS + "openai"])
def test_openai_counts_everything_inside_and_its_response_names_itself(scope: str) -> None:
    response = {"id": "chatcmpl-1", "model": "gpt-5-2025-08-07", "service_tier": "default", "choices": [{"message": {"content": "hi"}}]}
    about = {**LLM, "llm.system": "openai", "llm.model_name": "gpt-5-2025-08-07", "llm.invocation_parameters": {"model": "gpt-5"}}
    span = read_span(scope, {**about, **counts(2325, 1549, read=1265, reasoning=1255), "output.value": response})
    call = call_of(span)
    assert (span.kind, span.operation) == ("inference", "chat")
    assert call.usage == Usage(2325, 1549, 1265, reasoning_tokens=1255)
    assert (call.provider, call.request_model, call.response_model) == ("openai", "gpt-5", "gpt-5-2025-08-07")
    assert (call.response_id, call.service_tier) == ("chatcmpl-1", "default")


def test_a_stream_of_javascript_has_an_id_nowhere_and_no_usage() -> None:
    call = call_of(read_span(JS + "openai", {**LLM, "llm.model_name": "gpt-4o-mini", "output.value": "the answer"}))
    assert call.usage is None
    assert call.response_id is None


def test_a_failed_call_has_its_model_in_the_parameters() -> None:
    span = read_span(PY + "openai", {**LLM, "llm.system": "openai", "llm.invocation_parameters": {"model": "gpt-4o"}}, status=2)
    assert span.failed
    assert call_of(span).request_model == "gpt-4o"


def test_a_provider_span_relabelled_by_a_processor_stays_a_call() -> None:
    span = read_span(PY + "openai", {"openinference.span.kind": "CHAIN", "llm.model_name": "gpt-4o-mini", **counts(10, 5)})
    assert span.kind == "inference"
    span = read_span(
        PY + "openai", {"openinference.span.kind": "CHAIN", "embedding.model_name": "e", **counts(10, 0)}, name="CreateEmbeddings"
    )
    assert (span.kind, span.operation) == ("inference", "embeddings")


@pytest.mark.parametrize(
    ("scope", "version", "prompt"),
    [(PY + "anthropic", "3.1.0", 7594), (JS + "anthropic", "0.2.8", 7594), (JS + "anthropic", "0.1.20", 194)],
)
def test_claudes_raw_usage_reads_the_same_in_every_version(scope: str, version: str, prompt: int) -> None:
    span = read_span(scope, {**LLM, "llm.provider": "anthropic", **counts(prompt, 1180), "output.value": RAW_CLAUDE}, version=version)
    call = call_of(span)
    assert call.usage == Usage(7594, 1180, 4000, 3400, 1200, 2200, 333)
    assert (call.response_id, call.response_model, call.service_tier) == ("msg_1", "claude-sonnet-4-5-20250929", "standard")


def test_without_the_raw_usage_the_version_decides() -> None:
    about = {**LLM, "llm.model_name": "claude-sonnet-4-5", "output.value": "streamed"}
    old = call_of(read_span(JS + "anthropic", {**about, **counts(194, 440)}, version="0.1.20"))
    assert old.usage == Usage(194, 440)
    assert {"cache_read_untold", "cache_write_untold"} <= set(old.flags)
    new = call_of(read_span(JS + "anthropic", {**about, **counts(7594, 440, read=4000, write=3400)}, version="0.2.8"))
    assert new.usage == Usage(7594, 440, 4000, 3400)
    assert new.flags == ("cache_ttl_untold",)


def result(response: dict[str, Any], **message: Any) -> dict[str, Any]:
    """LangChain's LLMResult around one message."""
    return {"generations": [[{"text": "", "message": {"kwargs": {"content": "hi", "response_metadata": response, **message}}}]]}


def test_langchain_tells_ttls_and_ids_in_its_result() -> None:
    details = {"cache_read": 4000, "cache_creation": 0, "ephemeral_5m_input_tokens": 1200, "ephemeral_1h_input_tokens": 2200}
    output = result(
        {"id": "msg_4", "model_name": "claude-sonnet-4-5-20250929", "model_provider": "anthropic"},
        id="lc_run--1",
        usage_metadata={"input_tokens": 9595, "output_tokens": 428, "input_token_details": details},
    )
    span = read_span(
        PY + "langchain", {**LLM, "llm.model_name": "claude-sonnet-4-5", **counts(9595, 428, read=4000, write=0), "output.value": output}
    )
    call = call_of(span)
    assert call.usage == Usage(9595, 428, 4000, 3400, 1200, 2200)
    assert (call.response_id, call.response_id_unique) == ("msg_4", True)
    assert (call.provider, call.response_model) == ("anthropic", "claude-sonnet-4-5-20250929")


def test_langchain_js_hides_cache_writes_but_in_the_raw_usage() -> None:
    raw = {"input_tokens": 1967, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 1700}
    raw_ttl = {**raw, "cache_creation": {"ephemeral_5m_input_tokens": 1700, "ephemeral_1h_input_tokens": 0}}
    output = result({"id": "msg_3", "usage": raw_ttl}, id="msg_3")
    span = read_span(JS + "langchain", {**LLM, "llm.model_name": "claude-sonnet-4-5", **counts(3667, 440, read=0), "output.value": output})
    assert usage_of(span) == Usage(3667, 440, 0, 1700, 1700, 0)


def test_a_run_id_of_langchain_is_no_response_id() -> None:
    about = {**LLM, "llm.model_name": "gpt-5", **counts(1, 1)}
    assert call_of(read_span(PY + "langchain", {**about, "output.value": result({}, id="lc_run--01a1")})).response_id is None
    assert call_of(read_span(JS + "langchain", {**about, "output.value": result({}, id="chatcmpl-7")})).response_id == "chatcmpl-7"


def test_bedrock_and_google() -> None:
    claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    call = call_of(
        read_span(PY + "bedrock", {**LLM, "llm.provider": "aws", "llm.model_name": claude, **counts(6260, 841, read=4000, write=1200)})
    )
    assert (call.provider, call.usage) == ("aws.bedrock", Usage(6260, 841, 4000, 1200))
    response = {"response_id": "gem_1", "model_version": "gemini-2.5-flash"}
    gemini = {**LLM, "llm.provider": "google", "llm.model_name": "gemini-2.5-flash", "output.value": response}
    call = call_of(read_span(PY + "google_genai", {**gemini, **counts(2325, 1549, read=1265, reasoning=1255)}))
    assert (call.provider, call.response_id) == ("gcp.gemini", "gem_1")
    assert call.usage == Usage(2325, 1549, 1265, reasoning_tokens=1255)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("CHAIN", "aggregate"),
        ("AGENT", "aggregate"),
        ("TOOL", "tool"),
        ("RETRIEVER", "retrieval"),
        ("EMBEDDING", "inference"),
        ("PROMPT", "other"),
    ],
)
def test_kinds_of_frameworks(kind: str, found: str) -> None:
    assert read_span(PY + "langchain", {"openinference.span.kind": kind}).kind == found


def test_smolagents_agents_repeat_their_calls() -> None:
    span = read_span(PY + "smolagents", {"openinference.span.kind": "AGENT", **counts(4069, 1001)})
    assert span.kind == "aggregate"
    assert usage_of(span) == Usage(4069, 1001)


def test_an_unseen_framework_and_provider_is_decided_by_the_numbers() -> None:
    about = {**LLM, "llm.provider": "Anthropic", "llm.model_name": "claude-haiku-4-5"}
    call = call_of(read_span(PY + "agno", {**about, **counts(100, 10, read=900)}))
    assert call.usage == Usage(1000, 10, 900)


def test_llama_index_and_dspy_spans_that_call_nothing() -> None:
    assert read_span(PY + "llama_index", {**LLM, "llm.model_name": "gpt-4o", "output.value": {"messages": []}}).kind == "other"
    assert read_span(PY + "llama_index", {**LLM, "llm.model_name": "gpt-4o", "llm.finish_reason": "stop"}).kind == "inference"
    assert read_span(PY + "dspy", {**LLM, "llm.model_name": "openai/gpt-4o"}).kind == "aggregate"


def test_both_vocabularies_on_one_span_are_one_usage() -> None:
    both = {
        **counts(2325, 1549, reasoning=1255),
        "gen_ai.usage.input_tokens": 2325,
        "gen_ai.usage.output_tokens": 1549,
        "gen_ai.usage.cache_read.input_tokens": 1265,
        "gen_ai.response.id": "chatcmpl-1",
    }
    call = call_of(read_span(PY + "openai", {**LLM, "llm.model_name": "gpt-5", **both}))
    assert call.usage == Usage(2325, 1549, 1265, reasoning_tokens=1255)
    assert call.response_id == "chatcmpl-1"
