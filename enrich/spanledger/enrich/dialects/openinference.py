"""OpenInference (Arize): `openinference.instrumentation.*` of Python, `@arizeai/openinference-instrumentation-*` of JavaScript.

`openinference.span.kind` says what a span is (LLM, EMBEDDING, CHAIN, AGENT, TOOL, RETRIEVER, RERANKER, …), with two exceptions
seen: a processor of another framework relabels provider spans CHAIN (agent-framework's), so instrumentations of provider SDKs are
read by what they are; and ADK's `invoke_agent` says LLM, so an operation of the conventions goes first where there is one.

`llm.token_count.*`, by scope (U uncached input, R cache read, W cache write, O output incl. reasoning):

* prompt = U+R+W, completion = O, in Python for openai 0.1.66, anthropic 3.1.0, bedrock 0.1.61, google_genai 1.4.14 (completion
  has the thoughts), langchain 0.1.80, litellm 0.1.51, openai_agents 2.6.0; in JavaScript for openai 4.x, langchain 4.0.17,
  anthropic >= 0.2.
* prompt = U, nothing of the cache told: JavaScript anthropic 0.1.20 (and Python's early ones). Where the provider's own response
  is in `output.value` its raw usage is read instead, whatever the version.
* `prompt_details.cache_read`, `.cache_write` (5m and 1h in one), `completion_details.reasoning`: absent or 0 where the emitter
  lacks them (agno, smolagents, haystack, autogen: no split; openai_agents' `generation`: neither; JavaScript langchain: no
  writes).
* agno, smolagents, dspy, autogen, llama_index, … over providers other than OpenAI were not seen: the identities decide.
* The TTL of cache writes, the response's id and tier, the reasoning of Claude: only in the JSON of `output.value`, when content
  is not hidden.
* Streams of the JavaScript openai instrumentation have no usage, its embeddings neither; llama_index's, haystack's and
  google_genai's embeddings have none; dspy's `LM.__call__` never has any (its LiteLLM child does; without a child it was a cache
  hit).
* With OPENINFERENCE_ENABLE_GENAI_SEMCONV the same span has `gen_ai.usage.*` too (equal values, no reasoning): counted once.

AGENT and CHAIN spans restate (smolagents' AGENT repeats its sum; the AGENT of google_adk repeats the last call only).
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Dialect, Kinds, Shape, When

_OUT: Final = "output.value#"
_LC: Final = "output.value#generations.message.kwargs."

KINDS: Final = MappingProxyType(
    {
        "LLM": "inference:chat",
        "EMBEDDING": "inference:embeddings",
        "RERANKER": "inference:rerank",
        "CHAIN": "aggregate:chain",
        "AGENT": "aggregate:invoke_agent",
        "TOOL": "tool:execute_tool",
        "RETRIEVER": "retrieval:retrieval",
        "PROMPT": "other:prompt",
        "GUARDRAIL": "other:guardrail",
        "EVALUATOR": "other:evaluator",
        "DECISION": "other:decision",
        "UNKNOWN": "other:unknown",
    }
)
_SPAN_KIND: Final = Kinds(ref="openinference.span.kind", values=KINDS)
_PROVIDER_NAMES: Final = Kinds(
    ref="$name",
    values=MappingProxyType(
        {
            "CreateEmbeddings": "inference:embeddings",
            "OpenAI Embeddings": "inference:embeddings",
            "EmbedContent": "inference:embeddings",
            "AsyncEmbedContent": "inference:embeddings",
        }
    ),
)
_PROVIDER_KIND: Final = replace(_SPAN_KIND, values=MappingProxyType({**KINDS, "CHAIN": "inference:chat", "AGENT": "inference:chat"}))

COUNTS: Final = Shape(
    name="token_count",
    input=("llm.token_count.prompt", *c.INPUT),
    output=("llm.token_count.completion", *c.OUTPUT),
    total=("llm.token_count.total", *c.TOTAL),
    cache_read=("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input", *c.CACHE_READ),
    cache_write=("llm.token_count.prompt_details.cache_write", *c.CACHE_WRITE),
    cache_write_5m=c.CACHE_WRITE_5M,
    cache_write_1h=c.CACHE_WRITE_1H,
    reasoning=("llm.token_count.completion_details.reasoning", *c.REASONING),
    extra=MappingProxyType(
        {
            "input_audio_tokens": ("llm.token_count.prompt_details.audio",),
            "output_audio_tokens": ("llm.token_count.completion_details.audio",),
        }
    ),
    inside=("input_audio_tokens", "output_audio_tokens"),
)
"""OpenInference's own attributes; what the prompt holds of the cache is left to the identities."""
ALL_INSIDE: Final = replace(COUNTS, inside=(*COUNTS.inside, "cache_read", "cache_write", "reasoning"))

