"""Langfuse's SDKs (scope `langfuse-sdk`): Python 3.15, 4.18, 5.0, JavaScript 5.11.

`langfuse.observation.type` says what a span is; `langfuse.observation.usage_details` is a JSON text in one of these forms, told
by its keys (Langfuse sums usage types, so what has a type of its own is not within `input` or `output`):

* OpenAI's chat usage as it is (Python's openai wrapper): `prompt_tokens`, `completion_tokens` with `*_details` inside them.
* OpenAI's Responses usage as it is (the same): `input_tokens`, `output_tokens` with `*_details` inside them.
* Anthropic's raw usage, given by hand: `input_tokens` with `cache_*_input_tokens` beside it.
* `input`, `output` and types beside them: LangChain callbacks of both languages (`input_cache_read`, `input_cache_creation`,
  `output_reasoning`, `input_audio`, …), JavaScript's openai wrapper (`input_cached_tokens`, `output_reasoning_tokens`), Python's
  LangChain over Anthropic (`cache_read_input_tokens`, `cache_creation_input_tokens` and again its parts
  `cache_creation_ephemeral_5m|1h_input_tokens`), by hand. Where LangChain tells TTLs, its cache_creation may be 0.
* embeddings: `{"input": n}` in Python, nothing in JavaScript (whose spans also say "generation").

No provider but in LangChain's metadata, no response id but `langfuse.observation.metadata.id` of Python's Responses calls. A
failed call may say so only by `langfuse.observation.level` = ERROR, with costs of 0. JavaScript's LangChain streams over
Anthropic count one output token too many. Metadata values are JSON texts in Python 5 ('"acme"').
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects.dialect import Dialect, Kinds, Shape, When

_USAGE: Final = "langfuse.observation.usage_details#"
_META: Final = "langfuse.observation.metadata."
_NODE: Final = "langfuse.observation.output#output.update.messages.kwargs.response_metadata."
"""The message that LangChain JS's agent node `model_request` returns, with the provider's own response beside it."""

_TYPES: Final = MappingProxyType(
    {
        "generation": "inference:chat",
        "embedding": "inference:embeddings",
        "agent": "aggregate:invoke_agent",
        "chain": "aggregate:chain",
        "tool": "tool:execute_tool",
        "retriever": "retrieval:retrieval",
        "span": "other:span",
        "event": "other:event",
        "evaluator": "other:evaluator",
        "guardrail": "other:guardrail",
    }
)


def _usage(*names: str) -> tuple[str, ...]:
    return tuple(_USAGE + name for name in names)


_CACHE_READ_BESIDE: Final = _usage(
    "input_cache_read", "input_cached_tokens", "cache_read_input_tokens", "input_cache_read_tokens", "input_cached", "cached_input_tokens"
)
_CACHE_WRITE_BESIDE: Final = _usage(
    "cache_creation_input_tokens", "input_cache_creation", "input_cache_write", "input_cache_creation_tokens"
)
_WRITE_5M: Final = _usage(
    "cache_creation_ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "input_ephemeral_5m_input_tokens",
    "input_cache_creation_5m",
)
_WRITE_1H: Final = _usage(
    "cache_creation_ephemeral_1h_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
    "input_ephemeral_1h_input_tokens",
    "input_cache_creation_1h",
)

_SHAPES: Final = (
    Shape(
        name="node_message",
        when=When(operations=("chat",), keys=(_NODE + "usage.input_tokens", _NODE + "usage.cache_creation_input_tokens")),
        input=(_NODE + "usage.input_tokens",),
        output=(_NODE + "usage.output_tokens",),
        cache_read=(_NODE + "usage.cache_read_input_tokens",),
        cache_write=(_NODE + "usage.cache_creation_input_tokens",),
        cache_write_5m=(_NODE + "usage.cache_creation.ephemeral_5m_input_tokens",),
        cache_write_1h=(_NODE + "usage.cache_creation.ephemeral_1h_input_tokens",),
        outside=("cache_read", "cache_write"),
    ),
    Shape(
        name="openai_chat",
        when=When(keys=_usage("prompt_tokens")),
        input=_usage("prompt_tokens"),
        output=_usage("completion_tokens"),
        total=_usage("total_tokens"),
        cache_read=_usage("prompt_tokens_details.cached_tokens"),
        cache_write=_usage("prompt_tokens_details.cache_write_tokens"),
        reasoning=_usage("completion_tokens_details.reasoning_tokens"),
        extra=MappingProxyType(
            {
                "input_audio_tokens": _usage("prompt_tokens_details.audio_tokens"),
                "output_audio_tokens": _usage("completion_tokens_details.audio_tokens"),
            }
        ),
        inside=("cache_read", "cache_write", "reasoning", "input_audio_tokens", "output_audio_tokens"),
    ),
    Shape(
        name="anthropic_raw",
        when=When(keys=_usage("input_tokens"), any_keys=_usage("cache_read_input_tokens", "cache_creation_input_tokens")),
        input=_usage("input_tokens"),
        output=_usage("output_tokens"),
        cache_read=_usage("cache_read_input_tokens"),
        cache_write=_usage("cache_creation_input_tokens"),
        cache_write_5m=_WRITE_5M,
        cache_write_1h=_WRITE_1H,
        reasoning=_usage("output_tokens_details.thinking_tokens"),
        inside=("reasoning",),
        outside=("cache_read", "cache_write"),
    ),
    Shape(
        name="openai_responses",
        when=When(keys=_usage("input_tokens")),
        input=_usage("input_tokens"),
        output=_usage("output_tokens"),
        total=_usage("total_tokens"),
        cache_read=_usage("input_tokens_details.cached_tokens"),
        cache_write=_usage("input_tokens_details.cache_write_tokens"),
        reasoning=_usage("output_tokens_details.reasoning_tokens"),
        inside=("cache_read", "cache_write", "reasoning"),
    ),
    Shape(
        name="usage_types",
        input=_usage("input"),
        output=_usage("output"),
        total=_usage("total"),
        cache_read=_CACHE_READ_BESIDE,
        cache_write=_CACHE_WRITE_BESIDE,
        cache_write_5m=_WRITE_5M,
        cache_write_1h=_WRITE_1H,
        reasoning=_usage("output_reasoning", "output_reasoning_tokens"),
        extra=MappingProxyType(
            {
                "input_audio_tokens": _usage("input_audio", "input_audio_tokens"),
                "output_audio_tokens": _usage("output_audio", "output_audio_tokens"),
            }
        ),
        outside=("cache_read", "cache_write", "reasoning", "input_audio_tokens", "output_audio_tokens"),
        zero_is_unknown=("cache_write",),
    ),
)

LANGFUSE: Final = Dialect(
    name="langfuse",
    seen="langfuse-sdk 3.15.0, 4.18.0, 5.0.4 (Python), 5.11.1 (JavaScript)",
    scopes=("langfuse-sdk", "langfuse*"),
    kinds=(
        Kinds(
            ref="$name",
            values=MappingProxyType({"OpenAI.embeddings": "inference:embeddings"}),
            when=When(values={"langfuse.observation.type": ("generation", "embedding")}),
        ),
        # tells the one call below it again, with the TTLs of its cache writes, which the generation lacks
        Kinds(
            ref="$name",
            values=MappingProxyType({"model_request": "inference:chat"}),
            when=When(keys=(_NODE + "usage.cache_creation_input_tokens",)),
        ),
        Kinds(ref="langfuse.observation.type", values=_TYPES),
    ),
    shapes=_SHAPES,
    provider=(_META + "ls_provider",),
    request_model=(_META + "ls_model_name", "langfuse.observation.model.name"),
    response_model=("langfuse.observation.model.name", _NODE + "model"),
    response_id=(_META + "id", _NODE + "id"),
    service_tier=(_META + "service_tier",),
    emitter_cost=("langfuse.observation.cost_details#total",),
    prompt=("langfuse.observation.input",),
    failed=(When(values={"langfuse.observation.level": ("ERROR",)}),),
    json_scalars=True,
)

DIALECTS: Final = (LANGFUSE,)
