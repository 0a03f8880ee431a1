"""The cost event: the one row every report, export and proof is made of, and the only place its schema is written down.

In memory money is an integer count of atto-USD (1e-18 USD); in Parquet and SQL it is DECIMAL(38,18). The ledger is
append-only: a reversal repeats the row it undoes with counts and money negated, so every report is a plain sum.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

SCHEMA_VERSION = 1

EventKind = Literal["charge", "reversal", "adjustment"]
ColumnType = Literal["id16", "id8", "text", "int", "ns", "money", "bool", "date", "texts", "usage", "lines"]


class Column(NamedTuple):
    """A column of the ledger: its name, logical type, whether it may be NULL, and what it means."""

    name: str
    type: ColumnType
    nullable: bool
    doc: str


class Line(NamedTuple):
    """One priced line: `quantity` of `unit` at `amount` USD per `per` units (rate `rate_id`) = `cost_usd` (atto-USD)."""

    unit: str
    quantity: int
    rate_id: str
    amount: str
    per: int
    cost_usd: int


class CostEvent(NamedTuple):
    """One row of the ledger; see COLUMNS for what each field means. Money fields are integers of atto-USD."""

    event_id: bytes
    kind: EventKind
    ref_event_id: bytes | None
    reason: str | None
    start_ns: int
    end_ns: int
    received_ns: int
    booked_ns: int
    authority: str
    tenant_id: str | None
    user_id: str | None
    session_id: str | None
    claimed_tenant_id: str | None
    tenant_source: str | None
    split_index: int
    split_weight: str | None
    initiator: str | None
    cost_surface: str
    operation: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    service_tier: str | None
    region: str | None
    provider_account: str | None
    response_id: str | None
    status: str
    error_type: str | None
    attempt: int | None
    tool_name: str | None
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    workflow: str | None
    agent: str | None
    feature: str | None
    environment: str | None
    service: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    reasoning_tokens: int | None
    usage: tuple[tuple[str, int], ...]
    wall_clock_ms: int
    list_cost_usd: int | None
    contracted_cost_usd: int | None
    cost_usd: int | None
    customer_price_usd: int | None
    currency: str
    lines: tuple[Line, ...]
    usage_state: str
    price_state: str
    price_reason: str | None
    provider_billing: str
    customer_billable: bool
    position: int
    dialect: str
    usage_basis: str
    ruleset_id: str
    catalog_id: str
    engine_version: str
    run_id: str | None
    suppressed_span_ids: tuple[str, ...]
    emitter_cost_usd: int | None
    prompt_hmac: str | None
    flags: tuple[str, ...]


COLUMNS: tuple[Column, ...] = (
    Column(
        "event_id",
        "id16",
        False,
        "Deterministic id of this entry: a hash of authority, trace, span, split, content and its number in the span's history.",
    ),
    Column("kind", "text", False, "charge; reversal (undoes ref_event_id, counts and money negated); adjustment (re-pricing difference)."),
    Column("ref_event_id", "id16", True, "The entry this one corrects."),
    Column("reason", "text", True, "Why a correction was booked: payer_found, superseded, suppressed, revised, …"),
    Column("start_ns", "ns", False, "Start of the call (span start), UTC."),
    Column("end_ns", "ns", False, "End of the call (span end), UTC."),
    Column("received_ns", "ns", False, "When its request was received, UTC."),
    Column("booked_ns", "ns", False, "When this entry was written to the ledger, UTC."),
    Column("authority", "text", False, "The account whose key sent the span."),
    Column("tenant_id", "text", True, "The payer. NULL is unattributed."),
    Column("user_id", "text", True, "The end user."),
    Column("session_id", "text", True, "The session or conversation."),
    Column("claimed_tenant_id", "text", True, "The tenant the spans claim, where the key's tenant overrode another claim."),
    Column("tenant_source", "text", True, "How the tenant was found: key, span:KEY, resource:KEY, ancestor:KEY, twin:KEY, allocation."),
    Column(
        "split_index",
        "int",
        False,
        "Which part of a shared call this is, from 0 (of a metered span from 1000000); 0 where it is not shared.",
    ),
    Column("split_weight", "text", True, "This part's weight as a fraction n/d; NULL where the call is not shared."),
    Column("initiator", "text", True, "user or system: who set the work off, where the spans say."),
    Column("cost_surface", "text", False, "inference, tool_execution, memory_retrieval, remote_agent, compute or other."),
    Column("operation", "text", True, "OpenTelemetry GenAI operation: chat, embeddings, generate_content, …"),
    Column("provider", "text", True, "OpenTelemetry GenAI provider name: openai, anthropic, aws.bedrock, …"),
    Column("request_model", "text", True, "The model asked for, as sent."),
    Column("response_model", "text", True, "The model that answered, as sent."),
    Column("service_tier", "text", True, "Service tier: the served one where known, else the one requested."),
    Column("region", "text", True, "Provider region or geography, where known."),
    Column("provider_account", "text", True, "The provider organisation, project, account or key id that pays the provider, where known."),
    Column("response_id", "text", True, "The provider's response id."),
    Column("status", "text", False, "ok or error."),
    Column("error_type", "text", True, "error.type of a failed call."),
    Column("attempt", "int", True, "Number of resends before this one, where the emitter counts them."),
    Column("tool_name", "text", True, "Name of the tool, for tool execution."),
    Column("trace_id", "id16", False, "Trace id of the charged span."),
    Column("span_id", "id8", False, "Span id of the charged span."),
    Column("parent_span_id", "id8", True, "Parent span id of the charged span."),
    Column("workflow", "text", True, "Workflow name."),
    Column("agent", "text", True, "Agent name."),
    Column("feature", "text", True, "Product feature."),
    Column("environment", "text", True, "Deployment environment."),
    Column("service", "text", True, "service.name of the resource."),
    Column("input_tokens", "int", True, "All input tokens, cached ones included."),
    Column("output_tokens", "int", True, "All output tokens, reasoning included."),
    Column("cache_read_tokens", "int", True, "Part of input: read from the provider's prompt cache."),
    Column("cache_write_tokens", "int", True, "Part of input: written to the prompt cache, every TTL."),
    Column("cache_write_5m_tokens", "int", True, "Part of cache writes: 5-minute TTL, where the TTL is known."),
    Column("cache_write_1h_tokens", "int", True, "Part of cache writes: 1-hour TTL, where the TTL is known."),
    Column("reasoning_tokens", "int", True, "Part of output: reasoning."),
    Column("usage", "usage", False, "Every further quantity as (unit, quantity): audio and image tokens, searches, images, …"),
    Column("wall_clock_ms", "int", False, "Duration of the call, milliseconds."),
    Column("list_cost_usd", "money", True, "Cost at published list prices. NULL is unpriced."),
    Column("contracted_cost_usd", "money", True, "Cost at the contracted rates, where a contract is configured."),
    Column(
        "cost_usd",
        "money",
        True,
        "What the call costs the company: contracted where there is a contract, else list. NULL is unpriced, never zero.",
    ),
    Column("customer_price_usd", "money", True, "What the customer is charged, where a customer rate card is configured."),
    Column("currency", "text", False, "Currency of the money columns: USD."),
    Column("lines", "lines", False, "The priced lines: unit, quantity, rate id, amount, per, cost."),
    Column("usage_state", "text", False, "measured, partial, estimated, aggregate or missing."),
    Column("price_state", "text", False, "priced or unpriced."),
    Column("price_reason", "text", True, "Why it is unpriced: unknown_model, no_rate:UNIT, not_effective_yet, no_usage, …"),
    Column("provider_billing", "text", False, "Whether the provider bills it: billed, not_billed, assumed or unknown."),
    Column("customer_billable", "bool", False, "Whether the customer is to pay it, by the configured policy."),
    Column("position", "int", False, "Journal position of the request that brought the charged span."),
    Column("dialect", "text", False, "The dialect that read the usage."),
    Column("usage_basis", "text", False, "The rule of the dialect that was applied."),
    Column("ruleset_id", "text", False, "Content id of the dialects and payer rules in force."),
    Column("catalog_id", "text", False, "Content id of the price catalog in force."),
    Column("engine_version", "text", False, "Version of spanledger that booked it."),
    Column("run_id", "text", True, "The re-pricing or replay run that booked this entry; NULL for what was booked as spans came."),
    Column(
        "suppressed_span_ids",
        "texts",
        False,
        "Hex ids (span, or trace:span for another trace) that told of the same call and are not charged.",
    ),
    Column("emitter_cost_usd", "money", True, "The cost the emitter reported, kept for comparison only."),
    Column("prompt_hmac", "text", True, "Length and keyed hash of the prompt, which itself is never stored."),
    Column("flags", "texts", False, "Findings on this call."),
)

MONEY_COLUMNS = tuple(column.name for column in COLUMNS if column.type == "money")
TOKEN_COUNTS = tuple(column.name for column in COLUMNS if column.name.endswith("_tokens"))
"""The counts of tokens in the order of the schema: two totals, then their parts."""
NEGATED_ON_REVERSAL = frozenset({*MONEY_COLUMNS, "wall_clock_ms", *TOKEN_COUNTS})

assert CostEvent._fields == tuple(column.name for column in COLUMNS)  # noqa: S101 - a schema that disagrees with itself must not import
