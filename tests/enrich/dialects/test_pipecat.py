"""Pipecat's spans of a voice agent."""

from __future__ import annotations

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

SPEECH = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "tts-1", "gen_ai.operation.name": "tts", "text": "Good morning"}


def test_speech_and_hearing_are_calls_without_tokens() -> None:
    spoken = read_span("pipecat", {**SPEECH, "metrics.character_count": 12}, name="tts")
    assert (spoken.kind, spoken.operation, usage_of(spoken)) == ("inference", "speech", Usage(extra=(("input_characters", 12),)))
    heard = read_span("pipecat", {**SPEECH, "gen_ai.operation.name": "stt", "metrics.audio_seconds": 1.2345}, name="stt")
    assert (heard.operation, usage_of(heard)) == ("transcription", Usage(extra=(("audio_ms", 1234),)))  # half-even
    assert read_span("pipecat", SPEECH, name="tts").call is not None  # a call that tells nothing


@pytest.mark.parametrize(("provider", "given"), [("openai", 1000), ("anthropic", 1500), ("awsbedrock", 1500), ("google", 1000)])
def test_whether_the_input_holds_the_cache_depends_on_the_service(provider: str, given: int) -> None:
    counts = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 500}
    attributes = {"gen_ai.provider.name": provider, "gen_ai.request.model": "some-model", "gen_ai.operation.name": "chat", **counts}
    assert usage_of(read_span("pipecat", attributes, name="llm")) == Usage(given, 10, 500)


@pytest.mark.parametrize("operation", ["llm_setup", "llm_request", "llm_tool_call", "llm_tool_result"])
def test_what_realtime_services_do_beside_responses_is_no_call(operation: str) -> None:
    attributes = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-realtime", "gen_ai.operation.name": operation}
    span = read_span("pipecat", attributes, name=operation)
    assert (span.kind, span.call) == ("other", None)


def test_a_realtime_response_has_an_id() -> None:
    counts = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10, "gen_ai.usage.audio.input_tokens": 80}
    attributes = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-realtime", "gen_ai.operation.name": "llm_response"}
    call = call_of(read_span("pipecat", {**attributes, **counts, "response.id": "resp_7"}, name="llm_response"))
    assert (call.response_id, call.usage) == ("resp_7", Usage(100, 10, extra=(("input_audio_tokens", 80),)))
