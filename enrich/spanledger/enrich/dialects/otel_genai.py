"""OpenTelemetry's own GenAI instrumentations (opentelemetry-instrumentation-genai-* 1.x and their predecessors).

What each token class includes, by scope (verified against exports; U uncached input, R cache read, W cache write):

* `opentelemetry.instrumentation.genai.openai|anthropic|langchain` 1.3b0: input = U+R+W, output = all; `cache_read`, `cache_write` (5m and
  1h merged), `reasoning`, each absent when 0. LangChain's span swallows the provider's own.
* `…genai.bedrock` 1.3b0 (boto3): input = U only, `cache_read` and `cache_write` beside it, though the conventions say otherwise.
* `…google_genai` 1.3b0: input = U+R, output = all. With automatic function calling several model calls make one span with the usage of
  the last one.
* `…google_genai` 0.x and `…vertexai` 2.x: input = U+R, output without thoughts, which are on the wire nowhere; no cache split. Streams
  sum the prompt's count over all chunks.
* `…openai_v2` 2.x: input = U+R, output = all, neither split told. The same from JavaScript (`@opentelemetry/instrumentation-openai` 0.22).
* `…genai.openai_agents|llama_index` 1.3b0: spans without usage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Dialect, When

OTEL_GENAI: Final = Dialect(
    name="otel-genai",
    seen="opentelemetry.instrumentation.genai.{openai,anthropic,langchain,openai_agents,llama_index} 1.3b0, google_genai 1.3b0",
    scopes=("opentelemetry.instrumentation.genai.*", "opentelemetry.util.genai.*", "opentelemetry.instrumentation.google_genai"),
    kinds=(c.SEMCONV_KINDS, c.NAME_KINDS),
    shapes=(c.SEMCONV_USAGE,),
    provider=c.PROVIDER,
    request_model=c.REQUEST_MODEL,
    response_model=c.RESPONSE_MODEL,
    response_id=c.RESPONSE_ID,
    service_tier=c.TIER,
    region=c.REGION,
    tool_name=c.TOOL_NAME,
    emitter_cost=c.COST,
    attempt=c.ATTEMPT,
    prompt=c.PROMPT,
)

OTEL_BEDROCK: Final = replace(
    OTEL_GENAI,
    name="otel-genai-bedrock",
    seen="opentelemetry.instrumentation.genai.bedrock 1.3b0",
    scopes=("opentelemetry.instrumentation.genai.bedrock", "opentelemetry.instrumentation.botocore*"),
    shapes=(
        replace(c.SEMCONV_USAGE, name="converse", inside=("reasoning",), outside=("cache_read", "cache_write"), untold=("cache_ttl",)),
    ),
)

_NO_SPLITS: Final = replace(c.SEMCONV_USAGE, name="totals_only", untold=("cache_read", "reasoning"))
OTEL_OPENAI_V2: Final = replace(
    OTEL_GENAI,
    name="otel-openai-v2",
    seen="opentelemetry.instrumentation.openai_v2 2.1b0, 2.4b0; @opentelemetry/instrumentation-openai 0.22.0",
    scopes=("opentelemetry.instrumentation.openai_v2", "@opentelemetry/instrumentation-openai"),
    shapes=(_NO_SPLITS,),
    default_provider="openai",
)
OTEL_GOOGLE_OLD: Final = replace(
    OTEL_GENAI,
    name="otel-google-old",
    seen="opentelemetry.instrumentation.google_genai 0.3b0",
    scopes=("opentelemetry.instrumentation.google_genai",),
    versions="<1",
    shapes=(replace(_NO_SPLITS, name="visible_output"),),
    estimated=(
        When(  # every chunk's prompt count is summed
            values={
                "code.function.name": (
                    "google.genai.Models.generate_content_stream",
                    "google.genai.AsyncModels.generate_content_stream",
                )
            }
        ),
    ),
)
OTEL_VERTEXAI: Final = replace(
    OTEL_GOOGLE_OLD,
    name="otel-vertexai",
    seen="opentelemetry.instrumentation.vertexai 2.1b0",
    scopes=("opentelemetry.instrumentation.vertexai",),
    versions=">=2",
    estimated=(),
)

DIALECTS: Final = (OTEL_BEDROCK, OTEL_OPENAI_V2, OTEL_GOOGLE_OLD, OTEL_VERTEXAI, OTEL_GENAI)
