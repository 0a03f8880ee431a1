"""Haystack's own tracer (deepset; haystack-ai 3.4 with opentelemetry-haystack 2.0): spans without usage attributes.

The application's tracer names the scope, so spans are known by `haystack.*` keys. Only with content tracing on does a component's
output, a JSON text, hold the replies with `meta.usage` and `meta.model`; the pipeline's `output_data` and the agent's step repeat
it.

* OpenAI generators: `prompt_tokens` = U+R, `completion_tokens` = O, details inside.
* Anthropic generators: the same names with `cache_*_input_tokens` beside them.
* Embedders: `meta.usage` of the component's output.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from spanledger.enrich.dialects.dialect import Dialect, Kinds, Shape, When

_PLACES: Final = (
    "haystack.component.output#replies.meta.",
    "haystack.component.output#replies._meta.",
    "haystack.component.output#meta.",
    "haystack.agent.step.llm.output#replies.meta.",
    "haystack.agent.step.llm.output#replies._meta.",
)


def _at(*names: str) -> tuple[str, ...]:
    return tuple(place + name for name in names for place in _PLACES)


_USAGE: Final = Shape(
    name="meta_usage",
    input=_at("usage.prompt_tokens", "usage.input_tokens"),
    output=_at("usage.completion_tokens", "usage.output_tokens"),
    total=_at("usage.total_tokens"),
    cache_read=_at("usage.prompt_tokens_details.cached_tokens", "usage.cache_read_input_tokens"),
    cache_write=_at("usage.cache_creation_input_tokens"),
    cache_write_5m=_at("usage.cache_creation.ephemeral_5m_input_tokens"),
    cache_write_1h=_at("usage.cache_creation.ephemeral_1h_input_tokens"),
    reasoning=_at("usage.completion_tokens_details.reasoning_tokens"),
)

HAYSTACK: Final = Dialect(
    name="haystack",
    seen="haystack-ai 3.4 (from its documentation of traces; no export with content was seen)",
    when=When(
        any_keys=(
            "haystack.component.name",
            "haystack.component.type",
            "haystack.component.output",
            "haystack.agent.step.llm.output",
            "haystack.agent.max_steps",
            "haystack.tool.name",
        )
    ),
    kinds=(
        Kinds(
            ref="$name",
            values=MappingProxyType(
                {
                    "haystack.pipeline.run": "aggregate:invoke_workflow",
                    "haystack.async_pipeline.run": "aggregate:invoke_workflow",
                    "haystack.agent.run": "aggregate:invoke_agent",
                    "haystack.agent.step": "aggregate:agent_step",
                    "haystack.agent.step.tool": "tool:execute_tool",
                    "haystack.tool.run": "tool:execute_tool",
                }
            ),
        ),
    ),
    shapes=(
        replace(
            _USAGE,
            name="meta_usage_anthropic",
            when=When(any_keys=_at("usage.cache_read_input_tokens", "usage.cache_creation_input_tokens")),
            inside=("reasoning",),
            outside=("cache_read", "cache_write"),
        ),
        replace(_USAGE, inside=("cache_read", "reasoning")),
    ),
    request_model=_at("model"),
    response_model=_at("model"),
    response_id=_at("id"),
    tool_name=("haystack.tool.name",),
)

DIALECTS: Final = (HAYSTACK,)
