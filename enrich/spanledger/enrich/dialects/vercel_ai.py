"""The Vercel AI SDK (package `ai`): experimental_telemetry of 3.4-6, and of 7 both in its legacy spelling and in the conventions'.

Scope `ai` (no version): `ai.generateText`, `ai.streamObject`, `ai.embed`, … restate the sum of the calls inside them, which are
`….doGenerate`, `….doStream`, `….doEmbed` (one span for each HTTP attempt, failed ones without usage). Scope `gen_ai` (7 with
@ai-sdk/otel): `invoke_agent` restates `chat`, `step N` carries no usage (or, with supplemental options, only details),
`embeddings` comes twice, with usage on the inner one.

What each token class includes (U uncached input, R cache read, W cache write, O output, r reasoning), told by the keys, as the
scope has no version and the user agent is not on every span:

* `inputTokenDetails.noCacheTokens` is there (6, 7 legacy; not their generateObject): input = U+R+W for every provider, output =
  O. 6 over a provider package of 5's generation has no `noCacheTokens`, and 5's rules.
* else 4, 5 and generateObject of 6: OpenAI input = U+R, output = O; Gemini input = U+R, output = O-r (thoughts beside); Anthropic
  and Bedrock input = U, cache beside. What `ai.usage.*` lacks is in the JSON of `ai.response.providerMetadata`: Anthropic's raw
  usage with its cache writes by TTL (5-7; 4 has their sum), Gemini's `usageMetadata` (5-7), OpenAI's cachedPromptTokens and
  reasoningTokens (4). Gemini counts what its own tools put into the prompt beside it (`toolUsePromptTokenCount`). Raw usage is
  believed before the keys, as its rule is the provider's; not its output, which for Anthropic's streams was once that of the first
  event. On outer spans it is that of the last step only and not read.
* 4's streams without usage say NaN: unknown. 5's generateText over OpenAI: cached and reasoning are nowhere.
* `gen_ai` scope: input = U+R+W, output = O, no reasoning and no TTL but in the supplemental `ai.*` keys; generateObject has no
  cache writes.
* Embeddings: `ai.usage.tokens`, on both spans.

Ids of Gemini calls in 4 and 5 are made up ("aitxt-…", "aiobj-…").
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Dialect, Kinds, Shape, When

_META: Final = "ai.response.providerMetadata#"
_WRITE_5M: Final = (_META + "*.usage.cache_creation.ephemeral_5m_input_tokens",)
_WRITE_1H: Final = (_META + "*.usage.cache_creation.ephemeral_1h_input_tokens",)
_SEARCHES: Final = MappingProxyType({"web_search_requests": (_META + "*.usage.server_tool_use.web_search_requests",)})
_NO_CACHE: Final = "ai.usage.inputTokenDetails.noCacheTokens"

_OPERATIONS: Final = MappingProxyType(
    {
        "ai.generateText": "aggregate",
        "ai.streamText": "aggregate",
        "ai.generateObject": "aggregate",
        "ai.streamObject": "aggregate",
        "ai.embed": "aggregate",
        "ai.embedMany": "aggregate",
        "ai.rerank": "aggregate",
        "ai.generateText.doGenerate": "inference:chat",
        "ai.streamText.doStream": "inference:chat",
        "ai.generateObject.doGenerate": "inference:chat",
        "ai.streamObject.doStream": "inference:chat",
        "ai.embed.doEmbed": "inference:embeddings",
        "ai.embedMany.doEmbed": "inference:embeddings",
        "ai.rerank.doRerank": "inference:rerank",
        "ai.toolCall": "tool:execute_tool",
    }
)
_OUTER: Final = tuple(text for text, verdict in _OPERATIONS.items() if verdict == "aggregate")

_KEYS: Final = Shape(
    name="keys",
    input=("ai.usage.inputTokens", "ai.usage.promptTokens", *c.INPUT),
    output=("ai.usage.outputTokens", "ai.usage.completionTokens", *c.OUTPUT),
    total=("ai.usage.totalTokens",),
    cache_read=("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens", *c.CACHE_READ[:1]),
    cache_write=("ai.usage.inputTokenDetails.cacheWriteTokens", *c.CACHE_WRITE[:2]),
    reasoning=("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
)
"""What the span's own keys say, whatever the provider."""

_WITH_METADATA: Final = replace(
    _KEYS,
    cache_read=(
        *_KEYS.cache_read,
        _META + "*.cacheReadInputTokens",
        _META + "*.usage.cacheReadInputTokens",
        _META + "*.cachedPromptTokens",
        _META + "*.promptCacheHitTokens",
        _META + "*.usageMetadata.cachedContentTokenCount",
    ),
    cache_write=(
        *_KEYS.cache_write,
        _META + "*.usage.cache_creation_input_tokens",
        _META + "*.cacheCreationInputTokens",
        _META + "*.usage.cacheWriteInputTokens",
    ),
    cache_write_5m=_WRITE_5M,
    cache_write_1h=_WRITE_1H,
    reasoning=(*_KEYS.reasoning, _META + "*.reasoningTokens", _META + "*.usageMetadata.thoughtsTokenCount"),
    extra=_SEARCHES,
)