ANY_FRAMEWORK: Final = Dialect(
    name="openinference",
    seen="openinference-instrumentation 0.1.72: agno 1.0.15, crewai 1.1.21, smolagents 0.1.43, haystack 0.1.46, autogen-agentchat 0.1.22",
    scopes=("openinference.*", "@arizeai/openinference-*"),
    kinds=(c.SEMCONV_KINDS, _SPAN_KIND),
    shapes=(replace(ALL_INSIDE, when=When(providers=("openai", "azure.ai.openai"))), COUNTS),
    provider=("llm.provider", "gen_ai.provider.name", "llm.system"),
    request_model=(
        "llm.request.model_name",
        "embedding.model_name",
        "reranker.model_name",
        "llm.model_name",
        "llm.invocation_parameters#model",
        "llm.invocation_parameters#model_name",
        "llm.invocation_parameters#model_id",
        *c.REQUEST_MODEL,
    ),
    response_model=("llm.response.model_name", *c.RESPONSE_MODEL),
    response_id=c.RESPONSE_ID,
    service_tier=c.TIER,
    region=c.REGION,
    tool_name=("tool.name", *c.TOOL_NAME),
    emitter_cost=("llm.cost.total",),
    prompt=("input.value", *c.PROMPT),
)
"""Any OpenInference instrumentation that has no dialect of its own."""

OPENAI: Final = replace(
    ANY_FRAMEWORK,
    name="openinference-openai",
    seen="openinference.instrumentation.openai 0.1.66; @arizeai/openinference-instrumentation-openai 4.1.8, 4.2.7",
    scopes=("openinference.instrumentation.openai", "@arizeai/openinference-instrumentation-openai"),
    kinds=(_PROVIDER_NAMES, _PROVIDER_KIND),
    shapes=(
        replace(
            ALL_INSIDE,
            input=(*ALL_INSIDE.input, _OUT + "usage.prompt_tokens", _OUT + "usage.input_tokens"),
            output=(*ALL_INSIDE.output, _OUT + "usage.completion_tokens", _OUT + "usage.output_tokens"),
            cache_read=(
                *ALL_INSIDE.cache_read,
                _OUT + "usage.prompt_tokens_details.cached_tokens",
                _OUT + "usage.input_tokens_details.cached_tokens",
            ),
            reasoning=(
                *ALL_INSIDE.reasoning,
                _OUT + "usage.completion_tokens_details.reasoning_tokens",
                _OUT + "usage.output_tokens_details.reasoning_tokens",
            ),
        ),
    ),
    default_provider="openai",
    request_model=("llm.request.model_name", "llm.invocation_parameters#model", "embedding.model_name", "llm.model_name", *c.REQUEST_MODEL),
    response_model=(*ANY_FRAMEWORK.response_model, _OUT + "model", "llm.model_name"),
    response_id=(*c.RESPONSE_ID, _OUT + "id"),
    service_tier=(*c.TIER, _OUT + "service_tier"),
)
OPENAI_AGENTS: Final = replace(
    OPENAI,
    name="openinference-openai-agents",
    seen="openinference.instrumentation.openai_agents 2.6.0",
    scopes=("openinference.instrumentation.openai_agents",),
    kinds=(c.SEMCONV_KINDS, _SPAN_KIND),
    shapes=(replace(OPENAI.shapes[0], untold=("cache_read", "reasoning")),),
)

