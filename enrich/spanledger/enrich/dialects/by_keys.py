"""Spans known by their keys under a scope of somebody else's naming: an application's own tracer, or another framework's spans rewritten.

Frameworks that take a tracer or its name from the application (the AI SDK's `experimental_telemetry.tracer`, Genkit, LangSmith, LiteLLM's
OTEL_TRACER_NAME) and processors that add OpenInference's keys to foreign spans leave the scope's name open. Asked after every family
with scopes of its own; what the keys mean is said in the family's file. With OpenInference's keys a processor may leave the conventions'
operation on the span, which goes before `openinference.span.kind`; others take the emitter's own keys away (the Strands mapper that AWS
published), and then even scopes with a dialect of their own speak OpenInference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects.dialect import Dialect, When
from spanledger.enrich.dialects.genkit import GENKIT
from spanledger.enrich.dialects.langfuse import LANGFUSE
from spanledger.enrich.dialects.langsmith import LANGSMITH
from spanledger.enrich.dialects.litellm import LITELLM
from spanledger.enrich.dialects.mlflow import MLFLOW
from spanledger.enrich.dialects.openinference import ALL_INSIDE, ANY_FRAMEWORK
from spanledger.enrich.dialects.vercel_ai import AI_SDK


def _by_key(dialect: Dialect, key: str) -> Dialect:
    """A family's dialect for spans of any scope that have this key; not for their events, which every other span would pay for."""
    seen = f"{key} under scopes without a dialect of their own"
    return replace(dialect, name=f"{dialect.name}-spans", seen=seen, scopes=(), when=When(keys=(key,)), event_keys=())


REWRITTEN: Final = (
    replace(
        _by_key(ANY_FRAMEWORK, "openinference.span.kind"),
        name="openinference-rewritten",
        seen="openinference.span.kind in place of an emitter's own keys (from the sources of such processors)",
        scopes=(
            *("strands.*", "strands-agents*", "agent_framework*", "autogen*", "gcp.vertex.agent", "pydantic-ai", "semantic_kernel.*"),
            *("@mastra/*", "mastra", "opentelemetry.instrumentation.*", "@traceloop/*", "openlit*"),
        ),
        when=When(
            keys=("openinference.span.kind", "llm.token_count.prompt"),
            without=("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.aggregated_usage.input_tokens"),
        ),
        shapes=(ALL_INSIDE,),
    ),
)
"""Asked before the families, for the scopes of which a processor may have replaced the keys."""

DIALECTS: Final = (
    _by_key(AI_SDK, "ai.operationId"),
    _by_key(LANGFUSE, "langfuse.observation.type"),
    _by_key(LANGSMITH, "langsmith.span.kind"),
    _by_key(MLFLOW, "mlflow.spanType"),
    _by_key(GENKIT, "genkit:type"),
    _by_key(LITELLM, "metadata.usage_object"),
    replace(_by_key(ANY_FRAMEWORK, "openinference.span.kind"), shapes=(ALL_INSIDE,)),
)