_EMBEDDING: Final = Shape(name="embedding", when=When(keys=("ai.usage.tokens",)), input=("ai.usage.tokens",))
_INSIDE: Final = ("cache_read", "cache_write", "reasoning")
_CALLS: Final = (
    _EMBEDDING,
    replace(_WITH_METADATA, name="normalised", when=When(keys=(_NO_CACHE,)), inside=_INSIDE),
    replace(
        _WITH_METADATA,
        name="anthropic_raw",
        when=When(keys=(_META + "*.usage.input_tokens",), any_keys=(_META + "*.usage.cache_read_input_tokens", *_WRITE_5M)),
        input=(_META + "*.usage.input_tokens",),
        cache_read=(_META + "*.usage.cache_read_input_tokens",),
        cache_write=(_META + "*.usage.cache_creation_input_tokens",),
        inside=("reasoning",),
        outside=("cache_read", "cache_write"),
    ),
    replace(
        _WITH_METADATA,
        name="gemini_raw",
        when=When(keys=(_META + "*.usageMetadata.promptTokenCount", _META + "*.usageMetadata.candidatesTokenCount")),
        input=(_META + "*.usageMetadata.promptTokenCount",),
        output=(_META + "*.usageMetadata.candidatesTokenCount",),
        total=(_META + "*.usageMetadata.totalTokenCount",),
        cache_read=(_META + "*.usageMetadata.cachedContentTokenCount",),
        reasoning=(_META + "*.usageMetadata.thoughtsTokenCount",),
        extra=MappingProxyType({"input_tool_use_tokens": (_META + "*.usageMetadata.toolUsePromptTokenCount",)}),
        inside=("cache_read",),
        outside=("reasoning", "input_tool_use_tokens"),
    ),
    replace(
        _WITH_METADATA,
        name="claude",
        when=When(models=("claude",)),
        inside=("reasoning",),
        outside=("cache_read", "cache_write"),
    ),
    replace(
        _WITH_METADATA,
        name="bedrock",
        when=When(providers=("aws.bedrock",)),
        inside=("reasoning",),
        outside=("cache_read", "cache_write"),
    ),
    replace(
        _WITH_METADATA, name="gemini", when=When(models=("gemini",)), inside=("cache_read",), outside=("reasoning",), untold=("reasoning",)
    ),
    replace(
        _WITH_METADATA,
        name="openai",
        when=When(providers=("openai", "azure.ai.openai")),
        inside=_INSIDE,
        untold=("cache_read", "reasoning"),
    ),
    replace(_WITH_METADATA, name="undecided"),
)
_SUMS: Final = (
    replace(_EMBEDDING, when=When(keys=("ai.usage.tokens",), operations=_OUTER)),
    replace(_KEYS, name="sum", when=When(keys=(_NO_CACHE,), operations=_OUTER), inside=_INSIDE),
    replace(
        _KEYS,
        name="sum_claude",
        when=When(models=("claude",), operations=_OUTER),
        inside=("reasoning",),
        outside=("cache_read", "cache_write"),
    ),
    replace(_KEYS, name="sum_undecided", when=When(operations=_OUTER)),
)

AI_SDK: Final = Dialect(
    name="vercel-ai",
    seen="ai 4.3.19, 5.0.277, 6.0.326, 7.0.173 (LegacyOpenTelemetry); also as rewritten by @arizeai/openinference-vercel 2.8.1, 3.2.1",
    scopes=("ai",),
    kinds=(Kinds(ref="ai.operationId", values=_OPERATIONS), Kinds(ref="$word", values=_OPERATIONS)),
    shapes=(*_SUMS, *_CALLS),
    provider=("gen_ai.system", "gen_ai.provider.name", "ai.model.provider"),
    request_model=("gen_ai.request.model", "ai.model.id"),
    response_model=("gen_ai.response.model", "ai.response.model"),
    response_id=("gen_ai.response.id", "ai.response.id"),
    made_up_ids=("aitxt-", "aiobj-"),
    service_tier=(_META + "*.serviceTier", _META + "*.usage.service_tier"),
    tool_name=("ai.toolCall.name",),
    emitter_cost=(_META + "gateway.cost", _META + "openrouter.usage.cost"),
    prompt=("ai.prompt.messages", "ai.prompt"),
)

_V7_CALL: Final = replace(
    _WITH_METADATA,
    name="semconv",
    when=When(operations=("chat",)),
    input=c.INPUT,
    output=c.OUTPUT,
    total=c.TOTAL,
    cache_read=(*c.CACHE_READ, *_WITH_METADATA.cache_read[1:]),
    cache_write=(*c.CACHE_WRITE, *_WITH_METADATA.cache_write[1:]),
    reasoning=(*c.REASONING, *_WITH_METADATA.reasoning),
    extra=MappingProxyType({**c.MODALITIES, **_SEARCHES}),
    inside=c.ALL_PARTS,
    untold=("reasoning", "cache_ttl"),
)
AI_SDK_7: Final = replace(
    AI_SDK,
    name="vercel-ai-7",
    seen="@ai-sdk/otel 1.0.173 (ai 7.0.173), with and without supplemental options; also under @arizeai/openinference-vercel 3.2.1",
    scopes=("gen_ai",),
    kinds=(c.SEMCONV_KINDS, c.NAME_KINDS),
    shapes=(_V7_CALL, replace(c.SEMCONV_USAGE, reasoning=(*c.REASONING, *_KEYS.reasoning))),
    provider=c.PROVIDER,
    tool_name=c.TOOL_NAME,
    prompt=c.PROMPT,
)

DIALECTS: Final = (AI_SDK, AI_SDK_7)
