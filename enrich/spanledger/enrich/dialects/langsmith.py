"""LangSmith's OpenTelemetry mode (scope `langsmith`, no version; package 0.14.17): LangChain runs and wrapped SDKs.

`gen_ai.usage.input_tokens` includes cache reads and writes, `output_tokens` reasoning; only llm runs have usage. The parts are in
`gen_ai.usage.input_token_details` / `output_token_details`, which are Python reprs ("{'audio': 0, 'cache_read': 1265}"), and in the JSON
of `langsmith.metadata.usage_metadata`, which may add `ephemeral_5m|1h_input_tokens` (the TTLs); `cache_creation` is 0 beside them. Spans
that an application writes for LangSmith by hand have that JSON in `langsmith.usage_metadata`. Streams without usage and failed runs have
none. `langsmith.trace.session_name` is a project, not a session.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Dialect, Kinds

_META: Final = "langsmith.metadata."
_USAGES: Final = (_META + "usage_metadata#", "langsmith.usage_metadata#")
_INPUT_DETAILS: Final = ("gen_ai.usage.input_token_details#", *(usage + "input_token_details." for usage in _USAGES))
_OUTPUT_DETAILS: Final = ("gen_ai.usage.output_token_details#", *(usage + "output_token_details." for usage in _USAGES))
_MESSAGE: Final = "gen_ai.completion#generations.message.kwargs."


def _in(places: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(place + name for place in places)


_KINDS: Final = MappingProxyType(
    {
        "llm": "inference:chat",
        "embedding": "inference:embeddings",
        "chain": "aggregate:chain",
        "tool": "tool:execute_tool",
        "retriever": "retrieval:retrieval",
        "prompt": "other:prompt",
        "parser": "other:parser",
    }
)

LANGSMITH: Final = Dialect(
    name="langsmith",
    seen="langsmith 0.14.17 (OTel mode)",
    scopes=("langsmith",),
    kinds=(Kinds(ref="langsmith.span.kind", values=_KINDS), c.SEMCONV_KINDS),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            input=(*c.INPUT, *_in(_USAGES, "input_tokens")),
            output=(*c.OUTPUT, *_in(_USAGES, "output_tokens")),
            total=(*c.TOTAL, *_in(_USAGES, "total_tokens")),
            cache_read=(*_in(_INPUT_DETAILS, "cache_read"), *c.CACHE_READ),
            cache_write=(*_in(_INPUT_DETAILS, "cache_creation"), *c.CACHE_WRITE),
            cache_write_5m=_in(_INPUT_DETAILS, "ephemeral_5m_input_tokens"),
            cache_write_1h=_in(_INPUT_DETAILS, "ephemeral_1h_input_tokens"),
            reasoning=(*_in(_OUTPUT_DETAILS, "reasoning"), *c.REASONING),
            extra=MappingProxyType(
                {"input_audio_tokens": _in(_INPUT_DETAILS, "audio"), "output_audio_tokens": _in(_OUTPUT_DETAILS, "audio")}
            ),
        ),
    ),
    provider=(*c.PROVIDER, _META + "ls_provider"),
    request_model=(*c.REQUEST_MODEL, _META + "ls_model_name"),
    response_model=(*c.RESPONSE_MODEL, _MESSAGE + "response_metadata.model_name", _MESSAGE + "response_metadata.model"),
    response_id=(*c.RESPONSE_ID, _MESSAGE + "response_metadata.id", "gen_ai.completion#llm_output.id"),
    service_tier=(*c.TIER, "gen_ai.service_tier", _MESSAGE + "response_metadata.service_tier"),
    tool_name=c.TOOL_NAME,
    emitter_cost=c.COST,
    prompt=c.PROMPT,
)

DIALECTS: Final = (LANGSMITH,)
