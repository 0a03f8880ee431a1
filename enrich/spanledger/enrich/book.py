"""From a settled charge and its price to the rows of the ledger: charges, and the reversals that undo them."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple, Protocol

from spanledger.enrich.charge import Charge
from spanledger.enrich.events import NEGATED_ON_REVERSAL, CostEvent, Line
from spanledger.enrich.failures import BY_USAGE, SHIPPED_POLICY, FailurePolicy, judge
from spanledger.enrich.meters import METERED, METERED_SPLIT
from spanledger.enrich.money import ATTO, divide_half_even, rational_from_text
from spanledger.enrich.price import Priced, unpriced
from spanledger.enrich.records import NO_USAGE, RETRIEVED_TOKENS, Call, Usage
from spanledger.enrich.split import split_event

_IGNORED: Final = frozenset(
    """
    event_id kind ref_event_id reason received_ns booked_ns position ruleset_id catalog_id engine_version run_id
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_COMPARED: Final = tuple(n for n, name in enumerate(CostEvent._fields) if name not in _IGNORED)
_PRICED_BY: Final = tuple(
    CostEvent._fields.index(name)
    for name in (
        "start_ns",
        "provider",
        "request_model",
        "response_model",
        "service_tier",
        "region",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "reasoning_tokens",
        "usage_state",
        "split_weight",
        "operation",
        "provider_billing",
    )
)
_MONEY: Final = (
    "list_cost_usd",
    "contracted_cost_usd",
    "cost_usd",
    "customer_price_usd",
    "lines",
    "price_state",
    "price_reason",
    "catalog_id",
)
_WHO: Final = ("tenant_id", "user_id", "session_id", "claimed_tenant_id", "workflow", "agent", "feature", "environment", "initiator")


class Prices(Protocol):
    """What can price a call: a catalog, or a price book with a company's terms."""

    @property
    def catalog_id(self) -> str:
        """Content id of the prices."""

    def price(self, call: Call, start_ns: int, tenant: str | None = None) -> Priced:
        """What a call that started at `start_ns` costs; `tenant` is the payer, whose own terms may say otherwise."""


class Versions(NamedTuple):
    """What decided: the ids that let anyone redo a booking."""

    ruleset_id: str
    engine_version: str


