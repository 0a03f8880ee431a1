"""Coding agents that export spans of their own: Claude Code, OpenAI's Codex CLI, Google's Gemini CLI.

Read in their sources and in exports that others published; none was captured. U uncached input, R cache read, W cache write.

* Claude Code (`com.anthropic.claude_code.tracing`, before 2.1.191 `…traces`): `claude_code.llm_request` has bare keys, numbers or numerals:
  `input_tokens` = U only, `cache_read_tokens` and `cache_creation_tokens` (of every TTL) beside it, `output_tokens` = all. `span.type`
  says what a span is; tools may hold the requests of an agent that the session started. The metrics and logs of the same requests are
  other signals.
* Codex (`codex_cli_rs`, `codex_exec`): the response's span has `gen_ai.usage.*`, input = U+R(+W), output = all with
  `codex.usage.reasoning_output_tokens` in it, but no model, which only some of its events name; `session_task.turn` restates the turn
  with its model under `codex.turn.token_usage.*`.
* Gemini CLI (`gemini-cli`): `llm_call` has input = U+R, output without thoughts, which are on no span.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects import conventions as c
from spanledger.enrich.dialects.dialect import Kinds, Shape, When
from spanledger.enrich.dialects.otel_genai import OTEL_GENAI

_TURN: Final = "codex.turn.token_usage."

CLAUDE_CODE: Final = replace(
    OTEL_GENAI,
    name="claude-code",
    seen="com.anthropic.claude_code.tracing of Claude Code 2.1.224-2.1.268 (published exports)",
    scopes=("com.anthropic.claude_code*",),
    kinds=(
        Kinds(
            ref="span.type",
            values=MappingProxyType(
                {
                    "llm_request": "inference:chat",
                    "interaction": "aggregate:interaction",
                    "tool": "tool:execute_tool",
                    "tool.execution": "other:tool_execution",
                    "tool.blocked_on_user": "other:blocked_on_user",
                    "hook": "other:hook",
                }
            ),
        ),
        Kinds(ref="$name", values=MappingProxyType({"claude_code.llm_request": "inference:chat"})),
        c.SEMCONV_KINDS,
    ),
    shapes=(
        Shape(
            name="bare_keys",
            input=("input_tokens",),
            output=("output_tokens",),
            cache_read=("cache_read_tokens",),
            cache_write=("cache_creation_tokens",),
            outside=("cache_read", "cache_write"),
            untold=("cache_ttl",),
        ),
        c.SEMCONV_USAGE,
    ),
    default_provider="anthropic",
    request_model=(*c.REQUEST_MODEL, "model"),
    response_id=(*c.RESPONSE_ID, "request_id"),
    tool_name=(*c.TOOL_NAME, "tool_name"),
    attempt=(),
    failed=(When(values={"success": ("false",)}),),
)
CODEX: Final = replace(
    OTEL_GENAI,
    name="codex",
    seen="codex_cli_rs, codex_exec (from its source)",
    scopes=("codex_cli_rs", "codex_exec", "codex*"),
    kinds=(
        Kinds(ref="$name", values=MappingProxyType({"session_task.turn": "aggregate:turn"})),
        c.SEMCONV_KINDS,
    ),
    usage_needs_model=False,
    shapes=(
        replace(c.SEMCONV_USAGE, name="codex", reasoning=("codex.usage.reasoning_output_tokens", *c.REASONING)),
        Shape(
            name="turn",
            when=When(operations=("turn",)),
            input=(f"{_TURN}input_tokens",),
            output=(f"{_TURN}output_tokens",),
            cache_read=(f"{_TURN}cached_input_tokens",),
            cache_write=(f"{_TURN}cache_write_input_tokens",),
            reasoning=(f"{_TURN}reasoning_output_tokens",),
            inside=("cache_read", "cache_write", "reasoning"),
        ),
    ),
    default_provider="openai",
    request_model=(*c.REQUEST_MODEL, "model", "slug"),
    event_keys=("model", "slug"),
)
GEMINI_CLI: Final = replace(
    OTEL_GENAI,
    name="gemini-cli",
    seen="gemini-cli (from its source)",
    scopes=("gemini-cli",),
    kinds=(
        Kinds(
            ref="gen_ai.operation.name",
            values=MappingProxyType(
                {
                    "llm_call": "inference:generate_content",
                    "agent_call": "aggregate:invoke_agent",
                    "user_prompt": "aggregate:user_prompt",
                    "tool_call": "tool:execute_tool",
                    "schedule_tool_calls": "other:schedule_tool_calls",
                    "system_prompt": "other:system_prompt",
                }
            ),
        ),
        c.SEMCONV_KINDS,
    ),
    shapes=(replace(c.SEMCONV_USAGE, name="visible_output", untold=("cache_read", "reasoning")),),
)

DIALECTS: Final = (CLAUDE_CODE, CODEX, GEMINI_CLI)
