"""Pydantic AI (0.4, 1.x, 2.x) and Logfire's own instrumentations (5.2).

`pydantic-ai`, verified with OpenAI and Anthropic in 0.4.2, 1.107.10 and 2.68.0:

* input includes cache reads and writes, output includes reasoning, in every version and for every provider;
* `cache_read`, `cache_creation` (every TTL) in 1.x and 2.x, repeated under `gen_ai.usage.details.*` (in 0.4 only there); reasoning only
  in `details.reasoning_tokens`; `details.ephemeral_1h_input_tokens` (2.68) is the 1 h share of the writes, the rest is 5 m;
* audio, of the input, the output and the cache, in `details.*_audio_*` (from its source; part of the totals);
* `details.input_tokens` (0.x, 1.x on Anthropic) is the uncached part: not a total, not read;
* agent spans repeat their calls, under the same keys (0.x, 1.x) or `gen_ai.aggregated_usage.*` (2.x), in 1.x with those of shared
  runs mixed in.

`gen_ai.conversation.id` is a random id a run, no session. `operation.cost` is genai-prices' own calculation (1.x takes 1 h writes for 5 m).

`logfire.openai`, `logfire.anthropic` 5.2.0: totals inclusive; cache and reasoning only inside `gen_ai.usage.raw`, the provider's own usage
as JSON, whose Anthropic form excludes the cache from its `input_tokens`, which is not read. A stream makes a second span in another
trace, which has the usage.
Logfire scrubs values under keys with "session" in them.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Kinds, When
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

_DETAILS: Final = "gen_ai.usage.details."
_AGGREGATED: Final = "gen_ai.aggregated_usage."
_AGGREGATED_DETAILS: Final = "gen_ai.aggregated_usage.details."
_RAW: Final = "gen_ai.usage.raw#"
_EXTRA: Final = MappingProxyType(
    {
        **c.MODALITIES,
        **c.BESIDE,
        **{
            unit: (*c.MODALITIES[unit], f"{_DETAILS}{key}")
            for unit, key in (
                ("input_audio_tokens", "input_audio_tokens"),
                ("output_audio_tokens", "output_audio_tokens"),
                ("cache_read_audio_tokens", "cache_audio_read_tokens"),
            )
        },
    }
)
_PENDING: Final = Kinds(ref="logfire.span_type", values={"pending_span": "other:pending_span"})
_OLD_NAMES: Final = Kinds(ref="$name", values={"agent run": "aggregate:invoke_agent", "running tool": "tool:execute_tool"})
_OLD_TOOLS: Final = Kinds(ref="$word", values={"running": "tool:execute_tool"}, when=When(keys=("gen_ai.tool.name",)))

PYDANTIC_AI: Final = replace(
    OTEL_GENAI,
    name="pydantic-ai",
    seen="pydantic-ai 0.4.2, 1.107.10, 2.68.0",
    scopes=("pydantic-ai",),
    kinds=(_PENDING, c.SEMCONV_KINDS, _OLD_NAMES, _OLD_TOOLS, c.NAME_KINDS),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="pydantic_ai",
            input=(*c.INPUT, f"{_AGGREGATED}input_tokens"),
            output=(*c.OUTPUT, f"{_AGGREGATED}output_tokens"),
            cache_read=(
                *c.CACHE_READ,
                *(f"{_DETAILS}{key}" for key in ("cache_read_tokens", "cache_read_input_tokens", "cached_tokens")),
                f"{_AGGREGATED}cache_read.input_tokens",
            ),
            cache_write=(
                *c.CACHE_WRITE,
                *(f"{_DETAILS}{key}" for key in ("cache_write_tokens", "cache_creation_input_tokens")),
                *(f"{_AGGREGATED}{key}" for key in ("cache_creation.input_tokens", "cache_write.input_tokens")),
            ),
            cache_write_5m=(f"{_DETAILS}ephemeral_5m_input_tokens",),
            cache_write_1h=(f"{_DETAILS}ephemeral_1h_input_tokens", f"{_AGGREGATED_DETAILS}ephemeral_1h_input_tokens"),
            reasoning=(*c.REASONING, f"{_DETAILS}reasoning_tokens", f"{_AGGREGATED_DETAILS}reasoning_tokens"),
            extra=_EXTRA,
        ),
    ),
    request_model=(*c.REQUEST_MODEL, "model_name"),
    emitter_cost=("operation.cost",),
    not_payers=("gen_ai.conversation.id",),
)
LOGFIRE: Final = replace(
    PYDANTIC_AI,
    name="logfire",
    seen="logfire.openai 5.2.0, logfire.anthropic 5.2.0",
    scopes=("logfire", "logfire.*"),
    kinds=(_PENDING, c.SEMCONV_KINDS),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="logfire",
            cache_read=(
                *c.CACHE_READ,
                f"{_RAW}prompt_tokens_details.cached_tokens",
                f"{_RAW}input_tokens_details.cached_tokens",
                f"{_RAW}cache_read_input_tokens",
            ),
            cache_write=(
                *c.CACHE_WRITE,
                f"{_RAW}cache_creation_input_tokens",
                f"{_RAW}prompt_tokens_details.cache_write_tokens",
                f"{_RAW}input_tokens_details.cache_write_tokens",
            ),
            cache_write_5m=(f"{_RAW}cache_creation.ephemeral_5m_input_tokens",),
            cache_write_1h=(f"{_RAW}cache_creation.ephemeral_1h_input_tokens",),
            reasoning=(
                *c.REASONING,
                f"{_RAW}completion_tokens_details.reasoning_tokens",
                f"{_RAW}output_tokens_details.reasoning_tokens",
                f"{_RAW}output_tokens_details.thinking_tokens",
            ),
        ),
    ),
    request_model=c.REQUEST_MODEL,
    service_tier=(*c.TIER, f"{_RAW}service_tier"),
)

DIALECTS: Final = (PYDANTIC_AI, LOGFIRE)
