"""SDKs of observability products that write spans in a vocabulary of their own; known by their keys, as applications name the scope.

Read in their sources and tests, none captured.

* Braintrust (Java, Go, Ruby, .NET SDKs and the OTel bridges of the others): `braintrust.metrics`, a JSON text (in .NET also single
  attributes under that name): `prompt_tokens` = all, cached and written ones in it for every provider (the SDKs add Anthropic's up);
  `prompt_cache_creation_5m|1h_tokens` in place of their sum; `completion_tokens` = all. `braintrust.span_attributes` has the type: only
  `llm` is a call. Model, provider and the response's id are in `braintrust.metadata`.
* DeepEval / Confident AI: `confident.span.type`, `confident.llm.*`: two totals and a model, no parts.
* AgentOps: `agentops.span.kind` beside the conventions' older names; agents restate.
* Langtrace: `langtrace.service.type` (llm, framework, vectordb); usage by the conventions, before 2.2 in the JSON of `llm.token.counts`.
* Spans of Alibaba's LoongSuite / ARMS, Dify and FutureAGI: `gen_ai.span.kind` in place of an operation.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Kinds, When
from spanledger.enrich.dialects.generic import GENERIC

_METRICS: Final = ("braintrust.metrics#", "braintrust.metrics.")
_META: Final = ("braintrust.metadata#", "braintrust.metadata.")


def _at(places: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(place + name for name in names for place in places)


_TYPES: Final = Kinds(
    ref="braintrust.span_attributes#type",
    values=MappingProxyType(
        {
            "llm": "inference:chat",
            "task": "aggregate:task",
            "eval": "aggregate:eval",
            "function": "aggregate:function",
            "tool": "tool:execute_tool",
            "score": "other:score",
            "review": "other:review",
            "preprocessor": "other:preprocessor",
        }
    ),
)
BRAINTRUST: Final = replace(
    GENERIC,
    name="braintrust",
    seen="braintrust SDKs for Java, Go, Ruby and .NET (from their sources)",
    when=When(any_keys=("braintrust.span_attributes", "braintrust.metrics", "braintrust.metrics.prompt_tokens")),
    kinds=(_TYPES, *GENERIC.kinds),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="braintrust",
            input=(*_at(_METRICS, "prompt_tokens"), *c.INPUT),
            output=(*_at(_METRICS, "completion_tokens"), *c.OUTPUT),
            total=(*_at(_METRICS, "tokens"), *c.TOTAL),
            cache_read=(*_at(_METRICS, "prompt_cached_tokens"), *c.CACHE_READ),
            cache_write=(*_at(_METRICS, "prompt_cache_creation_tokens"), *c.CACHE_WRITE),
            cache_write_5m=_at(_METRICS, "prompt_cache_creation_5m_tokens"),
            cache_write_1h=_at(_METRICS, "prompt_cache_creation_1h_tokens"),
            reasoning=(*_at(_METRICS, "completion_reasoning_tokens"), *c.REASONING),
            extra=MappingProxyType(
                {
                    "input_audio_tokens": _at(_METRICS, "prompt_audio_tokens"),
                    "output_audio_tokens": _at(_METRICS, "completion_audio_tokens"),
                }
            ),
            scaled=MappingProxyType({}),
        ),
    ),
    provider=(*_at(_META, "provider"), *c.PROVIDER),
    provider_names=MappingProxyType({"ruby_llm": ""}),
    request_model=(*_at(_META, "model"), *c.REQUEST_MODEL),
    response_id=(*_at(_META, "id"), *c.RESPONSE_ID),
    service_tier=(*_at(_META, "service_tier"), *c.TIER),
    prompt=("braintrust.input_json", *c.PROMPT),
)
CONFIDENT: Final = replace(
    GENERIC,
    name="confident-ai",
    seen="deepeval's confident.* attributes (from its source)",
    when=When(any_keys=("confident.span.type", "confident.llm.input_token_count")),
    kinds=(
        Kinds(
            ref="confident.span.type",
            values=MappingProxyType(
                {
                    "llm": "inference:chat",
                    "agent": "aggregate:invoke_agent",
                    "tool": "tool:execute_tool",
                    "retriever": "retrieval:retrieval",
                }
            ),
        ),
        *GENERIC.kinds,
    ),
    shapes=(
        replace(
            GENERIC.shapes[0],
            name="confident",
            input=("confident.llm.input_token_count", *c.INPUT),
            output=("confident.llm.output_token_count", *c.OUTPUT),
        ),
    ),
    request_model=("confident.llm.model", *c.REQUEST_MODEL),
    tool_name=("confident.tool.name", *c.TOOL_NAME),
    prompt=("confident.span.input", *c.PROMPT),
    payers=MappingProxyType({"user": ("confident.trace.user_id",), "session": ("confident.trace.thread_id",)}),
)
AGENTOPS: Final = replace(
    GENERIC,
    name="agentops",
    seen="agentops 0.4 (from its source)",
    when=When(keys=("agentops.span.kind",)),
    kinds=(
        Kinds(
            ref="agentops.span.kind",
            values=MappingProxyType(
                {
                    **dict.fromkeys(("session", "workflow", "team"), "aggregate:invoke_workflow"),
                    **dict.fromkeys(("task", "operation", "chain", "agentic", "step"), "aggregate:task"),
                    "agent": "aggregate:invoke_agent",
                    "tool": "tool:execute_tool",
                    "llm": "inference:chat",
                }
            ),
        ),
        *GENERIC.kinds,
    ),
)
LANGTRACE: Final = replace(
    GENERIC,
    name="langtrace",
    seen="langtrace-python-sdk, @langtrase/typescript-sdk (from their sources)",
    when=When(keys=("langtrace.service.type",)),
    kinds=(
        *GENERIC.kinds,
        Kinds(
            ref="langtrace.service.type",
            values=MappingProxyType({"llm": "inference:chat", "framework": "aggregate:chain", "vectordb": "retrieval:retrieval"}),
        ),
    ),
    shapes=(
        replace(
            GENERIC.shapes[0],
            name="langtrace",
            input=(*c.INPUT, "llm.token.counts#input_tokens"),
            output=(*c.OUTPUT, "llm.token.counts#output_tokens"),
            total=(*c.TOTAL, "llm.token.counts#total_tokens"),
        ),
    ),
    provider=(*c.PROVIDER, "langtrace.service.name"),
    request_model=(*c.REQUEST_MODEL, "llm.model"),
)
_SPAN_KINDS: Final = MappingProxyType(
    {
        "LLM": "inference:chat",
        "EMBEDDING": "inference:embeddings",
        "RERANKER": "inference:rerank",
        "CHAIN": "aggregate:chain",
        "WORKFLOW": "aggregate:invoke_workflow",
        "AGENT": "aggregate:invoke_agent",
        "TASK": "aggregate:task",
        "STEP": "aggregate:step",
        "ENTRY": "aggregate:entry",
        "TOOL": "tool:execute_tool",
        "RETRIEVER": "retrieval:retrieval",
        "GUARDRAIL": "other:guardrail",
        "EVALUATOR": "other:evaluator",
    }
)
SPAN_KIND: Final = replace(
    GENERIC,
    name="span-kind",
    seen="gen_ai.span.kind of LoongSuite / ARMS, Dify, traceAI (from their sources)",
    when=When(keys=("gen_ai.span.kind",)),
    kinds=(
        c.SEMCONV_KINDS,
        Kinds(ref="gen_ai.span.kind", values=_SPAN_KINDS),
        *GENERIC.kinds,
    ),
    payers=MappingProxyType({"tenant": ("dify.tenant_id",), "workflow": ("dify.app_id",)}),
)

DIALECTS: Final = (BRAINTRUST, CONFIDENT, AGENTOPS, LANGTRACE, SPAN_KIND)
