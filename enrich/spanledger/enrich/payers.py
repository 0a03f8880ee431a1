"""Who a span says it is for: the references each framework uses for tenants, users, sessions and the rest, and how a value is cleaned.

Only what a span or its resource claims itself is read here; inheritance, keys and precedence between spans belong to settlement.
An account of the provider (`anthropic.organization.id`, `openai.organization`) is who pays the provider, never a tenant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

FIELDS: Final = ("tenant", "user", "session", "workflow", "agent", "feature", "environment", "initiator")
"""The payer fields of a span, in the order of records.Payers."""

LINK_FIELDS: Final = ("tenant", "user", "session", "feature", "environment", "initiator")
"""Whom work is for: what is taken along span links unless configured otherwise."""

PAYER_MAX: Final = 256
"""Characters of a payer value; a longer one keeps its start and a digest of the whole, so that two stay two."""

NOBODY_VALUES: Final = frozenset({"", "unknown", "none", "null", "undefined", "n/a", "nan", "-", "{}", "[]", "default_user_id"})
"""Values that stand for nobody, compared without case and surrounding blanks ("default_user_id": LiteLLM's proxy without one)."""

_NOT_A_NAME: Final = ("[", "{", "pruned:")
"""Starts of lists, objects, Logfire's "[Scrubbed due to …" and what pruning leaves of a text."""

METADATA_PREFIXES: Final = (
    "traceloop.association.properties.",  # OpenLLMetry, Python and JavaScript
    "ai.telemetry.metadata.",  # Vercel AI SDK 4-6
    "ai.settings.context.",  # Vercel AI SDK 7
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "langsmith.metadata.",
    "mlflow.traceTag.",
    "mlflow.trace.",
    "mastra.metadata.",
    "agents.trace.metadata.",
    "trace.metadata.",  # OpenRouter's broadcasts
    "metadata.",  # openinference-vercel
    "metadata#",  # OpenInference, Pydantic AI: one JSON text
    "metadata.requester_metadata#",  # LiteLLM proxy, a Python repr
    "metadata.requester_custom_headers#x-",
    "baggage.",
    "app.",
)
"""Where frameworks put the application's own key-value pairs."""

_TENANT_NAMES: Final = (
    *("tenant.id", "tenant_id", "tenantId", "tenant-id", "tenant", "tenant.name", "tenant_name", "tenantName"),
    *("customer.id", "customer_id", "customerId", "customer-id", "customer", "customer.name", "customer_name", "customerName"),
    *("organization.id", "organization_id", "organizationId", "organization", "org.id", "org_id", "orgId"),
    *("account.id", "account_id", "accountId"),
)
_USER_NAMES: Final = ("user.id", "user_id", "userId", "user-id", "enduser.id", "enduser_id", "end_user_id", "endUserId", "user")
_SESSION_NAMES: Final = (
    "session.id",
    "session_id",
    "sessionId",
    "session-id",
    "session",
    "conversation.id",
    "conversation_id",
    "conversationId",
    "thread_id",
    "threadId",
)
_WORKFLOW_NAMES: Final = ("workflow.name", "workflow_name", "workflowName", "workflow.id", "workflow_id", "workflowId", "workflow")
_AGENT_NAMES: Final = ("agent.name", "agent_name", "agentName", "agent")
_FEATURE_NAMES: Final = ("feature.name", "feature_name", "featureName", "feature.id", "feature_id", "feature")
_ENVIRONMENT_NAMES: Final = ("deployment.environment.name", "deployment.environment", "environment", "env")
_INITIATOR_NAMES: Final = ("initiator", "initiator.type", "initiator_type")


def _everywhere(names: tuple[str, ...], first: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> tuple[str, ...]:
    found = (*first, *names, *(prefix + name for prefix in METADATA_PREFIXES for name in names), *after)
    return tuple(dict.fromkeys(found))


SPAN_PAYERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tenant": _everywhere(_TENANT_NAMES, after=("metadata.user_api_key_team_id", "metadata.user_api_key_org_id")),
        "user": _everywhere(
            _USER_NAMES,
            first=("langfuse.user.id",),
            after=(
                "metadata.user_api_key_end_user_id",
                "llm.user",
                "metadata.user_api_key_user_id",
                "mlflow.trace.user",
            ),
        ),
        "session": _everywhere(
            _SESSION_NAMES,
            first=("langfuse.session.id",),
            after=("gen_ai.conversation.id", "mlflow.trace.session", "ai.telemetry.metadata.chatId"),
        ),
        "workflow": _everywhere(
            _WORKFLOW_NAMES, first=("gen_ai.workflow.name", "traceloop.workflow.name"), after=("langfuse.trace.name", "mlflow.traceName")
        ),
        "agent": _everywhere(_AGENT_NAMES, first=("gen_ai.agent.name",), after=("gen_ai.agent.id",)),
        "feature": _everywhere(_FEATURE_NAMES, after=("ai.telemetry.functionId",)),
        "environment": _everywhere(_ENVIRONMENT_NAMES, first=("langfuse.environment",)),
        "initiator": _everywhere(_INITIATOR_NAMES, first=("gen_ai.initiator",)),
    }
)
"""Payer field -> the references to ask on a span, in order."""