_RAW_CLAUDE: Final = Shape(
    name="anthropic_raw",
    when=When(
        keys=(_OUT + "usage.input_tokens",), any_keys=(_OUT + "usage.cache_read_input_tokens", _OUT + "usage.cache_creation_input_tokens")
    ),
    input=(_OUT + "usage.input_tokens",),
    output=("llm.token_count.completion", _OUT + "usage.output_tokens"),
    cache_read=(_OUT + "usage.cache_read_input_tokens",),
    cache_write=(_OUT + "usage.cache_creation_input_tokens",),
    cache_write_5m=(_OUT + "usage.cache_creation.ephemeral_5m_input_tokens",),
    cache_write_1h=(_OUT + "usage.cache_creation.ephemeral_1h_input_tokens",),
    reasoning=("llm.token_count.completion_details.reasoning", _OUT + "usage.output_tokens_details.thinking_tokens"),
    extra=MappingProxyType({"web_search_requests": (_OUT + "usage.server_tool_use.web_search_requests",)}),
    inside=("reasoning",),
    outside=("cache_read", "cache_write"),
)
ANTHROPIC: Final = replace(
    OPENAI,
    name="openinference-anthropic",
    seen="openinference.instrumentation.anthropic 3.1.0; @arizeai/openinference-instrumentation-anthropic 0.2.8",
    scopes=("openinference.instrumentation.anthropic", "@arizeai/openinference-instrumentation-anthropic"),
    shapes=(_RAW_CLAUDE, replace(ALL_INSIDE, untold=("cache_ttl",))),
    default_provider="anthropic",
    service_tier=(*c.TIER, _OUT + "usage.service_tier"),
    region=(*c.REGION, _OUT + "usage.inference_geo"),
)
ANTHROPIC_JS_OLD: Final = replace(
    ANTHROPIC,
    name="openinference-anthropic-js-old",
    seen="@arizeai/openinference-instrumentation-anthropic 0.1.20",
    scopes=("@arizeai/openinference-instrumentation-anthropic",),
    versions="<0.2",
    shapes=(
        _RAW_CLAUDE,
        replace(
            COUNTS,
            name="uncached_only",
            inside=(*COUNTS.inside, "reasoning"),
            outside=("cache_read", "cache_write"),
            untold=("cache_read", "cache_write"),
        ),
    ),
)
GOOGLE: Final = replace(
    OPENAI,
    name="openinference-google",
    seen="openinference.instrumentation.google_genai 1.4.14",
    scopes=(
        "openinference.instrumentation.google_genai",
        "openinference.instrumentation.vertexai",
        "@arizeai/openinference-instrumentation-google-genai",
    ),
    shapes=(ALL_INSIDE,),
    default_provider=None,
    response_model=(*ANY_FRAMEWORK.response_model, _OUT + "model_version", _OUT + "modelVersion", "llm.model_name"),
    response_id=(*c.RESPONSE_ID, _OUT + "response_id", _OUT + "responseId"),
)
PROVIDERS: Final = replace(
    OPENAI,
    name="openinference-provider",
    seen="none seen: SDKs with OpenAI's response form",
    scopes=(
        "openinference.instrumentation.groq",
        "openinference.instrumentation.mistralai",
        "openinference.instrumentation.together*",
        "openinference.instrumentation.portkey",
        "@arizeai/openinference-instrumentation-groq",
        "@arizeai/openinference-instrumentation-mistral*",
    ),
    default_provider=None,
)
BEDROCK: Final = replace(
    ANY_FRAMEWORK,
    name="openinference-bedrock",
    seen="openinference.instrumentation.bedrock 0.1.61",
    scopes=("openinference.instrumentation.bedrock", "@arizeai/openinference-instrumentation-bedrock*"),
    shapes=(replace(ALL_INSIDE, untold=("cache_ttl",)),),
    default_provider="aws.bedrock",
)
LITELLM: Final = replace(
    ANY_FRAMEWORK,
    name="openinference-litellm",
    seen="openinference.instrumentation.litellm 0.1.51",
    scopes=("openinference.instrumentation.litellm",),
    kinds=(_PROVIDER_NAMES, _PROVIDER_KIND),
    shapes=(replace(ALL_INSIDE, untold=("cache_ttl",)),),
)

