"""Pydantic AI and Logfire."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

CLAUDE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.id": "msg_5",
    "gen_ai.usage.input_tokens": 7594,
    "gen_ai.usage.output_tokens": 847,
    "gen_ai.usage.cache_read.input_tokens": 4000,
    "gen_ai.usage.cache_creation.input_tokens": 3400,
    "gen_ai.usage.details.input_tokens": 194,
    "gen_ai.usage.details.cache_creation_input_tokens": 3400,
    "operation.cost": 0.032187,
}


def test_the_rest_of_the_writes_is_of_five_minutes() -> None:
    span = read_span("pydantic-ai", {**CLAUDE, "gen_ai.usage.details.ephemeral_1h_input_tokens": 2200}, version="2.68.0")
    assert usage_of(span) == Usage(7594, 847, 4000, 3400, 1200, 2200)
    assert call_of(span).emitter_cost_usd == "0.032187"
    assert usage_of(read_span("pydantic-ai", CLAUDE, version="1.107.10")) == Usage(7594, 847, 4000, 3400)


def test_reasoning_and_old_cache_are_only_in_the_details() -> None:
    old = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 7424,
        "gen_ai.usage.output_tokens": 1182,
        "gen_ai.usage.details.cached_tokens": 5229,
        "gen_ai.usage.details.reasoning_tokens": 899,
    }
    assert usage_of(read_span("pydantic-ai", old, version="0.4.2")) == Usage(7424, 1182, 5229, reasoning_tokens=899)


@pytest.mark.parametrize("prefix", ["gen_ai.usage.", "gen_ai.aggregated_usage."])
def test_agents_restate_under_either_name(prefix: str) -> None:
    attributes = {"model_name": "gpt-5", "agent_name": "support", f"{prefix}input_tokens": 4069, f"{prefix}output_tokens": 1001}
    span = read_span("pydantic-ai", attributes, name="agent run")
    assert (span.kind, call_of(span).usage_state, usage_of(span), span.payers.agent) == (
        "aggregate",
        "aggregate",
        Usage(4069, 1001),
        "support",
    )


def test_old_names_of_tools() -> None:
    assert read_span("pydantic-ai", {"gen_ai.tool.name": "get_weather"}, name="running tool").kind == "tool"
    assert read_span("pydantic-ai", {}, name="running 2 tools").kind == "other"


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (
            {
                "prompt_tokens": 2325,
                "prompt_tokens_details": {"cached_tokens": 1265},
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
            Usage(2325, 294, 1265, reasoning_tokens=10),
        ),
        (
            {"input_tokens": 2325, "input_tokens_details": {"cached_tokens": 5}, "output_tokens_details": {"reasoning_tokens": 9}},
            Usage(2325, 294, 5, reasoning_tokens=9),
        ),
        (
            {
                "input_tokens": 25,
                "cache_read_input_tokens": 2000,
                "cache_creation_input_tokens": 300,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            },
            Usage(2325, 294, 2000, 300, 100, 200),
        ),
    ],
)
def test_logfires_parts_are_in_the_raw_usage(raw: dict[str, object], wanted: Usage) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 2325,
        "gen_ai.usage.output_tokens": 294,
        "gen_ai.usage.raw": raw,
    }
    assert usage_of(read_span("logfire.openai", attributes, version="5.2.0")) == wanted


def test_a_pending_span_is_no_call() -> None:
    assert read_span("logfire.openai", {**CLAUDE, "logfire.span_type": "pending_span"}).kind == "other"


def test_audio_is_in_the_details() -> None:
    details = {"input_audio_tokens": 200, "output_audio_tokens": 50, "cache_audio_read_tokens": 10}
    counts = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 30}
    span = read_span(
        "pydantic-ai",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-audio-preview",
            **counts,
            **{f"gen_ai.usage.details.{key}": count for key, count in details.items()},
        },
        version="2.68.0",
    )
    extra = (("cache_read_audio_tokens", 10), ("input_audio_tokens", 200), ("output_audio_tokens", 50))
    assert usage_of(span) == Usage(1000, 100, 30, extra=extra)