RESOURCE_PAYERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tenant": _TENANT_NAMES,
        "user": ("user.id", "enduser.id"),
        "session": ("session.id",),
        "workflow": ("gen_ai.workflow.name", "workflow.name"),
        "agent": ("gen_ai.agent.name", "agent.name"),
        "feature": ("feature.name", "feature"),
        "environment": _ENVIRONMENT_NAMES,
        "initiator": ("initiator",),
    }
)
"""Payer field -> the references to ask on a resource, in order."""

ALLOCATION: Final = (
    "spanledger.allocation",
    "cost.allocation",
    *(f"{prefix}allocation" for prefix in METADATA_PREFIXES if "#" not in prefix),
)
"""Where the shared-work split may be: a JSON object or "acme=2,globex=1" of tenants and positive integer weights."""

_PAIR: Final = re.compile(r"\s*([^=,;]+?)\s*[=:]\s*([0-9]{1,9})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerRules:
    """Where payers are found: references by field, for spans and for resources, and where an allocation is.

    `from_links`: the fields that calls take from the spans their trace links to, `from_session`: whether those without a tenant take that
    of their session; both where nothing in the trace says it.
    """

    span: Mapping[str, tuple[str, ...]]
    resource: Mapping[str, tuple[str, ...]]
    allocation: tuple[str, ...] = ALLOCATION
    from_links: tuple[str, ...] = ()
    from_session: bool = False


DEFAULT_RULES: Final = PayerRules(span=SPAN_PAYERS, resource=RESOURCE_PAYERS)


def bounded(text: str) -> str:
    """A payer value of at most PAYER_MAX characters: longer ones keep their start, "~" and 16 hex digits of a digest of the whole."""
    if len(text) <= PAYER_MAX:
        return text
    return f"{text[: PAYER_MAX - 17]}~{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def clean_payer(value: object) -> tuple[str | None, bool]:
    """(payer, cut): who an attribute value names, None for nobody: placeholders, scrubbed and pruned values, lists, floats.

    Integers become their digits; a text that is itself a JSON string ('"acme"', as MLflow and Langfuse 5 write) becomes what it says;
    `cut` says that a long value was shortened.
    """
    if type(value) is str:
        return _clean_text(value) if len(value) <= PAYER_MAX else _cleaned(value)
    return (str(value), False) if type(value) is int else (None, False)


def _cleaned(value: str) -> tuple[str | None, bool]:
    text = value.strip()
    if text[:1] == '"' and text.endswith('"') and len(text) > 1:
        text = _unquoted(text)
    if text.lower() in NOBODY_VALUES or text.startswith(_NOT_A_NAME):
        return None, False
    return bounded(text), len(text) > PAYER_MAX


_clean_text = lru_cache(maxsize=1 << 15)(_cleaned)


def _unquoted(text: str) -> str:
    try:
        said = json.loads(text)
    except ValueError:
        return text
    return said.strip() if isinstance(said, str) else text


def read_allocation(value: object) -> tuple[tuple[str, int], ...]:
    """(tenant, weight) pairs sorted by tenant; () where the value is no sane allocation (an unknown tenant, a weight below 1, a repeat)."""
    if type(value) is not str or not value.strip():
        return ()
    pairs = _allocation_object(value) if value.lstrip().startswith("{") else _allocation_list(value)
    named = [(clean_payer(tenant)[0], weight) for tenant, weight in pairs]
    sane = tuple(sorted((tenant, weight) for tenant, weight in named if tenant is not None and 0 < weight < 10**9))
    return sane if len(sane) == len(named) == len({tenant for tenant, _ in sane}) else ()


def _allocation_object(text: str) -> list[tuple[str, int]]:
    try:
        said = json.loads(text)
    except ValueError:
        return []
    if not isinstance(said, dict):
        return []
    return [(tenant, weight if type(weight) is int else 0) for tenant, weight in said.items()]


def _allocation_list(text: str) -> list[tuple[str, int]]:
    parts = [_PAIR.fullmatch(part) for part in re.split(r"[,;]", text)]
    return [(part.group(1), int(part.group(2))) if part else ("", 0) for part in parts]
