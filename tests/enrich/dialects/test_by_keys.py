"""Spans whose scope is named by the application, known by their keys."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger.enrich.records import Usage
from tests.enrich.dialects.emitted import call_of, read_span, usage_of

OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-5",
    "llm.provider": "openai",
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 5,
    "llm.token_count.prompt_details.cache_read": 4,
}


@pytest.mark.parametrize(
    ("dialect", "attributes"),
    [
        (
            "litellm-spans",
            {
                "gen_ai.operation.name": "acompletion",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "metadata.usage_object": "{'prompt_tokens': 10, 'completion_tokens': 5, 'prompt_tokens_details': {'cached_tokens': 4}}",
            },
        ),
        (
            "vercel-ai-spans",
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.provider": "openai.chat",
                "ai.model.id": "gpt-5",
                "ai.usage.inputTokens": 10,
                "ai.usage.outputTokens": 5,
                "ai.usage.cachedInputTokens": 4,
            },
        ),
        (
            "langfuse-spans",
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-5",
                "langfuse.observation.usage_details": {"input": 6, "output": 5, "input_cache_read": 4},
            },
        ),
        (
            "langsmith-spans",
            {
                "langsmith.span.kind": "llm",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.input_token_details": "{'cache_read': 4}",
            },
        ),
        (
            "mlflow-spans",
            {
                "mlflow.spanType": '"CHAT_MODEL"',
                "mlflow.llm.model": '"gpt-5"',
                "mlflow.chat.tokenUsage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 4},
            },
        ),
        (
            "genkit-spans",
            {
                "genkit:type": "action",
                "genkit:metadata:subtype": "model",
                "genkit:name": "openai/gpt-5",
                "genkit:output": {"usage": {"inputTokens": 10, "outputTokens": 5, "cachedContentTokens": 4}},
            },
        ),
        ("openinference-spans", OPENINFERENCE),
    ],
)
def test_the_keys_name_the_family(dialect: str, attributes: dict[str, Any]) -> None:
    span = read_span("my-app", attributes)
    assert (call_of(span).dialect, span.kind, usage_of(span)) == (dialect, "inference", Usage(10, 5, 4))


def test_the_operation_of_the_conventions_goes_before_openinferences_kind() -> None:
    assert read_span("my-app", {**OPENINFERENCE, "gen_ai.operation.name": "invoke_agent"}).kind == "aggregate"


def test_metadata_in_json_names_the_payer() -> None:
    assert read_span("my-app", {**OPENINFERENCE, "metadata": {"tenant_id": "acme"}}).payers.tenant == "acme"


@pytest.mark.parametrize("scope", ["strands.telemetry.tracer", "@mastra/otel-exporter", "opentelemetry.instrumentation.openai.v1"])
def test_a_processor_may_put_openinference_in_place_of_the_emitters_own_keys(scope: str) -> None:
    span = read_span(scope, OPENINFERENCE)
    assert (call_of(span).dialect, span.kind, usage_of(span)) == ("openinference-rewritten", "inference", Usage(10, 5, 4))
    assert read_span(scope, {**OPENINFERENCE, "openinference.span.kind": "AGENT"}).kind == "aggregate"
    kept = read_span(scope, {**OPENINFERENCE, "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10})
    assert call_of(kept).dialect != "openinference-rewritten"  # the emitter's own keys say more
