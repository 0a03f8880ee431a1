"""LiteLLM's `otel` callback (1.106), in the SDK and in the proxy.

* `litellm_request` (or `chat MODEL` with the latest conventions): input and output inclusive for every provider. The splits are on
  the span only for Anthropic with the latest conventions; always in `metadata.usage_object`, the repr of a Python dict: cached,
  written, TTLs, reasoning.
* audio and image tokens and web searches only in `metadata.usage_object` (source of 1.106; not among the captures).
* `raw_gen_ai_request` below it is the same call once more without usage attributes; it knows the provider's own response id and model.
* `gen_ai.response.id` is the provider's for OpenAI chat, and invented for Anthropic (`chatcmpl-<uuid>`), embeddings and failures (a uuid).
* a reply from LiteLLM's own cache is told once more with all its usage and the first call's response id: `hidden_params` then names the
  cache's key (null otherwise), and no provider was called.
* `gen_ai.cost.total_cost` is input_cost + output_cost, which contain the cache and reasoning costs also given apart.
* Payers: `metadata.requester_metadata` (repr), the key's team and user, the end user; empty strings where unset.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Kinds
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

_OBJECT: Final = "metadata.usage_object#"
_RAW_PROVIDERS: Final = (
    "openai",
    "anthropic",
    "azure",
    "bedrock",
    "vertex_ai",
    "gemini",
    "groq",
    "mistral",
    "xai",
    "deepseek",
    "openrouter",
)
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

_EXTRA: Final = MappingProxyType(
    {
        **c.MODALITIES,
        **c.BESIDE,
        "input_audio_tokens": (*c.MODALITIES["input_audio_tokens"], f"{_OBJECT}prompt_tokens_details.audio_tokens"),
        "input_image_tokens": (*c.MODALITIES["input_image_tokens"], f"{_OBJECT}prompt_tokens_details.image_tokens"),
        "output_audio_tokens": (*c.MODALITIES["output_audio_tokens"], f"{_OBJECT}completion_tokens_details.audio_tokens"),
        "output_image_tokens": (*c.MODALITIES["output_image_tokens"], f"{_OBJECT}completion_tokens_details.image_tokens"),
        "web_search_requests": (
            *c.BESIDE["web_search_requests"],
            f"{_OBJECT}server_tool_use.web_search_requests",
            f"{_OBJECT}prompt_tokens_details.web_search_requests",
        ),
    }
)

LITELLM: Final = replace(
    OTEL_GENAI,
    name="litellm",
    seen="litellm (1.106, scope without version)",
    scopes=("litellm", "litellm.*"),
    kinds=(
        Kinds(ref="hidden_params#cache_key", values={}, other="other:cached_reply"),
        c.SEMCONV_KINDS,
        Kinds(ref="$name", values={"raw_gen_ai_request": "inference:chat", "litellm_request": "inference:chat"}),
        c.REQUEST_TYPE_KINDS,
    ),
    shapes=(
        replace(
            c.SEMCONV_USAGE,
            name="litellm",
            cache_read=(*c.CACHE_READ, f"{_OBJECT}cache_read_input_tokens", f"{_OBJECT}prompt_tokens_details.cached_tokens"),
            cache_write=(
                *c.CACHE_WRITE,
                f"{_OBJECT}cache_creation_input_tokens",
                f"{_OBJECT}prompt_tokens_details.cache_creation_tokens",
                f"{_OBJECT}prompt_tokens_details.cache_write_tokens",
            ),
            cache_write_5m=(f"{_OBJECT}prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",),
            cache_write_1h=(f"{_OBJECT}prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",),
            reasoning=(*c.REASONING, f"{_OBJECT}completion_tokens_details.reasoning_tokens"),
            extra=_EXTRA,
        ),
    ),
    response_model=(*c.RESPONSE_MODEL, *(f"llm.{name}.model" for name in _RAW_PROVIDERS)),
    response_id=(*c.RESPONSE_ID, *(f"llm.{name}.id" for name in _RAW_PROVIDERS)),
    made_up_ids=(f"(chatcmpl-)?{_UUID}$",),
    emitter_cost=("gen_ai.cost.total_cost", "hidden_params#response_cost"),
)

DIALECTS: Final = (LITELLM,)