_LC_USAGE: Final = (
    _LC + "usage_metadata.",
    _LC + "response_metadata.usage.",
    "output.value#llm_output.usage.",
    "output.value#llmOutput.usage.",
)


def _langchain(*names: str) -> tuple[str, ...]:
    """The places of a name in LangChain's LLMResult, of either language."""
    return tuple(place + name for place in _LC_USAGE for name in names)


LANGCHAIN: Final = replace(
    ANY_FRAMEWORK,
    name="openinference-langchain",
    seen="openinference.instrumentation.langchain 0.1.80; @arizeai/openinference-instrumentation-langchain 4.0.17",
    scopes=("openinference.instrumentation.langchain", "@arizeai/openinference-instrumentation-langchain*"),
    shapes=(
        replace(
            ALL_INSIDE,
            input=(*ALL_INSIDE.input, _LC + "usage_metadata.input_tokens"),
            output=(*ALL_INSIDE.output, _LC + "usage_metadata.output_tokens"),
            cache_read=(*ALL_INSIDE.cache_read, *_langchain("input_token_details.cache_read", "cache_read_input_tokens")),
            # LangChain tells cache_creation as 0 where it tells the TTLs: the provider's own count goes first
            cache_write=(
                *_langchain("cache_creation_input_tokens"),
                *ALL_INSIDE.cache_write,
                *_langchain("input_token_details.cache_creation"),
            ),
            cache_write_5m=_langchain("cache_creation.ephemeral_5m_input_tokens", "input_token_details.ephemeral_5m_input_tokens"),
            cache_write_1h=_langchain("cache_creation.ephemeral_1h_input_tokens", "input_token_details.ephemeral_1h_input_tokens"),
            reasoning=(*ALL_INSIDE.reasoning, *_langchain("output_token_details.reasoning", "output_tokens_details.thinking_tokens")),
        ),
    ),
    provider=("llm.provider", "gen_ai.provider.name", "llm.system", _LC + "response_metadata.model_provider"),
    response_model=(
        *ANY_FRAMEWORK.response_model,
        _LC + "response_metadata.model_name",
        _LC + "response_metadata.model",
        "output.value#llm_output.model_name",
        "output.value#llmOutput.model",
    ),
    response_id=(*c.RESPONSE_ID, _LC + "response_metadata.id", "output.value#llm_output.id", "output.value#llmOutput.id", _LC + "id"),
    made_up_ids=("lc_run-", "run-"),
    service_tier=(*c.TIER, _LC + "response_metadata.service_tier", *_langchain("service_tier")),
)
LLAMA_INDEX: Final = replace(
    ANY_FRAMEWORK,
    name="openinference-llama-index",
    seen="openinference.instrumentation.llama_index 4.6.1",
    scopes=("openinference.instrumentation.llama_index",),
    # `predict` and `_prepare_chat_with_tools` say LLM but call nothing themselves: a call has a finish reason or counts
    kinds=(
        c.SEMCONV_KINDS,
        replace(
            _SPAN_KIND,
            values=MappingProxyType({"LLM": "other:prepare"}),
            when=When(without=("llm.finish_reason", "llm.token_count.total", "llm.token_count.prompt", "exception.type")),
        ),
        _SPAN_KIND,
    ),
)
DSPY: Final = replace(
    ANY_FRAMEWORK,
    name="openinference-dspy",
    seen="openinference.instrumentation.dspy 0.1.48",
    scopes=("openinference.instrumentation.dspy",),
    # `LM.__call__` says LLM, but the call is its child; without one DSPy answered from its own cache
    kinds=(
        c.SEMCONV_KINDS,
        replace(
            _SPAN_KIND,
            values=MappingProxyType({"LLM": "aggregate:lm_call"}),
            when=When(without=("llm.token_count.total", "llm.token_count.prompt")),
        ),
        _SPAN_KIND,
    ),
)
DIALECTS: Final = (
    OPENAI,
    OPENAI_AGENTS,
    ANTHROPIC_JS_OLD,
    ANTHROPIC,
    GOOGLE,
    PROVIDERS,
    BEDROCK,
    LITELLM,
    LANGCHAIN,
    LLAMA_INDEX,
    DSPY,
    ANY_FRAMEWORK,
)
