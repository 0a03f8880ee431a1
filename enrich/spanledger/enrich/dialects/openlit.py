"""OpenLIT (1.45).

* `openlit.instrumentation.openai`: input = U+R, output = all; reasoning only from the Responses API. A chat stream without usage on the
  wire gets a tokenizer's estimate under the standard keys; told by its missing cache keys, which real usage always has.
* `openlit.instrumentation.anthropic`: input = U only, cache read and writes (every TTL) beside it.
* `openlit.instrumentation.langchain`: OpenAI as above; Anthropic input = U only, and the cache counts are written as 0 though there were
  some: lost. The request model is then "anthropic". `invoke_workflow` (LangGraph) repeats the last call with its response id.
* others: the conventions' reading, flagged where the numbers do not decide.

Its cost (`gen_ai.usage.cost`) is input x price + output x price without any cache rate: kept for comparison only.
`gen_ai.client.token.usage` on a span is the total.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import When
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

_TOTAL: Final = (*c.TOTAL, "gen_ai.client.token.usage")
_ESTIMATE: Final = When(
    values={"gen_ai.request.stream": ("true",)},
    without=("gen_ai.usage.cache_read.input_tokens",),
    keys=("openai.api.type",),
    operations=("chat",),
)

OPENLIT: Final = replace(
    OTEL_GENAI,
    name="openlit",
    seen="",
    scopes=("openlit.*", "openlit"),
    kinds=(c.SEMCONV_KINDS, c.REQUEST_TYPE_KINDS, c.NAME_KINDS),
    shapes=(replace(c.SEMCONV_USAGE, name="openlit", total=_TOTAL, inside=()),),
)
_OPENAI: Final = replace(
    OPENLIT,
    name="openlit-openai",
    seen="openlit.instrumentation.openai (openlit 1.45.0)",
    scopes=("openlit.instrumentation.openai", "openlit.instrumentation.async_openai"),
    shapes=(replace(c.SEMCONV_USAGE, name="openlit_openai"),),
    estimated=(_ESTIMATE,),
)
_ANTHROPIC: Final = replace(
    OPENLIT,
    name="openlit-anthropic",
    seen="openlit.instrumentation.anthropic (openlit 1.45.0)",
    scopes=("openlit.instrumentation.anthropic",),
    shapes=(replace(c.SEMCONV_USAGE, name="openlit_anthropic", inside=("reasoning",), outside=("cache_read", "cache_write")),),
    default_provider="anthropic",
)
_LANGCHAIN: Final = replace(
    OPENLIT,
    name="openlit-langchain",
    seen="openlit.instrumentation.{langchain,langgraph} (openlit 1.45.0)",
    scopes=("openlit.instrumentation.langchain", "openlit.instrumentation.langgraph"),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="openlit_langchain_anthropic",
            when=When(providers=("anthropic", "aws.bedrock")),
            inside=("reasoning",),
            outside=("cache_read", "cache_write"),
            zero_is_unknown=("cache_read", "cache_write"),
        ),
        replace(c.SEMCONV_USAGE, name="openlit_langchain"),
    ),
)

DIALECTS: Final = (_OPENAI, _ANTHROPIC, _LANGCHAIN, OPENLIT)
