"""Agent frameworks that trace themselves with the conventions' names.

* Strands 1.62 (`strands.telemetry.tracer`): input inclusive, every count under two or three names at once; no reasoning, no TTL,
  no response id or model; the provider is always "strands-agents". The agent span repeats its calls and, without
  `gen_ai_use_latest_invocation_tokens`, all earlier ones of the same Agent object too.
* Microsoft Agent Framework 1.23 (`agent_framework`): inclusive, splits on chat spans; agent spans repeat them; over the Responses API
  `gen_ai.conversation.id` is the response's id.
* Semantic Kernel 1.45: totals only, cached input looks uncached. AutoGen 0.7 (`autogen-core`): no usage.
  Its runtime's `process` spans have what agents say to each other in `message`, each message with the counts of the call that made it
  (totals only, no model, no provider), after that call has ended; responses, which sum up such messages, are another key, not read.
* Google ADK 2.13 (`gcp.vertex.agent`): input with cache, output with thoughts, on `generate_content` spans only. Through LiteLlm the
  output has the reasoning twice (`lite_llm.py` hands on completion and reasoning, telemetry adds them): it is taken off once for models
  that are not Gemini's. ADK 1.x names the model's span `call_llm`; its output lacks the thoughts, and nothing is said of the cache:
  both are in the JSON of `gcp.vertex.agent.llm_response`, which has Gemini's own usage (content capture, on by default) and goes first
  (from its source).
* Mastra 1.71 (`@mastra/otel-exporter` 1.4): input inclusive on `chat` only; a failed chat has status OK and finish reason "error".
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Kinds, Shape, When
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

STRANDS: Final = replace(
    OTEL_GENAI,
    name="strands",
    seen="strands.telemetry.tracer (strands-agents 1.62)",
    scopes=("strands.telemetry.tracer", "strands.*", "strands-agents*"),
    shapes=(replace(c.SEMCONV_USAGE, name="strands", untold=("reasoning",)),),
)
AGENT_FRAMEWORK: Final = replace(
    OTEL_GENAI,
    name="agent-framework",
    seen="agent_framework 1.23.0",
    scopes=("agent_framework", "agent_framework.*"),
    shapes=(replace(c.SEMCONV_USAGE, name="agent_framework"),),
    not_payers=("gen_ai.conversation.id",),
)
SEMANTIC_KERNEL: Final = replace(
    OTEL_GENAI,
    name="semantic-kernel",
    seen="semantic_kernel.utils.telemetry.model_diagnostics.decorators, semantic_kernel.functions.kernel_function (1.45)",
    scopes=("semantic_kernel.*", "Microsoft.SemanticKernel*"),
    shapes=(replace(c.SEMCONV_USAGE, name="semantic_kernel", untold=("cache_read", "reasoning")),),
    made_up_ids=("N/A$",),
)
AUTOGEN: Final = replace(
    OTEL_GENAI,
    name="autogen",
    seen="autogen-core, autogen SingleThreadedAgentRuntime (0.7.5)",
    scopes=("autogen*",),
)
_SAID: Final = "message#message.models_usage."
AUTOGEN_MESSAGE: Final = replace(
    AUTOGEN,
    name="autogen-message",
    seen="autogen SingleThreadedAgentRuntime (autogen-agentchat 0.7.5)",
    when=When(keys=(f"{_SAID}prompt_tokens",), values={"messaging.operation": ("process",)}),
    kinds=(Kinds(ref="message#message.id", values={}, other="inference:chat"),),
    shapes=(
        Shape(
            name="message",
            input=(f"{_SAID}prompt_tokens",),
            output=(f"{_SAID}completion_tokens",),
            untold=("cache_read", "reasoning", "call_time"),
        ),
    ),
)

_ADK_WORDS: Final = Kinds(
    ref="$word",
    values={
        "call_llm": "inference:generate_content",
        "generate_content": "inference:generate_content",
        "invocation": "aggregate:invoke_workflow",
        "agent_run": "aggregate:invoke_agent",
        "invoke_agent": "aggregate:invoke_agent",
        "invoke_workflow": "aggregate:invoke_workflow",
        "execute_tool": "tool:execute_tool",
    },
)
_ADK_RAW: Final = "gcp.vertex.agent.llm_response#usage_metadata."
_GEMINI: Final = ("gemini", "gemma", "text-embedding", "learnlm")
GOOGLE_ADK: Final = replace(
    OTEL_GENAI,
    name="google-adk",
    seen="gcp.vertex.agent (google-adk 2.13)",
    scopes=("gcp.vertex.agent",),
    kinds=(c.SEMCONV_KINDS, _ADK_WORDS),
    shapes=(
        Shape(
            name="adk_response",
            when=When(keys=(f"{_ADK_RAW}prompt_token_count", f"{_ADK_RAW}candidates_token_count"), models=_GEMINI),
            input=(f"{_ADK_RAW}prompt_token_count",),
            output=(f"{_ADK_RAW}candidates_token_count",),
            cache_read=(f"{_ADK_RAW}cached_content_token_count",),
            reasoning=(f"{_ADK_RAW}thoughts_token_count",),
            extra=MappingProxyType({"input_tool_use_tokens": (f"{_ADK_RAW}tool_use_prompt_token_count",)}),
            inside=("cache_read",),
            outside=("reasoning", "input_tool_use_tokens"),
        ),
        replace(c.SEMCONV_USAGE, name="adk_gemini", when=When(models=_GEMINI)),
        replace(
            c.SEMCONV_USAGE,
            name="adk_other",
            inside=tuple(part for part in c.ALL_PARTS if part != "reasoning"),
            doubled=("reasoning",),
        ),
    ),
    provider_names={"gcp.vertex.agent": ""},
)
MASTRA: Final = replace(
    OTEL_GENAI,
    name="mastra",
    seen="@mastra/otel-exporter 1.4.0 (@mastra/core 1.71.0)",
    scopes=("@mastra/*", "mastra"),
    shapes=(replace(c.SEMCONV_USAGE, name="mastra"),),
    failed=(When(operations=("chat",), values={"gen_ai.response.finish_reasons": ("error",)}),),
)

DIALECTS: Final = (STRANDS, AGENT_FRAMEWORK, SEMANTIC_KERNEL, AUTOGEN_MESSAGE, AUTOGEN, GOOGLE_ADK, MASTRA)