def drafts(charge: Charge, prices: Prices, versions: Versions, booked_ns: int, failures: FailurePolicy = SHIPPED_POLICY) -> list[CostEvent]:
    """The rows a charge asks for, one for each payer, as the first ever booked for it at `booked_ns`."""
    reading, call, payers, source, suppressed, surface, usage_state, _ = charge
    # unpacked once: this runs for every call, and a name is cheaper than an attribute
    (
        authority, trace_id, span_id, parent_span_id, start_ns, end_ns, _, operation, _,
        resource, _, _, failed, position, received_ns, key_tenant, _,
    ) = reading  # fmt: skip
    (
        dialect,
        usage_basis,
        provider,
        request_model,
        response_model,
        response_id,
        _,
        service_tier,
        region,
        usage,
        _,
        emitter_cost,
        error_type,
        attempt,
        tool_name,
        prompt_hmac,
        flags,
    ) = call
    payer, user, session, workflow, agent, feature, environment, initiator, allocation, _ = payers
    usage = usage or NO_USAGE
    input_tokens, output_tokens, cache_read, cache_write, cache_write_5m, cache_write_1h, reasoning, extra = usage
    told = usage_state != "missing"
    billing, customer_billable = judge(failures, provider, error_type, usage_state) if failed else (BY_USAGE[usage_state], told)
    tenant, claimed = payer, None
    if key_tenant is not None:
        tenant, source, allocation = key_tenant, "key", ()
        claimed = payer if payer != key_tenant else None
    if extra:
        call = without_estimates(call)
    # what a shared call costs the company is under terms for all: it is no single tenant's
    priced = prices.price(call, start_ns, None if allocation else tenant) if told else _NOTHING_USED
    if failed and told and (billing == "not_billed" or not customer_billable):
        priced = of_failed(priced, billed=billing != "not_billed", customer_billable=customer_billable)
    lines, cost_usd, price_state, price_reason, list_cost_usd, contracted_cost_usd, customer_price_usd = priced
    split_index = METERED_SPLIT if surface != "inference" and usage_basis.startswith(METERED) else 0
    # built as a plain tuple: the generated constructor would copy all its arguments once more
    event = tuple.__new__(CostEvent, (
        _event_id(authority, trace_id, span_id, split_index, 0, tenant, cost_usd, customer_price_usd, usage), "charge", None, None,
        start_ns, end_ns, received_ns, booked_ns,
        authority, tenant, user, session, claimed, source, split_index, None, initiator,
        surface, operation, provider, request_model, response_model, service_tier, region, None, response_id,
        "error" if failed else "ok", error_type, attempt, tool_name,
        trace_id, span_id, parent_span_id or None, workflow, agent, feature, environment, resource.service,
        input_tokens, output_tokens, cache_read, cache_write, cache_write_5m, cache_write_1h, reasoning, extra,
        (end_ns - start_ns) // 1_000_000 if end_ns > start_ns else 0,
        list_cost_usd, contracted_cost_usd, cost_usd, customer_price_usd, "USD", lines,
        usage_state, price_state, price_reason, billing, customer_billable,
        position, dialect, usage_basis, versions.ruleset_id, prices.catalog_id, versions.engine_version, None,
        tuple([span.hex() if trace == trace_id else f"{trace.hex()}:{span.hex()}" for trace, span in suppressed]) if suppressed else (),
        _emitter_cost(emitter_cost) if emitter_cost is not None else None, prompt_hmac, flags,
    ))  # fmt: skip
    if allocation:
        charged = [_customer_price(prices, call, start_ns, tenant, event) for tenant, _ in allocation]
        return [identified(part, 0, booked_ns) for part in split_event(event, allocation, charged)]
    return [event]


def _customer_price(prices: Prices, call: Call, start_ns: int, tenant: str, event: CostEvent) -> int | None:
    """What a tenant would be charged for the whole of a shared call."""
    if event.usage_state == "missing":
        return None
    price = prices.price(call, start_ns, tenant).customer_price_usd
    return price if price is None or event.customer_billable else 0


def of_failed(priced: Priced, *, billed: bool, customer_billable: bool) -> Priced:
    """The price of a failed call: nothing where the provider does not bill it, though its usage is kept."""
    if not billed:
        contracted = None if priced.contracted_cost_usd is None else 0
        priced = Priced((), 0, "priced", "not_billed", 0, contracted, priced.customer_price_usd)
    if priced.customer_price_usd is not None and not customer_billable:
        priced = priced._replace(customer_price_usd=0)
    return priced


_NOTHING_USED: Final = unpriced("no_usage")


def _emitter_cost(text: str) -> int | None:
    """What the emitter says it cost, rounded to atto-USD: emitters send floats, and it is only kept for comparison."""
    try:
        numerator, denominator = rational_from_text(text)
    except ValueError:
        return None
    atto = divide_half_even(numerator * ATTO, denominator)
    return atto if abs(atto) < 10**38 else None


