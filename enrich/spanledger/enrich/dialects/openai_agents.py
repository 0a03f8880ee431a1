"""OpenAI Agents SDK for JavaScript (0.20.0), bridged into OpenTelemetry by a TracingProcessor that copies the SDK's own keys.

The SDK has no OTel exporter of its own: whoever bridges it names the scope, so spans are known by `agents.span.type`.

* `response` and `generation` are the calls. A response has `agents.usage.*`: input = U+R, output = O, with the parts inside them
  in the JSON of `input_tokens_details` and `output_tokens_details` (cached_tokens, reasoning_tokens); a generation (chat
  completions) has none.
* `turn` and `task` restate: the sum of a turn, of a run, and of runs inside tools too, with `cached_input_tokens` and no
  reasoning.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Dialect, Kinds, Shape, When

_USAGE: Final = "agents.usage."

AGENTS: Final = Dialect(
    name="openai-agents",
    seen="@openai/agents 0.20.0 through a bridge (scope openai-agents-bridge 0.1)",
    when=When(keys=("agents.span.type",)),
    kinds=(
        Kinds(
            ref="agents.span.type",
            values=MappingProxyType(
                {
                    "response": "inference:chat",
                    "generation": "inference:chat",
                    "transcription": "inference:transcription",
                    "speech": "inference:speech",
                    "agent": "aggregate:invoke_agent",
                    "turn": "aggregate:turn",
                    "task": "aggregate:task",
                    "function": "tool:execute_tool",
                    "mcp_tools": "other:mcp_tools",
                    "handoff": "other:handoff",
                    "guardrail": "other:guardrail",
                    "custom": "other:custom",
                }
            ),
        ),
    ),
    shapes=(
        Shape(
            name="agents_usage",
            input=(_USAGE + "input_tokens",),
            output=(_USAGE + "output_tokens",),
            total=(_USAGE + "total_tokens",),
            cache_read=(_USAGE + "cached_input_tokens", _USAGE + "input_tokens_details#cached_tokens"),
            cache_write=(_USAGE + "cache_write_input_tokens", _USAGE + "input_tokens_details#cache_write_tokens"),
            reasoning=(_USAGE + "output_tokens_details#reasoning_tokens",),
            inside=("cache_read", "cache_write", "reasoning"),
        ),
    ),
    provider=c.PROVIDER,
    default_provider="openai",
    request_model=c.REQUEST_MODEL,
    response_model=c.RESPONSE_MODEL,
    response_id=c.RESPONSE_ID,
    tool_name=c.TOOL_NAME,
    prompt=c.PROMPT,
)

DIALECTS: Final = (AGENTS,)
