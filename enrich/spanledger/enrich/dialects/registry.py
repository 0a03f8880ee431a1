"""Which dialects there are, in the order they are asked: the more particular first, the generic one last.

To add a family: write `dialects/<family>.py` with a `DIALECTS` tuple, and put the module into `_FAMILIES` before `generic`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spanledger.enrich.dialects import (
    agent_frameworks,
    anthropic_sdk,
    by_keys,
    coding_agents,
    generic,
    genkit,
    haystack,
    langfuse,
    langsmith,
    litellm,
    livekit,
    mlflow,
    observability,
    openai_agents,
    openinference,
    openlit,
    openllmetry,
    otel_genai,
    pipecat,
    pydantic_ai,
    spring_dotnet,
    vercel_ai,
)
from spanledger.enrich.dialects.dialect import Dialect
from spanledger.enrich.dialects.versions import within

_FAMILIES: Final = (
    otel_genai,
    anthropic_sdk,
    openllmetry,
    openlit,
    pydantic_ai,
    pipecat,
    livekit,
    agent_frameworks,
    spring_dotnet,
    coding_agents,
    litellm,
    vercel_ai,
    openinference,
    langfuse,
    langsmith,
    mlflow,
    genkit,
    # known by their keys, whatever the scope
    openai_agents,
    haystack,
    by_keys,
    observability,
    generic,
)

SHIPPED: Final[tuple[Dialect, ...]] = (*by_keys.REWRITTEN, *(dialect for family in _FAMILIES for dialect in family.DIALECTS))


def scope_matches(pattern: str, scope: str) -> bool:
    """Whether a scope name fits a pattern: equal, or equal up to a `*` at the pattern's end."""
    return scope.startswith(pattern[:-1]) if pattern.endswith("*") else scope == pattern


def candidates(dialects: Iterable[Dialect], scope: str, version: str) -> tuple[Dialect, ...]:
    """The dialects that may read spans of a scope, in the order to ask them (their `when` decides a span)."""
    return tuple(
        dialect
        for dialect in dialects
        if (not dialect.scopes or any(scope_matches(pattern, scope) for pattern in dialect.scopes)) and within(version, dialect.versions)
    )
