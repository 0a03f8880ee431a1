"""Firebase Genkit (scope `genkit-tracer`; package 1.42.0): usage inside the JSON of `genkit:output`.

Model actions (`genkit:metadata:subtype` = model) are the calls: `usage.inputTokens`, `outputTokens`, `thoughtsTokens`,
`cachedContentTokens`; `generate` spans (`genkit:type` = util) restate the (last) call below them, recursively. The raw response
sits beside it under `custom` (Google's, `usageMetadata`) or `raw` (OpenAI's).

* Gemini (googleai/…, vertexai/…): input = U+R, output without the thoughts, which are beside it.
* OpenAI and compatibles: input = U+R, output = O; cached and reasoning only in the raw usage.
* Anthropic: raw usage where there is one, with the cache beside the input.
* Embedders tell nothing.

The model's name has its plugin's before it ("googleai/gemini-2.5-flash").
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects.dialect import Dialect, Kinds, Shape, When

_OUT: Final = "genkit:output#"
_RAW: Final = (_OUT + "raw.", _OUT + "custom.")


def _raw(*names: str) -> tuple[str, ...]:
    return tuple(place + name for name in names for place in _RAW)


_USAGE: Final = Shape(
    name="usage",
    when=When(operations=("chat", "generate")),
    input=(_OUT + "usage.inputTokens",),
    output=(_OUT + "usage.outputTokens",),
    total=(_OUT + "usage.totalTokens",),
    cache_read=(
        _OUT + "usage.cachedContentTokens",
        *_raw("usage.prompt_tokens_details.cached_tokens", "usage.input_tokens_details.cached_tokens"),
    ),
    reasoning=(
        _OUT + "usage.thoughtsTokens",
        *_raw("usage.completion_tokens_details.reasoning_tokens", "usage.output_tokens_details.reasoning_tokens"),
    ),
)

GENKIT: Final = Dialect(
    name="genkit",
    seen="genkit-tracer v1 (genkit 1.42.0 with @genkit-ai/googleai, @genkit-ai/compat-oai)",
    scopes=("genkit-tracer", "genkit*"),
    kinds=(
        Kinds(
            ref="genkit:metadata:subtype",
            values=MappingProxyType(
                {
                    "model": "inference:chat",
                    "background-model": "inference:chat",
                    "embedder": "inference:embeddings",
                    "reranker": "inference:rerank",
                    "tool": "tool:execute_tool",
                    "tool.v2": "tool:execute_tool",
                    "retriever": "retrieval:retrieval",
                    "indexer": "retrieval:upsert_memory",
                    "flow": "aggregate:flow",
                    "executable-prompt": "aggregate:prompt",
                    "prompt": "other:prompt",
                    "evaluator": "other:evaluator",
                }
            ),
        ),
        Kinds(ref="genkit:name", values=MappingProxyType({"generate": "aggregate:generate"})),
    ),
    shapes=(
        replace(
            _USAGE,
            name="anthropic_raw",
            when=When(keys=_raw("usage.cache_read_input_tokens")[:1]),
            input=_raw("usage.input_tokens"),
            cache_read=_raw("usage.cache_read_input_tokens"),
            cache_write=_raw("usage.cache_creation_input_tokens"),
            cache_write_5m=_raw("usage.cache_creation.ephemeral_5m_input_tokens"),
            cache_write_1h=_raw("usage.cache_creation.ephemeral_1h_input_tokens"),
            inside=("reasoning",),
            outside=("cache_read", "cache_write"),
        ),
        replace(
            _USAGE,
            name="gemini",
            when=When(models=("gemini",), operations=_USAGE.when.operations),
            inside=("cache_read",),
            outside=("reasoning",),
        ),
        replace(
            _USAGE, name="openai", when=When(providers=("openai",), operations=_USAGE.when.operations), inside=("cache_read", "reasoning")
        ),
        _USAGE,
    ),
    request_model=("genkit:name",),
    response_model=_raw("model", "modelVersion"),
    response_id=_raw("id", "responseId"),
    service_tier=_raw("service_tier"),
    tool_name=("genkit:name",),
    prompt=("genkit:input",),
    failed=(When(values={"genkit:state": ("error",)}),),
)

DIALECTS: Final = (GENKIT,)
