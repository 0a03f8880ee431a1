"""The frozen records that travel through enrichment: what a span says (`Reading`), before anyone decides what it costs.

NamedTuples, because a reading is made for every span received: they are immutable, compare by value and cost least.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

DAY_NS: Final = 86_400_000_000_000

Kind = Literal["inference", "aggregate", "tool", "retrieval", "other"]
"""What a span stands for.

* inference: one provider call (chat, text completion, generate_content, embeddings, rerank, image, audio …)
* aggregate: restates others (agent, workflow, chain, step)
* tool: a tool execution; calls on its two sides are distinct
* retrieval: a read of a vector store or memory
* other: anything else (HTTP, database, framework plumbing); it only carries parenthood and payers
"""

UsageState = Literal["measured", "partial", "estimated", "aggregate", "missing"]
"""How much of the usage is known: all as the provider said it, some of it, an emitter's estimate, the restated sum of
calls that said nothing themselves, or nothing."""


class Usage(NamedTuple):
    """Token counts of one call in the terms of the OpenTelemetry GenAI conventions; None means the span does not say.

    `input_tokens` and `output_tokens` are inclusive totals. The others are parts of them: cache reads and writes of the
    input, reasoning of the output. `cache_write_tokens` counts every TTL; `cache_write_5m_tokens` and
    `cache_write_1h_tokens` are its parts where the TTL is known. `extra` holds every further quantity as (unit, count),
    sorted by unit, each unit once: `input_audio_tokens`, `input_image_tokens`, `output_audio_tokens`,
    `cache_read_audio_tokens`, `web_search_requests`, `search_units`, `images`, `audio_ms`, … Those whose name ends in
    `_tokens` are parts of the totals, the others are counted beside them.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    extra: tuple[tuple[str, int], ...] = ()


NO_USAGE = Usage()
RETRIEVED_TOKENS: Final = "input_retrieved_estimated_tokens"
"""The unit of what retrieval may have put into the input: an estimate (retrieved.py) that no price is made of, whatever becomes of it."""


class Payers(NamedTuple):
    """Who a span says it is for. None or absent: it does not say (an empty string on the wire is None too).

    `sources` is parallel to the fields that are set, as ("tenant", "span:tenant.id") pairs: where each was found.
    `allocation` is the shared-work split as (tenant, weight) pairs with positive integer weights.
    """

    tenant: str | None = None
    user: str | None = None
    session: str | None = None
    workflow: str | None = None
    agent: str | None = None
    feature: str | None = None
    environment: str | None = None
    initiator: str | None = None
    allocation: tuple[tuple[str, int], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


NOBODY = Payers()


class Resource(NamedTuple):
    """What the OTLP resource of a span says; one object shared by all spans of that resource in a request."""

    service: str | None
    payers: Payers


class Call(NamedTuple):
    """What a span says of a provider call, an aggregate's restated usage, a tool run or a retrieval.

    `usage` is None where the span carries none. `usage_basis` names the reading rule ("input_includes_cache", …) for
    `explain`. `provider` is the OpenTelemetry provider name ("openai", "aws.bedrock", "gcp.vertex_ai", …) where known;
    models are as sent. `response_id_unique` is False where the emitter makes ids up, so they join nothing.
    `flags` are findings of the reader, sorted ("total_mismatch", "negative_count", "cache_split_unknown", …).
    """

    dialect: str
    usage_basis: str = ""
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    response_id_unique: bool = True
    service_tier: str | None = None
    region: str | None = None
    usage: Usage | None = None
    usage_state: UsageState = "missing"
    emitter_cost_usd: str | None = None
    error_type: str | None = None
    attempt: int | None = None
    tool_name: str | None = None
    prompt_hmac: str | None = None
    flags: tuple[str, ...] = ()


class Reading(NamedTuple):
    """One span as read. Times are Unix nanoseconds (UTC); ids are raw bytes; `parent_span_id` is b"" for a root.

    `authority` is the account that sent it (a key's account; "default" without keys) and `key_tenant` the tenant the key
    is bound to, if any. `operation` is the OTel GenAI operation ("chat", "embeddings", "invoke_agent", "execute_tool", …) or
    the framework's own word for a step. `scope` is "name@version". `call` is None for a span that says nothing of GenAI.
    `position` is where the journal has its request, `received_ns` when it came. `links` are the (trace id, span id) of spans in other
    traces that it points at, sorted; read only where payers are taken from links.
    """

    authority: str
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    start_ns: int
    end_ns: int
    kind: Kind
    operation: str | None
    scope: str
    resource: Resource
    payers: Payers
    call: Call | None
    failed: bool
    position: int
    received_ns: int
    key_tenant: str | None
    links: tuple[tuple[bytes, bytes], ...] = ()


class Problem(NamedTuple):
    """Something that could not be read or does not add up; a value, never an exception. `code` is stable and listed in the docs."""

    code: str
    message: str
    position: int
    trace_id: bytes = b""
    span_id: bytes = b""
