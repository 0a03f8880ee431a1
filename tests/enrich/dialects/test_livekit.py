"""LiveKit's spans of a voice agent."""

from __future__ import annotations

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import read_span, usage_of

COUNTS = {"gen_ai.request.model": "gpt-realtime", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}


def test_cached_tokens_under_the_older_name_are_within_the_input() -> None:
    request = {**COUNTS, "gen_ai.provider.name": "anthropic", "gen_ai.usage.input_cached_tokens": 600}
    assert usage_of(read_span("livekit-agents", request, name="llm_request_run")) == Usage(1000, 100, 600)


def test_a_realtime_turn_has_audio_and_text_apart() -> None:
    lanes = {"input_text_tokens": 200, "input_audio_tokens": 800, "output_text_tokens": 40, "output_audio_tokens": 60}
    turn = {**COUNTS, **{f"gen_ai.usage.{key}": count for key, count in lanes.items()}}
    found = read_span("livekit-agents", turn, name="realtime_metrics")
    assert found.kind == "inference"
    assert usage_of(found) == Usage(1000, 100, extra=(("input_audio_tokens", 800), ("output_audio_tokens", 60)))
