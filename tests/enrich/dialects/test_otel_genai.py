"""OpenTelemetry's own instrumentations, with the numbers they exported."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

SCOPE = "opentelemetry.instrumentation.genai."
CLAUDE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 7594,
    "gen_ai.usage.output_tokens": 847,
    "gen_ai.usage.cache_read.input_tokens": 4000,
}


@pytest.mark.parametrize(
    "write",
    ["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"],
)
def test_totals_include_every_part_in_all_spellings(write: str) -> None:
    span = read_span(SCOPE + "anthropic", {**CLAUDE, write: 3400, "gen_ai.usage.reasoning.output_tokens": 333}, version="1.3b0")
    assert usage_of(span) == Usage(7594, 847, 4000, 3400, reasoning_tokens=333)
    assert call_of(span).flags == ()


def test_boto3_says_the_uncached_part_only() -> None:
    attributes = {
        **CLAUDE,
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.usage.input_tokens": 1060,
        "gen_ai.usage.cache_write.input_tokens": 1200,
    }
    span = read_span(SCOPE + "bedrock", attributes, version="1.3b0")
    assert usage_of(span) == Usage(6260, 847, 4000, 1200)
    assert call_of(span).provider == "aws.bedrock"
    assert "input_excludes_cache" in call_of(span).usage_basis


def test_deprecated_names_are_read_and_both_names_count_once() -> None:
    old = {
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.prompt_tokens": 10,
        "gen_ai.usage.completion_tokens": 5,
    }
    new = {**old, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    assert usage_of(read_span("hand-made", old)) == usage_of(read_span("hand-made", new)) == Usage(10, 5)


def test_the_2025_instrumentations_say_what_they_never_tell() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 5,
    }
    call = call_of(read_span("opentelemetry.instrumentation.openai_v2", attributes, version="2.4b0"))
    assert call.flags == ("cache_read_untold", "reasoning_untold")


def test_an_old_gemini_stream_sums_its_chunks() -> None:
    attributes = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.system": "gemini",
        "gen_ai.request.model": "gemini-2.5-flash",
        "code.function.name": "google.genai.Models.generate_content_stream",
        "gen_ai.usage.input_tokens": 8390,
        "gen_ai.usage.output_tokens": 283,
    }
    scope = "opentelemetry.instrumentation.google_genai"
    assert call_of(read_span(scope, attributes, version="0.3b0")).usage_state == "estimated"
    assert call_of(read_span(scope, attributes, version="1.3b0")).usage_state == "measured"


def test_modalities_are_parts() -> None:
    audio = {"gen_ai.usage.audio.input_tokens": 20, "gen_ai.usage.audio.output_tokens": 8}
    found = usage_of(read_span(SCOPE + "openai", {**CLAUDE, **audio}))
    assert found == Usage(7594, 847, 4000, extra=(("input_audio_tokens", 20), ("output_audio_tokens", 8)))


def test_tier_attempt_and_prompt() -> None:
    attributes = {**CLAUDE, "openai.response.service_tier": "flex", "http.request.resend_count": 2, "gen_ai.input.messages": "a secret"}
    call = call_of(read_span(SCOPE + "openai", attributes))
    assert (call.service_tier, call.attempt) == ("flex", 2)
    assert call.prompt_hmac is not None
    assert call.prompt_hmac.startswith("8:")
