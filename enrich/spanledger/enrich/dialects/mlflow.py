"""MLflow tracing (scope `mlflow.tracing.provider`, no version; package 3.17.2): autologging of SDKs and of LangChain.

Every attribute value is JSON text (`mlflow.spanType` = '"CHAT_MODEL"'). `mlflow.chat.tokenUsage` is an object: `input_tokens`
includes cache reads and writes for every provider, `output_tokens` everything; `cache_read_input_tokens`,
`cache_creation_input_tokens` (every TTL) and its part `cache_creation_input_tokens_above_1hr`. Reasoning, the response's id and
the usage of embeddings are only in `mlflow.spanOutputs`, the provider's response as MLflow saw it.

With MLFLOW_ENABLE_OTEL_GENAI_SEMCONV there are `gen_ai.*` attributes instead, whose values are plain: totals only, the same
inclusive ones; cache and reasoning are lost, but for streams, whose chunks are events with the provider's JSON in
`mlflow.chunk.value`. A failed call's model is only in `model`, an argument.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Dialect, Kinds, Shape, When

_USAGE: Final = "mlflow.chat.tokenUsage#"
_OUT: Final = "mlflow.spanOutputs#"
_CHUNK: Final = "mlflow.chunk.value#"
_CHUNK_READ: Final = tuple(
    _CHUNK + name
    for name in (
        "usage.prompt_tokens_details.cached_tokens",
        "response.usage.input_tokens_details.cached_tokens",
        "usage.cache_read_input_tokens",
    )
)
_CHUNK_WRITE: Final = (_CHUNK + "usage.cache_creation_input_tokens",)
_CHUNK_REASONING: Final = tuple(
    _CHUNK + name
    for name in (
        "usage.completion_tokens_details.reasoning_tokens",
        "response.usage.output_tokens_details.reasoning_tokens",
        "usage.output_tokens_details.thinking_tokens",
    )
)

_TYPES: Final = MappingProxyType(
    {
        "CHAT_MODEL": "inference:chat",
        "LLM": "inference:text_completion",
        "EMBEDDING": "inference:embeddings",
        "RERANKER": "inference:rerank",
        "AGENT": "aggregate:invoke_agent",
        "CHAIN": "aggregate:chain",
        "WORKFLOW": "aggregate:invoke_workflow",
        "TASK": "aggregate:task",
        "TOOL": "tool:execute_tool",
        "RETRIEVER": "retrieval:retrieval",
        "MEMORY": "retrieval:memory",
        "PARSER": "other:parser",
        "GUARDRAIL": "other:guardrail",
        "EVALUATOR": "other:evaluator",
        "UNKNOWN": "other:unknown",
    }
)

_TOKEN_USAGE: Final = Shape(
    name="token_usage",
    input=(_USAGE + "input_tokens",),
    output=(_USAGE + "output_tokens",),
    total=(_USAGE + "total_tokens",),
    cache_read=(_USAGE + "cache_read_input_tokens",),
    cache_write=(_USAGE + "cache_creation_input_tokens",),
    cache_write_1h=(_USAGE + "cache_creation_input_tokens_above_1hr",),
    reasoning=(
        _USAGE + "reasoning_tokens",
        _OUT + "usage.completion_tokens_details.reasoning_tokens",
        _OUT + "usage.output_tokens_details.reasoning_tokens",
        _OUT + "usage.output_tokens_details.thinking_tokens",
        *_CHUNK_REASONING,
    ),
    inside=("cache_read", "cache_write", "reasoning"),
    untold=("reasoning",),
)
_EMBEDDING: Final = Shape(
    name="response_usage",
    when=When(operations=("embeddings",)),
    input=(_OUT + "usage.prompt_tokens", _OUT + "usage.total_tokens"),
)

MLFLOW: Final = Dialect(
    name="mlflow",
    seen="mlflow.tracing.provider (mlflow 3.17.2)",
    scopes=("mlflow.tracing.provider", "mlflow*"),
    when=When(any_keys=("mlflow.spanType", "mlflow.chat.tokenUsage", "mlflow.traceRequestId")),
    kinds=(Kinds(ref="mlflow.spanType", values=_TYPES),),
    shapes=(_TOKEN_USAGE, _EMBEDDING),
    provider=("mlflow.llm.provider",),
    request_model=("model", "mlflow.llm.model"),
    response_model=(_OUT + "model", "mlflow.llm.model"),
    response_id=(_OUT + "id",),
    made_up_ids=("lc_run-", "run-"),
    service_tier=(_OUT + "service_tier", _OUT + "usage.service_tier"),
    emitter_cost=("mlflow.llm.cost#total_cost",),
    prompt=("mlflow.spanInputs",),
    event_keys=("mlflow.chunk.value",),
    json_scalars=True,
)
MLFLOW_GENAI: Final = replace(
    MLFLOW,
    name="mlflow-genai",
    seen="mlflow.tracing.provider with MLFLOW_ENABLE_OTEL_GENAI_SEMCONV (mlflow 3.17.2)",
    when=When(),
    kinds=(c.SEMCONV_KINDS,),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            cache_read=(*c.CACHE_READ, *_CHUNK_READ),
            cache_write=(*c.CACHE_WRITE, *_CHUNK_WRITE),
            reasoning=(*c.REASONING, *_CHUNK_REASONING),
            untold=("cache_read", "cache_write", "reasoning"),
        ),
    ),
    provider=c.PROVIDER,
    request_model=(*c.REQUEST_MODEL, "model"),
    response_model=c.RESPONSE_MODEL,
    response_id=c.RESPONSE_ID,
    service_tier=c.TIER,
    emitter_cost=c.COST,
    prompt=c.PROMPT,
)

DIALECTS: Final = (MLFLOW, MLFLOW_GENAI)
