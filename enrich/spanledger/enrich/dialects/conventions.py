"""The vocabulary of the OpenTelemetry GenAI conventions, current and deprecated, which most emitters share in part.

Other dialects start from these tables and say where they differ.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects.dialect import Kinds, Shape

OPERATIONS: Final = MappingProxyType(
    {
        "chat": "inference:chat",
        "chat.completions": "inference:chat",
        "completion": "inference:text_completion",
        "text_completion": "inference:text_completion",
        "text.completions": "inference:text_completion",
        "generate_content": "inference:generate_content",
        "embeddings": "inference:embeddings",
        "embedding": "inference:embeddings",
        "embed": "inference:embeddings",
        "rerank": "inference:rerank",
        "image_generation": "inference:image_generation",
        "generate_image": "inference:image_generation",
        "audio": "inference:audio",
        "speech": "inference:speech",
        "text_to_speech": "inference:speech",
        "tts": "inference:speech",
        "transcription": "inference:transcription",
        "speech_to_text": "inference:transcription",
        "stt": "inference:transcription",
        "moderation": "inference:moderation",
        "responses": "inference:chat",
        "acompletion": "inference:chat",
        "aembedding": "inference:embeddings",
        "realtime": "inference:realtime",
        # LiteLLM's call types
        "atext_completion": "inference:text_completion",
        "aresponses": "inference:chat",
        "anthropic_messages": "inference:chat",
        "agenerate_content": "inference:generate_content",
        "arerank": "inference:rerank",
        "aimage_generation": "inference:image_generation",
        "atranscription": "inference:transcription",
        "aspeech": "inference:speech",
        "amoderation": "inference:moderation",
        # by rule these restate or prepare; a remote agent's own usage is charged when nothing below it is (settlement)
        "invoke_agent": "aggregate:invoke_agent",
        "invoke_workflow": "aggregate:invoke_workflow",
        "handle_conversation_turn": "aggregate:handle_conversation_turn",
        "create_agent": "other:create_agent",
        "plan": "other:plan",
        "agent": "aggregate:invoke_agent",
        "workflow": "aggregate:invoke_workflow",
        "chain": "aggregate:chain",
        "task": "aggregate:task",
        "step": "aggregate:step",
        "agent_step": "aggregate:agent_step",
        "workflow_step": "aggregate:workflow_step",
        "execute_task": "aggregate:execute_task",
        "orchestrate_tools": "aggregate:orchestrate_tools",
        "execute_event_loop_cycle": "aggregate:execute_event_loop_cycle",
        "model_generation": "aggregate:model_generation",
        "model_chunk": "other:model_chunk",
        "execute_tool": "tool:execute_tool",
        "tool": "tool:execute_tool",
        "retrieval": "retrieval:retrieval",
        "retrieve": "retrieval:retrieval",
        "vector_search": "retrieval:retrieval",
        "search_memory": "retrieval:search_memory",
        "create_memory": "retrieval:create_memory",
        "update_memory": "retrieval:update_memory",
        "upsert_memory": "retrieval:upsert_memory",
        "delete_memory": "retrieval:delete_memory",
        "create_memory_store": "other:create_memory_store",
        "delete_memory_store": "other:delete_memory_store",
        # tells of an earlier call by its id; by rule without usage
        "fetch_response": "other:fetch_response",
        "messaging": "other:messaging",
    }
)
"""`gen_ai.operation.name` -> kind:operation; the well-known values of the conventions and the spellings seen beside them."""

SEMCONV_KINDS: Final = Kinds(ref="gen_ai.operation.name", values=OPERATIONS)
REQUEST_TYPE_KINDS: Final = Kinds(
    ref="llm.request.type",
    values=MappingProxyType(
        {
            "chat": "inference:chat",
            "completion": "inference:text_completion",
            "embedding": "inference:embeddings",
            "embeddings": "inference:embeddings",
            "rerank": "inference:rerank",
            "acompletion": "inference:chat",
            "aembedding": "inference:embeddings",
        }
    ),
)
"""The kind of call as OpenLLMetry's spans said it before the conventions had an operation name."""
NAME_KINDS: Final = Kinds(
    ref="$word",
    values=MappingProxyType(
        {
            "execute_tool": "tool:execute_tool",
            "invoke_agent": "aggregate:invoke_agent",
            "invoke_workflow": "aggregate:invoke_workflow",
            "create_agent": "other:create_agent",
        }
    ),
)

PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system")
REQUEST_MODEL: Final = ("gen_ai.request.model", "llm.request.model")
RESPONSE_MODEL: Final = ("gen_ai.response.model", "llm.response.model")
RESPONSE_ID: Final = ("gen_ai.response.id",)
TIER: Final = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "gen_ai.response.service_tier",
    "gen_ai.response.service_tier.name",
    "anthropic.response.service_tier",
    "aws.bedrock.service_tier",
)
"""The tier echoed in the response is what is charged; the one asked for is not."""
REGION: Final = ("cloud.region.genai", "aws.region", "gen_ai.request.region", "gcp.client.location", "anthropic.response.inference_geo")
TOOL_NAME: Final = ("gen_ai.tool.name",)
PROMPT: Final = ("gen_ai.input.messages", "gen_ai.prompt", "gen_ai.prompt.0.content")
COST: Final = ("gen_ai.usage.cost", "gen_ai.cost.total_cost", "operation.cost", "gen_ai.usage.total_cost")
ATTEMPT: Final = ("http.request.resend_count",)

INPUT: Final = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "gen_ai.response.prompt_tokens",  # Semantic Kernel for .NET before its 1.3x
)
OUTPUT: Final = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "gen_ai.response.completion_tokens",
)
TOTAL: Final = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens")
CACHE_READ: Final = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cache_read_tokens",
    "gen_ai.usage.input_tokens.cached",  # OpenRouter's broadcasts, Sentry's SDKs
    "gen_ai.usage.input_cached_tokens",  # LiveKit, as Langfuse reads it
    "gen_ai.usage.cached_input_tokens",
    "gen_ai.usage.cached_tokens",
    "gen_ai.usage.prompt_tokens_details.cached_tokens",
)
CACHE_WRITE: Final = (
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_input_tokens",
    "gen_ai.usage.cache_write_tokens",
    "gen_ai.usage.cache_creation_tokens",
    "gen_ai.usage.input_tokens.cache_write",
    "gen_ai.usage.input_tokens.cache_creation",
)
CACHE_WRITE_5M: Final = (
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
    "gen_ai.usage.cache_creation.5m_input_tokens",
    "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens",
)
CACHE_WRITE_1H: Final = (
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    "gen_ai.usage.cache_creation.1h_input_tokens",
    "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
)
REASONING: Final = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
    "gen_ai.usage.output_reasoning_tokens",
    "gen_ai.usage.completion_tokens_details.reasoning_tokens",
)
USAGE_EVENTS: Final = ("gen_ai.usage", "gen_ai.client.inference.operation.details", "gen_ai.response")
"""Span events on which hand-made emitters put what the span itself should say."""
MODALITIES: Final = MappingProxyType(
    {
        "input_audio_tokens": (
            "gen_ai.usage.audio.input_tokens",
            "gen_ai.usage.input_audio_tokens",
            "gen_ai.usage.prompt_tokens_details.audio_tokens",
        ),
        "input_image_tokens": ("gen_ai.usage.image.input_tokens", "gen_ai.usage.input_image_tokens"),
        "output_audio_tokens": (
            "gen_ai.usage.audio.output_tokens",
            "gen_ai.usage.output_audio_tokens",
            "gen_ai.usage.completion_tokens_details.audio_tokens",
        ),
        "output_image_tokens": ("gen_ai.usage.image.output_tokens", "gen_ai.usage.output_image_tokens"),
        "cache_read_audio_tokens": ("gen_ai.usage.audio.cache_read.input_tokens",),
        "cache_read_image_tokens": ("gen_ai.usage.image.cache_read.input_tokens",),
    }
)
"""The conventions' modality splits; text is the rest of the total and not counted apart."""

BESIDE: Final = MappingProxyType(
    {
        "audio_ms": ("gen_ai.usage.audio_seconds", "gen_ai.response.audio.duration", "gen_ai.request.audio_duration"),
        "images": ("gen_ai.usage.images",),
        "input_characters": ("gen_ai.usage.input_characters", "gen_ai.usage.characters"),
        "search_units": ("gen_ai.usage.search_units", "cohere.usage.search_units"),
        "web_search_requests": (
            "gen_ai.usage.web_search_requests",
            "gen_ai.usage.server_tool_use.web_search_requests",
            "gen_ai.usage.details.web_search_requests",
        ),
    }
)
"""What is counted beside tokens, or instead of them. The conventions have no names for these: the durations are OpenLIT's (1.45), the
details pydantic-ai's, `cohere.usage.*` is Brokle's, the rest is how a hand-made span would continue the conventions' own names."""
SECONDS: Final = MappingProxyType(dict.fromkeys(BESIDE["audio_ms"], 1000))

ALL_PARTS: Final = ("cache_read", "cache_write", "reasoning", *MODALITIES)

SEMCONV_USAGE: Final = Shape(
    name="semconv",
    input=INPUT,
    output=OUTPUT,
    total=TOTAL,
    cache_read=CACHE_READ,
    cache_write=CACHE_WRITE,
    cache_write_5m=CACHE_WRITE_5M,
    cache_write_1h=CACHE_WRITE_1H,
    reasoning=REASONING,
    extra=MappingProxyType({**MODALITIES, **BESIDE}),
    inside=ALL_PARTS,
    scaled=SECONDS,
)
"""The conventions' own reading: both totals include everything ("SHOULD include cached tokens", v1.40 and later)."""
