"""What customers are charged for what a company's own meters counted: tools, own compute, remote agents.

A customer's terms are for meters where they name them, or where they are a percentage on everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spanledger.enrich.agreements import Item, for_tenant, narrowness
from spanledger.enrich.events import Line
from spanledger.enrich.meters import METERED
from spanledger.enrich.money import divide_half_even
from spanledger.enrich.plans import UnitRate, in_window, multiplied, unit_rate
from spanledger.enrich.records import Call


def customer_price(customers: Sequence[Item], call: Call, lines: Iterable[Line], tenant: str | None, at_ns: int) -> int | None:
    """Atto-USD a payer is charged for a metered call with these lines; None where no term is for one of them, or nothing is priced."""
    name = call.usage_basis.removeprefix(METERED)
    found = [(standing, item) for item in for_tenant(customers, tenant) if (standing := _standing(item, name, at_ns)) is not None]
    items = [item for _, item in sorted(found, key=lambda one: (one[0], one[1].from_ns), reverse=True)]
    total = None
    for line in lines:
        rate = next((rate for item in items if (rate := _rate(item, line, at_ns)) is not None), None)
        if rate is None:
            return None
        total = (total or 0) + divide_half_even(line.quantity * rate.atto_num, rate.atto_den)
    return total


def _standing(item: Item, meter: str, at_ns: int) -> tuple[bool, int] | None:
    """How narrowly a term is for a meter now; None where it is not."""
    if not item.from_ns <= at_ns < item.to_ns:
        return None
    if not item.meters:
        general = bool(item.factor) and not (item.provider or item.models or item.context)
        return (bool(item.tenants), 0) if general else None
    named = max(narrowness(pattern, meter) for pattern in item.meters)
    return (bool(item.tenants), named) if named else None


def _rate(item: Item, line: Line, at_ns: int) -> UnitRate | None:
    held = [
        one
        for one in (item.fixed if item.meters else ())
        if one.rate.unit == line.unit and one.from_ns <= at_ns < one.to_ns and (not one.rate.window or in_window(one.rate.window, at_ns))
    ]
    if held:
        return max(held, key=lambda one: (bool(one.rate.window), one.from_ns)).priced
    if not item.covers(line.unit):
        return None
    return multiplied(unit_rate(line.unit, line.rate_id, line.amount, line.per), item.factor, item.identity)
