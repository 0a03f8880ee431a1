"""Who a span or resource says it is for, in each framework's idiom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.enrich.payers import PAYER_MAX, bounded, clean_payer, read_allocation
from spanledger.enrich.records import NOBODY
from tests.enrich.dialects.emitted import read_span


@pytest.mark.parametrize(
    "key",
    [
        "tenant.id",
        "tenant_id",
        "tenantId",
        "customer",
        "traceloop.association.properties.tenant_id",
        "traceloop.association.properties.customer",
        "ai.telemetry.metadata.tenantId",
        "ai.settings.context.tenantId",
        "langfuse.trace.metadata.tenant",
        "langfuse.observation.metadata.tenant_id",
        "langsmith.metadata.tenant_id",
        "mlflow.traceTag.tenant",
        "mastra.metadata.tenantId",
        "metadata.user_api_key_team_id",
    ],
)
def test_tenants_are_found_where_frameworks_put_them(key: str) -> None:
    span = read_span("any", {key: "acme"})
    assert (span.payers.tenant, span.payers.sources) == ("acme", (("tenant", f"span:{key}"),))


@pytest.mark.parametrize("metadata", ['{"tenant_id": "acme", "note": "x"}', "{'tenant_id': 'acme'}", '{"tenant.id": "acme"}'])
def test_tenants_are_found_in_metadata_texts(metadata: str) -> None:
    assert read_span("any", {"metadata": metadata}).payers.tenant == "acme"


def test_a_users_own_key_wins_over_what_a_gateway_knows() -> None:
    span = read_span("litellm", {"metadata.user_api_key_team_id": "team-7", "metadata.requester_metadata": "{'tenant_id': 'initech'}"})
    assert span.payers.tenant == "initech"


@pytest.mark.parametrize("key", ["anthropic.organization.id", "anthropic.workspace.id", "openai.organization", "cloud.account.id"])
def test_accounts_of_the_provider_are_no_tenants(key: str) -> None:
    assert read_span("com.anthropic.sdk.python", {key: "org-1"}).payers == NOBODY


@pytest.mark.parametrize(
    "value",
    ["", "  ", "unknown", "None", "null", "N/A", "[Scrubbed due to 'session']", "pruned:5:00112233445566ff", "{}", 1.5, True, ["a"]],
)
def test_nobody(value: object) -> None:
    assert read_span("any", {"tenant.id": value}).payers == NOBODY


@pytest.mark.parametrize(
    ("value", "payer"), [("acme", "acme"), (" acme ", "acme"), ('"acme"', "acme"), (42, "42"), ("'; DROP TABLE x", "'; DROP TABLE x")]
)
def test_somebody(value: object, payer: str) -> None:
    assert clean_payer(value) == (payer, False)


def test_an_empty_first_key_leaves_it_to_the_next() -> None:
    span = read_span("any", {"tenant.id": "unknown", "tenant_id": "acme", "user.id": "u"})
    assert (span.payers.tenant, span.payers.user) == ("acme", "u")


def test_a_long_name_is_cut_with_a_digest_and_says_so() -> None:
    one, other = ("t" * 299 + end for end in "ab")
    payers = read_span("any", {"tenant.id": one}).payers
    assert payers.tenant is not None
    assert len(payers.tenant) == PAYER_MAX
    assert payers.tenant != bounded(other)
    assert payers.sources == (("tenant", "span:tenant.id (cut)"),)


@given(st.text(max_size=600))
def test_bounding_is_deterministic_and_bounded(text: str) -> None:
    assert len(bounded(text)) <= PAYER_MAX
    assert bounded(bounded(text)) == bounded(text)


def test_a_made_up_conversation_is_no_session() -> None:
    attributes = {"gen_ai.conversation.id": "0b5c", "gen_ai.operation.name": "chat"}
    assert read_span("opentelemetry.instrumentation.genai.openai", attributes).payers.session == "0b5c"
    assert read_span("pydantic-ai", attributes).payers.session is None
    assert read_span("agent_framework", attributes).payers.session is None


@pytest.mark.parametrize(
    ("value", "shares"),
    [
        ('{"globex": 1, "acme": 3}', (("acme", 3), ("globex", 1))),
        ("acme=3, globex=1", (("acme", 3), ("globex", 1))),
        ("acme:3;globex:1", (("acme", 3), ("globex", 1))),
        ('{"acme": 0}', ()),
        ('{"acme": 1.5}', ()),
        ('{"acme": 1, "unknown": 1}', ()),
        ("acme", ()),
        ("acme=1,acme=2", ()),
        ("{broken", ()),
        ("", ()),
        (7, ()),
    ],
)
def test_allocations_are_whole_or_nothing(value: object, shares: tuple[tuple[str, int], ...]) -> None:
    assert read_allocation(value) == shares


def test_an_allocation_is_read_from_the_span() -> None:
    span = read_span("any", {"spanledger.allocation": '{"acme": 2, "globex": 1}'})
    assert span.payers.allocation == (("acme", 2), ("globex", 1))
    assert span.payers.sources == (("allocation", "span:spanledger.allocation"),)
