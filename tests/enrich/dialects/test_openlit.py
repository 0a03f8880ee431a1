"""OpenLIT."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "openai.api.type": "chat_completions",
    "gen_ai.usage.input_tokens": 4,
    "gen_ai.usage.output_tokens": 4,
    "gen_ai.client.token.usage": 8,
    "gen_ai.usage.cost": 3e-06,
}


def test_a_stream_without_cache_keys_is_an_estimate() -> None:
    call = call_of(read_span("openlit.instrumentation.openai", {**CHAT, "gen_ai.request.stream": True}))
    assert (call.usage_state, call.emitter_cost_usd) == ("estimated", "0.000003")
    real = {**CHAT, "gen_ai.request.stream": True, "gen_ai.usage.cache_read.input_tokens": 0}
    assert call_of(read_span("openlit.instrumentation.openai", real)).usage_state == "measured"


def test_anthropic_says_the_uncached_part_only() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.usage.input_tokens": 1060,
        "gen_ai.usage.output_tokens": 841,
        "gen_ai.client.token.usage": 1901,
        "gen_ai.usage.cache_read.input_tokens": 5000,
        "gen_ai.usage.cache_creation.input_tokens": 1500,
    }
    span = read_span("openlit.instrumentation.anthropic", attributes)
    assert usage_of(span) == Usage(7560, 841, 5000, 1500)
    assert call_of(span).provider == "anthropic"


def test_langchain_loses_anthropics_cache_and_says_so() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "anthropic",
        "gen_ai.response.model": "claude-sonnet-4-5-20250929",
        "gen_ai.usage.input_tokens": 1967,
        "gen_ai.usage.output_tokens": 440,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
    }
    call = call_of(read_span("openlit.instrumentation.langchain", attributes))
    assert call.usage == Usage(1967, 440)
    assert call.flags == ("cache_read_unknown", "cache_write_unknown")


def test_openais_user_field_is_no_payer() -> None:
    span = read_span("openlit.instrumentation.openai", {**CHAT, "gen_ai.request.user": "abuse-id"})
    assert span.payers.user is None
