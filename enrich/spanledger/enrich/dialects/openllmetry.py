"""OpenLLMetry / Traceloop, Python (0.39, 0.62) and JavaScript (0.27).

What each token class includes (U uncached input, R cache read, W cache writes; verified against exports):

* `opentelemetry.instrumentation.openai.v1`, `…openai_agents`: input = U+R, output = all; reasoning as `gen_ai.usage.reasoning_tokens`
  (0.62); 0.39 has `prompt_tokens`, `completion_tokens` and `cache_read_input_tokens`, and no reasoning.
* `…anthropic`: input = U+R+W, `cache_creation` of every TTL, output = all (streams one too many: message_start's count is added).
* `…langchain`: input = U+R+W; `cache_creation` is 0 for Anthropic's invoke() though the writes are in the input: zero says nothing.
* `…bedrock`: input = U only, cache beside it and only from converse; `request.model` has lost its region prefix.
* `…google_generativeai`, `…vertexai` 0.x: input = U+R, output without thoughts, which only `total_tokens` holds.
* `…cohere`: billed units, as doubles; rerank and embed carry none.
* `@traceloop/instrumentation-openai`: U+R, no splits. Its chat streams carry a tokenizer's estimate under the standard keys, unmarked:
  recognisable only where it is smaller than any chat request can be (OpenAI counts at least 7 tokens for the framing of a message).
* `@traceloop/instrumentation-anthropic`: input = U only, cache beside it.
* `@traceloop/instrumentation-google-generativeai`: input = U+R, output without thoughts, those beside it.
* `@traceloop/instrumentation-langchain`: OpenAI U+R, Anthropic U only, no splits; every span is the root of its own trace. The span of the
  graph's model node has the message with its whole usage and the response id in `traceloop.entity.output`: the same call told fully.
* `@traceloop/node-server-sdk`: a workflow or task that returns the provider's response has it in `traceloop.entity.output` likewise.

Payers travel as `traceloop.association.properties.*`; spans of workflows, tasks, agents and tools have `traceloop.span.kind`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Kinds, Shape, When
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

_SPAN_KINDS: Final = Kinds(
    ref="traceloop.span.kind",
    values={
        "workflow": "aggregate:invoke_workflow",
        "task": "aggregate:task",
        "agent": "aggregate:invoke_agent",
        "tool": "tool:execute_tool",
    },
)
_DATABASE: Final = Kinds(ref="db.system", values={}, other="retrieval:retrieval")
_PYTHON: Final = (
    *("alephalpha", "anthropic", "cohere", "crewai", "groq", "haystack", "langchain", "llamaindex", "mcp", "mistralai", "ollama"),
    *("openai.v0", "openai.v1", "openai_agents", "replicate", "sagemaker", "together", "transformers", "watsonx", "writer", "voyageai"),
)
_STORES: Final = ("chromadb", "chroma", "qdrant", "pinecone", "weaviate", "milvus", "lancedb", "marqo")

OPENLLMETRY: Final = replace(
    OTEL_GENAI,
    name="openllmetry",
    seen="opentelemetry.instrumentation.{openai.v1,anthropic,langchain,openai_agents,llamaindex,cohere,crewai} 0.62.4, 0.39.4",
    scopes=tuple(f"opentelemetry.instrumentation.{name}" for name in _PYTHON),
    kinds=(c.SEMCONV_KINDS, c.REQUEST_TYPE_KINDS, _SPAN_KINDS, _DATABASE),
    shapes=(replace(c.SEMCONV_USAGE, name="openllmetry"),),
    tool_name=(*c.TOOL_NAME, "traceloop.entity.name"),
)
_LANGCHAIN: Final = replace(
    OPENLLMETRY,
    name="openllmetry-langchain",
    seen="opentelemetry.instrumentation.langchain 0.62.4",
    scopes=("opentelemetry.instrumentation.langchain",),
    shapes=(replace(c.SEMCONV_USAGE, name="openllmetry_langchain", zero_is_unknown=("cache_write",)),),
)
_BEDROCK: Final = replace(
    OPENLLMETRY,
    name="openllmetry-bedrock",
    seen="opentelemetry.instrumentation.bedrock 0.62.4",
    scopes=("opentelemetry.instrumentation.bedrock",),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="openllmetry_bedrock",
            inside=("reasoning",),
            outside=("cache_read", "cache_write"),
            untold=("cache_read", "cache_write"),
        ),
    ),
)
_GOOGLE: Final = replace(
    OPENLLMETRY,
    name="openllmetry-google",
    seen="opentelemetry.instrumentation.google_generativeai 0.62.4 (the scope says 0.21.5)",
    scopes=("opentelemetry.instrumentation.google_generativeai",),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="openllmetry_google",
            inside=("cache_read", "cache_write", *c.MODALITIES),
            rest_of_total="reasoning",
        ),
    ),
)
_VERTEXAI: Final = replace(_GOOGLE, name="openllmetry-vertexai", seen="", scopes=("opentelemetry.instrumentation.vertexai",), versions="<1")
_DATABASES: Final = replace(
    OPENLLMETRY,
    name="openllmetry-vector",
    seen="opentelemetry.instrumentation.{chromadb,qdrant} 0.62.4",
    scopes=tuple(f"opentelemetry.instrumentation.{name}" for name in _STORES),
    kinds=(_DATABASE,),
)

# A JavaScript workflow or task that returns a provider's response has it whole in its output, with what the call's own span leaves out.
_RAW: Final = "traceloop.entity.output#"
_RAW_SPLITS: Final = Shape(
    cache_write_5m=(f"{_RAW}usage.cache_creation.ephemeral_5m_input_tokens",),
    cache_write_1h=(f"{_RAW}usage.cache_creation.ephemeral_1h_input_tokens",),
    reasoning=(
        f"{_RAW}usage.completion_tokens_details.reasoning_tokens",
        f"{_RAW}usage.output_tokens_details.reasoning_tokens",
        f"{_RAW}usage.output_tokens_details.thinking_tokens",
    ),
)
_RAW_SHAPES: Final = (
    replace(
        _RAW_SPLITS,
        name="openai_response",
        when=When(any_keys=(f"{_RAW}usage.prompt_tokens", f"{_RAW}usage.input_tokens_details.cached_tokens")),
        input=(f"{_RAW}usage.prompt_tokens", f"{_RAW}usage.input_tokens"),
        output=(f"{_RAW}usage.completion_tokens", f"{_RAW}usage.output_tokens"),
        cache_read=(f"{_RAW}usage.prompt_tokens_details.cached_tokens", f"{_RAW}usage.input_tokens_details.cached_tokens"),
        inside=("cache_read", "cache_write", "reasoning"),
    ),
    replace(
        _RAW_SPLITS,
        name="anthropic_response",
        input=(f"{_RAW}usage.input_tokens",),
        output=(f"{_RAW}usage.output_tokens",),
        cache_read=(f"{_RAW}usage.cache_read_input_tokens",),
        cache_write=(f"{_RAW}usage.cache_creation_input_tokens",),
        inside=("reasoning",),
        outside=("cache_read", "cache_write"),
    ),
)
_RAW_KIND: Final = Kinds(
    ref=f"{_RAW}id",
    values={},
    other="inference:chat",
    when=When(any_keys=(f"{_RAW}usage.prompt_tokens", f"{_RAW}usage.input_tokens")),
)
# LangChain's model node returns one message, which knows its response id and the whole usage.
_NODE: Final = "traceloop.entity.output#output.update.messages.kwargs."
_NODE_SHAPE: Final = Shape(
    name="langchain_message",
    input=(f"{_NODE}usage_metadata.input_tokens",),
    output=(f"{_NODE}usage_metadata.output_tokens",),
    cache_read=(f"{_NODE}usage_metadata.input_token_details.cache_read",),
    cache_write=(f"{_NODE}usage_metadata.input_token_details.cache_creation",),
    cache_write_5m=(f"{_NODE}response_metadata.usage.cache_creation.ephemeral_5m_input_tokens",),
    cache_write_1h=(f"{_NODE}response_metadata.usage.cache_creation.ephemeral_1h_input_tokens",),
    reasoning=(f"{_NODE}usage_metadata.output_token_details.reasoning",),
    inside=("cache_read", "cache_write", "reasoning"),
)

TRACELOOP_JS: Final = replace(
    OPENLLMETRY,
    name="traceloop-js",
    seen="@traceloop/node-server-sdk 0.27.0",
    scopes=("@traceloop/*",),
    kinds=(_RAW_KIND, *OPENLLMETRY.kinds),
    shapes=(replace(c.SEMCONV_USAGE, name="traceloop_js", inside=()), *_RAW_SHAPES),
    response_model=(*c.RESPONSE_MODEL, f"{_RAW}model"),
    response_id=(*c.RESPONSE_ID, f"{_RAW}id"),
)
_JS_OPENAI: Final = replace(
    TRACELOOP_JS,
    name="traceloop-js-openai",
    seen="@traceloop/instrumentation-openai 0.27.0",
    scopes=("@traceloop/instrumentation-openai",),
    shapes=(replace(c.SEMCONV_USAGE, name="traceloop_js_openai", untold=("cache_read", "reasoning")),),
    estimated=(When(operations=("chat",), below={"gen_ai.usage.input_tokens": 7}),),
)
_JS_ANTHROPIC: Final = replace(
    TRACELOOP_JS,
    name="traceloop-js-anthropic",
    seen="@traceloop/instrumentation-anthropic 0.27.0",
    scopes=("@traceloop/instrumentation-anthropic",),
    shapes=(replace(c.SEMCONV_USAGE, name="traceloop_js_anthropic", inside=("reasoning",), outside=("cache_read", "cache_write")),),
)
_JS_GOOGLE: Final = replace(
    TRACELOOP_JS,
    name="traceloop-js-google",
    seen="@traceloop/instrumentation-google-generativeai 0.27.0",
    scopes=("@traceloop/instrumentation-google-generativeai", "@traceloop/instrumentation-vertexai"),
    shapes=(replace(c.SEMCONV_USAGE, name="traceloop_js_google", inside=("cache_read", "cache_write"), outside=("reasoning",)),),
)
_JS_LANGCHAIN: Final = replace(
    TRACELOOP_JS,
    name="traceloop-js-langchain",
    seen="@traceloop/instrumentation-langchain 0.27.0",
    scopes=("@traceloop/instrumentation-langchain",),
    kinds=OPENLLMETRY.kinds,
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="traceloop_js_langchain_anthropic",
            when=When(providers=("anthropic", "aws.bedrock")),
            inside=("reasoning",),
            outside=("cache_read", "cache_write"),
            untold=("cache_read", "cache_write"),
        ),
        replace(c.SEMCONV_USAGE, name="traceloop_js_langchain", untold=("cache_read", "reasoning")),
    ),
    response_model=c.RESPONSE_MODEL,
    response_id=c.RESPONSE_ID,
    made_up_ids=("lc_run-", "run-"),
)
_JS_LANGCHAIN_NODE: Final = replace(
    _JS_LANGCHAIN,
    name="traceloop-js-langchain-node",
    when=When(keys=(f"{_NODE}usage_metadata.input_tokens",)),
    kinds=(Kinds(ref=f"{_NODE}id", values={}, other="inference:chat"), *OPENLLMETRY.kinds),
    shapes=(_NODE_SHAPE,),
    response_model=(
        *c.RESPONSE_MODEL,
        f"{_NODE}response_metadata.model_name",
        f"{_NODE}response_metadata.model",
        f"{_NODE}additional_kwargs.model",
    ),
    response_id=(*c.RESPONSE_ID, f"{_NODE}response_metadata.id", f"{_NODE}id"),
)

DIALECTS: Final = (
    *(_LANGCHAIN, _BEDROCK, _GOOGLE, _VERTEXAI, _DATABASES, OPENLLMETRY),
    *(_JS_OPENAI, _JS_ANTHROPIC, _JS_GOOGLE, _JS_LANGCHAIN_NODE, _JS_LANGCHAIN, TRACELOOP_JS),
)
