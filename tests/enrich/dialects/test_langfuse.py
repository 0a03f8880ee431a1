"""Langfuse's usage_details in its several forms."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

GENERATION = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-5-2025-08-07"}
CLAUDE = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "claude-sonnet-4-5-20250929"}


@pytest.mark.parametrize(
    ("details", "usage"),
    [
        (  # Python's openai wrapper, chat completions
            {
                "prompt_tokens": 2325,
                "completion_tokens": 1549,
                "total_tokens": 3874,
                "prompt_tokens_details": {"cached_tokens": 1265, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 1255},
            },
            Usage(2325, 1549, 1265, reasoning_tokens=1255),
        ),
        (  # Python's openai wrapper, Responses
            {
                "input_tokens": 2325,
                "input_tokens_details": {"cached_tokens": 1265},
                "output_tokens": 1549,
                "output_tokens_details": {"reasoning_tokens": 1255},
            },
            Usage(2325, 1549, 1265, reasoning_tokens=1255),
        ),
        (  # LangChain callbacks over OpenAI
            {"input": 1060, "output": 294, "total": 3874, "input_cache_read": 1265, "output_reasoning": 1255, "input_audio": 0},
            Usage(2325, 1549, 1265, reasoning_tokens=1255),
        ),
        (  # JavaScript's openai wrapper
            {"input": 1060, "output": 294, "input_cached_tokens": 1265, "output_reasoning_tokens": 1255},
            Usage(2325, 1549, 1265, reasoning_tokens=1255),
        ),
        ({"input": 2539}, Usage(2539)),  # Python's embeddings
    ],
)
def test_openai(details: dict[str, Any], usage: Usage) -> None:
    span = read_span("langfuse-sdk", {**GENERATION, "langfuse.observation.usage_details": details}, version="5.0.4")
    assert usage_of(span) == usage
    assert call_of(span).provider == "openai"


@pytest.mark.parametrize(
    ("details", "usage"),
    [
        (  # Python 3 LangChain
            {"cache_creation_input_tokens": 3400, "cache_read_input_tokens": 4000, "input": 194, "output": 847},
            Usage(7594, 847, 4000, 3400),
        ),
        (  # Python 4 and 5 LangChain: cache_creation and again its parts
            {
                "cache_creation_input_tokens": 3400,
                "cache_read_input_tokens": 4000,
                "input": 194,
                "output": 847,
                "cache_creation_ephemeral_1h_input_tokens": 2200,
                "cache_creation_ephemeral_5m_input_tokens": 1200,
            },
            Usage(7594, 847, 4000, 3400, 1200, 2200),
        ),
        ({"input": 1967, "output": 440, "input_cache_creation": 1700, "input_cache_read": 0}, Usage(3667, 440, 0, 1700)),  # JavaScript
        (  # LangChain's own details, where 0 stands beside the parts
            {
                "input": 194,
                "output": 847,
                "input_cache_creation": 0,
                "input_ephemeral_5m_input_tokens": 1200,
                "input_ephemeral_1h_input_tokens": 2200,
            },
            Usage(3594, 847, None, 3400, 1200, 2200),
        ),
        (  # by hand, Anthropic's raw usage
            {"input_tokens": 1744, "output_tokens": 229, "cache_read_input_tokens": 3000, "cache_creation_input_tokens": 700},
            Usage(5444, 229, 3000, 700),
        ),
    ],
)
def test_anthropic(details: dict[str, Any], usage: Usage) -> None:
    span = read_span("langfuse-sdk", {**CLAUDE, "langfuse.observation.usage_details": details})
    assert usage_of(span) == usage
    assert call_of(span).provider == "anthropic"


def test_a_failed_call_says_so_by_its_level() -> None:
    failed = {
        **GENERATION,
        "langfuse.observation.level": "ERROR",
        "langfuse.observation.cost_details": {"input": 0, "output": 0, "total": 0},
    }
    span = read_span("langfuse-sdk", failed)
    assert span.failed
    assert call_of(span).usage is None
    assert not read_span("langfuse-sdk", {**GENERATION, "langfuse.observation.level": "DEFAULT"}).failed


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("embedding", "inference"),
        ("span", "other"),
        ("agent", "aggregate"),
        ("chain", "aggregate"),
        ("tool", "tool"),
        ("retriever", "retrieval"),
    ],
)
def test_kinds(kind: str, found: str) -> None:
    assert read_span("langfuse-sdk", {"langfuse.observation.type": kind}).kind == found


def test_javascript_calls_embeddings_generations() -> None:
    span = read_span("langfuse-sdk", GENERATION, name="OpenAI.embeddings")
    assert (span.kind, span.operation) == ("inference", "embeddings")


def test_metadata_values_may_be_json_texts() -> None:
    quoted = {
        "langfuse.trace.metadata.tenant_id": '"acme"',
        "langfuse.observation.metadata.ls_provider": '"anthropic"',
        "user.id": "u-1",
        "session.id": "s-1",
    }
    span = read_span("langfuse-sdk", {**CLAUDE, **quoted, "langfuse.observation.usage_details": {"input": 1, "output": 1}})
    assert (span.payers.tenant, span.payers.user, span.payers.session) == ("acme", "u-1", "s-1")
    assert call_of(span).provider == "anthropic"


def test_langchain_js_tells_ttls_on_the_node_above_the_generation() -> None:
    usage = {
        "input_tokens": 2195,
        "output_tokens": 428,
        "cache_read_input_tokens": 1700,
        "cache_creation_input_tokens": 1500,
        "cache_creation": {"ephemeral_5m_input_tokens": 900, "ephemeral_1h_input_tokens": 600},
    }
    message = {"kwargs": {"content": "answer", "response_metadata": {"id": "msg_4", "model": "claude-sonnet-4-5-20250929", "usage": usage}}}
    output = {"output": [{"lg_name": "Command", "update": {"messages": [message]}, "goto": []}]}
    node = {"langfuse.observation.type": "span", "langfuse.observation.output": output}
    span = read_span("langfuse-sdk", node, name="model_request")
    assert span.kind == "inference"
    assert usage_of(span) == Usage(5395, 428, 1700, 1500, 900, 600)
    assert call_of(span).response_id == "msg_4"
    assert read_span("langfuse-sdk", node, name="tools").kind == "other"
