"""Haystack's components with content tracing on."""

from __future__ import annotations

from typing import Any

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of


def component(kind: str, output: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a component's span."""
    return {"haystack.component.name": "llm", "haystack.component.type": kind, "haystack.component.output": output}


def reply(model: str, usage: dict[str, Any]) -> dict[str, Any]:
    """A generator's output with one reply."""
    return {"replies": [{"role": "assistant", "content": [{"text": "hi"}], "meta": {"model": model, "index": 0, "usage": usage}}]}


def test_an_openai_generator() -> None:
    usage = {"prompt_tokens": 2325, "completion_tokens": 1549, "prompt_tokens_details": {"cached_tokens": 1265}}
    details = {**usage, "completion_tokens_details": {"reasoning_tokens": 1255}}
    span = read_span("my-app", component("OpenAIChatGenerator", reply("gpt-5-2025-08-07", details)), name="haystack.component.run")
    assert span.kind == "inference"
    assert usage_of(span) == Usage(2325, 1549, 1265, reasoning_tokens=1255)
    assert (call_of(span).provider, call_of(span).response_model) == ("openai", "gpt-5-2025-08-07")


def test_an_anthropic_generator_counts_the_cache_beside() -> None:
    usage = {"prompt_tokens": 194, "completion_tokens": 847, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 3400}
    span = read_span("my-app", component("AnthropicChatGenerator", reply("claude-sonnet-4-5", usage)), name="haystack.component.run")
    assert usage_of(span) == Usage(7594, 847, 4000, 3400)


def test_an_embedder() -> None:
    output = {"embedding": [0.1], "meta": {"model": "text-embedding-3-small", "usage": {"prompt_tokens": 194, "total_tokens": 194}}}
    span = read_span("my-app", component("OpenAITextEmbedder", output), name="haystack.component.run")
    assert (span.operation, usage_of(span)) == ("embeddings", Usage(194))


def test_plumbing_is_no_call() -> None:
    assert read_span("my-app", component("PromptBuilder", {"prompt": "hi"}), name="haystack.component.run").kind == "other"
    assert read_span("my-app", {"haystack.component.name": "x"}, name="haystack.pipeline.run").kind == "aggregate"
