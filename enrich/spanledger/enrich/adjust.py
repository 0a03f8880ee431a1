"""Re-pricing a booked call: what it costs at other prices, the entries that say the difference, and the call as these leave it.

A charge is followed by adjustments, which change its money and nothing else: every count stays with the charge, so that charges less
reversals are calls, and every report is still a plain sum. An adjustment always refers to a charge and goes with it: when the charge is
reversed, one more adjustment closes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from spanledger.enrich.book import Prices, call_of, identified, of_failed, reversal
from spanledger.enrich.events import TOKEN_COUNTS, CostEvent, Line
from spanledger.enrich.price import Priced, unpriced
from spanledger.enrich.split import split_event

AMOUNTS: Final = ("list_cost_usd", "contracted_cost_usd", "cost_usd", "customer_price_usd")
"""The money columns that re-pricing corrects, in the order of the schema."""
REPRICED: Final = "repriced"
CLEARED: Final[Mapping[str, Any]] = {
    **dict.fromkeys(TOKEN_COUNTS),
    "usage": (),
    "wall_clock_ms": 0,
    "response_id": None,
    "suppressed_span_ids": (),
    "emitter_cost_usd": None,
    "prompt_hmac": None,
    "flags": (),
}
"""What an adjustment does not repeat of its charge: all that is counted, compared or found once a call."""


class ByRun(NamedTuple):
    """What books corrections: the run, the prices it books, when, and the version of spanledger."""

    run_id: str
    catalog_id: str
    booked_ns: int
    engine_version: str


def net_of(live: Sequence[CostEvent]) -> CostEvent:
    """The live charge of a span with the money its adjustments leave it; `live` is the charge and its adjustments in booking order."""
    charge = next(entry for entry in live if entry.kind == "charge")
    if len(live) == 1:
        return charge
    amounts: dict[str, Any] = {name: _total(entry[_AT[name]] for entry in live) for name in AMOUNTS}
    # What was taken back leaves a zero, which is not yet nothing: a contracted cost is the cost, and who is billable pays.
    if amounts["contracted_cost_usd"] == 0 and amounts["cost_usd"]:
        amounts["contracted_cost_usd"] = None
    if amounts["customer_price_usd"] == 0 and charge.customer_billable:
        amounts["customer_price_usd"] = None
    return charge._replace(**amounts, lines=net_lines(live), catalog_id=live[-1].catalog_id)


_AT: Final = {name: CostEvent._fields.index(name) for name in AMOUNTS}


def _total(amounts: Any) -> int | None:
    told = [amount for amount in amounts if amount is not None]
    return sum(told) if told else None


def net_lines(live: Sequence[CostEvent]) -> tuple[Line, ...]:
    """The lines that are left of some entries, those of the latest first: equal rates of a unit summed, and gone where nothing is left."""
    sums: dict[tuple[str, str, str, int], list[int]] = {}
    for entry in reversed(live):
        for unit, quantity, rate_id, amount, per, cost in entry.lines:
            held = sums.setdefault((unit, rate_id, amount, per), [0, 0])
            held[0] += quantity
            held[1] += cost
    return tuple(Line(key[0], quantity, *key[1:], cost) for key, (quantity, cost) in sums.items() if quantity or cost)


def closing(live: Sequence[CostEvent], reason: str, booked_ns: int) -> CostEvent | None:
    """The adjustment that takes back those of a charge which is about to be reversed; None where they leave nothing to take back."""
    charge, adjustments = live[0], live[1:]
    if not adjustments:
        return None
    taken: dict[str, Any] = {name: -total for name in AMOUNTS if (total := _total(entry[_AT[name]] for entry in adjustments)) is not None}
    lines = tuple(_negated(line) for line in net_lines(adjustments))
    if not lines and not any(taken.values()):
        return None
    event_id = hashlib.blake2b(b"closing\0" + charge.event_id, digest_size=16).digest()
    last = adjustments[-1]
    absent: dict[str, Any] = dict.fromkeys(set(AMOUNTS) - taken.keys())
    return last._replace(**taken, **absent, event_id=event_id, reason=reason, booked_ns=booked_ns, run_id=None, lines=lines)


def _negated(line: Line) -> Line:
    return Line(line.unit, -line.quantity, line.rate_id, line.amount, line.per, -line.cost_usd)


def price_again(parts: Sequence[CostEvent], prices: Prices) -> list[CostEvent]:
    """The charges of one call with the money they would have at `prices`: one charge, or all parts of a shared call in their order."""
    first = parts[0]
    if first.split_weight is None:
        return [_priced(first, _price(first, prices, first.tenant_id), prices.catalog_id)]
    shares = [(part.tenant_id or "", int((part.split_weight or "1").partition("/")[0])) for part in parts]
    whole = first._replace(
        **{name: _total(getattr(part, name) for part in parts) for name in TOKEN_COUNTS},  # type: ignore[arg-type]  # counts are int | None
        usage=tuple((unit, sum(dict(part.usage)[unit] for part in parts)) for unit, _ in first.usage),
    )
    whole = _priced(whole, _price(whole, prices, None), prices.catalog_id)
    charged = [_price(whole, prices, tenant).customer_price_usd for tenant, _ in shares]
    drafts = split_event(whole, shares, charged)
    money = (*AMOUNTS, "lines", "price_state", "price_reason", "catalog_id")
    return [part._replace(**{name: getattr(draft, name) for name in money}) for part, draft in zip(parts, drafts, strict=True)]


def is_whole(parts: Sequence[CostEvent]) -> bool:
    """Whether these are all parts of a shared call, or a call that is not shared: only a whole call has a price."""
    if len(parts) == 1 and parts[0].split_weight is None:
        return True
    weights = [(part.split_weight or "0/0").split("/") for part in parts]
    return sum(int(weight) for weight, _ in weights) == int(weights[0][1]) and len({total for _, total in weights}) == 1


def _price(event: CostEvent, prices: Prices, tenant: str | None) -> Priced:
    """As when it was booked: by its usage, and for a failed call by what the policy of that time said of it."""
    if event.usage_state == "missing":
        return unpriced("no_usage")
    priced = prices.price(call_of(event), event.start_ns, tenant)
    if event.status == "error" and (event.provider_billing == "not_billed" or not event.customer_billable):
        return of_failed(priced, billed=event.provider_billing != "not_billed", customer_billable=event.customer_billable)
    return priced


def _priced(event: CostEvent, priced: Priced, catalog_id: str) -> CostEvent:
    return event._replace(
        list_cost_usd=priced.list_cost_usd,
        contracted_cost_usd=priced.contracted_cost_usd,
        cost_usd=priced.cost_usd,
        customer_price_usd=priced.customer_price_usd,
        lines=priced.lines,
        price_state=priced.state,
        price_reason=priced.reason,
        catalog_id=catalog_id,
    )


def same_price(one: CostEvent, other: CostEvent) -> bool:
    """Whether two charges of a call bill the same: every amount, and the same of each unit. Nothing taken back is as good as nothing."""
    return (
        (one.cost_usd is None) == (other.cost_usd is None)
        and all((getattr(one, name) or 0) == (getattr(other, name) or 0) for name in AMOUNTS)
        and _by_unit(one.lines) == _by_unit(other.lines)
    )


def _by_unit(lines: Sequence[Line]) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for line in lines:
        quantity, cost = sums.get(line.unit, (0, 0))
        sums[line.unit] = quantity + line.quantity, cost + line.cost_usd
    return {unit: both for unit, both in sums.items() if both != (0, 0)}


def corrections(live: Sequence[CostEvent], wanted: CostEvent, sequence: int, by: ByRun) -> list[CostEvent]:
    """The entries that bring a charge to the money of `wanted`; none where it has it, or where `wanted` has no price.

    `sequence` is how many charges were ever booked for the span and split: a call without a price gets a new charge instead of an
    adjustment, so that the counts of calls without one stay right.
    """
    net, charge = net_of(live), live[0]
    if wanted.cost_usd is None or same_price(net, wanted):
        return []
    if net.cost_usd is None:
        new = wanted._replace(
            kind="charge", ref_event_id=charge.event_id, reason=REPRICED, run_id=by.run_id, engine_version=by.engine_version
        )
        back = reversal(charge, REPRICED, by.booked_ns)._replace(run_id=by.run_id)
        return [back, identified(new, sequence, by.booked_ns)]
    return [_adjustment(charge, net, wanted, by)]


def _adjustment(charge: CostEvent, net: CostEvent, wanted: CostEvent, by: ByRun) -> CostEvent:
    amounts: dict[str, Any] = {}
    for name in AMOUNTS:
        old, new = getattr(net, name), getattr(wanted, name)
        amounts[name] = None if old is None and new is None else (new or 0) - (old or 0)
    return charge._replace(
        **CLEARED,
        **amounts,
        event_id=adjustment_id(by.run_id, charge.event_id),
        kind="adjustment",
        ref_event_id=charge.event_id,
        reason=REPRICED,
        booked_ns=by.booked_ns,
        lines=(*wanted.lines, *(_negated(line) for line in net.lines)),
        catalog_id=by.catalog_id,
        engine_version=by.engine_version,
        run_id=by.run_id,
    )


def adjustment_id(run_id: str, ref_event_id: bytes) -> bytes:
    """The id of the one adjustment a run makes of a charge (SHA-256, which DuckDB has too)."""
    return hashlib.sha256(f"adjustment {run_id} {ref_event_id.hex()}".encode()).digest()[:16]
