"""Records for the store's tests: every column filled, in the sizes and shapes that real traffic has."""

from __future__ import annotations

from typing import Any

from spanledger.enrich.events import CostEvent, Line
from spanledger.enrich.records import NOBODY, Call, Payers, Reading, Resource, Usage
from spanledger.store.ledger import Ledger

DAY_NS = 86_400_000_000_000
NOON = 20_778 * DAY_NS + DAY_NS // 2
"""2026-11-21 12:00 UTC in nanoseconds."""


def event(number: int = 1, **changes: Any) -> CostEvent:
    """A plain charge of 0.0125 USD; `number` makes its ids."""
    base = CostEvent(
        event_id=number.to_bytes(16, "big"),
        kind="charge",
        ref_event_id=None,
        reason=None,
        start_ns=NOON,
        end_ns=NOON + 1_500_000_000,
        received_ns=NOON + 2_000_000_000,
        booked_ns=NOON + 3_000_000_000,
        authority="default",
        tenant_id="acme",
        user_id="u-1",
        session_id="s-1",
        claimed_tenant_id=None,
        tenant_source="span:tenant.id",
        split_index=0,
        split_weight=None,
        initiator="user",
        cost_surface="inference",
        operation="chat",
        provider="openai",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        service_tier="default",
        region=None,
        provider_account=None,
        response_id=f"chatcmpl-{number:024x}",
        status="ok",
        error_type=None,
        attempt=None,
        tool_name=None,
        trace_id=(number << 64).to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=None,
        workflow="answer",
        agent="support",
        feature="chat",
        environment="prod",
        service="svc-1",
        input_tokens=1_000,
        output_tokens=1_000,
        cache_read_tokens=None,
        cache_write_tokens=None,
        cache_write_5m_tokens=None,
        cache_write_1h_tokens=None,
        reasoning_tokens=None,
        usage=(),
        wall_clock_ms=1_500,
        list_cost_usd=12_500_000_000_000_000,
        contracted_cost_usd=None,
        cost_usd=12_500_000_000_000_000,
        customer_price_usd=None,
        currency="USD",
        lines=(
            Line("input_tokens", 1_000, "openai/gpt-4o/input", "2.5", 1_000_000, 2_500_000_000_000_000),
            Line("output_tokens", 1_000, "openai/gpt-4o/output", "10", 1_000_000, 10_000_000_000_000_000),
        ),
        usage_state="measured",
        price_state="priced",
        price_reason=None,
        provider_billing="billed",
        customer_billable=True,
        position=number,
        dialect="otel-genai",
        usage_basis="input_includes_cache",
        ruleset_id="rules-1",
        catalog_id="catalog-1",
        engine_version="0.1.0",
        run_id=None,
        suppressed_span_ids=(),
        emitter_cost_usd=None,
        prompt_hmac=None,
        flags=(),
    )
    return base._replace(**changes)


def reading(number: int = 1, **changes: Any) -> Reading:
    """A chat span with usage; `number` makes its ids."""
    base = Reading(
        authority="default",
        trace_id=(number << 64).to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=b"",
        start_ns=NOON,
        end_ns=NOON + 1_500_000_000,
        kind="inference",
        operation="chat",
        scope="opentelemetry.instrumentation.openai@2.1",
        resource=Resource("svc-1", Payers(environment="prod", sources=(("environment", "resource:deployment.environment.name"),))),
        payers=Payers(tenant="acme", sources=(("tenant", "span:tenant.id"),)),
        call=Call(
            dialect="otel-genai",
            usage_basis="input_includes_cache",
            provider="openai",
            request_model="gpt-4o",
            response_model="gpt-4o-2024-08-06",
            response_id=f"chatcmpl-{number:024x}",
            usage=Usage(input_tokens=1_000, output_tokens=1_000),
            usage_state="measured",
        ),
        failed=False,
        position=number,
        received_ns=NOON + 2_000_000_000,
        key_tenant=None,
    )
    return base._replace(**changes)


def plain(number: int = 1, **changes: Any) -> Reading:
    """A span that says nothing of GenAI."""
    return reading(number, **{"kind": "other", "operation": None, "payers": NOBODY, "call": None, **changes})


def book(ledger: Ledger, *events: CostEvent) -> None:
    """A commit of these entries, at noon."""
    ledger.commit(events, [], position=ledger.position + 1, open_position=0, booked_ns=NOON)