def _event_id(
    authority: str,
    trace_id: bytes,
    span_id: bytes,
    split_index: int,
    sequence: int,
    tenant: str | None,
    cost_usd: int | None,
    customer_price_usd: int | None,
    usage: Usage,
) -> bytes:
    """A hash of identity (authority, trace, span, split), the charge's number in its history, and what is charged to whom."""
    said = f"{authority}\0{tenant}\0{split_index}\0{sequence}\0{cost_usd}\0{usage.input_tokens}\0{usage.output_tokens}"
    if customer_price_usd is not None:
        said = f"{said}\0{customer_price_usd}"
    return hashlib.blake2b(trace_id + span_id + said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def identified(event: CostEvent, sequence: int, booked_ns: int) -> CostEvent:
    """`event` as the `sequence`-th charge (from 0) booked for its span and split: with its id and booking time."""
    usage = Usage(event.input_tokens, event.output_tokens)
    event_id = _event_id(
        event.authority,
        event.trace_id,
        event.span_id,
        event.split_index,
        sequence,
        event.tenant_id,
        event.cost_usd,
        event.customer_price_usd,
        usage,
    )
    return event._replace(event_id=event_id, booked_ns=booked_ns)


def reversal(event: CostEvent, reason: str, booked_ns: int) -> CostEvent:
    """The entry that undoes `event`: the same row with counts, lines and money negated, linked to it."""
    negated = {name: -value for name in NEGATED_ON_REVERSAL if (value := getattr(event, name)) is not None}
    return event._replace(
        **negated,
        event_id=hashlib.blake2b(b"reversal\0" + event.event_id, digest_size=16).digest(),
        kind="reversal",
        ref_event_id=event.event_id,
        reason=reason,
        booked_ns=booked_ns,
        run_id=None,
        usage=tuple((unit, -count) for unit, count in event.usage),
        lines=tuple(Line(ln.unit, -ln.quantity, ln.rate_id, ln.amount, ln.per, -ln.cost_usd) for ln in event.lines),
    )


def same_content(one: CostEvent, other: CostEvent) -> bool:
    """Whether two rows charge the same thing to the same payer, whenever and under whatever versions they were booked."""
    return all(one[n] == other[n] for n in _COMPARED)


def keep_price(draft: CostEvent, booked: CostEvent, prices: Prices) -> CostEvent:
    """`draft` at the price it was booked at, where nothing that makes the price has changed.

    A late span may correct who pays; it must not silently re-price: that is an operation of its own. Where the two payers have other terms,
    the new one's price is its own.
    """
    if _priced_otherwise(draft, booked):
        return draft
    if draft.tenant_id != booked.tenant_id and not _same_for(draft, booked.tenant_id, prices):
        return draft
    return draft._replace(**{name: getattr(booked, name) for name in _MONEY})


def _priced_otherwise(one: CostEvent, other: CostEvent) -> bool:
    """Whether two rows differ in what makes the price; an estimate of what retrieval added is no part of that."""
    return any(one[n] != other[n] for n in _PRICED_BY) or (one.usage != other.usage and _counted(one.usage) != _counted(other.usage))


def _counted(usage: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    return tuple(each for each in usage if each[0] != RETRIEVED_TOKENS)


def without_estimates(call: Call) -> Call:
    """A call as prices see it: what is an estimate beside the counts is none of theirs."""
    usage = call.usage
    return call if usage is None else call._replace(usage=usage._replace(extra=_counted(usage.extra)))


def _same_for(draft: CostEvent, other: str | None, prices: Prices) -> bool:
    """Whether what a draft costs is the same for another payer. The parts of a shared call are compared by their own counts."""
    if draft.usage_state == "missing":
        return True
    call = call_of(draft)
    return prices.price(call, draft.start_ns, draft.tenant_id) == prices.price(call, draft.start_ns, other)


def call_of(event: CostEvent) -> Call:
    """What prices need to know of a booked call, from its row."""
    usage = Usage(
        event.input_tokens,
        event.output_tokens,
        event.cache_read_tokens,
        event.cache_write_tokens,
        event.cache_write_5m_tokens,
        event.cache_write_1h_tokens,
        event.reasoning_tokens,
        _counted(event.usage),
    )
    return Call(
        event.dialect,
        event.usage_basis,
        event.provider,
        event.request_model,
        event.response_model,
        service_tier=event.service_tier,
        region=event.region,
        usage=None if usage == NO_USAGE else usage,
    )


def reason_of_change(old: CostEvent, new: CostEvent | None) -> str:
    """The word on a correction: suppressed (another span tells of the call), payer_found, attributed, revised or completed."""
    if new is None:
        return "suppressed"
    if old.tenant_id is None and new.tenant_id is not None:
        return "payer_found"
    if _priced_otherwise(old, new):
        return "revised"
    if any(getattr(old, name) != getattr(new, name) for name in _WHO):
        return "attributed"
    return "completed"
