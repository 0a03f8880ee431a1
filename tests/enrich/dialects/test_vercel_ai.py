"""The Vercel AI SDK's spellings by major version, as its exports have them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

INNER = {"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openai.chat", "ai.model.id": "gpt-5"}
CLAUDE = {
    "ai.operationId": "ai.generateText.doGenerate",
    "gen_ai.system": "anthropic.messages",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.model": "claude-sonnet-4-5-20250929",
    "gen_ai.response.id": "msg_1",
}
GEMINI = {
    "ai.operationId": "ai.streamText.doStream",
    "ai.model.provider": "google.generative-ai",
    "ai.model.id": "gemini-2.5-flash",
    "ai.response.id": "aitxt-kd83",
}
RAW_CLAUDE = {
    "anthropic": {
        "usage": {
            "input_tokens": 2195,
            "output_tokens": 1,
            "cache_read_input_tokens": 1111,
            "cache_creation_input_tokens": 1800,
            "cache_creation": {"ephemeral_5m_input_tokens": 1300, "ephemeral_1h_input_tokens": 500},
            "service_tier": "standard",
        }
    }
}
CLAUDE_USAGE = Usage(5106, 428, 1111, 1800, 1300, 500)


def test_v4_openai_has_its_parts_in_the_metadata() -> None:
    span = read_span(
        "ai",
        {
            **INNER,
            "ai.usage.promptTokens": 2325,
            "ai.usage.completionTokens": 1549,
            "ai.response.providerMetadata": {"openai": {"reasoningTokens": 1255, "cachedPromptTokens": 1265}},
        },
    )
    assert (span.kind, span.operation) == ("inference", "chat")
    assert usage_of(span) == Usage(2325, 1549, 1265, reasoning_tokens=1255)
    assert call_of(span).provider == "openai"


def test_v4_claude_counts_the_cache_beside_its_input() -> None:
    metadata = {"anthropic": {"cacheCreationInputTokens": 2048, "cacheReadInputTokens": 100}}
    span = read_span(
        "ai", {**CLAUDE, "ai.usage.promptTokens": 1060, "ai.usage.completionTokens": 841, "ai.response.providerMetadata": metadata}
    )
    assert usage_of(span) == Usage(3208, 841, 100, 2048)
    assert call_of(span).response_id == "msg_1"


def test_v4_streams_without_usage_say_nan_which_is_unknown() -> None:
    span = read_span("ai", {**INNER, "ai.usage.promptTokens": math.nan, "ai.usage.completionTokens": math.nan})
    assert call_of(span).usage is None
    assert call_of(span).usage_state == "missing"
    assert call_of(span).flags == ("bad_count",)


@pytest.mark.parametrize(
    "keys",
    [
        {"ai.usage.promptTokens": 2195, "ai.usage.completionTokens": 428},  # 4, 5 generateText
        {"ai.usage.inputTokens": 2195, "ai.usage.outputTokens": 428, "ai.usage.cachedInputTokens": 1111},  # 5 streamText
        {"ai.usage.promptTokens": 5106, "ai.usage.completionTokens": 428},  # 6 generateObject: the same key, all inside
    ],
)
def test_claudes_raw_usage_goes_before_the_keys_but_for_the_output(keys: dict[str, Any]) -> None:
    span = read_span("ai", {**CLAUDE, **keys, "ai.response.providerMetadata": RAW_CLAUDE})
    assert usage_of(span) == CLAUDE_USAGE
    assert call_of(span).service_tier == "standard"


def test_v6_is_normalised_where_the_details_say_so() -> None:
    span = read_span(
        "ai",
        {
            **CLAUDE,
            "ai.usage.inputTokens": 5106,
            "ai.usage.inputTokenDetails.noCacheTokens": 2195,
            "ai.usage.inputTokenDetails.cacheReadTokens": 1111,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 1800,
            "ai.usage.outputTokens": 428,
            "ai.usage.totalTokens": 5534,
            "ai.response.providerMetadata": RAW_CLAUDE,
        },
    )
    assert usage_of(span) == CLAUDE_USAGE


def test_v5_gemini_thinks_beside_its_output() -> None:
    keys = {
        "ai.usage.inputTokens": 1394,
        "ai.usage.outputTokens": 309,
        "ai.usage.cachedInputTokens": 1200,
        "ai.usage.reasoningTokens": 1391,
        "ai.usage.totalTokens": 3094,
    }
    span = read_span("ai", {**GEMINI, **keys})
    assert usage_of(span) == Usage(1394, 1700, 1200, reasoning_tokens=1391)
    assert call_of(span).response_id is None


def test_geminis_raw_usage_decides_for_a_v6_object_too() -> None:
    raw = {"promptTokenCount": 6984, "candidatesTokenCount": 422, "thoughtsTokenCount": 66, "cachedContentTokenCount": 4445}
    keys = {
        "ai.usage.promptTokens": 6984,
        "ai.usage.completionTokens": 488,
        "ai.response.providerMetadata": {"google": {"usageMetadata": raw}},
    }
    assert usage_of(read_span("ai", {**GEMINI, **keys})) == Usage(6984, 488, 4445, reasoning_tokens=66)


def test_v5_over_bedrock_counts_the_cache_beside_its_input() -> None:
    span = read_span(
        "ai",
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.model.provider": "amazon-bedrock",
            "ai.model.id": "amazon.nova-pro-v1:0",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 10,
            "ai.usage.cachedInputTokens": 30,
            "ai.response.providerMetadata": {"bedrock": {"usage": {"cacheWriteInputTokens": 20}}},
        },
    )
    assert usage_of(span) == Usage(150, 10, 30, 20)


def test_what_v5_openai_never_tells_is_flagged() -> None:
    span = read_span("ai", {**INNER, "ai.usage.promptTokens": 3792, "ai.usage.completionTokens": 1376})
    assert call_of(span).flags == ("cache_read_untold", "reasoning_untold")


def test_an_unknown_provider_is_decided_by_the_total() -> None:
    other = {"ai.operationId": "ai.streamText.doStream", "ai.model.provider": "acme.chat", "ai.model.id": "acme-1"}
    keys = {"ai.usage.inputTokens": 10, "ai.usage.outputTokens": 5, "ai.usage.reasoningTokens": 7, "ai.usage.totalTokens": 22}
    assert usage_of(read_span("ai", {**other, **keys})) == Usage(10, 12, reasoning_tokens=7)


def test_outer_spans_are_sums_and_their_metadata_is_of_the_last_step() -> None:
    outer = {
        "ai.operationId": "ai.generateText",
        "ai.model.provider": "anthropic.messages",
        "ai.model.id": "claude-sonnet-4-5",
        "ai.usage.inputTokens": 9000,
        "ai.usage.inputTokenDetails.noCacheTokens": 9000,
        "ai.usage.outputTokens": 868,
        "ai.response.providerMetadata": RAW_CLAUDE,
    }
    span = read_span("ai", outer)
    assert span.kind == "aggregate"
    assert usage_of(span) == Usage(9000, 868)
    assert call_of(span).usage_state == "aggregate"


@pytest.mark.parametrize(
    ("operation", "kind"), [("ai.embed", "aggregate"), ("ai.embed.doEmbed", "inference"), ("ai.embedMany.doEmbed", "inference")]
)
def test_embeddings_have_a_key_of_their_own(operation: str, kind: str) -> None:
    about = {"ai.operationId": operation, "ai.model.provider": "openai.embedding", "ai.model.id": "text-embedding-3-small"}
    span = read_span("ai", {**about, "ai.usage.tokens": 1060})
    assert span.kind == kind
    assert usage_of(span) == Usage(1060)


def test_a_failed_attempt_is_a_call_without_usage() -> None:
    span = read_span("ai", INNER, status=2)
    assert span.failed
    assert span.kind == "inference"
    assert call_of(span).usage is None


def test_metadata_names_the_payer_in_every_major() -> None:
    for prefix in ("ai.telemetry.metadata.", "ai.settings.context."):
        who = {f"{prefix}tenantId": "acme", f"{prefix}userId": "u-ann", f"{prefix}sessionId": "s-1"}
        payers = read_span("ai", {**INNER, **who, "ai.telemetry.functionId": "chat"}).payers
        assert (payers.tenant, payers.user, payers.session, payers.feature) == ("acme", "u-ann", "s-1", "chat")


V7 = {
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 5106,
    "gen_ai.usage.output_tokens": 428,
    "gen_ai.usage.cache_read.input_tokens": 1111,
    "gen_ai.usage.cache_creation.input_tokens": 1800,
}


def test_v7_follows_the_conventions_and_tells_ttls_only_with_metadata() -> None:
    plain = read_span("gen_ai", {**V7, "gen_ai.operation.name": "chat"})
    assert usage_of(plain) == Usage(5106, 428, 1111, 1800)
    assert "cache_ttl_untold" in call_of(plain).flags
    told = read_span("gen_ai", {**V7, "gen_ai.operation.name": "chat", "ai.response.providerMetadata": RAW_CLAUDE})
    assert usage_of(told) == CLAUDE_USAGE


def test_v7_agents_restate_and_steps_say_nothing() -> None:
    agent = read_span("gen_ai", {**V7, "gen_ai.operation.name": "invoke_agent", "ai.response.providerMetadata": RAW_CLAUDE})
    assert agent.kind == "aggregate"
    assert usage_of(agent) == Usage(5106, 428, 1111, 1800)
    step = read_span(
        "gen_ai",
        {
            "gen_ai.operation.name": "agent_step",
            "openinference.span.kind": "LLM",
            "ai.usage.inputTokenDetails.noCacheTokens": 1060,
            "ai.response.providerMetadata": RAW_CLAUDE,
        },
    )
    assert step.kind == "aggregate"
    assert call_of(step).usage is None


def test_what_geminis_own_tools_put_into_the_prompt_is_beside_it() -> None:
    raw = {"promptTokenCount": 100, "toolUsePromptTokenCount": 20, "candidatesTokenCount": 20, "thoughtsTokenCount": 30}
    keys = {"ai.usage.inputTokens": 100, "ai.usage.outputTokens": 20, "ai.response.providerMetadata": {"google": {"usageMetadata": raw}}}
    span = read_span("ai", {**GEMINI, **keys})
    assert usage_of(span) == Usage(120, 50, reasoning_tokens=30, extra=(("input_tool_use_tokens", 20),))
